package settlement

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"unioncard/settlement/ledger"
	"unioncard/settlement/purchase"
)

// prepare makes the tables that the questions are asked of: what purchases took of
// each budget, and what their undoings gave back. The latter is worked out in Go, as
// the undoings themselves were, and held against what was recorded.
func (a *auditor) prepare(ctx context.Context, p *Proof) error {
	if _, err := a.tx.Exec(ctx, sharesSQL+`; `+backsSQL); err != nil {
		return err
	}
	_, err := a.tx.Exec(ctx, `DECLARE audit_undone NO SCROLL CURSOR FOR
		SELECT p.merchant_id, p.id, p.card_serial, p.discount_fen, p.returned_fen, p.given_back_fen,
			p.union_share_fen, p.applied, array_agg(u.seq ORDER BY u.seq), array_agg(u.given_back_fen ORDER BY u.seq),
			array_agg(u.union_back_fen ORDER BY u.seq), array_agg(u.returned_fen ORDER BY u.seq),
			array_agg(u.kind ORDER BY u.seq), array_agg(u.business_day ORDER BY u.seq)
		FROM purchase_undos u JOIN purchases p ON p.merchant_id = u.merchant_id AND p.id = u.purchase_id
		WHERE p.state <> 9 GROUP BY p.merchant_id, p.id`)
	if err != nil {
		return err
	}
	for more := true; more; { // some at a time: years of undoings don't fit into memory
		if more, err = a.backs(ctx, p); err != nil {
			return err
		}
	}
	_, err = a.tx.Exec(ctx, `ANALYZE audit_shares; ANALYZE audit_backs`)
	if err != nil {
		return err
	}
	// A purchase that says of itself that something was undone, and has no undoing.
	var n int64
	var what []string
	err = a.tx.QueryRow(ctx, `WITH bad AS (SELECT p.id FROM purchases p WHERE p.state <> 9 AND (p.returned_fen > 0 OR p.given_back_fen > 0)
			AND NOT EXISTS (SELECT FROM purchase_undos u WHERE u.merchant_id = p.merchant_id AND u.purchase_id = p.id))
		SELECT count(*), coalesce((array_agg(id::text || ' says that it was undone'))[1:5], '{}') FROM bad`).Scan(&n, &what)
	p.Bad += n
	p.Examples = append(p.Examples, what...)
	return err
}

// fetched is how many undone purchases are looked at at once.
const fetched = 10_000

// backs takes the next undone purchases from the cursor; false after the last.
func (a *auditor) backs(ctx context.Context, p *Proof) (more bool, err error) {
	n := cmp.Or(a.fetch, fetched)
	rows, err := a.tx.Query(ctx, fmt.Sprintf(`FETCH %d FROM audit_undone`, n))
	if err != nil {
		return false, err
	}
	var b backs
	var backed [][]any
	tag, err := pgx.ForEachRow(rows, []any{&b.merchant, &b.id, &b.card, &b.discount, &b.returned, &b.given, &b.union, &b.applied,
		&b.seqs, &b.givens, &b.unions, &b.returneds, &b.kinds, &b.days}, func() error {
		p.Checked += int64(len(b.seqs))
		more, err := b.compare(p)
		backed = append(backed, more...)
		return err
	})
	if err != nil {
		return false, err
	}
	_, err = a.tx.CopyFrom(ctx, pgx.Identifier{"audit_backs"}, []string{"merchant_id", "id", "seq", "business_day", "kind",
		"card_serial", "budget", "fen"}, pgx.CopyFromRows(backed))
	return tag.RowsAffected() == int64(n), err
}

// backs is a purchase with its undoings in their order.
type backs struct {
	merchant, card                   int64
	id                               uuid.UUID
	discount, returned, given, union int64
	applied                          []byte
	seqs                             []int32
	givens, unions, returneds        []int64
	kinds                            []int16
	days                             []time.Time
}

// compare holds a purchase against its undoings and returns what each gave back to
// each budget, as rows of audit_backs.
func (b *backs) compare(p *Proof) (rows [][]any, err error) {
	shares, err := sharesOf(b.applied, b.union)
	if err != nil {
		return nil, err
	}
	var given, returned int64
	for i := range b.givens {
		given, returned = given+b.givens[i], returned+b.returneds[i]
	}
	if given != b.given || returned != b.returned {
		p.differ("%s: undoings gave back %d fen of discount and %d of money, the purchase says %d and %d", b.id, given, returned, b.given, b.returned)
	}
	if b.discount == 0 {
		return nil, nil
	}
	for i, row := range purchase.SplitBack(b.discount, shares, b.givens) {
		var union int64
		for j, s := range shares {
			union += row[j]
			if row[j] > 0 {
				rows = append(rows, []any{b.merchant, b.id, b.seqs[i], b.days[i], b.kinds[i], b.card, s.Budget, row[j]})
			}
		}
		if union != b.unions[i] {
			p.differ("%s undoing %d: gave back %d fen of the union's share, should be %d", b.id, b.seqs[i], b.unions[i], union)
		}
	}
	return rows, nil
}

