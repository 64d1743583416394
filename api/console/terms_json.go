package console

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/merchant/terms"
)

// termsJSONPage is the document itself, for who writes it by hand.
type termsJSONPage struct {
	page.Frame
	S        *termsSubject
	Text     string
	Form     *page.Form
	Conflict *conflictView
	// Fault is what Parse said, At the line it is in (0: unknown), Excerpt that line.
	Fault, Excerpt string
	At             int
	MaxOffers      int
}

// JSON answers GET …/terms/json.
func (e *TermsEditor) JSON(x *exchange.Exchange) error {
	s, err := e.find(x)
	if err != nil {
		return err
	}
	text, err := prettyTerms(s.Terms())
	if err != nil {
		return err
	}
	return e.jsonPage(x, s, &termsJSONPage{Text: text}, s.Version)
}

func (e *TermsEditor) jsonPage(x *exchange.Exchange, s *termsSubject, p *termsJSONPage, version int32) error {
	p.Frame = s.frame("优惠条件原文（JSON）")
	p.Frame.Crumbs = append(p.Frame.Crumbs, page.Crumb{Title: "优惠条件", URL: s.URL("")})
	p.S, p.MaxOffers = s, terms.MaxOffers
	if p.Form == nil {
		p.Form = &page.Form{}
	}
	if p.Form.Values == nil {
		p.Form.Values = url.Values{}
	}
	p.Form.Values.Set("version", strconv.Itoa(int(version)))
	return e.h.Pages.Page(x, "console/terms_json", p)
}

// SaveJSON answers POST …/terms/json, a form that may be far too large.
func (e *TermsEditor) SaveJSON(x *exchange.Exchange) error {
	s, f, err := e.writable(x)
	if err != nil {
		return err
	}
	text := f.Get("doc")
	doc, err := terms.Parse([]byte(text))
	if err != nil {
		x.Status = http.StatusUnprocessableEntity
		return e.jsonPage(x, s, refusedJSON(s, text, err), formVersion(f.Values))
	}
	for _, o := range doc.Offers {
		if err := s.mayName(o.Budget); err != nil {
			x.Status = http.StatusUnprocessableEntity
			p := &termsJSONPage{Text: text, Form: &page.Form{Summary: "“" + o.Title + "”：" + unknownBudget}}
			return e.jsonPage(x, s, p, formVersion(f.Values))
		}
	}
	saved, err := e.h.drafts().Save(x.Ctx, s.by(x, "粘贴优惠条件原文"), s.object, doc, formVersion(f.Values))
	conflict, ok, lookErr := e.conflict(x, s, err)
	switch {
	case lookErr != nil:
		return lookErr
	case ok:
		x.Status = http.StatusConflict
		return e.jsonPage(x, s, &termsJSONPage{Text: text, Conflict: conflict}, conflict.Version)
	case err != nil:
		return err
	}
	page.Notify(x, fmt.Sprintf("已保存到草稿，共 %d 项优惠。", len(saved.Terms.Offers)))
	return x.Redirect(s.URL(""))
}

// refusedJSON says what is wrong with a text, and where.
func refusedJSON(s *termsSubject, text string, err error) *termsJSONPage {
	p := &termsJSONPage{Text: text, Form: &page.Form{}, Fault: strings.TrimPrefix(err.Error(), terms.ErrInvalid.Error()+": ")}
	_, p.Form.Summary = termsFault(err)
	if len(text) > terms.MaxDocument {
		// Not sent back: whoever pasted it still has it.
		p.Text, _ = prettyTerms(s.Terms())
		p.Form.Summary = fmt.Sprintf("粘贴的内容有 %d KB，超过 %d KB 的上限，没有保存；一份协议最多 %d 项优惠。下面仍是原来的内容。",
			len(text)>>10, terms.MaxDocument>>10, terms.MaxOffers)
		p.Fault = ""
		return p
	}
	if at := faultOffset(text, p.Fault); at >= 0 {
		p.At = 1 + strings.Count(text[:at], "\n")
		line := strings.Split(text, "\n")[p.At-1]
		if r := []rune(strings.TrimSpace(line)); len(r) > 120 {
			line = string(r[:120]) + "…"
		}
		p.Excerpt = strings.TrimSpace(line)
	}
	var syntax *json.SyntaxError
	if errors.As(json.Unmarshal([]byte(text), new(any)), &syntax) {
		p.Form.Summary = "这不是完整的 JSON：检查有没有漏掉逗号、引号或括号。"
	}
	return p
}

var (
	faultOffer = regexp.MustCompile(`^offer ([0-9]+) \(`)
	faultPath  = regexp.MustCompile(`offers\[([0-9]+)\]`)
)

// faultOffset finds where in a text a fault is: the byte at which it stops being
// JSON, or the beginning of the offer that is named; -1 if neither can be said.
func faultOffset(text, fault string) int {
	var syntax *json.SyntaxError
	if errors.As(json.Unmarshal([]byte(text), new(any)), &syntax) {
		return min(max(int(syntax.Offset)-1, 0), len(text))
	}
	n := -1
	if m := faultOffer.FindStringSubmatch(fault); m != nil {
		n, _ = strconv.Atoi(m[1]) // digits, and few
		n--
	} else if m := faultPath.FindStringSubmatch(fault); m != nil {
		n, _ = strconv.Atoi(m[1])
	}
	if n < 0 {
		return -1
	}
	return offerOffset(text, n)
}

// offerOffset is where the nth offer of a well-formed text begins, or -1.
func offerOffset(text string, n int) int {
	dec := json.NewDecoder(strings.NewReader(text))
	depth, inOffers, seen := 0, false, 0
	for {
		tok, err := dec.Token()
		if err != nil {
			return -1
		}
		switch tok := tok.(type) {
		case json.Delim:
			switch tok {
			case '{', '[':
				depth++
				if inOffers && depth == 3 {
					if seen == n {
						return int(dec.InputOffset()) - 1
					}
					seen++
				}
			default:
				depth--
			}
		case string:
			if depth == 1 {
				inOffers = tok == "offers"
			}
		}
	}
}

// prettyTerms is the document to read and edit.
func prettyTerms(doc *terms.Terms) (string, error) {
	b, err := doc.Canonical()
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, b, "", "  "); err != nil {
		return "", err
	}
	return out.String(), nil
}
