package staff

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card/union/event"
)

// Signing in goes through stages, each under a token of its own that replaces
// the last, and only the last opens the console:
//
//	password given → code (who has a second factor)
//	              → password (one-time or too old: choose another)
//	              → enrol (second factor required and not set up)
//	              → full

// Stage is what a session still wants.
type Stage string

// The stages, as stored.
const (
	StageCode     Stage = "code"
	StagePassword Stage = "password"
	StageEnrol    Stage = "enrol"
	StageFull     Stage = "full"
)

const (
	stepTime   = 10 * time.Minute     // for each stage before the last
	deviceTime = 180 * 24 * time.Hour // a browser is known for that long after its last use
)

// Errors of signing in.
var (
	// ErrWrong: login, password or code is wrong, or the account is disabled:
	// which of them is not told.
	ErrWrong = errors.New("staff: wrong login, password or code")
	// ErrOneTimeOver: the password is right, but was set by somebody else too
	// long ago.
	ErrOneTimeOver = errors.New("staff: the one-time password has run out")
	// ErrUnfinished: the sign-in wants more than was given.
	ErrUnfinished = errors.New("staff: the sign-in is not finished")
)

// Attempt is a try at signing in.
type Attempt struct {
	Login, Password string
	From            netip.Addr
	Agent           string // the browser's name for itself
	Device          string // its device cookie, "" without one
}

// Entry is a stage reached.
type Entry struct {
	Token string
	Stage Stage
	// Device is the device cookie to keep, at StageFull only.
	Device string
}

// SignIn goes through all stages at once, for who has everything ready: ErrWrong,
// *ThrottledError, ErrUnfinished if a stage is left.
func (s *Store) SignIn(ctx context.Context, login, password, code string, from netip.Addr) (token string, a *Account, err error) {
	e, err := s.Begin(ctx, Attempt{Login: login, Password: password, From: from})
	if err == nil && e.Stage == StageCode && code != "" {
		e, err = s.Code(ctx, e.Token, code)
	}
	if err != nil {
		return "", nil, err
	}
	if e.Stage != StageFull {
		return "", nil, fmt.Errorf("staff.SignIn: at stage %s: %w", e.Stage, ErrUnfinished)
	}
	if a, err = s.BySession(ctx, e.Token); err != nil {
		return "", nil, err
	}
	return e.Token, a, nil
}

// Begin takes login and password. Unknown logins get the same answer in the same
// time as wrong passwords. ErrWrong, ErrOneTimeOver, ErrBusy, *ThrottledError.
func (s *Store) Begin(ctx context.Context, at Attempt) (*Entry, error) {
	login := CleanLogin(at.Login)
	from := origin{addr: at.From, agent: at.Agent}
	known, err := s.knownDevice(ctx, login, at.Device)
	if err != nil {
		return nil, err
	}
	from.device = known
	subjects := s.policy.passwordSubjects(login, at.From, known)
	if err := s.reserve(ctx, subjects); err != nil {
		return nil, err
	}
	r, err := s.byLogin(ctx, login)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, err
	}
	stored := ""
	if err == nil && !r.Disabled {
		stored = r.Password
	}
	right, err := s.hasher.matches(ctx, at.Password, stored)
	if err != nil {
		return nil, fmt.Errorf("staff.Begin: %w", err)
	}
	if !right {
		return nil, ErrWrong
	}
	if r.OneTimeUntil != nil && !s.now().Before(*r.OneTimeUntil) {
		return nil, ErrOneTimeOver
	}
	rehashed := r.Password
	if s.hasher.outdated(r.Password) {
		if rehashed, err = s.hasher.hash(ctx, at.Password); err != nil {
			return nil, fmt.Errorf("staff.Begin: %w", err)
		}
	}
	return s.passed(ctx, r, rehashed, subjects, from)
}

// passed opens the next stage after a right password, unless the account has
// changed since it was read.
func (s *Store) passed(ctx context.Context, was *record, rehashed string, subjects []subject, from origin) (e *Entry, err error) {
	err = s.change(ctx, func(tx pgx.Tx) error {
		r, err := lock(ctx, tx, was.ID)
		if err != nil {
			return err
		}
		if r.Disabled || r.Password != was.Password {
			return ErrWrong
		}
		if rehashed != r.Password {
			if _, err := tx.Exec(ctx, `UPDATE staff SET password = $2 WHERE id = $1`, r.ID, rehashed); err != nil {
				return fmt.Errorf("staff: rehash: %w", err)
			}
		}
		if err := s.release(ctx, tx, subjects); err != nil {
			return err
		}
		e, err = s.advance(ctx, tx, r, false, from)
		return err
	})
	return e, err
}

