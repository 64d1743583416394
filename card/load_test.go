package card_test

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"unioncard/card"
	"unioncard/card/feed"
	"unioncard/card/union"
	"unioncard/migrations/pgtest"
)

var (
	loadCards  = flag.Int("cards", 200_000, "cards that TestLoadTenMillion loads")
	loadRounds = flag.Int("rounds", 3, "rounds of TestLoadTenMillion")
)

// The view that the source loads and keeps is what the database holds.
func TestSource(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	pool := pgtest.New(t)
	s, unionID := seeded(t, pool)
	const n = 3000
	if _, err := s.BulkLoad(ctx, by, n, card.BulkOptions{}, demoRow(unionID)); err != nil {
		t.Fatal(err)
	}
	early := issued(t, s, unionID)
	table, unions := card.NewTable(), card.NewUnions()
	if unions.Tree().Len() != 0 {
		t.Error("a tree before the load")
	}
	applied := &after{applied: make(chan struct{}, 1)}
	r := feed.NewReader(pool, []feed.Source{card.NewSource(table), card.NewUnionSource(unions), applied}, feed.Options{})
	if err := r.Load(ctx); err != nil {
		t.Fatal(err)
	}
	sameAsDatabase(t, pool, table, n+1)
	if got := unions.Tree().Name(410105); got != "金水区总工会" {
		t.Errorf("the union's name: %q", got)
	}

	runCtx, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- r.Run(runCtx) }()
	defer func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	if err := s.ReportLost(ctx, by, early.Serial); err != nil {
		t.Fatal(err)
	}
	replaced, err := s.Replace(ctx, by, 7)
	if err != nil {
		t.Fatal(err)
	}
	late := issued(t, s, unionID)
	if _, err := s.CreateUnion(ctx, by, union.Union{Kind: union.Grassroots, Name: "新工会", ParentID: unionID}); err != nil {
		t.Fatal(err)
	}
	var e card.Entry
	for table.Get(early.Serial, &e); e.Status != card.StatusLost || !table.Get(late.Serial, &e) || e.Last4 != late.Last4 ||
		unions.Tree().Len() != 199+13+2; table.Get(early.Serial, &e) {
		select {
		case <-applied.applied:
		case <-time.After(30 * time.Second):
			t.Fatal("the changes did not come")
		}
	}
	if table.Get(7, &e); e.Generation != 2 || e.Last4 != replaced.Last4 {
		t.Errorf("the replaced card: %+v", e)
	}
	sameAsDatabase(t, pool, table, n+2)
}

// after is a source behind the others that tells when they have applied.
type after struct{ applied chan struct{} }

func (*after) Kinds() []feed.Kind                       { return []feed.Kind{feed.KindCard, feed.KindUnion} }
func (*after) Load(context.Context, feed.Session) error { return nil }
func (a *after) Apply(context.Context, pgx.Tx, []feed.Change) error {
	select {
	case a.applied <- struct{}{}:
	default:
	}
	return nil
}

// demoRow is a pure function of i, as BulkLoad wants.
func demoRow(unionID int64) func(i int, r *card.BulkRow) {
	names := []string{"王小明", "李雷", "欧阳锋", "诸葛孔明", "买买提·艾力"}
	return func(i int, r *card.BulkRow) {
		*r = card.BulkRow{UnionID: unionID, Territory: 410105, Name: names[i%len(names)], Class: uint8(i % 3),
			Status: card.Status(1 + i%5), ValidUntil: until + card.Month(i%40)}
	}
}

// sameAsDatabase compares the table with the cards as Get reads them.
func sameAsDatabase(t *testing.T, pool *pgxpool.Pool, table *card.Table, n int) {
	t.Helper()
	if table.Len() != n {
		t.Errorf("%d cards, want %d", table.Len(), n)
	}
	serials := make([]int64, 0, n)
	for i := range int64(n + 10) {
		serials = append(serials, i+1)
	}
	want := make(map[int64]card.Entry)
	err := pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
		return card.EntriesTx(t.Context(), tx, serials, func(serial int64, e *card.Entry) { want[serial] = *e })
	})
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[int64]card.Entry)
	for _, serial := range serials {
		var e card.Entry
		if table.Get(serial, &e) {
			got[serial] = e
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-database +table):\n%.2000s", diff)
	}
}

