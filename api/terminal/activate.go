package terminal

import (
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"net/http"
	"strings"
	"time"

	"unioncard/api/exchange"
	"unioncard/merchant"
)

// ErrPublicKey: not an Ed25519 public key in a form we read.
var ErrPublicKey = errors.New("terminal: not an Ed25519 public key")

// Activate answers POST /v1/terminals/activate: registers the terminal's own key
// for a one-time code. The same code with the same key again gives the same
// answer, for a terminal that lost it.
func (h *Handlers) Activate(x *exchange.Exchange) error {
	r := own(x)
	code, keyText := decodeActivation(r)
	if err := r.End(); err != nil {
		return err
	}
	key, err := parsePublicKey(keyText)
	if err != nil {
		return err
	}
	t, err := h.store.Activate(x.Ctx, code, key)
	if err != nil {
		return err
	}
	h.awaitView(x.Ctx, t)
	x.SetHeader("Cache-Control", "no-store")
	x.Status = http.StatusCreated
	x.ContentType = exchange.JSON
	x.Out = text(x.Out, `{"client_id":`, t.ClientID)
	x.Out = number(x.Out, `,"terminal":`, t.ID)
	x.Out = number(x.Out, `,"merchant":`, t.MerchantID)
	if t.OutletID != 0 {
		x.Out = number(x.Out, `,"outlet":`, t.OutletID)
	}
	x.Out = text(x.Out, `,"token_endpoint":`, h.audiences(x.Gin.Request)[0])
	x.Out = append(x.Out, '}')
	return nil
}

// parsePublicKey reads an Ed25519 public key: PEM or base64 of its
// SubjectPublicKeyInfo (what openssl writes), or base64 of the 32 bytes.
func parsePublicKey(s string) (ed25519.PublicKey, error) {
	var der []byte
	if block, rest := pem.Decode([]byte(s)); block != nil {
		if block.Type != "PUBLIC KEY" || strings.TrimSpace(string(rest)) != "" {
			return nil, ErrPublicKey
		}
		der = block.Bytes
	} else {
		std := strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(s, "="))
		var err error
		if der, err = base64.RawStdEncoding.Strict().DecodeString(std); err != nil {
			return nil, ErrPublicKey
		}
	}
	if len(der) == ed25519.PublicKeySize {
		return ed25519.PublicKey(der), nil
	}
	parsed, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, ErrPublicKey
	}
	key, ok := parsed.(ed25519.PublicKey)
	if !ok {
		return nil, ErrPublicKey
	}
	return key, nil
}

// viewPatience bounds the wait for this node's view to show a terminal that has
// just been activated; a change takes at most a second (DESIGN invariant 4).
const viewPatience = 2 * time.Second

// awaitView waits until this node's view holds the terminal with the key it has now,
// so that its first request does not come too early. If it takes too long, the answer goes out all
// the same: the terminal exists.
func (h *Handlers) awaitView(ctx context.Context, t *merchant.Terminal) {
	ctx, cancel := context.WithTimeout(ctx, viewPatience)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	known := func() bool {
		seen := h.merchants.Snapshot().Terminal(t.ID)
		return seen != nil && seen.PublicKey.Equal(t.PublicKey)
	}
	for !known() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
