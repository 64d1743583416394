package directory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"unioncard/card/feed"
	"unioncard/card/union/keyset"
	"unioncard/merchant"
	"unioncard/migrations/pgtest"
)

var by = merchant.By{Actor: "test", Reason: "test"}

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = t
}

// world is a database with one office, and a node's directory over it.
type world struct {
	t      *testing.T
	pool   *pgxpool.Pool
	clock  *clock
	store  *merchant.Store
	office int64
	state  *merchant.State
	dir    *Directory
	feeds  []feed.Source
	last   int64
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, pool: pgtest.New(t), clock: &clock{now: noon}}
	w.store = merchant.NewStore(w.pool, w.clock.Now)
	w.must(w.pool.QueryRow(t.Context(), `INSERT INTO unions (kind, name, path, division, territory)
		VALUES ('province', '河南省总工会', '/1/', 410000, 410000) RETURNING id`).Scan(&w.office))
	w.state = merchant.NewState(w.clock.Now, slog.New(slog.DiscardHandler))
	w.dir = New(Options{Merchants: w.state, Clock: w.clock.Now})
	w.feeds = []feed.Source{merchant.NewSource(w.state), NewSource(w.dir)}
	w.must(feed.NewReader(w.pool, w.feeds, feed.Options{}).Load(t.Context()))
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// follow applies the changes since the last time, as the feed's reader does.
func (w *world) follow() {
	w.t.Helper()
	ctx := w.t.Context()
	w.must(pgx.BeginTxFunc(ctx, w.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead}, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `SELECT id, kind, object_id, version, at FROM changes WHERE id > $1 ORDER BY id`, w.last)
		if err != nil {
			return err
		}
		changes, err := pgx.CollectRows(rows, pgx.RowToStructByPos[feed.Change])
		if err != nil || len(changes) == 0 {
			return err
		}
		w.last = changes[len(changes)-1].ID
		for _, s := range w.feeds {
			own := slices.DeleteFunc(slices.Clone(changes), func(c feed.Change) bool { return !slices.Contains(s.Kinds(), c.Kind) })
			if err := s.Apply(ctx, tx, own); err != nil {
				return err
			}
		}
		return nil
	}))
}

// shop signs a merchant with outlets up, from and until days from noon.
func (w *world) shop(name string, outlets int, from, until time.Duration) (m, contract int64, ids []int64) {
	w.t.Helper()
	ctx := w.t.Context()
	m, err := w.store.CreateMerchant(ctx, by, merchant.NewMerchant{OfficeID: w.office, Name: name, Trade: merchant.TradeCatering})
	w.must(err)
	lon, lat := 113.6, 34.7
	for i := range outlets {
		id, err := w.store.CreateOutlet(ctx, by, merchant.NewOutlet{MerchantID: m, Name: fmt.Sprintf("%s%d店", name, i),
			Address: "花园路1号", Territory: 410105, Lon: &lon, Lat: &lat})
		w.must(err)
		ids = append(ids, id)
	}
	contract, err = w.store.CreateContract(ctx, by, merchant.NewContract{MerchantID: m, OfficeID: w.office,
		ValidFrom: noon.Add(from), ValidUntil: noon.Add(until), FloorClause: true})
	w.must(err)
	_, err = w.store.PublishTerms(ctx, by, contract, percent(9000), time.Time{})
	w.must(err)
	w.must(w.store.ActivateContract(ctx, by, contract))
	return m, contract, ids
}

func percent(rate int) []byte {
	return fmt.Appendf(nil, `{"v":1,"offers":[{"id":"off","title":"会员折扣","benefit":{"kind":"percent","rate_bp":%d},"funding_bp":10000}]}`, rate)
}

func (w *world) listed(q Query) (ids []int64) {
	w.t.Helper()
	q.Limit = MaxLimit
	p, err := w.dir.Search(q)
	w.must(err)
	for _, h := range p.Hits {
		ids = append(ids, h.ID)
	}
	return ids
}

func (w *world) want(when string, want ...int64) {
	w.t.Helper()
	if d := gocmp.Diff(want, w.listed(Query{})); d != "" {
		w.t.Errorf("%s: %s", when, d)
	}
}

