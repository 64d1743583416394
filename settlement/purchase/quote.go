package purchase

import (
	"encoding/base64"
	"encoding/binary"
	"time"

	"unioncard/card"
	"unioncard/merchant/terms"
)

// QuoteLife is how long the price shown is honoured.
const QuoteLife = 3 * time.Minute

const (
	quoteVersion = 4
	quoteTag     = 16 // bytes of HMAC-SHA-256 kept (RFC 2104 section 5: at least half)
	quoteHead    = 3  // version 1, key id 2
	quoteID      = 8  // bytes of the id, which the body begins with
	quoteMasked  = 11 // bytes of serial 8, generation 2 and epoch 1, after the id

	// maxToken bounds what decode looks at: 100 offers and 1,000 lines stay far below it.
	maxToken = 64 << 10
)

// noLimit stands for an absent bound in a quotedLimit.
const noLimit = -1

// quotedLimit is a usage limit of an applied offer as the member was told it.
type quotedLimit struct {
	period  terms.Period
	maxUses int64 // noLimit if uses are not limited
	maxFen  int64 // noLimit if the amount is not limited
}

// quotedOffer is an offer that contributes to the discount.
type quotedOffer struct {
	id            string
	fen, unionFen int64
	// budget pays unionFen; 0 if there is none of it, or of before budgets. Of a
	// voucher it is the series.
	budget  int64
	voucher int16 // its number within the card's of the series; 0: none
	limits  []quotedLimit
}

// quote is everything a purchase needs, pinned when the price was shown: the
// commit neither looks up terms nor computes a discount.
type quote struct {
	id       int64 // 63 random bits, not 0
	issuedAt int64 // unix milliseconds
	terminal int64
	outlet   int64
	merchant int64
	contract int64
	terms    int32
	// floor is the floor whose Terms applied, 0 if the contract's own did.
	floor      int64
	serial     int64
	generation uint16
	epoch      uint8 // the phone's, 0 of other codes
	kind       card.CodeKind
	// codeKey is what code_uses holds: step*2+slot of a phone code, else minus id.
	codeKey    int64
	amount     int64 // fen
	discount   int64 // fen
	unionShare int64 // fen, part of discount
	applied    []quotedOffer
	lines      []int64 // discount of each item, fen; empty without items
	items      [16]byte
}

func (q *quote) expires() time.Time { return time.UnixMilli(q.issuedAt).Add(QuoteLife) }

// appendQuote appends q's token to dst, signed with the active key at now. What
// it says of the card is masked: a till that could read the serial would know a
// card again, week after week. It allocates
// nothing once dst is large enough.
func (s *signer) appendQuote(dst []byte, q *quote, now time.Time) []byte {
	key := s.ring.Active(card.RingQuote, now)
	m := s.get(key)
	defer s.pool.Put(m)
	b := append(m.buf[:0], quoteVersion, byte(key.ID>>8), byte(key.ID))
	b = q.appendBody(b)
	m.mask(b[quoteHead:])
	b = append(b, m.tag(b)...)
	m.buf = b
	return base64.RawURLEncoding.AppendEncode(dst, b)
}

func (q *quote) appendBody(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(q.id))
	b = binary.BigEndian.AppendUint64(b, uint64(q.serial))
	b = binary.BigEndian.AppendUint16(b, q.generation)
	b = append(b, q.epoch)
	for _, v := range [...]int64{q.issuedAt, q.terminal, q.outlet, q.merchant, q.contract, int64(q.terms), q.floor,
		int64(q.kind), q.codeKey, q.amount, q.discount, q.unionShare} {
		b = binary.AppendVarint(b, v)
	}
	b = append(b, q.items[:]...)
	b = binary.AppendUvarint(b, uint64(len(q.applied)))
	for i := range q.applied {
		o := &q.applied[i]
		b = binary.AppendUvarint(b, uint64(len(o.id)))
		b = append(b, o.id...)
		b = binary.AppendVarint(b, o.fen)
		b = binary.AppendVarint(b, o.unionFen)
		b = binary.AppendVarint(b, o.budget)
		b = binary.AppendVarint(b, int64(o.voucher))
		b = binary.AppendUvarint(b, uint64(len(o.limits)))
		for _, l := range o.limits {
			b = append(b, byte(l.period))
			b = binary.AppendVarint(b, l.maxUses)
			b = binary.AppendVarint(b, l.maxFen)
		}
	}
	b = binary.AppendUvarint(b, uint64(len(q.lines)))
	for _, fen := range q.lines {
		b = binary.AppendVarint(b, fen)
	}
	return b
}

