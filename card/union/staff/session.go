package staff

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// tokenBytes is the length of a token; the browser holds it in base64, the
// database only its SHA-256.
const tokenBytes = 32

func newToken() (token string, hash []byte) {
	raw := make([]byte, tokenBytes)
	_, _ = rand.Read(raw) // never fails
	token = base64.RawURLEncoding.EncodeToString(raw)
	hash, _ = tokenHash(token)
	return token, hash
}

// tokenHash is what is stored of a token; false for what can't be one.
func tokenHash(token string) ([]byte, bool) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) != tokenBytes {
		return nil, false
	}
	sum := sha256.Sum256(raw)
	return sum[:], true
}

// seenEvery is how often a session's use is written down, so that not every
// request writes.
const seenEvery = time.Minute

// BySession returns who is signed in with a token, as the account is now: roles,
// union and all are read afresh, so a change counts from the next request on.
// ErrNoSession for a token that is unknown, half signed in, idle or over, or whose
// account is disabled.
func (s *Store) BySession(ctx context.Context, token string) (*Account, error) {
	hash, ok := tokenHash(token)
	if !ok {
		return nil, ErrNoSession
	}
	now := s.now()
	var a Account
	var seen time.Time
	err := s.db.QueryRow(ctx, `SELECT st.id, st.login, st.name, st.union_id, u.name, u.path, st.roles, se.seen_at
		FROM staff_sessions se JOIN staff st ON st.id = se.staff_id JOIN unions u ON u.id = st.union_id
		WHERE se.hash = $1 AND se.stage = 'full' AND se.seen_at > $2 AND se.created_at > $3 AND NOT st.disabled`,
		hash, now.Add(-s.policy.Idle), now.Add(-s.policy.Absolute)).
		Scan(&a.ID, &a.Login, &a.Name, &a.UnionID, &a.Union, &a.Path, &a.Roles, &seen)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, ErrNoSession
	}
	if err != nil {
		return nil, fmt.Errorf("staff.BySession: %w", err)
	}
	if now.Sub(seen) >= min(seenEvery, s.policy.Idle/4) {
		if _, err := s.db.Exec(ctx, `UPDATE staff_sessions SET seen_at = greatest(seen_at, $2) WHERE hash = $1`, hash, now); err != nil {
			return nil, fmt.Errorf("staff.BySession: %w", err)
		}
	}
	return &a, nil
}

// SignOut ends the session of a token, whatever its stage, and takes back the offer
// of a second factor. A token without a session is none to end.
func (s *Store) SignOut(ctx context.Context, token string) error {
	hash, ok := tokenHash(token)
	if !ok {
		return nil
	}
	_, err := s.db.Exec(ctx, `WITH gone AS (DELETE FROM staff_sessions WHERE hash = $1 RETURNING staff_id)
		UPDATE staff SET totp_offered = NULL, totp_offered_at = NULL FROM gone WHERE id = gone.staff_id AND totp_offered IS NOT NULL`, hash)
	if err != nil {
		return fmt.Errorf("staff.SignOut: %w", err)
	}
	return nil
}

// Session is one of an account's sessions as its owner sees it.
type Session struct {
	ID        int64
	CreatedAt time.Time
	SeenAt    time.Time
	Addr      string
	Agent     string
	Current   bool
}

// Sessions lists an account's live sessions, the latest used first. token marks
// the current one.
func (s *Store) Sessions(ctx context.Context, id int64, token string) ([]Session, error) {
	hash, _ := tokenHash(token)
	now := s.now()
	rows, err := s.db.Query(ctx, `SELECT id, created_at, seen_at, addr, agent, hash = $2 FROM staff_sessions
		WHERE staff_id = $1 AND stage = 'full' AND seen_at > $3 AND created_at > $4 ORDER BY seen_at DESC, id DESC`,
		id, hash, now.Add(-s.policy.Idle), now.Add(-s.policy.Absolute))
	if err != nil {
		return nil, fmt.Errorf("staff.Sessions: %w", err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Session])
	if err != nil {
		return nil, fmt.Errorf("staff.Sessions: %w", err)
	}
	return all, nil
}

// EndSession ends one of an account's own sessions; somebody else's is not found.
func (s *Store) EndSession(ctx context.Context, id, session int64) error {
	tag, err := s.db.Exec(ctx, `DELETE FROM staff_sessions WHERE staff_id = $1 AND id = $2`, id, session)
	if err != nil {
		return fmt.Errorf("staff.EndSession: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return ErrNotFound
	}
	return nil
}

// endSessions ends all sessions of an account but one (nil: all).
func endSessions(ctx context.Context, tx pgx.Tx, id int64, but []byte) error {
	_, err := tx.Exec(ctx, `DELETE FROM staff_sessions WHERE staff_id = $1 AND hash IS DISTINCT FROM $2`, id, but)
	if err != nil {
		return fmt.Errorf("staff: end sessions: %w", err)
	}
	return nil
}

// origin is where a sign-in comes from.
type origin struct {
	addr   netip.Addr
	agent  string
	device []byte // hash of the device cookie, nil without one
}

// plainAgent is a browser's name for itself as far as it is kept.
func plainAgent(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e {
			return -1
		}
		return r
	}, s)
	return s[:min(len(s), 200)]
}

// open begins a session at a stage and returns its token.
func (s *Store) open(ctx context.Context, tx pgx.Tx, id int64, stage Stage, from origin) (string, error) {
	token, hash := newToken()
	_, err := tx.Exec(ctx, `INSERT INTO staff_sessions (hash, staff_id, stage, created_at, seen_at, addr, agent, device)
		VALUES ($1, $2, $3, $4, $4, $5, $6, $7)`, hash, id, stage, s.now(), from.addr.String(), plainAgent(from.agent), from.device)
	if err != nil {
		return "", fmt.Errorf("staff: open a session: %w", err)
	}
	return token, nil
}

// Prune deletes sessions, counts of guesses and known browsers whose time is
// over, and returns how many.
func (s *Store) Prune(ctx context.Context) (int64, error) {
	now := s.now()
	var n int64
	for _, q := range []struct {
		sql string
		arg []any
	}{
		{`DELETE FROM staff_sessions WHERE seen_at <= $1 OR created_at <= $2 OR stage <> 'full' AND created_at <= $3`,
			[]any{now.Add(-s.policy.Idle), now.Add(-s.policy.Absolute), now.Add(-stepTime)}},
		{`DELETE FROM staff_attempts WHERE since <= $1`, []any{now.Add(-s.policy.Window)}},
		{`DELETE FROM staff_devices WHERE used_at <= $1`, []any{now.Add(-deviceTime)}},
	} {
		tag, err := s.db.Exec(ctx, q.sql, q.arg...)
		if err != nil {
			return n, fmt.Errorf("staff.Prune: %w", err)
		}
		n += tag.RowsAffected()
	}
	return n, nil
}
