package event_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"unioncard/card/union/event"
	"unioncard/migrations/pgtest"
)

// searchable is a database with a province (1), two cities (2, 3), an account in
// each city (22, 33), and a chainer that knows of contracts: each belongs to the
// city of its hundreds.
func searchable(t *testing.T) (*pgxpool.Pool, *event.Chainer) {
	t.Helper()
	db := pgtest.New(t)
	_, err := db.Exec(t.Context(), `INSERT INTO unions (id, kind, name, parent_id, path, division, territory) VALUES
		(1, 'province', 'P', NULL, '/1/', 410000, 410000), (2, 'city', 'A', 1, '/1/2/', 410100, 410100), (3, 'city', 'B', 1, '/1/3/', 410200, 410200);
		INSERT INTO staff (id, login, name, union_id, roles, password, password_at, created_at) VALUES
		(22, 'zhang', '张工', 2, '{}', '', now(), now()), (33, 'li', '李工', 3, '{}', '', now(), now())`)
	if err != nil {
		t.Fatal(err)
	}
	return db, event.NewChainer(db, event.ChainerOptions{Logger: slog.New(slog.DiscardHandler),
		Union: func(_ context.Context, kind string, id int64) (int64, bool, error) {
			return id / 100, kind == "contract", nil
		}})
}

func tell(t *testing.T, db *pgxpool.Pool, actor, action, object string, before, after any) {
	t.Helper()
	tx := begin(t, db)
	if err := event.Record(t.Context(), tx, actor, action, object, "理由", before, after); err != nil {
		t.Fatal(err)
	}
	commit(t, tx)
}

// settle links and finds scopes.
func settle(t *testing.T, c *event.Chainer) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	c.Turn = func(int) { stop() }
	if err := c.Run(ctx); err != nil {
		t.Fatal(err)
	}
}

func objects(found []event.Found) string {
	var out []string
	for _, f := range found {
		out = append(out, f.Kind+":"+f.ObjectID)
	}
	return strings.Join(out, " ")
}

func TestSearch(t *testing.T) {
	t.Parallel()
	db, c := searchable(t)
	tell(t, db, "staff:22", "contract.end", "contract:201", nil, nil)     // A by A
	tell(t, db, "staff:33", "contract.end", "contract:202:7", nil, nil)   // A by B
	tell(t, db, "staff:33", "contract.create", "contract:301", nil, nil)  // B by B
	tell(t, db, "staff:22", "draft.save", "draft:shopping", nil, nil)     // nowhere by A
	tell(t, db, "cli:root", "union.create", "union:9", nil, nil)          // nowhere by nobody
	tell(t, db, "staff:99", "contract.create", "contract:302", nil, nil)  // B by an account that is not there
	tell(t, db, "staff:x", "contract.create", "contract:77777", nil, nil) // a union that is not there
	settle(t, c)
	tell(t, db, "staff:22", "late", "contract:203", nil, nil) // not linked yet
	day := time.Now().Add(-time.Hour)
	for _, tt := range []struct {
		name string
		f    event.Filter
		want string
	}{
		{"all", event.Filter{All: true, Scope: "/1/"}, "contract:77777 contract:302 union:9 draft:shopping contract:301 contract:202:7 contract:201"},
		{"the root's scope alone", event.Filter{Scope: "/1/"}, "contract:302 draft:shopping contract:301 contract:202:7 contract:201"},
		{"A: object's or actor's", event.Filter{Scope: "/1/2/"}, "draft:shopping contract:202:7 contract:201"},
		{"B: object's or actor's", event.Filter{Scope: "/1/3/"}, "contract:302 contract:301 contract:202:7"},
		{"another tree", event.Filter{Scope: "/4/"}, ""},
		{"no scope", event.Filter{}, ""},
		{"by login", event.Filter{All: true, Who: "ZHANG"}, "draft:shopping contract:201"},
		{"by name", event.Filter{All: true, Who: "李"}, "contract:301 contract:202:7"},
		{"by a pattern", event.Filter{All: true, Who: "%"}, ""},
		{"by object", event.Filter{All: true, Kind: "contract", ObjectID: "301"}, "contract:301"},
		{"by kind", event.Filter{All: true, Kind: "union"}, "union:9"},
		{"by action", event.Filter{All: true, Action: "contract.end"}, "contract:202:7 contract:201"},
		{"by area of actions", event.Filter{All: true, Action: "contract"}, "contract:77777 contract:302 contract:301 contract:202:7 contract:201"},
		{"an object's, not linked yet", event.Filter{Scope: "/1/2/", Kind: "contract", ObjectID: "203", Unlinked: true}, "contract:203"},
		{"and not in the log", event.Filter{Scope: "/1/2/", Kind: "contract", ObjectID: "203"}, ""},
		{"linked ones elsewhere", event.Filter{Scope: "/1/2/", Kind: "contract", ObjectID: "301", Unlinked: true}, ""},
		{"since", event.Filter{All: true, From: day, Kind: "union"}, "union:9"},
		{"until", event.Filter{All: true, Until: day}, ""},
		{"first", event.Filter{All: true, Limit: 2}, "contract:77777 contract:302"},
		{"older", event.Filter{All: true, Mark: 3, Limit: 1}, "contract:202:7"},
		{"newer", event.Filter{All: true, Mark: 3, Newer: true, Limit: 2}, "draft:shopping union:9"},
	} {
		if tt.f.Limit == 0 {
			tt.f.Limit = 100
		}
		found, err := event.Search(t.Context(), db, tt.f)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if got := objects(found); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
	if _, err := event.Search(t.Context(), db, event.Filter{All: true, Kind: "contract", Unlinked: true, Limit: 1}); err == nil {
		t.Error("unlinked events of every contract")
	}
}

// What could tell who complained is shown to nobody.
func TestSearchHidesComplainants(t *testing.T) {
	t.Parallel()
	db, c := searchable(t)
	tell(t, db, "member:4711", "complaint.make", "complaint:5", nil,
		map[string]any{"state": "open", "complainant": "王某", "lines": []any{map[string]any{"Member_ID": 4711, "n": 12345678901234567}}})
	tell(t, db, "staff:22", "card.suspend", "card:815", nil, nil)
	settle(t, c)
	found, err := event.Search(t.Context(), db, event.Filter{All: true, Limit: 10})
	if err != nil || len(found) != 2 {
		t.Fatal(found, err)
	}
	for i := range found {
		found[i].At = time.Time{} // whose digits may be any
	}
	text, err := json.Marshal(found)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"4711", "王某", "815"} {
		if strings.Contains(string(text), secret) {
			t.Errorf("%s is shown: %s", secret, text)
		}
	}
	want := `{"complainant":"（不显示）","lines":[{"Member_ID":"（不显示）","n":12345678901234567}],"state":"open"}`
	if diff := cmp.Diff(want, string(found[1].After)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
