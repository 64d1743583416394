// Package demo makes the demonstration data: every Henan union, the floors of
// the six trades, 2,000 merchants with 5,000 outlets under contracts at all
// three levels, and 100,000 members with cards. It is deterministic: the same
// binary makes the same rows, so that documentation and load tests can name
// them. All names are invented.
package demo

import (
	"fmt"
	"math/rand/v2"

	"unioncard/card/union"
	"unioncard/merchant/terms"
)

const (
	merchantCount = 2000
	outletCount   = 5000
	// provinceMerchants and cityMerchants of the merchants are signed by the
	// province and by cities; counties sign the rest.
	provinceMerchants = 18
	cityMerchants     = 480
	grassrootsCount   = 600
	memberCount       = 100_000
	seed              = 20140815 // the day 豫工发〔2014〕25号 was signed
)

// plan is everything the loader writes, before it has any database ids.
type plan struct {
	grassroots []grassrootsPlan
	merchants  []merchantPlan
	counties   []int32 // where people were born
}

// grassrootsPlan is one grassroots union under the union of a division, or
// under an industry or province-direct union (division 0).
type grassrootsPlan struct {
	name   string
	parent union.Kind // county, city, industry or direct
	under  int32      // division of the parent when it is territorial
	nth    int        // which industry union, otherwise
}

// merchantPlan is one merchant with its contract and outlets.
type merchantPlan struct {
	name, brand, trade string
	office             int32 // division of the signing office
	floorClause        bool
	unionOwned         bool
	terms              terms.Terms
	outlets            []outletPlan
}

type outletPlan struct {
	name, address string
	territory     int32
	lon, lat      float64
}

// makePlan draws the whole demonstration province from one seeded source.
func makePlan() plan {
	rng := rand.New(rand.NewPCG(seed, seed))
	g := generator{rng: rng, used: map[string]bool{}}
	for _, d := range union.Divisions() {
		switch d.Kind {
		case union.City:
			g.cities = append(g.cities, d)
		case union.County:
			g.counties = append(g.counties, d)
		}
	}
	p := plan{grassroots: g.grassroots(), merchants: g.merchants()}
	for _, c := range g.counties {
		p.counties = append(p.counties, c.Code)
	}
	return p
}

type generator struct {
	rng              *rand.Rand
	cities, counties []union.Division
	used             map[string]bool // merchant names given out
}

func pick[T any](rng *rand.Rand, from []T) T { return from[rng.IntN(len(from))] }

func (g *generator) grassroots() []grassrootsPlan {
	out := make([]grassrootsPlan, 0, grassrootsCount)
	for i := range grassrootsCount {
		employer := pick(g.rng, employers)
		switch {
		case i%20 == 0:
			out = append(out, grassrootsPlan{name: fmt.Sprintf("省直第%d机关工会委员会", i/20+1), parent: union.Direct})
		case i%20 == 1:
			out = append(out, grassrootsPlan{name: fmt.Sprintf("中原第%d%s工会委员会", i/20+1, employer), parent: union.Industry, nth: i / 20})
		case i%4 == 0:
			c := g.cities[i/4%len(g.cities)]
			out = append(out, grassrootsPlan{name: fmt.Sprintf("%s第%d%s工会委员会", c.Name, i/4+1, employer), parent: union.City, under: c.Code})
		default:
			c := g.counties[i%len(g.counties)]
			out = append(out, grassrootsPlan{name: fmt.Sprintf("%s第%d%s工会委员会", c.Name, i+1, employer), parent: union.County, under: c.Code})
		}
	}
	return out
}

