package recon_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"unioncard/card"
	"unioncard/card/personal"
	"unioncard/card/union/event"
	"unioncard/card/union/keyset"
	"unioncard/card/union/staff"
	"unioncard/merchant"
	"unioncard/merchant/signing"
	"unioncard/migrations/pgtest"
	"unioncard/settlement/ledger"
	"unioncard/settlement/recon"
)

var (
	by      = merchant.By{Actor: "test", Reason: "测试"}
	beijing = time.FixedZone("Asia/Shanghai", 8*60*60)
	// day is the day that most tests reconcile.
	day  = ledger.DayOf(time.Date(2026, 6, 1, 12, 0, 0, 0, beijing))
	noon = day.Start().Add(12 * time.Hour)
)

const owner = event.Actor("merchant:1")

// world is two merchants of one office, with finance and an approver.
type world struct {
	testing.TB
	ctx             context.Context
	pool            *pgxpool.Pool
	store           *recon.Store
	signing         *signing.Store
	office          int64
	shop, other     int64 // merchants
	outlet          int64
	maker, approver *staff.Account
	n               int
}

func newWorld(t testing.TB, opts ...func(*recon.Options)) *world {
	t.Helper()
	w := &world{TB: t, ctx: t.Context(), pool: pgtest.New(t)}
	vault, err := personal.Open(w.ctx, w.pool, personal.StaticKEK(1, bytes.Repeat([]byte{7}, 32)), personal.Options{})
	w.must(err)
	o := recon.Options{Vault: vault, Clock: time.Now}
	for _, f := range opts {
		f(&o)
	}
	w.store = recon.New(w.pool, o)
	w.signing = signing.New(w.pool, signing.Options{Clock: time.Now, Kinds: []signing.Kind{w.store.Kind()}})
	ids, err := card.NewStore(w.pool, card.StoreOptions{}).SeedUnions(w.ctx, card.By{Actor: "test", Reason: "测试"})
	w.must(err)
	w.office = ids[410105]
	m := merchant.NewStore(w.pool, time.Now)
	for _, s := range []struct {
		into *int64
		name string
	}{{&w.shop, "甲店"}, {&w.other, "乙店"}} {
		*s.into, err = m.CreateMerchant(w.ctx, by, merchant.NewMerchant{OfficeID: w.office, Name: s.name, Trade: merchant.TradeCatering})
		w.must(err)
	}
	w.outlet, err = m.CreateOutlet(w.ctx, by, merchant.NewOutlet{MerchantID: w.shop, Name: "甲店一店", Address: "花园路1号", Territory: 410105})
	w.must(err)
	w.maker, w.approver = w.account("finance", staff.Finance), w.account("approver", staff.Approver)
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) account(login string, role staff.Role) *staff.Account {
	w.Helper()
	a := &staff.Account{Login: login, Name: login, UnionID: w.office, Roles: []staff.Role{role}}
	w.must(w.pool.QueryRow(w.ctx, `WITH s AS (INSERT INTO staff (login, name, union_id, roles, password, password_at, created_at)
		VALUES ($1, $1, $2, ARRAY[$3::text], 'none', now(), now()) RETURNING id)
		SELECT s.id, u.path FROM s, unions u WHERE u.id = $2`, login, w.office, string(role)).Scan(&a.ID, &a.Path))
	return a
}

func (w *world) exec(sql string, args ...any) {
	w.Helper()
	if _, err := w.pool.Exec(w.ctx, sql, args...); err != nil {
		w.Fatalf("%s: %v", sql, err)
	}
}

func (w *world) count(from string, args ...any) (n int) {
	w.Helper()
	w.must(w.pool.QueryRow(w.ctx, `SELECT count(*) FROM `+from, args...).Scan(&n))
	return n
}

// purchaseID makes an id as a purchase made at t has it.
func purchaseID(t time.Time, n int) uuid.UUID {
	id := uuid.UUID{6: 0x70, 8: 0x80, 15: byte(n), 14: byte(n >> 8), 13: byte(n >> 16)}
	ms := uint64(t.UnixMilli())
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i))
	}
	return id
}

