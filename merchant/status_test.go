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
	// A renegotiation past its deadline suspends by itself, in the view as here.
	var floor int64
	w.one(&floor, `INSERT INTO floors (trade, version, terms, sha256, effective, deadline_days, published_by)
		VALUES ('travel', 1, $1, sha256('x'), tstzrange($2, $3), 30, 'test') RETURNING id`, percent(8000), noon, noon.AddDate(0, 0, 9))
	for name, tt := range map[string]struct {
		deadline, resolved any
		at                 time.Time
		want               error
	}{
		"before the deadline":     {noon.AddDate(0, 0, 2), nil, noon.AddDate(0, 0, 2).Add(-time.Microsecond), nil},
		"at the deadline":         {noon.AddDate(0, 0, 2), nil, noon.AddDate(0, 0, 2), merchant.ErrContractSuspended},
		"resolved":                {noon.AddDate(0, 0, 2), noon.AddDate(0, 0, 3), noon.AddDate(0, 0, 3), nil},
		"not yet resolved":        {noon.AddDate(0, 0, 2), noon.AddDate(0, 0, 3), noon.AddDate(0, 0, 3).Add(-time.Microsecond), merchant.ErrContractSuspended},
		"resolved before":         {noon.AddDate(0, 0, 2), noon.AddDate(0, 0, 1), noon.AddDate(0, 0, 4), nil},
		"the floor's effect over": {noon.AddDate(0, 0, 2), nil, noon.AddDate(0, 0, 9), nil},
		"lifted":                  {nil, nil, noon.AddDate(0, 0, 4), nil},
	} {
		_, err := tx.Exec(w.ctx, `INSERT INTO renegotiations (contract_id, floor_id, terms_version, comparison, deadline, resolved_at)
			VALUES ($1, $2, 1, '{}', $3, $4) ON CONFLICT (contract_id, floor_id)
			DO UPDATE SET deadline = $3, resolved_at = $4`, c, floor, tt.deadline, tt.resolved)
		w.must(err)
		check(name, tt.at, terminal, o, c, tt.want)
		if err := w.view(tx).Contract(c).InForce(tt.at); !errors.Is(err, tt.want) {
			t.Errorf("%s: the view says %v, want %v", name, err, tt.want)
		}
	}
	_, err := tx.Exec(w.ctx, `DELETE FROM renegotiations WHERE contract_id = $1`, c)
	w.must(err)
	_, err = tx.Exec(w.ctx, `UPDATE contracts SET valid = tstzrange(now() - interval '1 day', now() + interval '1 day'),
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
