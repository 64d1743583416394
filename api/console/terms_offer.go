package console

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/card/union"
	"unioncard/merchant"
	"unioncard/merchant/terms"
)

// offerPage is the form of one offer, with the check of the whole beside it.
type offerPage struct {
	page.Frame
	S        *termsSubject
	Form     *page.Form
	Kind     offerKind
	New      bool
	Goods    []goodsGroup
	Places   []placeChoice
	Classes  []page.Choice
	Rows     [][2]string // tiers, or prices
	Hours    [][2]string
	Verdict  *termsVerdict
	Conflict *conflictView
	Choices  []page.Choice // categories, for the curve
}

// goodsGroup is the categories of one trade.
type goodsGroup struct {
	Name   string
	Own    bool // the contract's trade
	Values []goodsChoice
}

type goodsChoice struct {
	Code, Name string
	In, Out    bool
}

type placeChoice struct {
	Code, Name string
	On         bool
}

// OfferForm answers GET …/terms/offer: ?offer=ID to change one, ?kind=percent for
// a new one.
func (e *TermsEditor) OfferForm(x *exchange.Exchange) error {
	s, err := e.find(x)
	if err != nil {
		return err
	}
	if !s.Write {
		return exchange.ErrForbidden
	}
	doc := s.Terms()
	values := url.Values{}
	if id := x.Query("offer"); id != "" {
		at := findOffer(doc, id)
		if at < 0 {
			return exchange.ErrNoRoute
		}
		o := canonicalOffer(doc, at)
		values = offerValues(o)
		if sameWords(o.Title, s.names.BenefitWords(o)) {
			values.Set("title", "") // else 9.5折 would stay the name of what is now 9.8折
		}
	} else {
		kind := x.Query("kind")
		if offerKindName(kind) == kind {
			return exchange.ErrNoRoute
		}
		values.Set("kind", kind)
		values.Set("funding", "100")
		values.Set("tier_by", "off")
	}
	values.Set("version", strconv.Itoa(int(s.Version)))
	verdict, err := e.h.verdict(x.Ctx, s, doc, readCurveChoice(values))
	if err != nil {
		return err
	}
	return e.offerPage(x, s, &page.Form{Values: values}, verdict, nil)
}

// SaveOffer answers POST …/terms/offer. do=preview shows the check without saving,
// do=row gives more empty rows; both for who works without scripts.
func (e *TermsEditor) SaveOffer(x *exchange.Exchange) error {
	s, f, err := e.writable(x)
	if err != nil {
		return err
	}
	doc, o, err := s.withOffer(f.Values)
	form, refused := page.Refuse(f.Values, err)
	if err != nil && !refused {
		return err
	}
	if do := f.Get("do"); do == "preview" || do == "row" || refused {
		if !refused || do == "row" {
			form = &page.Form{Values: f.Values}
		} else {
			x.Status = http.StatusUnprocessableEntity
		}
		if do == "row" {
			for _, name := range []string{"tier_at", "tier_give", "price_sku", "price_yuan", "hour_from", "hour_to"} {
				form.Values[name] = append(form.Values[name], "", "", "")
			}
		}
		if refused {
			doc = s.Terms()
		}
		verdict, err := e.h.verdict(x.Ctx, s, doc, readCurveChoice(f.Values))
		if err != nil {
			return err
		}
		return e.offerPage(x, s, form, verdict, nil)
	}
	_, err = e.h.drafts().Save(x.Ctx, s.by(x, "修改优惠条件草稿"), s.object, doc, formVersion(f.Values))
	conflict, ok, lookErr := e.conflict(x, s, err)
	switch {
	case lookErr != nil:
		return lookErr
	case ok:
		return e.saveAgain(x, s, f.Values, conflict, doc)
	case err != nil:
		return err
	}
	page.Notify(x, "已保存到草稿：“"+o.Title+"”。")
	return x.Redirect(s.URL(""))
}

// saveAgain shows the form as typed on the draft as it is now, so that a second
// try saves on top of what the other clerk did.
func (e *TermsEditor) saveAgain(x *exchange.Exchange, s *termsSubject, typed url.Values, conflict *conflictView, doc *terms.Terms) error {
	typed.Set("version", strconv.Itoa(int(conflict.Version)))
	verdict, err := e.h.verdict(x.Ctx, s, doc, readCurveChoice(typed))
	if err != nil {
		return err
	}
	x.Status = http.StatusConflict
	return e.offerPage(x, s, &page.Form{Values: typed}, verdict, conflict)
}

