package main

import (
	"bytes"
	"context"
	"fmt"
	"html"
	"image"
	"image/jpeg"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/netip"
	"net/textproto"
	"net/url"
	"strings"
	"testing"
	"time"

	"unioncard/api/console"
	"unioncard/card/union/staff"
)

// bureau is a node of the small province, and the people who work in its console.
// Its accounts' passwords are hashed at almost no cost.
type bureau struct {
	*province
	testing.TB
	node   *node
	base   string
	unions map[int32]int64 // by division
	client *http.Client    // follows no redirect
}

// serve runs one node on a port of its own until the test ends; redis is "" for a
// node alone.
func (p *province) serve(t testing.TB, redis string) *bureau {
	t.Helper()
	return p.serveWith(t, redis, slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})))
}

// serveWith is serve with a log of the test's own.
func (p *province) serveWith(t testing.TB, redis string, log *slog.Logger) *bureau {
	t.Helper()
	cfg, err := parseConfig([]string{"--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--keyring-file", "unused",
		"--database-url", "postgres://unused", "--second-factor", "off", "--public-url", "http://card.example.org"}, nil, modeServe)
	if err != nil {
		t.Fatal(err)
	}
	cfg.FilesDir, cfg.HashMemory, cfg.HashPasses = t.TempDir(), 64, 1
	if cfg.RedisURL = redis; redis != "" {
		cfg.Nodes = 2
	}
	n, err := newNode(t.Context(), cfg, p.pool, p.keyring, log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	b := &bureau{province: p, TB: t, node: n, base: "http://" + n.apiAt.Addr().String(), unions: map[int32]int64{},
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	t.Cleanup(func() {
		b.client.CloseIdleConnections()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	rows, err := p.pool.Query(t.Context(), `SELECT division, id FROM unions WHERE division IS NOT NULL`)
	b.must(err)
	for rows.Next() {
		var division int32
		var id int64
		b.must(rows.Scan(&division, &id))
		b.unions[division] = id
	}
	b.must(rows.Err())
	return b
}

// sub runs a subtest, to which the bureau's own complaints belong meanwhile.
func (b *bureau) sub(name string, f func(t *testing.T)) {
	all := b.TB
	all.(*testing.T).Run(name, func(t *testing.T) {
		b.TB = t
		defer func() { b.TB = all }()
		f(t)
	})
}

func (b *bureau) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// number reads one number of the database.
func (b *bureau) number(sql string, args ...any) (n int64) {
	b.Helper()
	b.must(b.pool.QueryRow(b.Context(), sql, args...).Scan(&n))
	return n
}

// clerk is somebody signed in at the console; token "" for nobody.
type clerk struct {
	*bureau
	id    int64
	login string
	token string
}

// hire makes an account of a union's and signs it in.
func (b *bureau) hire(login string, union int64, roles ...staff.Role) *clerk {
	b.Helper()
	id, err := b.node.accounts.Create(b.Context(), staff.By{Actor: "test", Reason: "test"},
		staff.NewAccount{Login: login, Name: "职员" + login, UnionID: union, Roles: roles, Password: sitePassword})
	b.must(err)
	c := &clerk{bureau: b, id: id, login: login}
	c.signIn()
	return c
}

// signIn opens a session, in place of the one before.
func (c *clerk) signIn() {
	c.Helper()
	token, _, err := c.node.accounts.SignIn(c.Context(), c.login, sitePassword, "", netip.MustParseAddr("127.0.0.1"))
	c.must(err)
	c.token = token
}

// account is the clerk as the database has them now.
func (c *clerk) account() *staff.Account {
	c.Helper()
	a, err := c.node.accounts.BySession(c.Context(), c.token)
	c.must(err)
	return a
}

// reply is what came back.
type reply struct {
	status int
	header http.Header
	body   string // HTML without its escapes
}

func (r *reply) to() string { return r.header.Get("Location") }

// withoutID is the page without what is another one each time.
func (r *reply) withoutID() string {
	return strings.ReplaceAll(readable(r.body), r.header.Get("X-Request-Id"), "")
}

// send makes one request; more are pairs of headers.
func (c *clerk) send(method, path, media string, body io.Reader, more ...string) *reply {
	c.Helper()
	req, err := http.NewRequestWithContext(c.Context(), method, c.base+path, body)
	c.must(err)
	if media != "" {
		req.Header.Set("Content-Type", media)
	}
	if c.token != "" {
		req.AddCookie(&http.Cookie{Name: console.SessionCookie, Value: c.token})
	}
	for i := 0; i+1 < len(more); i += 2 {
		req.Header.Set(more[i], more[i+1])
	}
	res, err := c.client.Do(req)
	c.must(err)
	defer drain(res.Body)
	raw, err := io.ReadAll(res.Body)
	c.must(err)
	return &reply{res.StatusCode, res.Header, html.UnescapeString(string(raw))}
}

func (c *clerk) get(path string) *reply {
	c.Helper()
	return c.send(http.MethodGet, path, "", nil)
}

// post sends a form of pairs.
func (c *clerk) post(path string, pairs ...string) *reply {
	c.Helper()
	return c.send(http.MethodPost, path, "application/x-www-form-urlencoded", strings.NewReader(formOf(pairs...).Encode()))
}

func formOf(pairs ...string) url.Values {
	f := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		f.Add(pairs[i], pairs[i+1])
	}
	return f
}

// upload sends a form of pairs with one file; field "" sends none.
func (c *clerk) upload(path, field, name string, data []byte, pairs ...string) *reply {
	c.Helper()
	var body bytes.Buffer
	m := multipart.NewWriter(&body)
	for i := 0; i+1 < len(pairs); i += 2 {
		c.must(m.WriteField(pairs[i], pairs[i+1]))
	}
	if field != "" {
		part, err := m.CreatePart(textproto.MIMEHeader{"Content-Type": {"application/octet-stream"},
			"Content-Disposition": {fmt.Sprintf(`form-data; name=%q; filename=%q`, field, name)}})
		c.must(err)
		_, err = part.Write(data)
		c.must(err)
	}
	c.must(m.Close())
	return c.send(http.MethodPost, path, m.FormDataContentType(), &body)
}

// want holds a reply to a status and to what it must say.
func (c *clerk) want(what string, r *reply, status int, says ...string) *reply {
	c.Helper()
	if r.status != status {
		c.Fatalf("%s: answered %d (%s), want %d: %.2000s", what, r.status, r.to(), status, readable(r.body))
	}
	for _, s := range says {
		if !strings.Contains(r.body, s) {
			c.Fatalf("%s: does not say %q: %.3000s", what, s, readable(r.body))
		}
	}
	return r
}

// readable is a page without its head and tags.
func readable(body string) string {
	if _, rest, ok := strings.Cut(body, "<main"); ok {
		body = "<main" + rest
	}
	var out strings.Builder
	depth := 0
	for _, r := range body {
		switch {
		case r == '<':
			depth++
		case r == '>' && depth > 0:
			depth--
			out.WriteByte(' ')
		case depth == 0:
			out.WriteRune(r)
		}
	}
	return strings.Join(strings.Fields(out.String()), " ")
}

// soon asks until ok says yes. It fails if a question that was put later than limit
// after a moment was still answered with no.
func soon(tb testing.TB, since time.Time, limit time.Duration, what string, ok func() bool) {
	tb.Helper()
	for {
		asked := time.Since(since)
		if ok() {
			return
		}
		if asked > limit {
			tb.Fatalf("%s: not yet %v after", what, asked)
		}
	}
}

// snapshot is a small photograph, n of many that differ.
func snapshot(tb testing.TB, n int) []byte {
	tb.Helper()
	img := image.NewGray(image.Rect(0, 0, 32, 32))
	for i := range img.Pix {
		img.Pix[i] = byte(i * (n + 3))
	}
	var out bytes.Buffer
	if err := jpeg.Encode(&out, img, nil); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}
