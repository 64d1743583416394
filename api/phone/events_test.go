package phone_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	phoneapi "unioncard/api/phone"
	"unioncard/card"
	"unioncard/card/member"
	"unioncard/card/phone/push"
)

// wire is an open stream: its events arrive on a channel that is closed with it.
type wire struct {
	t      testing.TB
	events chan string // name and data
}

func (m *mobile) listen() *wire {
	m.r.t.Helper()
	req, err := http.NewRequestWithContext(m.r.t.Context(), http.MethodGet, m.r.url+"/m/api/events", nil)
	m.r.must(err)
	client := &http.Client{Jar: m.client.Jar} // without a time-out
	res, err := client.Do(req)
	m.r.must(err)
	if res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/event-stream" {
		m.r.t.Fatalf("stream: %d %v", res.StatusCode, res.Header)
	}
	w := &wire{t: m.r.t, events: make(chan string, 100)}
	go func() {
		defer close(w.events)
		defer res.Body.Close()
		name := ""
		for lines := bufio.NewScanner(res.Body); lines.Scan(); {
			if s, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
				name = s
			} else if s, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				w.events <- name + " " + s
			}
		}
	}()
	return w
}

// next is the next event; "" when the stream is over.
func (w *wire) next() string {
	w.t.Helper()
	select {
	case e := <-w.events:
		return e
	case <-time.After(20 * time.Second):
		w.t.Fatal("nothing was said for 20 s")
	}
	return ""
}

func sale(serial int64) push.Used {
	return push.Used{Serial: serial, MerchantID: 1, OutletID: 1, Purchase: uuid.MustParse("01a209e2-0000-7000-8000-000000000001"),
		Kind: card.KindPhone, Slot: 1, AmountFen: 10000, DiscountFen: 1200, At: time.Date(2026, 6, 1, 4, 0, 0, 0, time.UTC)}
}

// TestEvents: a phone hears of its own card's purchases and states, and of nobody
// else's, also when it has listened longer than any other answer may take.
func TestEvents(t *testing.T) {
	t.Parallel()
	const limit = time.Second
	r := newRig(t, changes{server: func(s *http.Server) { s.ReadTimeout, s.WriteTimeout = limit, limit }})
	_, c := r.enroll(1)
	_, other := r.enroll(2)
	w := r.mobile(1).signIn().listen()
	<-time.After(3 * limit) // past every limit of the server
	r.hub.Sold(sale(other.Serial))
	r.hub.Sold(sale(c.Serial))
	name, data, _ := strings.Cut(w.next(), " ")
	var got map[string]any
	r.must(json.Unmarshal([]byte(data), &got))
	want := map[string]any{"purchase": "01a209e2-0000-7000-8000-000000000001", "code": "phone", "slot": 1., "merchant": "", "outlet": "",
		"amount_fen": 10000., "discount_fen": 1200., "payable_fen": 8800., "at": "2026-06-01T12:00:00+08:00"}
	if d := cmp.Diff(want, got); name != "used" || d != "" {
		t.Errorf("%s %s", name, d)
	}
	r.must(r.cards.ReportLost(t.Context(), by, c.Serial))
	r.reload()
	r.hub.Look()
	if got := w.next(); got != `card {"status":"lost","renew":true}` {
		t.Errorf("lost: %q", got)
	}
	r.hub.Look() // nothing new
	r.hub.Sold(sale(c.Serial))
	if got := w.next(); !strings.HasPrefix(got, "used ") {
		t.Errorf("then: %q", got)
	}
}

// TestLeftStream: a phone that goes, at whatever time, takes its stream along.
func TestLeftStream(t *testing.T) {
	t.Parallel()
	const limit = time.Second // enough to sign in on a busy machine
	r := newRig(t, changes{server: func(s *http.Server) { s.ReadTimeout, s.WriteTimeout = limit, limit }})
	r.enroll(1)
	m := r.mobile(1).signIn()
	ctx, leave := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url+"/m/api/events", nil)
	r.must(err)
	res, err := (&http.Client{Jar: m.client.Jar}).Do(req)
	r.must(err)
	defer res.Body.Close()
	<-time.After(3 * limit)
	if n := r.hub.Streams(); n != 1 {
		t.Fatalf("%d streams", n)
	}
	leave()
	// Well within the 20 s after which a heartbeat would find out.
	late, tick := time.After(10*time.Second), time.NewTicker(2*time.Millisecond)
	defer tick.Stop()
	for r.hub.Streams() > 0 {
		select {
		case <-tick.C:
		case <-late:
			t.Fatal("the stream of a phone that has gone is still held")
		}
	}
}