func TestBulkLoad(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	pool := pgtest.New(t)
	s, unionID := seeded(t, pool)
	one := issued(t, s, unionID)
	first, err := s.BulkLoad(ctx, by, 500, card.BulkOptions{Number: card.BulkNumbers(card.Prefix, 1)}, demoRow(unionID))
	if err != nil || first != one.Serial+1 {
		t.Fatalf("first serial %d, %v, want %d", first, err, one.Serial+1)
	}
	next := issued(t, s, unionID)
	if next.Serial != first+500 || next.MemberID != one.MemberID+501 {
		t.Errorf("after the bulk: serial %d, member %d", next.Serial, next.MemberID)
	}
	if again, err := s.BulkLoad(ctx, by, 1, card.BulkOptions{Number: card.BulkNumbers(card.Prefix, 1), NoFeed: true}, demoRow(unionID)); err != nil || again != next.Serial+1 {
		t.Errorf("one more: %d, %v", again, err)
	}
	var got struct{ Members, Left, Cards, Numbers, Live, Changes, Events int }
	err = pool.QueryRow(ctx, `SELECT (SELECT count(*) FROM members), (SELECT count(*) FROM members WHERE status = 2),
		(SELECT count(*) FROM cards), (SELECT count(*) FROM card_numbers n JOIN cards c ON (c.serial, c.number) = (n.card_serial, n.number)),
		(SELECT count(*) FROM live_cards), (SELECT count(*) FROM changes WHERE kind = 2), (SELECT count(*) FROM events WHERE action = 'card.bulk_load')`).
		Scan(&got.Members, &got.Left, &got.Cards, &got.Numbers, &got.Live, &got.Changes, &got.Events)
	if err != nil {
		t.Fatal(err)
	}
	want := got
	want.Members, want.Left, want.Cards, want.Numbers, want.Live, want.Changes, want.Events = 503, 100, 503, 503, 303, 502, 2
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if c, err := s.Get(ctx, first+3); err != nil || c.Holder != "诸葛**" || c.Status != card.StatusCancelled {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := s.BulkLoad(ctx, by, 0, card.BulkOptions{}, demoRow(unionID)); err == nil {
		t.Error("loaded nothing")
	}
	if _, err := s.BulkLoad(ctx, card.By{}, 1, card.BulkOptions{}, demoRow(unionID)); err == nil {
		t.Error("loaded by nobody")
	}
}

func TestBulkNumbers(t *testing.T) {
	t.Parallel()
	a, b := card.BulkNumbers("41", 1), card.BulkNumbers("41", 2)
	seen := make(map[int64]bool)
	differ := 0
	for serial := range int64(50_000) {
		n := a(serial)
		if seen[n] {
			t.Fatalf("number %d twice", n)
		}
		seen[n] = true
		if got, err := card.CheckNumber(digits(n)); err != nil || got != n || a(serial) != n {
			t.Fatalf("number %d: %v", n, err)
		}
		if b(serial) != n {
			differ++
		}
	}
	if differ < 49_990 {
		t.Errorf("only %d numbers differ between seeds", differ)
	}
}

// TestLoadTenMillion measures the start of a node: the load of the table against
// reading the same rows with pgx and throwing them away, interleaved, medians.
// It prints what the benchmark of the targets reads:
//
//	go test ./card -run TestLoadTenMillion -v -cards 10000000 -rounds 5
func TestLoadTenMillion(t *testing.T) {
	pool := pgtest.New(t)
	n := *loadCards
	fillCards(t, pool, n)
	var loads, reads []time.Duration
	var table *card.Table
	before := heap()
	for range *loadRounds {
		reads = append(reads, timed(t, func() error { return readAndThrowAway(t.Context(), pool, n) }))
		table = card.NewTable()
		r := feed.NewReader(pool, []feed.Source{card.NewSource(table)}, feed.Options{})
		loads = append(loads, timed(t, func() error { return r.Load(t.Context()) }))
		if table.Len() != n {
			t.Fatalf("loaded %d of %d cards", table.Len(), n)
		}
	}
	bytes := max(heap()-before, table.Bytes())
	runtime.KeepAlive(table)
	load, read := median(loads), median(reads)
	perCard := float64(bytes) / float64(n)
	t.Logf("%d cards: loaded in %v, read and thrown away in %v", n, load, read)
	fmt.Printf("card_memory_bytes_per_card %.2f 12\n", perCard)
	fmt.Printf("card_load_ratio %.2f 1.5\n", load.Seconds()/read.Seconds())
	if n >= 1_000_000 && perCard > 12 {
		t.Errorf("%.2f bytes a card", perCard)
	}
	if n <= 1_000_000 {
		sameAsDatabase(t, pool, table, n)
	}
}

func timed(t *testing.T, fn func() error) time.Duration {
	t.Helper()
	began := time.Now()
	if err := fn(); err != nil {
		t.Fatal(err)
	}
	return time.Since(began)
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// readAndThrowAway is the comparison: pgx, one query, every row fetched.
func readAndThrowAway(ctx context.Context, pool *pgxpool.Pool, n int) error {
	rows, err := pool.Query(ctx, `SELECT serial, status, generation, class, (number % 10000)::int4, territory, valid_until, name_masked FROM cards`)
	if err != nil {
		return err
	}
	defer rows.Close()
	got := 0
	for rows.Next() {
		got++
	}
	if rows.Err() == nil && got != n {
		return fmt.Errorf("read %d of %d rows", got, n)
	}
	return rows.Err()
}

// fillCards makes cards as a province has them: 450 surnames in names of two to
// four characters, every territory, expiries over five years.
func fillCards(t *testing.T, pool *pgxpool.Pool, n int) {
	t.Helper()
	names := make(map[string]bool)
	for i := range 450 {
		for _, given := range []string{"一", "二三", "四五六"} {
			names[card.Mask(string(rune(0x5000+7*i))+given)] = true
		}
	}
	var territories []int32
	for _, d := range union.Divisions() {
		territories = append(territories, d.Code)
	}
	ctx := t.Context()
	if _, err := pool.Exec(ctx, `DROP INDEX cards_member`); err != nil { // not read here, and slow to fill
		t.Fatal(err)
	}
	_, err := pool.Exec(ctx, `INSERT INTO cards (serial, member_id, number, generation, status, class, territory, name_masked, valid_until)
		SELECT i, i, 4100000000000000 + (i * 7919) % 100000000000000, 1 + (i % 50 = 0)::int, 1 + (i % 40 = 0)::int, (i % 100 = 0)::int,
			($2::int[])[1 + i % cardinality($2::int[])], ($3::text[])[1 + (i * 31) % cardinality($3::text[])],
			(date '2026-01-01' + make_interval(months => (i % 60)::int + 1))::date - 1
		FROM generate_series(1, $1::bigint) i`, n, territories, slices.Sorted(maps.Keys(names)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Exec(ctx, `VACUUM (ANALYZE) cards`); err != nil {
		t.Fatal(err)
	}
}
