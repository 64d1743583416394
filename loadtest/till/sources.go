package till

import (
	"bytes"
	"fmt"
	"strconv"
	"time"

	"unioncard/loadtest/wire"
)

// The sources of the bench: requests are built before the clock runs, and of an
// answer no more is read than tells whether it is the expected one.

// Stand is one till of the bench: a token, the basket it sells, its codes.
type Stand struct {
	Token  string
	Basket []Item
	Codes  []string
}

// codeLength is the length of a phone code in digits.
const codeLength = 20

// Verifications sends one verification after the other, each stand going round its
// own codes.
type Verifications struct {
	stands []verifyStand
}

type verifyStand struct {
	request []byte // with the place of the code empty
	at      int    // where the code belongs
	codes   []string
	next    int
}

// NewVerifications builds the requests for host.
func NewVerifications(host string, stands []Stand) (*Verifications, error) {
	v := &Verifications{}
	mark := bytes.Repeat([]byte("0"), codeLength)
	for _, s := range stands {
		for _, c := range s.Codes {
			if len(c) != codeLength {
				return nil, fmt.Errorf("till: code of %d digits", len(c))
			}
		}
		if len(s.Codes) == 0 {
			return nil, fmt.Errorf("till: a stand without codes")
		}
		body := AppendVerification(nil, string(mark), s.Basket)
		req := wire.AppendRequest(nil, "POST", "/v1/verifications", host, []wire.Header{Bearer(s.Token)}, body)
		at := len(req) - len(body) + len(`{"code":"`)
		v.stands = append(v.stands, verifyStand{request: req, at: at, codes: s.Codes})
	}
	return v, nil
}

// Request implements drive.Source.
func (v *Verifications) Request(dst []byte, conn int) ([]byte, bool) {
	s := &v.stands[conn]
	dst = append(dst, s.request...)
	copy(dst[len(dst)-len(s.request)+s.at:], s.codes[s.next])
	s.next = (s.next + 1) % len(s.codes)
	return dst, true
}

var tokenMember = []byte(`"token":"`)

// Answer implements drive.Source: 200 with a quote.
func (v *Verifications) Answer(_ int, a wire.Answer, _ time.Duration) bool {
	return a.Status == 200 && bytes.Contains(a.Body, tokenMember)
}

// Batches sends batches of verifications, each stand going round its own.
type Batches struct {
	Size int // verifications a batch
	// Keep makes it collect the quotes of every stand and send every batch once.
	Keep   bool
	Quotes [][]string

	requests [][][]byte // by stand
	next     []int
	marker   []byte // what every good answer of a batch has once
}

// NewBatches cuts every stand's codes into batches of size; bare ones ask without
// a basket, only whether the card is good.
func NewBatches(host string, stands []Stand, size int, bare bool) (*Batches, error) {
	b := &Batches{Size: size, Quotes: make([][]string, len(stands)), next: make([]int, len(stands)), marker: tokenMember}
	if bare {
		b.marker = []byte(`"number_masked":"`)
	}
	for _, s := range stands {
		basket := s.Basket
		if bare {
			basket = nil
		}
		var requests [][]byte
		for codes := s.Codes; len(codes) >= size; codes = codes[size:] {
			body := []byte(`{"verifications":[`)
			for i, code := range codes[:size] {
				if i > 0 {
					body = append(body, ',')
				}
				body = AppendVerification(body, code, basket)
			}
			body = append(body, "]}"...)
			requests = append(requests, wire.AppendRequest(nil, "POST", "/v1/verifications/batch", host, []wire.Header{Bearer(s.Token)}, body))
		}
		if len(requests) == 0 {
			return nil, fmt.Errorf("till: a stand with %d codes has no batch of %d", len(s.Codes), size)
		}
		b.requests = append(b.requests, requests)
	}
	return b, nil
}

// Request implements drive.Source.
func (b *Batches) Request(dst []byte, conn int) ([]byte, bool) {
	i := b.next[conn]
	if b.Keep && i == len(b.requests[conn]) {
		return dst, false
	}
	b.next[conn] = i + 1
	return append(dst, b.requests[conn][i%len(b.requests[conn])]...), true
}

// Answer implements drive.Source: 200 with as many good answers as codes.
func (b *Batches) Answer(conn int, a wire.Answer, _ time.Duration) bool {
	if b.Keep && a.Status == 200 {
		rest := a.Body
		for {
			token, after, found := cutToken(rest)
			if !found {
				break
			}
			b.Quotes[conn] = append(b.Quotes[conn], token)
			rest = after
		}
	}
	return a.Status == 200 && bytes.Count(a.Body, b.marker) == b.Size
}

// cutToken takes the first quote token out of an answer.
func cutToken(body []byte) (token string, rest []byte, found bool) {
	_, after, found := bytes.Cut(body, tokenMember)
	if !found {
		return "", nil, false
	}
	t, rest, found := bytes.Cut(after, []byte(`"`))
	return string(t), rest, found
}

// Purchases commits held quotes, each once and under its own key.
type Purchases struct {
	host    string
	name    string
	heads   [][]wire.Header
	baskets [][]byte
	quotes  [][]string
	made    []int
	body    []byte
	headers []wire.Header
}

// NewPurchases gives every stand its quotes; name makes the keys unique.
func NewPurchases(host, name string, stands []Stand, quotes [][]string) *Purchases {
	p := &Purchases{host: host, name: name, quotes: quotes, made: make([]int, len(stands))}
	for _, s := range stands {
		p.heads = append(p.heads, []wire.Header{Bearer(s.Token)})
		p.baskets = append(p.baskets, AppendItems(nil, s.Basket))
	}
	return p
}

// Left is how many quotes are not yet sent.
func (p *Purchases) Left() int {
	n := 0
	for i, q := range p.quotes {
		n += len(q) - p.made[i]
	}
	return n
}

// Request implements drive.Source. The run ends when one stand has sold out, so
// that all connections stay busy until the end.
func (p *Purchases) Request(dst []byte, conn int) ([]byte, bool) {
	n := p.made[conn]
	if n == len(p.quotes[conn]) {
		return dst, false
	}
	p.made[conn] = n + 1
	p.body = append(p.body[:0], `{"quote":"`...)
	p.body = append(p.body, p.quotes[conn][n]...)
	p.body = append(p.body, `","items":`...)
	p.body = append(p.body, p.baskets[conn]...)
	p.body = append(p.body, '}')
	key := p.name + "-" + strconv.Itoa(conn) + "-" + strconv.Itoa(n)
	p.headers = append(append(p.headers[:0], p.heads[conn]...), Key(key))
	return wire.AppendRequest(dst, "POST", "/v1/purchases", p.host, p.headers, p.body), true
}

// Answer implements drive.Source.
func (p *Purchases) Answer(_ int, a wire.Answer, _ time.Duration) bool { return a.Status == 201 }
