package settlement

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/settlement/ledger"
)

// Month is a merchant's month, added up from its statements; they never change, so
// neither does the month once it is Complete.
type Month struct {
	MerchantID  int64
	From, Until ledger.Day // the first and the last day of the month
	Complete    bool       // every day of it is closed
	Statements  int64
	Figures     Figures
	Adjustments int64
	AdjustedFen int64
	DueFen      int64
	PaidFen     int64
	OpeningFen  int64
	ClosingFen  int64
	Days        []MonthDay // with a statement, ascending
}

// MonthDay is a day of a month.
type MonthDay struct {
	StatementID  int64
	Day          ledger.Day
	State        State
	Purchases    int64
	GrossFen     int64
	DiscountFen  int64
	MerchantFen  int64 // the merchant's share of the discount
	UnionFen     int64 // the union's share of it
	ReturnedFen  int64
	GivenBackFen int64
	UnionBackFen int64
	AdjustedFen  int64
	DueFen       int64
	PaidFen      int64
	ClosingFen   int64
}

// Month adds up a merchant's statements of a month.
func (s *Store) Month(ctx context.Context, merchantID int64, year int, month time.Month) (*Month, error) {
	first := time.Date(year, month, 1, 0, 0, 0, 0, time.UTC)
	m := &Month{MerchantID: merchantID, From: ledger.Day(first.Unix() / 86400), Until: ledger.Day(first.AddDate(0, 1, -1).Unix() / 86400)}
	f := &m.Figures
	err := s.db.QueryRow(ctx, `SELECT EXISTS (SELECT FROM business_days WHERE done_at IS NOT NULL AND day >= $3::date), count(*),
			coalesce(sum(purchases), 0)::bigint, coalesce(sum(gross_fen), 0)::bigint, coalesce(sum(discount_fen), 0)::bigint,
			coalesce(sum(merchant_share_fen), 0)::bigint, coalesce(sum(union_share_fen), 0)::bigint, coalesce(sum(undone), 0)::bigint,
			coalesce(sum(refunds), 0)::bigint, coalesce(sum(returned_fen), 0)::bigint, coalesce(sum(given_back_fen), 0)::bigint,
			coalesce(sum(union_back_fen), 0)::bigint, coalesce(sum(adjustments), 0)::bigint, coalesce(sum(adjusted_fen), 0)::bigint,
			coalesce(sum(due_fen), 0)::bigint, coalesce(sum(paid_fen), 0)::bigint,
			coalesce((SELECT closing_fen FROM statements WHERE merchant_id = $1 AND business_day < $2 ORDER BY business_day DESC LIMIT 1), 0)
		FROM statements WHERE merchant_id = $1 AND business_day BETWEEN $2 AND $3`, merchantID, m.From.Date(), m.Until.Date()).
		Scan(&m.Complete, &m.Statements, &f.Purchases, &f.GrossFen, &f.DiscountFen, &f.MerchantShareFen, &f.UnionShareFen, &f.Undone,
			&f.Refunds, &f.ReturnedFen, &f.GivenBackFen, &f.UnionBackFen, &m.Adjustments, &m.AdjustedFen, &m.DueFen, &m.PaidFen, &m.OpeningFen)
	if err != nil {
		return nil, fmt.Errorf("settlement.Month: %w", err)
	}
	m.ClosingFen = m.OpeningFen + m.DueFen - m.PaidFen
	rows, err := s.db.Query(ctx, `SELECT id, business_day - date '1970-01-01', state, purchases::bigint, gross_fen, discount_fen,
			merchant_share_fen, union_share_fen, returned_fen, given_back_fen, union_back_fen, adjusted_fen, due_fen, paid_fen, closing_fen
		FROM statements WHERE merchant_id = $1 AND business_day BETWEEN $2 AND $3 ORDER BY business_day`, merchantID, m.From.Date(), m.Until.Date())
	if err != nil {
		return nil, fmt.Errorf("settlement.Month: days: %w", err)
	}
	if m.Days, err = pgx.CollectRows(rows, pgx.RowToStructByPos[MonthDay]); err != nil {
		return nil, fmt.Errorf("settlement.Month: days: %w", err)
	}
	return m, nil
}
