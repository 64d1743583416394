package account

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"unioncard/card/feed"
	"unioncard/card/personal"
	"unioncard/card/union/event"
	"unioncard/merchant"
)

// A Wish is what a merchant wants changed of a shop and its office decides: name,
// address and position stand in the agreement and in the public directory.
//
//	waiting ── accepted (the shop is changed), declined (with an answer), withdrawn
//
// A shop has at most one that waits (unique index).
type Wish struct {
	ID         int64
	MerchantID int64
	OutletID   int64
	Outlet     string // its name now
	State      string // waiting, accepted, declined, withdrawn
	Reason     string
	Answer     string
	Wanted     Site
	Now        Site
	MadeAt     time.Time
	DecidedAt  *time.Time
}

// Site is a shop's name, address and position (degrees, GCJ-02; nil if unknown).
type Site struct {
	Name, Address string
	Lon, Lat      *float64
}

// Position is the position as people type it, "" without one.
func (p Site) Position() string {
	if p.Lon == nil || p.Lat == nil {
		return ""
	}
	return fmt.Sprintf("%.6f,%.6f", *p.Lon, *p.Lat)
}

// ErrWishWaiting: the shop has one that waits already.
var ErrWishWaiting = errors.New("account: a request for the outlet waits already")

func (p *Site) check(reason string) error {
	var wrong merchant.FieldErrors
	p.Name, p.Address = strings.TrimSpace(p.Name), strings.TrimSpace(p.Address)
	text := func(field, what, s string, most int) {
		switch {
		case s == "":
			wrong.Add(field, "请填写"+what+"。")
		case utf8.RuneCountInString(s) > most || !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl):
			wrong.Add(field, fmt.Sprintf("请写在一行里，最多 %d 个字。", most))
		}
	}
	text("name", "门店名称", p.Name, 100)
	text("address", "地址", p.Address, 200)
	text("reason", "理由", reason, 200)
	if personal.Mentioned(reason) {
		wrong.Add("reason", "理由里不要写手机号、身份证号。")
	}
	return wrong.Err()
}

// Ask asks the office for a change of a shop that the user runs. merchant.FieldErrors,
// merchant.ErrNotFound, ErrWishWaiting.
func (s *Store) Ask(ctx context.Context, u *User, outletID int64, p Site, reason string) (id int64, err error) {
	reason = strings.TrimSpace(reason)
	if err := p.check(reason); err != nil {
		return 0, err
	}
	if !u.Runs(outletID) {
		return 0, merchant.ErrNotFound
	}
	err = s.change(ctx, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `INSERT INTO outlet_requests (merchant_id, outlet_id, user_id, name, address, lon, lat, reason, made_at)
			SELECT o.merchant_id, o.id, $3, $4, $5, $6, $7, $8, $9 FROM outlets o WHERE o.id = $2 AND o.merchant_id = $1 AND o.status <> 'closed' RETURNING id`,
			u.MerchantID, outletID, u.ID, p.Name, p.Address, p.Lon, p.Lat, reason, s.now()).Scan(&id)
		if errors.Is(err, pgx.ErrNoRows) {
			return merchant.ErrNotFound
		}
		if err != nil {
			return err
		}
		return event.Record(ctx, tx, u.Actor(), "portal.ask_outlet", outletObject(outletID), reason, nil, map[string]any{"request": id})
	})
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.ConstraintName == "outlet_requests_waiting" {
		return 0, ErrWishWaiting
	}
	return id, err
}

const wishSQL = `SELECT r.id, r.merchant_id, r.outlet_id, o.name, r.state, r.reason, coalesce(r.answer, ''), r.name, r.address, r.lon, r.lat,
	o.name, o.address, o.lon, o.lat, r.made_at, r.decided_at FROM outlet_requests r JOIN outlets o ON o.id = r.outlet_id`

func scanWish(row pgx.CollectableRow) (w Wish, err error) {
	err = row.Scan(&w.ID, &w.MerchantID, &w.OutletID, &w.Outlet, &w.State, &w.Reason, &w.Answer, &w.Wanted.Name, &w.Wanted.Address, &w.Wanted.Lon, &w.Wanted.Lat,
		&w.Now.Name, &w.Now.Address, &w.Now.Lon, &w.Now.Lat, &w.MadeAt, &w.DecidedAt)
	return w, err
}

// Wishes are the latest requests about a shop, the newest first.
func (s *Store) Wishes(ctx context.Context, outletID int64) ([]Wish, error) {
	return s.wishes(ctx, wishSQL+` WHERE r.outlet_id = $1 ORDER BY r.id DESC LIMIT 10`, outletID)
}

// WaitingWishes are the requests that wait in a territory, the oldest first, at most
// limit.
func (s *Store) WaitingWishes(ctx context.Context, path string, limit int) ([]Wish, error) {
	return s.wishes(ctx, wishSQL+` JOIN merchants m ON m.id = r.merchant_id JOIN unions u ON u.id = m.office_id
		WHERE r.state = 'waiting' AND u.path LIKE $1 || '%' ORDER BY r.id LIMIT $2`, path, limit)
}

