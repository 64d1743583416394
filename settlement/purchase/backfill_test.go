package purchase

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"unioncard/settlement/ledger"
)

// The migration posts the same, to the fen, for purchases recorded before it as the
// committer and the desk do.
func TestMigrationPostsWhatWasRecorded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plan{terms: `{"v":1,"offers":[{"id":"odd","title":"93折","benefit":{"kind":"percent","rate_bp":9300},"funding_bp":3333}]}`})
	voided := w.buy(w.till(1), "void", 1, 1, 9_999)
	kept := w.buy(w.till(1), "keep", 2, 1, 12_345)
	parts := w.buy(w.till(3), "parts", 3, 1, 7_777)
	w.buy(w.till(3), "reverse", 4, 1, 4_321)
	w.buy(w.till(1), "nothing off", 5, 1, 1)
	for i, fen := range []int64{1, 333, 2_000, parts.PayableFen - 2_334} {
		if _, err := w.refund(w.till(3), parts.ID, keyf("part %d", i), fen); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.refund(w.till(1), kept.ID, "some", 5_000); err != nil {
		t.Fatal(err)
	}
	if _, err := w.desk.Void(w.ctx, w.till(1), voided.ID, "v", "", "x"); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"reverse", "never bought", "void"} {
		till := w.till(1)
		if key == "reverse" {
			till = w.till(3)
		}
		if _, err := w.desk.Reverse(w.ctx, till, key); err != nil {
			t.Fatal(err)
		}
	}
	w.checkBooks()
	posted := w.transfers()
	if len(posted) < 16 || w.balance(ledger.Unbudgeted()) == 0 {
		t.Fatalf("%d transfers show little", len(posted))
	}
	w.exec(`DROP TABLE transfers`)
	w.exec(`DROP FUNCTION transfers_stay CASCADE`)
	sql, err := os.ReadFile("../../migrations/sql/0027_ledger.sql")
	w.must(err)
	w.exec(string(sql))
	if diff := cmp.Diff(posted, w.transfers()); diff != "" {
		t.Errorf("(-posted +migrated)\n%s", diff)
	}
}

// transfers are all there are.
func (w *world) transfers() []ledger.Transfer {
	w.t.Helper()
	rows, err := w.pool.Query(w.ctx, `SELECT merchant_id, business_day - date '1970-01-01', doc, seq, leg, kind, debit, credit, fen
		FROM transfers ORDER BY doc, seq, leg`)
	w.must(err)
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[ledger.Transfer])
	w.must(err)
	return all
}
