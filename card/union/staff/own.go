package staff

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"unioncard/card/union/event"
)

// ownSubjects is what a guess within a session counts against: somebody at an
// unattended screen has no more of them than anybody else.
func (p Policy) ownSubjects(id int64) []subject {
	return []subject{newSubject(p.Attempts, "own", fmt.Sprint(id))}
}

// proveOwn checks the password of who is signed in. ErrWrong, *ThrottledError.
func (s *Store) proveOwn(ctx context.Context, id int64, password string) (*record, error) {
	if err := s.reserve(ctx, s.policy.ownSubjects(id)); err != nil {
		return nil, err
	}
	r, err := s.byID(ctx, id)
	if err != nil {
		return nil, err
	}
	right, err := s.hasher.matches(ctx, password, r.Password)
	if err != nil {
		return nil, fmt.Errorf("staff: prove: %w", err)
	}
	if !right {
		return nil, ErrWrong
	}
	return r, nil
}

// own runs one change of an account by its owner, given back the guess that it
// took to get there.
func (s *Store) own(ctx context.Context, id int64, f func(pgx.Tx, *record) error) error {
	return s.change(ctx, func(tx pgx.Tx) error {
		r, err := lock(ctx, tx, id)
		if err != nil {
			return err
		}
		if r.Disabled {
			return ErrNoSession
		}
		if err := f(tx, r); err != nil {
			return err
		}
		return s.release(ctx, tx, s.policy.ownSubjects(id))
	})
}

// ChangePassword replaces an account's own password. Every other session of the
// account ends; token's goes on. ErrWrong for a wrong present password,
// *InvalidError, *ThrottledError.
func (s *Store) ChangePassword(ctx context.Context, a *Account, token, present, password string) error {
	was, err := s.proveOwn(ctx, a.ID, present)
	if err != nil {
		return err
	}
	hash, err := s.choose(ctx, was, password)
	if err != nil {
		return err
	}
	this, _ := tokenHash(token)
	return s.own(ctx, a.ID, func(tx pgx.Tx, r *record) error {
		if r.Password != was.Password {
			return ErrStale
		}
		return s.replacePassword(ctx, tx, r, hash, this)
	})
}

// StartFactor offers an account a new second factor, after its password; what it
// has stays until Confirm. ErrWrong, *ThrottledError.
func (s *Store) StartFactor(ctx context.Context, a *Account, password string) error {
	if _, err := s.proveOwn(ctx, a.ID, password); err != nil {
		return err
	}
	return s.own(ctx, a.ID, func(tx pgx.Tx, r *record) error { return s.offer(ctx, tx, r) })
}

// CancelFactor takes back the offer of a second factor; without one it does nothing.
func (s *Store) CancelFactor(ctx context.Context, a *Account) error {
	_, err := s.db.Exec(ctx, `UPDATE staff SET totp_offered = NULL, totp_offered_at = NULL WHERE id = $1`, a.ID)
	if err != nil {
		return fmt.Errorf("staff: cancel a second factor: %w", err)
	}
	return nil
}

// ConfirmFactor sets the offered second factor up once a code proves that the app
// has it, ends the account's other sessions, and returns recovery codes, to be
// shown this once. ErrWrong, *ThrottledError, ErrNotFound without an offer.
func (s *Store) ConfirmFactor(ctx context.Context, a *Account, token, code string) (recovery []string, err error) {
	if err := s.reserve(ctx, s.policy.ownSubjects(a.ID)); err != nil {
		return nil, err
	}
	this, _ := tokenHash(token)
	err = s.own(ctx, a.ID, func(tx pgx.Tx, r *record) error {
		if recovery, err = s.confirm(ctx, tx, r, code); err != nil {
			return err
		}
		return endSessions(ctx, tx, r.ID, this)
	})
	return recovery, err
}

// RenewRecovery replaces an account's recovery codes, after its password. ErrWrong,
// *ThrottledError, ErrNotFound without a second factor.
func (s *Store) RenewRecovery(ctx context.Context, a *Account, password string) (recovery []string, err error) {
	if _, err := s.proveOwn(ctx, a.ID, password); err != nil {
		return nil, err
	}
	err = s.own(ctx, a.ID, func(tx pgx.Tx, r *record) error {
		if r.TOTP == nil {
			return ErrNotFound
		}
		if recovery, err = newRecovery(ctx, tx, r.ID); err != nil {
			return err
		}
		return event.Record(ctx, tx, a.Actor(), "staff.renew_recovery_codes", object(r.ID), "本人更换恢复码", nil, nil)
	})
	return recovery, err
}
