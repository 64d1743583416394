package card

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"math/bits"
)

// FF1 of NIST SP 800-38G (and of its revision 1, which asks for a domain of at
// least a million) is written here on crypto/aes because no well-kept Go
// library exists: capitalone/fpe, the one others copy from, was archived in
// 2021 and is not reviewed since, and all of them work on math/big and strings,
// some 30 allocations an alias, where ten AES blocks do. ff1_test.go holds this
// one to the nine sample vectors that NIST publishes.

// ff1Rounds is the number of Feistel rounds.
const ff1Rounds = 10

// Bounds of what ff1 takes. Half a numeral string must fit an uint64 with room
// for one addition, so b is at most 8 bytes and one AES block covers d.
const (
	ff1MaxTweak = 32
	ff1MaxQ     = 48 // tweak, padding, round and eight bytes of a numeral, in blocks
	ff1MinSpace = 1_000_000
)

var errFF1Domain = errors.New("card: FF1 domain out of range")

// ff1 is FF1 under one key for one radix, length and tweak length. What depends
// on these alone, the block P enciphered, is computed once. It is immutable and
// safe for concurrent use with separate scratches.
type ff1 struct {
	block    cipher.Block
	p        [16]byte // CIPH(P), the state every round's PRF begins with
	u, v     int      // lengths of the left and right half, in numerals
	modU     uint64   // radix^u
	modV     uint64   // radix^v
	b        int      // bytes of NUM(B)
	d        int      // bytes of y
	tweakLen int
	qLen     int
}

// ff1Scratch is the memory of one run. It lives on the heap (buffers handed to
// a cipher.Block escape), so callers keep and reuse it.
type ff1Scratch struct {
	q [ff1MaxQ]byte
	r [16]byte
}

// newFF1 prepares FF1 for strings of n numerals in radix under an AES key of 16,
// 24 or 32 bytes, with tweaks of exactly tweakLen bytes.
func newFF1(key []byte, radix uint32, n, tweakLen int) (*ff1, error) {
	if radix < 2 || radix > 1<<16 || n < 2 || n > 128 || tweakLen < 0 || tweakLen > ff1MaxTweak {
		return nil, errFF1Domain
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	f := &ff1{block: block, u: n / 2, v: n - n/2, tweakLen: tweakLen}
	var ok bool
	if f.modU, ok = power(uint64(radix), f.u); !ok {
		return nil, errFF1Domain
	}
	if f.modV, ok = power(uint64(radix), f.v); !ok {
		return nil, errFF1Domain
	}
	if hi, lo := bits.Mul64(f.modU, f.modV); hi == 0 && lo < ff1MinSpace {
		return nil, errFF1Domain
	}
	f.b = (bits.Len64(f.modV-1) + 7) / 8 // ceil(ceil(v·log2 radix)/8)
	f.d = 4*((f.b+3)/4) + 4
	f.qLen = (tweakLen + f.b + 1 + 15) / 16 * 16

	p := make([]byte, 16)
	p[0], p[1], p[2] = 1, 2, 1
	p[3], p[4], p[5] = byte(radix>>16), byte(radix>>8), byte(radix)
	p[6], p[7] = ff1Rounds, byte(f.u)
	binary.BigEndian.PutUint32(p[8:], uint32(n))
	binary.BigEndian.PutUint32(p[12:], uint32(tweakLen))
	block.Encrypt(p, p)
	copy(f.p[:], p)
	return f, nil
}

// power returns base^exp and whether it stays below 2^63.
func power(base uint64, exp int) (uint64, bool) {
	x := uint64(1)
	for range exp {
		hi, lo := bits.Mul64(x, base)
		if hi != 0 || lo >= 1<<63 {
			return 0, false
		}
		x = lo
	}
	return x, true
}

// encrypt enciphers the halves a (the first u numerals as a number) and b (the
// other v). The tweak must be of the length given to newFF1.
func (f *ff1) encrypt(s *ff1Scratch, a, b uint64, tweak []byte) (uint64, uint64) {
	f.begin(s, tweak)
	for i := range ff1Rounds {
		m := f.modV
		if i&1 == 0 {
			m = f.modU
		}
		c := a + f.round(s, byte(i), b, m)
		if c >= m {
			c -= m
		}
		a, b = b, c
	}
	return a, b
}

// decrypt undoes encrypt.
func (f *ff1) decrypt(s *ff1Scratch, a, b uint64, tweak []byte) (uint64, uint64) {
	f.begin(s, tweak)
	for i := ff1Rounds - 1; i >= 0; i-- {
		m := f.modV
		if i&1 == 0 {
			m = f.modU
		}
		c := b + m - f.round(s, byte(i), a, m)
		if c >= m {
			c -= m
		}
		b, a = a, c
	}
	return a, b
}

// begin lays out what stays the same in Q from round to round.
func (f *ff1) begin(s *ff1Scratch, tweak []byte) {
	clear(s.q[:f.qLen])
	copy(s.q[:f.tweakLen], tweak)
}

// round returns y mod m of one round: the first d bytes of the PRF (a CBC-MAC)
// over P and Q. As d is at most 12, the extra blocks S of the standard are
// never needed.
func (f *ff1) round(s *ff1Scratch, i byte, half, m uint64) uint64 {
	q := s.q[:f.qLen]
	q[f.qLen-f.b-1] = i
	for k := f.qLen - 1; k >= f.qLen-f.b; k-- {
		q[k] = byte(half)
		half >>= 8
	}
	s.r = f.p
	for ; len(q) > 0; q = q[16:] {
		for k := range s.r {
			s.r[k] ^= q[k]
		}
		f.block.Encrypt(s.r[:], s.r[:])
	}
	if f.d == 8 {
		return binary.BigEndian.Uint64(s.r[:8]) % m
	}
	return bits.Rem64(uint64(binary.BigEndian.Uint32(s.r[:4])), binary.BigEndian.Uint64(s.r[4:12]), m)
}
