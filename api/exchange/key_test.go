package exchange_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"unioncard/api/exchange"
	"unioncard/settlement/purchase"
)

func newExchange(req *http.Request) *exchange.Exchange {
	c, _ := gin.CreateTestContext(httptest.NewRecorder())
	c.Request = req
	return exchange.NewPool(nil).Get(c, time.Now())
}

func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		header []string
		key    string
		err    error
	}{
		{nil, "", exchange.ErrKeyMissing},
		{[]string{`"abc"`}, "abc", nil},
		{[]string{`abc`}, "abc", nil},
		{[]string{` "abc"  `}, "abc", nil},
		{[]string{`"a\"b\\c"`}, `a"b\c`, nil},
		{[]string{strings.Repeat("k", 64)}, strings.Repeat("k", 64), nil},
		{[]string{`"` + strings.Repeat("k", 64) + `"`}, strings.Repeat("k", 64), nil},
		{[]string{strings.Repeat("k", 65)}, "", purchase.ErrKeyInvalid},
		{[]string{``}, "", purchase.ErrKeyInvalid},
		{[]string{`""`}, "", purchase.ErrKeyInvalid},
		{[]string{`"`}, "", purchase.ErrKeyInvalid},
		{[]string{`"a`}, "", purchase.ErrKeyInvalid},
		{[]string{`"a\`}, "", purchase.ErrKeyInvalid},
		{[]string{`"a\n"`}, "", purchase.ErrKeyInvalid},
		{[]string{`"a";b=1`}, "", purchase.ErrKeyInvalid},
		{[]string{`a"b`}, "", purchase.ErrKeyInvalid},
		{[]string{`a b`}, "", purchase.ErrKeyInvalid},
		{[]string{`"a b"`}, "", purchase.ErrKeyInvalid},
		{[]string{"a\x7f"}, "", purchase.ErrKeyInvalid},
		{[]string{"é"}, "", purchase.ErrKeyInvalid},
		{[]string{"a", "a"}, "", purchase.ErrKeyInvalid},
	} {
		req := httptest.NewRequest("POST", "/", nil)
		if c.header != nil {
			req.Header["Idempotency-Key"] = c.header
		}
		key, err := newExchange(req).IdempotencyKey()
		if !errors.Is(err, c.err) || err == nil && key != c.key {
			t.Errorf("%q: %q, %v; want %q, %v", c.header, key, err, c.key, c.err)
		}
	}
}

func TestDeadline(t *testing.T) {
	t.Parallel()
	x := newExchange(httptest.NewRequest("GET", "/", nil))
	x.SetTimeout(time.Hour)
	if at, ok := x.Ctx.Deadline(); !ok || time.Until(at) > time.Hour {
		t.Errorf("deadline %v, %v", at, ok)
	}
	if err := x.Ctx.Err(); err != nil {
		t.Error(err)
	}
	child, cancel := context.WithCancel(x.Ctx)
	defer cancel()
	pool := exchange.NewPool(nil)
	pool.Put(x)
	<-child.Done() // the end of the exchange is the end of its context

	// Over before anybody waited, and a wait begun after the end.
	y := newExchange(httptest.NewRequest("GET", "/", nil))
	y.SetTimeout(-time.Second)
	if err := y.Ctx.Err(); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("past its time: %v", err)
	}
	<-y.Ctx.Done()
	z := newExchange(httptest.NewRequest("GET", "/", nil))
	z.SetTimeout(time.Hour)
	ctx := z.Ctx
	pool.Put(z)
	<-ctx.Done()

	// The client's going ends it too.
	parent, gone := context.WithCancel(context.Background())
	w := newExchange(httptest.NewRequest("GET", "/", nil).WithContext(parent))
	w.SetTimeout(time.Hour)
	gone()
	if err := w.Ctx.Err(); !errors.Is(err, context.Canceled) {
		t.Errorf("after the client left: %v", err)
	}
	<-w.Ctx.Done()
}
