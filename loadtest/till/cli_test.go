package till

import (
	"bytes"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"unioncard/loadtest/wire"
)

func TestParseCodes(t *testing.T) {
	t.Parallel()
	got, err := parseCodes([]byte("17\t0\t58000001\t41000000000100000001\n18\t1\t58000002\t41000000000200000002\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := []Code{{"17", 0, 58000001, "41000000000100000001"}, {"18", 1, 58000002, "41000000000200000002"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []string{"17\t0\t5", "17\tx\t5\t41", "17\t0\tx\t41"} {
		if _, err := parseCodes([]byte(bad)); err == nil {
			t.Errorf("parseCodes(%q): no error", bad)
		}
	}
}

func TestParseOutlets(t *testing.T) {
	t.Parallel()
	item := `{"sku":"a","category":"food","qty_milli":1000,"unit_price_fen":100,"amount_fen":100}`
	got, err := parseOutlets([]byte("1\t2\tcatering\t[" + item + "]\n3\t4\thealth\t{\"amount_fen\":100,\"items\":[" + item + "]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	basket := []Item{{SKU: "a", Category: "food", QtyMilli: 1000, UnitPriceFen: 100, AmountFen: 100}}
	if diff := cmp.Diff([]Outlet{{"1", "2", "catering", basket}, {"3", "4", "health", basket}}, got); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []string{"1\t2\tcatering", "1\t2\tcatering\t[]", "1\t2\tcatering\t{}", "1\t2\tcatering\tnone"} {
		if _, err := parseOutlets([]byte(bad)); err == nil {
			t.Errorf("parseOutlets(%q): no error", bad)
		}
	}
}

// TestCLIReportsWhatTheProgramSays: arguments reach the program, its error comes back.
func TestCLIReportsWhatTheProgramSays(t *testing.T) {
	t.Parallel()
	program := t.TempDir() + "/unioncard"
	script := "#!/bin/sh\ncase $1 in terminal) echo \"CODE-$3 good for 15 min\";; *) echo broken: $* >&2; exit 3;; esac\n"
	if err := os.WriteFile(program, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	c := CLI{Program: program, Data: "d"}
	if code, err := c.ActivationCode(t.Context(), "77"); err != nil || code != "CODE-77" {
		t.Errorf("ActivationCode = %q, %v", code, err)
	}
	_, err := c.Codes(t.Context(), 5, 2, []int{-1, 0}, []int{0, 1})
	if err == nil || !bytes.Contains([]byte(err.Error()), []byte("broken: card codes --count 2 --offset 5 --steps -1,0 --slots 0,1 --data d")) {
		t.Errorf("Codes: %v", err)
	}
}

func TestFiveLines(t *testing.T) {
	t.Parallel()
	a, b := Item{SKU: "a", AmountFen: 1}, Item{SKU: "b", AmountFen: 20}
	if diff := cmp.Diff([]Item{a, b, a, b, a}, FiveLines([]Item{a, b})); diff != "" {
		t.Error(diff)
	}
	if got := Total(FiveLines([]Item{a, b})); got != 43 {
		t.Errorf("Total = %d", got)
	}
}

// TestVerificationsPatchTheCode: the request is the one built beforehand with the
// next of the till's codes in it.
func TestVerificationsPatchTheCode(t *testing.T) {
	t.Parallel()
	codes := []string{"41111111111111111111", "41222222222222222222"}
	basket := []Item{{SKU: "a", QtyMilli: 1000, UnitPriceFen: 5, AmountFen: 5}}
	v, err := NewVerifications("h", []Stand{{Token: "t", Basket: basket, Codes: codes}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		want := wire.AppendRequest(nil, "POST", "/v1/verifications", "h", []wire.Header{Bearer("t")},
			AppendVerification(nil, codes[i%2], basket))
		got, more := v.Request([]byte("before"), 0)
		if diff := cmp.Diff("before"+string(want), string(got)); diff != "" || !more {
			t.Errorf("request %d: more %v, %s", i, more, diff)
		}
	}
	if _, err := NewVerifications("h", []Stand{{Codes: []string{"4111"}}}); err == nil {
		t.Error("a short code would be patched into the wrong place")
	}
}

// TestBatchesCollectQuotes: quotes come back in order, and a batch with one refusal
// in it is not an expected answer.
func TestBatchesCollectQuotes(t *testing.T) {
	t.Parallel()
	stand := Stand{Token: "t", Basket: []Item{{AmountFen: 5}}, Codes: []string{"1", "2", "3", "4"}}
	b, err := NewBatches("h", []Stand{stand}, 2, false)
	if err != nil {
		t.Fatal(err)
	}
	b.Keep = true
	for _, c := range []struct {
		body string
		want bool
	}{
		{`{"results":[{"quote":{"token":"a"}},{"quote":{"token":"b"}}]}`, true},
		{`{"results":[{"quote":{"token":"c"}},{"status":422}]}`, false},
	} {
		if _, more := b.Request(nil, 0); !more {
			t.Fatal("too few batches")
		}
		if got := b.Answer(0, wire.Answer{Status: 200, Body: []byte(c.body)}, 0); got != c.want {
			t.Errorf("Answer(%s) = %v", c.body, got)
		}
	}
	if _, more := b.Request(nil, 0); more {
		t.Error("a batch was sent twice while quotes are collected")
	}
	if diff := cmp.Diff([][]string{{"a", "b", "c"}}, b.Quotes); diff != "" {
		t.Error(diff)
	}
}
