package terms

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var partCategories = []string{"a", "b", "c", "d"}

// truth is a basket as it is: categories, SKUs, quantities.
func (g gen) truth() (items []Item, amount int64) {
	for range 1 + g.IntN(6) {
		unit := 1 + g.Int64N(120)
		it := Item{Category: string("abcdxyz"[g.IntN(7)]), SKU: string("stuvw"[g.IntN(5)]), QtyMilli: 1000 * (1 + g.Int64N(3)), UnitPriceFen: unit}
		it.AmountFen = it.QtyMilli / 1000 * unit
		items, amount = append(items, it), amount+it.AmountFen
	}
	return items, amount
}

// told is what the till sends for it, as web/src/till/parts.js does.
func told(s Split, truth []Item) (items []Item) {
	if len(s.Parts) == 0 {
		return nil
	}
	sums := make([]int64, len(s.Parts)+1)
	for _, it := range truth {
		k := slices.IndexFunc(s.Parts, func(p Part) bool { return slices.Contains(p.Categories, it.Category) })
		if k < 0 {
			k = len(s.Parts)
		}
		sums[k] += it.AmountFen
	}
	for k, fen := range sums {
		category := RestCategory
		if k < len(s.Parts) {
			category = s.Parts[k].Categories[0]
		}
		if fen > 0 {
			items = append(items, Item{Category: category, QtyMilli: 1000, UnitPriceFen: fen, AmountFen: fen})
		}
	}
	return items
}

// scoped is a random offer of any kind and scope.
func (g gen) scoped(i int) Offer {
	o := g.offer(i, g.amountBenefit(150))
	some := func(of []string) []string { return slices.Sorted(slices.Values(of[g.IntN(2) : 2+g.IntN(len(of)-1)])) }
	switch g.IntN(12) {
	case 0:
		o.Scope.SKUs = some([]string{"s", "t", "u"})
	case 1:
		o.Scope.ExceptSKUs = []string{"s"}
	case 2:
		o.Scope.Categories, o.Scope.SKUs = some(partCategories), []string{"t"}
	case 3:
		o.Benefit, o.Caps = Benefit{Kind: KindUnitPrice, Prices: []Price{{SKU: "u", PriceFen: g.Int64N(60)}}}, Caps{}
	case 4:
		o.Benefit, o.Caps, o.Scope.Categories = Benefit{Kind: KindPerUnit, OffFen: 1 + g.Int64N(30)}, Caps{}, some(partCategories)
	case 5, 6:
	case 7, 8, 9:
		o.Scope.ExceptCategories = some(partCategories)
	default:
		o.Scope.Categories = some(partCategories)
	}
	return o
}

// TestSplitNeverGivesMore: told by its parts, a basket earns at most what it earns
// with every line told, and the same fen where all offers go by category.
func TestSplitNeverGivesMore(t *testing.T) {
	t.Parallel()
	g := gen{rand.New(rand.NewPCG(7, 21))}
	var split, earned, stacked int
	for range rounds(40_000, 2_000_000) {
		doc := &Terms{V: 1}
		for i := range 1 + g.IntN(4) {
			o := g.scoped(i)
			if g.IntN(4) == 0 {
				o.Stack = i + 1
			}
			doc.Offers = append(doc.Offers, o)
		}
		c := compiled(t, doc)
		s := SplitOf(c)
		if len(s.Parts) == 0 {
			continue
		}
		items, amount := g.truth()
		in := Input{AmountFen: amount, Items: items, At: time.Unix(1_800_000_000, 0)}
		if g.IntN(4) == 0 {
			in.Capped, in.CapFen = true, g.Int64N(80)
		}
		for range doc.Offers {
			in.Remaining = append(in.Remaining, Remaining{g.pick(Unlimited, Unlimited, 0, 1), g.pick(Unlimited, Unlimited, 10)})
		}
		var whole, parted Result
		c.Evaluate(&in, &whole)
		in.Items = told(s, items)
		if err := CheckBasket(amount, in.Items); err != nil {
			t.Fatal(err)
		}
		c.Evaluate(&in, &parted)
		split++
		if parted.DiscountFen > 0 {
			earned++
			if len(c.stack) > 0 {
				stacked++
			}
		}
		if parted.DiscountFen > whole.DiscountFen || len(s.ByItems) == 0 && parted.DiscountFen < whole.DiscountFen {
			t.Fatalf("parts give %d, the basket %d\nterms %s\nbasket %+v\ntold %+v\ncap %v %d remaining %v", parted.DiscountFen, whole.DiscountFen,
				show(doc), items, in.Items, in.Capped, in.CapFen, in.Remaining)
		}
	}
	t.Log(split, earned, stacked)
	if earned < split/4 || stacked < 100 {
		t.Errorf("of %d baskets told by parts %d earned anything, %d with stackable offers", split, earned, stacked)
	}
}

