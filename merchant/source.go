package merchant

import (
	"context"
	"crypto/sha256"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card/feed"
)

// keepReplaced is how long a replaced version of Terms or of a floor stays in
// view: longer than any Quote and any lag of the feed.
const keepReplaced = time.Hour

// source keeps a State in line with PostgreSQL.
type source struct{ state *State }

// NewSource returns the feed's way to fill and follow a State. What changed is
// read again whole, so a change may be applied twice, and changes in any order.
func NewSource(state *State) feed.Source { return &source{state} }

// Kinds lists what the view is made of.
func (s *source) Kinds() []feed.Kind {
	return []feed.Kind{feed.KindMerchant, feed.KindOutlet, feed.KindTerminal, feed.KindContract, feed.KindFloor, feed.KindCategory}
}

// Load replaces the view by everything in the session's snapshot.
func (s *source) Load(ctx context.Context, session feed.Session) error {
	return session.InSnapshot(ctx, func(ctx context.Context, tx pgx.Tx) error {
		s.state.mu.Lock()
		defer s.state.mu.Unlock()
		e := s.state.edit(newSnapshot())
		if err := e.read(ctx, tx, nil); err != nil {
			return err
		}
		s.state.publish(e)
		return nil
	})
}

// Apply reads what changed again and swaps in a view that has it.
func (s *source) Apply(ctx context.Context, tx pgx.Tx, changes []feed.Change) error {
	want := wanted{
		merchants: feed.ObjectIDs(changes, feed.KindMerchant),
		outlets:   feed.ObjectIDs(changes, feed.KindOutlet),
		terminals: feed.ObjectIDs(changes, feed.KindTerminal),
		contracts: feed.ObjectIDs(changes, feed.KindContract),
		floors:    feed.ObjectIDs(changes, feed.KindFloor),
		naming:    len(feed.ObjectIDs(changes, feed.KindCategory)) > 0,
	}
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	e := s.state.edit(s.state.Snapshot())
	if err := e.read(ctx, tx, &want); err != nil {
		return err
	}
	s.state.publish(e)
	return nil
}

// wanted are the objects to read again.
type wanted struct {
	merchants, outlets, terminals, contracts, floors []int64
	naming                                           bool // the names of categories
}

// edit is a snapshot in the making.
type edit struct {
	state     *State
	base      *Snapshot
	keep      time.Time // replaced versions that ended before it are left out
	merchants *indexEdit[int64, *Merchant]
	outlets   *indexEdit[int64, *Outlet]
	terminals *indexEdit[int64, *Terminal]
	clients   *indexEdit[string, *Terminal]
	contracts *indexEdit[int64, *Contract]
	belongs   *indexEdit[int64, []int64]
	floors    map[int64]*Floor
	broken    int
	// categories is replaced whole.
	categories map[string]string
}

func (s *State) edit(base *Snapshot) *edit {
	return &edit{
		state: s, base: base, keep: s.clock().Add(-keepReplaced),
		merchants: base.merchants.edit(), outlets: base.outlets.edit(),
		terminals: base.terminals.edit(), clients: base.clients.edit(),
		contracts: base.contracts.edit(), belongs: base.belongs.edit(),
		floors: base.floors, broken: base.broken, categories: base.categories,
	}
}

// publish swaps the finished snapshot in.
func (s *State) publish(e *edit) {
	now := &Snapshot{
		merchants: e.merchants.done(), outlets: e.outlets.done(),
		terminals: e.terminals.done(), clients: e.clients.done(),
		contracts: e.contracts.done(), belongs: e.belongs.done(),
		floors: e.floors, broken: e.broken, categories: e.categories,
	}
	s.now.Store(now)
	s.forms.sweep(now)
}

