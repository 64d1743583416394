package purchase

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// resolve finds out whether the lane's last batch is durable, after the answer to
// its COMMIT was lost. It never sends COMMIT again: it asks another connection
// for the transaction's status and reads back under the keys.
//
//   - committed, and all its purchases are there: faultNone;
//   - aborted, and none is there: faultLost, to be written again;
//   - else, when GiveUp has passed: faultUnknown.
func (l *lane) resolve(parent context.Context) (fault, error) {
	ctx, cancel := context.WithTimeout(parent, l.c.opts.GiveUp)
	defer cancel()
	b := &l.batch
	var err error
	for attempt := 1; ; attempt++ {
		var status string
		var found int
		if status, found, err = l.look(ctx); err == nil {
			switch {
			case status == "committed" && found == b.accepted:
				return faultNone, nil
			case status == "aborted" && found == 0:
				return faultLost, nil
			case status != "in progress":
				// A standby that took over and missed the transaction, or a status that
				// was forgotten: no more to learn.
				return faultUnknown, fmt.Errorf("status %q, %d of %d purchases found", status, found, b.accepted)
			}
			err = errors.New("transaction still in progress")
		}
		if !pause(ctx, attempt) {
			return faultUnknown, err
		}
	}
}

// look asks for the status of the batch's transaction and how many of its
// purchases are there. On a connection of its own: the pool may be full of work.
func (l *lane) look(ctx context.Context) (status string, found int, err error) {
	conn, err := pgx.ConnectConfig(ctx, l.c.pool.Config().ConnConfig.Copy())
	if err != nil {
		return "", 0, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	b := &l.batch
	err = conn.QueryRow(ctx, `SELECT coalesce(pg_xact_status($1::text::xid8), 'forgotten')`, b.xid).Scan(&status)
	if err != nil {
		return "", 0, err
	}
	merchants, ids := make([]int64, 0, b.accepted), make([][16]byte, 0, b.accepted)
	for i, r := range b.rows {
		if b.fates[i].recorded() {
			merchants, ids = append(merchants, r.merchant), append(ids, r.id)
		}
	}
	err = conn.QueryRow(ctx, `SELECT count(*) FROM unnest($1::bigint[], $2::uuid[]) AS u (m, id)
		JOIN purchases p ON p.merchant_id = u.m AND p.id = u.id`, merchants, ids).Scan(&found)
	return status, found, err
}
