package merchant_test

import (
	"testing"
	"time"

	"unioncard/merchant"
	"unioncard/migrations/pgtest"
)

// impactContracts is how many contracts a floor of a province may bind.
const impactContracts = 50_000

// BenchmarkFloorImpact finds what a floor would leave below among 50,000 contracts
// of three offers each, with few Terms among them (a union's template) or with all
// different:
//
//	go test ./merchant -run '^$' -bench FloorImpact -benchtime 1x
func BenchmarkFloorImpact(b *testing.B) {
	for name, distinct := range map[string]int{"500 terms": 500, "50000 terms": impactContracts} {
		b.Run(name, func(b *testing.B) {
			w := newWorld(b, pgtest.New(b))
			for _, sql := range []string{
				`INSERT INTO merchants (office_id, name, trade) SELECT $1, '商家' || i, 'catering' FROM generate_series(1, $2::int) i WHERE $3::int > 0`,
				`INSERT INTO contracts (merchant_id, office_id, trade, status, valid, refund_until)
					SELECT id, $1, 'catering', 'active', tstzrange('2026-01-01', '2027-01-01'), '2027-03-01' FROM merchants WHERE $2::int + $3::int > 0`,
				`INSERT INTO contract_terms (contract_id, version, terms, sha256, effective, published_by)
					SELECT c.id, 1, t, sha256(t::text::bytea), tstzrange('2026-01-01', NULL), 'test'
					FROM contracts c, LATERAL (SELECT c.id % $3::int AS n) x, LATERAL (SELECT jsonb_build_object('v', 1, 'offers', jsonb_build_array(
						jsonb_build_object('id', 'a', 'title', '全场', 'benefit', jsonb_build_object('kind', 'percent', 'rate_bp', 8000 + (n * 7) % 1500),
							'funding_bp', 10000),
						jsonb_build_object('id', 'b', 'title', '满减', 'benefit', jsonb_build_object('kind', 'amount_off', 'at_fen', 10000 + 10 * n, 'off_fen', 2000 + n % 999),
							'funding_bp', 10000),
						jsonb_build_object('id', 'c', 'title', '晚市', 'calendar', jsonb_build_object('weekdays', jsonb_build_array(1, 2, 3)),
							'benefit', jsonb_build_object('kind', 'every', 'at_fen', 20000, 'off_fen', 1000 + n % 777, 'max_times', 3), 'funding_bp', 10000))) AS t) d
					WHERE $1::bigint > 0 AND $2::int > 0`,
				`ANALYZE`,
			} {
				args := []any{w.county, impactContracts, distinct}
				if sql == `ANALYZE` {
					args = nil
				}
				if _, err := w.db.Exec(w.ctx, sql, args...); err != nil {
					b.Fatal(err)
				}
			}
			floor := []byte(`{"v":1,"offers":[{"id":"f","title":"底线","benefit":{"kind":"percent","rate_bp":9000},"funding_bp":10000},
				{"id":"g","title":"满减","benefit":{"kind":"amount_off","at_fen":20000,"off_fen":2500},"funding_bp":10000}]}`)
			var out *merchant.Impact
			start := time.Now()
			for b.Loop() {
				var err error
				out, err = w.store.FloorImpact(w.ctx, merchant.NewFloor{Trade: merchant.TradeCatering, Terms: floor, DeadlineDays: 30}, func(int, int) {})
				w.must(err)
			}
			b.ReportMetric(time.Since(start).Seconds()/float64(b.N), "s/impact")
			b.ReportMetric(float64(out.Contracts), "contracts")
			b.ReportMetric(float64(out.Compared), "comparisons")
			b.ReportMetric(float64(len(out.Below)), "below")
		})
	}
}
