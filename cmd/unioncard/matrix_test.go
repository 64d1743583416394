package main

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"unioncard/api"
	"unioncard/card/union/staff"
)

// matrix asks routes with what they need to get as far as the right.
type matrix struct {
	*bureau
	rows   map[string]rightsRow
	all    []*holding
	impact int64
	actors map[staff.Role]*clerk // of Zhengzhou
	above  map[staff.Role]*clerk // of the province
}

func newMatrix(t *testing.T) *matrix {
	b := newProvince(t).serve(t, "")
	m := &matrix{bureau: b, rows: readRights(t), actors: map[staff.Role]*clerk{}, above: map[staff.Role]*clerk{}}
	m.all = []*holding{
		b.furnish("own", zhengzhou, 410102, true), b.furnish("below", jinshui, jinshui, true),
		b.furnish("above", henan, 411402, false), b.furnish("beside", luoyang, 410305, false),
		b.furnish("moved", shangjie, shangjie, false),
	}
	b.moveUnion(shangjie, luoyang)
	for _, r := range staff.Roles() {
		login := strings.ReplaceAll(string(r), "_", "-")
		m.actors[r] = b.hire("zz-"+login, b.unions[zhengzhou], r)
		m.above[r] = b.hire("hn-"+login, b.unions[henan], r)
	}
	m.impact = b.floorDraft(t.Context(), m.above[staff.Negotiator])
	// What the rosters' worker writes is nobody's request.
	soon(b, time.Now(), time.Minute, "the rosters' checks", func() bool {
		return b.number(`SELECT (SELECT count(*) FROM roster_runs WHERE state IN ('uploading', 'queued', 'checking')) + (SELECT count(*) FROM roster_chunks)`) == 0
	})
	return m
}

// path is a route's address for an object; item is for :item.
func (m *matrix) path(r api.PeopleRoute, id, item int64) string {
	return strings.NewReplacer(":id", strconv.FormatInt(id, 10), ":item", strconv.FormatInt(item, 10)).Replace(r.Path) + m.query(r)
}

// query is what a route wants in its address besides.
func (m *matrix) query(r api.PeopleRoute) string {
	q := url.Values{}
	switch {
	case r.Method == http.MethodGet && r.Path == "/console/floors/impact":
		q.Set("id", strconv.FormatInt(m.impact, 10))
	case strings.HasPrefix(r.Path, "/console/floors/edit"), r.Path == "/console/floors/show":
		q.Set("trade", "travel")
	}
	if r.Method == http.MethodGet && strings.HasSuffix(r.Path, "/offer") {
		q.Set("kind", "percent")
	}
	if len(q) == 0 {
		return ""
	}
	return "?" + q.Encode()
}

// form is the fields without which a route cannot tell what it is asked about.
func (m *matrix) form(r api.PeopleRoute) []string {
	switch r.Path {
	case "/console/floors/impact":
		return []string{"trade", "travel", "deadline_days", "x"}
	case "/console/floors/propose":
		return []string{"impact", strconv.FormatInt(m.impact, 10)}
	}
	return nil
}

// ask makes a route's request.
func (m *matrix) ask(c *clerk, r api.PeopleRoute, path string, headers ...string) *reply {
	c.Helper()
	switch {
	case r.Method == http.MethodGet:
		return c.send(r.Method, path, "", nil, headers...)
	case r.Upload && headers == nil:
		return c.upload(path, "", "", nil, m.form(r)...)
	case r.Upload:
		return c.send(r.Method, path, "multipart/form-data; boundary=x", strings.NewReader("--x--\r\n"), headers...)
	}
	return c.send(r.Method, path, "application/x-www-form-urlencoded", strings.NewReader(formOf(m.form(r)...).Encode()), headers...)
}

// each runs f for every console route and every object that its :id may name; a
// route without an object runs once with nil.
func (m *matrix) each(f func(r api.PeopleRoute, row rightsRow, h *holding, id int64)) {
	for _, r := range api.PeopleRoutes() {
		row, ok := m.rows[r.Method+" "+r.Path]
		switch {
		case !ok || row.Public: // TestRightsTable complains
		case r.Object == "":
			f(r, row, nil, 0)
		default:
			for _, h := range m.all {
				if len(h.ids[r.Object]) == 0 {
					m.Fatalf("%s %s: the test has no object of kind %q", r.Method, r.Path, r.Object)
				}
				for _, id := range h.ids[r.Object] {
					f(r, row, h, id)
				}
			}
		}
	}
}

