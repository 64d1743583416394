package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"unioncard/card/union/staff"
	"unioncard/settlement"
)

// The size of the campaign: a suite that runs on a slow machine takes a small one;
// -money-packs 12500 -money-wide 500 is that of the issue, ¥2,000,000.
var (
	moneyPacks = flag.Int("money-packs", 40, "packs of four vouchers of 40 yuan in TestMoney")
	moneyWide  = flag.Int("money-wide", 50, "claimants and tills at once in TestMoney")
)

// moneySite is a city office with a merchant, and what happens outside the browsers.
type moneySite struct {
	*phoneSite
	t    *testing.T
	dir  string
	wide int

	crowd  *crowd
	series int64
	// planted are the three differences in the till's file, in the words of who made
	// them.
	offline, missing, wrong soldSale
	refunded                soldSale
}

// TestMoney is the way of the union's money, in real browsers where people act
// (web/test/money.mjs tells it step by step): a city office's finance and approver set
// up 满50减40 out of a budget; a member claims on the phone, a crowd claims with her,
// and tills take the campaign to its last fen; the day is closed; the merchant signs in
// to its portal, sees the statement and uploads its till's file, in which three
// differences are planted; both sides settle them; a late refund is the next day's
// adjustment; and the audit proves the whole from the purchases.
//
// The nights between business days are the one thing that is not waited for: this test's
// database tells a clock of its own (see nights), which a night moves on by a day, and
// the days are closed by the program's own command once they are over by that clock.
// Business days go by nothing else; whatever else goes by time stays where it is.
func TestMoney(t *testing.T) {
	t.Parallel()
	m := &moneySite{phoneSite: newPhoneSite(t), t: t, dir: t.TempDir(), wide: *moneyWide}
	if err := m.nights(t.Context()); err != nil {
		t.Fatal(err)
	}
	var city int64
	if err := m.pool.QueryRow(t.Context(), `SELECT id FROM unions WHERE division = 410100`).Scan(&city); err != nil {
		t.Fatal(err)
	}
	m.account(t, "finance", city, staff.Finance)
	m.account(t, "approver", city, staff.Approver)
	m.account(t, "negotiator", city, staff.Negotiator)
	phone, serial, err := m.member(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var merchantID int64
	var today time.Time
	err = m.pool.QueryRow(t.Context(), `SELECT merchant_id, (now() AT TIME ZONE 'Asia/Shanghai')::date FROM outlets WHERE id = $1`, m.outlet).Scan(&merchantID, &today)
	if err != nil {
		t.Fatal(err)
	}
	outside := httptest.NewServer(m)
	t.Cleanup(outside.Close)
	var did struct {
		Steps  []struct{ Name, Took string }
		Faults []struct{ Page, Fault string }
		Said   []string
	}
	browse(t, "money.mjs", map[string]any{
		"base": m.base, "outside": outside.URL, "shots": os.Getenv("SHOTS"), "password": sitePassword, "dir": m.dir,
		"finance": "finance", "approver": "approver", "negotiator": "negotiator", "merchant": merchantID,
		"phone": phone, "serial": serial, "packs": *moneyPacks, "perPack": perPack, "face": faceFen, "basket": basketFen,
		"today": today.Format(time.DateOnly),
	}, &did)
	for _, step := range did.Steps {
		t.Logf("%s: %s", step.Name, step.Took)
	}
	for _, line := range did.Said {
		t.Log(line)
	}
	for _, f := range did.Faults {
		t.Errorf("%s: %s", f.Page, f.Fault)
	}
	m.auditHolds(t)
}

func (m *moneySite) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		Phone  string `json:"phone"`
		Series string `json:"series"`
		Serial int64  `json:"serial"`
	}
	answer := map[string]any{}
	err := json.NewDecoder(r.Body).Decode(&asked)
	ctx := r.Context()
	if err == nil {
		switch r.URL.Path {
		case "/sms":
			answer["code"], err = m.read(ctx, asked.Phone)
		case "/storm":
			answer["told"], err = m.stormed(ctx, asked.Series, asked.Serial)
		case "/nothing-left":
			answer, err = m.nothingLeft(ctx)
		case "/night":
			answer["said"], err = m.night(ctx)
		case "/refund":
			answer, err = m.refund(ctx)
		case "/file":
			answer, err = m.tillFile(ctx)
		case "/audit":
			answer["said"], err = m.run("audit", "money")
		default:
			err = errors.New("nothing of that name")
		}
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_ = json.NewEncoder(w).Encode(answer) // the script sees what is missing
}

// run is one of the program's commands, as an operator types it.
func (m *moneySite) run(args ...string) (string, error) {
	var out bytes.Buffer
	p := &program{stdout: &out, stderr: m.t.Output(), environ: []string{"DATABASE_URL=" + m.pool.Config().ConnString()}}
	if err := p.main(m.t.Context(), args); err != nil {
		return "", fmt.Errorf("unioncard %s: %w\n%s", strings.Join(args, " "), err, out.String())
	}
	return out.String(), nil
}

