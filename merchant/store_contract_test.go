package merchant_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"pgregory.net/rapid"

	"unioncard/merchant"
	"unioncard/migrations/pgtest"
)

func TestContractLife(t *testing.T) {
	t.Parallel()
	tx := pgtest.Tx(t)
	w := newWorld(t, tx)
	m := w.merchant("")
	o := w.outlet(m)
	inForce := func(at time.Time, want error) {
		t.Helper()
		if _, err := w.view(tx).InForce(o, at); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
	c := w.draft(m, 0, w.county, false)
	inForce(noon, merchant.ErrNoContract)
	var invalid *merchant.InvalidError
	if err := w.store.ActivateContract(w.ctx, by, c); !errors.As(err, &invalid) {
		t.Errorf("activated without Terms: %v", err)
	}
	_, err := w.store.PublishTerms(w.ctx, by, c, percent(9000), time.Time{})
	w.must(err)
	w.must(w.store.ActivateContract(w.ctx, by, c))
	inForce(noon, nil)
	w.must(w.store.SuspendContract(w.ctx, by, c))
	inForce(noon, merchant.ErrContractSuspended)
	w.must(w.store.ResumeContract(w.ctx, by, c))
	inForce(noon, nil)

	leave := noon.AddDate(0, 1, 0)
	w.must(w.store.EndContract(w.ctx, by, c, leave)) // notice
	inForce(leave.Add(-time.Microsecond), nil)
	inForce(leave, merchant.ErrContractEnded)
	if got := w.view(tx).Contract(c); got.Status != merchant.ContractEnding || !got.RefundUntil.Equal(leave.Add(30*24*time.Hour)) {
		t.Errorf("%v until %v", got.Status, got.RefundUntil)
	}
	if ids, err := w.store.EndExpired(w.ctx, leave.Add(-time.Second)); err != nil || len(ids) != 0 {
		t.Errorf("expired early: %v, %v", ids, err)
	}
	if ids, err := w.store.EndExpired(w.ctx, leave); err != nil || len(ids) != 1 || ids[0] != c {
		t.Errorf("expired: %v, %v", ids, err)
	}
	inForce(leave.Add(-time.Microsecond), merchant.ErrContractEnded)
	if n := w.count(`SELECT count(*) FROM events WHERE actor = 'system' AND action = 'contract.expire'`); n != 1 {
		t.Errorf("%d events", n)
	}
	var move *merchant.MoveError
	for name, err := range map[string]error{
		"suspend": w.store.SuspendContract(w.ctx, by, c), "resume": w.store.ResumeContract(w.ctx, by, c),
		"end": w.store.EndContract(w.ctx, by, c, time.Time{}), "activate": w.store.ActivateContract(w.ctx, by, c),
	} {
		if !errors.As(err, &move) {
			t.Errorf("%s after the end: %v", name, err)
		}
	}
	if _, err := w.store.PublishTerms(w.ctx, by, c, percent(8000), time.Time{}); !errors.As(err, &move) {
		t.Errorf("published after the end: %v", err)
	}
	if err := w.store.SuspendContract(w.ctx, by, c+1000); !errors.Is(err, merchant.ErrNotFound) {
		t.Errorf("absent: %v", err)
	}
}

// An outlet's own contract takes it out of the chain's, and gives it back.
func TestOwnContractAndChain(t *testing.T) {
	t.Parallel()
	tx := pgtest.Tx(t)
	w := newWorld(t, tx)
	m := w.merchant("")
	first := w.outlet(m)
	chain := w.active(m, 0, w.city, false, percent(9000))
	second := w.outlet(m) // opens later and joins
	own := w.active(m, first, w.county, false, percent(8500))
	at := func(outlet int64, when time.Time) int64 {
		t.Helper()
		c, err := w.view(tx).InForce(outlet, when)
		w.must(err)
		return c.ID
	}
	if at(first, noon) != own || at(second, noon) != chain {
		t.Errorf("first under %d, second under %d", at(first, noon), at(second, noon))
	}
	leave := noon.AddDate(0, 0, 10)
	w.must(w.store.EndContract(w.ctx, by, own, leave))
	if at(first, leave) != chain || at(first, leave.Add(-1)) != own {
		t.Error("the outlet does not go back to the chain when its own contract ends")
	}
	w.must(w.store.EndContract(w.ctx, by, own, time.Time{})) // sooner after all
	if at(first, noon) != chain {
		t.Error("the outlet is not back under the chain")
	}
	var overlap *merchant.OverlapError
	another := w.draft(m, 0, w.county, false)
	_, err := w.store.PublishTerms(w.ctx, by, another, percent(9000), time.Time{})
	w.must(err)
	if err := w.store.ActivateContract(w.ctx, by, another); !errors.As(err, &overlap) || overlap.ContractID != chain {
		t.Errorf("a second chain contract: %v", err)
	}
	stranger := w.outlet(w.merchant(""))
	if _, err := w.store.CreateContract(w.ctx, by, merchant.NewContract{
		MerchantID: m, OutletID: stranger, OfficeID: w.county, ValidFrom: noon, ValidUntil: noon.Add(time.Hour),
	}); !errors.Is(err, merchant.ErrNotFound) {
		t.Errorf("another merchant's outlet: %v", err)
	}
}

// A contract cannot choose which floors bind it, nor be signed by a union that
// has no office.
func TestCreateContractRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Tx(t))
	branded, plain := w.merchant("老郑州"), w.merchant("")
	var grassroots int64
	w.one(&grassroots, `INSERT INTO unions (kind, name, parent_id, path, territory)
		SELECT 'grassroots', '老郑州工会', id, path || '9/', territory FROM unions WHERE id = $1 RETURNING id`, w.county)
	for name, tt := range map[string]struct {
		n     merchant.NewContract
		field string // that is refused; "": none
	}{
		"the merchant's":        {merchant.NewContract{MerchantID: branded, OfficeID: w.county}, ""},
		"the same, said":        {merchant.NewContract{MerchantID: branded, OfficeID: w.city, Trade: merchant.TradeCatering, Brand: "老郑州"}, ""},
		"a brand where is none": {merchant.NewContract{MerchantID: plain, OfficeID: w.province, Brand: "老郑州"}, ""},
		"another brand":         {merchant.NewContract{MerchantID: branded, OfficeID: w.county, Brand: "阿利"}, "Brand"},
		"another trade":         {merchant.NewContract{MerchantID: plain, OfficeID: w.county, Trade: merchant.TradeHealth}, "Trade"},
		"no trade":              {merchant.NewContract{MerchantID: plain, OfficeID: w.county, Trade: "gambling"}, "Trade"},
		"grassroots":            {merchant.NewContract{MerchantID: plain, OfficeID: grassroots}, "OfficeID"},
		"no union":              {merchant.NewContract{MerchantID: plain, OfficeID: 1 << 40}, "OfficeID"},
	} {
		tt.n.ValidFrom, tt.n.ValidUntil = noon, noon.AddDate(1, 0, 0)
		_, err := w.store.CreateContract(w.ctx, by, tt.n)
		var invalid *merchant.InvalidError
		if errors.As(err, &invalid); err == nil && tt.field != "" || err != nil && (invalid == nil || invalid.Field != tt.field) {
			t.Errorf("%s: %v, want %q refused", name, err, tt.field)
		}
	}
}

