package api

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"

	"unioncard/api/exchange"
)

// step is one piece of middleware: it wraps the handler that comes next.
type step func(r *route, next exchange.Handler) exchange.Handler

// chain puts steps round a route's handler; the first is outermost.
func chain(r *route, steps ...step) exchange.Handler {
	h := r.handle
	for i := len(steps) - 1; i >= 0; i-- {
		h = steps[i](r, h)
	}
	return h
}

// enter makes gin's handler for a route: it lends the exchange, runs the chain
// and writes whatever answer came out.
func (s *server) enter(r *route) gin.HandlerFunc {
	handle := chain(r, s.steps()...)
	return func(c *gin.Context) {
		x := s.pool.Get(c, time.Now())
		x.HTTPS = r.people && s.people.Console.SecureCookies
		err := handle(x)
		if err != nil {
			// Only a panic with http.ErrAbortHandler gets here: the connection is to go.
			panic(err)
		}
		s.pool.Put(x)
	}
}

// identify gives the request its id and finds the client's address. An id that
// a caller chose is kept if it is short and plain.
func (s *server) identify(_ *route, next exchange.Handler) exchange.Handler {
	return func(x *exchange.Exchange) error {
		r := x.Gin.Request
		x.ID = ownID(r.Header["X-Request-Id"])
		if x.ID == "" {
			x.ID = newID()
		}
		x.Gin.Writer.Header()["X-Request-Id"] = []string{x.ID}
		x.Addr = clientAddr(r, s.proxies)
		return next(x)
	}
}

// dateHeader is the Date header of an answer, made once a second instead of once
// an answer, as net/http would.
type dateHeader struct{ last atomic.Pointer[dated] }

type dated struct {
	unix  int64
	value []string
}

// at returns the header's value, shared between answers.
func (d *dateHeader) at(now time.Time) []string {
	last := d.last.Load()
	if last == nil || last.unix != now.Unix() {
		last = &dated{now.Unix(), []string{now.UTC().Format(http.TimeFormat)}}
		d.last.Store(last)
	}
	return last.value
}

func newID() string {
	var raw [8]byte
	var text [16]byte
	n := rand.Uint64()
	for i := range raw {
		raw[i] = byte(n >> (8 * i))
	}
	hex.Encode(text[:], raw[:])
	return string(text[:])
}

func ownID(header []string) string {
	if len(header) != 1 || len(header[0]) == 0 || len(header[0]) > 64 {
		return ""
	}
	for i := range len(header[0]) {
		switch c := header[0][i]; {
		case c >= '0' && c <= '9', c|0x20 >= 'a' && c|0x20 <= 'z', c == '-', c == '_', c == '.':
		default:
			return ""
		}
	}
	return header[0]
}

// clientAddr is the peer's address, or behind trusted proxies the last address
// in X-Forwarded-For that is none of them.
func clientAddr(r *http.Request, trusted []netip.Prefix) netip.Addr {
	addr := peerOf(r)
	if len(trusted) == 0 || !within(addr, trusted) {
		return addr
	}
	hops := strings.Split(strings.Join(r.Header["X-Forwarded-For"], ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			return addr
		}
		if addr = hop.Unmap(); !within(addr, trusted) {
			return addr
		}
	}
	return addr
}

