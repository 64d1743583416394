package purchase

import "testing"

// TestRefundRight: a terminal takes back what its merchant lets the outlet take back;
// a replay and a reversal are no new refunds, and a POS server acts for the merchant.
func TestRefundRight(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plan{})
	c := w.till(1)
	one, two := w.buy(c, "k1", 3, 1, 10_000), w.buy(c, "k2", 4, 1, 10_000)
	done, err := w.refund(c, one.ID, "r1", 1_000)
	w.must(err)
	w.exec(`UPDATE outlets SET refunds = 'void'`)
	_, err = w.refund(c, one.ID, "r2", 1_000)
	w.wantErr(err, ErrRefundNotAllowed)
	again, err := w.refund(c, one.ID, "r1", 1_000)
	w.must(err)
	if !again.Replayed || again.ReturnedFen != done.ReturnedFen {
		t.Errorf("a replay: %+v", again)
	}
	_, err = w.desk.Void(w.ctx, c, two.ID, "v", "", "x")
	w.must(err)
	w.exec(`UPDATE outlets SET refunds = 'none'`)
	_, err = w.desk.Void(w.ctx, c, one.ID, "v1", "", "x")
	w.wantErr(err, ErrRefundNotAllowed)
	server := *c.Terminal
	server.POSServer, server.OutletID = true, 0
	_, err = w.refund(&Client{Terminal: &server}, one.ID, "r3", 1_000)
	w.must(err)
	if _, err := w.desk.Reverse(w.ctx, c, "k1"); err != nil {
		t.Errorf("a reversal: %v", err)
	}
}
