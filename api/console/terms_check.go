package console

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"unioncard/api/page"
	"unioncard/merchant"
	"unioncard/merchant/terms"
)

// termsVerdict is what publishing would say to Terms as they stand.
type termsVerdict struct {
	// State is good (may be proposed), bad (below a bound), unsure (cannot be
	// proved), empty (no offer yet), broken (cannot be published for another
	// reason) or info (a floor: nothing binds it).
	State    string
	Headline string
	Detail   string
	Bounds   []boundView
	Curve    *curveView
}

// boundView is one floor (or the chain's Terms) and how the Terms stand to it.
type boundView struct {
	Title    string // 餐饮行业省级底线（第2版）
	When     string // when both are valid
	State    string // good, bad, unsure
	Sentence string
	Offers   []string // the bound's, in words
	Counter  *counterView
	Simplify []string // offers to simplify, if unsure
	// Adopt are the ids of the bound's offers whose copies would mend it.
	Adopt []adoptView
	key   string // floor:3:1, for forms
	check merchant.BoundCheck
}

// adoptView offers to take over one of the bound's offers.
type adoptView struct{ Bound, Offer, Words string }

// counterView is the basket on which less is given, as a receipt would say it.
type counterView struct {
	Lines         []counterLine
	Amount        int64
	Local, Floor  int64
	When, Who     string
	LocalGot      []string // which offers gave what
	LocalDeclined []string // which did not, and why
	FloorGot      []string
}

// Less is by how much.
func (c *counterView) Less() int64 { return c.Floor - c.Local }

type counterLine struct {
	Name   string
	Qty    string
	Price  int64
	Amount int64
}

// verdict holds Terms against all that publishing would hold them against.
func (h *Handlers) verdict(ctx context.Context, s *termsSubject, doc *terms.Terms, choice curveChoice) (*termsVerdict, error) {
	form, err := doc.Compile()
	if err != nil {
		_, message := termsFault(err)
		return &termsVerdict{State: "broken", Headline: "现在还不能发布", Detail: message}, nil
	}
	v := &termsVerdict{}
	bounds, err := h.holdTerms(ctx, s, doc, form, v)
	if err != nil {
		return nil, err
	}
	s.goodsNamed = namedSKUs(doc)
	for _, b := range bounds {
		maps.Copy(s.goodsNamed, namedSKUs(b.Terms))
	}
	for _, b := range bounds {
		v.Bounds = append(v.Bounds, s.boundView(b, doc, form))
	}
	if v.State == "" {
		v.conclude(s)
	}
	v.Curve = s.curve(doc, form, v.Bounds, choice)
	return v, nil
}

// holdTerms finds the bounds with their comparisons; where publishing would
// refuse for another reason, v says so and the bounds come without comparing.
func (h *Handlers) holdTerms(ctx context.Context, s *termsSubject, doc *terms.Terms, form *terms.Compiled, v *termsVerdict) ([]merchant.BoundCheck, error) {
	if s.Floor() {
		return s.floorBefore(form, v)
	}
	canonical, err := doc.Canonical()
	if err != nil {
		return nil, err
	}
	check, err := h.Merchants.CheckTerms(ctx, s.Facts.ID, canonical, time.Time{})
	if err == nil {
		return check.Bounds, nil
	}
	var invalid *merchant.InvalidError
	var move *merchant.MoveError
	switch {
	case len(doc.Offers) == 0:
		v.State, v.Headline, v.Detail = "empty", "还没有优惠", "先在左边添加至少一项优惠，这里会马上告诉您是否低于省级底线。"
	case errors.As(err, &move):
		v.State, v.Headline, v.Detail = "broken", "这份协议已经终止", "终止的协议不能再发布优惠条件。"
	case errors.As(err, &invalid) && invalid.Field == "terms":
		v.State, v.Headline, v.Detail = "broken", "有品类不在全省目录里", "请打开用到已停用品类的优惠，改选目录里的品类。"
	case errors.As(err, &invalid):
		v.State, v.Headline, v.Detail = "broken", "现在不能发布", "协议的有效期已过，或者不晚于已发布的版本，请先办理续签。"
	default:
		return nil, err
	}
	bounds, err := h.Merchants.BoundsOf(ctx, s.Facts.ID)
	return bounds, err
}