// TestFollowsWhatPeopleDo: whatever an office does shows with the next poll.
func TestFollowsWhatPeopleDo(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	m, c, o := w.shop("火锅", 2, -time.Hour, 24*time.Hour)
	w.want("before the poll")
	w.follow()
	w.want("published", o...)
	for _, step := range []struct {
		name string
		do   func() error
		want []int64
	}{
		{"contract suspended", func() error { return w.store.SuspendContract(ctx, by, c) }, nil},
		{"resumed", func() error { return w.store.ResumeContract(ctx, by, c) }, o},
		{"outlet suspended", func() error { return w.store.SuspendOutlet(ctx, by, o[0]) }, o[1:]},
		{"resumed", func() error { return w.store.ResumeOutlet(ctx, by, o[0]) }, o},
		{"merchant suspended", func() error { return w.store.SuspendMerchant(ctx, by, m) }, nil},
		{"resumed", func() error { return w.store.ResumeMerchant(ctx, by, m) }, o},
		{"ended", func() error { return w.store.EndContract(ctx, by, c, noon) }, nil},
	} {
		w.must(step.do())
		w.follow()
		w.want(step.name, step.want...)
	}
}

// TestFloorLiftsWithoutNewLists: a floor's rise shows on every outlet at its
// moment, and no posting list is made again for it.
func TestFloorLiftsWithoutNewLists(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, _, o := w.shop("火锅", 3, -time.Hour, 24*time.Hour)
	w.follow()
	lists := w.dir.Index().blocks[0].lists
	_, err := w.store.PublishFloor(t.Context(), by, merchant.NewFloor{Trade: merchant.TradeCatering, Terms: percent(8000), Effective: noon.Add(time.Minute), DeadlineDays: 30})
	w.must(err)
	w.follow()
	lifted := func() int { e, err := w.dir.Outlet(o[0]); w.must(err); return len(e.Lifting) }
	if lifted() != 0 {
		t.Error("lifted before the floor has effect")
	}
	w.clock.set(noon.Add(time.Minute))
	if n := w.dir.Tick(); n != 3 {
		t.Errorf("%d outlets looked at, want 3", n)
	}
	if lifted() != 1 || w.dir.Index().blocks[0].lists != lists {
		t.Errorf("lifted by %d floors; lists kept: %v", lifted(), w.dir.Index().blocks[0].lists == lists)
	}
	e, err := w.dir.Outlet(o[0])
	w.must(err)
	if got := e.Lifting[0].List[0].Text; got != "8折" {
		t.Errorf("the floor in words: %q", got)
	}
}

// TestByTheClock: what begins is listed by Run's next look, what ends is gone from
// every answer at the moment, look or no look.
func TestByTheClock(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, _, o := w.shop("火锅", 1, time.Minute, time.Hour)
	w.follow()
	w.want("before it begins")
	w.clock.set(noon.Add(time.Minute))
	w.dir.Tick()
	w.want("begun", o...)
	w.clock.set(noon.Add(time.Hour))
	w.want("ended, nobody has looked")
	if _, err := w.dir.Outlet(o[0]); !errors.Is(err, merchant.ErrNotFound) {
		t.Errorf("an ended outlet: %v", err)
	}
	w.dir.Tick()
	if n := w.dir.Index().Len(); n != 0 {
		t.Errorf("%d outlets in the index after the look", n)
	}
}

// TestReloadEqualsFollowing: a directory that followed has what one loaded afresh
// has.
func TestReloadEqualsFollowing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, c, _ := w.shop("火锅", 2, -time.Hour, 24*time.Hour)
	w.shop("面馆", 3, -time.Hour, 24*time.Hour)
	w.follow()
	w.must(w.store.SuspendContract(t.Context(), by, c))
	w.follow()
	followed := w.dir.Index()
	w.must(feed.NewReader(w.pool, w.feeds, feed.Options{}).Load(t.Context()))
	loaded := w.dir.Index()
	if followed.Len() != 3 || loaded.Len() != 3 {
		t.Fatalf("%d followed, %d loaded", followed.Len(), loaded.Len())
	}
	followed.Each(func(e *Entry) bool {
		o := loaded.Outlet(e.ID)
		if o == nil || o.text != e.text || o.Place != e.Place || o.Offers.List[0].Text != e.Offers.List[0].Text {
			t.Errorf("%+v followed, %+v loaded", e, o)
		}
		return true
	})
}

// testDocument is a public form with what the test looks at.
func testDocument(e *Entry, silent bool) []byte {
	return fmt.Appendf(nil, `{"id":%d,"name":%q,"silent":%v}`, e.ID, e.Name, silent)
}

// mirror follows the changes as an outsider would.
type mirror struct {
	cursor string
	names  map[int64]string
	read   []string
}

