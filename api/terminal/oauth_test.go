package terminal_test

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"unioncard/card"
)

// oauth fails unless an answer of the token endpoint is the error, with the
// service's time.
func (a *answer) oauth(status int, code string) *answer {
	a.t.Helper()
	if a.status != status || a.json["error"] != code {
		a.t.Errorf("answer %d %s, want %d %s", a.status, a.raw, status, code)
	}
	if _, err := time.Parse(time.RFC3339, a.text("server_time")); err != nil {
		a.t.Error(err)
	}
	return a
}

func TestAssertionMisuse(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	till, mate := r.newTill(r.outlet), r.newTill(r.outlet)
	now := r.now()
	claim := func(name string, v any) func(jwt.MapClaims) { return func(c jwt.MapClaims) { c[name] = v } }
	for name, change := range map[string]func(jwt.MapClaims){
		"another audience":    claim("aud", "https://elsewhere.example/oauth/token"),
		"the service as aud":  claim("aud", r.url),
		"no audience":         claim("aud", nil),
		"expired":             claim("exp", now.Add(-2*time.Minute).Unix()),
		"no expiry":           claim("exp", nil),
		"expires in a day":    claim("exp", now.Add(24*time.Hour).Unix()),
		"issued tomorrow":     claim("iat", now.Add(24*time.Hour).Unix()),
		"issued yesterday":    claim("iat", now.Add(-24*time.Hour).Unix()),
		"not before tomorrow": claim("nbf", now.Add(24*time.Hour).Unix()),
		"no jti":              claim("jti", nil),
		"empty jti":           claim("jti", ""),
		"long jti":            claim("jti", strings.Repeat("j", 129)),
		"NUL in jti":          claim("jti", "a\x00b"),
		"unknown client":      func(c jwt.MapClaims) { c["iss"], c["sub"] = "t0", "t0" },
		"another client":      func(c jwt.MapClaims) { c["iss"], c["sub"] = mate.clientID, mate.clientID },
		"iss is not sub":      claim("iss", mate.clientID),
		"no sub":              claim("sub", nil),
		"exp as text":         claim("exp", "soon"),
	} {
		t.Run(name, func(t *testing.T) { r.tokenFor(till.assertion(change)).oauth(401, "invalid_client") })
	}

	good := till.assertion(nil)
	r.tokenFor(good).is(200)
	r.tokenFor(good).oauth(401, "invalid_client")
	// The same jti again is a replay whatever else changed; another client's is not.
	jti := uuid.NewString()
	r.tokenFor(till.assertion(claim("jti", jti))).is(200)
	r.tokenFor(till.assertion(func(c jwt.MapClaims) { c["jti"], c["exp"] = jti, now.Add(4*time.Minute).Unix() })).oauth(401, "invalid_client")
	r.tokenFor(mate.assertion(claim("jti", jti))).is(200)
	r.tokenFor(till.assertion(claim("aud", []string{"x", r.url + "/oauth/token"}))).is(200)
	r.tokenFor(till.assertion(claim("iat", nil))).is(200)
}

func TestAssertionAlgorithms(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	till := r.newTill(r.outlet)
	public := till.private.Public().(ed25519.PublicKey)
	body := strings.Split(till.assertion(nil), ".")[1]
	sign := func(header string, mac func(input string) []byte) string {
		input := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + body
		return input + "." + base64.RawURLEncoding.EncodeToString(mac(input))
	}
	under := func(key []byte) func(string) []byte {
		return func(input string) []byte {
			h := hmac.New(sha256.New, key)
			h.Write([]byte(input))
			return h.Sum(nil)
		}
	}
	nothing := func(string) []byte { return nil }
	ed := func(key ed25519.PrivateKey) func(string) []byte {
		return func(input string) []byte { return ed25519.Sign(key, []byte(input)) }
	}
	_, wrong, err := ed25519.GenerateKey(nil)
	r.must(err)
	for name, assertion := range map[string]string{
		"none":                       sign(`{"alg":"none"}`, nothing),
		"None":                       sign(`{"alg":"None"}`, nothing),
		"no algorithm":               sign(`{}`, nothing),
		"HS256 under the public key": sign(`{"alg":"HS256"}`, under(public)),
		"HS256 under its DER":        sign(`{"alg":"HS256"}`, under([]byte(encodeKey(public)))),
		"another key":                sign(`{"alg":"EdDSA"}`, ed(wrong)),
		"EdDSA without signature":    sign(`{"alg":"EdDSA"}`, nothing),
		"eddsa in small letters":     sign(`{"alg":"eddsa"}`, ed(till.private)),
		"no JWT":                     "x", "two parts": "a.b", "empty parts": "..", "an access token": till.token,
		"a key in the header": sign(`{"alg":"EdDSA","jwk":{"kty":"OKP"}}`, ed(wrong)),
	} {
		t.Run(name, func(t *testing.T) { r.tokenFor(assertion).oauth(401, "invalid_client") })
	}
	r.tokenFor(sign(`{"alg":"EdDSA"}`, ed(till.private))).is(200)
}