// TestStreamsEnd with the node at once, with the session, and with their time.
func TestStreamsEnd(t *testing.T) {
	t.Parallel()
	r := newRig(t, changes{})
	r.enroll(1)
	m := r.mobile(1).signIn()
	w := m.listen()
	m.call("DELETE", "/m/api/session", nil).want(t, 204, "")
	if e := w.next(); e != "" {
		t.Errorf("signed out, it hears %q", e)
	}
	w = m.signIn().listen()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := r.server.Shutdown(ctx); err != nil {
		t.Errorf("the server waited for a stream: %v", err)
	}
	if e := w.next(); e != "" {
		t.Errorf("shut down, it hears %q", e)
	}

	short := newRig(t, changes{handler: func(o *phoneapi.Options) { o.StreamLife = time.Millisecond }})
	short.enroll(1)
	if e := short.mobile(1).signIn().listen().next(); e != "" {
		t.Errorf("its time over, it hears %q", e)
	}
}

// TestStreamEndsWithItsSession, whoever ended that: another node, or a clerk who
// wrote another number or took the member out. Others' stay.
func TestStreamEndsWithItsSession(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r := newRig(t, changes{handler: func(o *phoneapi.Options) { o.Beat = 10 * time.Millisecond }})
	changed, _ := r.enroll(1)
	left, _ := r.enroll(2)
	ended, _ := r.enroll(3)
	_, c := r.enroll(4)
	stays := r.mobile(4).signIn().listen()
	for name, over := range map[string]struct {
		n   int
		end func() error
	}{
		"another number": {1, func() error {
			m, err := r.members.Get(ctx, changed)
			r.must(err)
			number := "13700000001"
			return r.members.Edit(ctx, by, changed, m.Version, member.Change{Phone: &number})
		}},
		"left": {2, func() error { return r.members.Leave(ctx, by, left) }},
		"ended by another phone": {3, func() error {
			_, err := r.pool.Exec(ctx, `DELETE FROM phone_sessions WHERE member_id = $1`, ended)
			return err
		}},
	} {
		w := r.mobile(over.n).signIn().listen()
		r.must(over.end())
		for e := w.next(); e != ""; e = w.next() {
			if !strings.HasPrefix(e, "card ") {
				t.Errorf("%s: it hears %q", name, e)
			}
		}
	}
	r.hub.Sold(sale(c.Serial))
	if e := stays.next(); !strings.HasPrefix(e, "used ") {
		t.Errorf("another's stream: %q", e)
	}
}

// TestStreamsAreBounded: a fourth of one card ends its first; beyond the node's
// bound the answer is 503.
func TestStreamsAreBounded(t *testing.T) {
	t.Parallel()
	r := newRig(t, changes{streams: 4})
	_, c := r.enroll(1)
	r.enroll(2)
	m := r.mobile(1).signIn()
	first := m.listen()
	var rest []*wire
	for range 3 {
		rest = append(rest, m.listen())
	}
	if e := first.next(); e != "" {
		t.Errorf("the oldest of four hears %q", e)
	}
	two := r.mobile(2).signIn()
	two.listen()
	two.call("GET", "/m/api/events", nil).want(t, 503, "too_many_streams")
	r.hub.Sold(sale(c.Serial))
	for i, w := range rest {
		if e := w.next(); !strings.HasPrefix(e, "used ") {
			t.Errorf("stream %d: %q", i, e)
		}
	}
}

// TestStreamHoldsNoGate: streams stand outside the bound of requests under way.
func TestStreamHoldsNoGate(t *testing.T) {
	t.Parallel()
	const more = 300 // than there are places for signed-in members
	r := newRig(t, changes{streams: 2 * more})
	r.enroll(1)
	m := r.mobile(1).signIn()
	for n := range more / 3 {
		for range 3 {
			s, err := r.hub.Open(int64(n), int64(1000+n))
			r.must(err)
			defer s.Close()
		}
	}
	for range 3 {
		m.listen()
	}
	m.me()
	if n := r.hub.Streams(); n != more+3 {
		t.Errorf("%d streams", n)
	}
}

// TestPurchases: a member's own, page by page, whatever cursor is sent.
func TestPurchases(t *testing.T) {
	t.Parallel()
	r := newRig(t, changes{})
	_, c := r.enroll(1)
	_, other := r.enroll(2)
	m := r.mobile(1).signIn()
	two := r.mobile(2).signIn()
	r.exec(`INSERT INTO merchants (id, office_id, name, trade) VALUES (900, (SELECT id FROM unions WHERE parent_id IS NULL), '老郑州烩面', 'catering')`)
	r.exec(`INSERT INTO outlets (id, merchant_id, name, territory) VALUES (900, 900, '花园路店', 410105)`)
	for n := range 35 {
		r.buy(c.Serial, n, 10000, 1000)
	}
	r.buy(other.Serial, 99, 5000, 500)
	r.exec(`UPDATE purchases SET state = 2, returned_fen = 9000, given_back_fen = 1000 WHERE card_serial = $1 AND idem_key = '0'`, c.Serial)
	type page struct {
		Items []struct {
			ID, Merchant, Outlet, State string
			DiscountFen                 int64 `json:"discount_fen"`
			PayableFen                  int64 `json:"payable_fen"`
		}
		Next  *string
		Saved struct{ Total, Year int64 } `json:"saved_fen"`
	}
	var first, second, last page
	m.call("GET", "/m/api/purchases", nil).want(t, 200, "").into(t, &first)
	if len(first.Items) != 30 || first.Next == nil || first.Saved.Total != 34000 || first.Saved.Year != 34000 {
		t.Fatalf("first page: %d items, %+v", len(first.Items), first.Saved)
	}
	m.call("GET", "/m/api/purchases?cursor="+*first.Next, nil).want(t, 200, "").into(t, &second)
	if len(second.Items) != 5 || second.Next != nil || second.Items[4].State != "voided" || second.Items[0].Merchant != "老郑州烩面" ||
		second.Items[0].Outlet != "花园路店" || second.Items[0].PayableFen != 9000 {
		t.Errorf("second page: %+v", second)
	}
	// Another member with this one's cursor sees her own and nothing else.
	two.call("GET", "/m/api/purchases?cursor="+*first.Next, nil).want(t, 200, "").into(t, &last)
	if len(last.Items) != 0 || last.Saved.Total != 500 {
		t.Errorf("another's cursor: %+v", last)
	}
	for _, cursor := range []string{"x", "AAAA", strings.Repeat("A", 32), strings.Repeat("f", 32), strings.Repeat("-", 5000)} {
		m.call("GET", "/m/api/purchases?cursor="+cursor, nil).want(t, 400, "cursor_invalid")
	}
	if got := m.me().Saved; got != 34000 {
		t.Errorf("me: saved %d", got)
	}
}

