package console

import (
	"encoding/json"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"unioncard/merchant"
	"unioncard/merchant/terms"
)

// Whatever is typed gives an offer that compiles or messages at fields; an offer
// given back to the form and read again is the same offer.
func FuzzOfferForm(f *testing.F) {
	for _, o := range realOffers(f) {
		f.Add(offerValues(o).Encode())
	}
	f.Add("kind=percent&rate=88&weekday=8&hour_from=25:00&blackout=2026-10-07%20至%202026-10-01")
	f.Add("kind=tiers&tier_by=rate&tier_at=100&tier_at=&tier_give=9&tier_give=８．５折&funding=33.33&stacks=1")
	f.Add("kind=unit_price&price_sku=a&price_sku=a&price_yuan=-1&price_yuan=1e9&sku=%00")
	f.Fuzz(func(t *testing.T, body string) {
		typed, err := url.ParseQuery(body)
		if err != nil {
			return
		}
		o, err := readOffer(typed, "o1", 1)
		if err != nil {
			faults, ok := err.(merchant.FieldErrors)
			if !ok || len(faults) == 0 || slices.ContainsFunc(faults, func(f merchant.FieldError) bool { return strings.TrimSpace(f.Message) == "" }) {
				t.Fatalf("refused without words: %v", err)
			}
			return
		}
		doc := &terms.Terms{V: terms.Version, Offers: []terms.Offer{o}}
		if _, err := doc.Compile(); err != nil {
			t.Fatalf("%q gives %+v: %v", body, o, err)
		}
		again, err := readOffer(offerValues(canonical(t, o)), "o1", 1)
		if err != nil {
			t.Fatalf("%+v does not read again: %v", o, err)
		}
		if diff := cmp.Diff(canonical(t, o), canonical(t, again)); diff != "" {
			t.Fatal(diff)
		}
	})
}

// Every valid offer survives the form: Terms → form → Terms.
func TestOfferFormRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		o := anyOffer().Draw(t, "offer")
		doc := &terms.Terms{V: terms.Version, Offers: []terms.Offer{o}}
		if _, err := doc.Compile(); err != nil {
			t.Fatalf("%+v: %v", o, err)
		}
		o = canonical(t, o)
		got, err := readOffer(offerValues(o), o.ID, 999)
		if err != nil {
			t.Fatalf("%+v: %v", o, err)
		}
		if diff := cmp.Diff(o, canonical(t, got)); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestRealOffersRoundTrip(t *testing.T) {
	t.Parallel()
	for _, o := range realOffers(t) {
		got, err := readOffer(offerValues(o), o.ID, 1)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(o, canonical(t, got)); diff != "" {
			t.Error(diff)
		}
	}
}

func realOffers(t testing.TB) []terms.Offer {
	t.Helper()
	data, err := os.ReadFile("../../merchant/terms/testdata/offers.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []struct {
		Offer terms.Offer `json:"offer"`
	}
	if err := json.Unmarshal(data, &all); err != nil || len(all) < 9 {
		t.Fatalf("%d offers, %v", len(all), err)
	}
	var out []terms.Offer
	for _, g := range all {
		out = append(out, canonical(t, g.Offer))
	}
	return out
}

// canonical is an offer as it is stored.
func canonical(t interface{ Fatal(...any) }, o terms.Offer) terms.Offer {
	doc := &terms.Terms{V: terms.Version, Offers: []terms.Offer{o}}
	b, err := doc.Canonical()
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := terms.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	return parsed.Offers[0]
}