// The constraint behind the rule: PostgreSQL itself refuses a second contract.
func TestOneContractAnOutlet(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Tx(t))
	m := w.merchant("")
	o := w.outlet(m)
	w.active(m, 0, w.county, false, percent(9000))
	other := w.draft(m, o, w.county, false)
	_, err := w.db.Exec(w.ctx, `INSERT INTO contract_outlets (contract_id, outlet_id, during)
		VALUES ($1, $2, tstzrange($3, $4))`, other, o, noon, noon.Add(time.Hour))
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.ConstraintName != "one_contract_an_outlet" {
		t.Errorf("%v", err)
	}
}

// Contracts of one merchant activated at once: those that overlap, one wins.
func TestActivateContractsAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.New(t))
	m := w.merchant("")
	o := w.outlet(m)
	drafts := make([]int64, 6)
	for i := range drafts {
		drafts[i] = w.draft(m, o, w.county, false)
		_, err := w.store.PublishTerms(w.ctx, by, drafts[i], percent(9000), time.Time{})
		w.must(err)
	}
	errs := make([]error, len(drafts))
	var wg sync.WaitGroup
	for i, id := range drafts {
		wg.Go(func() { errs[i] = w.store.ActivateContract(w.ctx, by, id) })
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		var overlap *merchant.OverlapError
		if err == nil {
			won++
		} else if !errors.As(err, &overlap) {
			t.Error(err)
		}
	}
	if n := w.count(`SELECT count(*) FROM contract_outlets`); won != 1 || n != 1 {
		t.Errorf("%d won, %d rows", won, n)
	}
}

// model is the naive oracle of who covers an outlet: a contract for each day.
type model struct {
	days      [12]int64
	contracts []*modelled
}

type modelled struct {
	id          int64
	own, ended  bool
	from, until int
}

