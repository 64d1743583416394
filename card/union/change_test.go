package union_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"unioncard/card/union"
	"unioncard/migrations/pgtest"
)

var noon = time.Date(2026, 6, 1, 4, 0, 0, 0, time.UTC)

// ownTx is a transaction in a database of the test's own: mergers have the tree to
// themselves until it ends.
func ownTx(t *testing.T) pgx.Tx {
	t.Helper()
	tx, err := pgtest.New(t).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) })
	return tx
}

func TestCleanName(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"  某厂工会 ": "某厂工会", "某厂(二车间)工会": "某厂（二车间）工会", "某　厂\t工会": "某 厂 工会",
		"": "", "会": "", " \n": "", "某厂\x00工会": "", "某厂\u200b工会": "", "a\xffb": "", strings.Repeat("会", 61): "",
		strings.Repeat("会", 60): strings.Repeat("会", 60),
	} {
		got, err := union.CleanName(in)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("CleanName(%q) = %q, %v, want %q", in, got, err, want)
		}
	}
}

func FuzzCleanName(f *testing.F) {
	f.Add("某厂工会")
	f.Fuzz(func(t *testing.T, in string) {
		name, err := union.CleanName(in)
		if err != nil {
			return
		}
		if again, err := union.CleanName(name); err != nil || again != name {
			t.Errorf("%q becomes %q, then %q, %v", in, name, again, err)
		}
	})
}

