package demo

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"unioncard/settlement/ledger"
	"unioncard/settlement/purchase"
)

// The sales of the weeks before today, which statements are made of. No till made
// them, so they are written as a till's would be: purchases, the codes they used, the
// transfers. Half of a discount is the union's; these days are of before the first
// budget, so it was paid without one (ledger.Unbudgeted).
const (
	salesDays     = 21
	salesShops    = 6  // merchants of the office
	salesShopDay  = 14 // a day at the first of them; a third of that at the others
	salesUnionBP  = 5000
	salesRefundIn = 30 // one in so many is refunded whole the day after
)

type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// seller is a merchant whose past sales are made up.
type seller struct {
	id, contract int64
	outlets      []int64
}

// pastSales writes the sales of the weeks before today at the office's first
// merchants, the latest yesterday.
func pastSales(ctx context.Context, tx pgx.Tx, office int64, today ledger.Day) error {
	shops, err := sellers(ctx, tx, office)
	if err != nil {
		return err
	}
	var first, last int64
	if err := tx.QueryRow(ctx, `SELECT min(serial), max(serial) FROM cards WHERE status = 1`).Scan(&first, &last); err != nil {
		return err
	}
	h := history{tx: tx, rng: rand.New(rand.NewPCG(seed, salesDays)), first: first, cards: last - first + 1}
	for day := today - salesDays; day < today; day++ {
		for i := range shops {
			n := salesShopDay
			if i > 0 {
				n /= 3
			}
			for k := range n {
				h.sale(&shops[i], day, k, today)
			}
		}
	}
	return h.write(ctx)
}

// sellers are an office's first merchants; in front those where any sale earns
// something, which is easiest to try.
func sellers(ctx context.Context, tx querier, office int64) ([]seller, error) {
	rows, err := tx.Query(ctx, `SELECT m.id, c.id, array_agg(o.id ORDER BY o.id) FROM merchants m
		JOIN contracts c ON c.merchant_id = m.id AND c.status = 'active' JOIN outlets o ON o.merchant_id = m.id AND o.status = 'active'
		WHERE m.office_id = $1 AND NOT m.union_owned AND m.trade IN ('shopping', 'catering') GROUP BY m.id, c.id
		ORDER BY m.trade = 'shopping' AND EXISTS (SELECT FROM contract_terms t, jsonb_array_elements(t.terms->'offers') x WHERE t.contract_id = c.id
			AND x->'benefit'->>'kind' = 'percent' AND NOT x ?| ARRAY['calendar', 'limits', 'eligibility']) DESC, m.id LIMIT $2`, office, salesShops)
	if err != nil {
		return nil, err
	}
	shops, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (s seller, err error) {
		err = row.Scan(&s.id, &s.contract, &s.outlets)
		return s, err
	})
	if err == nil && len(shops) == 0 {
		err = fmt.Errorf("union %d has no merchants", office)
	}
	return shops, err
}

// history gathers rows and writes them by COPY.
type history struct {
	tx           pgx.Tx
	rng          *rand.Rand
	first, cards int64
	made         int64

	purchases, codes, transfers, undos [][]any
}

// sale makes the k-th sale of a merchant's day, some of them undone the day after.
func (h *history) sale(s *seller, day ledger.Day, k int, today ledger.Day) {
	h.made++
	at := day.Start().Add(9*time.Hour + time.Duration(k)*45*time.Minute/2 + time.Duration(h.rng.IntN(1200))*time.Second)
	id := idAt(at, h.rng)
	amount := int64(2000 + 50*h.rng.IntN(700))
	off := amount / 10
	union := off * salesUnionBP / 10_000
	applied, _ := json.Marshal([]map[string]any{{"offer": "base", "fen": off, "union_fen": union}}) // plain values
	key := fmt.Sprintf("demo-%d", h.made)
	digest := sha256.Sum256([]byte(key))
	serial := h.first + h.rng.Int64N(h.cards)
	refunded := h.rng.IntN(salesRefundIn) == 0 && day+1 < today
	state, returned, back := purchase.StateCommitted, int64(0), int64(0)
	if refunded {
		state, returned, back = purchase.StateRefunded, amount-off, off
	}
	outlet := s.outlets[h.rng.IntN(len(s.outlets))]
	code := at.Unix()/30*2 + h.made%2 // a phone's, of that half minute
	h.purchases = append(h.purchases, []any{s.id, id, int64(0), key, digest[:], int16(state), outlet, s.contract, 1, serial, 1, code,
		h.made, at, amount, off, union, applied, fmt.Sprintf("%s-%04d", day.Date().Format("0102"), k+1), "01", day.Date(), at, returned, back, refundMode(refunded)})
	h.codes = append(h.codes, []any{serial, code, s.id, id})
	h.post(s.id, day, id, 0, ledger.Purchase, ledger.Discount(s.id), ledger.Members(), off-union, ledger.Unbudgeted(), ledger.Merchant(s.id), union)
	if refunded {
		h.refund(s.id, id, day+1, amount-off, off, union)
	}
}

