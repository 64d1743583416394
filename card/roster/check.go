package roster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/jackc/pgx/v5"

	"unioncard/card"
	"unioncard/card/sheet"
)

// batchRows is how many rows are looked up and staged at once.
const batchRows = 5000

// check reads the file of a run, holds every row to the rules and to the members
// there are, and stages what it found. It goes on behind what a node before it
// staged. A *sheet.Error is the file's fault as a whole.
func (s *Store) check(ctx context.Context, h *held) error {
	file := &upload{ctx: ctx, db: s.db, vault: s.vault, run: h.ID, size: h.Bytes, beat: func() error { return s.beat(ctx, h) }}
	in, err := sheet.Open(file, h.Bytes, s.limits)
	if err != nil {
		return err
	}
	l, err := readHeading(in)
	if err != nil {
		return err
	}
	unions, err := loadUnions(ctx, s.db, h.Run)
	if err != nil {
		return err
	}
	if unions.own == 0 && !l.has(ColumnUnion) {
		return &sheet.Error{Code: "no_union", Message: "名册里没有“工会”一列，不知道会员登记在哪个基层工会。请加上这一列，或上传时选定一个基层工会。"}
	}
	if _, err := s.db.Exec(ctx, `UPDATE roster_runs SET format = $2, headings = $3, ignored = $4 WHERE id = $1`,
		h.ID, in.Format(), l.headings, l.ignored); err != nil {
		return err
	}
	rules := &rules{layout: l, unions: unions, today: s.today(), date1904: in.Date1904(), keepRaw: len(l.ignored) > 0}
	if err := s.checkRows(ctx, h, in, rules); err != nil {
		return err
	}
	return s.finishCheck(ctx, h)
}

// checkRows stages the rows batch by batch. While the database takes one, the next
// is read.
func (s *Store) checkRows(ctx context.Context, h *held, in sheet.Reader, rules *rules) error {
	batches := make(chan batch, 1)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		defer close(batches)
		for {
			b := s.readBatch(h, in, rules)
			select {
			case batches <- b:
			case <-ctx.Done():
				return
			}
			if b.err != nil {
				return
			}
		}
	}()
	var failed error
	for b := range batches {
		if failed != nil {
			continue // let the reader end: it shares the connection of nobody, but the file
		}
		if b.err != nil && !errors.Is(b.err, io.EOF) {
			failed = b.err
		} else if len(b.rows) > 0 {
			failed = s.stage(ctx, h, &b)
		}
		if failed != nil {
			cancel()
		}
	}
	return failed
}

// batch is some rows, and how far the file is read behind them. err is what ended
// the reading.
type batch struct {
	rows []entry
	part float64
	err  error
}

// readBatch reads, checks and seals the next rows.
func (s *Store) readBatch(h *held, in sheet.Reader, rules *rules) batch {
	b := batch{rows: make([]entry, 0, batchRows)}
	for len(b.rows) < batchRows {
		row, err := in.Next()
		if err != nil {
			b.err = err
			break
		}
		if row.Number <= h.lastRow { // staged before
			continue
		}
		e := rules.read(row)
		if len(e.faults) == 0 {
			if e.sealed, err = s.vault.Seal(e.person); err != nil {
				b.err = err
				break
			}
		}
		b.rows = append(b.rows, e)
	}
	b.part = in.Done()
	return b
}