// floorBefore compares a floor with the version in force: what changes for the
// contracts below it is the impact list's subject.
func (s *termsSubject) floorBefore(form *terms.Compiled, v *termsVerdict) ([]merchant.BoundCheck, error) {
	v.State, v.Headline = "info", "这是第一版底线"
	v.Detail = "保存后到“底线条件”页查看它影响哪些协议，再提请审批。"
	if len(s.Published) == 0 {
		return nil, nil
	}
	now := s.Published[0]
	before, err := now.Terms.Compile()
	if err != nil {
		return nil, err
	}
	up, down := terms.Compare(form, before), terms.Compare(before, form)
	switch {
	case up.Verdict == terms.NotWorse && down.Verdict == terms.NotWorse:
		v.Headline = "与现行底线一样"
	case up.Verdict == terms.NotWorse:
		v.Headline = "比现行底线更优惠"
	case down.Verdict == terms.NotWorse:
		v.Headline = "比现行底线要求更低"
	default:
		v.Headline = "与现行底线互有高低"
	}
	b := merchant.BoundCheck{Bound: merchant.Bound{FloorID: now.ID, Trade: s.Trade, Brand: s.Brand, Version: now.Version},
		From: now.From, Until: now.Until, Terms: now.Terms, Comparison: up}
	return []merchant.BoundCheck{b}, nil
}

// conclude sums the bounds up.
func (v *termsVerdict) conclude(s *termsSubject) {
	states := map[string]int{}
	for _, b := range v.Bounds {
		states[b.State]++
	}
	switch {
	case states["bad"] > 0:
		v.State, v.Headline = "bad", "低于省级底线，发布时会被退回"
		v.Detail = "下面是一笔能说明问题的消费。改好后这里会自动变绿。"
	case states["unsure"] > 0:
		v.State, v.Headline = "unsure", "系统证明不了不低于底线，发布时会被退回"
		v.Detail = "优惠之间的组合太复杂。请按下面的提示简化。"
	case len(v.Bounds) == 0:
		v.State, v.Headline = "good", "可以提请审批"
		v.Detail = "省里目前没有对" + page.TradeName(string(s.Trade)) + "行业或该品牌规定底线。"
	default:
		v.State, v.Headline = "good", "不低于省级底线，可以提请审批"
		if !s.Write || s.Draft == nil {
			v.Headline = "不低于省级底线"
		}
		v.Detail = fmt.Sprintf("已与 %d 项适用的底线逐一比较：任何一笔消费、任何时间，会员得到的优惠都不比底线少。", len(v.Bounds))
	}
}

// boundView puts one comparison into words.
func (s *termsSubject) boundView(b merchant.BoundCheck, doc *terms.Terms, form *terms.Compiled) boundView {
	out := boundView{Title: boundTitle(b.Bound), check: b,
		key: fmt.Sprintf("%d-%d-%d", b.Bound.FloorID, b.Bound.ContractID, b.Bound.Version)}
	if s.Floor() {
		out.Title = fmt.Sprintf("现行底线（第%d版）", b.Bound.Version)
	}
	// The usual, now and to the contract's end, goes without saying.
	if b.From.Sub(s.now) > time.Minute && (s.Floor() || b.From.After(s.Facts.ValidFrom)) {
		out.When = page.Day(b.From) + "起"
	}
	if !b.Until.IsZero() && (s.Floor() || b.Until.Before(s.Facts.ValidUntil)) {
		out.When += "至" + page.Day(b.Until)
	}
	for _, o := range b.Terms.Offers {
		out.Offers = append(out.Offers, s.names.Describe(o))
	}
	c := &b.Comparison
	switch c.Verdict {
	case terms.NotWorse:
		out.State, out.Sentence = "good", "任何消费都不比它少"
	case terms.Worse:
		out.State = "bad"
		out.Counter = s.counter(c, doc, form, b.Terms)
		out.Sentence = fmt.Sprintf("消费 %s 元时少优惠 %s 元", page.Yuan(out.Counter.Amount), page.Yuan(out.Counter.Less()))
		out.Adopt = s.adoptable(out.key, b.Terms, c.Offers)
	case terms.Undecided:
		out.State, out.Sentence = "unsure", c.Reason
		out.Simplify = s.simplify(doc, b.Terms, c.Offers)
		out.Adopt = s.adoptable(out.key, b.Terms, nil)
	}
	return out
}

func boundTitle(b merchant.Bound) string {
	switch {
	case b.ContractID != 0:
		return fmt.Sprintf("省级签约的连锁协议（第%d版）", b.Version)
	case b.Brand != "":
		return fmt.Sprintf("品牌“%s”省级底线（第%d版）", b.Brand, b.Version)
	}
	return fmt.Sprintf("%s行业省级底线（第%d版）", page.TradeName(string(b.Trade)), b.Version)
}

// adoptable are the bound's offers named, or all of them, to be taken over.
func (s *termsSubject) adoptable(key string, bound *terms.Terms, ids []string) []adoptView {
	var out []adoptView
	for _, o := range bound.Offers {
		if len(ids) == 0 || slices.Contains(ids, o.ID) {
			out = append(out, adoptView{Bound: key, Offer: o.ID, Words: s.names.Describe(o)})
		}
	}
	return out
}

