package merchant_test

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"unioncard/card/feed"
	"unioncard/merchant"
	"unioncard/migrations/pgtest"
)

// province is a world under random changes, with a view that follows them.
type province struct {
	*world
	tx        pgx.Tx
	r         *rapid.T
	state     *merchant.State
	source    feed.Source
	last      int64 // of the changes applied
	merchants []int64
	outlets   [][2]int64 // merchant, outlet
	terminals []int64
	contracts []int64
	brands    []string
}

func pick[T any](p *province, from []T) T { return rapid.SampledFrom(from).Draw(p.r, "which") }

// try makes a change that the rules may refuse; a refusal leaves nothing behind.
func (p *province) try(err error) { p.r.Logf("%v", err) }

// step makes one random change.
func (p *province) step() {
	when := func() time.Time {
		return p.clock.Now().Add(time.Duration(rapid.IntRange(-1, 5).Draw(p.r, "minutes")) * time.Minute)
	}
	doc := func() []byte { return percent(rapid.SampledFrom([]int{9500, 9000, 8500, 8000}).Draw(p.r, "rate")) }
	switch rapid.IntRange(0, 13).Draw(p.r, "change") {
	case 0:
		p.merchants = append(p.merchants, p.merchant(pick(p, p.brands)))
	case 1:
		m := pick(p, p.merchants)
		id, err := p.store.CreateOutlet(p.ctx, by, merchant.NewOutlet{MerchantID: m, Name: "店", Territory: 410105})
		if p.try(err); err == nil {
			p.outlets = append(p.outlets, [2]int64{m, id})
		}
	case 2:
		code, err := p.store.IssueActivationCode(p.ctx, by, pick(p, p.outlets)[1])
		if p.try(err); err == nil {
			t, err := p.store.Activate(p.ctx, code.Code, newKey(p.t))
			p.must(err)
			p.terminals = append(p.terminals, t.ID)
		}
	case 3:
		o := pick(p, p.outlets)
		if rapid.Bool().Draw(p.r, "chain") {
			o[1] = 0
		}
		id, err := p.store.CreateContract(p.ctx, by, merchant.NewContract{
			MerchantID: o[0], OutletID: o[1], OfficeID: pick(p, []int64{p.province, p.county}),
			ValidFrom: noon.Add(-time.Hour), ValidUntil: noon.AddDate(0, rapid.IntRange(1, 3).Draw(p.r, "months"), 0),
			FloorClause: rapid.Bool().Draw(p.r, "clause")})
		if p.try(err); err == nil {
			p.contracts = append(p.contracts, id)
			_, err := p.store.PublishTerms(p.ctx, by, id, doc(), time.Time{})
			p.try(err)
			p.try(p.store.ActivateContract(p.ctx, by, id))
		}
	case 4:
		_, err := p.store.PublishTerms(p.ctx, by, pick(p, p.contracts), doc(), when())
		p.try(err)
	case 5:
		n := merchant.NewFloor{Terms: doc(), Effective: when(), DeadlineDays: rapid.IntRange(0, 1).Draw(p.r, "days")}
		if n.Brand = pick(p, p.brands); n.Brand == "" {
			n.Trade = merchant.TradeCatering
		}
		_, err := p.store.PublishFloor(p.ctx, by, n)
		p.try(err)
	case 6:
		p.try(p.store.SuspendContract(p.ctx, by, pick(p, p.contracts)))
	case 7:
		p.try(p.store.ResumeContract(p.ctx, by, pick(p, p.contracts)))
	case 8:
		p.try(p.store.EndContract(p.ctx, by, pick(p, p.contracts), when()))
	case 9:
		p.clock.set(p.clock.Now().Add(time.Minute))
		_, err := p.store.SuspendOverdue(p.ctx, p.clock.Now())
		p.must(err)
		_, err = p.store.EndExpired(p.ctx, p.clock.Now())
		p.must(err)
	case 10:
		p.try(p.store.SuspendOutlet(p.ctx, by, pick(p, p.outlets)[1]))
	case 11:
		p.try(p.store.SuspendMerchant(p.ctx, by, pick(p, p.merchants)))
	case 12:
		p.try(p.store.SuspendTerminal(p.ctx, by, pick(p, p.terminals)))
	case 13:
		p.try(p.store.SetTypedAllowed(p.ctx, by, pick(p, p.terminals), rapid.Bool().Draw(p.r, "typed")))
	}
}