func refundMode(refunded bool) int {
	if refunded {
		return 2 // by amount
	}
	return 0
}

func (h *history) refund(merchant int64, id uuid.UUID, day ledger.Day, returned, back, union int64) {
	key := fmt.Sprintf("demo-r-%d", h.made)
	digest := sha256.Sum256([]byte(key))
	h.undos = append(h.undos, []any{merchant, id, 1, 3, int64(0), key, digest[:], returned, back, union, "顾客退货（演示）", "01", false, []byte(`{}`), day.Date(), day.Start().Add(15 * time.Hour)})
	h.post(merchant, day, id, 1, ledger.Refund, ledger.Members(), ledger.Discount(merchant), back-union, ledger.Merchant(merchant), ledger.Unbudgeted(), union)
}

// post adds the legs of the merchant's and the union's share.
func (h *history) post(merchant int64, day ledger.Day, id uuid.UUID, seq int, kind ledger.Kind, own, members ledger.Account, ownFen int64, from, to ledger.Account, unionFen int64) {
	leg := 1
	for _, t := range []struct {
		debit, credit ledger.Account
		fen           int64
	}{{own, members, ownFen}, {from, to, unionFen}} {
		if t.fen > 0 {
			h.transfers = append(h.transfers, []any{merchant, day.Date(), id, seq, leg, int16(kind), int64(t.debit), int64(t.credit), t.fen})
			leg++
		}
	}
}

func (h *history) write(ctx context.Context) error {
	for _, t := range []struct {
		table   string
		columns []string
		rows    [][]any
	}{
		{"purchases", []string{"merchant_id", "id", "terminal_id", "idem_key", "request_hash", "state", "outlet_id", "contract_id", "terms_version",
			"card_serial", "code_kind", "code_key", "quote_id", "quoted_at", "amount_fen", "discount_fen", "union_share_fen", "applied",
			"merchant_ref", "operator", "business_day", "committed_at", "returned_fen", "given_back_fen", "refund_mode"}, h.purchases},
		{"code_uses", []string{"card_serial", "code_key", "merchant_id", "purchase_id"}, h.codes},
		{"purchase_undos", []string{"merchant_id", "purchase_id", "seq", "kind", "terminal_id", "idem_key", "request_hash", "returned_fen",
			"given_back_fen", "union_back_fen", "reason", "operator", "adjustment", "answer", "business_day", "at"}, h.undos},
		{"transfers", []string{"merchant_id", "business_day", "doc", "seq", "leg", "kind", "debit", "credit", "fen"}, h.transfers},
	} {
		if _, err := h.tx.CopyFrom(ctx, pgx.Identifier{t.table}, t.columns, pgx.CopyFromRows(t.rows)); err != nil {
			return fmt.Errorf("%s: %w", t.table, err)
		}
	}
	return nil
}

// idAt is a UUID of version 7 (RFC 9562) of a moment.
func idAt(at time.Time, rng *rand.Rand) (id uuid.UUID) {
	ms := uint64(at.UnixMilli())
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i))
	}
	for i := 6; i < 16; i++ {
		id[i] = byte(rng.Uint32())
	}
	id[6], id[8] = id[6]&0x0f|0x70, id[8]&0x3f|0x80
	return id
}
