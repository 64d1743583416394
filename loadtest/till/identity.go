package till

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Identity is an activated terminal: an OAuth client with an Ed25519 key (RFC 7523).
type Identity struct {
	Base     string // http://host:port, without a final slash
	ClientID string
	Outlet   Outlet

	// Audience is the token endpoint as the service names itself; default
	// Base + /oauth/token.
	Audience string

	key ed25519.PrivateKey
}

// control is for activation and tokens, which are not measured.
var control = &http.Client{Timeout: 15 * time.Second}

// Activate registers a new key for the outlet under an activation code.
func Activate(ctx context.Context, base, code string, outlet Outlet) (*Identity, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(map[string]any{
		"code": code, "public_key": base64.RawURLEncoding.EncodeToString(public),
	})
	if err != nil {
		return nil, err
	}
	var answer struct {
		ClientID string `json:"client_id"`
	}
	if err := post(ctx, base+"/v1/terminals/activate", "application/json", body, &answer); err != nil {
		return nil, fmt.Errorf("activate: %w", err)
	}
	if answer.ClientID == "" {
		return nil, fmt.Errorf("activate: answer without client_id")
	}
	return &Identity{Base: base, ClientID: answer.ClientID, Outlet: outlet, key: private}, nil
}

// Token gets a bearer token (1 h) by a signed assertion.
func (id *Identity) Token(ctx context.Context) (string, error) {
	audience := id.Audience
	if audience == "" {
		audience = id.Base + "/oauth/token"
	}
	assertion, err := id.assertion(audience, time.Now())
	if err != nil {
		return "", err
	}
	form := url.Values{
		"grant_type":            {"client_credentials"},
		"client_id":             {id.ClientID},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		"client_assertion":      {assertion},
	}
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	err = post(ctx, id.Base+"/oauth/token", "application/x-www-form-urlencoded", []byte(form.Encode()), &answer)
	if err != nil {
		return "", fmt.Errorf("token: %w", err)
	}
	if answer.AccessToken == "" {
		return "", fmt.Errorf("token: answer without access_token")
	}
	return answer.AccessToken, nil
}

// assertion is a JWT of RFC 7523, signed with EdDSA (RFC 8037), good for a minute.
func (id *Identity) assertion(audience string, now time.Time) (string, error) {
	claims, err := json.Marshal(map[string]any{
		"iss": id.ClientID, "sub": id.ClientID, "aud": audience, "jti": rand.Text(),
		"iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
	})
	if err != nil {
		return "", err
	}
	enc := base64.RawURLEncoding
	signed := enc.EncodeToString([]byte(`{"alg":"EdDSA","typ":"JWT"}`)) + "." + enc.EncodeToString(claims)
	return signed + "." + enc.EncodeToString(ed25519.Sign(id.key, []byte(signed))), nil
}

func post(ctx context.Context, url, contentType string, body []byte, answer any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", contentType)
	res, err := control.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return err
	}
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("%s: %s", res.Status, strings.TrimSpace(string(data)))
	}
	return json.Unmarshal(data, answer)
}
