package member_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"unioncard/card"
	"unioncard/card/member"
	"unioncard/card/personal"
	"unioncard/card/union/keyset"
	"unioncard/migrations/pgtest"
)

// An export holds everything; after the erasure nothing of it is left anywhere, the
// source's part included, and the person can come back as somebody new.
func TestExportAndErase(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	tx := pgtest.Tx(t)
	w := newWorld(t, tx)
	kept := map[int64]string{}
	members := member.NewStore(tx, w.vault, w.cards, member.Options{Sources: []member.Source{{
		Name: "notes",
		Read: func(_ context.Context, _ pgx.Tx, id int64) (any, error) { return kept[id], nil },
		Erase: func(_ context.Context, _ pgx.Tx, id int64) error {
			delete(kept, id)
			return nil
		},
	}}})
	id := w.register(t, w.here, 1)
	kept[id] = "a note"
	p := person(t, 1)
	c, err := w.cards.Issue(ctx, by, id, until)
	if err != nil {
		t.Fatal(err)
	}
	if err := members.TransferNow(ctx, by, id, w.far.ID); err != nil {
		t.Fatal(err)
	}
	d, err := members.Export(ctx, by, id)
	if err != nil {
		t.Fatal(err)
	}
	got := []any{d.ResidentID, d.Phone, d.Name, d.Status, len(d.Cards), d.Cards[0].Number, len(d.Transfers), d.Other["notes"]}
	want := []any{p.ResidentID, p.Phone, p.Name, "in", 1, fmt.Sprint(c.Number), 1, "a note"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(d.History) < 4 { // registered, asked, moved, card issued and following
		t.Errorf("history %+v", d.History)
	}
	text, err := d.JSON()
	if err != nil || !strings.Contains(string(text), p.ResidentID) {
		t.Errorf("%s, %v", text, err)
	}

	err = members.Erase(ctx, by, id)
	if move, ok := errors.AsType[*member.MoveError](err); !ok || move.From != member.StatusIn {
		t.Errorf("erased while in: %v", err)
	}
	if err := members.Leave(ctx, by, id); err != nil {
		t.Fatal(err)
	}
	if err := members.Erase(ctx, by, id); err != nil {
		t.Fatal(err)
	}
	after, err := w.cards.Get(ctx, c.Serial)
	if err != nil || after.Holder != "*" || len(kept) != 0 {
		t.Errorf("the card: %+v, %v; notes: %v", after, err, kept)
	}
	for name, err := range map[string]error{
		"again":    members.Erase(ctx, by, id),
		"rejoined": members.Rejoin(ctx, by, id, 0),
		"edited":   members.Edit(ctx, by, id, mustGet(t, members, id).Version, member.Change{Name: &p.Name}),
		"revealed": errOf(members.Reveal(ctx, by, id)),
	} {
		if !errors.Is(err, member.ErrNoData) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := members.ByResidentID(ctx, p.ResidentID); !errors.Is(err, member.ErrNotFound) {
		t.Errorf("still found: %v", err)
	}
	d, err = members.Export(ctx, by, id)
	if err != nil || d.ResidentID+d.Phone != "" || d.Name != "*" || d.ErasedAt == nil {
		t.Errorf("%+v, %v", d, err)
	}
	if _, err := members.Register(ctx, by, w.here.ID, p, 0); err != nil {
		t.Errorf("back as somebody new: %v", err)
	}
}

func mustGet(t *testing.T, s *member.Store, id int64) member.Member {
	t.Helper()
	m, err := s.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// A source that fails leaves everything as it was.
func TestEraseIsWhole(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	tx := pgtest.Tx(t)
	w := newWorld(t, tx)
	failed := errors.New("source failed")
	members := member.NewStore(tx, w.vault, w.cards, member.Options{Sources: []member.Source{{
		Name: "notes", Erase: func(context.Context, pgx.Tx, int64) error { return failed },
	}}})
	id := w.register(t, w.here, 1)
	if err := members.Leave(ctx, by, id); err != nil {
		t.Fatal(err)
	}
	if err := members.Erase(ctx, by, id); !errors.Is(err, failed) {
		t.Errorf("%v", err)
	}
	if m := mustGet(t, members, id); !m.HasPersonal || !m.ErasedAt.IsZero() {
		t.Errorf("%+v", m)
	}
}

func TestEdit(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	w := newWorld(t, pgtest.Tx(t))
	id, other := w.register(t, w.here, 1), w.register(t, w.here, 2)
	c, err := w.cards.Issue(ctx, by, id, until)
	if err != nil {
		t.Fatal(err)
	}
	str := func(s string) *string { return &s }
	class := uint8(3)
	version := mustGet(t, w.members, id).Version
	if err := w.members.Edit(ctx, by, id, version, member.Change{Name: str("司马 光"), Phone: str(""), Class: &class}); err != nil {
		t.Fatal(err)
	}
	m := mustGet(t, w.members, id)
	if m.Name != "司马*" || m.Phone != "" || m.Class != 3 || m.Version != version+1 {
		t.Errorf("%+v", m)
	}
	if after, err := w.cards.Get(ctx, c.Serial); err != nil || after.Holder != "司马*" || after.Class != 3 || after.Version != c.Version+1 {
		t.Errorf("the card: %+v, %v", after, err)
	}
	if err := w.members.Edit(ctx, by, id, version, member.Change{Phone: str("13700000001")}); !errors.Is(err, member.ErrStale) {
		t.Errorf("from an old form: %v", err)
	}
	taken := func(field string, change member.Change) {
		t.Helper()
		err := w.members.Edit(ctx, by, id, m.Version, change)
		if e, ok := errors.AsType[*member.TakenError](err); !ok || e.Field != field || e.MemberID != other {
			t.Errorf("another's %s: %v", field, err)
		}
	}
	taken(personal.FieldResidentID, member.Change{ResidentID: str(person(t, 2).ResidentID)})
	taken(personal.FieldPhone, member.Change{Phone: str(person(t, 2).Phone)})
	err = w.members.Edit(ctx, by, id, m.Version, member.Change{ResidentID: str("410105199002302893"), Phone: str("1"), Name: str("张")})
	if invalid, ok := errors.AsType[*member.InvalidError](err); !ok || len(invalid.Faults) != 3 {
		t.Errorf("three faults: %v", err)
	}
	// A form that changes nothing changes nothing.
	if err := w.members.Edit(ctx, by, id, m.Version, member.Change{Name: str("司马光"), Class: &class}); err != nil {
		t.Error(err)
	}
	if after := mustGet(t, w.members, id); after.Version != m.Version {
		t.Errorf("version %d, want %d", after.Version, m.Version)
	}
	// A member from before there was personal data gets it by and by.
	old, err := w.cards.Enroll(ctx, by, card.NewMember{UnionID: w.here.ID, Name: "张三"})
	if err != nil {
		t.Fatal(err)
	}
	p := person(t, 5)
	if err := w.members.Edit(ctx, by, old, 1, member.Change{ResidentID: &p.ResidentID, Phone: &p.Phone, Name: &p.Name}); err != nil {
		t.Fatal(err)
	}
	if found, err := w.members.ByPhone(ctx, p.Phone); err != nil || found.ID != old {
		t.Errorf("%+v, %v", found, err)
	}
}

// Whoever reveals is in the log, with the reason and without a value; without a
// reason nothing is shown.
func TestReveal(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	tx := pgtest.Tx(t)
	w := newWorld(t, tx)
	id := w.register(t, w.here, 1)
	p, err := w.members.Reveal(ctx, card.By{Actor: "staff:7", Reason: "核对身份"}, id)
	if err != nil || p.ResidentID != person(t, 1).ResidentID || p.Phone != person(t, 1).Phone {
		t.Fatal(err)
	}
	if _, err := w.members.Reveal(ctx, card.By{Actor: "staff:7"}, id); err == nil {
		t.Error("revealed for no reason")
	}
	var n int
	var text string
	err = tx.QueryRow(ctx, `SELECT count(*), string_agg(events::text, '') FROM events WHERE action = 'member.reveal'
		AND actor = 'staff:7' AND reason = '核对身份' AND object_id = $1::bigint::text`, id).Scan(&n, &text)
	if err != nil || n != 1 || strings.Contains(text, p.Phone) || strings.Contains(text, p.Name) {
		t.Errorf("%d events: %s, %v", n, text, err)
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	w := newWorld(t, pgtest.Tx(t))
	a, b, c := w.register(t, w.here, 1), w.register(t, w.there, 2), w.register(t, w.far, 3)
	if err := w.members.Retire(ctx, by, b); err != nil {
		t.Fatal(err)
	}
	if _, err := w.members.RequestTransfer(ctx, by, c, w.here.ID); err != nil {
		t.Fatal(err)
	}
	county := fmt.Sprintf("/%d/%d/%d/", w.ids[410000], w.ids[410100], w.ids[410105])
	page := keyset.Page{Sort: "id", Desc: true, Limit: 50}
	for name, tc := range map[string]struct {
		path   string
		filter member.ListFilter
		want   []int64
	}{
		"province":    {"/", member.ListFilter{}, []int64{c, b, a}},
		"county":      {county, member.ListFilter{}, []int64{b, a}},
		"one union":   {w.here.Path, member.ListFilter{}, []int64{a}},
		"union given": {county, member.ListFilter{UnionID: w.there.ID}, []int64{b}},
		"not ours":    {county, member.ListFilter{UnionID: w.far.ID}, nil},
		"retired":     {"/", member.ListFilter{Status: member.StatusRetired}, []int64{b}},
		"moving":      {"/", member.ListFilter{Moving: true}, []int64{c}},
	} {
		list, err := w.members.List(ctx, tc.path, tc.filter, page)
		if err != nil {
			t.Fatal(err)
		}
		var got []int64
		for _, m := range list {
			got = append(got, m.ID)
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	counts, err := w.members.Count(ctx, county)
	if diff := cmp.Diff(map[member.Status]int64{member.StatusIn: 1, member.StatusRetired: 1}, counts); diff != "" || err != nil {
		t.Errorf("%s, %v", diff, err)
	}
}
