package report

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"unioncard/card"
	"unioncard/merchant"
)

// Sale is one purchase as its merchant sees it: of the member, the masked card
// number and nothing else (the number that the card has now; a replaced card shows
// its new one). Amounts are in fen.
type Sale struct {
	ID            uuid.UUID
	At            time.Time
	Day           time.Time // business day, midnight UTC
	OutletID      int64
	Outlet        string
	TerminalID    int64
	Ref, Operator string // as the till gave them
	Card          string // masked
	State         int16  // as purchases.state
	AmountFen     int64
	DiscountFen   int64
	UnionShareFen int64 // of the discount
	ReturnedFen   int64 // to the member so far
	GivenBackFen  int64 // of the discount with it
}

// PayableFen is what the member paid.
func (s *Sale) PayableFen() int64 { return s.AmountFen - s.DiscountFen }

// MerchantShareFen is what the merchant bears of the discount.
func (s *Sale) MerchantShareFen() int64 { return s.DiscountFen - s.UnionShareFen }

// SaleFilter is what a merchant looks for. Days are business days, both included.
type SaleFilter struct {
	Merchant int64
	// Outlets are those that the asker may see; nil: all of the merchant. Outlet is the
	// one asked for, 0 for none.
	Outlets     []int64
	Outlet      int64
	From, Until time.Time
	// ID finds that one purchase whatever the days say.
	ID    uuid.UUID
	Ref   string
	Last4 string // of the card's number; "" for any
	State int16  // 0 for any
	// Before is the purchase after which the page begins, newest first; zero for the
	// newest.
	Before uuid.UUID
}

// MaxSaleDays is how many days a filter may span.
const MaxSaleDays = 92

// saleSlack is how far a purchase's id may lie from its business day: it is made
// before the commit that stamps the day, on a node whose clock may be off.
const saleSlack = 24 * time.Hour

// firstID is the least UUIDv7 of a moment (RFC 9562, 5.7).
func firstID(t time.Time) (id uuid.UUID) {
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(max(t.UnixMilli(), 0)))
	copy(id[:6], ms[2:])
	id[6] = 0x70
	return id
}

// where is the filter as a condition. The days are a range of ids as well, so that
// the primary key finds them.
func (f *SaleFilter) where() (string, []any) {
	var args []any
	add := func(v any) string { args = append(args, v); return "$" + strconv.Itoa(len(args)) }
	cond := `p.merchant_id = ` + add(f.Merchant) + ` AND p.state <> 9`
	if f.Outlets != nil {
		cond += ` AND p.outlet_id = ANY(` + add(f.Outlets) + `)`
	}
	if f.Outlet != 0 {
		cond += ` AND p.outlet_id = ` + add(f.Outlet)
	}
	if f.Before != uuid.Nil {
		cond += ` AND p.id < ` + add(f.Before)
	}
	if f.ID != uuid.Nil {
		return cond + ` AND p.id = ` + add(f.ID), args
	}
	from, until := f.From.Add(-beijingOffset), f.Until.AddDate(0, 0, 1).Add(-beijingOffset)
	cond += ` AND p.id >= ` + add(firstID(from.Add(-saleSlack))) + ` AND p.id < ` + add(firstID(until.Add(saleSlack))) +
		` AND p.business_day BETWEEN ` + add(f.From) + ` AND ` + add(f.Until)
	if f.Ref != "" {
		cond += ` AND p.merchant_ref = ` + add(f.Ref)
	}
	if f.State != 0 {
		cond += ` AND p.state = ` + add(f.State)
	}
	if f.Last4 != "" {
		cond += ` AND EXISTS (SELECT FROM cards k WHERE k.serial = p.card_serial AND lpad((k.number % 10000)::text, 4, '0') = ` + add(f.Last4) + `)`
	}
	return cond, args
}

// beijingOffset: no summer time since 1992.
const beijingOffset = 8 * time.Hour