// nights puts the database's clock into the test's hands: a function of the same name
// stands before PostgreSQL's. It is noon in Beijing when the test begins, so that no
// midnight comes by itself, and a day later after each night.
func (m *moneySite) nights(ctx context.Context) error {
	_, err := m.pool.Exec(ctx, `CREATE TABLE nights (ahead interval NOT NULL);
		INSERT INTO nights SELECT date_trunc('day', now() AT TIME ZONE 'Asia/Shanghai') + interval '12 hours' - now() AT TIME ZONE 'Asia/Shanghai';
		CREATE FUNCTION public.now() RETURNS timestamptz STABLE LANGUAGE sql AS
			$$SELECT pg_catalog.now() + (SELECT ahead FROM public.nights)$$;
		CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz VOLATILE LANGUAGE sql AS
			$$SELECT pg_catalog.clock_timestamp() + (SELECT ahead FROM public.nights)$$;
		DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = public, pg_catalog', current_database()); END $$`)
	m.pool.Reset() // connections from now on go by it
	return err
}

// night is a night: the next day has come, and what was open is closed. The node may be
// quicker than the command, which then has nothing to close.
func (m *moneySite) night(ctx context.Context) (string, error) {
	if _, err := m.pool.Exec(ctx, `UPDATE nights SET ahead = ahead + interval '1 day'`); err != nil {
		return "", err
	}
	out, err := m.run("close-day")
	for errors.Is(err, settlement.ErrClosing) {
		out, err = m.run("close-day")
	}
	return out, err
}

// stormed lets the crowd claim what the member on the phone has left, and spends hers
// with theirs.
func (m *moneySite) stormed(ctx context.Context, name string, serial int64) (string, error) {
	if err := m.pool.QueryRow(ctx, `SELECT id FROM budgets WHERE kind = 'series' AND name = $1`, name).Scan(&m.series); err != nil {
		return "", err
	}
	tills := max(2, m.wide/10)
	var err error
	// A tenth more than there are packs.
	if m.crowd, err = m.gather(ctx, *moneyPacks-1+max(1, *moneyPacks/10), tills); err != nil {
		return "", err
	}
	if err := m.crowd.storm(ctx, m.series); err != nil {
		return "", fmt.Errorf("%w\n%s", err, m.crowd.told())
	}
	if err := m.crowd.spend(ctx, serial, 0, perPack); err != nil {
		return "", err
	}
	if err := m.crowd.holds(ctx, m.series, *moneyPacks); err != nil {
		return "", fmt.Errorf("%w\n%s", err, m.crowd.told())
	}
	want := map[string]int{"": *moneyPacks - 1, "claim_sold_out": max(1, *moneyPacks/10)}
	for answer, n := range m.crowd.answers {
		if want[answer] != n {
			return "", fmt.Errorf("claims were answered %v, want %v", m.crowd.answers, want)
		}
	}
	return m.crowd.told(), m.crowd.last4(ctx)
}

// nothingLeft shows a card whose vouchers are spent: the merchant's own discount is all.
// The node's memory of who holds what follows within a second, so it is asked again
// while it is behind.
func (m *moneySite) nothingLeft(ctx context.Context) (answer map[string]any, err error) {
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		answer, err = m.crowd.tills[0].ask(ctx, "/v1/verifications",
			map[string]any{"code": m.codes.PrintedCode(m.crowd.holders[0].serial, 1, time.Now()), "amount_fen": basketFen})
		quote, _ := answer["quote"].(map[string]any)
		if err != nil || quote["discount_fen"] == float64(basketFen/10) {
			break
		}
	}
	return answer, err
}

// refund takes a sale of the closed day back, at the till.
func (m *moneySite) refund(ctx context.Context) (map[string]any, error) {
	m.refunded = m.crowd.sold[len(m.crowd.sold)-1]
	answer, err := m.crowd.tills[0].ask(ctx, "/v1/purchases/"+m.refunded.ID+"/refunds",
		map[string]any{"amount_fen": m.refunded.AmountFen - m.refunded.Discount, "reason": "顾客第二天退货", "operator": "01"})
	if err == nil && answer["problem"] != "" {
		err = fmt.Errorf("refund: %v", answer)
	}
	return answer, err
}

// tillFile is what the merchant's own till has of the day, with three differences: a
// sale that was made while the network was away, one that the till lost, and one with
// another amount.
func (m *moneySite) tillFile(ctx context.Context) (map[string]any, error) {
	sold := m.crowd.sold
	m.missing, m.wrong = sold[0], sold[1]
	m.offline = soldSale{Ref: "XSOFFLINE01", AmountFen: 8800, Discount: faceFen, At: sold[2].At.Add(-3 * time.Hour), Last4: "0001"}
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	_ = w.Write([]string{"小票号", "交易时间", "消费金额", "优惠金额", "实收金额", "卡号后四位"})
	var total int64
	rows := 0
	add := func(s soldSale) {
		yuan := func(fen int64) string { return fmt.Sprintf("%d.%02d", fen/100, fen%100) }
		_ = w.Write([]string{s.Ref, s.At.In(beijing).Format(time.DateTime), yuan(s.AmountFen), yuan(s.Discount), yuan(s.AmountFen - s.Discount), s.Last4})
		total += s.AmountFen
		rows++
	}
	for i, s := range sold {
		switch i {
		case 0: // lost
		case 1:
			s.AmountFen += 600
			add(s)
		default:
			add(s)
		}
	}
	add(m.offline)
	w.Flush()
	file := filepath.Join(m.dir, "收银流水.csv")
	return map[string]any{"file": file, "rows": rows, "total_fen": total, "offline": m.offline.Ref, "missing": m.missing.Ref, "wrong": m.wrong.Ref},
		cmp.Or(w.Error(), os.WriteFile(file, out.Bytes(), 0o600))
}
