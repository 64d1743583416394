package roster_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"unioncard/card"
	"unioncard/card/member"
	"unioncard/card/personal"
	"unioncard/card/roster"
	"unioncard/card/roster/sample"
	"unioncard/card/sheet"
	"unioncard/card/union"
	"unioncard/card/union/staff"
	"unioncard/migrations/pgtest"
)

var (
	by   = card.By{Actor: "staff:1", Reason: "测试"}
	noon = time.Date(2026, 6, 1, 4, 0, 0, 0, time.UTC)
)

// world is two grassroots unions of one county and one of another, with registrars
// of the first union and of its county.
type world struct {
	testing.TB
	ctx               context.Context
	pool              *pgxpool.Pool
	vault             *personal.Vault
	members           *member.Store
	cards             *card.Store
	store             *roster.Store
	county            int64
	here, there, far  union.Union
	clerk, countyDesk *staff.Account
	now               time.Time
}

func newWorld(t testing.TB, limits ...sheet.Limits) *world {
	t.Helper()
	w := &world{TB: t, ctx: t.Context(), pool: pgtest.New(t), now: noon}
	clock := func() time.Time { return w.now }
	var err error
	w.vault, err = personal.Open(w.ctx, w.pool, personal.StaticKEK(1, bytes.Repeat([]byte{7}, 32)), personal.Options{})
	w.must(err)
	w.cards = card.NewStore(w.pool, card.StoreOptions{})
	w.members = member.NewStore(w.pool, w.vault, w.cards, member.Options{Clock: clock})
	o := roster.Options{Vault: w.vault, Members: w.members, Clock: clock}
	if len(limits) > 0 {
		o.Limits = limits[0]
	}
	w.store = roster.NewStore(w.pool, o)
	ids, err := w.cards.SeedUnions(w.ctx, by)
	w.must(err)
	w.county = ids[410105]
	for _, u := range []struct {
		to   *union.Union
		at   int32
		name string
	}{{&w.here, 410105, "甲厂工会委员会"}, {&w.there, 410105, "乙厂工会委员会"}, {&w.far, 410302, "丙厂工会委员会"}} {
		*u.to, err = w.cards.CreateUnion(w.ctx, by, union.Union{Kind: union.Grassroots, Name: u.name, ParentID: ids[u.at]})
		w.must(err)
	}
	w.clerk, w.countyDesk = w.account("jiceng", w.here.ID), w.account("county", w.county)
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) account(login string, unionID int64) *staff.Account {
	w.Helper()
	a := &staff.Account{Login: login, Name: login, UnionID: unionID, Roles: []staff.Role{staff.Registrar}}
	w.must(w.pool.QueryRow(w.ctx, `WITH s AS (INSERT INTO staff (login, name, union_id, roles, password, password_at, created_at)
		VALUES ($1, $1, $2, '{registrar}', 'none', now(), now()) RETURNING id)
		SELECT s.id, u.path FROM s, unions u WHERE u.id = $2`, login, unionID).Scan(&a.ID, &a.Path))
	return a
}

// work does all work there is.
func (w *world) work() {
	w.Helper()
	for {
		did, err := w.store.Work(w.ctx)
		w.must(err)
		if !did {
			return
		}
	}
}

func (w *world) upload(a *staff.Account, unionID int64, data string) *roster.Run {
	w.Helper()
	id, err := w.store.Upload(w.ctx, a, unionID, "名册.csv", strings.NewReader(data))
	w.must(err)
	w.work()
	return w.get(id)
}

func (w *world) get(id int64) *roster.Run {
	w.Helper()
	r, err := w.store.Get(w.ctx, id)
	w.must(err)
	return r
}

func (w *world) confirm(a *staff.Account, id int64) *roster.Run {
	w.Helper()
	w.must(w.store.Confirm(w.ctx, a, id, "名册登记"))
	w.work()
	return w.get(id)
}

func (w *world) count(from string, args ...any) (n int) {
	w.Helper()
	w.must(w.pool.QueryRow(w.ctx, `SELECT count(*) FROM `+from, args...).Scan(&n))
	return n
}