func anyOffer() *rapid.Generator[terms.Offer] {
	return rapid.Custom(func(t *rapid.T) terms.Offer {
		codes := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z]{1,3}(\.[a-z]{1,4})?`), 0, 4, rapid.ID[string])
		o := terms.Offer{
			ID:        rapid.StringMatching(`[a-z0-9_-]{1,32}`).Draw(t, "id"),
			Title:     rapid.StringMatching(`[0-9折满减元会员日，、（）a-z]{1,60}`).Draw(t, "title"),
			Benefit:   anyBenefit().Draw(t, "benefit"),
			FundingBP: rapid.Int64Range(0, 10000).Draw(t, "funding"),
			Stack:     rapid.IntRange(0, 1000).Draw(t, "stack"),
			Caps:      terms.Caps{PurchaseFen: rapid.Int64Range(0, terms.MaxBasketFen).Draw(t, "cap")},
		}
		if o.FundingBP < 10000 {
			o.Budget = rapid.SampledFrom([]int64{0, 12}).Draw(t, "budget")
		}
		if o.Benefit.Kind != terms.KindUnitPrice {
			skus := rapid.SliceOfNDistinct(rapid.StringMatching(`[A-Z0-9,、;#&-]{1,20}`), 0, 3, rapid.ID[string])
			o.Scope = terms.Scope{Categories: codes.Draw(t, "in"), ExceptCategories: codes.Draw(t, "out"),
				SKUs: skus.Draw(t, "skus"), ExceptSKUs: skus.Draw(t, "no skus")}
		}
		o.Calendar = anyCalendar().Draw(t, "calendar")
		for _, p := range periods() {
			l := terms.Limit{Per: p, Uses: rapid.SampledFrom([]int64{0, 0, 1, 7, 1_000_000}).Draw(t, "uses"),
				Fen: rapid.SampledFrom([]int64{0, 0, 1, 1000, 1_000_000_000}).Draw(t, "fen")}
			if l.Uses+l.Fen > 0 {
				o.Limits = append(o.Limits, l)
			}
		}
		o.Eligibility.Territories = rapid.SliceOfNDistinct(rapid.Int32Range(410000, 419999), 0, 3, rapid.ID[int32]).Draw(t, "places")
		o.Eligibility.Classes = rapid.SliceOfNDistinct(rapid.IntRange(0, 255), 0, 3, rapid.ID[int]).Draw(t, "classes")
		return o
	})
}

func anyBenefit() *rapid.Generator[terms.Benefit] {
	return rapid.Custom(func(t *rapid.T) terms.Benefit {
		at := rapid.Int64Range(100, 1_000_000).Draw(t, "at")
		off := rapid.Int64Range(1, at).Draw(t, "off")
		switch rapid.IntRange(0, 5).Draw(t, "kind") {
		case 0:
			return terms.Benefit{Kind: terms.KindPercent, RateBP: rapid.Int64Range(1, 9999).Draw(t, "rate")}
		case 1:
			return terms.Benefit{Kind: terms.KindAmountOff, AtFen: at, OffFen: off}
		case 2:
			return terms.Benefit{Kind: terms.KindEvery, AtFen: at, OffFen: off, MaxTimes: rapid.Int64Range(0, 50).Draw(t, "times")}
		case 3:
			b := terms.Benefit{Kind: terms.KindTiers}
			rates := rapid.Bool().Draw(t, "rates")
			for i := range rapid.Int64Range(1, terms.MaxTiers).Draw(t, "tiers") {
				if rates {
					b.Tiers = append(b.Tiers, terms.Tier{AtFen: at + 100*i, RateBP: 9500 - 37*i})
				} else {
					b.Tiers = append(b.Tiers, terms.Tier{AtFen: at + 100*i, OffFen: min(off, at-1) + 1 + i})
				}
			}
			return b
		case 4:
			b := terms.Benefit{Kind: terms.KindUnitPrice}
			for _, sku := range rapid.SliceOfNDistinct(rapid.StringMatching(`[A-Z0-9,、-]{1,12}`), 1, 5, rapid.ID[string]).Draw(t, "skus") {
				b.Prices = append(b.Prices, terms.Price{SKU: sku, PriceFen: rapid.Int64Range(0, terms.MaxBasketFen).Draw(t, "price")})
			}
			return b
		default:
			return terms.Benefit{Kind: terms.KindPerUnit, OffFen: rapid.Int64Range(1, terms.MaxBasketFen/1000).Draw(t, "per")}
		}
	})
}

func anyCalendar() *rapid.Generator[terms.Calendar] {
	return rapid.Custom(func(t *rapid.T) terms.Calendar {
		days := []string{"2026-02-27", "2026-02-28", "2026-03-01", "2026-10-01", "2026-10-02", "2026-12-31", "2027-01-01"}
		var c terms.Calendar
		c.From = rapid.SampledFrom([]string{"", "2000-01-01", "2026-01-01"}).Draw(t, "from")
		c.To = rapid.SampledFrom([]string{"", "2026-12-31", "2199-12-31"}).Draw(t, "to")
		c.Weekdays = rapid.SliceOfNDistinct(rapid.IntRange(1, 7), 0, 7, rapid.ID[int]).Draw(t, "weekdays")
		c.Blackout = rapid.SliceOfNDistinct(rapid.SampledFrom(days), 0, 7, rapid.ID[string]).Draw(t, "blackout")
		c.Hours = rapid.SampledFrom([][]terms.Hours{nil, {{From: "00:00", To: "24:00"}}, {{From: "11:00", To: "14:00"}, {From: "17:30", To: "23:59"}}}).Draw(t, "hours")
		return c
	})
}

