package merchant

import (
	"errors"
	"maps"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// day is the start of a day of a test calendar.
func day(n int) time.Time { return time.Date(2026, 1, 1+n, 0, 0, 0, 0, time.UTC) }

// Of one outlet, deriveCover must give at most one contract a day, and the one
// that a walk over the days finds.
func TestDeriveCoverAgainstDays(t *testing.T) {
	t.Parallel()
	const days = 12
	rapid.Check(t, func(t *rapid.T) {
		drawn := func() (int, int) {
			from := rapid.IntRange(0, days-2).Draw(t, "from")
			return from, rapid.IntRange(from+1, days-1).Draw(t, "until")
		}
		var want [days]int64
		var past []cover
		for id := int64(1); id <= rapid.Int64Range(0, 2).Draw(t, "past"); id++ {
			from, until := drawn()
			free := true
			for d := from; d < until; d++ {
				free = free && want[d] == 0
			}
			if free {
				past = append(past, cover{id, day(from), day(until)})
				for d := from; d < until; d++ {
					want[d] = id
				}
			}
		}
		var claims []claim
		taken := map[int64]*[days]bool{0: {}, 7: {}, 8: {}}
		conflict := false
		for id := int64(10); id < 10+rapid.Int64Range(0, 4).Draw(t, "live"); id++ {
			from, until := drawn()
			outlet := rapid.SampledFrom([]int64{0, 7, 8}).Draw(t, "outlet")
			claims = append(claims, claim{id, outlet, period{day(from), day(until)}})
			for d := from; d < until; d++ {
				conflict = conflict || outlet != 8 && taken[outlet][d]
				taken[outlet][d] = true
			}
		}
		for _, level := range []int64{7, 0} {
			for d := range days {
				for _, c := range claims {
					if c.outlet == level && want[d] == 0 && !day(d).Before(c.from) && day(d).Before(c.until) {
						want[d] = c.contract
					}
				}
			}
		}

		rows, err := deriveCover(7, claims, past)
		var overlap *OverlapError
		if conflict != errors.As(err, &overlap) {
			t.Fatalf("conflict %v: %v", conflict, err)
		}
		if err != nil {
			return
		}
		o := (&Outlet{ID: 7}).withCover(append(rows, past...))
		for d := range days {
			id, _, _ := o.contractAt(day(d))
			if id != want[d] {
				t.Errorf("day %d: contract %d, want %d", d, id, want[d])
			}
		}
		for i, a := range o.cover {
			for _, b := range o.cover[i+1:] {
				if (period{a.from, a.until}).overlaps(period{b.from, b.until}) {
					t.Errorf("rows overlap: %v %v", a, b)
				}
			}
		}
	})
}

func TestContractMoves(t *testing.T) {
	t.Parallel()
	all := []ContractStatus{ContractDraft, ContractActive, ContractSuspended, ContractEnding, ContractEnded}
	want := map[string]ContractStatus{
		"draft activate": ContractActive, "draft end": ContractEnded,
		"active suspend": ContractSuspended, "active notice": ContractEnding, "active end": ContractEnded, "active expire": ContractEnded,
		"suspended resume": ContractActive, "suspended end": ContractEnded, "suspended expire": ContractEnded,
		"ending suspend": ContractSuspended, "ending notice": ContractEnding, "ending end": ContractEnded, "ending expire": ContractEnded,
	}
	got := map[string]ContractStatus{}
	for _, from := range all {
		for _, action := range []string{"activate", "suspend", "resume", "notice", "end", "expire", "sell"} {
			to, err := next(contractMoves, "contract:1", from, action)
			var move *MoveError
			if err == nil {
				got[string(from)+" "+action] = to
			} else if !errors.As(err, &move) || move.From != string(from) || move.Action != action {
				t.Errorf("%s %s: %v", from, action, err)
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestActivationHash(t *testing.T) {
	t.Parallel()
	code, hash := newActivationCode()
	if len(code) != 14 || code[4] != '-' || code[9] != '-' {
		t.Errorf("code %q", code)
	}
	if got, err := activationHash(code); err != nil || string(got) != string(hash) {
		t.Errorf("its own hash: %v", err)
	}
	want, err := activationHash("0011-ABCD-EFGH")
	if err != nil {
		t.Fatal(err)
	}
	for _, typed := range []string{"OoIlabcdefgh", " 0 0 1 1 - a b c d - e f g h "} {
		if got, err := activationHash(typed); err != nil || string(got) != string(want) {
			t.Errorf("%q: %v", typed, err)
		}
	}
}

func FuzzActivationHash(f *testing.F) {
	for _, seed := range []string{"", "0011-ABCD-EFGH", "ſſſſ-0000-0000", "\x00", "ı"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		hash, err := activationHash(typed)
		if (err == nil) != (len(hash) == 32) {
			t.Errorf("%x, %v", hash, err)
		}
	})
}

// An index must behave as a map, and a copy must not see later edits.
func TestIndexAgainstMap(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		x, model := newIndex[int64, int](hashID), map[int64]int{}
		type version struct {
			x     index[int64, int]
			model map[int64]int
		}
		var kept []version
		for range rapid.IntRange(1, 6).Draw(t, "edits") {
			kept = append(kept, version{x, maps.Clone(model)})
			e := x.edit()
			for range rapid.IntRange(0, 20).Draw(t, "changes") {
				k := rapid.Int64Range(-3, 1500).Draw(t, "key")
				if rapid.Bool().Draw(t, "delete") {
					e.delete(k)
					delete(model, k)
				} else {
					v := rapid.Int().Draw(t, "value")
					e.set(k, v)
					model[k] = v
				}
			}
			x = e.done()
		}
		for _, v := range append(kept, version{x, model}) {
			got := map[int64]int{}
			v.x.each(func(k int64, n int) { got[k] = n })
			if diff := cmp.Diff(v.model, got); diff != "" || v.x.len() != len(v.model) {
				t.Fatalf("len %d: %s", v.x.len(), diff)
			}
		}
	})
}

// After an edit is done, a further set must not reach what it returned.
func TestIndexEditGoesOn(t *testing.T) {
	t.Parallel()
	e := newIndex[string, int](hashString).edit()
	e.set("a", 1)
	first := e.done()
	e.set("a", 2)
	if v, _ := first.get("a"); v != 1 {
		t.Errorf("changed to %d", v)
	}
	second := e.done()
	if v, _ := second.get("a"); v != 2 {
		t.Errorf("lost: %d", v)
	}
}

func TestInForce(t *testing.T) {
	t.Parallel()
	at := day(5)
	tests := map[string]struct {
		merchant MerchantStatus
		outlet   OutletStatus
		contract ContractStatus
		cover    []cover
		want     error
	}{
		"in force":           {MerchantActive, OutletActive, ContractActive, []cover{{1, day(0), day(9)}}, nil},
		"under notice":       {MerchantActive, OutletActive, ContractEnding, []cover{{1, day(0), day(9)}}, nil},
		"first moment":       {MerchantActive, OutletActive, ContractActive, []cover{{1, day(5), day(9)}}, nil},
		"one past the last":  {MerchantActive, OutletActive, ContractActive, []cover{{1, day(0), day(5)}}, ErrContractEnded},
		"not begun":          {MerchantActive, OutletActive, ContractActive, []cover{{1, day(6), day(9)}}, ErrNoContract},
		"between two":        {MerchantActive, OutletActive, ContractActive, []cover{{1, day(6), day(9)}, {1, day(0), day(5)}}, ErrContractEnded},
		"none":               {MerchantActive, OutletActive, ContractActive, nil, ErrNoContract},
		"unknown contract":   {MerchantActive, OutletActive, ContractActive, []cover{{2, day(0), day(9)}}, ErrNoContract},
		"suspended":          {MerchantActive, OutletActive, ContractSuspended, []cover{{1, day(0), day(9)}}, ErrContractSuspended},
		"ended":              {MerchantActive, OutletActive, ContractEnded, []cover{{1, day(0), day(9)}}, ErrContractEnded},
		"outlet closed":      {MerchantActive, OutletClosed, ContractActive, []cover{{1, day(0), day(9)}}, ErrOutletClosed},
		"outlet suspended":   {MerchantActive, OutletSuspended, ContractActive, []cover{{1, day(0), day(9)}}, ErrOutletClosed},
		"merchant exited":    {MerchantExited, OutletClosed, ContractActive, []cover{{1, day(0), day(9)}}, ErrMerchantExited},
		"merchant suspended": {MerchantSuspended, OutletActive, ContractActive, []cover{{1, day(0), day(9)}}, ErrContractSuspended},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := (&State{clock: func() time.Time { return at }}).edit(newSnapshot())
			e.merchants.set(3, &Merchant{ID: 3, Status: tt.merchant})
			e.setOutlets([]*Outlet{{ID: 2, MerchantID: 3, Status: tt.outlet}})
			e.setCover([]int64{2}, map[int64][]cover{2: tt.cover})
			e.contracts.set(1, &Contract{ID: 1, Status: tt.contract, ValidFrom: day(0), ValidUntil: day(9)})
			state := e.state
			state.publish(e)
			c, err := state.Snapshot().InForce(2, at)
			if !errors.Is(err, tt.want) || (err == nil) != (c != nil && c.ID == 1) {
				t.Errorf("%v, %v", c, err)
			}
		})
	}
	if _, err := newSnapshot().InForce(2, at); !errors.Is(err, ErrNotFound) {
		t.Errorf("unknown outlet: %v", err)
	}
}
