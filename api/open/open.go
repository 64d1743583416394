// Package open is what the public gets without signing in: the pages of the
// directory of merchants, and the same as JSON under /open/v1 for other services
// of the network and for mirrors. Nothing in it is about a person: no contact, no
// member, and of purchases only the day of an outlet's last discount.
package open

import (
	_ "embed"
	"errors"
	"time"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/card/union"
	"unioncard/merchant"
	"unioncard/merchant/directory"
)

// Options is what the public pages work on.
type Options struct {
	Pages     *page.Renderer
	DB        merchant.DB // the changes that mirrors follow
	Directory *directory.Directory
	Signs     *directory.Signs
	Tree      func() *union.Tree
	// PublicURL is the service's address, as https://card.example.org, for links
	// that search engines keep; "" takes each request's host.
	PublicURL string
	Clock     func() time.Time
}

// Handlers are the public pages and feeds.
type Handlers struct {
	Options
	divisions *divisions
}

// New returns the public pages.
func New(o Options) *Handlers { return &Handlers{Options: o, divisions: newDivisions()} }

//go:embed openapi-open.yaml
var openAPI []byte

// OpenAPI answers GET /open/openapi.yaml.
func (h *Handlers) OpenAPI(x *exchange.Exchange) error {
	share(x)
	x.ContentType = yamlType
	x.Out = append(x.Out, openAPI...)
	return sendCached(x, cacheLong)
}

var yamlType = []string{"application/yaml"}

// ParamError is a parameter that cannot be answered; Err says why.
type ParamError struct {
	Param string // as in the address
	Err   error
}

func (e *ParamError) Error() string { return "open: " + e.Param + ": " + e.Err.Error() }

// Unwrap returns what is wrong.
func (e *ParamError) Unwrap() error { return e.Err }

// Parameter is the parameter's name, for the problem document.
func (e *ParamError) Parameter() string { return e.Param }

// errNumber: a parameter that should be a number.
var errNumber = errors.Join(directory.ErrInvalid, errors.New("not a number"))

// errEncoding: an address whose parameters are not percent-encoded UTF-8.
var errEncoding = errors.Join(directory.ErrInvalid, errors.New("not percent-encoded"))

// errTwice: a parameter that is there twice.
var errTwice = errors.Join(directory.ErrInvalid, errors.New("given twice"))
