package directory

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"unioncard/merchant"
)

// province makes outlets like the load test's: 18 cities, 100,000 outlets.
func province(n int) []*Entry {
	rng := rand.New(rand.NewPCG(1, 2))
	pick := func(from ...string) string { return from[rng.IntN(len(from))] }
	offers := &Offers{List: []Offer{{ID: "off", Title: "会员8.5折", Text: "8.5折"}}}
	entries := make([]*Entry, n)
	for i := range entries {
		m := i * 2 / 5
		e := &Entry{
			ID: int64(i) + 1, MerchantID: int64(m), Offers: offers,
			Merchant: pick("老郑州", "好再来", "福满堂", "豫香", "黄河", "嵩山") + fmt.Sprint(m) + pick("烩面馆", "火锅店", "旅行社", "加油站", "大药房", "影城"),
			Name:     pick("花园路", "建设路", "中原路", "人民路", "文化路") + fmt.Sprint(i%300) + "店",
			Address:  pick("金水", "二七", "管城", "惠济", "中牟") + fmt.Sprintf("区第%d大街%d号", i%997, i%401),
			Trade:    merchant.Trades()[m%6], City: int32(410000 + 100*(1+i%18)), Placed: true,
			Place: Point{112.5 + float64(i%18)*0.2 + rng.Float64()/4, 33 + float64(i%18)*0.15 + rng.Float64()/4},
		}
		if m%50 == 0 {
			e.Brand = fmt.Sprint("品牌", m/50)
		}
		e.Territory, e.brand = e.City+2+int32(i/18%8), fold(e.Brand)
		e.setText()
		entries[i] = e
	}
	return entries
}

func BenchmarkSearch(b *testing.B) {
	x := newIndex(province(100_000))
	near := &Point{113.6, 33.6}
	for _, q := range []Query{
		{Text: "火锅"}, {Text: "花园路 火锅店", City: 410100}, {Text: "3999"}, {City: 410100, Trade: merchant.TradeCatering},
		{Near: near}, {Near: near, Trade: merchant.TradeCatering, Radius: 20000}, {Brand: "品牌77"}, {Text: "没有这样的店"},
		{Text: "龙门石窟"}, {Text: "店", Trade: merchant.TradeTravel}, {Text: "路"}, {Text: "金水区第7大街", Trade: merchant.TradeTravel},
		{Near: near, Text: "火锅", Radius: 50000}, {}, {Text: "火锅店", Brand: "品牌77"},
	} {
		name := fmt.Sprintf("%s_%d_%s_%s_%v%d", q.Text, q.City, q.Trade, q.Brand, q.Near != nil, q.Radius)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := x.Search(q, noon); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkLoad tells how long an index of 100,000 outlets takes to make and how
// much it holds.
func BenchmarkLoad(b *testing.B) {
	entries := province(100_000)
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		x := newIndex(entries)
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(x.Len()), "index-B/outlet")
	}
}

// BenchmarkChange tells what one outlet's new name costs, and what a change of all
// outlets' terms costs.
func BenchmarkChange(b *testing.B) {
	x := newIndex(province(100_000))
	b.Run("one-name", func(b *testing.B) {
		e := *x.Outlet(50_000)
		e.Name = "新店名"
		e.setText()
		for b.Loop() {
			x.with([]change{{e.ID, &e}})
		}
	})
	b.Run("50000-terms", func(b *testing.B) {
		var all []change
		x.Each(func(e *Entry) bool {
			n := *e
			all = append(all, change{e.ID, &n})
			return len(all) < 50_000
		})
		for b.Loop() {
			x.with(all)
		}
	})
}
