package exit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/merchant"
)

// Effect is what ending a contract will do, to be seen before it is proposed.
type Effect struct {
	Outlets []EffectOutlet
	// Terminals serve these outlets and would be retired after the refund tail.
	Terminals int
	// Purchases and DiscountFen are the last 30 days' under the contract, counted up
	// to EffectLimit purchases.
	Purchases   int
	DiscountFen int64
	// LastContract: the merchant has no other contract that is or will be in force
	// once this one and what follows it have ended.
	LastContract bool
	// Others are the merchant's other contracts that have not ended, those first that
	// follow this one: they end with it. The others stay.
	Others []OtherContract
	Open   []merchant.Blocker
}

// OtherContract is another contract of the merchant.
type OtherContract struct {
	ID            int64
	Outlet        string // "" for the whole merchant
	Office        string
	Status        merchant.ContractStatus
	From, LastDay time.Time
	Follows       bool
}

// EffectOutlet is an outlet that the contract covers.
type EffectOutlet struct {
	ID   int64
	Name string
	// Falls is the merchant's contract that takes over, 0: members get nothing there.
	Falls int64
}

// EffectLimit bounds how many purchases an Effect counts.
const EffectLimit = 100_000

// Effect says what ending a contract at a moment would do.
func (s *Store) Effect(ctx context.Context, contractID int64, at time.Time) (*Effect, error) {
	c, err := merchant.NewStore(s.db, s.clock).Contract(ctx, contractID)
	if err != nil {
		return nil, err
	}
	var e Effect
	rows, err := s.db.Query(ctx, `SELECT o.id, o.name, coalesce((SELECT w.id FROM contracts w
			WHERE w.merchant_id = c.merchant_id AND w.outlet_id IS NULL AND c.outlet_id IS NOT NULL
			AND w.status IN ('active', 'suspended', 'ending') AND w.valid @> $2::timestamptz ORDER BY w.id LIMIT 1), 0)
		FROM contracts c JOIN contract_outlets co ON co.contract_id = c.id AND upper(co.during) > $2
		JOIN outlets o ON o.id = co.outlet_id AND o.status <> 'closed'
		WHERE c.id = $1 GROUP BY o.id, o.name, c.merchant_id, c.outlet_id ORDER BY o.name`, contractID, at)
	if err != nil {
		return nil, fmt.Errorf("exit: effect: %w", err)
	}
	if e.Outlets, err = pgx.CollectRows(rows, pgx.RowToStructByPos[EffectOutlet]); err != nil {
		return nil, fmt.Errorf("exit: effect: %w", err)
	}
	ids := make([]int64, len(e.Outlets))
	for i, o := range e.Outlets {
		ids[i] = o.ID
	}
	err = s.db.QueryRow(ctx, `SELECT count(*) FROM terminals WHERE outlet_id = ANY ($1) AND status <> 'retired'`, ids).Scan(&e.Terminals)
	if err != nil {
		return nil, fmt.Errorf("exit: effect: %w", err)
	}
	err = s.db.QueryRow(ctx, `SELECT count(*), coalesce(sum(discount_fen), 0) FROM (
			SELECT discount_fen FROM purchases WHERE merchant_id = $1 AND contract_id = $2 AND state IN (1, 4)
			AND committed_at > $3 LIMIT $4) p`, c.MerchantID, c.ID, s.clock().AddDate(0, 0, -30), EffectLimit).
		Scan(&e.Purchases, &e.DiscountFen)
	if err != nil {
		return nil, fmt.Errorf("exit: effect: %w", err)
	}
	if e.Others, err = s.others(ctx, c, at); err != nil {
		return nil, err
	}
	// What follows ends as well, so it is no other contract.
	e.LastContract = !slices.ContainsFunc(e.Others, func(o OtherContract) bool { return !o.Follows })
	e.Open, err = s.Open(ctx, contractID)
	return &e, err
}

