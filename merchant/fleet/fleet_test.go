package fleet_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5/pgxpool"

	"unioncard/card/union/keyset"
	"unioncard/merchant"
	"unioncard/merchant/fleet"
	"unioncard/migrations/pgtest"
)

var by = merchant.By{Actor: "test", Reason: "test"}

// noon is a Monday's noon in Beijing.
var noon = time.Date(2026, 6, 1, 4, 0, 0, 0, time.UTC)

type world struct {
	*testing.T
	ctx  context.Context
	pool *pgxpool.Pool
	now  time.Time
	ids  []int64
}

func (w *world) clock() time.Time { return w.now }

// newWorld has n tills in one outlet of one merchant, activated now.
func newWorld(t *testing.T, n int) *world {
	t.Helper()
	w := &world{T: t, ctx: t.Context(), pool: pgtest.New(t), now: noon}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var office int64
	must(w.pool.QueryRow(w.ctx, `INSERT INTO unions (kind, name, path, division, territory)
		VALUES ('province', '河南省总工会', '/1/', 410000, 410000) RETURNING id`).Scan(&office))
	shops := merchant.NewStore(w.pool, w.clock)
	id, err := shops.CreateMerchant(w.ctx, by, merchant.NewMerchant{OfficeID: office, Name: "老郑州烩面", Trade: merchant.TradeCatering})
	must(err)
	outlet, err := shops.CreateOutlet(w.ctx, by, merchant.NewOutlet{MerchantID: id, Name: "花园路店", Territory: 410105})
	must(err)
	for range n {
		code, err := shops.IssueActivationCode(w.ctx, by, outlet)
		must(err)
		public, _, err := ed25519.GenerateKey(nil)
		must(err)
		till, err := shops.Activate(w.ctx, code.Code, public)
		must(err)
		w.ids = append(w.ids, till.ID)
	}
	return w
}

func (w *world) signs() *fleet.Signs {
	return fleet.NewSigns(w.pool, w.clock, slog.New(slog.DiscardHandler))
}

func (w *world) get(id int64) fleet.Terminal {
	w.Helper()
	t, err := fleet.NewStore(w.pool, w.clock).Get(w.ctx, "/1/", id)
	if err != nil {
		w.Fatal(err)
	}
	return *t
}

func flush(t *testing.T, s *fleet.Signs) {
	t.Helper()
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// Two nodes hear of the same till; what each heard adds up, by the day.
func TestSignsAddUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	id := w.ids[0]
	a, b := w.signs(), w.signs()
	a.Note(id, fleet.Verify, fleet.Done, "pos/1.0", noon)
	a.Note(id, fleet.Purchase, fleet.Done, "pos/1.0", noon)
	b.Note(id, fleet.Verify, fleet.Refused, "pos/1.1\x00", noon.Add(time.Second))
	b.Note(id, fleet.Other, fleet.Done, "pos/1.1\x00", noon.Add(time.Second))
	b.Note(999_999, fleet.Verify, fleet.Done, "", noon) // no such terminal: it was only just deleted
	flush(t, b)
	flush(t, a)
	flush(t, a) // nothing new: nothing is added twice
	want := fleet.Terminal{Seen: noon.Add(time.Second), Agent: "pos/1.1?", Verified: 1, Purchased: 1, Refused: 1}
	only := cmpopts.IgnoreFields(fleet.Terminal{}, "ID", "MerchantID", "Merchant", "OutletID", "Outlet", "Office", "Status", "Typed", "Activated", "Version")
	if diff := cmp.Diff(want, w.get(id), only); diff != "" {
		t.Error(diff)
	}
	// Past midnight in Beijing the counts begin anew, and yesterday's rest is dropped.
	b.Note(id, fleet.Verify, fleet.Done, "pos/1.1", noon)
	w.now = noon.Add(13 * time.Hour)
	a.Note(id, fleet.Verify, fleet.Done, "pos/1.0", w.now)
	flush(t, a)
	flush(t, b)
	want = fleet.Terminal{Seen: w.now, Agent: "pos/1.0", Verified: 1}
	if diff := cmp.Diff(want, w.get(id), only); diff != "" {
		t.Errorf("next day: %s", diff)
	}
}

func TestFlushPutsBackWhatItCouldNotWrite(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	s := w.signs()
	s.Note(w.ids[0], fleet.Verify, fleet.Done, "", noon)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Flush(gone); err == nil {
		t.Fatal("written without a database")
	}
	s.Note(w.ids[0], fleet.Verify, fleet.Done, "", noon)
	flush(t, s)
	if got := w.get(w.ids[0]).Verified; got != 2 {
		t.Errorf("verified %d, want 2", got)
	}
}

func TestRunWritesTheRestWhenStopped(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	s := w.signs()
	s.Note(w.ids[0], fleet.Purchase, fleet.Done, "", noon)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := s.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if got := w.get(w.ids[0]).Purchased; got != 1 {
		t.Errorf("purchased %d, want 1", got)
	}
}

func TestNotesAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	s := w.signs()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 500 {
				s.Note(w.ids[0], fleet.Verify, fleet.Done, "x", noon)
				s.Note(w.ids[1], fleet.Verify, fleet.Failed, "x", noon)
			}
		})
		wg.Go(func() { flush(t, s) })
	}
	wg.Wait()
	flush(t, s)
	if a, b := w.get(w.ids[0]), w.get(w.ids[1]); a.Verified != 2000 || b.Failed != 2000 {
		t.Errorf("verified %d, failed %d, want 2000 each", a.Verified, b.Failed)
	}
}

