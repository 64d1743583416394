package report

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card/union/keyset"
	"unioncard/settlement/ledger"
)

// Spending is union money that purchases and adjustments took and gave back. Amounts
// are in fen.
type Spending struct {
	Uses     int64 // purchases that it paid part of, and adjustments
	SpentFen int64
	Undone   int64 // voids and reversals
	BackFen  int64 // by any undoing
}

// NetFen is what stays spent. It is below nought for a day that undid more than it
// sold.
func (s Spending) NetFen() int64 { return s.SpentFen - s.BackFen }

// SpendingFilter says which spending is meant. The days are dates at midnight UTC, as
// those of Day, and both count.
type SpendingFilter struct {
	From, To time.Time
	Trade    string         // "" for every trade
	Account  ledger.Account // who pays; 0 for all
	OfficeID int64          // whose money; 0 for all in the territory
	// Place is a division (GB/T 2260) with all below it; 0 for everywhere.
	Place int32
}

// SpendingDay is one business day's spending.
type SpendingDay struct {
	Date time.Time // midnight UTC of the date
	Spending
}

// SpendingPart is what of the spending belongs to one trade, place, office or budget.
type SpendingPart struct {
	Trade    string         // by trade
	Place    int32          // by place, GB/T 2260
	OfficeID int64          // by office
	Account  ledger.Account // by who pays
	Name     string         // the office's, or the budget's; "" for a trade or place
	Spending
}

// SpendingRow is what one account paid on one day in one place and trade.
type SpendingRow struct {
	ID      int64
	Date    time.Time // midnight UTC of the date
	Office  string
	Account ledger.Account
	Budget  string // its name, "" for what no budget paid
	Place   int32  // GB/T 2260
	Trade   string
	Spending
}

// payer is the accounts of one kind that pay.
type payer struct{ first, last int64 }

// payers are the accounts whose transfers to merchants are the union's spending:
// budgets and series, offices' adjustments, and what paid before there were budgets.
func payers() [3]payer {
	span := func(k ledger.AccountKind) payer {
		first := int64(k) * (ledger.MaxID + 1)
		return payer{first, first + ledger.MaxID}
	}
	return [3]payer{span(ledger.KindBudget), span(ledger.KindAdjustment), span(ledger.KindUnbudgeted)}
}

// cityOf is a division's city: a county that stands under no city (code xx90xx) is
// its own.
const cityOf = `CASE WHEN d.place / 100 % 100 = 90 THEN d.place ELSE d.place / 100 * 100 END`

// spendingWhere holds a filter: $1 is the territory, then as args lists.
const spendingWhere = ` FROM spending_days d JOIN unions u ON u.id = d.office_id
	WHERE u.path LIKE $1 || '%' AND d.day BETWEEN $2 AND $3 AND ($4 = '' OR d.trade = $4) AND ($5::bigint = 0 OR d.account = $5)
	  AND ($6::bigint = 0 OR d.office_id = $6)
	  AND ($7::integer = 0 OR d.place = $7 OR $7 % 100 = 0 AND d.place / 100 = $7 / 100 OR $7 % 10000 = 0 AND d.place / 10000 = $7 / 10000)`

const spendingSums = `coalesce(sum(d.uses), 0)::bigint, coalesce(sum(d.spent_fen), 0)::bigint,
	coalesce(sum(d.undone), 0)::bigint, coalesce(sum(d.back_fen), 0)::bigint`

func (f SpendingFilter) args(scope string) []any {
	return []any{scope, f.From, f.To, f.Trade, int64(f.Account), f.OfficeID, f.Place}
}

// SpendingAsOf is when the spending was last added up, zero if it never was.
func (s *Store) SpendingAsOf(ctx context.Context) (asOf time.Time, err error) {
	if err := s.db.QueryRow(ctx, `SELECT as_of FROM spending_state`).Scan(&asOf); err != nil {
		return asOf, fmt.Errorf("report.SpendingAsOf: %w", err)
	}
	if asOf.Unix() == 0 {
		asOf = time.Time{}
	}
	return asOf, nil
}

// SpendingDays is the spending of the offices in a territory (a path of the union
// tree) by day, the oldest first, days without any included.
func (s *Store) SpendingDays(ctx context.Context, scope string, f SpendingFilter) ([]SpendingDay, error) {
	rows, err := s.db.Query(ctx, `SELECT d.day, `+spendingSums+spendingWhere+` GROUP BY d.day`, f.args(scope)...)
	if err != nil {
		return nil, fmt.Errorf("report.SpendingDays: %w", err)
	}
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (d SpendingDay, err error) {
		err = row.Scan(&d.Date, &d.Uses, &d.SpentFen, &d.Undone, &d.BackFen)
		return d, err
	})
	if err != nil {
		return nil, fmt.Errorf("report.SpendingDays: %w", err)
	}
	const day = 24 * time.Hour
	days := make([]SpendingDay, max(0, int(f.To.Sub(f.From)/day)+1))
	for i := range days {
		days[i].Date = f.From.AddDate(0, 0, i)
	}
	for _, d := range found {
		days[int(d.Date.Sub(f.From)/day)] = d
	}
	return days, nil
}

