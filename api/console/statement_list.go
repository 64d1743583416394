package console

import (
	"context"
	"strconv"
	"strings"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/card/union/keyset"
	"unioncard/settlement"
	"unioncard/settlement/ledger"
)

func statementURL(id int64) string    { return "/console/statements/" + strconv.FormatInt(id, 10) }
func statementObject(id int64) string { return "statement:" + strconv.FormatInt(id, 10) }

// statementList has more columns in a file than fit on a screen.
func statementList(file bool) *ListSpec {
	var states []page.Choice
	for _, s := range settlement.States() {
		states = append(states, page.Choice{Value: string(s), Label: page.StateName("statement_" + string(s))})
	}
	columns := []Column{
		{Key: "id", Label: "结算单", Sort: keyset.Int}, {Key: "merchant", Label: "商家"}, {Key: "day", Label: "营业日"},
		{Key: "state", Label: "状态"}, {Key: "purchases", Label: "笔数", Number: true}, {Key: "gross", Label: "消费（元）", Number: true},
		{Key: "discount", Label: "优惠（元）", Number: true}, {Key: "union", Label: "工会承担（元）", Number: true},
		{Key: "due", Label: "应付（元）", Sort: keyset.Int, Number: true}, {Key: "closing", Label: "待结算（元）", Number: true},
	}
	if file {
		columns = append(columns, Column{Label: "归口工会"}, Column{Label: "商家承担（元）"}, Column{Label: "调整（元）"}, Column{Label: "期初待结算（元）"}, Column{Label: "已付（元）"})
	}
	return &ListSpec{
		Path: "/console/statements", Name: "结算单", Sort: "-id", Columns: columns,
		Filters: []Filter{
			{Name: "q", Label: "商家名称或结算单号", Kind: "search"},
			{Name: "state", Label: "状态", Kind: "choice", Choices: states},
			{Name: "from", Label: "从哪天", Kind: "day"}, {Name: "until", Label: "到哪天（含）", Kind: "day"},
			{Name: "merchant", Label: "商家编号", Kind: "search"},
		},
	}
}

type statementListPage struct {
	page.Frame
	List  *List
	Rows  []settlement.Statement
	Total settlement.Totals
}

// State is a statement's badge.
func (*statementListPage) State(s settlement.State) string { return "statement_" + string(s) }

// statementFilter is a list's wishes for the store.
func statementFilter(l *List) settlement.Filter {
	f := settlement.Filter{Text: l.Value("q"), State: settlement.State(l.Value("state"))}
	f.From, f.Until = dayFilter(l, "from"), dayFilter(l, "until")
	if text := l.Value("merchant"); text != "" {
		var err error
		if f.Merchant, err = strconv.ParseInt(text, 10, 64); err != nil || f.Merchant < 1 {
			f.Merchant = -1 // no merchant has it
		}
	}
	return f
}

// dayFilter is a filter's day, 0 if it was not set.
func dayFilter(l *List, name string) ledger.Day {
	d, err := ledger.ParseDay(l.Value(name))
	if err != nil {
		return 0
	}
	return d
}

// StatementList answers GET /console/statements.
func (h *Handlers) StatementList(x *exchange.Exchange) error {
	l := ReadList(x, statementList(x.Query("format") != ""))
	f := statementFilter(l)
	rows, err := h.Statements.List(x.Ctx, x.Account.Path, f, l.Page)
	if err != nil {
		return err
	}
	if l.Exporting() {
		return Export(x, l, rows, h.Clock(), func(s settlement.Statement) []any {
			return []any{s.Number, s.Merchant, s.Day.String(), page.StateName("statement_" + string(s.State)), s.Figures.Purchases, Fen(s.Figures.GrossFen),
				Fen(s.Figures.DiscountFen), Fen(s.Figures.UnionShareFen), Fen(s.DueFen), Fen(s.ClosingFen),
				s.Office, Fen(s.Figures.MerchantShareFen), Fen(s.AdjustedFen), Fen(s.OpeningFen), Fen(s.PaidFen)}
		})
	}
	p := &statementListPage{Frame: page.Frame{Title: "结算单", Active: "statements"}, List: l}
	if p.Total, err = h.Statements.Total(x.Ctx, x.Account.Path, f); err != nil {
		return err
	}
	p.Rows = Finish(l, rows, func(s settlement.Statement, sort string) (any, int64) {
		if sort == "due" {
			return s.DueFen, s.ID
		}
		return s.ID, s.ID
	})
	return h.Pages.Page(x, "console/statement_list", p)
}

// actorWords is who acted, for people: accounts by their names.
func (h *Handlers) actorWords(ctx context.Context, actors ...string) (func(actor string) string, error) {
	names, err := h.Merchants.ActorNames(ctx, actors)
	if err != nil {
		return nil, err
	}
	return func(actor string) string {
		switch {
		case actor == "":
			return ""
		case actor == "system":
			return "到期自动"
		case strings.HasPrefix(actor, "merchant:"):
			return "商家"
		}
		if name := names[actor]; name != "" {
			return name
		}
		return actor
	}, nil
}
