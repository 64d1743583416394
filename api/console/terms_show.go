package console

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/merchant/draft"
	"unioncard/merchant/terms"
)

// termsPage is the editor's first page: the offers, the check beside them, and a
// basket to try.
type termsPage struct {
	page.Frame
	S        *termsSubject
	Offers   []offerView
	Kinds    []offerKind
	Verdict  *termsVerdict
	Trial    *trialView
	Conflict *conflictView
	Form     *page.Form // of what was refused
	Goods    []page.Choice
}

// offerView is one offer of the list.
type offerView struct {
	ID, Title, Kind string
	Words           terms.Words
	Named           bool // the title says something that the benefit does not
	First, Last     bool
	Stacked         bool
}

// offerKind is one way to give a discount, as clerks call it.
type offerKind struct{ Kind, Name, Example, Help string }

// offerKinds is all of them, the most usual first.
func offerKinds() []offerKind {
	return []offerKind{
		{terms.KindPercent, "打折", "8.8折", "按价格打几折，适合全单或某类商品"},
		{terms.KindAmountOff, "满减", "满158元减20元", "够一个金额减一次"},
		{terms.KindEvery, "每满减", "每满100元减15元", "每够一个金额就减一次，可封顶"},
		{terms.KindTiers, "阶梯", "满100减10、满300减50", "金额越高，减得越多或折扣越低"},
		{terms.KindUnitPrice, "团购价", "电影票 29.9元", "指定商品按固定单价卖"},
		{terms.KindPerUnit, "每升（件）减", "每升减0.3元", "按升、公斤或件数减，常用于加油"},
	}
}

func offerKindName(kind string) string {
	for _, k := range offerKinds() {
		if k.Kind == kind {
			return k.Name
		}
	}
	return kind
}

// conflictView tells the second of two clerks what the first did.
type conflictView struct {
	Who     string
	At      time.Time
	Changes []string
	Known   bool
	Version int32
}

// Show answers GET …/terms.
func (e *TermsEditor) Show(x *exchange.Exchange) error {
	s, err := e.find(x)
	if err != nil {
		return err
	}
	return e.show(x, s, nil, nil)
}

func (e *TermsEditor) show(x *exchange.Exchange, s *termsSubject, conflict *conflictView, refused *page.Form) error {
	query := x.Gin.Request.URL.Query()
	doc := s.Terms()
	verdict, err := e.h.verdict(x.Ctx, s, doc, readCurveChoice(query))
	if err != nil {
		return err
	}
	p := &termsPage{Frame: s.frame("优惠条件：" + s.Name()), S: s, Kinds: offerKinds(), Verdict: verdict,
		Conflict: conflict, Form: refused, Goods: s.goods()}
	for i, o := range doc.Offers {
		p.Offers = append(p.Offers, offerView{ID: o.ID, Title: o.Title, Named: !sameWords(o.Title, s.names.BenefitWords(o)), Kind: offerKindName(o.Benefit.Kind), Words: s.names.Words(o),
			First: i == 0, Last: i+1 == len(doc.Offers), Stacked: o.Stack > 0})
	}
	p.Trial = s.trial(query, doc)
	switch part := query.Get("part"); {
	case x.HTMX() && part == "verdict":
		return e.h.Pages.Part(x, "console/terms_show", "verdict", p.Part())
	case x.HTMX() && part == "trial":
		return e.h.Pages.Part(x, "console/terms_show", "trial", p)
	}
	return e.h.Pages.Page(x, "console/terms_show", p)
}

// verdictPart is what the part "verdict" takes.
type verdictPart struct {
	S       *termsSubject
	Verdict *termsVerdict
	Goods   []page.Choice
	// Where is the page it stands on: "show", or "offer" while one is typed.
	Where string
}

// Part is the page's verdict.
func (p *termsPage) Part() verdictPart { return verdictPart{p.S, p.Verdict, p.Goods, "show"} }

// goods is the categories to choose from.
func (s *termsSubject) goods() []page.Choice {
	out := make([]page.Choice, 0, len(s.naming.Categories))
	for _, c := range s.naming.Categories {
		out = append(out, page.Choice{Value: c.Code, Label: c.Name})
	}
	return out
}

// Arrange answers POST …/terms/arrange: moves, copies or removes one offer.
func (e *TermsEditor) Arrange(x *exchange.Exchange) error {
	s, f, err := e.writable(x)
	if err != nil {
		return err
	}
	doc := &terms.Terms{V: terms.Version, Offers: append([]terms.Offer{}, s.Terms().Offers...)}
	at := findOffer(doc, f.Get("offer"))
	if at < 0 {
		// Gone meanwhile: the version has moved on and Save says so.
		return e.save(x, s, f.Values, doc, "")
	}
	o := doc.Offers[at]
	var said string
	switch f.Get("do") {
	case "up", "down":
		to := at - 1
		if f.Get("do") == "down" {
			to = at + 1
		}
		if to < 0 || to >= len(doc.Offers) {
			return x.Redirect(s.URL(""))
		}
		doc.Offers[at], doc.Offers[to] = doc.Offers[to], doc.Offers[at]
		said = "已调整次序。"
	case "remove":
		doc.Offers = append(doc.Offers[:at], doc.Offers[at+1:]...)
		said = "已从草稿中删去“" + o.Title + "”。删错了可以在“历史”里恢复。"
	case "copy":
		o.ID, o.Title = freeID(doc), shortTitle(o.Title+"（副本）")
		if o.Stack > 0 {
			o.Stack = freePlace(doc)
		}
		doc.Offers = append(doc.Offers[:at+1], append([]terms.Offer{o}, doc.Offers[at+1:]...)...)
		said = "已复制一份，请修改后保存。"
	default:
		return exchange.ErrForm
	}
	return e.save(x, s, f.Values, doc, said)
}

