package exit_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/merchant/exit"
)

// A contract that is ended at once keeps its refund tail, by a clock that goes on
// while it is ended.
func TestCauseKeepsTheRefundTail(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var reads atomic.Int64
	running := exit.New(w.pool, func() time.Time { return noon.Add(time.Duration(reads.Add(1)) * time.Second) }, w.gate)
	var p *exit.Plan
	err := pgx.BeginFunc(w.ctx, w.pool, func(tx pgx.Tx) (err error) {
		p, err = running.OrderTx(w.ctx, tx, by, w.contract, exit.Order{Kind: exit.KindCause, Cause: "breach", NoticedOn: "2026-06-01"})
		return err
	})
	w.must(err)
	if tail := p.RefundUntil.Sub(p.LastPurchase); tail != 30*24*time.Hour {
		t.Errorf("refunds are taken for %v after the end, want 30 days", tail)
	}
}
