package staff

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // what authenticator apps take (RFC 6238)
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// The second factor is RFC 6238 as every authenticator app takes it: SHA-1, six
// digits, steps of 30 s. One step either way is accepted, each step once.
const (
	totpBytes   = 20
	totpPeriod  = 30 // s
	totpDigits  = 6
	totpModulus = 1_000_000
	totpSkew    = 1 // steps
)

func newTOTPSecret() []byte {
	secret := make([]byte, totpBytes)
	_, _ = rand.Read(secret) // never fails
	return secret
}

func totpStep(t time.Time) int64 { return t.Unix() / totpPeriod }

// TOTP is the code of a secret (base32, as the enrolment page shows it) at a
// moment, "" for a secret that is none.
func TOTP(secret string, at time.Time) string {
	raw, err := base32Secret.DecodeString(strings.ToUpper(strings.ReplaceAll(secret, " ", "")))
	if err != nil {
		return ""
	}
	return totpCode(raw, totpStep(at))
}

var base32Secret = base32.StdEncoding.WithPadding(base32.NoPadding)

// totpCode is RFC 4226's HOTP over a time step.
func totpCode(secret []byte, step int64) string {
	mac := hmac.New(sha1.New, secret)
	var counter [8]byte
	binary.BigEndian.PutUint64(counter[:], uint64(step))
	mac.Write(counter[:])
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 0x0f
	n := binary.BigEndian.Uint32(sum[at:]) & 0x7fffffff
	return fmt.Sprintf("%0*d", totpDigits, n%totpModulus)
}

// matchTOTP finds the step, later than after, whose code this is.
func matchTOTP(secret []byte, code string, now time.Time, after int64) (step int64, ok bool) {
	if len(code) != totpDigits {
		return 0, false
	}
	at := totpStep(now)
	for s := at - totpSkew; s <= at+totpSkew; s++ {
		if subtle.ConstantTimeCompare([]byte(totpCode(secret, s)), []byte(code)) == 1 && s > after {
			step, ok = s, true
		}
	}
	return step, ok
}

// otpauth is the address in the enrolment's QR code (Google Authenticator's key
// URI format).
func otpauth(issuer, login, secret string) string {
	label := url.PathEscape(issuer + ":" + login)
	query := url.Values{"secret": {secret}, "issuer": {issuer}, "algorithm": {"SHA1"}, "digits": {"6"}, "period": {"30"}}
	return "otpauth://totp/" + label + "?" + strings.ReplaceAll(query.Encode(), "+", "%20")
}
