package settlement

// check is a question whose answer should be no rows. bad selects what differs, one
// text "what" a row; of counts what was looked at. $1 is the first day looked at.
type check struct{ name, what, bad, of string }

// account numbers, as settlement/ledger makes them.
const (
	budgetAccount   = `(2::bigint << 56) + `
	merchantAccount = `(3::bigint << 56) + `
	discountAccount = `(4::bigint << 56) + `
	membersAccount  = `5::bigint << 56`
	olderAccount    = `6::bigint << 56` // Unbudgeted
	paymentAccount  = `(7::bigint << 56) + `
	adjustAccount   = `(8::bigint << 56) + `
)

// sharesSQL makes the union's part of every purchase, by budget; what none pays is 0.
const sharesSQL = `CREATE TEMP TABLE audit_shares ON COMMIT DROP AS
SELECT p.merchant_id, p.id, p.card_serial, p.business_day, s.budget, s.fen FROM purchases p CROSS JOIN LATERAL (
	SELECT b.budget, b.fen FROM (
		SELECT (o ->> 'budget')::bigint AS budget, sum((o ->> 'union_fen')::bigint)::bigint AS fen
		FROM json_array_elements(p.applied) AS o WHERE coalesce((o ->> 'budget')::bigint, 0) <> 0 GROUP BY 1) AS b WHERE b.fen > 0
	UNION ALL
	SELECT 0, p.union_share_fen - coalesce(sum((o ->> 'union_fen')::bigint), 0)::bigint
	FROM json_array_elements(p.applied) AS o WHERE coalesce((o ->> 'budget')::bigint, 0) <> 0) AS s
WHERE p.state <> 9 AND p.union_share_fen > 0 AND s.fen <> 0`

// backsSQL makes room for what undoings gave back to budgets, which Go works out.
const backsSQL = `CREATE TEMP TABLE audit_backs (merchant_id bigint, id uuid, seq integer, business_day date, kind smallint,
	card_serial bigint, budget bigint, fen bigint) ON COMMIT DROP`

// bookSQL is every transfer that purchases and undoings should have posted.
const bookSQL = `SELECT merchant_id, id AS doc, 0 AS seq, 1::smallint AS kind, business_day, ` + discountAccount + `merchant_id AS debit,
		` + membersAccount + ` AS credit, discount_fen - union_share_fen AS fen
	FROM purchases WHERE state <> 9 AND discount_fen > union_share_fen AND business_day >= $1
UNION ALL SELECT merchant_id, id, 0, 1, business_day, CASE budget WHEN 0 THEN ` + olderAccount + ` ELSE ` + budgetAccount + `budget END,
		` + merchantAccount + `merchant_id, fen FROM audit_shares WHERE business_day >= $1
UNION ALL SELECT merchant_id, purchase_id, seq, CASE kind WHEN 1 THEN 2 WHEN 2 THEN 3 ELSE 4 END, business_day,
		` + membersAccount + `, ` + discountAccount + `merchant_id, given_back_fen - union_back_fen
	FROM purchase_undos WHERE given_back_fen > union_back_fen AND business_day >= $1
UNION ALL SELECT merchant_id, id, seq, CASE kind WHEN 1 THEN 2 WHEN 2 THEN 3 ELSE 4 END, business_day, ` + merchantAccount + `merchant_id,
		CASE budget WHEN 0 THEN ` + olderAccount + ` ELSE ` + budgetAccount + `budget END, fen
	FROM audit_backs WHERE business_day >= $1`

// spentSQL is what purchases hold of each budget, and spent and got back in all.
const spentSQL = `SELECT budget, sum(fen) FILTER (WHERE fen > 0) AS spent, -coalesce(sum(fen) FILTER (WHERE fen < 0), 0) AS back FROM (
	SELECT budget, fen FROM audit_shares UNION ALL SELECT budget, -fen FROM audit_backs) AS s WHERE budget <> 0 GROUP BY 1`

