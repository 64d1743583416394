package merchant_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"unioncard/merchant"
	"unioncard/migrations/pgtest"
)

func TestActivate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Tx(t))
	m := w.merchant("")
	o := w.outlet(m)
	code, err := w.store.IssueActivationCode(w.ctx, by, o)
	w.must(err)
	if got := code.ExpiresAt.Sub(noon); got != merchant.ActivationLife {
		t.Errorf("code lives %v", got)
	}
	if n := w.count(`SELECT count(*) FROM events WHERE row_to_json(events)::text LIKE '%' || $1 || '%'`, code.Code[:4]); n != 0 {
		t.Error("the log holds the code")
	}
	key := newKey(t)
	typed := strings.ToLower(strings.ReplaceAll(code.Code, "-", " "))
	first, err := w.store.Activate(w.ctx, typed, key)
	w.must(err)
	want := &merchant.Terminal{
		ID: first.ID, MerchantID: m, OutletID: o, ClientID: first.ClientID, Status: merchant.TerminalActive,
		TypedAllowed: true, PublicKey: key, Version: 1,
	}
	if diff := cmp.Diff(want, first); diff != "" {
		t.Error(diff)
	}

	again, err := w.store.Activate(w.ctx, code.Code, key) // the answer was lost
	w.must(err)
	if diff := cmp.Diff(first, again); diff != "" {
		t.Error(diff)
	}
	if _, err := w.store.Activate(w.ctx, code.Code, newKey(t)); !errors.Is(err, merchant.ErrActivation) {
		t.Errorf("another key: %v", err)
	}
	w.clock.set(noon.Add(merchant.ActivationLife))
	if _, err := w.store.Activate(w.ctx, code.Code, key); !errors.Is(err, merchant.ErrActivation) {
		t.Errorf("after its life: %v", err)
	}
	if n := w.count(`SELECT count(*) FROM terminals`); n != 1 {
		t.Errorf("%d terminals", n)
	}
}

func TestActivateRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Tx(t))
	m := w.merchant("")
	o := w.outlet(m)
	code, err := w.store.IssuePOSActivationCode(w.ctx, by, m)
	w.must(err)
	for _, bad := range []string{"", "0000-0000-0000", "7K3M", code.Code + "0", strings.Repeat("0", 1000), "UUUU-UUUU-UUUU", "７７７７-0000-0000"} {
		if _, err := w.store.Activate(w.ctx, bad, newKey(t)); !errors.Is(err, merchant.ErrActivation) {
			t.Errorf("%.20q: %v", bad, err)
		}
	}
	var invalid *merchant.InvalidError
	if _, err := w.store.Activate(w.ctx, code.Code, newKey(t)[:31]); !errors.As(err, &invalid) {
		t.Errorf("short key: %v", err)
	}
	if _, err := w.store.IssueActivationCode(w.ctx, by, o+1000); !errors.Is(err, merchant.ErrNotFound) {
		t.Errorf("no outlet: %v", err)
	}
	if _, err := w.store.IssuePOSActivationCode(w.ctx, by, m+1000); !errors.Is(err, merchant.ErrNotFound) {
		t.Errorf("no merchant: %v", err)
	}
	w.must(w.store.CloseOutlet(w.ctx, by, o))
	if _, err := w.store.IssueActivationCode(w.ctx, by, o); !errors.Is(err, merchant.ErrOutletClosed) {
		t.Errorf("closed outlet: %v", err)
	}
	w.must(w.store.ExitMerchant(w.ctx, by, m))
	if _, err := w.store.Activate(w.ctx, code.Code, newKey(t)); !errors.Is(err, merchant.ErrMerchantExited) {
		t.Errorf("exited merchant: %v", err)
	}
}

func TestActivatePOSServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Tx(t))
	m := w.merchant("")
	code, err := w.store.IssuePOSActivationCode(w.ctx, by, m)
	w.must(err)
	pos, err := w.store.Activate(w.ctx, code.Code, newKey(t))
	w.must(err)
	if !pos.POSServer || pos.OutletID != 0 || pos.MerchantID != m {
		t.Errorf("%+v", pos)
	}
	own := &merchant.Outlet{ID: 1, MerchantID: m}
	other := &merchant.Outlet{ID: 2, MerchantID: m + 1}
	if pos.MayAct(own) != nil || !errors.Is(pos.MayAct(other), merchant.ErrNotFound) || !errors.Is(pos.MayAct(nil), merchant.ErrNotFound) {
		t.Error("a POS server acts for its merchant's outlets only")
	}
}

// Of many callers with one code and keys of their own, one wins.
func TestActivateAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.New(t))
	code, err := w.store.IssueActivationCode(w.ctx, by, w.outlet(w.merchant("")))
	w.must(err)
	const callers = 8
	errs := make([]error, callers)
	var wg sync.WaitGroup
	for i := range callers {
		key := newKey(t)
		wg.Go(func() { _, errs[i] = w.store.Activate(w.ctx, code.Code, key) })
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else if !errors.Is(err, merchant.ErrActivation) {
			t.Error(err)
		}
	}
	if n := w.count(`SELECT count(*) FROM terminals`); won != 1 || n != 1 {
		t.Errorf("%d won, %d terminals", won, n)
	}
}

// Of many callers with one code and one key, all get the same terminal.
func TestActivateSameKeyAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.New(t))
	code, err := w.store.IssueActivationCode(w.ctx, by, w.outlet(w.merchant("")))
	w.must(err)
	key := newKey(t)
	var wg sync.WaitGroup
	ids := make([]int64, 8)
	for i := range ids {
		wg.Go(func() {
			terminal, err := w.store.Activate(w.ctx, code.Code, key)
			if err != nil {
				t.Error(err)
				return
			}
			ids[i] = terminal.ID
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Errorf("terminals %v", ids)
		}
	}
}

