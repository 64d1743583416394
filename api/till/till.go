// Package till serves the till in the browser (/till): one page, its service
// worker and its manifest. The page is a terminal like any other: it makes its own
// key, is activated with a one-time code and then speaks the terminal API
// (package terminal). Nothing here knows of sales, sessions or shops, and the page
// is the same for everybody.
package till

import (
	"unioncard/api/exchange"
	"unioncard/api/page"
)

// Options is what the handlers work on.
type Options struct {
	Pages  *page.Renderer
	Assets *page.Assets
}

// Handlers answers for the till's page.
type Handlers struct{ Options }

// New returns the handlers.
func New(o Options) *Handlers { return &Handlers{o} }

// Scope is the part of the site that the service worker may answer for.
const Scope = "/till"

// policy is that of all pages and, besides, a worker and a manifest; no form is
// ever sent. Pictures of the camera are drawn on a canvas, which needs no source.
const policy = "default-src 'none'; script-src 'self'; worker-src 'self'; manifest-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"media-src 'self' blob:; font-src 'self'; connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"

// permissions: this page alone reads codes with the camera; nothing embedded may.
const permissions = "camera=(self), microphone=(), geolocation=(), payment=(), usb=(), serial=()"

type tillPage struct{ page.Frame }

// Page answers GET /till.
func (h *Handlers) Page(x *exchange.Exchange) error {
	if err := h.Pages.Page(x, "till/till", &tillPage{page.Frame{Title: "收银台"}}); err != nil {
		return err
	}
	x.SetHeader("Content-Security-Policy", policy)
	x.SetHeader("Permissions-Policy", permissions)
	// Kept by the service worker alone, so that a new version comes with the next
	// opening.
	x.SetHeader("Cache-Control", "no-cache")
	return nil
}

// Worker answers GET /till/sw.js.
func (h *Handlers) Worker(x *exchange.Exchange) error {
	x.SetHeader("Service-Worker-Allowed", Scope)
	return h.Assets.Send(x, "till-sw.js")
}

var (
	manifestType = []string{"application/manifest+json"}
	svgType      = []string{"image/svg+xml"}
)

// Manifest answers GET /till/manifest.webmanifest, by which a browser puts the
// till on the home screen and keeps its storage.
func (h *Handlers) Manifest(x *exchange.Exchange) error {
	x.ContentType = manifestType
	x.SetHeader("Cache-Control", "public, max-age=86400")
	x.SetHeader("X-Content-Type-Options", "nosniff")
	x.Out = append(x.Out, `{"id":"/till","name":"工会会员卡收银台","short_name":"收银台","lang":"zh-CN","start_url":"/till","scope":"/till",`+
		`"display":"standalone","orientation":"any","background_color":"#f4f6f9","theme_color":"#123a63",`+
		`"icons":[{"src":"/till/icon.svg","type":"image/svg+xml","sizes":"any","purpose":"any maskable"}]}`...)
	return nil
}

// Icon answers GET /till/icon.svg: a till's drawer and a tick.
func (h *Handlers) Icon(x *exchange.Exchange) error {
	x.ContentType = svgType
	x.SetHeader("Cache-Control", "public, max-age=86400")
	x.SetHeader("X-Content-Type-Options", "nosniff")
	x.SetHeader("Content-Security-Policy", "default-src 'none'")
	x.Out = append(x.Out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 96 96"><path fill="#123a63" d="M0 0h96v96H0z"/>`+
		`<g fill="none" stroke="#fff" stroke-width="5" stroke-linecap="round" stroke-linejoin="round">`+
		`<path d="M22 60h52v14H22zM28 60l5-34h30l5 34M44 67h8"/><path d="M39 43l7 7 12-13"/></g></svg>`...)
	return nil
}
