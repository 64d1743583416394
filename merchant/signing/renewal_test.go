package signing_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"unioncard/card/union/keyset"
	"unioncard/card/union/staff"
	"unioncard/merchant"
	"unioncard/merchant/draft"
	"unioncard/merchant/signing"
)

func TestRenew(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	old := o.contract(true)
	end := noon.AddDate(1, 0, 0)
	var move *merchant.MoveError
	if _, err := o.contracts.Renew(o.ctx, o.maker, old, end.AddDate(1, 0, 0), "还没生效"); !errors.As(err, &move) {
		t.Errorf("a draft was renewed: %v", err)
	}
	o.inForce(old, percent(8800))
	var fields merchant.FieldErrors
	if _, err := o.contracts.Renew(o.ctx, o.maker, old, end, "没有延长"); !errors.As(err, &fields) || fields.On("valid_until") == "" {
		t.Errorf("until its own end: %v", err)
	}
	if _, err := o.contracts.Renew(o.ctx, o.maker, old, end.AddDate(10, 0, 2), "十年以上"); !errors.As(err, &fields) || fields.On("valid_until") == "" {
		t.Errorf("for over ten years: %v", err)
	}
	if _, err := o.merchants.CreateContract(o.ctx, by, merchant.NewContract{MerchantID: 1, OfficeID: o.county, ValidFrom: noon,
		ValidUntil: noon.AddDate(10, 0, 2)}); !errors.As(err, &fields) || fields.On("valid_until") == "" {
		t.Errorf("a new one of over ten years: %v", err)
	}
	if _, err := o.contracts.Renew(o.ctx, o.account(o.sibling, staff.Negotiator), old, end.AddDate(1, 0, 0), "越权"); !errors.Is(err, merchant.ErrNotFound) {
		t.Errorf("from elsewhere: %v", err)
	}
	if _, err := o.contracts.Renew(o.ctx, o.checker, old, end.AddDate(1, 0, 0), "越权"); !errors.Is(err, signing.ErrNotYours) {
		t.Errorf("by an approver: %v", err)
	}
	ids, errs := make([]int64, 4), make([]error, 4) // clerks at once
	var wg sync.WaitGroup
	for i := range ids {
		wg.Add(1)
		go func() {
			defer wg.Done()
			ids[i], errs[i] = o.contracts.Renew(o.ctx, o.maker, old, end.AddDate(1, 0, 0), "继续合作")
		}()
	}
	wg.Wait()
	slices.Sort(ids)
	if ids[2] != 0 || ids[3] == 0 {
		t.Fatalf("renewals %v, %v", ids, errs)
	}
	c, err := o.merchants.Contract(o.ctx, ids[3])
	o.must(err)
	if !c.ValidFrom.Equal(end) || !c.FloorClause || c.Status != merchant.ContractDraft || !c.RefundUntil.Equal(c.ValidUntil.AddDate(0, 0, 30)) {
		t.Errorf("renewal: %+v", c)
	}
	d, err := draft.NewStore(o.db, o.clock.Now).Get(o.ctx, draft.ContractObject(ids[3]))
	o.must(err)
	if diff := cmp.Diff(percent(8800), d.Terms); diff != "" {
		t.Error(diff)
	}
	// It goes the usual way beside the old one, which it does not overlap.
	o.approve(ids[3], time.Time{})
	o.must(o.sign(ids[3]))
	_, err = o.contracts.Publish(o.ctx, o.maker, ids[3])
	o.must(err)
	show, err := o.contracts.Show(o.ctx, old)
	o.must(err)
	if diff := cmp.Diff(&signing.Contract{Merchant: "老郑州烩面", Office: "金水区总工会", Outlets: 1, FollowedBy: ids[3]}, show); diff != "" {
		t.Error(diff)
	}
}

