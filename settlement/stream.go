package settlement

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/settlement/ledger"
)

// soldSQL is a day's purchases as the stream reads them, in binary.
const soldSQL = `COPY (SELECT merchant_id, outlet_id, amount_fen, discount_fen, union_share_fen FROM purchases
	WHERE business_day = DATE '%s' AND state <> 9) TO STDOUT (FORMAT binary)`

// soldRow is one row of it: five columns, each its length and eight bytes.
const (
	soldColumns = 5
	soldRow     = 2 + soldColumns*(4+8)
)

// copyHead begins a COPY in binary; flags and an extension's length follow.
const copyHead = "PGCOPY\n\xff\r\n\x00"

var errStream = errors.New("settlement: a stream of purchases that is none")

// soldStream takes in a binary COPY of purchases as it comes. What it does between two
// messages the server waits for, which is how the reading is paced.
type soldStream struct {
	figures *dayFigures
	pace    *pace
	rows    int64
	begun   bool
	ended   bool
	rest    []byte // of a row cut in two
}

// Write takes in the next bytes.
func (s *soldStream) Write(p []byte) (int, error) {
	n := len(p)
	if len(s.rest) > 0 {
		s.rest = append(s.rest, p...)
		p = s.rest
	}
	if !s.begun {
		const head = len(copyHead) + 4 + 4
		if len(p) < head {
			s.rest = append(s.rest[:0:0], p...)
			return n, nil
		}
		if string(p[:len(copyHead)]) != copyHead || binary.BigEndian.Uint32(p[head-4:]) != 0 {
			return 0, errStream
		}
		s.begun, p = true, p[head:]
	}
	for len(p) >= 2 {
		if int16(binary.BigEndian.Uint16(p)) == -1 {
			s.ended, p = true, p[2:]
			continue
		}
		if len(p) < soldRow {
			break
		}
		if err := s.row(p[:soldRow]); err != nil {
			return 0, err
		}
		p = p[soldRow:]
	}
	s.rest = append(s.rest[:0:0], p...)
	return n, nil
}

func (s *soldStream) row(p []byte) error {
	if s.ended || binary.BigEndian.Uint16(p) != soldColumns {
		return errStream
	}
	var v [soldColumns]int64
	for i := range v {
		at := 2 + i*12
		if binary.BigEndian.Uint32(p[at:]) != 8 {
			return errStream
		}
		v[i] = int64(binary.BigEndian.Uint64(p[at+4:]))
	}
	s.figures.sold(v[0], v[1], v[2], v[3], v[4])
	s.rows++
	s.pace.did(1)
	return nil
}

// readSold reads the day's purchases of all merchants in one pass over the day.
func (d *dayFigures) readSold(ctx context.Context, tx pgx.Tx, p *pace) (int64, error) {
	s := soldStream{figures: d, pace: p}
	// The day's pages are found by their summary (purchases_day). One worker: the tills
	// need the others.
	_, err := tx.Exec(ctx, `SELECT set_config('enable_seqscan', 'off', true), set_config('max_parallel_workers_per_gather', '0', true),
		set_config('jit', 'off', true)`)
	if err != nil {
		return 0, fmt.Errorf("settlement: purchases: %w", err)
	}
	_, err = tx.Conn().PgConn().CopyTo(ctx, &s, fmt.Sprintf(soldSQL, d.day))
	if err == nil && (!s.ended || len(s.rest) > 0) {
		err = errStream
	}
	if err != nil {
		return 0, fmt.Errorf("settlement: purchases: %w", err)
	}
	return s.rows, nil
}

// readSoldBy reads the day's purchases of one merchant.
func (d *dayFigures) readSoldBy(ctx context.Context, tx pgx.Tx, merchant int64) error {
	rows, err := tx.Query(ctx, `SELECT outlet_id, amount_fen, discount_fen, union_share_fen FROM purchases
		WHERE merchant_id = $1 AND business_day = $2 AND state <> 9`, merchant, d.day.Date())
	if err != nil {
		return fmt.Errorf("settlement: purchases: %w", err)
	}
	var outlet, amount, discount, union int64
	_, err = pgx.ForEachRow(rows, []any{&outlet, &amount, &discount, &union}, func() error {
		d.sold(merchant, outlet, amount, discount, union)
		return nil
	})
	if err != nil {
		return fmt.Errorf("settlement: purchases: %w", err)
	}
	return nil
}

// pace leaves the machine to others for a part of the time: after work that took t it
// rests for t × (1 − duty) / duty.
type pace struct {
	ctx   context.Context
	clock func() time.Time
	duty  float64 // 0 < duty <= 1; 1 never rests
	every int64   // units of work between two rests
	done  int64
	since time.Time
}

// newPace counts a rest after so many units of work.
func newPace(ctx context.Context, clock func() time.Time, duty float64, every int64) *pace {
	return &pace{ctx: ctx, clock: clock, duty: duty, every: every, since: clock()}
}

// maxRest bounds one rest: work that itself was kept waiting by a busy machine is not
// paid back whole, or a day of five million purchases would take minutes.
const maxRest = 20 * time.Millisecond

// did counts work, and rests when it is time; at once when the context ends.
func (p *pace) did(units int64) {
	if p.done += units; p.done < p.every || p.duty >= 1 {
		return
	}
	p.done = 0
	rest := min(time.Duration(float64(p.clock().Sub(p.since))*(1-p.duty)/p.duty), maxRest)
	if rest > 0 {
		t := time.NewTimer(rest)
		select {
		case <-t.C:
		case <-p.ctx.Done():
			t.Stop()
		}
	}
	p.since = p.clock()
}

// recompute builds a merchant's body of a day from its purchases, its opening balance
// from the ledger; ok is false if nothing happened.
func recompute(ctx context.Context, tx pgx.Tx, merchant int64, day ledger.Day) (b Body, ok bool, err error) {
	d := newDayFigures(day)
	if err := d.readSoldBy(ctx, tx, merchant); err != nil {
		return b, false, err
	}
	if err := d.readUndone(ctx, tx, merchant); err != nil {
		return b, false, err
	}
	if err := d.readEntries(ctx, tx, merchant); err != nil {
		return b, false, err
	}
	all := d.bodies()
	if len(all) == 0 {
		return b, false, nil
	}
	var opening int64
	err = tx.QueryRow(ctx, `SELECT coalesce(sum(CASE WHEN credit = $2 THEN fen WHEN debit = $2 THEN -fen ELSE 0 END), 0)::bigint
		FROM transfers WHERE merchant_id = $1 AND business_day < $3`, merchant, ledger.Merchant(merchant), day.Date()).Scan(&opening)
	if err != nil {
		return b, false, fmt.Errorf("settlement: opening balance: %w", err)
	}
	all[0].open(opening)
	return all[0], true, nil
}
