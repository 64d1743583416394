package portal

import (
	"strconv"
	"time"

	"unioncard/api/console"
	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/card/union/keyset"
	"unioncard/merchant/account"
	"unioncard/settlement"
	"unioncard/settlement/ledger"
)

const statementsPath = "/portal/statements"

func statementURL(id int64) string { return statementsPath + "/" + strconv.FormatInt(id, 10) }

// statementBadge is a statement's state as its merchant understands it.
func statementBadge(s settlement.State) page.Badge {
	switch s {
	case settlement.StateClosed:
		return page.Badge{Label: "待确认", Look: "wait"}
	case settlement.StateConfirmed:
		return page.Badge{Label: "已确认", Look: "busy"}
	case settlement.StateDisputed:
		return page.Badge{Label: "申诉中", Look: "bad"}
	case settlement.StateResolved:
		return page.Badge{Label: "申诉已答复", Look: "busy"}
	case settlement.StatePaid:
		return page.Badge{Label: "已付款", Look: "good"}
	}
	return page.Badge{Label: string(s), Look: "off"}
}

func statementStates() []page.Choice {
	var out []page.Choice
	for _, s := range settlement.States() {
		out = append(out, page.Choice{Value: string(s), Label: statementBadge(s).Label})
	}
	return out
}

func statementColumns() []console.Column {
	return []console.Column{{Key: "id", Label: "结算单", Sort: keyset.Int}, {Key: "day", Label: "营业日"}, {Key: "state", Label: "状态"},
		{Key: "purchases", Label: "笔数", Number: true}, {Key: "gross", Label: "消费（元）", Number: true},
		{Key: "discount", Label: "优惠（元）", Number: true}, {Key: "own", Label: "商家承担（元）", Number: true},
		{Key: "union", Label: "工会承担（元）", Number: true}, {Key: "adjusted", Label: "调整（元）", Number: true},
		{Key: "due", Label: "工会应付（元）", Sort: keyset.Int, Number: true}, {Key: "closing", Label: "期末未付（元）", Number: true}}
}

func statementCells(s settlement.Statement) []any {
	f := &s.Figures
	return []any{s.Number, s.Day.String(), statementBadge(s.State).Label, f.Purchases, console.Fen(f.GrossFen), console.Fen(f.DiscountFen),
		console.Fen(f.MerchantShareFen), console.Fen(f.UnionShareFen), console.Fen(s.AdjustedFen), console.Fen(s.DueFen), console.Fen(s.ClosingFen)}
}

type statementListPage struct {
	page.Frame
	List   *console.List
	Rows   []settlement.Statement
	Totals settlement.Totals
	Month  string // the present one
}

func (p *statementListPage) Badge(s settlement.State) page.Badge { return statementBadge(s) }

// StatementList answers GET /portal/statements.
func (h *Handlers) StatementList(x *exchange.Exchange) error {
	l := console.ReadList(x, &console.ListSpec{Path: statementsPath, Name: "结算单", Sort: "-id", Columns: statementColumns(),
		Filters: []console.Filter{{Name: "from", Label: "开始日期", Kind: "day"}, {Name: "until", Label: "结束日期", Kind: "day"},
			{Name: "q", Label: "结算单号", Kind: "search"}, {Name: "state", Label: "状态", Kind: "choice", Choices: statementStates()}}})
	f := settlement.Filter{Merchant: x.Merchant.MerchantID, Text: l.Value("q"), State: settlement.State(l.Value("state")),
		From: dayOf(l.Value("from")), Until: dayOf(l.Value("until"))}
	rows, err := h.Statements.List(x.Ctx, "", f, l.Page)
	if err != nil {
		return err
	}
	if l.Exporting() {
		return console.Export(x, l, rows, h.Clock(), statementCells)
	}
	p := &statementListPage{Frame: page.Frame{Title: "结算单", Active: "statements"}, List: l, Month: h.today().Format("2006-01")}
	if p.Totals, err = h.Statements.Total(x.Ctx, "", f); err != nil {
		return err
	}
	p.Rows = console.Finish(l, rows, func(s settlement.Statement, sort string) (any, int64) {
		if sort == "due" {
			return s.DueFen, s.ID
		}
		return s.ID, s.ID
	})
	return h.Pages.Page(x, "portal/statement_list", p)
}

