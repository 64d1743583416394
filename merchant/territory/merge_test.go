package territory_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"unioncard/card/union"
	"unioncard/card/union/staff"
	"unioncard/merchant"
	"unioncard/merchant/signing"
	"unioncard/merchant/territory"
)

// propose has a merger proposed by a registrar of the province and approved by an
// approver of it.
func (w *world) propose(from, into int64) error {
	w.t.Helper()
	maker, checker := w.account(w.unions[410000], staff.Registrar), w.account(w.unions[410000], staff.Approver)
	office, err := w.store.Office(w.ctx, from, into)
	w.must(err)
	id, err := w.desk.Propose(w.ctx, maker, territory.KindMerge, fmt.Sprintf("union:%d", from), office, territory.Payload{Into: into}, "国务院批复")
	if err != nil {
		return err
	}
	return w.desk.Decide(w.ctx, checker, id, true, "同意")
}

// A county's union is merged: what goes over, what stays, and what the nodes are told.
func TestMergeMovesEverything(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	jinshui, erqi := w.unions[410105], w.unions[410103]
	works := w.grassroots(jinshui, "某厂工会")
	shopfloor := w.grassroots(works, "某车间工会")
	elsewhere := w.grassroots(erqi, "某校工会")
	first := w.members(shopfloor, 3)
	direct, far := w.members(jinshui, 2), w.members(elsewhere, 1)
	m, outlet, contract := w.shop(jinshui, 410105, discount())
	_, chain, _ := w.shop(w.unions[410000], 410105, discount())
	clerk := w.account(jinshui, staff.Negotiator)
	w.exec(`INSERT INTO applications (id, number, office_id, source, status, trade, sealed, created_by, code) VALUES
		(1, 'A1', $1, 'staff', 'in_review', 'catering', '', 'x', 'c'), (2, 'A2', $1, 'staff', 'rejected', 'catering', '', 'x', 'c')`, jinshui)
	w.exec(`INSERT INTO application_outlets (application_id, ord, name, address, address_key, territory) VALUES
		(1, 0, 'a', 'a', 'a', 410105), (2, 0, 'a', 'a', 'a', 410105)`)
	w.exec(`INSERT INTO proposals (kind, object, office_id, payload, fingerprint, maker_id, reason, made_at) VALUES
		('contract.suspend', 'contract:' || $3, $1, '{}', '', $2, 'x', now())`, jinshui, clerk.ID, fmt.Sprint(contract))
	w.exec(`INSERT INTO import_runs (id, office_id, name, sha256, data, report, created_by, applied_at) VALUES
		(1, $1, 'a', sha256('a'), '', '{}', 'x', now()), (2, $2, 'a', sha256('a'), '', '{}', 'x', now()),
		(3, $1, 'b', sha256('b'), '', '{}', 'x', now()), (4, $1, 'c', sha256('a'), '', '{}', 'x', null)`, jinshui, erqi)
	last := w.number(`SELECT coalesce(max(id), 0) FROM changes`)

	w.must(w.propose(jinshui, erqi))

	got := map[string]int64{}
	for what, sql := range map[string]string{
		"paths":        `SELECT count(*) FROM unions WHERE starts_with(path, (SELECT path FROM unions WHERE id = $2)) AND active AND territory = 410103`,
		"below":        `SELECT count(*) FROM unions WHERE starts_with(path, (SELECT path FROM unions WHERE id = $1))`,
		"members":      `SELECT count(*) FROM members WHERE union_id = $2`,
		"cards":        `SELECT count(*) FROM cards WHERE territory = 410103`,
		"cards left":   `SELECT count(*) FROM cards WHERE territory = 410105`,
		"staff":        `SELECT count(*) FROM staff WHERE union_id = $2`,
		"merchants":    `SELECT count(*) FROM merchants WHERE office_id = $2`,
		"contracts":    `SELECT count(*) FROM contracts WHERE office_id = $2 AND version > 2`,
		"outlets":      `SELECT count(*) FROM outlets WHERE territory = 410103 AND version = 2`,
		"applications": `SELECT count(*) FROM applications WHERE office_id = $2`,
		"open places":  `SELECT count(*) FROM application_outlets WHERE territory = 410103 AND application_id = 1`,
		"said places":  `SELECT count(*) FROM application_outlets WHERE territory = 410105 AND application_id = 2`,
		"proposals":    `SELECT count(*) FROM proposals WHERE office_id = $2`,
		"imports":      `SELECT sum(id) FROM import_runs WHERE office_id = $2`,
		"handovers":    `SELECT count(*) FROM events WHERE action LIKE '%.handover' AND actor LIKE 'staff:%'`,
		"mergers":      `SELECT count(*) FROM events WHERE (action, object_id) IN (('union.merge', '$1'), ('union.absorb', '$2'))`,
	} {
		got[what] = w.number(strings.NewReplacer("$1", fmt.Sprint(jinshui), "$2", fmt.Sprint(erqi)).Replace(sql))
	}
	want := map[string]int64{"paths": 4, "below": 1, "members": 2, "cards": 6, "cards left": 0, "staff": 1, "merchants": 1, "contracts": 1,
		"outlets": 2, "applications": 2, "open places": 1, "said places": 1, "proposals": 1, "imports": 2 + 3 + 4,
		"handovers": 2 + 1 + 1 + 2 + 1 + 2, "mergers": 2}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("after the merger (-want +got):\n%s", diff)
	}

	if diff := cmp.Diff([]int64{jinshui}, w.handed); diff != "" {
		t.Errorf("figures handed over (-want +got):\n%s", diff)
	}
	fed := map[string]bool{}
	rows, err := w.db.Query(w.ctx, `SELECT kind || ' ' || object_id FROM changes WHERE id > $1`, last)
	w.must(err)
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	w.must(err)
	for _, n := range names {
		fed[n] = true
	}
	told := []string{fmt.Sprintf("1 %d", jinshui), fmt.Sprintf("1 %d", erqi), fmt.Sprintf("3 %d", m), fmt.Sprintf("6 %d", contract),
		fmt.Sprintf("4 %d", outlet), fmt.Sprintf("4 %d", chain), fmt.Sprintf("2 %d", first), fmt.Sprintf("2 %d", first+2), fmt.Sprintf("2 %d", direct+1)}
	for _, n := range told {
		if !fed[n] {
			t.Errorf("the feed lacks %q of %v", n, names)
		}
	}
	if fed[fmt.Sprintf("2 %d", far)] {
		t.Error("the feed names a card that did not change")
	}
	tree, err := union.Load(w.ctx, w.db)
	w.must(err)
	if got := tree.Name(410105); got != "二七区总工会" || tree.Successor(jinshui).ID != erqi {
		t.Errorf("the merged territory is called %s", got)
	}
	merged, err := w.store.Mergers(w.ctx, erqi)
	if err != nil || len(merged) != 1 || merged[0].UnionID != jinshui || merged[0].Below != 2 {
		t.Errorf("mergers of the successor: %+v, %v", merged, err)
	}
	if err := w.propose(jinshui, w.unions[410102]); !errors.Is(err, union.ErrInactive) {
		t.Errorf("merged twice: %v", err)
	}
}

