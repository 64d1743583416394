package console

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/card/union"
	"unioncard/card/union/keyset"
	"unioncard/card/union/staff"
	"unioncard/merchant"
	"unioncard/merchant/signing"
	"unioncard/merchant/territory"
)

// candidateRows is how many unions the search for a successor shows.
const candidateRows = 30

type unionMergePage struct {
	page.Frame
	Union      *union.Union
	Query      string
	Candidates []territory.Row
	More       bool // there are more than are shown
	Plan       *territory.Plan
	Direct     bool // one person is enough
	Form       *page.Form
	Lost       []termsRow
	Gained     []termsRow
	// Elsewhere is how many of Lost are beyond the account's territory.
	Elsewhere int
}

// termsRow is Terms that a merger concerns.
type termsRow struct {
	Title, URL string
	Offers     []string
}

// termsRows names the Terms of a list that an account may know of, and counts the
// others.
func termsRows(acct *staff.Account, list []territory.TermsAt) (out []termsRow, elsewhere int) {
	for _, t := range list {
		if t.ContractID != 0 && !acct.Covers(t.Path) {
			elsewhere++
			continue
		}
		r := termsRow{Title: fmt.Sprintf("%s的协议（编号 %d）第 %d 版", t.Merchant, t.ContractID, t.Version),
			URL: fmt.Sprintf("/console/contracts/%d/terms", t.ContractID), Offers: t.Offers}
		if t.ContractID == 0 {
			r.Title, r.URL = fmt.Sprintf("%s第 %d 版", floorName(t.Trade, t.Brand), t.Version), floorURL(t.Trade, t.Brand)
		}
		if !acct.May(staff.ReadBusiness) {
			r.URL = ""
		}
		out = append(out, r)
	}
	return out, elsewhere
}

// UnionMergeForm answers GET /console/unions/:id/merge: first what to merge into is
// looked for, then (?into=) what it will do is shown.
func (h *Handlers) UnionMergeForm(x *exchange.Exchange) error {
	id, err := idOf(x)
	if err != nil {
		return err
	}
	into, _ := strconv.ParseInt(x.Query("into"), 10, 64) // nonsense is none chosen
	return h.unionMerge(x, id, into, page.NewForm())
}

// within refuses a union outside the account's territory as if there were none.
func (h *Handlers) within(x *exchange.Exchange, id int64) (*union.Union, error) {
	u, err := union.Get(x.Ctx, h.DB, id)
	if errors.Is(err, union.ErrNotFound) || err == nil && !x.Account.Covers(u.Path) {
		return nil, exchange.ErrNoRoute
	}
	return u, err
}

func (h *Handlers) unionMerge(x *exchange.Exchange, id, into int64, form *page.Form) error {
	u, err := union.Get(x.Ctx, h.DB, id)
	if err != nil {
		return err
	}
	if !u.Active {
		return union.ErrInactive
	}
	p := &unionMergePage{Union: u, Direct: u.Kind == union.Grassroots, Query: x.Query("q"), Form: form}
	if p.Frame, err = h.unionFrame(x, u, "合并"); err != nil {
		return err
	}
	if into != 0 {
		if _, err := h.within(x, into); err != nil {
			return err
		}
		if p.Plan, err = h.Territory.Plan(x.Ctx, id, into); err != nil {
			return err
		}
		p.Lost, p.Elsewhere = termsRows(x.Account, p.Plan.Lost)
		p.Gained, _ = termsRows(x.Account, p.Plan.Gained)
		return h.Pages.Page(x, "console/union_merge", p)
	}
	// Those of the same sort; a county's may also go up into its city's, which is named
	// apart.
	found, err := territory.List(x.Ctx, h.DB, territory.Filter{Scope: x.Account.Path, Text: p.Query, Kind: u.Kind, State: "active"},
		keyset.Page{Sort: "order", Limit: candidateRows + 2})
	if err != nil {
		return err
	}
	if u.Kind == union.County && p.Query == "" {
		if up, err := union.Get(x.Ctx, h.DB, u.ParentID); err == nil && up.Kind == union.City && x.Account.Covers(up.Path) {
			p.Candidates = append(p.Candidates, territory.Row{ID: up.ID, Kind: up.Kind, Name: up.Name, Path: up.Path})
		} else if err != nil {
			return err
		}
	}
	for _, r := range found {
		if !union.InScope(u.Path, r.Path) {
			p.Candidates = append(p.Candidates, r)
		}
	}
	if p.More = len(p.Candidates) > candidateRows; p.More {
		p.Candidates = p.Candidates[:candidateRows]
	}
	return h.Pages.Page(x, "console/union_merge", p)
}

