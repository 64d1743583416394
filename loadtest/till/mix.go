package till

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"unioncard/loadtest/drive"
	"unioncard/loadtest/wire"
)

// Kinds of requests of a mix.
const (
	Verify = iota
	Purchase
	Repeat
	Refund
	Kinds
)

// KindNames by kind.
var KindNames = [Kinds]string{"verify", "purchase", "repeat", "refund"}

// heldQuotes and heldSales bound what a till remembers.
const (
	heldQuotes = 32
	heldSales  = 32
	// quoteLife is how long a quote is held before it is thrown away; it is good for
	// three minutes.
	quoteLife = 150 * time.Second
)

// Mix sends verifications, purchases of the quotes they gave, repeats of those under
// the same key, and refunds of one fen each. It is used from one goroutine.
type Mix struct {
	Latency  [Kinds]*hdrhistogram.Histogram // from the intended moment, by kind
	Refusals map[string]int                 // refusals by problem code

	host, name string
	shares     [Kinds]int
	total      int
	supply     <-chan Supply
	codes      Supply
	rng        *rand.Rand
	tills      []mixTill
	body       []byte
	keys       int
}

type mixTill struct {
	bearer wire.Header
	basket []Item
	items  []byte
	code   string // the last one, for when fresh codes have run out
	until  time.Time
	quotes []heldQuote
	sales  []heldSale
	kind   int
	sent   heldSale // the purchase on its way
}

type heldQuote struct {
	token string
	until time.Time
}

// heldSale is a purchase that may be repeated or refunded.
type heldSale struct {
	id, key, quote string
}

// Supply is a batch of fresh codes, accepted until then.
type Supply struct {
	Codes []string
	Until time.Time
}

// NewMix deals the kinds by their shares. name makes keys unique between runs.
func NewMix(host, name string, stands []Stand, shares [Kinds]int, supply <-chan Supply, rng *rand.Rand) *Mix {
	m := &Mix{Refusals: map[string]int{}, host: host, name: name, shares: shares, supply: supply, rng: rng}
	for k := range m.Latency {
		m.Latency[k] = drive.NewHistogram()
		m.total += shares[k]
	}
	for _, s := range stands {
		m.tills = append(m.tills, mixTill{bearer: Bearer(s.Token), basket: s.Basket, items: AppendItems(nil, s.Basket)})
	}
	return m
}

// Request implements drive.Source. A kind that the till has nothing for becomes the
// one that gets it something: a repeat or refund needs a purchase, which needs a
// quote, which needs a verification.
func (m *Mix) Request(dst []byte, conn int) ([]byte, bool) {
	t := &m.tills[conn]
	t.kind = m.draw()
	if (t.kind == Repeat || t.kind == Refund) && len(t.sales) == 0 {
		t.kind = Purchase
	}
	if t.kind == Purchase && !t.dropOld(time.Now()) {
		t.kind = Verify
	}
	switch t.kind {
	case Verify:
		m.body = AppendVerification(m.body[:0], m.code(t, time.Now()), t.basket)
		return wire.AppendRequest(dst, "POST", "/v1/verifications", m.host, []wire.Header{t.bearer}, m.body), true
	case Purchase:
		m.keys++
		t.sent = heldSale{key: m.name + "-" + strconv.Itoa(m.keys), quote: t.quotes[0].token}
		t.quotes = t.quotes[1:]
		return m.purchase(dst, t, t.sent), true
	case Repeat:
		return m.purchase(dst, t, t.sales[m.rng.IntN(len(t.sales))]), true
	default:
		i := m.rng.IntN(len(t.sales))
		sale := t.sales[i]
		t.sales[i] = t.sales[len(t.sales)-1]
		t.sales = t.sales[:len(t.sales)-1]
		m.body = append(m.body[:0], `{"amount_fen":1,"operator":"01","reason":"顾客退货"}`...)
		headers := []wire.Header{t.bearer, Key(sale.key + "-r")}
		return wire.AppendRequest(dst, "POST", "/v1/purchases/"+sale.id+"/refunds", m.host, headers, m.body), true
	}
}

// dropOld throws quotes away that may expire on the way; true if one is left.
func (t *mixTill) dropOld(now time.Time) bool {
	for len(t.quotes) > 0 && now.After(t.quotes[0].until) {
		t.quotes = t.quotes[1:]
	}
	return len(t.quotes) > 0
}

func (m *Mix) draw() int {
	n := m.rng.IntN(m.total)
	for k, share := range m.shares {
		if n < share {
			return k
		}
		n -= share
	}
	return Verify
}

// code takes a fresh code; when there is none at hand the till verifies its last one
// again, as it does when the basket changes.
func (m *Mix) code(t *mixTill, now time.Time) string {
	if len(m.codes.Codes) == 0 || now.After(m.codes.Until) {
		m.codes.Codes = nil
		select {
		case m.codes = <-m.supply:
		default:
			if now.After(t.until) {
				m.codes = <-m.supply
			}
		}
	}
	if len(m.codes.Codes) > 0 {
		t.code, t.until = m.codes.Codes[0], m.codes.Until
		m.codes.Codes = m.codes.Codes[1:]
	}
	return t.code
}

func (m *Mix) purchase(dst []byte, t *mixTill, s heldSale) []byte {
	m.body = append(m.body[:0], `{"quote":"`...)
	m.body = append(m.body, s.quote...)
	m.body = append(m.body, `","items":`...)
	m.body = append(m.body, t.items...)
	m.body = append(m.body, '}')
	return wire.AppendRequest(dst, "POST", "/v1/purchases", m.host, []wire.Header{t.bearer, Key(s.key)}, m.body)
}

// Answer implements drive.Source.
func (m *Mix) Answer(conn int, a wire.Answer, latency time.Duration) bool {
	t := &m.tills[conn]
	drive.Record(m.Latency[t.kind], latency)
	if a.Status/100 != 2 {
		return m.refused(t, a)
	}
	switch t.kind {
	case Verify:
		if token, _, found := cutToken(a.Body); found && len(t.quotes) < heldQuotes {
			t.quotes = append(t.quotes, heldQuote{token, time.Now().Add(quoteLife)})
		}
		return a.Status == 200
	case Purchase:
		id, found := cutID(a.Body)
		if found && len(t.sales) < heldSales {
			t.sent.id = id
			t.sales = append(t.sales, t.sent)
		}
		return a.Status == 201 && found
	case Repeat:
		return a.Header("Idempotency-Replayed") == "true"
	}
	return true
}

// expected are refusals that a correct service gives to such a mix: a card's limit
// may be reached, and its code may have been used by the quote before or been
// scanned in an earlier run. They are counted and printed.
var expected = map[string]bool{
	"limit_reached": true, "cap_reached": true, "budget_exhausted": true, "voucher_used": true, "code_used": true, "code_bound": true, "quote_used": true,
}

func (m *Mix) refused(t *mixTill, a wire.Answer) bool {
	code := fmt.Sprint("status ", a.Status)
	if p, err := Decode[Problem](a.Body); err == nil && p.Code != "" {
		code = p.Code
	}
	m.Refusals[KindNames[t.kind]+" "+code]++
	return expected[code] && (t.kind == Purchase || t.kind == Verify)
}

// cutID takes the id out of a receipt.
func cutID(body []byte) (string, bool) {
	_, after, found := bytes.Cut(body, []byte(`"id":"`))
	if !found {
		return "", false
	}
	id, _, found := bytes.Cut(after, []byte(`"`))
	return string(id), found
}