func (w *world) state(r *roster.Run, want roster.State, c roster.Counts) {
	w.Helper()
	if r.State != want {
		w.Fatalf("the run is %s (%s), want %s", r.State, r.Fault, want)
	}
	if diff := cmp.Diff(c, r.Counts); diff != "" {
		w.Errorf("counts: %s", diff)
	}
}

// faults are the codes of each faulty row, by number.
func (w *world) faults(id int64) map[int]string {
	w.Helper()
	rows, err := w.store.Rows(w.ctx, id, roster.Faulty, 0, 10_000)
	w.must(err)
	out := map[int]string{}
	for _, r := range rows {
		for _, f := range r.Faults {
			out[r.Number] = strings.TrimPrefix(out[r.Number]+","+f.Code, ",")
		}
	}
	return out
}

func csv(rows ...string) string {
	return "姓名,身份证号,手机号,工会\n" + strings.Join(rows, "\n") + "\n"
}

// line is a row of csv about the n-th sample person.
func line(n int, more ...string) string {
	p := sample.Person(1, n)
	return strings.Join(append([]string{p.Name, p.ResidentID, p.Phone}, more...), ",")
}

// TestSample: of a roster with planted faults each is found with its row and code,
// the others are applied, the fault file comes back corrected, and in the end all
// are members.
func TestSample(t *testing.T) {
	t.Parallel()
	for name, xlsx := range map[string]bool{"csv": false, "xlsx": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			var file bytes.Buffer
			planted, err := sample.Write(&file, sample.Spec{Rows: 2000, Faults: 60, Seed: 1, XLSX: xlsx})
			w.must(err)
			want := map[int]string{}
			for _, p := range planted {
				want[p.Row] = p.Code
			}
			r := w.upload(w.clerk, w.here.ID, file.String())
			w.state(r, roster.Checked, roster.Counts{New: 1940, Faulty: 60})
			if diff := cmp.Diff(want, w.faults(r.ID)); diff != "" {
				t.Fatal(diff)
			}
			if n := w.count("members") + w.count("roster_chunks"); n != 0 {
				t.Errorf("checking left %d members and pieces", n)
			}
			w.state(w.confirm(w.clerk, r.ID), roster.Applied, roster.Counts{New: 1940, Faulty: 60})
			if n := w.count("members WHERE roster_run = $1 AND union_id = $2 AND phone_hash IS NOT NULL", r.ID, w.here.ID); n != 1940 {
				t.Errorf("%d members", n)
			}
			m, err := w.members.ByResidentID(w.ctx, sample.Person(1, 5).ResidentID)
			w.must(err)
			if p := sample.Person(1, 5); m.Name != card.Mask(p.Name) || m.Phone != personal.MaskPhone(p.Phone) || !m.JoinedOn.Equal(noon.Truncate(24*time.Hour)) {
				t.Errorf("member %+v", m)
			}
			w.corrected(r, name, planted)
		})
	}
}

// corrected fixes the fault file as a clerk would and uploads it.
func (w *world) corrected(r *roster.Run, format string, planted []sample.Planted) {
	w.Helper()
	var file bytes.Buffer
	w.must(w.store.FaultFile(w.ctx, w.clerk, r.ID, "改正后再传", format, &file))
	in, err := sheet.Open(bytes.NewReader(file.Bytes()), int64(file.Len()), sheet.DefaultLimits())
	w.must(err)
	head, err := in.Next()
	w.must(err)
	var got []string
	for _, c := range head.Cells {
		got = append(got, c.Text)
	}
	if diff := cmp.Diff([]string{"序号", "姓名", "身份证号", "手机号", "问题", "怎么改"}, got); diff != "" {
		w.Fatal(diff)
	}
	fixed := "问题,怎么改,手机号,身份证号,姓名\n"
	for _, p := range planted {
		row, err := in.Next()
		w.must(err)
		if row.Cell(0).Text != fmt.Sprint(p.Row-1) || !strings.Contains(row.Cell(4).Text, fmt.Sprintf("第 %d 行：", p.Row)) || row.Cell(5).Text == "" {
			w.Errorf("row %d came back as %q", p.Row, row.Cells)
		}
		who := sample.Person(1, p.Row-2)
		fixed += fmt.Sprintf("%s,x,%s,%s,%s\n", row.Cell(4).Text, who.Phone, who.ResidentID, who.Name)
	}
	if _, err := in.Next(); !errors.Is(err, io.EOF) {
		w.Error("more rows than faults")
	}
	again := w.upload(w.clerk, w.here.ID, fixed)
	w.state(again, roster.Checked, roster.Counts{New: len(planted)})
	w.state(w.confirm(w.clerk, again.ID), roster.Applied, roster.Counts{New: len(planted)})
	if n := w.count("members"); n != 2000 {
		w.Errorf("%d members", n)
	}
}

