package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"unioncard/settlement/ledger"
)

// furnishMoney makes a union's money: a budget and a series out of it, a statement of
// its merchant, a payment, and a difference in a file of that merchant's till.
func (b *bureau) furnishMoney(h *holding, name string, shop, outlet int64) {
	b.Helper()
	const budgetSQL = `INSERT INTO budgets (office_id, parent_id, kind, name, state, first_day, last_day, amount_fen, granted_fen, allocated_fen)
		VALUES ($1, nullif($2::bigint, 0), $3, $4, 'open', date '2020-01-01', date '2040-01-01', 100000, $5::bigint, $6::bigint) RETURNING id`
	run := func(sql string, args ...any) {
		b.Helper()
		_, err := b.pool.Exec(b.Context(), sql, args...)
		b.must(err)
	}
	// A budget of an office above pays at the merchants below, whose office is offered it
	// by its name; any other one is nobody's business.
	own := name
	if h.where == "above" {
		own = h.where
	}
	purse := b.number(budgetSQL, h.union, 0, "budget", own+"补贴", 60000, 40000)
	series := b.number(budgetSQL, h.union, purse, "series", name+"消费券", 100000, 0)
	run(`UPDATE budgets SET amount_fen = 40000, granted_fen = 40000 WHERE id = $1`, series)
	run(`INSERT INTO budget_slices (budget_id, slice, granted_fen) VALUES ($1, 0, 60000), ($2, 0, 40000)`, purse, series)
	run(`INSERT INTO voucher_series (budget_id, face_fen, need_fen, packs, per_pack, stackable, claim_from, claim_until)
		VALUES ($1, 4000, 5000, 10, 1, false, now() - interval '1 day', now() + interval '1 day')`, series)
	h.ids["budget"], h.ids["series"] = []int64{purse}, []int64{series}

	body, err := json.Marshal(map[string]any{"v": 1, "number": name, "merchant": shop, "day": "2025-03-04", "outlets": []any{}, "adjustments": []any{}, "payments": []any{}})
	b.must(err)
	sum := sha256.Sum256(body)
	h.ids["statement"] = []int64{b.number(`INSERT INTO statements (merchant_id, business_day, body, sha256, purchases, gross_fen, discount_fen, merchant_share_fen,
			union_share_fen, undone, refunds, returned_fen, given_back_fen, union_back_fen, adjustments, adjusted_fen, paid_fen, opening_fen, due_fen, closing_fen, confirm_by)
		VALUES ($1, date '2025-03-04', $2, $3, 1, 5000, 4000, 0, 4000, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4000, 4000, date '2040-01-01') RETURNING id`, shop, body, sum[:])}

	payment := b.number(`INSERT INTO payments (office_id, from_day, until_day, lines, fen, made_by, made_at)
		VALUES ($1, date '2025-03-01', date '2025-03-04', 1, 4000, $2, now()) RETURNING id`, h.union, h.clerk.account().Actor())
	run(`INSERT INTO payment_lines (payment_id, no, merchant_id, fen, statements, sealed, doc) VALUES ($1, 1, $2, 4000, 1, '', $3)`, payment, shop, uuid.New())
	h.ids["payment"] = []int64{payment}

	recon := b.number(`INSERT INTO reconciliations (merchant_id, first_day, last_day, version) VALUES ($1, date '2025-03-04', date '2025-03-04', 1) RETURNING id`, shop)
	file := b.number(`INSERT INTO recon_files (reconciliation_id, version, state, name, by, checked_at) VALUES ($1, 1, 'checked', $2, 'merchant:1', now()) RETURNING id`, recon, name+".csv")
	run(`UPDATE reconciliations SET file_id = $2 WHERE id = $1`, recon, file)
	identity := sha256.Sum256(fmt.Appendf(nil, "%s %d", name, ledger.Merchant(shop)))
	h.ids["difference"] = []int64{b.number(`INSERT INTO recon_differences (merchant_id, reconciliation_id, identity, kind, why, file_id, row_no, outlet_id, their_fen, their_ref, their_at)
		VALUES ($1, $2, $3, 'theirs', 'not_found', $4, 2, $5, 5000, $6, timestamptz '2025-03-04 10:00+08') RETURNING id`, shop, recon, identity[:16], file, outlet, name)}
}
