package signing_test

import (
	"context"
	"encoding/hex"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"unioncard/card/union/staff"
	"unioncard/merchant"
	"unioncard/merchant/draft"
	"unioncard/merchant/signing"
)

// province is an office with the province's own people and floors to write.
type province struct {
	*office
	impacts       *signing.Impacts
	writer, chief *staff.Account
}

func newProvince(t testing.TB) *province {
	t.Helper()
	o := newOffice(t)
	return &province{office: o, impacts: signing.NewImpacts(o.db, o.clock.Now, slog.New(slog.DiscardHandler)),
		writer: o.account(o.province, staff.Negotiator), chief: o.account(o.province, staff.Approver)}
}

// draftFloor makes a percentage the draft of the catering floor.
func (p *province) draftFloor(rate int) {
	p.t.Helper()
	drafts := draft.NewStore(p.db, p.clock.Now)
	object := draft.FloorObject(merchant.TradeCatering, "")
	version, err := drafts.Version(p.ctx, object)
	p.must(err)
	_, err = drafts.Save(p.ctx, by, object, percent(rate), version)
	p.must(err)
}

func (p *province) start(days int) int64 {
	p.t.Helper()
	id, err := p.impacts.Start(p.ctx, p.writer, merchant.TradeCatering, "", time.Time{}, days)
	p.must(err)
	return id
}

func (p *province) work() {
	p.t.Helper()
	did, err := p.impacts.Work(p.ctx)
	p.must(err)
	if !did {
		p.t.Fatal("there was nothing to do")
	}
}

func TestFloorFromDraftToForce(t *testing.T) {
	t.Parallel()
	p := newProvince(t)
	p.exec(`INSERT INTO members (id, union_id, name_masked) SELECT i, $1, '王*' FROM generate_series(1, 3) i`, p.county)
	p.exec(`INSERT INTO cards (serial, member_id, number, status, territory, name_masked, valid_until)
		SELECT i, i, 4100000000000000 + i, CASE i WHEN 3 THEN 4 ELSE 1 END, 410105, '王*', '2030-12-31' FROM generate_series(1, 3) i`)
	lifted, due, fine := p.contract(true), p.contract(false), p.contract(false)
	p.inForce(lifted, percent(9500))
	p.inForce(due, percent(9500))
	p.inForce(fine, percent(8000))
	p.draftFloor(9000)
	id := p.start(30)
	if _, err := p.impacts.ProposeFloor(p.ctx, p.writer, p.proposals, id, "还没算完"); !errors.Is(err, signing.ErrStale) {
		t.Errorf("proposed before it was done: %v", err)
	}
	p.work()

	i, err := p.impacts.Get(p.ctx, id)
	p.must(err)
	if i.State != signing.ImpactDone || i.Contracts != 3 || i.Below != 2 || i.Done != i.Total || i.Total != 2 {
		t.Errorf("impact: %+v", i)
	}
	rows, err := p.impacts.Rows(p.ctx, id, 0, 0, 10)
	p.must(err)
	var got []signing.ImpactRow
	for _, r := range rows {
		if r.Comparison.Counterexample == nil || r.Comparison.LocalFen >= r.Comparison.FloorFen {
			t.Errorf("contract %d has no proof", r.ContractID)
		}
		r.Comparison = signing.ImpactRow{}.Comparison
		got = append(got, r)
	}
	row := signing.ImpactRow{Merchant: "老郑州烩面", OfficeID: p.county, Office: "金水区总工会", TermsVersion: 1, Members: 2}
	first, second := row, row
	first.ContractID, second.ContractID, second.Deadline = lifted, due, noon.AddDate(0, 0, 30).Local()
	if diff := cmp.Diff([]signing.ImpactRow{first, second}, got, cmp.Comparer(time.Time.Equal)); diff != "" {
		t.Error(diff)
	}
	offices, err := p.impacts.Offices(p.ctx, id)
	p.must(err)
	if diff := cmp.Diff([]signing.ImpactOffice{{OfficeID: p.county, Office: "金水区总工会", Below: 2, Lifted: 1, Members: 2}}, offices); diff != "" {
		t.Error(diff)
	}

	proposal, err := p.impacts.ProposeFloor(p.ctx, p.writer, p.proposals, id, "全省统一")
	p.must(err)
	if err := p.proposals.Decide(p.ctx, p.checker, proposal, true, "越级"); !errors.Is(err, merchant.ErrNotFound) {
		t.Errorf("a county approved a floor: %v", err)
	}
	p.must(p.proposals.Decide(p.ctx, p.chief, proposal, true, "同意"))
	floors, err := p.contracts.Floors(p.ctx)
	p.must(err)
	if len(floors) != 1 || len(floors[0].Versions) != 1 || floors[0].Versions[0].Below != 2 {
		t.Errorf("floors: %+v", floors)
	}
	if _, err := draft.NewStore(p.db, p.clock.Now).Get(p.ctx, draft.FloorObject(merchant.TradeCatering, "")); !errors.Is(err, draft.ErrNotFound) {
		t.Errorf("the draft is still there: %v", err)
	}
	open, urgent, err := p.contracts.CountRenegotiations(p.ctx, p.maker.Path)
	p.must(err)
	if open != 2 || urgent != 0 {
		t.Errorf("%d open, %d urgent", open, urgent)
	}
}

