package account

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card/phone"
	"unioncard/card/union/event"
)

// Stage is what a sign-in still wants.
type Stage string

// The stages, as stored.
const (
	StageChoose Stage = "choose"
	StageCode   Stage = "code"
	StageEnrol  Stage = "enrol"
	StageFull   Stage = "full"
)

// Entry is a stage reached.
type Entry struct {
	Token string
	Stage Stage
}

// SignIn takes the code that came by SMS. phone.ErrCodeWrong, also for a number that
// is nobody's by now, *phone.WaitError.
func (s *Store) SignIn(ctx context.Context, from netip.Addr, number, code string) (e *Entry, err error) {
	sent, err := s.codes.CheckCode(ctx, from, number, code)
	if err != nil {
		return nil, err
	}
	err = s.change(ctx, func(tx pgx.Tx) error {
		if err := sent.Use(ctx, tx); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, `SELECT u.id FROM merchant_users u JOIN merchants m ON m.id = u.merchant_id
			WHERE u.phone_hash = ANY ($2) AND `+maySignIn+` ORDER BY u.id`, s.now(), sent.Hashes)
		if err != nil {
			return err
		}
		users, err := pgx.CollectRows(rows, pgx.RowTo[int64])
		if err != nil {
			return err
		}
		switch len(users) {
		case 0:
			return phone.ErrCodeWrong
		case 1:
			e, err = s.advance(ctx, tx, &pending{users: users, user: users[0], proved: s.now()})
		default:
			e, err = s.open(ctx, tx, &pending{users: users, proved: s.now()}, StageChoose, false)
		}
		return err
	})
	return e, err
}

// advance opens the stage after the number is proved and the merchant chosen.
func (s *Store) advance(ctx context.Context, tx pgx.Tx, p *pending) (*Entry, error) {
	r, err := s.lock(ctx, tx, p.user)
	if err != nil {
		return nil, err
	}
	switch {
	case r.TOTP != nil:
		return s.open(ctx, tx, p, StageCode, false)
	case wantsFactor(r.Roles):
		if err := s.offer(ctx, tx, r); err != nil {
			return nil, err
		}
		return s.open(ctx, tx, p, StageEnrol, false)
	}
	return s.full(ctx, tx, p, false)
}

// full opens the portal.
func (s *Store) full(ctx context.Context, tx pgx.Tx, p *pending, factor bool) (*Entry, error) {
	if _, err := tx.Exec(ctx, `UPDATE merchant_users SET signed_in_at = $2 WHERE id = $1`, p.user, s.now()); err != nil {
		return nil, fmt.Errorf("account: sign in: %w", err)
	}
	if err := event.Record(ctx, tx, actor(p.user), "portal.sign_in", object(p.user), "登录商家后台", nil, nil); err != nil {
		return nil, err
	}
	return s.open(ctx, tx, p, StageFull, factor)
}

func (s *Store) open(ctx context.Context, tx pgx.Tx, p *pending, stage Stage, factor bool) (*Entry, error) {
	token, hash := newToken()
	_, err := tx.Exec(ctx, `INSERT INTO merchant_sessions (hash, users, user_id, stage, factor, proved_at, created_at, seen_at)
		VALUES ($1, $2, nullif($3::bigint, 0), $4, $5, $6, $7, $7)`, hash, p.users, p.user, stage, factor, p.proved, s.now())
	if err != nil {
		return nil, fmt.Errorf("account: open a session: %w", err)
	}
	return &Entry{token, stage}, nil
}

// pending is a sign-in that waits for a stage.
type pending struct {
	hash   []byte
	users  []int64
	user   int64 // 0 at StageChoose
	stage  Stage
	proved time.Time // by SMS
}

// pending finds it: ErrNoSession, also when its time is over.
func (s *Store) pending(ctx context.Context, token string, stages ...Stage) (*pending, error) {
	hash, ok := tokenHash(token)
	if !ok {
		return nil, ErrNoSession
	}
	p := &pending{hash: hash}
	err := s.db.QueryRow(ctx, `SELECT users, coalesce(user_id, 0), stage, proved_at FROM merchant_sessions
		WHERE hash = $1 AND stage <> 'full' AND created_at > $2 AND proved_at > $3`, hash, s.now().Add(-stepTime), s.now().Add(-absolute)).
		Scan(&p.users, &p.user, &p.stage, &p.proved)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && len(stages) > 0 && !slices.Contains(stages, p.stage) {
		return nil, ErrNoSession
	}
	if err != nil {
		return nil, fmt.Errorf("account: pending sign-in: %w", err)
	}
	return p, nil
}

// StageOf is the stage that a token waits for. ErrNoSession.
func (s *Store) StageOf(ctx context.Context, token string) (Stage, error) {
	p, err := s.pending(ctx, token)
	if err != nil {
		return "", err
	}
	return p.stage, nil
}

// take uses a stage's token up: of two at once, one finds it gone.
func take(ctx context.Context, tx pgx.Tx, hash []byte) error {
	tag, err := tx.Exec(ctx, `DELETE FROM merchant_sessions WHERE hash = $1`, hash)
	if err != nil {
		return fmt.Errorf("account: use up a stage: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return ErrNoSession
	}
	return nil
}

// Place is one of the merchants that a number may sign in to.
type Place struct {
	UserID   int64
	Merchant string
	Roles    []Role
}

// RoleTitles are the roles there in Chinese.
func (p Place) RoleTitles() string { return titles(p.Roles) }

// Places are the merchants to choose from at StageChoose. ErrNoSession.
func (s *Store) Places(ctx context.Context, token string) ([]Place, error) {
	p, err := s.pending(ctx, token, StageChoose)
	if err != nil {
		return nil, err
	}
	return s.places(ctx, p.users)
}

func (s *Store) places(ctx context.Context, users []int64) ([]Place, error) {
	rows, err := s.db.Query(ctx, `SELECT u.id, m.name, u.roles FROM merchant_users u JOIN merchants m ON m.id = u.merchant_id
		WHERE u.id = ANY ($2) AND `+maySignIn+` ORDER BY m.name, u.id`, s.now(), users)
	if err != nil {
		return nil, fmt.Errorf("account.Places: %w", err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Place])
	if err != nil {
		return nil, fmt.Errorf("account.Places: %w", err)
	}
	return out, nil
}

// Choose takes one of Places. A user that is not among them is ErrNotFound.
func (s *Store) Choose(ctx context.Context, token string, user int64) (e *Entry, err error) {
	p, err := s.pending(ctx, token, StageChoose)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(p.users, user) {
		return nil, ErrNotFound
	}
	err = s.change(ctx, func(tx pgx.Tx) error {
		if err := take(ctx, tx, p.hash); err != nil {
			return err
		}
		p.user = user
		e, err = s.advance(ctx, tx, p)
		return err
	})
	return e, err
}

// Others leads a signed-in user back to the choice among the number's merchants: the
// number is proved, a second factor is asked for again. ErrNoSession.
func (s *Store) Others(ctx context.Context, u *User) (e *Entry, err error) {
	err = s.change(ctx, func(tx pgx.Tx) error {
		var p pending
		err := tx.QueryRow(ctx, `DELETE FROM merchant_sessions WHERE hash = $1 RETURNING users, proved_at`, u.session).Scan(&p.users, &p.proved)
		if errors.Is(err, pgx.ErrNoRows) {
			return ErrNoSession
		}
		if err != nil {
			return fmt.Errorf("account.Others: %w", err)
		}
		e, err = s.open(ctx, tx, &p, StageChoose, false)
		return err
	})
	return e, err
}
