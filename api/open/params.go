package open

import (
	"errors"
	"math"
	"net/url"
	"strconv"
	"strings"

	"unioncard/api/exchange"
	"unioncard/merchant"
	"unioncard/merchant/directory"
)

// params is an address's parameters. The first one that is wrong is kept.
type params struct {
	values url.Values
	err    error
}

// known are the parameters that mean something.
var known = map[string]bool{
	"q": true, "city": true, "county": true, "trade": true, "brand": true, "lat": true, "lon": true, "datum": true,
	"radius": true, "limit": true, "cursor": true, "since": true,
}

// parse reads the parameters of an address, which must be percent-encoded and
// each there once.
func parse(x *exchange.Exchange) *params {
	p := &params{}
	var err error
	if p.values, err = url.ParseQuery(x.Gin.Request.URL.RawQuery); err != nil {
		p.fail("query", errEncoding)
	}
	for name, v := range p.values {
		if len(v) > 1 {
			if !known[name] {
				name = "query"
			}
			p.fail(name, errTwice)
		}
	}
	return p
}

func (p *params) fail(name string, err error) {
	if p.err == nil {
		p.err = &ParamError{name, err}
	}
}

func (p *params) text(name string) string { return strings.TrimSpace(p.values.Get(name)) }

func (p *params) int(name string) int {
	s := p.text(name)
	if s == "" {
		return 0
	}
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil || n == 0 {
		p.fail(name, errNumber)
	}
	return int(n)
}

func (p *params) float(name string) float64 {
	f, err := strconv.ParseFloat(p.text(name), 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		p.fail(name, errNumber)
		return 0
	}
	return f
}

// query is the directory's query in the parameters q, city, county, trade, brand,
// lat, lon, datum, radius, limit and cursor.
func (p *params) query() directory.Query {
	q := directory.Query{
		Text: p.values.Get("q"), City: int32(p.int("city")), County: int32(p.int("county")),
		Trade: merchant.Trade(p.text("trade")), Brand: p.text("brand"),
		Radius: p.int("radius"), Limit: p.int("limit"), Cursor: p.text("cursor"),
	}
	if p.text("lat") != "" || p.text("lon") != "" {
		at := directory.Point{Lat: p.float("lat"), Lon: p.float("lon")}
		switch p.text("datum") {
		case "", "gcj02":
		case "wgs84":
			at = directory.FromWGS84(at)
		default:
			p.fail("datum", directory.ErrInvalid)
		}
		q.Near = &at
	}
	return q
}

// paramNames are the fields of directory.Query as the address names them.
var paramNames = map[string]string{"text": "q", "near": "lat"}

// blame says which parameter an error of the directory is about.
func blame(err error) error {
	var invalid *directory.InvalidError
	if errors.As(err, &invalid) {
		name := invalid.Field
		if n, ok := paramNames[name]; ok {
			name = n
		}
		return &ParamError{name, err}
	}
	if errors.Is(err, directory.ErrCursor) {
		return &ParamError{"cursor", err}
	}
	return err
}

// search runs the search that an address asks for.
func (h *Handlers) search(p *params) (directory.Query, directory.Page, error) {
	q := p.query()
	if p.err != nil {
		return q, directory.Page{}, p.err
	}
	found, err := h.Directory.Search(q)
	return q, found, blame(err)
}
