package member_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"unioncard/card"
	"unioncard/card/member"
	"unioncard/migrations/pgtest"
)

// TestTakenIsTold: whoever tries numbers by registering or correcting leaves an event
// for each that was taken, without the number; what can't be recorded is not told.
func TestTakenIsTold(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	db := pgtest.Tx(t)
	w := newWorld(t, db)
	far := w.register(t, w.far, 1)
	own := w.register(t, w.here, 2)
	p := person(t, 1)
	samePhone := person(t, 3)
	samePhone.Phone = p.Phone
	m, err := w.members.Get(ctx, own)
	if err != nil {
		t.Fatal(err)
	}
	for name, try := range map[string]func(card.By) error{
		"register a member":  func(by card.By) error { _, err := w.members.Register(ctx, by, w.here.ID, p, 0); return err },
		"register a number":  func(by card.By) error { _, err := w.members.Register(ctx, by, w.here.ID, samePhone, 0); return err },
		"correct the number": func(by card.By) error { return w.members.Edit(ctx, by, own, m.Version, member.Change{Phone: &p.Phone}) },
		"correct the ID": func(by card.By) error {
			return w.members.Edit(ctx, by, own, m.Version, member.Change{ResidentID: &p.ResidentID})
		},
	} {
		if _, ok := errors.AsType[*member.TakenError](try(by)); !ok {
			t.Errorf("%s: not taken", name)
		}
		if _, ok := errors.AsType[*member.TakenError](try(card.By{Actor: by.Actor})); ok {
			t.Errorf("%s: told without an event", name)
		}
	}
	if _, err := w.members.Register(ctx, by, w.ids[410105], person(t, 4), 0); !errors.Is(err, member.ErrUnion) {
		t.Fatal(err)
	}
	rows, err := db.Query(ctx, `SELECT object_kind || ' ' || object_id || ' ' || after::text FROM events WHERE action = 'member.taken' ORDER BY 1`)
	if err != nil {
		t.Fatal(err)
	}
	got, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		fmt.Sprintf(`member %d {"fields": ["phone"]}`, own), fmt.Sprintf(`member %d {"fields": ["resident_id"]}`, own),
		fmt.Sprintf(`union %d {"fields": ["phone"]}`, w.here.ID), fmt.Sprintf(`union %d {"fields": ["resident_id"]}`, w.here.ID),
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if all := strings.Join(got, "\n"); strings.Contains(all, p.Phone) || strings.Contains(all, p.ResidentID) || strings.Contains(all, fmt.Sprintf("member %d", far)) {
		t.Errorf("an event tells too much: %s", all)
	}
}
