package console

import (
	"context"
	"strconv"
	"strings"
	"time"

	"unioncard/api/page"
	"unioncard/card/union/staff"
	"unioncard/settlement/report"
)

// homeDays is how many days the start page looks back, today included.
const homeDays = 30

// figures is what the start page shows of an account's territory.
type figures struct {
	Days  []report.Day
	Today report.Day
	AsOf  time.Time // zero: not yet added up

	Trades    []report.TradeCount
	Merchants int64 // active, of all trades
	Places    []report.Place
	// OnMap: the territory has several cities, so the places are these; otherwise
	// counties, which the map does not have.
	OnMap bool

	DaysChart   DaysChart
	TradesChart BarsChart
	PlacesChart any // MapChart or BarsChart
}

// figures reads what the start page shows, nothing for who may not read business.
func (h *Handlers) figures(ctx context.Context, acct *staff.Account) (*figures, error) {
	if !acct.May(staff.ReadBusiness) {
		return nil, nil
	}
	var f figures
	var err error
	if f.Days, f.AsOf, err = h.Reports.Days(ctx, acct.Path, homeDays); err != nil {
		return nil, err
	}
	f.Today = f.Days[len(f.Days)-1]
	if f.Trades, err = h.Reports.Trades(ctx, acct.Path); err != nil {
		return nil, err
	}
	for _, t := range f.Trades {
		f.Merchants += t.Merchants
	}
	// The root's path is one step long.
	f.OnMap = strings.Count(acct.Path, "/") == 2
	places := h.Reports.Counties
	if f.OnMap {
		places = h.Reports.Cities
	}
	if f.Places, err = places(ctx, acct.Path); err != nil {
		return nil, err
	}
	f.draw()
	return &f, nil
}

func (f *figures) draw() {
	count := DaysSeries{Name: "笔数", Type: "line", Axis: 0}
	money := DaysSeries{Name: "优惠金额（元）", Type: "bar", Axis: 1}
	for _, d := range f.Days {
		f.DaysChart.Labels = append(f.DaysChart.Labels, d.Date.Format("01-02"))
		count.Data = append(count.Data, float64(d.Kept()))
		money.Data = append(money.Data, yuanOf(d.NetDiscountFen()))
	}
	f.DaysChart.Kind, f.DaysChart.Axes, f.DaysChart.Series = "days", []string{"笔", "元"}, []DaysSeries{count, money}

	f.TradesChart = BarsChart{Kind: "bars", Name: "商家"}
	for _, t := range f.Trades {
		f.TradesChart.Labels = append(f.TradesChart.Labels, page.TradeName(t.Trade))
		f.TradesChart.Data = append(f.TradesChart.Data, t.Merchants)
	}
	onMap := MapChart{Kind: "map", Name: "商家", Unit: "家"}
	bars := BarsChart{Kind: "bars", Name: "商家"}
	for i := range f.Places {
		p := &f.Places[i]
		p.Name = strings.TrimSuffix(p.Name, "总工会")
		onMap.Data = append(onMap.Data, MapValue{strconv.Itoa(p.Division), p.Merchants})
		bars.Labels, bars.Data = append(bars.Labels, p.Name), append(bars.Data, p.Merchants)
	}
	if f.PlacesChart = bars; f.OnMap {
		f.PlacesChart = onMap
	}
}
