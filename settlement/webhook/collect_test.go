package webhook_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"unioncard/settlement/webhook"
)

// TestCollect: what happens is told once, to its merchant's endpoints that ask for
// it, from their beginning on; also what becomes visible late.
func TestCollect(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	start := w.clock.Now()
	old := w.buy(1, start.Add(-time.Second))
	id, _ := w.endpoint(1, "https://pos.example.com/")
	refunds, _, err := w.store.Create(t.Context(), by, 1, webhook.Draft{Name: "退款", URL: "https://b.example.com/", Events: []string{"purchase.refunded"}})
	w.must(err)
	w.clock.add(2 * time.Second)
	if n := w.collect(); n != 0 {
		t.Errorf("%d messages of what was before", n)
	}
	bought := w.buy(1, start.Add(time.Second)) // its id lies before the cursor
	w.buy(2, start.Add(time.Second))
	w.undo(1, bought, 1, 3, start.Add(time.Second))
	w.undo(1, bought, 2, 1, start.Add(time.Second))
	w.undo(1, old, 1, 2, start.Add(time.Second))
	w.clock.add(2 * time.Second)
	if n := w.collect(); n != 5 {
		t.Errorf("%d messages", n)
	}
	w.clock.add(2 * time.Second)
	if n := w.collect(); n != 0 {
		t.Errorf("%d messages told again", n)
	}
	types := func(endpoint int64) map[string]string {
		out := map[string]string{}
		list, next, err := w.store.Log(t.Context(), 1, endpoint, webhook.Filter{})
		w.must(err)
		if next != 0 {
			t.Error("more pages")
		}
		for _, m := range list {
			out[m.EventID] = m.Type
		}
		return out
	}
	want := map[string]string{"purchase-" + bought.String(): "purchase.committed", "purchase-" + bought.String() + "-1": "purchase.refunded",
		"purchase-" + bought.String() + "-2": "purchase.voided", "purchase-" + old.String() + "-1": "purchase.reversed"}
	if d := cmp.Diff(want, types(id)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(map[string]string{"purchase-" + bought.String() + "-1": "purchase.refunded"}, types(refunds)); d != "" {
		t.Error(d)
	}
	// A batch that committed an hour after its ids were made.
	w.clock.add(time.Hour)
	w.collect()
	w.buy(1, w.clock.Now().Add(-time.Hour))
	w.clock.add(11 * time.Minute)
	if n := w.collect(); n != 1 {
		t.Errorf("%d messages of what came late", n)
	}
}

// TestBodies: what a message says, and that it says nothing of the card.
func TestBodies(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, _ := w.endpoint(1, "https://pos.example.com/")
	at := w.clock.Now().Add(time.Second)
	bought := w.buy(1, at)
	w.undo(1, bought, 1, 4, at)
	w.clock.add(2 * time.Second)
	w.collect()
	list, _, err := w.store.Log(t.Context(), 1, id, webhook.Filter{})
	w.must(err)
	got := map[string]any{}
	for _, m := range list {
		var doc map[string]any
		w.must(json.Unmarshal([]byte(m.Body), &doc))
		got[m.Type] = doc
		for _, secret := range []string{"card", "serial", "不想要"} {
			if strings.Contains(m.Body, secret) {
				t.Errorf("%s in %s", secret, m.Body)
			}
		}
	}
	stamp := at.Format("2006-01-02T15:04:05.999Z07:00")
	want := map[string]any{
		"purchase.committed": map[string]any{"type": "purchase.committed", "timestamp": stamp, "data": map[string]any{
			"purchase_id": bought.String(), "merchant_ref": "R-1", "outlet_id": 5.0, "business_day": "2026-11-20", "amount_fen": 10000.0,
			"discount_fen": 1000.0, "payable_fen": 9000.0, "merchant_share_fen": 600.0, "union_share_fen": 400.0}},
		"purchase.refunded": map[string]any{"type": "purchase.refunded", "timestamp": stamp, "data": map[string]any{
			"purchase_id": bought.String(), "merchant_ref": "R-1", "outlet_id": 5.0, "business_day": "2026-11-21", "seq": 1.0,
			"returned_fen": 900.0, "discount_back_fen": 100.0, "union_back_fen": 40.0, "adjustment": false}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// TestCollectMany: more than one turn may take, by two nodes at once, once each.
func TestCollectMany(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.endpoint(1, "https://pos.example.com/")
	w.exec(`INSERT INTO purchases (merchant_id, id, terminal_id, idem_key, request_hash, state, outlet_id, contract_id, terms_version,
		card_serial, code_kind, code_key, quote_id, quoted_at, amount_fen, discount_fen, union_share_fen, applied, business_day, committed_at)
		SELECT 1, overlay($1::uuid::text placing lpad(to_hex(g), 12, '0') from 25)::uuid, 1, g::text, '', 1, 5, 1, 1, g, 1, 1, 1, $2, 100, 0, 0, '[]', '2026-11-20', $2
		FROM generate_series(1, 1300) g`, webhook.FirstID(w.clock.Now()), w.clock.Now())
	w.clock.add(2 * time.Second)
	done := make(chan int)
	for range 2 {
		go func() {
			n := 0
			for {
				made, more, err := w.store.Collect(t.Context())
				if err != nil {
					t.Error(err)
				}
				if n += made; !more || err != nil {
					done <- n
					return
				}
			}
		}()
	}
	n := <-done + <-done + w.collect()
	if n != 1300 || count[int](w, `SELECT count(*) FROM webhook_messages`) != 1300 {
		t.Errorf("%d messages", n)
	}
}

// TestStatementEvents: a statement is told when it is closed and when it is paid, once
// each, however late its day was closed.
func TestStatementEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, _ := w.endpoint(1, "https://pos.example.com/")
	at := w.clock.Now().Add(time.Second)
	var statement int64
	w.must(w.pool.QueryRow(t.Context(), `INSERT INTO statements (merchant_id, business_day, body, sha256, purchases, gross_fen, discount_fen, merchant_share_fen,
		union_share_fen, undone, refunds, returned_fen, given_back_fen, union_back_fen, adjustments, adjusted_fen, paid_fen, opening_fen, due_fen, closing_fen, closed_at, confirm_by)
		SELECT m, ($1 AT TIME ZONE 'Asia/Shanghai')::date - 20, '{}', sha256(''), 1, 1000, 100, 60, 40, 0, 0, 0, 0, 0, 0, 0, 0, 5, 40, 45, $1::timestamptz, ($1 AT TIME ZONE 'Asia/Shanghai')::date
		FROM (VALUES (2), (1)) AS v (m) RETURNING id`, at).Scan(&statement))
	statement = count[int64](w, `SELECT id FROM statements WHERE merchant_id = 1`)
	w.exec(`INSERT INTO payments (office_id, from_day, until_day, state, lines, fen, file_sha256, made_by, made_at) VALUES (1, '2026-01-01', '2026-01-02', 'sent', 1, 40, sha256(''), 'x', now())`)
	w.exec(`INSERT INTO payment_lines (payment_id, no, merchant_id, fen, statements, sealed, doc) VALUES (1, 1, 1, 40, 1, '', gen_random_uuid())`)
	w.exec(`UPDATE statements SET payment_id = 1, state = 'confirmed' WHERE merchant_id = 1`)
	w.clock.add(2 * time.Second)
	if n := w.collect(); n != 1 {
		t.Errorf("%d messages of the close", n)
	}
	w.exec(`UPDATE payment_lines SET state = 'paid', answered_at = $1`, w.clock.Now())
	w.clock.add(2 * time.Second)
	if n := w.collect() + w.collect(); n != 1 {
		t.Errorf("%d messages of the payment", n)
	}
	list, _, err := w.store.Log(t.Context(), 1, id, webhook.Filter{})
	w.must(err)
	got := map[string]bool{}
	for _, m := range list {
		got[m.Type+" "+m.EventID] = strings.Contains(m.Body, `"number":"JS`) && strings.Contains(m.Body, `"due_fen":40`)
	}
	want := map[string]bool{fmt.Sprintf("statement.closed statement-%d", statement): true, fmt.Sprintf("statement.paid statement-%d-paid-1", statement): true}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}