func TestListTellsSilentAndFailing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 5)
	s := w.signs()
	silent, failing, fine, few, suspended := w.ids[0], w.ids[1], w.ids[2], w.ids[3], w.ids[4]
	w.now = noon.Add(fleet.SilentAfter + time.Minute)
	s.Note(silent, fleet.Verify, fleet.Done, "", noon)
	for range 11 {
		s.Note(failing, fleet.Verify, fleet.Failed, "", w.now)
	}
	for range 10 {
		s.Note(failing, fleet.Verify, fleet.Done, "", w.now)
		s.Note(fine, fleet.Verify, fleet.Done, "", w.now)
		s.Note(fine, fleet.Verify, fleet.Refused, "", w.now)
	}
	for range 19 {
		s.Note(few, fleet.Verify, fleet.Refused, "", w.now)
	}
	flush(t, s)
	if err := merchant.NewStore(w.pool, w.clock).SuspendTerminal(w.ctx, by, suspended); err != nil {
		t.Fatal(err)
	}
	store := fleet.NewStore(w.pool, w.clock)
	page := keyset.Page{Sort: "id", Limit: 10}
	ids := func(f fleet.Filter) (out []int64) {
		t.Helper()
		f.Path = "/1/"
		all, err := store.List(w.ctx, f, page)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range all {
			out = append(out, x.ID)
		}
		return out
	}
	for name, c := range map[string]struct {
		f    fleet.Filter
		want []int64
	}{
		"all":       {fleet.Filter{}, w.ids},
		"silent":    {fleet.Filter{Health: fleet.Silent}, []int64{silent}},
		"failing":   {fleet.Filter{Health: fleet.Failing}, []int64{failing}},
		"suspended": {fleet.Filter{Status: merchant.TerminalSuspended}, []int64{suspended}},
		"text":      {fleet.Filter{Text: "花园路"}, w.ids},
		"percent":   {fleet.Filter{Text: "%"}, nil},
		"long text": {fleet.Filter{Text: strings.Repeat("长", 3000)}, nil},
	} {
		if diff := cmp.Diff(c.want, ids(c.f)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	page = keyset.Page{Sort: "seen", Desc: true, Limit: 3}
	// The last heard of first; never heard of comes last.
	if got := ids(fleet.Filter{}); len(got) != 3 || got[2] == silent || slices.Contains(got, suspended) {
		t.Errorf("by last sign: %v", got)
	}
	if a, b, err := store.Counts(w.ctx, "/1/"); a != 1 || b != 1 || err != nil {
		t.Errorf("counts %d, %d, %v", a, b, err)
	}
	if _, err := store.Get(w.ctx, "/2/", silent); !errors.Is(err, merchant.ErrNotFound) {
		t.Errorf("another territory's terminal: %v", err)
	}
}

// A node keeps no more of a program's word about itself than it can use, and not
// the buffer that it came in.
func TestLongAgents(t *testing.T) {
	w := newWorld(t, 200)
	s := w.signs()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i, id := range w.ids {
		request := strings.Repeat(string(rune('a'+i%26)), 1<<16)
		s.Note(id, fleet.Verify, fleet.Done, request[:16<<10], noon)
		request = strings.Repeat("界", 1<<14)
		s.Note(id, fleet.Verify, fleet.Done, request[:100], noon) // a short part of a long one
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 1<<20 {
		t.Errorf("%d terminals keep %d kB", len(w.ids), grown>>10)
	}
	flush(t, s)
	if got := w.get(w.ids[0]); got.Agent != strings.Repeat("界", 33)+"?" {
		t.Errorf("agent %q", got.Agent)
	}
}

func BenchmarkNote(b *testing.B) {
	s := fleet.NewSigns(nil, time.Now, slog.New(slog.DiscardHandler))
	b.ReportAllocs()
	for b.Loop() {
		s.Note(7, fleet.Verify, fleet.Done, "pos/1.0", noon)
	}
}

func TestOutlets(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	store := fleet.NewStore(w.pool, w.clock)
	page := keyset.Page{Sort: "name", Limit: 10}
	for name, c := range map[string]struct {
		f fleet.OutletFilter
		n int
	}{
		"all":              {fleet.OutletFilter{Path: "/1/"}, 1},
		"elsewhere":        {fleet.OutletFilter{Path: "/2/"}, 0},
		"text":             {fleet.OutletFilter{Path: "/1/", Text: "烩面"}, 1},
		"wildcard":         {fleet.OutletFilter{Path: "/1/", Text: "_"}, 0},
		"without contract": {fleet.OutletFilter{Path: "/1/", Without: "contract"}, 1},
		"without terminal": {fleet.OutletFilter{Path: "/1/", Without: "terminal"}, 0},
		"closed":           {fleet.OutletFilter{Path: "/1/", Status: merchant.OutletClosed}, 0},
	} {
		got, err := store.Outlets(w.ctx, c.f, page)
		if err != nil || len(got) != c.n {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		if c.n == 1 && len(got) == 1 && (got[0].Terminals != 2 || got[0].ContractID != 0 || got[0].Territory != 410105) {
			t.Errorf("%s: %+v", name, got[0])
		}
	}
}
