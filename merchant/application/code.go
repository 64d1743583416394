package application

import (
	"strings"
)

// codeAlphabet are the characters of a unified social credit code
// (统一社会信用代码) in the order of their values, GB 32100-2015 table 2: without
// I, O, S, V and Z.
const codeAlphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY"

const codeLength = 18

// NormalizeCode writes a code as people type it in its standard form: no spaces or
// hyphens, capitals, ASCII digits.
func NormalizeCode(s string) string {
	return strings.Map(func(r rune) rune {
		switch r = halfWidth(r); {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r == ' ' || r == '-' || r == '\t' || r == '\u00a0':
			return -1
		}
		return r
	}, s)
}

// ValidCode reports whether a normalized code has the form and the check
// character of GB 32100-2015. It finds every single wrong character and every
// swap of two neighbours: 31 is prime, no weight is 0 and no two neighbouring
// weights are equal. (Some codes that Fujian gave out before the standard break
// it; such a holder exchanges its licence.)
func ValidCode(s string) bool {
	return len(s) == codeLength && checkCharacter(s[:codeLength-1]) == s[codeLength-1]
}

// checkCharacter computes the last character of a code from the 17 before it; 0
// if one of them is not of the alphabet.
func checkCharacter(body string) byte {
	sum, weight := 0, 1 // weights are 3^i mod 31
	for i := range len(body) {
		v := strings.IndexByte(codeAlphabet, body[i])
		if v < 0 {
			return 0
		}
		sum += v * weight
		weight = weight * 3 % len(codeAlphabet)
	}
	return codeAlphabet[(len(codeAlphabet)-sum%len(codeAlphabet))%len(codeAlphabet)]
}

// halfWidth turns a full-width character, as Chinese keyboards type it, into its
// ASCII one.
func halfWidth(r rune) rune {
	switch {
	case r >= '！' && r <= '～':
		return r - '！' + '!'
	case r == '　':
		return ' '
	}
	return r
}
