package console

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"unioncard/merchant"
	"unioncard/merchant/terms"
)

// One offer as the editor's form has it, and back. The names of the fields are
// those of web/templates/console/terms_offer.html. Fields that the kind of offer
// does not have are ignored.

// offerValues is an offer as the form's fields. The offer must be canonical (its
// lists in order).
func offerValues(o terms.Offer) url.Values {
	v := url.Values{}
	set := func(name, value string) { v.Set(name, value) }
	set("id", o.ID)
	set("title", o.Title)
	set("kind", o.Benefit.Kind)
	benefitValues(v, &o.Benefit)
	s := &o.Scope
	v["cat"], v["nocat"] = slices.Clone(s.Categories), slices.Clone(s.ExceptCategories)
	set("sku", strings.Join(s.SKUs, "\n"))
	set("nosku", strings.Join(s.ExceptSKUs, "\n"))
	set("from", o.Calendar.From)
	set("to", o.Calendar.To)
	for _, d := range o.Calendar.Weekdays {
		v.Add("weekday", strconv.Itoa(d))
	}
	for _, h := range o.Calendar.Hours {
		v.Add("hour_from", h.From)
		v.Add("hour_to", h.To)
	}
	set("blackout", dayLines(o.Calendar.Blackout))
	if o.Caps.PurchaseFen > 0 {
		set("cap", decimalText(o.Caps.PurchaseFen, 2))
	}
	for _, l := range o.Limits {
		if l.Uses > 0 {
			set("uses_"+l.Per.String(), strconv.FormatInt(l.Uses, 10))
		}
		if l.Fen > 0 {
			set("fen_"+l.Per.String(), decimalText(l.Fen, 2))
		}
	}
	for _, code := range o.Eligibility.Territories {
		v.Add("place", strconv.Itoa(int(code)))
	}
	for _, c := range o.Eligibility.Classes {
		v.Add("class", strconv.Itoa(c))
	}
	if o.Stack > 0 {
		set("stacks", "1")
		set("stack", strconv.Itoa(o.Stack))
	}
	set("funding", decimalText(o.FundingBP, 2))
	if o.Budget != 0 {
		set("budget", strconv.FormatInt(o.Budget, 10))
	}
	return v
}

func benefitValues(v url.Values, b *terms.Benefit) {
	money := func(name string, fen int64) {
		if fen > 0 {
			v.Set(name, decimalText(fen, 2))
		}
	}
	switch b.Kind {
	case terms.KindPercent:
		v.Set("rate", decimalText(b.RateBP, 3))
	case terms.KindAmountOff, terms.KindEvery:
		money("at", b.AtFen)
		money("off", b.OffFen)
		if b.MaxTimes > 0 {
			v.Set("times", strconv.FormatInt(b.MaxTimes, 10))
		}
	case terms.KindPerUnit:
		money("per", b.OffFen)
	case terms.KindTiers:
		v.Set("tier_by", "off")
		for _, t := range b.Tiers {
			v.Add("tier_at", decimalText(t.AtFen, 2))
			if t.RateBP > 0 {
				v.Set("tier_by", "rate")
				v.Add("tier_give", decimalText(t.RateBP, 3))
			} else {
				v.Add("tier_give", decimalText(t.OffFen, 2))
			}
		}
	case terms.KindUnitPrice:
		for _, p := range b.Prices {
			v.Add("price_sku", p.SKU)
			v.Add("price_yuan", decimalText(p.PriceFen, 2))
		}
	}
}

// offerReader reads a form and notes what is wrong.
type offerReader struct {
	url.Values
	faults merchant.FieldErrors
}

