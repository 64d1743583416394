package voucher

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card/feed"
	"unioncard/card/union"
	"unioncard/card/union/event"
	"unioncard/card/union/staff"
	"unioncard/merchant"
	"unioncard/merchant/signing"
	"unioncard/merchant/terms"
	"unioncard/settlement/budget"
	"unioncard/settlement/ledger"
)

// ProposeOpen is the kind of proposal that opens a series and sets its money aside;
// its object is "budget:12". budget.ProposeClose ends one.
const ProposeOpen = "series.open"

// Bounds of a series.
const (
	MaxPacks   = 10_000_000
	MaxPerPack = 20
)

// Plan is what people decide of a series before it is opened.
type Plan struct {
	Name              string
	FirstDay, LastDay ledger.Day // on which vouchers may be used
	// Trades and Merchants are where; empty: wherever the budget that pays does.
	Trades    []merchant.Trade
	Merchants []int64
	// FaceFen is taken off a basket of NeedFen or more.
	FaceFen, NeedFen int64
	Packs            int32
	PerPack          int16
	// Stackable: on top of the merchant's own offers, else the better of the two.
	Stackable bool
	// ClaimFrom (inclusive) and ClaimUntil (exclusive) are when members may claim; both
	// zero for a series that is only granted.
	ClaimFrom, ClaimUntil time.Time
	// Territory is the division whose members may claim; 0: all of the province.
	Territory int32
}

// MoneyFen is what all of the series' vouchers can cost. Within the bounds of a plan
// it does not overflow.
func (p *Plan) MoneyFen() int64 { return int64(p.Packs) * int64(p.PerPack) * p.FaceFen }

// check says which fields are at fault besides those that every budget has: face,
// need, packs, per_pack, claim_until and territory.
func (p *Plan) check() (bad merchant.FieldErrors) {
	switch {
	case p.FaceFen <= 0:
		bad.Add("face", "每张券减多少，要大于 0")
	case p.FaceFen > terms.MaxBasketFen:
		bad.Add("face", fmt.Sprintf("金额太大，一笔消费最多 %d 元", terms.MaxBasketFen/100))
	case p.NeedFen < p.FaceFen:
		bad.Add("need", "消费满多少才能用，不能少于减的金额")
	case p.NeedFen > terms.MaxBasketFen:
		bad.Add("need", fmt.Sprintf("金额太大，一笔消费最多 %d 元", terms.MaxBasketFen/100))
	}
	if p.Packs < 1 || p.Packs > MaxPacks {
		bad.Add("packs", fmt.Sprintf("份数要在 1 到 %d 之间", MaxPacks))
	}
	if p.PerPack < 1 || p.PerPack > MaxPerPack {
		bad.Add("per_pack", fmt.Sprintf("每份的张数要在 1 到 %d 之间", MaxPerPack))
	}
	if len(bad) == 0 && p.MoneyFen() > budget.MaxFen {
		bad.Add("packs", fmt.Sprintf("总金额太大，一个消费券最多 %d 亿元，请减少份数、张数或面额", int64(budget.MaxFen/10_000_000_000)))
	}
	switch {
	case p.ClaimFrom.IsZero() && p.ClaimUntil.IsZero():
	case p.ClaimFrom.IsZero() || p.ClaimUntil.IsZero():
		bad.Add("claim_until", "开抢时间和截止时间要么都填，要么都不填（只由工会发放）")
	case !p.ClaimFrom.Before(p.ClaimUntil):
		bad.Add("claim_until", "截止时间要晚于开抢时间")
	case ledger.DayOf(p.ClaimFrom) > p.LastDay:
		bad.Add("claim_until", "开抢时间晚于券的最后使用日期")
	}
	return bad
}

// budget is the plan as a budget's.
func (p *Plan) budget() budget.Plan {
	return budget.Plan{Name: p.Name, FirstDay: p.FirstDay, LastDay: p.LastDay, Trades: p.Trades, Merchants: p.Merchants, AmountFen: p.MoneyFen()}
}

// Store reads and changes series and vouchers in PostgreSQL. What a series has in
// common with a budget is budget.Store's: Discard, Freeze, Unfreeze, Alert, Sweep.
type Store struct {
	db      merchant.DB
	budgets *budget.Store
	clock   func() time.Time
}

