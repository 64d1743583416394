package purchase

import (
	"fmt"

	"unioncard/settlement/ledger"
)

// purse is what a test's budget is made of; zero values: open, all year, no cap.
type testBudget struct {
	id     int64
	fen    int64
	slices int   // default 1; what is not granted below stays with the budget
	grant  int64 // to each slice
	cap    int64
	state  string
	first  int // days from today, default -30
	last   int // default 30
}

// addBudget puts a budget of the city's in, with its slices.
func (w *world) addBudget(b testBudget) {
	w.t.Helper()
	if b.slices == 0 {
		b.slices = 1
	}
	if b.state == "" {
		b.state = "open"
	}
	if b.first == 0 && b.last == 0 {
		b.first, b.last = -30, 30
	}
	w.exec(`INSERT INTO budgets (id, office_id, kind, name, state, first_day, last_day, member_cap_fen, amount_fen, granted_fen, slices)
		SELECT $1::bigint, 2, 'budget', '预算' || $1, $2, t.d + $3::integer, t.d + $4::integer, nullif($5::bigint, 0), $6, $7, $8
		FROM (SELECT (now() AT TIME ZONE 'Asia/Shanghai')::date AS d) t`,
		b.id, b.state, b.first, b.last, b.cap, b.fen, b.grant*int64(b.slices), b.slices)
	w.exec(`INSERT INTO budget_slices (budget_id, slice, granted_fen) SELECT $1, s, $2 FROM generate_series(0, $3 - 1) s`,
		b.id, b.grant, b.slices)
}

// addSeries makes the budget a voucher series and gives each of the first cards so
// many vouchers of it.
func (w *world) addSeries(b testBudget, parent, face, need int64, stackable bool, cards, each int) {
	w.t.Helper()
	w.addBudget(b)
	w.exec(`UPDATE budgets SET kind = 'series', parent_id = $2 WHERE id = $1`, b.id, parent)
	w.exec(`INSERT INTO voucher_series (budget_id, face_fen, need_fen, packs, per_pack, stackable, claimed) VALUES ($1, $2, $3, $4, $5, $6, $4)`,
		b.id, face, need, max(cards, 1), max(each, 1), stackable)
	w.exec(`INSERT INTO vouchers (card_serial, series_id, no, state, got_at)
		SELECT c, $1, n, 1, now() FROM generate_series(1, $2) c, generate_series(1, $3) n`, b.id, cards, each)
}

// left is what a budget has left, all of it together.
func (w *world) left(id int64) int64 {
	w.t.Helper()
	return w.count(`SELECT b.amount_fen - b.granted_fen - b.allocated_fen - b.returned_fen +
		(SELECT sum(granted_fen - spent_fen + back_fen) FROM budget_slices WHERE budget_id = b.id)::bigint FROM budgets b WHERE id = $1`, id)
}

// balance is what the ledger has credited to an account less what it debited.
func (w *world) balance(a ledger.Account) int64 {
	w.t.Helper()
	return w.count(`SELECT coalesce(sum(CASE credit WHEN $1 THEN fen ELSE -fen END), 0)::bigint FROM transfers WHERE $1 IN (debit, credit)`, int64(a))
}

