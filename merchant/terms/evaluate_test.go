package terms

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// anyTerms are up to five offers of every kind, scope, calendar and stack.
func (g gen) anyTerms() *Terms {
	t := &Terms{V: 1}
	for i := range g.IntN(6) {
		var b Benefit
		switch g.IntN(4) {
		case 0:
			b = Benefit{Kind: KindPerUnit, OffFen: 1 + g.Int64N(300)}
		case 1:
			b = Benefit{Kind: KindUnitPrice, Prices: []Price{{"s", g.Int64N(900)}, {"t", g.Int64N(900)}}[:1+g.IntN(2)]}
		default:
			b = g.amountBenefit(3000)
		}
		o := g.offer(i, b)
		if b.Kind != KindUnitPrice {
			o.Scope = g.anyScope()
		}
		if g.IntN(3) == 0 {
			o.Stack = 10 - i
		}
		if g.IntN(3) == 0 {
			o.Calendar = g.anyCalendar()
		}
		if g.IntN(4) == 0 {
			o.Eligibility = Eligibility{Territories: []int32{int32(g.pick(410100, 410102, 410181, 410000))}}
		}
		if g.IntN(4) == 0 {
			o.Limits = []Limit{{Per: PerDay, Uses: g.Int64N(2), Fen: 1 + g.Int64N(400)}}
		}
		o.FundingBP = g.pick(10000, 5000, 3333, 0)
		t.Offers = append(t.Offers, o)
	}
	return t
}

func (g gen) some(of ...string) []string {
	var out []string
	for _, s := range of {
		if g.IntN(3) == 0 {
			out = append(out, s)
		}
	}
	return out
}

func (g gen) anyScope() Scope {
	s := Scope{Categories: g.some("a", "b", "c"), SKUs: g.some("s", "t")}
	if g.IntN(3) == 0 {
		s.ExceptCategories, s.ExceptSKUs = g.some("a", "d"), g.some("s")
	}
	return s
}

func (g gen) anyCalendar() Calendar {
	var c Calendar
	day := func() string { return plainDay.AddDate(0, 0, g.IntN(21)).Format(time.DateOnly) }
	if g.IntN(2) == 0 {
		c.From = day()
	}
	if to := day(); g.IntN(2) == 0 && to >= c.From {
		c.To = to
	}
	for w := 1; w <= 7; w++ {
		if g.IntN(2) == 0 {
			c.Weekdays = append(c.Weekdays, w)
		}
	}
	switch g.IntN(3) {
	case 0:
		c.Hours = []Hours{{"09:00", "11:30"}, {"17:01", "24:00"}}
	case 1:
		c.Hours = []Hours{{"00:00", "09:00"}, {"11:00", "17:02"}}
	}
	if g.IntN(2) == 0 {
		c.Blackout = []string{day()}
	}
	return c
}

var plainDay = time.Date(2026, 1, 5, 0, 0, 0, 0, time.FixedZone("", 8*3600))

func (g gen) basket() (int64, []Item) {
	if g.IntN(8) == 0 {
		return 1 + g.Int64N(20_000), nil
	}
	var items []Item
	var sum int64
	for range 1 + g.IntN(5) {
		it := Item{QtyMilli: g.pick(1000, 2000, 1, 1500, 333, 40_000), UnitPriceFen: g.Int64N(2000)}
		it.Category = []string{"a", "b", "c", "d", ""}[g.IntN(5)]
		it.SKU = []string{"s", "t", "u", ""}[g.IntN(4)]
		it.AmountFen = (it.QtyMilli*it.UnitPriceFen + 500) / 1000
		items = append(items, it)
		sum += it.AmountFen
	}
	if sum == 0 {
		return g.basket()
	}
	return sum, items
}

