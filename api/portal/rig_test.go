package portal_test

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"unioncard/api"
	"unioncard/api/console"
	"unioncard/api/page"
	"unioncard/api/portal"
	"unioncard/card/phone/sms"
	"unioncard/card/union"
	"unioncard/card/union/staff"
	"unioncard/merchant"
	"unioncard/merchant/account"
	"unioncard/merchant/application"
	"unioncard/merchant/file"
	"unioncard/merchant/fleet"
	"unioncard/migrations/pgtest"
	"unioncard/web"
)

// rig is the real router over a database of the test's own. Its console's
// accounts are those of signIn, by their cookie.
type rig struct {
	t        *testing.T
	pool     *pgxpool.Pool
	handler  http.Handler
	store    *application.Store
	accounts map[string]*staff.Account
	unions   map[int32]int64
	users    *account.Store   // of merchants
	sent     chan sms.Message // codes
	shift    atomic.Int64     // ns that the portal's clock is ahead
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, pool: pgtest.New(t), accounts: map[string]*staff.Account{}, sent: make(chan sms.Message, 100)}
	ctx := t.Context()
	tx, err := r.pool.Begin(ctx)
	r.must(err)
	r.unions, err = union.SeedHenan(ctx, tx)
	r.must(err)
	r.must(tx.Commit(ctx))
	assets, err := page.NewAssets(fstest.MapFS{})
	r.must(err)
	pages, err := page.NewRenderer(web.Templates, assets, time.Now)
	r.must(err)
	files, err := file.New(file.Options{DB: r.pool, Dir: t.TempDir(), Clock: time.Now})
	r.must(err)
	keys := func() []application.VaultKey { return []application.VaultKey{{ID: 1, Secret: make([]byte, 32)}} }
	r.store = application.New(application.Options{DB: r.pool, Files: files, Clock: time.Now, Vault: application.NewVault(keys)})
	r.users = r.newUsers()
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	r.handler = api.NewRouter(api.Deps{Clock: time.Now, Logger: log, Registerer: prometheus.NewRegistry(), People: &api.People{
		Console: console.New(console.Options{Pages: pages, DB: r.pool, Merchants: merchant.NewStore(r.pool, time.Now),
			Applications: r.store, Files: files, Accounts: r.users, Fleet: fleet.NewStore(r.pool, time.Now), Recon: r.till(),
			Signing: r.moneySigning(), Clock: time.Now, Logger: log}),
		Portal: portal.New(r.portalOptions(pages, files)),
		Pages:  pages, Assets: assets,
		Session: func(_ context.Context, token string) (*staff.Account, error) {
			if a := r.accounts[token]; a != nil {
				return a, nil
			}
			return nil, staff.ErrNoSession
		},
		Locate: func(ctx context.Context, kind string, id int64) (string, error) {
			return merchant.Locate(ctx, r.pool, kind, id)
		},
	}})
	return r
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// signIn makes an account of a division's union and returns its session.
func (r *rig) signIn(division int32, roles ...staff.Role) string {
	r.t.Helper()
	a := &staff.Account{ID: int64(len(r.accounts) + 1), Login: "test", Name: "测试", UnionID: r.unions[division], Roles: roles}
	r.must(r.pool.QueryRow(r.t.Context(), `SELECT name, path FROM unions WHERE id = $1`, a.UnionID).Scan(&a.Union, &a.Path))
	token := fmt.Sprintf("session%d", len(r.accounts)+1)
	r.accounts[token] = a
	return token
}

// answer is what came back.
type answer struct {
	status   int
	location string
	header   http.Header
	body     string
}

func (r *rig) do(session, method, path, media string, body io.Reader, more ...string) answer {
	r.t.Helper()
	req := httptest.NewRequestWithContext(r.t.Context(), method, path, body)
	if media != "" {
		req.Header.Set("Content-Type", media)
	}
	if token, ok := strings.CutPrefix(session, inPortal); ok {
		req.AddCookie(&http.Cookie{Name: portal.SessionCookie, Value: token})
	} else if session != "" {
		req.AddCookie(&http.Cookie{Name: api.SessionCookie, Value: session})
	}
	for i := 0; i+1 < len(more); i += 2 {
		req.Header.Set(more[i], more[i+1])
	}
	w := httptest.NewRecorder()
	r.handler.ServeHTTP(w, req)
	return answer{w.Code, w.Header().Get("Location"), w.Header(), w.Body.String()}
}

func (r *rig) get(session, path string) answer { return r.do(session, "GET", path, "", nil) }

func (r *rig) post(session, path string, form url.Values) answer {
	return r.do(session, "POST", path, "application/x-www-form-urlencoded", strings.NewReader(form.Encode()))
}

// upload posts fields and one file.
func (r *rig) upload(session, path, field, name string, data []byte, fields ...string) answer {
	r.t.Helper()
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	for i := 0; i+1 < len(fields); i += 2 {
		r.must(m.WriteField(fields[i], fields[i+1]))
	}
	part, err := m.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {fmt.Sprintf(`form-data; name=%q; filename=%q`, field, name)}, "Content-Type": {"image/jpeg"}})
	r.must(err)
	_, err = part.Write(data)
	r.must(err)
	r.must(m.Close())
	return r.do(session, "POST", path, m.FormDataContentType(), &b)
}

func photo(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, 32, 32)), nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// filled is a good form for a shop in a division.
func filled(division string) url.Values {
	return url.Values{"code": {"91410000170001401D"}, "legal_name": {"郑州宇通餐饮有限公司"}, "trade": {"catering"}, "legal_rep": {"张三"},
		"contact_name": {"李四"}, "phone": {"13803710001"}, "outlet.0.name": {"花园路店"}, "outlet.0.address": {"花园路1号"},
		"outlet.0.territory": {division}, "consent": {"1"}}
}

// apply fills in the public form and returns the link.
func (r *rig) apply() string {
	r.t.Helper()
	a := r.post("", "/apply", filled("410105"))
	if a.status != http.StatusSeeOther {
		r.t.Fatalf("apply: %d %s", a.status, a.body)
	}
	return a.location
}

// send uploads what is needed and sends the application of a link.
func (r *rig) send(link string) {
	r.t.Helper()
	for _, kind := range []string{"licence", "permit", "storefront"} {
		if a := r.upload("", link+"/files", "file_"+kind, kind+".jpg", photo(r.t), "kind", kind); a.status != http.StatusSeeOther {
			r.t.Fatalf("upload %s: %d %s", kind, a.status, a.body)
		}
	}
	if a := r.post("", link+"/move", url.Values{"action": {"submit"}, "version": {"1"}}); a.status != http.StatusSeeOther {
		r.t.Fatalf("send: %d %s", a.status, a.body)
	}
}