// readOffer is the offer that a form describes. Without a title it gets one from
// its benefit; stackable without a place, it gets the place given. What is wrong
// comes back as FieldErrors, all at once as far as they can be told apart; the
// offer returned with them is what could be read.
func readOffer(f url.Values, id string, place int) (terms.Offer, error) {
	r := offerReader{Values: f}
	o := terms.Offer{ID: id, Title: strings.TrimSpace(f.Get("title"))}
	o.Benefit = r.benefit(f.Get("kind"))
	if o.Benefit.Kind != terms.KindUnitPrice {
		o.Scope = terms.Scope{
			Categories: distinctOf(f["cat"]), ExceptCategories: distinctOf(f["nocat"]),
			SKUs: distinctOf(skuLines(f.Get("sku"))), ExceptSKUs: distinctOf(skuLines(f.Get("nosku"))),
		}
	}
	o.Calendar = r.calendar()
	o.Caps.PurchaseFen = r.optionalFen("cap", "每单最多优惠请填金额（元），不限就留空")
	o.Limits = r.limits()
	o.Eligibility = r.eligibility()
	if f.Get("stacks") == "1" {
		o.Stack = place
		if s := strings.TrimSpace(f.Get("stack")); s != "" {
			n, ok := readCount(s)
			if !ok || n < 1 || n > 1000 {
				r.faults.Add("stack", "叠加次序请填 1 到 1000 的整数，数字小的先计算")
			}
			o.Stack = int(min(n, 1000))
		}
	}
	o.FundingBP = 10000
	if s := strings.TrimSpace(f.Get("funding")); s != "" {
		n, ok := shareBP(s)
		if !ok || n > 10000 {
			r.faults.Add("funding", "商家承担比例请填 0 到 100，例如 100")
		}
		o.FundingBP = min(n, 10000)
	}
	o.Budget = r.budget(o.FundingBP)
	if o.Title == "" && r.faults == nil {
		o.Title = shortTitle(terms.Names{}.BenefitWords(o))
	}
	if r.faults == nil {
		r.compile(&o)
	}
	return o, r.faults.Err()
}

// benefit reads what the offer gives.
func (r *offerReader) benefit(kind string) terms.Benefit {
	b := terms.Benefit{Kind: kind}
	switch kind {
	case terms.KindPercent:
		b.RateBP = r.rate("rate", r.Get("rate"), "")
	case terms.KindAmountOff, terms.KindEvery:
		b.AtFen = r.needFen("at", "满多少元")
		b.OffFen = r.needFen("off", "减多少元")
		if b.AtFen > 0 && b.OffFen > b.AtFen {
			r.faults.Add("off", "减的金额不能多于满的金额")
		}
		if s := strings.TrimSpace(r.Get("times")); kind == terms.KindEvery && s != "" {
			n, ok := readCount(s)
			if !ok || n < 1 || n > terms.MaxBasketFen {
				r.faults.Add("times", "最多减几次请填整数，不限就留空")
			}
			b.MaxTimes = min(n, terms.MaxBasketFen)
		}
		if kind == terms.KindEvery && b.AtFen > 0 && b.AtFen < terms.MinMultipleFen {
			r.faults.Add("at", "“每满”至少 1 元")
		}
	case terms.KindTiers:
		b.Tiers = r.tiers()
	case terms.KindUnitPrice:
		b.Prices = r.prices()
	case terms.KindPerUnit:
		b.OffFen = r.needFen("per", "每升（件、公斤）减多少元")
	default:
		r.faults.Add("kind", "请选择优惠方式")
	}
	return b
}

func (r *offerReader) tiers() []terms.Tier {
	var out []terms.Tier
	byRate := r.Get("tier_by") == "rate"
	ats, gives := r.Values["tier_at"], r.Values["tier_give"]
	for i := range max(len(ats), len(gives)) {
		at, give := nthOf(ats, i), nthOf(gives, i)
		if strings.TrimSpace(at) == "" && strings.TrimSpace(give) == "" {
			continue
		}
		n := len(out) + 1
		var t terms.Tier
		var ok bool
		if t.AtFen, ok = readFen(at); !ok || t.AtFen == 0 {
			r.faults.Add("tier_at", fmt.Sprintf("第 %d 档：满多少元请填金额，例如 100", n))
		}
		if byRate {
			t.RateBP = r.rate("tier_give", give, fmt.Sprintf("第 %d 档：", n))
		} else if t.OffFen, ok = readFen(give); !ok || t.OffFen == 0 {
			r.faults.Add("tier_give", fmt.Sprintf("第 %d 档：减多少元请填金额，例如 10", n))
		}
		if len(out) == terms.MaxTiers {
			r.faults.Add("tier_at", fmt.Sprintf("最多 %d 档", terms.MaxTiers))
			return out
		}
		out = append(out, t)
	}
	if len(out) == 0 {
		r.faults.Add("tier_at", "请至少填一档，例如满 100 元减 10 元")
	}
	return out
}

