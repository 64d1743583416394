package card

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"unioncard/card/feed"
)

// actionTakeOver is no move of the state machine: the status stays. It names the
// action in a *MoveError.
const actionTakeOver Action = "take_over"

// TakeOver raises the phone epoch of a live card in the caller's transaction, so
// that the keys of every phone enrolled before are dead with the commit; nodes
// learn of it within a second. The printed code and the number go on. It returns
// the card with its new epoch, from which Codes.PhoneKeys derives the new
// phone's keys; the caller records who and why. *MoveError if there is no such
// card or it is final. The card's row lock protects it.
//
// The epoch wraps after 256 take-overs. Keys are accepted for three weeks at
// most, and every take-over costs its member a code by SMS, so no key that is
// still good comes back.
func (s *Store) TakeOver(ctx context.Context, tx pgx.Tx, serial int64) (Card, error) {
	c, err := lockTx(ctx, tx, serial, actionTakeOver)
	if err == nil && !c.Status.Live() {
		err = &MoveError{Action: actionTakeOver, From: c.Status}
	}
	if err != nil {
		return Card{}, fmt.Errorf("card.TakeOver: %w", err)
	}
	c.PhoneEpoch++
	err = tx.QueryRow(ctx, `UPDATE cards SET phone_epoch = $2, version = version + 1 WHERE serial = $1 RETURNING version`,
		serial, c.PhoneEpoch).Scan(&c.Version)
	if err == nil {
		err = feed.Record(ctx, tx, feed.Change{Kind: feed.KindCard, ObjectID: serial, Version: c.Version})
	}
	if err != nil {
		return Card{}, fmt.Errorf("card.TakeOver: %w", err)
	}
	return c, nil
}

// LiveTx locks a member's one live card until the transaction ends;
// ErrCodeInvalid if there is none. Callers that lock the member too do so first.
func (s *Store) LiveTx(ctx context.Context, tx pgx.Tx, memberID int64) (Card, error) {
	c, err := one(ctx, tx, `serial = (SELECT card_serial FROM live_cards WHERE member_id = $1) FOR UPDATE`, memberID)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && !c.Status.Live() { // ended while we waited for its lock
		return Card{}, ErrCodeInvalid
	}
	if err != nil {
		return Card{}, fmt.Errorf("card.LiveTx: %w", err)
	}
	return c, nil
}

// Live is a member's one live card as it is now; ErrCodeInvalid if there is none.
func (s *Store) Live(ctx context.Context, memberID int64) (Card, error) {
	c, err := one(ctx, s.db, `serial = (SELECT card_serial FROM live_cards WHERE member_id = $1)`, memberID)
	if errors.Is(err, pgx.ErrNoRows) {
		return Card{}, ErrCodeInvalid
	}
	if err != nil {
		return Card{}, fmt.Errorf("card.Live: %w", err)
	}
	return c, nil
}
