package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"unioncard/api"
	"unioncard/card/union/staff"
)

// rightsRow is one line of testdata/rights.txt.
type rightsRow struct {
	Method, Path, Object string
	Public, Province     bool
	Who                  []staff.Role
}

func (r *rightsRow) name() string { return r.Method + " " + r.Path }

// readRights parses the table; "anyone" is every role.
func readRights(t *testing.T) map[string]rightsRow {
	t.Helper()
	raw, err := os.ReadFile("testdata/rights.txt")
	if err != nil {
		t.Fatal(err)
	}
	groups := map[string][]staff.Role{"anyone": staff.Roles()}
	for _, r := range staff.Roles() {
		groups[string(r)] = []staff.Role{r}
	}
	rows := map[string]rightsRow{}
	for n, line := range strings.Split(string(raw), "\n") {
		words := strings.Fields(line)
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		fail := func(format string, args ...any) {
			t.Helper()
			t.Fatalf("rights.txt:%d: %s", n+1, fmt.Sprintf(format, args...))
		}
		if words[0] == "group" && len(words) > 3 && words[2] == "=" {
			for _, w := range words[3:] {
				if groups[w] == nil {
					fail("no role is %q", w)
				}
				groups[words[1]] = append(groups[words[1]], groups[w]...)
			}
			continue
		}
		if len(words) < 4 {
			fail("not METHOD PATH OBJECT WHO")
		}
		row := rightsRow{Method: words[0], Path: words[1], Object: strings.TrimPrefix(words[2], "-")}
		for _, w := range words[3:] {
			switch {
			case w == "public":
				row.Public = true
			case w == "@province":
				row.Province = true
			case groups[w] == nil:
				fail("no role or group is %q", w)
			default:
				row.Who = append(row.Who, groups[w]...)
			}
		}
		if _, twice := rows[row.name()]; twice || row.Public == (len(row.Who) > 0) {
			fail("%s: twice, or neither public nor somebody's", row.name())
		}
		rows[row.name()] = row
	}
	return rows
}

// TestRightsTable: every route has its line, every line its route, and the lines
// agree with the table of routes on what an address names.
func TestRightsTable(t *testing.T) {
	t.Parallel()
	rows := readRights(t)
	for _, route := range api.PeopleRoutes() {
		name := route.Method + " " + route.Path
		row, ok := rows[name]
		if !ok {
			t.Errorf("%s has no line in testdata/rights.txt: who may, and whose objects?", name)
			continue
		}
		delete(rows, name)
		if row.Object != route.Object {
			t.Errorf("%s: the line says that :id is a %q, the route %q", name, row.Object, route.Object)
		}
		if row.Public != (route.Right == "") {
			t.Errorf("%s: public is %v, but the route asks for the right %q", name, row.Public, route.Right)
		}
		if strings.Contains(route.Path, "/:id") && route.Right != "" && route.Object == "" {
			t.Errorf("%s: nothing says whose the object is", name)
		}
		// Whoever may, by hand, is whoever has the right, by the code.
		for _, r := range staff.Roles() {
			if route.Right != "" && r.May(route.Right) != slices.Contains(row.Who, r) {
				t.Errorf("%s: %s may: by rights.txt %v, by card/union/staff/role.go %v", name, r, slices.Contains(row.Who, r), r.May(route.Right))
			}
		}
	}
	for name := range rows {
		t.Errorf("testdata/rights.txt: no route is %s", name)
	}
}
