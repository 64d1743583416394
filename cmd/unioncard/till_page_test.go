package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/skip2/go-qrcode"

	"unioncard/card"
	"unioncard/card/feed"
	"unioncard/merchant"
	"unioncard/merchant/terms"
)

// TestTill is a cashier's day at the till in the browser (web/test/till.mjs tells it
// step by step), against the real program behind a network that can be lost: once
// the request is lost, once the answer, once the whole machine.
func TestTill(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := &counter{site: s, mode: "ok", video: filepath.Join(t.TempDir(), "camera.y4m")}
	at, err := url.Parse(s.base)
	if err != nil {
		t.Fatal(err)
	}
	c.proxy = &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(at)
		r.Out.Host = r.In.Host // the page is where the browser sees it
	}, ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }}
	net, outside := httptest.NewServer(http.HandlerFunc(c.network)), httptest.NewServer(c)
	t.Cleanup(net.Close)
	t.Cleanup(outside.Close)
	if err := c.film("0"); err != nil {
		t.Fatal(err)
	}
	var did struct {
		Steps  []struct{ Name, Took string }
		Faults []struct{ Page, Fault string }
	}
	browse(t, "till.mjs", map[string]any{"base": net.URL, "outside": outside.URL, "video": c.video, "profile": t.TempDir(), "shots": os.Getenv("SHOTS")}, &did)
	for _, step := range did.Steps {
		t.Logf("%s: %s", step.Name, step.Took)
	}
	for _, f := range did.Faults {
		t.Errorf("%s: %s", f.Page, f.Fault)
	}
	// Nothing was recorded twice, and no code twice.
	var twice int
	if err := s.pool.QueryRow(t.Context(), `SELECT count(*) FROM (SELECT card_serial, code_key FROM purchases WHERE state <> 9
		GROUP BY card_serial, code_key HAVING count(*) > 1) AS t`).Scan(&twice); err != nil || twice != 0 {
		t.Errorf("%d codes earned twice, %v", twice, err)
	}
}

// counter is what happens around the till: members who show codes, the office that
// activates and suspends, the network. The script asks for it over HTTP.
type counter struct {
	*site
	proxy *httputil.ReverseProxy
	video string // the file that the camera sees

	mu   sync.Mutex
	mode string
	doc  terms.Terms // published last
}

// line is a line of goods as a POS would send it.
type line struct {
	category string
	fen      int64
}

// UnmarshalJSON reads ["shopping.grain", 2999].
func (l *line) UnmarshalJSON(raw []byte) error {
	return json.Unmarshal(raw, &[]any{&l.category, &l.fen})
}

// network passes requests on, or loses them: "ok"; "down" loses everything; "drop"
// loses what a purchase, void or refund sends, "lose" its answer, once, and the
// network goes down with it.
func (c *counter) network(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	mode := c.mode
	writes := r.Method == http.MethodPost && strings.HasPrefix(r.URL.Path, "/v1/purchases")
	if writes && (mode == "lose" || mode == "drop") {
		c.mode = "down"
	}
	c.mu.Unlock()
	switch {
	case mode == "down", mode == "drop" && writes:
		panic(http.ErrAbortHandler)
	case mode == "lose" && writes:
		// The client may go; the purchase must be recorded before its answer is lost.
		c.proxy.ServeHTTP(httptest.NewRecorder(), r.WithContext(context.WithoutCancel(r.Context())))
		panic(http.ErrAbortHandler)
	}
	c.proxy.ServeHTTP(w, r)
}

func (c *counter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		Card   int64  `json:"card"`
		Slot   uint8  `json:"slot"`
		Kind   string `json:"kind"`
		Code   string `json:"code"`
		Mode   string `json:"mode"`
		Action string `json:"action"`
		ID     int64  `json:"terminal"`
		Lines  []line `json:"lines"`
	}
	err := json.NewDecoder(r.Body).Decode(&asked)
	var answer any = map[string]string{}
	if err == nil {
		switch serial := c.first + asked.Card; r.URL.Path {
		case "/code":
			answer, err = c.code(r.Context(), serial, asked.Kind, asked.Slot)
		case "/film":
			err = c.film(asked.Code)
		case "/net":
			c.mu.Lock()
			c.mode = asked.Mode
			c.mu.Unlock()
		case "/card":
			err = c.card(r.Context(), serial, asked.Action)
		case "/terminal":
			answer, err = c.office(r.Context(), asked.ID, asked.Action)
		case "/offers":
			answer, err = c.offers(r.Context(), asked.Action, asked.Lines)
		case "/purchases":
			answer, err = c.purchases(r.Context())
		default:
			err = fmt.Errorf("nothing at %s", r.URL.Path)
		}
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_ = json.NewEncoder(w).Encode(answer) // the script sees what is missing
}

// code is what a member shows: the phone's, the card's, or the card number.
func (c *counter) code(ctx context.Context, serial int64, kind string, slot uint8) (map[string]string, error) {
	switch kind {
	case "phone":
		return map[string]string{"code": c.codes.PhoneCode(serial, 1, 0, slot, time.Now())}, nil
	case "printed":
		return map[string]string{"code": c.codes.PrintedCode(serial, 1, time.Now())}, nil
	case "number":
		var number int64
		err := c.pool.QueryRow(ctx, `SELECT number FROM cards WHERE serial = $1`, serial).Scan(&number)
		return map[string]string{"code": fmt.Sprint(number)}, err
	}
	return nil, errors.New("no such kind of code")
}

