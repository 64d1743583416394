package directory

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"unioncard/card/feed"
	"unioncard/merchant"
)

// source keeps a Directory in line with the tills' view and with what that does
// not hold: addresses, positions, and names of categories.
type source struct{ d *Directory }

// NewSource returns the feed's way to fill and follow a directory. It must stand
// after merchant.NewSource in the reader's list: each poll is then in the tills'
// view before the directory looks at it.
func NewSource(d *Directory) feed.Source { return &source{d} }

// Kinds lists what the directory is made of.
func (s *source) Kinds() []feed.Kind {
	return []feed.Kind{feed.KindMerchant, feed.KindOutlet, feed.KindContract, feed.KindFloor, feed.KindCategory}
}

const placeSQL = `SELECT id, address, lon, lat FROM outlets`

// Load replaces the index by everything in the session's snapshot.
func (s *source) Load(ctx context.Context, session feed.Session) error {
	return session.InSnapshot(ctx, func(ctx context.Context, tx pgx.Tx) error {
		places := map[int64]place{}
		if err := readPlaces(ctx, tx, places, placeSQL); err != nil {
			return err
		}
		naming, err := s.naming(ctx, tx)
		if err != nil {
			return err
		}
		s.d.mu.Lock()
		defer s.d.mu.Unlock()
		s.d.places, s.d.names = places, naming.Names()
		s.d.rebuild(s.d.opts.Clock())
		return nil
	})
}

// Apply looks at the outlets that the changes may concern.
func (s *source) Apply(ctx context.Context, tx pgx.Tx, changes []feed.Change) error {
	outlets := feed.ObjectIDs(changes, feed.KindOutlet)
	places := map[int64]place{}
	if len(outlets) > 0 {
		if err := readPlaces(ctx, tx, places, placeSQL+` WHERE id = ANY ($1)`, outlets); err != nil {
			return err
		}
	}
	var naming *merchant.Naming
	if len(feed.ObjectIDs(changes, feed.KindCategory)) > 0 {
		var err error
		if naming, err = s.naming(ctx, tx); err != nil {
			return err
		}
	}
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	for id, p := range places {
		s.d.places[id] = p
	}
	if naming != nil { // once in years: every offer is put into words again
		s.d.names = naming.Names()
		s.d.rebuild(s.d.opts.Clock())
		return nil
	}
	s.d.update(concerned(s.d.opts.Merchants.Snapshot(), outlets, changes), s.d.opts.Clock())
	s.d.sweepOffers()
	return nil
}

// concerned lists the outlets that changes may concern, each once. A floor may
// concern any; looking at one outlet takes a microsecond.
func concerned(view *merchant.Snapshot, outlets []int64, changes []feed.Change) []int64 {
	ids := slices.Clone(outlets)
	if len(feed.ObjectIDs(changes, feed.KindFloor)) > 0 {
		view.EachOutlet(func(o *merchant.Outlet) { ids = append(ids, o.ID) })
		slices.Sort(ids)
		return slices.Compact(ids)
	}
	merchants := feed.ObjectIDs(changes, feed.KindMerchant)
	for _, id := range feed.ObjectIDs(changes, feed.KindContract) {
		if c := view.Contract(id); c != nil {
			merchants = append(merchants, c.MerchantID)
		}
	}
	slices.Sort(merchants)
	for _, m := range slices.Compact(merchants) {
		ids = append(ids, view.OutletsOf(m)...)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

func readPlaces(ctx context.Context, tx pgx.Tx, into map[int64]place, sql string, args ...any) error {
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return fmt.Errorf("directory: read places: %w", err)
	}
	var id int64
	var address string
	var lon, lat *float64
	_, err = pgx.ForEachRow(rows, []any{&id, &address, &lon, &lat}, func() error {
		p := place{address: address}
		if lon != nil && lat != nil {
			p.at, p.placed = Point{*lon, *lat}, true
		}
		into[id] = p
		return nil
	})
	if err != nil {
		return fmt.Errorf("directory: read places: %w", err)
	}
	return nil
}

// naming reads what people call the codes in offers, as tx sees it.
func (s *source) naming(ctx context.Context, tx pgx.Tx) (*merchant.Naming, error) {
	return merchant.NewStore(tx, s.d.opts.Clock).Naming(ctx)
}
