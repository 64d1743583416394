package console

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/merchant"
	"unioncard/settlement/budget"
	"unioncard/settlement/budget/voucher"
)

// seriesFormPage is the form of a series that is not open yet.
type seriesFormPage struct {
	page.Frame
	Parent *budget.Row
	V      *voucher.Row // nil for a new one
	Places []page.Choice
	Form   *page.Form
	Need   seriesNeed
}

// seriesNeed is what a series would cost, as far as the form is filled in.
type seriesNeed struct {
	Words string // "12,500 份 × 4 张 × 40.00 元 = 2,000,000.00 元", "" for not yet
	Left  string // what the budget has, "" for a draft
	Short string // what it lacks, "" for enough
}

func seriesCost(form url.Values, parent *budget.Row) seriesNeed {
	f := &exchange.Form{Values: form}
	var wrong merchant.FieldErrors
	face := moneyIn(f, "face", &wrong)
	packs, per := countIn(f, "packs", voucher.MaxPacks), countIn(f, "per_pack", voucher.MaxPerPack)
	var n seriesNeed
	if parent.Status != budget.Draft { // which has nothing yet
		n.Left = yuanWords(parent.LeftFen)
	}
	if len(wrong) > 0 || face <= 0 || face > budget.MaxFen || packs < 1 || packs > voucher.MaxPacks || per < 1 || per > voucher.MaxPerPack {
		return n
	}
	all := float64(packs) * float64(per) * float64(face)
	if all > budget.MaxFen {
		n.Words, n.Short = "金额太大", fmt.Sprintf("一个消费券最多 %s，请减少份数、张数或面额", yuanWords(budget.MaxFen))
		return n
	}
	need := packs * per * face
	n.Words = fmt.Sprintf("%s 份 × %d 张 × %s = %s", figure(packs), per, yuanWords(face), yuanWords(need))
	switch {
	case parent.Status == budget.Draft:
		n.Short = "预算还没有启用，要先启用"
	case need > parent.LeftFen:
		n.Short = "还差 " + yuanWords(need-parent.LeftFen)
	}
	return n
}

func (h *Handlers) seriesValues(x *exchange.Exchange, v *voucher.Row) (url.Values, error) {
	f := url.Values{"name": {v.Name}, "face": {decimalText(v.FaceFen, 2)}, "need": {decimalText(v.NeedFen, 2)},
		"packs": {strconv.Itoa(int(v.Packs))}, "per_pack": {strconv.Itoa(int(v.PerPack))}, "first_day": {v.FirstDay.String()}, "last_day": {v.LastDay.String()},
		"territory": {strconv.Itoa(int(v.Territory))}, "version": {strconv.FormatInt(v.Version, 10)}, "stackable": {"0"}, "how": {"grant"}}
	if v.Stackable {
		f.Set("stackable", "1")
	}
	if !v.ClaimFrom.IsZero() {
		f.Set("how", "claim")
		f.Set("claim_from", v.ClaimFrom.In(beijing).Format("2006-01-02T15:04"))
		f.Set("claim_until", v.ClaimUntil.In(beijing).Format("2006-01-02T15:04"))
	}
	for _, t := range v.Trades {
		f.Add("trades", string(t))
	}
	lines, err := h.merchantLines(x.Ctx, v.Merchants)
	f.Set("merchants", lines)
	return f, err
}

// seriesPlan reads the form. FieldErrors for what can't be read.
func (h *Handlers) seriesPlan(x *exchange.Exchange, form *exchange.Form) (p voucher.Plan, reason string, err error) {
	var wrong merchant.FieldErrors
	p.Name = form.Text("name")
	p.FaceFen = moneyIn(form, "face", &wrong)
	p.NeedFen = moneyIn(form, "need", &wrong)
	p.Packs = int32(countIn(form, "packs", voucher.MaxPacks))
	p.PerPack = int16(countIn(form, "per_pack", voucher.MaxPerPack))
	p.FirstDay = dayIn(form, "first_day", "开始日期", &wrong)
	p.LastDay = dayIn(form, "last_day", "结束日期", &wrong)
	p.Trades = tradesIn(form)
	if p.Merchants, err = h.merchantsIn(x, form, "merchants", &wrong); err != nil {
		return p, "", err
	}
	switch form.Text("stackable") {
	case "1":
		p.Stackable = true
	case "0":
	default:
		wrong.Add("stackable", "请选择能不能和商家的优惠同享")
	}
	switch form.Text("how") {
	case "claim":
		p.ClaimFrom, p.ClaimUntil = momentIn(form, "claim_from", &wrong), momentIn(form, "claim_until", &wrong)
		if p.ClaimFrom.IsZero() && wrong.On("claim_from") == "" {
			wrong.Add("claim_from", "请填写什么时候开抢")
		}
		if p.ClaimUntil.IsZero() && wrong.On("claim_until") == "" {
			wrong.Add("claim_until", "请填写领到什么时候为止")
		}
		p.Territory = divisionOf(form.Text("territory"))
	case "grant":
	default:
		wrong.Add("how", "请选择会员怎么得到")
	}
	reason = reasonIn(form, &wrong)
	return p, reason, wrong.Err()
}