// SpendingTrades is the spending by trade, the most first.
func (s *Store) SpendingTrades(ctx context.Context, scope string, f SpendingFilter) ([]SpendingPart, error) {
	return s.parts(ctx, "SpendingTrades", `d.trade, 0, 0, 0, ''`, `d.trade`, scope, f)
}

// SpendingCities is the spending by the city in which it was spent.
func (s *Store) SpendingCities(ctx context.Context, scope string, f SpendingFilter) ([]SpendingPart, error) {
	return s.parts(ctx, "SpendingCities", `'', `+cityOf+`, 0, 0, ''`, cityOf, scope, f)
}

// SpendingCounties is the spending by the county in which it was spent.
func (s *Store) SpendingCounties(ctx context.Context, scope string, f SpendingFilter) ([]SpendingPart, error) {
	return s.parts(ctx, "SpendingCounties", `'', d.place, 0, 0, ''`, `d.place`, scope, f)
}

// SpendingOffices is the spending by the office whose money it was.
func (s *Store) SpendingOffices(ctx context.Context, scope string, f SpendingFilter) ([]SpendingPart, error) {
	return s.parts(ctx, "SpendingOffices", `'', 0, d.office_id, 0, u.name`, `d.office_id, u.name`, scope, f)
}

// SpendingBudgets is the spending by budget and series; what no budget paid comes as
// accounts without a name.
func (s *Store) SpendingBudgets(ctx context.Context, scope string, f SpendingFilter) ([]SpendingPart, error) {
	budget := payers()[0]
	name := fmt.Sprintf(`coalesce((SELECT b.name FROM budgets b WHERE d.account BETWEEN %d AND %d AND b.id = d.account - %d), '')`,
		budget.first, budget.last, budget.first)
	return s.parts(ctx, "SpendingBudgets", `'', 0, 0, d.account, `+name, `d.account`, scope, f)
}

// parts groups the spending; what is the five columns of a SpendingPart before its
// sums. It orders by the money, and by the group where that is equal.
func (s *Store) parts(ctx context.Context, name, what, group, scope string, f SpendingFilter) ([]SpendingPart, error) {
	rows, err := s.db.Query(ctx, `SELECT `+what+`, `+spendingSums+spendingWhere+
		` GROUP BY `+group+` ORDER BY sum(d.spent_fen - d.back_fen) DESC, `+group, f.args(scope)...)
	if err != nil {
		return nil, fmt.Errorf("report.%s: %w", name, err)
	}
	out, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (p SpendingPart, err error) {
		err = row.Scan(&p.Trade, &p.Place, &p.OfficeID, &p.Account, &p.Name, &p.Uses, &p.SpentFen, &p.Undone, &p.BackFen)
		return p, err
	})
	if err != nil {
		return nil, fmt.Errorf("report.%s: %w", name, err)
	}
	return out, nil
}

// SpendingRows lists the spending as it was added up, ordered by "day".
func (s *Store) SpendingRows(ctx context.Context, scope string, f SpendingFilter, p keyset.Page) ([]SpendingRow, error) {
	budget := payers()[0]
	args := append(f.args(scope), budget.first, budget.last)
	where, order, args := p.Clause(map[string]string{"day": "d.day"}, "d.id", args...)
	rows, err := s.db.Query(ctx, `SELECT d.id, d.day, u.name, d.account,
		  coalesce((SELECT b.name FROM budgets b WHERE d.account BETWEEN $8 AND $9 AND b.id = d.account - $8), ''),
		  d.place, d.trade, d.uses, d.spent_fen, d.undone, d.back_fen`+spendingWhere+` AND `+where+order, args...)
	if err != nil {
		return nil, fmt.Errorf("report.SpendingRows: %w", err)
	}
	out, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (r SpendingRow, err error) {
		err = row.Scan(&r.ID, &r.Date, &r.Office, &r.Account, &r.Budget, &r.Place, &r.Trade, &r.Uses, &r.SpentFen, &r.Undone, &r.BackFen)
		return r, err
	})
	if err != nil {
		return nil, fmt.Errorf("report.SpendingRows: %w", err)
	}
	return out, nil
}