const saleColumns = `p.id, p.committed_at, p.business_day, p.outlet_id, o.name, p.terminal_id, coalesce(p.merchant_ref, ''), coalesce(p.operator, ''),
	coalesce(c.number, 0), p.state, p.amount_fen, p.discount_fen, p.union_share_fen, p.returned_fen, p.given_back_fen`

const saleFrom = ` JOIN outlets o ON o.id = p.outlet_id LEFT JOIN cards c ON c.serial = p.card_serial `

func scanSale(row pgx.CollectableRow) (s Sale, err error) {
	var number int64
	err = row.Scan(&s.ID, &s.At, &s.Day, &s.OutletID, &s.Outlet, &s.TerminalID, &s.Ref, &s.Operator, &number, &s.State,
		&s.AmountFen, &s.DiscountFen, &s.UnionShareFen, &s.ReturnedFen, &s.GivenBackFen)
	s.Card = card.MaskNumber(number)
	return s, err
}

// Sales lists a merchant's purchases, the newest first, at most limit.
func (s *Store) Sales(ctx context.Context, f SaleFilter, limit int) ([]Sale, error) {
	cond, args := f.where()
	// The page is cut before anything is joined to it.
	rows, err := s.db.Query(ctx, `SELECT `+saleColumns+` FROM (SELECT * FROM purchases p WHERE `+cond+
		` ORDER BY p.id DESC LIMIT $`+strconv.Itoa(len(args)+1)+`) p`+saleFrom+` ORDER BY p.id DESC`, append(args, limit)...)
	if err != nil {
		return nil, fmt.Errorf("report.Sales: %w", err)
	}
	list, err := pgx.CollectRows(rows, scanSale)
	if err != nil {
		return nil, fmt.Errorf("report.Sales: %w", err)
	}
	return list, nil
}

// SaleTotals add up what a filter finds. Of more than SaleTotalsOf purchases they are
// not made, and More is set.
type SaleTotals struct {
	Purchases                                                        int64
	AmountFen, DiscountFen, UnionShareFen, ReturnedFen, GivenBackFen int64
	More                                                             bool
}

// SaleTotalsOf bounds what a page adds up.
const SaleTotalsOf = 100_000

// SaleTotals adds up what Sales finds, all pages together.
func (s *Store) SaleTotals(ctx context.Context, f SaleFilter) (t SaleTotals, err error) {
	f.Before = uuid.Nil
	cond, args := f.where()
	err = s.db.QueryRow(ctx, `SELECT count(*), coalesce(sum(amount_fen), 0)::bigint, coalesce(sum(discount_fen), 0)::bigint,
		coalesce(sum(union_share_fen), 0)::bigint, coalesce(sum(returned_fen), 0)::bigint, coalesce(sum(given_back_fen), 0)::bigint
		FROM (SELECT * FROM purchases p WHERE `+cond+` LIMIT $`+strconv.Itoa(len(args)+1)+`) p`, append(args, SaleTotalsOf+1)...).
		Scan(&t.Purchases, &t.AmountFen, &t.DiscountFen, &t.UnionShareFen, &t.ReturnedFen, &t.GivenBackFen)
	if err != nil {
		return t, fmt.Errorf("report.SaleTotals: %w", err)
	}
	t.More = t.Purchases > SaleTotalsOf
	return t, nil
}

// SaleOffer is what one offer gave. SaleLine is one line of a basket; UndoneSale one
// undoing: kind 1 void, 2 reversal, 3 refund by amount, 4 refund by line.
type (
	SaleOffer struct {
		Offer    string `json:"offer"`
		Fen      int64  `json:"fen"`
		UnionFen int64  `json:"union_fen"`
		Series   string `json:"-"` // the name of a voucher's series, "" for others
	}
	SaleLine struct {
		SKU          string `json:"sku"`
		Category     string `json:"category"`
		QtyMilli     int64  `json:"qty_milli"`
		UnitPriceFen int64  `json:"unit_price_fen"`
		AmountFen    int64  `json:"amount_fen"`
		DiscountFen  int64  `json:"discount_fen"`
	}
	UndoneSale struct {
		Seq          int32
		Kind         int16
		At           time.Time
		Day          time.Time
		ReturnedFen  int64
		GivenBackFen int64
		UnionBackFen int64
		Adjustment   bool
		Reason       string
		Operator     string
	}
)

