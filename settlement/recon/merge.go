package recon

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"unioncard/card/union/event"
	"unioncard/merchant"
)

// identity is what a difference is, the same in every version of a file: of their
// sale what the file says of it and how many such came before; of ours the purchase
// and both sides' amounts. Without a time, the reconciliation's first day stands in.
func (f *finding) identity(first string, seen map[[16]byte]int) (id [16]byte) {
	text := func(s Sums) string { return fmt.Sprintf("%d/%d/%d/%d", s.Has, s.Fen, s.Discount, s.Paid) }
	var what string
	if f.kind == Theirs {
		when := first
		if !f.row.At.IsZero() {
			when = strconv.FormatInt(f.row.At.Unix(), 10)
		}
		what = fmt.Sprintf("theirs %s %q %s %d %v %s", f.row.ID, f.row.Ref, when, f.row.Last4, f.row.Return, text(f.their))
	} else {
		what = fmt.Sprintf("%s %s %s %s", f.kind, f.purchase.ID, text(f.their), text(f.our))
	}
	sum := sha256.Sum256([]byte(what))
	id = [16]byte(sum[:16])
	n := seen[id]
	if seen[id]++; n > 0 {
		sum = sha256.Sum256(fmt.Appendf(nil, "%s again %d", what, n))
		id = [16]byte(sum[:16])
	}
	return id
}

// lockCase locks a reconciliation. What is read of it with other rows is read after, in
// a statement of its own: one that has waited for the lock sees the others as they were
// before. pgx.ErrNoRows.
func lockCase(ctx context.Context, tx pgx.Tx, id int64) error {
	return tx.QueryRow(ctx, `SELECT id FROM reconciliations WHERE id = $1 FOR UPDATE`, id).Scan(&id)
}

// foundColumns are the columns of a finding, in the order of values.
func foundColumns() []string {
	return []string{"identity", "kind", "why", "row_no", "purchase_id", "outlet_id", "their_fen", "their_discount_fen", "their_paid_fen",
		"their_ref", "their_id", "their_at", "their_last4", "our_fen", "our_discount_fen", "our_ref", "our_at", "our_day", "our_last4"}
}

func (f *finding) values(identity [16]byte) []any {
	v := make([]any, 19)
	v[0], v[1], v[2], v[3] = identity[:], string(f.kind), string(f.why), int32(0)
	v[5], v[9], v[10], v[15] = int64(0), "", "", ""
	if r := f.row; r != nil {
		v[3], v[9] = int32(r.No), r.Ref
		if r.ID != uuid.Nil {
			v[10] = r.ID.String()
		}
		if !r.At.IsZero() {
			v[11] = r.At
		}
		if r.Last4 >= 0 {
			v[12] = r.Last4
		}
		for i, a := range []struct {
			has Has
			fen int64
		}{{HasFen, f.their.Fen}, {HasDiscount, f.their.Discount}, {HasPaid, f.their.Paid}} {
			if f.their.Has&a.has != 0 {
				v[6+i] = a.fen
			}
		}
	}
	if p := f.purchase; p != nil {
		v[4], v[5] = p.ID, p.OutletID
		v[13], v[14], v[15], v[16], v[17] = f.our.Fen, f.our.Discount, p.Ref, p.At, p.Day.Date()
		if p.Last4 >= 0 {
			v[18] = p.Last4
		}
	}
	return v
}

