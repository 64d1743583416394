package console

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/card"
	"unioncard/card/batch"
	"unioncard/merchant"
)

type cardPage struct {
	page.Frame
	C       card.Held
	State   string // for the badge
	Number  string // in full for who works on cards
	Facts   []any
	Choices []page.Choice // what can be done now
	History []page.Step
	Form    *page.Form
	Print   *page.Form
	Fits    bool // printing makes sense
}

// cardHistory is how many events a card's page shows.
const cardHistory = 30

// CardShow answers GET /console/cards/:id.
func (h *Handlers) CardShow(x *exchange.Exchange) error {
	return h.cardShow(x, page.NewForm(), page.NewForm())
}

func (h *Handlers) cardShow(x *exchange.Exchange, form, print *page.Form) error {
	c, err := h.heldCard(x)
	if err != nil {
		return err
	}
	p := &cardPage{Frame: page.Frame{Title: "会员卡 " + card.MaskNumber(c.Number), Active: "cards",
		Crumbs: []page.Crumb{{Title: "会员卡", URL: "/console/cards"}}}, C: c, State: cardState(&c, h.Clock()), Form: form, Print: print,
		Choices: cardChoices(&c), Number: card.MaskNumber(c.Number), Fits: c.Status.Live() && c.Status != card.StatusLost}
	if mayCards(x) {
		p.Number = strconv.FormatInt(c.Number, 10)
	}
	if form.Values == nil {
		form.Values = url.Values{}
	}
	form.Values.Set("version", strconv.FormatInt(c.Version, 10))
	p.Facts = cardFacts(&c, p.Number)
	if p.History, err = h.history(x, "card", c.Serial, "", cardHistory); err != nil {
		return err
	}
	return h.Pages.Page(x, "console/card_show", p)
}

func cardFacts(c *card.Held, number string) []any {
	facts := []any{fact("卡号", number), factLink("持卡人", c.Holder, "/console/members/"+strconv.FormatInt(c.MemberID, 10)),
		factLink("工会", c.Union, unionURL(c.UnionID)), fact("归属地", placeName(c.Territory)), fact("有效期至", c.ValidUntil.String()),
		fact("发卡", page.Moment(c.IssuedAt))}
	// The code of new plastic is good from the replacement on, but nobody holds it
	// before it has been printed; until it is handed out the page must not look as if.
	it := "这张卡"
	if c.ReplacedAt != nil {
		it = "新卡"
		facts = append(facts, fact("实体卡", fmt.Sprintf("第 %d 张，%s 补换；以前的实体卡和码都已作废", c.Generation, page.Moment(*c.ReplacedAt))))
	} else {
		facts = append(facts, fact("实体卡", "第 1 张"))
	}
	if c.Batch != 0 {
		delivered, printed := it+"还没有交付", "已列入"
		if c.DeliveredAt != nil {
			delivered = page.Moment(*c.DeliveredAt)
		}
		if c.Fresh {
			printed = it + "还没有列入"
		}
		facts = append(facts, factLink("批次", c.BatchTitle, batchURL(c.Batch)), fact("制卡文件", printed), fact("交付", delivered))
	}
	if c.Activated != nil {
		when := page.Moment(*c.Activated)
		if c.ReplacedAt != nil && c.Activated.Before(*c.ReplacedAt) {
			when += "，旧卡时激活；新卡交到手不用再激活"
		}
		facts = append(facts, fact("激活", when))
	}
	return facts
}

func factLink(term, text, url string) any {
	return map[string]any{"Term": term, "Text": text, "URL": url}
}

// cardWord is something that can be done to a card, in a clerk's words.
type cardWord struct {
	Action      card.Action
	Label, Done string
	// Sure is what will happen then to the card named before it, and OK the button.
	Sure, OK string
	Danger   bool
}