// TestOutcomes: what comes of rows about persons who are somewhere already.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	register := func(u union.Union, n int) int64 {
		id, err := w.members.Register(w.ctx, by, u.ID, sample.Person(1, n), 0)
		w.must(err)
		return id
	}
	same, renamed, moved, away, left, retired := register(w.here, 1), register(w.here, 2), register(w.there, 3), register(w.far, 4), register(w.far, 5), register(w.here, 6)
	elsewhere, moving := register(w.far, 7), register(w.far, 8)
	_, err := w.cards.Issue(w.ctx, by, renamed, card.MonthOf(noon)+12)
	w.must(err)
	_, err = w.cards.Issue(w.ctx, by, moved, card.MonthOf(noon)+12)
	w.must(err)
	w.must(w.members.Leave(w.ctx, by, left))
	w.must(w.members.Retire(w.ctx, by, retired))
	_, err = w.members.RequestTransfer(w.ctx, by, moving, w.there.ID)
	w.must(err)
	p2, p9, p7 := sample.Person(1, 2), sample.Person(1, 9), sample.Person(1, 7)
	data := csv(
		line(1, "甲厂工会委员会"),
		"欧阳新名,"+p2.ResidentID+",13500000001,甲厂 工会委员会",
		line(3, "金水区总工会/甲厂工会委员会"),
		line(4, "乙厂工会委员会"),
		line(5, "甲厂工会委员会"),
		sample.Person(1, 6).Name+","+sample.Person(1, 6).ResidentID+",,甲厂工会委员会",
		line(8, "甲厂工会委员会"),
		p9.Name+","+p9.ResidentID+","+p7.Phone+",甲厂工会委员会",
		line(10, "丙厂工会委员会"),
		line(11, "没有的工会"),
		line(12, "金水区总工会"),
		line(13, ""),
		line(14, fmt.Sprint(w.there.ID)))
	r := w.upload(w.countyDesk, w.county, data)
	w.state(r, roster.Checked, roster.Counts{New: 1, Changed: 1, Unchanged: 2, Moved: 1, Transfer: 1, Rejoin: 1, Faulty: 6})
	want := map[int]string{8: "moving", 9: "phone_taken", 10: "union_unknown", 11: "union_unknown", 12: "union_kind", 13: "union_empty"}
	if diff := cmp.Diff(want, w.faults(r.ID)); diff != "" {
		t.Error(diff)
	}
	w.state(w.confirm(w.countyDesk, r.ID), roster.Applied, roster.Counts{New: 1, Changed: 1, Unchanged: 2, Moved: 1, Transfer: 1, Rejoin: 1, Faulty: 6})
	type now struct {
		Union    int64
		Status   member.Status
		Name     string
		Transfer bool
	}
	got := map[string]now{}
	for name, id := range map[string]int64{"same": same, "renamed": renamed, "moved": moved, "away": away, "left": left, "retired": retired, "elsewhere": elsewhere} {
		m, err := w.members.Get(w.ctx, id)
		w.must(err)
		got[name] = now{m.UnionID, m.Status, m.Name, m.Transfer != 0}
	}
	mask := func(n int) string { return card.Mask(sample.Person(1, n).Name) }
	if diff := cmp.Diff(map[string]now{
		"same":      {w.here.ID, member.StatusIn, mask(1), false},
		"renamed":   {w.here.ID, member.StatusIn, "欧阳**", false},
		"moved":     {w.here.ID, member.StatusIn, mask(3), false},
		"away":      {w.far.ID, member.StatusIn, mask(4), true},
		"left":      {w.here.ID, member.StatusIn, mask(5), false},
		"retired":   {w.here.ID, member.StatusRetired, mask(6), false},
		"elsewhere": {w.far.ID, member.StatusIn, mask(7), false},
	}, got); diff != "" {
		t.Error(diff)
	}
	if m, err := w.members.ByPhone(w.ctx, "13500000001"); err != nil || m.ID != renamed {
		t.Errorf("by the new phone: %v, %v", m.ID, err)
	}
	if n := w.count("cards WHERE name_masked = '欧阳**' AND version = 2"); n != 1 {
		t.Error("the card did not follow its member")
	}
	if n := w.count("changes WHERE kind = 2 AND version = 2"); n != 1 {
		t.Error("the change feed does not tell of it once")
	}
	for action, n := range map[string]int{"member.edit": 1, "member.rejoin": 1, "member.transfer": 1, "member.transfer_request": 2, "card.follow": 1,
		"roster.upload": 1, "roster.confirm": 1, "roster.apply": 1} {
		if got := w.count("events WHERE action = $1", action); got != n {
			t.Errorf("%d events %s, want %d", got, action, n)
		}
	}
	again := w.upload(w.countyDesk, w.county, data+"\n")
	w.state(again, roster.Checked, roster.Counts{Unchanged: 6, Faulty: 7})
	if err := w.store.Confirm(w.ctx, w.countyDesk, again.ID, "x"); !errors.Is(err, roster.ErrNothing) {
		t.Errorf("nothing to apply: %v", err)
	}
}