// statementTasks: statements to be confirmed or disputed before their term is over.
func (h *Handlers) statementTasks(x *exchange.Exchange, p *homePage) error {
	if h.Statements == nil || !x.Merchant.May(account.Money) {
		return nil
	}
	f := settlement.Filter{Merchant: x.Merchant.MerchantID, State: settlement.StateClosed}
	sum, err := h.Statements.Total(x.Ctx, "", f)
	if err != nil || sum.Statements == 0 {
		return err
	}
	first, err := h.Statements.List(x.Ctx, "", f, keyset.Page{Sort: "id", Limit: 1})
	if err != nil || len(first) == 0 { // the last one was just confirmed
		return err
	}
	p.Tasks = append(p.Tasks, task{strconv.FormatInt(sum.Statements, 10) + " 张结算单等您确认",
		"最早的一张到 " + first[0].ConfirmBy.String() + " 为止；到期没有异议的自动确认。", statementsPath + "?state=" + string(settlement.StateClosed)})
	return nil
}

// dayOf reads a day of a filter that is one, or is "".
func dayOf(text string) ledger.Day {
	day, err := ledger.ParseDay(text)
	if err != nil {
		return 0
	}
	return day
}

type statementMonthPage struct {
	page.Frame
	Month                 string // 2026-11
	Before, After         string // "" for one to come
	Rows                  []settlement.Statement
	Sum                   settlement.Totals
	AdjustedFen           int64
	OpeningFen, EndingFen int64
	XLSX, CSV             string
}

func (p *statementMonthPage) Badge(s settlement.State) page.Badge { return statementBadge(s) }

// maxMonthDays: no month has more statements than days.
const maxMonthDays = 31

// StatementMonth answers GET /portal/statements/month: one month's statements and
// their sum, which changes no more once its last day is closed.
func (h *Handlers) StatementMonth(x *exchange.Exchange) error {
	first, err := time.Parse("2006-01", x.Query("m"))
	if err != nil || first.Year() < 2000 || first.Year() > 9000 {
		first = h.today().AddDate(0, 0, 1-h.today().Day())
	}
	last := first.AddDate(0, 1, -1)
	f := settlement.Filter{Merchant: x.Merchant.MerchantID, From: dayOf(first.Format(time.DateOnly)), Until: dayOf(last.Format(time.DateOnly))}
	rows, err := h.Statements.List(x.Ctx, "", f, keyset.Page{Sort: "id", Limit: maxMonthDays})
	if err != nil {
		return err
	}
	l := console.ReadList(x, &console.ListSpec{Path: statementsPath + "/month", Name: "结算月报-" + first.Format("2006-01"), Columns: statementColumns()})
	if l.Exporting() {
		return console.Export(x, l, rows, h.Clock(), statementCells)
	}
	p := &statementMonthPage{Frame: page.Frame{Title: "结算月报", Active: "statements", Crumbs: []page.Crumb{{Title: "结算单", URL: statementsPath}}},
		Month: first.Format("2006-01"), Before: first.AddDate(0, -1, 0).Format("2006-01"), Rows: rows}
	if after := first.AddDate(0, 1, 0); !after.After(h.today()) {
		p.After = after.Format("2006-01")
	}
	if p.Sum, err = h.Statements.Total(x.Ctx, "", f); err != nil {
		return err
	}
	for i, s := range rows {
		if i == 0 {
			p.OpeningFen = s.OpeningFen
		}
		p.AdjustedFen += s.AdjustedFen
		p.EndingFen = s.ClosingFen
	}
	p.CSV, p.XLSX = statementsPath+"/month?format=csv&m="+p.Month, statementsPath+"/month?format=xlsx&m="+p.Month
	return h.Pages.Page(x, "portal/statement_month", p)
}
