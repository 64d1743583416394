package console

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/card/union/keyset"
	"unioncard/card/union/staff"
	"unioncard/merchant"
	"unioncard/merchant/application"
	"unioncard/merchant/signing"
	"unioncard/settlement"
	"unioncard/settlement/budget"
	"unioncard/settlement/ledger"
)

// moneyHistory is how many steps of a budget, statement or payment a page shows.
const moneyHistory = 50

// byMoney is who makes a change to money, and why.
func byMoney(x *exchange.Exchange, reason string) merchant.By {
	return merchant.By{Actor: x.Account.Actor(), Reason: reason}
}

// mayMoney reports whether the account is one that moves money.
func mayMoney(x *exchange.Exchange) bool { return x.Account.May(staff.WriteMoney) }

var (
	bigYuan  = regexp.MustCompile(`^([0-9]{1,14})(?:\.([0-9]{1,2}))?元?$`)
	hugeYuan = regexp.MustCompile(`^[0-9]{15,}(?:\.[0-9]{1,2})?元?$`)
)

// hugeFen stands for an amount of more digits than there is money: beyond what any
// store takes, and within what it can compare.
const hugeFen = 10_000_000_000_000_000

// moneyIn reads an amount in yuan, 0 for a blank field. Thousands may be parted by
// commas. What is no amount is a fault; whether an amount makes sense is the store's
// to say.
func moneyIn(form *exchange.Form, name string, wrong *merchant.FieldErrors) int64 {
	text := strings.NewReplacer(",", "", "，", "").Replace(form.Text(name))
	if text == "" {
		return 0
	}
	n, ok := scaled(bigYuan, text, 2)
	switch {
	case ok:
	case hugeYuan.MatchString(halfWidth(text)):
		return hugeFen
	default:
		wrong.Add(name, "请填写金额（元），最多两位小数，例如 2000 或 49.90，不能是负数")
	}
	return n
}

// dayIn reads a day of a form.
func dayIn(form *exchange.Form, name, what string, wrong *merchant.FieldErrors) ledger.Day {
	d, err := ledger.ParseDay(form.Text(name))
	if t := d.Date(); err != nil || t.Year() < 2000 || t.Year() > 2999 {
		wrong.Add(name, "请填写"+what+"，例如 2026-10-01")
		return 0
	}
	return d
}

// countIn reads a whole number of a form, 0 for none and what is none.
func countIn(form *exchange.Form, name string, most int64) int64 {
	n, ok := form.Int(name)
	if !ok || n < 0 {
		return 0
	}
	return min(n, most+1) // still too many for who checks it, and no overflow
}

// momentIn reads a datetime-local field of Beijing time, zero for a blank one.
func momentIn(form *exchange.Form, name string, wrong *merchant.FieldErrors) time.Time {
	text := form.Text(name)
	if text == "" {
		return time.Time{}
	}
	for _, layout := range []string{"2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02T15:04:05"} {
		if t, err := time.ParseInLocation(layout, text, beijing); err == nil && t.Year() >= 2000 && t.Year() <= 2999 {
			return t
		}
	}
	wrong.Add(name, "请填写日期和时间，例如 2026-10-01 10:00")
	return time.Time{}
}

// maxNamed is how many merchants a form may name by name rather than number.
const maxNamed = 50

// merchantsIn reads merchants, one a line, by number or by name. What lies outside the
// account's territory reads like what there is not.
func (h *Handlers) merchantsIn(x *exchange.Exchange, form *exchange.Form, name string, wrong *merchant.FieldErrors) ([]int64, error) {
	var ids []int64
	named := 0
	for _, line := range strings.FieldsFunc(form.Get(name), func(r rune) bool { return strings.ContainsRune("\r\n,，、;；\t", r) }) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		if id, err := strconv.ParseInt(digitsOf(firstWord(line)), 10, 64); err == nil {
			ids = append(ids, max(id, 0))
			continue
		}
		if named++; named > maxNamed {
			wrong.Add(name, fmt.Sprintf("按名称最多填 %d 家，更多的请填商家编号", maxNamed))
			return ids, nil
		}
		found, err := h.Applications.Merchants(x.Ctx, x.Account.Path, application.MerchantFilter{Text: line}, keyset.Page{Sort: "id", Limit: 20})
		if err != nil {
			return nil, err
		}
		if exact := slices.DeleteFunc(slices.Clone(found), func(m application.MerchantRow) bool { return m.Name != line }); len(exact) == 1 {
			found = exact
		}
		switch len(found) {
		case 0:
			wrong.Add(name, "辖区内没有找到商家“"+line+"”，请核对名称或填编号")
		case 1:
			ids = append(ids, found[0].ID)
		default:
			wrong.Add(name, "名称里有“"+line+"”的商家不止一家，请填编号（在商家页面上）")
		}
	}
	return ids, nil
}

