package voucher

import (
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"unioncard/migrations/pgtest"
)

// TestClaimantsPlan: a plan made once, while nobody had a voucher, must serve when a
// series has a million of them.
func TestClaimantsPlan(t *testing.T) {
	t.Parallel()
	tx := pgtest.Tx(t)
	for _, sql := range []string{
		claimSettings, `SET LOCAL plan_cache_mode = force_generic_plan`, `ANALYZE vouchers`,
		`PREPARE claimants (bytea[], bigint[], timestamptz, timestamptz, timestamptz) AS ` + claimantsSQL,
	} {
		if _, err := tx.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	rows, err := tx.Query(t.Context(), `EXPLAIN EXECUTE claimants('{}', '{}', now(), now(), now())`)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	plan := strings.Join(lines, "\n")
	// By either index, but by both columns of it.
	if !regexp.MustCompile(`(?m)vouchers .*\n +Index Cond: .*card_serial = o\.serial.*$`).MatchString(plan) {
		t.Errorf("vouchers are not found by card and series:\n%s", plan)
	}
}