func (s *Store) wishes(ctx context.Context, sql string, args ...any) ([]Wish, error) {
	rows, err := s.db.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("account.Wishes: %w", err)
	}
	out, err := pgx.CollectRows(rows, scanWish)
	if err != nil {
		return nil, fmt.Errorf("account.Wishes: %w", err)
	}
	return out, nil
}

// Withdraw takes a request back that still waits. merchant.ErrNotFound, ErrStale once
// it is decided.
func (s *Store) Withdraw(ctx context.Context, u *User, outletID int64) error {
	if !u.Runs(outletID) {
		return merchant.ErrNotFound
	}
	return s.decide(ctx, merchant.By{Actor: u.Actor(), Reason: "商家撤回变更申请"}, u.MerchantID, outletID, 0, "withdrawn", "")
}

// Decide answers a request about a shop: accepted changes the shop at once, in the
// public directory, too. The caller has seen to it that the shop is in the account's
// territory. ErrStale if that request does not wait any more, also where another one
// of the shop does, which nobody has looked at; merchant.FieldErrors without an answer
// to a refusal. The shop's row lock keeps it apart from other changes.
func (s *Store) Decide(ctx context.Context, by merchant.By, outletID, request int64, accept bool, answer string) error {
	answer = strings.TrimSpace(answer)
	state := "accepted"
	if !accept {
		state = "declined"
		if answer == "" {
			return merchant.FieldErrors{{Field: "answer", Message: "不同意时请写明理由，商家会看到。"}}
		}
	}
	if utf8.RuneCountInString(answer) > 200 || personal.Mentioned(answer) {
		return merchant.FieldErrors{{Field: "answer", Message: "最多 200 个字，不要写手机号、身份证号。"}}
	}
	var merchantID int64
	err := s.db.QueryRow(ctx, `SELECT merchant_id FROM outlets WHERE id = $1`, outletID).Scan(&merchantID)
	if errors.Is(err, pgx.ErrNoRows) {
		return merchant.ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("account.Decide: %w", err)
	}
	return s.decide(ctx, by, merchantID, outletID, max(request, 1), state, answer)
}

// decide ends a request that waits; request 0 is the shop's, whichever.
func (s *Store) decide(ctx context.Context, by merchant.By, merchantID, outletID, request int64, state, answer string) error {
	return s.change(ctx, func(tx pgx.Tx) error {
		var version int64
		err := tx.QueryRow(ctx, `SELECT version FROM outlets WHERE id = $1 AND merchant_id = $2 FOR NO KEY UPDATE`, outletID, merchantID).Scan(&version)
		if errors.Is(err, pgx.ErrNoRows) {
			return merchant.ErrNotFound
		}
		if err != nil {
			return fmt.Errorf("account: lock outlet: %w", err)
		}
		rows, err := tx.Query(ctx, wishSQL+` WHERE r.outlet_id = $1 AND r.state = 'waiting' AND ($2::bigint = 0 OR r.id = $2) FOR UPDATE OF r`, outletID, request)
		if err != nil {
			return fmt.Errorf("account: request: %w", err)
		}
		w, err := pgx.CollectExactlyOneRow(rows, scanWish)
		if errors.Is(err, pgx.ErrNoRows) {
			return ErrStale
		}
		if err != nil {
			return fmt.Errorf("account: request: %w", err)
		}
		_, err = tx.Exec(ctx, `UPDATE outlet_requests SET state = $2, answer = $3, decided_by = $4, decided_at = $5 WHERE id = $1`,
			w.ID, state, answer, by.Actor, s.now())
		if err != nil {
			return fmt.Errorf("account: decide request: %w", err)
		}
		if state == "accepted" {
			if err := move(ctx, tx, &w); err != nil {
				return err
			}
		}
		if state != "withdrawn" {
			err := Notify(ctx, tx, merchantID, Notice{Kind: "outlet.request", For: Shops, Outlet: outletID, URL: fmt.Sprintf("/portal/outlets/%d", outletID),
				Text: "门店“" + w.Now.Name + "”的变更申请" + map[string]string{"accepted": "已同意，资料已经更新。", "declined": "没有同意：" + answer}[state]})
			if err != nil {
				return err
			}
		}
		return event.Record(ctx, tx, by.Actor, "portal.request_"+state, outletObject(outletID), by.Reason,
			map[string]any{"request": w.ID, "name": w.Now.Name, "address": w.Now.Address, "position": w.Now.Position()},
			map[string]any{"request": w.ID, "name": w.Wanted.Name, "address": w.Wanted.Address, "position": w.Wanted.Position()})
	})
}

// move gives a shop the name, address and position that were asked for; every node
// and the public directory hear of it.
func move(ctx context.Context, tx pgx.Tx, w *Wish) error {
	var version int64
	err := tx.QueryRow(ctx, `UPDATE outlets SET name = $2, address = $3, lon = $4, lat = $5, version = version + 1 WHERE id = $1 RETURNING version`,
		w.OutletID, w.Wanted.Name, w.Wanted.Address, w.Wanted.Lon, w.Wanted.Lat).Scan(&version)
	if err != nil {
		return fmt.Errorf("account: move outlet: %w", err)
	}
	return feed.Record(ctx, tx, feed.Change{Kind: feed.KindOutlet, ObjectID: w.OutletID, Version: version})
}
