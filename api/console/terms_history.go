package console

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/merchant"
	"unioncard/merchant/draft"
	"unioncard/merchant/terms"
)

// historyPage is what was published and what was drafted, and how any two of
// these differ.
type historyPage struct {
	page.Frame
	S         *termsSubject
	Published []historyRow
	Drafts    []historyRow
	Choices   []page.Choice
	Form      *page.Form // a and b, the two compared
	A, B      string     // their names
	Changes   []string   // from a to b
	Compared  bool
	Offers    []string // of b, in words
}

// historyRow is one state of the Terms.
type historyRow struct {
	Key, Name, Who string
	At             time.Time
	When           string // when a published version binds
	Offers         int
	Gone           bool // a discarding
	Current        bool
	doc            *terms.Terms
}

// shownDrafts is how many states of a draft the page lists.
const shownDrafts = 30

// History answers GET …/terms/history?a=p1&b=d3.
func (e *TermsEditor) History(x *exchange.Exchange) error {
	s, err := e.find(x)
	if err != nil {
		return err
	}
	p := &historyPage{Frame: s.frame("优惠条件的历史"), S: s}
	p.Frame.Crumbs = append(p.Frame.Crumbs, page.Crumb{Title: "优惠条件", URL: s.URL("")})
	states, err := e.h.drafts().History(x.Ctx, s.object, shownDrafts)
	if err != nil {
		return err
	}
	var actors []string
	for _, v := range s.Published {
		actors = append(actors, v.Actor)
	}
	for _, d := range states {
		actors = append(actors, d.Actor)
	}
	who, err := e.h.Merchants.ActorNames(x.Ctx, actors)
	if err != nil {
		return err
	}
	for _, v := range s.Published {
		p.Published = append(p.Published, publishedRow(v, who, s.now))
	}
	for i, d := range states {
		p.Drafts = append(p.Drafts, draftRow(d, who, i == 0))
	}
	p.compare(s, x.Query("a"), x.Query("b"))
	return e.h.Pages.Page(x, "console/terms_history", p)
}

func publishedRow(v merchant.PublishedTerms, who map[string]string, now time.Time) historyRow {
	r := historyRow{Key: fmt.Sprintf("p%d", v.Version), Name: fmt.Sprintf("已发布第 %d 版", v.Version), Who: who[v.Actor], At: v.Published,
		When: page.Moment(v.From) + " 起", Offers: len(v.Terms.Offers), doc: v.Terms}
	if !v.Until.IsZero() {
		r.When += "，至 " + page.Moment(v.Until)
	}
	r.Current = !now.Before(v.From) && (v.Until.IsZero() || now.Before(v.Until))
	return r
}

func draftRow(d *draft.Draft, who map[string]string, last bool) historyRow {
	r := historyRow{Key: fmt.Sprintf("d%d", d.Version), Name: fmt.Sprintf("草稿第 %d 稿", d.Version), Who: who[d.Actor], At: d.At,
		Gone: d.Terms == nil, Current: last && d.Terms != nil, doc: d.Terms}
	if d.Terms != nil {
		r.Offers = len(d.Terms.Offers)
	}
	return r
}

// compare finds the two states to compare; unless chosen, what was published last
// and the draft.
func (p *historyPage) compare(s *termsSubject, a, b string) {
	byKey := map[string]historyRow{}
	for _, r := range append(append([]historyRow{}, p.Drafts...), p.Published...) {
		if r.doc != nil {
			byKey[r.Key] = r
			p.Choices = append(p.Choices, page.Choice{Value: r.Key, Label: fmt.Sprintf("%s（%s，%s）", r.Name, page.Moment(r.At), r.Who)})
		}
	}
	if _, ok := byKey[b]; !ok {
		b = ""
		if len(p.Choices) > 0 {
			b = p.Choices[0].Value
		}
	}
	if _, ok := byKey[a]; !ok {
		a = b
		if len(p.Published) > 0 && p.Published[0].Key != b {
			a = p.Published[0].Key
		} else if len(p.Choices) > 1 {
			a = p.Choices[1].Value
		}
	}
	p.Form = page.NewForm("a", a, "b", b)
	was, okA := byKey[a]
	is, okB := byKey[b]
	if !okA || !okB {
		return
	}
	p.Compared, p.A, p.B = true, was.Name, is.Name
	p.Changes = s.names.Changes(terms.Diff(was.doc, is.doc))
	for _, o := range is.doc.Offers {
		p.Offers = append(p.Offers, "“"+o.Title+"”："+s.names.DescribeFully(o))
	}
}

// Restore answers POST …/terms/restore: makes an earlier state the draft again
// (state=p3 or d5), or gives the draft up (state=none).
func (e *TermsEditor) Restore(x *exchange.Exchange) error {
	s, f, err := e.writable(x)
	if err != nil {
		return err
	}
	state := f.Get("state")
	if state == "none" {
		return e.discard(x, s, formVersion(f.Values))
	}
	doc, err := e.state(x, s, state)
	if err != nil {
		return err
	}
	if doc == nil {
		x.Status = http.StatusUnprocessableEntity
		return e.show(x, s, nil, &page.Form{Summary: "要恢复的那一稿已经不在了，请从历史里另选一稿。"})
	}
	return e.save(x, s, f.Values, doc, "草稿已恢复为所选的内容。")
}

// state is an earlier state's document; nil if there is none of that name.
func (e *TermsEditor) state(x *exchange.Exchange, s *termsSubject, key string) (*terms.Terms, error) {
	n, err := strconv.ParseInt(strings.TrimLeft(key, "pd"), 10, 32)
	if err != nil || key == "" {
		return nil, nil
	}
	if key[0] == 'd' {
		d, err := e.h.drafts().At(x.Ctx, s.object, int32(n))
		if errors.Is(err, draft.ErrNotFound) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		return d.Terms, nil
	}
	for _, v := range s.Published {
		if key[0] == 'p' && v.Version == int32(n) {
			return v.Terms, nil
		}
	}
	return nil, nil
}

func (e *TermsEditor) discard(x *exchange.Exchange, s *termsSubject, version int32) error {
	err := e.h.drafts().Discard(x.Ctx, s.by(x, "放弃优惠条件草稿"), s.object, version)
	conflict, ok, lookErr := e.conflict(x, s, err)
	switch {
	case lookErr != nil:
		return lookErr
	case ok:
		x.Status = http.StatusConflict
		return e.show(x, s, conflict, nil)
	case err != nil:
		return err
	}
	page.Notify(x, "已放弃草稿，恢复为已发布的条件。历史里仍能找回。")
	return x.Redirect(s.URL(""))
}