// TestImpactGoesStale: a list no longer tells the truth once a contract, a floor or
// the draft has changed, and nothing is proposed on it.
func TestImpactGoesStale(t *testing.T) {
	t.Parallel()
	tests := map[string]func(p *province){
		"a contract comes":  func(p *province) { p.inForce(p.contract(false), percent(9500)) },
		"a contract ends":   func(p *province) { p.must(p.merchants.EndContract(p.ctx, by, p.theContract(), time.Time{})) },
		"a contract amends": func(p *province) { p.inForce(p.theContract(), percent(8500)) },
		"a floor rises": func(p *province) {
			p.clock.set(noon.Add(time.Hour))
			p.floor(9400, 30)
		},
		"the draft changes": func(p *province) { p.draftFloor(9100) },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProvince(t)
			p.inForce(p.contract(false), percent(9500))
			p.draftFloor(9000)
			id := p.start(30)
			p.work()
			i, err := p.impacts.Get(p.ctx, id)
			p.must(err)
			if why, err := p.impacts.Stale(p.ctx, i); err != nil || why != "" {
				t.Fatalf("stale at once: %q, %v", why, err)
			}
			change(p)
			if why, err := p.impacts.Stale(p.ctx, i); err != nil || why == "" {
				t.Errorf("not stale (%v)", err)
			}
			if _, err := p.impacts.ProposeFloor(p.ctx, p.writer, p.proposals, id, "试一试"); !errors.Is(err, signing.ErrStale) {
				t.Errorf("proposed: %v", err)
			}
		})
	}
}

func (p *province) theContract() (id int64) {
	p.t.Helper()
	p.one(&id, `SELECT min(id) FROM contracts`)
	return id
}

// TestImpactSurvivesItsNode: work whose node died is taken up when its lease is
// over, not before; its late answer then counts no more, and after three tries it
// is given up.
func TestImpactSurvivesItsNode(t *testing.T) {
	t.Parallel()
	p := newProvince(t)
	p.inForce(p.contract(false), percent(9500))
	p.draftFloor(9000)
	id := p.start(30)
	state := func() signing.ImpactState {
		t.Helper()
		i, err := p.impacts.Get(p.ctx, id)
		p.must(err)
		return i.State
	}
	die := func() {
		t.Helper()
		p.exec(`UPDATE floor_impacts SET state = 'running', attempts = attempts + 1, lease_until = clock_timestamp() + interval '1 hour' WHERE id = $1`, id)
	}
	die()
	if did, err := p.impacts.Work(p.ctx); err != nil || did {
		t.Errorf("taken from a living node: %v, %v", did, err)
	}
	p.exec(`UPDATE floor_impacts SET lease_until = clock_timestamp() - interval '1 second'`)
	p.work()
	if state() != signing.ImpactDone || p.count(`SELECT count(*) FROM impact_rows`) != 1 {
		t.Errorf("%s after the second try", state())
	}
	// A process that is told to stop gives the work up at once.
	p.exec(`DELETE FROM impact_rows`)
	p.exec(`UPDATE floor_impacts SET state = 'queued', attempts = 0`)
	ctx, stop := context.WithCancel(p.ctx)
	stop()
	if did, err := p.impacts.Work(ctx); did || err == nil {
		t.Errorf("worked after it was told to stop: %v, %v", did, err)
	}
	for range 3 {
		die()
	}
	p.exec(`UPDATE floor_impacts SET lease_until = clock_timestamp() - interval '1 second'`)
	p.work()
	if i, err := p.impacts.Get(p.ctx, id); err != nil || i.State != signing.ImpactBroken || i.Fault == "" || p.count(`SELECT count(*) FROM impact_rows`) != 0 {
		t.Errorf("after too many tries: %+v, %v", i, err)
	}
}