// Published Terms that name only what goes stand in the way, with their list; those
// that name both, the city around both, or only the successor do not.
func TestMergeKeepsTermsTheirMeaning(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	city := w.unions[410100]
	_, _, both := w.shop(city, 410105, discount(410105, 410103))
	w.shop(city, 410105, discount(410100))
	w.shop(city, 410105, discount())
	_, _, gains := w.shop(city, 410105, discount(410103))
	from, into := w.unions[410105], w.unions[410103]

	plan := func() *territory.Plan {
		t.Helper()
		p, err := w.store.Plan(w.ctx, from, into)
		w.must(err)
		return p
	}
	if p := plan(); len(p.Lost) != 0 || len(p.Gained) != 1 || p.Gained[0].ContractID != gains || p.Refused != "" {
		t.Fatalf("plan: lost %v, gained %v, refused %q; both are in contract %d", p.Lost, p.Gained, p.Refused, both)
	}
	_, _, only := w.shop(city, 410105, discount(410105))
	_, err := w.merchants.PublishFloor(w.ctx, by, merchant.NewFloor{Trade: merchant.TradeShopping, Terms: []byte(discount(410105)), DeadlineDays: 30})
	w.must(err)
	p := plan()
	want := []territory.TermsAt{{Trade: "shopping", Version: 1, Offers: []string{"会员折扣"}},
		{ContractID: only, Merchant: "老郑州烩面", Version: 1, Offers: []string{"会员折扣"}}}
	if !strings.HasSuffix(p.Lost[1].Path, fmt.Sprintf("/%d/", city)) {
		t.Errorf("the contract's office is at %s", p.Lost[1].Path)
	}
	p.Lost[1].Path = ""
	if diff := cmp.Diff(want, p.Lost); diff != "" {
		t.Errorf("what stands against it (-want +got):\n%s", diff)
	}
	var block *territory.BlockedError
	var form merchant.FieldErrors
	if err := w.propose(from, into); !errors.As(err, &block) || len(block.Terms) != 2 || !errors.As(err, &form) || form.On("into") == "" {
		t.Errorf("proposed: %v", err)
	}

	// The contract names the successor too from tomorrow on: today it still stands
	// against it; the day after, the floor alone.
	_, err = w.merchants.PublishTerms(w.ctx, by, only, []byte(discount(410103, 410105)), w.clock.Now().Add(24*time.Hour))
	w.must(err)
	if got := len(plan().Lost); got != 2 {
		t.Errorf("before the new Terms bind: %d in the way", got)
	}
	w.clock.add(25 * time.Hour)
	if got := plan().Lost; len(got) != 1 || got[0].ContractID != 0 {
		t.Errorf("when they bind: %v", got)
	}
	_, err = w.merchants.PublishFloor(w.ctx, by, merchant.NewFloor{Trade: merchant.TradeShopping, Terms: []byte(discount(410103, 410105)), DeadlineDays: 30})
	w.must(err)
	w.clock.add(time.Second)
	w.must(w.propose(from, into))

	// What is published anew may not name what is gone, nor may what is gone sign.
	var invalid *merchant.InvalidError
	_, err = w.merchants.PublishTerms(w.ctx, by, only, []byte(discount(410105)), time.Time{})
	if !errors.As(err, &invalid) || invalid.Field != "territory" {
		t.Errorf("Terms for a merged territory: %v", err)
	}
	_, err = w.merchants.CheckTerms(w.ctx, only, []byte(discount(410103, 410105)), time.Time{})
	if !errors.As(err, &invalid) || invalid.Field != "territory" {
		t.Errorf("checked: %v", err)
	}
	_, err = w.merchants.PublishFloor(w.ctx, by, merchant.NewFloor{Trade: merchant.TradeShopping, Terms: []byte(discount(410105)), DeadlineDays: 30})
	if !errors.As(err, &invalid) || invalid.Field != "territory" {
		t.Errorf("a floor for a merged territory: %v", err)
	}
	m, err := w.merchants.CreateMerchant(w.ctx, by, merchant.NewMerchant{OfficeID: into, Name: "x", Trade: merchant.TradeCatering})
	w.must(err)
	_, err = w.merchants.CreateContract(w.ctx, by, merchant.NewContract{MerchantID: m, OfficeID: from, ValidFrom: noon, ValidUntil: noon.AddDate(1, 0, 0)})
	if !errors.As(err, &invalid) || invalid.Field != "OfficeID" {
		t.Errorf("a contract of a merged office: %v", err)
	}
}