// sale is a purchase of the world.
type sale struct {
	merchant      int64
	at            time.Time
	fen, discount int64
	ref           string
	card          int64
}

// sell records a purchase of the first merchant as the committer does, with a discount
// of a tenth.
func (w *world) sell(at time.Time, fen int64, ref string) uuid.UUID {
	w.Helper()
	return w.record(sale{w.shop, at, fen, fen / 10, ref, 1})
}

func (w *world) record(s sale) uuid.UUID {
	w.Helper()
	w.n++
	id := purchaseID(s.at, w.n)
	w.exec(`INSERT INTO purchases (merchant_id, id, terminal_id, idem_key, request_hash, state, outlet_id, contract_id, terms_version, card_serial,
			code_kind, code_key, quote_id, quoted_at, amount_fen, discount_fen, union_share_fen, applied, merchant_ref, business_day, committed_at)
		VALUES ($1, $2, 1, $3, '\x00', 1, $4, 1, 1, $5, 1, $6, $6, $7, $8, $9, 0, '[]', nullif($10, ''), $11, $7)`,
		s.merchant, id, id.String(), w.outlet, s.card, w.n, s.at, s.fen, s.discount, s.ref, ledger.DayOf(s.at).Date())
	return id
}

// undo gives a purchase back whole, at a moment.
func (w *world) undo(id uuid.UUID, at time.Time) {
	w.Helper()
	w.exec(`INSERT INTO purchase_undos (merchant_id, purchase_id, seq, kind, terminal_id, request_hash, returned_fen, given_back_fen, answer, business_day, at)
		SELECT merchant_id, id, 1, 1, 1, '\x00', amount_fen - discount_fen, discount_fen, '{}', $2, $3 FROM purchases WHERE id = $1`, id, ledger.DayOf(at).Date(), at)
	w.exec(`UPDATE purchases SET state = 2, returned_fen = amount_fen - discount_fen, given_back_fen = discount_fen WHERE id = $1`, id)
}

// upload sends a CSV of the day and does the work.
func (w *world) upload(text string) *recon.Case {
	w.Helper()
	id, err := w.try(text)
	w.must(err)
	w.work()
	return w.get(id)
}

func (w *world) try(text string) (int64, error) {
	return w.store.Upload(w.ctx, recon.Upload{MerchantID: w.shop, By: owner, Name: "收银.csv", First: day, Last: day, Rows: -1, Body: strings.NewReader(text)})
}

func (w *world) work() {
	w.Helper()
	for {
		did, err := w.store.Work(w.ctx)
		w.must(err)
		if !did {
			return
		}
	}
}

func (w *world) get(id int64) *recon.Case {
	w.Helper()
	c, err := w.store.Case(w.ctx, w.shop, id)
	w.must(err)
	return c
}

// differences lists a reconciliation's, gone ones too, by number.
func (w *world) differences(caseID int64) []recon.Difference {
	w.Helper()
	list, err := w.store.Differences(w.ctx, "", recon.Filter{Case: caseID}, keyset.Page{Sort: "id", Limit: 100})
	w.must(err)
	return list
}

// brief says kind, reason, state and row of each.
func brief(list []recon.Difference) string {
	var out []string
	for _, d := range list {
		out = append(out, fmt.Sprintf("%s %s %s %d", d.Kind, d.Why, d.State, d.RowNo))
	}
	return strings.Join(out, "; ")
}

// file makes a CSV with its total at the foot.
func file(rows ...string) string {
	var total int64
	text := "收银单号,交易时间,消费金额,优惠金额\n"
	for _, r := range rows {
		var fen int64
		_, _ = fmt.Sscanf(strings.Split(r, ",")[2], "%d", &fen)
		total += fen
		text += r + "\n"
	}
	return text + fmt.Sprintf("合计,,%d,\n", total)
}

// line is a row of a file: in yuan.
func line(ref string, at time.Time, yuan, discount int) string {
	return fmt.Sprintf("%s,%s,%d,%d", ref, at.In(beijing).Format("2006-01-02 15:04:05"), yuan, discount)
}
