package console

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"unioncard/merchant/terms"
)

// periods is every period a limit may have, as the form orders them.
func periods() []terms.Period {
	return []terms.Period{terms.PerDay, terms.PerWeek, terms.PerMonth, terms.PerContract}
}

func (r *offerReader) calendar() terms.Calendar {
	var c terms.Calendar
	for _, f := range []struct {
		name, what string
		to         *string
	}{{"from", "开始日期", &c.From}, {"to", "结束日期", &c.To}} {
		s := strings.TrimSpace(r.Get(f.name))
		if s == "" {
			continue
		}
		d, ok := readDay(s)
		if !ok {
			r.faults.Add(f.name, f.what+"请填日期，例如 2026-10-01")
			continue
		}
		*f.to = d
	}
	if c.From != "" && c.To != "" && c.To < c.From {
		r.faults.Add("to", "结束日期早于开始日期")
	}
	for _, s := range distinctOf(r.Values["weekday"]) {
		n, ok := readCount(s)
		if !ok || n < 1 || n > 7 {
			r.faults.Add("weekday", "星期只能选周一到周日")
			continue
		}
		c.Weekdays = append(c.Weekdays, int(n))
	}
	slices.Sort(c.Weekdays)
	c.Weekdays = slices.Compact(c.Weekdays)
	c.Hours = r.hours()
	days, ok := dayRuns(r.Get("blackout"), terms.MaxListed)
	if !ok {
		r.faults.Add("blackout", "不参加的日期请一行一个，例如 2026-10-01，或 2026-10-01 至 2026-10-07")
	}
	c.Blackout = distinctOf(days)
	return c
}

func (r *offerReader) hours() []terms.Hours {
	var out []terms.Hours
	froms, tos := r.Values["hour_from"], r.Values["hour_to"]
	for i := range max(len(froms), len(tos)) {
		from, to := strings.TrimSpace(nthOf(froms, i)), strings.TrimSpace(nthOf(tos, i))
		if from == "" && to == "" {
			continue
		}
		a, okA := clockTime(from)
		b, okB := clockTime(to)
		switch {
		case !okA || !okB:
			r.faults.Add("hour_from", "时段请填几点到几点，例如 11:00 到 14:00；到午夜填 24:00")
		case a >= b:
			r.faults.Add("hour_from", "时段 "+a+" 到 "+b+" 不对：跨午夜的请分成两段，例如 22:00 到 24:00 和 00:00 到 02:00")
		default:
			out = append(out, terms.Hours{From: a, To: b})
		}
	}
	slices.SortFunc(out, func(a, b terms.Hours) int { return strings.Compare(a.From, b.From) })
	return out
}

func (r *offerReader) limits() []terms.Limit {
	var out []terms.Limit
	for _, p := range periods() {
		l := terms.Limit{Per: p}
		per := terms.PeriodWords(p)
		if s := strings.TrimSpace(r.Get("uses_" + p.String())); s != "" {
			n, ok := readCount(s)
			if !ok || n < 1 || n > 1_000_000 {
				r.faults.Add("uses_"+p.String(), "每卡"+per+"次数请填整数，不限就留空")
			}
			l.Uses = n
		}
		if s := strings.TrimSpace(r.Get("fen_" + p.String())); s != "" {
			n, ok := readFen(s)
			if !ok || n < 1 || n > 1_000_000_000 {
				r.faults.Add("fen_"+p.String(), "每卡"+per+"金额请填元，不限就留空")
			}
			l.Fen = n
		}
		if l.Uses != 0 || l.Fen != 0 {
			out = append(out, l)
		}
	}
	return out
}

func (r *offerReader) eligibility() terms.Eligibility {
	var e terms.Eligibility
	for _, s := range distinctOf(r.Values["place"]) {
		n, err := strconv.ParseInt(s, 10, 32)
		if err != nil || n < 110000 || n > 659999 {
			r.faults.Add("place", "地区不在列表里，请重新选择")
			continue
		}
		e.Territories = append(e.Territories, int32(n))
	}
	slices.Sort(e.Territories)
	e.Territories = slices.Compact(e.Territories)
	for _, s := range distinctOf(r.Values["class"]) {
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 || n > 255 {
			r.faults.Add("class", "会员类别不在列表里，请重新选择")
			continue
		}
		e.Classes = append(e.Classes, n)
	}
	slices.Sort(e.Classes)
	e.Classes = slices.Compact(e.Classes)
	return e
}