// TestSplitOf: categories that are treated alike are one part, several Terms are
// looked at together, and what needs more than amounts is named.
func TestSplitOf(t *testing.T) {
	t.Parallel()
	off := func(id string, scope Scope) Offer {
		return Offer{ID: id, Title: id, Scope: scope, FundingBP: 10000, Benefit: Benefit{Kind: KindAmountOff, AtFen: 20000, OffFen: 2000}}
	}
	doc := func(offers ...Offer) *Compiled { return compiled(t, &Terms{V: 1, Offers: offers}) }
	except := func(c ...string) Scope { return Scope{ExceptCategories: c} }
	wash := Offer{ID: "wash", Title: "wash", FundingBP: 10000, Benefit: Benefit{Kind: KindUnitPrice, Prices: []Price{{"W", 100}}}}
	litre := Offer{ID: "fuel", Title: "fuel", Scope: Scope{Categories: []string{"petrol"}}, FundingBP: 10000, Benefit: Benefit{Kind: KindPerUnit, OffFen: 30}}
	stack := func(o Offer) Offer { o.Stack = 1; return o }
	for _, tc := range []struct {
		name    string
		docs    []*Compiled
		parts   [][]string
		byItems []string
	}{
		{"everything", []*Compiled{doc(off("all", Scope{}))}, nil, nil},
		{"no terms", nil, nil, nil},
		{"excepted together", []*Compiled{doc(off("a", except("tobacco", "liquor")), off("b", except("liquor", "tobacco")))}, [][]string{{"liquor", "tobacco"}}, nil},
		{"excepted apart", []*Compiled{doc(off("a", except("tobacco", "liquor")), off("b", except("tobacco")))}, [][]string{{"liquor"}, {"tobacco"}}, nil},
		{"by floor and contract", []*Compiled{doc(off("a", except("tobacco"))), doc(off("b", except("liquor")))}, [][]string{{"tobacco"}, {"liquor"}}, nil},
		{"group price beside", []*Compiled{doc(off("a", except("tobacco")), wash)}, [][]string{{"tobacco"}}, []string{"wash"}},
		{"group price before a stackable", []*Compiled{doc(stack(off("a", except("tobacco"))), wash)}, nil, []string{"a", "wash"}},
		{"litres alone", []*Compiled{doc(litre, wash)}, nil, []string{"fuel", "wash"}},
		{"litres of the rest", []*Compiled{doc(litre, off("a", Scope{Categories: []string{"cafe"}}))}, [][]string{{"cafe"}}, []string{"fuel"}},
		{"litres of a part", []*Compiled{doc(litre, off("a", except("petrol")), off("b", Scope{Categories: []string{"petrol", "cafe"}}))}, nil, []string{"fuel", "a", "b"}},
		{"by category or SKU", []*Compiled{doc(off("a", except("tobacco")), off("b", Scope{Categories: []string{"food"}, SKUs: []string{"S"}}))}, [][]string{{"tobacco"}}, []string{"b"}},
		{"stackable on less", []*Compiled{doc(off("all", Scope{}), stack(off("a", except("tobacco"))))}, nil, []string{"a"}},
		{"stackable on more", []*Compiled{doc(stack(off("all", Scope{})), off("a", except("tobacco")))}, [][]string{{"tobacco"}}, nil},
		{"stackable on others", []*Compiled{doc(off("a", Scope{Categories: []string{"food"}}), stack(off("b", Scope{Categories: []string{"drink"}})))}, [][]string{{"food"}, {"drink"}}, nil},
		{"the rest's own name", []*Compiled{doc(off("a", except(RestCategory)), off("b", except("tobacco")))}, nil, []string{"a", "b"}},
	} {
		s := SplitOf(tc.docs...)
		var parts [][]string
		for _, p := range s.Parts {
			parts = append(parts, p.Categories)
		}
		var items []string
		for _, o := range s.ByItems {
			items = append(items, o.ID())
		}
		if diff := cmp.Diff([]any{tc.parts, tc.byItems}, []any{parts, items}); diff != "" {
			t.Errorf("%s: -want +got\n%s", tc.name, diff)
		}
	}
}