// stage looks the batch's persons up and stores its rows, with how far the run is,
// in one transaction. errLost if another node has the run.
func (s *Store) stage(ctx context.Context, h *held, b *batch) error {
	t, err := s.classify(ctx, h.Run, b.rows)
	if err != nil {
		return err
	}
	var over error
	err = card.InTx(ctx, s.db, func(tx pgx.Tx) error {
		part := min(int(b.part*wholePart), wholePart-1)
		err := s.hold(ctx, tx.QueryRow(ctx, `UPDATE roster_runs SET last_row = $3, rows_done = rows_done + $4, part_done = greatest(part_done, $5), tries = 0,
			n_elsewhere = n_elsewhere + $7, n_taken = n_taken + $8, lease_until = clock_timestamp() + $6 WHERE id = $1 AND token = $2 AND state = 'checking' RETURNING id`,
			h.ID, h.token, b.rows[len(b.rows)-1].row, len(b.rows), part, lease, t.elsewhere, t.taken))
		if err != nil {
			return err
		}
		if over, err = s.tellsTooMuch(ctx, tx, h.ID); over != nil || err != nil {
			return err // what was found counts, also of a run that is refused
		}
		_, err = tx.CopyFrom(ctx, pgx.Identifier{"roster_rows"}, []string{"run_id", "row_no", "outcome", "faults", "union_id", "member_id",
			"member_version", "fields", "joined_on", "name_masked", "id_hash", "phone_hash", "id_sealed", "phone_sealed", "name_sealed",
			"data_key", "index_key", "raw"}, pgx.CopyFromSlice(len(b.rows), func(i int) ([]any, error) { return s.columns(h.ID, &b.rows[i]) }))
		if err != nil {
			return fmt.Errorf("stage: %w", err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return over
}

// columns is an entry as a row of roster_rows.
func (s *Store) columns(run int64, e *entry) ([]any, error) {
	out := make([]any, 18)
	out[0], out[1], out[2] = run, int32(e.row), int16(e.outcome)
	if e.named != "" {
		out[9] = card.Mask(e.named)
	}
	if len(e.faults) > 0 {
		doc, err := json.Marshal(e.faults)
		if err != nil {
			return nil, err
		}
		out[3] = doc
	} else {
		out[4] = e.union
		out[10], out[12], out[14] = e.sealed.IDHash[:], e.sealed.ID, e.sealed.Name
		out[15], out[16] = e.sealed.Key, e.sealed.IndexKey
		if e.sealed.Phone != nil {
			out[11], out[13] = e.sealed.PhoneHash[:], e.sealed.Phone
		}
		if !e.joined.IsZero() {
			out[8] = e.joined
		}
	}
	if e.member != 0 {
		out[5], out[6], out[7] = e.member, e.version, e.fields
	}
	if len(e.faults) > 0 || e.keepRaw {
		doc, err := json.Marshal(e.raw)
		if err != nil {
			return nil, err
		}
		out[17] = s.vault.SealBytes(purposeRow, doc, aad(run, e.row))
	}
	return out, nil
}

// The faults that sameInFile finds.
const (
	codeTwice      = "twice"
	codePhoneTwice = "phone_twice"
)

// sameInFile marks all but the first of several rows with one value of a column.
const sameInFile = `WITH d AS (SELECT row_no, first_value(row_no) OVER (PARTITION BY %s ORDER BY row_no) AS first
		FROM roster_rows WHERE run_id = $1 AND outcome <> 9 AND %[1]s IS NOT NULL)
	UPDATE roster_rows r SET outcome = 9, faults = jsonb_build_array(jsonb_build_object('c', $2::text, 'f', $3::text,
		'm', format($4::text, d.first), 'x', $5::text))
	FROM d WHERE r.run_id = $1 AND r.row_no = d.row_no AND d.row_no <> d.first`

// finishCheck finds what only the whole file shows, counts, and ends the check.
func (s *Store) finishCheck(ctx context.Context, h *held) error {
	empty := false
	err := card.InTx(ctx, s.db, func(tx pgx.Tx) error {
		err := s.hold(ctx, tx.QueryRow(ctx, `UPDATE roster_runs SET state = 'checked', part_done = $3, checked_at = $4, lease_until = NULL
			WHERE id = $1 AND token = $2 AND state = 'checking' RETURNING id`, h.ID, h.token, wholePart, s.clock()))
		if err != nil {
			return err
		}
		for _, same := range []struct{ column, code, heading, message, fix string }{
			{"id_hash", codeTwice, ColumnID, "与第 %s 行是同一个人", "一个人只留一行，留对的那一行"},
			{"phone_hash", codePhoneTwice, ColumnPhone, "手机号与第 %s 行相同", "一个手机号只能是一个人的，请核对；没有手机的可以不填"},
		} {
			if _, err := tx.Exec(ctx, fmt.Sprintf(sameInFile, same.column), h.ID, same.code, same.heading, same.message, same.fix); err != nil {
				return fmt.Errorf("same in file: %w", err)
			}
		}
		if err := recount(ctx, tx, h.ID); err != nil {
			return err
		}
		if err := noteCheck(ctx, tx, h.ID); err != nil {
			return err
		}
		var rows int
		if err := tx.QueryRow(ctx, `SELECT rows_done FROM roster_runs WHERE id = $1`, h.ID).Scan(&rows); err != nil {
			return err
		}
		if empty = rows == 0; empty {
			_, err := tx.Exec(ctx, `UPDATE roster_runs SET state = 'refused', fault_code = 'no_rows', fault = '表头下面没有会员。请填好名册再上传。' WHERE id = $1`, h.ID)
			return err
		}
		return nil
	})
	if err != nil {
		return err
	}
	if empty {
		return s.purge(ctx, h.ID, true)
	}
	if _, err := s.db.Exec(ctx, `DELETE FROM roster_chunks WHERE run_id = $1`, h.ID); err != nil {
		return fmt.Errorf("delete the upload: %w", err)
	}
	return nil
}
