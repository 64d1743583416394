package phone

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"

	"unioncard/api/exchange"
	"unioncard/api/page"
)

// The page's own addresses. Its service worker may answer for Scope and what lies
// below.
const (
	PagePath     = "/m"
	manifestPath = "/m/manifest.webmanifest"
	iconPath     = "/m/icon-"
)

// pagePolicy is that of all pages and, besides, a worker and a manifest. No form
// is ever sent: the script speaks to the API.
const pagePolicy = "default-src 'none'; script-src 'self'; worker-src 'self'; manifest-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"font-src 'self'; connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"

// pagePermissions: the holder may give the position, to find offers near; the
// camera and the rest are nobody's business here.
const pagePermissions = "geolocation=(self), screen-wake-lock=(self), camera=(), microphone=(), payment=(), usb=(), serial=()"

// Page is the member's page: one document, the same for everybody and without
// personal data, its service worker, manifest and icons. What a holder sees, the
// script fetches from the API or finds in the phone.
type Page struct {
	pages  *page.Renderer
	assets *page.Assets
	icons  map[string]func() ([]byte, error) // by the end of their names
	shell  atomic.Pointer[shell]
}

// shell is the document as it was rendered last.
type shell struct {
	plain, gz []byte
	version   string // of the document, the script and the style
	etag      string
}

// NewPage returns the page. An icon is drawn when it is first asked for.
func NewPage(pages *page.Renderer, assets *page.Assets) *Page {
	return &Page{pages: pages, assets: assets, icons: iconsByName()}
}

type homePage struct{ page.Frame }

// render renders the document into x.Out. It is rendered for each answer, which
// costs less than keeping track of when it changes, and compressed when it has
// changed: over a slow line every kilobyte is waited for.
func (p *Page) render(x *exchange.Exchange) (*shell, error) {
	if err := p.pages.Page(x, "phone/home", &homePage{page.Frame{Title: "会员码"}}); err != nil {
		return nil, err
	}
	if have := p.shell.Load(); have != nil && bytes.Equal(have.plain, x.Out) {
		return have, nil
	}
	var gz bytes.Buffer
	w, err := gzip.NewWriterLevel(&gz, gzip.BestCompression)
	if err == nil {
		_, err = w.Write(x.Out)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("phone.Page: %w", err)
	}
	version := digest(x.Out, []byte(p.assets.URL("phone-sw.js")))
	made := &shell{slices.Clone(x.Out), gz.Bytes(), version, `"` + version + `"`}
	p.shell.Store(made)
	return made, nil
}

func digest(parts ...[]byte) string {
	h := sha256.New()
	for _, part := range parts {
		fmt.Fprintf(h, "%d:", len(part))
		h.Write(part)
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:12])
}

// Home answers GET /m.
func (p *Page) Home(x *exchange.Exchange) error {
	s, err := p.render(x)
	if err != nil {
		return err
	}
	x.SetHeader("Content-Security-Policy", pagePolicy)
	x.SetHeader("Permissions-Policy", pagePermissions)
	x.SetHeader("Cache-Control", "no-cache")
	x.SetHeader("Vary", "Accept-Encoding")
	x.SetHeader("ETag", s.etag)
	if x.Gin.GetHeader("If-None-Match") == s.etag {
		x.Status, x.ContentType, x.Out = http.StatusNotModified, nil, x.Out[:0]
		return nil
	}
	if strings.Contains(x.Gin.GetHeader("Accept-Encoding"), "gzip") {
		x.SetHeader("Content-Encoding", "gzip")
		x.Out = append(x.Out[:0], s.gz...)
	}
	return nil
}

// Worker answers GET /m/sw.js: the script, and before it what it is to keep. Its
// bytes change with any of that, which is how a browser notices a new version.
func (p *Page) Worker(x *exchange.Exchange) error {
	s, err := p.render(x)
	if err != nil {
		return err
	}
	files := []string{PagePath, manifestPath}
	for name := range iconSizes {
		files = append(files, iconPath+name)
	}
	for _, name := range []string{"phone.js", "phone.css"} {
		if url := p.assets.URL(name); url != "" {
			files = append(files, url)
		}
	}
	slices.Sort(files)
	kept, err := json.Marshal(map[string]any{"version": s.version, "files": files, "page": PagePath})
	if err != nil {
		return err
	}
	x.Out = x.Out[:0]
	// As if asked for the first time: the script's tag is not this answer's.
	x.Gin.Request.Header.Del("If-None-Match")
	if err := p.assets.Send(x, "phone-sw.js"); err != nil {
		return err
	}
	script := slices.Clone(x.Out)
	x.Out = append(append(append(append(x.Out[:0], "self.shell = "...), kept...), ";\n"...), script...)
	x.SetHeader("ETag", `"`+digest(x.Out)+`"`)
	x.SetHeader("Cache-Control", "no-cache")
	x.SetHeader("Service-Worker-Allowed", PagePath)
	x.SetHeader("Content-Security-Policy", "default-src 'none'; connect-src 'self'; script-src 'self'")
	return nil
}

var (
	manifestType = []string{"application/manifest+json"}
	pngType      = []string{"image/png"}
)

// Manifest answers GET /m/manifest.webmanifest, by which a phone puts the page on
// its home screen.
func (p *Page) Manifest(x *exchange.Exchange) error {
	x.ContentType = manifestType
	x.SetHeader("Cache-Control", "public, max-age=86400")
	x.SetHeader("X-Content-Type-Options", "nosniff")
	x.Out = append(x.Out, `{"id":"/m","name":"工会会员卡","short_name":"会员码","description":"工会会员卡优惠服务：出示会员码，享签约商家优惠","lang":"zh-CN","dir":"ltr",`+
		`"start_url":"/m","scope":"/m","display":"standalone","orientation":"portrait","background_color":"#f1f4f8","theme_color":"#9d1c20","categories":["shopping","lifestyle"],`+
		`"icons":[{"src":"/m/icon-192.png","type":"image/png","sizes":"192x192","purpose":"any"},`+
		`{"src":"/m/icon-512.png","type":"image/png","sizes":"512x512","purpose":"any"},`+
		`{"src":"/m/icon-maskable.png","type":"image/png","sizes":"512x512","purpose":"maskable"}],`+
		`"shortcuts":[{"name":"优惠商家","url":"/m#nearby"},{"name":"挂失","url":"/m#mine"}]}`...)
	return nil
}

// Icon answers GET /m/icon-192.png and its like.
func (p *Page) Icon(x *exchange.Exchange) error {
	icon, ok := p.icons[strings.TrimPrefix(x.Gin.Request.URL.Path, iconPath)]
	if !ok {
		return exchange.ErrNoRoute
	}
	body, err := icon()
	if err != nil {
		return fmt.Errorf("phone.Page: %w", err)
	}
	x.ContentType = pngType
	x.SetHeader("Cache-Control", "public, max-age=86400")
	x.SetHeader("X-Content-Type-Options", "nosniff")
	x.Out = append(x.Out, body...)
	return nil
}
