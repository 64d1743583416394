package webhook

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"unioncard/card/union/event"
	"unioncard/merchant"
)

// MessageState as stored.
type MessageState int16

// The states of a message.
const (
	Waiting   MessageState = 1
	Delivered MessageState = 2
	GivenUp   MessageState = 3
	Dropped   MessageState = 4
)

// Message is one event in an endpoint's log.
type Message struct {
	ID       int64
	EventID  string
	Type     string
	EventAt  time.Time
	State    MessageState
	Attempts int
	NextAt   time.Time // of a waiting one
	DoneAt   *time.Time
	Status   int    // of the last attempt; 0 without an answer
	Fault    string // of the last attempt; "" if it came through or there was none
	Body     string
}

// Attempt is one sending.
type Attempt struct {
	N             int
	At            time.Time
	TookMS        int
	Status        int
	Fault, Answer string
}

// LogPage is how many messages a page of the log has.
const LogPage = 50

// Filter of a log: Type and State are "" and 0 for all; Before is the id under which
// the page begins, 0 for the newest.
type Filter struct {
	Type   string
	State  MessageState
	Before int64
}

const messageColumns = `m.id, m.event_id, m.type, m.event_at, m.state, m.attempts, m.next_at, m.done_at,
	coalesce(a.status, 0), coalesce(a.fault, ''), m.body`

// Log lists an endpoint's messages, the newest first, and where the next page
// begins, 0 at the end.
func (s *Store) Log(ctx context.Context, merchantID, endpoint int64, f Filter) (list []Message, next int64, err error) {
	if _, err := s.Get(ctx, merchantID, endpoint); err != nil {
		return nil, 0, err
	}
	rows, err := s.db.Query(ctx, `SELECT `+messageColumns+` FROM webhook_messages m
		LEFT JOIN webhook_attempts a ON a.message_id = m.id AND a.n = m.attempts
		WHERE m.endpoint_id = $1 AND ($2 = 0 OR m.id < $2) AND ($3 = '' OR m.type = $3) AND ($4 = 0 OR m.state = $4)
		ORDER BY m.id DESC LIMIT $5`, endpoint, f.Before, f.Type, int16(f.State), LogPage+1)
	if err != nil {
		return nil, 0, fmt.Errorf("webhook.Log: %w", err)
	}
	list, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Message])
	if err != nil {
		return nil, 0, fmt.Errorf("webhook.Log: %w", err)
	}
	if len(list) > LogPage {
		list = list[:LogPage]
		next = list[LogPage-1].ID
	}
	return list, next, nil
}

// Message returns one message with its attempts, the first first.
func (s *Store) Message(ctx context.Context, merchantID, endpoint, id int64) (*Message, []Attempt, error) {
	rows, err := s.db.Query(ctx, `SELECT `+messageColumns+` FROM webhook_messages m
		JOIN webhook_endpoints e ON e.id = m.endpoint_id AND e.merchant_id = $1 AND e.state <> 'deleted'
		LEFT JOIN webhook_attempts a ON a.message_id = m.id AND a.n = m.attempts WHERE m.endpoint_id = $2 AND m.id = $3`, merchantID, endpoint, id)
	if err != nil {
		return nil, nil, fmt.Errorf("webhook.Message: %w", err)
	}
	m, err := pgx.CollectExactlyOneRow(rows, pgx.RowToAddrOfStructByPos[Message])
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil, merchant.ErrNotFound
	}
	if err != nil {
		return nil, nil, fmt.Errorf("webhook.Message: %w", err)
	}
	rows, err = s.db.Query(ctx, `SELECT n, at, took_ms, status, fault, answer FROM webhook_attempts WHERE message_id = $1 ORDER BY n DESC LIMIT 100`, id)
	if err != nil {
		return nil, nil, fmt.Errorf("webhook.Message: attempts: %w", err)
	}
	attempts, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Attempt])
	if err != nil {
		return nil, nil, fmt.Errorf("webhook.Message: attempts: %w", err)
	}
	return m, attempts, nil
}