// TestReminders: 60, 30 and 7 days before the end, once each, however often and on
// however many nodes it is looked; only the nearest after a pause; none once a
// renewal is there.
func TestReminders(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	id := o.contract(false)
	o.inForce(id, percent(8800))
	end := noon.AddDate(1, 0, 0)
	var got []string
	for days := 70; days > 0; days-- {
		for range 2 {
			n, err := o.contracts.Remind(o.ctx, end.AddDate(0, 0, -days))
			o.must(err)
			if n != 0 {
				got = append(got, fmt.Sprintf("%d×%d", n, days))
			}
		}
	}
	if diff := cmp.Diff([]string{"1×60", "1×30", "1×7"}, got); diff != "" {
		t.Error(diff)
	}
	o.clock.set(end.AddDate(0, 0, -5))
	list, err := o.contracts.Reminders(o.ctx, o.maker.Path, 10)
	o.must(err)
	if len(list) != 1 || list[0].ContractID != id || list[0].Kind != "renewal" || !list[0].Due.Equal(end) {
		t.Errorf("reminders: %+v", list)
	}
	if other, err := o.contracts.Reminders(o.ctx, o.account(o.sibling).Path, 10); err != nil || len(other) != 0 {
		t.Errorf("elsewhere: %+v, %v", other, err)
	}
	_, err = o.contracts.Renew(o.ctx, o.maker, id, end.AddDate(1, 0, 0), "继续合作")
	o.must(err)
	if list, err = o.contracts.Reminders(o.ctx, o.maker.Path, 10); err != nil || len(list) != 0 {
		t.Errorf("after the renewal: %+v, %v", list, err)
	}

	p := newOffice(t)
	p.inForce(p.contract(false), percent(8800))
	n, err := p.contracts.Remind(p.ctx, end.AddDate(0, 0, -3))
	p.must(err)
	var days int
	p.one(&days, `SELECT days FROM reminders`)
	if n != 1 || days != 7 {
		t.Errorf("after a pause: %d reminders, of %d days", n, days)
	}
}

// TestRenegotiations walks a contract through the situations of the work list.
func TestRenegotiations(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	lifted, due := o.contract(true), o.contract(false)
	o.inForce(lifted, percent(9500))
	o.inForce(due, percent(9500))
	o.floor(9000, 30)
	at := func(filter string) map[int64]signing.Situation {
		t.Helper()
		rows, err := o.contracts.Renegotiations(o.ctx, o.maker.Path, signing.RenegotiationFilter{Situation: filter},
			keyset.Page{Sort: "deadline", Limit: 10})
		o.must(err)
		out := map[int64]signing.Situation{}
		for _, r := range rows {
			out[r.ContractID] = r.Situation
		}
		return out
	}
	if diff := cmp.Diff(map[int64]signing.Situation{lifted: signing.Lifted, due: signing.Due}, at("open")); diff != "" {
		t.Error(diff)
	}
	reminded, err := o.contracts.Remind(o.ctx, noon.AddDate(0, 0, 20))
	o.must(err)
	if reminded != 1 {
		t.Errorf("%d reminders 10 days before the deadline", reminded)
	}
	o.clock.set(noon.AddDate(0, 0, 31))
	if ids, err := o.merchants.SuspendOverdue(o.ctx, o.clock.Now()); err != nil || !slices.Equal(ids, []int64{due}) {
		t.Errorf("suspended %v, %v", ids, err)
	}
	if diff := cmp.Diff(map[int64]signing.Situation{lifted: signing.Lifted, due: signing.Overdue}, at("")); diff != "" {
		t.Error(diff)
	}
	o.inForce(due, percent(9000))
	if diff := cmp.Diff(map[int64]signing.Situation{due: signing.Settled}, at("settled")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[int64]signing.Situation{lifted: signing.Lifted}, at("open")); diff != "" {
		t.Error(diff)
	}
	own, err := o.contracts.RenegotiationsOf(o.ctx, lifted)
	o.must(err)
	if len(own) != 1 || own[0].ContractID != lifted {
		t.Errorf("of one contract: %+v", own)
	}
}

