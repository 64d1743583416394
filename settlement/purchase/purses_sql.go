package purchase

// The statements of a batch that has to do with union money.
//
// Whether a budget pays, and how much all of it has left, is read by a statement of
// its own after the slice is locked: whoever freezes, closes or rebalances a budget
// locks its slices too, so that a snapshot taken under the lock is the truth until
// the batch is over. One statement for both would have taken its snapshot before it
// waited.
const (
	lockSlicesSQL = `
SELECT u.i::integer, s.slice, s.rest
FROM unnest($1::bigint[], $2::integer[]) WITH ORDINALITY AS u (id, pick, i)
CROSS JOIN LATERAL (SELECT slices FROM budgets WHERE id = u.id OFFSET 0) AS b
CROSS JOIN LATERAL (
    SELECT slice, granted_fen - spent_fen + back_fen FROM budget_slices
    WHERE budget_id = u.id AND slice = u.pick % b.slices FOR UPDATE) AS s (slice, rest)`

	readBudgetsSQL = `
SELECT u.i::integer, b.*
FROM unnest($1::bigint[]) WITH ORDINALITY AS u (id, i)
CROSS JOIN LATERAL (
    SELECT state = 'open' AND (now() AT TIME ZONE 'Asia/Shanghai')::date BETWEEN first_day AND last_day,
           coalesce(member_cap_fen, 0),
           amount_fen - granted_fen - allocated_fen - returned_fen + coalesce((
               SELECT sum(granted_fen - spent_fen + back_fen) FROM budget_slices WHERE budget_id = u.id), 0)::bigint
    FROM budgets WHERE id = u.id OFFSET 0) AS b`

	lockCardBudgetsSQL = `
SELECT u.i::integer, c.*
FROM unnest($1::bigint[], $2::bigint[]) WITH ORDINALITY AS u (card, budget, i)
CROSS JOIN LATERAL (
    SELECT spent_fen FROM budget_cards WHERE card_serial = u.card AND budget_id = u.budget FOR UPDATE) AS c`

	lockVouchersSQL = `
SELECT u.i::integer, v.*
FROM unnest($1::bigint[], $2::bigint[], $3::smallint[]) WITH ORDINALITY AS u (card, series, no, i)
CROSS JOIN LATERAL (
    SELECT state FROM vouchers WHERE card_serial = u.card AND series_id = u.series AND no = u.no FOR UPDATE) AS v`

	// COMMIT is on its way behind these, as behind stmtDrop.
	putSlicesSQL = `
WITH done AS (
    UPDATE budget_slices s SET spent_fen = s.spent_fen + u.fen, uses = s.uses + u.n
    FROM unnest($1::bigint[], $2::smallint[], $3::bigint[], $4::bigint[]) AS u (budget, slice, fen, n)
    WHERE s.budget_id = u.budget AND s.slice = u.slice RETURNING 1)
SELECT 1 / (count(*) = cardinality($1::bigint[]))::integer FROM done`

	putCardBudgetsSQL = `
INSERT INTO budget_cards AS c (card_serial, budget_id, spent_fen, cap_fen)
SELECT u.* FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[]) AS u
ON CONFLICT (card_serial, budget_id) DO UPDATE
SET spent_fen = c.spent_fen + excluded.spent_fen, cap_fen = excluded.cap_fen`

	// The nodes' memory of who holds what follows by the feed's poll: waking every node
	// for every batch would cost more than a quote now and then for a voucher that is
	// used, which the purchase refuses.
	useVouchersSQL = `
WITH done AS (
    UPDATE vouchers v SET state = 2, merchant_id = u.merchant, purchase_id = u.purchase
    FROM unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::bigint[], $5::uuid[]) AS u (card, series, no, merchant, purchase)
    WHERE v.card_serial = u.card AND v.series_id = u.series AND v.no = u.no AND v.state = 1 RETURNING v.card_serial),
fed AS (INSERT INTO changes (kind, object_id, version) SELECT 10, card_serial, 0 FROM done) -- feed.KindWallet
SELECT 1 / (count(*) = cardinality($1::bigint[]))::integer FROM done`

	postSQL = `
INSERT INTO transfers (merchant_id, business_day, doc, seq, leg, kind, debit, credit, fen)
SELECT u.merchant, u.day, u.doc, 0, u.leg, 1, u.debit, u.credit, u.fen
FROM unnest($1::bigint[], $2::date[], $3::uuid[], $4::smallint[], $5::bigint[], $6::bigint[], $7::bigint[])
    AS u (merchant, day, doc, leg, debit, credit, fen)`
)
