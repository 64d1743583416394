package settlement

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"unioncard/card/union/event"
	"unioncard/merchant"
	"unioncard/settlement/ledger"
	"unioncard/settlement/purchase"
)

// The steps of a close, at which a test may end it.
const (
	stepSealed  = "sealed"
	stepRead    = "read"
	stepChunk   = "chunk"
	stepWritten = "written"
)

// closeDay closes one day on the connection that holds the lock. It may be run again
// whatever became of an earlier run: the seal is set once, the figures of a sealed day
// are always the same, and statements that are there stay.
func (c *Closer) closeDay(ctx context.Context, conn *pgx.Conn, day ledger.Day) (did Closed, err error) {
	begun := c.opt.Clock()
	did.Day = day
	if err := seal(ctx, conn, day); err != nil {
		return did, err
	}
	if err := c.opt.hook(stepSealed); err != nil {
		return did, err
	}
	bodies, n, err := c.readDay(ctx, conn, day)
	if err != nil {
		return did, err
	}
	did.Purchases = n
	if err := c.opt.hook(stepRead); err != nil {
		return did, err
	}
	p := newPace(ctx, c.opt.Clock, c.opt.Duty, 1)
	for len(bodies) > 0 {
		chunk := bodies[:min(c.opt.chunk, len(bodies))]
		bodies = bodies[len(chunk):]
		if err := c.writeChunk(ctx, conn, day, chunk); err != nil {
			return did, err
		}
		if err := c.opt.hook(stepChunk); err != nil {
			return did, err
		}
		p.did(1)
	}
	if err := c.opt.hook(stepWritten); err != nil {
		return did, err
	}
	if did.Statements, err = finishDay(ctx, conn, c.opt.By, day); err != nil {
		return did, err
	}
	did.Took = c.opt.Clock().Sub(begun)
	c.metrics.closed(did)
	c.opt.Logger.Info("business day closed", "day", day.String(), "purchases", n, "statements", did.Statements,
		"took_ms", did.Took.Milliseconds())
	return did, nil
}

// sealWait is how long a seal stands in the way of those who want the day's lock after
// it; it tries again.
const sealWait = `SET LOCAL lock_timeout = '2s'`

// seal makes sure that nothing is stamped with the day any more.
func seal(ctx context.Context, conn *pgx.Conn, day ledger.Day) error {
	for {
		err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, sealWait); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1, $2)`, purchase.DayLock, int32(day)); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, `INSERT INTO business_days (day, closed_at) VALUES ($1, now())
				ON CONFLICT (day) DO UPDATE SET closed_at = coalesce(business_days.closed_at, now())`, day.Date())
			return err
		})
		var pg *pgconn.PgError
		if errors.As(err, &pg) && pg.Code == lockNotAvailable && ctx.Err() == nil {
			continue
		}
		if err != nil {
			return fmt.Errorf("settlement: seal %v: %w", day, err)
		}
		return nil
	}
}

// lockNotAvailable is the SQLSTATE of lock_timeout.
const lockNotAvailable = "55P03"

// readDay reads the day in one snapshot and returns its bodies without balances.
func (c *Closer) readDay(ctx context.Context, conn *pgx.Conn, day ledger.Day) (bodies []Body, purchases int64, err error) {
	d := newDayFigures(day)
	err = pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		var err error
		if purchases, err = d.readSold(ctx, tx, newPace(ctx, c.opt.Clock, c.opt.Duty, paceRows)); err != nil {
			return err
		}
		if err := d.readUndone(ctx, tx, 0); err != nil {
			return err
		}
		return d.readEntries(ctx, tx, 0)
	})
	if err != nil {
		return nil, 0, fmt.Errorf("settlement: read %v: %w", day, err)
	}
	return d.bodies(), purchases, nil
}

// paceRows is how many purchases are read between two rests: some milliseconds' work.
const paceRows = 4096

// writeChunk writes the statements of some merchants, those that are not there yet.
func (c *Closer) writeChunk(ctx context.Context, conn *pgx.Conn, day ledger.Day, chunk []Body) error {
	err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if err := openBalances(ctx, tx, day, chunk); err != nil {
			return err
		}
		return putStatements(ctx, tx, day, c.opt.Term, chunk)
	})
	if err != nil {
		return fmt.Errorf("settlement: write %v: %w", day, err)
	}
	return nil
}

// openBalances sets each merchant's opening balance: the closing one of its last
// statement.
func openBalances(ctx context.Context, tx pgx.Tx, day ledger.Day, chunk []Body) error {
	ids := make([]int64, len(chunk))
	for i := range chunk {
		ids[i] = chunk[i].Merchant
	}
	rows, err := tx.Query(ctx, `SELECT coalesce((SELECT s.closing_fen FROM statements s
			WHERE s.merchant_id = u.id AND s.business_day < $2 ORDER BY s.business_day DESC LIMIT 1), 0)
		FROM unnest($1::bigint[]) WITH ORDINALITY AS u (id, i) ORDER BY u.i`, ids, day.Date())
	if err != nil {
		return fmt.Errorf("opening balances: %w", err)
	}
	opening, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return fmt.Errorf("opening balances: %w", err)
	}
	for i := range chunk {
		chunk[i].open(opening[i])
	}
	return nil
}

const putSQL = `INSERT INTO statements (merchant_id, business_day, body, sha256, purchases, gross_fen, discount_fen,
	merchant_share_fen, union_share_fen, undone, refunds, returned_fen, given_back_fen, union_back_fen, adjustments,
	adjusted_fen, paid_fen, opening_fen, due_fen, closing_fen, confirm_by)
