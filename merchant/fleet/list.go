package fleet

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card/union/keyset"
	"unioncard/merchant"
)

// What makes a terminal worth a look.
const (
	// SilentAfter is how long a terminal in use may be silent, or from its
	// activation never have been heard of.
	SilentAfter = 7 * 24 * time.Hour
	// failingFrom is how many requests of a day it takes to say that it fails: more
	// than half of them refused or failed.
	failingFrom = 20
)

// Health is what a terminal needs somebody to look at.
type Health string

// The healths: at most one is told of a terminal.
const (
	Healthy Health = ""
	Silent  Health = "silent"
	Failing Health = "failing"
)

// Terminal is a terminal with what is known of it.
type Terminal struct {
	ID         int64
	MerchantID int64
	Merchant   string
	OutletID   int64  // 0 for a POS server
	Outlet     string // "" for a POS server
	Office     string
	POSServer  bool
	Status     merchant.TerminalStatus
	Typed      bool // card numbers may be typed by hand
	Activated  time.Time
	Seen       time.Time // zero: never heard of since activation
	Agent      string
	Health     Health
	// Today's counts (Beijing).
	Verified, Purchased, Refused, Failed int64
	Version                              int64
}

// Filter narrows the list. Path is the territory and must be given.
type Filter struct {
	Path     string
	Health   Health
	Status   merchant.TerminalStatus // "": every
	Merchant int64                   // 0: every
	Outlet   int64                   // 0: every
	Text     string                  // in the merchant's or the outlet's name
}

// terminalSQL lists terminals under the path $1, with the health at $2, whose
// day in Beijing is $3.
const terminalSQL = `
SELECT * FROM (
    SELECT t.id, t.merchant_id, m.name AS merchant, coalesce(t.outlet_id, 0) AS outlet_id, coalesce(o.name, '') AS outlet, u.name AS office,
        t.kind = 'pos_server', t.status, t.typed_allowed, t.activated_at,
        coalesce(s.seen_at, 'epoch') AS seen, coalesce(s.agent, ''),
        CASE WHEN t.status <> 'active' OR m.status <> 'active' THEN ''
             WHEN coalesce(s.seen_at, t.activated_at) < $2::timestamptz - make_interval(secs => $4::float8) THEN 'silent'
             WHEN s.day = $3::date AND s.refused + s.failed > s.verified + s.purchased
                  AND s.verified + s.purchased + s.refused + s.failed >= $5::bigint THEN 'failing'
             ELSE '' END AS health,
        CASE WHEN s.day = $3::date THEN s.verified ELSE 0 END, CASE WHEN s.day = $3::date THEN s.purchased ELSE 0 END,
        CASE WHEN s.day = $3::date THEN s.refused ELSE 0 END, CASE WHEN s.day = $3::date THEN s.failed ELSE 0 END, t.version
    FROM terminals t JOIN merchants m ON m.id = t.merchant_id JOIN unions u ON u.id = m.office_id
    LEFT JOIN outlets o ON o.id = t.outlet_id LEFT JOIN terminal_signs s ON s.terminal_id = t.id
    WHERE starts_with(u.path, $1)) x`

// Store reads what is known of terminals.
type Store struct {
	db    merchant.DB
	clock func() time.Time
}

// NewStore returns a store.
func NewStore(db merchant.DB, clock func() time.Time) *Store { return &Store{db: db, clock: clock} }

func (s *Store) query(ctx context.Context, path, where string, args ...any) ([]Terminal, error) {
	now := s.clock()
	day := time.Unix(int64(dayOf(now))*86400, 0).UTC()
	args = append([]any{path, now, day, SilentAfter.Seconds(), failingFrom}, args...)
	rows, err := s.db.Query(ctx, terminalSQL+where, args...)
	if err != nil {
		return nil, fmt.Errorf("fleet: terminals: %w", err)
	}
	out, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (t Terminal, err error) {
		err = row.Scan(&t.ID, &t.MerchantID, &t.Merchant, &t.OutletID, &t.Outlet, &t.Office, &t.POSServer, &t.Status, &t.Typed,
			&t.Activated, &t.Seen, &t.Agent, &t.Health, &t.Verified, &t.Purchased, &t.Refused, &t.Failed, &t.Version)
		if t.Seen.Unix() == 0 {
			t.Seen = time.Time{}
		}
		return t, err
	})
	if err != nil {
		return nil, fmt.Errorf("fleet: terminals: %w", err)
	}
	return out, nil
}

// List is one page of the terminals; the page's sort is "seen", "merchant" or "id".
func (s *Store) List(ctx context.Context, f Filter, p keyset.Page) ([]Terminal, error) {
	const given = 5 // what query puts before the arguments
	args := []any{string(f.Health), string(f.Status), f.Merchant, f.Outlet, keyset.Like(f.Text)}
	where, order, all := p.Clause(map[string]string{"seen": "x.seen", "merchant": "x.merchant", "id": "x.id"}, "x.id",
		append(make([]any, given), args...)...)
	return s.query(ctx, f.Path, ` WHERE ($6 = '' OR x.health = $6) AND ($7 = '' OR x.status = $7)
		AND ($8::bigint = 0 OR x.merchant_id = $8) AND ($9::bigint = 0 OR x.outlet_id = $9)
		AND (x.merchant LIKE $10 OR x.outlet LIKE $10) AND `+where+order, all[given:]...)
}

// Get is one terminal of a territory. merchant.ErrNotFound.
func (s *Store) Get(ctx context.Context, path string, id int64) (*Terminal, error) {
	found, err := s.query(ctx, path, ` WHERE x.id = $6`, id)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, merchant.ErrNotFound
	}
	return &found[0], nil
}

// Counts is how many terminals of a territory need a look.
func (s *Store) Counts(ctx context.Context, path string) (silent, failing int, err error) {
	now := s.clock()
	day := time.Unix(int64(dayOf(now))*86400, 0).UTC()
	err = s.db.QueryRow(ctx, `SELECT count(*) FILTER (WHERE health = 'silent'), count(*) FILTER (WHERE health = 'failing')
		FROM (`+terminalSQL+`) y`, path, now, day, SilentAfter.Seconds(), failingFrom).Scan(&silent, &failing)
	if err != nil {
		return 0, 0, fmt.Errorf("fleet: counts: %w", err)
	}
	return silent, failing, nil
}

// SeenOrEpoch is Seen as the list is ordered: never is before everything.
func (t Terminal) SeenOrEpoch() time.Time {
	if t.Seen.IsZero() {
		return time.Unix(0, 0)
	}
	return t.Seen
}
