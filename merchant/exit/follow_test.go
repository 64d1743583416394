package exit_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"unioncard/merchant"
	"unioncard/merchant/exit"
)

// renewal draws up what follows the contract for a year.
func (w *world) renewal(activate bool) int64 {
	w.Helper()
	end := noon.AddDate(1, 0, 0)
	var id int64
	if activate {
		id = w.sign(0, end, end.AddDate(1, 0, 0))
	} else {
		var err error
		id, err = w.shops.CreateContract(w.ctx, by, merchant.NewContract{MerchantID: w.merchant, OfficeID: w.office,
			ValidFrom: end, ValidUntil: end.AddDate(1, 0, 0)})
		w.must(err)
	}
	_, err := w.pool.Exec(w.ctx, `INSERT INTO renewals (contract_id, follows) VALUES ($1, $2)`, id, w.contract)
	w.must(err)
	return id
}

// Ending a contract for cause takes the renewals that follow it along, and theirs;
// other contracts of the merchant stay and are told of.
func TestCauseEndsWhatFollows(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	next, draft := w.renewal(true), w.renewal(false)
	own := w.sign(w.outlets[1], noon, noon.AddDate(3, 0, 0))
	e, err := w.exits.Effect(w.ctx, w.contract, noon)
	w.must(err)
	type other struct {
		ID      int64
		Follows bool
	}
	var others []other
	for _, o := range e.Others {
		others = append(others, other{o.ID, o.Follows})
		if o.From.IsZero() || o.LastDay.Before(o.From) {
			t.Errorf("days of %+v", o)
		}
	}
	if diff := cmp.Diff([]other{{next, true}, {draft, true}, {own, false}}, others); diff != "" {
		t.Error(diff)
	}
	_, err = w.order(exit.Order{Kind: exit.KindCause, Cause: "fraud", NoticedOn: "2026-06-01"})
	w.must(err)
	status := map[int64]merchant.ContractStatus{}
	for _, id := range []int64{w.contract, next, draft, own} {
		c, err := w.shops.Contract(w.ctx, id)
		w.must(err)
		status[id] = c.Status
	}
	want := map[int64]merchant.ContractStatus{w.contract: merchant.ContractEnded, next: merchant.ContractEnded,
		draft: merchant.ContractEnded, own: merchant.ContractActive}
	if diff := cmp.Diff(want, status); diff != "" {
		t.Error(diff)
	}
	w.advance(noon)
	if state, _, tills, _ := w.advance(noon.AddDate(0, 2, 0)); state != exit.StateDone || tills != [2]string{"retired", "active"} {
		t.Errorf("plan %s, tills %v", state, tills)
	}
}

// A notice ends the renewals as well: nothing begins a year after the merchant left.
func TestNoticeEndsWhatFollows(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	next := w.renewal(true)
	_, err := w.order(notice)
	w.must(err)
	c, err := w.shops.Contract(w.ctx, next)
	w.must(err)
	if c.Status != merchant.ContractEnded {
		t.Errorf("renewal %s", c.Status)
	}
	sooner := notice
	sooner.LastDay = "2026-06-20"
	if _, err := w.order(sooner); err != nil {
		t.Errorf("a day sooner: %v", err)
	}
}

// A merchant that is to leave does so once its drafts are signed or given up, and
// not never.
func TestDraftKeepsTheMerchantFromLeaving(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exits = exit.New(w.pool, func() time.Time { return *w.now.Load() }, exit.DraftGate{})
	_, err := w.order(notice)
	w.must(err)
	draft, err := w.shops.CreateContract(w.ctx, by, merchant.NewContract{MerchantID: w.merchant, OutletID: w.outlets[0],
		OfficeID: w.office, ValidFrom: noon, ValidUntil: noon.AddDate(1, 0, 0)})
	w.must(err)
	over := noon.AddDate(0, 3, 0)
	for range 2 {
		if state, _, tills, shop := w.advance(over); state != exit.StateSettling || tills[0] != "active" || shop != "active" {
			t.Errorf("plan %s, till %s, merchant %s", state, tills[0], shop)
		}
	}
	open, err := w.exits.Open(w.ctx, w.contract)
	w.must(err)
	want := []merchant.Blocker{{Gate: "drafts", URL: fmt.Sprintf("/console/contracts/%d", draft),
		What: fmt.Sprintf("商家要整体退出网络，但协议草稿（编号 %d）还在。请放弃那份草稿；要继续合作就签好发布，商家便留在网络里。", draft)}}
	if diff := cmp.Diff(want, open); diff != "" {
		t.Error(diff)
	}
	w.must(w.shops.EndContract(w.ctx, by, draft, time.Time{}))
	if state, _, _, shop := w.advance(over.Add(time.Hour)); state != exit.StateDone || shop != "exited" {
		t.Errorf("given up: plan %s, merchant %s", state, shop)
	}
}
