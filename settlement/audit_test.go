package settlement

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"unioncard/settlement/ledger"
)

// busy is a world in which a bit of everything has happened.
func busy(t *testing.T) *world {
	w := newWorld(t, 3, CloserOptions{})
	d := w.today - 4
	a := w.buy(1, d, 10000, 3000, 1000)
	b := w.buy(3, d, 8000, 4000, 4000)
	w.buy(4, d, 5000, 500, 0)
	w.undo(a, d, 3500)
	w.close(d)
	w.undo(b, d+1, 1000)
	w.undo(b, d+2, 3000)
	w.must(pgx.BeginFunc(w.ctx, w.pool, func(tx pgx.Tx) error {
		_, err := Adjust(w.ctx, tx, finance, Posting{MerchantID: 3, OfficeID: 2, Fen: -200, Cause: "difference", Reason: "多付"})
		return err
	}))
	w.close(w.today - 1)
	w.banked(1)
	w.exec(`UPDATE statements SET state = 'confirmed' WHERE due_fen <> 0`)
	id, err := w.store.MakePayment(w.ctx, finance, NewPayment{OfficeID: 2, From: d, Until: w.today})
	w.must(err)
	w.approve(id)
	_, err = w.store.AnswerAll(w.ctx, finance, id, "R1")
	w.must(err)
	w.close(w.today)
	return w
}

func (w *world) audit() *Report {
	w.t.Helper()
	r, err := Audit(w.ctx, w.pool, AuditOptions{})
	w.must(err)
	return r
}

func lines(r *Report) string {
	var all []string
	for i := range r.Proofs {
		all = append(all, r.Proofs[i].String())
	}
	return strings.Join(all, "\n")
}