// item is a second-level object that belongs to the first: a fresh one, as
// asking may use it up.
func (m *matrix) item(c *clerk, r api.PeopleRoute, id int64) int64 {
	m.Helper()
	switch {
	case !strings.Contains(r.Path, ":item"):
		return 0
	case strings.HasPrefix(r.Path, "/console/account/sessions/"):
		token := c.token
		c.signIn()
		c.token = token
		return m.number(`SELECT max(id) FROM staff_sessions WHERE staff_id = $1`, c.id)
	case strings.HasPrefix(r.Path, "/console/applications/:id/files/"):
		return m.file(fmt.Sprintf("application:%d", id), "一次性", int(m.number(`SELECT 10 + count(*) FROM files`)))
	}
	if strings.HasPrefix(r.Path, "/console/merchants/:id/users/") {
		return m.number(`INSERT INTO merchant_users (merchant_id, name, phone_hash, phone_sealed, index_key, roles, created_by, created_at)
			VALUES ($1, '一次性', decode(md5(random()::text), 'hex'), '\x00', 1, '{owner}', 'test', now()) RETURNING id`, id)
	}
	m.Fatalf("%s: the test has no :item for it", r.Path)
	return 0
}

// passes reports whether an answer is of somebody let through.
func passes(a *reply) bool {
	switch a.status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusUnsupportedMediaType:
		return false
	}
	return a.status < 500 && !strings.HasPrefix(a.to(), "/console/login?")
}

// TestRights is the matrix of role × territory × object × action: nobody's session
// leads to the sign-in page, an object outside the territory is not there for
// anybody, one inside is refused without the right and worked on with it. Refused
// requests write nothing.
func TestRights(t *testing.T) {
	t.Parallel()
	m := newMatrix(t)
	m.untouched("refused", func() {
		m.sub("nobody", m.nobody)
		m.sub("outside", m.outside)
		m.sub("without the right", m.withoutRight)
		m.sub("from another site", m.crossSite)
	})
	m.sub("with the right", m.withRight)
	m.sub("the province", m.province)
	m.sub("moved, stripped and disabled", m.changes)
}

// nobody: without a session, and with one that never was.
func (m *matrix) nobody(t *testing.T) {
	m.each(func(r api.PeopleRoute, _ rightsRow, h *holding, id int64) {
		if h != nil && h.where != "own" && h.where != "beside" {
			return
		}
		path := m.path(r, id, 1)
		for _, token := range []string{"", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "x"} {
			c := &clerk{bureau: m.bureau, token: token}
			to := "/console/login"
			if r.Method == http.MethodGet {
				to += "?next=" + url.QueryEscape(path)
			}
			if a := m.ask(c, r, path); a.status != http.StatusSeeOther || a.to() != to {
				t.Errorf("%s %s with session %q: %d to %q", r.Method, path, token, a.status, a.to())
			}
			if a := m.ask(c, r, path, "HX-Request", "true"); a.status != http.StatusUnauthorized || a.header.Get("HX-Redirect") != to {
				t.Errorf("%s %s by a script with session %q: %d to %q", r.Method, path, token, a.status, a.header.Get("HX-Redirect"))
			}
		}
	})
}

// outside: what lies outside is not there, for any role, and reads like what never
// was.
func (m *matrix) outside(t *testing.T) {
	asked := 0
	m.each(func(r api.PeopleRoute, row rightsRow, h *holding, id int64) {
		for role, c := range m.actors {
			switch {
			case h == nil && row.Province && slices.Contains(row.Who, role):
			case h == nil || h.inside:
				continue
			}
			asked++
			path := m.path(r, id, 1)
			a := m.ask(c, r, path)
			if a.status != http.StatusNotFound {
				t.Errorf("%s %s as %s: %d, want 404", r.Method, path, role, a.status)
			}
			if strings.Contains(a.body, outsider) {
				t.Errorf("%s %s as %s tells what is there", r.Method, path, role)
			}
			if h == nil || h.where != "beside" || role != staff.Negotiator {
				continue
			}
			for _, absent := range []string{"999999999", "0", "-1", "x", "9223372036854775808", "1%00", "%2e%2e"} {
				never := strings.Replace(path, "/"+strconv.FormatInt(id, 10), "/"+absent, 1)
				b := m.ask(c, r, never)
				if b.status != http.StatusNotFound || b.withoutID() != a.withoutID() {
					t.Errorf("%s %s: %d, and not as what lies outside", r.Method, never, b.status)
				}
			}
		}
	})
	t.Logf("%d requests", asked)
}

// withoutRight: inside the territory, the wrong role.
func (m *matrix) withoutRight(t *testing.T) {
	asked := 0
	m.each(func(r api.PeopleRoute, row rightsRow, h *holding, id int64) {
		for role, c := range m.actors {
			if h != nil && !h.inside || slices.Contains(row.Who, role) {
				continue
			}
			asked++
			path := m.path(r, id, 1)
			if a := m.ask(c, r, path); a.status != http.StatusForbidden {
				t.Errorf("%s %s as %s: %d, want 403", r.Method, path, role, a.status)
			}
		}
	})
	t.Logf("%d requests", asked)
}