// finish stores what was found, as the newest version of its reconciliation, in one
// transaction. What was decided of a difference that is still there stays; one that is
// gone is closed, or opened again where its money is posted. An older version that
// comes late is superseded at once. The reconciliation's row lock keeps two versions
// apart. errLost.
func (s *Store) finish(ctx context.Context, h *held, t *table, res *result) error {
	return merchant.InTx(ctx, s.db, "recon", func(tx pgx.Tx) error {
		var late bool
		err := lockCase(ctx, tx, h.caseID)
		if err == nil {
			err = tx.QueryRow(ctx, `SELECT r.dropped_at IS NOT NULL OR coalesce(n.version > f.version, false) FROM reconciliations r JOIN recon_files f ON f.id = $2
				LEFT JOIN recon_files n ON n.id = r.file_id WHERE r.id = $1`, h.caseID, h.id).Scan(&late)
		}
		if errors.Is(err, pgx.ErrNoRows) {
			return errLost
		}
		if err != nil {
			return fmt.Errorf("recon: finish: %w", err)
		}
		state := Checked
		if late {
			state = Superseded
		}
		cols, err := json.Marshal(t.columns)
		if err != nil {
			return fmt.Errorf("recon: finish: %w", err)
		}
		err = held1(tx.QueryRow(ctx, `UPDATE recon_files SET state = $3, lease_until = NULL, checked_at = $4, part_done = 10000, format = $5, headings = $6,
				columns = $7, n_rows = $8, total_fen = $9, n_by_id = $10, n_by_ref = $11, n_by_look = $12, n_ours = $13, n_differences = $14
			WHERE id = $1 AND token = $2 AND state = 'checking' RETURNING id`, h.id, h.token, state, s.now(), t.format, t.headings,
			cols, len(t.rows), t.total, res.by[byID], res.by[byRef], res.by[byLook], res.ours, len(res.findings)))
		if err != nil {
			return err
		}
		if err := dropChunks(ctx, tx, h.id); err != nil || late {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO recon_layouts (merchant_id, columns, by, at) VALUES ($1, $2, $3, $4)
			ON CONFLICT (merchant_id) DO UPDATE SET columns = excluded.columns, by = excluded.by, at = excluded.at`, h.merchantID, cols, h.by, s.now())
		if err != nil {
			return fmt.Errorf("recon: remember columns: %w", err)
		}
		if err := s.merge(ctx, tx, h, res); err != nil {
			return err
		}
		if err := settle(ctx, tx, h.caseID, s.now()); err != nil {
			return err
		}
		return event.Record(ctx, tx, event.Actor(h.by), "recon.check", caseObject(h.caseID), "核对收银文件", nil,
			map[string]any{"file": h.id, "rows": len(t.rows), "fen": t.total, "differences": len(res.findings)})
	})
}

// merge stores the differences beside those of the version before.
func (s *Store) merge(ctx context.Context, tx pgx.Tx, h *held, res *result) error {
	if _, err := tx.Exec(ctx, `UPDATE recon_files SET state = 'superseded' WHERE id = (SELECT file_id FROM reconciliations WHERE id = $1)`, h.caseID); err != nil {
		return fmt.Errorf("recon: merge: %w", err)
	}
	// Nobody needs to name the columns of an older version any more.
	for _, sql := range []string{
		`DELETE FROM recon_chunks WHERE file_id IN (SELECT id FROM recon_files WHERE reconciliation_id = $1 AND state = 'asking' AND id < $2)`,
		`UPDATE recon_files SET state = 'superseded' WHERE reconciliation_id = $1 AND state = 'asking' AND id < $2`,
	} {
		if _, err := tx.Exec(ctx, sql, h.caseID, h.id); err != nil {
			return fmt.Errorf("recon: merge: %w", err)
		}
	}
	if _, err := tx.Exec(ctx, `UPDATE reconciliations SET file_id = $2 WHERE id = $1`, h.caseID, h.id); err != nil {
		return fmt.Errorf("recon: merge: %w", err)
	}
	if _, err := tx.Exec(ctx, `CREATE TEMPORARY TABLE found (LIKE recon_differences INCLUDING DEFAULTS EXCLUDING IDENTITY) ON COMMIT DROP;
		ALTER TABLE found DROP COLUMN id, DROP COLUMN merchant_id, DROP COLUMN reconciliation_id, DROP COLUMN file_id`); err != nil {
		return fmt.Errorf("recon: merge: %w", err)
	}
	seen := map[[16]byte]int{}
	_, err := tx.CopyFrom(ctx, pgx.Identifier{"found"}, foundColumns(), pgx.CopyFromSlice(len(res.findings), func(i int) ([]any, error) {
		f := &res.findings[i]
		return f.values(f.identity(h.first.String(), seen)), nil
	}))
	if err != nil {
		return fmt.Errorf("recon: merge: %w", err)
	}
	cols := ""
	for _, c := range foundColumns() {
		cols += ", " + c
	}
	// What is there again takes up its row number, and the purchase that it has now. One
	// that was closed as gone opens, and one whose money was taken back as its sale was
	// gone; one that was only opened for that is as it was.
	_, err = tx.Exec(ctx, `INSERT INTO recon_differences AS d (merchant_id, reconciliation_id, file_id`+cols+`)
		SELECT $1, $2, $3`+cols+` FROM found
		ON CONFLICT (reconciliation_id, identity) DO UPDATE SET file_id = excluded.file_id, row_no = excluded.row_no, why = excluded.why,
			purchase_id = excluded.purchase_id, outlet_id = excluded.outlet_id, our_fen = excluded.our_fen, our_discount_fen = excluded.our_discount_fen,
			our_ref = excluded.our_ref, our_at = excluded.our_at, our_day = excluded.our_day, our_last4 = excluded.our_last4,
			version = d.version + CASE WHEN d.state = 'gone' OR d.why <> excluded.why THEN 1 ELSE 0 END,
			state = CASE WHEN d.state = 'gone' OR d.why = 'booked' AND d.state = 'adjusted' AND d.booked_fen = 0 THEN 'open'
				WHEN d.why = 'booked' AND d.state = 'open' AND d.kind = 'theirs' AND d.booked_fen > 0 THEN 'accepted'
				WHEN d.why = 'booked' AND d.state = 'open' THEN 'adjusted' ELSE d.state END`,
		h.merchantID, h.caseID, h.id)
	if err != nil {
		return fmt.Errorf("recon: merge: %w", err)
	}
	_, err = tx.Exec(ctx, `UPDATE recon_differences SET version = version + 1,
			state = CASE WHEN booked_fen <> 0 THEN 'open' ELSE 'gone' END, why = CASE WHEN booked_fen <> 0 THEN 'booked' ELSE why END
		WHERE reconciliation_id = $1 AND file_id <> $2 AND state <> 'gone' AND NOT (why = 'booked')`, h.caseID, h.id)
	if err != nil {
		return fmt.Errorf("recon: merge: %w", err)
	}
	return nil
}

// settle notes whether a reconciliation has no open difference.
func settle(ctx context.Context, tx pgx.Tx, caseID int64, now time.Time) error {
	_, err := tx.Exec(ctx, `UPDATE reconciliations r SET settled_at = CASE WHEN open THEN NULL ELSE coalesce(settled_at, $2) END
		FROM (SELECT EXISTS (SELECT FROM recon_differences WHERE reconciliation_id = $1 AND state = 'open') AS open) d WHERE r.id = $1`, caseID, now)
	if err != nil {
		return fmt.Errorf("recon: settle: %w", err)
	}
	return nil
}
