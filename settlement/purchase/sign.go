package purchase

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"sync"

	"unioncard/card"
	"unioncard/merchant/terms"
)

// signer signs and checks tokens with the keys of the ring "quote". Replaced
// keys stay accepted for the ring's overlap.
type signer struct {
	ring *card.Keyring
	pool sync.Pool
}

func newSigner(ring *card.Keyring) *signer {
	return &signer{ring: ring, pool: sync.Pool{New: func() any { return new(mac) }}}
}

// mac is a keyed hash and the memory to use it without allocating.
type mac struct {
	key card.Key
	h   hash.Hash
	sum []byte
	buf []byte
}

// get returns a mac under key. Keys compare by identity, so a ring read again
// from its file makes new ones.
func (s *signer) get(key card.Key) *mac {
	m := s.pool.Get().(*mac)
	if m.h == nil || m.key != key {
		m.key, m.h = key, hmac.New(sha256.New, key.Secret())
	}
	return m
}

// tag returns the truncated HMAC of b, good until the mac's next use.
func (m *mac) tag(b []byte) []byte {
	m.h.Reset()
	m.h.Write(b)
	m.sum = m.h.Sum(m.sum[:0])
	return m.sum[:quoteTag]
}

func (m *mac) check(b, tag []byte) bool { return hmac.Equal(m.tag(b), tag) }

// hashItems identifies a basket: 16 bytes of SHA-256 over an encoding in which
// every text has its length before it. buf is scratch and is returned grown.
func hashItems(buf []byte, items []terms.Item) ([16]byte, []byte) {
	buf = appendItems(buf[:0], items)
	sum := sha256.Sum256(buf)
	return [16]byte(sum[:16]), buf
}

func appendItems(b []byte, items []terms.Item) []byte {
	b = binary.AppendUvarint(b, uint64(len(items)))
	for i := range items {
		it := &items[i]
		b = appendText(b, it.SKU)
		b = appendText(b, it.Category)
		b = binary.AppendVarint(b, it.QtyMilli)
		b = binary.AppendVarint(b, it.UnitPriceFen)
		b = binary.AppendVarint(b, it.AmountFen)
	}
	return b
}

func appendText(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}
