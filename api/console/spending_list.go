package console

import (
	"strconv"
	"strings"
	"time"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/card/union/keyset"
	"unioncard/settlement/ledger"
	"unioncard/settlement/report"
)

// Bounds of the spending page, in days: what it shows without a wish, and at most.
const (
	spendingDays    = 30
	maxSpendingDays = 366
)

// maxPayers is how many budgets the page lists and offers to choose from.
const maxPayers = 200

// MoneyBars is lying bars of money, in yuan, the first on top.
type MoneyBars struct {
	Kind   string    `json:"kind"` // "bars"
	Name   string    `json:"name"`
	Labels []string  `json:"labels"`
	Data   []float64 `json:"data"`
}

type spendingPage struct {
	page.Frame
	List        *List
	Rows        []spendingRow
	From, Until string
	AsOf        time.Time // zero: not yet added up
	Sum         report.Spending
	Days        []report.SpendingDay
	Trades      []spendingPart
	Places      []spendingPart
	Offices     []spendingPart
	Payers      []spendingPart
	OnMap       bool

	DaysChart   DaysChart
	TradesChart MoneyBars
	PlacesChart any // MapChart or MoneyBars
}

// spendingPart is one line of a table: what, how much and how much of the whole.
type spendingPart struct {
	Name, URL string
	Share     int // per cent of the net spending, 0 where there is none
	report.Spending
	part report.SpendingPart
}

type spendingRow struct {
	report.SpendingRow
	Payer, PayerURL, PlaceName string
}

// spendingList is the list's spec; the choices are what the period has.
func spendingList(trades, places, offices, payers []page.Choice) *ListSpec {
	return &ListSpec{
		Path: "/console/spending", Name: "资金支出", Sort: "-day",
		Columns: []Column{
			{Key: "day", Label: "日期", Sort: keyset.Time}, {Key: "office", Label: "出资单位"}, {Key: "payer", Label: "预算或消费券"},
			{Key: "place", Label: "消费地"}, {Key: "trade", Label: "行业"}, {Key: "uses", Label: "笔次", Number: true},
			{Key: "spent", Label: "支出（元）", Number: true}, {Key: "undone", Label: "撤销笔次", Number: true},
			{Key: "back", Label: "退回（元）", Number: true}, {Key: "net", Label: "净支出（元）", Number: true},
		},
		Filters: []Filter{
			{Name: "from", Label: "从哪天", Kind: "day"}, {Name: "until", Label: "到哪天（含）", Kind: "day"},
			{Name: "trade", Label: "行业", Kind: "choice", Choices: trades}, {Name: "place", Label: "消费地", Kind: "choice", Choices: places},
			{Name: "office", Label: "出资单位", Kind: "choice", Choices: offices}, {Name: "payer", Label: "预算或消费券", Kind: "choice", Choices: payers},
		},
	}
}

// SpendingList answers GET /console/spending: what the union spent, by day, trade,
// place, office and budget.
func (h *Handlers) SpendingList(x *exchange.Exchange) error {
	p := &spendingPage{Frame: page.Frame{Title: "资金报表", Active: "spending"}}
	f, said := h.spendingPeriod(x)
	p.From, p.Until = f.From.Format(time.DateOnly), f.To.Format(time.DateOnly)
	// The root's path is one step long.
	p.OnMap = strings.Count(x.Account.Path, "/") == 2
	if err := h.spendingFilter(x, p, &f); err != nil {
		return err
	}
	p.List.Said = append(p.List.Said, said...)
	rows, err := h.Reports.SpendingRows(x.Ctx, x.Account.Path, f, p.List.Page)
	if err != nil {
		return err
	}
	if p.List.Exporting() {
		return Export(x, p.List, rows, h.Clock(), func(r report.SpendingRow) []any {
			return []any{r.Date.Format(time.DateOnly), r.Office, payerName(r.Account, r.Budget), placeName(r.Place), page.TradeName(r.Trade),
				r.Uses, Fen(r.SpentFen), r.Undone, Fen(r.BackFen), Fen(r.NetFen())}
		})
	}
	for _, r := range Finish(p.List, rows, func(r report.SpendingRow, _ string) (any, int64) { return r.Date, r.ID }) {
		p.Rows = append(p.Rows, spendingRow{r, payerName(r.Account, r.Budget), payerURL(r.Account), placeName(r.Place)})
	}
	if err := h.spendingFigures(x, p, f); err != nil {
		return err
	}
	p.draw()
	return h.Pages.Page(x, "console/spending_list", p)
}

