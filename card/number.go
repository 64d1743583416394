package card

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"math/big"
)

// Prefix is Henan's two digits, with which every code of the province begins.
// Other provinces are deployments of their own with their own prefix.
const Prefix = "41"

const (
	numberLen  = 16
	randomPart = 10_000_000_000_000 // 13 digits
)

// NewNumber draws a card number with the province's Prefix: prefix 2, random 13,
// check digit 1. Uniqueness is the store's matter (primary key of
// card_numbers). rand may be nil for crypto/rand.
func NewNumber(rand io.Reader) (int64, error) { return newNumber(Prefix, rand) }

func newNumber(prefix string, source io.Reader) (int64, error) {
	if source == nil {
		source = rand.Reader
	}
	r, err := rand.Int(source, big.NewInt(randomPart))
	if err != nil {
		return 0, fmt.Errorf("card.NewNumber: %w", err)
	}
	payload := (int64(prefix[0]-'0')*10+int64(prefix[1]-'0'))*randomPart + r.Int64()
	return payload*10 + int64(checkDigit(luhnSum(payload))), nil
}

// CheckNumber parses a card number as typed: exactly 16 ASCII digits with the
// province's Prefix and the right check digit, else ErrCodeFormat. A wrong check
// digit is a slip of the hand and no guess (whoever guesses can compute it), so
// it costs no budget.
func CheckNumber(s string) (int64, error) { return checkNumber(Prefix, s) }

func checkNumber(prefix, s string) (int64, error) {
	if len(s) != numberLen || s[:2] != prefix {
		return 0, ErrCodeFormat
	}
	n, ok := parseDigits(s)
	if !ok || int(n%10) != checkDigit(luhnSum(n/10)) {
		return 0, ErrCodeFormat
	}
	return n, nil
}

// luhnSum adds up a number's digits as Luhn does for the digits left of a check
// digit: from the right every other one doubled, nine taken off above nine.
func luhnSum(payload int64) int {
	sum := 0
	for double := true; payload > 0; double = !double {
		d := int(payload % 10)
		payload /= 10
		if double {
			d *= 2
			if d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum
}

// checkDigit is (Luhn's digit + 5) mod 10. Luhn's digit is the only one that
// makes a number pass as a payment card (ISO/IEC 7812-1), and ours is never
// that one; single slips and most swaps are found as with Luhn.
func checkDigit(sum int) int { return (10 - sum%10 + 5) % 10 }

// MaskNumber shows a card number as a receipt may: "41** **** **** 0123".
// Only what MaskLast4 knows is shown, so both give the same text.
func MaskNumber(n int64) string {
	if n < 1_000_000_000_000_000 || n > 9_999_999_999_999_999 {
		return "**** **** **** ****"
	}
	lead := n / 100_000_000_000_000
	return MaskLast4(string([]byte{byte('0' + lead/10), byte('0' + lead%10)}), uint16(n%10_000))
}

// MaskLast4 is MaskNumber from what the flat table keeps: the last four digits
// (0 to 9999; more wraps) and the deployment's two-digit prefix.
func MaskLast4(prefix string, last4 uint16) string {
	return string(AppendMask(make([]byte, 0, len(maskedNumber)), prefix, last4))
}

const maskedNumber = "**** **** **** 0000"

// AppendMask appends MaskLast4's text to b and returns it, for callers that may
// not allocate.
func AppendMask(b []byte, prefix string, last4 uint16) []byte {
	at := len(b)
	b = append(b, maskedNumber...)
	m := b[at:]
	copy(m[:2], prefix)
	for i := len(m) - 1; i >= len(m)-4; i-- {
		m[i] = byte('0' + last4%10)
		last4 /= 10
	}
	return b
}

// parseDigits reads s, at most 18 ASCII digits, as a number.
func parseDigits(s string) (int64, bool) {
	if len(s) == 0 || len(s) > 18 {
		return 0, false
	}
	var n int64
	for i := range len(s) {
		d := s[i] - '0'
		if d > 9 {
			return 0, false
		}
		n = n*10 + int64(d)
	}
	return n, true
}

// appendDigits appends n as exactly width digits.
func appendDigits(b []byte, n uint64, width int) []byte {
	at := len(b)
	for range width {
		b = append(b, '0')
	}
	for i := at + width - 1; i >= at; i-- {
		b[i] = byte('0' + n%10)
		n /= 10
	}
	return b
}

var errPrefix = errors.New("card: a prefix is two digits, the first not 0")

// CheckPrefix reports whether a deployment may use the prefix.
func CheckPrefix(prefix string) error {
	if len(prefix) != 2 || prefix[0] < '1' || prefix[0] > '9' || prefix[1] < '0' || prefix[1] > '9' {
		return errPrefix
	}
	return nil
}