// Resend sends a message once more with its first id and body, and tries it for
// another 24 hours. Of an endpoint that is stopped: ErrState.
func (s *Store) Resend(ctx context.Context, by merchant.By, merchantID, endpoint, id int64) error {
	return s.inTx(ctx, func(tx pgx.Tx) error {
		e, err := get(ctx, tx, merchantID, endpoint, "FOR NO KEY UPDATE")
		if err != nil {
			return err
		}
		if e.State != Active {
			return ErrState
		}
		// One that is under way is left to its node.
		tag, err := tx.Exec(ctx, `UPDATE webhook_messages SET state = 1, done_at = NULL, first_at = NULL,
			next_at = CASE WHEN leased_until IS NULL THEN $3 ELSE next_at END WHERE endpoint_id = $1 AND id = $2`, endpoint, id, s.o.Clock())
		if err != nil {
			return fmt.Errorf("webhook.Resend: %w", err)
		}
		if tag.RowsAffected() == 0 {
			return merchant.ErrNotFound
		}
		if _, err := tx.Exec(ctx, `UPDATE webhook_endpoints SET held_until = NULL WHERE id = $1`, endpoint); err != nil {
			return fmt.Errorf("webhook.Resend: endpoint: %w", err)
		}
		return event.Record(ctx, tx, by.Actor, "webhook.resend", objectOf(merchantID), by.Reason, nil,
			map[string]int64{"endpoint": endpoint, "message": id})
	})
}

// Test puts a message of TestEvent into an endpoint's outbox and returns its id.
// Of an endpoint that is stopped: ErrState.
func (s *Store) Test(ctx context.Context, by merchant.By, merchantID, endpoint int64) (id int64, err error) {
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		e, err := get(ctx, tx, merchantID, endpoint, "FOR NO KEY UPDATE")
		if err != nil {
			return err
		}
		if e.State != Active {
			return ErrState
		}
		now := s.o.Clock()
		body, err := bodyOf(TestEvent, now, map[string]string{"message": "这是一条测试消息"})
		if err != nil {
			return err
		}
		event_, err := uuid.NewV7()
		if err != nil {
			return fmt.Errorf("webhook.Test: %w", err)
		}
		if err := tx.QueryRow(ctx, `INSERT INTO webhook_messages (endpoint_id, event_id, type, event_at, body, next_at, made_at)
			VALUES ($1, $2, $3, $4, $5, $4, $4) RETURNING id`, endpoint, "test-"+event_.String(), TestEvent, now, body).Scan(&id); err != nil {
			return fmt.Errorf("webhook.Test: %w", err)
		}
		return event.Record(ctx, tx, by.Actor, "webhook.test", objectOf(merchantID), by.Reason, nil,
			map[string]int64{"endpoint": endpoint, "message": id})
	})
	return id, err
}

// How long messages that are done, and those of a stopped endpoint, are kept.
const keptFor = 30 * 24 * time.Hour

// Prune forgets old messages with their attempts; housekeeping.
func (s *Store) Prune(ctx context.Context) (int64, error) {
	now := s.o.Clock()
	tag, err := s.db.Exec(ctx, `DELETE FROM webhook_messages WHERE id IN (
		SELECT id FROM webhook_messages WHERE state <> 1 AND done_at < $1 LIMIT 10000)`, now.Add(-keptFor))
	if err != nil {
		return 0, fmt.Errorf("webhook.Prune: %w", err)
	}
	n := tag.RowsAffected()
	if _, err := s.db.Exec(ctx, `UPDATE webhook_endpoints SET old_secret = NULL, old_until = NULL WHERE old_until < $1`, now); err != nil {
		return n, fmt.Errorf("webhook.Prune: secrets: %w", err)
	}
	if _, err = s.db.Exec(ctx, `UPDATE webhook_messages SET state = 4, done_at = $2 WHERE id IN (
		SELECT m.id FROM webhook_endpoints e JOIN webhook_messages m ON m.endpoint_id = e.id AND m.state = 1
		WHERE e.state <> 'active' AND e.stopped_at < $1 LIMIT 10000)`, now.Add(-keptFor), now); err != nil {
		return n, fmt.Errorf("webhook.Prune: stopped: %w", err)
	}
	return n, nil
}
