package demo

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"unioncard/card"
	"unioncard/card/member"
	"unioncard/card/personal"
	"unioncard/card/roster/sample"
	"unioncard/card/union/staff"
	"unioncard/migrations/pgtest"
)

// TestPersons: the many have right numbers, no two of them the same, and nobody's of
// a sample roster.
func TestPersons(t *testing.T) {
	t.Parallel()
	counties := makePlan().counties
	ids, phones := map[string]int{}, map[string]int{WorkerPhone: -1}
	take := func(i int, p personal.Person) {
		t.Helper()
		if first, twice := ids[p.ResidentID]; twice {
			t.Fatalf("%d and %d are one person", first, i)
		}
		if first, twice := phones[p.Phone]; twice {
			t.Fatalf("%d and %d have one phone", first, i)
		}
		ids[p.ResidentID], phones[p.Phone] = i, i
	}
	for i := range memberCount {
		p, err := person(i, "王芳", counties)
		if err != nil {
			t.Fatal(err)
		}
		id, err := personal.CheckResidentID(p.ResidentID)
		if err != nil || id.CheckAge(at) != nil {
			t.Fatalf("%d: %v", i, errors.Join(err, id.CheckAge(at)))
		}
		if phone, err := personal.ParsePhone(p.Phone); err != nil || phone != p.Phone {
			t.Fatalf("%d: %q: %v", i, p.Phone, err)
		}
		take(i, p)
	}
	for n := range 50_000 {
		take(memberCount+n, sample.Person(RosterSeed, n))
	}
}

// TestMembership loads the demonstration: its members can be revealed, its worker
// has a card, and work waits for whoever keeps members and cards.
func TestMembership(t *testing.T) {
	t.Parallel()
	pool, ctx, clock := pgtest.New(t), t.Context(), time.Now
	kek := make([]byte, 32)
	open := func(ctx context.Context, db personal.DB) (*personal.Vault, error) {
		return personal.Open(ctx, db, personal.StaticKEK(1, kek), personal.Options{Clock: clock})
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	_, err := Load(ctx, pool, clock(), open)
	must(err)
	t.Logf("loaded in %v", time.Since(began))
	vault, err := open(ctx, pool)
	must(err)
	began = time.Now()
	people := People{Pool: pool, Vault: vault, Clock: clock,
		Staff: staff.NewStore(pool, staff.Options{Clock: clock})}
	accounts := map[string]*staff.Account{}
	for _, l := range Logins() {
		accounts[l.Login], err = people.account(ctx, l)
		must(err)
	}
	for range 2 { // the second time changes nothing
		must(people.membership(ctx, accounts))
		t.Logf("membership after %v", time.Since(began))
		var cards, transfers, batches int
		must(pool.QueryRow(ctx, `SELECT (SELECT count(*) FROM live_cards), (SELECT count(*) FROM member_transfers WHERE state = 'requested'),
			(SELECT count(*) FROM batches)`).Scan(&cards, &transfers, &batches))
		if cards != memberCount+1+newMembers || transfers != 2 || batches != 1 {
			t.Errorf("%d live cards, %d transfers waiting, %d batches", cards, transfers, batches)
		}
	}
	store := card.NewStore(pool, card.StoreOptions{})
	members := member.NewStore(pool, vault, store, member.Options{Clock: clock})
	worker, err := members.ByPhone(ctx, WorkerPhone)
	must(err)
	if worker.UnionID != accounts["jiceng1"].UnionID {
		t.Errorf("the worker is in union %d, not the grassroots clerk's", worker.UnionID)
	}
	if c, err := store.Live(ctx, worker.ID); err != nil || c.Status != card.StatusActive {
		t.Errorf("the worker's card: %v, %v", c.Status, err)
	}
	many, err := person(memberCount-1, "", makePlan().counties)
	must(err)
	last, err := members.ByResidentID(ctx, many.ResidentID)
	must(err)
	if p, err := members.Reveal(ctx, card.By{Actor: "test", Reason: "test"}, last.ID); err != nil || p.Phone != many.Phone || card.Mask(p.Name) != last.Name {
		t.Errorf("the last of the many: %v", err)
	}
	var issued, delivered, activated int
	must(pool.QueryRow(ctx, `SELECT sum(issued), sum(delivered), sum(activated) FROM batch_progress`).Scan(&issued, &delivered, &activated))
	if issued != newMembers || delivered != newMembers*2/3 || activated != newMembers/3 {
		t.Errorf("%d cards issued, %d delivered, %d activated", issued, delivered, activated)
	}
}

// TestSampleRosterLeavesTheWorkersNumber: no roster that the documentation makes, with
// whatever seed, names a number of the demonstration's known members.
func TestSampleRosterLeavesTheWorkersNumber(t *testing.T) {
	t.Parallel()
	for _, seed := range []uint64{1, 2, 7, RosterSeed} {
		for n := range 20_000 {
			if p := sample.Person(seed, n); strings.HasPrefix(p.Phone, WorkerPhone[:6]) {
				t.Fatalf("seed %d, person %d: %s", seed, n, p.Phone)
			}
		}
	}
}
