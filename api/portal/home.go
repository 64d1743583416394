package portal

import (
	"unioncard/api/exchange"
	"unioncard/api/page"
)

// task is one thing to do now.
type task struct{ Title, Text, URL string }

type homePage struct {
	page.Frame
	Tasks []task
}

// Home answers GET /portal: what to do now.
func (h *Handlers) Home(x *exchange.Exchange) error {
	p := &homePage{Frame: page.Frame{Title: "首页", Active: "home"}}
	return h.Pages.Page(x, "portal/home", p)
}
