package signing

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card/union/keyset"
	"unioncard/merchant"
	"unioncard/merchant/terms"
)

// ContractRow is a contract in a list.
type ContractRow struct {
	ID                   int64
	Merchant             string
	Outlet               string // "" for the whole merchant
	Office               string
	Trade, Brand         string
	Status               merchant.ContractStatus
	Stage                merchant.Stage
	ValidFrom            time.Time
	ValidUntil           time.Time // exclusive
	FloorClause          bool
	proposed, standsSame bool
}

// ContractFilter narrows a list of contracts.
type ContractFilter struct {
	Text   string // of the merchant's or outlet's name, or a contract's number
	Trade  string
	Status string // as stored
	Ends   int    // only those in force that end within so many days; 0: all
}

// ContractOrder is what a list of contracts can be ordered by.
func ContractOrder() map[string]string {
	return map[string]string{"id": "c.id", "merchant": "m.name", "until": "upper(c.valid)"}
}

// List lists the contracts of the offices in a territory. The stage of a draft is
// told by the hash of its Terms alone; Standing looks at the whole agreement.
func (c *Contracts) List(ctx context.Context, path string, f ContractFilter, p keyset.Page) ([]ContractRow, error) {
	where, order, args := p.Clause(ContractOrder(), "c.id", path, f.Text, keyset.Like(f.Text), f.Trade, f.Status, f.Ends, c.clock())
	rows, err := c.db.Query(ctx, `SELECT c.id, m.name, coalesce(o.name, ''), u.name, c.trade, c.brand, c.status,
			lower(c.valid), upper(c.valid), c.floor_clause,
			EXISTS (SELECT FROM proposals p WHERE p.kind = 'terms.publish' AND p.object = 'contract:' || c.id AND p.state = 'waiting'),
			coalesce((SELECT p.carried_at IS NULL AND p.payload->>'sha256' = (SELECT encode(d.sha256, 'hex') FROM drafts d
					WHERE d.object = p.object ORDER BY d.version DESC LIMIT 1)
				FROM proposals p WHERE p.kind = 'terms.publish' AND p.object = 'contract:' || c.id AND p.state = 'approved'
				ORDER BY p.id DESC LIMIT 1), false)
		FROM contracts c JOIN merchants m ON m.id = c.merchant_id JOIN unions u ON u.id = c.office_id
		LEFT JOIN outlets o ON o.id = c.outlet_id
		WHERE starts_with(u.path, $1) AND ($2 = '' OR m.name LIKE $3 OR o.name LIKE $3 OR c.id::text = $2)
		AND ($4 = '' OR c.trade = $4) AND ($5 = '' OR c.status = $5)
		AND ($6::int = 0 OR c.status IN ('active', 'suspended', 'ending') AND upper(c.valid) > $7
			AND upper(c.valid) <= $7::timestamptz + make_interval(days => $6)) AND `+where+order, args...)
	if err != nil {
		return nil, fmt.Errorf("signing: contracts: %w", err)
	}
	out, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (ContractRow, error) {
		var r ContractRow
		err := row.Scan(&r.ID, &r.Merchant, &r.Outlet, &r.Office, &r.Trade, &r.Brand, &r.Status,
			&r.ValidFrom, &r.ValidUntil, &r.FloorClause, &r.proposed, &r.standsSame)
		r.Stage = merchant.ContractStage(r.Status, r.proposed, r.standsSame)
		return r, err
	})
	if err != nil {
		return nil, fmt.Errorf("signing: contracts: %w", err)
	}
	return out, nil
}

// Contract is what a page shows of a contract beside its standing.
type Contract struct {
	Merchant, Outlet, Office string
	Outlets                  int   // that it covers now
	Follows, FollowedBy      int64 // renewals; 0 for none
}

// Show reads what a page shows of a contract; merchant.ErrNotFound.
func (c *Contracts) Show(ctx context.Context, id int64) (*Contract, error) {
	rows, err := c.db.Query(ctx, `SELECT m.name, coalesce(o.name, ''), u.name,
			(SELECT count(*) FROM contract_outlets v WHERE v.contract_id = c.id AND v.during @> $2::timestamptz),
			coalesce((SELECT follows FROM renewals WHERE contract_id = c.id), 0),
			coalesce((SELECT max(r.contract_id) FROM renewals r JOIN contracts n ON n.id = r.contract_id
				WHERE r.follows = c.id AND n.status <> 'ended'), 0)
		FROM contracts c JOIN merchants m ON m.id = c.merchant_id JOIN unions u ON u.id = c.office_id
		LEFT JOIN outlets o ON o.id = c.outlet_id WHERE c.id = $1`, id, c.clock())
	if err != nil {
		return nil, fmt.Errorf("signing: contract: %w", err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Contract])
	if err != nil {
		return nil, fmt.Errorf("signing: contract: %w", err)
	}
	if len(out) == 0 {
		return nil, merchant.ErrNotFound
	}
	return &out[0], nil
}