// Names: kept when changed, free among what hangs in one place, and a form that is
// old is told.
func TestRename(t *testing.T) {
	t.Parallel()
	ctx, tx := t.Context(), ownTx(t)
	ids, err := union.SeedHenan(ctx, tx)
	if err != nil {
		t.Fatal(err)
	}
	a, err := union.Add(ctx, tx, ids[410105], "甲厂工会")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := union.Add(ctx, tx, ids[410105], " 甲厂工会"); !errors.Is(err, union.ErrNameTaken) {
		t.Errorf("the same name again: %v", err)
	}
	if _, err := union.Add(ctx, tx, ids[410103], "甲厂工会"); err != nil {
		t.Errorf("the same name elsewhere: %v", err)
	}
	if _, err := union.Add(ctx, tx, 1<<40, "乙厂工会"); !errors.Is(err, union.ErrNotFound) {
		t.Errorf("under nobody: %v", err)
	}
	if _, _, err := union.Rename(ctx, tx, a.ID, a.Version+1, "乙厂工会", noon); !errors.Is(err, union.ErrStale) {
		t.Errorf("an old form: %v", err)
	}
	_, b, err := union.Rename(ctx, tx, a.ID, a.Version, "乙厂工会", noon)
	if err != nil {
		t.Fatal(err)
	}
	if was, is, err := union.Rename(ctx, tx, a.ID, b.Version, "乙厂工会", noon); err != nil || was.Version != is.Version {
		t.Errorf("the name it has: %v", err)
	}
	if _, _, err := union.Rename(ctx, tx, a.ID, b.Version, "丙厂工会", noon.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	names, err := union.Names(ctx, tx, a.ID)
	for i := range names {
		names[i].Until = names[i].Until.UTC()
	}
	want := []union.Name{{Name: "乙厂工会", Until: noon.Add(time.Hour)}, {Name: "甲厂工会", Until: noon}}
	if diff := cmp.Diff(want, names); diff != "" || err != nil {
		t.Errorf("former names, %v (-want +got):\n%s", err, diff)
	}
}

// Who may become a part of whom.
func TestMergeRules(t *testing.T) {
	t.Parallel()
	ctx, tx := t.Context(), ownTx(t)
	ids, err := union.SeedHenan(ctx, tx)
	if err != nil {
		t.Fatal(err)
	}
	add := func(parent int64, name string) int64 {
		u, err := union.Add(ctx, tx, parent, name)
		if err != nil {
			t.Fatal(err)
		}
		return u.ID
	}
	works := add(ids[410105], "某厂工会")
	shop, far := add(works, "某车间工会"), add(ids[410300], "某矿工会")
	var finance, industry int64
	if err := tx.QueryRow(ctx, `SELECT min(id), max(id) FROM unions WHERE kind = 'industry'`).Scan(&finance, &industry); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name       string
		from, into int64
		want       error
	}{
		{"counties of a city", ids[410105], ids[410103], nil},
		{"counties of two cities", ids[410105], ids[410302], nil},
		{"a zone into a county", ids[410172], ids[410105], nil},
		{"a zone up into its city", ids[410172], ids[410100], nil},
		{"a direct county into a county", ids[410181], ids[410105], nil},
		{"a county up into another city", ids[410105], ids[410300], union.ErrNoMerger},
		{"a direct county up into the city around it", ids[410181], ids[410100], union.ErrNoMerger},
		{"cities", ids[410300], ids[410100], nil},
		{"a city into its county", ids[410100], ids[410105], union.ErrNoMerger},
		{"the province", ids[410000], ids[410100], union.ErrNoMerger},
		{"a city into the province", ids[410100], ids[410000], union.ErrNoMerger},
		{"itself", works, works, union.ErrNoMerger},
		{"down into what is below", works, shop, union.ErrNoMerger},
		{"up into what is above", shop, works, nil},
		{"grassroots unions far apart", far, works, nil},
		{"a grassroots union into a county", works, ids[410105], union.ErrNoMerger},
		{"industries", finance, industry, nil},
		{"an industry into a county", finance, ids[410105], union.ErrNoMerger},
		{"nobody", 1 << 40, works, union.ErrNotFound},
		{"into nobody", works, 1 << 40, union.ErrNotFound},
	} {
		if _, err := union.Merging(ctx, tx, c.from, c.into); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	if _, err := union.Merge(ctx, tx, works, far); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string][2]int64{"twice": {works, far}, "into what was merged": {shop, works}} {
		if _, err := union.Merge(ctx, tx, c[0], c[1]); !errors.Is(err, union.ErrInactive) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := union.Add(ctx, tx, works, "新分会"); !errors.Is(err, union.ErrInactive) {
		t.Errorf("under what was merged: %v", err)
	}
	if err := union.Insert(ctx, tx, &union.Union{Kind: union.Grassroots, Name: "新分会", ParentID: works}); !errors.Is(err, union.ErrInactive) {
		t.Errorf("inserted under what was merged: %v", err)
	}
}

// oracle is the tree as simple as can be: who hangs under whom, and nothing derived.
type oracle struct {
	parent, into map[int64]int64
	name         map[int64]string
	division     map[int64]int32
}

func (o *oracle) path(id int64) string {
	if id == 0 {
		return "/"
	}
	return o.path(o.parent[id]) + fmt.Sprint(id) + "/"
}

func (o *oracle) territory(id int64) int32 {
	for o.division[id] == 0 {
		id = o.parent[id]
	}
	return o.division[id]
}

func (o *oracle) merge(from, into int64) {
	for id, p := range o.parent {
		if p == from {
			o.parent[id] = into
		}
	}
	o.into[from] = into
}

func (o *oracle) successor(id int64) int64 {
	for o.into[id] != 0 {
		id = o.into[id]
	}
	return id
}

// TestTreeKeepsItsShape runs random sequences of additions, renamings and mergers
// and holds the rows, the tree in memory and what Merger.Trees foretells against the
// oracle.
func TestTreeKeepsItsShape(t *testing.T) {
	t.Parallel()
	outer := ownTx(t)
	ctx := t.Context()
	rapid.Check(t, func(t *rapid.T) {
		tx, err := outer.Begin(ctx) // a savepoint
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
		o := &oracle{map[int64]int64{}, map[int64]int64{}, map[int64]string{}, map[int64]int32{}}
		var ids []int64
		put := func(kind union.Kind, parent int64, division int32, direct bool) {
			u := union.Union{Kind: kind, Name: fmt.Sprintf("%s%d", kind, len(ids)), ParentID: parent, Division: division, DirectCounty: direct}
			if err := union.Insert(ctx, tx, &u); err != nil {
				t.Fatal(err)
			}
			ids = append(ids, u.ID)
			o.parent[u.ID], o.name[u.ID], o.division[u.ID] = parent, u.Name, division
		}
		put(union.Province, 0, 410000, false)
		put(union.City, ids[0], 410100, false)
		put(union.City, ids[0], 410200, false)
		put(union.County, ids[1], 410105, false)
		put(union.County, ids[1], 410103, false)
		put(union.County, ids[2], 410202, false)
		put(union.County, ids[0], 410181, true)
		put(union.Industry, ids[0], 0, false)
		put(union.Industry, ids[1], 0, false)
		one := func(label string) int64 { return rapid.SampledFrom(ids).Draw(t, label) }
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				parent := one("parent")
				u, err := union.Add(ctx, tx, parent, fmt.Sprintf("基层工会%d", len(ids)))
				if gone := o.into[parent] != 0; errors.Is(err, union.ErrInactive) != gone || err != nil && !gone {
					t.Fatalf("add under %d, merged %v: %v", parent, gone, err)
				}
				if err == nil {
					ids = append(ids, u.ID)
					o.parent[u.ID], o.name[u.ID] = parent, u.Name
				}
			},
			"rename": func(t *rapid.T) {
				id := one("union")
				u, err := union.Get(ctx, tx, id)
				if err != nil {
					t.Fatal(err)
				}
				name := fmt.Sprintf("新名%d", len(ids)*1000+int(u.Version))
				_, _, err = union.Rename(ctx, tx, id, u.Version, name, noon.Add(time.Duration(u.Version)*time.Second))
				switch gone := o.into[id] != 0; {
				case gone && !errors.Is(err, union.ErrInactive):
					t.Fatalf("rename what is merged: %v", err)
				case errors.Is(err, union.ErrNameTaken):
				case !gone && err != nil:
					t.Fatal(err)
				case !gone:
					o.name[id] = name
				}
			},
			"merge": func(t *rapid.T) {
				from, into := one("from"), one("into")
				m, err := union.Merging(ctx, tx, from, into)
				var foretold *union.Tree
				if err == nil {
					if _, foretold, err = m.Trees(ctx, tx); err != nil {
						t.Fatal(err)
					}
				}
				if _, got := union.Merge(ctx, tx, from, into); (got == nil) != (foretold != nil) {
					t.Fatalf("merging %v, merge %v", err, got)
				}
				if foretold == nil {
					return
				}
				o.merge(from, into)
				o.check(t, foretold, ids)
			},
			"": func(t *rapid.T) {
				tree, err := union.Load(ctx, tx) // NewTree checks paths and territories too
				if err != nil {
					t.Fatal(err)
				}
				o.check(t, tree, ids)
			},
		})
	})
}

