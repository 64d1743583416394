package exit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card/union/event"
	"unioncard/merchant"
)

// system is the actor of what the service does by itself.
const system = "system"

// Advance moves every plan on that is due: contracts that expired get a plan, a
// running one settles from its last purchase, and a settling one whose refund
// tail is over and whose gates are all closed is done. It returns how many moved.
// Run it every minute or so, on any number of nodes. One contract or plan that fails
// does not keep the others from their turn.
func (s *Store) Advance(ctx context.Context, now time.Time) (int, error) {
	moved, err := s.adopt(ctx, now)
	failed := []error{err}
	rows, err := s.db.Query(ctx, `SELECT id FROM exit_plans WHERE state = 'running' AND last_purchase <= $1
		OR state = 'settling' AND refund_until <= $1 ORDER BY id`, now)
	if err != nil {
		return moved, errors.Join(append(failed, fmt.Errorf("exit: due plans: %w", err))...)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return moved, errors.Join(append(failed, fmt.Errorf("exit: due plans: %w", err))...)
	}
	for _, id := range ids {
		did, err := s.step(ctx, id, now)
		if err != nil {
			failed = append(failed, fmt.Errorf("exit: plan %d: %w", id, err))
		} else if did {
			moved++
		}
	}
	return moved, errors.Join(failed...)
}

// adopt gives a plan to every contract whose validity ran out without one, so
// that its terminals are retired and what is open is seen. One that never was in
// force (a draft given up) leaves nothing behind.
func (s *Store) adopt(ctx context.Context, now time.Time) (int, error) {
	rows, err := s.db.Query(ctx, `SELECT c.id FROM contracts c
		WHERE c.status = 'ended' AND EXISTS (SELECT FROM contract_outlets o WHERE o.contract_id = c.id)
		AND NOT EXISTS (SELECT FROM exit_plans p WHERE p.contract_id = c.id) ORDER BY c.id LIMIT 1000`)
	if err != nil {
		return 0, fmt.Errorf("exit: expired contracts: %w", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return 0, fmt.Errorf("exit: expired contracts: %w", err)
	}
	by := merchant.By{Actor: system, Reason: "协议到期"}
	adopted := 0
	var failed []error
	for _, id := range ids {
		err := pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
			// The contract's row keeps two nodes from adopting it at once.
			if _, err := tx.Exec(ctx, `SELECT FROM contracts WHERE id = $1 FOR NO KEY UPDATE`, id); err != nil {
				return err
			}
			if _, err := one(ctx, tx, ` WHERE contract_id = $1 LIMIT 1`, id); !errors.Is(err, merchant.ErrNotFound) {
				return err
			}
			c, err := merchant.NewStore(tx, s.clock).Contract(ctx, id)
			if err != nil {
				return err
			}
			return s.put(ctx, tx, by, &Plan{ContractID: id, Kind: KindExpiry, Cause: string(KindExpiry), State: StateRunning,
				LastPurchase: c.ValidUntil, RefundUntil: c.RefundUntil, CreatedBy: system})
		})
		if err != nil {
			failed = append(failed, fmt.Errorf("exit: adopt contract %d: %w", id, err))
		} else {
			adopted++
		}
	}
	return adopted, errors.Join(failed...)
}

// step makes one move of a plan; false if there was none to make.
func (s *Store) step(ctx context.Context, id int64, now time.Time) (did bool, err error) {
	err = pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		p, err := one(ctx, tx, ` WHERE id = $1 AND state IN ('running', 'settling') FOR UPDATE SKIP LOCKED`, id)
		if errors.Is(err, merchant.ErrNotFound) {
			return nil // moved meanwhile, or another node is at it
		}
		if err != nil {
			return err
		}
		before := p.state()
		switch {
		case p.State == StateRunning && !now.Before(p.LastPurchase):
			p.State = StateSettling
		case p.State == StateSettling && !now.Before(p.RefundUntil):
			open, err := s.open(ctx, tx, p.ContractID)
			if err != nil || len(open) > 0 {
				return err
			}
			p.State, p.Done = StateDone, now
			if err := s.finish(ctx, tx, p); err != nil {
				return err
			}
		default:
			return nil
		}
		did = true
		_, err = tx.Exec(ctx, `UPDATE exit_plans SET state = $2, done_at = $3, version = version + 1 WHERE id = $1`,
			p.ID, p.State, momentOrNull(p.Done))
		if err != nil {
			return err
		}
		return event.Record(ctx, tx, system, "exit."+string(p.State), p.Object(), Title(p.Cause), before, p.state())
	})
	return did && err == nil, err
}