// merchants spreads exactly merchantCount merchants and outletCount outlets
// over the three levels: a few large chains of the province, some merchants of
// the cities with several shops, and many small ones of the counties.
func (g *generator) merchants() []merchantPlan {
	out := make([]merchantPlan, 0, merchantCount)
	left := outletCount
	for i := range merchantCount {
		rest := merchantCount - i - 1 // each later merchant needs an outlet
		var m merchantPlan
		var n int
		switch {
		case i < provinceMerchants:
			m, n = g.chain(i), 40
		case i < provinceMerchants+len(g.cities):
			m, n = g.window(g.cities[i-provinceMerchants]), 1
		case i < provinceMerchants+cityMerchants:
			m, n = g.local(pick(g.rng, g.cities), i), 2+g.rng.IntN(4)
		default:
			m, n = g.local(pick(g.rng, g.counties), i), 1+g.rng.IntN(3)
		}
		if i == merchantCount-1 || n > left-rest {
			n = left - rest
		}
		left -= n
		for k := range n {
			m.outlets = append(m.outlets, g.outlet(&m, k, n))
		}
		out = append(out, m)
	}
	return out
}

// chain is the i-th province-signed chain; its brand is one of a trade's.
func (g *generator) chain(i int) merchantPlan {
	t := trades[i%len(trades)]
	brand := t.brands[i/len(trades)%len(t.brands)]
	return merchantPlan{
		name: fmt.Sprintf("河南%s有限公司", brand), brand: brand, trade: t.code,
		office: provinceDivision, floorClause: true, terms: localTerms(t.code, 0),
	}
}

// window is a city union's own service window, which takes the card too
// (policy articles 4 and 7).
func (g *generator) window(city union.Division) merchantPlan {
	return merchantPlan{
		name: city.Name + "总工会职工服务中心", trade: "union", office: city.Code,
		floorClause: true, unionOwned: true, terms: windowTerms(),
	}
}

func (g *generator) local(d union.Division, i int) merchantPlan {
	t := trades[i%len(trades)]
	name := ""
	for name == "" || g.used[name] {
		name = d.Name + pick(g.rng, t.stems) + pick(g.rng, t.suffixes)
		if g.used[name] {
			name = fmt.Sprintf("%s（%s店）", name, pick(g.rng, streets))
		}
		if g.used[name] {
			name = fmt.Sprintf("%s%d号", name, i)
		}
	}
	g.used[name] = true
	return merchantPlan{name: name, trade: t.code, office: d.Code, floorClause: g.rng.IntN(3) > 0, terms: localTerms(t.code, g.rng.IntN(variants))}
}

// outlet is the k-th of a merchant's n shops: a chain's lie all over the
// province, a local merchant's in its office's territory.
func (g *generator) outlet(m *merchantPlan, k, n int) outletPlan {
	territory, place := m.office, ""
	if m.office == provinceDivision {
		c := g.counties[(k*len(g.counties)/n+g.rng.IntN(3))%len(g.counties)]
		territory, place = c.Code, c.Name
	}
	street := pick(g.rng, streets)
	name := m.name
	if n > 1 {
		label := m.brand
		if label == "" {
			label = m.name
		}
		name = fmt.Sprintf("%s%s%s%d店", label, place, street, k+1)
	}
	center := cityCenter[cityOf(g, territory)]
	return outletPlan{
		name: name, address: fmt.Sprintf("%s%s%d号", place, street, 1+g.rng.IntN(300)), territory: territory,
		lon: center[0] + (g.rng.Float64()-0.5)*0.3, lat: center[1] + (g.rng.Float64()-0.5)*0.3,
	}
}

const provinceDivision = 410000

// cityOf is the city a division lies in, or the division itself.
func cityOf(g *generator, code int32) int32 {
	for _, c := range g.counties {
		if c.Code == code {
			return c.Parent
		}
	}
	return code
}

// cityCenter is the longitude and latitude of each city's centre, degrees.
var cityCenter = map[int32][2]float64{
	410100: {113.665, 34.758}, 410200: {114.341, 34.797}, 410300: {112.434, 34.663},
	410400: {113.308, 33.735}, 410500: {114.352, 36.103}, 410600: {114.295, 35.748},
	410700: {113.884, 35.303}, 410800: {113.238, 35.239}, 410900: {115.041, 35.768},
	411000: {113.826, 34.023}, 411100: {114.026, 33.576}, 411200: {111.194, 34.777},
	411300: {112.541, 32.999}, 411400: {115.650, 34.437}, 411500: {114.075, 32.123},
	411600: {114.650, 33.620}, 411700: {114.025, 32.980}, 419001: {112.590, 35.090},
}
