package member

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"unioncard/card"
	"unioncard/card/union/event"
)

// told records that somebody is about to be told that a resident ID or a phone
// number is a member's, which tries numbers as a search does; it names the field and
// never the value or whose it is. What can't be recorded is not told. Any other error
// is returned as it is.
func (s *Store) told(ctx context.Context, by card.By, object string, err error) error {
	taken, ok := errors.AsType[*TakenError](err)
	if !ok {
		return err
	}
	noteErr := card.InTx(ctx, s.db, func(tx pgx.Tx) error {
		return event.Record(ctx, tx, by.Actor, "member.taken", object, by.Reason, nil, map[string]any{"fields": []string{taken.Field}})
	})
	if noteErr != nil {
		return fmt.Errorf("note what is told: %w", noteErr)
	}
	return err
}