func momentOrNull(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t
}

// Open lists what keeps a contract from being done with, over all gates.
func (s *Store) Open(ctx context.Context, contractID int64) (open []merchant.Blocker, err error) {
	err = pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		open, err = s.open(ctx, tx, contractID)
		return err
	})
	return open, err
}

func (s *Store) open(ctx context.Context, tx pgx.Tx, contractID int64) (all []merchant.Blocker, err error) {
	for _, g := range s.gates {
		open, err := g.Open(ctx, tx, contractID)
		if err != nil {
			return nil, fmt.Errorf("exit: gate %s: %w", g.Name(), err)
		}
		for _, b := range open {
			b.Gate = g.Name()
			all = append(all, b)
		}
	}
	return all, nil
}

// finish retires the terminals that serve no outlet any more and, if the plan
// says so, takes the merchant out of the network. A terminal stays as long as its
// outlet has, or will have, another contract, or one whose refunds are not over.
func (s *Store) finish(ctx context.Context, tx pgx.Tx, p *Plan) error {
	merchants := merchant.NewStore(tx, s.clock)
	c, err := merchants.Contract(ctx, p.ContractID)
	if err != nil {
		return err
	}
	by := merchant.By{Actor: system, Reason: "退出计划完成：" + Title(p.Cause)}
	rows, err := tx.Query(ctx, retireSQL, c.MerchantID, c.ID, p.Done)
	if err != nil {
		return err
	}
	terminals, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return err
	}
	for _, id := range terminals {
		if err := merchants.RetireTerminal(ctx, by, id); err != nil {
			return fmt.Errorf("retire terminal %d: %w", id, err)
		}
	}
	if !p.MerchantLeaves {
		return nil
	}
	// It stays for another contract, and if it has moved away with its union meanwhile:
	// then it is not this office's to send away.
	var stays bool
	err = tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM contracts WHERE merchant_id = $1 AND id <> $2 AND status <> 'ended')
			OR NOT EXISTS (SELECT FROM merchants m JOIN unions mu ON mu.id = m.office_id, unions o
				WHERE m.id = $1 AND o.id = $3 AND starts_with(mu.path, o.path))`,
		c.MerchantID, c.ID, c.OfficeID).Scan(&stays)
	if err != nil || stays {
		return err
	}
	var move *merchant.MoveError
	if err := merchants.ExitMerchant(ctx, by, c.MerchantID); err != nil && !errors.As(err, &move) {
		return err // a MoveError: it has left already
	}
	return nil
}

// retireSQL is the terminals of merchant $1 that nothing needs any more once
// contract $2 is done with at $3: those in outlets that it covered and no other
// contract covers, will cover, or covered with refunds still to come; and the POS
// servers if no outlet of the merchant is left.
const retireSQL = `
WITH needed AS (
    SELECT DISTINCT co.outlet_id FROM contract_outlets co JOIN contracts c ON c.id = co.contract_id
    WHERE c.merchant_id = $1 AND c.id <> $2
      AND (c.status <> 'ended' AND upper(co.during) > $3 OR c.refund_until > $3))
SELECT t.id FROM terminals t
WHERE t.merchant_id = $1 AND t.status <> 'retired'
  AND CASE WHEN t.outlet_id IS NULL THEN NOT EXISTS (SELECT FROM needed)
      ELSE t.outlet_id NOT IN (SELECT outlet_id FROM needed)
           AND EXISTS (SELECT FROM contract_outlets co WHERE co.contract_id = $2 AND co.outlet_id = t.outlet_id) END
ORDER BY t.id`