// CheckOffer answers POST …/terms/check: what publishing would say with the offer
// as typed so far. Nothing is saved.
func (e *TermsEditor) CheckOffer(x *exchange.Exchange) error {
	s, f, err := e.writable(x)
	if err != nil {
		return err
	}
	doc, _, err := s.withOffer(f.Values)
	part := verdictPart{S: s, Goods: s.goods(), Where: "offer"}
	if form, refused := page.Refuse(f.Values, err); refused {
		part.Verdict = &termsVerdict{State: "typing", Headline: "填完整后自动比较", Detail: form.Errors[0].Message}
	} else if err != nil {
		return err
	} else if part.Verdict, err = e.h.verdict(x.Ctx, s, doc, readCurveChoice(f.Values)); err != nil {
		return err
	}
	return e.h.Pages.Part(x, "console/terms_offer", "verdict", part)
}

// withOffer is the draft with the typed offer in its place, or at the end.
// FieldErrors if it cannot be read or does not go with the others.
func (s *termsSubject) withOffer(f url.Values) (*terms.Terms, terms.Offer, error) {
	doc := &terms.Terms{V: terms.Version, Offers: slices.Clone(s.Terms().Offers)}
	id, at := f.Get("id"), -1
	if id != "" {
		at = findOffer(doc, id)
	}
	if at < 0 {
		id = freeID(doc)
	}
	o, err := readOffer(f, id, freePlace(doc))
	if err == nil {
		err = s.mayFund(&o)
	}
	if err != nil {
		return nil, o, err
	}
	if at < 0 {
		doc.Offers = append(doc.Offers, o)
	} else {
		doc.Offers[at] = o
	}
	if _, err := doc.Compile(); err != nil {
		var faults merchant.FieldErrors
		field, message := termsFault(err)
		for _, other := range doc.Offers {
			if field == "stack" && other.ID != id && other.Stack == o.Stack {
				message = "叠加次序 " + strconv.Itoa(o.Stack) + " 已被“" + other.Title + "”占用，请换一个数字"
			}
		}
		if field == "" {
			field = "kind"
		}
		faults.Add(field, message)
		return nil, o, faults
	}
	return doc, o, nil
}

func (e *TermsEditor) offerPage(x *exchange.Exchange, s *termsSubject, form *page.Form, verdict *termsVerdict, conflict *conflictView) error {
	v := form.Values
	p := &offerPage{S: s, Form: form, Verdict: verdict, Conflict: conflict, New: findOffer(s.Terms(), v.Get("id")) < 0, Choices: s.goods()}
	for _, k := range offerKinds() {
		if k.Kind == v.Get("kind") {
			p.Kind = k
		}
	}
	title := "修改优惠"
	if p.New {
		title = "添加优惠：" + p.Kind.Name
	}
	p.Frame = s.frame(title)
	p.Frame.Crumbs = append(p.Frame.Crumbs, page.Crumb{Title: "优惠条件", URL: s.URL("")})
	p.Goods = s.goodsGroups(v)
	p.Places = s.places(v["place"])
	for class := range 8 {
		p.Classes = append(p.Classes, page.Choice{Value: strconv.Itoa(class), Label: merchant.ClassName(class)})
	}
	for _, c := range v["class"] {
		if n, err := strconv.Atoi(c); err == nil && n > 7 {
			p.Classes = append(p.Classes, page.Choice{Value: c, Label: merchant.ClassName(n)})
		}
	}
	switch p.Kind.Kind {
	case terms.KindTiers:
		p.Rows = rowsOf(v, "tier_at", "tier_give", 3)
	case terms.KindUnitPrice:
		p.Rows = rowsOf(v, "price_sku", "price_yuan", 4)
	}
	p.Hours = rowsOf(v, "hour_from", "hour_to", 1)
	return e.h.Pages.Page(x, "console/terms_offer", p)
}

// Budgets is the budgets that may pay the union's share, "" for none.
func (p *offerPage) Budgets() []page.Choice {
	return append([]page.Choice{{Value: "", Label: "不用工会的钱"}}, p.S.budgets...)
}

// Part is the page's verdict.
func (p *offerPage) Part() verdictPart { return verdictPart{p.S, p.Verdict, p.Choices, "offer"} }

// Has says whether a field has a value.
func (p *offerPage) Has(field, value string) bool {
	return slices.Contains(p.Form.Values[field], value)
}

