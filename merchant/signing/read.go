package signing

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card/union/staff"
	"unioncard/merchant"
)

const proposalSQL = `SELECT p.id, p.kind, p.object, p.office_id, o.name, o.path, p.payload, p.fingerprint, p.state,
	p.maker_id, m.name, p.reason, p.made_at, coalesce(p.checker_id, 0), coalesce(c.name, ''), coalesce(p.decision, ''),
	p.decided_at, p.carried_at,
	coalesce((SELECT w.name FROM contracts k JOIN merchants w ON w.id = k.merchant_id
		WHERE k.id = CASE WHEN p.object LIKE 'contract:%' THEN substr(p.object, 10)::bigint END),
		(SELECT w.name || '，' || t.name FROM outlets t JOIN merchants w ON w.id = t.merchant_id
		WHERE t.id = CASE WHEN p.object LIKE 'outlet:%' THEN substr(p.object, 8)::bigint END), '')
	FROM proposals p JOIN unions o ON o.id = p.office_id JOIN staff m ON m.id = p.maker_id
	LEFT JOIN staff c ON c.id = p.checker_id`

func (s *Store) scan(row pgx.CollectableRow) (Proposal, error) {
	var p Proposal
	var decided, carried *time.Time
	err := row.Scan(&p.ID, &p.Kind, &p.Object, &p.OfficeID, &p.Office, &p.Path, &p.Payload, &p.Fingerprint, &p.State,
		&p.MakerID, &p.Maker, &p.Reason, &p.MadeAt, &p.CheckerID, &p.Checker, &p.Decision, &decided, &carried, &p.Merchant)
	p.DecidedAt, p.CarriedAt, p.Title = orZero(decided), orZero(carried), s.kinds[p.Kind].Title
	return p, err
}

// orZero is the time that null stands for.
func orZero(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

func (s *Store) query(ctx context.Context, db merchant.DB, sql string, args ...any) ([]Proposal, error) {
	rows, err := db.Query(ctx, proposalSQL+sql, args...)
	if err != nil {
		return nil, fmt.Errorf("signing: proposals: %w", err)
	}
	out, err := pgx.CollectRows(rows, s.scan)
	if err != nil {
		return nil, fmt.Errorf("signing: proposals: %w", err)
	}
	return out, nil
}

func (s *Store) one(ctx context.Context, db merchant.DB, sql string, args ...any) (*Proposal, error) {
	all, err := s.query(ctx, db, sql, args...)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, merchant.ErrNotFound
	}
	return &all[0], nil
}

// lock reads a proposal and keeps others from moving it.
func (s *Store) lock(ctx context.Context, tx pgx.Tx, id int64) (*Proposal, error) {
	return s.one(ctx, tx, ` WHERE p.id = $1 FOR UPDATE OF p`, id)
}

// Get reads a proposal; merchant.ErrNotFound. The caller has checked the
// territory.
func (s *Store) Get(ctx context.Context, id int64) (*Proposal, error) {
	return s.one(ctx, s.db, ` WHERE p.id = $1`, id)
}

// Waiting lists the proposals that an account may decide now, the oldest first.
func (s *Store) Waiting(ctx context.Context, a *staff.Account, limit int) ([]Proposal, error) {
	if !a.May(staff.Decide) {
		return nil, nil
	}
	return s.query(ctx, s.db, ` WHERE p.state = 'waiting' AND starts_with(o.path, $2) AND p.maker_id <> $3
		AND `+deskSQL+` = $4 ORDER BY p.id LIMIT $5`, deciders(), a.Path, a.ID, a.UnionID, limit)
}

// WaitingCount is how many Waiting would list without a limit.
func (s *Store) WaitingCount(ctx context.Context, a *staff.Account) (n int, err error) {
	if !a.May(staff.Decide) {
		return 0, nil
	}
	err = s.db.QueryRow(ctx, `SELECT count(*) FROM proposals p JOIN unions o ON o.id = p.office_id
		WHERE p.state = 'waiting' AND starts_with(o.path, $2) AND p.maker_id <> $3 AND `+deskSQL+` = $4`,
		deciders(), a.Path, a.ID, a.UnionID).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("signing: waiting: %w", err)
	}
	return n, nil
}

// Of lists the proposals about an object, the newest first.
func (s *Store) Of(ctx context.Context, object string) ([]Proposal, error) {
	return s.query(ctx, s.db, ` WHERE p.object = $1 ORDER BY p.id DESC LIMIT 200`, object)
}

// WaitingFor finds the proposal of a kind that waits for an object;
// merchant.ErrNotFound if none does.
func (s *Store) WaitingFor(ctx context.Context, kind, object string) (*Proposal, error) {
	return s.one(ctx, s.db, ` WHERE p.kind = $1 AND p.object = $2 AND p.state = 'waiting'`, kind, object)
}

// Filter narrows a list of proposals.
type Filter struct {
	State  State  // "": every
	Kind   string // "": every
	Maker  int64  // 0: everybody's
	Before int64  // only ids below it; 0: from the newest
	Limit  int
}

// List lists the proposals in an account's territory, the newest first.
func (s *Store) List(ctx context.Context, a *staff.Account, f Filter) ([]Proposal, error) {
	return s.query(ctx, s.db, ` WHERE starts_with(o.path, $1) AND ($2 = '' OR p.state = $2) AND ($3 = '' OR p.kind = $3)
		AND ($4::bigint = 0 OR p.maker_id = $4) AND ($5::bigint = 0 OR p.id < $5) ORDER BY p.id DESC LIMIT $6`,
		a.Path, f.State, f.Kind, f.Maker, f.Before, f.Limit)
}
