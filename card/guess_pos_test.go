package card

import (
	"errors"
	"testing"
)

// A POS server that names another outlet with each guess is one client: the typed
// rule and "has not missed" hold over all its outlets, its own budget in each.
func TestGuardPOSServer(t *testing.T) {
	t.Parallel()
	in := func(outlet int64) Subjects { return Subjects{Terminal: 1, Outlet: outlet} }
	g := NewMemoryGuard(GuardOptions{})
	for outlet := range int64(5) {
		g.Miss(in(10+outlet), KindTyped, noon)
	}
	if r := g.Allow(in(99), KindTyped, noon); !errors.Is(r.Err(), ErrTypedBlocked) {
		t.Errorf("five typed misses in five outlets: %+v", r)
	}
	if r := g.Allow(in(99), KindPhone, noon); r.Refused() {
		t.Errorf("phone codes: %+v", r)
	}
	g = smallGuard(1)
	missTimes(g, 10, in(10), KindPhone)
	if r := g.Allow(in(10), KindPhone, noon); r.By != SubjectTerminal {
		t.Errorf("ten misses in one outlet: %+v", r)
	}
	if r := g.Allow(in(11), KindPhone, noon); r.Refused() {
		t.Errorf("its other outlet: %+v", r)
	}
	for n := range int64(20) { // others spend the other outlet's budget
		g.Miss(Subjects{Terminal: 500 + n, Outlet: 11}, KindPhone, noon)
	}
	if r := g.Allow(in(11), KindPhone, noon); r.By != SubjectOutlet {
		t.Errorf("a client that has missed elsewhere counts as clean: %+v", r)
	}
}
