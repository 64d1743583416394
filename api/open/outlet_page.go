package open

import (
	"strconv"
	"time"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/merchant"
	"unioncard/merchant/directory"
	"unioncard/merchant/terms"
)

func tradeOf(s string) merchant.Trade { return merchant.Trade(s) }

// pricesMost is how many group prices a page shows, so that it stays below 100 KB.
const pricesMost = 300

// shown is an offer on an outlet's page.
type shown struct {
	directory.Offer
	Prices []terms.Price
	Left   int // group prices that are not shown
}

type outletPage struct {
	page.Frame
	Outlet    *directory.Entry
	Offers    []shown
	Lifted    []string // of the province's floors that lift the contract
	Where     string   // its whole address
	Area      string   // its city and county
	Office    string
	Last      time.Time // the last day of the contract
	Sign      directory.Sign
	Silent    bool
	Same      []link // other outlets
	Canonical string
	Summary   string // for search engines
	Data      linkedData
}

// OutletPage answers GET /outlets/:id.
func (h *Handlers) OutletPage(x *exchange.Exchange) error {
	e, err := h.outlet(x)
	if err != nil {
		return err
	}
	p := &outletPage{
		Frame: page.Frame{Title: e.Name, Active: "directory", Crumbs: []page.Crumb{{Title: "优惠商家", URL: "/"}}},
		Where: h.where(e), Area: h.area(e), Outlet: e, Last: e.Until.Add(-time.Second),
		Sign: h.Signs.Of(e), Silent: h.Signs.Silent(e.MerchantID),
		Canonical: h.base(x) + "/outlets/" + strconv.FormatInt(e.ID, 10),
	}
	if u, ok := h.Tree().ByID(e.OfficeID); ok {
		p.Office = u.Name
	}
	for _, l := range e.Lifting {
		for i := range l.List {
			p.Lifted = append(p.Lifted, short(&l.List[i]))
		}
	}
	if city := h.divisions.name(e.City); city != "" {
		p.Crumbs = append(p.Crumbs, page.Crumb{Title: city, URL: "/outlets?city=" + strconv.Itoa(int(e.City))})
	}
	p.Same = h.same(e)
	left := pricesMost
	for _, o := range e.Offers.List {
		s := shown{Offer: o, Prices: o.Doc.Benefit.Prices}
		if n := min(left, len(s.Prices)); n < len(s.Prices) {
			s.Prices, s.Left = s.Prices[:n], len(s.Prices)-n
		}
		left -= len(s.Prices)
		p.Offers = append(p.Offers, s)
	}
	p.Summary = p.Area + " " + e.Name + "："
	for i := range e.Offers.List {
		if i < 3 {
			p.Summary += short(&e.Offers.List[i]) + "；"
		}
	}
	p.Data = newLinkedData(p)
	return h.page(x, "open/outlet_show", p)
}

// same is where to look for more of the kind.
func (h *Handlers) same(e *directory.Entry) (out []link) {
	trade, county := string(e.Trade), strconv.Itoa(int(e.Territory))
	city := strconv.Itoa(int(e.City))
	if e.Placed {
		at := "lat=" + strconv.FormatFloat(e.Place.Lat, 'f', 5, 64) + "&lon=" + strconv.FormatFloat(e.Place.Lon, 'f', 5, 64)
		out = append(out, link{Title: "这家店附近的优惠门店", URL: "/outlets?" + at})
	}
	if e.Territory != e.City && e.City != 0 {
		out = append(out, link{Title: h.divisions.name(e.Territory) + "的" + page.TradeName(trade) + "门店",
			URL: "/outlets?city=" + city + "&county=" + county + "&trade=" + trade})
	}
	if e.Brand != "" {
		v := map[string][]string{"brand": {e.Brand}}
		out = append(out, link{Title: e.Brand + "的其他门店", URL: "/outlets?" + with(v, "", "")})
	}
	return out
}

// linkedData is what search engines read of an outlet (schema.org, JSON-LD). It
// stands in a script element of a type that no browser runs.
type linkedData struct {
	Context   string      `json:"@context"`
	Type      string      `json:"@type"`
	ID        string      `json:"@id"`
	URL       string      `json:"url"`
	Name      string      `json:"name"`
	Address   address     `json:"address"`
	Geo       *geo        `json:"geo,omitempty"`
	Brand     *named      `json:"brand,omitempty"`
	MakeOffer []madeOffer `json:"makesOffer,omitempty"`
}

type address struct {
	Type    string `json:"@type"`
	Country string `json:"addressCountry"`
	Region  string `json:"addressRegion"`
	City    string `json:"addressLocality,omitempty"`
	Street  string `json:"streetAddress,omitempty"`
}

// geo is WGS-84, as schema.org asks for.
type geo struct {
	Type string  `json:"@type"`
	Lat  float64 `json:"latitude"`
	Lon  float64 `json:"longitude"`
}

type named struct {
	Type string `json:"@type"`
	Name string `json:"name"`
}

type madeOffer struct {
	Type        string `json:"@type"`
	Name        string `json:"name"`
	Description string `json:"description"`
	Until       string `json:"validThrough"`
}

func newLinkedData(p *outletPage) linkedData {
	e := p.Outlet
	d := linkedData{
		Context: "https://schema.org", Type: "LocalBusiness", ID: p.Canonical, URL: p.Canonical, Name: e.Name,
		Address: address{Type: "PostalAddress", Country: "CN", Region: "河南省", City: p.Area, Street: e.Address},
	}
	if e.Placed {
		at := directory.ToWGS84(e.Place)
		d.Geo = &geo{"GeoCoordinates", round(at.Lat), round(at.Lon)}
	}
	if e.Brand != "" {
		d.Brand = &named{"Brand", e.Brand}
	}
	for i := range e.Offers.List {
		o := &e.Offers.List[i]
		d.MakeOffer = append(d.MakeOffer, madeOffer{"Offer", o.Title, short(o), page.Day(p.Last)})
	}
	return d
}

// round leaves the decimetres of a degree.
func round(f float64) float64 {
	const millionths = 1e6
	return float64(int64(f*millionths)) / millionths
}
