package application_test

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/jpeg"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"unioncard/card/union"
	"unioncard/card/union/staff"
	"unioncard/merchant"
	"unioncard/merchant/application"
	"unioncard/merchant/file"
	"unioncard/migrations/pgtest"
)

var by = merchant.By{Actor: "staff:1", Reason: "test"}

// clock is a clock that tests set.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// world is Henan's unions in a database of the test's own.
type world struct {
	t      *testing.T
	ctx    context.Context
	pool   *pgxpool.Pool
	clock  *clock
	files  *file.Store
	store  *application.Store
	unions map[int32]int64 // by division
}

const (
	henan    = 410000
	zhengz   = 410100 // 郑州市
	jinshui  = 410105 // 金水区
	erqi     = 410103 // 二七区
	luoyang  = 410300
	jianxi   = 410305 // 涧西区
	goodCode = "91410000170001401D"
)

func keys() []application.VaultKey {
	return []application.VaultKey{{ID: 1, Secret: bytes.Repeat([]byte{7}, 32)}}
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, ctx: t.Context(), pool: pgtest.New(t), clock: &clock{now: time.Now()}}
	tx, err := w.pool.Begin(w.ctx)
	w.must(err)
	w.unions, err = union.SeedHenan(w.ctx, tx)
	w.must(err)
	w.must(tx.Commit(w.ctx))
	w.files, err = file.New(file.Options{DB: w.pool, Dir: t.TempDir(), Clock: w.clock.Now})
	w.must(err)
	w.store = application.New(application.Options{DB: w.pool, Vault: application.NewVault(keys), Files: w.files, Clock: w.clock.Now})
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// account is somebody of a division's union.
func (w *world) account(division int32) *staff.Account {
	w.t.Helper()
	a := &staff.Account{ID: 1, UnionID: w.unions[division], Roles: []staff.Role{staff.Negotiator}}
	w.must(w.pool.QueryRow(w.ctx, `SELECT name, path FROM unions WHERE id = $1`, a.UnionID).Scan(&a.Union, &a.Path))
	return a
}

// document is a whole one for outlets in some divisions.
func document(divisions ...int32) application.Document {
	d := application.Document{Code: goodCode, LegalName: "郑州宇通餐饮有限公司", Trade: merchant.TradeCatering,
		Contact: application.Contact{LegalRep: "张三", Name: "李四", Phone: "13803710001"}}
	for i, code := range divisions {
		d.Outlets = append(d.Outlets, application.Outlet{Name: fmt.Sprintf("第%d店", i+1),
			Address: fmt.Sprintf("花园路%d号", i+1), Territory: code})
	}
	return d
}

// freshCode is a valid code that no other test document has.
func freshCode() string {
	const alphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY"
	for {
		code := fmt.Sprintf("91410105MA%07d", rand.IntN(10_000_000))
		for _, c := range alphabet {
			if application.ValidCode(code + string(c)) {
				return code + string(c)
			}
		}
	}
}

func photo(t testing.TB) []byte {
	t.Helper()
	img := image.NewGray(image.Rect(0, 0, 16+rand.IntN(500), 16+rand.IntN(500)))
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func (w *world) addFile(id int64, kind string, applicant bool) error {
	w.t.Helper()
	c, err := w.files.Check(w.ctx, kind+".jpg", photo(w.t))
	w.must(err)
	return w.store.AddFile(w.ctx, by, id, kind, c, applicant)
}

// apply sends an application from the public form.
func (w *world) apply(d application.Document) *application.Application {
	w.t.Helper()
	r, err := w.store.Apply(w.ctx, d)
	w.must(err)
	for _, kind := range []string{application.FileLicence, application.FilePermit, application.FileStorefront} {
		w.must(w.addFile(r.ID, kind, true))
	}
	w.move(r.ID, "submit", true)
	return w.get(r.ID)
}

// reviewed is an application in review with all its required checks ticked.
func (w *world) reviewed(d application.Document) *application.Application {
	w.t.Helper()
	a := w.apply(d)
	w.move(a.ID, "take", false)
	a = w.get(a.ID)
	w.must(w.store.AddVisit(w.ctx, by, a.ID, w.clock.Now().Add(-time.Hour), "招牌清楚，正常营业。", nil))
	r, err := w.store.Review(w.ctx, a)
	w.must(err)
	for _, c := range r.Checks {
		if c.Required {
			w.must(w.store.Tick(w.ctx, by, a.ID, a.Version, c.Name, true))
		}
	}
	return a
}

func (w *world) get(id int64) *application.Application {
	w.t.Helper()
	a, err := w.store.Get(w.ctx, id)
	w.must(err)
	return a
}

func (w *world) move(id int64, action string, applicant bool) {
	w.t.Helper()
	w.must(w.store.Move(w.ctx, merchant.By{Actor: by.Actor, Reason: "执照不清楚"}, id, w.get(id).Version, action, "请重新拍照上传。", applicant))
}

// year is a year's contract from tomorrow.
func (w *world) year() application.Acceptance {
	from := w.clock.Now().AddDate(0, 0, 1)
	return application.Acceptance{ValidFrom: from, ValidUntil: from.AddDate(1, 0, 0), RefundTail: 30 * 24 * time.Hour}
}

func (w *world) count(sql string, args ...any) (n int) {
	w.t.Helper()
	w.must(w.pool.QueryRow(w.ctx, sql, args...).Scan(&n))
	return n
}