// Adopt answers POST …/terms/adopt: takes over a bound's offer, which is how what
// it gives can't be fallen short of.
func (e *TermsEditor) Adopt(x *exchange.Exchange) error {
	s, f, err := e.writable(x)
	if err != nil {
		return err
	}
	doc := &terms.Terms{V: terms.Version, Offers: append([]terms.Offer{}, s.Terms().Offers...)}
	v, err := e.h.verdict(x.Ctx, s, doc, curveChoice{})
	if err != nil {
		return err
	}
	for _, b := range v.Bounds {
		if b.key != f.Get("bound") {
			continue
		}
		if at := findOffer(b.check.Terms, f.Get("offer")); at >= 0 {
			o := b.check.Terms.Offers[at]
			o.ID = freeID(doc)
			if o.Stack > 0 {
				o.Stack = freePlace(doc)
			}
			doc.Offers = append(doc.Offers, o)
			return e.save(x, s, f.Values, doc, "已把底线的“"+o.Title+"”加入草稿。")
		}
	}
	return x.Redirect(s.URL("")) // that bound binds no more
}

// writable is the subject and the form of a change, for who may make it.
func (e *TermsEditor) writable(x *exchange.Exchange) (*termsSubject, *exchange.Form, error) {
	s, err := e.find(x)
	if err != nil {
		return nil, nil, err
	}
	if !s.Write {
		return nil, nil, exchange.ErrForbidden
	}
	f, err := x.Form()
	return s, f, err
}

// save saves the draft on the version that the form was based on and goes back to
// the list; what is refused is said there.
func (e *TermsEditor) save(x *exchange.Exchange, s *termsSubject, f url.Values, doc *terms.Terms, said string) error {
	_, err := e.h.drafts().Save(x.Ctx, s.by(x, "修改优惠条件草稿"), s.object, doc, formVersion(f))
	if conflict, ok, lookErr := e.conflict(x, s, err); ok || lookErr != nil {
		if lookErr != nil {
			return lookErr
		}
		x.Status = http.StatusConflict
		return e.show(x, s, conflict, nil)
	}
	if errors.Is(err, terms.ErrInvalid) {
		_, message := termsFault(err)
		x.Status = http.StatusUnprocessableEntity
		return e.show(x, s, nil, &page.Form{Summary: message})
	}
	if err != nil {
		return err
	}
	if said != "" {
		page.Notify(x, said)
	}
	return x.Redirect(s.URL(""))
}

// conflict tells of a refused save, for another try on the draft as it is now.
func (e *TermsEditor) conflict(x *exchange.Exchange, s *termsSubject, err error) (*conflictView, bool, error) {
	var conflict *draft.ConflictError
	if !errors.As(err, &conflict) {
		return nil, false, nil
	}
	names, err := e.h.Merchants.ActorNames(x.Ctx, []string{conflict.Now.Actor})
	if err != nil {
		return nil, false, err
	}
	return &conflictView{Who: names[conflict.Now.Actor], At: conflict.Now.At, Known: conflict.Known,
		Changes: s.names.Changes(conflict.Changes), Version: conflict.Now.Version}, true, nil
}

// sameWords says whether a title only repeats the benefit: 满158减20 and
// 满158元减20元.
func sameWords(title, benefit string) bool {
	plain := strings.NewReplacer("元", "", "打", "", "享", "", " ", "")
	return plain.Replace(title) == plain.Replace(benefit)
}

func formVersion(f url.Values) int32 {
	n, err := strconv.ParseInt(f.Get("version"), 10, 32)
	if err != nil || n < 0 {
		return -1 // matches no version
	}
	return int32(n)
}

func findOffer(doc *terms.Terms, id string) int {
	for i := range doc.Offers {
		if doc.Offers[i].ID == id {
			return i
		}
	}
	return -1
}

// freeID is an id that no offer of the document has.
func freeID(doc *terms.Terms) string {
	for n := 1; ; n++ {
		if id := "o" + strconv.Itoa(n); findOffer(doc, id) < 0 {
			return id
		}
	}
}

// freePlace is the first place in the order of stacking after all others.
func freePlace(doc *terms.Terms) int {
	last := 0
	for _, o := range doc.Offers {
		last = max(last, o.Stack)
	}
	return min(last+1, 1000)
}
