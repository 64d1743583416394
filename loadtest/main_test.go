package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"unioncard/loadtest/drive"
	"unioncard/loadtest/ratio"
	"unioncard/loadtest/till"
	"unioncard/loadtest/verdict"
)

// fakeProgram prints codes as unioncard does, for `cards` cards and a step that
// never advances.
func fakeProgram(t *testing.T, cards int) till.CLI {
	t.Helper()
	path := t.TempDir() + "/unioncard"
	script := fmt.Sprintf(`#!/bin/sh
# card codes --count N --offset K --steps S --slots T --data D
last=$(($6 + $4)); [ $last -gt %d ] && last=%d
i=$6
while [ $i -lt $last ]; do printf '%%d\t%%d\t%%d\t41%%d%%d%%016d\n' $i ${10} $8 ${10} $8 $i; i=$((i+1)); done
`, cards, cards)
	if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return till.CLI{Program: path, Data: "d"}
}

// TestPoolNeverRepeatsACode: over the end of the cards and over slots and steps.
func TestPoolNeverRepeatsACode(t *testing.T) {
	t.Parallel()
	p := newPool(fakeProgram(t, 100))
	p.cards = 100
	seen := map[string]bool{}
	for round := range 6 {
		codes, err := p.take(t.Context(), 40)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		cards := map[string]bool{}
		for _, c := range codes {
			if seen[c] {
				t.Fatalf("round %d: code %s again", round, c)
			}
			seen[c] = true
			if card := c[4:]; cards[card] {
				t.Fatalf("round %d: card %s twice", round, card)
			} else {
				cards[card] = true
			}
		}
		if len(codes) != 40 {
			t.Fatalf("round %d: %d codes", round, len(codes))
		}
	}
	if _, err := p.take(t.Context(), 101); !errors.Is(err, errNotEnough) {
		t.Errorf("more codes than cards: %v", err)
	}
}

func TestParseMix(t *testing.T) {
	t.Parallel()
	got, err := parseMix("verify=7,refund=3")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([till.Kinds]int{till.Verify: 7, till.Refund: 3}, got); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []string{"", "verify", "verify=x", "verify=-1", "sell=3", "verify=0"} {
		if _, err := parseMix(bad); err == nil {
			t.Errorf("parseMix(%q): no error", bad)
		}
	}
}

func TestFigures(t *testing.T) {
	t.Parallel()
	out := "=== RUN   TestLoadTenMillion\ncard_memory_bytes_per_card 8.25 12\ncard_load_ratio 1.31 1.5\n--- PASS: TestLoadTenMillion (0.1s)\nok\n"
	got, err := figures([]byte(out))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]float64{memoryFigure: 8.25, loadFigure: 1.31}, got); diff != "" {
		t.Error(diff)
	}
	if _, err := figures([]byte(loadFigure + " NaNo 1.5\n")); err == nil {
		t.Error("a figure that is no number was taken")
	}
}

// TestInterleave: rounds alternate their order, and the first is thrown away.
func TestInterleave(t *testing.T) {
	t.Parallel()
	b := &benchmark{opt: benchOptions{rounds: 3}, series: map[string][]float64{}}
	var order []string
	n := 0.0
	step := func(name string, factor float64) phase {
		return phase{name, func() (float64, error) {
			order = append(order, name)
			n++
			return n * factor, nil
		}}
	}
	if err := b.interleave(t.Context(), []phase{step("a", 1), step("b", 1)}); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(order, ""); got != "abbaabba" {
		t.Errorf("order %s", got)
	}
	if diff := cmp.Diff(map[string][]float64{"a": {4, 5, 8}, "b": {3, 6, 7}}, b.series); diff != "" {
		t.Error(diff)
	}
	if err := b.compare(ratio.Target{Name: "a/b", Want: 1}, "a", "b"); err != nil {
		t.Fatal(err)
	}
	want := "a/b 1.14 >=1 PASS (a 5, b 6)"
	if got := strings.Join(strings.Fields(b.lines[0]), " "); got != want {
		t.Errorf("line %q, want %q", got, want)
	}
	if err := b.compare(ratio.Target{Name: "a/c"}, "a", "c"); err == nil {
		t.Error("compared with a series that was never measured")
	}
}

