package account

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"unioncard/card/feed"
	"unioncard/card/union/event"
	"unioncard/merchant"
)

// Refunds is what a terminal of a shop may take back, as outlets.refunds stores it.
type Refunds string

// The kinds. A reversal of a lost answer is no refund and always works.
const (
	RefundsAll  Refunds = "all"  // voids and refunds
	RefundsVoid Refunds = "void" // voids on the same business day
	RefundsNone Refunds = "none" // a POS server of the merchant does it
)

// Title is a kind in Chinese.
func (r Refunds) Title() string {
	switch r {
	case RefundsAll:
		return "撤销和退款都可以"
	case RefundsVoid:
		return "只能撤销当天的"
	case RefundsNone:
		return "都不可以"
	}
	return string(r)
}

// Shop is an outlet as its merchant sees it.
type Shop struct {
	ID        int64
	Name      string
	Address   string
	Territory int32
	Lon, Lat  *float64
	Hours     string
	Phone     string
	Refunds   Refunds
	Status    merchant.OutletStatus
	Unopened  bool
	Contract  int64 // in force now, 0 without
	Terminals int   // not retired
	Version   int64
	Waiting   bool // a request of the merchant waits for the office
}

const shopSQL = `SELECT o.id, o.name, o.address, o.territory, o.lon, o.lat, o.hours, o.phone, o.refunds, o.status, o.unopened,
	coalesce((SELECT c.id FROM contract_outlets co JOIN contracts c ON c.id = co.contract_id
		WHERE co.outlet_id = o.id AND co.during @> $1::timestamptz AND c.status IN ('active', 'ending') LIMIT 1), 0),
	(SELECT count(*) FROM terminals t WHERE t.outlet_id = o.id AND t.status <> 'retired'), o.version,
	EXISTS (SELECT FROM outlet_requests r WHERE r.outlet_id = o.id AND r.state = 'waiting')
	FROM outlets o WHERE o.merchant_id = $2`

// shopsListed bounds the shops on a page.
const shopsListed = 2000

// Shops are the shops that a user may see, open ones first.
func (s *Store) Shops(ctx context.Context, u *User) ([]Shop, error) {
	rows, err := s.db.Query(ctx, shopSQL+` AND ($3::bigint[] IS NULL OR o.id = ANY ($3)) ORDER BY o.status = 'closed', o.name, o.id LIMIT $4`,
		s.now(), u.MerchantID, u.Outlets(), shopsListed)
	if err != nil {
		return nil, fmt.Errorf("account.Shops: %w", err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Shop])
	if err != nil {
		return nil, fmt.Errorf("account.Shops: %w", err)
	}
	return out, nil
}

// Shop is one shop that a user may see. merchant.ErrNotFound, also for a shop that
// the user may not see.
func (s *Store) Shop(ctx context.Context, u *User, id int64) (*Shop, error) {
	if !u.Sees(id) {
		return nil, merchant.ErrNotFound
	}
	rows, err := s.db.Query(ctx, shopSQL+` AND o.id = $3`, s.now(), u.MerchantID, id)
	if err != nil {
		return nil, fmt.Errorf("account.Shop: %w", err)
	}
	out, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[Shop])
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, merchant.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("account.Shop: %w", err)
	}
	return &out, nil
}

// ShopEdit is what a merchant may change of a shop by itself: it concerns nobody's
// discount and no agreement.
type ShopEdit struct {
	Hours   string
	Phone   string // of the shop, told to the public
	Refunds Refunds
}

func (e *ShopEdit) check() error {
	var wrong merchant.FieldErrors
	e.Hours, e.Phone = strings.TrimSpace(e.Hours), strings.TrimSpace(e.Phone)
	line := func(field, text string, most int) {
		if utf8.RuneCountInString(text) > most || strings.ContainsFunc(text, unicode.IsControl) || !utf8.ValidString(text) {
			wrong.Add(field, fmt.Sprintf("请写在一行里，最多 %d 个字。", most))
		}
	}
	line("hours", e.Hours, 100)
	line("phone", e.Phone, 30)
	if strings.Trim(e.Phone, "0123456789-+ ()转、/") != "" {
		wrong.Add("phone", "电话只填数字，例如 0371-65551234。")
	}
	if e.Refunds != RefundsAll && e.Refunds != RefundsVoid && e.Refunds != RefundsNone {
		wrong.Add("refunds", "请选择收银员可以办理什么。")
	}
	return wrong.Err()
}

// EditShop changes a shop that the user runs, if it is still at a version.
// merchant.FieldErrors, merchant.ErrNotFound, ErrStale. The shop's row lock keeps two
// apart; the Desk reads refunds with every undoing, so it counts from the commit on.
func (s *Store) EditShop(ctx context.Context, u *User, id, version int64, e ShopEdit) error {
	if err := e.check(); err != nil {
		return err
	}
	if !u.Runs(id) {
		return merchant.ErrNotFound
	}
	return s.change(ctx, func(tx pgx.Tx) error {
		var was ShopEdit
		if err := lockShop(ctx, tx, u.MerchantID, id, version, &was); err != nil || was == e {
			return err
		}
		_, err := tx.Exec(ctx, `UPDATE outlets SET hours = $2, phone = $3, refunds = $4, version = version + 1 WHERE id = $1`, id, e.Hours, e.Phone, e.Refunds)
		if err != nil {
			return fmt.Errorf("account.EditShop: %w", err)
		}
		if err := feed.Record(ctx, tx, feed.Change{Kind: feed.KindOutlet, ObjectID: id, Version: version + 1}); err != nil {
			return err
		}
		return event.Record(ctx, tx, u.Actor(), "portal.edit_outlet", outletObject(id), "商家修改门店资料",
			map[string]any{"hours": was.Hours, "phone": was.Phone, "refunds": was.Refunds},
			map[string]any{"hours": e.Hours, "phone": e.Phone, "refunds": e.Refunds})
	})
}

func outletObject(id int64) string { return fmt.Sprintf("outlet:%d", id) }

// lockShop holds a merchant's shop and reads what a merchant may change of it.
// merchant.ErrNotFound, merchant.ErrOutletClosed, ErrStale.
func lockShop(ctx context.Context, tx pgx.Tx, merchantID, id, version int64, was *ShopEdit) error {
	var at int64
	var status merchant.OutletStatus
	err := tx.QueryRow(ctx, `SELECT hours, phone, refunds, version, status FROM outlets WHERE id = $1 AND merchant_id = $2 FOR NO KEY UPDATE`,
		id, merchantID).Scan(&was.Hours, &was.Phone, &was.Refunds, &at, &status)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return merchant.ErrNotFound
	case err != nil:
		return fmt.Errorf("account: lock outlet: %w", err)
	case status == merchant.OutletClosed:
		return merchant.ErrOutletClosed
	case at != version:
		return ErrStale
	}
	return nil
}