// compile holds the offer against all rules of Terms, for what reading its fields
// did not find.
func (r *offerReader) compile(o *terms.Offer) {
	alone := terms.Terms{V: terms.Version, Offers: []terms.Offer{*o}}
	if alone.Offers[0].ID == "" {
		alone.Offers[0].ID = "new"
	}
	if _, err := alone.Compile(); err != nil {
		field, message := termsFault(err)
		if field == "off" && o.Benefit.Kind == terms.KindPerUnit {
			field, message = "per", "每升（件、公斤）减多少元请填 0.01 到 1000 之间的金额"
		}
		r.faults.Add(field, message)
	}
}

// faultFields says in which field of the form a rule of Terms shows, by the
// beginning of the field that the terms package names.
var faultFields = []struct{ prefix, field, message string }{
	{"title", "title", "名称请填 1 到 60 个字，不要有特殊符号"},
	{"scope.categories", "cat", "参加的品类有误，请重新选择"},
	{"scope.except_categories", "nocat", "不参加的品类有误，请重新选择"},
	{"scope.skus", "sku", fmt.Sprintf("商品编码每行一个，每个不超过 64 个字符，最多 %d 个，不能有特殊符号", terms.MaxListed)},
	{"scope.except_skus", "nosku", fmt.Sprintf("商品编码每行一个，每个不超过 64 个字符，最多 %d 个，不能有特殊符号", terms.MaxListed)},
	{"calendar.from", "from", "开始日期请在 2000 年到 2199 年之间"},
	{"calendar.to", "to", "结束日期请在 2000 年到 2199 年之间，且不早于开始日期"},
	{"calendar.weekdays", "weekday", "星期只能选周一到周日"},
	{"calendar.hours", "hour_from", "时段有重叠，或超过 24 段，请检查"},
	{"calendar.blackout", "blackout", fmt.Sprintf("不参加的日期最多 %d 天，且在 2000 年到 2199 年之间", terms.MaxListed)},
	{"benefit.rate_bp", "rate", "折扣请填 0.001 到 9.999 之间，例如 8.8"},
	{"benefit.at_fen", "at", "满多少元：请填 0.01 到 100 万元之间的金额"},
	{"benefit.off_fen", "off", "减多少元：请填金额，且不能多于满的金额"},
	{"benefit.max_times", "times", "最多减几次请填整数"},
	{"benefit.tiers", "tier_at", "阶梯要一档比一档满得多、减得多（或折扣更低），减的不能多于满的"},
	{"benefit.prices.price_fen", "price_yuan", "团购价请填 0 到 100 万元之间的金额"},
	{"benefit.prices", "price_sku", fmt.Sprintf("商品编码不能为空或重复，每个不超过 64 个字符，最多 %d 种", terms.MaxListed)},
	{"benefit.kind", "kind", "请选择优惠方式"},
	{"caps", "cap", "每单最多优惠请填 0.01 到 100 万元之间的金额"},
	{"limits", "uses_day", "次数和金额请填正数，不限就留空"},
	{"stack", "stack", "叠加次序请填 1 到 1000 的整数，并且不与别的优惠相同"},
	{"funding_bp", "funding", "商家承担比例请填 0 到 100"},
	{"eligibility.territories", "place", "地区不在列表里，请重新选择"},
	{"eligibility.classes", "class", "会员类别不在列表里，请重新选择"},
}

// termsFault turns a refusal of Terms into a field of the form ("" for none) and
// a sentence.
func termsFault(err error) (field, message string) {
	text := err.Error()
	if _, after, ok := strings.Cut(text, "): "); ok {
		text = after
	}
	for _, f := range faultFields {
		if strings.HasPrefix(text, f.prefix) {
			return f.field, f.message
		}
	}
	switch {
	case strings.Contains(text, "overlap whose scopes are not nested"), strings.Contains(text, "combinations"):
		return "", "互相交叉的优惠太多，系统算不过来，请合并或删减一些"
	case strings.Contains(text, "offers: more than"):
		return "", fmt.Sprintf("一份协议最多 %d 项优惠，请合并或删减", terms.MaxOffers)
	case errors.Is(err, terms.ErrInvalid):
		return "", "优惠内容有误：" + text
	}
	return "", "优惠内容有误，请检查"
}