// usedSQL is one row an applied offer: what of it is left of the undoings, whole when
// nothing was given back.
const usedSQL = `SELECT p.merchant_id, p.id, p.contract_id, p.floor_id, p.card_serial, p.business_day, o.*,
		NOT (p.amount_fen > 0 AND p.returned_fen = p.amount_fen - p.discount_fen AND p.given_back_fen = p.discount_fen) AS stands,
		o.fen - CASE WHEN p.discount_fen = 0 THEN 0 ELSE o.fen * p.given_back_fen / p.discount_fen END AS rest
	FROM purchases p CROSS JOIN LATERAL (
		SELECT e ->> 'offer' AS offer, (e ->> 'fen')::bigint AS fen, (e ->> 'union_fen')::bigint AS union_fen,
		       (e ->> 'budget')::bigint AS budget, (e ->> 'voucher')::smallint AS voucher, e -> 'periods' AS periods
		FROM json_array_elements(p.applied) AS e) AS o
	WHERE p.state <> 9`

// checks are the questions that PostgreSQL answers whole, in the order printed.
var checks = []check{
	{"ledger", "every transfer of a purchase or undoing is what it should be, and there is no other",
		`SELECT format('%s %s seq %s on %s: posted %s fen from %s to %s, should be %s', merchant_id, doc, seq, business_day,
			coalesce(h.fen, 0), debit, credit, coalesce(w.fen, 0)) AS what
		FROM (` + bookSQL + `) AS w FULL JOIN (
			SELECT merchant_id, doc, seq, kind, business_day, debit, credit, sum(fen)::bigint AS fen FROM transfers
			WHERE kind <= 4 AND business_day >= $1 GROUP BY 1, 2, 3, 4, 5, 6, 7) AS h
		USING (merchant_id, doc, seq, kind, business_day, debit, credit) WHERE w.fen IS DISTINCT FROM h.fen`,
		`SELECT count(*) FROM transfers WHERE kind <= 4 AND business_day >= $1`},
	{"accounts", "every other transfer is one of the kinds there are, between accounts that fit",
		`SELECT format('%s of kind %s: %s fen from %s to %s', doc, kind, fen, debit, credit) AS what FROM transfers WHERE kind > 4 AND NOT
			CASE kind WHEN 5 THEN ` + merchantAccount + `merchant_id IN (debit, credit) AND 8 IN (debit >> 56, credit >> 56)
				WHEN 6 THEN merchant_id = 0 AND debit >> 56 = 1 AND credit >> 56 = 2
				WHEN 7 THEN merchant_id = 0 AND debit >> 56 = 2 AND credit >> 56 = 2
				WHEN 8 THEN merchant_id = 0 AND debit >> 56 = 2 AND credit >> 56 IN (1, 2)
				WHEN 9 THEN debit = ` + merchantAccount + `merchant_id AND credit >> 56 = 7
				WHEN 10 THEN credit = ` + merchantAccount + `merchant_id AND debit >> 56 = 7 ELSE false END`,
		`SELECT count(*) FROM transfers WHERE kind > 4`},
	{"budgets", "a budget's money, what went to series and back are the ledger's; with purchases they leave its account, never below 0",
		`SELECT format('budget %s: %s fen on its account, should be %s', b.id, coalesce(l.fen, 0), b.want) AS what FROM (
			SELECT b.id, CASE b.state WHEN 'draft' THEN 0 ELSE b.amount_fen - b.allocated_fen - b.returned_fen
				- coalesce(s.spent, 0) + coalesce(s.back, 0) END AS want
			FROM budgets b LEFT JOIN (` + spentSQL + `) AS s ON s.budget = b.id) AS b
		FULL JOIN (SELECT account & ((1::bigint << 56) - 1) AS id, sum(fen) AS fen FROM (
			SELECT credit AS account, fen FROM transfers WHERE credit >> 56 = 2
			UNION ALL SELECT debit, -fen FROM transfers WHERE debit >> 56 = 2) AS t GROUP BY 1) AS l ON l.id = b.id
		WHERE coalesce(l.fen, 0) IS DISTINCT FROM b.want OR b.want < 0
		UNION ALL SELECT format('budget %s: %s fen put in, %s with series, %s back; should be %s, %s and %s', b.id, coalesce(l.put, 0),
			coalesce(l.series, 0), coalesce(l.back, 0), b.put, b.allocated_fen, b.returned_fen)
		FROM (SELECT id, CASE state WHEN 'draft' THEN 0 ELSE amount_fen END AS put, allocated_fen, returned_fen FROM budgets) AS b
		LEFT JOIN (SELECT account & ((1::bigint << 56) - 1) AS id, sum(put) AS put, sum(series) AS series, sum(back) AS back FROM (
			SELECT credit AS account, fen AS put, 0 AS series, 0 AS back FROM transfers WHERE merchant_id = 0 AND kind IN (6, 7)
			UNION ALL SELECT debit, 0, fen, 0 FROM transfers WHERE merchant_id = 0 AND kind = 7
			UNION ALL SELECT debit, 0, 0, fen FROM transfers WHERE merchant_id = 0 AND kind = 8
			UNION ALL SELECT credit, 0, -fen, 0 FROM transfers WHERE merchant_id = 0 AND kind = 8 AND credit >> 56 = 2) AS t GROUP BY 1) AS l USING (id)
		WHERE (coalesce(l.put, 0), coalesce(l.series, 0), coalesce(l.back, 0)) IS DISTINCT FROM
			(b.put::numeric, b.allocated_fen::numeric, b.returned_fen::numeric)`,
		`SELECT count(*) FROM budgets`},
	{"slices", "a budget's slices hold what it granted, and what purchases spent and gave back of it",
		`SELECT format('budget %s: slices hold %s granted, %s spent, %s back; should be %s, and %s between the two', b.id,
			coalesce(c.granted, 0), coalesce(c.spent, 0), coalesce(c.back, 0), b.granted_fen, coalesce(s.spent, 0) - coalesce(s.back, 0)) AS what
		FROM budgets b LEFT JOIN (SELECT budget_id, sum(granted_fen) AS granted, sum(spent_fen) AS spent, sum(back_fen) AS back
			FROM budget_slices GROUP BY 1) AS c ON c.budget_id = b.id LEFT JOIN (` + spentSQL + `) AS s ON s.budget = b.id
		WHERE coalesce(c.granted, 0) <> b.granted_fen OR coalesce(c.spent, 0) <> coalesce(s.spent, 0)
			OR coalesce(c.back, 0) <> coalesce(s.back, 0)`,
		`SELECT count(*) FROM budget_slices`},
	{"member caps", "what a card had of a budget with a cap is what its purchases took of it",
		`SELECT format('budget %s, a card: %s fen noted, %s taken', budget_id, coalesce(c.spent_fen, 0), coalesce(w.fen, 0)) AS what
		FROM budget_cards c FULL JOIN (SELECT card_serial, budget AS budget_id, sum(fen)::bigint AS fen FROM (
			SELECT card_serial, budget, fen FROM audit_shares UNION ALL SELECT card_serial, budget, -fen FROM audit_backs) AS s
			WHERE budget IN (SELECT id FROM budgets WHERE member_cap_fen IS NOT NULL) GROUP BY 1, 2) AS w USING (card_serial, budget_id)
		WHERE coalesce(c.spent_fen, 0) <> coalesce(w.fen, 0)`,
		`SELECT count(*) FROM budget_cards`},
	{"vouchers", "each used voucher is used by one purchase, at its whole face; each series has the packs given, and the money for all",
		`SELECT format('series %s voucher %s: held as used by %s, in purchase %s at %s fen', coalesce(v.series_id, w.budget),
			coalesce(v.no, w.voucher), v.purchase_id, w.id, w.union_fen) AS what
		FROM (SELECT v.*, s.face_fen FROM vouchers v LEFT JOIN voucher_series s ON s.budget_id = v.series_id WHERE state = 2) AS v
		FULL JOIN (SELECT * FROM (` + usedSQL + `) AS u WHERE voucher IS NOT NULL AND stands) AS w
			ON w.card_serial = v.card_serial AND w.budget = v.series_id AND w.voucher = v.no
			AND w.merchant_id = v.merchant_id AND w.id = v.purchase_id
		WHERE v.no IS NULL OR w.id IS NULL OR w.union_fen IS DISTINCT FROM v.face_fen
		UNION ALL SELECT format('series %s: %s vouchers given of %s packs of %s in %s, whose money is %s fen', s.budget_id, coalesce(n.n, 0),
				s.claimed, s.per_pack, s.packs, b.amount_fen)
			FROM voucher_series s JOIN budgets b ON b.id = s.budget_id
			LEFT JOIN (SELECT series_id, count(*) AS n FROM vouchers GROUP BY 1) AS n ON n.series_id = s.budget_id
			WHERE coalesce(n.n, 0) <> s.claimed::bigint * s.per_pack OR b.amount_fen <> s.packs::numeric * s.per_pack * s.face_fen`,
		`SELECT count(*) FROM vouchers`},
	{"limits", "what cards have used of offers' limits is what their purchases used",
		`SELECT format('merchant %s contract %s offer %s period %s from %s: %s uses and %s fen noted, %s and %s used', merchant_id,
			contract_id, offer, period, period_start, coalesce(g.uses, 0), coalesce(g.used_fen, 0), coalesce(w.uses, 0), coalesce(w.fen, 0)) AS what
		FROM usage g FULL JOIN (
			SELECT merchant_id, contract_id, floor_id AS source, offer, card_serial, period, period_start,
				count(*) FILTER (WHERE stands) AS uses, sum(rest)::bigint AS fen
			FROM (SELECT u.*, x.period::smallint, CASE x.period WHEN '1' THEN business_day
					WHEN '2' THEN business_day - (extract(isodow FROM business_day)::integer - 1)
					WHEN '3' THEN business_day - (extract(day FROM business_day)::integer - 1)
					ELSE date '1970-01-01' END AS period_start
				FROM (` + usedSQL + `) AS u CROSS JOIN LATERAL json_array_elements_text(u.periods) AS x (period)
				WHERE u.periods IS NOT NULL) AS e
			GROUP BY 1, 2, 3, 4, 5, 6, 7) AS w
		USING (merchant_id, contract_id, source, offer, card_serial, period, period_start)
		WHERE coalesce(g.uses, 0) <> coalesce(w.uses, 0) OR coalesce(g.used_fen, 0) <> coalesce(w.fen, 0)`,
		`SELECT count(*) FROM usage`},
	{"static caps", "what a card had of the daily cap on printed and typed codes is what its purchases had",
		`SELECT format('a card on %s, code kind %s: %s fen noted, %s had', day, code_kind, coalesce(c.discount_fen, 0), coalesce(w.fen, 0)) AS what
		FROM card_caps c FULL JOIN (SELECT card_serial, code_kind, business_day AS day, sum(discount_fen - given_back_fen)::bigint AS fen
			FROM purchases WHERE state <> 9 AND code_kind <> 1 GROUP BY 1, 2, 3) AS w USING (card_serial, code_kind, day)
		WHERE coalesce(c.discount_fen, 0) <> coalesce(w.fen, 0) AND (c.day IS NOT NULL OR EXISTS (
			SELECT FROM card_caps k WHERE k.code_kind = w.code_kind))`,
		`SELECT count(*) FROM card_caps`},
	{"statements", "a statement's bytes have its SHA-256, and its columns say what they say",
		`SELECT format('merchant %s on %s', merchant_id, business_day) AS what FROM (
			SELECT *, convert_from(body, 'UTF8')::jsonb AS b FROM statements WHERE business_day >= $1) AS s
		WHERE sha256 <> sha256(body) OR (b ->> 'merchant')::bigint <> merchant_id OR (b ->> 'day')::date <> business_day
			OR ((b ->> 'purchases')::bigint, (b ->> 'gross_fen')::bigint, (b ->> 'discount_fen')::bigint, (b ->> 'merchant_share_fen')::bigint,
				(b ->> 'union_share_fen')::bigint, (b ->> 'undone')::bigint, (b ->> 'refunds')::bigint, (b ->> 'returned_fen')::bigint,
				(b ->> 'given_back_fen')::bigint, (b ->> 'union_back_fen')::bigint, (b ->> 'adjusted_fen')::bigint, (b ->> 'paid_fen')::bigint,
				(b ->> 'opening_fen')::bigint, (b ->> 'due_fen')::bigint, (b ->> 'closing_fen')::bigint, jsonb_array_length(b -> 'adjustments'))
			IS DISTINCT FROM (purchases::bigint, gross_fen, discount_fen, merchant_share_fen, union_share_fen, undone::bigint,
				refunds::bigint, returned_fen, given_back_fen, union_back_fen, adjusted_fen, paid_fen, opening_fen, due_fen,
				closing_fen, adjustments)`,
		`SELECT count(*) FROM statements WHERE business_day >= $1`},
	{"balances", "each opening balance is the closing one before it, and the last is the ledger's of that day",
		`SELECT format('merchant %s on %s: opens with %s after %s', merchant_id, business_day, opening_fen, last) AS what FROM (
			SELECT merchant_id, business_day, opening_fen, lag(closing_fen, 1, 0::bigint) OVER (PARTITION BY merchant_id ORDER BY business_day) AS last
			FROM statements) AS s WHERE opening_fen <> last
		UNION ALL
		SELECT format('merchant %s: closed with %s, the ledger says %s', merchant_id, coalesce(s.closing_fen, 0), coalesce(l.fen, 0))
		FROM (SELECT DISTINCT ON (merchant_id) merchant_id, closing_fen FROM statements ORDER BY merchant_id, business_day DESC) AS s
		FULL JOIN (SELECT merchant_id, sum(CASE WHEN credit >> 56 = 3 THEN fen ELSE -fen END) AS fen FROM transfers
			WHERE 3 IN (credit >> 56, debit >> 56)
				AND business_day <= (SELECT max(day) FROM business_days WHERE done_at IS NOT NULL) GROUP BY 1) AS l USING (merchant_id)
		WHERE coalesce(s.closing_fen, 0) <> coalesce(l.fen, 0)`,
		`SELECT count(*) FROM statements`},
	{"adjustments", "everything posted by people is in the ledger, and nothing else is",
		`SELECT format('adjustment %s of merchant %s: %s fen, posted %s', a.id, merchant_id, coalesce(a.fen, 0), coalesce(t.fen, 0)) AS what
		FROM adjustments a FULL JOIN (SELECT merchant_id, business_day, doc, credit, debit,
				CASE WHEN credit >> 56 = 3 THEN fen ELSE -fen END AS fen FROM transfers WHERE kind = 5) AS t USING (merchant_id, business_day, doc)
		WHERE a.fen IS DISTINCT FROM t.fen OR ` + adjustAccount + `a.office_id NOT IN (t.credit, t.debit)`,
		`SELECT count(*) FROM adjustments`},
	{"payments", "a payment's lines are its statements' sums, its totals their sum, and what is paid is in the ledger",
		`SELECT format('payment %s line %s: %s fen for statements of %s', l.payment_id, l.no, l.fen, s.fen) AS what
		FROM payment_lines l JOIN payments p ON p.id = l.payment_id LEFT JOIN (
			SELECT payment_id, merchant_id, sum(due_fen)::bigint AS fen, count(*) AS n, bool_and(state = 'paid') AS paid, bool_or(state = 'paid') AS any
			FROM statements WHERE payment_id IS NOT NULL GROUP BY 1, 2) AS s ON s.payment_id = l.payment_id AND s.merchant_id = l.merchant_id
		WHERE CASE WHEN p.state = 'dropped' OR l.state = 'returned' THEN s.n IS NOT NULL
			ELSE s.fen IS DISTINCT FROM l.fen OR s.n <> l.statements OR s.paid <> (l.state = 'paid') OR s.any <> (l.state = 'paid') END
		UNION ALL SELECT format('merchant %s on %s: in payment %s, which has no line for it', s.merchant_id, s.business_day, s.payment_id)
		FROM statements s LEFT JOIN payment_lines l ON l.payment_id = s.payment_id AND l.merchant_id = s.merchant_id
		WHERE s.payment_id IS NOT NULL AND l.no IS NULL
		UNION ALL SELECT format('payment %s: %s lines of %s fen, should be %s of %s', p.id, p.lines, p.fen, l.n, l.fen)
		FROM payments p LEFT JOIN (SELECT payment_id, count(*) AS n, sum(fen)::bigint AS fen FROM payment_lines GROUP BY 1) AS l ON l.payment_id = p.id
		WHERE (p.lines::bigint, p.fen) IS DISTINCT FROM (l.n, l.fen)
		UNION ALL SELECT format('payment %s, merchant %s: %s fen in the ledger, %s by its line', coalesce(t.id, l.payment_id),
			coalesce(t.merchant_id, l.merchant_id), coalesce(t.fen, 0), coalesce(l.fen, 0))
		FROM (SELECT CASE kind WHEN 9 THEN credit ELSE debit END - (` + paymentAccount + `0) AS id, merchant_id,
				sum(CASE kind WHEN 9 THEN fen ELSE -fen END)::bigint AS fen FROM transfers WHERE kind IN (9, 10) GROUP BY 1, 2) AS t
		FULL JOIN (SELECT payment_id, merchant_id, fen FROM payment_lines WHERE state = 'paid') AS l
			ON l.payment_id = t.id AND l.merchant_id = t.merchant_id
		WHERE coalesce(t.fen, 0) <> coalesce(l.fen, 0)`,
		`SELECT count(*) FROM payment_lines`},
}
