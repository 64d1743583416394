package phone

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card"
)

// Session is who is signed in, from which phone.
type Session struct {
	ID       int64
	MemberID int64
	// Enrolment is the enrolment of the phone that the session is on; 0 before it has
	// enrolled or renewed.
	Enrolment int64
	hash      []byte
	signedIn  time.Time // with a code by SMS
}

// tokenBytes of a session's or a renewal's token; phones hold them in base64, the
// database their SHA-256.
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

// actor is the member in the event log.
func actor(memberID int64) string { return fmt.Sprintf("member:%d", memberID) }

// SignIn opens a session for the member whose number it is, if the code is right,
// and returns its token. A card that waits for its first use becomes active.
// ErrCodeWrong, *WaitError.
func (s *Store) SignIn(ctx context.Context, from netip.Addr, number, code string) (token string, err error) {
	if !plausible(code) {
		return "", ErrCodeWrong
	}
	sent, err := s.right(ctx, from, number, code)
	if err != nil {
		return "", err
	}
	now := s.now()
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		if err := sent.use(ctx, tx, now); err != nil {
			return err
		}
		// Under the member's lock: a number that is being changed meanwhile signs out
		// the sessions that are there by then, and this one must not come after.
		id, err := memberOf(ctx, tx, s.opts.Vault.PhoneHashes(number), " FOR NO KEY UPDATE")
		if errors.Is(err, pgx.ErrNoRows) {
			return ErrCodeWrong // left since the code was sent, or has another number
		}
		if err != nil {
			return err
		}
		if err := s.activate(ctx, tx, id); err != nil {
			return err
		}
		var hash []byte
		token, hash = newToken()
		_, err = tx.Exec(ctx, `INSERT INTO phone_sessions (hash, member_id, created_at, seen_at) VALUES ($1, $2, $3, $3)`, hash, id, now)
		return err
	})
	if errors.Is(err, ErrCodeWrong) {
		return "", err
	}
	if err != nil {
		return "", fmt.Errorf("phone.SignIn: %w", err)
	}
	s.opts.Counts.Add(ctx, s.subjectOf("used", from), hour, 1, now)
	s.metrics.guess.WithLabelValues("right").Inc()
	return token, nil
}

// seenEvery is how often a session's use is written down.
const seenEvery = time.Hour

// BySession returns who is signed in with a token; ErrNoSession.
func (s *Store) BySession(ctx context.Context, token string) (*Session, error) {
	hash, ok := tokenHash(token)
	if !ok {
		return nil, ErrNoSession
	}
	now := s.now()
	se := &Session{hash: hash}
	var seen time.Time
	err := s.db.QueryRow(ctx, `SELECT se.id, se.member_id, coalesce(se.enrolment_id, 0), se.seen_at
		FROM phone_sessions se JOIN members m ON m.id = se.member_id
		WHERE se.hash = $1 AND se.seen_at > $2 AND se.created_at > $3 AND m.status IN (1, 3)`,
		hash, now.Add(-s.limits.Idle), now.Add(-s.limits.Absolute)).Scan(&se.ID, &se.MemberID, &se.Enrolment, &seen)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, ErrNoSession
	}
	if err != nil {
		return nil, fmt.Errorf("phone.BySession: %w", err)
	}
	if now.Sub(seen) >= seenEvery {
		if _, err := s.db.Exec(ctx, `UPDATE phone_sessions SET seen_at = greatest(seen_at, $2) WHERE hash = $1`, hash, now); err != nil {
			return nil, fmt.Errorf("phone.BySession: %w", err)
		}
	}
	return se, nil
}

// SignOut ends a session and with it the enrolment of its phone, whose keys are
// dead with the commit.
func (s *Store) SignOut(ctx context.Context, se *Session) error {
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		if err := lockSession(ctx, tx, se); err != nil && !errors.Is(err, ErrNoSession) {
			return err
		}
		if se.Enrolment != 0 {
			e, err := liveEnrolment(ctx, tx, se.MemberID)
			if err == nil && e.id == se.Enrolment {
				err = s.endEnrolment(ctx, tx, e, "signed_out", "持卡人在手机上退出登录")
			}
			if err != nil && !errors.Is(err, pgx.ErrNoRows) {
				return err
			}
		}
		_, err := tx.Exec(ctx, `DELETE FROM phone_sessions WHERE hash = $1`, se.hash)
		return err
	})
	if err != nil {
		return fmt.Errorf("phone.SignOut: %w", err)
	}
	return nil
}

