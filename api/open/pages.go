package open

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/card/union"
	"unioncard/merchant/directory"
)

// link is a link with how many outlets lie behind it.
type link struct {
	Title, URL string
	Count      int
	Current    bool
}

type homePage struct {
	page.Frame
	Search    searchForm
	Total     int
	Trades    []link
	Cities    []link
	Canonical string
}

// Home answers GET /: where to begin to look.
func (h *Handlers) Home(x *exchange.Exchange) error {
	index := h.Directory.Index()
	facets := index.Facets()
	p := &homePage{
		Frame: page.Frame{Title: "持工会会员卡，到这些商家享优惠", Active: "directory"},
		Total: index.Len(), Canonical: h.base(x) + "/", Search: h.searchForm(&params{}),
	}
	for _, t := range page.Trades() {
		if n := facets.Trades[tradeOf(t.Value)]; n > 0 {
			p.Trades = append(p.Trades, link{t.Label, "/outlets?trade=" + t.Value, n, false})
		}
	}
	for _, c := range h.divisions.cities() {
		if n := facets.Cities[c.Code]; n > 0 {
			p.Cities = append(p.Cities, link{c.Name, "/outlets?city=" + strconv.Itoa(int(c.Code)), n, false})
		}
	}
	return h.page(x, "open/home", p)
}

// searchForm is the form above a list, as filled in.
type searchForm struct {
	Q, City, County, Trade, Brand string
	Lat, Lon, Datum, Radius       string
	Cities, Counties, Trades      []page.Choice
	Radii                         []page.Choice
	Nearby                        bool
}

func (h *Handlers) searchForm(p *params) searchForm {
	f := searchForm{
		Q: p.text("q"), City: p.text("city"), County: p.text("county"), Trade: p.text("trade"), Brand: p.text("brand"),
		Lat: p.text("lat"), Lon: p.text("lon"), Datum: p.text("datum"), Radius: p.text("radius"), Trades: page.Trades(),
		Radii: []page.Choice{{Value: "1000", Label: "1 公里内"}, {Value: "3000", Label: "3 公里内"}, {Value: "5000", Label: "5 公里内"},
			{Value: "20000", Label: "20 公里内"}, {Value: "50000", Label: "50 公里内"}},
	}
	f.Nearby = f.Lat != "" && f.Lon != ""
	if f.Nearby && f.Radius == "" {
		f.Radius = "5000"
	}
	for _, c := range h.divisions.cities() {
		f.Cities = append(f.Cities, choice(c))
	}
	city, _ := strconv.Atoi(f.City)
	for _, c := range h.divisions.counties(int32(city)) {
		f.Counties = append(f.Counties, choice(c))
	}
	return f
}

func choice(d union.Division) page.Choice {
	return page.Choice{Value: strconv.Itoa(int(d.Code)), Label: d.Name}
}

// countMost is as far as a list's outlets are counted.
const countMost = 1000

type listPage struct {
	page.Frame
	Search    searchForm
	Rows      []row
	Total     int
	More      bool // there are more than Total
	Next      string
	First     string // the list's first page, on a later one
	Wrong     string // what is wrong with the query
	Canonical string
	Index     bool // whether search engines should keep the page
}

// row is one outlet of a list.
type row struct {
	directory.Hit
	Offers   []string
	Lifted   bool
	Silent   bool
	Sign     directory.Sign
	Distance string
	Where    string
}

// List answers GET /outlets.
func (h *Handlers) List(x *exchange.Exchange) error {
	p := parse(x)
	h.dropForeignCounty(p)
	p.values.Del("limit") // a page for reading has one size
	q, found, err := h.search(p)
	list := &listPage{Search: h.searchForm(p)}
	switch {
	case errors.Is(err, directory.ErrInvalid) || errors.Is(err, directory.ErrCursor):
		list.Wrong, x.Status = wrong(err), http.StatusBadRequest
	case err != nil:
		return err
	default:
		if list.Total, err = h.Directory.Count(q, countMost+1); err != nil {
			return err
		}
		list.More, list.Total = list.Total > countMost, min(list.Total, countMost)
	}
	for i := range found.Hits {
		list.Rows = append(list.Rows, h.row(&found.Hits[i]))
	}
	if found.Next != "" {
		list.Next = "/outlets?" + with(p.values, "cursor", found.Next)
	}
	if q.Cursor != "" {
		list.First = "/outlets?" + with(p.values, "cursor", "")
	}
	list.Frame = page.Frame{Title: h.listTitle(list), Active: "directory", Crumbs: []page.Crumb{{Title: "优惠商家", URL: "/"}}}
	list.Canonical = h.base(x) + "/outlets?" + with(p.values, "", "")
	list.Index = q.Text == "" && q.Near == nil && q.Cursor == "" && list.Wrong == ""
	return h.page(x, "open/outlet_list", list)
}

