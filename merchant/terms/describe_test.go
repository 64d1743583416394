package terms

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The real offers in the words that clerks, members and the directory read.
func TestDescribeGolden(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		"满158减20":         "满158元减20元",
		"满200减20":         "满200元减20元",
		"每满100减15":        "每满100元减15元",
		"每满100减15，最多3次":   "每满100元减15元（最多减3次，即45元），每单最多减40元",
		"8.8折":            "8.8折",
		"满50减40":          "满50元减40元",
		"让利5%":            "9.5折",
		"1元洗车":            "团购价：标准洗车 1元，每卡每周限1次",
		"每升减0.3元":         "每单位（升、公斤、件）减0.3元",
		"团购价":             "团购价：film 29.9元、popcorn 12元",
		"满100打9折，满300打8折": "满100元打9折、满300元打8折",
	}
	funded := map[string]string{
		"满50减40": "满50元减40元，工会补贴75%，商家承担25%",
		"1元洗车":   "团购价：标准洗车 1元，每卡每周限1次，工会补贴50%，商家承担50%",
	}
	var all []golden
	readJSON(t, "testdata/offers.json", &all)
	for _, g := range all {
		var o Offer
		if err := json.Unmarshal(g.Offer, &o); err != nil {
			t.Fatal(err)
		}
		o.sort()
		if d := cmp.Diff(want[g.Name], testNames.Describe(o)); d != "" {
			t.Errorf("%s: %s", g.Name, d)
		}
		full := funded[g.Name]
		if full == "" {
			full = want[g.Name]
		}
		if d := cmp.Diff(full, testNames.DescribeFully(o)); d != "" {
			t.Errorf("%s: %s", g.Name, d)
		}
	}
}

var testNames = Names{
	Category: func(c string) string {
		return map[string]string{"gas": "汽油", "diesel": "柴油", "smoke": "烟草"}[c]
	},
	SKU:       func(s string) string { return map[string]string{"wash": "标准洗车"}[s] },
	Territory: func(c int32) string { return map[int32]string{410100: "郑州市", 410183: "新密市"}[c] },
	Class:     func(c int) string { return map[int]string{0: "普通会员"}[c] },
	Unit:      func(c string) string { return map[string]string{"gas": "升", "diesel": "升"}[c] },
}

func TestDescribeEveryPart(t *testing.T) {
	t.Parallel()
	off := Benefit{Kind: KindPercent, RateBP: 8805}
	for _, c := range []struct {
		offer Offer
		want  string
	}{
		{Offer{Benefit: off, FundingBP: 10000}, "8.805折"},
		{Offer{Benefit: Benefit{Kind: KindPercent, RateBP: 500}, FundingBP: 10000}, "0.5折"},
		{Offer{Benefit: Benefit{Kind: KindPerUnit, OffFen: 35}, Scope: Scope{Categories: []string{"gas", "diesel"}}, FundingBP: 10000}, "限汽油、柴油：每升减0.35元"},
		{Offer{Benefit: Benefit{Kind: KindPerUnit, OffFen: 35}, Scope: Scope{Categories: []string{"gas", "smoke"}}, FundingBP: 10000}, "限汽油、烟草：每单位（升、公斤、件）减0.35元"},
		{Offer{Benefit: off, Scope: Scope{ExceptCategories: []string{"smoke"}, ExceptSKUs: []string{"X1"}}, FundingBP: 10000}, "全部商品（烟草、X1除外）：8.805折"},
		{Offer{Benefit: off, Scope: Scope{Categories: []string{"gas"}, ExceptSKUs: []string{"98"}}, FundingBP: 10000}, "限汽油（98除外）：8.805折"},
		{Offer{Benefit: off, Calendar: Calendar{Weekdays: []int{1, 2, 3, 4, 5}, Hours: []Hours{{"11:00", "14:00"}, {"17:00", "24:00"}}, Blackout: []string{"2026-10-01"}}, FundingBP: 10000},
			"8.805折，周一至周五，11:00–14:00、17:00–24:00，2026-10-01除外"},
		{Offer{Benefit: off, Calendar: Calendar{Blackout: []string{"2026-10-03", "2026-09-30", "2026-10-01", "2027-01-01", "2026-10-02"}}, FundingBP: 10000},
			"8.805折，2026-09-30至2026-10-03、2027-01-01除外"},
		{Offer{Benefit: off, Calendar: Calendar{Weekdays: []int{7, 6, 3}, From: "2026-01-01", To: "2026-06-30"}, FundingBP: 10000}, "8.805折，2026-01-01至2026-06-30，周三、周六、周日"},
		{Offer{Benefit: off, Calendar: Calendar{Weekdays: []int{1, 2, 3, 4, 5, 6, 7}, From: "2026-01-01", To: "2026-01-01"}, FundingBP: 10000}, "8.805折，仅2026-01-01"},
		{Offer{Benefit: off, Calendar: Calendar{To: "2026-01-01"}, FundingBP: 10000}, "8.805折，2026-01-01止"},
		{Offer{Benefit: off, Limits: []Limit{{Per: PerDay, Uses: 1}, {Per: PerMonth, Uses: 4, Fen: 10050}, {Per: PerContract, Fen: 100000}}, FundingBP: 10000},
			"8.805折，每卡每日限1次，每卡每月限4次、最多减100.5元，每卡协议期内最多减1000元"},
		{Offer{Benefit: off, Eligibility: Eligibility{Territories: []int32{410100, 410183, 419001}, Classes: []int{0, 1}}, FundingBP: 10000},
			"8.805折，限郑州市、新密市、419001会员，限普通会员、1类会员卡"},
		{Offer{Benefit: off, Stack: 2, FundingBP: 6000}, "8.805折，可与其他优惠同享（叠加次序2），工会补贴40%，商家承担60%"},
		{Offer{Benefit: Benefit{Kind: KindTiers, Tiers: []Tier{{AtFen: 10000, OffFen: 1000}, {AtFen: 20050, OffFen: 3000}}}, FundingBP: 10000}, "满100元减10元、满200.5元减30元"},
	} {
		if d := cmp.Diff(c.want, testNames.DescribeFully(c.offer)); d != "" {
			t.Error(d)
		}
	}
	if got := Describe(Offer{Benefit: off, Stack: 2, FundingBP: 6000}); got != "8.805折，可与其他优惠同享" {
		t.Errorf("in public: %s", got)
	}
}