// A city's union goes into another's: its counties keep their codes, and offers of
// either city reach them; what hung on the city itself takes the other's.
func TestMergeCities(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	luohe, xuchang := w.unions[411100], w.unions[411000]
	county := w.unions[411102]
	w.members(county, 1)
	w.members(w.grassroots(luohe, "某厂工会"), 1)
	w.shop(w.unions[410000], 411102, discount(411000))
	p, err := w.store.Plan(w.ctx, luohe, xuchang)
	w.must(err)
	if len(p.Lost) != 0 || len(p.Gained) != 1 {
		t.Fatalf("lost %v, gained %v", p.Lost, p.Gained)
	}
	w.must(w.propose(luohe, xuchang))
	if got := w.number(`SELECT count(*) FROM cards WHERE territory = 411102`); got != 1 {
		t.Errorf("%d cards of the county", got)
	}
	if got := w.number(`SELECT count(*) FROM cards WHERE territory = 411000`); got != 1 {
		t.Errorf("%d cards of the city", got)
	}
	tree, err := union.Load(w.ctx, w.db)
	w.must(err)
	if u, _ := tree.ByID(county); tree.City(411102) != 411000 || u.ParentID != xuchang || tree.RankedUnit(411102) != 411000 {
		t.Errorf("the county lies in %d under %d, ranks for %d", tree.City(411102), u.ParentID, tree.RankedUnit(411102))
	}
	if len(tree.Ranked()) != 27 {
		t.Errorf("%d are ranked", len(tree.Ranked()))
	}
}

