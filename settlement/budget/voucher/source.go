package voucher

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card/feed"
	"unioncard/merchant/terms"
	"unioncard/settlement/ledger"
)

// source keeps a State in line with PostgreSQL.
type source struct {
	state  *State
	logger *slog.Logger
}

// NewSource returns the feed's way to fill and follow a State. The logger hears of
// a series whose offer does not compile, which then is left out.
func NewSource(state *State, logger *slog.Logger) feed.Source { return source{state, logger} }

// Kinds is what the view is made of.
func (source) Kinds() []feed.Kind { return []feed.Kind{feed.KindBudget, feed.KindWallet} }

// loadRange is how many serials one statement reads at a load.
const loadRange = 1 << 20

// heldSQL reads what cards hold of series that are not over; bit i is number i+1.
const heldSQL = `SELECT v.card_serial, v.series_id, bit_or(1::bigint << (v.no - 1)) FROM vouchers v
	JOIN budgets b ON b.id = v.series_id AND b.state IN ('open', 'frozen') WHERE v.state = 1 AND `

// heldOrder brings a card's rows together.
const heldOrder = ` GROUP BY v.card_serial, v.series_id ORDER BY v.card_serial, v.series_id`

// Load replaces the view.
func (s source) Load(ctx context.Context, session feed.Session) error {
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	var low, high int64
	err := session.InSnapshot(ctx, func(ctx context.Context, tx pgx.Tx) error {
		now := map[int64]*Series{}
		if err := s.readSeries(ctx, tx, now, ``); err != nil {
			return err
		}
		s.state.series.Store(&now)
		return tx.QueryRow(ctx, `SELECT coalesce(min(card_serial), 0), coalesce(max(card_serial) + 1, 0) FROM vouchers`).Scan(&low, &high)
	})
	if err != nil {
		return fmt.Errorf("voucher: load: %w", err)
	}
	// What a fuller view before had and this one has not goes.
	gone := s.state.serials()
	var mu sync.Mutex
	err = feed.LoadRanges(ctx, session, low, high, loadRange, func(ctx context.Context, tx pgx.Tx, from, to int64) error {
		return eachWallet(ctx, tx, func(serial int64, holds []hold) {
			mu.Lock()
			defer mu.Unlock()
			s.state.set(serial, holds)
			delete(gone, serial)
		}, heldSQL+`v.card_serial >= $1 AND v.card_serial < $2`+heldOrder, from, to)
	})
	if err != nil {
		return fmt.Errorf("voucher: load: %w", err)
	}
	for serial := range gone {
		s.state.set(serial, nil)
	}
	return nil
}

// serials lists who holds something.
func (s *State) serials() map[int64]bool {
	out := map[int64]bool{}
	for i := range s.shards {
		for serial := range s.shards[i].holds {
			out[serial] = true
		}
	}
	return out
}

// forget drops what is held of series that are over, which is worth nothing any more:
// that they are over is one change, not one a wallet.
func (s *State) forget(now map[int64]*Series) {
	for i := range s.shards {
		for serial, holds := range s.shards[i].holds {
			over := func(h hold) bool { return now[h.series] == nil }
			if slices.ContainsFunc(holds, over) {
				s.set(serial, slices.DeleteFunc(slices.Clone(holds), over))
			}
		}
	}
}

// Apply reads the changed series and wallets again.
func (s source) Apply(ctx context.Context, tx pgx.Tx, changes []feed.Change) error {
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	if ids := feed.ObjectIDs(changes, feed.KindBudget); len(ids) > 0 {
		was := *s.state.series.Load()
		now := maps.Clone(was)
		for _, id := range ids {
			delete(now, id)
		}
		if err := s.readSeries(ctx, tx, now, ` AND s.budget_id = ANY ($1)`, ids); err != nil {
			return err
		}
		s.state.series.Store(&now)
		if slices.ContainsFunc(ids, func(id int64) bool { return was[id] != nil && now[id] == nil }) {
			s.state.forget(now)
		}
	}
	serials := feed.ObjectIDs(changes, feed.KindWallet)
	if len(serials) == 0 {
		return nil
	}
	gone := make(map[int64]bool, len(serials))
	for _, serial := range serials {
		gone[serial] = true
	}
	err := eachWallet(ctx, tx, func(serial int64, holds []hold) {
		s.state.set(serial, holds)
		delete(gone, serial)
	}, heldSQL+`v.card_serial = ANY ($1)`+heldOrder, serials)
	if err != nil {
		return fmt.Errorf("voucher: apply: %w", err)
	}
	for serial := range gone {
		s.state.set(serial, nil)
	}
	return nil
}

// eachWallet visits the wallets that a statement of heldSQL and heldOrder reads.
func eachWallet(ctx context.Context, tx pgx.Tx, visit func(serial int64, holds []hold), sql string, args ...any) error {
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return fmt.Errorf("wallets: %w", err)
	}
	var serial, held, last int64
	var h hold
	var holds []hold
	_, err = pgx.ForEachRow(rows, []any{&serial, &h.series, &held}, func() error {
		if serial != last && last != 0 {
			visit(last, holds)
			holds = nil
		}
		h.held, last = uint64(held), serial
		holds = append(holds, h)
		return nil
	})
	if err != nil {
		return fmt.Errorf("wallets: %w", err)
	}
	if last != 0 {
		visit(last, holds)
	}
	return nil
}

func (s source) readSeries(ctx context.Context, tx pgx.Tx, into map[int64]*Series, where string, args ...any) error {
	rows, err := tx.Query(ctx, `SELECT s.budget_id, b.name, s.face_fen, s.need_fen, s.stackable, b.last_day
		FROM voucher_series s JOIN budgets b ON b.id = s.budget_id WHERE b.state IN ('open', 'frozen')`+where, args...)
	if err != nil {
		return fmt.Errorf("series: %w", err)
	}
	_, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (struct{}, error) {
		var v Series
		var name string
		var last time.Time
		if err := row.Scan(&v.ID, &name, &v.FaceFen, &v.NeedFen, &v.Stackable, &last); err != nil {
			return struct{}{}, err
		}
		v.LastDay = ledger.DayOf(last)
		var err error
		if v.Offer, err = Offer(v.ID, name, v.FaceFen, v.NeedFen, v.Stackable); err != nil {
			s.logger.Error("a voucher series is no offer", "series", v.ID, "error", err)
			return struct{}{}, nil
		}
		into[v.ID] = &v
		return struct{}{}, nil
	})
	if err != nil {
		return fmt.Errorf("series: %w", err)
	}
	return nil
}

// OfferID is what a voucher's offer is called in quotes, receipts and statements.
func OfferID(series int64) string { return fmt.Sprintf("voucher-%d", series) }

// Offer is the document of the one offer that a series' vouchers are: paid by the
// union alone, out of the series' budget. terms.ErrInvalid for one that is none.
func Offer(series int64, title string, faceFen, needFen int64, stackable bool) (*terms.Compiled, error) {
	offer := map[string]any{
		"id": OfferID(series), "title": title, "funding_bp": 0, "budget": series,
		"benefit": map[string]any{"kind": terms.KindAmountOff, "at_fen": needFen, "off_fen": faceFen},
	}
	if stackable {
		offer["stack"] = 1
	}
	doc, err := json.Marshal(map[string]any{"v": terms.Version, "offers": []any{offer}})
	if err != nil {
		return nil, fmt.Errorf("voucher: offer: %w", err)
	}
	parsed, err := terms.Parse(doc)
	if err != nil {
		return nil, err
	}
	return parsed.Compile()
}