// Any says whether one of the fields is filled in, so that the part of the form
// that has it opens.
func (p *offerPage) Any(fields ...string) bool {
	for _, f := range fields {
		if p.Form.Errors.On(f) != "" || slices.ContainsFunc(p.Form.Values[f], func(s string) bool { return s != "" }) {
			return true
		}
	}
	return false
}

// Periods is the rows of the limits.
func (p *offerPage) Periods() []page.Choice {
	var out []page.Choice
	for _, per := range periods() {
		out = append(out, page.Choice{Value: per.String(), Label: "每卡" + terms.PeriodWords(per)})
	}
	return out
}

// Weekdays is the boxes of the calendar.
func (p *offerPage) Weekdays() []page.Choice {
	var out []page.Choice
	for i, d := range []rune("一二三四五六日") {
		out = append(out, page.Choice{Value: strconv.Itoa(i + 1), Label: "周" + string(d)})
	}
	return out
}

// rowsOf pairs two fields that come many times, with so many empty rows at least.
func rowsOf(v url.Values, a, b string, least int) [][2]string {
	n := max(len(v[a]), len(v[b]), least)
	out := make([][2]string, n)
	for i := range out {
		out[i] = [2]string{nthOf(v[a], i), nthOf(v[b], i)}
	}
	return out
}

// goodsGroups is the categories by trade, the contract's own first; chosen ones
// that are no longer in the list are kept in a group of their own.
func (s *termsSubject) goodsGroups(v url.Values) []goodsGroup {
	var out []goodsGroup
	at := map[string]int{}
	known := map[string]bool{}
	add := func(group string, c goodsChoice) {
		c.In, c.Out = slices.Contains(v["cat"], c.Code), slices.Contains(v["nocat"], c.Code)
		if _, ok := at[group]; !ok {
			at[group] = len(out)
			out = append(out, goodsGroup{Name: page.TradeName(group), Own: group == string(s.Trade)})
		}
		g := &out[at[group]]
		g.Values = append(g.Values, c)
	}
	for _, c := range s.naming.Categories {
		group, _, _ := strings.Cut(c.Code, ".")
		known[c.Code] = true
		add(group, goodsChoice{Code: c.Code, Name: c.Name})
	}
	for _, code := range distinctOf(slices.Concat(v["cat"], v["nocat"])) {
		if !known[code] {
			name := s.names.Category(code)
			if name == "" {
				name = code + "（不在目录里）"
			}
			add("其他", goodsChoice{Code: code, Name: name})
		}
	}
	slices.SortStableFunc(out, func(a, b goodsGroup) int {
		switch {
		case a.Own == b.Own:
			return 0
		case a.Own:
			return -1
		}
		return 1
	})
	return out
}

// places is the territories to choose from: the office's own county and city, and
// every city; those chosen already are kept.
func (s *termsSubject) places(chosen []string) []placeChoice {
	var out []placeChoice
	own, city := int32(0), int32(0)
	if !s.Floor() {
		own, city = s.Facts.Territory, s.Facts.Territory/100*100
	}
	have := map[string]bool{}
	add := func(code int32, name string) {
		c := strconv.Itoa(int(code))
		if !have[c] {
			have[c] = true
			out = append(out, placeChoice{c, name, slices.Contains(chosen, c)})
		}
	}
	all := union.Divisions()
	for _, d := range all {
		if d.Code == own || d.Parent == city && city != 0 && own == city || d.Kind == union.City || d.Direct {
			add(d.Code, d.Name)
		}
	}
	for _, d := range all {
		if slices.Contains(chosen, strconv.Itoa(int(d.Code))) {
			add(d.Code, d.Name)
		}
	}
	for _, c := range chosen {
		if n, err := strconv.ParseInt(c, 10, 32); err == nil && !have[c] {
			add(int32(n), c)
		}
	}
	slices.SortStableFunc(out, func(a, b placeChoice) int {
		mine := func(p placeChoice) int {
			switch p.Code {
			case strconv.Itoa(int(own)):
				return 0
			case strconv.Itoa(int(city)):
				return 1
			}
			return 2
		}
		return mine(a) - mine(b)
	})
	return out
}

// canonicalOffer is an offer of a valid document with its lists in order.
func canonicalOffer(doc *terms.Terms, at int) terms.Offer {
	b, err := doc.Canonical()
	if err != nil {
		return doc.Offers[at]
	}
	parsed, err := terms.Parse(b)
	if err != nil {
		return doc.Offers[at]
	}
	return parsed.Offers[at]
}