// The slips that clerks make are told in words at their field.
func TestOfferFormFaults(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ form, field, says string }{
		{"kind=percent&rate=88", "rate", "8.8"},
		{"kind=percent&rate=", "rate", "8.8"},
		{"kind=percent&rate=10", "rate", "0 到 10"},
		{"kind=percent&rate=0", "rate", "8.8"},
		{"kind=amount_off&at=100&off=120", "off", "不能多于"},
		{"kind=amount_off&at=1.234&off=1", "at", "两位小数"},
		{"kind=amount_off&at=1000000.01&off=1", "at", "100 万"},
		{"kind=every&at=0.5&off=0.1", "at", "至少 1 元"},
		{"kind=tiers&tier_at=100&tier_give=20&tier_at=200&tier_give=10", "tier_at", "一档比一档"},
		{"kind=tiers", "tier_at", "至少填一档"},
		{"kind=unit_price&price_sku=a&price_yuan=1&price_sku=a&price_yuan=2", "price_sku", "两次"},
		{"kind=unit_price&price_sku=a&price_yuan=x", "price_yuan", "29.9"},
		{"kind=per_unit&per=2000", "per", "1000"},
		{"kind=percent&rate=9&hour_from=22:00&hour_to=02:00", "hour_from", "跨午夜"},
		{"kind=percent&rate=9&hour_from=9:00&hour_to=11:00&hour_from=10:00&hour_to=12:00", "hour_from", "重叠"},
		{"kind=percent&rate=9&from=2026-02-30", "from", "2026-10-01"},
		{"kind=percent&rate=9&from=2026-03-01&to=2026-02-01", "to", "早于"},
		{"kind=percent&rate=9&blackout=2026-10-07 至 2026-10-01", "blackout", "一行一个"},
		{"kind=percent&rate=9&blackout=2000-01-01 至 2199-01-01", "blackout", "一行一个"},
		{"kind=percent&rate=9&weekday=9", "weekday", "周一"},
		{"kind=percent&rate=9&uses_day=-1", "uses_day", "整数"},
		{"kind=percent&rate=9&funding=101", "funding", "0 到 100"},
		{"kind=percent&rate=9&funding=100&budget=12", "funding", "少于 100"},
		{"kind=percent&rate=9&funding=50&budget=-3", "budget", "没有这个补贴预算"},
		{"kind=percent&rate=9&funding=50&budget=99999999999999999999", "budget", "没有这个补贴预算"},
		{"kind=percent&rate=9&stacks=1&stack=0", "stack", "1 到 1000"},
		{"kind=percent&rate=9&place=1", "place", "列表"},
		{"kind=percent&rate=9&cap=-3", "cap", "留空"},
		{"kind=percent&rate=9&title=" + strings.Repeat("长", 61), "title", "60"},
		{"kind=bogus", "kind", "选择"},
		{"", "kind", "选择"},
	} {
		typed, err := url.ParseQuery(c.form)
		if err != nil {
			t.Fatal(err)
		}
		_, err = readOffer(typed, "o1", 1)
		faults, _ := err.(merchant.FieldErrors)
		if !strings.Contains(faults.On(c.field), c.says) {
			t.Errorf("%s: %v, want %q at %s", c.form, faults, c.says, c.field)
		}
	}
}

// What a clerk types on a Chinese keyboard is understood.
func TestOfferFormUnderstands(t *testing.T) {
	t.Parallel()
	typed := url.Values{"kind": {"amount_off"}, "at": {"１５８元"}, "off": {"￥20.5"}, "hour_from": {"9：00"}, "hour_to": {"24：00"},
		"from": {"2026年1月1日"}, "blackout": {"2026/10/1至2026/10/3、2027-1-1"}, "uses_day": {"１次"}, "funding": {"62.5%"}}
	got, err := readOffer(typed, "o1", 1)
	if err != nil {
		t.Fatal(err)
	}
	want := terms.Offer{ID: "o1", Title: "满158元减20.5元", Benefit: terms.Benefit{Kind: "amount_off", AtFen: 15800, OffFen: 2050},
		Calendar: terms.Calendar{From: "2026-01-01", Hours: []terms.Hours{{From: "09:00", To: "24:00"}},
			Blackout: []string{"2026-10-01", "2026-10-02", "2026-10-03", "2027-01-01"}},
		Limits: []terms.Limit{{Per: terms.PerDay, Uses: 1}}, FundingBP: 6250}
	if diff := cmp.Diff(canonical(t, want), canonical(t, got)); diff != "" {
		t.Error(diff)
	}
	if s := dayLines(got.Calendar.Blackout); s != "2026-10-01 至 2026-10-03\n2027-01-01" {
		t.Error(s)
	}
}
