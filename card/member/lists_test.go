package member_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"unioncard/card/member"
	"unioncard/card/union"
	"unioncard/card/union/keyset"
	"unioncard/migrations/pgtest"
)

// plans are those of the statements that were noted; it forgets them.
func (a *asked) plans(t *testing.T, pool *pgxpool.Pool) (out []string) {
	t.Helper()
	for i, sql := range a.sql {
		rows, err := pool.Query(t.Context(), "EXPLAIN "+sql, a.args[i]...)
		if err != nil {
			t.Fatal(err)
		}
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, strings.Join(lines, "\n"))
	}
	a.sql, a.args = nil, nil
	return out
}

// TestListsReadIndexes: a page of those who left, and a small union's page of
// transfers, are found without reading everybody's; and they hold what they should.
func TestListsReadIndexes(t *testing.T) {
	t.Parallel()
	ctx, pool := t.Context(), pgtest.New(t)
	noted := &asked{table: "FROM members m"}
	config := pool.Config().Copy()
	config.ConnConfig.Tracer = noted
	watched, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(watched.Close)
	w := newWorld(t, watched)
	mine := []int64{w.register(t, w.here, 1), w.register(t, w.far, 2), w.register(t, w.here, 3)}
	var asks []int64
	for i, to := range []union.Union{w.far, w.here, w.there} {
		id, err := w.members.RequestTransfer(ctx, by, mine[i], to.ID)
		if err != nil {
			t.Fatal(err)
		}
		asks = append(asks, id)
	}
	gone := w.register(t, w.here, 4)
	if err := w.members.Leave(ctx, by, gone); err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{
		`INSERT INTO members (union_id, name_masked, class) SELECT CASE i % 2 WHEN 0 THEN $1::bigint ELSE $2::bigint END, '王*', 0 FROM generate_series(1, 40000) i`,
		`INSERT INTO member_transfers (member_id, from_union, to_union, state, requested_by, requested_at, reason, due_at, decided_by, decided_at)
			SELECT id, $1::bigint, $2::bigint, 'done', 'x', now(), 'x', now(), 'x', now() FROM members WHERE name_masked = '王*'`,
	} {
		if _, err := pool.Exec(ctx, sql, w.there.ID, w.far.ID); err != nil {
			t.Fatal(err)
		}
	}
	// A province has thousands of unions; how many of these three a sample of the
	// transfers meets would be luck.
	for _, sql := range []string{
		`ALTER TABLE member_transfers ALTER from_union SET (n_distinct = 1000), ALTER to_union SET (n_distinct = 1000)`, `ANALYZE`,
	} {
		if _, err := pool.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	page := keyset.Page{Limit: 51, Desc: true}
	noted.sql, noted.args = nil, nil
	for name, scope := range map[string]string{"province": "/", "union": w.here.Path} {
		left, err := w.members.List(ctx, scope, member.ListFilter{Status: member.StatusLeft}, page)
		if err != nil || len(left) != 1 || left[0].ID != gone {
			t.Errorf("%s: %v, %v", name, left, err)
		}
		for _, plan := range noted.plans(t, pool) {
			if !strings.Contains(plan, "members_left") || strings.Contains(plan, "Seq Scan on members") {
				t.Errorf("%s:\n%s", name, plan)
			}
		}
	}
	noted.table = "member_transfers t"
	ids := func(f member.TransferFilter, p keyset.Page) (out []int64) {
		t.Helper()
		list, err := w.members.Transfers(ctx, w.here.Path, f, p)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range list {
			out = append(out, l.ID)
		}
		plans := noted.plans(t, pool)
		if len(plans) != 2 {
			t.Fatalf("%d statements", len(plans))
		}
		for i, plan := range plans {
			if strings.Contains(plan, "Seq Scan on member_transfers") || i == 0 && (strings.Contains(plan, "member_transfers_pkey") || !strings.Contains(plan, "member_transfers_")) {
				t.Errorf("%+v: %s", f, plan)
			}
		}
		return out
	}
	for name, tt := range map[string]struct {
		f    member.TransferFilter
		p    keyset.Page
		want []int64
	}{
		"all":       {p: page, want: []int64{asks[2], asks[1], asks[0]}},
		"out":       {f: member.TransferFilter{Side: "out"}, p: page, want: []int64{asks[2], asks[0]}},
		"in":        {f: member.TransferFilter{Side: "in"}, p: page, want: []int64{asks[1]}},
		"done":      {f: member.TransferFilter{State: member.Done}, p: page},
		"first":     {p: keyset.Page{Limit: 2, Desc: true}, want: []int64{asks[2], asks[1]}},
		"then":      {p: keyset.Page{Limit: 2, Desc: true, From: &keyset.Mark{ID: asks[1]}}, want: []int64{asks[0]}},
		"before":    {p: keyset.Page{Limit: 2, Desc: true, Back: true, From: &keyset.Mark{ID: asks[1]}}, want: []int64{asks[2]}},
		"ascending": {p: keyset.Page{Limit: 2}, want: []int64{asks[0], asks[1]}},
	} {
		if d := cmp.Diff(tt.want, ids(tt.f, tt.p)); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	// A territory of both sides shows a transfer within it once.
	within, err := w.members.Transfers(ctx, strings.TrimSuffix(w.here.Path, "/")[:strings.LastIndex(strings.TrimSuffix(w.here.Path, "/"), "/")+1],
		member.TransferFilter{State: member.Requested}, page)
	if err != nil || len(within) != 3 {
		t.Errorf("the county: %d, %v", len(within), err)
	}
}
