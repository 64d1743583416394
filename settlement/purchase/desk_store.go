package purchase

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"unioncard/merchant"
)

// undoState is what an undoing finds under its locks.
type undoState struct {
	p         *stored
	today     day // the business day to stamp
	now       time.Time
	dayClosed bool // of the purchase's own day
	tailOver  bool
	seq       int
	given     []int64       // discount given back by each undoing so far, fen
	doneLines map[int]int64 // thousandths refunded of each line so far
}

// errTryAgain: a race that the next attempt sees the outcome of.
var errTryAgain = errors.New("purchase: try again")

// inTx runs fn in a transaction, again if it lost a race. A connection lost at
// COMMIT is told as ErrOutcomeUnknown, where the same key again gets the answer;
// lost before, a lock not had in time and races lost again and again as
// ErrOverloaded.
func (d *Desk) inTx(ctx context.Context, fn func(pgx.Tx) error) error {
	for attempt := 0; ; attempt++ {
		err := d.once(ctx, fn)
		switch {
		case errors.Is(err, ErrOutcomeUnknown), errors.Is(err, ErrOverloaded):
			return err
		case isFault(err, faultLocked):
			return overloaded(err)
		case !errors.Is(err, errTryAgain) && !isFault(err, faultConflict):
			return away(err)
		case attempt == 4:
			return overloaded(err)
		}
	}
}

// isFault says whether err is the server's, of that sort.
func isFault(err error, f fault) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && faultOf(err) == f
}

// deskSettings hold for a transaction of the desk: a till waits for a lock, and
// a node that hangs holds its own, no longer than this.
const deskSettings = `SELECT set_config('lock_timeout', '4s', true),
	set_config('idle_in_transaction_session_timeout', '15s', true)`

func (d *Desk) once(ctx context.Context, fn func(pgx.Tx) error) error {
	tx, err := d.db.Begin(ctx)
	if errors.Is(err, context.Canceled) {
		return err
	}
	if err != nil {
		return overloaded(err)
	}
	defer func() {
		back, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = tx.Rollback(back)
	}()
	if _, err := tx.Exec(ctx, deskSettings); err != nil {
		return fmt.Errorf("purchase: begin: %w", err)
	}
	if err := fn(tx); err != nil {
		return err
	}
	err = tx.Commit(ctx)
	var pg *pgconn.PgError
	switch {
	case err == nil || errors.Is(err, pgx.ErrTxCommitRollback) || errors.As(err, &pg) && pg.SeverityUnlocalized == "ERROR":
		return err
	}
	return fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
}

// terminalActive reads the acting terminal's present status.
func terminalActive(ctx context.Context, tx pgx.Tx, t *merchant.Terminal) error {
	var status merchant.TerminalStatus
	err := tx.QueryRow(ctx, `SELECT status FROM terminals WHERE id = $1 AND merchant_id = $2`, t.ID, t.MerchantID).Scan(&status)
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("purchase: read terminal: %w", err)
	}
	if status != merchant.TerminalActive {
		return merchant.ErrTerminalSuspended
	}
	return nil
}

