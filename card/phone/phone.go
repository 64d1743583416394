package phone

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"unioncard/card"
	"unioncard/card/personal"
	"unioncard/card/phone/sms"
)

// What a phone may be refused.
var (
	// ErrCodeWrong: not the code that was sent, too late, tried too often, or of a
	// number that is nobody's. One error for all.
	ErrCodeWrong = errors.New("phone: code wrong")
	// ErrTooMany comes in a *WaitError.
	ErrTooMany = errors.New("phone: asked too often")
	// ErrNumber: not a mobile phone number.
	ErrNumber = errors.New("phone: not a mobile number")
	// ErrNoSMS: this deployment sends no SMS.
	ErrNoSMS = errors.New("phone: sign-in by SMS is not set up")
	// ErrBusy: more messages wait than may.
	ErrBusy = errors.New("phone: too many messages wait to be sent")
	// ErrNoSession: unknown, over, or its member has left.
	ErrNoSession = errors.New("phone: not signed in")
	// ErrNoCard: the member has no live card.
	ErrNoCard = errors.New("phone: no card")
	// ErrCardUnusable: the card is lost, suspended or expired, so that it gets no keys.
	ErrCardUnusable = errors.New("phone: card can't be used now")
	// ErrNotLost: only a lost card is found.
	ErrNotLost = errors.New("phone: the card is not lost")
	// ErrEnrolledElsewhere: another phone shows this card; Enrol with takeover.
	ErrEnrolledElsewhere = errors.New("phone: another phone is enrolled")
	// ErrSignInAgain: the last code by SMS is too long ago for taking over.
	ErrSignInAgain = errors.New("phone: sign in again first")
	// ErrEnrolmentEnded: no such enrolment of this member, or it is over. It may come in
	// an *EndedError.
	ErrEnrolmentEnded = errors.New("phone: enrolment ended")
	// ErrProof: the renewal was not signed by the enrolled phone's key.
	ErrProof = errors.New("phone: proof wrong")
	// ErrDeviceKey: no P-256 public key.
	ErrDeviceKey = errors.New("phone: not a device key")
)

// WaitError is ErrTooMany with when to come again.
type WaitError struct{ After time.Duration }

func (e *WaitError) Error() string { return ErrTooMany.Error() }

// Unwrap returns ErrTooMany.
func (e *WaitError) Unwrap() error { return ErrTooMany }

// RetryAfter is how long to wait.
func (e *WaitError) RetryAfter() time.Duration { return e.After }

// EndedError is ErrEnrolmentEnded with why, for the phone that the enrolment was.
type EndedError struct {
	Why string // as phone_enrolments.ended has it, e.g. number_changed
}

func (e *EndedError) Error() string { return ErrEnrolmentEnded.Error() }

// Unwrap returns ErrEnrolmentEnded.
func (e *EndedError) Unwrap() error { return ErrEnrolmentEnded }

// Ended is why.
func (e *EndedError) Ended() string { return e.Why }

// Limits of signing in and enrolling; DefaultLimits says more.
type Limits struct {
	Wait           time.Duration // between two codes to one number
	Valid          time.Duration // of a code
	Attempts       int           // at one code
	NumberHour     int           // codes to one number in an hour
	NumberDay      int           // and in a day
	AddressHour    int           // codes asked for from one network address in an hour
	AddressMisses  int           // wrong codes from one network address in an hour
	AllMisses      int           // and in all, past which only addresses may try that miss no more than they get right
	Minute         int           // codes in all in a minute, past which only clean addresses get one
	Enrolments     int           // new phones of one member in a day
	Fresh          time.Duration // since the code by SMS, for taking over from another phone
	Idle, Absolute time.Duration // of a session
}

// DefaultLimits: a mobile network hides thousands of phones behind one address, so
// an address may ask for many codes; the number's own limits are what protects a
// worker from a flood of SMS. At 5 attempts a code and 10 codes a day, guessing
// one number's code succeeds once in 50 years.
//
// Guessing at all numbers from many addresses is held by AllMisses. A big day has
// 300,000 sign-ins, a tenth of them in its busiest hour; if one in twenty is typed
// wrong, that is 1,500 misses, so that 5,000 leave honest days alone. Past them an
// address has one miss an hour, and more only as far as right codes came from it
// today. A guess hits with 10⁻⁶: 10,000 addresses at 200 misses an hour would hit
// twice an hour, and hit so with 5,000 + 10,000 misses once in three days, each of
// those at a number to whose owner a code was sent unasked.
func DefaultLimits() Limits {
	const day = 24 * time.Hour
	return Limits{
		Wait: time.Minute, Valid: 5 * time.Minute, Attempts: 5, NumberHour: 5, NumberDay: 10,
		AddressHour: 600, AddressMisses: 200, AllMisses: 5000, Minute: 6000, Enrolments: 5, Fresh: 15 * time.Minute, Idle: 90 * day, Absolute: 400 * day,
	}
}

// Options of a Store. DB, Vault, Cards, Codes, Keyring, Counts and Clock are needed.
type Options struct {
	Vault   *personal.Vault
	Cards   *card.Store
	Codes   *card.Codes
	Keyring *card.Keyring
	// Sender sends codes; nil: nobody can sign in.
	Sender sms.Sender
	// Counts counts what networks do, for this node or, through Redis, for all.
	Counts Counts
	Limits Limits
	Clock  func() time.Time
	// Purpose keeps the codes and counts of another audience apart from members', so
	// that a code sent for one opens nothing of the other; "" is the members'. A store
	// with a purpose only proves numbers: RequestCode, CheckCode, Run.
	Purpose string
	// Known says whether a number is worth an SMS; nil: whether it is a member's.
	Known func(ctx context.Context, hashes []personal.Hash) (bool, error)

	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Store signs members in and keeps their phones.
type Store struct {
	db      card.DB
	opts    Options
	limits  Limits
	outbox  chan letter
	metrics *metrics
}

// NewStore returns a store; codes are sent once Run runs.
func NewStore(db card.DB, o Options) *Store {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Limits == (Limits{}) {
		o.Limits = DefaultLimits()
	}
	return &Store{db: db, opts: o, limits: o.Limits, outbox: make(chan letter, outboxSize), metrics: newMetrics(o.Registerer)}
}

// Limits are those that hold.
func (s *Store) Limits() Limits { return s.limits }

// now is cut to what PostgreSQL keeps.
func (s *Store) now() time.Time { return s.opts.Clock().UTC().Truncate(time.Microsecond) }

// inTx runs fn in a transaction. Read Committed; what protects a change is said
// where it is made.
func (s *Store) inTx(ctx context.Context, fn func(pgx.Tx) error) error {
	return card.InTx(ctx, s.db, fn)
}
