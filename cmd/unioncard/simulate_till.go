package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"unioncard/cmd/unioncard/demo"
)

// simTill is one simulated till with its own key.
type simTill struct {
	sim    *simulation
	outlet int64
	trade  string
	client string
	key    ed25519.PrivateKey
	// audience is the token endpoint as the service names itself.
	audience string

	mu    sync.Mutex
	token string
	until time.Time // when to fetch a new token
}

// activate registers the till's key under a one-time code.
func (t *simTill) activate(ctx context.Context, code string) error {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	var answer struct {
		ClientID      string `json:"client_id"`
		TokenEndpoint string `json:"token_endpoint"`
	}
	status, err := t.call(ctx, http.MethodPost, "/v1/terminals/activate", nil, map[string]any{
		"code": code, "public_key": base64.RawURLEncoding.EncodeToString(public),
	}, &answer)
	if err == nil && status/100 != 2 {
		err = fmt.Errorf("status %d", status)
	}
	t.client, t.audience, t.key = answer.ClientID, answer.TokenEndpoint, private
	return err
}

// bearer is the till's access token, fetched anew when it nears its end.
func (t *simTill) bearer(ctx context.Context) (http.Header, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if time.Now().After(t.until) {
		now := time.Now()
		assertion, err := jwt.NewWithClaims(jwt.SigningMethodEdDSA, jwt.MapClaims{
			"iss": t.client, "sub": t.client, "aud": t.audience,
			"jti": rand.Text(), "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
		}).SignedString(t.key)
		if err != nil {
			return nil, err
		}
		form := url.Values{
			"grant_type":            {"client_credentials"},
			"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
			"client_assertion":      {assertion},
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.sim.base+"/oauth/token", strings.NewReader(form.Encode()))
		if err != nil {
			return nil, err
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		res, err := t.sim.http.Do(req)
		if err != nil {
			return nil, err
		}
		defer drain(res.Body)
		var answer struct {
			AccessToken string `json:"access_token"`
			ExpiresIn   int64  `json:"expires_in"`
		}
		if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || res.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("token: status %d, %w", res.StatusCode, err)
		}
		t.token, t.until = answer.AccessToken, now.Add(time.Duration(answer.ExpiresIn)*time.Second*9/10)
	}
	return http.Header{"Authorization": {"Bearer " + t.token}}, nil
}

// call makes one request with a JSON body and reads the JSON answer.
func (t *simTill) call(ctx context.Context, method, path string, header http.Header, body, answer any) (int, error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return 0, err
	}
	req, err := http.NewRequestWithContext(ctx, method, t.sim.base+path, bytes.NewReader(raw))
	if err != nil {
		return 0, err
	}
	for k, v := range header {
		req.Header[k] = v
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := t.sim.http.Do(req)
	if err != nil {
		return 0, err
	}
	defer drain(res.Body)
	return res.StatusCode, json.NewDecoder(res.Body).Decode(answer)
}

// step is call with its outcome counted; ok when the answer is a success.
func (t *simTill) step(ctx context.Context, what, path, key string, body, answer any) (ok bool) {
	header, err := t.bearer(ctx)
	if err != nil {
		t.sim.count(what+" failed", 0)
		return false
	}
	if key != "" {
		header.Set("Idempotency-Key", `"`+key+`"`)
	}
	var problem struct {
		Code string `json:"code"`
	}
	var raw json.RawMessage
	began := time.Now()
	status, err := t.call(ctx, http.MethodPost, path, header, body, &raw)
	outcome := what
	switch {
	case err != nil:
		outcome += " failed"
	case status/100 == 2:
		err = json.Unmarshal(raw, answer)
	default:
		err = json.Unmarshal(raw, &problem)
		outcome += " " + problem.Code
	}
	t.sim.count(outcome, time.Since(began))
	return err == nil && status/100 == 2
}

// sell plays one customer: verify, buy, and now and then what happens after.
func (t *simTill) sell(ctx context.Context, c simCard) {
	code := t.sim.codes.PhoneCode(c.serial, c.generation, c.epoch, uint8(mathrand.IntN(2)), time.Now())
	if mathrand.IntN(100) == 0 {
		code = code[:19] + string('0'+(code[19]-'0'+1)%10) // a cashier's slip
	}
	items := demo.Basket(t.trade)
	var amount int64
	basket := make([]sampleItem, len(items))
	for i, it := range items {
		basket[i] = sampleItem(it)
		amount += it.AmountFen
	}
	var verified struct {
		Quote struct {
			Token string `json:"token"`
		} `json:"quote"`
	}
	if !t.step(ctx, "verified", "/v1/verifications", "", map[string]any{"code": code, "amount_fen": amount, "items": basket}, &verified) {
		return
	}
	purchase := map[string]any{"quote": verified.Quote.Token, "items": basket}
	var receipt struct {
		ID         string `json:"id"`
		PayableFen int64  `json:"payable_fen"`
	}
	key := rand.Text()
	if !t.step(ctx, "sold", "/v1/purchases", key, purchase, &receipt) {
		return
	}
	switch n := mathrand.IntN(100); {
	case n < 5: // the answer was lost, so the till asks again
		t.step(ctx, "repeated", "/v1/purchases", key, purchase, &receipt)
	case n < 9:
		t.step(ctx, "refunded", "/v1/purchases/"+receipt.ID+"/refunds", rand.Text(),
			map[string]any{"amount_fen": receipt.PayableFen / 2, "reason": "退货", "operator": "01"}, &receipt)
	case n < 11:
		t.step(ctx, "voided", "/v1/purchases/"+receipt.ID+"/void", rand.Text(), map[string]any{"operator": "01", "reason": "输错"}, &receipt)
	}
}
