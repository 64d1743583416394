package union_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"unioncard/card/union"
	"unioncard/migrations/pgtest"
)

func TestSeedHenan(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	tx := pgtest.Tx(t)
	ids, err := union.SeedHenan(ctx, tx)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := union.Load(ctx, tx)
	if err != nil {
		t.Fatal(err)
	}
	if len(ids) != 199 || tree.Len() != 199+13 || len(tree.Ranked()) != 28 {
		t.Errorf("%d divisions, %d unions, %d ranked, want 199, 212 and 28", len(ids), tree.Len(), len(tree.Ranked()))
	}
	for _, d := range union.Divisions() {
		u, ok := tree.ByID(ids[d.Code])
		if !ok || u.Name != d.Name+"总工会" || u.Division != d.Code || u.DirectCounty != d.Direct || u.Zone != d.Zone {
			t.Errorf("%d %s: %+v", d.Code, d.Name, u)
			continue
		}
		if parent, _ := tree.ByID(u.ParentID); d.Direct && parent != tree.Root() || !d.Direct && d.Parent != 0 && parent.Division != d.Parent {
			t.Errorf("%s answers to %s", d.Name, parent.Name)
		}
		if want := d.Parent; d.Kind == union.County && tree.City(d.Code) != want {
			t.Errorf("%s lies in %d, want %d", d.Name, tree.City(d.Code), want)
		}
	}

	again, err := union.SeedHenan(ctx, tx)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(ids, again); diff != "" {
		t.Errorf("seeded twice (-first +second):\n%s", diff)
	}
	tree, err = union.Load(ctx, tx)
	if err != nil || tree.Len() != 212 {
		t.Errorf("seeded twice: %d unions, %v", tree.Len(), err)
	}
}

// Grassroots unions hang under any level and take their territory from it.
func TestInsertGrassroots(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	tx := pgtest.Tx(t)
	ids, err := union.SeedHenan(ctx, tx)
	if err != nil {
		t.Fatal(err)
	}
	var industry int64
	if err := tx.QueryRow(ctx, `SELECT id FROM unions WHERE kind = 'industry' ORDER BY id LIMIT 1`).Scan(&industry); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		parent int64
		want   int32
	}{{ids[410000], 410000}, {ids[410100], 410100}, {ids[410105], 410105}, {ids[410181], 410181}, {ids[410172], 410172}, {industry, 410000}} {
		u := union.Union{Kind: union.Grassroots, Name: "某单位工会", ParentID: c.parent}
		if err := union.Insert(ctx, tx, &u); err != nil {
			t.Fatal(err)
		}
		below := union.Union{Kind: union.Grassroots, Name: "分会", ParentID: u.ID}
		if err := union.Insert(ctx, tx, &below); err != nil {
			t.Fatal(err)
		}
		if u.Territory != c.want || below.Territory != c.want {
			t.Errorf("under %d: territories %d and %d, want %d", c.parent, u.Territory, below.Territory, c.want)
		}
	}
	if tree, err := union.Load(ctx, tx); err != nil || tree.Len() != 212+12 {
		t.Errorf("loaded %d, %v", tree.Len(), err)
	}
	for name, u := range map[string]union.Union{
		"no parent":           {Kind: union.Grassroots, Name: "x"},
		"unknown parent":      {Kind: union.Grassroots, Name: "x", ParentID: 1 << 40},
		"city under city":     {Kind: union.City, Name: "x", Division: 410999, ParentID: ids[410100]},
		"grassroots division": {Kind: union.Grassroots, Name: "x", Division: 410999, ParentID: ids[410100]},
	} {
		if err := union.Insert(ctx, tx, &u); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
