package card

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"unioncard/card/feed"
	"unioncard/card/union/event"
)

// DB is what a store needs; a pool and a transaction both have it.
type DB interface {
	Begin(ctx context.Context) (pgx.Tx, error)
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// By says who does something and why; the event log keeps both.
type By struct{ Actor, Reason string }

// StoreOptions of a Store.
type StoreOptions struct {
	// NewNumber draws card numbers; default NewNumber with the province's Prefix.
	NewNumber func() (int64, error)
}

// Store reads and writes members and cards. Every change is one transaction
// with its event and its change feed row.
type Store struct {
	db        DB
	newNumber func() (int64, error)
}

// NewStore makes a store over a pool, or over a transaction for tests.
func NewStore(db DB, opts StoreOptions) *Store {
	s := &Store{db: db, newNumber: opts.NewNumber}
	if s.newNumber == nil {
		s.newNumber = func() (int64, error) { return NewNumber(nil) }
	}
	return s
}

// Card is a card as stored.
type Card struct {
	Entry
	Serial   int64
	MemberID int64
	Number   int64
	Version  int64
	// LostFrom, of a lost card, is what it goes back to when found or replaced:
	// StatusSuspended, StatusInactive, or StatusNone for active.
	LostFrom Status
	// Batch is the batch that issued it, 0 for none.
	Batch int64
}

const cardColumns = `serial, member_id, number, generation, status, class, territory, name_masked,
	valid_until, version, lost_from, phone_epoch, coalesce(batch_id, 0)`

func scanCard(row pgx.CollectableRow) (Card, error) {
	var c Card
	var validUntil time.Time
	err := row.Scan(&c.Serial, &c.MemberID, &c.Number, &c.Generation, &c.Status, &c.Class, &c.Territory,
		&c.Holder, &validUntil, &c.Version, &c.LostFrom, &c.PhoneEpoch, &c.Batch)
	c.ValidUntil = monthOfDate(validUntil)
	c.Last4 = uint16(c.Number % 10_000)
	return c, err
}

func one(ctx context.Context, db interface {
	Query(context.Context, string, ...any) (pgx.Rows, error)
}, where string, args ...any) (Card, error) {
	rows, err := db.Query(ctx, `SELECT `+cardColumns+` FROM cards WHERE `+where, args...)
	if err != nil {
		return Card{}, err
	}
	return pgx.CollectExactlyOneRow(rows, scanCard)
}

// Get reads a card; ErrCodeInvalid if there is none.
func (s *Store) Get(ctx context.Context, serial int64) (Card, error) {
	c, err := one(ctx, s.db, `serial = $1`, serial)
	if errors.Is(err, pgx.ErrNoRows) {
		return Card{}, ErrCodeInvalid
	}
	if err != nil {
		return Card{}, fmt.Errorf("card.Get: %w", err)
	}
	return c, nil
}

// ByNumber leads from a card's present number to its serial and to the generation
// that the number is of, both as of one moment: read apart, a replacement in between
// would lend the new generation to the old number. ErrCodeInvalid if no card has or
// had the number, or only a replaced one: both look alike.
func (s *Store) ByNumber(ctx context.Context, number int64) (serial int64, generation uint16, err error) {
	err = s.db.QueryRow(ctx, `SELECT c.serial, c.generation FROM card_numbers n JOIN cards c ON c.serial = n.card_serial
		WHERE n.number = $1 AND n.retired_at IS NULL`, number).Scan(&serial, &generation)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, 0, ErrCodeInvalid
	}
	if err != nil {
		return 0, 0, fmt.Errorf("card.ByNumber: %w", err)
	}
	return serial, generation, nil
}

// Activate makes an inactive card earn from now on: its member signed in on a
// phone, or has it in the hand. An active card is left as it is, without a word.
func (s *Store) Activate(ctx context.Context, by By, serial int64) error {
	err := InTx(ctx, s.db, func(tx pgx.Tx) error { return s.ActivateTx(ctx, tx, by, serial) })
	if err != nil {
		return fmt.Errorf("card.activate: %w", err)
	}
	return nil
}

