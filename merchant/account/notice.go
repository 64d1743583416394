package account

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// noticesKept is how long a notice is kept.
const noticesKept = 400 * 24 * time.Hour

// forAudience is a notice n that a user u may read.
const forAudience = `(n.audience = '' OR n.audience = 'money' AND u.roles && '{owner,finance}'
	OR n.audience = 'shops' AND u.roles && '{owner,manager}' OR n.audience = 'owner' AND 'owner' = ANY (u.roles))
	AND (n.outlet_id IS NULL OR u.roles && '{owner,finance}' OR n.outlet_id = ANY (u.outlet_ids))`

// Notice is something that a merchant is told in the portal. Text says it whole, in
// Chinese, and names no worker.
type Notice struct {
	ID   int64
	Kind string // "statement.closed"
	// For is who may read it; Anybody for all users.
	For Right
	// Outlet is the shop that it is about, which managers of others don't hear of; 0 for
	// none.
	Outlet int64
	Text   string
	URL    string // in the portal, where to look; "" for none
	At     time.Time
}

// Notify tells a merchant something in the transaction that does it.
func Notify(ctx context.Context, tx pgx.Tx, merchantID int64, n Notice) error {
	audience := n.For
	if audience == Anybody {
		audience = ""
	}
	_, err := tx.Exec(ctx, `INSERT INTO merchant_notices (merchant_id, kind, audience, outlet_id, text, url, at)
		VALUES ($1, $2, $3, nullif($4::bigint, 0), $5, $6, clock_timestamp())`, merchantID, n.Kind, audience, n.Outlet, n.Text, n.URL)
	if err != nil {
		return fmt.Errorf("account.Notify: %w", err)
	}
	return nil
}

// NotifyEach tells merchants something each, in the transaction that does it: a text
// for each of them, and the rest as n has it. n is about no shop.
func NotifyEach(ctx context.Context, tx pgx.Tx, merchants []int64, texts []string, n Notice) error {
	if len(merchants) == 0 {
		return nil
	}
	audience := n.For
	if audience == Anybody {
		audience = ""
	}
	_, err := tx.Exec(ctx, `INSERT INTO merchant_notices (merchant_id, kind, audience, text, url, at)
		SELECT u.merchant, $3, $4, u.text, $5, clock_timestamp() FROM unnest($1::bigint[], $2::text[]) AS u (merchant, text)`,
		merchants, texts, n.Kind, audience, n.URL)
	if err != nil {
		return fmt.Errorf("account.NotifyEach: %w", err)
	}
	return nil
}

// Notices are the notices that a user may read, the newest first, before an id
// (0: from the newest), at most limit.
func (s *Store) Notices(ctx context.Context, u *User, before int64, limit int) ([]Notice, error) {
	rows, err := s.db.Query(ctx, `SELECT n.id, n.kind, n.audience, coalesce(n.outlet_id, 0), n.text, n.url, n.at FROM merchant_notices n JOIN merchant_users u ON u.id = $1
		WHERE n.merchant_id = u.merchant_id AND ($2 = 0 OR n.id < $2) AND `+forAudience+` ORDER BY n.id DESC LIMIT $3`, u.ID, before, limit)
	if err != nil {
		return nil, fmt.Errorf("account.Notices: %w", err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Notice])
	if err != nil {
		return nil, fmt.Errorf("account.Notices: %w", err)
	}
	return out, nil
}

// ReadUpTo remembers the newest notice that a user has seen.
func (s *Store) ReadUpTo(ctx context.Context, u *User, id int64) error {
	_, err := s.db.Exec(ctx, `UPDATE merchant_users SET notices_read = greatest(notices_read, $2) WHERE id = $1`, u.ID, id)
	if err != nil {
		return fmt.Errorf("account.ReadUpTo: %w", err)
	}
	return nil
}