// Grassroots unions are merged by one person, others never.
func TestMergeGrassroots(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.grassroots(w.unions[410105], "甲厂工会"), w.grassroots(w.unions[410302], "乙厂工会")
	branch := w.grassroots(a, "一车间工会")
	w.members(a, 2)
	w.members(branch, 1)
	w.members(b, 1)
	w.exec(`INSERT INTO member_transfers (member_id, from_union, to_union, state, requested_by, requested_at, reason, due_at)
		SELECT id, union_id, $2, 'requested', 'x', now(), 'x', now() FROM members WHERE union_id = $1 LIMIT 1`, a, b)
	w.exec(`INSERT INTO member_transfers (member_id, from_union, to_union, state, requested_by, requested_at, reason, due_at)
		SELECT id, union_id, $2, 'requested', 'x', now(), 'x', now() FROM members WHERE union_id = $1 LIMIT 1`, branch, a)
	if err := w.store.Merge(w.ctx, by, w.unions[410105], w.unions[410103]); !errors.Is(err, territory.ErrNeedsChecker) {
		t.Errorf("a county's by one person: %v", err)
	}
	w.exec(`INSERT INTO batches (kind, union_id, title, target, due_on, valid_until) VALUES (1, $1, 'x', 1, '2026-12-31', '2027-12-31')`, a)
	var form merchant.FieldErrors
	if err := w.store.Merge(w.ctx, by, a, b); !errors.As(err, &form) {
		t.Errorf("with a batch under way: %v", err)
	}
	w.exec(`UPDATE batches SET status = 4, run_actor = 'x'`)
	w.must(w.store.Merge(w.ctx, by, a, b))
	for what, n := range map[string]int64{
		`SELECT count(*) FROM members WHERE union_id = $1`:                                                3,
		`SELECT count(*) FROM cards WHERE territory = 410302`:                                             4,
		`SELECT count(*) FROM unions WHERE parent_id = $1 AND territory = 410302`:                         1,
		`SELECT count(*) FROM member_transfers WHERE to_union = $1 AND state = 'requested'`:               1,
		`SELECT count(*) FROM member_transfers WHERE state = 'void' AND decided_by = 'test'`:              1,
		`SELECT count(*) FROM batches WHERE union_id = $1`:                                                1,
		`SELECT count(*) FROM outlets WHERE territory = 410302`:                                           0,
		`SELECT count(*) FROM unions WHERE merged_into = $1 AND NOT active AND territory = 410105`:        1,
		`SELECT count(*) FROM union_mergers WHERE into_id = $1 AND from_territory = 410105 AND below = 1`: 1,
		`SELECT count(*) FROM events WHERE action = 'union.merge' AND reason = '区划调整'`:                    1,
		`SELECT count(*) FROM events WHERE action = 'member.handover' AND before <> after`:                2,
		`SELECT count(*) FROM changes WHERE kind = 1 AND object_id = $1 AND version = 2`:                  1,
		`SELECT count(*) FROM cards c JOIN members m ON m.id = c.member_id WHERE m.union_id <> 0`:         4,
	} {
		if got := w.number(strings.ReplaceAll(what, "$1", fmt.Sprint(b))); got != n {
			t.Errorf("%s: %d, want %d", what, got, n)
		}
	}
}

