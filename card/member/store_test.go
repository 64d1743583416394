package member_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"unioncard/card"
	"unioncard/card/member"
	"unioncard/card/personal"
	"unioncard/card/union"
	"unioncard/migrations/pgtest"
)

var by = card.By{Actor: "staff:1", Reason: "测试"}

// person is the n-th of many made-up persons.
func person(t testing.TB, n int) personal.Person {
	t.Helper()
	id, err := personal.CompleteResidentID(fmt.Sprintf("4101051990%02d%02d%03d", n/28000%12+1, n/1000%28+1, n%1000))
	if err != nil {
		t.Fatal(err)
	}
	return personal.Person{ResidentID: string(id), Phone: fmt.Sprintf("138%08d", n), Name: "欧阳修"}
}

// world is a province with two grassroots unions of one county and one of another.
type world struct {
	db      card.DB
	vault   *personal.Vault
	members *member.Store
	cards   *card.Store
	ids     map[int32]int64
	here    union.Union
	there   union.Union
	far     union.Union // in another county
}

func newWorld(t testing.TB, db card.DB) *world {
	t.Helper()
	v, err := personal.Open(t.Context(), db, personal.StaticKEK(1, bytes.Repeat([]byte{7}, 32)), personal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{db: db, vault: v, cards: card.NewStore(db, card.StoreOptions{})}
	w.members = member.NewStore(db, v, w.cards, member.Options{})
	if w.ids, err = w.cards.SeedUnions(t.Context(), by); err != nil {
		t.Fatal(err)
	}
	for u, at := range map[*union.Union]int32{&w.here: 410105, &w.there: 410105, &w.far: 410102} {
		if *u, err = w.cards.CreateUnion(t.Context(), by, union.Union{Kind: union.Grassroots, Name: "某厂工会", ParentID: w.ids[at]}); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func (w *world) register(t testing.TB, u union.Union, n int) int64 {
	t.Helper()
	id, err := w.members.Register(t.Context(), by, u.ID, person(t, n), 0)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestRegister(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	w := newWorld(t, pgtest.Tx(t))
	id := w.register(t, w.here, 1)
	p := person(t, 1)
	for name, find := range map[string]func() (member.Member, error){
		"id":          func() (member.Member, error) { return w.members.Get(ctx, id) },
		"resident ID": func() (member.Member, error) { return w.members.ByResidentID(ctx, " "+p.ResidentID) },
		"phone":       func() (member.Member, error) { return w.members.ByPhone(ctx, "+86 "+p.Phone) },
	} {
		m, err := find()
		if err != nil {
			t.Fatalf("by %s: %v", name, err)
		}
		got := []any{m.ID, m.UnionID, m.Name, m.ResidentID, m.Phone, m.Status, m.HasPersonal}
		want := []any{id, w.here.ID, "欧阳*", personal.MaskID(p.ResidentID), personal.MaskPhone(p.Phone), member.StatusIn, true}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("by %s: %s", name, diff)
		}
	}
	if _, err := w.members.Get(ctx, id+1); !errors.Is(err, member.ErrNotFound) {
		t.Errorf("nobody: %v", err)
	}
	// The same person again, in whatever union; another with the same phone.
	_, err := w.members.Register(ctx, by, w.far.ID, p, 0)
	if taken, ok := errors.AsType[*member.TakenError](err); !ok || taken.MemberID != id || taken.Field != personal.FieldResidentID {
		t.Errorf("twice: %v", err)
	}
	other := person(t, 2)
	other.Phone = p.Phone
	_, err = w.members.Register(ctx, by, w.far.ID, other, 0)
	if taken, ok := errors.AsType[*member.TakenError](err); !ok || taken.MemberID != id || taken.Field != personal.FieldPhone {
		t.Errorf("the same phone: %v", err)
	}
	for name, u := range map[string]int64{"unknown": 1 << 40, "a county": w.ids[410105]} {
		if _, err := w.members.Register(ctx, by, u, other, 0); !errors.Is(err, member.ErrUnion) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
