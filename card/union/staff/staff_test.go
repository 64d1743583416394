package staff_test

import (
	"errors"
	"net/netip"
	"sync"
	"testing"
	"time"

	"unioncard/card/union"
	"unioncard/card/union/staff"
	"unioncard/migrations/pgtest"
)

const goodPassword = "Huanghe-7-Songshan"

// rig is a store over a database of the test's own, with a clock that it sets.
type rig struct {
	*staff.Store
	t    *testing.T
	db   staff.DB
	mu   sync.Mutex
	at   time.Time
	tree map[int32]int64 // division → union
}

func (r *rig) now() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.at
}

func (r *rig) pass(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.at = r.at.Add(d)
}

// cheap is the default policy with a hash that costs next to nothing.
func cheap() staff.Policy {
	p := staff.DefaultPolicy()
	p.SecondFactor = false
	p.Hash = staff.HashParams{Memory: 8, Passes: 1, Threads: 1}
	return p
}

func testBox() *staff.Box {
	key := []byte("0123456789abcdef0123456789abcdef")
	return &staff.Box{
		Active: func() (uint16, []byte) { return 1, key },
		ByID:   func(id uint16) ([]byte, bool) { return key, id == 1 },
	}
}

func newRig(t *testing.T, p staff.Policy) *rig {
	t.Helper()
	db := pgtest.New(t)
	r := &rig{t: t, db: db, at: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)}
	tx, err := db.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if r.tree, err = union.SeedHenan(t.Context(), tx); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.Store = staff.NewStore(db, staff.Options{Clock: r.now, Policy: p, Box: testBox()})
	return r
}

const (
	province  = 410000
	zhengzhou = 410100
	jinshui   = 410105
	kaifeng   = 410200
)

var cli = staff.By{Actor: "cli:root", Reason: "test"}

// make creates an account of a division's union.
func (r *rig) make(login string, division int32, roles ...staff.Role) int64 {
	r.t.Helper()
	id, err := r.Create(r.t.Context(), cli, staff.NewAccount{
		Login: login, Name: "张工", UnionID: r.tree[division], Roles: roles, Password: goodPassword,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return id
}

// account signs somebody in and returns who they are.
func (r *rig) account(login string) (string, *staff.Account) {
	r.t.Helper()
	token, a, err := r.SignIn(r.t.Context(), login, goodPassword, "", home)
	if err != nil {
		r.t.Fatal(err)
	}
	return token, a
}

// ended reports a session that still opens the console.
func (r *rig) ended(token, which string) {
	r.t.Helper()
	if _, err := r.BySession(r.t.Context(), token); !errors.Is(err, staff.ErrNoSession) {
		r.t.Errorf("%s: %v", which, err)
	}
}

var home = netip.MustParseAddr("192.0.2.7")
