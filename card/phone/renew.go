package phone

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"unioncard/card"
)

// Renew fetches the keys of this week and the next for an enrolled phone. renewal is
// the token it got last, proof its signature over it.
//
// The token is used up with the answer. A phone that lost the answer asks again with
// the same one, which works once. Any other token of the enrolment was used before
// and comes from a copy of the phone's data, cookie and all: the enrolment ends, its
// keys die, and every session of the member is over.
//
// ErrEnrolmentEnded (*EndedError where it was this member's), ErrProof, ErrNoCard,
// ErrCardUnusable. The enrolment's row lock protects it.
func (s *Store) Renew(ctx context.Context, se *Session, id int64, renewal string, proof []byte) (Enrolled, error) {
	hash, ok := tokenHash(renewal)
	if !ok {
		return Enrolled{}, ErrEnrolmentEnded
	}
	var out Enrolled
	copied := false
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		if err := lockSession(ctx, tx, se); err != nil {
			return err
		}
		e, err := liveEnrolment(ctx, tx, se.MemberID)
		if errors.Is(err, pgx.ErrNoRows) || err == nil && e.id != id {
			return whyEnded(ctx, tx, se.MemberID, id)
		}
		if err != nil {
			return err
		}
		if !proved(e.deviceKey, renewal, proof) {
			return ErrProof // somebody without the key ends nothing
		}
		current, again := bytes.Equal(hash, e.renewal), bytes.Equal(hash, e.previous) && !e.repeated
		if !current && !again {
			copied = true
			if _, err := tx.Exec(ctx, `DELETE FROM phone_sessions WHERE member_id = $1`, se.MemberID); err != nil {
				return err
			}
			return s.endEnrolment(ctx, tx, e, "copied", "续期令牌被重复使用，手机数据可能被复制")
		}
		c, err := s.usableCard(ctx, tx, se.MemberID)
		if err != nil {
			return err
		}
		out, err = s.renewed(ctx, tx, se, e, c, again)
		return err
	})
	switch {
	case err != nil:
		return Enrolled{}, fmt.Errorf("phone.Renew: %w", err)
	case copied:
		s.metrics.phones.WithLabelValues("copied").Inc()
		return Enrolled{}, &EndedError{"copied"}
	}
	s.metrics.phones.WithLabelValues("renewed").Inc()
	return out, nil
}

// whyEnded is why a member's enrolment of that id is not the live one.
func whyEnded(ctx context.Context, tx pgx.Tx, memberID, id int64) error {
	var why string
	err := tx.QueryRow(ctx, `SELECT ended FROM phone_enrolments WHERE id = $1 AND member_id = $2 AND ended_at IS NOT NULL`, id, memberID).Scan(&why)
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrEnrolmentEnded
	}
	if err != nil {
		return err
	}
	return &EndedError{why}
}

// Ended tells a phone that is not signed in any more whether its enrolment is over
// too: *EndedError, else ErrNoSession. Only who holds the enrolment's device key
// hears anything but ErrNoSession.
func (s *Store) Ended(ctx context.Context, id int64, renewal string, proof []byte) error {
	if _, ok := tokenHash(renewal); !ok {
		return ErrNoSession
	}
	var deviceKey []byte
	var why *string
	err := s.db.QueryRow(ctx, `SELECT device_key, ended FROM phone_enrolments WHERE id = $1`, id).Scan(&deviceKey, &why)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("phone.Ended: %w", err)
	}
	if err != nil || why == nil || !proved(deviceKey, renewal, proof) {
		return ErrNoSession
	}
	return &EndedError{*why}
}

// renewed gives an enrolment its next token and its card's keys. again: the token
// before had been used, its answer was lost. A card that was issued since takes the
// place of the old one, and one whose phone epoch was raised by somebody else stays
// with this enrolment.
func (s *Store) renewed(ctx context.Context, tx pgx.Tx, se *Session, e *enrolment, c card.Card, again bool) (Enrolled, error) {
	var err error
	if c.Serial != e.serial {
		if c, err = s.ownEpoch(ctx, tx, c.Serial); err != nil {
			return Enrolled{}, err
		}
	}
	token, hash := newToken()
	previous := e.renewal
	if again {
		previous = e.previous
	}
	_, err = tx.Exec(ctx, `UPDATE phone_enrolments SET renewal = $2, previous = $3, repeated = $4, renewed_at = $5, card_serial = $6, epoch = $7
		WHERE id = $1`, e.id, hash, previous, again, s.now(), c.Serial, c.PhoneEpoch)
	if err != nil {
		return Enrolled{}, err
	}
	if err := s.onThisPhone(ctx, tx, se, e.id); err != nil {
		return Enrolled{}, err
	}
	return Enrolled{ID: e.id, Renewal: token, Keys: s.keys(&c)}, nil
}

// EndDue makes the keys worthless of phones whose number changed, and returns how
// many those were. Each in a transaction of its own.
func (s *Store) EndDue(ctx context.Context) (n int64, err error) {
	rows, err := s.db.Query(ctx, `SELECT id FROM phone_enrolments WHERE due ORDER BY id LIMIT 500`)
	if err != nil {
		return 0, fmt.Errorf("phone.EndDue: %w", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return 0, fmt.Errorf("phone.EndDue: %w", err)
	}
	for _, id := range ids {
		if err := s.inTx(ctx, func(tx pgx.Tx) error { return s.endDue(ctx, tx, id) }); err != nil {
			return n, fmt.Errorf("phone.EndDue: %w", err)
		}
		n++
	}
	return n, nil
}

// endDue takes the card first and the enrolment after it, as every other does; who
// finds it done by another node does nothing.
func (s *Store) endDue(ctx context.Context, tx pgx.Tx, id int64) error {
	var serial int64
	var epoch uint8
	err := tx.QueryRow(ctx, `SELECT card_serial, epoch FROM phone_enrolments WHERE id = $1 AND due`, id).Scan(&serial, &epoch)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := s.killKeys(ctx, tx, serial, epoch); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `UPDATE phone_enrolments SET due = false WHERE id = $1`, id)
	return err
}