// TestVerdictFails: each finding alone fails the crash test.
func TestVerdictFails(t *testing.T) {
	t.Parallel()
	books := []verdict.Entry{{Outcome: verdict.Acknowledged}, {Outcome: verdict.Acknowledged}}
	crash := func(quits int) *workshop {
		return &workshop{opt: crashOptions{tills: 2}, keeper: &keeper{quits: quits}}
	}
	if err := crash(0).verdict(books, 0, 0); err != nil {
		t.Errorf("nothing found: %v", err)
	}
	for name, err := range map[string]error{
		"breach":    crash(0).verdict(books, 1, 0),
		"stray":     crash(0).verdict(books, 0, 1),
		"quit":      crash(1).verdict(books, 0, 0),
		"no proof":  crash(0).verdict(books[:1], 0, 0),
		"no proof2": crash(0).verdict(nil, 0, 0),
	} {
		if err == nil {
			t.Errorf("%s: passed", name)
		}
	}
}

// TestMixAgainstAServer: every kind is sent with what it needs, and each kind has
// its own latencies.
func TestMixAgainstAServer(t *testing.T) {
	t.Parallel()
	sales := map[string]bool{}
	lock := make(chan struct{}, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		lock <- struct{}{}
		defer func() { <-lock }()
		key := r.Header.Get("Idempotency-Key")
		switch {
		case r.URL.Path == "/v1/verifications":
			fmt.Fprint(w, `{"quote":{"token":"q"}}`)
		case r.URL.Path == "/v1/purchases" && key != "":
			if sales[key] {
				w.Header().Set("Idempotency-Replayed", "true")
			}
			sales[key] = true
			w.WriteHeader(http.StatusCreated)
			fmt.Fprintf(w, `{"id":"id-%s"}`, key)
		case strings.HasSuffix(r.URL.Path, "/refunds") && sales[strings.TrimSuffix(key, "-r")] &&
			strings.Contains(r.URL.Path, "/id-"+strings.TrimSuffix(key, "-r")+"/"):
			w.WriteHeader(http.StatusCreated)
			fmt.Fprint(w, `{}`)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(srv.Close)
	addr := srv.Listener.Addr().String()
	supply, stop, err := supplyCodes(t.Context(), newPool(fakeProgram(t, 10_000)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	stands := make([]till.Stand, 4)
	for i := range stands {
		stands[i] = till.Stand{Token: "t", Basket: []till.Item{{QtyMilli: 1000, UnitPriceFen: 5, AmountFen: 5}}}
	}
	mix := [till.Kinds]int{till.Verify: 40, till.Purchase: 30, till.Repeat: 15, till.Refund: 15}
	src := till.NewMix(addr, "m", stands, mix, supply, rand.New(rand.NewPCG(1, 1)))
	res, err := drive.Run(drive.Options{Addr: addr, Conns: 4, Duration: 500 * time.Millisecond, Schedule: drive.Poisson(1000, 1)}, src)
	if err != nil {
		t.Fatal(err)
	}
	if err := res.Valid(); err != nil {
		t.Error(err, src.Refusals)
	}
	var total int64
	for k, h := range src.Latency {
		if h.TotalCount() == 0 {
			t.Errorf("no %s was sent", till.KindNames[k])
		}
		total += h.TotalCount()
	}
	if total != int64(res.Done) {
		t.Errorf("%d latencies of %d answers", total, res.Done)
	}
}

func TestFlagsAreStrict(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{}, {"play"}, {"bench", "-only", "everything"}, {"bench", "-rounds", "0"}, {"crash", "-tills", "0"},
		{"run", "-conns", "0"}, {"run", "-mix", "sell=1"}, {"run", "-addr", "127.0.0.1:1"},
		{"bench", "-unioncard", "/no/such/program", "-only", "verify"}, {"crash", "-unioncard", "/no/such/program"},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		if err := dispatch(ctx, args); err == nil {
			t.Errorf("%v: no error", args)
		}
		cancel()
	}
}
