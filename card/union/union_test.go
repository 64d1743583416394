package union

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestDivisions(t *testing.T) {
	t.Parallel()
	type count struct{ Province, City, County, Direct, Zone int }
	var got count
	var direct []string
	for _, d := range Divisions() {
		switch d.Kind {
		case Province:
			got.Province++
		case City:
			got.City++
		case County:
			got.County++
		}
		if d.Direct {
			got.Direct++
			direct = append(direct, d.Name)
		}
		if d.Zone {
			got.Zone++
		}
	}
	if diff := cmp.Diff(count{Province: 1, City: 18, County: 180, Direct: 10, Zone: 24}, got); diff != "" {
		t.Errorf("divisions (-want +got):\n%s", diff)
	}
	want := []string{"巩义市", "兰考县", "汝州市", "滑县", "长垣市", "邓州市", "永城市", "固始县", "鹿邑县", "新蔡县"}
	if diff := cmp.Diff(want, direct); diff != "" {
		t.Errorf("directly administered counties (-want +got):\n%s", diff)
	}
}

func TestParseDivisionsRefuses(t *testing.T) {
	t.Parallel()
	const head = "code,name,level,parent,note\n410000,河南省,province,,\n"
	for name, rows := range map[string]string{
		"fields":            "410100,郑州市,city,410000",
		"code":              "41010,郑州市,city,410000,",
		"not a number":      "x,郑州市,city,410000,",
		"unknown parent":    "410100,郑州市,city,420000,",
		"parent not number": "410100,郑州市,city,x,",
		"twice":             "410100,郑州市,city,410000,\n410100,郑州市,city,410000,",
		"city under city":   "410100,郑州市,city,410000,\n410200,开封市,city,410100,",
		"no name":           "410100,,city,410000,",
		"level":             "410100,郑州市,town,410000,",
		"note":              "410100,郑州市,city,410000,\n410181,巩义市,county,410100,other",
		"direct city":       "410100,郑州市,city,410000,direct",
	} {
		if _, err := parseDivisions(head + rows + "\n"); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestInScope(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		scope, path string
		want        bool
	}{
		{"/1/", "/1/", true},
		{"/1/", "/1/2/30/", true},
		{"/1/2/", "/1/20/", false},
		{"/1/2/", "/1/", false},
		{"/1/2/", "/1/3/2/", false},
		{"", "/1/", false},
		{"/1/2", "/1/20/", false},
	} {
		if got := InScope(c.scope, c.path); got != c.want {
			t.Errorf("InScope(%q, %q) = %v", c.scope, c.path, got)
		}
	}
}

// smallTree is the province, a city with a county and a zone, a directly
// administered county, 济源, an industry union and grassroots unions everywhere.
func smallTree(t *testing.T) *Tree {
	t.Helper()
	tree, err := NewTree([]Union{
		{ID: 1, Kind: Province, Name: "河南省总工会", Path: "/1/", Division: 410000, Territory: 410000, Active: true},
		{ID: 2, Kind: City, Name: "郑州市总工会", ParentID: 1, Path: "/1/2/", Division: 410100, Territory: 410100, Active: true, Version: 7},
		{ID: 3, Kind: County, Name: "金水区总工会", ParentID: 2, Path: "/1/2/3/", Division: 410105, Territory: 410105, Active: true},
		{ID: 4, Kind: County, Name: "巩义市总工会", ParentID: 1, Path: "/1/4/", Division: 410181, Territory: 410181, DirectCounty: true, Active: true},
		{ID: 5, Kind: City, Name: "济源市总工会", ParentID: 1, Path: "/1/5/", Division: 419001, Territory: 419001, Active: true},
		{ID: 6, Kind: County, Name: "郑州高新技术产业开发区总工会", ParentID: 2, Path: "/1/2/6/", Division: 410172, Territory: 410172, Zone: true, Active: true},
		{ID: 7, Kind: Industry, Name: "河南省金融工会", ParentID: 1, Path: "/1/7/", Territory: 410000, Active: true},
		{ID: 8, Kind: Grassroots, Name: "某厂工会", ParentID: 3, Path: "/1/2/3/8/", Territory: 410105, Active: true},
		{ID: 9, Kind: Grassroots, Name: "某行工会", ParentID: 7, Path: "/1/7/9/", Territory: 410000, Active: true},
		{ID: 10, Kind: Grassroots, Name: "某车间工会", ParentID: 8, Path: "/1/2/3/8/10/", Territory: 410105, Active: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func TestTree(t *testing.T) {
	t.Parallel()
	tree := smallTree(t)
	type place struct {
		Name        string
		City, Ranks int32
	}
	got := make(map[int32]place)
	for _, code := range []int32{410000, 410100, 410105, 410172, 410181, 419001, 410199, 990000} {
		got[code] = place{tree.Name(code), tree.City(code), tree.RankedUnit(code)}
	}
	want := map[int32]place{
		410000: {"河南省总工会", 0, 0},
		410100: {"郑州市总工会", 410100, 410100},
		410105: {"金水区总工会", 410100, 410100},
		410172: {"郑州高新技术产业开发区总工会", 410100, 410100},
		410181: {"巩义市总工会", 410100, 410181}, // ranked by itself, covered by its city's offers
		419001: {"济源市总工会", 419001, 419001},
		410199: {"郑州市总工会", 0, 0}, // no union of its own
		990000: {"河南省总工会", 0, 0},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var ranked []int32
	for _, u := range tree.Ranked() {
		ranked = append(ranked, u.Division)
	}
	if diff := cmp.Diff([]int32{410100, 410181, 419001}, ranked); diff != "" {
		t.Errorf("ranked (-want +got):\n%s", diff)
	}
	if !tree.InScope(2, 10) || tree.InScope(2, 4) || tree.InScope(2, 99) || tree.InScope(99, 2) || !tree.InScope(1, 9) {
		t.Error("scopes")
	}
	var empty Tree
	if empty.Name(410105) != "" || empty.City(410105) != 0 || empty.Root() != nil {
		t.Error("the empty tree knows something")
	}
}

func TestNewTreeRefuses(t *testing.T) {
	t.Parallel()
	root := Union{ID: 1, Kind: Province, Name: "省", Path: "/1/", Division: 410000, Territory: 410000}
	city := Union{ID: 2, Kind: City, Name: "市", ParentID: 1, Path: "/1/2/", Division: 410100, Territory: 410100}
	for name, change := range map[string]func(*Union){
		"no parent":          func(u *Union) { u.ParentID = 9 },
		"other path":         func(u *Union) { u.Path = "/2/" },
		"other territory":    func(u *Union) { u.Territory = 410000 },
		"no division":        func(u *Union) { u.Division = 0 },
		"no name":            func(u *Union) { u.Name = "" },
		"twice":              func(u *Union) { u.ID = 1 },
		"second province":    func(u *Union) { u.Kind = Province },
		"county, not direct": func(u *Union) { u.Kind = County },
		"direct city":        func(u *Union) { u.DirectCounty = true },
		"unknown kind":       func(u *Union) { u.Kind = "x" },
	} {
		u := city
		change(&u)
		if _, err := NewTree([]Union{root, u}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := NewTree([]Union{root, city}); err != nil {
		t.Error(err)
	}
}

// Whatever hangs where, scope by path is the same as walking up the parents.
func TestScopeIsAncestry(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		unions := []Union{{ID: 1, Kind: Province, Name: "省", Path: "/1/", Division: 410000, Territory: 410000}}
		n := rapid.IntRange(1, 30).Draw(t, "n")
		for i := range n {
			u := Union{ID: int64(i + 2), Kind: Grassroots, Name: "会"}
			parent := &unions[rapid.IntRange(0, len(unions)-1).Draw(t, "parent")]
			if err := u.place(parent); err != nil {
				t.Fatal(err)
			}
			unions = append(unions, u)
		}
		tree, err := NewTree(unions)
		if err != nil {
			t.Fatal(err)
		}
		for i := range unions {
			for j := range unions {
				above := false
				for id := unions[j].ID; id != 0; {
					above = above || id == unions[i].ID
					u, _ := tree.ByID(id)
					id = u.ParentID
				}
				if got := unions[i].Contains(&unions[j]); got != above {
					t.Fatalf("%s contains %s: %v", unions[i].Path, unions[j].Path, got)
				}
			}
		}
	})
}

func TestIndustriesAreNamedOnce(t *testing.T) {
	t.Parallel()
	seen := make(map[string]bool)
	for _, u := range industries() {
		if seen[u.Name] || !strings.HasSuffix(u.Name, "工会") {
			t.Errorf("%q", u.Name)
		}
		seen[u.Name] = true
	}
}
