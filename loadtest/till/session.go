package till

import (
	"bytes"
	"context"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"unioncard/loadtest/wire"
)

// Answer is a definite answer, copied out of the connection.
type Answer struct {
	Status   int
	Body     []byte
	Replayed bool // Idempotency-Replayed: true
	Tries    int  // how often the request was sent
}

// OK says whether the answer is a success.
func (a Answer) OK() bool { return a.Status/100 == 2 }

// Code is the problem's code, "" of a success.
func (a Answer) Code() string {
	p, err := Decode[Problem](a.Body)
	if err != nil || a.OK() {
		return ""
	}
	return p.Code
}

// Tally counts what sessions met, over all tills.
type Tally struct {
	Sent, Lost, Busy, Tokens atomic.Int64
}

// Session is a till's connection to the service through whatever network there is.
// It belongs to one goroutine.
type Session struct {
	Identity *Identity
	Addr     string        // where to connect, perhaps a fault proxy
	Timeout  time.Duration // for one try
	Tally    *Tally
	Rand     *rand.Rand

	conn  *wire.Conn
	token string
	buf   []byte
}

// Close ends the connection.
func (s *Session) Close() {
	if s.conn != nil {
		_ = s.conn.Close()
		s.conn = nil
	}
}

// Once sends a request a single time. false means that what came of it is unknown.
func (s *Session) Once(ctx context.Context, method, path string, headers []wire.Header, body []byte) (Answer, bool) {
	if s.token == "" {
		token, err := s.Identity.Token(ctx)
		if err != nil {
			return Answer{}, false
		}
		s.Tally.Tokens.Add(1)
		s.token = token
	}
	if s.conn == nil {
		conn, err := wire.Dial(s.Addr, s.Timeout)
		if err != nil {
			return Answer{}, false
		}
		s.conn = conn
	}
	all := append([]wire.Header{Bearer(s.token)}, headers...)
	if body != nil && s.Rand.IntN(8) == 0 { // some tills do not know a body's length
		s.buf = wire.AppendChunked(s.buf[:0], method, path, s.Addr, all, body, 200)
	} else {
		s.buf = wire.AppendRequest(s.buf[:0], method, path, s.Addr, all, body)
	}
	s.Tally.Sent.Add(1)
	a, err := s.conn.Do(s.buf, s.Timeout)
	if err != nil {
		s.Tally.Lost.Add(1)
		s.Close()
		return Answer{}, false
	}
	out := Answer{Status: a.Status, Body: bytes.Clone(a.Body), Replayed: a.Header("Idempotency-Replayed") == "true", Tries: 1}
	retryAfter := a.Header("Retry-After")
	if a.Close {
		s.Close()
	}
	return s.settle(ctx, out, retryAfter)
}

// settle tells definite answers from those that ask for patience.
func (s *Session) settle(ctx context.Context, a Answer, retryAfter string) (Answer, bool) {
	switch {
	case a.Status == http.StatusUnauthorized:
		s.token = ""
		return a, false
	case a.Status >= 500, a.Status == http.StatusTooManyRequests,
		a.Status == http.StatusConflict && a.Code() == "idempotency_key_in_flight":
		s.Tally.Busy.Add(1)
		if secs, err := strconv.Atoi(retryAfter); err == nil && secs > 0 {
			pause(ctx, min(time.Duration(secs)*time.Second, time.Second))
		}
		return a, false
	}
	return a, true
}

// Until sends a request again and again, the same under the same key, until there
// is a definite answer: what a till has to do that lost one. false: ctx ended first.
func (s *Session) Until(ctx context.Context, method, path string, headers []wire.Header, body []byte) (Answer, bool) {
	for try := 1; ctx.Err() == nil; try++ {
		a, ok := s.Once(ctx, method, path, headers, body)
		if ok {
			a.Tries = try
			return a, true
		}
		base := min(10*time.Millisecond<<min(try, 5), 300*time.Millisecond)
		pause(ctx, base/2+time.Duration(s.Rand.Int64N(int64(base))))
	}
	return Answer{}, false
}

// pause waits, but not longer than ctx.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
