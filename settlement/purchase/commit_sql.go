package purchase

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"unioncard/merchant"
)

// statement numbers the prepared statements of a lane's connection.
type statement int

const (
	stmtBegin statement = iota
	stmtLockDays
	stmtNow
	stmtCopy
	stmtCopyCodes
	stmtClaim
	stmtCards
	stmtStatuses
	stmtReadKeys
	stmtUseCodes
	stmtReadCodes
	stmtLockUsage
	stmtLockCaps
	stmtLockSlices
	stmtReadBudgets
	stmtLockCardBudgets
	stmtLockVouchers
	stmtDrop
	stmtDropCodes
	stmtPutUsage
	stmtPutCaps
	stmtPutSlices
	stmtPutCardBudgets
	stmtUseVouchers
	stmtPost
	stmtCommit
	stmtRollback
	statements
)

// commitSQL is every statement of a batch, each set-based over the columns of
// unnest. Inserts and locks follow the order of the arrays, which is one global
// order, so that lanes and nodes wait for each other but never in a circle.
//
// Tables are reached by LATERAL subqueries that can't be flattened (OFFSET 0 or
// FOR UPDATE): one walk through a unique index for each element, in the order of
// the array. A plain join, planned once while the table was small, would read
// the whole table for every element ever after.
var commitSQL = [statements]string{
	stmtBegin:    `BEGIN ISOLATION LEVEL READ COMMITTED`,
	stmtLockDays: lockDaysSQL,

	stmtNow: `SELECT (extract(epoch FROM now()) * 1000000)::bigint, ` + businessDaySQL + ` - date '1970-01-01'`,

	stmtCopy: `
COPY purchases (merchant_id, terminal_id, idem_key, id, request_hash, outlet_id, contract_id, terms_version,
    floor_id, card_serial, code_kind, code_key, quote_id, quoted_at, amount_fen, discount_fen, union_share_fen,
    applied, lines, merchant_ref, operator, state, business_day) FROM STDIN (FORMAT binary)`,

	stmtCopyCodes: `COPY code_uses (card_serial, code_key, merchant_id, purchase_id) FROM STDIN (FORMAT binary)`,

	// Whoever inserts first has the key; whoever comes while that one is still
	// undecided waits for its outcome here.
	stmtClaim: `
INSERT INTO purchases (merchant_id, terminal_id, idem_key, id, request_hash, outlet_id, contract_id, terms_version,
    floor_id, card_serial, code_kind, code_key, quote_id, quoted_at, amount_fen, discount_fen, union_share_fen,
    applied, lines, merchant_ref, operator, state, business_day, committed_at)
SELECT u.*, 1, ` + businessDaySQL + `, now()
FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::uuid[], $5::bytea[], $6::bigint[], $7::bigint[], $8::integer[],
    $9::bigint[], $10::bigint[], $11::smallint[], $12::bigint[], $13::bigint[], $14::timestamptz[], $15::bigint[],
    $16::bigint[], $17::bigint[], $18::json[], $19::text[], $20::text[], $21::text[]) AS u
ON CONFLICT ON CONSTRAINT purchases_key DO NOTHING`,

	// The cards that may not earn now, by their place in the batch. A phone's code is
	// of an epoch, which ends when another phone takes over; -1 is any.
	stmtCards: `
SELECT u.i::integer, coalesce(c.status, 0)::smallint, coalesce(c.generation = u.generation AND u.epoch IN (-1, c.phone_epoch), false)
FROM unnest($1::bigint[], $2::smallint[], $3::smallint[]) WITH ORDINALITY AS u (serial, generation, epoch, i)
LEFT JOIN cards c ON c.serial = u.serial
WHERE (c.status = 1 AND c.generation = u.generation AND u.epoch IN (-1, c.phone_epoch)
       AND c.valid_until >= (now() AT TIME ZONE 'Asia/Shanghai')::date) IS NOT TRUE`,

	stmtStatuses: merchant.StatusSQL,

	stmtReadKeys: `
SELECT u.i::integer, p.*
FROM unnest($1::bigint[], $2::bigint[], $3::text[]) WITH ORDINALITY AS u (m, t, k, i)
CROSS JOIN LATERAL (
    SELECT id, request_hash, state, amount_fen, discount_fen, union_share_fen,
           (extract(epoch FROM committed_at) * 1000000)::bigint, outlet_id, coalesce(merchant_ref, '')
    FROM purchases WHERE merchant_id = u.m AND terminal_id = u.t AND idem_key = u.k OFFSET 0) AS p`,

	stmtUseCodes: `
INSERT INTO code_uses (card_serial, code_key, merchant_id, purchase_id)
SELECT u.* FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::uuid[]) AS u
ON CONFLICT DO NOTHING`,

	stmtReadCodes: `
SELECT u.i::integer, c.purchase_id,
       coalesce((SELECT p.quote_id FROM purchases p WHERE p.merchant_id = c.merchant_id AND p.id = c.purchase_id), 0)
FROM unnest($1::bigint[], $2::bigint[]) WITH ORDINALITY AS u (serial, k, i)
CROSS JOIN LATERAL (
    SELECT merchant_id, purchase_id FROM code_uses WHERE card_serial = u.serial AND code_key = u.k OFFSET 0) AS c`,

	stmtLockUsage: `
SELECT u.i::integer, g.*
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::bigint[], $6::smallint[], $7::date[])
     WITH ORDINALITY AS u (m, c, s, o, card, p, d, i)
CROSS JOIN LATERAL (
    SELECT uses::bigint, used_fen FROM usage
    WHERE merchant_id = u.m AND contract_id = u.c AND source = u.s AND offer = u.o
      AND card_serial = u.card AND period = u.p AND period_start = u.d FOR UPDATE) AS g`,

	stmtLockCaps: `
SELECT u.i::integer, g.*
FROM unnest($1::bigint[], $2::smallint[], $3::date[]) WITH ORDINALITY AS u (card, k, d, i)
CROSS JOIN LATERAL (
    SELECT discount_fen FROM card_caps
    WHERE card_serial = u.card AND code_kind = u.k AND day = u.d FOR UPDATE) AS g`,

	// COMMIT is on its way behind this: unless exactly the refused rows go, it must
	// fail, or a refused purchase would stand. Divides by zero then.
	stmtDrop: `
WITH gone AS (
    DELETE FROM purchases WHERE ctid = ANY (ARRAY(
        SELECT p.at FROM unnest($1::bigint[], $2::uuid[]) AS u (m, id)
        CROSS JOIN LATERAL (SELECT ctid FROM purchases WHERE merchant_id = u.m AND id = u.id OFFSET 0) AS p (at)))
    RETURNING 1)
SELECT 1 / (count(*) = cardinality($1::bigint[]))::integer FROM gone`,

	stmtDropCodes: `
WITH gone AS (
    DELETE FROM code_uses WHERE ctid = ANY (ARRAY(
        SELECT c.at FROM unnest($1::bigint[], $2::bigint[]) AS u (serial, k)
        CROSS JOIN LATERAL (SELECT ctid FROM code_uses WHERE card_serial = u.serial AND code_key = u.k OFFSET 0) AS c (at)))
    RETURNING 1)
SELECT 1 / (count(*) = cardinality($1::bigint[]))::integer FROM gone`,

	stmtPutUsage: `
INSERT INTO usage AS g (merchant_id, contract_id, source, offer, card_serial, period, period_start,
    uses, used_fen, max_uses, max_fen)
SELECT u.* FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::bigint[], $6::smallint[], $7::date[],
    $8::integer[], $9::bigint[], $10::integer[], $11::bigint[]) AS u
ON CONFLICT (merchant_id, contract_id, source, offer, card_serial, period, period_start) DO UPDATE
SET uses = g.uses + excluded.uses, used_fen = g.used_fen + excluded.used_fen,
    max_uses = excluded.max_uses, max_fen = excluded.max_fen`,

	stmtPutCaps: `
INSERT INTO card_caps AS g (card_serial, code_kind, day, discount_fen, cap_fen)
SELECT u.* FROM unnest($1::bigint[], $2::smallint[], $3::date[], $4::bigint[], $5::bigint[]) AS u
ON CONFLICT (card_serial, code_kind, day) DO UPDATE
SET discount_fen = g.discount_fen + excluded.discount_fen, cap_fen = excluded.cap_fen`,

	stmtLockSlices:      lockSlicesSQL,
	stmtReadBudgets:     readBudgetsSQL,
	stmtLockCardBudgets: lockCardBudgetsSQL,
	stmtLockVouchers:    lockVouchersSQL,
	stmtPutSlices:       putSlicesSQL,
	stmtPutCardBudgets:  putCardBudgetsSQL,
	stmtUseVouchers:     useVouchersSQL,
	stmtPost:            postSQL,

	stmtCommit:   `COMMIT`,
	stmtRollback: `ROLLBACK`,
}

