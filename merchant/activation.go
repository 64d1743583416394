package merchant

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"
	"time"
)

// ErrActivation: the activation code is unknown, expired, or used by another
// key. One answer for all three, so that guessing learns nothing.
var ErrActivation = errors.New("merchant: activation code is not valid")

// ErrAssertionReused: this client has used this jti before (RFC 7523 section 3,
// point 7).
var ErrAssertionReused = errors.New("merchant: client assertion was used before")

const (
	// ActivationLife is how long an activation code is good for.
	ActivationLife = 15 * time.Minute
	// activationChars is the length of a code without its dashes: 60 random bits.
	// A thousand codes alive at once and a thousand guesses a second for a day
	// hit one with a probability below 10^-7.
	activationChars = 12
	// crockford is Douglas Crockford's base 32: no I, L, O, U to misread.
	crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
)

var crockfordBase32 = base32.NewEncoding(crockford).WithPadding(base32.NoPadding)

// ActivationCode is what the person setting up a terminal is given, once: only
// its hash is kept.
type ActivationCode struct {
	Code      string // "7K3M-Q9TZ-04XB"
	ExpiresAt time.Time
}

// newActivationCode draws a code and the hash under which it is stored.
func newActivationCode() (code string, hash []byte) {
	var random [8]byte
	rand.Read(random[:]) // never fails (crypto/rand)
	chars := crockfordBase32.EncodeToString(random[:])[:activationChars]
	sum := sha256.Sum256([]byte(chars))
	return fmt.Sprintf("%s-%s-%s", chars[:4], chars[4:8], chars[8:]), sum[:]
}

// activationHash returns the hash of a code as a person typed it: case, dashes
// and spaces do not matter, O reads as 0, I and L as 1. It refuses what can be
// no code with ErrActivation.
func activationHash(typed string) ([]byte, error) {
	if len(typed) > 64 {
		return nil, ErrActivation
	}
	chars := make([]byte, 0, activationChars)
	for _, r := range strings.ToUpper(typed) {
		switch r {
		case '-', ' ':
			continue
		case 'O':
			r = '0'
		case 'I', 'L':
			r = '1'
		}
		if len(chars) == activationChars || !strings.ContainsRune(crockford, r) {
			return nil, ErrActivation
		}
		chars = append(chars, byte(r))
	}
	if len(chars) != activationChars {
		return nil, ErrActivation
	}
	sum := sha256.Sum256(chars)
	return sum[:], nil
}

// newClientID draws an OAuth client id: 80 random bits, opaque, not secret.
func newClientID() string {
	var random [10]byte
	rand.Read(random[:]) // never fails (crypto/rand)
	return "t" + strings.ToLower(crockfordBase32.EncodeToString(random[:]))
}
