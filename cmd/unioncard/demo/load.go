package demo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card"
	"unioncard/card/personal"
	"unioncard/card/union"
	"unioncard/merchant"
)

const (
	actor  = "demo"
	reason = "演示数据"
)

// ErrNotEmpty: the database holds unions that the demonstration did not make.
var ErrNotEmpty = errors.New("demo: the database already holds other data")

// lockKey keeps two loaders apart ("ucdemo" as a number).
const lockKey = 0x7563_6465_6d6f

// Load fills an empty database with the demonstration province, in one
// transaction: it is there whole or not at all. A database it has filled before
// is left as it is; one with other data is refused with ErrNotEmpty. open opens
// the personal data of the transaction's database.
func Load(ctx context.Context, db interface {
	Begin(context.Context) (pgx.Tx, error)
}, now time.Time, open func(context.Context, personal.DB) (*personal.Vault, error)) (loaded bool, err error) {
	tx, err := db.Begin(ctx)
	if err != nil {
		return false, fmt.Errorf("demo: begin: %w", err)
	}
	defer func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = tx.Rollback(end) // does nothing after the commit
	}()
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(lockKey)); err != nil {
		return false, fmt.Errorf("demo: lock: %w", err)
	}
	var unions, ours bool
	err = tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM unions), EXISTS (SELECT FROM events WHERE actor = $1)`, actor).Scan(&unions, &ours)
	switch {
	case err != nil:
		return false, fmt.Errorf("demo: look: %w", err)
	case ours:
		return false, nil
	case unions:
		return false, ErrNotEmpty
	}
	l := loader{tx: tx, now: now, plan: makePlan()}
	if l.vault, err = open(ctx, tx); err != nil {
		return false, fmt.Errorf("demo: %w", err)
	}
	for _, step := range []func(context.Context) error{l.unions, l.floors, l.merchants, l.members} {
		if err := step(ctx); err != nil {
			return false, fmt.Errorf("demo: %w", err)
		}
	}
	if err := tx.Commit(ctx); err != nil {
		return false, fmt.Errorf("demo: commit: %w", err)
	}
	// The planner knows nothing of a hundred thousand new rows by itself.
	_, err = tx.Conn().Exec(context.WithoutCancel(ctx), `ANALYZE`)
	return true, err
}

type loader struct {
	tx        pgx.Tx
	now       time.Time
	vault     *personal.Vault
	plan      plan
	territory map[int32]int64 // division → union id
	employers []union.Union   // grassroots unions
}

func (l *loader) unions(ctx context.Context) (err error) {
	cards := card.NewStore(l.tx, card.StoreOptions{})
	by := card.By{Actor: actor, Reason: reason}
	if l.territory, err = cards.SeedUnions(ctx, by); err != nil {
		return err
	}
	parents, err := l.parents(ctx)
	if err != nil {
		return err
	}
	for _, g := range l.plan.grassroots {
		parent := l.territory[g.under]
		if g.under == 0 {
			of := parents[g.parent]
			parent = of[g.nth%len(of)]
		}
		u, err := cards.CreateUnion(ctx, by, union.Union{Kind: union.Grassroots, Name: g.name, ParentID: parent})
		if err != nil {
			return err
		}
		l.employers = append(l.employers, u)
	}
	return nil
}

// parents are the unions without a territory of their own that grassroots unions
// hang under, by kind.
func (l *loader) parents(ctx context.Context) (map[union.Kind][]int64, error) {
	rows, err := l.tx.Query(ctx, `SELECT id, kind FROM unions WHERE kind IN ('industry', 'direct') ORDER BY id`)
	if err != nil {
		return nil, err
	}
	out := map[union.Kind][]int64{}
	var id int64
	var kind union.Kind
	_, err = pgx.ForEachRow(rows, []any{&id, &kind}, func() error {
		out[kind] = append(out[kind], id)
		return nil
	})
	return out, err
}

func (l *loader) by() merchant.By { return merchant.By{Actor: actor, Reason: reason} }

// floors publishes the categories, a floor for every trade of the policy, and a
// floor for two of the province's brands.
func (l *loader) floors(ctx context.Context) error {
	store := merchant.NewStore(l.tx, func() time.Time { return l.now })
	if _, err := store.PublishCategories(ctx, l.by(), categories, nil); err != nil {
		return err
	}
	from := l.now.Add(-24 * time.Hour)
	publish := func(trade, brand string, of string) error {
		doc := floorTerms(of)
		raw, err := doc.Canonical()
		if err != nil {
			return err
		}
		_, err = store.PublishFloor(ctx, l.by(), merchant.NewFloor{
			Trade: merchant.Trade(trade), Brand: brand, Terms: raw, Effective: from, DeadlineDays: 30,
		})
		return err
	}
	for _, t := range trades {
		if err := publish(t.code, "", t.code); err != nil {
			return fmt.Errorf("floor of %s: %w", t.code, err)
		}
	}
	for _, t := range trades[:2] {
		if err := publish("", t.brands[0], t.code); err != nil {
			return fmt.Errorf("floor of %s: %w", t.brands[0], err)
		}
	}
	return nil
}

func (l *loader) merchants(ctx context.Context) error {
	store := merchant.NewStore(l.tx, func() time.Time { return l.now })
	for i := range l.plan.merchants {
		m := &l.plan.merchants[i]
		if err := l.merchant(ctx, store, m); err != nil {
			return fmt.Errorf("merchant %s: %w", m.name, err)
		}
	}
	return nil
}

func (l *loader) merchant(ctx context.Context, store *merchant.Store, m *merchantPlan) error {
	office, ok := l.territory[m.office]
	if !ok {
		return fmt.Errorf("no union of division %d", m.office)
	}
	id, err := store.CreateMerchant(ctx, l.by(), merchant.NewMerchant{
		OfficeID: office, Name: m.name, Brand: m.brand, Trade: merchant.Trade(m.trade), UnionOwned: m.unionOwned,
	})
	if err != nil {
		return err
	}
	for _, o := range m.outlets {
		_, err := store.CreateOutlet(ctx, l.by(), merchant.NewOutlet{
			MerchantID: id, Name: o.name, Address: o.address, Territory: o.territory, Lon: &o.lon, Lat: &o.lat,
		})
		if err != nil {
			return err
		}
	}
	from := l.now.Add(-time.Hour)
	contract, err := store.CreateContract(ctx, l.by(), merchant.NewContract{
		MerchantID: id, OfficeID: office, ValidFrom: from, ValidUntil: from.AddDate(2, 0, 0),
		RefundTail: 60 * 24 * time.Hour, FloorClause: m.floorClause,
	})
	if err != nil {
		return err
	}
	raw, err := m.terms.Canonical()
	if err != nil {
		return err
	}
	if _, err := store.PublishTerms(ctx, l.by(), contract, raw, from); err != nil {
		return err
	}
	return store.ActivateContract(ctx, l.by(), contract)
}

// members are drawn with everyday names; most belong to county unions. A few
// cards are not good, so that refusals can be seen. Rows are drawn by their
// number alone, since the loader asks for each more than once.
func (l *loader) members(ctx context.Context) error {
	until := card.MonthOf(l.now) + 60
	source := rand.NewPCG(0, 0)
	rng := rand.New(source)
	row := func(i int, r *card.BulkRow) {
		source.Seed(seed, uint64(i))
		u := &l.employers[rng.IntN(len(l.employers))]
		*r = card.BulkRow{UnionID: u.ID, Territory: u.Territory, Name: personName(rng), ValidUntil: until}
		if rng.IntN(200) == 0 {
			r.Class = 1 // model worker
		}
		switch i % 1000 {
		case 997:
			r.Status = card.StatusLost
		case 998:
			r.Status = card.StatusSuspended
		case 999:
			r.ValidUntil = card.MonthOf(l.now) - 1
		}
	}
	counties := l.plan.counties
	sealed := func(i int) (personal.Sealed, error) {
		var r card.BulkRow
		row(i, &r)
		p, err := person(i, r.Name, counties)
		if err != nil {
			return personal.Sealed{}, err
		}
		return l.vault.Seal(p)
	}
	// No change rows: the demonstration is loaded before any node reads it.
	_, err := card.NewStore(l.tx, card.StoreOptions{}).BulkLoad(ctx, card.By{Actor: actor, Reason: reason}, memberCount,
		card.BulkOptions{Number: card.BulkNumbers(card.Prefix, seed), NoFeed: true, Sealed: sealed}, row)
	return err
}
