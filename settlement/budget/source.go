package budget

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card/feed"
	"unioncard/settlement/ledger"
)

// source keeps a State in line with PostgreSQL.
type source struct{ state *State }

// NewSource returns the feed's way to fill and follow a State.
func NewSource(state *State) feed.Source { return source{state} }

// Kinds is what the view is made of.
func (source) Kinds() []feed.Kind { return []feed.Kind{feed.KindBudget} }

const entrySQL = `SELECT id, office_id, coalesce(parent_id, 0), kind, name, state, first_day, last_day, trades, merchants,
	coalesce(member_cap_fen, 0), slices, version FROM budgets WHERE `

// Load replaces the view by every budget that is not over.
func (s source) Load(ctx context.Context, session feed.Session) error {
	return session.InSnapshot(ctx, func(ctx context.Context, tx pgx.Tx) error {
		s.state.mu.Lock()
		defer s.state.mu.Unlock()
		now := map[int64]*Entry{}
		if err := readEntries(ctx, tx, now, entrySQL+`state IN ('open', 'frozen')`); err != nil {
			return err
		}
		s.state.now.Store(&now)
		return nil
	})
}

// Apply reads the changed budgets again.
func (s source) Apply(ctx context.Context, tx pgx.Tx, changes []feed.Change) error {
	ids := feed.ObjectIDs(changes, feed.KindBudget)
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	now := maps.Clone(*s.state.now.Load())
	for _, id := range ids {
		delete(now, id)
	}
	if err := readEntries(ctx, tx, now, entrySQL+`state IN ('open', 'frozen') AND id = ANY ($1)`, ids); err != nil {
		return err
	}
	s.state.now.Store(&now)
	return nil
}

func readEntries(ctx context.Context, tx pgx.Tx, into map[int64]*Entry, sql string, args ...any) error {
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return fmt.Errorf("budget: read the view: %w", err)
	}
	_, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (struct{}, error) {
		var e Entry
		var first, last time.Time // midnight UTC, the same day in Beijing
		err := row.Scan(&e.ID, &e.OfficeID, &e.ParentID, &e.Kind, &e.Name, &e.Status, &first, &last, &e.Trades, &e.Merchants,
			&e.MemberCapFen, &e.Slices, &e.Version)
		e.FirstDay, e.LastDay = ledger.DayOf(first), ledger.DayOf(last)
		slices.Sort(e.Trades)
		slices.Sort(e.Merchants)
		into[e.ID] = &e
		return struct{}{}, err
	})
	if err != nil {
		return fmt.Errorf("budget: read the view: %w", err)
	}
	return nil
}