// followsSQL is the contracts that follow contract $1 as renewals, and those that
// follow them, not ended, of the same outlets and from its end ($2) on.
const followsSQL = `WITH RECURSIVE after (id) AS (
		SELECT contract_id FROM renewals WHERE follows = $1
		UNION SELECT r.contract_id FROM renewals r JOIN after a ON r.follows = a.id)
	SELECT n.id FROM after a JOIN contracts n ON n.id = a.id, contracts c
	WHERE c.id = $1 AND n.status <> 'ended' AND n.merchant_id = c.merchant_id
	AND n.outlet_id IS NOT DISTINCT FROM c.outlet_id AND lower(n.valid) >= $2 ORDER BY n.id`

// follows lists the renewals that end with a contract that ends at a moment.
func follows(ctx context.Context, db querier, c *merchant.Contract, end time.Time) ([]int64, error) {
	rows, err := db.Query(ctx, followsSQL, c.ID, end)
	if err != nil {
		return nil, fmt.Errorf("exit: renewals: %w", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return nil, fmt.Errorf("exit: renewals: %w", err)
	}
	return ids, nil
}

// othersShown bounds Effect.Others.
const othersShown = 200

func (s *Store) others(ctx context.Context, c *merchant.Contract, at time.Time) ([]OtherContract, error) {
	after, err := follows(ctx, s.db, c, at)
	if err != nil {
		return nil, err
	}
	rows, err := s.db.Query(ctx, `SELECT c.id, coalesce(o.name, ''), u.name, c.status, lower(c.valid), upper(c.valid) - interval '1 second', c.id = ANY ($3)
		FROM contracts c JOIN unions u ON u.id = c.office_id LEFT JOIN outlets o ON o.id = c.outlet_id
		WHERE c.merchant_id = $1 AND c.id <> $2 AND c.status <> 'ended' ORDER BY c.id = ANY ($3) DESC, c.id LIMIT $4`,
		c.MerchantID, c.ID, after, othersShown)
	if err != nil {
		return nil, fmt.Errorf("exit: other contracts: %w", err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowToStructByPos[OtherContract])
	if err != nil {
		return nil, fmt.Errorf("exit: other contracts: %w", err)
	}
	return out, nil
}

// BarredUntil is the first day on which a merchant that left for cause may come
// back; zero if it may at once.
func (s *Store) BarredUntil(ctx context.Context, merchantID int64) (time.Time, error) {
	var until *time.Time
	err := s.db.QueryRow(ctx, `SELECT max(p.reentry_from) FROM exit_plans p JOIN contracts c ON c.id = p.contract_id
		WHERE c.merchant_id = $1 AND p.state <> 'cancelled'`, merchantID).Scan(&until)
	switch {
	case err != nil && !errors.Is(err, pgx.ErrNoRows):
		return time.Time{}, fmt.Errorf("exit: barred: %w", err)
	case until == nil || !until.After(s.clock()):
		return time.Time{}, nil
	}
	return *until, nil
}

// Listed is a plan with what a list shows beside it.
type Listed struct {
	Plan     *Plan
	Merchant string
	Office   string
}

// UnderWay lists the plans not done under a union's path, the nearest first.
func (s *Store) UnderWay(ctx context.Context, path string, limit int) ([]Listed, error) {
	rows, err := s.db.Query(ctx, `SELECT x.*, m.name, u.name FROM (`+planSQL+`) x
		JOIN contracts c ON c.id = x.contract_id JOIN merchants m ON m.id = c.merchant_id JOIN unions u ON u.id = c.office_id
		WHERE x.state IN ('running', 'settling') AND starts_with(u.path, $1)
		ORDER BY x.last_purchase, x.id LIMIT $2`, path, limit)
	if err != nil {
		return nil, fmt.Errorf("exit: plans: %w", err)
	}
	out, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Listed, error) {
		var l Listed
		p, err := scanPlan(withMore{row, []any{&l.Merchant, &l.Office}})
		l.Plan = p
		return l, err
	})
	if err != nil {
		return nil, fmt.Errorf("exit: plans: %w", err)
	}
	return out, nil
}

// withMore scans further columns behind those of a plan.
type withMore struct {
	pgx.CollectableRow
	more []any
}

func (w withMore) Scan(dest ...any) error { return w.CollectableRow.Scan(append(dest, w.more...)...) }