// firstWord is a line's number, if it came as "12 老王面馆".
func firstWord(line string) string {
	word, _, _ := strings.Cut(line, " ")
	return word
}

// namedMerchant is a merchant for people.
type namedMerchant struct {
	ID   int64
	Name string
}

// merchantNames is the first of a list of merchants with their names.
func (h *Handlers) merchantNames(ctx context.Context, ids []int64) ([]namedMerchant, error) {
	const shown = 20
	var out []namedMerchant
	for _, id := range ids[:min(len(ids), shown)] {
		m, err := h.Applications.Merchant(ctx, id)
		if err != nil {
			return nil, err
		}
		out = append(out, namedMerchant{id, m.Name})
	}
	return out, nil
}

// merchantLines is merchants as a form's field has them.
func (h *Handlers) merchantLines(ctx context.Context, ids []int64) (string, error) {
	names, err := h.merchantNames(ctx, ids)
	if err != nil {
		return "", err
	}
	lines := make([]string, len(ids))
	for i, id := range ids {
		if lines[i] = strconv.FormatInt(id, 10); i < len(names) {
			lines[i] += " " + names[i].Name
		}
	}
	return strings.Join(lines, "\n"), nil
}

// moneyRefusal is a form as it was typed with why it was refused; false for an error
// that is no refusal.
func moneyRefusal(typed url.Values, err error) (*page.Form, bool) {
	if form, ok := page.Refuse(typed, err); ok {
		return form, true
	}
	if s := moneySentence(err); s != "" {
		return &page.Form{Values: typed, Summary: s}, true
	}
	return nil, false
}

// moneySentence is a refusal of the work on money in words, "" for any other error.
func moneySentence(err error) string {
	move, moved := errors.AsType[*merchant.MoveError](err)
	switch {
	case errors.Is(err, budget.ErrChanged), errors.Is(err, settlement.ErrChanged):
		return "您打开以后，这里刚被别人改过。下面已经是现在的内容，请核对后再办。"
	case moved && strings.HasPrefix(move.Object, "proposal:"):
		return "这件事别人已经办过了，请刷新页面看结果。"
	case moved:
		return "现在是“" + page.StateName(moneyState(move.Object, move.From)) + "”，不能这样办理，可能同事刚刚办过。请看现在的情况再办。"
	case errors.Is(err, signing.ErrAlreadyWaiting):
		return "同样的事项已经提请过，正等审批；要改内容请先撤回。"
	case errors.Is(err, signing.ErrNotYours):
		return "您现在没有办理资金的权限，请联系系统管理员。"
	case errors.Is(err, settlement.ErrNothingToPay):
		return "这段日子没有可以付款的结算单：结算单要先由商家确认（或到期自动确认），并且还没有付过。"
	case errors.Is(err, settlement.ErrNotSent):
		return "付款还没有批准，没有银行文件，也不能登记到账。"
	}
	return ""
}

// moneyState is the name of a state's badge, by the object that has it.
func moneyState(object, state string) string {
	kind, _, _ := strings.Cut(object, ":")
	if kind == "series" {
		kind = "budget"
	}
	return kind + "_" + state
}

// ofMoney reports whether an object is one that finance works on.
func ofMoney(object string) bool {
	kind, _, _ := strings.Cut(object, ":")
	return slices.Contains([]string{"budget", "series", "statement", "payment"}, kind)
}

// payingPeriod is the days on which a budget pays, in words.
func payingPeriod(first, last ledger.Day) string { return first.String() + " 至 " + last.String() }

// tradeWords is trades in words, all of them for none.
func tradeWords(trades []merchant.Trade) string {
	if len(trades) == 0 {
		return "全部行业"
	}
	words := make([]string, len(trades))
	for i, t := range trades {
		words[i] = page.TradeName(string(t))
	}
	return strings.Join(words, "、")
}

// yuanWords is an amount for a sentence: "20,000.00 元".
func yuanWords(fen int64) string { return page.Money(fen) + " 元" }

// propose makes a proposal about money and says so.
func (h *Handlers) propose(x *exchange.Exchange, kind, object string, office int64, payload any, reason, said string) error {
	id, err := h.Signing.Propose(x.Ctx, x.Account, kind, object, office, payload, reason)
	if err != nil {
		return err
	}
	page.Notify(x, fmt.Sprintf("%s等另一位同事批准（审批 %d）。", said, id))
	return nil
}

// waitingFor is the proposal of a kind that waits for an object, nil for none.
func (h *Handlers) waitingFor(x *exchange.Exchange, kind, object string) (*signing.Proposal, error) {
	p, err := h.Signing.WaitingFor(x.Ctx, kind, object)
	if errors.Is(err, merchant.ErrNotFound) {
		return nil, nil //nolint:nilnil // none waits, which most often is so
	}
	return p, err
}