func (m *mirror) follow(t *testing.T, pool *pgxpool.Pool, limit int) {
	t.Helper()
	for more := true; more; {
		var changes []Change
		var err error
		if changes, m.cursor, more, err = ReadChanges(t.Context(), pool, m.cursor, limit); err != nil {
			t.Fatal(err)
		}
		for _, c := range changes {
			m.read = append(m.read, c.Kind+" "+strconv.FormatInt(c.OutletID, 10))
			if c.Kind == "delisted" {
				delete(m.names, c.OutletID)
				continue
			}
			var doc struct{ Name string }
			if err := json.Unmarshal(c.Document, &doc); err != nil {
				t.Fatal(err)
			}
			m.names[c.OutletID] = doc.Name
		}
	}
}

// write runs one turn of a scribe.
func (w *world) write(s *Scribe) {
	w.t.Helper()
	conn, err := w.pool.Acquire(w.t.Context())
	w.must(err)
	defer conn.Release()
	every, ids := s.watch.take()
	w.must(s.write(w.t.Context(), conn.Conn(), every, ids))
}

func TestMirrorFollows(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	s := NewScribe(w.pool, w.dir, ScribeOptions{Document: testDocument})
	_, c, o := w.shop("火锅", 3, -time.Hour, 24*time.Hour)
	w.follow()
	w.write(s)
	m := &mirror{names: map[int64]string{}}
	m.follow(t, w.pool, 1)
	if got := slices.Sorted(maps.Keys(m.names)); !slices.Equal(got, o) {
		t.Fatalf("the mirror has %v, want %v", got, o)
	}
	// Nothing changed: nothing to read, also after a new writer compared everything.
	m.read = nil
	w.write(NewScribe(w.pool, w.dir, ScribeOptions{Document: testDocument}))
	m.follow(t, w.pool, 2)
	if m.read != nil {
		t.Errorf("read %v after no change", m.read)
	}
	w.must(w.store.SuspendOutlet(ctx, by, o[1]))
	w.follow()
	w.write(s)
	w.must(w.store.ResumeOutlet(ctx, by, o[1]))
	w.must(w.store.SuspendOutlet(ctx, by, o[0]))
	w.follow()
	w.write(s)
	m.follow(t, w.pool, 100)
	want := []string{fmt.Sprintf("delisted %d", o[0]), fmt.Sprintf("listed %d", o[1])}
	if d := gocmp.Diff(want, m.read); d != "" {
		t.Error(d)
	}
	// Delistings are forgotten in time: who has read them goes on, who has not starts
	// anew, and so does one whose cursor this database never gave.
	old := since{1, 0}.String()
	s.opts.Keep = 0
	conn, err := w.pool.Acquire(ctx)
	w.must(err)
	w.must(s.forget(ctx, conn.Conn()))
	conn.Release()
	for _, cursor := range []string{old, "99-0"} {
		if _, _, _, err := ReadChanges(ctx, w.pool, cursor, 10); !errors.Is(err, ErrCursorExpired) {
			t.Errorf("cursor %s: %v", cursor, err)
		}
	}
	m.follow(t, w.pool, 10)
	fresh := &mirror{names: map[int64]string{}}
	fresh.follow(t, w.pool, 1) // page by page, past what is forgotten
	if d := gocmp.Diff(m.names, fresh.names); d != "" {
		t.Error(d)
	}
	w.must(w.store.EndContract(ctx, by, c, noon))
	w.follow()
	w.write(s)
	m.follow(t, w.pool, 10)
	if len(m.names) != 0 {
		t.Errorf("the mirror still has %v", m.names)
	}
}

// TestOneWriter: two nodes' scribes run, one writes; when it goes, the other takes
// over.
func TestOneWriter(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	opts := ScribeOptions{Document: testDocument, Every: time.Millisecond, Retry: time.Millisecond}
	first, stopFirst := context.WithCancel(t.Context())
	second, stopSecond := context.WithCancel(t.Context())
	done := make(chan error, 2)
	a, b := NewScribe(w.pool, w.dir, opts), NewScribe(w.pool, w.dir, opts)
	_, c, o := w.shop("火锅", 1, -time.Hour, 24*time.Hour)
	w.follow()
	wait := func(kind string) {
		t.Helper()
		for {
			changes, _, _, err := ReadChanges(t.Context(), w.pool, "", 10)
			if err != nil {
				t.Fatal(err)
			}
			if len(changes) == 1 && changes[0].Kind == kind && changes[0].OutletID == o[0] {
				return
			}
		}
	}
	go func() { done <- a.Run(first) }()
	wait("listed")
	go func() { done <- b.Run(second) }()
	stopFirst()
	w.must(<-done)
	w.must(w.store.SuspendContract(t.Context(), by, c))
	w.follow()
	wait("delisted")
	stopSecond()
	w.must(<-done)
}

