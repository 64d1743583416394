package verdict

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"

	"unioncard/loadtest/proc"
)

// TestRows reads from the service's real schema: a renamed column must fail here and
// not at the end of a crash test.
func TestRows(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "verdict-test-") // short: a socket's path has 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	pg, err := proc.StartPostgres(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pg.Stop)
	db, err := pgx.Connect(t.Context(), pg.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close(t.Context())
	files, err := filepath.Glob("../../migrations/sql/*.sql")
	if err != nil || len(files) == 0 {
		t.Fatalf("no schema: %v", err)
	}
	slices.Sort(files)
	for _, f := range files {
		sql, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.Exec(t.Context(), string(sql)); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
	}
	const id, tomb, stray = "018f0000-0000-7000-8000-000000000001", "018f0000-0000-7000-8000-000000000002", "018f0000-0000-7000-8000-000000000003"
	_, err = db.Exec(t.Context(), `
		SET session_replication_role = replica; -- without the rows that foreign keys ask for
		INSERT INTO terminals (id, merchant_id, outlet_id, kind, client_id, public_key)
			VALUES (1, 10, 100, 'terminal', 'c1', repeat('k', 32)::bytea), (2, 10, 100, 'terminal', 'c2', repeat('k', 32)::bytea);
		INSERT INTO purchases (merchant_id, id, terminal_id, idem_key, request_hash, state, outlet_id, contract_id, terms_version,
				card_serial, code_kind, code_key, quote_id, quoted_at, amount_fen, discount_fen, union_share_fen, applied,
				business_day, committed_at, returned_fen, given_back_fen)
			SELECT 10, v.id, v.terminal, v.key, '', v.state, 100, 1, 1, v.serial, 1, 8, 1, now(), v.amount, v.discount, 0, '[]',
				current_date, now(), v.returned, v.given
			FROM (VALUES ('`+id+`'::uuid, 1, 'k1', 4, 7, 1000, 100, 300, 33), ('`+tomb+`', 1, 'k2', 9, 0, 0, 0, 0, 0),
				('018f0000-0000-7000-8000-000000000009', 2, 'other', 1, 9, 10, 0, 0, 0))
				AS v (id, terminal, key, state, serial, amount, discount, returned, given);
		INSERT INTO purchase_undos (merchant_id, purchase_id, seq, kind, terminal_id, request_hash, returned_fen, given_back_fen, answer, business_day, at)
			VALUES (10, '`+id+`', 1, 3, 1, '', 100, 11, '{}', current_date, now()), (10, '`+id+`', 2, 3, 1, '', 200, 22, '{}', current_date, now());
		INSERT INTO code_uses VALUES (7, 8, 10, '`+id+`'), (5, 8, 10, '`+stray+`'), (9, 8, 10, '018f0000-0000-7000-8000-000000000009')`)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Rows(t.Context(), pg.DSN(), []string{"c1"})
	if err != nil {
		t.Fatal(err)
	}
	want := []Row{
		{Client: "c1", Key: "k1", ID: id, State: PartiallyRefunded, AmountFen: 1000, DiscountFen: 100, ReturnedFen: 300, GivenBackFen: 33,
			UndoReturnedFen: 300, UndoGivenBackFen: 33, CardSerial: 7, CodeKey: 8, Uses: 1},
		{Client: "c1", Key: "k2", ID: tomb, State: Tombstone, CodeKey: 8},
	}
	if diff := cmp.Diff(want, got, cmpopts.SortSlices(func(a, b Row) bool { return a.Key < b.Key })); diff != "" {
		t.Error(diff)
	}
	strays, err := Strays(t.Context(), pg.DSN())
	if err != nil || strays != 1 {
		t.Errorf("Strays = %d, %v; want 1", strays, err)
	}
}