// next is the stage after what has been shown so far.
func (s *Store) next(r *record, codeDone bool) Stage {
	switch {
	case r.TOTP != nil && !codeDone:
		return StageCode
	case r.OneTimeUntil != nil || s.policy.MaxAge > 0 && s.now().Sub(r.PasswordAt) > s.policy.MaxAge:
		return StagePassword
	case s.policy.SecondFactor && r.TOTP == nil:
		return StageEnrol
	}
	return StageFull
}

// advance opens the next stage under a new token. r is as the transaction now has
// the account.
func (s *Store) advance(ctx context.Context, tx pgx.Tx, r *record, codeDone bool, from origin) (*Entry, error) {
	e := &Entry{Stage: s.next(r, codeDone)}
	switch e.Stage {
	case StageEnrol:
		// Whoever else is at this stage with the password must not read the secret
		// that the owner is about to set up.
		if _, err := tx.Exec(ctx, `DELETE FROM staff_sessions WHERE staff_id = $1 AND stage = 'enrol'`, r.ID); err != nil {
			return nil, fmt.Errorf("staff: end other enrolments: %w", err)
		}
		if err := s.offer(ctx, tx, r); err != nil {
			return nil, err
		}
	case StageFull:
		token, hash := newToken()
		_, err := tx.Exec(ctx, `INSERT INTO staff_devices (hash, staff_id, used_at) VALUES ($1, $2, $3)`, hash, r.ID, s.now())
		if err != nil {
			return nil, fmt.Errorf("staff: remember the browser: %w", err)
		}
		if from.device != nil { // its cookie is replaced
			if _, err := tx.Exec(ctx, `DELETE FROM staff_devices WHERE hash = $1 AND staff_id = $2`, from.device, r.ID); err != nil {
				return nil, fmt.Errorf("staff: forget the browser's old cookie: %w", err)
			}
		}
		e.Device, from.device = token, hash
		actor := (&Account{ID: r.ID}).Actor()
		if err := event.Record(ctx, tx, actor, "staff.sign_in", object(r.ID), "登录", nil, nil); err != nil {
			return nil, err
		}
	}
	var err error
	e.Token, err = s.open(ctx, tx, r.ID, e.Stage, from)
	return e, err
}

// pending is a session before its last stage.
type pending struct {
	hash  []byte
	staff int64
	stage Stage
	from  origin
}

// pending finds a session that waits for a stage. ErrNoSession, also when its
// time is over.
func (s *Store) pending(ctx context.Context, token string, stage Stage) (*pending, error) {
	hash, ok := tokenHash(token)
	if !ok {
		return nil, ErrNoSession
	}
	p := pending{hash: hash, stage: stage}
	var addr string
	err := s.db.QueryRow(ctx, `SELECT staff_id, addr, agent, device FROM staff_sessions
		WHERE hash = $1 AND stage = $2 AND created_at > $3`, hash, stage, s.now().Add(-stepTime)).
		Scan(&p.staff, &addr, &p.from.agent, &p.from.device)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, ErrNoSession
	}
	if err != nil {
		return nil, fmt.Errorf("staff: pending sign-in: %w", err)
	}
	p.from.addr, _ = netip.ParseAddr(addr) // what we wrote ourselves
	return &p, nil
}

// StageOf is the stage that a token waits for. ErrNoSession.
func (s *Store) StageOf(ctx context.Context, token string) (Stage, error) {
	hash, ok := tokenHash(token)
	if !ok {
		return "", ErrNoSession
	}
	var stage Stage
	err := s.db.QueryRow(ctx, `SELECT stage FROM staff_sessions WHERE hash = $1 AND created_at > $2`, hash, s.now().Add(-stepTime)).Scan(&stage)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", ErrNoSession
	}
	if err != nil {
		return "", fmt.Errorf("staff.StageOf: %w", err)
	}
	return stage, nil
}

// take locks the account of a pending session and uses the session up: of two at
// once, one finds it gone.
func take(ctx context.Context, tx pgx.Tx, p *pending) (*record, error) {
	r, err := lock(ctx, tx, p.staff)
	if err != nil {
		return nil, err
	}
	tag, err := tx.Exec(ctx, `DELETE FROM staff_sessions WHERE hash = $1`, p.hash)
	if err != nil {
		return nil, fmt.Errorf("staff: use up a stage: %w", err)
	}
	if tag.RowsAffected() == 0 || r.Disabled {
		return nil, ErrNoSession
	}
	return r, nil
}