func TestSigns(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	day := 24 * time.Hour
	m, _, o := w.shop("老店", 2, -60*day, 60*day)
	young, _, _ := w.shop("新店", 1, -day, 60*day)
	w.follow()
	s := NewSigns(w.pool, w.dir, SignsOptions{Clock: w.clock.Now})
	told := w.dir.watchers.watch()
	told.take()
	w.must(s.Refresh(ctx))
	if !s.Silent(m) || s.Silent(young) {
		t.Errorf("old shop silent: %v, new shop silent: %v", s.Silent(m), s.Silent(young))
	}
	if _, ids := told.take(); len(ids) != 2 {
		t.Errorf("%d outlets told of, want 2", len(ids))
	}
	s.Sold(o[0], noon.Add(-31*day))
	s.Sold(o[0], noon.Add(-time.Hour))
	s.Sold(o[0], noon.Add(-2*time.Hour)) // another lane was later
	s.Sold(1<<40, noon)                  // no such outlet
	w.must(s.Flush(ctx))
	// Another node knows of an earlier one only.
	other := NewSigns(w.pool, w.dir, SignsOptions{Clock: w.clock.Now})
	other.Sold(o[0], noon.Add(-day))
	w.must(other.Flush(ctx))
	w.must(s.Refresh(ctx))
	e, err := w.dir.Outlet(o[0])
	w.must(err)
	if got := s.Of(e).Discount; !got.Equal(noon.Add(-time.Hour)) || s.Silent(m) {
		t.Errorf("last discount %v, silent %v", got, s.Silent(m))
	}
}

// Not parallel: it counts allocations.
func TestSoldAllocatesNothing(t *testing.T) {
	s := NewSigns(nil, New(Options{}), SignsOptions{})
	s.Sold(7, noon)
	if n := testing.AllocsPerRun(100, func() { s.Sold(7, noon) }); n != 0 {
		t.Errorf("Sold allocates %v times", n)
	}
}

func FuzzSince(f *testing.F) {
	f.Add("12-3")
	f.Add("0")
	f.Add("-1-+2")
	f.Fuzz(func(t *testing.T, text string) {
		s, given, err := readSince(text)
		if err == nil && given && s.String() != text {
			t.Fatalf("%q came back as %q", text, s)
		}
		if err != nil && !errors.Is(err, ErrCursor) || s.seq < 0 || s.gone < 0 {
			t.Fatal(s, err)
		}
	})
}

// TestSilentList: an office reads of the silent merchants in its territory and of no
// other, in pages.
func TestSilentList(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	day := 24 * time.Hour
	a, _, o := w.shop("甲店", 2, -60*day, 60*day)
	b, _, _ := w.shop("乙店", 1, -60*day, 60*day)
	w.shop("新店", 1, -day, 60*day)
	w.follow()
	s := NewSigns(w.pool, w.dir, SignsOptions{Clock: w.clock.Now})
	s.Sold(o[0], noon.Add(-40*day))
	w.must(s.Flush(ctx))
	w.must(s.Refresh(ctx))
	for _, c := range []struct {
		path, text string
		want       []SilentMerchant
	}{
		{"/1/", "", []SilentMerchant{{b, "乙店", "河南省总工会", 1, time.Time{}}, {a, "甲店", "河南省总工会", 2, noon.Add(-40 * day)}}},
		{"/1/", "甲", []SilentMerchant{{a, "甲店", "河南省总工会", 2, noon.Add(-40 * day)}}},
		{"/1/", "%", nil},
		{"/2/", "", nil},
	} {
		got, err := s.Silents(ctx, c.path, c.text, keyset.Page{Sort: "last", Limit: 10})
		w.must(err)
		if d := gocmp.Diff(c.want, got, cmpopts.EquateEmpty(), sameMoment()); d != "" {
			t.Errorf("%s %q: %s", c.path, c.text, d)
		}
		if n, err := s.CountSilent(ctx, c.path); c.text == "" && (err != nil || n != len(c.want)) {
			t.Errorf("%s: %d silent, %v", c.path, n, err)
		}
	}
}

// sameMoment compares moments, not their zones.
func sameMoment() gocmp.Option {
	return gocmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) })
}