// simplify names the offers to look at: the local ones come first among the ids,
// each side by its own.
func (s *termsSubject) simplify(local, bound *terms.Terms, ids []string) []string {
	var out []string
	taken := map[string]bool{}
	for _, id := range ids {
		side, doc := "本协议", local
		if taken[id] || !slices.ContainsFunc(local.Offers, func(o terms.Offer) bool { return o.ID == id }) {
			side, doc = "底线", bound
		}
		taken[id] = true
		for _, o := range doc.Offers {
			if o.ID == id {
				out = append(out, side+"“"+o.Title+"”："+s.names.Describe(o))
			}
		}
	}
	return out
}

// counter tells a counterexample as a receipt of both sides.
func (s *termsSubject) counter(c *terms.Comparison, doc *terms.Terms, form *terms.Compiled, bound *terms.Terms) *counterView {
	basket := c.Counterexample
	out := &counterView{Amount: basket.AmountFen, Local: c.LocalFen, Floor: c.FloorFen}
	timed, meant := conditional(doc, bound)
	if timed {
		out.When = momentWords(c.At)
	}
	if meant {
		out.Who = s.holderWords(c.Holder)
	}
	for _, it := range basket.Items {
		out.Lines = append(out.Lines, counterLine{Name: s.itemName(it), Qty: decimalText(it.QtyMilli, 3), Price: it.UnitPriceFen, Amount: it.AmountFen})
	}
	in := terms.Input{AmountFen: basket.AmountFen, Items: basket.Items, At: c.At, Holder: c.Holder, Remaining: c.LocalUsage}
	out.LocalGot, out.LocalDeclined = s.explain(form, in)
	if floor, err := bound.Compile(); err == nil { // stored Terms compile
		in.Remaining = c.FloorUsage
		out.FloorGot, _ = s.explain(floor, in)
	}
	return out
}

// conditional says whether it matters when, and whose card it is.
func conditional(docs ...*terms.Terms) (timed, meant bool) {
	for _, d := range docs {
		for _, o := range d.Offers {
			c := &o.Calendar
			timed = timed || c.From != "" || c.To != "" || len(c.Weekdays)+len(c.Hours)+len(c.Blackout) > 0
			meant = meant || len(o.Eligibility.Territories)+len(o.Eligibility.Classes) > 0
		}
	}
	return timed, meant
}

// explain evaluates a basket and says which offers gave what and why the others
// did not.
func (s *termsSubject) explain(form *terms.Compiled, in terms.Input) (got, declined []string) {
	var r terms.Result
	form.Evaluate(&in, &r)
	offers := form.Offers()
	for _, a := range r.Applied {
		got = append(got, fmt.Sprintf("“%s”减 %s 元", offers[a.Offer].Title(), page.Yuan(a.DiscountFen)))
	}
	for _, d := range r.Declined {
		declined = append(declined, fmt.Sprintf("“%s”没有用上：%s", offers[d.Offer].Title(), d.Message()))
	}
	return got, declined
}

// namedSKUs is every SKU that a document names.
func namedSKUs(doc *terms.Terms) map[string]bool {
	out := map[string]bool{}
	for _, o := range doc.Offers {
		for _, sku := range slices.Concat(o.Scope.SKUs, o.Scope.ExceptSKUs) {
			out[sku] = true
		}
		for _, p := range o.Benefit.Prices {
			out[p.SKU] = true
		}
	}
	return out
}

// itemName is a line's goods in words.
func (s *termsSubject) itemName(it terms.Item) string {
	// A comparison makes up goods that no offer names.
	category := s.names.Category(it.Category)
	if category == "" {
		category = "其他商品"
	}
	switch {
	case it.SKU == "" && it.Category == "":
		return "未分类商品"
	case it.SKU == "" || !s.goodsNamed[it.SKU] && it.Category != "":
		return category
	case !s.goodsNamed[it.SKU]:
		return "其他商品"
	case it.Category == "":
		return "商品 " + it.SKU
	}
	return category + " " + it.SKU
}

// holderWords is whose card it is.
func (s *termsSubject) holderWords(h terms.Holder) string {
	var parts []string
	for _, code := range []int32{h.County, h.City} {
		if n := s.names.Territory(code); n != "" {
			parts = append(parts, n)
			break
		}
	}
	parts = append(parts, merchant.ClassName(int(h.Class)))
	return strings.Join(parts, "")
}

// momentWords is a moment with its weekday: 2026-10-04（周日）12:00.
func momentWords(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	t = t.In(terms.Beijing())
	return fmt.Sprintf("%s（周%c）%s", t.Format(time.DateOnly), []rune("日一二三四五六")[t.Weekday()], t.Format("15:04"))
}
