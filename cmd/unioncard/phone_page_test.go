package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"unioncard/card"
	"unioncard/card/personal"
	"unioncard/card/union"
)

// phoneSite is the small province with a grassroots union, a till, and the messages
// that phones would get.
type phoneSite struct {
	*site
	shop  *shopFront
	union int64

	mu    sync.Mutex
	made  int
	texts map[string]chan string // by number
}

// newPhoneSite serves the province with the development sender, whose console is
// read here.
func newPhoneSite(t *testing.T) *phoneSite {
	t.Helper()
	p := &phoneSite{texts: map[string]chan string{}}
	p.site = newSite(t, func(c *Config) { c.Phone.SMS, c.Console = smsConsole, p })
	var county int64
	if err := p.pool.QueryRow(t.Context(), `SELECT id FROM unions WHERE division = 410102`).Scan(&county); err != nil {
		t.Fatal(err)
	}
	u, err := card.NewStore(p.pool, card.StoreOptions{}).CreateUnion(t.Context(), card.By{Actor: "test", Reason: "test"},
		union.Union{Kind: union.Grassroots, Name: "某厂工会", ParentID: county})
	if err != nil {
		t.Fatal(err)
	}
	p.union = u.ID
	p.shop = &shopFront{site: p.site, till: &simTill{sim: &simulation{base: p.base, http: http.DefaultClient}}}
	code, err := p.node.merchants.IssueActivationCode(t.Context(), testBy, p.outlet)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.shop.till.activate(t.Context(), code.Code); err != nil {
		t.Fatal(err)
	}
	return p
}

// Write is the console on which the development sender shows its messages.
func (p *phoneSite) Write(b []byte) (int, error) {
	var number, code string
	if _, err := fmt.Sscanf(string(b), "SMS to %11s: code %6s", &number, &code); err != nil {
		return len(b), nil
	}
	p.box(number) <- code
	return len(b), nil
}

func (p *phoneSite) box(number string) chan string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.texts[number] == nil {
		p.texts[number] = make(chan string, 16)
	}
	return p.texts[number]
}

// member registers a member with a card and returns the phone number.
func (p *phoneSite) member(ctx context.Context) (number string, serial int64, err error) {
	p.mu.Lock()
	p.made++
	n := p.made
	p.mu.Unlock()
	by := card.By{Actor: "test", Reason: "test"}
	number = fmt.Sprintf("138%08d", n)
	id, err := p.node.members.Register(ctx, by, p.union, personal.Person{ResidentID: residentID(n), Phone: number, Name: "欧阳建国"}, 1)
	if err != nil {
		return "", 0, err
	}
	c, err := card.NewStore(p.pool, card.StoreOptions{}).Issue(ctx, by, id, card.MonthOf(time.Now())+24)
	return number, c.Serial, err
}

// residentID is the n-th of a day, with its check character (GB 11643).
func residentID(n int) string {
	s := fmt.Sprintf("41010219800101%03d", n)
	weights, sum := []int{7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2}, 0
	for i, w := range weights {
		sum += int(s[i]-'0') * w
	}
	return s + string("10X98765432"[sum%11])
}

func (p *phoneSite) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		Phone  string `json:"phone"`
		Code   string `json:"code"`
		Serial int64  `json:"serial"`
		Fen    int64  `json:"amount_fen"`
		Ahead  int64  `json:"ahead_s"`
		What   string `json:"what"`
	}
	answer, err := map[string]any{}, json.NewDecoder(r.Body).Decode(&asked)
	if err == nil {
		switch r.URL.Path {
		case "/member":
			answer["phone"], answer["serial"], err = p.member(r.Context())
		case "/sms":
			answer["code"], err = p.read(r.Context(), asked.Phone)
		case "/codes":
			answer["codes"], err = p.shown(r.Context(), asked.Serial, time.Now().Add(time.Duration(asked.Ahead)*time.Second))
		case "/sell":
			answer, err = p.sell(r.Context(), asked.Code, asked.Fen)
		case "/enrolments":
			answer["ended"], err = p.ended(r.Context(), asked.Serial)
		case "/printed":
			answer["code"] = p.codes.PrintedCode(asked.Serial, 1, time.Now())
		case "/vouchers":
			err = p.vouchers(r.Context(), asked.Serial)
		case "/change":
			err = p.change(r.Context(), asked.Serial, asked.What)
		default:
			err = errors.New("nothing of that name")
		}
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_ = json.NewEncoder(w).Encode(answer)
}