// dropForeignCounty forgets a county that does not lie in the chosen city: the form
// was sent with another city chosen.
func (h *Handlers) dropForeignCounty(p *params) {
	city, errCity := strconv.Atoi(p.text("city"))
	county, errCounty := strconv.Atoi(p.text("county"))
	if errCity != nil || errCounty != nil {
		return
	}
	if d := h.divisions.byCode[int32(county)]; d != nil && d.Parent != int32(city) && d.Code != int32(city) {
		p.values.Del("county")
	}
}

// with is parameters with one set, or left out for ""; empty ones are left out.
func with(v url.Values, name, value string) string {
	out := url.Values{}
	for k, vs := range v {
		if len(vs) > 0 && vs[0] != "" && k != name {
			out.Set(k, vs[0])
		}
	}
	if value != "" {
		out.Set(name, value)
	}
	return out.Encode()
}

// wrong says in a sentence what is wrong with a query.
func wrong(err error) string {
	name := ""
	var p *ParamError
	if errors.As(err, &p) {
		name = p.Param
	}
	switch {
	case name == "q":
		return "查找的文字过长或含有无法识别的字符：最多 64 个字、8 个词，词之间用空格隔开。"
	case name == "cursor":
		return "这一页的地址已经失效，请从第一页重新翻看。"
	case name == "lat" || name == "lon" || name == "radius" || name == "datum":
		return "位置或距离无法识别：距离最多 50 公里。请重新点“查找附近”。"
	}
	return "有一项条件无法识别，请在下面重新选择。"
}

func (h *Handlers) listTitle(l *listPage) string {
	var parts []string
	if city, err := strconv.Atoi(l.Search.City); err == nil {
		parts = append(parts, h.divisions.name(int32(city)))
	}
	if county, err := strconv.Atoi(l.Search.County); err == nil {
		parts = append(parts, h.divisions.name(int32(county)))
	}
	if l.Search.Nearby {
		parts = append(parts, "附近的")
	}
	if l.Search.Brand != "" {
		parts = append(parts, cutText(l.Search.Brand))
	}
	if l.Search.Trade != "" && page.TradeName(l.Search.Trade) != l.Search.Trade {
		parts = append(parts, page.TradeName(l.Search.Trade))
	}
	title := strings.Join(parts, "") + "优惠门店"
	if l.Search.Q != "" {
		title = "“" + cutText(l.Search.Q) + "” " + title
	}
	return title
}

// cutText shortens what somebody typed to what a title holds.
func cutText(s string) string {
	if r := []rune(s); len(r) > directory.MaxText {
		return string(r[:directory.MaxText]) + "…"
	}
	return s
}

// row makes an outlet of a list.
func (h *Handlers) row(hit *directory.Hit) row {
	r := row{Hit: *hit, Silent: h.Signs.Silent(hit.MerchantID), Sign: h.Signs.Of(hit.Entry), Lifted: len(hit.Lifting) > 0, Where: h.where(hit.Entry)}
	for i := range hit.Entry.Offers.List {
		if i == 3 {
			r.Offers = append(r.Offers, "等 "+strconv.Itoa(len(hit.Entry.Offers.List))+" 项优惠")
			break
		}
		r.Offers = append(r.Offers, short(&hit.Entry.Offers.List[i]))
	}
	if hit.Metres >= 0 {
		r.Distance = metres(hit.Metres)
	}
	return r
}

// where is an address with its city and county, which many addresses already
// begin with.
func (h *Handlers) where(e *directory.Entry) string {
	city, county := h.divisions.name(e.City), ""
	if e.Territory != e.City {
		county = h.divisions.name(e.Territory)
	}
	street := strings.TrimPrefix(strings.TrimPrefix(e.Address, "河南省"), city)
	return city + county + strings.TrimPrefix(street, county)
}

// area is an outlet's city and county.
func (h *Handlers) area(e *directory.Entry) string {
	bare := *e
	bare.Address = ""
	return h.where(&bare)
}

// metres writes a distance as people say it.
func metres(m int64) string {
	if m < 1000 {
		return strconv.FormatInt(m/10*10, 10) + " 米"
	}
	return strconv.FormatFloat(float64(m)/1000, 'f', 1, 64) + " 公里"
}

// page answers with a page that may be kept only to ask whether it still holds.
func (h *Handlers) page(x *exchange.Exchange, name string, data page.Framed) error {
	status := x.Status
	if err := h.Pages.Page(x, name, data); err != nil {
		return err
	}
	x.Status = status
	if status == 0 || status == http.StatusOK {
		return sendCached(x, cacheNone)
	}
	return nil
}

// base is the address of this service, without a slash at the end.
func (h *Handlers) base(x *exchange.Exchange) string {
	if h.PublicURL != "" {
		return strings.TrimSuffix(h.PublicURL, "/")
	}
	scheme := "http"
	if x.Gin.Request.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + x.Gin.Request.Host
}