// CountContracts is how many contracts a territory has in a status.
func (c *Contracts) CountContracts(ctx context.Context, path string, status merchant.ContractStatus) (n int, err error) {
	err = c.db.QueryRow(ctx, `SELECT count(*) FROM contracts c JOIN unions u ON u.id = c.office_id
		WHERE starts_with(u.path, $1) AND c.status = $2`, path, status).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("signing: count contracts: %w", err)
	}
	return n, nil
}

// Situation is what a renegotiation means for its contract now.
type Situation string

// The situations of a renegotiation.
const (
	Lifted    Situation = "lifted"    // the till gives the floor's discount
	Due       Situation = "due"       // its deadline runs
	Overdue   Situation = "overdue"   // the deadline has passed: suspended by itself
	Settled   Situation = "settled"   // better Terms are published, binding now or later
	BeginsDue Situation = "announced" // the floor has no effect yet
)

// Renegotiation is a contract that a floor outgrew.
type Renegotiation struct {
	ContractID   int64
	Merchant     string
	Office       string
	FloorID      int64
	Trade, Brand string // of the floor
	FloorVersion int32
	FloorFrom    time.Time
	Comparison   terms.Comparison
	Deadline     time.Time // zero: the floor clause lifts it
	Resolved     time.Time // when better Terms bind; zero: none published
	Situation    Situation
	Days         int // whole days until the deadline, of Due
}

// RenegotiationFilter narrows the work list.
type RenegotiationFilter struct {
	Text      string
	Situation string // "", "open" (all but settled), or one
}

// situationSQL is the situation of a renegotiation r of the floor f at $2.
const situationSQL = `CASE WHEN r.resolved_at IS NOT NULL AND (r.deadline IS NULL OR r.resolved_at <= r.deadline OR r.resolved_at <= $2) THEN 'settled'
	WHEN lower(f.effective) > $2 THEN 'announced' WHEN r.deadline IS NULL THEN 'lifted'
	WHEN r.deadline <= $2 THEN 'overdue' ELSE 'due' END`

// RenegotiationOrder is what the work list can be ordered by.
func RenegotiationOrder() map[string]string {
	return map[string]string{"id": "r.contract_id", "merchant": "m.name", "deadline": "coalesce(r.deadline, '9999-12-31')"}
}

// Renegotiations lists the contracts of a territory that floors in effect or to
// come outgrew, and that have not ended. Of several floors of one contract the one
// with the nearest deadline is listed.
func (c *Contracts) Renegotiations(ctx context.Context, path string, f RenegotiationFilter, p keyset.Page) ([]Renegotiation, error) {
	return c.renegotiations(ctx, 0, path, f, p)
}

// renegotiations is Renegotiations, of one contract alone unless it is 0.
func (c *Contracts) renegotiations(ctx context.Context, contract int64, path string, f RenegotiationFilter, p keyset.Page) ([]Renegotiation, error) {
	now := c.clock()
	where, order, args := p.Clause(RenegotiationOrder(), "r.contract_id", path, now, f.Text, keyset.Like(f.Text), f.Situation, contract)
	rows, err := c.db.Query(ctx, renegotiationSQL+where+order, args...)
	if err != nil {
		return nil, fmt.Errorf("signing: renegotiations: %w", err)
	}
	out, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Renegotiation, error) {
		var r Renegotiation
		var deadline, resolved *time.Time
		var comparison []byte
		err := row.Scan(&r.ContractID, &r.Merchant, &r.Office, &r.FloorID, &r.Trade, &r.Brand, &r.FloorVersion, &r.FloorFrom,
			&comparison, &deadline, &resolved, &r.Situation)
		if err != nil {
			return r, err
		}
		r.Deadline, r.Resolved = orZero(deadline), orZero(resolved)
		if r.Situation == Due {
			r.Days = int(r.Deadline.Sub(now) / (24 * time.Hour))
		}
		return r, json.Unmarshal(comparison, &r.Comparison)
	})
	if err != nil {
		return nil, fmt.Errorf("signing: renegotiations: %w", err)
	}
	return out, nil
}

