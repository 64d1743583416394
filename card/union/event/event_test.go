package event_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"unioncard/card/union/event"
	"unioncard/migrations/pgtest"
)

func TestRecord(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	tx := pgtest.Tx(t)
	type state struct {
		Status string `json:"status"`
	}
	if err := event.Record(ctx, tx, "cli:root", "card.suspend", "card:12:3", "会员来电", state{"active"}, &state{"suspended"}); err != nil {
		t.Fatal(err)
	}
	if err := event.Record(ctx, tx, "demo", "union.create", "union:1", "示例数据", nil, nil); err != nil {
		t.Fatal(err)
	}
	rows, _ := tx.Query(ctx, `SELECT actor, action, object_kind, object_id, reason, before->>'status', after->>'status' FROM events ORDER BY id`)
	type row struct {
		Actor, Action, Kind, ID, Reason string
		Before, After                   *string
	}
	got, err := pgx.CollectRows(rows, pgx.RowToStructByPos[row])
	if err != nil {
		t.Fatal(err)
	}
	active, suspended := "active", "suspended"
	want := []row{
		{"cli:root", "card.suspend", "card", "12:3", "会员来电", &active, &suspended},
		{"demo", "union.create", "union", "1", "示例数据", nil, nil},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRecordRefuses(t *testing.T) {
	t.Parallel()
	tx := pgtest.Tx(t)
	for name, e := range map[string][4]string{
		"actor":       {"", "a", "card:1", "r"},
		"blank actor": {" ", "a", "card:1", "r"},
		"action":      {"cli", "", "card:1", "r"},
		"reason":      {"cli", "a", "card:1", "\t"},
		"object":      {"cli", "a", "card", "r"},
		"object id":   {"cli", "a", "card:", "r"},
		"object kind": {"cli", "a", ":1", "r"},
	} {
		if err := event.Record(t.Context(), tx, e[0], e[1], e[2], e[3], nil, nil); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if err := event.Record(t.Context(), tx, "cli", "a", "card:1", "r", func() {}, nil); err == nil {
		t.Error("unmarshallable: accepted")
	}
}

// The event is in the caller's transaction: without its commit there is none.
func TestRecordIsInTheCallersTransaction(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	pool := pgtest.New(t)
	count := func() (n int) {
		if err := pool.QueryRow(ctx, `SELECT count(*) FROM events`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	for _, commit := range []bool{false, true} {
		tx, err := pool.Begin(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if err := event.Record(ctx, tx, "cli:root", "test", "card:1", "why", nil, nil); err != nil {
			t.Fatal(err)
		}
		if n := count(); n != 0 {
			t.Fatalf("%d events seen before the commit", n)
		}
		end := tx.Rollback
		if commit {
			end = tx.Commit
		}
		if err := end(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if n := count(); n != 1 {
		t.Errorf("%d events after one rollback and one commit", n)
	}
}

func TestAppendOnly(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	tx := pgtest.Tx(t)
	if err := event.Record(ctx, tx, "cli:root", "test", "card:1", "why", nil, nil); err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{`UPDATE events SET reason = 'other'`, `DELETE FROM events`, `TRUNCATE events CASCADE`} {
		save, err := tx.Begin(ctx)
		if err != nil {
			t.Fatal(err)
		}
		_, err = save.Exec(ctx, sql)
		if pg, ok := errors.AsType[*pgconn.PgError](err); !ok || pg.Code != "23001" {
			t.Errorf("%s: %v, want restrict_violation", sql, err)
		}
		if err := save.Rollback(ctx); err != nil {
			t.Fatal(err)
		}
	}
}
