package webhook

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"strconv"
	"time"
)

// secretBytes: Standard Webhooks asks for 24 to 64.
const secretBytes = 32

// secretPrefix marks a secret as what it is.
const secretPrefix = "whsec_"

func newSecret() []byte {
	secret := make([]byte, secretBytes)
	_, _ = rand.Read(secret) // never fails
	return secret
}

// secretText is a secret as a receiver's library takes it.
func secretText(secret []byte) string {
	return secretPrefix + base64.StdEncoding.EncodeToString(secret)
}

// signature is "v1," and the base64 of HMAC-SHA-256 over id, Unix seconds and body,
// joined by dots.
func signature(secret []byte, id string, at time.Time, body string) string {
	mac := hmac.New(sha256.New, secret)
	_, _ = io.WriteString(mac, id+"."+strconv.FormatInt(at.Unix(), 10)+"."+body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