// ActivateTx is Activate in the caller's transaction.
func (s *Store) ActivateTx(ctx context.Context, tx pgx.Tx, by By, serial int64) error {
	c, err := lockTx(ctx, tx, serial, ActionActivate)
	if err != nil || c.Status == StatusActive {
		return err
	}
	return s.moveTx(ctx, tx, by, &c, ActionActivate)
}

// Suspend stops an active card. The card's row lock protects it, as all of the
// following.
func (s *Store) Suspend(ctx context.Context, by By, serial int64) error {
	_, err := s.change(ctx, by, serial, ActionSuspend)
	return err
}

// Resume lifts a suspension.
func (s *Store) Resume(ctx context.Context, by By, serial int64) error {
	_, err := s.change(ctx, by, serial, ActionResume)
	return err
}

// ReportLost stops a card at any time of day, also a suspended one. Purchases
// started after it returns earn nothing; verifications learn of it within a
// second.
func (s *Store) ReportLost(ctx context.Context, by By, serial int64) error {
	_, err := s.change(ctx, by, serial, ActionReportLost)
	return err
}

// Found takes back a ReportLost.
func (s *Store) Found(ctx context.Context, by By, serial int64) error {
	_, err := s.change(ctx, by, serial, ActionFound)
	return err
}

// Replace gives a card a new number and the next generation, so that every code
// of the old plastic, number or phone key dies with the commit. The old number
// is retired and never given again.
func (s *Store) Replace(ctx context.Context, by By, serial int64) (Card, error) {
	return s.change(ctx, by, serial, ActionReplace)
}

// Cancel ends a card for good; its member may be issued a new one.
func (s *Store) Cancel(ctx context.Context, by By, serial int64) error {
	_, err := s.change(ctx, by, serial, ActionCancel)
	return err
}

// cardState is what events keep of a card: nothing personal, and not its number.
type cardState struct {
	Status     string `json:"status"`
	Generation uint16 `json:"generation"`
	ValidUntil string `json:"valid_until"`
	Member     int64  `json:"member"`
}

func (c *Card) state() *cardState {
	return &cardState{Status: c.Status.String(), Generation: c.Generation, ValidUntil: c.ValidUntil.String(), Member: c.MemberID}
}

// ErrStale: somebody has done something to the card since it was shown.
var ErrStale = errors.New("card: changed meanwhile")

// Move makes one move of a card that is still at the version that somebody saw of
// it: of two who ask for a replacement at once the second gets ErrStale, not another
// number. *MoveError for what its status does not allow.
func (s *Store) Move(ctx context.Context, by By, serial, version int64, action Action) (Card, error) {
	return s.changeAt(ctx, by, serial, &version, action)
}

func (s *Store) change(ctx context.Context, by By, serial int64, action Action) (Card, error) {
	return s.changeAt(ctx, by, serial, nil, action)
}

// changeAt is change of a card at a version, nil for any.
func (s *Store) changeAt(ctx context.Context, by By, serial int64, version *int64, action Action) (Card, error) {
	var c Card
	err := InTx(ctx, s.db, func(tx pgx.Tx) (err error) {
		if c, err = lockTx(ctx, tx, serial, action); err != nil {
			return err
		}
		if version != nil && *version != c.Version {
			return ErrStale
		}
		return s.moveTx(ctx, tx, by, &c, action)
	})
	if err != nil {
		return Card{}, fmt.Errorf("card.%s: %w", action, err)
	}
	return c, nil
}

// lockTx reads a card and holds its row lock; *MoveError if there is none.
func lockTx(ctx context.Context, tx pgx.Tx, serial int64, action Action) (Card, error) {
	c, err := one(ctx, tx, `serial = $1 FOR UPDATE`, serial)
	if errors.Is(err, pgx.ErrNoRows) {
		return Card{}, &MoveError{Action: action, From: StatusNone}
	}
	return c, err
}

