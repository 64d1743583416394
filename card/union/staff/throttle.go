package staff

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// How guessing is slowed down. No account is ever locked: wrong guesses count
// against where they come from, so that an outsider can't shut a clerk out.
//
//   - A browser in which the account has signed in before (it holds a device
//     cookie) has a count of its own, which nobody else can reach.
//   - Every other guess counts against the pair of network address and login, and
//     against the address over all logins, which is far higher since an office
//     shares one.
//   - Second-factor codes are only asked of who knows the password; wrong ones
//     count against the account, again apart from known browsers.
//
// A guess is counted before it is checked, and given back if it was right, so
// that many at once do not slip through. Guessing from ever new addresses is left
// to the password rules and the second factor.

// addressFactor is how much more one address may miss over all logins than at one.
const addressFactor = 20

// ThrottledError: too many wrong guesses from there; none are taken before Until.
type ThrottledError struct{ Until time.Time }

func (e *ThrottledError) Error() string {
	return fmt.Sprintf("staff: too many wrong guesses, none are taken before %v", e.Until)
}

// subject is what guesses are counted against.
type subject struct {
	key   []byte
	limit int
}

func newSubject(limit int, parts ...string) subject {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return subject{h.Sum(nil), limit}
}

// network is the address as far as one person holds it: all of IPv4, the /64 of
// IPv6.
func network(addr netip.Addr) string {
	addr = addr.Unmap()
	if addr.Is6() {
		if p, err := addr.WithZone("").Prefix(64); err == nil {
			return p.String()
		}
	}
	return addr.String()
}

// passwordSubjects is what a password guess counts against.
func (p Policy) passwordSubjects(login string, from netip.Addr, device []byte) []subject {
	if device != nil {
		return []subject{newSubject(2*p.Attempts, "device", string(device), login)}
	}
	net := network(from)
	return []subject{
		newSubject(p.Attempts, "pair", net, login),
		newSubject(addressFactor*p.Attempts, "address", net),
	}
}

// codeSubjects is what a guess of the second factor counts against.
func (p Policy) codeSubjects(staffID int64, device []byte) []subject {
	id := fmt.Sprint(staffID)
	if device != nil {
		return []subject{newSubject(2*p.Attempts, "device code", string(device), id)}
	}
	return []subject{newSubject(2*p.Attempts, "code", id)}
}

// reserve counts one guess against every subject before it is checked. A
// ThrottledError if one of them has none left. Rows are taken in one order, so
// that two guesses never wait for each other in a circle.
func (s *Store) reserve(ctx context.Context, subjects []subject) error {
	subjects = slices.Clone(subjects)
	slices.SortFunc(subjects, func(a, b subject) int { return bytes.Compare(a.key, b.key) })
	now := s.now()
	var until time.Time
	err := s.change(ctx, func(tx pgx.Tx) error {
		for _, sub := range subjects {
			var failures int
			var since time.Time
			err := tx.QueryRow(ctx, `INSERT INTO staff_attempts AS a (subject, failures, since) VALUES ($1, 1, $2)
				ON CONFLICT (subject) DO UPDATE SET
					failures = CASE WHEN a.since <= $3 OR a.since > $2 THEN 1 ELSE least(a.failures + 1, $4) END,
					since = CASE WHEN a.since <= $3 OR a.since > $2 THEN $2 ELSE a.since END
				RETURNING failures, since`, sub.key, now, now.Add(-s.policy.Window), sub.limit+1).Scan(&failures, &since)
			if err != nil {
				return fmt.Errorf("staff: count a guess: %w", err)
			}
			if end := since.Add(s.policy.Window); failures > sub.limit && end.After(until) {
				until = end
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if !until.IsZero() {
		return &ThrottledError{until}
	}
	return nil
}

// release takes a right guess off the counts again: the first subject's is
// forgotten, the others only lose this one.
func (s *Store) release(ctx context.Context, tx pgx.Tx, subjects []subject) error {
	for i, sub := range subjects {
		sql := `UPDATE staff_attempts SET failures = greatest(failures - 1, 0) WHERE subject = $1`
		if i == 0 {
			sql = `DELETE FROM staff_attempts WHERE subject = $1`
		}
		if _, err := tx.Exec(ctx, sql, sub.key); err != nil {
			return fmt.Errorf("staff: release a guess: %w", err)
		}
	}
	return nil
}
