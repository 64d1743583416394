package card

import (
	"crypto/subtle"
	"encoding/binary"
	"math/bits"
	"time"
)

// The layout of a printed code: prefix 2, version 1, serial 11, generation 3,
// key id 2, MAC 17. Everything before the MAC is under it.
const (
	printedLen     = 36
	printedVersion = '1'
	printedSerial  = 11 // digits
	printedBody    = 2 + 1 + printedSerial + 3 + 2
	printedMACLen  = printedLen - printedBody
	printedModulo  = 100_000_000_000_000_000 // 17 digits, 56 bits
)

// PrintedCode returns the code to print on a card, under the printed key active
// at the moment given; "" for a serial or generation that does not fit.
func (c *Codes) PrintedCode(serial int64, generation uint16, at time.Time) string {
	if serial < 1 || serial > MaxSerial || generation > MaxGeneration {
		return ""
	}
	key := c.keyring.Active(RingPrinted, at)
	b := make([]byte, 0, printedLen)
	b = append(b, c.prefix...)
	b = append(b, printedVersion)
	b = appendDigits(b, uint64(serial), printedSerial)
	b = appendDigits(b, uint64(generation), 3)
	b = appendDigits(b, uint64(key.ID), 2)
	return string(appendDigits(b, printedMAC(key.secret.bytes, string(b)), printedMACLen))
}

// printedDomain separates these MACs from any other use of such a key.
const printedDomain = "unioncard printed v1 "

// printedMAC is HMAC-SHA-256 over the first 19 digits, its first 128 bits taken
// modulo 10^17 (the bias is below 2^-71).
func printedMAC(secret *[keyBytes]byte, body string) uint64 {
	var msg [len(printedDomain) + printedBody]byte
	copy(msg[:], printedDomain)
	copy(msg[len(printedDomain):], body)
	mac := hmac256(secret, msg[:])
	hi, lo := binary.BigEndian.Uint64(mac[:8]), binary.BigEndian.Uint64(mac[8:16])
	return bits.Rem64(hi, lo, printedModulo)
}

// resolvePrinted proves a well-formed printed code. An unknown key id and an
// unknown card cost what a wrong MAC costs.
func (c *Codes) resolvePrinted(code string, now time.Time) (Code, error) {
	var w work
	return c.resolvePrintedCounted(&w, code, now)
}

func (c *Codes) resolvePrintedCounted(w *work, code string, now time.Time) (Code, error) {
	s := c.prepared()
	serial, _ := parseDigits(code[3 : 3+printedSerial])
	generation, _ := parseDigits(code[14:17])
	id, _ := parseDigits(code[17:printedBody])
	want, _ := parseDigits(code[printedBody:])

	key := s.printed[id]
	good := key != nil && key.covers(now.Unix())
	if !good {
		key = s.dummy
	}
	mac := printedMAC(key.secret, code[:printedBody])
	w.macs++
	if serial > MaxSerial {
		serial = 0 // no card, and nothing a table should be asked for
	}
	present, _, real := c.lookup(serial)
	w.lookups++

	var a, b [8]byte
	binary.BigEndian.PutUint64(a[:], mac)
	binary.BigEndian.PutUint64(b[:], uint64(want))
	same := subtle.ConstantTimeCompare(a[:], b[:]) == 1
	if !same || !good || !real || serial < 1 || int64(present) != generation {
		return Code{}, ErrCodeInvalid
	}
	return Code{Kind: KindPrinted, Serial: serial, Generation: present}, nil
}