// NewStore returns a store beside the one of budgets.
func NewStore(db merchant.DB, budgets *budget.Store, clock func() time.Time) *Store {
	return &Store{db: db, budgets: budgets, clock: clock}
}

func (s *Store) now() time.Time { return s.clock().Truncate(time.Microsecond) }

func (s *Store) change(ctx context.Context, f func(tx pgx.Tx) error) error {
	return merchant.InTxAgain(ctx, s.db, "voucher", f)
}

func object(series int64) string { return fmt.Sprintf("budget:%d", series) }

// Create makes the draft of a series of a budget and returns its id.
// merchant.ErrNotFound for a budget that is not there, merchant.FieldErrors.
func (s *Store) Create(ctx context.Context, by merchant.By, parent int64, p Plan) (id int64, err error) {
	err = s.change(ctx, func(tx pgx.Tx) error {
		if err := union.Hold(ctx, tx); err != nil {
			return err
		}
		office, err := s.fit(ctx, tx, parent, &p)
		if err != nil {
			return err
		}
		if id, err = s.budgets.CreateTx(ctx, tx, by, office, parent, p.budget()); err != nil {
			return err
		}
		return s.write(ctx, tx, `INSERT INTO voucher_series (budget_id, face_fen, need_fen, packs, per_pack, stackable, claim_from, claim_until, territory)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`, id, &p)
	})
	return id, err
}

// Edit replaces a draft; errors as budget.Store.Edit.
func (s *Store) Edit(ctx context.Context, by merchant.By, id, version int64, p Plan) error {
	return s.change(ctx, func(tx pgx.Tx) error {
		if err := union.Hold(ctx, tx); err != nil {
			return err
		}
		var parent int64
		err := tx.QueryRow(ctx, `SELECT parent_id FROM budgets WHERE id = $1 AND kind = 'series'`, id).Scan(&parent)
		if errors.Is(err, pgx.ErrNoRows) {
			return merchant.ErrNotFound
		}
		if err != nil {
			return fmt.Errorf("voucher: edit: %w", err)
		}
		if _, err := s.fit(ctx, tx, parent, &p); err != nil {
			return err
		}
		if err := s.budgets.EditTx(ctx, tx, by, id, version, p.budget()); err != nil {
			return err
		}
		return s.write(ctx, tx, `UPDATE voucher_series SET face_fen = $2, need_fen = $3, packs = $4, per_pack = $5, stackable = $6,
			claim_from = $7, claim_until = $8, territory = $9 WHERE budget_id = $1`, id, &p)
	})
}

func (s *Store) write(ctx context.Context, tx pgx.Tx, sql string, id int64, p *Plan) error {
	moment := func(t time.Time) *time.Time {
		if t.IsZero() {
			return nil
		}
		return &t
	}
	_, err := tx.Exec(ctx, sql, id, p.FaceFen, p.NeedFen, p.Packs, p.PerPack, p.Stackable, moment(p.ClaimFrom), moment(p.ClaimUntil), p.Territory)
	if err != nil {
		return fmt.Errorf("voucher: write series: %w", err)
	}
	return nil
}

// fit holds a plan against the budget that is to pay and returns the budget's office:
// a series pays nowhere its budget does not, and is for a territory of its office.
func (s *Store) fit(ctx context.Context, tx pgx.Tx, parent int64, p *Plan) (office int64, err error) {
	bad := p.check()
	var first, last time.Time
	var trades []merchant.Trade
	var merchants []int64
	var state budget.Status
	var covered bool
	err = tx.QueryRow(ctx, `SELECT b.office_id, b.state, b.first_day, b.last_day, b.trades, b.merchants,
			EXISTS (SELECT FROM unions t WHERE t.division = $2 AND t.merged_into IS NULL AND starts_with(t.path, u.path))
		FROM budgets b JOIN unions u ON u.id = b.office_id WHERE b.id = $1 AND b.kind = 'budget'`, parent, p.Territory).
		Scan(&office, &state, &first, &last, &trades, &merchants, &covered)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, merchant.ErrNotFound
	}
	if err != nil {
		return 0, fmt.Errorf("voucher: read the budget: %w", err)
	}
	if state == budget.Closed {
		bad.Add("parent", "出钱的预算已经结束，请另选一个")
	}
	if p.FirstDay < ledger.DayOf(first) || p.LastDay > ledger.DayOf(last) {
		bad.Add("last_day", fmt.Sprintf("使用日期要在预算的期限（%s 到 %s）之内", ledger.DayOf(first), ledger.DayOf(last)))
	}
	if p.Territory != 0 && !covered {
		bad.Add("territory", "不在本单位辖区内，请重新选择")
	}
	var inside bool
	if p.Trades, inside = within(p.Trades, trades); !inside {
		bad.Add("trades", "有的行业不在出钱的预算范围内，请去掉")
	}
	if p.Merchants, inside = within(p.Merchants, merchants); !inside {
		bad.Add("merchants", "有的商家不在出钱的预算范围内，请去掉")
	}
	// What every budget is held to, so that one look at the form shows all its faults.
	all, err := s.budgets.CheckTx(ctx, tx, office, p.budget())
	if err != nil {
		return 0, err
	}
	for _, f := range all {
		if bad.On(f.Field) == "" && f.Field != "amount" { // a form of vouchers has no amount
			bad = append(bad, f)
		}
	}
	return office, bad.Err()
}

