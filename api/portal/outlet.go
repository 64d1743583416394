package portal

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/merchant"
	"unioncard/merchant/account"
	"unioncard/merchant/application"
)

const outletsPath = "/portal/outlets"

func outletURL(id int64) string { return outletsPath + "/" + strconv.FormatInt(id, 10) }

type outletListPage struct {
	page.Frame
	Rows []account.Shop
}

// Place is a division in words.
func (outletListPage) Place(code int32) string { return application.PlaceName(code) }

// OutletList answers GET /portal/outlets.
func (h *Handlers) OutletList(x *exchange.Exchange) error {
	rows, err := h.Accounts.Shops(x.Ctx, x.Merchant)
	if err != nil {
		return err
	}
	return h.Pages.Page(x, "portal/outlet_list", &outletListPage{Frame: page.Frame{Title: "门店", Active: "outlets"}, Rows: rows})
}

type outletPage struct {
	page.Frame
	O       *account.Shop
	Place   string
	Runs    bool // the user may change it
	Form    *page.Form
	Wish    *page.Form
	Wishes  []account.Wish
	Refunds []page.Choice
}

// Wishing reports whether the form for a wish was refused, so that it shows.
func (p *outletPage) Wishing() bool { return len(p.Wish.Errors) > 0 || p.Wish.Summary != "" }

// shopOf is the shop in the address, if the user may see it.
func (h *Handlers) shopOf(x *exchange.Exchange) (*account.Shop, error) {
	id, err := x.ID64("id")
	if err != nil {
		return nil, err
	}
	return h.Accounts.Shop(x.Ctx, x.Merchant, id)
}

// OutletShow answers GET /portal/outlets/:id.
func (h *Handlers) OutletShow(x *exchange.Exchange) error {
	o, err := h.shopOf(x)
	if err != nil {
		return err
	}
	return h.outletPage(x, o, nil, nil)
}

// outletPage shows a shop; forms that were refused are shown as they were typed.
func (h *Handlers) outletPage(x *exchange.Exchange, o *account.Shop, form, wish *page.Form) error {
	version := strconv.FormatInt(o.Version, 10)
	if form == nil {
		form = page.NewForm("hours", o.Hours, "phone", o.Phone, "refunds", string(o.Refunds), "version", version)
	}
	if wish == nil {
		site := account.Site{Lon: o.Lon, Lat: o.Lat}
		wish = page.NewForm("name", o.Name, "address", o.Address, "position", site.Position())
	}
	wishes, err := h.Accounts.Wishes(x.Ctx, o.ID)
	if err != nil {
		return err
	}
	p := &outletPage{Frame: page.Frame{Title: o.Name, Active: "outlets", Crumbs: []page.Crumb{{Title: "门店", URL: outletsPath}}},
		O: o, Place: application.PlaceName(o.Territory), Form: form, Wish: wish, Wishes: wishes,
		Runs: x.Merchant.Runs(o.ID) && !x.Merchant.ReadOnly && o.Status != merchant.OutletClosed}
	for _, r := range []account.Refunds{account.RefundsAll, account.RefundsVoid, account.RefundsNone} {
		p.Refunds = append(p.Refunds, page.Choice{Value: string(r), Label: r.Title()})
	}
	return h.Pages.Page(x, "portal/outlet_show", p)
}

// OutletEdit answers POST /portal/outlets/:id/edit: what needs nobody's consent.
func (h *Handlers) OutletEdit(x *exchange.Exchange) error {
	f, err := x.Form()
	if err != nil {
		return err
	}
	o, err := h.shopOf(x)
	if err != nil {
		return err
	}
	version, _ := f.Int("version")
	err = h.Accounts.EditShop(x.Ctx, x.Merchant, o.ID, version,
		account.ShopEdit{Hours: f.Text("hours"), Phone: f.Text("phone"), Refunds: account.Refunds(f.Text("refunds"))})
	if refused, ok := page.Refuse(f.Values, err); ok {
		x.Status = http.StatusUnprocessableEntity
		return h.outletPage(x, o, refused, nil)
	}
	if errors.Is(err, account.ErrStale) {
		x.Status = http.StatusConflict
		f.Set("version", strconv.FormatInt(o.Version, 10))
		return h.outletPage(x, o, &page.Form{Values: f.Values, Summary: "您打开以后，这家门店的资料在别处改过，没有保存。现在是：营业时间“" +
			o.Hours + "”，电话“" + o.Phone + "”，收银员" + o.Refunds.Title() + "。请核对后再保存。"}, nil)
	}
	if err != nil {
		return err
	}
	page.Notify(x, "已保存，马上生效。")
	return x.Redirect(outletURL(o.ID))
}

// OutletAsk answers POST /portal/outlets/:id/ask: what the office decides.
func (h *Handlers) OutletAsk(x *exchange.Exchange) error {
	f, err := x.Form()
	if err != nil {
		return err
	}
	o, err := h.shopOf(x)
	if err != nil {
		return err
	}
	site := account.Site{Name: f.Text("name"), Address: f.Text("address")}
	var wrong merchant.FieldErrors
	if site.Lon, site.Lat, err = position(f.Text("position")); err != nil {
		wrong.Add("position", "请按“经度,纬度”填写，如 113.6653,34.7579；不清楚可以不填。")
	}
	if err = wrong.Err(); err == nil {
		_, err = h.Accounts.Ask(x.Ctx, x.Merchant, o.ID, site, f.Text("reason"))
	}
	if refused, ok := page.Refuse(f.Values, err); ok {
		x.Status = http.StatusUnprocessableEntity
		return h.outletPage(x, o, nil, refused)
	}
	if errors.Is(err, account.ErrWishWaiting) {
		x.Status = http.StatusConflict
		return h.outletPage(x, o, nil, &page.Form{Values: f.Values, Summary: "这家门店已经有一份变更申请在等工会答复。要改内容，请先撤回那一份。"})
	}
	if err != nil {
		return err
	}
	page.Notify(x, "已提交，等签约工会答复；答复会出现在“通知”里。")
	return x.Redirect(outletURL(o.ID))
}

var errPosition = errors.New("portal: not a position")

// position reads "longitude,latitude" in degrees, within China; nil for "".
func position(text string) (lon, lat *float64, err error) {
	if text == "" {
		return nil, nil, nil
	}
	a, b, ok := strings.Cut(strings.NewReplacer("，", ",", " ", "").Replace(text), ",")
	x, errX := strconv.ParseFloat(a, 64)
	y, errY := strconv.ParseFloat(b, 64)
	if !ok || errX != nil || errY != nil || !(x >= 73 && x <= 136) || !(y >= 3 && y <= 54) {
		return nil, nil, errPosition
	}
	return &x, &y, nil
}

// OutletWithdraw answers POST /portal/outlets/:id/withdraw.
func (h *Handlers) OutletWithdraw(x *exchange.Exchange) error {
	o, err := h.shopOf(x)
	if err != nil {
		return err
	}
	err = h.Accounts.Withdraw(x.Ctx, x.Merchant, o.ID)
	switch {
	case errors.Is(err, account.ErrStale):
		page.Notify(x, "工会已经答复了，不用撤回。")
	case err != nil:
		return err
	default:
		page.Notify(x, "已撤回。")
	}
	return x.Redirect(outletURL(o.ID))
}