func TestEvaluateOracle(t *testing.T) {
	t.Parallel()
	var r Result
	rapid.Check(t, func(rt *rapid.T) {
		g := gen{rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 1))}
		for range 50 {
			doc := g.anyTerms()
			c := compiled(t, doc)
			amount, items := g.basket()
			if err := CheckBasket(amount, items); err != nil {
				t.Fatal(err)
			}
			in := &Input{AmountFen: amount, Items: items, Holder: Holder{County: 410102, City: 410100}}
			in.At = plainDay.Add(time.Duration(g.IntN(21*24*60)) * time.Minute)
			if g.IntN(2) == 0 {
				in.Holder = Holder{County: 410181, City: 410181}
			}
			in.Remaining = usageOf(c, ^mask(0))
			used := map[int]bool{}
			for i := range in.Remaining {
				if g.IntN(6) == 0 {
					in.Remaining[i].Uses, used[i] = 0, true
				}
			}
			c.Evaluate(in, &r)
			want, lines := naive(doc, amount, items, in.At, in.Holder, used)
			if r.DiscountFen != want {
				rt.Fatalf("discount %d, oracle %d: %s on %d %+v", r.DiscountFen, want, show(doc), amount, items)
			}
			if d := cmp.Diff(lines, r.Lines); len(lines)+len(r.Lines) > 0 && d != "" {
				rt.Fatalf("lines: %s: %s on %+v", d, show(doc), items)
			}
			checkResult(rt, c, &r, amount)
		}
	})
}

// checkResult holds for every result.
func checkResult(t *rapid.T, c *Compiled, r *Result, amount int64) {
	seen := map[int]bool{}
	var sum int64
	for _, a := range r.Applied {
		sum += a.DiscountFen
		seen[a.Offer] = true
		if a.DiscountFen <= 0 || a.DiscountFen > a.InScopeFen || a.InScopeFen > amount {
			t.Fatalf("applied %+v of %d", a, amount)
		}
		if want := a.DiscountFen * (10000 - c.Offers()[a.Offer].FundingBP()) / 10000; a.UnionFen != want {
			t.Fatalf("union fen %d, want %d", a.UnionFen, want)
		}
	}
	for _, d := range r.Declined {
		if seen[d.Offer] || d.Reason.String() == "" || d.Message() == "" {
			t.Fatalf("declined %+v", d)
		}
		seen[d.Offer] = true
	}
	if sum != r.DiscountFen || r.DiscountFen > amount || len(seen) != len(c.Offers()) {
		t.Fatalf("result %+v of %d", r, amount)
	}
}

// Extra offers are as if declared after the document's own.
func TestEvaluateExtra(t *testing.T) {
	t.Parallel()
	g := gen{rand.New(rand.NewPCG(8, 8))}
	var a, b Result
	for range 2_000 {
		doc, extra := g.anyTerms(), g.anyTerms()
		both := &Terms{V: 1, Offers: append([]Offer(nil), doc.Offers...)}
		for _, o := range extra.Offers {
			o.ID += "x"
			if o.Stack > 0 {
				o.Stack += 100
			}
			both.Offers = append(both.Offers, o)
		}
		amount, items := g.basket()
		in := &Input{AmountFen: amount, Items: items, At: plainDay, Extra: compiled(t, extra)}
		compiled(t, doc).Evaluate(in, &a)
		in.Extra = nil
		compiled(t, both).Evaluate(in, &b)
		if d := cmp.Diff([]any{a.DiscountFen, a.Applied, a.Declined, a.Lines}, []any{b.DiscountFen, b.Applied, b.Declined, b.Lines}); d != "" {
			t.Fatalf("%s: %s and %s on %+v", d, show(doc), show(extra), items)
		}
	}
}

func TestEvaluateCapped(t *testing.T) {
	t.Parallel()
	c := mustCompile(t, benchTerms)
	var r Result
	for capFen := int64(0); capFen < 9000; capFen += 7 {
		in := benchInput()
		c.Evaluate(in, &r)
		full := r.DiscountFen
		in.Capped, in.CapFen = true, capFen
		c.Evaluate(in, &r)
		var lines int64
		for _, l := range r.Lines {
			lines += l
		}
		if want := min(full, capFen); r.DiscountFen != lines || r.DiscountFen > want || (capFen >= full && r.DiscountFen != full) {
			t.Fatalf("cap %d: discount %d, lines %d, uncapped %d", capFen, r.DiscountFen, lines, full)
		}
	}
}