func (o *oracle) check(t *rapid.T, tree *union.Tree, ids []int64) {
	type row struct {
		Path, Name string
		Territory  int32
		Active     bool
		Successor  int64
	}
	want, got := map[int64]row{}, map[int64]row{}
	for _, id := range ids {
		want[id] = row{o.path(id), o.name[id], o.territory(id), o.into[id] == 0, o.successor(id)}
		u, ok := tree.ByID(id)
		if !ok {
			t.Fatalf("no union %d", id)
		}
		next := tree.Successor(id)
		got[id] = row{u.Path, u.Name, u.Territory, u.Active, next.ID}
		if !next.Active {
			t.Errorf("%d leads to %d, which was merged", id, next.ID)
		}
		if u.Division != 0 && tree.Name(u.Division) != next.Name {
			t.Errorf("%d is called %s, want %s", u.Division, tree.Name(u.Division), next.Name)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" || tree.Len() != len(ids) {
		t.Fatalf("%d unions, want %d (-want +got):\n%s", tree.Len(), len(ids), diff)
	}
	for _, id := range ids { // nothing that is in use hangs under what is not
		if o.into[id] == 0 && o.into[o.parent[id]] != 0 {
			t.Errorf("%d hangs under %d, which was merged", id, o.parent[id])
		}
	}
	if ranked := tree.Ranked(); slices.ContainsFunc(ranked, func(u *union.Union) bool { return !u.Active }) {
		t.Error("a merged union is ranked")
	}
}
