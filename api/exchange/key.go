package exchange

import (
	"strings"

	"unioncard/settlement/purchase"
)

// maxKey is the longest idempotency key in characters.
const maxKey = 64

// IdempotencyKey reads the Idempotency-Key header of the IETF draft
// (draft-ietf-httpapi-idempotency-key-header): a string of RFC 8941, quoted; a
// bare token is taken for the same key. A key has 1 to 64 visible ASCII
// characters. Errors: ErrKeyMissing, purchase.ErrKeyInvalid.
func (x *Exchange) IdempotencyKey() (string, error) {
	header := x.Gin.Request.Header["Idempotency-Key"]
	switch {
	case len(header) == 0:
		return "", ErrKeyMissing
	case len(header) > 1:
		return "", purchase.ErrKeyInvalid
	}
	key := strings.Trim(header[0], " \t")
	if strings.HasPrefix(key, `"`) {
		var ok bool
		if key, ok = unquoteKey(key); !ok {
			return "", purchase.ErrKeyInvalid
		}
	} else if strings.ContainsAny(key, `"\,;`) {
		return "", purchase.ErrKeyInvalid
	}
	return key, CheckKey(key)
}

// CheckKey refuses what is no idempotency key with purchase.ErrKeyInvalid.
func CheckKey(key string) error {
	if len(key) == 0 || len(key) > maxKey {
		return purchase.ErrKeyInvalid
	}
	for i := range len(key) {
		if key[i] <= ' ' || key[i] > '~' {
			return purchase.ErrKeyInvalid
		}
	}
	return nil
}

// unquoteKey reads an RFC 8941 string, without parameters after it.
func unquoteKey(s string) (string, bool) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; c {
		case '"':
			return b.String(), i == len(s)-1
		case '\\':
			i++
			if i == len(s) || s[i] != '"' && s[i] != '\\' {
				return "", false
			}
			b.WriteByte(s[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", false
}
