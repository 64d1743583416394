package merchant_test

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"runtime"
	"testing"
	"time"

	"unioncard/card/feed"
	"unioncard/merchant"
	"unioncard/migrations/pgtest"
)

// The size of a province: outlets, of which each chain has ten.
const provinceOutlets = 50_000

// fill makes a province by SQL: 5,000 merchants of ten outlets each, a contract
// each with Terms of its own, and two terminals an outlet.
func fill(b *testing.B) *world {
	b.Helper()
	w := newWorld(b, pgtest.New(b))
	for _, sql := range []string{
		`INSERT INTO merchants (office_id, name, trade) SELECT $1, '商家' || i, 'catering' FROM generate_series(1, $2::int / 10) i`,
		`INSERT INTO outlets (merchant_id, name, territory) SELECT 1 + i % (SELECT count(*) FROM merchants), '门店' || i, 410105
			FROM generate_series(1, $2::int) i WHERE $1::bigint > 0`,
		`INSERT INTO terminals (merchant_id, outlet_id, kind, client_id, public_key)
			SELECT merchant_id, id, 'terminal', 't' || md5(id::text || i), sha256(id::text::bytea)
			FROM outlets, generate_series(1, 2) i WHERE $1::bigint > 0 AND $2::int > 0`,
		`INSERT INTO contracts (merchant_id, office_id, trade, status, valid, refund_until, floor_clause)
			SELECT id, $1, 'catering', 'active', tstzrange('2026-01-01', '2027-01-01'), '2027-03-01', true FROM merchants WHERE $2::int > 0`,
		`INSERT INTO contract_outlets SELECT c.id, o.id, c.valid FROM contracts c JOIN outlets o USING (merchant_id)
			WHERE $1::bigint > 0 AND $2::int > 0`,
		`INSERT INTO contract_terms (contract_id, version, terms, sha256, effective, published_by)
			SELECT c.id, 1, t, sha256(t::text::bytea), tstzrange('2026-01-01', NULL), 'test' FROM contracts c,
			LATERAL (SELECT jsonb_build_object('v', 1, 'offers', jsonb_agg(jsonb_build_object('id', 'o' || i, 'title', '优惠' || c.id,
				'scope', jsonb_build_object('categories', jsonb_build_array('c' || i)),
				'benefit', jsonb_build_object('kind', 'percent', 'rate_bp', 9000), 'funding_bp', 10000))) AS t
				FROM generate_series(1, 5) i) x WHERE $1::bigint > 0 AND $2::int > 0`,
	} {
		if _, err := w.db.Exec(w.ctx, sql, w.county, provinceOutlets); err != nil {
			b.Fatal(err)
		}
	}
	return w
}

// load fills a state and returns its source and a transaction to apply in.
func (w *world) load(b *testing.B) (*merchant.State, feed.Source, oneSession) {
	b.Helper()
	tx, err := w.db.Begin(w.ctx)
	w.must(err)
	b.Cleanup(func() { w.must(tx.Rollback(context.WithoutCancel(w.ctx))) })
	state := merchant.NewState(w.clock.Now, slog.New(slog.DiscardHandler))
	source := merchant.NewSource(state)
	w.must(source.Load(w.ctx, oneSession{tx}))
	return state, source, oneSession{tx}
}

// BenchmarkView measures the view of a province: its load and size, what one
// change costs, and the look-ups of a verification.
func BenchmarkView(b *testing.B) {
	w := fill(b)
	heap := func() float64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return float64(m.HeapAlloc)
	}
	before := heap()
	state, source, session := w.load(b)
	size := heap() - before
	b.Run("load", func(b *testing.B) {
		for b.Loop() {
			w.must(source.Load(w.ctx, session))
		}
		b.ReportMetric(size/(1<<20), "MB/view")
	})
	for name, change := range map[string]feed.Change{
		"apply/contract": {Kind: feed.KindContract, ObjectID: 17}, "apply/terminal": {Kind: feed.KindTerminal, ObjectID: 17},
		"apply/outlet": {Kind: feed.KindOutlet, ObjectID: 17},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				w.must(source.Apply(w.ctx, session.tx, []feed.Change{change}))
			}
		})
	}
	b.Run("look-up", func(b *testing.B) {
		client := state.Snapshot().Terminal(1017).ClientID
		b.ReportAllocs()
		for b.Loop() {
			s := state.Snapshot()
			t := s.TerminalByClient(client)
			c, err := s.InForce(t.OutletID, noon)
			if err != nil || c.TermsAt(noon) == nil || len(c.Lifts(noon)) != 0 {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkSign measures what registering a merchant with three outlets and a
// contract costs, as the demo's loader does it: in one transaction.
func BenchmarkSign(b *testing.B) {
	w := newWorld(b, pgtest.Tx(b))
	w.floor(merchant.TradeCatering, "", percent(9500), time.Time{}, 30)
	n := sha256.Size
	for b.Loop() {
		m := w.merchant("")
		for range 3 {
			w.outlet(m)
		}
		n++
		w.active(m, 0, w.county, false, percent(9000-n%1000))
	}
}

// BenchmarkPublishFloor measures a floor over 5,000 contracts that were drawn up
// from one template, each with a validity of its own, and meet it.
func BenchmarkPublishFloor(b *testing.B) {
	w := newWorld(b, ownTx(b))
	for _, sql := range []string{
		`INSERT INTO merchants (office_id, name, trade) SELECT $1, '商家' || i, 'catering' FROM generate_series(1, 5000) i`,
		`INSERT INTO contracts (merchant_id, office_id, trade, status, valid, refund_until, floor_clause)
			SELECT id, $1, 'catering', 'active', tstzrange('2026-01-01', timestamptz '2027-01-01' + id * interval '1 hour'), '2029-03-01', true
			FROM merchants`,
		`INSERT INTO categories (code, name) SELECT 'c' || i, '品类' || i FROM generate_series(1, 5) i WHERE $1::bigint > 0`,
		`INSERT INTO contract_terms (contract_id, version, terms, sha256, effective, published_by)
			SELECT c.id, 1, t, sha256(t::text::bytea), tstzrange('2026-01-01', NULL), 'test' FROM contracts c,
			(SELECT jsonb_build_object('v', 1, 'offers', jsonb_agg(jsonb_build_object('id', 'o' || i, 'title', '优惠',
				'scope', jsonb_build_object('categories', jsonb_build_array('c' || i)),
				'benefit', jsonb_build_object('kind', 'percent', 'rate_bp', 8000), 'funding_bp', 10000))) AS t
				FROM generate_series(1, 5) i) x WHERE $1::bigint > 0`,
	} {
		if _, err := w.db.Exec(w.ctx, sql, w.county); err != nil {
			b.Fatal(err)
		}
	}
	floor := []byte(`{"v":1,"offers":[{"id":"off","title":"会员折扣","scope":{"categories":["c1","c2"]},"benefit":{"kind":"percent","rate_bp":9000},"funding_bp":10000}]}`)
	at := noon
	for b.Loop() {
		at = at.Add(time.Second)
		if out := w.floor(merchant.TradeCatering, "", floor, at, 30); len(out.Below) != 0 {
			b.Fatalf("%d below", len(out.Below))
		}
	}
}