// buy records a purchase, n minutes after a moment of this year.
func (r *rig) buy(serial int64, n int, amount, discount int64) {
	r.t.Helper()
	id := uuid.New()
	at := r.now().Add(time.Duration(n) * time.Millisecond)
	r.exec(`INSERT INTO purchases (merchant_id, id, terminal_id, idem_key, request_hash, state, outlet_id, contract_id, terms_version,
		  card_serial, code_kind, code_key, quote_id, quoted_at, amount_fen, discount_fen, union_share_fen, applied, business_day, committed_at)
		VALUES (900, $1, 1, $2, '', 1, 900, 1, 1, $3, 1, $4, 1, now(), $5, $6, 0, '[]', now()::date, $7)`,
		id, itoa(int64(n)), serial, 1000+n, amount, discount, at)
	r.exec(`INSERT INTO code_uses (card_serial, code_key, merchant_id, purchase_id) VALUES ($1, $2, 900, $3)`, serial, 1000+n, id)
}

// TestBadInput: every call answers nonsense with a problem and none with a 5xx.
func TestBadInput(t *testing.T) {
	t.Parallel()
	r := newRig(t, changes{})
	r.enroll(1)
	m := r.mobile(1).signIn()
	bodies := map[string]string{
		"nothing": "", "null": "null", "number": "1", "array": "[]", "half": `{"phone":"1`, "unknown": `{"nonsense":1}`,
		"types": `{"phone":1,"code":true,"device_key":[],"takeover":"yes","enrolment":"1","renewal":{},"proof":null,"reason":7}`,
		"twice": `{"phone":"13800000001","phone":"13800000002"}`,
		"deep":  strings.Repeat("[", 100), "utf8": "{\"phone\":\"\xff\"}", "nul": `{"reason":"\u0000"}`, "huge": `{"phone":"` + strings.Repeat("1", 20<<10) + `"}`,
		"bad key": `{"device_key":"AAAA"}`, "long key": `{"device_key":"` + strings.Repeat("AAAA", 2000) + `"}`,
		"negative": `{"enrolment":-1,"renewal":"x","proof":"y"}`, "too big": `{"enrolment":99999999999999999999,"renewal":"x","proof":"y"}`,
	}
	for _, path := range []string{"/m/api/code", "/m/api/session", "/m/api/enrol", "/m/api/keys", "/m/api/found", "/m/api/lost"} {
		for name, body := range bodies {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url+path, bytes.NewReader([]byte(body)))
			r.must(err)
			req.Header.Set("Content-Type", "application/json")
			a := m.do(req)
			if a.status >= 500 || a.status < 400 && path != "/m/api/lost" || a.status >= 400 && a.code() == "" {
				t.Errorf("%s %s: %d %s", path, name, a.status, a.body)
			}
		}
		for _, h := range [][2]string{{"Content-Type", "text/plain"}, {"Sec-Fetch-Site", "cross-site"}, {"Content-Encoding", "gzip"}} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url+path, strings.NewReader(`{}`))
			r.must(err)
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set(h[0], h[1])
			if a := m.do(req); a.status != 415 && a.status != 403 {
				t.Errorf("%s with %v: %d %s", path, h, a.status, a.body)
			}
		}
	}
	forged := &http.Client{}
	for _, token := range []string{"", "x", strings.Repeat("A", 43), strings.Repeat("A", 4000)} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.url+"/m/api/me", nil)
		r.must(err)
		req.AddCookie(&http.Cookie{Name: "uc_member", Value: token})
		res, err := forged.Do(req)
		r.must(err)
		res.Body.Close()
		if res.StatusCode != 401 {
			t.Errorf("token %.10q: %d", token, res.StatusCode)
		}
	}
}