func (r *offerReader) prices() []terms.Price {
	var out []terms.Price
	seen := map[string]bool{}
	skus, yuans := r.Values["price_sku"], r.Values["price_yuan"]
	for i := range max(len(skus), len(yuans)) {
		sku, price := strings.TrimSpace(nthOf(skus, i)), strings.TrimSpace(nthOf(yuans, i))
		if sku == "" && price == "" {
			continue
		}
		n := len(out) + 1
		p := terms.Price{SKU: sku}
		var ok bool
		if p.PriceFen, ok = readFen(price); !ok || p.PriceFen > terms.MaxBasketFen {
			r.faults.Add("price_yuan", fmt.Sprintf("第 %d 行“%.20s”：团购价请填金额，例如 29.9", n, sku))
		}
		switch {
		case sku == "":
			r.faults.Add("price_sku", fmt.Sprintf("第 %d 行：请填收银系统里的商品编码", n))
		case seen[sku]:
			r.faults.Add("price_sku", fmt.Sprintf("商品编码“%.20s”填了两次", sku))
		}
		seen[sku] = true
		if len(out) == terms.MaxListed {
			r.faults.Add("price_sku", fmt.Sprintf("一项团购价最多 %d 种商品", terms.MaxListed))
			return out
		}
		out = append(out, p)
	}
	if len(out) == 0 {
		r.faults.Add("price_sku", "请至少填一种商品和它的团购价")
	}
	slices.SortFunc(out, func(a, b terms.Price) int { return strings.Compare(a.SKU, b.SKU) })
	return out
}

// rate reads a 折 and explains the usual slip.
func (r *offerReader) rate(field, s, where string) int64 {
	n, ok := rateBP(s)
	switch {
	case ok && n > 0:
		return n
	case fullZhe.MatchString(halfWidth(s)):
		r.faults.Add(field, where+"折扣请填 0 到 10 之间的数：八八折填 8.8，九五折填 9.5")
	default:
		r.faults.Add(field, where+"打几折请填数字，例如 8.8")
	}
	return 0
}

func (r *offerReader) needFen(field, what string) int64 {
	n, ok := readFen(r.Get(field))
	if !ok || n == 0 {
		r.faults.Add(field, what+"：请填金额，最多两位小数，例如 20 或 0.3")
	} else if n > terms.MaxBasketFen {
		r.faults.Add(field, what+"：不能超过 100 万元")
	}
	return n
}

func (r *offerReader) optionalFen(field, message string) int64 {
	s := strings.TrimSpace(r.Get(field))
	if s == "" {
		return 0
	}
	n, ok := readFen(s)
	if !ok || n == 0 || n > terms.MaxBasketFen {
		r.faults.Add(field, message)
	}
	return n
}

func nthOf(list []string, i int) string {
	if i < len(list) {
		return list[i]
	}
	return ""
}

// skuLines is a text's lines (cells pasted from a table count as lines).
func skuLines(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' || r == '\t' })
}

// distinctOf is the values without space around them, blank and repeated ones, in
// order.
func distinctOf(values []string) []string {
	var out []string
	for _, v := range values {
		if v = strings.TrimSpace(v); v != "" {
			out = append(out, v)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// shortTitle fits words into a title.
func shortTitle(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:59]) + "…"
	}
	return s
}