// laneSettings hold for the connection of a lane. Statements are planned once,
// for whatever size their tables will have. A lane waits for a lock no longer
// than its other rows may wait; the other limit frees the locks of a node that
// hangs.
var laneSettings = map[string]string{
	"plan_cache_mode":                     "force_generic_plan",
	"enable_seqscan":                      "off",
	"enable_hashjoin":                     "off",
	"enable_mergejoin":                    "off",
	"lock_timeout":                        "250ms",
	"idle_in_transaction_session_timeout": "15s",
	"application_name":                    "unioncard-committer",
}

// connect opens a lane's connection and prepares its statements in one round trip.
func (l *lane) connect(ctx context.Context) error {
	cfg := l.c.pool.Config().ConnConfig.Copy()
	for name, value := range laneSettings {
		cfg.RuntimeParams[name] = value
	}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return err
	}
	p := conn.PgConn().StartPipeline(ctx)
	for i, sql := range commitSQL {
		p.SendPrepare(stmtName(statement(i)), sql, nil)
	}
	err = l.readPrepared(p)
	if closeErr := p.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		_ = conn.Close(ctx)
		return err
	}
	l.conn = conn
	return nil
}

func (l *lane) readPrepared(p *pgconn.Pipeline) error {
	if err := p.Sync(); err != nil {
		return err
	}
	for i := range commitSQL {
		got, err := p.GetResults()
		if err != nil {
			return fmt.Errorf("prepare statement %d: %w", i, err)
		}
		l.prepared[i] = got.(*pgconn.StatementDescription)
		l.prepared[i].Name = stmtName(statement(i))
	}
	return nil
}

func stmtName(s statement) string { return fmt.Sprintf("commit_%d", s) }
