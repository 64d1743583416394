package staff

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card/union/event"
)

// recoveryCodes is how many are handed out, each good once.
const recoveryCodes = 10

// issuer is what an authenticator app shows beside the login.
const issuer = "工会会员卡管理台"

// Offer is a second factor to be set up: its secret in base32 and the address
// that the QR code holds.
type Offer struct{ Secret, URL string }

var errNoBox = errors.New("staff: no key to keep second factors with")

// offer makes a secret to enrol with, in place of one offered before.
func (s *Store) offer(ctx context.Context, tx pgx.Tx, r *record) error {
	if s.box == nil {
		return errNoBox
	}
	sealed, err := s.box.seal(r.ID, newTOTPSecret())
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `UPDATE staff SET totp_offered = $2, totp_offered_at = $3 WHERE id = $1`, r.ID, sealed, s.now())
	if err != nil {
		return fmt.Errorf("staff: offer a second factor: %w", err)
	}
	return nil
}

// offerLife is how long an offered secret may be confirmed: whoever comes to the
// screen later has not proved the password.
const offerLife = 10 * time.Minute

// offered is the secret that an account may confirm now, ErrNotFound without one.
func (s *Store) offered(r *record) ([]byte, error) {
	if r.Offered == nil || r.OfferedAt == nil || s.box == nil || !s.now().Before(r.OfferedAt.Add(offerLife)) {
		return nil, ErrNotFound
	}
	return s.box.open(r.ID, r.Offered)
}

// OfferAtSignIn is the second factor to set up before a sign-in can go on.
func (s *Store) OfferAtSignIn(ctx context.Context, token string) (Offer, error) {
	p, err := s.pending(ctx, token, StageEnrol)
	if err != nil {
		return Offer{}, err
	}
	return s.Offered(ctx, p.staff)
}

// Offered is the second factor that an account is setting up. ErrNotFound if it
// is setting none up, or began over ten minutes ago.
func (s *Store) Offered(ctx context.Context, id int64) (Offer, error) {
	r, err := s.byID(ctx, id)
	if err != nil {
		return Offer{}, err
	}
	raw, err := s.offered(r)
	if err != nil {
		return Offer{}, err
	}
	secret := base32Secret.EncodeToString(raw)
	return Offer{secret, otpauth(issuer, r.Login, secret)}, nil
}

// EnrolAtSignIn sets the offered second factor up once a code proves that the
// app has it, and returns the recovery codes, to be shown this once. ErrNoSession,
// ErrWrong, *ThrottledError.
func (s *Store) EnrolAtSignIn(ctx context.Context, token, code string) (e *Entry, recovery []string, err error) {
	p, err := s.pending(ctx, token, StageEnrol)
	if err != nil {
		return nil, nil, err
	}
	subjects := s.policy.codeSubjects(p.staff, p.from.device)
	if err := s.reserve(ctx, subjects); err != nil {
		return nil, nil, err
	}
	err = s.change(ctx, func(tx pgx.Tx) error {
		r, err := take(ctx, tx, p)
		if err != nil {
			return err
		}
		if recovery, err = s.confirm(ctx, tx, r, code); err != nil {
			return err
		}
		if err := s.release(ctx, tx, subjects); err != nil {
			return err
		}
		if r, err = lock(ctx, tx, r.ID); err != nil {
			return err
		}
		e, err = s.advance(ctx, tx, r, true, p.from)
		return err
	})
	return e, recovery, err
}

// confirm makes the offered secret the account's second factor.
func (s *Store) confirm(ctx context.Context, tx pgx.Tx, r *record, code string) ([]string, error) {
	raw, err := s.offered(r)
	if err != nil {
		return nil, err
	}
	step, ok := matchTOTP(raw, cleanCode(code), s.now(), 0)
	if !ok {
		return nil, ErrWrong
	}
	_, err = tx.Exec(ctx, `UPDATE staff SET totp = totp_offered, totp_offered = NULL, totp_offered_at = NULL, totp_step = $2, version = version + 1 WHERE id = $1`, r.ID, step)
	if err != nil {
		return nil, fmt.Errorf("staff: set up a second factor: %w", err)
	}
	actor := (&Account{ID: r.ID}).Actor()
	if err := event.Record(ctx, tx, actor, "staff.enrol_second_factor", object(r.ID), "本人设置两步验证", nil, nil); err != nil {
		return nil, err
	}
	return newRecovery(ctx, tx, r.ID)
}

// newRecovery replaces an account's recovery codes.
func newRecovery(ctx context.Context, tx pgx.Tx, id int64) ([]string, error) {
	if _, err := tx.Exec(ctx, `DELETE FROM staff_recovery WHERE staff_id = $1`, id); err != nil {
		return nil, fmt.Errorf("staff: recovery codes: %w", err)
	}
	codes := make([]string, recoveryCodes)
	for i := range codes {
		codes[i] = plainCode(2)
		_, err := tx.Exec(ctx, `INSERT INTO staff_recovery (staff_id, hash) VALUES ($1, $2)`, id, recoveryHash(codes[i]))
		if err != nil {
			return nil, fmt.Errorf("staff: recovery codes: %w", err)
		}
	}
	return codes, nil
}

// useCode takes a code of the second factor or a recovery code, each once. The
// caller holds the account's lock. ErrWrong.
func (s *Store) useCode(ctx context.Context, tx pgx.Tx, r *record, code string) error {
	if digits := cleanCode(code); len(digits) == totpDigits {
		return s.useTOTP(ctx, tx, r, digits)
	}
	tag, err := tx.Exec(ctx, `DELETE FROM staff_recovery WHERE staff_id = $1 AND hash = $2`, r.ID, recoveryHash(code))
	if err != nil {
		return fmt.Errorf("staff: use a recovery code: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return ErrWrong
	}
	actor := (&Account{ID: r.ID}).Actor()
	return event.Record(ctx, tx, actor, "staff.use_recovery_code", object(r.ID), "用恢复码登录", nil, nil)
}

func (s *Store) useTOTP(ctx context.Context, tx pgx.Tx, r *record, digits string) error {
	if s.box == nil {
		return errNoBox
	}
	raw, err := s.box.open(r.ID, r.TOTP)
	if err != nil {
		return err
	}
	step, ok := matchTOTP(raw, digits, s.now(), r.TOTPStep)
	if !ok {
		return ErrWrong
	}
	sealed := r.TOTP
	if s.box.old(sealed) {
		if sealed, err = s.box.seal(r.ID, raw); err != nil {
			return err
		}
	}
	if _, err := tx.Exec(ctx, `UPDATE staff SET totp_step = $2, totp = $3 WHERE id = $1`, r.ID, step, sealed); err != nil {
		return fmt.Errorf("staff: use a code: %w", err)
	}
	return nil
}

// cleanCode leaves out the spaces that apps show in a code.
func cleanCode(s string) string {
	return strings.Map(func(r rune) rune {
		if r == ' ' || r == '-' || r == '　' {
			return -1
		}
		if r >= '０' && r <= '９' { // typed with a Chinese input method
			return r - '０' + '0'
		}
		return r
	}, s)
}