func TestImpactRefuses(t *testing.T) {
	t.Parallel()
	p := newProvince(t)
	start := func(a *staff.Account, effective time.Time, days int) error {
		_, err := p.impacts.Start(p.ctx, a, merchant.TradeCatering, "", effective, days)
		return err
	}
	if err := start(p.writer, time.Time{}, 30); !errors.Is(err, draft.ErrNotFound) {
		t.Errorf("without a draft: %v", err)
	}
	p.draftFloor(9000)
	for _, a := range []*staff.Account{p.maker, p.chief, p.account(p.city, staff.Negotiator)} {
		if err := start(a, time.Time{}, 30); !errors.Is(err, signing.ErrNotYours) {
			t.Errorf("by %v of union %d: %v", a.Roles, a.UnionID, err)
		}
	}
	var fields merchant.FieldErrors
	for _, days := range []int{-1, 366} {
		if err := start(p.writer, time.Time{}, days); !errors.As(err, &fields) || fields.On("deadline_days") == "" {
			t.Errorf("%d days: %v", days, err)
		}
	}
	if err := start(p.writer, noon.AddDate(0, 0, -1), 30); !errors.As(err, &fields) || fields.On("effective") == "" {
		t.Errorf("from yesterday: %v", err)
	}
}

// TestImpactAgreesWithPublishing: what the list says is what publishing then does.
func TestImpactAgreesWithPublishing(t *testing.T) {
	t.Parallel()
	p := newProvince(t)
	for i, rate := range []int{9900, 9500, 9001, 9000, 8999, 8000} {
		id := p.contract(i%2 == 0)
		p.inForce(id, percent(rate))
		if i%3 == 0 { // a better version to come settles it
			p.write(id, percent(8000))
			p.approve(id, noon.AddDate(0, 0, 10))
			p.must(p.sign(id))
			_, err := p.contracts.Publish(p.ctx, p.maker, id)
			p.must(err)
		}
	}
	p.draftFloor(9000)
	id := p.start(30)
	p.work()
	proposal, err := p.impacts.ProposeFloor(p.ctx, p.writer, p.proposals, id, "全省统一")
	p.must(err)
	p.must(p.proposals.Decide(p.ctx, p.chief, proposal, true, "同意"))
	if n := p.count(`SELECT count(*) FROM impact_rows i FULL JOIN renegotiations r USING (contract_id)
		WHERE i.terms_version IS DISTINCT FROM r.terms_version OR i.deadline IS DISTINCT FROM r.deadline
		OR i.resolved_at IS DISTINCT FROM r.resolved_at OR i.comparison IS DISTINCT FROM r.comparison`); n != 0 {
		t.Errorf("%d contracts where the list and the publishing differ", n)
	}
	if n := p.count(`SELECT count(*) FROM impact_rows`); n != 3 {
		t.Errorf("%d contracts below, want 3", n)
	}
}

// TestWhileTheClockGoesOn: "at once" is at once, however often the clock is looked
// at on the way.
func TestWhileTheClockGoesOn(t *testing.T) {
	t.Parallel()
	p := newProvince(t)
	p.clock.tick = time.Second
	id := p.contract(false)
	p.inForce(id, percent(9500))
	p.inForce(id, percent(9400))
	p.draftFloor(9000)
	impact := p.start(30)
	p.work()
	proposal, err := p.impacts.ProposeFloor(p.ctx, p.writer, p.proposals, impact, "马上")
	p.must(err)
	p.must(p.proposals.Decide(p.ctx, p.chief, proposal, true, "同意"))
	if n := p.count(`SELECT count(*) FROM floors`); n != 1 {
		t.Errorf("%d floors", n)
	}
	p.draftFloor(8900)
	impact = p.start(30)
	p.work()
	proposal, err = p.impacts.ProposeFloor(p.ctx, p.writer, p.proposals, impact, "再提高")
	p.must(err)
	p.must(p.proposals.Decide(p.ctx, p.chief, proposal, true, "同意"))
}

// TestFloorDraftSavedMeanwhile: a draft that a colleague saves between the maker's
// reading and proposing is neither approved unseen nor thrown away.
func TestFloorDraftSavedMeanwhile(t *testing.T) {
	t.Parallel()
	p := newProvince(t)
	read := percent(9000)
	p.draftFloor(9000)
	d, err := draft.NewStore(p.db, p.clock.Now).Get(p.ctx, draft.FloorObject(merchant.TradeCatering, ""))
	p.must(err)
	p.draftFloor(8500)
	_, err = p.proposals.Propose(p.ctx, p.writer, signing.FloorKind, d.Object, p.province, signing.FloorPayload{
		Trade: merchant.TradeCatering, Draft: d.Version, SHA256: hex.EncodeToString(d.SHA256[:]), Effective: noon,
		DeadlineDays: 30, Terms: canonical(t, read)}, "马上")
	if !errors.Is(err, signing.ErrStale) {
		t.Errorf("proposed: %v", err)
	}
}