// TestStale: between check and apply everything moves.
func TestStale(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id2, err := w.members.Register(w.ctx, by, w.here.ID, sample.Person(1, 2), 0)
	w.must(err)
	p2 := sample.Person(1, 2)
	r := w.upload(w.clerk, w.here.ID, csv(line(1), p2.Name+"改,"+p2.ResidentID+","+p2.Phone, line(3), line(4)))
	w.state(r, roster.Checked, roster.Counts{New: 3, Changed: 1})
	_, err = w.members.Register(w.ctx, by, w.there.ID, sample.Person(1, 1), 0)
	w.must(err)
	w.must(w.members.Retire(w.ctx, by, id2))
	other := sample.Person(1, 50)
	other.Phone = sample.Person(1, 3).Phone
	_, err = w.members.Register(w.ctx, by, w.there.ID, other, 0)
	w.must(err)
	r = w.confirm(w.clerk, r.ID)
	w.state(r, roster.Applied, roster.Counts{New: 1, Faulty: 3, Stale: 3})
	if diff := cmp.Diff(map[int]string{2: "stale", 3: "stale", 4: "phone_taken"}, w.faults(r.ID)); diff != "" {
		t.Error(diff)
	}
	var file bytes.Buffer // of rows whose cells were not kept
	w.must(w.store.FaultFile(w.ctx, w.clerk, r.ID, "改正后再传", "csv", &file))
	if p := sample.Person(1, 3); !strings.Contains(file.String(), p.Name+`,"=""`+p.ResidentID) {
		t.Errorf("the fault file is %s", file.String())
	}
	if err := w.store.Confirm(w.ctx, w.clerk, r.ID, "x"); !errors.Is(err, roster.ErrState) {
		t.Errorf("twice: %v", err)
	}
	if err := w.store.Discard(w.ctx, w.clerk, r.ID); !errors.Is(err, roster.ErrState) {
		t.Errorf("discarded: %v", err)
	}
}