// read waits for the message to a number; then a minute passes for that number, so
// that the next may be asked for.
func (p *phoneSite) read(ctx context.Context, number string) (string, error) {
	select {
	case code := <-p.box(number):
		_, err := p.pool.Exec(ctx, `UPDATE phone_codes SET sent_at = sent_at - interval '61 seconds'`)
		return code, err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// shown is what the card's phone should show at a moment, by slot, and in the steps
// next to it: the script knows which moment it looked at only to a second or so.
func (p *phoneSite) shown(ctx context.Context, serial int64, at time.Time) (map[string][]string, error) {
	var generation uint16
	var epoch uint8
	if err := p.pool.QueryRow(ctx, `SELECT generation, phone_epoch FROM cards WHERE serial = $1`, serial).Scan(&generation, &epoch); err != nil {
		return nil, err
	}
	out := map[string][]string{}
	for slot := range uint8(card.Slots) {
		for _, off := range []time.Duration{0, -30 * time.Second, 30 * time.Second} {
			out[fmt.Sprint(slot)] = append(out[fmt.Sprint(slot)], p.codes.PhoneCode(serial, generation, epoch, slot, at.Add(off)))
		}
	}
	return out, nil
}

// sell sells as a cashier does, who takes the new price if a cap was reached.
func (p *phoneSite) sell(ctx context.Context, code string, fen int64) (map[string]any, error) {
	answer, err := p.shop.ask(ctx, "/v1/verifications", map[string]any{"code": code, "amount_fen": fen})
	if err != nil || answer["problem"] != "" {
		return answer, err
	}
	for range 2 {
		quote, _ := answer["quote"].(map[string]any)
		answer, err = p.shop.ask(ctx, "/v1/purchases", map[string]any{"quote": quote["token"]})
		if err != nil || answer["problem"] != "cap_reached" {
			break
		}
	}
	return answer, err
}

// vouchers gives a card vouchers of all states, and the page series to claim: one now,
// one in a while, one that is gone.
func (p *phoneSite) vouchers(ctx context.Context, serial int64) error {
	_, err := p.pool.Exec(ctx, `WITH office AS (SELECT id FROM unions WHERE division = 410100),
		days AS (SELECT (now() AT TIME ZONE 'Asia/Shanghai')::date AS today),
		parent AS (INSERT INTO budgets (id, office_id, kind, name, state, first_day, last_day, amount_fen)
			SELECT 900, office.id, 'budget', '补贴', 'open', today - 400, today + 400, 0 FROM office, days RETURNING id),
		own AS (INSERT INTO budgets (id, office_id, parent_id, kind, name, state, first_day, last_day, trades, amount_fen)
			SELECT n, office.id, parent.id, 'series', name, state, today + a, today + b, trades, 0 FROM office, parent, days, (VALUES
				(901, '金秋助学购书消费券', 'open', 0, 30, '{leisure}'::text[]), (902, '迎新春惠职工超市消费券第一期', 'open', 0, 30, '{shopping,catering}'),
				(903, '夏送清凉', 'open', 0, 9, '{}'), (904, '加油券', 'frozen', 0, 30, '{transport}'), (905, '春游券', 'open', 3, 30, '{travel}'),
				(906, '体检券', 'open', -60, -1, '{health}')) AS v (n, name, state, a, b, trades) RETURNING id),
		sold AS (INSERT INTO voucher_series (budget_id, face_fen, need_fen, packs, per_pack, stackable, claim_from, claim_until, claimed)
			SELECT id, 4000, 5000, 10, 4, id = 901, now() + CASE WHEN id = 903 THEN interval '3 hours' ELSE interval '-1 hour' END,
				now() + interval '10 days', CASE WHEN id = 902 THEN 10 ELSE 0 END FROM own RETURNING budget_id)
		INSERT INTO vouchers (card_serial, series_id, no, state, got_at) SELECT $1, budget_id, no, CASE WHEN budget_id = 906 THEN 3 ELSE 1 END, now()
			FROM sold, generate_series(1, 3) AS no WHERE budget_id >= 904`, serial)
	return err
}

// change is what happens to the sessions of a card's holder meanwhile: "old", half an
// hour passes; "over", they run out; "number", the union writes down another number.
func (p *phoneSite) change(ctx context.Context, serial int64, what string) error {
	const whose = ` = (SELECT member_id FROM cards WHERE serial = $1)`
	sql := map[string]string{
		"old":    `UPDATE phone_sessions SET created_at = created_at - interval '30 minutes' WHERE member_id` + whose,
		"over":   `DELETE FROM phone_sessions WHERE member_id` + whose,
		"number": `UPDATE members SET phone_hash = substring(sha256(phone_hash) for 16) WHERE id` + whose,
	}[what]
	_, err := p.pool.Exec(ctx, sql, serial)
	return err
}

// ended is why the card's enrolments came to their ends, the earliest first.
func (p *phoneSite) ended(ctx context.Context, serial int64) (why []string, err error) {
	err = p.pool.QueryRow(ctx, `SELECT coalesce(array_agg(coalesce(ended, 'live') ORDER BY id), '{}') FROM phone_enrolments WHERE card_serial = $1`, serial).Scan(&why)
	return why, err
}

// TestPhonePage is a member's card on phones, in a real browser with its own
// WebCrypto (web/test/phone.mjs tells it step by step): codes equal the server's,
// without a network for seven days, with a clock that is off, after a purchase, on
// a second phone, from a copied database, with a lost card.
func TestPhonePage(t *testing.T) {
	t.Parallel()
	p := newPhoneSite(t)
	outside := httptest.NewServer(p)
	t.Cleanup(outside.Close)
	var did struct {
		Steps   []struct{ Name, Took string }
		Faults  []struct{ Page, Fault string }
		Figures []string
	}
	browse(t, "phone.mjs", map[string]any{"base": p.base, "outside": outside.URL, "shots": os.Getenv("SHOTS"), "profiles": t.TempDir()}, &did)
	for _, step := range did.Steps {
		t.Logf("%s: %s", step.Name, step.Took)
	}
	for _, f := range did.Figures {
		t.Log(f)
	}
	for _, f := range did.Faults {
		t.Errorf("%s: %s", f.Page, f.Fault)
	}
}

// TestPhoneUnits holds the page's arithmetic to RFC 6238, ISO/IEC 15417 and so on.
func TestPhoneUnits(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), "node", "--test", "test/phone_units.mjs")
	cmd.Dir = "../../web"
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "pass 7") {
		t.Fatalf("%v\n%s", err, out)
	}
}