// lockUndo takes the locks of an undoing in the committer's order, days before
// rows, and reads the purchase again under them.
func lockUndo(ctx context.Context, tx pgx.Tx, p *stored) (*undoState, error) {
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock_shared(`+dayLockText+`, $1::integer)`, int32(p.day)); err != nil {
		return nil, fmt.Errorf("purchase: lock day: %w", err)
	}
	if _, err := tx.Exec(ctx, lockDaysSQL); err != nil {
		return nil, fmt.Errorf("purchase: lock days: %w", err)
	}
	locked, err := findStored(ctx, tx, `merchant_id = $1 AND id = $2 FOR UPDATE`, p.merchant, p.id)
	if err != nil {
		return nil, err
	}
	s := &undoState{p: locked, doneLines: map[int]int64{}}
	err = tx.QueryRow(ctx, `
		SELECT now(), `+businessDaySQL+` - date '1970-01-01',
		       EXISTS (SELECT FROM business_days b WHERE b.day = $3 AND b.closed_at IS NOT NULL),
		       (SELECT now() >= c.refund_until FROM contracts c WHERE c.id = $4),
		       coalesce(max(u.seq), 0) + 1, coalesce(array_agg(u.given_back_fen ORDER BY u.seq), '{}')
		FROM purchase_undos u WHERE u.merchant_id = $1 AND u.purchase_id = $2`,
		p.merchant, p.id, p.day.date(), p.contract).
		Scan(&s.now, &s.today, &s.dayClosed, &s.tailOver, &s.seq, &s.given)
	if err != nil {
		return nil, fmt.Errorf("purchase: read undos: %w", err)
	}
	s.now = s.now.UTC()
	return s, s.readLines(ctx, tx)
}

// readLines sums up what refunds by line took.
func (s *undoState) readLines(ctx context.Context, tx pgx.Tx) error {
	if s.p.refundMode != modeByLine {
		return nil
	}
	rows, err := tx.Query(ctx, `SELECT lines FROM purchase_undos
		WHERE merchant_id = $1 AND purchase_id = $2 AND kind = $3`, s.p.merchant, s.p.id, kindRefundLines)
	if err != nil {
		return fmt.Errorf("purchase: read refunded lines: %w", err)
	}
	var text []byte
	_, err = pgx.ForEachRow(rows, []any{&text}, func() error {
		var lines []undoneLine
		if err := json.Unmarshal(text, &lines); err != nil {
			return err
		}
		for _, l := range lines {
			s.doneLines[l.Line] += l.QtyMilli
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("purchase: read refunded lines: %w", err)
	}
	return nil
}

// earlierUndo looks for the answer under a key of an undoing.
func earlierUndo(ctx context.Context, tx pgx.Tx, t *merchant.Terminal, key string, hash [16]byte) (a UndoAnswer, known bool, err error) {
	var had, answer []byte
	err = tx.QueryRow(ctx, `SELECT request_hash, answer FROM purchase_undos
		WHERE merchant_id = $1 AND terminal_id = $2 AND idem_key = $3`, t.MerchantID, t.ID, key).Scan(&had, &answer)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return UndoAnswer{}, false, nil
	case err != nil:
		return UndoAnswer{}, false, fmt.Errorf("purchase: read undo: %w", err)
	case !bytes.Equal(had, hash[:]):
		return UndoAnswer{}, true, ErrKeyReused
	}
	a, err = replayedUndo(answer)
	return a, true, err
}

// write records an undoing and gives back what the purchase took, in the order of
// the committer's locks.
func (s *undoState) write(ctx context.Context, tx pgx.Tx, w *undoWork, u *undoing, a *UndoAnswer) error {
	answer, err := a.marshal()
	if err != nil {
		return fmt.Errorf("purchase: write undo: %w", err)
	}
	var lines []byte
	if u.lines != nil {
		if lines, err = json.Marshal(u.lines); err != nil {
			return fmt.Errorf("purchase: write undo: %w", err)
		}
	}
	var key *string
	if w.key != "" {
		key = &w.key
	}
	p := s.p
	money := u.moneyBack(p, s.given)
	_, err = tx.Exec(ctx, `INSERT INTO purchase_undos (merchant_id, purchase_id, seq, kind, terminal_id, idem_key,
		request_hash, returned_fen, given_back_fen, union_back_fen, lines, reason, operator, adjustment, answer, business_day, at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, now())`,
		p.merchant, p.id, s.seq, u.kind, w.client.Terminal.ID, key, w.hash[:], u.returned, u.givenBack,
		money.union(), lines, w.reason, w.operator, s.dayClosed, answer, s.today.date())
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.ConstraintName == "undos_key" {
		return errTryAgain // the key is being used for another purchase at this moment
	}
	if err != nil {
		return fmt.Errorf("purchase: write undo: %w", err)
	}
	_, err = tx.Exec(ctx, `UPDATE purchases SET state = $3, refund_mode = $4,
		returned_fen = returned_fen + $5, given_back_fen = given_back_fen + $6 WHERE merchant_id = $1 AND id = $2`,
		p.merchant, p.id, int16(u.state), u.mode, u.returned, u.givenBack)
	if err != nil {
		return fmt.Errorf("purchase: write undo: %w", err)
	}
	if err := giveUsageBack(ctx, tx, u.usageBack(p)); err != nil {
		return err
	}
	if err := giveCapBack(ctx, tx, p, u.capBack(p)); err != nil {
		return err
	}
	return s.giveMoneyBack(ctx, tx, u, money)
}

// giveUsageBack locks the rows in the committer's order and takes off them.
func giveUsageBack(ctx context.Context, tx pgx.Tx, back []usageBack) error {
	for _, b := range back {
		tag, err := tx.Exec(ctx, `UPDATE usage SET uses = uses - $8, used_fen = used_fen - $9
			WHERE merchant_id = $1 AND contract_id = $2 AND source = $3 AND offer = $4 AND card_serial = $5
			  AND period = $6 AND period_start = $7`,
			b.merchant, b.contract, b.source, b.offer, b.serial, int16(b.period), b.start.date(), b.uses, b.fen)
		if err != nil {
			return fmt.Errorf("purchase: give usage back: %w", err)
		}
		if tag.RowsAffected() != 1 {
			return fmt.Errorf("purchase: give usage back: no usage of offer %q", b.offer)
		}
	}
	return nil
}

func giveCapBack(ctx context.Context, tx pgx.Tx, p *stored, fen int64) error {
	if fen == 0 {
		return nil
	}
	tag, err := tx.Exec(ctx, `UPDATE card_caps SET discount_fen = discount_fen - $4
		WHERE card_serial = $1 AND code_kind = $2 AND day = $3`, p.serial, int16(p.kind), p.day.date(), fen)
	if err != nil {
		return fmt.Errorf("purchase: give cap back: %w", err)
	}
	if tag.RowsAffected() != 1 {
		return errors.New("purchase: give cap back: no cap of the day")
	}
	return nil
}
