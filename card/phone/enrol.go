package phone

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card"
	"unioncard/card/union/event"
)

// Enrolled is what a phone gets when it may show codes: the token that fetches the
// next keys, and the keys of this week and the next.
type Enrolled struct {
	ID      int64
	Renewal string
	Keys
}

// Keys are a card's phone keys of this week and the next, two slots each.
type Keys struct {
	// Epoch changes whenever keys handed out before are worth nothing any more: with
	// the card, its generation and its phone epoch.
	Epoch string
	List  []card.PhoneKey
}

// enrolment is a live enrolment, locked.
type enrolment struct {
	id, member, serial int64
	epoch              uint8
	deviceKey          []byte
	renewal, previous  []byte
	repeated           bool
}

// liveEnrolment locks a member's live enrolment; pgx.ErrNoRows.
func liveEnrolment(ctx context.Context, tx pgx.Tx, memberID int64) (*enrolment, error) {
	e := &enrolment{member: memberID}
	err := tx.QueryRow(ctx, `SELECT id, card_serial, epoch, device_key, renewal, previous, repeated FROM phone_enrolments
		WHERE member_id = $1 AND ended_at IS NULL FOR UPDATE`, memberID).
		Scan(&e.id, &e.serial, &e.epoch, &e.deviceKey, &e.renewal, &e.previous, &e.repeated)
	return e, err
}

// ParseDeviceKey reads a phone's public key: SPKI of P-256, in base64. ErrDeviceKey.
func ParseDeviceKey(text string) ([]byte, error) {
	der, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || len(der) > 200 {
		return nil, ErrDeviceKey
	}
	if _, err := publicKey(der); err != nil {
		return nil, err
	}
	return der, nil
}

func publicKey(der []byte) (*ecdsa.PublicKey, error) {
	key, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, ErrDeviceKey
	}
	p, ok := key.(*ecdsa.PublicKey)
	if !ok || p.Curve != elliptic.P256() {
		return nil, ErrDeviceKey
	}
	return p, nil
}

// proved says whether proof is the device key's signature over a renewal token as
// WebCrypto makes it: r and s, 32 bytes each (IEEE P1363), ECDSA with SHA-256.
func proved(deviceKey []byte, renewal string, proof []byte) bool {
	key, err := publicKey(deviceKey)
	if err != nil || len(proof) != 64 {
		return false
	}
	sum := sha256.Sum256([]byte(renewal))
	return ecdsa.Verify(key, sum[:], new(big.Int).SetBytes(proof[:32]), new(big.Int).SetBytes(proof[32:]))
}

// Enrol makes the session's phone the one that may show the member's codes. A phone
// that enrols again with its own key (its answer was lost) needs no takeover; another
// one does, and a code by SMS entered just now; then the keys of the phone before are
// dead with the commit. ErrDeviceKey, ErrNoCard, ErrCardUnusable,
// ErrEnrolledElsewhere, ErrSignInAgain, *WaitError. The
// member's row lock protects it, and an index backs it up.
func (s *Store) Enrol(ctx context.Context, se *Session, deviceKey []byte, takeover bool) (Enrolled, error) {
	var out Enrolled
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		if err := lockSession(ctx, tx, se); err != nil {
			return err
		}
		// A card that was issued after the sign-in is activated by the phone's first use.
		if err := s.activate(ctx, tx, se.MemberID); err != nil {
			return err
		}
		c, err := s.usableCard(ctx, tx, se.MemberID)
		if err != nil {
			return err
		}
		old, err := liveEnrolment(ctx, tx, se.MemberID)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			old = nil
		case err != nil:
			return err
		case bytes.Equal(old.deviceKey, deviceKey):
			out, err = s.renewed(ctx, tx, se, old, c, false)
			return err
		case !takeover:
			return ErrEnrolledElsewhere
		case !s.fresh(se):
			return ErrSignInAgain
		}
		if err := s.mayEnrol(ctx, tx, se.MemberID); err != nil {
			return err
		}
		if old != nil {
			if err := s.endEnrolment(ctx, tx, old, "taken_over", "持卡人换了手机"); err != nil {
				return err
			}
		}
		if c, err = s.ownEpoch(ctx, tx, c.Serial); err != nil {
			return err
		}
		out, err = s.insertEnrolment(ctx, tx, se, c, deviceKey)
		return err
	})
	if err != nil {
		return Enrolled{}, fmt.Errorf("phone.Enrol: %w", err)
	}
	s.metrics.phones.WithLabelValues("made").Inc()
	return out, nil
}

// usableCard locks the member's live card, which must earn something now.
func (s *Store) usableCard(ctx context.Context, tx pgx.Tx, memberID int64) (card.Card, error) {
	c, err := s.opts.Cards.LiveTx(ctx, tx, memberID)
	if errors.Is(err, card.ErrCodeInvalid) {
		return c, ErrNoCard
	}
	if err != nil {
		return c, err
	}
	if err := c.Usable(s.now()); err != nil {
		return c, fmt.Errorf("%w: %v", ErrCardUnusable, err) // the tills' errors have sentences of their own
	}
	return c, nil
}

