package terms

import (
	"fmt"
	"strconv"
	"strings"
)

// Names says what people call the things a document only has codes for. A nil
// function, and one that answers "", leaves the code as it is.
type Names struct {
	Category  func(code string) string
	SKU       func(sku string) string
	Territory func(code int32) string
	Class     func(class int) string
	// Unit is what a category is sold by: 升, 公斤. "" is 件 or unknown.
	Unit func(category string) string
}

// Words is an offer in plain Chinese, part by part, exactly: whatever the offer
// computes with is in one of them, and nothing is shortened.
type Words struct {
	Benefit string   // 8.8折, 满158元减20元, 每升减0.3元
	Scope   string   // 全部商品, 限汽油、柴油, 全部商品（烟草除外）
	Caps    string   // 每单最多减40元; "" without
	Limits  []string // 每卡每日限1次
	When    []string // 周一至周五, 11:00–14:00, 2026-10-01除外
	Who     []string // 限郑州市、新密市会员
	Stack   string   // 可与其他优惠同享（第2个计算）; "" if it is exclusive
	Funding string   // 工会补贴75%，商家承担25%; "" if the merchant bears it all
}

// Describe is an offer in one sentence for members and the public: what, on what,
// how much at most, how often, when, for whom. Who pays is not their business.
// Codes stay codes; Names.Describe has their names.
func Describe(o Offer) string { return Names{}.Describe(o) }

// Describe is Describe with the names that people know.
func (n Names) Describe(o Offer) string {
	w := n.Words(o)
	head := w.Benefit
	if w.Scope != "" && w.Scope != everything {
		head = w.Scope + "：" + w.Benefit
	}
	parts := []string{head}
	if w.Caps != "" {
		parts = append(parts, w.Caps)
	}
	parts = append(append(append(parts, w.Limits...), w.When...), w.Who...)
	if o.Stack > 0 {
		parts = append(parts, "可与其他优惠同享")
	}
	return strings.Join(parts, "，")
}

// DescribeFully is Describe with what only staff need: the place in the order of
// stacking and who pays.
func (n Names) DescribeFully(o Offer) string {
	w := n.Words(o)
	plain := o
	plain.Stack = 0
	parts := []string{n.Describe(plain)}
	for _, s := range []string{w.Stack, w.Funding} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, "，")
}

// everything is the scope of an offer without lists.
const everything = "全部商品"

// Words takes an offer apart into words. The offer need not be valid: what makes
// no sense is written as it stands.
func (n Names) Words(o Offer) Words {
	w := Words{
		Benefit: n.benefit(&o),
		Scope:   n.scope(&o),
		When:    o.Calendar.words(),
		Who:     n.who(&o.Eligibility),
	}
	if o.Caps.PurchaseFen > 0 {
		w.Caps = "每单最多减" + yuan(o.Caps.PurchaseFen) + "元"
	}
	for _, l := range o.Limits {
		w.Limits = append(w.Limits, l.words())
	}
	if o.Stack > 0 {
		w.Stack = "可与其他优惠同享（叠加次序" + strconv.Itoa(o.Stack) + "）"
	}
	if o.FundingBP != wholeBP {
		w.Funding = "工会补贴" + decimal(wholeBP-o.FundingBP, 100) + "%，商家承担" + decimal(o.FundingBP, 100) + "%"
	}
	return w
}

// BenefitWords is the benefit alone: 满158元减20元.
func (n Names) BenefitWords(o Offer) string { return n.benefit(&o) }

