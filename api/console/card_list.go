package console

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/card"
	"unioncard/card/union/keyset"
	"unioncard/card/union/staff"
	"unioncard/merchant"
)

func cardURL(serial int64) string { return "/console/cards/" + strconv.FormatInt(serial, 10) }

// cardStatuses are a card's states, in the order of its life.
func cardStatuses() []card.Status {
	return []card.Status{card.StatusInactive, card.StatusActive, card.StatusSuspended, card.StatusLost, card.StatusCancelled, card.StatusLeft}
}

func cardStatusChoices() []page.Choice {
	var out []page.Choice
	for _, s := range cardStatuses() {
		out = append(out, page.Choice{Value: s.String(), Label: page.StateName("card_" + s.String())})
	}
	return out
}

// month is a field of type month: 2031-11.
func month(text string) (card.Month, bool) {
	t, err := time.Parse("2006-01", text)
	if err != nil || t.Year() < 2015 || t.Year() > 2100 {
		return 0, false
	}
	return card.MonthOf(t), true
}

func monthText(m card.Month) string { return m.LastDay().Format("2006-01") }

func cardList(now time.Time) *ListSpec {
	soon := card.MonthOf(now)
	return &ListSpec{
		Path: "/console/cards", Name: "会员卡", Sort: "-id",
		Columns: []Column{
			{Key: "id", Label: "卡序号", Sort: keyset.Int, Number: true}, {Key: "number", Label: "卡号"}, {Key: "holder", Label: "持卡人"},
			{Key: "union", Label: "工会"}, {Key: "status", Label: "状态"}, {Key: "valid_until", Label: "有效期至"}, {Key: "issued", Label: "发卡"},
			{Key: "batch", Label: "批次"},
		},
		Filters: []Filter{
			{Name: "status", Label: "状态", Kind: "choice", Choices: cardStatusChoices()},
			{Name: "expiring", Label: "到期", Kind: "choice", Choices: []page.Choice{
				{Value: monthText(soon - 1), Label: "已经到期"}, {Value: monthText(soon), Label: "本月底前"}, {Value: monthText(soon + 3), Label: "三个月内"}}},
			{Name: "batch", Label: "批次编号", Kind: "search"},
			{Name: "left", Label: "领取", Kind: "choice", Choices: []page.Choice{{Value: "1", Label: "还没有交付"}}},
		},
	}
}

// cardRow is a card with the word for its badge.
type cardRow struct {
	card.Held
	State string
}

type cardListPage struct {
	page.Frame
	List *List
	Rows []cardRow
	Form *page.Form // of the search by number
}

// CardList answers GET /console/cards.
func (h *Handlers) CardList(x *exchange.Exchange) error { return h.cardList(x, page.NewForm()) }

func (h *Handlers) cardList(x *exchange.Exchange, form *page.Form) error {
	l := ReadList(x, cardList(h.Clock()))
	f := card.ListFilter{Undelivered: l.Value("left") != ""}
	for _, s := range cardStatuses() {
		if s.String() == l.Value("status") {
			f.Status = s
		}
	}
	if m, ok := month(l.Value("expiring")); ok {
		f.Expiring = &m
	}
	if text := l.Value("batch"); text != "" {
		var err error
		if f.Batch, err = strconv.ParseInt(text, 10, 64); err != nil || f.Batch < 1 {
			f.Batch = -1 // no batch has it
		}
	}
	rows, err := h.Cards.List(x.Ctx, x.Account.Path, f, l.Page)
	if err != nil {
		return err
	}
	if l.Exporting() {
		return Export(x, l, rows, h.Clock(), func(c card.Held) []any {
			return []any{c.Serial, card.MaskNumber(c.Number), c.Holder, c.Union, page.StateName(cardState(&c, h.Clock())), c.ValidUntil.String(),
				c.IssuedAt, c.BatchTitle}
		})
	}
	rows = Finish(l, rows, func(c card.Held, _ string) (any, int64) { return c.Serial, c.Serial })
	p := &cardListPage{Frame: page.Frame{Title: "会员卡", Active: "cards"}, List: l, Form: form}
	for i := range rows {
		p.Rows = append(p.Rows, cardRow{rows[i], cardState(&rows[i], h.Clock())})
	}
	return h.Pages.Page(x, "console/card_list", p)
}

// cardState is the word for a card's badge: expired is no status of its own.
func cardState(c *card.Held, now time.Time) string {
	if c.Status.Live() && card.MonthOf(now) > c.ValidUntil {
		return "card_expired"
	}
	return "card_" + c.Status.String()
}

// CardFind answers POST /console/cards/find: the card of a number. By POST, as a
// number in an address would stand in logs and histories. One elsewhere reads like
// one that does not exist.
func (h *Handlers) CardFind(x *exchange.Exchange) error {
	form, err := x.Form()
	if err != nil {
		return err
	}
	var wrong merchant.FieldErrors
	number, err := h.CardCodes.CheckNumber(digitsOf(form.Text("number")))
	if err != nil {
		wrong.Add("number", "这不是会员卡号：卡号是 16 位数字，请对照卡面逐位核对。")
	} else {
		serial, _, err := h.Cards.ByNumber(x.Ctx, number)
		if err == nil {
			_, err = h.Cards.Show(x.Ctx, x.Account.Path, serial)
		}
		if err == nil {
			return x.Redirect(cardURL(serial))
		}
		if !errors.Is(err, card.ErrCodeInvalid) {
			return err
		}
		wrong.Add("number", "没有这张卡：可能已经换过卡，或持卡人不在您的管辖范围内。")
	}
	x.Status = http.StatusUnprocessableEntity
	return h.cardList(x, &page.Form{Values: form.Values, Errors: wrong})
}

// digitsOf drops the blanks with which numbers are printed, and takes full-width
// figures for plain ones.
func digitsOf(text string) string {
	out := make([]rune, 0, len(text))
	for _, r := range text {
		switch {
		case r == ' ' || r == '　' || r == '-' || r == '\t':
		case r >= '０' && r <= '９':
			out = append(out, r-'０'+'0')
		default:
			out = append(out, r)
		}
	}
	return string(out)
}

// mayCards reports whether the account works on cards.
func mayCards(x *exchange.Exchange) bool { return x.Account.May(staff.WriteCards) }