func TestTokenRequests(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	till := r.newTill(r.outlet)
	form := func(change func(url.Values)) url.Values {
		v := url.Values{
			"grant_type":            {"client_credentials"},
			"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
			"client_assertion":      {till.assertion(nil)},
		}
		change(v)
		return v
	}
	for _, c := range []struct {
		name   string
		change func(url.Values)
		status int
		code   string
	}{
		{"no grant type", func(v url.Values) { v.Del("grant_type") }, 400, "invalid_request"},
		{"another grant type", func(v url.Values) { v.Set("grant_type", "password") }, 400, "unsupported_grant_type"},
		{"twice", func(v url.Values) { v.Add("grant_type", "client_credentials") }, 400, "invalid_request"},
		{"a secret", func(v url.Values) { v.Set("client_secret", "x") }, 401, "invalid_client"},
		{"no assertion", func(v url.Values) { v.Del("client_assertion") }, 400, "invalid_request"},
		{"another assertion type", func(v url.Values) { v.Set("client_assertion_type", "saml") }, 400, "invalid_request"},
		{"a scope", func(v url.Values) { v.Set("scope", "admin") }, 400, "invalid_scope"},
		{"another client_id", func(v url.Values) { v.Set("client_id", "t0") }, 401, "invalid_client"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r.send(request{method: "POST", path: "/oauth/token", body: form(c.change)}).oauth(c.status, c.code)
		})
	}
	r.send(request{method: "POST", path: "/oauth/token", body: form(func(v url.Values) { v.Set("client_id", till.clientID) })}).is(200)
	r.send(request{method: "POST", path: "/oauth/token", body: "{}"}).is(415, "unsupported_media_type")
}

// TestClockOff: a terminal whose clock is a day off learns the time from the
// refusal, sets its clock by it, and gets its token.
func TestClockOff(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	till := r.newTill(r.outlet)
	for _, off := range []time.Duration{24 * time.Hour, -24 * time.Hour} {
		at := func(now time.Time) func(jwt.MapClaims) {
			return func(c jwt.MapClaims) { c["iat"], c["exp"] = now.Unix(), now.Add(5*time.Minute).Unix() }
		}
		refused := r.tokenFor(till.assertion(at(r.now().Add(off)))).oauth(401, "invalid_client")
		now, err := time.Parse(time.RFC3339, refused.text("server_time"))
		r.must(err)
		r.tokenFor(till.assertion(at(now))).is(200)
	}
}

func TestAccessTokens(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	till := r.newTill(r.outlet)
	ask := func(token string) *answer {
		return r.send(request{method: "GET", path: "/v1/purchases?key=none", token: token})
	}
	ask(till.token).is(404)
	parts := strings.Split(till.token, ".")
	encode := base64.RawURLEncoding.EncodeToString
	public := till.private.Public().(ed25519.PublicKey)
	h := hmac.New(sha256.New, public)
	h.Write([]byte(parts[0] + "." + parts[1]))
	// Under the right key, but made for something else, or for nobody, or for ever.
	forge := func(typ string, claims jwt.MapClaims) string {
		token := jwt.NewWithClaims(jwt.SigningMethodHS256, claims)
		token.Header["kid"], token.Header["typ"] = "1", typ
		signed, err := token.SignedString(r.keys.Active(card.RingToken, r.now()).Secret())
		r.must(err)
		return signed
	}
	claims := func(iss, sub string, exp any) jwt.MapClaims {
		c := jwt.MapClaims{"iss": iss, "sub": sub, "tid": till.id, "exp": exp, "key": []byte(public[:16])}
		maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
		return c
	}
	soon := r.now().Add(time.Minute).Unix()
	keyed := func(key any) jwt.MapClaims {
		c := claims("unioncard", till.clientID, soon)
		c["key"] = key
		return c
	}
	ask(forge("at+jwt", claims("unioncard", till.clientID, soon))).is(404) // so that the others differ in one thing
	for name, token := range map[string]string{
		"another type":           forge("JWT", claims("unioncard", till.clientID, soon)),
		"another issuer":         forge("at+jwt", claims("elsewhere", till.clientID, soon)),
		"another client":         forge("at+jwt", claims("unioncard", "t0", soon)),
		"without expiry":         forge("at+jwt", claims("unioncard", till.clientID, nil)),
		"of no key":              forge("at+jwt", keyed(nil)),
		"of another key":         forge("at+jwt", keyed(make([]byte, 16))),
		"of a part of the key":   forge("at+jwt", keyed([]byte(public[:8]))),
		"of more than the key":   forge("at+jwt", keyed([]byte(public))),
		"altered":                till.token[:len(till.token)-2] + "AA",
		"none":                   encode([]byte(`{"alg":"none","kid":"1","typ":"at+jwt"}`)) + "." + parts[1] + ".",
		"without signature":      parts[0] + "." + parts[1] + ".",
		"under a key we publish": parts[0] + "." + parts[1] + "." + encode(h.Sum(nil)),
		"an assertion":           till.assertion(nil),
		"nothing":                "",
		"long":                   strings.Repeat("a", 4000),
	} {
		a := r.send(request{method: "GET", path: "/v1/purchases?key=none", headers: map[string]string{"Authorization": "Bearer " + token}})
		a.is(401, "unauthorized")
		if a.header.Get("WWW-Authenticate") == "" || a.text("server_time") == "" {
			t.Errorf("%s: %v %s", name, a.header, a.raw)
		}
	}
	r.pass(time.Hour - time.Minute)
	ask(till.token).is(404)
	r.pass(2 * time.Minute)
	ask(till.token).is(401, "unauthorized") // proved before and remembered, but over
	till.renew()
	ask(till.token).is(404)

	r.must(r.shops.SuspendTerminal(r.ctx, byCLI, till.id))
	r.await("the suspension", func() bool { return r.state.Snapshot().Terminal(till.id).Usable() != nil })
	ask(till.token).is(403, "terminal_suspended")
	r.tokenFor(till.assertion(nil)).oauth(400, "unauthorized_client")
	r.must(r.shops.ResumeTerminal(r.ctx, byCLI, till.id))
	r.await("the resumption", func() bool { return r.state.Snapshot().Terminal(till.id).Usable() == nil })
	ask(till.token).is(404)
}

