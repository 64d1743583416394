package webhook

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card/union/event"
	"unioncard/merchant/account"
)

// How sending is paced.
const (
	// atOnce is how many messages of one endpoint are under way on all nodes together;
	// one where the last attempt failed.
	atOnce = 4
	// lease is how long a claimed message is its node's; longer than an attempt and
	// writing it down.
	lease = time.Minute
	// patience is how long a message is tried, and how long an endpoint may fail.
	patience = 24 * time.Hour
	// heldAfter failures in a row an endpoint gets one probe at a time, heldAtMost
	// apart at most, so that it is found again soon after it is back.
	heldAfter  = 3
	heldAtMost = time.Hour
)

// pauses follow the failures of a message, counted from 1: about 24 hours in all.
var pauses = []time.Duration{5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 4 * time.Hour, 8 * time.Hour, 8 * time.Hour}

// pause is the time before the next attempt after n failures, give or take a tenth.
func pause(n int) time.Duration {
	d := pauses[min(max(n, 1), len(pauses))-1]
	return d*9/10 + rand.N(d/5)
}

// task is a message claimed to be sent.
type task struct {
	id, endpoint, merchant int64
	attempts               int // before this one
	eventID, url, body     string
	secrets                [][]byte // that sign it
}

// Endpoints are locked while their messages are leased, so that two nodes together
// don't exceed atOnce; a node passes by one that another is looking at. The statement
// may have begun before another node's lease was committed, and got the lock after:
// the UPDATE therefore looks at next_at again, which it reads from the row as it is.
const claimSQL = `WITH e AS MATERIALIZED (
	  SELECT e.id, e.failures FROM webhook_endpoints e
	  WHERE e.state = 'active' AND (e.held_until IS NULL OR e.held_until <= $1)
	    AND EXISTS (SELECT FROM webhook_messages m WHERE m.endpoint_id = e.id AND m.state = 1 AND m.next_at <= $1)
	  FOR NO KEY UPDATE OF e SKIP LOCKED),
	due AS (
	  SELECT m.id FROM e CROSS JOIN LATERAL (
	    SELECT m.id, m.next_at FROM webhook_messages m
	    WHERE m.endpoint_id = e.id AND m.state = 1 AND m.next_at <= $1
	    ORDER BY m.next_at, m.id
	    LIMIT greatest(0, CASE WHEN e.failures > 0 THEN 1 ELSE $3 END
	      - (SELECT count(*) FROM webhook_messages l WHERE l.endpoint_id = e.id AND l.leased_until > $1))) m
	  ORDER BY m.next_at, m.id LIMIT $4)
	UPDATE webhook_messages m SET next_at = $2, leased_until = $2
	FROM due, webhook_endpoints p WHERE m.id = due.id AND p.id = m.endpoint_id AND m.state = 1 AND m.next_at <= $1
	RETURNING m.id, m.endpoint_id, p.merchant_id, m.attempts, m.event_id, p.url, m.body, p.secret,
	  CASE WHEN p.old_until > $1 THEN p.old_secret END`

