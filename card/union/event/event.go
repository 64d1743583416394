// Package event is the log of every change a person makes: who, when, why, on
// what, and how it looked before and after (invariant 10 of the design).
//
// An event is written in the transaction of the change it tells of, so neither
// exists without the other. The log is append-only, which the table's triggers
// enforce. Events hold no personal values: objects are named by kind and id,
// and before and after carry states, amounts, dates and ids, never a name
// (masked or not), a phone number, a resident ID or a full card number. Reason
// is free text by staff and is shown to those who may read the log.
package event

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Actor says who did it: "cli:root", "demo", "staff:123". An alias, so that a
// plain string from a caller serves as well.
type Actor = string

// Record writes one event. object is "kind:id", as "card:123". before and after
// are marshalled to JSON; nil is stored as null (nothing was there, or nothing
// remains). An event without actor, action, object or reason is refused.
func Record(ctx context.Context, tx pgx.Tx, actor, action, object, reason string, before, after any) error {
	kind, id, ok := strings.Cut(object, ":")
	if !ok || kind == "" || id == "" {
		return fmt.Errorf("event.Record: object %q is not kind:id", object)
	}
	if blank(actor) || blank(action) || blank(reason) {
		return errors.New("event.Record: an event needs an actor, an action and a reason")
	}
	was, err := marshal(before)
	if err != nil {
		return fmt.Errorf("event.Record: before: %w", err)
	}
	is, err := marshal(after)
	if err != nil {
		return fmt.Errorf("event.Record: after: %w", err)
	}
	_, err = tx.Exec(ctx, `INSERT INTO events (actor, action, object_kind, object_id, reason, before, after)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`, actor, action, kind, id, reason, was, is)
	if err != nil {
		return fmt.Errorf("event.Record: %w", err)
	}
	return nil
}

func blank(s string) bool { return strings.TrimSpace(s) == "" }

// marshal gives nil for nil, so that it is stored as SQL null and not as the
// JSON null.
func marshal(v any) ([]byte, error) {
	if v == nil {
		return nil, nil
	}
	return json.Marshal(v)
}