// setOutlets takes in outlets that were read again; their coverage follows.
func (e *edit) setOutlets(read []*Outlet) {
	joined := map[int64][]int64{}
	for _, o := range read {
		if old, ok := e.outlets.get(o.ID); ok {
			o.cover = old.cover
		} else {
			joined[o.MerchantID] = append(joined[o.MerchantID], o.ID)
		}
		e.outlets.set(o.ID, o)
	}
	for merchant, ids := range joined {
		before, _ := e.belongs.get(merchant)
		e.belongs.set(merchant, slices.Concat(before, ids))
	}
}

// setTerminals takes in terminals that were read again.
func (e *edit) setTerminals(read []*Terminal) {
	for _, t := range read {
		e.terminals.set(t.ID, t)
		e.clients.set(t.ClientID, t)
	}
}

// setCover gives outlets the coverage that was read again; an outlet without
// rows has none.
func (e *edit) setCover(outlets []int64, rows map[int64][]cover) {
	for _, id := range outlets {
		if o, ok := e.outlets.get(id); ok {
			e.outlets.set(id, o.withCover(rows[id]))
		}
	}
}

// setFloors takes in floors that were read again, and gives the contracts that are
// below them the new form of them.
func (e *edit) setFloors(read []*Floor) {
	if len(read) == 0 {
		return
	}
	floors := make(map[int64]*Floor, len(e.floors)+len(read))
	for id, f := range e.floors {
		if f.Until.IsZero() || f.Until.After(e.keep) {
			floors[id] = f
		} else if f.Terms == nil {
			e.broken--
		}
	}
	fresh := map[int64]*Floor{}
	for _, f := range read {
		if old, ok := floors[f.ID]; ok && old.Terms == nil {
			e.broken--
		}
		if f.Terms == nil {
			e.broken++
		}
		floors[f.ID], fresh[f.ID] = f, f
	}
	e.floors = floors
	// Floors change a few times a year: looking at every contract is cheap then.
	e.base.contracts.each(func(id int64, c *Contract) {
		if !slices.ContainsFunc(c.lifts, func(l lift) bool { return fresh[l.floor.ID] != nil }) &&
			!slices.ContainsFunc(c.due, func(d due) bool { return fresh[d.floor.ID] != nil }) {
			return
		}
		n := *c
		n.due = slices.Clone(c.due)
		for i := range n.due {
			if f := fresh[n.due[i].floor.ID]; f != nil {
				n.due[i].floor = f
			}
		}
		lifts := slices.Clone(c.lifts)
		for i := range lifts {
			if f := fresh[lifts[i].floor.ID]; f != nil {
				lifts[i].floor = f
			}
		}
		n.setLifts(lifts)
		e.contracts.set(id, &n)
	})
}

// setContracts takes in contracts that were read again, with their versions and
// the floors they are below, and returns the merchants they belong to.
func (e *edit) setContracts(read []*Contract, versions map[int64][]*TermsVersion, below *outgrownBy) (merchants []int64) {
	for _, c := range read {
		c.versions = versions[c.ID]
		c.setLifts(below.lifts[c.ID])
		c.due = below.due[c.ID]
		old, _ := e.contracts.get(c.ID)
		e.broken += c.broken() - old.broken()
		e.contracts.set(c.ID, c)
		merchants = append(merchants, c.MerchantID)
	}
	slices.Sort(merchants)
	return slices.Compact(merchants)
}

// broken counts the versions that do not compile.
func (c *Contract) broken() (n int) {
	if c == nil {
		return 0
	}
	for _, v := range c.versions {
		if v.Terms == nil {
			n++
		}
	}
	return n
}

// compiled returns stored Terms compiled, or nil: what does not compile never
// stops the node, it is logged and counted, and there are no such Terms.
func (e *edit) compiled(what string, id int64, version int32, sum, doc []byte) (hash [sha256.Size]byte, form *form) {
	copy(hash[:], sum)
	form, err := e.state.forms.compile(hash, doc)
	if err != nil {
		e.state.logger.Error("stored terms do not compile", "of", what, "id", id, "version", version, "error", err)
	}
	return hash, form
}
