package member_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"unioncard/migrations/pgtest"
)

// asked notes a pool's statements that name a table.
type asked struct {
	table string
	mu    sync.Mutex
	sql   []string
	args  [][]any
}

func (a *asked) TraceQueryStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceQueryStartData) context.Context {
	if strings.Contains(d.SQL, a.table) && strings.HasPrefix(d.SQL, "SELECT") {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.sql, a.args = append(a.sql, d.SQL), append(a.args, d.Args)
	}
	return ctx
}

func (*asked) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// TestExportReadsItsOwnEvents: an export, which holds the member's lock, does not
// read through the events of everybody's cards.
func TestExportReadsItsOwnEvents(t *testing.T) {
	t.Parallel()
	ctx, pool := t.Context(), pgtest.New(t)
	noted := &asked{table: "events"}
	config := pool.Config().Copy()
	config.ConnConfig.Tracer = noted
	watched, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(watched.Close)
	w := newWorld(t, watched)
	id := w.register(t, w.here, 1)
	if _, err := pool.Exec(ctx, `INSERT INTO events (actor, action, object_kind, object_id, reason)
		SELECT 'x', 'card.issue', 'card', i::text, 'x' FROM generate_series(1000, 50000) i`); err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Exec(ctx, `ANALYZE events`); err != nil {
		t.Fatal(err)
	}
	if _, err := w.members.Export(ctx, by, id); err != nil {
		t.Fatal(err)
	}
	if len(noted.sql) != 1 {
		t.Fatalf("%d statements read events", len(noted.sql))
	}
	rows, err := pool.Query(ctx, "EXPLAIN "+noted.sql[0], noted.args[0]...)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	plan := strings.Join(lines, "\n")
	if !strings.Contains(plan, "events_object") || strings.Contains(plan, "events_pkey") || strings.Contains(plan, "Seq Scan on events") || strings.Contains(plan, "Filter") {
		t.Error(plan)
	}
}
