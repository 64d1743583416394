package open_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"unioncard/api"
	"unioncard/api/console"
	"unioncard/api/open"
	"unioncard/api/page"
	"unioncard/card"
	"unioncard/card/feed"
	"unioncard/merchant"
	"unioncard/merchant/directory"
	"unioncard/migrations/pgtest"
	"unioncard/web"
)

var by = merchant.By{Actor: "cli:test", Reason: "test"}

const shopTerms = `{"v":1,"offers":[
	{"id":"all88","title":"会员8.8折","benefit":{"kind":"percent","rate_bp":8800},"funding_bp":10000,"limits":[{"per":"day","uses":1}]},
	{"id":"group","title":"双人餐团购","benefit":{"kind":"unit_price","prices":[{"sku":"双人<套餐>","price_fen":9900},{"sku":"四人套餐","price_fen":18800}]},"funding_bp":10000}]}`

// rig is the public pages over a database with three outlets: two of a hot-pot
// chain in Zhengzhou and a directly administered county, and a bookshop.
type rig struct {
	t       testing.TB
	pool    *pgxpool.Pool
	store   *merchant.Store
	dir     *directory.Directory
	signs   *directory.Signs
	pages   *open.Handlers
	handler http.Handler
	feeds   []feed.Source
	outlets []int64
	chain   int64 // its contract
}

func newRig(t testing.TB) *rig {
	t.Helper()
	ctx := t.Context()
	r := &rig{t: t, pool: pgtest.New(t)}
	logger := slog.New(slog.DiscardHandler)
	unions, err := card.NewStore(r.pool, card.StoreOptions{}).SeedUnions(ctx, card.By{Actor: "cli:test", Reason: "test"})
	r.must(err)
	r.store = merchant.NewStore(r.pool, time.Now)
	r.chain = r.shop(unions[410000], "蜀香餐饮有限公司", "蜀香火锅", "catering", shopTerms,
		[]merchant.NewOutlet{
			{Name: "蜀香火锅花园路店", Address: "金水区花园路<1>号", Territory: 410105, Lon: ptr(113.68), Lat: ptr(34.78)},
			{Name: "蜀香火锅滑县店", Address: "滑县解放路2号", Territory: 410526},
		})
	r.shop(unions[410105], "金水书店", "", "leisure",
		`{"v":1,"offers":[{"id":"all9","title":"全场9折","benefit":{"kind":"percent","rate_bp":9000},"funding_bp":10000}]}`,
		[]merchant.NewOutlet{{Name: "金水书店", Address: "花园路火锅街3号", Territory: 410105, Lon: ptr(113.69), Lat: ptr(34.79)}})
	state, tree := merchant.NewState(time.Now, logger), card.NewUnions()
	r.dir = directory.New(directory.Options{Merchants: state, Clock: time.Now})
	r.signs = directory.NewSigns(r.pool, r.dir, directory.SignsOptions{})
	r.feeds = []feed.Source{card.NewUnionSource(tree), merchant.NewSource(state), directory.NewSource(r.dir)}
	r.reload()
	assets, err := page.NewAssets(web.Dist)
	r.must(err)
	pages, err := page.NewRenderer(web.Templates, assets, time.Now)
	r.must(err)
	keys, err := card.NewKeyring(time.Now(), nil)
	r.must(err)
	r.pages = open.New(open.Options{Pages: pages, DB: r.pool, Directory: r.dir, Signs: r.signs, Tree: tree.Tree,
		PublicURL: "https://card.example.org", Clock: time.Now})
	r.handler = api.NewRouter(api.Deps{Merchants: state, Keyring: keys, Clock: time.Now, Logger: logger,
		People: &api.People{Console: console.New(console.Options{Pages: pages}), Open: r.pages, Pages: pages, Assets: assets}})
	return r
}

func ptr(f float64) *float64 { return &f }

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) reload() {
	r.t.Helper()
	r.must(feed.NewReader(r.pool, r.feeds, feed.Options{}).Load(r.t.Context()))
}

func (r *rig) shop(office int64, name, brand, trade, doc string, outlets []merchant.NewOutlet) int64 {
	r.t.Helper()
	ctx := r.t.Context()
	m, err := r.store.CreateMerchant(ctx, by, merchant.NewMerchant{OfficeID: office, Name: name, Brand: brand, Trade: merchant.Trade(trade)})
	r.must(err)
	for _, o := range outlets {
		o.MerchantID = m
		id, err := r.store.CreateOutlet(ctx, by, o)
		r.must(err)
		r.outlets = append(r.outlets, id)
	}
	c, err := r.store.CreateContract(ctx, by, merchant.NewContract{MerchantID: m, OfficeID: office,
		ValidFrom: time.Now().Add(-40 * 24 * time.Hour), ValidUntil: time.Now().Add(300 * 24 * time.Hour)})
	r.must(err)
	_, err = r.store.PublishTerms(ctx, by, c, []byte(doc), time.Time{})
	r.must(err)
	r.must(r.store.ActivateContract(ctx, by, c))
	return c
}

// get asks, with headers in pairs.
func (r *rig) get(path string, headers ...string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(http.MethodGet, path, nil)
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	r.handler.ServeHTTP(w, req)
	return w
}

func outletPath(id int64) string { return fmt.Sprintf("/open/v1/outlets/%d", id) }
