package terms

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// doc writes offers tersely: each is `id` plus its fields.
func doc(offers ...string) string {
	var out []string
	for i, o := range offers {
		out = append(out, fmt.Sprintf(`{"id":"o%d","title":"优惠","funding_bp":10000,%s}`, i, o))
	}
	return `{"v":1,"offers":[` + strings.Join(out, ",") + `]}`
}

const (
	off10   = `"benefit":{"kind":"percent","rate_bp":9000}`
	off11   = `"benefit":{"kind":"percent","rate_bp":8900}`
	off12   = `"benefit":{"kind":"percent","rate_bp":8800}`
	man100  = `"benefit":{"kind":"amount_off","at_fen":10000,"off_fen":2000}`
	mei100  = `"benefit":{"kind":"every","at_fen":10000,"off_fen":1500}`
	onA     = `"scope":{"categories":["a"]},`
	onB     = `"scope":{"categories":["b"]},`
	onAB    = `"scope":{"categories":["a","b"]},`
	perDay1 = `"limits":[{"per":"day","uses":1}],`
)

func TestCompareCases(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		local, floor string
		want         Verdict
		amount       int64 // of the counterexample, 0 if not fixed
		reason       string
	}{
		"no floor":                {doc(off10), doc(), NotWorse, 0, ""},
		"nothing at all":          {doc(), doc(off10), Worse, 1, ""},
		"equal":                   {doc(off10), doc(off10), NotWorse, 0, ""},
		"better":                  {doc(off12), doc(off10), NotWorse, 0, ""},
		"worse":                   {doc(off10), doc(off12), Worse, 9, ""},
		"percent under threshold": {doc(off10), doc(man100), Worse, 10000, ""},
		"threshold under percent": {doc(man100), doc(off10), Worse, 1, ""},
		"20% covers 满100减20":      {doc(`"benefit":{"kind":"percent","rate_bp":8000}`), doc(man100), NotWorse, 0, ""},
		"每满 covers once":          {doc(mei100), doc(`"benefit":{"kind":"amount_off","at_fen":10000,"off_fen":1500}`), NotWorse, 0, ""},
		"once under 每满":           {doc(`"benefit":{"kind":"amount_off","at_fen":10000,"off_fen":1500}`), doc(mei100), Worse, 20000, ""},
		"capped":                  {doc(`"caps":{"purchase_fen":500},` + off10), doc(off10), Worse, 5001, ""},
		"narrower scope":          {doc(onA + off12), doc(off10), Worse, 1, ""},
		"wider scope":             {doc(off10), doc(onA + off10), NotWorse, 0, ""},
		"two scopes cover one":    {doc(onA+off10, onB+off10), doc(onAB + off10), NotWorse, 0, ""},
		"one scope under two":     {doc(onAB + off10), doc(onA+off10, onB+off10), Worse, 2, ""},
		"spread over thresholds":  {doc(onA+man100, onB+man100), doc(onAB + man100), Worse, 10000, ""},
		"one more offer":          {doc(onA+off10, onB+off10, off12), doc(onA+off10, onB+off10), NotWorse, 0, ""},
		// A line that both local offers have in scope keeps one of them away.
		"line in between": {doc(`"scope":{"categories":["a","c"]},`+off10, `"scope":{"categories":["b","c"]},`+off10),
			doc(onA+off10, onB+off10), Worse, 3, ""},
		// The same, where the line in between has a floor offer of its own that it is
		// too small for.
		"line in between below its threshold": {
			doc(`"scope":{"categories":["a","c"]},`+off11, `"scope":{"categories":["b","c"]},`+off11),
			doc(onA+`"caps":{"purchase_fen":5000},`+off10, onB+`"caps":{"purchase_fen":5000},`+off10,
				`"scope":{"categories":["c"]},"benefit":{"kind":"amount_off","at_fen":200000,"off_fen":1000}`), Worse, 0, ""},
		"weekdays": {doc(`"calendar":{"weekdays":[1,2,3,4,5]},` + off12), doc(off10), Worse, 1, "时段"},
		"week in two": {doc(`"calendar":{"weekdays":[1,2,3,4,5]},`+off12, `"calendar":{"weekdays":[6,7]},`+off10),
			doc(off10), NotWorse, 0, ""},
		"hours in two": {doc(`"calendar":{"hours":[{"from":"00:00","to":"12:00"}]},`+off12, `"calendar":{"hours":[{"from":"12:00","to":"24:00"}]},`+off10),
			doc(off10), NotWorse, 0, ""},
		"a minute missing": {doc(`"calendar":{"hours":[{"from":"00:00","to":"12:00"}]},`+off12, `"calendar":{"hours":[{"from":"12:01","to":"24:00"}]},`+off10),
			doc(off10), Worse, 1, "时段"},
		"blackout":         {doc(`"calendar":{"blackout":["2026-10-01"]},` + off12), doc(off10), Worse, 1, "时段"},
		"same blackout":    {doc(`"calendar":{"blackout":["2026-10-01"]},` + off12), doc(`"calendar":{"blackout":["2026-10-01"]},` + off10), NotWorse, 0, ""},
		"ends earlier":     {doc(`"calendar":{"to":"2026-12-31"},` + off12), doc(off10), Worse, 1, "时段"},
		"one territory":    {doc(`"eligibility":{"territories":[410100]},` + off12), doc(off10), Worse, 1, "会员"},
		"city over county": {doc(`"eligibility":{"territories":[410100]},` + off10), doc(`"eligibility":{"territories":[410181]},` + off10), NotWorse, 0, ""},
		"county for city":  {doc(`"eligibility":{"territories":[410181]},` + off10), doc(`"eligibility":{"territories":[410100]},` + off10), Worse, 1, "会员"},
		"province is all":  {doc(`"eligibility":{"territories":[410000]},` + off10), doc(off10), NotWorse, 0, ""},
		"one class":        {doc(`"eligibility":{"classes":[1]},` + off10), doc(off10), Worse, 1, "会员"},
		"limited":          {doc(perDay1 + off12), doc(off10), Worse, 1, "限次"},
		"same limit":       {doc(perDay1 + off12), doc(perDay1 + off10), NotWorse, 0, ""},
		"looser limit":     {doc(`"limits":[{"per":"week","uses":7}],` + off12), doc(perDay1 + off10), NotWorse, 0, ""},
		"tighter limit":    {doc(`"limits":[{"per":"week","uses":6}],` + off12), doc(perDay1 + off10), Worse, 1, "限次"},
		"unlimited floor also": {doc(perDay1+off12, `"benefit":{"kind":"percent","rate_bp":9500}`), doc(perDay1+off12, off10),
			Worse, 0, "限次"},
		"limits by offer":    {doc(perDay1+off12, off10), doc(perDay1+off12, off10), NotWorse, 0, ""},
		"fen limit":          {doc(`"limits":[{"per":"month","fen":5000}],` + off12), doc(`"limits":[{"per":"month","fen":5001}],` + off10), Worse, 1, "限额"},
		"more stacked":       {doc(off10, `"stack":1,`+off12), doc(off10), NotWorse, 0, ""},
		"same stacked":       {doc(off10, `"stack":1,`+off12), doc(off10, `"stack":1,`+off12), NotWorse, 0, ""},
		"better stacked":     {doc(off12, `"stack":1,`+off12), doc(off10, `"stack":1,`+off12), NotWorse, 0, ""},
		"stack missing":      {doc(off12), doc(off12, `"stack":1,`+off12), Worse, 2, ""},
		"unit price":         {doc(`"benefit":{"kind":"unit_price","prices":[{"sku":"s","price_fen":100}]}`), doc(`"benefit":{"kind":"unit_price","prices":[{"sku":"s","price_fen":120}]}`), NotWorse, 0, ""},
		"dearer unit price":  {doc(`"benefit":{"kind":"unit_price","prices":[{"sku":"s","price_fen":120}]}`), doc(`"benefit":{"kind":"unit_price","prices":[{"sku":"s","price_fen":100}]}`), Worse, 1, ""},
		"SKU not listed":     {doc(`"benefit":{"kind":"unit_price","prices":[{"sku":"s","price_fen":100}]}`), doc(`"benefit":{"kind":"unit_price","prices":[{"sku":"s","price_fen":100},{"sku":"t","price_fen":100}]}`), Worse, 1, ""},
		"per unit":           {doc(`"benefit":{"kind":"per_unit","off_fen":30}`), doc(onA + `"benefit":{"kind":"per_unit","off_fen":30}`), NotWorse, 0, ""},
		"less per unit":      {doc(`"benefit":{"kind":"per_unit","off_fen":29}`), doc(`"benefit":{"kind":"per_unit","off_fen":30}`), Worse, 2, ""},
		"per unit percent":   {doc(`"benefit":{"kind":"per_unit","off_fen":30}`), doc(off10), Worse, 0, ""},
		"percent per unit":   {doc(off10), doc(`"benefit":{"kind":"per_unit","off_fen":30}`), Worse, 2, ""},
		"SKU of a category":  {doc(`"scope":{"skus":["s"]},`+off12, onA+off10), doc(onA + off10), NotWorse, 0, ""},
		"category for a SKU": {doc(onA + off12), doc(`"scope":{"skus":["s"]},` + off10), Worse, 1, ""},
		"exception":          {doc(`"scope":{"except_categories":["a"]},` + off12), doc(off10), Worse, 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := Compare(mustCompile(t, tc.local), mustCompile(t, tc.floor))
			if got.Verdict != tc.want {
				t.Fatalf("verdict %v, want %v: %+v", got.Verdict, tc.want, got)
			}
			local, floor := mustParse(t, tc.local), mustParse(t, tc.floor)
			checkWorse(t, local, floor, &got)
			if tc.amount != 0 && got.Counterexample.AmountFen != tc.amount {
				t.Errorf("counterexample of %d fen, want %d", got.Counterexample.AmountFen, tc.amount)
			}
			if !strings.Contains(got.Reason, tc.reason) {
				t.Errorf("reason %q, want it to name %q", got.Reason, tc.reason)
			}
		})
	}
}