const renegotiationSQL = `SELECT r.contract_id, m.name, u.name, f.id, coalesce(f.trade, ''), coalesce(f.brand, ''), f.version, lower(f.effective),
	r.comparison, r.deadline, r.resolved_at, x.situation
	FROM (SELECT DISTINCT ON (r.contract_id) r.* FROM renegotiations r JOIN floors f ON f.id = r.floor_id
		WHERE (upper_inf(f.effective) OR upper(f.effective) > $2) AND ($6::bigint = 0 OR r.contract_id = $6)
		ORDER BY r.contract_id, r.resolved_at IS NOT NULL, r.deadline NULLS LAST) r
	JOIN floors f ON f.id = r.floor_id, LATERAL (SELECT ` + situationSQL + ` AS situation) x,
	contracts c JOIN merchants m ON m.id = c.merchant_id JOIN unions u ON u.id = c.office_id
	WHERE c.id = r.contract_id AND c.status <> 'ended' AND starts_with(u.path, $1)
	AND ($3 = '' OR m.name LIKE $4 OR c.id::text = $3)
	AND ($5 = '' OR x.situation = $5 OR $5 = 'open' AND x.situation <> 'settled') AND `

// CountRenegotiations counts what the office of a territory has to renegotiate,
// and how much of it is within a week of its deadline or past it.
func (c *Contracts) CountRenegotiations(ctx context.Context, path string) (open, urgent int, err error) {
	now := c.clock()
	err = c.db.QueryRow(ctx, `SELECT count(*), count(*) FILTER (WHERE s.deadline <= $2::timestamptz + interval '7 days')
		FROM (`+renegotiationSQL+`true) s (contract, merchant, office, floor, trade, brand, version, since, comparison, deadline, resolved, situation)`,
		path, now, "", "%", "open", 0).Scan(&open, &urgent)
	if err != nil {
		return 0, 0, fmt.Errorf("signing: count renegotiations: %w", err)
	}
	return open, urgent, nil
}

// Floor is a floor of a trade or a brand, by its versions.
type Floor struct {
	Trade, Brand string
	Versions     []FloorVersion // the newest first; empty while there is only a draft
	Drafted      bool
	Open         int // renegotiations that it still asks for, in the territory
}

// FloorVersion is a published version of a floor.
type FloorVersion struct {
	ID           int64
	Version      int32
	SHA256       string
	From, Until  time.Time
	DeadlineDays int
	Terms        *terms.Terms
	ByName       string
	At           time.Time
	Below        int // contracts that it left below, everywhere
}

// Floors lists every floor, brands after trades.
func (c *Contracts) Floors(ctx context.Context) ([]Floor, error) {
	rows, err := c.db.Query(ctx, `SELECT coalesce(f.trade, ''), coalesce(f.brand, ''), f.id, f.version, encode(f.sha256, 'hex'),
			lower(f.effective), upper(f.effective), f.deadline_days, f.terms, coalesce(s.name, f.published_by), f.published_at,
			(SELECT count(*) FROM renegotiations r WHERE r.floor_id = f.id)
		FROM floors f LEFT JOIN staff s ON f.published_by = 'staff:' || s.id
		ORDER BY f.brand NULLS FIRST, f.trade, f.version DESC`)
	if err != nil {
		return nil, fmt.Errorf("signing: floors: %w", err)
	}
	var out []Floor
	var trade, brand string
	var v FloorVersion
	var doc []byte
	var until *time.Time
	_, err = pgx.ForEachRow(rows, []any{&trade, &brand, &v.ID, &v.Version, &v.SHA256, &v.From, &until, &v.DeadlineDays, &doc,
		&v.ByName, &v.At, &v.Below}, func() error {
		n := v
		n.Until = orZero(until)
		var err error
		if n.Terms, err = terms.Parse(doc); err != nil {
			return err
		}
		if len(out) == 0 || out[len(out)-1].Trade != trade || out[len(out)-1].Brand != brand {
			out = append(out, Floor{Trade: trade, Brand: brand})
		}
		last := &out[len(out)-1]
		last.Versions = append(last.Versions, n)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("signing: floors: %w", err)
	}
	return out, nil
}

// RenegotiationsOf lists what is still to be renegotiated of one contract.
func (c *Contracts) RenegotiationsOf(ctx context.Context, contract int64) ([]Renegotiation, error) {
	return c.renegotiations(ctx, contract, "/", RenegotiationFilter{Situation: "open"}, keyset.Page{Sort: "id", Limit: 1})
}

// Outlet is an outlet that a contract can be for.
type Outlet struct {
	ID   int64
	Name string
}

// Outlets lists a merchant's outlets that have not closed, at most 500.
func (c *Contracts) Outlets(ctx context.Context, merchantID int64) ([]Outlet, error) {
	rows, err := c.db.Query(ctx, `SELECT id, name FROM outlets WHERE merchant_id = $1 AND status <> 'closed' ORDER BY id LIMIT 500`, merchantID)
	if err != nil {
		return nil, fmt.Errorf("signing: outlets: %w", err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Outlet])
	if err != nil {
		return nil, fmt.Errorf("signing: outlets: %w", err)
	}
	return out, nil
}
