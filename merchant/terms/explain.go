package terms

import (
	"fmt"
	"strings"
)

// Explain is every offer in plain Chinese, in declared order: 满158减20, 8.8折,
// 每升减0.3元. It is generated from the rules, not from the title, so a member
// reads what will be computed.
func (c *Compiled) Explain() []string {
	out := make([]string, len(c.doc))
	for i := range c.doc {
		out[i] = c.doc[i].explain()
	}
	return out
}

func (o *Offer) explain() string {
	parts := []string{o.Scope.explain() + o.Benefit.explain()}
	if o.Caps.PurchaseFen > 0 {
		parts = append(parts, "每单最多优惠"+yuan(o.Caps.PurchaseFen)+"元")
	}
	for _, l := range o.Limits {
		parts = append(parts, l.explain())
	}
	parts = append(parts, o.Calendar.explain()...)
	if len(o.Eligibility.Territories) > 0 {
		parts = append(parts, "限指定地区会员")
	}
	if len(o.Eligibility.Classes) > 0 {
		parts = append(parts, "限指定类别会员卡")
	}
	if o.Stack > 0 {
		parts = append(parts, "可与其他优惠叠加")
	}
	return strings.Join(parts, "，")
}

func (s *Scope) explain() string {
	var b strings.Builder
	in := append(append([]string(nil), s.Categories...), s.SKUs...)
	out := append(append([]string(nil), s.ExceptCategories...), s.ExceptSKUs...)
	if len(in) > 0 {
		b.WriteString("限" + listed(in))
	}
	if len(out) > 0 {
		b.WriteString("（" + listed(out) + "除外）")
	}
	if b.Len() == 0 {
		return ""
	}
	return b.String() + "："
}

// listed names up to five things and counts the rest.
func listed(names []string) string {
	const most = 5
	if len(names) <= most {
		return strings.Join(names, "、")
	}
	return fmt.Sprintf("%s等%d项", strings.Join(names[:most], "、"), len(names))
}

func (d *Benefit) explain() string {
	switch d.Kind {
	case KindPercent:
		return zhe(d.RateBP)
	case KindAmountOff:
		return "满" + yuan(d.AtFen) + "减" + yuan(d.OffFen)
	case KindEvery:
		s := "每满" + yuan(d.AtFen) + "减" + yuan(d.OffFen)
		if d.MaxTimes > 0 {
			s += fmt.Sprintf("（最多减%d次）", d.MaxTimes)
		}
		return s
	case KindTiers:
		var steps []string
		for _, t := range d.Tiers {
			if t.RateBP > 0 {
				steps = append(steps, "满"+yuan(t.AtFen)+"享"+zhe(t.RateBP))
			} else {
				steps = append(steps, "满"+yuan(t.AtFen)+"减"+yuan(t.OffFen))
			}
		}
		return strings.Join(steps, "、")
	case KindUnitPrice:
		var prices []string
		for _, p := range d.Prices {
			prices = append(prices, p.SKU+" "+yuan(p.PriceFen)+"元")
		}
		return "团购价：" + listed(prices)
	default:
		return "每单位（件、升、公斤）减" + yuan(d.OffFen) + "元"
	}
}

func (l *Limit) explain() string {
	per := map[Period]string{PerDay: "每卡每日", PerWeek: "每卡每周", PerMonth: "每卡每月", PerContract: "每卡协议期内"}[l.Per]
	var what []string
	if l.Uses > 0 {
		what = append(what, fmt.Sprintf("限用%d次", l.Uses))
	}
	if l.Fen > 0 {
		what = append(what, "最多优惠"+yuan(l.Fen)+"元")
	}
	return per + strings.Join(what, "、")
}

func (d *Calendar) explain() []string {
	var parts []string
	switch {
	case d.From != "" && d.To != "":
		parts = append(parts, d.From+"至"+d.To)
	case d.From != "":
		parts = append(parts, d.From+"起")
	case d.To != "":
		parts = append(parts, "至"+d.To)
	}
	if len(d.Weekdays) > 0 {
		var days []string
		for _, w := range d.Weekdays {
			days = append(days, []string{"周一", "周二", "周三", "周四", "周五", "周六", "周日"}[w-1])
		}
		parts = append(parts, strings.Join(days, "、"))
	}
	if len(d.Hours) > 0 {
		var spans []string
		for _, h := range d.Hours {
			spans = append(spans, h.From+"–"+h.To)
		}
		parts = append(parts, strings.Join(spans, "、"))
	}
	if len(d.Blackout) > 0 {
		parts = append(parts, listed(d.Blackout)+"不参加")
	}
	return parts
}

// zhe writes a rate the Chinese way: 8800 is 8.8折, 500 is 0.5折.
func zhe(rateBP int64) string { return decimal(rateBP, wholeBP/10) + "折" }

// yuan writes fen as yuan without trailing zeros.
func yuan(fen int64) string { return decimal(fen, 100) }

// decimal writes v/unit without trailing zeros; unit is a power of ten.
func decimal(v, unit int64) string {
	s := fmt.Sprint(v / unit)
	if frac := v % unit; frac > 0 {
		digits := fmt.Sprint(unit + frac)[1:]
		s += "." + strings.TrimRight(digits, "0")
	}
	return s
}