// repaint walks every day: what ended contracts covered stays, then the outlet's
// own, then the merchant's.
func (m *model) repaint() {
	for d := range m.days {
		keep := false
		for _, c := range m.contracts {
			keep = keep || c.ended && m.days[d] == c.id && d < c.until
		}
		if keep {
			continue
		}
		m.days[d] = 0
		for _, own := range []bool{true, false} {
			for _, c := range m.contracts {
				if m.days[d] == 0 && !c.ended && c.own == own && c.from <= d && d < c.until {
					m.days[d] = c.id
				}
			}
		}
	}
}

// At most one contract is in force at an outlet at any moment, and the one the
// oracle says, after any sequence of activations, notices and ends.
func TestCoverageAgainstOracle(t *testing.T) {
	t.Parallel()
	outer := pgtest.Tx(t)
	base := newWorld(t, outer)
	day := func(d int) time.Time { return noon.AddDate(0, 0, d) }
	rapid.Check(t, func(r *rapid.T) {
		tx, err := outer.Begin(base.ctx)
		base.must(err)
		defer func() { base.must(tx.Rollback(base.ctx)) }()
		w := *base
		w.db, w.clock = tx, &clock{now: day(0)}
		w.store = merchant.NewStore(tx, w.clock.Now)
		m := w.merchant("")
		o := w.outlet(m)
		var oracle model
		today := 0
		for step := range rapid.IntRange(1, 8).Draw(r, "steps") {
			switch action := rapid.IntRange(0, 3).Draw(r, "action"); {
			case action == 0 && today < 9:
				today++
				w.clock.set(day(today))
			case action <= 2:
				from := rapid.IntRange(0, 10).Draw(r, "from")
				n := &modelled{own: rapid.Bool().Draw(r, "own"), from: from, until: rapid.IntRange(max(from, today)+1, 12).Draw(r, "until")}
				oracle.sign(&w, r, m, o, n, day)
			case len(oracle.contracts) > 0:
				c := oracle.contracts[rapid.IntRange(0, len(oracle.contracts)-1).Draw(r, "which")]
				oracle.end(&w, r, c, rapid.IntRange(today, 12).Draw(r, "at"), today, day)
			}
			view := w.view(tx)
			for d := range oracle.days {
				rows := w.count(`SELECT count(*) FROM contract_outlets WHERE outlet_id = $1 AND during @> $2::timestamptz`, o, day(d))
				var got int64
				if rows == 1 {
					w.one(&got, `SELECT contract_id FROM contract_outlets WHERE outlet_id = $1 AND during @> $2::timestamptz`, o, day(d))
				}
				if rows > 1 || got != oracle.days[d] {
					r.Fatalf("step %d, day %d: %d rows, contract %d, want %d", step, d, rows, got, oracle.days[d])
				}
				if c, err := view.InForce(o, day(d)); err == nil && c.ID != got {
					r.Fatalf("the view has contract %d, the database %d", c.ID, got)
				}
			}
		}
	})
}

func (m *model) sign(w *world, r *rapid.T, merchantID, outlet int64, n *modelled, day func(int) time.Time) {
	id := int64(0)
	if n.own {
		id = outlet
	}
	conflict := false
	for _, c := range m.contracts {
		conflict = conflict || !c.ended && c.own == n.own && c.from < n.until && n.from < c.until
	}
	var err error
	n.id, err = w.store.CreateContract(w.ctx, by, merchant.NewContract{
		MerchantID: merchantID, OutletID: id, OfficeID: w.county, ValidFrom: day(n.from), ValidUntil: day(n.until)})
	w.must(err)
	_, err = w.store.PublishTerms(w.ctx, by, n.id, percent(9000), time.Time{})
	w.must(err)
	err = w.store.ActivateContract(w.ctx, by, n.id)
	var overlap *merchant.OverlapError
	if errors.As(err, &overlap) != conflict {
		r.Fatalf("conflict %v: %v", conflict, err)
	}
	if err == nil {
		m.contracts = append(m.contracts, n)
		m.repaint()
	} else if !conflict {
		r.Fatal(err)
	}
}

func (m *model) end(w *world, r *rapid.T, c *modelled, at, today int, day func(int) time.Time) {
	err := w.store.EndContract(w.ctx, by, c.id, day(at))
	legal := !c.ended && (at <= today || at > c.from && at < c.until)
	if (err == nil) != legal {
		r.Fatal(fmt.Errorf("end of %+v at %d: %w", *c, at, err))
	}
	if !legal {
		return
	}
	if at <= today {
		c.ended = true
	}
	c.until = min(c.until, at)
	m.repaint()
}