func within(addr netip.Addr, prefixes []netip.Prefix) bool {
	for _, p := range prefixes {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// record sends the answer, then counts it and writes its one log record. The
// record holds no personal data, no code and no token; the path is the route's
// pattern.
func (s *server) record(r *route, next exchange.Handler) exchange.Handler {
	measured := s.metrics.route(r.name())
	log := newRequestLog(s.logger.Handler(), r.name())
	return func(x *exchange.Exchange) error {
		err := next(x)
		now := time.Now()
		if err == nil {
			x.Gin.Writer.Header()["Date"] = s.date.at(now)
			x.Send()
		}
		measured.observe(x.Outcome, now.Sub(x.Start))
		log.write(x.Ctx, x, now)
		if err == nil {
			x.RunStream()
		}
		return err
	}
}

// problemsOf turns an error into the answer, so that what is outside never sees one.
func (s *server) answerErrors(r *route, next exchange.Handler) exchange.Handler {
	return func(x *exchange.Exchange) error {
		err := next(x)
		if err == nil {
			return nil
		}
		if errors.Is(err, http.ErrAbortHandler) {
			return err
		}
		if err = late(err, r.writes); r.people {
			s.people.refuse(s.problems, x, err)
		} else {
			s.problems.answer(x, err)
		}
		return nil
	}
}

// recover turns a panic into an error, with its stack, so that it is answered
// as an internal error and logged like one.
func (s *server) recover(_ *route, next exchange.Handler) exchange.Handler {
	return func(x *exchange.Exchange) (err error) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if p == http.ErrAbortHandler { //nolint:errorlint // the sentinel itself is the protocol
				err = http.ErrAbortHandler
				return
			}
			s.metrics.panics.Inc()
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}()
		return next(x)
	}
}

// limit refuses bodies of the wrong type or size before reading them.
func (s *server) limit(r *route, next exchange.Handler) exchange.Handler {
	return func(x *exchange.Exchange) error {
		if err := x.CheckBody(r.media, r.body); err != nil {
			return err
		}
		return next(x)
	}
}

// timeout bounds the time of a route that waits for anything.
func (s *server) timeout(r *route, next exchange.Handler) exchange.Handler {
	if r.timeout == 0 {
		return next
	}
	return func(x *exchange.Exchange) error {
		x.SetTimeout(r.timeout)
		return next(x)
	}
}

// authenticate lets only terminals through to routes that are theirs.
func (s *server) authenticate(r *route, next exchange.Handler) exchange.Handler {
	if r.open {
		return next
	}
	return func(x *exchange.Exchange) error {
		if err := s.tills.Authenticate(x); err != nil {
			return err
		}
		return next(x)
	}
}

// readBody reads the body; only now, since it may be the body of a stranger. Where
// the route takes longer than the server gives, as an upload over a county's slow
// line, the connection gets the route's time.
func (s *server) readBody(r *route, next exchange.Handler) exchange.Handler {
	if r.media == exchange.NoBody {
		return next
	}
	return func(x *exchange.Exchange) error {
		if r.timeout > writeTimeout {
			if err := giveTime(x, r.timeout); err != nil {
				return err
			}
		}
		if r.media == exchange.MediaStream { // the handler reads it as it arrives
			return next(x)
		}
		if err := x.ReadBody(r.body); err != nil {
			return err
		}
		return next(x)
	}
}

// sendTime is for sending the answer of a route that used all of its time.
const sendTime = 10 * time.Second

// giveTime lets the connection last for a route's time and for its answer. The
// server sets its own limits again for the next request.
func giveTime(x *exchange.Exchange, d time.Duration) error {
	c := http.NewResponseController(x.Gin.Writer)
	err := errors.Join(c.SetReadDeadline(x.Start.Add(d)), c.SetWriteDeadline(x.Start.Add(d+sendTime)))
	if errors.Is(err, http.ErrNotSupported) { // no connection: a test
		return nil
	}
	return err
}

// admit bounds how many requests are worked on at once. It comes after the body
// has arrived, so that slow senders hold no place. Beyond the bound the answer
// is 503 at once: what waits longer than its client is work for nobody.
func (s *server) admit(r *route, next exchange.Handler) exchange.Handler {
	if r.gate == nil {
		return next
	}
	return func(x *exchange.Exchange) error {
		if !r.gate.enter() {
			return exchange.ErrOverloaded
		}
		defer r.gate.leave()
		return next(x)
	}
}

// gate counts who is inside and lets in no more than max.
type gate struct {
	max    int64
	inside atomic.Int64
}

func (g *gate) enter() bool {
	if g.inside.Add(1) > g.max {
		g.inside.Add(-1)
		return false
	}
	return true
}

func (g *gate) leave() { g.inside.Add(-1) }
