package account

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card"
	"unioncard/card/personal"
	"unioncard/card/phone"
	"unioncard/card/phone/sms"
	"unioncard/merchant"
)

// What a user may be refused.
var (
	// ErrNoSession: unknown, over, idle, or its user may not sign in any more.
	ErrNoSession = errors.New("account: not signed in to the portal")
	// ErrNotFound: no such user of this merchant.
	ErrNotFound = errors.New("account: no such user")
	// ErrStale: somebody else has changed it since the form was opened.
	ErrStale = errors.New("account: changed meanwhile")
	// ErrLastOwner: nobody could manage the merchant's users any more.
	ErrLastOwner = errors.New("account: the merchant's last owner")
	// ErrReadOnly: the merchant is suspended or has left.
	ErrReadOnly = errors.New("account: the merchant may only read")
)

// Times of a session.
const (
	idle      = 2 * time.Hour
	absolute  = 12 * time.Hour
	stepTime  = 10 * time.Minute // for each stage before the last
	seenEvery = time.Minute
	offerLife = 10 * time.Minute // of a second factor's offered secret
)

// ReadableAfter is how long a merchant that has left may sign in to read after the
// last refund tail of its contracts is over.
const ReadableAfter = 180 * 24 * time.Hour

// Bounds of guessing the second factor, which is only asked of who proved the number.
const (
	factorMisses = 10
	factorWindow = 15 * time.Minute
)

// Options of a Store. Vault, Keyring, Counts and Clock are needed.
type Options struct {
	Vault   *personal.Vault
	Keyring *card.Keyring
	// Sender sends codes; nil: nobody can sign in.
	Sender sms.Sender
	Counts phone.Counts
	Limits phone.Limits // the zero value stands for phone.DefaultLimits
	Clock  func() time.Time
	Logger *slog.Logger
}

// Store reads and changes merchants' users in PostgreSQL.
type Store struct {
	db    merchant.DB
	opts  Options
	codes *phone.Store
}

// NewStore returns a store; codes are sent once Run runs.
func NewStore(db merchant.DB, o Options) *Store {
	s := &Store{db: db, opts: o}
	s.codes = phone.NewStore(db, phone.Options{
		Vault: o.Vault, Keyring: o.Keyring, Sender: o.Sender, Counts: o.Counts, Limits: o.Limits, Clock: o.Clock,
		Logger: o.Logger, Purpose: "merchant portal", Known: s.known,
	})
	return s
}

// Run sends codes until ctx ends.
func (s *Store) Run(ctx context.Context) error { return s.codes.Run(ctx) }

// now is cut to what PostgreSQL keeps.
func (s *Store) now() time.Time { return s.opts.Clock().UTC().Truncate(time.Microsecond) }

func (s *Store) change(ctx context.Context, f func(tx pgx.Tx) error) error {
	return merchant.InTx(ctx, s.db, "account", f)
}

// maySignIn is what a user u of a merchant m must be: $now is the argument that it
// is compared with.
const maySignIn = `NOT u.disabled AND (m.status <> 'exited' OR coalesce((SELECT max(c.refund_until) FROM contracts c
	WHERE c.merchant_id = m.id), m.created_at) > $1::timestamptz - interval '180 days')`

// known says whether a number may sign in to any merchant.
func (s *Store) known(ctx context.Context, hashes []personal.Hash) (ok bool, err error) {
	err = s.db.QueryRow(ctx, `SELECT EXISTS (SELECT FROM merchant_users u JOIN merchants m ON m.id = u.merchant_id
		WHERE u.phone_hash = ANY ($2) AND `+maySignIn+`)`, s.now(), hashes).Scan(&ok)
	return ok, err
}

// RequestCode makes a code for a number and sends it if the number may sign in,
// which nobody can tell from the answer. number is as personal.ParsePhone returns it.
// *phone.WaitError, phone.ErrNoSMS, phone.ErrBusy.
func (s *Store) RequestCode(ctx context.Context, from netip.Addr, number string) error {
	return s.codes.RequestCode(ctx, from, number)
}

// numberPurpose and secretPurpose bind what is sealed to what it is.
const (
	numberPurpose = "merchant user's phone"
	secretPurpose = "merchant user's second factor"
)

func bound(id int64) []byte { return []byte("merchantuser:" + strconv.FormatInt(id, 10)) }

// Rehash stores the numbers anew whose hash was made with an index key that members
// no longer have (personal.Rotate), and returns how many. Until it has run, a number
// hashed with a retired key can't sign in: a minute at most. A number that does not
// open is reported once a turn and left.
func (s *Store) Rehash(ctx context.Context) (n int64, err error) {
	rows, err := s.db.Query(ctx, `SELECT id, phone_sealed FROM merchant_users
		WHERE index_key <> (SELECT index_key FROM personal_state) ORDER BY id LIMIT 1000`)
	if err != nil {
		return 0, fmt.Errorf("account.Rehash: %w", err)
	}
	type old struct {
		ID     int64
		Sealed []byte
	}
	stale, err := pgx.CollectRows(rows, pgx.RowToStructByPos[old])
	if err != nil {
		return 0, fmt.Errorf("account.Rehash: %w", err)
	}
	var damaged error
	for _, o := range stale {
		number, err := s.opts.Vault.OpenBytes(numberPurpose, o.Sealed, bound(o.ID))
		if err != nil {
			damaged = fmt.Errorf("account.Rehash: user %d: %w", o.ID, err)
			continue
		}
		hash, key := s.opts.Vault.PhoneHash(string(number))
		sealed := s.opts.Vault.SealBytes(numberPurpose, number, bound(o.ID))
		tag, err := s.db.Exec(ctx, `UPDATE merchant_users SET phone_hash = $2, index_key = $3, phone_sealed = $4
			WHERE id = $1 AND phone_sealed = $5`, o.ID, hash, key, sealed, o.Sealed)
		if err != nil {
			return n, fmt.Errorf("account.Rehash: %w", err)
		}
		n += tag.RowsAffected()
	}
	return n, damaged
}

// Prune deletes sessions that are over and old notices, and returns how many.
func (s *Store) Prune(ctx context.Context) (n int64, err error) {
	now := s.now()
	for _, q := range []struct {
		sql string
		arg []any
	}{
		{`DELETE FROM merchant_sessions WHERE seen_at <= $1 OR proved_at <= $2 OR stage <> 'full' AND created_at <= $3`,
			[]any{now.Add(-idle), now.Add(-absolute), now.Add(-stepTime)}},
		{`DELETE FROM merchant_notices WHERE at <= $1`, []any{now.Add(-noticesKept)}},
	} {
		tag, err := s.db.Exec(ctx, q.sql, q.arg...)
		if err != nil {
			return n, fmt.Errorf("account.Prune: %w", err)
		}
		n += tag.RowsAffected()
	}
	return n, nil
}
