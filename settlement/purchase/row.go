package purchase

import (
	"crypto/sha256"
	"strconv"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"unioncard/merchant/terms"
)

const (
	maxKey  = 64 // characters of an idempotency key
	maxText = 64 // characters of merchant_ref and operator
)

// rowState settles between a row's lane and its caller whether it is recorded.
type rowState = int32

const (
	rowQueued rowState = iota
	rowTaken           // the lane works on it: what comes of it may be unknown
	rowLeft            // its caller has gone and was told that nothing is recorded
)

// row is a purchase on its way through the committer. What is above the line is
// set before it is queued and not changed after; what is below is the lane's
// until done is closed, and the caller's afterwards.
type row struct {
	id       uuid.UUID
	merchant int64
	terminal int64
	key      string
	hash     [16]byte // of the request
	q        quote
	ref      string
	operator string
	applied  []byte // JSON
	lines    []byte // JSON, nil without items
	draws    []draw // on budgets, ascending
	queued   time.Time

	index   int  // place in the batch, arrival order
	spent   bool // its code was used in an earlier batch
	receipt Receipt
	err     error
	done    chan struct{}

	state atomic.Int32 // a rowState
}

// take claims a queued row for its lane; false if the caller has left it.
func (r *row) take() bool { return r.state.CompareAndSwap(rowQueued, rowTaken) }

// leave takes a row back out of the queue; false if the lane has it already.
func (r *row) leave() bool { return r.state.CompareAndSwap(rowQueued, rowLeft) }

// CheckKey says whether an idempotency key is one: 1 to 64 printable ASCII
// characters, else ErrKeyInvalid.
func CheckKey(key string) error {
	if len(key) == 0 || len(key) > maxKey {
		return ErrKeyInvalid
	}
	for i := range len(key) {
		if key[i] < ' ' || key[i] > '~' {
			return ErrKeyInvalid
		}
	}
	return nil
}

// checkText refuses with ErrTextInvalid what a database row or a receipt can't
// hold: over max characters, control characters, broken UTF-8.
func checkText(s string, max int) error {
	if len(s) > 4*max || !utf8.ValidString(s) || utf8.RuneCountInString(s) > max {
		return ErrTextInvalid
	}
	for _, r := range s {
		if r < ' ' || r == 0x7f {
			return ErrTextInvalid
		}
	}
	return nil
}

// hashRequest identifies a purchase request for its idempotency key.
func hashRequest(buf []byte, req *CommitRequest) ([16]byte, []byte) {
	buf = appendText(buf[:0], req.Quote)
	buf = appendText(buf, req.MerchantRef)
	buf = appendText(buf, req.Operator)
	buf = appendItems(buf, req.Items)
	sum := sha256.Sum256(buf)
	return [16]byte(sum[:16]), buf
}

// render writes the JSON columns: by the caller, so that the lanes only copy
// bytes. The quote's texts have passed its signature, the items its hash.
func (r *row) render(items []terms.Item) {
	b := make([]byte, 0, 64*len(r.q.applied)+128*len(items)+4)
	b = append(b, '[')
	for i := range r.q.applied {
		if i > 0 {
			b = append(b, ',')
		}
		b = r.q.applied[i].appendJSON(b)
	}
	b = append(b, ']')
	r.applied = b[:len(b):len(b)]
	if len(items) == 0 {
		return
	}
	from := len(b)
	b = append(b, '[')
	for i := range items {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendLineJSON(b, &items[i], r.q.lines[i])
	}
	b = append(b, ']')
	r.lines = b[from:]
}

// appendJSON writes {"offer","fen","union_fen"} and, for an undoing to give back
// what was taken, the budget, the voucher's number and the periods of the offer's
// limits.
func (o *quotedOffer) appendJSON(b []byte) []byte {
	b = append(b, `{"offer":`...)
	b = appendJSONString(b, o.id)
	b = append(b, `,"fen":`...)
	b = strconv.AppendInt(b, o.fen, 10)
	b = append(b, `,"union_fen":`...)
	b = strconv.AppendInt(b, o.unionFen, 10)
	if o.budget != 0 {
		b = append(b, `,"budget":`...)
		b = strconv.AppendInt(b, o.budget, 10)
	}
	if o.voucher != 0 {
		b = append(b, `,"voucher":`...)
		b = strconv.AppendInt(b, int64(o.voucher), 10)
	}
	if len(o.limits) > 0 {
		b = append(b, `,"periods":[`...)
		for i, l := range o.limits {
			if i > 0 {
				b = append(b, ',')
			}
			b = strconv.AppendInt(b, int64(l.period), 10)
		}
		b = append(b, ']')
	}
	return append(b, '}')
}

func appendLineJSON(b []byte, it *terms.Item, discount int64) []byte {
	b = append(b, `{"sku":`...)
	b = appendJSONString(b, it.SKU)
	b = append(b, `,"category":`...)
	b = appendJSONString(b, it.Category)
	b = append(b, `,"qty_milli":`...)
	b = strconv.AppendInt(b, it.QtyMilli, 10)
	b = append(b, `,"unit_price_fen":`...)
	b = strconv.AppendInt(b, it.UnitPriceFen, 10)
	b = append(b, `,"amount_fen":`...)
	b = strconv.AppendInt(b, it.AmountFen, 10)
	b = append(b, `,"discount_fen":`...)
	b = strconv.AppendInt(b, discount, 10)
	return append(b, '}')
}

// appendJSONString quotes s for a json column. NUL, which PostgreSQL can't read back out of one, and
// broken UTF-8 become the replacement character: a till's SKU never fails a row.
func appendJSONString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c == 0:
			b = append(b, "\uFFFD"...)
		case c < ' ':
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		case c < utf8.RuneSelf:
			b = append(b, c)
		default:
			_, n := utf8.DecodeRuneInString(s[i:])
			if n == 1 {
				b = append(b, "\uFFFD"...)
			} else {
				b = append(b, s[i:i+n]...)
			}
			i += n
			continue
		}
		i++
	}
	return append(b, '"')
}

// receiptOf is the first answer to a purchase.
func (r *row) receiptOf(at time.Time) Receipt {
	q := &r.q
	return Receipt{
		ID: r.id, State: StateCommitted,
		AmountFen: q.amount, DiscountFen: q.discount, PayableFen: q.amount - q.discount,
		MerchantShareFen: q.discount - q.unionShare, UnionShareFen: q.unionShare,
		CommittedAt: at, Key: r.key, MerchantRef: r.ref, OutletID: q.outlet,
	}
}
