package open

import (
	"strconv"

	"unioncard/api/exchange"
	"unioncard/merchant/directory"
)

// sitemapSize is how many outlets one part of the sitemap holds; the protocol
// allows 50,000.
const sitemapSize = 10_000

var (
	textType = []string{"text/plain; charset=utf-8"}
	xmlType  = []string{"application/xml; charset=utf-8"}
)

// Robots answers GET /robots.txt.
func (h *Handlers) Robots(x *exchange.Exchange) error {
	x.ContentType = textType
	x.Out = append(x.Out, "User-agent: *\nDisallow: /console\nDisallow: /open/v1/\nSitemap: "...)
	x.Out = append(x.Out, h.base(x)...)
	x.Out = append(x.Out, "/sitemap.xml\n"...)
	return sendCached(x, cacheLong)
}

const sitemapHead = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"

// Sitemap answers GET /sitemap.xml: the list of the parts below.
func (h *Handlers) Sitemap(x *exchange.Exchange) error {
	x.ContentType = xmlType
	dst := append(x.Out, sitemapHead+`<sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">`+"\n"...)
	for part := range max(1, (h.Directory.Index().Len()+sitemapSize-1)/sitemapSize) {
		dst = append(dst, "<sitemap><loc>"...)
		dst = appendXML(dst, h.base(x)+"/sitemaps/"+strconv.Itoa(part+1))
		dst = append(dst, "</loc></sitemap>\n"...)
	}
	x.Out = append(dst, "</sitemapindex>\n"...)
	return sendCached(x, cacheLong)
}

// SitemapPart answers GET /sitemaps/:id: a part's outlets in the order of ids; the
// first part also has the lists by city and trade.
func (h *Handlers) SitemapPart(x *exchange.Exchange) error {
	part, err := x.ID64("id")
	if err != nil {
		return err
	}
	index := h.Directory.Index()
	if from := int(min(part, 1<<20)-1) * sitemapSize; part > 1 && from >= index.Len() {
		return exchange.ErrNoRoute
	}
	x.ContentType = xmlType
	base := h.base(x)
	dst := append(x.Out, sitemapHead+`<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">`+"\n"...)
	add := func(path string) {
		dst = appendXML(append(dst, "<url><loc>"...), base+path)
		dst = append(dst, "</loc></url>\n"...)
	}
	if part == 1 {
		add("/")
		for _, c := range h.divisions.cities() {
			add("/outlets?city=" + strconv.Itoa(int(c.Code)))
		}
	}
	n, from := 0, int(part-1)*sitemapSize
	index.Each(func(e *directory.Entry) bool {
		if n >= from {
			add("/outlets/" + strconv.FormatInt(e.ID, 10))
		}
		n++
		return n < from+sitemapSize
	})
	x.Out = append(dst, "</urlset>\n"...)
	return sendCached(x, cacheLong)
}

// appendXML appends text with what XML reserves escaped. A host comes from the
// request.
func appendXML(dst []byte, s string) []byte {
	for i := range len(s) {
		switch s[i] {
		case '<':
			dst = append(dst, "&lt;"...)
		case '>':
			dst = append(dst, "&gt;"...)
		case '&':
			dst = append(dst, "&amp;"...)
		case '"':
			dst = append(dst, "&quot;"...)
		default:
			dst = append(dst, s[i])
		}
	}
	return dst
}
