package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"unioncard/card/union/staff"
	"unioncard/merchant"
	"unioncard/merchant/terms"
)

// TestClerk is a county clerk's work with one merchant in a real browser, from the
// application to the end of the contract (web/test/clerk.mjs tells it step by
// step): what is missing is shown, terms below the province's are seen as a curve
// and mended, a colleague approves, the merchant is published and found in the
// directory and accepted by its till a second later, and in the end nothing is
// left open.
func TestClerk(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	var county int64
	if err := s.pool.QueryRow(t.Context(), `SELECT id FROM unions WHERE division = 410102`).Scan(&county); err != nil {
		t.Fatal(err)
	}
	// The clerk has an approver's role too, and still may not approve the own work.
	s.account(t, "clerk", county, staff.Negotiator, staff.TerminalManager, staff.Approver)
	s.account(t, "colleague", county, staff.Approver)
	s.account(t, "auditor", county, staff.Auditor)
	s.cateringFloor(t)

	shop := &shopFront{site: s, till: &simTill{sim: &simulation{base: s.base, http: http.DefaultClient}}}
	outside := httptest.NewServer(shop)
	t.Cleanup(outside.Close)
	beijing := time.FixedZone("", 8*3600)
	var did struct {
		Steps  []struct{ Name, Took string }
		Faults []struct{ Page, Fault string }
	}
	browse(t, "clerk.mjs", map[string]any{
		"base": s.base, "outside": outside.URL, "shots": os.Getenv("SHOTS"), "password": sitePassword,
		"clerk": "clerk", "colleague": "colleague", "auditor": "auditor",
		"today": time.Now().In(beijing).Format(time.DateOnly),
	}, &did)
	for _, step := range did.Steps {
		t.Logf("%s: %s", step.Name, step.Took)
	}
	for _, f := range did.Faults {
		t.Errorf("%s: %s", f.Page, f.Fault)
	}
	var open int
	if err := s.pool.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM terminals WHERE status <> 'retired')
		+ (SELECT count(*) FROM exit_plans WHERE state <> 'done') + (SELECT count(*) FROM proposals WHERE state = 'waiting')
		+ (SELECT count(*) FROM merchants WHERE trade = 'catering' AND status <> 'exited')`).Scan(&open); err != nil || open != 0 {
		t.Errorf("%d things are left open, %v", open, err)
	}
	s.auditHolds(t)
}

// cateringFloor is the province's floor in the clerk's trade: 10 yuan off from 200.
func (s *site) cateringFloor(t *testing.T) {
	t.Helper()
	doc := terms.Terms{V: terms.Version, Offers: []terms.Offer{{ID: "base", Title: "满200减10", FundingBP: 10000,
		Benefit: terms.Benefit{Kind: terms.KindAmountOff, AtFen: 20000, OffFen: 1000}}}}
	raw, err := doc.Canonical()
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.node.merchants.PublishFloor(t.Context(), testBy, merchant.NewFloor{Trade: merchant.TradeCatering, Terms: raw, DeadlineDays: 30})
	if err != nil {
		t.Fatal(err)
	}
}

// auditHolds proves the chain over all that was done, as an auditor's command does.
func (s *site) auditHolds(t *testing.T) {
	t.Helper()
	var out bytes.Buffer
	p := &program{stdout: &out, stderr: t.Output(), environ: []string{"DATABASE_URL=" + s.pool.Config().ConnString()}}
	if err := p.main(t.Context(), []string{"audit", "verify"}); err != nil || !strings.Contains(out.String(), "links hold") {
		t.Errorf("audit verify: %v\n%s", err, out.String())
	}
}

// shopFront is what happens outside the browser: the merchant's till and the time
// that passes. The script asks for it over HTTP, one thing at a time.
type shopFront struct {
	*site
	till  *simTill
	cards int64 // sold to so far
}

func (f *shopFront) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		Code string `json:"code"`
		Fen  int64  `json:"amount_fen"`
		Days int    `json:"days"`
	}
	err := json.NewDecoder(r.Body).Decode(&asked)
	answer := map[string]any{}
	if err == nil {
		switch r.URL.Path {
		case "/activate":
			err = f.till.activate(r.Context(), asked.Code)
		case "/verify":
			answer, err = f.verify(r.Context(), asked.Fen)
		case "/sell":
			answer, err = f.sell(r.Context(), asked.Fen)
		case "/pass":
			answer["moved"], err = f.pass(r.Context(), asked.Days)
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

// verify shows a member's card at the till and tells the answer.
func (f *shopFront) verify(ctx context.Context, fen int64) (map[string]any, error) {
	code := f.codes.PhoneCode(f.first+f.cards, 1, 0, 0, time.Now())
	return f.ask(ctx, "/v1/verifications", map[string]any{"code": code, "amount_fen": fen})
}

// sell verifies a member's card and sells; the code is used then, so another
// member comes next.
func (f *shopFront) sell(ctx context.Context, fen int64) (map[string]any, error) {
	defer func() { f.cards++ }()
	answer, err := f.verify(ctx, fen)
	if err != nil || answer["problem"] != "" {
		return answer, err
	}
	quote, _ := answer["quote"].(map[string]any)
	return f.ask(ctx, "/v1/purchases", map[string]any{"quote": quote["token"]})
}

// ask makes one call of the till; "problem" in the answer is the problem's code, or
// that the till gets no token any more.
func (f *shopFront) ask(ctx context.Context, path string, body any) (answer map[string]any, err error) {
	header, err := f.till.bearer(ctx)
	if err != nil {
		return map[string]any{"problem": "no token: " + err.Error()}, nil
	}
	header.Set("Idempotency-Key", `"`+rand.Text()+`"`)
	status, err := f.till.call(ctx, http.MethodPost, path, header, body, &answer)
	if err != nil {
		return nil, err
	}
	code, _ := answer["code"].(string)
	answer["problem"] = ""
	if status/100 != 2 {
		answer["problem"] = cmp.Or(code, http.StatusText(status))
	}
	return answer, nil
}

// pass moves exits on as the service would on every day from now on.
func (f *shopFront) pass(ctx context.Context, days int) (moved int, err error) {
	for day := range days + 1 {
		n, err := f.node.exits.Advance(ctx, time.Now().AddDate(0, 0, day))
		if err != nil {
			return moved, err
		}
		moved += n
	}
	return moved, nil
}