// spendingPeriod is the days asked for, the last 30 without a wish, and what the
// reader should know of how they were understood.
func (h *Handlers) spendingPeriod(x *exchange.Exchange) (f report.SpendingFilter, said []string) {
	read := func(name string) (time.Time, bool) {
		t, err := time.Parse(time.DateOnly, x.Query(name))
		return t, err == nil && t.Year() >= 2000 && t.Year() < 9999
	}
	from, hasFrom := read("from")
	to, hasTo := read("until")
	today := ledger.DayOf(h.Clock()).Date()
	switch {
	case !hasTo && !hasFrom:
		to = today
	case !hasTo:
		to = from.AddDate(0, 0, maxSpendingDays-1)
		if to.After(today) && !from.After(today) {
			to = today
		}
	}
	if !hasFrom {
		from = to.AddDate(0, 0, 1-spendingDays)
	}
	switch {
	case to.Before(from):
		from, to = to, from
		said = append(said, "开始日期晚于结束日期，已对调。")
	}
	if to.Sub(from) >= maxSpendingDays*24*time.Hour {
		from = to.AddDate(0, 0, 1-maxSpendingDays)
		said = append(said, "一次最多看 366 天，已从 "+from.Format(time.DateOnly)+" 起显示。")
	}
	return report.SpendingFilter{From: from, To: to}, said
}

// spendingFilter reads the list's wishes and narrows the filter to them. What can be
// chosen is what the period has.
func (h *Handlers) spendingFilter(x *exchange.Exchange, p *spendingPage, f *report.SpendingFilter) error {
	offices, err := h.Reports.SpendingOffices(x.Ctx, x.Account.Path, *f)
	if err != nil {
		return err
	}
	payers, err := h.Reports.SpendingBudgets(x.Ctx, x.Account.Path, *f)
	if err != nil {
		return err
	}
	places, err := h.spendingPlaces(x, p.OnMap, *f)
	if err != nil {
		return err
	}
	var placeChoices, officeChoices, payerChoices []page.Choice
	for _, s := range places {
		placeChoices = append(placeChoices, page.Choice{Value: strconv.Itoa(int(s.Place)), Label: placeName(s.Place)})
	}
	for _, s := range offices {
		officeChoices = append(officeChoices, page.Choice{Value: strconv.FormatInt(s.OfficeID, 10), Label: s.Name})
	}
	for _, s := range payers[:min(len(payers), maxPayers)] {
		payerChoices = append(payerChoices, page.Choice{Value: s.Account.String(), Label: payerName(s.Account, s.Name)})
	}
	p.List = ReadList(x, spendingList(page.Trades(), placeChoices, officeChoices, payerChoices))
	f.Trade = p.List.Value("trade")
	for _, s := range places {
		if strconv.Itoa(int(s.Place)) == p.List.Value("place") {
			f.Place = s.Place
		}
	}
	for _, s := range offices {
		if strconv.FormatInt(s.OfficeID, 10) == p.List.Value("office") {
			f.OfficeID = s.OfficeID
		}
	}
	for _, s := range payers {
		if s.Account.String() == p.List.Value("payer") {
			f.Account = s.Account
		}
	}
	return nil
}

// spendingPlaces is the spending by city for the province, else by county.
func (h *Handlers) spendingPlaces(x *exchange.Exchange, cities bool, f report.SpendingFilter) ([]report.SpendingPart, error) {
	if cities {
		return h.Reports.SpendingCities(x.Ctx, x.Account.Path, f)
	}
	return h.Reports.SpendingCounties(x.Ctx, x.Account.Path, f)
}