func TestTerminalMoves(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Tx(t))
	terminal := w.terminal(w.outlet(w.merchant("")))
	w.must(w.store.SuspendTerminal(w.ctx, by, terminal.ID))
	var move *merchant.MoveError
	if err := w.store.SuspendTerminal(w.ctx, by, terminal.ID); !errors.As(err, &move) {
		t.Errorf("suspended twice: %v", err)
	}
	w.must(w.store.ResumeTerminal(w.ctx, by, terminal.ID))
	w.must(w.store.SetTypedAllowed(w.ctx, by, terminal.ID, false))
	w.must(w.store.RetireTerminal(w.ctx, by, terminal.ID))
	if err := w.store.ResumeTerminal(w.ctx, by, terminal.ID); !errors.As(err, &move) {
		t.Errorf("resumed after retiring: %v", err)
	}
	if err := w.store.SetTypedAllowed(w.ctx, by, terminal.ID+1000, false); !errors.Is(err, merchant.ErrNotFound) {
		t.Errorf("absent: %v", err)
	}
	if err := w.store.RetireTerminal(w.ctx, by, terminal.ID+1000); !errors.Is(err, merchant.ErrNotFound) {
		t.Errorf("absent: %v", err)
	}
	// Each of the four changes and the activation left an event and a change.
	for _, sql := range []string{
		`SELECT count(*) FROM events WHERE object_kind = 'terminal'`,
		`SELECT count(DISTINCT version) FROM changes WHERE kind = 5`,
	} {
		if n := w.count(sql); n != 5 {
			t.Errorf("%d: %s", n, sql)
		}
	}
}

func TestUseAssertion(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.New(t))
	expires := noon.Add(time.Minute)
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		wg.Go(func() { errs[i] = w.store.UseAssertion(w.ctx, "t1", "jti", expires) })
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else if !errors.Is(err, merchant.ErrAssertionReused) {
			t.Error(err)
		}
	}
	if won != 1 {
		t.Errorf("%d won", won)
	}
	w.must(w.store.UseAssertion(w.ctx, "t2", "jti", expires)) // another client's
	var invalid *merchant.InvalidError
	for _, jti := range []string{"", strings.Repeat("x", 129)} {
		if err := w.store.UseAssertion(w.ctx, "t1", jti, expires); !errors.As(err, &invalid) {
			t.Errorf("%.5q: %v", jti, err)
		}
	}
	w.must(w.store.UseAssertion(w.ctx, "t1", strings.Repeat("工", 128), expires))

	if n, err := w.store.Prune(w.ctx, expires.Add(59*time.Minute)); n != 0 || err != nil {
		t.Errorf("pruned %d early: %v", n, err)
	}
	if n, err := w.store.Prune(w.ctx, expires.Add(61*time.Minute)); n != 3 || err != nil {
		t.Errorf("pruned %d: %v", n, err)
	}
}

// A terminal that lost its key registers a new one and stays what it is.
func TestRekey(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Tx(t))
	m := w.merchant("")
	o := w.outlet(m)
	first, err := w.store.IssueActivationCode(w.ctx, by, o)
	w.must(err)
	old := newKey(t)
	till, err := w.store.Activate(w.ctx, first.Code, old)
	w.must(err)

	code, err := w.store.IssueRekeyCode(w.ctx, by, till.ID)
	w.must(err)
	key := newKey(t)
	again, err := w.store.Activate(w.ctx, code.Code, key)
	w.must(err)
	want := *till
	want.PublicKey, want.Version = key, till.Version+1
	if diff := cmp.Diff(&want, again); diff != "" {
		t.Error(diff)
	}
	lost, err := w.store.Activate(w.ctx, code.Code, key) // the answer was lost
	w.must(err)
	if diff := cmp.Diff(&want, lost); diff != "" {
		t.Error(diff)
	}
	if _, err := w.store.Activate(w.ctx, code.Code, newKey(t)); !errors.Is(err, merchant.ErrActivation) {
		t.Errorf("the code served a second key: %v", err)
	}
	if n := w.count(`SELECT count(*) FROM changes WHERE object_id = $1 AND version = $2`, till.ID, want.Version); n != 1 {
		t.Errorf("%d rows tell the nodes of the new key", n)
	}

	astray, err := w.store.IssueRekeyCode(w.ctx, by, till.ID)
	w.must(err)
	late, err := w.store.IssueRekeyCode(w.ctx, by, till.ID)
	w.must(err)
	if _, err := w.store.Activate(w.ctx, astray.Code, newKey(t)); !errors.Is(err, merchant.ErrActivation) {
		t.Errorf("a code that another one replaced: %v", err)
	}
	w.must(w.store.RetireTerminal(w.ctx, by, till.ID))
	if _, err := w.store.Activate(w.ctx, late.Code, newKey(t)); !errors.Is(err, merchant.ErrActivation) {
		t.Errorf("a retired terminal got a key: %v", err)
	}
	var move *merchant.MoveError
	if _, err := w.store.IssueRekeyCode(w.ctx, by, till.ID); !errors.As(err, &move) {
		t.Errorf("a code for a retired terminal: %v", err)
	}
	if _, err := w.store.IssueRekeyCode(w.ctx, by, 1<<40); !errors.Is(err, merchant.ErrNotFound) {
		t.Errorf("a code for no terminal: %v", err)
	}
}