// TestAuditFindsEach breaks each thing that the audit proves, and sees that proof fail.
func TestAuditFindsEach(t *testing.T) {
	t.Parallel()
	w := busy(t)
	if r := w.audit(); !r.OK() {
		t.Fatal("a sound world differs:\n", lines(r))
	}
	w.exec(`ALTER TABLE transfers DISABLE TRIGGER transfers_stay`)
	w.exec(`ALTER TABLE statements DISABLE TRIGGER statements_stay`)
	w.exec(`ALTER TABLE adjustments DISABLE TRIGGER adjustments_stay`)
	for name, broken := range map[string]struct{ proof, sql string }{
		"a transfer too small":        {"ledger", `UPDATE transfers SET fen = fen - 1 WHERE ctid = (SELECT min(ctid) FROM transfers WHERE kind = 1)`},
		"a transfer gone":             {"ledger", `DELETE FROM transfers WHERE ctid = (SELECT min(ctid) FROM transfers WHERE kind = 4)`},
		"a transfer twice":            {"ledger", `INSERT INTO transfers SELECT merchant_id, business_day, doc, seq, 9, kind, debit, credit, fen FROM transfers WHERE kind = 1 LIMIT 1`},
		"the wrong day":               {"ledger", `UPDATE transfers SET business_day = business_day + 1 WHERE ctid = (SELECT min(ctid) FROM transfers WHERE kind = 1)`},
		"a purchase forgotten":        {"ledger", `UPDATE purchases SET amount_fen = amount_fen + 10, discount_fen = discount_fen + 10 WHERE ctid = (SELECT max(ctid) FROM purchases WHERE given_back_fen = 0)`},
		"a strange account":           {"accounts", `UPDATE transfers SET debit = debit + 1 WHERE kind = 9`},
		"another office":              {"adjustments", `UPDATE transfers SET credit = credit + 1 WHERE kind = 5`},
		"an unknown kind of transfer": {"accounts", `UPDATE transfers SET kind = 7 WHERE kind = 6`},
		"money from nowhere":          {"budgets", `UPDATE budgets SET amount_fen = amount_fen + 1`},
		"money put in and sent back":  {"budgets", `UPDATE budgets SET amount_fen = amount_fen + 5, returned_fen = returned_fen + 5`},
		"money put in and allocated":  {"budgets", `UPDATE budgets SET amount_fen = amount_fen + 5, allocated_fen = allocated_fen + 5`},
		"more vouchers than money": {"vouchers", `WITH b AS (INSERT INTO budgets (id, office_id, parent_id, kind, name, state, first_day, last_day, amount_fen) VALUES (9, 2, 1, 'series', 's', 'draft', now(), now(), 10) RETURNING id)
			INSERT INTO voucher_series (budget_id, face_fen, need_fen, packs, per_pack, stackable) SELECT id, 10, 20, 2, 1, false FROM b`},
		"a pack nobody got": {"vouchers", `WITH b AS (INSERT INTO budgets (id, office_id, parent_id, kind, name, state, first_day, last_day, amount_fen) VALUES (9, 2, 1, 'series', 's', 'draft', now(), now(), 10) RETURNING id)
			INSERT INTO voucher_series (budget_id, face_fen, need_fen, packs, per_pack, stackable, claimed) SELECT id, 10, 20, 1, 1, false, 1 FROM b`},
		"a statement nobody paid":                       {"payments", `UPDATE statements SET state = 'paid', payment_id = 77 WHERE merchant_id = 2`},
		"a statement in a payment without its merchant": {"payments", `UPDATE statements SET state = 'paid', payment_id = (SELECT max(id) FROM payments) WHERE merchant_id = 2`},
		"a slice":          {"slices", `UPDATE budget_slices SET spent_fen = spent_fen + 1`},
		"a slice's return": {"slices", `UPDATE budget_slices SET back_fen = back_fen + 1`},
		"a grant":          {"slices", `UPDATE budget_slices SET granted_fen = granted_fen - 1`},
		"a member's cap":   {"member caps", `INSERT INTO budget_cards VALUES (1, 1, 5, 10)`},
		"a voucher nobody used": {"vouchers", `WITH b AS (INSERT INTO budgets (id, office_id, parent_id, kind, name, state, first_day, last_day, amount_fen) VALUES (9, 2, 1, 'series', 's', 'draft', now(), now(), 10) RETURNING id),
			s AS (INSERT INTO voucher_series (budget_id, face_fen, need_fen, packs, per_pack, stackable) SELECT id, 10, 20, 1, 1, false FROM b)
			INSERT INTO vouchers VALUES (1, 9, 1, 2, 1, gen_random_uuid(), now())`},
		"a limit":                     {"limits", `INSERT INTO usage VALUES (1, 1, 0, 'off', 1, 1, now(), 1, 100)`},
		"a limit not noted":           {"limits", `UPDATE purchases SET applied = jsonb_set(applied::jsonb, '{0,periods}', '[2]')::json WHERE ctid = (SELECT min(ctid) FROM purchases)`},
		"a static cap":                {"static caps", `INSERT INTO card_caps VALUES (1, 2, now(), 5, 10)`},
		"an undoing":                  {"undoings", `UPDATE purchase_undos SET union_back_fen = union_back_fen - 1 WHERE ctid = (SELECT min(ctid) FROM purchase_undos)`},
		"an undoing gone":             {"undoings", `DELETE FROM purchase_undos WHERE ctid = (SELECT min(ctid) FROM purchase_undos)`},
		"a body":                      {"statements", `UPDATE statements SET body = body || ' ' WHERE merchant_id = 1`},
		"a body and its sum":          {"recomputed", `UPDATE statements SET body = body || ' ', sha256 = sha256(body || ' ') WHERE merchant_id = 1`},
		"a column":                    {"statements", `UPDATE statements SET purchases = purchases + 1 WHERE merchant_id = 2`},
		"a statement gone":            {"recomputed", `DELETE FROM statements WHERE merchant_id = 3`},
		"a balance":                   {"balances", `UPDATE statements SET opening_fen = opening_fen + 1, closing_fen = closing_fen + 1 WHERE merchant_id = 3`},
		"an adjustment":               {"adjustments", `UPDATE adjustments SET fen = fen - 1`},
		"an office's adjustment":      {"adjustments", `UPDATE adjustments SET office_id = 3`},
		"a line":                      {"payments", `UPDATE payment_lines SET fen = fen + 1`},
		"a total":                     {"payments", `UPDATE payments SET fen = fen + 1`},
		"a payment forgotten":         {"payments", `UPDATE payment_lines SET state = 'waiting'`},
		"a payment not in the ledger": {"payments", `DELETE FROM transfers WHERE kind = 9`},
	} {
		t.Run(name, func(t *testing.T) {
			tx, err := w.pool.Begin(w.ctx)
			w.must(err)
			defer func() { w.must(tx.Rollback(w.ctx)) }()
			if _, err := tx.Exec(w.ctx, broken.sql); err != nil {
				t.Fatal(err)
			}
			r := &Report{}
			if _, err := tx.Exec(w.ctx, `SET LOCAL timezone = 'UTC'`); err != nil {
				t.Fatal(err)
			}
			if err := (&auditor{tx: tx, fetch: 1}).run(w.ctx, r); err != nil {
				t.Fatal(err)
			}
			for _, p := range r.Proofs {
				if p.Name == broken.proof && !p.OK() {
					if len(p.Examples) == 0 || !strings.Contains(p.String(), "DIFFERS") {
						t.Errorf("says nothing of what differs: %+v", p)
					}
					return
				}
			}
			t.Errorf("not found by %q:\n%s", broken.proof, lines(r))
		})
	}
}

