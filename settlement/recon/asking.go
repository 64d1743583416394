package recon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"unioncard/card/sheet"
	"unioncard/card/union/event"
	"unioncard/merchant"
)

// Sample reads the first rows below the heading of a file that asks for its columns,
// so that people see which column is which; and what was guessed. It opens the whole
// workbook, which is why only a few at once do.
func (s *Store) Sample(ctx context.Context, f *File, rows int) (lines [][]string, guessed Columns, err error) {
	select {
	case s.samples <- struct{}{}:
		defer func() { <-s.samples }()
	case <-ctx.Done():
		return nil, nil, fmt.Errorf("recon.Sample: %w", ctx.Err())
	}
	in, err := sheet.Open(&upload{ctx: ctx, s: s, file: f.ID, size: f.Bytes}, f.Bytes, s.limits)
	if err != nil {
		return nil, nil, fmt.Errorf("recon.Sample: %w", err)
	}
	below := false
	for range headingRows + rows {
		line, err := in.Next()
		if err != nil || len(lines) == rows {
			break // what can't be read is said by the check
		}
		cells := make([]string, len(f.Headings))
		for i := range cells {
			cells[i] = bounded(line.Cell(i).Text, 40)
		}
		if below {
			lines = append(lines, cells)
		}
		below = below || slices.Equal(cells, f.Headings)
	}
	return lines, guess(f.Headings), nil
}

// Name says which column is which of a merchant's file that asks for it, and queues it
// again. merchant.ErrNotFound, merchant.FieldErrors, ErrMovedOn.
func (s *Store) Name(ctx context.Context, merchantID, caseID, fileID int64, by event.Actor, cols Columns) error {
	if why := cols.Fault(); why != "" {
		return fault("columns", why)
	}
	doc, err := json.Marshal(cols)
	if err != nil {
		return fmt.Errorf("recon.Name: %w", err)
	}
	err = merchant.InTx(ctx, s.db, "recon", func(tx pgx.Tx) error {
		state, heads, err := lockFile(ctx, tx, merchantID, caseID, fileID)
		if err != nil {
			return err
		}
		if state != Asking {
			return ErrMovedOn
		}
		if _, ok := cols.fit(heads); !ok {
			return fault("columns", "选的列不在文件里，或者有两列同名。请重新选择。")
		}
		if _, err := tx.Exec(ctx, `UPDATE recon_files SET state = 'queued', columns = $2 WHERE id = $1`, fileID, doc); err != nil {
			return fmt.Errorf("recon.Name: %w", err)
		}
		return event.Record(ctx, tx, by, "recon.columns", caseObject(caseID), "指明收银文件的列", nil, map[string]any{"file": fileID, "columns": cols})
	})
	if err == nil {
		s.stir()
	}
	return err
}

func lockFile(ctx context.Context, tx pgx.Tx, merchantID, caseID, fileID int64) (state FileState, heads []string, err error) {
	var r int64
	err = tx.QueryRow(ctx, `SELECT id FROM reconciliations WHERE id = $1 AND merchant_id = $2 FOR UPDATE`, caseID, merchantID).Scan(&r)
	if err == nil {
		err = tx.QueryRow(ctx, `SELECT state, headings FROM recon_files WHERE id = $1 AND reconciliation_id = $2 FOR UPDATE`, fileID, caseID).Scan(&state, &heads)
	}
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil, merchant.ErrNotFound
	}
	if err != nil {
		return "", nil, fmt.Errorf("recon: lock file: %w", err)
	}
	return state, heads, nil
}

// Drop gives a reconciliation up, with its files and differences: its days can be
// reconciled anew. ErrMovedOn if it was dropped, or if money was posted for one of its
// differences, which then stands and can't be given up.
func (s *Store) Drop(ctx context.Context, merchantID, caseID int64, by event.Actor) error {
	return merchant.InTx(ctx, s.db, "recon", func(tx pgx.Tx) error {
		var stands bool
		err := tx.QueryRow(ctx, `SELECT dropped_at IS NOT NULL FROM reconciliations WHERE id = $1 AND merchant_id = $2 FOR UPDATE`, caseID, merchantID).Scan(&stands)
		if errors.Is(err, pgx.ErrNoRows) {
			return merchant.ErrNotFound
		}
		if err == nil && !stands {
			err = tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM recon_differences WHERE reconciliation_id = $1 AND (booked_fen <> 0 OR state = 'accepted'))`, caseID).Scan(&stands)
		}
		if err != nil {
			return fmt.Errorf("recon.Drop: %w", err)
		}
		if stands {
			return ErrMovedOn
		}
		for _, sql := range []string{
			`DELETE FROM recon_chunks WHERE file_id IN (SELECT id FROM recon_files WHERE reconciliation_id = $1)`,
			`UPDATE recon_files SET state = 'dropped' WHERE reconciliation_id = $1 AND state IN ('uploading', 'queued', 'checking', 'asking', 'checked')`,
			`UPDATE recon_differences SET state = 'gone', version = version + 1 WHERE reconciliation_id = $1 AND state = 'open'`,
			`UPDATE reconciliations SET dropped_at = clock_timestamp() WHERE id = $1`,
		} {
			if _, err := tx.Exec(ctx, sql, caseID); err != nil {
				return fmt.Errorf("recon.Drop: %w", err)
			}
		}
		return event.Record(ctx, tx, by, "recon.drop", caseObject(caseID), "放弃这份对账", nil, nil)
	})
}

// Prune gives up uploads that broke off with their node, and files whose columns nobody
// named within Kept. It returns how many.
func (s *Store) Prune(ctx context.Context) (n int64, err error) {
	now := s.now()
	rows, err := s.db.Query(ctx, `SELECT id, state FROM recon_files WHERE state = 'uploading' AND created_at < $1
		OR state = 'asking' AND created_at < $2 ORDER BY id LIMIT 100`, now.Add(-uploadLimit), now.Add(-Kept))
	if err != nil {
		return 0, fmt.Errorf("recon.Prune: %w", err)
	}
	type old struct {
		ID    int64
		State FileState
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[old])
	if err != nil {
		return 0, fmt.Errorf("recon.Prune: %w", err)
	}
	for _, o := range all {
		if o.State == Uploading {
			err = s.forget(ctx, o.ID)
		} else {
			err = merchant.InTx(ctx, s.db, "recon", func(tx pgx.Tx) error {
				tag, err := tx.Exec(ctx, `UPDATE recon_files SET state = 'dropped' WHERE id = $1 AND state = 'asking'`, o.ID)
				if err != nil || tag.RowsAffected() == 0 {
					return err
				}
				return dropChunks(ctx, tx, o.ID)
			})
		}
		if err != nil {
			return n, fmt.Errorf("recon.Prune: %w", err)
		}
		n++
	}
	return n, nil
}