// Code takes the second factor's code, or a recovery code in its place.
// ErrNoSession, ErrWrong, *ThrottledError.
func (s *Store) Code(ctx context.Context, token, code string) (e *Entry, err error) {
	p, err := s.pending(ctx, token, StageCode)
	if err != nil {
		return nil, err
	}
	subjects := s.policy.codeSubjects(p.staff, p.from.device)
	if err := s.reserve(ctx, subjects); err != nil {
		return nil, err
	}
	err = s.change(ctx, func(tx pgx.Tx) error {
		r, err := take(ctx, tx, p)
		if err != nil {
			return err
		}
		if err := s.useCode(ctx, tx, r, code); err != nil {
			return err
		}
		if err := s.release(ctx, tx, subjects); err != nil {
			return err
		}
		e, err = s.advance(ctx, tx, r, true, p.from)
		return err
	})
	return e, err
}

// ChooseAtSignIn replaces a one-time or outdated password. All other sessions of
// the account end. ErrNoSession, *InvalidError.
func (s *Store) ChooseAtSignIn(ctx context.Context, token, password string) (e *Entry, err error) {
	p, err := s.pending(ctx, token, StagePassword)
	if err != nil {
		return nil, err
	}
	was, err := s.byID(ctx, p.staff)
	if err != nil {
		return nil, err
	}
	hash, err := s.choose(ctx, was, password)
	if err != nil {
		return nil, err
	}
	err = s.change(ctx, func(tx pgx.Tx) error {
		r, err := take(ctx, tx, p)
		if err != nil {
			return err
		}
		if r.Password != was.Password {
			return ErrNoSession
		}
		if err := s.replacePassword(ctx, tx, r, hash, nil); err != nil {
			return err
		}
		if r, err = lock(ctx, tx, r.ID); err != nil {
			return err
		}
		e, err = s.advance(ctx, tx, r, true, p.from)
		return err
	})
	return e, err
}

// choose checks a password that an account's owner wants, and hashes it.
func (s *Store) choose(ctx context.Context, r *record, password string) (hash string, err error) {
	invalid := &InvalidError{}
	invalid.add("password", s.policy.CheckPassword(r.Login, password))
	if err := invalid.orNil(); err != nil {
		return "", err
	}
	used, err := s.usedBefore(ctx, r, password)
	if err != nil {
		return "", err
	}
	if used {
		invalid.add("password", fmt.Sprintf("不能与现在的密码或最近 %d 次用过的密码相同。", s.policy.History))
		return "", invalid
	}
	return s.hasher.hash(ctx, password)
}

// replacePassword stores what its owner chose, ends every session but one (nil:
// all) and tells of it.
func (s *Store) replacePassword(ctx context.Context, tx pgx.Tx, r *record, hash string, but []byte) error {
	if err := s.setPassword(ctx, tx, r, hash, nil); err != nil {
		return err
	}
	if err := endSessions(ctx, tx, r.ID, but); err != nil {
		return err
	}
	actor := (&Account{ID: r.ID}).Actor()
	return event.Record(ctx, tx, actor, "staff.change_password", object(r.ID), "本人修改密码", nil, nil)
}

// knownDevice is the hash of a device cookie if the account of this login has
// signed in with it, else nil.
func (s *Store) knownDevice(ctx context.Context, login, device string) ([]byte, error) {
	hash, ok := tokenHash(device)
	if !ok {
		return nil, nil
	}
	var known bool
	err := s.db.QueryRow(ctx, `SELECT EXISTS (SELECT FROM staff_devices d JOIN staff st ON st.id = d.staff_id
		WHERE d.hash = $1 AND st.login = $2 AND d.used_at > $3)`, hash, login, s.now().Add(-deviceTime)).Scan(&known)
	if err != nil {
		return nil, fmt.Errorf("staff: look for the browser: %w", err)
	}
	if !known {
		return nil, nil
	}
	return hash, nil
}

// recoveryHash is what is stored of a recovery code. Codes are random, so a
// plain hash will do.
func recoveryHash(code string) []byte {
	code = strings.Map(func(r rune) rune {
		if strings.ContainsRune(plainAlphabet, r) {
			return r
		}
		return -1
	}, strings.ToLower(code))
	sum := sha256.Sum256([]byte("recovery " + code))
	return sum[:]
}