// catchUp applies what the changes of the last steps wrote to the feed.
func (p *province) catchUp() {
	rows, err := p.tx.Query(p.ctx, `SELECT id, kind, object_id, version, at FROM changes WHERE id > $1 ORDER BY id`, p.last)
	p.must(err)
	changes, err := pgx.CollectRows(rows, pgx.RowToStructByPos[feed.Change])
	p.must(err)
	if len(changes) > 0 {
		p.last = changes[len(changes)-1].ID
	}
	kinds := p.source.Kinds()
	changes = slices.DeleteFunc(changes, func(c feed.Change) bool { return !slices.Contains(kinds, c.Kind) })
	// The reader cuts long lists, at any place.
	for len(changes) > 0 {
		n := rapid.IntRange(1, len(changes)).Draw(p.r, "cut")
		p.must(p.source.Apply(p.ctx, p.tx, changes[:n:n]))
		changes = changes[n:]
	}
}

// After any changes, the view that followed them equals one loaded afresh.
func TestViewFollowsChanges(t *testing.T) {
	t.Parallel()
	outer := ownTx(t)
	base := newWorld(t, outer)
	rapid.Check(t, func(r *rapid.T) {
		tx, err := outer.Begin(base.ctx)
		base.must(err)
		defer func() { base.must(tx.Rollback(base.ctx)) }()
		w := *base
		w.db, w.clock = tx, &clock{now: noon}
		w.store = merchant.NewStore(tx, w.clock.Now)
		state := merchant.NewState(w.clock.Now, slog.New(slog.DiscardHandler))
		p := &province{world: &w, tx: tx, r: r, state: state, source: merchant.NewSource(state), brands: []string{"", "", "老郑州"}}
		p.merchants = []int64{p.merchant(""), p.merchant("老郑州")}
		for _, m := range p.merchants {
			p.outlets = append(p.outlets, [2]int64{m, p.outlet(m)})
			p.contracts = append(p.contracts, p.active(m, 0, p.province, true, percent(9000)))
		}
		p.terminals = []int64{p.terminal(p.outlets[0][1]).ID}
		w.one(&p.last, `SELECT coalesce(max(id), 0) FROM changes`)
		p.must(p.source.Load(p.ctx, oneSession{tx}))
		for range rapid.IntRange(1, 12).Draw(r, "batches") {
			for range rapid.IntRange(1, 4).Draw(r, "steps") {
				p.step()
			}
			p.catchUp()
			if diff := cmp.Diff(merchant.DumpOf(p.view(tx)), merchant.DumpOf(state.Snapshot())); diff != "" {
				r.Fatalf("fresh load against the view that followed: %s", diff)
			}
		}
	})
}