// within is what a series names of what its budget does, and whether it names nothing
// else: an empty list of the one is all of the other's.
func within[T comparable](series, all []T) (named []T, inside bool) {
	switch {
	case len(all) == 0:
		return series, true
	case len(series) == 0:
		return all, true
	}
	return series, !slices.ContainsFunc(series, func(v T) bool { return !slices.Contains(all, v) })
}

// Kinds are the proposals of this package, for signing.Options.
func (s *Store) Kinds() []signing.Kind {
	id := func(object string) (int64, error) {
		id, ok := signing.ObjectID(object, "budget")
		if !ok {
			return 0, merchant.ErrNotFound
		}
		return id, nil
	}
	return []signing.Kind{{
		Name: ProposeOpen, Title: "启用消费券", Right: staff.WriteMoney, Fingerprint: budget.Fingerprint,
		Check: func(ctx context.Context, tx pgx.Tx, object string, _ json.RawMessage) error {
			id, err := id(object)
			if err != nil {
				return err
			}
			if _, err := s.mayOpen(ctx, tx, id); err != nil {
				return err
			}
			return s.budgets.MayOpenTx(ctx, tx, id)
		},
		Apply: func(ctx context.Context, tx pgx.Tx, by merchant.By, p *signing.Proposal) error {
			id, err := id(p.Object)
			if err != nil {
				return err
			}
			return s.OpenTx(ctx, tx, by, id)
		},
	}}
}

// OpenTx opens a series: its money is set aside out of its budget, and members may
// claim when the time comes. Errors as budget.Store.OpenTx, and merchant.FieldErrors
// on "claim_until" if claims would be over already.
func (s *Store) OpenTx(ctx context.Context, tx pgx.Tx, by merchant.By, id int64) error {
	face, err := s.mayOpen(ctx, tx, id)
	if err != nil {
		return err
	}
	return s.budgets.OpenTx(ctx, tx, by, id, face)
}

// mayOpen reads a series' face and refuses one that nobody could claim any more.
func (s *Store) mayOpen(ctx context.Context, tx pgx.Tx, id int64) (face int64, err error) {
	var until *time.Time
	err = tx.QueryRow(ctx, `SELECT face_fen, claim_until FROM voucher_series WHERE budget_id = $1`, id).Scan(&face, &until)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, merchant.ErrNotFound
	}
	if err != nil {
		return 0, fmt.Errorf("voucher: open: %w", err)
	}
	if until != nil && !s.now().Before(*until) {
		return 0, merchant.FieldErrors{{Field: "claim_until", Message: "领取截止时间已经过去，请先改时间"}}
	}
	return face, nil
}

// tell records what was done to a series' vouchers and tells the nodes.
func (s *Store) tell(ctx context.Context, tx pgx.Tx, by merchant.By, action string, series int64, after map[string]any, serials []int64) error {
	if err := event.Record(ctx, tx, by.Actor, action, object(series), by.Reason, nil, after); err != nil {
		return err
	}
	if len(serials) == 0 {
		return nil
	}
	_, err := tx.Exec(ctx, `WITH w AS (INSERT INTO changes (kind, object_id, version)
			SELECT $1, serial, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint FROM unnest($2::bigint[]) serial RETURNING 1)
		SELECT pg_notify($3, '') FROM w LIMIT 1`, int16(feed.KindWallet), serials, feed.Channel)
	if err != nil {
		return fmt.Errorf("voucher: tell: %w", err)
	}
	return nil
}
