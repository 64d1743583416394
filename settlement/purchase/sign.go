package purchase

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
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

// mac is a keyed hash, a keyed mask and the memory to use them without allocating.
type mac struct {
	key   card.Key
	h     hash.Hash
	block cipher.Block
	sum   []byte
	buf   []byte
	pad   [aes.BlockSize]byte
}

// get returns a mac under key. Keys compare by identity, so a ring read again
// from its file makes new ones.
func (s *signer) get(key card.Key) *mac {
	m := s.pool.Get().(*mac)
	if m.h == nil || m.key != key {
		secret := key.Secret()
		m.key, m.h, m.block = key, hmac.New(sha256.New, secret), newMask(secret)
	}
	return m
}

// newMask returns AES-128 under a key of its own, derived by HKDF (RFC 5869).
func newMask(secret []byte) cipher.Block {
	key, err := hkdf.Key(sha256.New, secret, nil, "quote mask", 16)
	if err != nil {
		panic(err) // only for more output than HKDF has
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // only for another key length
	}
	return block
}

// mask hides what a quote's body says of the card, and shows it again: XOR with
// the block of the quote's id, which is random, so no pad serves twice.
func (m *mac) mask(body []byte) {
	if len(body) < quoteID+quoteMasked {
		return // no quote; readBody says so
	}
	clear(m.pad[copy(m.pad[:], body[:quoteID]):])
	m.block.Encrypt(m.pad[:], m.pad[:])
	hidden := body[quoteID : quoteID+quoteMasked]
	subtle.XORBytes(hidden, hidden, m.pad[:])
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
