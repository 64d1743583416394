package console

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/card/batch"
	"unioncard/card/sheet"
	"unioncard/merchant"
	"unioncard/merchant/signing"
	"unioncard/settlement/budget/voucher"
	"unioncard/settlement/ledger"
	"unioncard/settlement/report"
)

type seriesPage struct {
	page.Frame
	V       seriesRow
	Burn    *voucher.Burn
	Facts   []any
	Waiting *signing.Proposal // nil for none
	Chart   DaysChart
	Days    []report.SpendingDay // nil: nothing used yet
	AsOf    time.Time            // of the chart; zero: not yet added up
	History []page.Step
	Write   bool
	Need    string // what opening sets aside, in words
	Left    string // what ending sends back
	Grants  bool   // it can be granted now
	Unions  []string
	Granted *voucher.Granted // what a list or union came to
	Dry     bool             // it was only looked at
	Form    *page.Form
	Grant   *page.Form
	Revoke  *page.Form
}

// SeriesShow answers GET /console/series/:id.
func (h *Handlers) SeriesShow(x *exchange.Exchange) error { return h.seriesShow(x, &seriesPage{}) }

// seriesShow fills in the page around the forms that are set.
func (h *Handlers) seriesShow(x *exchange.Exchange, p *seriesPage) error {
	v, err := h.seriesOf(x)
	if err != nil {
		return err
	}
	p.Frame = page.Frame{Title: v.Name, Active: "series", Crumbs: []page.Crumb{{Title: "消费券", URL: "/console/series"}}}
	p.V = seriesRow{budgetRow: h.budgetRow(&v.Row), Offer: seriesOffer(v.NeedFen, v.FaceFen), Claim: h.claimWords(v), Packs: v.Packs, PerPack: v.PerPack, Claimed: v.Claimed}
	if p.Burn, err = h.Vouchers.Burn(x.Ctx, v.ID); err != nil {
		return err
	}
	p.Need = yuanWords(int64(v.Packs) * int64(v.PerPack) * v.FaceFen)
	if x.HTMX() {
		return h.Pages.Part(x, "console/series_show", "vouchers", p)
	}
	p.Write, p.Left, p.Grants = mayMoney(x), yuanWords(v.LeftFen), p.V.State == "budget_open" && !p.V.Over
	for _, f := range []**page.Form{&p.Form, &p.Grant, &p.Revoke} {
		if *f == nil {
			*f = page.NewForm()
		}
	}
	if err := h.seriesFacts(x, p, v); err != nil {
		return err
	}
	if v.Waiting != 0 {
		if p.Waiting, err = h.Signing.Get(x.Ctx, v.Waiting); err != nil {
			return err
		}
	}
	if p.Grants && p.Write {
		if p.Unions, err = h.Batches.UnionNames(x.Ctx, x.Account.Path); err != nil {
			return err
		}
	}
	if v.SpentFen != 0 || v.Uses != 0 {
		to := h.today().Date()
		if p.Days, err = h.Reports.SpendingDays(x.Ctx, x.Account.Path, report.SpendingFilter{From: to.AddDate(0, 0, 1-burnDays), To: to,
			Account: ledger.Budget(v.ID)}); err != nil {
			return err
		}
		p.Chart = spendingChart(p.Days)
		if p.AsOf, err = h.Reports.SpendingAsOf(x.Ctx); err != nil {
			return err
		}
	}
	if p.History, err = h.history(x, "budget", v.ID, "", moneyHistory); err != nil {
		return err
	}
	return h.Pages.Page(x, "console/series_show", p)
}

func (h *Handlers) seriesFacts(x *exchange.Exchange, p *seriesPage, v *voucher.Row) error {
	common, err := h.budgetFacts(x, &v.Row)
	if err != nil {
		return err
	}
	shared := "不同享：和商家的优惠比，取优惠多的"
	if v.Stackable {
		shared = "可同享：商家的优惠减完再减"
	}
	whose := "全省会员"
	if v.TerritoryName != "" {
		whose = v.TerritoryName + "的会员"
	}
	p.Facts = []any{fact("面额", p.V.Offer+" 元，每份 "+strconv.Itoa(int(v.PerPack))+" 张"), fact("份数", figure(int64(v.Packs))+" 份"),
		factLink("从哪个预算出钱", v.Parent, budgetURL(v.ParentID)), fact("和商家的优惠", shared)}
	if v.ClaimFrom.IsZero() {
		p.Facts = append(p.Facts, fact("怎么得到", "由工会发放"))
	} else {
		p.Facts = append(p.Facts, fact("开抢", page.Moment(v.ClaimFrom)), fact("领取截止", page.Moment(v.ClaimUntil)), fact("谁能领", whose))
	}
	for _, f := range common {
		if m, ok := f.(map[string]any); !ok || m["Term"] != "每张卡最多补贴" { // a series has packs instead
			p.Facts = append(p.Facts, f)
		}
	}
	return nil
}

func (h *Handlers) seriesRefused(x *exchange.Exchange, p *seriesPage) error {
	x.Status = http.StatusUnprocessableEntity
	return h.seriesShow(x, p)
}

