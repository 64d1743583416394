package budget

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card/union/keyset"
	"unioncard/merchant"
	"unioncard/settlement/ledger"
)

// Row is a budget or a series in a list. Amounts are fen.
type Row struct {
	ID                int64
	Kind              Kind
	Name              string
	OfficeID          int64
	Office            string
	ParentID          int64 // of a series, else 0
	Parent            string
	Status            Status
	FirstDay, LastDay ledger.Day
	Trades            []merchant.Trade
	Merchants         []int64
	MemberCapFen      int64 // 0: no bound
	Figures
	Alerted   int // the last alert given, in per cent; 0: none
	Version   int64
	CreatedAt time.Time
	// Waiting is the proposal about it that waits to be decided, 0 for none.
	Waiting int64
}

// Figures is where a budget's money is. LeftFen = AmountFen − AllocatedFen −
// ReturnedFen − SpentFen.
type Figures struct {
	AmountFen    int64 // ever put in; of a draft, what opening will put in
	AllocatedFen int64 // with its series
	ReturnedFen  int64
	SpentFen     int64 // what purchases hold of it, less what undoing gave back
	LeftFen      int64
	Uses         int64 // purchases that drew on it, less those undone whole
}

// UsedPercent is how much of the money is used or with series, 0 to 100, rounded down.
func (f Figures) UsedPercent() int {
	amount := f.AmountFen - f.ReturnedFen
	if amount <= 0 {
		return 0
	}
	return int((amount - f.LeftFen) * 100 / amount)
}

// rowSQL reads Rows; the slices are added up as they are now.
const rowSQL = `SELECT b.id, b.kind, b.name, b.office_id, u.name, coalesce(b.parent_id, 0), coalesce(p.name, ''), b.state, b.first_day, b.last_day,
		b.trades, b.merchants, coalesce(b.member_cap_fen, 0), b.amount_fen, b.allocated_fen, b.returned_fen, s.spent, s.uses, b.alerted, b.version, b.created_at,
		coalesce((SELECT min(w.id) FROM proposals w WHERE w.object = 'budget:' || b.id AND w.state = 'waiting'), 0)
	FROM budgets b JOIN unions u ON u.id = b.office_id LEFT JOIN budgets p ON p.id = b.parent_id
	CROSS JOIN LATERAL (SELECT coalesce(sum(spent_fen - back_fen), 0)::bigint AS spent, coalesce(sum(uses), 0)::bigint AS uses
		FROM budget_slices WHERE budget_id = b.id) s WHERE `

func scanRow(row pgx.CollectableRow) (r Row, err error) {
	var first, last time.Time
	err = row.Scan(&r.ID, &r.Kind, &r.Name, &r.OfficeID, &r.Office, &r.ParentID, &r.Parent, &r.Status, &first, &last, &r.Trades, &r.Merchants,
		&r.MemberCapFen, &r.AmountFen, &r.AllocatedFen, &r.ReturnedFen, &r.SpentFen, &r.Uses, &r.Alerted, &r.Version, &r.CreatedAt, &r.Waiting)
	r.FirstDay, r.LastDay = ledger.DayOf(first), ledger.DayOf(last)
	r.LeftFen = r.AmountFen - r.AllocatedFen - r.ReturnedFen - r.SpentFen
	return r, err
}

// Filter narrows a list; zero values ask for nothing.
type Filter struct {
	Kind   Kind
	Status Status
	Parent int64  // series of that budget
	Text   string // in the name
	// NearlySpent: only those of which an alert was given.
	NearlySpent bool
}

// List is one page of the budgets of the offices at or below a path. The page's sort
// is "id", "name", "last_day" or "amount".
func (s *Store) List(ctx context.Context, path string, f Filter, page keyset.Page) ([]Row, error) {
	where, order, args := page.Clause(map[string]string{"id": "b.id", "name": "b.name", "last_day": "(b.last_day - date '1970-01-01')", "amount": "b.amount_fen"},
		"b.id", path, f.Kind, f.Status, f.Parent, keyset.Like(f.Text), f.NearlySpent)
	rows, err := s.db.Query(ctx, rowSQL+`starts_with(u.path, $1) AND ($2 = '' OR b.kind = $2) AND ($3 = '' OR b.state = $3)
		AND ($4::bigint = 0 OR b.parent_id = $4) AND b.name LIKE $5 AND (NOT $6::boolean OR b.alerted > 0 AND b.state IN ('open', 'frozen'))
		AND `+where+order, args...)
	if err != nil {
		return nil, fmt.Errorf("budget.List: %w", err)
	}
	out, err := pgx.CollectRows(rows, scanRow)
	if err != nil {
		return nil, fmt.Errorf("budget.List: %w", err)
	}
	return out, nil
}

// Get returns a budget or series; merchant.ErrNotFound. Whether the asker may know of
// it is the caller's to check (merchant.Locate "budget").
func (s *Store) Get(ctx context.Context, id int64) (*Row, error) {
	rows, err := s.db.Query(ctx, rowSQL+`b.id = $1`, id)
	if err != nil {
		return nil, fmt.Errorf("budget.Get: %w", err)
	}
	r, err := pgx.CollectExactlyOneRow(rows, scanRow)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, merchant.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("budget.Get: %w", err)
	}
	return &r, nil
}

// Offered lists the open budgets that an offer of a contract may name: those that pay
// at the contract's merchant some day from now on, of the merchant's office or above
// it, and those that name the merchant.
func (s *Store) Offered(ctx context.Context, contractID int64) ([]Row, error) {
	rows, err := s.db.Query(ctx, rowSQL+`b.kind = 'budget' AND b.state IN ('open', 'frozen') AND b.last_day >= $2
		AND EXISTS (SELECT FROM contracts c JOIN merchants m ON m.id = c.merchant_id JOIN unions mu ON mu.id = m.office_id
			WHERE c.id = $1 AND (b.trades = '{}' OR c.trade = ANY (b.trades))
			AND CASE WHEN b.merchants = '{}' THEN starts_with(mu.path, u.path) ELSE m.id = ANY (b.merchants) END)
		ORDER BY b.last_day, b.id`, contractID, ledger.DayOf(s.now()).Date())
	if err != nil {
		return nil, fmt.Errorf("budget.Offered: %w", err)
	}
	out, err := pgx.CollectRows(rows, scanRow)
	if err != nil {
		return nil, fmt.Errorf("budget.Offered: %w", err)
	}
	return out, nil
}