SELECT u.merchant, $1, u.body, u.sum, u.f[1], u.f[2], u.f[3], u.f[4], u.f[5], u.f[6], u.f[7], u.f[8], u.f[9], u.f[10], u.f[11],
	u.f[12], u.f[13], u.f[14], u.f[15], u.f[16], greatest($1, (now() AT TIME ZONE 'Asia/Shanghai')::date) + $2::integer
FROM (SELECT merchant, body, sum, ($6::bigint[])[(i - 1) * $7 + 1 : i * $7] AS f
	FROM unnest($3::bigint[], $4::bytea[], $5::bytea[]) WITH ORDINALITY AS a (merchant, body, sum, i)) AS u
ON CONFLICT (merchant_id, business_day) DO NOTHING`

// putFigures is how many figures putSQL takes a statement.
const putFigures = 16

// putStatements inserts the bodies with their figures. Two numbers of a body never
// differ from the columns: the table checks that they add up, Audit that they agree.
func putStatements(ctx context.Context, tx pgx.Tx, day ledger.Day, term int, chunk []Body) error {
	merchants, bodies, sums := make([]int64, len(chunk)), make([][]byte, len(chunk)), make([][]byte, len(chunk))
	figures := make([]int64, 0, putFigures*len(chunk))
	for i := range chunk {
		b := &chunk[i]
		body, sum, err := b.Marshal()
		if err != nil {
			return err
		}
		merchants[i], bodies[i], sums[i] = b.Merchant, body, sum[:]
		figures = append(figures, b.columns()...)
	}
	_, err := tx.Exec(ctx, putSQL, day.Date(), term, merchants, bodies, sums, figures, putFigures)
	return err
}

// columns are the figures that the table repeats, in the order of putSQL.
func (b *Body) columns() []int64 {
	f := &b.Figures
	return []int64{f.Purchases, f.GrossFen, f.DiscountFen, f.MerchantShareFen, f.UnionShareFen, f.Undone, f.Refunds,
		f.ReturnedFen, f.GivenBackFen, f.UnionBackFen, int64(len(b.Adjustments)), b.AdjustedFen, b.PaidFen,
		b.OpeningFen, b.DueFen, b.ClosingFen}
}

// finishDay says that every statement of the day is written.
func finishDay(ctx context.Context, conn *pgx.Conn, by merchant.By, day ledger.Day) (statements int64, err error) {
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		var sealed time.Time
		err := tx.QueryRow(ctx, `UPDATE business_days SET done_at = now(),
				statements = (SELECT count(*) FROM statements WHERE business_day = $1)
			WHERE day = $1 RETURNING statements, closed_at`, day.Date()).Scan(&statements, &sealed)
		if err != nil {
			return err
		}
		return event.Record(ctx, tx, by.Actor, "day.close", "day:"+day.String(), by.Reason, nil,
			map[string]any{"statements": statements, "early": sealed.Before((day + 1).Start())})
	})
	if err != nil {
		return 0, fmt.Errorf("settlement: finish %v: %w", day, err)
	}
	return statements, nil
}
