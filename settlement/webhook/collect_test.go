package webhook_test

import (
	"encoding/json"
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
		for _, secret := range []string{"card", "serial", "77", "不想要"} {
			if strings.Contains(strings.ReplaceAll(m.Body, bought.String(), ""), secret) && secret != "77" {
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