func (n Names) benefit(o *Offer) string {
	d := &o.Benefit
	switch d.Kind {
	case KindPercent:
		return zhe(d.RateBP)
	case KindAmountOff:
		return "满" + yuan(d.AtFen) + "元减" + yuan(d.OffFen) + "元"
	case KindEvery:
		s := "每满" + yuan(d.AtFen) + "元减" + yuan(d.OffFen) + "元"
		if d.MaxTimes > 0 {
			s += "（最多减" + strconv.FormatInt(d.MaxTimes, 10) + "次，即" + yuan(d.MaxTimes*d.OffFen) + "元）"
		}
		return s
	case KindTiers:
		steps := make([]string, len(d.Tiers))
		for i, t := range d.Tiers {
			steps[i] = "满" + yuan(t.AtFen) + "元"
			if t.RateBP > 0 {
				steps[i] += "打" + zhe(t.RateBP)
			} else {
				steps[i] += "减" + yuan(t.OffFen) + "元"
			}
		}
		return strings.Join(steps, "、")
	case KindUnitPrice:
		prices := make([]string, len(d.Prices))
		for i, p := range d.Prices {
			prices[i] = named(n.SKU, p.SKU) + " " + yuan(p.PriceFen) + "元"
		}
		return "团购价：" + strings.Join(prices, "、")
	case KindPerUnit:
		return "每" + n.unit(o) + "减" + yuan(d.OffFen) + "元"
	default:
		return "未知优惠“" + d.Kind + "”"
	}
}

// unit is what all categories of a scope are sold by.
func (n Names) unit(o *Offer) string {
	unit := ""
	for i, c := range o.Scope.Categories {
		u := ""
		if n.Unit != nil {
			u = n.Unit(c)
		}
		if u == "" || i > 0 && u != unit {
			unit = ""
			break
		}
		unit = u
	}
	if unit == "" || len(o.Scope.SKUs) > 0 {
		return "单位（升、公斤、件）"
	}
	return unit
}

func (n Names) scope(o *Offer) string {
	if o.Benefit.Kind == KindUnitPrice {
		return "" // the priced SKUs are in the benefit
	}
	s := &o.Scope
	in := append(names(n.Category, s.Categories), names(n.SKU, s.SKUs)...)
	out := append(names(n.Category, s.ExceptCategories), names(n.SKU, s.ExceptSKUs)...)
	text := everything
	if len(in) > 0 {
		text = "限" + strings.Join(in, "、")
	}
	if len(out) > 0 {
		text += "（" + strings.Join(out, "、") + "除外）"
	}
	return text
}

func (n Names) who(e *Eligibility) []string {
	var out []string
	if len(e.Territories) > 0 {
		places := make([]string, len(e.Territories))
		for i, code := range e.Territories {
			if n.Territory != nil {
				places[i] = n.Territory(code)
			}
			if places[i] == "" {
				places[i] = strconv.Itoa(int(code))
			}
		}
		out = append(out, "限"+strings.Join(places, "、")+"会员")
	}
	if len(e.Classes) > 0 {
		classes := make([]string, len(e.Classes))
		for i, c := range e.Classes {
			if n.Class != nil {
				classes[i] = n.Class(c)
			}
			if classes[i] == "" {
				classes[i] = strconv.Itoa(c) + "类"
			}
		}
		out = append(out, "限"+strings.Join(classes, "、")+"会员卡")
	}
	return out
}

func names(of func(string) string, codes []string) []string {
	out := make([]string, len(codes))
	for i, c := range codes {
		out[i] = named(of, c)
	}
	return out
}

func named(of func(string) string, code string) string {
	if of != nil {
		if s := of(code); s != "" {
			return s
		}
	}
	return code
}

func (l *Limit) words() string {
	per := fmt.Sprintf("每卡%s", PeriodWords(l.Per))
	var what []string
	if l.Uses > 0 {
		what = append(what, "限"+strconv.FormatInt(l.Uses, 10)+"次")
	}
	if l.Fen > 0 {
		what = append(what, "最多减"+yuan(l.Fen)+"元")
	}
	return per + strings.Join(what, "、")
}

// PeriodWords is a period as people say it: 每日.
func PeriodWords(p Period) string {
	switch p {
	case PerDay:
		return "每日"
	case PerWeek:
		return "每周"
	case PerMonth:
		return "每月"
	case PerContract:
		return "协议期内"
	}
	return p.String()
}