// cardWords are all of them, in this order.
func cardWords() []cardWord {
	return []cardWord{
		{card.ActionActivate, "激活：持卡人已核实身份，马上可用", "会员卡已激活，马上可用。", "这张卡在收银处马上可用。请先确认已核对持卡人身份。", "激活", false},
		{card.ActionReportLost, "挂失：马上停用，找到了可以解挂", "已挂失，各收银处从现在起不再受理。", "这张卡和手机会员码马上停用，收银处不再受理。找到了可以解挂。", "挂失", true},
		{card.ActionFound, "解挂：卡找到了，恢复使用", "已解挂。", "这张卡恢复到挂失前的状态，原来能用的马上可用。", "解挂", false},
		{card.ActionReplace, "补换卡：换新卡号，旧卡和旧码马上作废", "已补换卡，旧卡号、旧码马上作废。请制作新卡。", "旧卡、旧卡号和旧码马上作废，不能恢复。新卡要重新制作、重新交付。", "补换卡", true},
		{card.ActionSuspend, "停用：可以恢复", "会员卡已停用。", "这张卡在任何收银处都不能再优惠，直到恢复使用。", "停用", true},
		{card.ActionResume, "恢复使用", "会员卡已恢复。", "这张卡在收银处马上可用。", "恢复使用", false},
		{card.ActionCancel, "注销：不能恢复，可以再发新卡", "会员卡已注销。", "这张卡、卡号和码马上作废，不能恢复。以后可以给他另发一张卡。", "注销", true},
	}
}

func cardChoices(c *card.Held) (out []page.Choice) {
	for _, w := range cardWords() {
		if _, err := c.Status.Next(w.Action); err == nil {
			out = append(out, page.Choice{Value: string(w.Action), Label: w.Label, OK: w.OK, Danger: w.Danger,
				Confirm: fmt.Sprintf("将%s：%s 的会员卡 %s。\n%s", w.OK, c.Holder, card.MaskNumber(c.Number), w.Sure)})
		}
	}
	return out
}

// heldCard is the card of the address, in the account's territory.
func (h *Handlers) heldCard(x *exchange.Exchange) (card.Held, error) {
	serial, err := idOf(x)
	if err != nil {
		return card.Held{}, err
	}
	c, err := h.Cards.Show(x.Ctx, x.Account.Path, serial)
	if errors.Is(err, card.ErrCodeInvalid) {
		return card.Held{}, batch.ErrNotFound
	}
	return c, err
}

// byCards says who changes a card and why.
func byCards(x *exchange.Exchange, reason string) card.By {
	return card.By{Actor: x.Account.Actor(), Reason: reason}
}

// CardMove answers POST /console/cards/:id/move.
func (h *Handlers) CardMove(x *exchange.Exchange) error {
	form, c, err := posted(x, h.heldCard)
	if err != nil {
		return err
	}
	var wrong merchant.FieldErrors
	by := byCards(x, reasonIn(form, &wrong))
	action, done := card.Action(form.Text("action")), ""
	for _, w := range cardWords() {
		if w.Action == action {
			done = w.Done
		}
	}
	if done == "" {
		wrong.Add("action", "请选择要办的事。")
	}
	if len(wrong) == 0 {
		version, _ := form.Int("version") // 0, of no card, if it is none
		_, err := h.Cards.Move(x.Ctx, by, c.Serial, version, action)
		if err == nil {
			page.Notify(x, done)
			return x.Redirect(cardURL(c.Serial))
		}
		_, moved := errors.AsType[*card.MoveError](err)
		switch {
		case errors.Is(err, card.ErrStale):
			wrong.Add("action", "您打开以后，这张卡刚被别人办理过。请看现在的状态，再决定要不要办。")
		case moved:
			wrong.Add("action", "卡现在的状态不能这样办理，可能别人刚刚办过，请看现在的状态。")
		default:
			return err
		}
	}
	x.Status = http.StatusUnprocessableEntity
	return h.cardShow(x, &page.Form{Values: form.Values, Errors: wrong}, page.NewForm())
}

// CardPrint answers POST /console/cards/:id/print: the print file of one card, as
// after a replacement.
func (h *Handlers) CardPrint(x *exchange.Exchange) error {
	form, c, err := posted(x, h.heldCard)
	if err != nil {
		return err
	}
	var wrong merchant.FieldErrors
	by := byCards(x, printReason(form, &wrong))
	format := batch.Format(form.Text("format"))
	if !printable(format) {
		wrong.Add("format", "请选择文件格式。")
	}
	if len(wrong) == 0 {
		cards, err := h.Batches.DownloadCard(x.Ctx, by, x.Account.Path, c.Serial, format)
		if err == nil {
			return h.sendPrint(x, fmt.Sprintf("制卡-卡序号%d", c.Serial), cards, 1, format)
		}
		if !errors.Is(err, batch.ErrNotFound) {
			return err
		}
		wrong.Add("format", "挂失、注销的卡不能制卡。请先解挂或补换卡。")
	}
	x.Status = http.StatusUnprocessableEntity
	return h.cardShow(x, page.NewForm(), &page.Form{Values: form.Values, Errors: wrong})
}
