package merchant_test

import (
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/merchant"
	"unioncard/migrations/pgtest"
)

func TestStatusSQL(t *testing.T) {
	t.Parallel()
	tx := pgtest.Tx(t)
	w := newWorld(t, tx)
	m := w.merchant("")
	o := w.outlet(m)
	terminal := w.terminal(o).ID
	c := w.active(m, 0, w.county, false, percent(9000))
	other := w.merchant("")
	closed, exiting := w.outlet(m), w.outlet(other)
	draft := w.draft(m, 0, w.county, false)
	ended := w.active(other, 0, w.county, false, percent(9000))
	w.must(w.store.EndContract(w.ctx, by, ended, time.Time{}))
	w.must(w.store.CloseOutlet(w.ctx, by, closed))
	w.must(w.store.ExitMerchant(w.ctx, by, other))

	check := func(name string, at any, terminal, outlet, contract int64, want error) {
		t.Helper()
		batch := &pgx.Batch{}
		batch.Queue(merchant.StatusSQL, []int64{terminal}, []int64{outlet}, []int64{contract}, at)
		results := tx.SendBatch(w.ctx, batch)
		rows, err := results.Query()
		w.must(err)
		statuses, err := merchant.CollectStatuses(rows)
		w.must(err)
		w.must(results.Close())
		if err := statuses.Check(terminal, outlet, contract); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
	check("all well", noon, terminal, o, c, nil)
	check("closed outlet", noon, terminal, closed, c, merchant.ErrOutletClosed)
	check("exited merchant", noon, terminal, exiting, c, merchant.ErrMerchantExited)
	check("draft", noon, terminal, o, draft, merchant.ErrNoContract)
	check("ended", noon, terminal, o, ended, merchant.ErrContractEnded)
	check("past its validity", noon.AddDate(1, 0, 0), terminal, o, c, merchant.ErrContractEnded)
	check("before its validity", noon.AddDate(-1, 0, 0), terminal, o, c, merchant.ErrNoContract)
	check("unknown terminal", noon, terminal+1000, o, c, merchant.ErrNotFound)
	check("unknown outlet", noon, terminal, o+1000, c, merchant.ErrNotFound)
	check("unknown contract", noon, terminal, o, c+1000, merchant.ErrNotFound)
	_, err := tx.Exec(w.ctx, `UPDATE contracts SET valid = tstzrange(now() - interval '1 day', now() + interval '1 day'),
		refund_until = now() + interval '1 day' WHERE id = $1`, c)
	w.must(err)
	check("by the database's clock", nil, terminal, o, c, nil)
	w.must(w.store.SuspendContract(w.ctx, by, c))
	check("suspended", nil, terminal, o, c, merchant.ErrContractSuspended)
	w.must(w.store.ResumeContract(w.ctx, by, c))
	w.must(w.store.SuspendMerchant(w.ctx, by, m))
	check("suspended merchant", nil, terminal, o, c, merchant.ErrContractSuspended)
	w.must(w.store.ResumeMerchant(w.ctx, by, m))
	w.must(w.store.SuspendOutlet(w.ctx, by, o))
	check("suspended outlet", nil, terminal, o, c, merchant.ErrOutletClosed)
	w.must(w.store.ResumeOutlet(w.ctx, by, o))
	w.must(w.store.SuspendTerminal(w.ctx, by, terminal))
	check("suspended terminal", nil, terminal, o, c, merchant.ErrTerminalSuspended)
	if n := w.count(`SELECT count(*) FROM events WHERE action LIKE 'merchant.%' AND object_id = $1::bigint::text`, m); n != 3 {
		t.Errorf("%d events of the merchant", n)
	}
}