func mustParse(tb testing.TB, s string) *Terms {
	tb.Helper()
	t, err := Parse([]byte(s))
	if err != nil {
		tb.Fatal(err)
	}
	return t
}

func TestCompareWithin(t *testing.T) {
	t.Parallel()
	local := mustCompile(t, doc(`"calendar":{"from":"2026-03-01","to":"2026-12-31"},`+off10))
	floor := mustCompile(t, doc(off10))
	day := func(s string) time.Time {
		d, err := time.ParseInLocation(time.DateTime, s, Beijing())
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	for _, tc := range []struct {
		from, until string
		want        Verdict
	}{
		{"2026-03-01 00:00:00", "2027-01-01 00:00:00", NotWorse},
		{"2026-03-01 00:00:00", "2027-01-01 00:00:01", Worse},
		{"2026-02-28 23:59:00", "2027-01-01 00:00:00", Worse},
		{"2026-02-28 23:59:00", "2026-02-28 23:59:30", Worse},
		{"2026-05-01 12:00:00", "2026-05-01 12:01:00", NotWorse},
		// Shorter than a second.
		{"2026-02-28 23:59:00", "2026-02-28 23:59:00.5", Worse},
		{"2026-02-28 23:59:59.9", "2026-03-01 00:00:00", Worse},
		{"2026-12-31 23:59:59", "2027-01-01 00:00:00.5", Worse},
		{"2026-12-31 23:59:59", "2027-01-01 00:00:00", NotWorse},
	} {
		got := CompareWithin(local, floor, day(tc.from), day(tc.until))
		if got.Verdict != tc.want {
			t.Errorf("%s to %s: %v", tc.from, tc.until, got.Verdict)
		}
		if got.Verdict == Worse && (got.At.Before(day(tc.from).Truncate(time.Minute)) || !got.At.Before(day(tc.until))) {
			t.Errorf("%s to %s: counterexample at %v", tc.from, tc.until, got.At)
		}
	}
}

// Schedules: every minute of four weeks.
func TestCompareSchedules(t *testing.T) {
	t.Parallel()
	g := gen{rand.New(rand.NewPCG(11, 12))}
	verdicts := map[Verdict]int{}
	for range rounds(25, 500) {
		side := func(n int) *Terms {
			d := &Terms{V: 1}
			for i := range n {
				o := g.offer(i, Benefit{Kind: KindPercent, RateBP: g.pick(9000, 8000, 7000)})
				o.Caps = Caps{}
				if g.IntN(3) > 0 {
					o.Calendar = g.anyCalendar()
				}
				d.Offers = append(d.Offers, o)
			}
			return d
		}
		floor, local := side(1+g.IntN(2)), side(1+g.IntN(5))
		from, until := plainDay.AddDate(0, 0, -3), plainDay.AddDate(0, 0, 25)
		got := CompareWithin(compiled(t, local), compiled(t, floor), from, until)
		verdicts[got.Verdict]++
		checkWorse(t, local, floor, &got)
		worse := false
		for at := from; at.Before(until) && !worse; at = at.Add(time.Minute) {
			worse = naivePercentAt(local, at) < naivePercentAt(floor, at)
		}
		if worse != (got.Verdict == Worse) || got.Verdict == Undecided {
			t.Fatalf("%v, walked worse %v: local %s floor %s", got.Verdict, worse, show(local), show(floor))
		}
	}
	t.Log(verdicts)
}

// naivePercentAt is the largest percentage off in force.
func naivePercentAt(t *Terms, at time.Time) int64 {
	var best int64
	for i := range t.Offers {
		if o := &t.Offers[i]; naiveCalendar(&o.Calendar, at) {
			best = max(best, 10000-o.Benefit.RateBP)
		}
	}
	return best
}

// Stacked offers over one scope, every amount up to a bound.
func TestCompareStacked(t *testing.T) {
	t.Parallel()
	g := gen{rand.New(rand.NewPCG(13, 14))}
	verdicts := map[Verdict]int{}
	for range rounds(400, 20_000) {
		floor := &Terms{V: 1}
		for i := range 1 + g.IntN(3) {
			o := g.offer(i, g.amountBenefit(200))
			if g.IntN(2) == 0 {
				o.Stack = 1 + i
			}
			floor.Offers = append(floor.Offers, o)
		}
		local := g.near(floor)
		if g.IntN(2) == 0 {
			o := g.offer(9, g.amountBenefit(200))
			o.Stack = 9
			local.Offers = append(local.Offers, o)
		}
		got := Compare(compiled(t, local), compiled(t, floor))
		verdicts[got.Verdict]++
		checkWorse(t, local, floor, &got)
		for b := int64(1); b <= 450; b++ {
			l, _ := naive(local, b, nil, plainDay, Holder{}, nil)
			f, _ := naive(floor, b, nil, plainDay, Holder{}, nil)
			if l < f {
				if got.Verdict == NotWorse || got.Verdict == Worse && got.Smallest && got.Counterexample.AmountFen != b {
					t.Fatalf("worse at %d, got %+v: local %s floor %s", b, got, show(local), show(floor))
				}
				break
			}
		}
	}
	t.Log(verdicts)
}

// Quantities: small baskets at all small quantities.
func TestCompareQuantities(t *testing.T) {
	t.Parallel()
	g := gen{rand.New(rand.NewPCG(15, 16))}
	verdicts := map[Verdict]int{}
	side := func() *Terms {
		d := &Terms{V: 1}
		for i := range 1 + g.IntN(2) {
			b := Benefit{Kind: KindPerUnit, OffFen: 28 + g.Int64N(4)}
			switch g.IntN(4) {
			case 0:
				b = Benefit{Kind: KindUnitPrice, Prices: []Price{{"s", 100 + g.Int64N(3)}}}
			case 1:
				b = Benefit{Kind: KindPercent, RateBP: g.pick(9000, 8000)}
			}
			o := g.offer(i, b)
			if b.Kind != KindUnitPrice && g.IntN(2) == 0 {
				o.Scope = Scope{Categories: g.some("a", "b")}
			}
			d.Offers = append(d.Offers, o)
		}
		return d
	}
	var r Result
	for range rounds(150, 10_000) {
		floor, local := side(), side()
		if g.IntN(2) == 0 {
			local.Offers = append(local.Offers, side().Offers[0])
			local.Offers[len(local.Offers)-1].ID = "more"
		}
		l, f := compiled(t, local), compiled(t, floor)
		got := Compare(l, f)
		verdicts[got.Verdict]++
		checkWorse(t, local, floor, &got)
		if got.Verdict != NotWorse {
			continue
		}
		for range 400 {
			it := Item{Category: []string{"a", "b", ""}[g.IntN(3)], SKU: []string{"s", ""}[g.IntN(2)]}
			it.QtyMilli, it.UnitPriceFen = 1+g.Int64N(3000), g.Int64N(300)
			it.AmountFen = (it.QtyMilli*it.UnitPriceFen + 500) / 1000
			other := it
			other.Category, other.QtyMilli = "b", 1000
			other.AmountFen = other.UnitPriceFen
			in := &Input{AmountFen: it.AmountFen + other.AmountFen, Items: []Item{it, other}, At: plainDay}
			l.Evaluate(in, &r)
			have := r.DiscountFen
			if f.Evaluate(in, &r); have < r.DiscountFen {
				t.Fatalf("worse on %+v: local %s floor %s", in.Items, show(local), show(floor))
			}
		}
	}
	t.Log(verdicts)
}