// Terms in the database that do not compile leave the contract without terms;
// the node goes on, logs it and counts it.
func TestBrokenTerms(t *testing.T) {
	t.Parallel()
	tx := pgtest.Tx(t)
	w := newWorld(t, tx)
	m := w.merchant("")
	c, well := w.active(m, 0, w.county, false, percent(9000)), w.active(w.merchant(""), 0, w.county, false, percent(8000))
	_, err := tx.Exec(w.ctx, `UPDATE contract_terms SET terms = '{"v":99}', sha256 = sha256('x') WHERE contract_id = $1`, c)
	w.must(err)
	var log bytes.Buffer
	state := merchant.NewState(w.clock.Now, slog.New(slog.NewTextHandler(&log, nil)))
	source := merchant.NewSource(state)
	w.must(source.Load(w.ctx, oneSession{tx}))
	view := state.Snapshot()
	if view.Contract(c).TermsAt(noon) != nil || view.Contract(well).TermsAt(noon) == nil {
		t.Error("the broken contract must have no terms, the other its own")
	}
	if view.Counts().Broken != 1 || !bytes.Contains(log.Bytes(), []byte("do not compile")) {
		t.Errorf("broken %d, log %s", view.Counts().Broken, &log)
	}
	_, err = tx.Exec(w.ctx, `UPDATE contract_terms SET terms = $2, sha256 = sha256('y') WHERE contract_id = $1`, c, percent(9000))
	w.must(err)
	w.must(source.Apply(w.ctx, tx, []feed.Change{{Kind: feed.KindContract, ObjectID: c}}))
	if view := state.Snapshot(); view.Contract(c).TermsAt(noon) == nil || view.Counts().Broken != 0 {
		t.Errorf("mended: %+v", view.Counts())
	}
}

// A version replaced within the last hour is still found, at its own time.
func TestReplacedTermsStayAnHour(t *testing.T) {
	t.Parallel()
	tx := pgtest.Tx(t)
	w := newWorld(t, tx)
	c := w.active(w.merchant(""), 0, w.county, false, percent(9000))
	_, err := w.store.PublishTerms(w.ctx, by, c, percent(9500), noon)
	w.must(err)
	for _, tt := range []struct {
		now  time.Duration
		want int
	}{{0, 1}, {59 * time.Minute, 1}, {time.Hour, 0}} {
		w.clock.set(noon.Add(tt.now))
		got := w.view(tx).Contract(c)
		if old := got.TermsAt(noon.Add(-1)); (old != nil) != (tt.want == 1) || old != nil && old.Version != 1 {
			t.Errorf("%v later: the old version is %v", tt.now, old)
		}
		if now := got.TermsAt(noon); now == nil || now.Version != 2 {
			t.Errorf("%v later: the version of now is %v", tt.now, now)
		}
	}
}

// Two nodes follow one database: what is changed through it shows in both.
func TestTwoNodes(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	w := newWorld(t, pool)
	m := w.merchant("")
	o := w.outlet(m)
	ctx, cancel := context.WithCancel(t.Context())
	var states []*merchant.State
	done := make(chan error, 2)
	for range 2 {
		state := merchant.NewState(w.clock.Now, slog.New(slog.DiscardHandler))
		reader := feed.NewReader(pool, []feed.Source{merchant.NewSource(state)}, feed.Options{Workers: 1})
		w.must(reader.Load(ctx))
		states = append(states, state)
		go func() { done <- reader.Run(ctx) }()
	}
	defer func() {
		cancel()
		for range states {
			<-done
		}
	}()
	seen := func(what string, cond func(*merchant.Snapshot) bool) {
		t.Helper()
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		limit := time.After(20 * time.Second)
		for _, s := range states {
			for !cond(s.Snapshot()) {
				select {
				case <-tick.C:
				case <-limit:
					t.Fatalf("%s is not seen", what)
				}
			}
		}
	}
	c := w.active(m, 0, w.county, false, percent(9000))
	seen("the contract", func(s *merchant.Snapshot) bool { got, err := s.InForce(o, noon); return err == nil && got.ID == c })
	terminal := w.terminal(o)
	seen("the terminal", func(s *merchant.Snapshot) bool { return s.TerminalByClient(terminal.ClientID) != nil })
	w.must(w.store.SuspendTerminal(w.ctx, by, terminal.ID))
	seen("its suspension", func(s *merchant.Snapshot) bool { return s.Terminal(terminal.ID).Usable() != nil })
	w.must(w.store.SuspendContract(w.ctx, by, c))
	seen("the contract's suspension", func(s *merchant.Snapshot) bool { _, err := s.InForce(o, noon); return err != nil })
}
