package terminal_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
)

type object = map[string]any

// request is one request as a test writes it.
type request struct {
	method, path string
	// body is sent as JSON, or as it is when it is a string or bytes.
	body    any
	token   string
	key     string // Idempotency-Key, quoted
	headers map[string]string
}

// answer is what came back. Every answer has been checked against the OpenAPI
// document before a test sees it.
type answer struct {
	t      testing.TB
	status int
	header http.Header
	raw    []byte
	json   object
}

// send makes a request. There is no other way to the service in these tests, so
// no answer goes unchecked.
func (r *rig) send(q request) *answer {
	r.t.Helper()
	var body []byte
	media := "application/json"
	switch b := q.body.(type) {
	case nil:
		media = ""
	case string:
		body = []byte(b)
	case []byte:
		body = b
	case url.Values:
		body, media = []byte(b.Encode()), "application/x-www-form-urlencoded"
	default:
		var err error
		body, err = json.Marshal(b)
		r.must(err)
	}
	req, err := http.NewRequestWithContext(r.ctx, q.method, r.url+q.path, bytes.NewReader(body))
	r.must(err)
	if media != "" {
		req.Header.Set("Content-Type", media)
	}
	if q.token != "" {
		req.Header.Set("Authorization", "Bearer "+q.token)
	}
	if q.key != "" {
		req.Header.Set("Idempotency-Key", `"`+q.key+`"`)
	}
	for name, value := range q.headers {
		req.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(req)
	r.must(err)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	r.must(err)
	a := &answer{t: r.t, status: res.StatusCode, header: res.Header, raw: raw}
	if strings.Contains(res.Header.Get("Content-Type"), "json") {
		r.must(json.Unmarshal(raw, &a.json))
	}
	checkAnswer(r.t, req, body, res, raw)
	return a
}

// is fails unless the answer has the status and, if given, the problem's code.
func (a *answer) is(status int, code ...string) *answer {
	a.t.Helper()
	if a.status != status || len(code) > 0 && a.json["code"] != code[0] {
		a.t.Fatalf("answer %d %s, want %d %v", a.status, a.raw, status, code)
	}
	return a
}

// at walks into the answer: at("quote", "token").
func (a *answer) at(path ...string) any {
	a.t.Helper()
	var v any = a.json
	for _, name := range path {
		o, ok := v.(object)
		if !ok || o[name] == nil {
			a.t.Fatalf("no %v in %s", path, a.raw)
		}
		v = o[name]
	}
	return v
}

func (a *answer) text(path ...string) string {
	a.t.Helper()
	s, ok := a.at(path...).(string)
	if !ok {
		a.t.Fatalf("%v is no text in %s", path, a.raw)
	}
	return s
}

func (a *answer) number(path ...string) float64 {
	a.t.Helper()
	n, ok := a.at(path...).(float64)
	if !ok {
		a.t.Fatalf("%v is no number in %s", path, a.raw)
	}
	return n
}

func (t *till) post(path string, body any) *answer {
	t.t.Helper()
	return t.send(request{method: "POST", path: path, body: body, token: t.token})
}

func (t *till) postKey(path, key string, body any) *answer {
	t.t.Helper()
	return t.send(request{method: "POST", path: path, body: body, token: t.token, key: key})
}

func (t *till) get(path string) *answer {
	t.t.Helper()
	return t.send(request{method: "GET", path: path, token: t.token})
}

// verify verifies a code with an amount.
func (t *till) verify(code string, fen int64) *answer {
	t.t.Helper()
	body := object{"code": code, "amount_fen": fen}
	return t.post("/v1/verifications", body)
}

// quote verifies a code and returns the quote's token.
func (t *till) quote(code string, fen int64) string {
	t.t.Helper()
	return t.verify(code, fen).is(200).text("quote", "token")
}

// buy verifies a new card's phone code and commits; it returns the purchase.
func (t *till) buy(fen int64) *answer {
	t.t.Helper()
	q := t.quote(t.phone(t.newCard(), 0), fen)
	return t.postKey("/v1/purchases", t.key(), object{"quote": q}).is(201)
}

// assertion makes a client assertion; change may alter its claims.
func (t *till) assertion(change func(c jwt.MapClaims)) string {
	t.t.Helper()
	now := t.now()
	claims := jwt.MapClaims{
		"iss": t.clientID, "sub": t.clientID, "aud": t.url + "/oauth/token",
		"iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(), "jti": uuid.NewString(),
	}
	if change != nil {
		change(claims)
	}
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	signed, err := jwt.NewWithClaims(jwt.SigningMethodEdDSA, claims).SignedString(t.private)
	t.must(err)
	return signed
}

// tokenFor asks for a token with an assertion.
func (r *rig) tokenFor(assertion string) *answer {
	r.t.Helper()
	return r.send(request{method: "POST", path: "/oauth/token", body: url.Values{
		"grant_type":            {"client_credentials"},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		"client_assertion":      {assertion},
	}})
}

// encodeKey writes a public key as openssl does in DER, in base64.
func encodeKey(public ed25519.PublicKey) string {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		panic(fmt.Sprint("an Ed25519 key can always be written: ", err))
	}
	return base64.StdEncoding.EncodeToString(der)
}
