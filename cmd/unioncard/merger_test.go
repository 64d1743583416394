package main

import (
	"fmt"
	"testing"
	"time"

	"unioncard/card/union/staff"
	"unioncard/merchant"
	"unioncard/merchant/signing"
	"unioncard/merchant/territory"
	"unioncard/migrations/pgtest"
)

// TestMergerReachesTheTill: a county's union is merged while a node runs; within a
// second its till names the successor on the cards and gives them the offers of the
// successor's territory, and sells on.
func TestMergerReachesTheTill(t *testing.T) {
	t.Parallel()
	p := newProvince(t)
	ctx := t.Context()
	till := p.start(t, pgtest.RedisURL(t))
	store := territory.New(p.pool, territory.Options{Clock: time.Now})
	desk := signing.New(p.pool, signing.Options{Clock: time.Now, Kinds: []signing.Kind{store.Kind()}})
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	union := func(division int) (id int64) {
		t.Helper()
		must(p.pool.QueryRow(ctx, `SELECT id FROM unions WHERE division = $1`, division).Scan(&id))
		return id
	}
	account := func(role staff.Role) *staff.Account {
		t.Helper()
		a := &staff.Account{UnionID: union(410000)}
		must(p.pool.QueryRow(ctx, `INSERT INTO staff (login, name, union_id, roles, password, password_at, created_at)
			VALUES ($1, $2, $3, $4, 'x', now(), now()) RETURNING id`, string(role), "王小明", a.UnionID, []staff.Role{role}).Scan(&a.ID))
		return a
	}
	// A twentieth off for everybody, a fifth for members of 管城 (410104).
	doc := `{"v":1,"offers":[
		{"id":"all","title":"95折","benefit":{"kind":"percent","rate_bp":9500},"funding_bp":10000},
		{"id":"here","title":"8折","benefit":{"kind":"percent","rate_bp":8000},"funding_bp":10000,"eligibility":{"territories":[410104]}}]}`
	_, err := merchant.NewStore(p.pool, time.Now).PublishTerms(ctx, testBy, p.contract, []byte(doc), time.Time{})
	must(err)

	verify := func() (name string, discount int64) {
		t.Helper()
		status, problem, answer := till.ask(t, "/v1/verifications", "", p.show(p.first, 0))
		if status != 200 {
			t.Fatalf("%d %s: %v", status, problem, answer)
		}
		card, quote := answer["card"].(map[string]any), answer["quote"].(map[string]any)
		return card["union"].(string), int64(quote["discount_fen"].(float64))
	}
	soon(t, time.Now(), 5*time.Second, "the new Terms", func() bool { _, d := verify(); return d == 500 })
	if name, _ := verify(); name != "中原区总工会" {
		t.Fatalf("before: %s", name)
	}
	from, into := union(410102), union(410104)
	office, err := store.Office(ctx, from, into)
	must(err)
	id, err := desk.Propose(ctx, account(staff.Registrar), territory.KindMerge, fmt.Sprintf("union:%d", from), office, territory.Payload{Into: into}, "区划调整")
	must(err)
	must(desk.Decide(ctx, account(staff.Approver), id, true, "同意"))
	soon(t, time.Now(), time.Second, "the merger at the till", func() bool {
		name, discount := verify()
		return name == "管城回族区总工会" && discount == 2000
	})
}
