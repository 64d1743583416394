package settlement

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/merchant"
	"unioncard/settlement/ledger"
)

// Proof is one thing that the audit holds against the purchases.
type Proof struct {
	Name string `json:"name"` // stable, as "ledger"
	What string `json:"what"` // what is proved, in a sentence
	// Checked is how many things were looked at, Bad how many of them differ.
	Checked int64 `json:"checked"`
	Bad     int64 `json:"bad"`
	// Examples are the first of them, without personal values.
	Examples []string `json:"examples,omitempty"`
}

// OK says whether the proof holds.
func (p *Proof) OK() bool { return p.Bad == 0 }

// String is the proof as a line, and what differs below it.
func (p *Proof) String() string {
	if p.OK() {
		return fmt.Sprintf("ok      %-12s %s (%d checked)", p.Name, p.What, p.Checked)
	}
	return fmt.Sprintf("DIFFERS %-12s %s: %d of %d\n        %s", p.Name, p.What, p.Bad, p.Checked, strings.Join(p.Examples, "\n        "))
}

// differ notes a difference.
func (p *Proof) differ(format string, args ...any) {
	if p.Bad++; len(p.Examples) < examples {
		p.Examples = append(p.Examples, fmt.Sprintf(format, args...))
	}
}

// examples is how many differences a proof tells.
const examples = 5

// Report is what an audit found.
type Report struct {
	At     time.Time // of the snapshot, by the database
	Took   time.Duration
	Proofs []Proof
}

// OK says whether every proof holds.
func (r *Report) OK() bool {
	for i := range r.Proofs {
		if !r.Proofs[i].OK() {
			return false
		}
	}
	return true
}

// AuditOptions narrow an audit.
type AuditOptions struct {
	// Since is the first business day whose transfers and statements are recomputed one
	// by one; 0 is the first there is. Budgets, vouchers and limits are always proved
	// from all purchases.
	Since ledger.Day
}

// errAuditDone ends the audit's transaction, which leaves nothing behind.
var errAuditDone = errors.New("settlement: audit done")

// Audit recomputes from the purchases what the ledger, budgets, vouchers, limits,
// statements and payments say, all of it in one snapshot, so that purchases may go on.
// It changes nothing. A difference is in the report; an error means that it could not
// be looked at.
func Audit(ctx context.Context, db merchant.DB, o AuditOptions) (*Report, error) {
	r := &Report{}
	err := merchant.InTx(ctx, db, "settlement", func(tx pgx.Tx) error {
		// Hash and merge joins are what these questions take, on statistics of any age.
		_, err := tx.Exec(ctx, `SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;
			SET LOCAL enable_nestloop = off; SET LOCAL jit = off; SET LOCAL cursor_tuple_fraction = 1; SET LOCAL timezone = 'UTC'`)
		if err != nil {
			return err
		}
		a := auditor{tx: tx, since: o.Since}
		if err := a.run(ctx, r); err != nil {
			return err
		}
		return errAuditDone
	})
	if !errors.Is(err, errAuditDone) {
		return nil, fmt.Errorf("settlement.Audit: %w", err)
	}
	return r, nil
}

// auditor works in one snapshot.
type auditor struct {
	tx    pgx.Tx
	since ledger.Day
	fetch int // undone purchases looked at at once; 0 for the default
}

func (a *auditor) run(ctx context.Context, r *Report) error {
	var until time.Time
	if err := a.tx.QueryRow(ctx, `SELECT clock_timestamp()`).Scan(&r.At); err != nil {
		return err
	}
	undoings := Proof{Name: "undoings", What: "what undoings gave back is what the purchases say, to each budget its share"}
	if err := a.prepare(ctx, &undoings); err != nil {
		return fmt.Errorf("undoings: %w", err)
	}
	r.Proofs = append(r.Proofs, undoings)
	for _, c := range checks {
		p, err := a.check(ctx, c)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		r.Proofs = append(r.Proofs, p)
	}
	p, err := a.recompute(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", p.Name, err)
	}
	r.Proofs = append(r.Proofs, p)
	if err := a.tx.QueryRow(ctx, `SELECT clock_timestamp()`).Scan(&until); err != nil {
		return err
	}
	r.Took = until.Sub(r.At)
	return nil
}

// check asks one question of auditSQL.
func (a *auditor) check(ctx context.Context, c check) (Proof, error) {
	p := Proof{Name: c.name, What: c.what}
	sql := `WITH bad AS (` + c.bad + `) SELECT (` + c.of + `), (SELECT count(*) FROM bad),
		coalesce((SELECT array_agg(b.what) FROM (SELECT what FROM bad ORDER BY what LIMIT ` + fmt.Sprint(examples) + `) AS b), '{}')`
	args := []any{}
	if strings.Contains(sql, "$1") {
		args = append(args, a.since.Date())
	}
	err := a.tx.QueryRow(ctx, sql, args...).Scan(&p.Checked, &p.Bad, &p.Examples)
	return p, err
}