// Two offers that differ in what they do read differently: nothing that counts is
// left out of the words.
func TestDescribeLeavesNothingOut(t *testing.T) {
	t.Parallel()
	base := Offer{ID: "a", Title: "优惠", Benefit: Benefit{Kind: KindEvery, AtFen: 10000, OffFen: 1000}, FundingBP: 10000}
	changes := []func(o *Offer){
		func(o *Offer) { o.Benefit.AtFen++ }, func(o *Offer) { o.Benefit.OffFen++ }, func(o *Offer) { o.Benefit.MaxTimes = 3 },
		func(o *Offer) { o.Benefit.MaxTimes = 4 }, func(o *Offer) { o.Caps.PurchaseFen = 1 }, func(o *Offer) { o.Stack = 3 },
		func(o *Offer) { o.FundingBP = 9999 }, func(o *Offer) { o.Limits = []Limit{{Per: PerDay, Uses: 1}} },
		func(o *Offer) { o.Limits = []Limit{{Per: PerWeek, Uses: 1}} }, func(o *Offer) { o.Limits = []Limit{{Per: PerWeek, Fen: 1}} },
		func(o *Offer) { o.Calendar.From = "2026-01-01" }, func(o *Offer) { o.Calendar.To = "2026-01-01" },
		func(o *Offer) { o.Calendar.Weekdays = []int{1} }, func(o *Offer) { o.Calendar.Hours = []Hours{{"01:00", "02:00"}} },
		func(o *Offer) { o.Calendar.Blackout = []string{"2026-01-01"} }, func(o *Offer) { o.Scope.Categories = []string{"x"} },
		func(o *Offer) { o.Scope.ExceptCategories = []string{"x"} }, func(o *Offer) { o.Eligibility.Territories = []int32{410100} },
		func(o *Offer) { o.Eligibility.Classes = []int{0} },
	}
	seen := map[string]bool{testNames.DescribeFully(base): true}
	for i, change := range changes {
		o := base
		change(&o)
		s := testNames.DescribeFully(o)
		if seen[s] {
			t.Errorf("change %d does not show: %s", i, s)
		}
		seen[s] = true
	}
}

func TestDiff(t *testing.T) {
	t.Parallel()
	pct := func(id string, bp int64) Offer {
		return Offer{ID: id, Title: id, Benefit: Benefit{Kind: KindPercent, RateBP: bp}, FundingBP: 10000}
	}
	old := &Terms{V: 1, Offers: []Offer{pct("a", 9000), pct("b", 8000), pct("c", 7000)}}
	new := &Terms{V: 1, Offers: []Offer{pct("c", 7000), pct("a", 8800), pct("d", 5000)}}
	got := testNames.Changes(Diff(old, new))
	want := []string{"新增“d”：5折", "删去“b”：8折", "“a”由“9折”改为“8.8折”", "调整了优惠的先后次序"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	renamed := &Terms{V: 1, Offers: []Offer{pct("a", 9000)}}
	renamed.Offers[0].Title = "会员日"
	if got := testNames.Changes(Diff(&Terms{V: 1, Offers: []Offer{pct("a", 9000)}}, renamed)); !slices.Equal(got, []string{"“a”改名为“会员日”"}) {
		t.Error(got)
	}
	same := Diff(old, old)
	if !same.None() {
		t.Errorf("%+v", same)
	}
	// Applying the changes to the old offers, as sets, gives the new ones.
	for seed := range uint64(200) {
		g := gen{rand.New(rand.NewPCG(seed, 3))}
		a, b := g.curveTerms(500), g.curveTerms(500)
		c := Diff(a, b)
		n := len(a.Offers) - len(c.Removed) + len(c.Added)
		if n != len(b.Offers) {
			t.Fatalf("seed %d: %d offers, want %d", seed, n, len(b.Offers))
		}
		for _, s := range testNames.Changes(c) {
			if strings.TrimSpace(s) == "" {
				t.Errorf("seed %d: an empty sentence", seed)
			}
		}
	}
}
