package account

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// tokenBytes of a session's token; the browser holds it in base64, the database its
// SHA-256.
const tokenBytes = 32

func newToken() (token string, hash []byte) {
	raw := make([]byte, tokenBytes)
	_, _ = rand.Read(raw) // never fails
	sum := sha256.Sum256(raw)
	return base64.RawURLEncoding.EncodeToString(raw), sum[:]
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

// BySession returns who is signed in with a token, as user and merchant are now: a
// role or shop taken away, a merchant suspended counts from the next request on.
// ErrNoSession for a token that is unknown, half signed in, idle or over, whose user
// may not sign in any more, or lacks a second factor that the roles now ask for.
func (s *Store) BySession(ctx context.Context, token string) (*User, error) {
	hash, ok := tokenHash(token)
	if !ok {
		return nil, ErrNoSession
	}
	now := s.now()
	u := &User{session: hash}
	var seen time.Time
	var factor bool
	err := s.db.QueryRow(ctx, `SELECT u.id, u.merchant_id, m.name, u.name, u.roles, u.outlet_ids, m.status, cardinality(se.users) > 1,
			se.factor, se.seen_at,
			(SELECT count(*) FROM merchant_notices n WHERE n.merchant_id = u.merchant_id AND n.id > u.notices_read AND `+forAudience+`)
		FROM merchant_sessions se JOIN merchant_users u ON u.id = se.user_id JOIN merchants m ON m.id = u.merchant_id
		WHERE se.hash = $2 AND se.stage = 'full' AND se.seen_at > $3 AND se.proved_at > $4 AND `+maySignIn,
		now, hash, now.Add(-idle), now.Add(-absolute)).
		Scan(&u.ID, &u.MerchantID, &u.Merchant, &u.Name, &u.Roles, &u.OutletIDs, &u.Status, &u.Several, &factor, &seen, &u.Unread)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && wantsFactor(u.Roles) && !factor {
		return nil, ErrNoSession
	}
	if err != nil {
		return nil, fmt.Errorf("account.BySession: %w", err)
	}
	u.ReadOnly = u.Status != "active"
	if now.Sub(seen) >= seenEvery {
		if _, err := s.db.Exec(ctx, `UPDATE merchant_sessions SET seen_at = greatest(seen_at, $2) WHERE hash = $1`, hash, now); err != nil {
			return nil, fmt.Errorf("account.BySession: %w", err)
		}
	}
	return u, nil
}

// SignOut ends the session of a token, whatever its stage.
func (s *Store) SignOut(ctx context.Context, token string) error {
	hash, ok := tokenHash(token)
	if !ok {
		return nil
	}
	if _, err := s.db.Exec(ctx, `DELETE FROM merchant_sessions WHERE hash = $1`, hash); err != nil {
		return fmt.Errorf("account.SignOut: %w", err)
	}
	return nil
}

// endSessions ends all sessions of a user; of a number's other merchants those stay.
func endSessions(ctx context.Context, tx pgx.Tx, user int64) error {
	_, err := tx.Exec(ctx, `DELETE FROM merchant_sessions WHERE user_id = $1`, user)
	if err != nil {
		return fmt.Errorf("account: end sessions: %w", err)
	}
	return nil
}