// SaleDetail is a purchase with all that is known of it to its merchant.
type SaleDetail struct {
	Sale
	Offers []SaleOffer
	Lines  []SaleLine // none where the till sent none
	Undone []UndoneSale
}

// Sale reads one purchase of a merchant; outlets as in SaleFilter.
// merchant.ErrNotFound.
func (s *Store) Sale(ctx context.Context, merchantID int64, outlets []int64, id uuid.UUID) (*SaleDetail, error) {
	list, err := s.Sales(ctx, SaleFilter{Merchant: merchantID, Outlets: outlets, ID: id}, 1)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, merchant.ErrNotFound
	}
	out := &SaleDetail{Sale: list[0]}
	var applied []byte
	var lines *string
	if err := s.db.QueryRow(ctx, `SELECT applied, lines FROM purchases WHERE merchant_id = $1 AND id = $2`, merchantID, id).Scan(&applied, &lines); err != nil {
		return nil, fmt.Errorf("report.Sale: %w", err)
	}
	if err := json.Unmarshal(applied, &out.Offers); err != nil {
		return nil, fmt.Errorf("report.Sale: offers: %w", err)
	}
	if err := s.nameVouchers(ctx, out.Offers); err != nil {
		return nil, err
	}
	if lines != nil {
		if err := json.Unmarshal([]byte(*lines), &out.Lines); err != nil {
			return nil, fmt.Errorf("report.Sale: lines: %w", err)
		}
	}
	rows, err := s.db.Query(ctx, `SELECT seq, kind, at, business_day, returned_fen, given_back_fen, union_back_fen, adjustment, reason, operator
		FROM purchase_undos WHERE merchant_id = $1 AND purchase_id = $2 ORDER BY seq`, merchantID, id)
	if err != nil {
		return nil, fmt.Errorf("report.Sale: undoings: %w", err)
	}
	if out.Undone, err = pgx.CollectRows(rows, pgx.RowToStructByPos[UndoneSale]); err != nil {
		return nil, fmt.Errorf("report.Sale: undoings: %w", err)
	}
	return out, nil
}

// nameVouchers puts the names of series beside the vouchers among offers.
func (s *Store) nameVouchers(ctx context.Context, offers []SaleOffer) error {
	for i := range offers {
		text, voucher := strings.CutPrefix(offers[i].Offer, "voucher-")
		series, err := strconv.ParseInt(text, 10, 64)
		if !voucher || err != nil {
			continue
		}
		if err := s.db.QueryRow(ctx, `SELECT coalesce((SELECT name FROM budgets WHERE id = $1), '')`, series).Scan(&offers[i].Series); err != nil {
			return fmt.Errorf("report.Sale: series: %w", err)
		}
	}
	return nil
}

// OutletNames are a merchant's outlets by id, all or those that the asker sees.
func (s *Store) OutletNames(ctx context.Context, merchantID int64, outlets []int64) (ids []int64, names map[int64]string, err error) {
	rows, err := s.db.Query(ctx, `SELECT id, name FROM outlets WHERE merchant_id = $1 AND ($2::bigint[] IS NULL OR id = ANY($2)) ORDER BY id`, merchantID, outlets)
	if err != nil {
		return nil, nil, fmt.Errorf("report.OutletNames: %w", err)
	}
	names = map[int64]string{}
	var id int64
	var name string
	if _, err = pgx.ForEachRow(rows, []any{&id, &name}, func() error {
		ids, names[id] = append(ids, id), strings.TrimSpace(name)
		return nil
	}); err != nil {
		return nil, nil, fmt.Errorf("report.OutletNames: %w", err)
	}
	return ids, names, nil
}