// SeriesMove answers POST /console/series/:id/move: open, close, freeze, unfreeze,
// discard.
func (h *Handlers) SeriesMove(x *exchange.Exchange) error {
	form, v, err := posted(x, h.seriesOf)
	if err != nil {
		return err
	}
	var wrong merchant.FieldErrors
	reason := reasonIn(form, &wrong)
	to := seriesURL(v.ID)
	if err = wrong.Err(); err == nil {
		to, err = h.moveBudget(x, &v.Row, form, reason, voucher.ProposeOpen)
	}
	if err == nil {
		return x.Redirect(to)
	}
	shown, ok := moneyRefusal(form.Values, err)
	if !ok {
		return err
	}
	return h.seriesRefused(x, &seriesPage{Form: shown})
}

// SeriesGrant answers POST /console/series/:id/grant: packs for a list of cards or
// for a union's members; do=check only looks.
func (h *Handlers) SeriesGrant(x *exchange.Exchange) error {
	form, v, err := posted(x, h.seriesOf)
	if err != nil {
		return err
	}
	var wrong merchant.FieldErrors
	reason := reasonAs(form, "grant_reason", &wrong)
	dry := form.Text("do") != "give"
	if dry {
		wrong, reason = nil, "核对名单" // nothing is changed and nothing recorded
	}
	p := &seriesPage{Dry: dry}
	if err = wrong.Err(); err == nil {
		p.Granted, err = h.grantOf(x, form, v.ID, reason, dry)
	}
	if fault, ok := errors.AsType[*sheet.Error](err); ok {
		err = merchant.FieldErrors{{Field: "list", Message: fault.Message}}
	}
	if err != nil {
		shown, ok := moneyRefusal(form.Values, err)
		if !ok {
			return err
		}
		return h.seriesRefused(x, &seriesPage{Grant: shown})
	}
	if !dry && p.Granted.Faults == 0 {
		page.Notify(x, grantWords(p.Granted, false))
		return x.Redirect(seriesURL(v.ID))
	}
	p.Grant = &page.Form{Values: form.Values}
	return h.seriesShow(x, p)
}

// grantOf grants what the form names.
func (h *Handlers) grantOf(x *exchange.Exchange, form *exchange.Form, series int64, reason string, dry bool) (*voucher.Granted, error) {
	switch form.Text("whom") {
	case "numbers":
		f := form.File("list")
		if f == nil {
			return nil, merchant.FieldErrors{{Field: "list", Message: "请选择名单文件（Excel 或 CSV，有“卡号”一列）"}}
		}
		return h.Vouchers.GrantList(x.Ctx, byMoney(x, reason), series, bytes.NewReader(f.Data), int64(len(f.Data)), dry)
	case "union":
		found, err := h.Batches.UnionsNamed(x.Ctx, x.Account.Path, form.Text("union"))
		if err != nil {
			return nil, err
		}
		u, message := oneUnion(found)
		if message != "" {
			return nil, merchant.FieldErrors{{Field: "union", Message: message}}
		}
		g, err := h.Vouchers.GrantUnion(x.Ctx, byMoney(x, reason), series, u.ID, dry)
		if errors.Is(err, merchant.ErrNotFound) { // a budget of a county, a union of another
			return nil, merchant.FieldErrors{{Field: "union", Message: "这个工会不在发券单位的辖区里，请另选一个"}}
		}
		return g, err
	}
	return nil, merchant.FieldErrors{{Field: "whom", Message: "请选择发给谁"}}
}

// oneUnion is the only union found, or what to say.
func oneUnion(found []batch.NamedUnion) (batch.NamedUnion, string) {
	switch len(found) {
	case 0:
		return batch.NamedUnion{}, "在您的管辖范围内没有这个工会。请从列表里选，或填名称里的几个字。"
	case 1:
		return found[0], ""
	}
	return batch.NamedUnion{}, whichUnion(found)
}

// grantWords is what granting did, or would do.
func grantWords(g *voucher.Granted, dry bool) string {
	s := fmt.Sprintf("已发 %s 份", figure(int64(g.Granted)))
	if dry {
		s = fmt.Sprintf("核对了 %s 行，可以发 %s 份", figure(int64(g.Rows)), figure(int64(g.Granted)))
	}
	if g.Already > 0 {
		s += fmt.Sprintf("；%s 人已经有了，不重复发", figure(int64(g.Already)))
	}
	if g.Faults > 0 {
		s += fmt.Sprintf("；%s 行有问题，没有发", figure(int64(g.Faults)))
	}
	return s + "。"
}

// GrantWords is what granting came to, for the page.
func (p *seriesPage) GrantWords() string { return grantWords(p.Granted, p.Dry) }

// SeriesRevoke answers POST /console/series/:id/revoke: takes back what a card still
// holds.
func (h *Handlers) SeriesRevoke(x *exchange.Exchange) error {
	form, v, err := posted(x, h.seriesOf)
	if err != nil {
		return err
	}
	var wrong merchant.FieldErrors
	reason := reasonAs(form, "revoke_reason", &wrong)
	number, err := h.CardCodes.CheckNumber(digitsOf(form.Text("number")))
	if err != nil {
		wrong.Add("number", "这不是会员卡号：卡号是 16 位数字，请对照卡面逐位核对。")
	}
	if err = wrong.Err(); err == nil {
		var n int64
		if n, err = h.Vouchers.Revoke(x.Ctx, byMoney(x, reason), v.ID, number); err == nil {
			page.Notify(x, fmt.Sprintf("已收回 %d 张还没用的券。", n))
			return x.Redirect(seriesURL(v.ID))
		}
	}
	shown, ok := moneyRefusal(form.Values, err)
	if !ok {
		return err
	}
	return h.seriesRefused(x, &seriesPage{Revoke: shown})
}
