package settlement

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card/union/keyset"
	"unioncard/merchant"
	"unioncard/merchant/application"
	"unioncard/settlement/ledger"
)

// DefaultTerm is how long a merchant may confirm or dispute a statement, in days
// after the one on which it was closed.
const DefaultTerm = 5

// Options is what a Store works with.
type Options struct {
	Clock func() time.Time
	// Details hold the merchants' bank accounts; nil: no payments can be made.
	Details *application.Store
}

// Store reads statements, moves them on, adjusts and pays. Given a transaction
// instead of a pool, its changes become part of that transaction.
type Store struct {
	db  merchant.DB
	opt Options
}

// NewStore returns a store.
func NewStore(db merchant.DB, o Options) *Store { return &Store{db: db, opt: o} }

// now is the clock at PostgreSQL's resolution.
func (s *Store) now() time.Time { return s.opt.Clock().Truncate(time.Microsecond) }

// change runs f in a transaction of its own and commits it.
func (s *Store) change(ctx context.Context, f func(tx pgx.Tx) error) error {
	return merchant.InTx(ctx, s.db, "settlement", f)
}

// Filter is what a list of statements is narrowed to; zero values narrow nothing.
type Filter struct {
	Merchant    int64
	Text        string // a statement's number, or part of the merchant's name
	State       State
	From, Until ledger.Day // Until is included
	Payment     int64
}

const statementColumns = `s.id, s.merchant_id, m.name, m.office_id, u.name, s.business_day - date '1970-01-01', s.state,
	s.purchases, s.gross_fen, s.discount_fen, s.merchant_share_fen, s.union_share_fen, s.undone, s.refunds,
	s.returned_fen, s.given_back_fen, s.union_back_fen, s.adjustments, s.adjusted_fen, s.paid_fen, s.opening_fen,
	s.due_fen, s.closing_fen, s.closed_at, s.confirm_by - date '1970-01-01', coalesce(s.settled_at, 'epoch'), s.settled_by,
	coalesce(s.payment_id, 0), s.version, s.sha256`

const statementFrom = ` FROM statements s JOIN merchants m ON m.id = s.merchant_id JOIN unions u ON u.id = m.office_id `

// scanStatement reads statementColumns, and before them what else was selected.
func scanStatement(row pgx.Row, before ...any) (s Statement, err error) {
	var sum []byte
	f := &s.Figures
	err = row.Scan(append(before, &s.ID, &s.MerchantID, &s.Merchant, &s.OfficeID, &s.Office, &s.Day, &s.State,
		&f.Purchases, &f.GrossFen, &f.DiscountFen, &f.MerchantShareFen, &f.UnionShareFen, &f.Undone, &f.Refunds,
		&f.ReturnedFen, &f.GivenBackFen, &f.UnionBackFen, &s.Adjustments, &s.AdjustedFen, &s.PaidFen, &s.OpeningFen,
		&s.DueFen, &s.ClosingFen, &s.ClosedAt, &s.ConfirmBy, &s.SettledAt, &s.SettledBy, &s.PaymentID, &s.Version, &sum)...)
	if err != nil {
		return s, err
	}
	if len(sum) != sha256.Size {
		return s, fmt.Errorf("settlement: sum of %d bytes", len(sum))
	}
	s.SHA256 = [sha256.Size]byte(sum)
	s.Number = Number(s.Day, s.MerchantID)
	if s.SettledAt.Unix() == 0 {
		s.SettledAt = time.Time{}
	}
	if s.State == StateDisputed {
		s.OpenDisputes = 1
	}
	return s, nil
}

// StatementColumns are the columns that List can order by, for a page's definition.
func StatementColumns() map[string]keyset.Type {
	return map[string]keyset.Type{"id": keyset.None, "due": keyset.Int}
}