// claim leases up to n messages that are due. One whose endpoint's secret does not open
// comes without: it fails, and holds up nobody else's.
func (s *Store) claim(ctx context.Context, n int) ([]*task, error) {
	now := s.o.Clock()
	rows, err := s.db.Query(ctx, claimSQL, now, now.Add(lease), atOnce, n)
	if err != nil {
		return nil, fmt.Errorf("webhook.claim: %w", err)
	}
	var out []*task
	var t task
	var secret, old []byte
	_, err = pgx.ForEachRow(rows, []any{&t.id, &t.endpoint, &t.merchant, &t.attempts, &t.eventID, &t.url, &t.body, &secret, &old}, func() error {
		one := t
		for _, sealed := range [][]byte{secret, old} {
			if sealed == nil {
				continue
			}
			if plain, err := s.o.Vault.Open(sealedAs(t.endpoint), sealed); err == nil {
				one.secrets = append(one.secrets, plain)
			}
		}
		out = append(out, &one)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("webhook.claim: %w", err)
	}
	return out, nil
}

// settle writes down what came of an attempt: of the message, and of its endpoint.
// An attempt that another node has made meanwhile (its lease had run out) is only
// that one's.
func (s *Store) settle(ctx context.Context, t *task, at time.Time, o outcome) error {
	return s.inTx(ctx, func(tx pgx.Tx) error {
		// Always the endpoint first, as everybody does.
		var failures int
		var since *time.Time
		var state State
		err := tx.QueryRow(ctx, `SELECT failures, failing_since, state FROM webhook_endpoints WHERE id = $1 FOR NO KEY UPDATE`, t.endpoint).
			Scan(&failures, &since, &state)
		if err != nil {
			return fmt.Errorf("webhook.settle: endpoint: %w", err)
		}
		now := s.o.Clock()
		var first time.Time
		err = tx.QueryRow(ctx, `UPDATE webhook_messages SET attempts = attempts + 1, first_at = coalesce(first_at, $3), leased_until = NULL
			WHERE id = $1 AND attempts = $2 AND state = 1 RETURNING first_at`, t.id, t.attempts, at).Scan(&first)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("webhook.settle: message: %w", err)
		}
		if _, err := tx.Exec(ctx, `INSERT INTO webhook_attempts (message_id, n, at, took_ms, status, fault, answer) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			t.id, t.attempts+1, at, min(o.took.Milliseconds(), 1<<30), o.status, o.fault, o.answer); err != nil {
			return fmt.Errorf("webhook.settle: attempt: %w", err)
		}
		if o.fault == "" {
			return s.delivered(ctx, tx, t, failures, now)
		}
		next := max(pause(t.attempts+1), o.retryAfter)
		if err := s.failed(ctx, tx, t, failure{failures + 1, since, state, at, now, o}); err != nil {
			return err
		}
		// The last attempt is made when patience ends, and so decides of the endpoint, too.
		sql, args := `UPDATE webhook_messages SET next_at = least($2::timestamptz, $3::timestamptz) WHERE id = $1`, []any{t.id, now.Add(next), first.Add(patience)}
		if now.Sub(first) >= patience {
			// Where the endpoint has ended with it, it waits for what the merchant decides.
			sql, args = `UPDATE webhook_messages m SET state = 3, done_at = $2 FROM webhook_endpoints e
				WHERE m.id = $1 AND e.id = m.endpoint_id AND e.state = 'active'`, []any{t.id, now}
		}
		if _, err := tx.Exec(ctx, sql, args...); err != nil {
			return fmt.Errorf("webhook.settle: message: %w", err)
		}
		return nil
	})
}

// delivered ends a message, and lets the others of an endpoint that is back go at
// once.
func (s *Store) delivered(ctx context.Context, tx pgx.Tx, t *task, failures int, now time.Time) error {
	if _, err := tx.Exec(ctx, `UPDATE webhook_messages SET state = 2, done_at = $2 WHERE id = $1`, t.id, now); err != nil {
		return fmt.Errorf("webhook.settle: delivered: %w", err)
	}
	if failures == 0 {
		return nil
	}
	if _, err := tx.Exec(ctx, `UPDATE webhook_messages SET next_at = $2 WHERE endpoint_id = $1 AND state = 1 AND leased_until IS NULL AND next_at > $2`,
		t.endpoint, now); err != nil {
		return fmt.Errorf("webhook.settle: others: %w", err)
	}
	if _, err := tx.Exec(ctx, `UPDATE webhook_endpoints SET failures = 0, failing_since = NULL, held_until = NULL WHERE id = $1`, t.endpoint); err != nil {
		return fmt.Errorf("webhook.settle: endpoint: %w", err)
	}
	return nil
}

// failure is an attempt that failed: the one too many, since when, and how the
// endpoint stood.
type failure struct {
	failures int // in a row, with this one
	since    *time.Time
	state    State
	at, now  time.Time
	outcome
}

// failed counts against the endpoint, and disables one that has failed for a day,
// or says (410) that it is no more.
func (s *Store) failed(ctx context.Context, tx pgx.Tx, t *task, f failure) error {
	since := f.at
	if f.since != nil {
		since = *f.since
	}
	why := ""
	switch {
	case f.status == 410:
		why = WhyGone
	case f.now.Sub(since) >= patience:
		why = WhyFailing
	}
	if why != "" && f.state == Active {
		if _, err := tx.Exec(ctx, `UPDATE webhook_endpoints SET state = 'disabled', why = $2, stopped_at = $3, failures = $4, failing_since = $5,
			held_until = NULL, version = version + 1 WHERE id = $1`, t.endpoint, why, f.now, f.failures, since); err != nil {
			return fmt.Errorf("webhook.settle: disable: %w", err)
		}
		if err := account.Notify(ctx, tx, t.merchant, account.Notice{Kind: "webhook.disabled", For: account.Owners,
			Text: whyText(why) + "。请检查接收的系统后重新启用。", URL: fmt.Sprintf("/portal/webhooks/%d", t.endpoint)}); err != nil {
			return err
		}
		return event.Record(ctx, tx, "system", "webhook.disable", objectOf(t.merchant), whyText(why),
			told{t.endpoint, Active, nil}, told{t.endpoint, Disabled, nil})
	}
	var held *time.Time
	if f.failures >= heldAfter || f.retryAfter > 0 {
		until := f.now.Add(min(max(pause(f.failures-heldAfter+1), f.retryAfter), heldAtMost))
		held = &until
	}
	if _, err := tx.Exec(ctx, `UPDATE webhook_endpoints SET failures = $2, failing_since = $3, held_until = $4 WHERE id = $1`,
		t.endpoint, f.failures, since, held); err != nil {
		return fmt.Errorf("webhook.settle: endpoint: %w", err)
	}
	return nil
}

// whyText is why an endpoint was disabled, for the log of events.
func whyText(why string) string {
	if why == WhyGone {
		return "推送地址答复 410，表示不再接收，已自动停用"
	}
	return "连续24小时推送不成功，已自动停用"
}
