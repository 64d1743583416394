package account

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card/phone"
	"unioncard/card/union/event"
	"unioncard/card/union/staff"
)

// The second factor is staff's: RFC 6238 as every authenticator app takes it, six
// digits, steps of 30 s, one step either way, each step once.
const (
	secretBytes = 20
	period      = 30 // s
	digits      = 6
	skew        = 1 // steps
)

// issuer is what an authenticator app shows.
const issuer = "工会会员卡商家后台"

// ErrFactor: the second factor's code is wrong or was used.
var ErrFactor = errors.New("account: wrong second factor")

// Offer is a second factor to be set up: its secret in base32 and the address that
// the QR code holds.
type Offer struct{ Secret, URL string }

func base32Of(raw []byte) string {
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(raw)
}

// offer makes a secret to enrol with. Whoever else is at this stage with the number
// must not read the secret that the owner is about to set up, so others' end.
func (s *Store) offer(ctx context.Context, tx pgx.Tx, r *record) error {
	if _, err := tx.Exec(ctx, `DELETE FROM merchant_sessions WHERE user_id = $1 AND stage = 'enrol'`, r.ID); err != nil {
		return fmt.Errorf("account: end other enrolments: %w", err)
	}
	raw := make([]byte, secretBytes)
	_, _ = rand.Read(raw) // never fails
	_, err := tx.Exec(ctx, `UPDATE merchant_users SET totp_offered = $2, totp_offered_at = $3 WHERE id = $1`,
		r.ID, s.opts.Vault.SealBytes(secretPurpose, raw, bound(r.ID)), s.now())
	if err != nil {
		return fmt.Errorf("account: offer a second factor: %w", err)
	}
	return nil
}

// offered is the secret that a user may confirm now; ErrNoSession without one.
func (s *Store) offered(r *record) ([]byte, error) {
	if r.Offered == nil || r.OfferedAt == nil || !s.now().Before(r.OfferedAt.Add(offerLife)) {
		return nil, ErrNoSession
	}
	return s.opts.Vault.OpenBytes(secretPurpose, r.Offered, bound(r.ID))
}

// Offered is the second factor to set up at StageEnrol. ErrNoSession.
func (s *Store) Offered(ctx context.Context, token string) (Offer, error) {
	p, err := s.pending(ctx, token, StageEnrol)
	if err != nil {
		return Offer{}, err
	}
	r, err := s.read(ctx, s.db, p.user, "")
	if err != nil {
		return Offer{}, err
	}
	raw, err := s.offered(r)
	if err != nil {
		return Offer{}, err
	}
	secret := base32Of(raw)
	query := url.Values{"secret": {secret}, "issuer": {issuer}, "algorithm": {"SHA1"}, "digits": {"6"}, "period": {"30"}}
	// The app's label: the merchant, as one person may have several.
	label := url.PathEscape(issuer + ":" + r.Merchant)
	return Offer{secret, "otpauth://totp/" + label + "?" + strings.ReplaceAll(query.Encode(), "+", "%20")}, nil
}

// Factor takes a code of the second factor at StageCode, or the first one of that
// which is being set up at StageEnrol. ErrNoSession, ErrFactor, *phone.WaitError.
// The user's row lock keeps two of them apart.
func (s *Store) Factor(ctx context.Context, token, code string) (e *Entry, err error) {
	p, err := s.pending(ctx, token, StageCode, StageEnrol)
	if err != nil {
		return nil, err
	}
	now := s.now()
	if s.opts.Counts.Add(ctx, guesses(p.user), factorWindow, 1, now) > factorMisses {
		return nil, &phone.WaitError{After: now.Truncate(factorWindow).Add(factorWindow).Sub(now)}
	}
	err = s.change(ctx, func(tx pgx.Tx) error {
		r, err := s.lock(ctx, tx, p.user)
		if err != nil {
			return err
		}
		if err := take(ctx, tx, p.hash); err != nil {
			return err
		}
		if p.stage == StageEnrol {
			err = s.confirm(ctx, tx, r, code)
		} else {
			err = s.useFactor(ctx, tx, r, code)
		}
		if err != nil {
			return err
		}
		e, err = s.full(ctx, tx, p, true)
		return err
	})
	return e, err
}

// guesses is what guesses at a user's second factor count against.
func guesses(user int64) phone.Subject {
	sum := sha256.Sum256(fmt.Appendf(nil, "portal second factor %d", user))
	return phone.Subject(sum[:16])
}

// confirm makes the offered secret the user's second factor.
func (s *Store) confirm(ctx context.Context, tx pgx.Tx, r *record, code string) error {
	raw, err := s.offered(r)
	if err != nil {
		return err
	}
	step, ok := match(raw, code, s.now(), 0)
	if !ok {
		return ErrFactor
	}
	_, err = tx.Exec(ctx, `UPDATE merchant_users SET totp = totp_offered, totp_offered = NULL, totp_offered_at = NULL,
		totp_step = $2, version = version + 1 WHERE id = $1`, r.ID, step)
	if err != nil {
		return fmt.Errorf("account: set up a second factor: %w", err)
	}
	return event.Record(ctx, tx, actor(r.ID), "portal.enrol_second_factor", object(r.ID), "本人设置两步验证", nil, nil)
}

func (s *Store) useFactor(ctx context.Context, tx pgx.Tx, r *record, code string) error {
	raw, err := s.opts.Vault.OpenBytes(secretPurpose, r.TOTP, bound(r.ID))
	if err != nil {
		return err
	}
	step, ok := match(raw, code, s.now(), r.TOTPStep)
	if !ok {
		return ErrFactor
	}
	_, err = tx.Exec(ctx, `UPDATE merchant_users SET totp_step = $2 WHERE id = $1`, r.ID, step)
	if err != nil {
		return fmt.Errorf("account: use a code: %w", err)
	}
	return nil
}

// match finds the step, later than after, whose code this is.
func match(secret []byte, code string, now time.Time, after int64) (step int64, ok bool) {
	code = clean(code)
	if len(code) != digits {
		return 0, false
	}
	at := now.Unix() / period
	for n := at - skew; n <= at+skew; n++ {
		want := staff.TOTP(base32Of(secret), time.Unix(n*period, 0))
		if subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 && n > after {
			step, ok = n, true
		}
	}
	return step, ok
}

// clean leaves out the spaces that apps show in a code.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ' || r == '-' || r == '　':
			return -1
		case r >= '０' && r <= '９': // typed with a Chinese input method
			return r - '０' + '0'
		}
		return r
	}, s)
}
