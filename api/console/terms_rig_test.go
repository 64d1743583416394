package console_test

import (
	"context"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"unioncard/api"
	"unioncard/api/console"
	"unioncard/api/page"
	"unioncard/card"
	"unioncard/card/union/staff"
	"unioncard/merchant"
	"unioncard/merchant/draft"
	"unioncard/migrations/pgtest"
	"unioncard/web"
)

const (
	zhengzhou = 410100
	jinshui   = 410105 // 金水区, in Zhengzhou
	luoyang   = 410300
)

var byCLI = merchant.By{Actor: "cli:test", Reason: "test"}

// desk is the console on a database of its own: the province's unions, a merchant
// of Jinshui with a contract that is still a draft, a catering floor of 9折 and
// clerks, each signed in.
type desk struct {
	t        testing.TB
	ctx      context.Context
	url      string
	shops    *merchant.Store
	drafts   *draft.Store
	staff    *staff.Store
	unions   map[int32]int64
	root     int64
	contract int64
}

func newDesk(t testing.TB) *desk {
	t.Helper()
	d := &desk{t: t, ctx: t.Context()}
	pool := pgtest.New(t)
	clock := time.Now
	cards := card.NewStore(pool, card.StoreOptions{})
	var err error
	d.unions, err = cards.SeedUnions(d.ctx, card.By{Actor: "cli:test", Reason: "test"})
	d.must(err)
	d.root = d.unions[410000]
	d.shops, d.drafts = merchant.NewStore(pool, clock), draft.NewStore(pool, clock)
	policy := staff.DefaultPolicy()
	policy.SecondFactor = false
	policy.Hash.Memory, policy.Hash.Passes = 64, 1
	d.staff = staff.NewStore(pool, staff.Options{Clock: clock, Policy: policy})
	_, err = d.shops.PublishCategories(d.ctx, byCLI, []merchant.Category{
		{Code: "catering.dine", Name: "堂食"}, {Code: "catering.drink", Name: "酒水"}, {Code: "transport.gasoline", Name: "汽油"}}, nil)
	d.must(err)
	m, err := d.shops.CreateMerchant(d.ctx, byCLI, merchant.NewMerchant{OfficeID: d.unions[jinshui], Name: "老郑州烩面", Trade: merchant.TradeCatering})
	d.must(err)
	from := time.Now().Add(-24 * time.Hour)
	d.contract, err = d.shops.CreateContract(d.ctx, byCLI, merchant.NewContract{MerchantID: m, OfficeID: d.unions[jinshui], ValidFrom: from, ValidUntil: from.AddDate(1, 0, 0)})
	d.must(err)
	_, err = d.shops.PublishFloor(d.ctx, byCLI, merchant.NewFloor{Trade: merchant.TradeCatering, DeadlineDays: 30,
		Terms: []byte(`{"v":1,"offers":[{"id":"base","title":"九折底线","benefit":{"kind":"percent","rate_bp":9000},"funding_bp":10000}]}`)})
	d.must(err)
	assets, err := page.NewAssets(web.Dist)
	d.must(err)
	pages, err := page.NewRenderer(web.Templates, assets, clock)
	d.must(err)
	logger := slog.New(slog.NewTextHandler(testLog{t}, &slog.HandlerOptions{Level: slog.LevelError}))
	server := httptest.NewServer(api.NewRouter(api.Deps{MerchantStore: d.shops, Clock: clock, Logger: logger, People: &api.People{
		Console: console.New(console.Options{Pages: pages, DB: pool, Merchants: d.shops, Staff: d.staff, Clock: clock, Logger: logger}),
		Pages:   pages, Assets: assets, Session: d.staff.BySession,
		Locate: func(ctx context.Context, kind string, id int64) (string, error) {
			return merchant.Locate(ctx, pool, kind, id)
		},
	}}))
	t.Cleanup(server.Close)
	d.url = server.URL
	return d
}

// testLog shows the service's errors with the test's.
type testLog struct{ t testing.TB }

func (l testLog) Write(line []byte) (int, error) {
	l.t.Log(strings.TrimSpace(string(line)))
	return len(line), nil
}

func (d *desk) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

// clerk is somebody signed in.
type clerk struct {
	*desk
	token string
}

func (d *desk) clerk(login string, union int64, roles ...staff.Role) *clerk {
	d.t.Helper()
	const password = "Wenxian-2026-Gonghui"
	_, err := d.staff.Create(d.ctx, staff.By{Actor: "cli:test", Reason: "test"},
		staff.NewAccount{Login: login, Name: "职员" + login, UnionID: union, Roles: roles, Password: password})
	d.must(err)
	token, _, err := d.staff.SignIn(d.ctx, login, password, "", netip.MustParseAddr("127.0.0.1"))
	d.must(err)
	return &clerk{d, token}
}

// answer is a page.
type answer struct {
	t      testing.TB
	status int
	body   string
	to     string
}

func (c *clerk) get(path string) *answer {
	c.t.Helper()
	return c.send(http.MethodGet, path, "", nil)
}

func (c *clerk) post(path string, form url.Values) *answer {
	c.t.Helper()
	return c.send(http.MethodPost, path, "application/x-www-form-urlencoded", strings.NewReader(form.Encode()))
}

func (c *clerk) send(method, path, media string, body io.Reader) *answer {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.ctx, method, c.url+path, body)
	c.must(err)
	if media != "" {
		req.Header.Set("Content-Type", media)
	}
	req.AddCookie(&http.Cookie{Name: console.SessionCookie, Value: c.token})
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	c.must(err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	c.must(err)
	return &answer{c.t, resp.StatusCode, html.UnescapeString(string(b)), resp.Header.Get("Location")}
}

var tags = regexp.MustCompile(`(?s)<script.*?</script>|<[^>]*>`)

// is checks the status and that all words are there to read.
func (a *answer) is(status int, words ...string) *answer {
	a.t.Helper()
	text := strings.Join(strings.Fields(tags.ReplaceAllString(a.body, " ")), " ")
	if a.status != status {
		a.t.Errorf("answered %d, want %d: %.300s", a.status, status, text)
		return a
	}
	for _, w := range words {
		if !strings.Contains(text, w) {
			a.t.Errorf("no %q in: %.3000s", w, text)
		}
	}
	return a
}

func (a *answer) lacks(words ...string) *answer {
	a.t.Helper()
	for _, w := range words {
		if strings.Contains(a.body, w) {
			a.t.Errorf("%q is there", w)
		}
	}
	return a
}

// terms is the editor of the desk's contract.
func (d *desk) terms(page string) string {
	return fmt.Sprintf("/console/contracts/%d/terms%s", d.contract, page)
}