// spendingFigures reads what stands above the list.
func (h *Handlers) spendingFigures(x *exchange.Exchange, p *spendingPage, f report.SpendingFilter) (err error) {
	if p.AsOf, err = h.Reports.SpendingAsOf(x.Ctx); err != nil {
		return err
	}
	if p.Days, err = h.Reports.SpendingDays(x.Ctx, x.Account.Path, f); err != nil {
		return err
	}
	for _, d := range p.Days {
		p.Sum.Uses += d.Uses
		p.Sum.SpentFen += d.SpentFen
		p.Sum.Undone += d.Undone
		p.Sum.BackFen += d.BackFen
	}
	trades, err := h.Reports.SpendingTrades(x.Ctx, x.Account.Path, f)
	if err != nil {
		return err
	}
	places, err := h.spendingPlaces(x, p.OnMap, f)
	if err != nil {
		return err
	}
	offices, err := h.Reports.SpendingOffices(x.Ctx, x.Account.Path, f)
	if err != nil {
		return err
	}
	payers, err := h.Reports.SpendingBudgets(x.Ctx, x.Account.Path, f)
	if err != nil {
		return err
	}
	whole := p.Sum.NetFen()
	p.Trades = partsOf(trades, whole, func(s *report.SpendingPart) (string, string) { return page.TradeName(s.Trade), "" })
	p.Places = partsOf(places, whole, func(s *report.SpendingPart) (string, string) { return placeName(s.Place), "" })
	p.Offices = partsOf(offices, whole, func(s *report.SpendingPart) (string, string) { return s.Name, "" })
	p.Payers = partsOf(payers[:min(len(payers), maxPayers)], whole, func(s *report.SpendingPart) (string, string) {
		return payerName(s.Account, s.Name), payerURL(s.Account)
	})
	return nil
}

// partsOf is the lines of a table.
func partsOf(parts []report.SpendingPart, whole int64, name func(*report.SpendingPart) (name, url string)) []spendingPart {
	var out []spendingPart
	for i := range parts {
		line := spendingPart{Spending: parts[i].Spending, part: parts[i]}
		if net := parts[i].NetFen(); whole > 0 && net > 0 && net <= whole {
			line.Share = int(float64(net) / float64(whole) * 100)
		}
		line.Name, line.URL = name(&parts[i])
		out = append(out, line)
	}
	return out
}

// payerName is who paid, in words.
func payerName(a ledger.Account, budget string) string {
	switch {
	case budget != "":
		return budget
	case a.Kind() == ledger.KindAdjustment:
		return "结算调整"
	case a.Kind() == ledger.KindUnbudgeted:
		return "启用预算以前"
	}
	return "预算 " + strconv.FormatInt(a.ID(), 10)
}

// payerURL is a budget's page, "" for what is none.
func payerURL(a ledger.Account) string {
	if a.Kind() != ledger.KindBudget {
		return ""
	}
	return budgetURL(a.ID())
}

func (p *spendingPage) draw() {
	net := DaysSeries{Name: "净支出（元）", Type: "bar", Axis: 1}
	uses := DaysSeries{Name: "笔次", Type: "line", Axis: 0}
	for _, d := range p.Days {
		p.DaysChart.Labels = append(p.DaysChart.Labels, d.Date.Format("01-02"))
		net.Data = append(net.Data, yuanOf(d.NetFen()))
		uses.Data = append(uses.Data, float64(d.Uses))
	}
	p.DaysChart.Kind, p.DaysChart.Axes, p.DaysChart.Series = "days", []string{"笔", "元"}, []DaysSeries{uses, net}
	p.TradesChart = barsOf(p.Trades)
	bars, onMap := barsOf(p.Places), MapChart{Kind: "map", Name: "净支出", Unit: "元"}
	for _, s := range p.Places {
		onMap.Data = append(onMap.Data, MapValue{strconv.Itoa(int(s.part.Place)), s.NetFen() / 100})
	}
	if p.PlacesChart = bars; p.OnMap {
		p.PlacesChart = onMap
	}
}

// barsOf draws the first lines of a table; all of them stand in it.
func barsOf(parts []spendingPart) MoneyBars {
	const shown = 15
	out := MoneyBars{Kind: "bars", Name: "净支出（元）"}
	for _, s := range parts[:min(len(parts), shown)] {
		out.Labels, out.Data = append(out.Labels, s.Name), append(out.Data, yuanOf(s.NetFen()))
	}
	return out
}