// decode reads a token into q, replacing what is there. Whatever is not exactly
// as appendQuote wrote it under a key accepted at now is ErrQuoteInvalid; age is
// not looked at.
func (s *signer) decode(token string, q *quote, now time.Time) error {
	if len(token) == 0 || len(token) > maxToken {
		return ErrQuoteInvalid
	}
	for i := range len(token) {
		if token[i] == '\r' || token[i] == '\n' { // which base64 skips
			return ErrQuoteInvalid
		}
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) < quoteHead+quoteTag || raw[0] != quoteVersion {
		return ErrQuoteInvalid
	}
	key, ok := s.ring.AcceptedKey(card.RingQuote, binary.BigEndian.Uint16(raw[1:]), now)
	if !ok {
		return ErrQuoteInvalid
	}
	body := raw[:len(raw)-quoteTag]
	m := s.get(key)
	good := m.check(body, raw[len(body):])
	if good {
		m.mask(body[quoteHead:])
	}
	s.pool.Put(m)
	if !good || !q.readBody(body[quoteHead:]) {
		return ErrQuoteInvalid
	}
	return nil
}

// readBody is appendBody backwards. The body is signed, so a failure means a
// key in wrong hands or another version; it never panics.
func (q *quote) readBody(b []byte) bool {
	r := reader{b: b}
	*q = quote{id: int64(r.uint64()), serial: int64(r.uint64()), generation: r.uint16(), epoch: r.byte(),
		issuedAt: r.varint(), terminal: r.varint(), outlet: r.varint(), merchant: r.varint(),
		contract: r.varint(), terms: int32(r.varint()), floor: r.varint(),
		kind: card.CodeKind(r.varint()), codeKey: r.varint(), amount: r.varint(), discount: r.varint(), unionShare: r.varint(),
		applied: q.applied[:0], lines: q.lines[:0]}
	copy(q.items[:], r.bytes(len(q.items)))
	for range r.count(6) {
		o := quotedOffer{id: string(r.bytes(r.count(1))), fen: r.varint(), unionFen: r.varint(),
			budget: r.varint(), voucher: int16(r.varint())}
		if n := r.count(3); n > 0 {
			o.limits = make([]quotedLimit, n)
			for i := range o.limits {
				o.limits[i] = quotedLimit{period: terms.Period(r.byte()), maxUses: r.varint(), maxFen: r.varint()}
			}
		}
		q.applied = append(q.applied, o)
	}
	for range r.count(1) {
		q.lines = append(q.lines, r.varint())
	}
	return !r.bad && len(r.b) == 0 && q.id > 0
}

// reader takes fields off a body; after a failure everything is zero.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) fail() {
	r.b, r.bad = nil, true
}

func (r *reader) bytes(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.fail()
		return nil
	}
	p := r.b[:n]
	r.b = r.b[n:]
	return p
}

func (r *reader) byte() byte {
	if p := r.bytes(1); p != nil {
		return p[0]
	}
	return 0
}

func (r *reader) uint64() uint64 {
	if p := r.bytes(8); p != nil {
		return binary.BigEndian.Uint64(p)
	}
	return 0
}

func (r *reader) uint16() uint16 {
	if p := r.bytes(2); p != nil {
		return binary.BigEndian.Uint16(p)
	}
	return 0
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

// count reads a number of elements that take at least size bytes each, so that a
// wrong one never asks for more memory than the token has bytes.
func (r *reader) count(size int) int {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || v > uint64(len(r.b)-n)/uint64(size) {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return int(v)
}