// checkBooks holds everything that is kept of money to what the purchases say, and to
// each other.
func (w *world) checkBooks() {
	w.t.Helper()
	for what, sql := range map[string]string{
		"slices add up to their budget": `SELECT count(*) FROM budgets b WHERE granted_fen <>
			(SELECT sum(granted_fen) FROM budget_slices WHERE budget_id = b.id)`,
		"slices hold what purchases drew": `WITH drawn AS (
				SELECT (o->>'budget')::bigint AS budget, sum((o->>'union_fen')::bigint) AS fen, count(DISTINCT p.id) AS uses
				FROM purchases p, jsonb_array_elements(p.applied::jsonb) o WHERE o ? 'budget' GROUP BY 1)
			SELECT count(*) FROM drawn d JOIN (SELECT budget_id, sum(spent_fen) AS spent FROM budget_slices GROUP BY 1) s
			ON s.budget_id = d.budget WHERE s.spent <> d.fen`,
		"slices hold what the ledger has": fmt.Sprintf(`SELECT count(*) FROM (SELECT budget_id, sum(spent_fen - back_fen) AS net FROM budget_slices GROUP BY 1) s
			WHERE net <> (SELECT coalesce(sum(CASE debit WHEN s.budget_id | %[1]d THEN fen ELSE -fen END), 0) FROM transfers
				WHERE s.budget_id | %[1]d IN (debit, credit))`, int64(ledger.Budget(1))&^1),
		"uses are purchases not undone whole": `SELECT count(*) FROM (SELECT budget_id, sum(uses) AS n FROM budget_slices GROUP BY 1) s
			WHERE n <> (SELECT count(*) FROM purchases p WHERE p.state IN (1, 4) AND EXISTS (
				SELECT FROM jsonb_array_elements(p.applied::jsonb) o WHERE (o->>'budget')::bigint = s.budget_id))`,
		"a merchant's share is what it discounts": `SELECT count(*) FROM purchases p WHERE p.state <> 9 AND
			p.discount_fen - p.union_share_fen <> (SELECT coalesce(sum(fen), 0) FROM transfers t
				WHERE t.merchant_id = p.merchant_id AND t.doc = p.id AND t.seq = 0 AND t.leg = 1)`,
		"an undoing posts what it gave back": `SELECT count(*) FROM purchase_undos u WHERE given_back_fen <>
			(SELECT coalesce(sum(fen), 0) FROM transfers t WHERE t.merchant_id = u.merchant_id AND t.doc = u.purchase_id AND t.seq = u.seq)`,
		"what is undone whole leaves nothing": `SELECT count(*) FROM (
				SELECT t.doc FROM transfers t JOIN purchases p ON p.merchant_id = t.merchant_id AND p.id = t.doc AND p.state IN (2, 3, 5)
				CROSS JOIN LATERAL (VALUES (t.debit, -t.fen), (t.credit, t.fen)) AS e (account, fen)
				GROUP BY t.doc, e.account HAVING sum(e.fen) <> 0) x`,
		"vouchers are used by what stands": `SELECT count(*) FROM vouchers v WHERE v.state = 2 AND NOT EXISTS (
				SELECT FROM purchases p, jsonb_array_elements(p.applied::jsonb) o WHERE p.merchant_id = v.merchant_id AND p.id = v.purchase_id
				AND p.state IN (1, 4) AND p.card_serial = v.card_serial AND (o->>'budget')::bigint = v.series_id AND (o->>'voucher')::integer = v.no)`,
		"a purchase's voucher is used": `SELECT count(*) FROM purchases p, jsonb_array_elements(p.applied::jsonb) o
			WHERE o ? 'voucher' AND p.state IN (1, 4) AND NOT EXISTS (SELECT FROM vouchers v WHERE v.card_serial = p.card_serial
				AND v.series_id = (o->>'budget')::bigint AND v.no = (o->>'voucher')::integer AND v.state = 2 AND v.purchase_id = p.id)`,
		"no card had more than its cap": `SELECT count(*) FROM budget_cards c JOIN budgets b ON b.id = c.budget_id
			WHERE c.spent_fen <> (SELECT coalesce(sum((o->>'union_fen')::bigint), 0) FROM purchases p, jsonb_array_elements(p.applied::jsonb) o
				WHERE p.card_serial = c.card_serial AND (o->>'budget')::bigint = c.budget_id)
			- (SELECT coalesce(sum(t.fen), 0) FROM transfers t JOIN purchases p ON p.merchant_id = t.merchant_id AND p.id = t.doc
				WHERE p.card_serial = c.card_serial AND t.seq > 0 AND t.credit = (2::bigint << 56 | c.budget_id))`,
	} {
		if n := w.count(sql); n != 0 {
			w.t.Errorf("not so for %d: %s", n, what)
		}
	}
}