// What writers left behind that had read the tree before is found minutes later.
func TestSettle(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	from, into := w.unions[410105], w.unions[410103]
	works := w.grassroots(from, "某厂工会")
	w.must(w.propose(from, into))
	late := w.members(from, 1) // as if its transaction had begun before
	stale := w.members(works, 1)
	w.exec(`UPDATE cards SET territory = 410105 WHERE serial = $1`, stale)
	if done, err := w.store.Settle(w.ctx); err != nil || done != 0 {
		t.Errorf("at once: settled %d, %v", done, err)
	}
	w.must(w.propose(into, w.unions[410102])) // the successor is merged too meanwhile
	w.clock.add(6 * time.Minute)
	for _, want := range []int64{2, 0} {
		if done, err := w.store.Settle(w.ctx); err != nil || done != want {
			t.Errorf("settled %d, %v, want %d", done, err, want)
		}
	}
	if got := w.number(`SELECT count(*) FROM cards c JOIN members m ON m.id = c.member_id JOIN unions u ON u.id = m.union_id
		WHERE c.serial IN ($1, $2) AND u.active AND c.territory = u.territory AND c.territory = 410102`, late, stale); got != 2 {
		t.Errorf("%d of 2 cards are where they belong", got)
	}
	if got := w.number(`SELECT count(DISTINCT object_id) FROM changes WHERE kind = 2 AND version > 1 AND object_id IN ($1, $2)`, late, stale); got != 2 {
		t.Errorf("the feed names %d of 2 cards", got)
	}
}

// Who proposes answers for both unions and does not decide.
func TestMergeTakesTwo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	from, into := w.unions[410105], w.unions[410103]
	office, err := w.store.Office(w.ctx, from, into)
	if err != nil || office != w.unions[410100] {
		t.Fatalf("office %d, %v", office, err)
	}
	for name, c := range map[string]struct {
		a, b int64
		want int64
	}{
		"cities": {w.unions[410100], w.unions[410300], w.unions[410000]}, "a zone and its city": {w.unions[410172], w.unions[410100], w.unions[410100]},
	} {
		if got, err := w.store.Office(w.ctx, c.a, c.b); err != nil || got != c.want {
			t.Errorf("%s: office %d, %v, want %d", name, got, err, c.want)
		}
	}
	object, payload := fmt.Sprintf("union:%d", from), territory.Payload{Into: into}
	for name, c := range map[string]struct {
		maker *staff.Account
		want  error
	}{
		"the county's own":        {w.account(from, staff.Registrar), merchant.ErrNotFound},
		"another city's":          {w.account(w.unions[410300], staff.Registrar), merchant.ErrNotFound},
		"one without the right":   {w.account(office, staff.Negotiator), signing.ErrNotYours},
		"one who only sees cards": {w.account(office, staff.CardManager), signing.ErrNotYours},
	} {
		if _, err := w.desk.Propose(w.ctx, c.maker, territory.KindMerge, object, office, payload, "x"); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	maker := w.account(office, staff.Registrar, staff.Approver)
	id, err := w.desk.Propose(w.ctx, maker, territory.KindMerge, object, office, payload, "x")
	w.must(err)
	if err := w.desk.Decide(w.ctx, maker, id, true, "x"); !errors.Is(err, signing.ErrOwnProposal) {
		t.Errorf("decided by its maker: %v", err)
	}
	checker := w.account(office, staff.Approver)
	w.must(w.store.Rename(w.ctx, by, into, 1, "二七新区总工会"))
	if err := w.desk.Decide(w.ctx, checker, id, true, "x"); !errors.Is(err, signing.ErrStale) {
		t.Errorf("approved after the name changed: %v", err)
	}
	w.must(w.desk.Decide(w.ctx, checker, id, false, "x"))
	if got := w.number(`SELECT count(*) FROM unions WHERE NOT active`); got != 0 {
		t.Errorf("%d unions merged", got)
	}
}
