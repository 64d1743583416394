package console

import (
	"fmt"
	"strconv"
	"strings"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/card/batch"
	"unioncard/merchant"
)

// batchWaiting is what is handed out and activated, with the sentences that ask
// before it is done.
func (h *Handlers) batchWaiting(x *exchange.Exchange, p *batchPage, id int64) (err error) {
	if p.All, p.Waiting, err = h.Batches.Waiting(x.Ctx, x.Account.Path, id); err != nil {
		return err
	}
	p.HandWords = []page.Choice{
		{Value: "deliver", Label: "交付：卡已送到，登记为已交付", OK: "登记交付", Confirm: "将登记交付：{deliver}。\n登记了不能撤回。"},
		{Value: "activate", Label: "激活：已交付的卡马上可用", OK: "激活", Confirm: "将激活：{activate}。\n激活后，卡在收银处马上可用。激活了不能撤回。"}}
	p.Whom = []page.Choice{
		{Value: "all", Label: fmt.Sprintf("全部：还没有交付的 %s 张，或已交付、还没有激活的 %s 张", figure(p.All.Deliver), figure(p.All.Activate)),
			Fill: handFill("", "这个批次全部", &p.All)},
		{Value: "union", Label: "某个工会的", Fill: map[string]string{"deliver": "{its_deliver}", "activate": "{its_activate}",
			"its_deliver": "（还没有选工会）", "its_activate": "（还没有选工会）"}},
		{Value: "numbers", Label: "这些卡号", Fill: map[string]string{"deliver": "您填的 {lines:numbers} 个卡号",
			"activate": "您填的 {lines:numbers} 个卡号（已交付的）"}}}
	for i := range p.Waiting {
		u := &p.Waiting[i]
		p.Unions = append(p.Unions, page.Choice{Value: strconv.FormatInt(u.UnionID, 10), Fill: handFill("its_", u.Name, u),
			Label: fmt.Sprintf("%s（待交付 %s 张，待激活 %s 张）", u.Name, figure(u.Deliver), figure(u.Activate))})
	}
	return nil
}

func handFill(prefix, whose string, n *batch.Waiting) map[string]string {
	return map[string]string{prefix + "deliver": whose + "还没有交付的 " + figure(n.Deliver) + " 张卡",
		prefix + "activate": whose + "已交付、还没有激活的 " + figure(n.Activate) + " 张卡"}
}

// BatchHand answers POST /console/batches/:id/hand: cards delivered, or those that
// were activated, of all, of one union or of numbers.
func (h *Handlers) BatchHand(x *exchange.Exchange) error {
	form, b, err := posted(x, h.batchOf)
	if err != nil {
		return err
	}
	var wrong merchant.FieldErrors
	reason := reasonAs(form, "hand_reason", &wrong)
	what := form.Text("what")
	if what != "deliver" && what != "activate" {
		wrong.Add("what", "请选择交付还是激活。")
	}
	to, err := h.handTo(x, form, &wrong)
	if err != nil {
		return err
	}
	if len(wrong) == 0 {
		n, more, err := h.Batches.Hand(x.Ctx, byCards(x, reason), x.Account.Path, b.ID, to, what == "activate")
		if err == nil {
			page.Notify(x, handed(what, n, more, len(to.Numbers)))
			return x.Redirect(batchURL(b.ID))
		}
		if !batchFault(err, "what", &wrong) {
			return err
		}
	}
	return h.batchRefused(x, &batchPage{Hand: &page.Form{Values: form.Values, Errors: wrong}})
}

// handTo reads whose cards are meant. That has to be said: handing out and activating
// are not taken back, so nothing left empty means all.
func (h *Handlers) handTo(x *exchange.Exchange, form *exchange.Form, wrong *merchant.FieldErrors) (to batch.To, err error) {
	switch form.Text("whom") {
	case "all":
	case "union":
		found, err := h.Batches.UnionsNamed(x.Ctx, x.Account.Path, form.Text("union"))
		if err != nil {
			return to, err
		}
		if len(found) != 1 {
			wrong.Add("union", "请选择是哪个工会的卡。在您的管辖范围内没有选的这个工会。")
			return to, nil
		}
		to.UnionPath = found[0].Path
	case "numbers":
		if to.Numbers, err = h.numbersIn(form.Get("numbers")); err != nil {
			wrong.Add("numbers", err.Error())
		} else if len(to.Numbers) == 0 {
			wrong.Add("numbers", "请填写卡号，每行一个。")
		}
	default:
		wrong.Add("whom", "请选择办哪些卡：全部、某个工会的，还是这些卡号。")
	}
	return to, nil
}

func handed(what string, n int, more bool, asked int) string {
	done := fmt.Sprintf("已登记交付 %d 张。", n)
	if what == "activate" {
		done = fmt.Sprintf("已激活 %d 张，马上可用。", n)
	}
	if asked > n {
		done += fmt.Sprintf("另有 %d 张不在这个批次里，或已经办过。", asked-n)
	}
	if more {
		done += "还没有办完，请再点一次接着办。"
	}
	return done
}

// maxNumbers bounds the card numbers pasted at once.
const maxNumbers = 2000

// numbersIn reads card numbers as scanned or pasted, one a line; nil for none. Its
// error is a sentence.
func (h *Handlers) numbersIn(text string) ([]int64, error) {
	var out []int64
	for _, line := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune("\r\n,，;；", r) }) {
		if line = digitsOf(line); line == "" {
			continue
		}
		n, err := h.CardCodes.CheckNumber(line)
		if err != nil {
			return nil, fmt.Errorf("第 %d 个卡号不对，请逐位核对：每行一个 16 位卡号。", len(out)+1)
		}
		if out = append(out, n); len(out) > maxNumbers {
			return nil, fmt.Errorf("一次最多 %d 个卡号，请分几次办。", maxNumbers)
		}
	}
	return out, nil
}