// sharesOf are the union's parts of a purchase by ascending budget: what no budget
// pays first, as 0.
func sharesOf(applied []byte, union int64) ([]purchase.Share, error) {
	var offers []struct {
		Budget   int64 `json:"budget"`
		UnionFen int64 `json:"union_fen"`
	}
	if err := json.Unmarshal(applied, &offers); err != nil {
		return nil, err
	}
	by := map[int64]int64{}
	for _, o := range offers {
		if o.Budget != 0 && o.UnionFen > 0 {
			by[o.Budget] += o.UnionFen
			union -= o.UnionFen
		}
	}
	if union > 0 {
		by[0] = union
	}
	var shares []purchase.Share
	for _, id := range slices.Sorted(maps.Keys(by)) {
		shares = append(shares, purchase.Share{Budget: id, Fen: by[id]})
	}
	return shares, nil
}

// recompute builds every statement again, from the purchases, and compares the bytes.
func (a *auditor) recompute(ctx context.Context) (Proof, error) {
	p := Proof{Name: "recomputed", What: "every statement, computed again from the purchases, has the same bytes"}
	rows, err := a.tx.Query(ctx, `SELECT day - date '1970-01-01' FROM business_days WHERE done_at IS NOT NULL AND day >= $1 ORDER BY day`, a.since.Date())
	if err != nil {
		return p, err
	}
	days, err := pgx.CollectRows(rows, pgx.RowTo[ledger.Day])
	if err != nil || len(days) == 0 {
		return p, err
	}
	balance, err := a.balances(ctx, days[0])
	if err != nil {
		return p, err
	}
	for _, day := range days {
		if err := a.day(ctx, day, balance, &p); err != nil {
			return p, err
		}
	}
	return p, nil
}

// balances are the merchants' balances before a day, by the ledger.
func (a *auditor) balances(ctx context.Context, day ledger.Day) (map[int64]int64, error) {
	rows, err := a.tx.Query(ctx, `SELECT merchant_id, sum(CASE WHEN credit >> 56 = 3 THEN fen ELSE -fen END)::bigint FROM transfers
		WHERE 3 IN (credit >> 56, debit >> 56) AND business_day < $1 GROUP BY 1`, day.Date())
	if err != nil {
		return nil, err
	}
	out := map[int64]int64{}
	var id, fen int64
	_, err = pgx.ForEachRow(rows, []any{&id, &fen}, func() error { out[id] = fen; return nil })
	return out, err
}

// day compares the statements of a day, and moves the balances on.
func (a *auditor) day(ctx context.Context, day ledger.Day, balance map[int64]int64, p *Proof) error {
	d := newDayFigures(day)
	if _, err := d.readSold(ctx, a.tx, newPace(ctx, time.Now, 1, paceRows)); err != nil {
		return err
	}
	if _, err := a.tx.Exec(ctx, `SET LOCAL enable_seqscan = on`); err != nil {
		return err
	}
	if err := d.readUndone(ctx, a.tx, 0); err != nil {
		return err
	}
	if err := d.readEntries(ctx, a.tx, 0); err != nil {
		return err
	}
	want := map[int64][]byte{}
	for _, b := range d.bodies() {
		b.open(balance[b.Merchant])
		balance[b.Merchant] = b.ClosingFen
		body, _, err := b.Marshal()
		if err != nil {
			return err
		}
		want[b.Merchant] = body
	}
	rows, err := a.tx.Query(ctx, `SELECT merchant_id, body FROM statements WHERE business_day = $1 ORDER BY merchant_id`, day.Date())
	if err != nil {
		return err
	}
	var id int64
	var body []byte
	_, err = pgx.ForEachRow(rows, []any{&id, &body}, func() error {
		p.Checked++
		if !bytes.Equal(want[id], body) {
			p.differ("merchant %d on %v: closed %s, the purchases say %s", id, day, clip(body), clip(want[id]))
		}
		delete(want, id)
		return nil
	})
	for id := range want {
		p.differ("merchant %d on %v: no statement", id, day)
	}
	return err
}

// clip shortens a body for a line of the report.
func clip(b []byte) []byte { return b[:min(len(b), 400)] }