// crossSite: another site's page posts in a clerk's name, to every form there is.
func (m *matrix) crossSite(t *testing.T) {
	for _, r := range api.PeopleRoutes() {
		if r.Method == http.MethodGet {
			continue
		}
		row, h := m.rows[r.Method+" "+r.Path], m.all[0]
		c, id := &clerk{bureau: m.bureau}, int64(1)
		if !row.Public {
			c = m.actors[row.Who[0]]
		}
		if r.Object != "" {
			id = h.ids[r.Object][0]
		}
		path := strings.Replace(m.path(r, id, 1), ":token", "x", 1)
		for _, headers := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://elsewhere.example"}, {"Origin", "null"}} {
			if a := m.ask(c, r, path, headers...); a.status != http.StatusForbidden {
				t.Errorf("%s %s with %v: %d, want 403", r.Method, path, headers, a.status)
			}
		}
	}
}

// withRight: inside the territory, the right role. No list and no page shows what
// lies outside.
func (m *matrix) withRight(t *testing.T) {
	asked := 0
	m.each(func(r api.PeopleRoute, row rightsRow, h *holding, id int64) {
		for role, c := range m.actors {
			if h != nil && !h.inside || row.Province || !slices.Contains(row.Who, role) {
				continue
			}
			paths := []string{m.path(r, id, m.item(c, r, id))}
			if r.Method == http.MethodGet && h == nil {
				more := paths[0] + "?"
				if strings.Contains(more, "?trade") {
					more = paths[0] + "&"
				}
				paths = append(paths, more+"format=csv", more+"view=all&situation=settled&size=200&q="+outsider)
			}
			for _, path := range paths {
				asked++
				a := m.ask(c, r, path)
				if !passes(a) && !(a.status == http.StatusNotFound && r.Path == "/console/account/qr.png") { // no factor is offered
					t.Errorf("%s %s as %s: %d %s", r.Method, path, role, a.status, readable(a.body))
				}
				if shown := strings.ReplaceAll(a.body, `"`+outsider+`"`, ""); strings.Contains(shown, outsider) {
					at := strings.Index(shown, outsider)
					t.Errorf("%s %s as %s shows %q", r.Method, path, role, shown[max(0, at-120):min(len(shown), at+60)])
				}
			}
			if r.Path == "/console/logout" {
				c.signIn()
			}
		}
	})
	t.Logf("%d requests", asked)
}

// province: from above, everything is inside.
func (m *matrix) province(t *testing.T) {
	m.each(func(r api.PeopleRoute, row rightsRow, h *holding, id int64) {
		for role, c := range m.above {
			may := slices.Contains(row.Who, role)
			if h == nil && !row.Province || h != nil && role != row.Who[0] && may {
				continue
			}
			path := m.path(r, id, 1)
			if may {
				path = m.path(r, id, m.item(c, r, id))
			}
			a := m.ask(c, r, path)
			if !may && a.status != http.StatusForbidden || may && !passes(a) {
				t.Errorf("%s %s as the province's %s: %d", r.Method, path, role, a.status)
			}
		}
	})
}

// changes: an account that moves, loses a role or is disabled has what it is left
// with at the next request, in the session that it had.
func (m *matrix) changes(t *testing.T) {
	operator := m.above[staff.Operator]
	c := m.hire("changing", m.unions[zhengzhou], staff.Negotiator)
	edit := func(union int64, role staff.Role) {
		t.Helper()
		operator.want("edit", operator.post(fmt.Sprintf("/console/staff/%d/edit", c.id), "name", "调动", "reason", "岗位调整",
			"union_id", strconv.FormatInt(union, 10), "roles", string(role), "version",
			strconv.FormatInt(m.number(`SELECT version FROM staff WHERE id = $1`, c.id), 10)), 303)
	}
	sees := func(when string, want map[string]int) {
		t.Helper()
		for _, h := range m.all {
			path := fmt.Sprintf("/console/contracts/%d/renew", h.ids["contract"][0])
			if a := c.get(path); a.status != want[h.where] {
				t.Errorf("%s: %s's contract: %d, want %d", when, h.where, a.status, want[h.where])
			}
		}
	}
	sees("at first", map[string]int{"own": 200, "below": 200, "above": 404, "beside": 404, "moved": 404})
	edit(m.unions[luoyang], staff.Negotiator)
	sees("moved", map[string]int{"own": 404, "below": 404, "above": 404, "beside": 200, "moved": 200})
	edit(m.unions[luoyang], staff.Auditor)
	sees("an auditor", map[string]int{"own": 404, "below": 404, "above": 404, "beside": 403, "moved": 403})
	operator.want("disable", operator.post(fmt.Sprintf("/console/staff/%d/disable", c.id), "reason", "离职", "version",
		strconv.FormatInt(m.number(`SELECT version FROM staff WHERE id = $1`, c.id), 10)), 303)
	sees("disabled", map[string]int{"own": 303, "below": 303, "above": 303, "beside": 303, "moved": 303})
	if a := c.get("/console"); a.status != http.StatusSeeOther || !strings.HasPrefix(a.to(), "/console/login") {
		t.Errorf("disabled: %d to %s", a.status, a.to())
	}
}