// TestRenegotiationsOfOneAmongMany: a contract's own is found whatever merchants in
// the province are called.
func TestRenegotiationsOfOneAmongMany(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	id := o.contract(true)
	o.inForce(id, percent(9500))
	o.floor(9000, 30)
	o.exec(`UPDATE merchants SET name = name || $1::bigint`, id)
	o.exec(`INSERT INTO contracts (id, merchant_id, office_id, trade, status, valid, refund_until)
		SELECT -i, merchant_id, office_id, trade, status, valid, refund_until FROM contracts, generate_series(1, 1000) i WHERE id = $1`, id)
	o.exec(`INSERT INTO renegotiations (contract_id, floor_id, terms_version, comparison)
		SELECT -i, floor_id, terms_version, comparison FROM renegotiations, generate_series(1, 1000) i WHERE contract_id = $1`, id)
	own, err := o.contracts.RenegotiationsOf(o.ctx, id)
	o.must(err)
	if len(own) != 1 || own[0].ContractID != id {
		t.Errorf("of one contract: %d", len(own))
	}
}

// TestListKeepsToItsTerritory: lists take hostile text, and nobody sees another
// county's contracts.
func TestListKeepsToItsTerritory(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	id := o.contract(false)
	o.write(id, percent(8800))
	o.approve(id, time.Time{})
	for path, want := range map[string]int{o.maker.Path: 1, o.account(o.sibling).Path: 0, o.account(o.province).Path: 1, "": 1} {
		rows, err := o.contracts.List(o.ctx, path, signing.ContractFilter{}, keyset.Page{Sort: "until", Limit: 10})
		o.must(err)
		if len(rows) != want {
			t.Errorf("%q sees %d contracts", path, len(rows))
		}
		if want == 1 && rows[0].Stage != merchant.StageAwaitingSignature {
			t.Errorf("stage %s", rows[0].Stage)
		}
	}
	for text, want := range map[string]int{"%": 0, "_": 0, `\`: 0, "郑州": 1, fmt.Sprint(id): 1, "' OR true --": 0} {
		rows, err := o.contracts.List(o.ctx, o.maker.Path, signing.ContractFilter{Text: text}, keyset.Page{Sort: "id", Limit: 10})
		o.must(err)
		if len(rows) != want {
			t.Errorf("%q finds %d", text, len(rows))
		}
	}
}

func TestEditContract(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	id := o.contract(false)
	c, err := o.merchants.Contract(o.ctx, id)
	o.must(err)
	e := merchant.ContractEdit{ValidFrom: noon, ValidUntil: noon.AddDate(2, 0, 0), RefundTail: time.Hour, FloorClause: true}
	o.must(o.merchants.EditContract(o.ctx, by, id, c.Version, e))
	if err := o.merchants.EditContract(o.ctx, by, id, c.Version, e); !errors.Is(err, merchant.ErrContractChanged) {
		t.Errorf("the second clerk: %v", err)
	}
	got, err := o.merchants.Contract(o.ctx, id)
	o.must(err)
	if !got.ValidFrom.Equal(e.ValidFrom) || !got.ValidUntil.Equal(e.ValidUntil) || !got.RefundUntil.Equal(e.ValidUntil.Add(time.Hour)) || !got.FloorClause {
		t.Errorf("%+v", got)
	}
	var invalid *merchant.InvalidError
	var fields merchant.FieldErrors
	bad := e
	bad.ValidUntil = e.ValidFrom.AddDate(10, 0, 2)
	if err := o.merchants.EditContract(o.ctx, by, id, got.Version, bad); !errors.As(err, &fields) || fields.On("valid_until") == "" {
		t.Errorf("over ten years: %v", err)
	}
	bad.ValidUntil = bad.ValidFrom
	if err := o.merchants.EditContract(o.ctx, by, id, got.Version, bad); !errors.As(err, &invalid) {
		t.Errorf("end at the start: %v", err)
	}
	o.inForce(id, percent(8800))
	got, err = o.merchants.Contract(o.ctx, id)
	o.must(err)
	var move *merchant.MoveError
	if err := o.merchants.EditContract(o.ctx, by, id, got.Version, e); !errors.As(err, &move) {
		t.Errorf("a contract in force: %v", err)
	}
}
