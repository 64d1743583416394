package settlement

import (
	"os"
	"strconv"
	"testing"
	"time"
)

// BenchmarkClose closes one day. UNIONCARD_CLOSE_PURCHASES and UNIONCARD_CLOSE_MERCHANTS
// set its size (200,000 of 2,000; the day of a province is 5,000,000 of 50,000), and
// UNIONCARD_CLOSE_DUTY the part of the time it works (1; the service takes defaultDuty).
// One in fifty purchases is voided.
func BenchmarkClose(b *testing.B) {
	purchases, merchants := sizeOf(b, "UNIONCARD_CLOSE_PURCHASES", 200_000), sizeOf(b, "UNIONCARD_CLOSE_MERCHANTS", 2_000)
	w := newWorld(b, merchants, CloserOptions{})
	if text := os.Getenv("UNIONCARD_CLOSE_DUTY"); text != "" {
		duty, err := strconv.ParseFloat(text, 64)
		w.must(err)
		w.closer.opt.Duty = duty
	}
	began := time.Now()
	w.fill(purchases, merchants, 200_000)
	b.Logf("%d purchases of %d merchants written in %v", purchases, merchants, time.Since(began).Round(time.Second))
	for b.Loop() {
		b.StopTimer()
		w.exec(`ALTER TABLE statements DISABLE TRIGGER USER`)
		w.exec(`DELETE FROM statements`)
		w.exec(`DELETE FROM business_days`)
		b.StartTimer()
		var last Closed
		for _, c := range w.close(w.today - 1) {
			last = c
		}
		if last.Purchases != int64(purchases) || last.Statements != int64(merchants) {
			b.Fatalf("closed %+v", last)
		}
		b.ReportMetric(float64(purchases)/last.Took.Seconds(), "purchases/s")
	}
}

func sizeOf(b *testing.B, env string, preset int) int {
	text := os.Getenv(env)
	if text == "" {
		return preset
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		b.Fatalf("%s: want a number above 0, not %q", env, text)
	}
	return n
}

// fill writes yesterday's purchases in the order of time, a part at a time.
func (w *world) fill(purchases, merchants, part int) {
	w.t.Helper()
	day := (w.today - 1).Date()
	for from := 0; from < purchases; from += part {
		to := min(from+part, purchases) - 1
		// Every merchant sells; which one is next looks like chance.
		w.exec(`INSERT INTO purchases (merchant_id, id, terminal_id, idem_key, request_hash, state, outlet_id, contract_id, terms_version,
				card_serial, code_kind, code_key, quote_id, quoted_at, amount_fen, discount_fen, union_share_fen, applied, business_day, committed_at)
			SELECT m, (lpad(to_hex(1700000000000 + i - $4), 12, '0') || '7' || lpad(to_hex(i % 4096), 3, '0') || '8' || lpad(to_hex(i), 15, '0'))::uuid, 2 * m, 'k' || i, '\x00112233445566778899aabbccddeeff', CASE WHEN i % 50 = 0 THEN 2 ELSE 1 END, 2 * m - i / $3 % 2, m, 1,
				i % 1000000, 1, i, i, now(), 5000 + i % 5000, 500, 200,
				'[{"offer":"off","fen":500,"union_fen":200,"budget":1,"periods":[1,3]}]', $5, now()
			FROM (SELECT i, 1 + i * 7919 % $3 AS m FROM generate_series($1::bigint, $2::bigint) AS i) AS s`, from, to, merchants, purchases, day)
	}
	w.exec(`INSERT INTO purchase_undos (merchant_id, purchase_id, seq, kind, terminal_id, idem_key, request_hash, returned_fen,
			given_back_fen, union_back_fen, answer, business_day, at)
		SELECT merchant_id, id, 1, 1, terminal_id, idem_key, request_hash, amount_fen - discount_fen, discount_fen, union_share_fen, '{}', business_day, now()
		FROM purchases WHERE state = 2`)
	w.exec(`VACUUM ANALYZE purchases, purchase_undos`)
}