// UnionMerge answers POST /console/unions/:id/merge: at once for a grassroots union,
// as a proposal for others.
func (h *Handlers) UnionMerge(x *exchange.Exchange) error {
	form, id, err := posted(x, idOf)
	if err != nil {
		return err
	}
	var wrong merchant.FieldErrors
	into, _ := form.Int("into") // 0 is nobody's
	if into == 0 {
		wrong.Add("into", "请先选择并入哪个工会。")
	} else if _, err := h.within(x, into); err != nil {
		return err
	}
	u, err := union.Get(x.Ctx, h.DB, id)
	if err != nil {
		return err
	}
	ownUnion(x, u, "into", &wrong)
	by := byAccount(x, reasonIn(form, &wrong))
	said := "已合并，原工会的会员、账号和下级工会都转过来了。"
	if err = wrong.Err(); err == nil {
		if u.Kind == union.Grassroots {
			err = h.Territory.Merge(x.Ctx, by, id, into)
		} else {
			said = "已提请合并，等另一位同事批准。"
			err = h.proposeMerge(x, id, into, by.Reason)
		}
	}
	if refused, ok := refusal(form.Values, err); ok {
		x.Status = http.StatusUnprocessableEntity
		return h.unionMerge(x, id, into, refused)
	}
	if err != nil {
		return err
	}
	page.Notify(x, said)
	if u.Kind == union.Grassroots {
		return x.Redirect(unionURL(into))
	}
	return x.Redirect(unionURL(id))
}

func (h *Handlers) proposeMerge(x *exchange.Exchange, id, into int64, reason string) error {
	office, err := h.Territory.Office(x.Ctx, id, into)
	if err != nil {
		return err
	}
	_, err = h.Signing.Propose(x.Ctx, x.Account, territory.KindMerge, unionObject(id), office, territory.Payload{Into: into}, reason)
	return err
}

// UnionMergeWithdraw answers POST /console/unions/:id/merge/withdraw: whoever
// proposed the merger takes it back.
func (h *Handlers) UnionMergeWithdraw(x *exchange.Exchange) error {
	form, id, err := posted(x, idOf)
	if err != nil {
		return err
	}
	var wrong merchant.FieldErrors
	reason := reasonIn(form, &wrong)
	if err = wrong.Err(); err == nil {
		err = h.withdrawMerger(x, id, reason)
	}
	if refused, ok := refusal(form.Values, err); ok {
		x.Status = http.StatusUnprocessableEntity
		return h.showUnion(x, id, ReadList(x, unionList(unionURL(id))), refused)
	}
	if err != nil {
		return err
	}
	page.Notify(x, "提请已撤回。")
	return x.Redirect(unionURL(id))
}

func (h *Handlers) withdrawMerger(x *exchange.Exchange, id int64, reason string) error {
	proposals, err := h.Signing.Of(x.Ctx, unionObject(id))
	if err != nil {
		return err
	}
	for _, p := range proposals {
		if p.State == signing.Waiting && p.Kind == territory.KindMerge {
			return h.Signing.Withdraw(x.Ctx, x.Account, p.ID, reason)
		}
	}
	return merchant.FieldErrors{{Field: "reason", Message: "这件提请已经办完或撤回了，请刷新页面。"}}
}

// aboutMerger names the unions that are to become one, for a proposal's page.
func (h *Handlers) aboutMerger(x *exchange.Exchange, p *proposalPage, id int64) error {
	var payload territory.Payload
	if err := p.Proposal.Decode(&payload); err != nil {
		return err
	}
	plan, err := h.Territory.Plan(x.Ctx, id, payload.Into)
	if err != nil {
		return err
	}
	p.About, p.AboutURL = plan.From.Name+"并入"+plan.Into.Name, unionURL(id)
	if p.Proposal.State != signing.Waiting {
		return nil
	}
	for _, c := range plan.Counts {
		p.Facts = append(p.Facts, fact(c.What, strconv.FormatInt(c.N, 10)))
	}
	lost, elsewhere := termsRows(x.Account, plan.Lost)
	gained, _ := termsRows(x.Account, plan.Gained)
	if elsewhere > 0 {
		p.Facts = append(p.Facts, fact("挡住合并的条件", fmt.Sprintf("另有 %d 份在您的辖区以外", elsewhere)))
	}
	for _, t := range lost {
		p.Facts = append(p.Facts, map[string]any{"Term": "挡住合并的条件", "Text": t.Title, "URL": t.URL})
	}
	for _, t := range gained {
		p.Facts = append(p.Facts, map[string]any{"Term": "惠及更多会员的条件", "Text": t.Title, "URL": t.URL})
	}
	if plan.Refused != "" {
		p.Facts = append(p.Facts, fact("现在不能合并", plan.Refused))
	}
	p.Effect = mergeEffect(&plan.From, &plan.Into)
	return nil
}

// mergeEffect is what merging will do.
func mergeEffect(from, into *union.Union) string {
	s := "“" + from.Name + "”并入“" + into.Name + "”：下级工会、会员、人员账号"
	if from.Kind != union.Grassroots {
		s += "、商家、协议、申请和待审批事项"
	}
	s += "全部转过去"
	if from.Territory != into.Territory {
		s += "，会员卡显示的地区随之改变"
	}
	return s + "；原工会停用，只留历史，不能恢复。"
}

// Effect is what merging will do, for the question before.
func (p *unionMergePage) Effect() string { return mergeEffect(&p.Plan.From, &p.Plan.Into) }