// mayEnrol bounds how many phones a member may enrol in a day, which also keeps a
// card's 256 phone epochs from coming round while old keys are good.
func (s *Store) mayEnrol(ctx context.Context, tx pgx.Tx, memberID int64) error {
	now := s.now()
	var n int
	var first *time.Time
	err := tx.QueryRow(ctx, `SELECT count(*), min(created_at) FROM phone_enrolments WHERE member_id = $1 AND created_at > $2`, memberID, now.Add(-day)).Scan(&n, &first)
	if err != nil {
		return err
	}
	if n >= s.limits.Enrolments && first != nil {
		return &WaitError{max(first.Add(day).Sub(now), time.Second)}
	}
	return nil
}

// ownEpoch raises the card's phone epoch if keys of the present one were given to
// another enrolment.
func (s *Store) ownEpoch(ctx context.Context, tx pgx.Tx, serial int64) (card.Card, error) {
	var taken bool
	err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM phone_enrolments e JOIN cards c ON c.serial = e.card_serial AND c.phone_epoch = e.epoch
		WHERE e.card_serial = $1)`, serial).Scan(&taken)
	if err != nil {
		return card.Card{}, err
	}
	if taken {
		return s.opts.Cards.TakeOver(ctx, tx, serial)
	}
	return card.NewStore(tx, card.StoreOptions{}).Get(ctx, serial)
}

func (s *Store) insertEnrolment(ctx context.Context, tx pgx.Tx, se *Session, c card.Card, deviceKey []byte) (Enrolled, error) {
	token, hash := newToken()
	out := Enrolled{Renewal: token}
	err := tx.QueryRow(ctx, `INSERT INTO phone_enrolments (member_id, card_serial, epoch, device_key, renewal, created_at, renewed_at)
		VALUES ($1, $2, $3, $4, $5, $6, $6) RETURNING id`, se.MemberID, c.Serial, c.PhoneEpoch, deviceKey, hash, s.now()).Scan(&out.ID)
	if err != nil {
		return out, err
	}
	if err := s.onThisPhone(ctx, tx, se, out.ID); err != nil {
		return out, err
	}
	err = event.Record(ctx, tx, actor(se.MemberID), "phone.enrol", actor(se.MemberID), "持卡人在手机上启用会员码", nil,
		map[string]any{"enrolment": out.ID, "card": c.Serial, "phone_epoch": c.PhoneEpoch})
	out.Keys = s.keys(&c)
	return out, err
}

// onThisPhone ties a session to the enrolment of its phone.
func (s *Store) onThisPhone(ctx context.Context, tx pgx.Tx, se *Session, id int64) error {
	if se.Enrolment == id {
		return nil
	}
	_, err := tx.Exec(ctx, `UPDATE phone_sessions SET enrolment_id = $2 WHERE hash = $1`, se.hash, id)
	return err
}

// endEnrolment ends a live enrolment; its keys are dead with the commit, unless its
// card has come to its own end.
func (s *Store) endEnrolment(ctx context.Context, tx pgx.Tx, e *enrolment, why, reason string) error {
	if _, err := tx.Exec(ctx, `UPDATE phone_enrolments SET ended_at = $2, ended = $3 WHERE id = $1`, e.id, s.now(), why); err != nil {
		return err
	}
	if err := s.killKeys(ctx, tx, e.serial, e.epoch); err != nil {
		return err
	}
	return event.Record(ctx, tx, actor(e.member), "phone.end", actor(e.member), reason,
		map[string]any{"enrolment": e.id}, map[string]any{"ended": why})
}

// killKeys raises a card's phone epoch if it is still the one given.
func (s *Store) killKeys(ctx context.Context, tx pgx.Tx, serial int64, epoch uint8) error {
	var same bool
	err := tx.QueryRow(ctx, `SELECT phone_epoch = $2 FROM cards WHERE serial = $1 FOR UPDATE`, serial, epoch).Scan(&same)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && !same {
		return nil
	}
	if err != nil {
		return err
	}
	var final *card.MoveError
	if _, err := s.opts.Cards.TakeOver(ctx, tx, serial); err != nil && !errors.As(err, &final) {
		return err
	}
	return nil
}

// keys are the card's keys of this week and the next.
func (s *Store) keys(c *card.Card) Keys {
	now := s.now()
	k := Keys{Epoch: epochOf(c)}
	for _, week := range []int64{card.WeekOf(now), card.WeekOf(now) + 1} {
		if two, ok := s.opts.Codes.PhoneKeys(c.Serial, c.Generation, c.PhoneEpoch, week, now); ok {
			k.List = append(k.List, two[:]...)
		}
	}
	return k
}

// epochOf tells the keys of one card, generation and phone epoch from any others'
// and tells nothing else: it is a hash.
func epochOf(c *card.Card) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "phone epoch %d %d %d", c.Serial, c.Generation, c.PhoneEpoch))
	return base64.RawURLEncoding.EncodeToString(sum[:6])
}
