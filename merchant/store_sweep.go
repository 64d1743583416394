package merchant

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// overdueSQL is the renegotiations that hold a contract suspended at $1: past the
// deadline, not resolved by then, and against a floor that still has effect. The
// tills' view (Contract.overdue) and StatusSQL keep the same rule by themselves.
const overdueSQL = ` r.deadline <= $1 AND (r.resolved_at IS NULL OR r.resolved_at > $1)
	AND f.effective @> $1::timestamptz`

// SuspendOverdue suspends, as actor "system", every contract whose renegotiation
// deadline has passed without better Terms, and returns their ids. Run it every
// minute or so, on any number of nodes: each contract is suspended in a
// transaction of its own under its merchant's row lock, after looking again.
func (s *Store) SuspendOverdue(ctx context.Context, now time.Time) ([]int64, error) {
	rows, err := s.db.Query(ctx, `SELECT DISTINCT c.id FROM renegotiations r
		JOIN floors f ON f.id = r.floor_id JOIN contracts c ON c.id = r.contract_id
		WHERE`+overdueSQL+` AND c.status IN ('active', 'ending') ORDER BY c.id`, now)
	if err != nil {
		return nil, fmt.Errorf("merchant: overdue: %w", err)
	}
	by := By{Actor: system, Reason: "重新议价期限已过（第18条）"}
	return s.each(ctx, rows, func(tx pgx.Tx, c *Contract) (bool, error) {
		if c.Status != ContractActive && c.Status != ContractEnding {
			return false, nil
		}
		var below *BelowFloorError
		if err := refuseOverdue(ctx, tx, c, now); !errors.As(err, &below) {
			return false, err // nil: resolved meanwhile
		}
		return true, suspendContract(ctx, tx, by, c)
	})
}

// EndExpired marks, as actor "system", every contract as ended whose validity is
// over, and returns their ids. It changes no money: outside its validity a
// contract earns nothing anyway. Runs and protects itself as SuspendOverdue.
func (s *Store) EndExpired(ctx context.Context, now time.Time) ([]int64, error) {
	rows, err := s.db.Query(ctx, `SELECT id FROM contracts
		WHERE status IN ('active', 'suspended', 'ending') AND upper(valid) <= $1 ORDER BY id`, now)
	if err != nil {
		return nil, fmt.Errorf("merchant: expired: %w", err)
	}
	by := By{Actor: system, Reason: "协议到期"}
	return s.each(ctx, rows, func(tx pgx.Tx, c *Contract) (bool, error) {
		before := c.state()
		to, err := next(contractMoves, contractObject(c.ID), c.Status, "expire")
		if err != nil || c.ValidUntil.After(now) {
			return false, nil // ended meanwhile
		}
		c.Status = to
		if err := saveContract(ctx, tx, c); err != nil {
			return false, err
		}
		return true, record(ctx, tx, by, "contract.expire", contractObject(c.ID), before, c.state(), c.changed())
	})
}

// each runs f on the contracts whose ids rows gives, each in a transaction of its
// own under its merchant's row lock, and returns those that f changed. One that
// fails does not keep the others from their turn.
func (s *Store) each(ctx context.Context, rows pgx.Rows, f func(tx pgx.Tx, c *Contract) (bool, error)) ([]int64, error) {
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return nil, fmt.Errorf("merchant: contracts: %w", err)
	}
	var done []int64
	var failed []error
	for _, id := range ids {
		var did bool
		err := s.change(ctx, func(tx pgx.Tx) error {
			c, err := lockContract(ctx, tx, id, true)
			if err != nil {
				return err
			}
			did, err = f(tx, c)
			return err
		})
		switch {
		case err != nil:
			failed = append(failed, fmt.Errorf("contract %d: %w", id, err))
		case did:
			done = append(done, id)
		}
	}
	return done, errors.Join(failed...)
}

// refuseOverdue returns a BelowFloorError if a renegotiation of the contract is
// overdue. The caller holds the floors and the merchant's row.
func refuseOverdue(ctx context.Context, tx pgx.Tx, c *Contract, now time.Time) error {
	var e BelowFloorError
	var comparison []byte
	err := tx.QueryRow(ctx, `SELECT f.id, coalesce(f.trade, ''), coalesce(f.brand, ''), f.version, r.comparison
		FROM renegotiations r JOIN floors f ON f.id = r.floor_id
		WHERE r.contract_id = $2 AND`+overdueSQL+` ORDER BY r.deadline LIMIT 1`, now, c.ID).
		Scan(&e.Bound.FloorID, &e.Bound.Trade, &e.Bound.Brand, &e.Bound.Version, &comparison)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("merchant: overdue: %w", err)
	}
	if err := json.Unmarshal(comparison, &e.Comparison); err != nil {
		return fmt.Errorf("merchant: stored comparison: %w", err)
	}
	return &e
}

// Prune deletes what has run out long ago: activation codes a day after their
// end, client assertions an hour after theirs (no clock skew that is accepted
// reaches so far). It returns how many rows went. Nothing needs protection: such
// rows are refused for their age.
func (s *Store) Prune(ctx context.Context, now time.Time) (int64, error) {
	codes, err := s.db.Exec(ctx, `DELETE FROM activation_codes WHERE expires_at < $1`, now.Add(-24*time.Hour))
	if err != nil {
		return 0, fmt.Errorf("merchant: prune activation codes: %w", err)
	}
	jtis, err := s.db.Exec(ctx, `DELETE FROM client_assertions WHERE expires_at < $1`, now.Add(-time.Hour))
	if err != nil {
		return 0, fmt.Errorf("merchant: prune assertions: %w", err)
	}
	return codes.RowsAffected() + jtis.RowsAffected(), nil
}
