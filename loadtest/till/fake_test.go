package till

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"unioncard/loadtest/verdict"
)

// fake is a small service with the Terminal API, kept in memory, to test the tills
// against. lose, revive and overRefund plant defects.
type fake struct {
	mu       sync.Mutex
	key      ed25519.PublicKey
	jtis     map[string]bool
	quotes   map[string]bool // token -> used
	rows     map[string]*verdict.Row
	undos    map[string]string // undo key -> answer
	sequence int

	lose, revive, overRefund bool
}

func newFake() *fake {
	return &fake{jtis: map[string]bool{}, quotes: map[string]bool{}, rows: map[string]*verdict.Row{}, undos: map[string]string{}}
}

const fakeClient = "client-1"

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case r.URL.Path == "/v1/terminals/activate":
		f.activate(w, r)
	case r.URL.Path == "/oauth/token":
		f.token(w, r)
	case r.Header.Get("Authorization") != "Bearer tok":
		problem(w, 401, "unauthorized")
	case r.URL.Path == "/v1/verifications":
		f.sequence++
		q := fmt.Sprintf("q%d", f.sequence)
		f.quotes[q] = false
		fmt.Fprintf(w, `{"card":{},"quote":{"token":%q,"amount_fen":1000,"discount_fen":99,"payable_fen":901}}`, q)
	case r.URL.Path == "/v1/purchases" && r.Method == "POST":
		f.purchase(w, r)
	case r.URL.Path == "/v1/purchases":
		if row := f.rows[r.URL.Query().Get("key")]; row != nil && row.State != verdict.Tombstone {
			receipt(w, 200, row)
		} else {
			problem(w, 404, "not_found")
		}
	case r.URL.Path == "/v1/reversals":
		f.reverse(w, r)
	case strings.HasSuffix(r.URL.Path, "/refunds"), strings.HasSuffix(r.URL.Path, "/void"):
		f.undo(w, r)
	default:
		problem(w, 404, "not_found")
	}
}

func problem(w http.ResponseWriter, status int, code string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"status":%d,"code":%q}`, status, code)
}

func receipt(w http.ResponseWriter, status int, r *verdict.Row) {
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"id":%q,"state":"committed","amount_fen":%d,"discount_fen":%d,"payable_fen":%d}`,
		r.ID, r.AmountFen, r.DiscountFen, r.AmountFen-r.DiscountFen)
}

func body[T any](r *http.Request) (v T) {
	if err := json.NewDecoder(r.Body).Decode(&v); err != nil {
		panic(http.ErrAbortHandler) // a cut request
	}
	return v
}

func (f *fake) activate(w http.ResponseWriter, r *http.Request) {
	b := body[map[string]string](r)
	key, err := base64.RawURLEncoding.DecodeString(b["public_key"])
	if err != nil || len(key) != ed25519.PublicKeySize || b["code"] != "one-time" {
		problem(w, 422, "activation_invalid")
		return
	}
	f.key = key
	fmt.Fprintf(w, `{"client_id":%q}`, fakeClient)
}

// token checks the assertion as RFC 7523 asks.
func (f *fake) token(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(r.FormValue("client_assertion"), ".")
	if len(parts) != 3 || r.FormValue("grant_type") != "client_credentials" {
		problem(w, 400, "invalid_request")
		return
	}
	sig, _ := base64.RawURLEncoding.DecodeString(parts[2])
	raw, _ := base64.RawURLEncoding.DecodeString(parts[1])
	var claims struct{ Iss, Sub, Aud, Jti string }
	err := json.Unmarshal(raw, &claims)
	if err != nil || !ed25519.Verify(f.key, []byte(parts[0]+"."+parts[1]), sig) || claims.Iss != fakeClient ||
		claims.Sub != fakeClient || !strings.HasSuffix(claims.Aud, "/oauth/token") || claims.Jti == "" || f.jtis[claims.Jti] {
		problem(w, 401, "invalid_client")
		return
	}
	f.jtis[claims.Jti] = true
	fmt.Fprint(w, `{"access_token":"tok","token_type":"Bearer"}`)
}

func (f *fake) purchase(w http.ResponseWriter, r *http.Request) {
	b := body[struct{ Quote string }](r)
	key := r.Header.Get("Idempotency-Key")
	if row := f.rows[key]; row != nil {
		switch {
		case row.State == verdict.Tombstone && !f.revive:
			problem(w, 409, "key_reversed")
			return
		case row.State != verdict.Tombstone:
			w.Header().Set("Idempotency-Replayed", "true")
			receipt(w, 201, row)
			return
		}
	}
	if used, known := f.quotes[b.Quote]; !known || used && !f.revive {
		problem(w, 409, "quote_used")
		return
	}
	f.quotes[b.Quote] = true
	f.sequence++
	row := &verdict.Row{
		Client: fakeClient, Key: key, ID: fmt.Sprintf("p%d", f.sequence), State: verdict.Committed,
		AmountFen: 1000, DiscountFen: 99, CardSerial: int64(f.sequence), CodeKey: 8, Uses: 1,
	}
	if !f.lose || f.sequence%10 != 0 {
		f.rows[key] = row
	}
	receipt(w, 201, row)
}

func (f *fake) byID(id string) *verdict.Row {
	for _, row := range f.rows {
		if row.ID == id {
			return row
		}
	}
	return nil
}

func (f *fake) undo(w http.ResponseWriter, r *http.Request) {
	b := body[struct {
		AmountFen        int64 `json:"amount_fen"`
		Operator, Reason string
	}](r)
	if b.Operator == "" || b.Reason == "" {
		problem(w, 400, "missing_field")
		return
	}
	key := r.Header.Get("Idempotency-Key")
	if a, found := f.undos[key]; found {
		fmt.Fprint(w, a)
		return
	}
	parts := strings.Split(r.URL.Path, "/")
	row := f.byID(parts[3])
	switch {
	case row == nil:
		problem(w, 404, "not_found")
		return
	case parts[4] == "void":
		row.State = verdict.Voided
	default:
		payable := row.AmountFen - row.DiscountFen
		if row.ReturnedFen+b.AmountFen > payable && !f.overRefund {
			problem(w, 422, "refund_exceeds")
			return
		}
		row.ReturnedFen += b.AmountFen
		row.GivenBackFen = row.DiscountFen * row.ReturnedFen / payable
		row.UndoReturnedFen, row.UndoGivenBackFen = row.ReturnedFen, row.GivenBackFen
		row.State = verdict.PartiallyRefunded
		if row.ReturnedFen == payable {
			row.State = verdict.Refunded
		}
	}
	f.undos[key] = `{"state":"undone"}`
	fmt.Fprint(w, f.undos[key])
}

func (f *fake) reverse(w http.ResponseWriter, r *http.Request) {
	b := body[struct{ Key string }](r)
	row := f.rows[b.Key]
	if row == nil {
		row = &verdict.Row{Client: fakeClient, Key: b.Key, State: verdict.Tombstone}
		f.rows[b.Key] = row
	}
	if row.State == verdict.Committed {
		row.State = verdict.Reversed
	}
	fmt.Fprint(w, `{"state":"reversed"}`)
}

func (f *fake) stored() []verdict.Row {
	f.mu.Lock()
	defer f.mu.Unlock()
	var rows []verdict.Row
	for _, r := range f.rows {
		rows = append(rows, *r)
	}
	return rows
}