// TestAnyDays does anything in any order over some days, closes them, and proves all
// of it: the statements recomputed, the chain of balances, the ledger.
func TestAnyDays(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3, CloserOptions{chunk: 2})
	day := w.today - 30
	var sales []*sale
	rapid.Check(t, func(rt *rapid.T) {
		if day == w.today-1 { // as many days as there are
			return
		}
		for range rapid.IntRange(0, 6).Draw(rt, "steps") {
			switch rapid.IntRange(0, 3).Draw(rt, "what") {
			case 0, 1:
				amount := rapid.Int64Range(1, 50000).Draw(rt, "amount")
				discount := rapid.Int64Range(0, amount).Draw(rt, "discount")
				union := rapid.Int64Range(0, discount).Draw(rt, "union")
				sales = append(sales, w.buy(rapid.Int64Range(1, 6).Draw(rt, "outlet"), day, amount, discount, union))
			case 2:
				if len(sales) == 0 {
					continue
				}
				s := sales[rapid.IntRange(0, len(sales)-1).Draw(rt, "sale")]
				if left := s.payable() - s.returned; left > 0 {
					w.undo(s, day, rapid.Int64Range(1, left).Draw(rt, "fen"))
				}
			default:
				w.posted(rapid.Int64Range(1, 3).Draw(rt, "merchant"), day, rapid.Int64Range(-500, 500).Draw(rt, "fen"))
			}
		}
		w.close(day)
		day++
	})
	if r := w.audit(); !r.OK() {
		t.Error(lines(r))
	}
	if n := w.count(`SELECT count(*) FROM statements`); n < 10 {
		t.Errorf("only %d statements", n)
	}
}

// posted is an adjustment of a day that is not the present one.
func (w *world) posted(merchant int64, day ledger.Day, fen int64) {
	w.t.Helper()
	if fen == 0 {
		return
	}
	w.n++
	var id string
	w.must(w.pool.QueryRow(w.ctx, `INSERT INTO adjustments (merchant_id, business_day, office_id, fen, cause, reason, doc, posted_by)
		VALUES ($1, $2, 2, $3, 'difference', '差', gen_random_uuid(), 'staff:1') RETURNING doc::text`, merchant, day.Date(), fen).Scan(&id))
	w.exec(fmt.Sprintf(`INSERT INTO transfers VALUES ($1, $2, '%s', 0, 1, 5, $3, $4, $5)`, id), merchant, day.Date(),
		map[bool]ledger.Account{true: ledger.Adjustment(2), false: ledger.Merchant(merchant)}[fen > 0],
		map[bool]ledger.Account{true: ledger.Merchant(merchant), false: ledger.Adjustment(2)}[fen > 0], max(fen, -fen))
}