func TestEvaluateDoesNotAllocate(t *testing.T) {
	c := mustCompile(t, benchTerms)
	in, r := benchInput(), &Result{}
	c.Evaluate(in, r)
	if n := testing.AllocsPerRun(100, func() { c.Evaluate(in, r) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestCheckBasket(t *testing.T) {
	t.Parallel()
	item := Item{QtyMilli: 1500, UnitPriceFen: 333, AmountFen: 500}
	with := func(f func(*Item)) []Item { it := item; f(&it); return []Item{it} }
	for name, tc := range map[string]struct {
		amount int64
		items  []Item
		ok     bool
	}{
		"amount alone":       {1, nil, true},
		"largest":            {MaxBasketFen, nil, true},
		"zero":               {0, nil, false},
		"negative":           {-1, nil, false},
		"too large":          {MaxBasketFen + 1, nil, false},
		"half a fen off":     {500, []Item{item}, true},
		"a fen off":          {501, with(func(it *Item) { it.QtyMilli, it.AmountFen = 1000, 501; it.UnitPriceFen = 500 }), true},
		"two fen off":        {502, with(func(it *Item) { it.QtyMilli, it.AmountFen = 1000, 502; it.UnitPriceFen = 500 }), false},
		"does not add up":    {501, []Item{item}, false},
		"negative line":      {500, with(func(it *Item) { it.AmountFen = -500 }), false},
		"overflow":           {500, with(func(it *Item) { it.QtyMilli, it.UnitPriceFen = 1<<62, 1<<62 }), false},
		"no quantity":        {500, with(func(it *Item) { it.QtyMilli = 0 }), false},
		"sum overflows":      {1, []Item{{QtyMilli: 1000, AmountFen: 1 << 62}, {QtyMilli: 1000, AmountFen: 1 << 62}}, false},
		"too many lines":     {201, make([]Item, 201), false},
		"free gift":          {500, []Item{item, {QtyMilli: 1000}}, true},
		"extreme, in bounds": {1, with(func(it *Item) { it.QtyMilli, it.UnitPriceFen, it.AmountFen = MaxQtyMilli, MaxBasketFen, 1 }), false},
	} {
		if err := CheckBasket(tc.amount, tc.items); (err == nil) != tc.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Every minute of three weeks, for calendars of all sorts.
func TestCalendarMinutes(t *testing.T) {
	t.Parallel()
	g := gen{rand.New(rand.NewPCG(5, 5))}
	for range rounds(20, 400) {
		d := g.anyCalendar()
		c, err := d.compile()
		if err != nil {
			t.Fatal(err)
		}
		for m := -60; m < 22*24*60; m++ {
			at := plainDay.Add(time.Duration(m)*time.Minute + 59*time.Second).UTC()
			if got, want := c.holds(momentOf(at)), naiveCalendar(&d, at); got != want {
				t.Fatalf("%+v at %v: %v, want %v", d, at, got, want)
			}
		}
	}
}

func TestPeriodStart(t *testing.T) {
	t.Parallel()
	for d := range 800 {
		at := plainDay.AddDate(0, 0, d-400).Add(23*time.Hour + 59*time.Minute)
		first := func(p Period) string { return plainDay.AddDate(0, 0, int(p.Start(at))-20458).Format(time.DateOnly) }
		monday := at.AddDate(0, 0, -(int(at.Weekday())+6)%7)
		want := []string{at.Format(time.DateOnly), monday.Format(time.DateOnly), at.Format("2006-01") + "-01"}
		if diff := cmp.Diff(want, []string{first(PerDay), first(PerWeek), first(PerMonth)}); diff != "" {
			t.Fatalf("%v: %s", at, diff)
		}
	}
	if PerContract.Start(plainDay) != 0 {
		t.Error("the contract is one period")
	}
}