// card changes a card and waits until the node obeys.
func (c *counter) card(ctx context.Context, serial int64, action string) error {
	by, cards := card.By{Actor: "test", Reason: "test"}, card.NewStore(c.pool, card.StoreOptions{})
	switch action {
	case "lost":
		return cards.ReportLost(ctx, by, serial)
	case "expire":
		_, err := c.pool.Exec(ctx, `WITH old AS (UPDATE cards SET valid_until = (date_trunc('month', now()) - interval '1 day')::date, version = version + 1
			WHERE serial = $1 RETURNING version) INSERT INTO changes (kind, object_id, version) SELECT $2, $1, version FROM old`, serial, int16(feed.KindCard))
		return err
	}
	return errors.New("no such change of a card")
}

// office is what the office does with a terminal: activation codes, suspension.
func (c *counter) office(ctx context.Context, id int64, action string) (map[string]string, error) {
	shops := c.node.merchants
	switch action {
	case "code":
		issued, err := shops.IssueActivationCode(ctx, testBy, c.outlet)
		return map[string]string{"code": issued.Code}, err
	case "rekey":
		issued, err := shops.IssueRekeyCode(ctx, testBy, id)
		return map[string]string{"code": issued.Code}, err
	case "suspend":
		return map[string]string{}, shops.SuspendTerminal(ctx, testBy, id)
	case "resume":
		return map[string]string{}, shops.ResumeTerminal(ctx, testBy, id)
	}
	return nil, errors.New("no such thing to do with a terminal")
}

// offers publishes the shop's offers anew, or says what goods cost by those in force.
func (c *counter) offers(ctx context.Context, action string, lines []line) (map[string]string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	off := terms.Offer{ID: "off", Title: "满200减20", Scope: terms.Scope{ExceptCategories: []string{"shopping.tobacco"}}, FundingBP: 10000,
		Benefit: terms.Benefit{Kind: terms.KindAmountOff, AtFen: 20000, OffFen: 2000}}
	switch action {
	case "evaluate":
		form, err := c.doc.Compile()
		if err != nil {
			return nil, err
		}
		in, result := terms.Input{At: time.Now()}, terms.Result{}
		for _, l := range lines {
			in.Items = append(in.Items, terms.Item{SKU: "S", Category: l.category, QtyMilli: 1000, UnitPriceFen: l.fen, AmountFen: l.fen})
			in.AmountFen += l.fen
		}
		form.Evaluate(&in, &result)
		return map[string]string{"payable": fmt.Sprintf("¥%.2f", float64(in.AmountFen-result.DiscountFen)/100)}, nil
	case "except":
		if _, err := c.node.merchants.PublishCategories(ctx, testBy, []merchant.Category{{Code: "shopping.tobacco", Name: "烟草"}}, nil); err != nil {
			return nil, err
		}
		c.doc.Offers = []terms.Offer{off}
	case "group":
		c.doc.Offers = []terms.Offer{{ID: "egg", Title: "团购鸡蛋", FundingBP: 10000,
			Benefit: terms.Benefit{Kind: terms.KindUnitPrice, Prices: []terms.Price{{SKU: "EGG", PriceFen: 1000}}}}}
	case "plain":
		c.doc.Offers = []terms.Offer{{ID: "base", Title: "9折", FundingBP: 10000, Benefit: terms.Benefit{Kind: terms.KindPercent, RateBP: 9000}}}
	}
	c.doc.V = terms.Version
	raw, err := c.doc.Canonical()
	if err != nil {
		return nil, err
	}
	_, err = c.node.merchants.PublishTerms(ctx, testBy, c.contract, raw, time.Time{})
	return map[string]string{}, err
}

// purchases counts what is recorded, by state.
func (c *counter) purchases(ctx context.Context) (map[string]int64, error) {
	rows, err := c.pool.Query(ctx, `SELECT state, count(*) FROM purchases GROUP BY state`)
	if err != nil {
		return nil, err
	}
	out := map[string]int64{"all": 0}
	for rows.Next() {
		var state int16
		var n int64
		if err := rows.Scan(&state, &n); err != nil {
			return nil, err
		}
		out[[...]string{1: "committed", 2: "voided", 3: "reversed", 4: "partially_refunded", 5: "refunded", 9: "tombstone"}[state]] = n
		if state != 9 {
			out["all"] += n
		}
	}
	return out, rows.Err()
}

// film writes what the camera sees: a code held before it, as raw video (YUV4MPEG2)
// of two frames that chromium shows again and again.
func (c *counter) film(code string) error {
	const width, height = 640, 480
	q, err := qrcode.New(code, qrcode.Medium)
	if err != nil {
		return err
	}
	cells := q.Bitmap() // with its quiet zone
	scale := height * 3 / 4 / len(cells)
	luma := make([]byte, width*height)
	for i := range luma {
		luma[i] = 150 // a shop's counter
	}
	left, top := (width-scale*len(cells))/2, (height-scale*len(cells))/2
	for y := range scale * len(cells) {
		for x := range scale * len(cells) {
			luma[(top+y)*width+left+x] = 225
			if cells[y/scale][x/scale] {
				luma[(top+y)*width+left+x] = 30
			}
		}
	}
	var out strings.Builder
	fmt.Fprintf(&out, "YUV4MPEG2 W%d H%d F10:1 Ip A1:1 C420jpeg\n", width, height)
	for range 2 {
		out.WriteString("FRAME\n")
		out.Write(luma)
		out.WriteString(strings.Repeat("\x80", width*height/2))
	}
	return os.WriteFile(c.video, []byte(out.String()), 0o600)
}