// moveTx makes one move of a card whose row is locked, and writes what belongs
// to it.
func (s *Store) moveTx(ctx context.Context, tx pgx.Tx, by By, c *Card, action Action) error {
	next, err := c.Status.Next(action)
	if err != nil {
		return err
	}
	before := c.state()
	from := c.LostFrom
	c.LostFrom = StatusNone
	switch {
	case action == ActionReportLost && c.Status != StatusActive:
		c.LostFrom = c.Status
	case (action == ActionFound || action == ActionReplace) && from != StatusNone:
		next = from
	}
	c.Status = next
	if action == ActionReplace {
		if err := s.renumber(ctx, tx, c); err != nil {
			return err
		}
	}
	if !next.Live() {
		if _, err := tx.Exec(ctx, `DELETE FROM live_cards WHERE member_id = $1 AND card_serial = $2`,
			c.MemberID, c.Serial); err != nil {
			return fmt.Errorf("live card: %w", err)
		}
	}
	// New plastic is to be printed and handed out again.
	err = tx.QueryRow(ctx, `UPDATE cards SET status = $2, generation = $3, number = $4, lost_from = $5, version = version + 1,
		activated_at = CASE WHEN $6 THEN clock_timestamp() ELSE activated_at END,
		print_file = CASE WHEN $7 THEN NULL ELSE print_file END
		WHERE serial = $1 RETURNING version`,
		c.Serial, c.Status, c.Generation, c.Number, c.LostFrom, action == ActionActivate, action == ActionReplace).Scan(&c.Version)
	if err != nil {
		return fmt.Errorf("update: %w", err)
	}
	switch action {
	case ActionActivate:
		err = countOn(ctx, tx, `activated`, []int64{c.Serial})
	case ActionReplace:
		err = takeBack(ctx, tx, c.Serial)
	}
	if err != nil {
		return err
	}
	return record(ctx, tx, by, action, c, before)
}

func record(ctx context.Context, tx pgx.Tx, by By, action Action, c *Card, before *cardState) error {
	if err := feed.Record(ctx, tx, feed.Change{Kind: feed.KindCard, ObjectID: c.Serial, Version: c.Version}); err != nil {
		return err
	}
	var was any
	if before != nil {
		was = before
	}
	return event.Record(ctx, tx, by.Actor, "card."+string(action), fmt.Sprintf("card:%d", c.Serial), by.Reason, was, c.state())
}

// renumber raises the generation, retires the old number and takes a new one.
func (s *Store) renumber(ctx context.Context, tx pgx.Tx, c *Card) error {
	if c.Generation >= MaxGeneration {
		return fmt.Errorf("card %d has used up its generations: cancel it and issue another", c.Serial)
	}
	c.Generation++
	if _, err := tx.Exec(ctx, `UPDATE card_numbers SET retired_at = clock_timestamp() WHERE number = $1`, c.Number); err != nil {
		return fmt.Errorf("retire number: %w", err)
	}
	return s.claimNumber(ctx, tx, c)
}

// claimNumber draws numbers until one was never given. Two draws meet once in
// 10^13 / cards; a generator that keeps repeating itself is an error.
func (s *Store) claimNumber(ctx context.Context, tx pgx.Tx, c *Card) error {
	for range 16 {
		number, err := s.newNumber()
		if err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, `INSERT INTO card_numbers (number, card_serial) VALUES ($1, $2)
			ON CONFLICT (number) DO NOTHING`, number, c.Serial)
		if err != nil {
			return fmt.Errorf("claim number: %w", err)
		}
		if tag.RowsAffected() == 1 {
			c.Number, c.Last4 = number, uint16(number%10_000)
			return nil
		}
	}
	return errors.New("every number drawn is taken")
}

// InTx runs fn in a transaction (a savepoint when db is one) and commits it.
func InTx(ctx context.Context, db DB, fn func(pgx.Tx) error) error {
	tx, err := db.Begin(ctx)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = tx.Rollback(ctx) // does nothing after the commit
	}()
	if err := fn(tx); err != nil {
		return err
	}
	if err := tx.Commit(ctx); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}
