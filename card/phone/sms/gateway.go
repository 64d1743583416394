package sms

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// GatewayOptions of a Gateway. URL, KeyID and Secret are needed.
type GatewayOptions struct {
	// URL takes messages by POST; see CheckURL.
	URL string
	// KeyID names Secret, the key that both sides sign with.
	KeyID  string
	Secret []byte
	// Template is the provider's name of the text; "" leaves it out.
	Template string
	// Attempt is how long one try may take; default 5 s. Tries is how many; default 3.
	// Pause is the time before the second, doubled before each further one; default 1 s.
	Attempt, Pause time.Duration
	Tries          int
	Clock          func() time.Time
	// Client is the HTTP client; the default follows no redirect.
	Client *http.Client
}

// Gateway sends messages through an HTTP gateway. The body is
//
//	{"id":…,"phone":…,"template":…,"params":{"code":…,"minutes":…}}
//
// and the request is signed: header X-Signature is the hex HMAC-SHA-256 under the
// shared secret of
//
//	"v1\n" X-Key-Id "\n" X-Timestamp "\n" X-Nonce "\n" POST "\n" path "\n" hex(SHA-256(body))
//
// with the time in Unix seconds and a random nonce, so that a provider can refuse
// what is old or came before. 2xx is taken; 408, 429, 5xx and a broken connection
// are tried again with the same id, a bounded number of times; all else is final.
type Gateway struct {
	o    GatewayOptions
	path string
}

// maxAnswer is how much of an answer is read, in bytes; nothing in it matters.
const maxAnswer = 64 << 10

// CheckURL reads a gateway's address. It must be https, as a number and its code in
// one message sign whoever reads along in as the member; http only to this machine
// itself, where an operator's own relay may stand.
func CheckURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return nil, errURL
	}
	if u.Scheme == "https" || u.Scheme == "http" && loopback(u.Hostname()) {
		return u, nil
	}
	return nil, errURL
}

var errURL = errors.New("sms: the gateway's address must be https, or http to a loopback address, without a user and a fragment")

// loopback says whether a host is this machine whatever a resolver says: the name
// localhost is not resolved by anybody else (RFC 6761, 6.3).
func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && addr.Unmap().IsLoopback()
}

// NewGateway returns a sender; an error for an address that CheckURL refuses.
func NewGateway(o GatewayOptions) (*Gateway, error) {
	u, err := CheckURL(o.URL)
	if err != nil {
		return nil, err
	}
	if o.KeyID == "" || len(o.Secret) < 16 {
		return nil, errors.New("sms: the gateway needs a key's name and a secret of 16 bytes or more")
	}
	if o.Attempt == 0 {
		o.Attempt = 5 * time.Second
	}
	if o.Pause == 0 {
		o.Pause = time.Second
	}
	if o.Tries == 0 {
		o.Tries = 3
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Client == nil {
		o.Client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	return &Gateway{o: o, path: u.EscapedPath()}, nil
}

// String keeps the secret out of logs.
func (g *Gateway) String() string { return "sms gateway" }

// GoString is String.
func (g *Gateway) GoString() string { return g.String() }

type document struct {
	ID       string `json:"id"`
	Phone    string `json:"phone"`
	Template string `json:"template,omitempty"`
	Params   params `json:"params"`
}

type params struct {
	Code    string `json:"code"`
	Minutes string `json:"minutes"`
}

// Send implements Sender. It takes at most Tries × Attempt and the pauses between.
func (g *Gateway) Send(ctx context.Context, m Message) error {
	body, err := json.Marshal(document{m.ID, m.Phone, g.o.Template, params{m.Code, strconv.Itoa(int(m.Valid.Minutes()))}})
	if err != nil {
		return fmt.Errorf("sms: %w", err)
	}
	pause := g.o.Pause
	for try := 1; ; try++ {
		err := g.try(ctx, body)
		if err == nil || errors.Is(err, errRefused) || try == g.o.Tries {
			return err
		}
		wait := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			wait.Stop()
			return errors.Join(err, ctx.Err())
		case <-wait.C:
		}
		pause *= 2
	}
}

func (g *Gateway) try(ctx context.Context, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, g.o.Attempt)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.o.URL, bytes.NewReader(body))
	if err != nil {
		return errRefused // only for an address that NewGateway refuses
	}
	at, nonce := strconv.FormatInt(g.o.Clock().Unix(), 10), rand.Text()
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Key-Id", g.o.KeyID)
	req.Header.Set("X-Timestamp", at)
	req.Header.Set("X-Nonce", nonce)
	req.Header.Set("X-Signature", sign(g.o.Secret, g.o.KeyID, at, nonce, g.path, body))
	res, err := g.o.Client.Do(req)
	if err != nil {
		return plain(err)
	}
	defer func() { _ = res.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxAnswer)) // so that the connection can be used again
	switch {
	case res.StatusCode/100 == 2:
		return nil
	case res.StatusCode == http.StatusRequestTimeout, res.StatusCode == http.StatusTooManyRequests, res.StatusCode >= 500:
		return fmt.Errorf("sms: the gateway answers %d", res.StatusCode)
	}
	return fmt.Errorf("%w: %d", errRefused, res.StatusCode)
}

// sign is the signature of a request.
func sign(secret []byte, keyID, timestamp, nonce, path string, body []byte) string {
	sum := sha256.Sum256(body)
	mac := hmac.New(sha256.New, secret)
	_, _ = io.WriteString(mac, "v1\n"+keyID+"\n"+timestamp+"\n"+nonce+"\nPOST\n"+path+"\n"+hex.EncodeToString(sum[:]))
	return hex.EncodeToString(mac.Sum(nil))
}

// plain is a client's error without the address, which may hold a provider's token.
func plain(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return fmt.Errorf("sms: the gateway can't be reached: %w", u.Err)
	}
	return fmt.Errorf("sms: the gateway can't be reached: %w", err)
}
