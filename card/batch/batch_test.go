package batch_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"unioncard/card"
	"unioncard/card/batch"
	"unioncard/card/member"
	"unioncard/card/personal"
	"unioncard/card/union"
	"unioncard/card/union/keyset"
	"unioncard/migrations/pgtest"
)

var (
	by  = card.By{Actor: "staff:7", Reason: "年度发卡"}
	now = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
)

// world is a province with two counties, a works' union in each, and the stores.
type world struct {
	t       *testing.T
	pool    *pgxpool.Pool
	cards   *card.Store
	members *member.Store
	codes   *card.Codes
	batches *batch.Store
	ids     map[int32]int64 // territorial unions
	works   [2]union.Union  // in 金水区 and in 二七区
	made    int
}

func newWorld(t *testing.T) *world {
	t.Helper()
	ctx := t.Context()
	w := &world{t: t, pool: pgtest.New(t)}
	w.cards = card.NewStore(w.pool, card.StoreOptions{})
	ids, err := w.cards.SeedUnions(ctx, by)
	w.must(err)
	w.ids = ids
	for i, division := range []int32{410105, 410103} {
		w.works[i], err = w.cards.CreateUnion(ctx, by, union.Union{Kind: union.Grassroots, Name: fmt.Sprintf("第%d机械厂工会", i+1), ParentID: ids[division]})
		w.must(err)
	}
	clock := func() time.Time { return now }
	vault, err := personal.Open(ctx, w.pool, personal.StaticKEK(1, make([]byte, 32)), personal.Options{Clock: clock})
	w.must(err)
	w.members = member.NewStore(w.pool, vault, w.cards, member.Options{Clock: clock})
	ring, err := card.NewKeyring(now, nil)
	w.must(err)
	table := card.NewTable()
	w.codes = card.NewCodes(ring, card.Prefix, table.Lookup)
	w.batches = batch.NewStore(w.pool, w.cards, w.codes, vault, batch.Options{Clock: clock})
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// register makes a member with a full name of its own.
func (w *world) register(u union.Union, name string) int64 {
	w.t.Helper()
	w.made++
	id, err := personal.CompleteResidentID(fmt.Sprintf("410105%d%03d", 19900101, w.made))
	w.must(err)
	member, err := w.members.Register(w.t.Context(), by, u.ID, personal.Person{ResidentID: string(id),
		Phone: fmt.Sprintf("138%08d", w.made), Name: name}, 0)
	w.must(err)
	return member
}

func (w *world) draft(u union.Union) batch.Draft {
	return batch.Draft{Kind: batch.Issue, UnionID: u.ID, Title: "2026 年秋季", Target: 3,
		DueOn: batch.Today(now).AddDate(0, 0, 30), ValidUntil: card.MonthOf(now.AddDate(5, 0, 0))}
}

func (w *world) run() {
	w.t.Helper()
	for range 1000 {
		did, err := w.batches.Step(w.t.Context())
		w.must(err)
		if !did {
			return
		}
	}
	w.t.Fatal("the batch never ends")
}

func (w *world) get(id int64) batch.Batch {
	w.t.Helper()
	b, err := w.batches.Get(w.t.Context(), "/", id)
	w.must(err)
	return b
}

func (w *world) move(id int64, action batch.Action) {
	w.t.Helper()
	w.must(w.batches.Move(w.t.Context(), by, "/", id, 0, action))
}

func counts(b batch.Batch) [3]int { return [3]int{b.Issued, b.Delivered, b.Activated} }

// A batch from its plan to the cards in hand, with what each territory sees of it.
func TestBatchLife(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	w := newWorld(t)
	city, err := w.cards.Get(ctx, 1)
	if err == nil {
		t.Fatalf("a card before the batch: %+v", city)
	}
	a, b, c := w.register(w.works[0], "张小红"), w.register(w.works[0], "=李四"[1:]), w.register(w.works[1], "王五")
	// 郑州市总工会: both counties.
	whole := union.Union{ID: w.ids[410100]}
	id, err := w.batches.Create(ctx, by, w.draft(whole))
	w.must(err)
	reach, err := w.batches.Reach(ctx, w.get(id).Path, batch.Issue, 0)
	if err != nil || reach != 3 {
		t.Fatalf("reaches %d, %v", reach, err)
	}
	w.move(id, batch.Start)
	if got := w.get(id); got.Status != batch.Running || got.Members != 3 {
		t.Fatalf("started: %+v", got)
	}
	w.run()
	if got := w.get(id); got.Status != batch.Done || counts(got) != [3]int{3, 0, 0} || got.Seen != 3 {
		t.Fatalf("done: %+v", got)
	}
	for _, m := range []int64{a, b, c} {
		live, err := w.cards.Live(ctx, m)
		if err != nil || live.Status != card.StatusInactive || live.Batch != id {
			t.Errorf("member %d: %+v, %v", m, live, err)
		}
	}

	// Handed out in one union, then in the rest; who signs in on a phone is activated.
	if n, more, err := w.batches.Hand(ctx, by, "/", id, batch.To{UnionPath: w.works[0].Path}, false); n != 2 || more || err != nil {
		t.Fatalf("delivered %d, %v, %v", n, more, err)
	}
	if n, _, err := w.batches.Hand(ctx, by, "/", id, batch.To{}, true); n != 2 || err != nil {
		t.Fatalf("activated %d, %v", n, err)
	}
	last, err := w.cards.Live(ctx, c)
	w.must(err)
	w.must(w.cards.Activate(ctx, card.By{Actor: fmt.Sprintf("member:%d", c), Reason: "手机登录"}, last.Serial))
	w.must(w.cards.Activate(ctx, by, last.Serial)) // again: nothing
	if got := counts(w.get(id)); got != [3]int{3, 2, 3} {
		t.Errorf("counts %v", got)
	}
	if _, _, err := w.batches.Hand(ctx, by, "/", id, batch.To{UnionPath: w.works[0].Path}, false); !errors.Is(err, batch.ErrNothing) {
		t.Errorf("delivered twice: %v", err)
	}
	if n, _, err := w.batches.Hand(ctx, by, "/", id, batch.To{Numbers: []int64{last.Number}}, false); n != 1 || err != nil {
		t.Errorf("by number: %d, %v", n, err)
	}

	places, err := w.batches.Places(ctx, id)
	w.must(err)
	want := map[int32][3]int64{410103: {1, 1, 1}, 410105: {2, 2, 2}}
	got := map[int32][3]int64{}
	for _, p := range places {
		got[p.Territory] = [3]int64{p.Issued, p.Delivered, p.Activated}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("by territory: %s", diff)
	}
	// The city's office sees its counties, the province's the city.
	for over, find := range map[int64]struct {
		union  int64
		issued int64
	}{w.ids[410100]: {w.ids[410105], 2}, w.ids[410000]: {w.ids[410100], 3}, w.ids[410105]: {w.ids[410105], 0}} {
		below, err := w.batches.Below(ctx, over)
		w.must(err)
		found := false
		for _, p := range below {
			if p.UnionID == find.union {
				found = true
				// A city's division stands for itself; its counties' cards are below it.
				if p.Issued != find.issued {
					t.Errorf("union %d below %d: %+v, want %d issued", find.union, over, p, find.issued)
				}
			}
		}
		if !found {
			t.Errorf("union %d is not below %d: %+v", find.union, over, below)
		}
	}
}

// Who came since is found by starting again, who has a card is passed over; a run
// that is stopped keeps what it did.
func TestStartAgain(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	w := newWorld(t)
	w.register(w.works[0], "张小红")
	id, err := w.batches.Create(ctx, by, w.draft(w.works[0]))
	w.must(err)
	w.move(id, batch.Start)
	w.move(id, batch.Stop)
	w.run()
	if got := w.get(id); got.Issued != 0 || got.Status != batch.Done {
		t.Fatalf("ran after it was stopped: %+v", got)
	}
	w.move(id, batch.Start)
	w.run()
	w.register(w.works[0], "李四")
	w.move(id, batch.Start)
	w.run()
	if got := w.get(id); got.Issued != 2 {
		t.Errorf("%d issued, want 2", got.Issued)
	}
	w.move(id, batch.Close)
	err = w.batches.Move(ctx, by, "/", id, 0, batch.Start)
	if move, ok := errors.AsType[*batch.MoveError](err); !ok || move.From != batch.Closed {
		t.Errorf("a closed one started: %v", err)
	}
	if err := w.batches.Edit(ctx, by, "/", id, 1, batch.Change{Title: "x", Target: 1, DueOn: now}); !errors.Is(err, batch.ErrChanged) {
		t.Errorf("an old version edited: %v", err)
	}
	if _, err := w.batches.Get(ctx, w.works[1].Path, id); !errors.Is(err, batch.ErrNotFound) {
		t.Errorf("seen from another county: %v", err)
	}
}

// A renewal moves the active cards that run out by its month, as many as it was
// said to, and no others.
func TestRenewal(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	w := newWorld(t)
	soon, later := card.MonthOf(now), card.MonthOf(now)+30
	old, young := w.register(w.works[0], "张小红"), w.register(w.works[0], "李四")
	for m, until := range map[int64]card.Month{old: soon, young: later} {
		_, err := w.cards.Issue(ctx, by, m, until)
		w.must(err)
	}
	unopened := w.register(w.works[0], "王五")
	_, err := w.cards.IssueAs(ctx, by, unopened, soon, card.StatusInactive)
	w.must(err)
	d := w.draft(w.works[0])
	d.Kind, d.Expiring = batch.Renew, soon
	if n, err := w.batches.Reach(ctx, w.works[0].Path, batch.Renew, soon); n != 1 || err != nil {
		t.Errorf("reaches %d, %v", n, err)
	}
	id, err := w.batches.Create(ctx, by, d)
	w.must(err)
	w.move(id, batch.Start)
	w.run()
	if got := w.get(id); got.Issued != 1 || got.Expiring != soon {
		t.Errorf("renewed: %+v", got)
	}
	for m, want := range map[int64]card.Month{old: d.ValidUntil, young: later, unopened: soon} {
		if c, err := w.cards.Live(ctx, m); err != nil || c.ValidUntil != want {
			t.Errorf("member %d: %s, %v, want %s", m, c.ValidUntil, err, want)
		}
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	today := batch.Today(now)
	good := batch.Draft{Kind: batch.Issue, UnionID: 1, Title: "春季", Target: 1, DueOn: today, ValidUntil: card.MonthOf(now)}
	for name, c := range map[string]struct {
		change func(*batch.Draft)
		field  string
	}{
		"good":         {func(*batch.Draft) {}, ""},
		"no title":     {func(d *batch.Draft) { d.Title = " " }, "title"},
		"long title":   {func(d *batch.Draft) { d.Title = strings.Repeat("字", 61) }, "title"},
		"no kind":      {func(d *batch.Draft) { d.Kind = 0 }, "kind"},
		"no target":    {func(d *batch.Draft) { d.Target = 0 }, "target"},
		"long ago":     {func(d *batch.Draft) { d.DueOn = today.AddDate(-2, 0, 0) }, "due_on"},
		"no date":      {func(d *batch.Draft) { d.DueOn = time.Time{} }, "due_on"},
		"expired":      {func(d *batch.Draft) { d.ValidUntil-- }, "valid_until"},
		"for ever":     {func(d *batch.Draft) { d.ValidUntil += 241 }, "valid_until"},
		"not extended": {func(d *batch.Draft) { d.Kind, d.Expiring = batch.Renew, d.ValidUntil }, "expiring"},
	} {
		d := good
		c.change(&d)
		bad := d.Check(today)
		if c.field == "" && len(bad) != 0 || c.field != "" && (len(bad) != 1 || bad[0].Field != c.field || bad[0].Message == "") {
			t.Errorf("%s: %+v", name, bad)
		}
	}
}

// Every state has its moves and no others.
func TestMoves(t *testing.T) {
	t.Parallel()
	want := map[batch.Status]map[batch.Action]batch.Status{
		batch.Planned: {batch.Start: batch.Running, batch.Close: batch.Closed},
		batch.Running: {batch.Stop: batch.Done, batch.Finish: batch.Done},
		batch.Done:    {batch.Start: batch.Running, batch.Close: batch.Closed},
		batch.Closed:  {},
	}
	for from := range want {
		for _, a := range []batch.Action{batch.Start, batch.Stop, batch.Finish, batch.Close} {
			to, err := from.Next(a)
			if wanted, ok := want[from][a]; ok != (err == nil) || ok && to != wanted {
				t.Errorf("%s of %s: %s, %v", a, from, to, err)
			}
		}
	}
}

// A step that fails is tried again later, and a listing finds what is overdue.
func TestListAndRetry(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	w := newWorld(t)
	d := w.draft(w.works[0])
	d.DueOn = batch.Today(now).AddDate(0, 0, -1)
	late, err := w.batches.Create(ctx, by, d)
	w.must(err)
	if _, err := w.batches.Create(ctx, by, w.draft(w.works[1])); err != nil {
		t.Fatal(err)
	}
	page := keyset.Page{Sort: "id", Desc: true, Limit: 10}
	for _, c := range []struct {
		path string
		f    batch.Filter
		want int
	}{
		{"/", batch.Filter{}, 2}, {"/", batch.Filter{Overdue: true}, 1}, {w.works[1].Path, batch.Filter{}, 1},
		{"/", batch.Filter{Text: "第2"}, 1}, {"/", batch.Filter{Status: batch.Running}, 0}, {"/", batch.Filter{Kind: batch.Issue}, 2},
	} {
		list, err := w.batches.List(ctx, c.path, c.f, page)
		if err != nil || len(list) != c.want {
			t.Errorf("%+v: %d, %v, want %d", c, len(list), err, c.want)
		}
	}
	if b := w.get(late); !b.Overdue(batch.Today(now)) {
		t.Errorf("not overdue: %+v", b)
	}
	w.register(w.works[0], "张小红")
	w.move(late, batch.Start)
	// Whatever breaks a step: here a card table that takes nothing.
	w.exec(ctx, `ALTER TABLE cards ADD CONSTRAINT none CHECK (false) NOT VALID`)
	if did, err := w.batches.Step(ctx); !did || err == nil {
		t.Fatalf("%v, %v", did, err)
	}
	if did, err := w.batches.Step(ctx); did || err != nil {
		t.Errorf("tried again at once: %v, %v", did, err)
	}
	if b := w.get(late); b.Failed != 1 || b.Seen != 0 {
		t.Errorf("%+v", b)
	}
	w.exec(ctx, `ALTER TABLE cards DROP CONSTRAINT none`)
	w.exec(ctx, `UPDATE batches SET retry_at = clock_timestamp()`)
	w.run()
	if b := w.get(late); b.Failed != 0 || b.Issued != 1 {
		t.Errorf("%+v", b)
	}
}

func (w *world) exec(ctx context.Context, sql string) {
	w.t.Helper()
	_, err := w.pool.Exec(ctx, sql)
	w.must(err)
}