// TestRekeyKillsTokens: what was given to a till's earlier key is worth nothing
// once it has another, also if it was remembered, and after a suspension.
func TestRekeyKillsTokens(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	till := r.newTill(r.outlet)
	ask := func(token string) *answer {
		return r.send(request{method: "GET", path: "/v1/purchases?key=none", token: token})
	}
	ask(till.token).is(404)
	code, err := r.shops.IssueRekeyCode(r.ctx, byCLI, till.id)
	r.must(err)
	public, private, err := ed25519.GenerateKey(nil)
	r.must(err)
	r.send(request{method: "POST", path: "/v1/terminals/activate", body: object{"code": code.Code, "public_key": encodeKey(public)}}).is(201)
	// The answer waits until the key is good.
	if !public.Equal(r.state.Snapshot().Terminal(till.id).PublicKey) {
		t.Error("activated before its key was known")
	}
	old := till.token
	ask(old).is(401, "unauthorized")
	r.must(r.shops.SuspendTerminal(r.ctx, byCLI, till.id))
	r.await("the suspension", func() bool { return r.state.Snapshot().Terminal(till.id).Usable() != nil })
	ask(old).is(401, "unauthorized")
	r.must(r.shops.ResumeTerminal(r.ctx, byCLI, till.id))
	r.await("the resumption", func() bool { return r.state.Snapshot().Terminal(till.id).Usable() == nil })
	ask(old).is(401, "unauthorized")
	till.private = private
	till.renew()
	ask(till.token).is(404)
}

// TestRotatedTokenKey: a rotated key goes on for its overlap; one that leaked is
// dead at once, also for tokens that were proved before.
func TestRotatedTokenKey(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	till := r.newTill(r.outlet)
	ask := func() *answer { return till.get("/v1/purchases?key=none") }
	ask().is(404)
	r.must(r.keys.Rotate("token", r.now(), time.Hour, nil))
	ask().is(404)
	old := till.token
	till.renew()
	r.must(r.keys.Retire("token", 1, r.now().Add(-time.Second)))
	ask().is(404)
	till.token = old
	ask().is(401, "unauthorized")
}

func TestActivation(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	code, err := r.shops.IssueActivationCode(r.ctx, byCLI, r.outlet)
	r.must(err)
	public, _, err := ed25519.GenerateKey(nil)
	r.must(err)
	activate := func(code, key string) *answer {
		return r.send(request{method: "POST", path: "/v1/terminals/activate", body: object{"code": code, "public_key": key}})
	}
	for _, key := range []string{"", "x", strings.Repeat("A", 44), base64.StdEncoding.EncodeToString(public[:31]), "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"} {
		activate(code.Code, key).is(422, "public_key_invalid")
	}
	for _, bad := range []string{"", "x", "0000-0000-0000", code.Code + "0", "\x00", strings.Repeat("0", 10_000)} {
		activate(bad, encodeKey(public)).is(422, "activation_invalid")
	}
	first := activate(code.Code, encodeKey(public)).is(201)
	// Its answer may get lost; another key is another terminal.
	again := activate(strings.ToLower(code.Code), base64.RawURLEncoding.EncodeToString(public)).is(201)
	if first.text("client_id") != again.text("client_id") {
		t.Errorf("the same code and key made two terminals: %s %s", first.raw, again.raw)
	}
	other, _, err := ed25519.GenerateKey(nil)
	r.must(err)
	activate(code.Code, encodeKey(other)).is(422, "activation_invalid")
	late, err := r.shops.IssueActivationCode(r.ctx, byCLI, r.outlet)
	r.must(err)
	r.pass(15 * time.Minute)
	activate(late.Code, encodeKey(other)).is(422, "activation_invalid")
}