// List lists the statements of the merchants of a territory (the path of its union).
func (s *Store) List(ctx context.Context, scope string, f Filter, p keyset.Page) ([]Statement, error) {
	cond, args := f.where(scope)
	where, order, args := p.Clause(map[string]string{"id": "s.id", "due": "s.due_fen"}, "s.id", args...)
	rows, err := s.db.Query(ctx, `SELECT `+statementColumns+statementFrom+` WHERE `+cond+` AND `+where+order, args...)
	if err != nil {
		return nil, fmt.Errorf("settlement.List: %w", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Statement, error) { return scanStatement(row) })
	if err != nil {
		return nil, fmt.Errorf("settlement.List: %w", err)
	}
	return list, nil
}

// where is the filter as a condition. Only what is asked for stands in it, so that
// each question finds its index.
func (f Filter) where(scope string) (string, []any) {
	args := []any{}
	add := func(v any) string { args = append(args, v); return "$" + strconv.Itoa(len(args)) }
	cond := `true`
	if scope != "" {
		cond = `starts_with(u.path, ` + add(scope) + `)`
	}
	if f.Merchant != 0 {
		cond += ` AND s.merchant_id = ` + add(f.Merchant)
	}
	if f.State != "" {
		cond += ` AND s.state = ` + add(string(f.State))
	}
	if f.From != 0 {
		cond += ` AND s.business_day >= ` + add(f.From.Date()) + `::date`
	}
	if f.Until != 0 {
		cond += ` AND s.business_day <= ` + add(f.Until.Date()) + `::date`
	}
	if f.Payment != 0 {
		cond += ` AND s.payment_id = ` + add(f.Payment)
	}
	switch text := strings.TrimSpace(f.Text); {
	case text == "":
	default:
		if day, id, ok := ParseNumber(strings.ToUpper(text)); ok {
			cond += ` AND s.merchant_id = ` + add(id) + ` AND s.business_day = ` + add(day.Date()) + `::date`
		} else {
			cond += ` AND m.name ILIKE ` + add(keyset.Like(text))
		}
	}
	return cond, args
}

// Totals add up the statements that a filter finds.
type Totals struct {
	Statements, Purchases                   int64
	GrossFen, DiscountFen, MerchantShareFen int64
	UnionShareFen, DueFen, PaidFen          int64
}

// Total adds up what List finds, all pages together.
func (s *Store) Total(ctx context.Context, scope string, f Filter) (t Totals, err error) {
	cond, args := f.where(scope)
	err = s.db.QueryRow(ctx, `SELECT count(*), coalesce(sum(s.purchases), 0)::bigint, coalesce(sum(s.gross_fen), 0)::bigint,
		coalesce(sum(s.discount_fen), 0)::bigint, coalesce(sum(s.merchant_share_fen), 0)::bigint,
		coalesce(sum(s.union_share_fen), 0)::bigint, coalesce(sum(s.due_fen), 0)::bigint, coalesce(sum(s.paid_fen), 0)::bigint`+
		statementFrom+` WHERE `+cond, args...).
		Scan(&t.Statements, &t.Purchases, &t.GrossFen, &t.DiscountFen, &t.MerchantShareFen, &t.UnionShareFen, &t.DueFen, &t.PaidFen)
	if err != nil {
		return t, fmt.Errorf("settlement.Total: %w", err)
	}
	return t, nil
}

// Get reads a statement with its body. merchantID is whose it must be, 0 for a caller
// that has found it in its territory (merchant.Locate). merchant.ErrNotFound.
func (s *Store) Get(ctx context.Context, merchantID, id int64) (*Statement, error) {
	var body []byte
	row := s.db.QueryRow(ctx, `SELECT s.body, `+statementColumns+statementFrom+` WHERE s.id = $1 AND ($2::bigint = 0 OR s.merchant_id = $2)`, id, merchantID)
	st, err := scanStatement(row, &body)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, merchant.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("settlement.Get: %w", err)
	}
	st.Body = body
	return &st, nil
}