func (h *Handlers) seriesForm(x *exchange.Exchange, parent *budget.Row, v *voucher.Row, form *page.Form) error {
	p := &seriesFormPage{Parent: parent, V: v, Form: form, Need: seriesCost(form.Values, parent), Frame: page.Frame{Title: "发消费券", Active: "series",
		Crumbs: []page.Crumb{{Title: "补贴预算", URL: "/console/budgets"}, {Title: parent.Name, URL: budgetURL(parent.ID)}}}}
	if v != nil {
		p.Title = "修改消费券“" + v.Name + "”"
		p.Crumbs = append(p.Crumbs, page.Crumb{Title: v.Name, URL: seriesURL(v.ID)})
	}
	if x.HTMX() {
		return h.Pages.Part(x, "console/series_form", "need", p)
	}
	offices, err := h.Applications.Offices(x.Ctx, x.Account.Path)
	if err != nil {
		return err
	}
	p.Places = []page.Choice{{Value: "0", Label: "全省会员"}}
	for _, o := range offices {
		p.Places = append(p.Places, page.Choice{Value: strconv.Itoa(int(o.Code)), Label: o.Name + "的会员"})
	}
	return h.Pages.Page(x, "console/series_form", p)
}

// SeriesNew answers GET /console/budgets/:id/series: with a script the form's figures
// so far, for what the series would cost.
func (h *Handlers) SeriesNew(x *exchange.Exchange) error {
	parent, err := h.plainBudgetOf(x)
	if err != nil {
		return err
	}
	first, _ := h.soon()
	last := parent.LastDay.String()
	if parent.FirstDay > h.today() {
		first = parent.FirstDay.String()
	}
	// What a city or a county pays is its own members' first.
	place := "0"
	offices, err := h.Applications.Offices(x.Ctx, x.Account.Path)
	if err != nil {
		return err
	}
	if len(offices) > 0 && offices[0].Code%10_000 != 0 {
		place = strconv.Itoa(int(offices[0].Code))
	}
	form := page.NewForm("first_day", first, "last_day", last, "per_pack", "1", "how", "claim", "stackable", "0", "territory", place)
	for _, name := range []string{"face", "packs", "per_pack"} {
		if s := x.Query(name); s != "" {
			form.Values.Set(name, s)
		}
	}
	return h.seriesForm(x, parent, nil, form)
}

// SeriesCreate answers POST /console/budgets/:id/series.
func (h *Handlers) SeriesCreate(x *exchange.Exchange) error {
	form, parent, err := posted(x, h.plainBudgetOf)
	if err != nil {
		return err
	}
	plan, reason, err := h.seriesPlan(x, form)
	if err == nil {
		var id int64
		if id, err = h.Vouchers.Create(x.Ctx, byMoney(x, reason), parent.ID, plan); err == nil {
			page.Notify(x, "消费券草稿已存好，会员还看不到。核对后请提请启用，由另一位同事批准。")
			return x.Redirect(seriesURL(id))
		}
	}
	shown, ok := moneyRefusal(form.Values, err)
	if !ok {
		return err
	}
	x.Status = http.StatusUnprocessableEntity
	return h.seriesForm(x, parent, nil, shown)
}

// seriesOf is the series of the address.
func (h *Handlers) seriesOf(x *exchange.Exchange) (*voucher.Row, error) {
	id, err := idOf(x)
	if err != nil {
		return nil, err
	}
	return h.Vouchers.Get(x.Ctx, id)
}

// SeriesEditForm answers GET /console/series/:id/edit.
func (h *Handlers) SeriesEditForm(x *exchange.Exchange) error {
	v, err := h.seriesOf(x)
	if err != nil {
		return err
	}
	if v.Status != budget.Draft && !x.HTMX() {
		page.Notify(x, "这个消费券已经启用，内容不能再改。")
		return x.Redirect(seriesURL(v.ID))
	}
	parent, err := h.Budgets.Get(x.Ctx, v.ParentID)
	if err != nil {
		return err
	}
	values, err := h.seriesValues(x, v)
	if err != nil {
		return err
	}
	for _, name := range []string{"face", "packs", "per_pack"} {
		if s := x.Query(name); s != "" {
			values.Set(name, s)
		}
	}
	return h.seriesForm(x, parent, v, &page.Form{Values: values})
}

// SeriesEdit answers POST /console/series/:id/edit.
func (h *Handlers) SeriesEdit(x *exchange.Exchange) error {
	form, v, err := posted(x, h.seriesOf)
	if err != nil {
		return err
	}
	plan, reason, err := h.seriesPlan(x, form)
	if err == nil {
		version, _ := form.Int("version")
		if err = h.Vouchers.Edit(x.Ctx, byMoney(x, reason), v.ID, version, plan); err == nil {
			page.Notify(x, "已保存。")
			return x.Redirect(seriesURL(v.ID))
		}
	}
	shown, ok := moneyRefusal(form.Values, err)
	if !ok {
		return err
	}
	if errors.Is(err, budget.ErrChanged) {
		if v, err = h.seriesOf(x); err != nil { // as it is now
			return err
		}
		now, err := h.seriesValues(x, v)
		if err != nil {
			return err
		}
		shown = changedMeanwhile(form.Values, now, seriesLabels())
	}
	parent, err := h.Budgets.Get(x.Ctx, v.ParentID)
	if err != nil {
		return err
	}
	x.Status = http.StatusUnprocessableEntity
	return h.seriesForm(x, parent, v, shown)
}

func seriesLabels() [][2]string {
	return [][2]string{{"name", "名称"}, {"need", "满"}, {"face", "减"}, {"packs", "份数"}, {"per_pack", "每份张数"}, {"first_day", "开始日期"}, {"last_day", "结束日期"},
		{"claim_from", "开抢时间"}, {"claim_until", "截止时间"}, {"territory", "哪里的会员"}, {"trades", "行业"}, {"merchants", "商家"}}
}