// EndOthers ends every other session of the member, and the enrolment unless it is
// this phone's. Ending another phone's clears the way for this one, so it needs what
// a takeover needs: ErrSignInAgain.
func (s *Store) EndOthers(ctx context.Context, se *Session) error {
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		if err := lockSession(ctx, tx, se); err != nil {
			return err
		}
		e, err := liveEnrolment(ctx, tx, se.MemberID)
		if err == nil && e.id != se.Enrolment {
			if !s.fresh(se) {
				return ErrSignInAgain
			}
			err = s.endEnrolment(ctx, tx, e, "ended_elsewhere", "持卡人让其他手机退出登录")
		}
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		_, err = tx.Exec(ctx, `DELETE FROM phone_sessions WHERE member_id = $1 AND hash <> $2`, se.MemberID, se.hash)
		return err
	})
	if err != nil {
		return fmt.Errorf("phone.EndOthers: %w", err)
	}
	return nil
}

// lockMember keeps two phones of one member apart until the transaction ends. It
// comes before the card's and the enrolment's row. ErrNoSession for one who left.
func lockMember(ctx context.Context, tx pgx.Tx, memberID int64) error {
	var in bool
	err := tx.QueryRow(ctx, `SELECT status IN (1, 3) FROM members WHERE id = $1 FOR NO KEY UPDATE`, memberID).Scan(&in)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && !in {
		return ErrNoSession
	}
	return err
}

// lockSession is lockMember, and reads the session again under the lock: since the
// request began it may have been ended, or its phone enrolled. ErrNoSession.
func lockSession(ctx context.Context, tx pgx.Tx, se *Session) error {
	if err := lockMember(ctx, tx, se.MemberID); err != nil {
		return err
	}
	err := tx.QueryRow(ctx, `SELECT coalesce(enrolment_id, 0), created_at FROM phone_sessions WHERE hash = $1`, se.hash).Scan(&se.Enrolment, &se.signedIn)
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrNoSession
	}
	return err
}

// fresh says whether a session, read under the lock, began with a code by SMS just
// now: a stolen cookie alone takes no card over.
func (s *Store) fresh(se *Session) bool { return s.now().Sub(se.signedIn) < s.limits.Fresh }

// activate makes the card active that waits for its first use.
func (s *Store) activate(ctx context.Context, tx pgx.Tx, memberID int64) error {
	c, err := s.opts.Cards.LiveTx(ctx, tx, memberID)
	if errors.Is(err, card.ErrCodeInvalid) || err == nil && c.Status != card.StatusInactive {
		return nil
	}
	if err != nil {
		return err
	}
	return s.opts.Cards.ActivateTx(ctx, tx, card.By{Actor: actor(memberID), Reason: "持卡人用手机短信登录，激活会员卡"}, c.Serial)
}

// Prune deletes what is over and returns how much that was.
func (s *Store) Prune(ctx context.Context) (int64, error) {
	now := s.now()
	var n int64
	for _, q := range []struct {
		sql string
		arg []any
	}{
		{`DELETE FROM phone_sessions WHERE seen_at <= $1 OR created_at <= $2`, []any{now.Add(-s.limits.Idle), now.Add(-s.limits.Absolute)}},
		{`DELETE FROM phone_codes WHERE day_from <= $1 AND expires_at <= $2`, []any{now.Add(-day), now}},
		// An ended enrolment is remembered as long as keys of its epoch may be good.
		{`DELETE FROM phone_enrolments WHERE ended_at <= $1 AND NOT due`, []any{now.Add(-card.PhoneOverlap)}},
	} {
		tag, err := s.db.Exec(ctx, q.sql, q.arg...)
		if err != nil {
			return n, fmt.Errorf("phone.Prune: %w", err)
		}
		n += tag.RowsAffected()
	}
	return n, nil
}
