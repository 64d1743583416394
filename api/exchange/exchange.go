// Package exchange is one HTTP exchange as the handlers of every audience see
// it: who asks, the body, the time left, and the answer being built.
//
// A handler reads Body, appends its answer to Out and returns nil, or returns
// an error and leaves the answer to the one table of problems in package api.
// Nothing is written to the client before the handler has returned, so an error
// or a panic half way through never leaves half an answer.
//
// An Exchange and its buffers are used again for a later request. A handler
// keeps neither them nor a string that is a view of Body after it returns.
package exchange

import (
	"context"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"unioncard/card/union/staff"
	"unioncard/merchant"
	"unioncard/merchant/account"
)

// Handler answers one exchange.
type Handler func(x *Exchange) error

// Exchange is one request and its answer.
type Exchange struct {
	// Gin is the framework's context; Gin.Request the request.
	Gin *gin.Context
	// Ctx ends when the client has gone or the route's time is over.
	Ctx context.Context
	// ID names the request in the log and in a problem's request_id.
	ID string
	// Start is when the request came in.
	Start time.Time
	// HTTPS: people reach the service by https only, so cookies are Secure.
	HTTPS bool
	// Addr is the client's address, seen through trusted proxies.
	Addr netip.Addr
	// Terminal is who asks, once the bearer token has been checked.
	Terminal *merchant.Terminal
	// Account is who asks in the console, once the session has been checked.
	Account *staff.Account
	// Merchant is who asks in the merchants' portal, once the session has been checked.
	Merchant *account.User
	// Body is the whole body.
	Body []byte

	// Status, ContentType and Out are the answer. Status 0 means 200.
	Status      int
	ContentType []string
	Out         []byte
	// Outcome is the code of the problem answered, "ok" without one.
	Outcome string
	// Cause is what an internal error came from; it is logged, never sent.
	Cause error

	problems Problems
	deadline *deadline
	stream   Streamer // see stream.go
}

// Problems renders an error as a problem document. Package api implements it.
type Problems interface {
	// AppendProblem appends the document and returns its HTTP status.
	AppendProblem(dst []byte, x *Exchange, err error) ([]byte, int)
}

// JSON and Problem are the content types of answers, shared between requests
// so that setting one costs nothing.
var (
	JSON    = []string{"application/json"}
	Problem = []string{"application/problem+json"}
)

// keepBytes is the largest buffer an Exchange keeps for its next request.
const keepBytes = 128 << 10

// Pool hands out Exchanges.
type Pool struct {
	pool     sync.Pool
	problems Problems
}

// NewPool makes a pool whose exchanges render errors by p.
func NewPool(p Problems) *Pool { return &Pool{problems: p} }

// Get starts an exchange.
func (p *Pool) Get(c *gin.Context, now time.Time) *Exchange {
	x, ok := p.pool.Get().(*Exchange)
	if !ok {
		x = &Exchange{Body: make([]byte, 0, 4<<10), Out: make([]byte, 0, 4<<10)}
	}
	*x = Exchange{
		Gin: c, Ctx: c.Request.Context(), Start: now, Outcome: "ok",
		Body: x.Body[:0], Out: x.Out[:0], problems: p.problems,
	}
	return x
}

// Put ends an exchange; it must not be used afterwards.
func (p *Pool) Put(x *Exchange) {
	if x.deadline != nil {
		x.deadline.release()
	}
	if cap(x.Body) > keepBytes || cap(x.Out) > keepBytes {
		return
	}
	*x = Exchange{Body: x.Body[:0], Out: x.Out[:0]}
	p.pool.Put(x)
}

// AppendProblem appends err as a problem document, for an answer that carries
// problems inside, and returns its status.
func (x *Exchange) AppendProblem(dst []byte, err error) ([]byte, int) {
	return x.problems.AppendProblem(dst, x, err)
}

// SetHeader sets a header of the answer.
func (x *Exchange) SetHeader(name, value string) { x.Gin.Writer.Header().Set(name, value) }

// Send writes the answer.
func (x *Exchange) Send() {
	w := x.Gin.Writer
	if x.Status == 0 {
		x.Status = http.StatusOK
	}
	if x.ContentType != nil {
		w.Header()["Content-Type"] = x.ContentType
	}
	w.WriteHeader(x.Status)
	if len(x.Out) > 0 {
		// The client may have gone; there is nobody to tell.
		_, _ = w.Write(x.Out)
	}
}
