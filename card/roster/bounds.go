package roster

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card"
	"unioncard/card/sheet"
	"unioncard/card/union/event"
	"unioncard/card/union/staff"
)

// Bounds of what is taken in and told. A check says of any resident ID whether it is
// a member's, and of any phone number whether it has an owner: for the members of the
// account's own territory that is its business, for all others it is what a list of
// strangers could be tried against.
type Bounds struct {
	// Elsewhere is how many rows an account's runs of 24 hours may have whose person is
	// or was a member of another territory, Taken how many whose phone number is one's.
	Elsewhere, Taken int
	// Open is how many runs of a union may be unfinished.
	Open int
	// Staged is how many bytes of uploads may wait to be checked, in all.
	Staged int64
}

// DefaultBounds: a works of 5,000 that comes from elsewhere as a whole is taken in
// within a day, or at once by the union above both. The uploads are ten of the
// largest.
func DefaultBounds() Bounds { return Bounds{Elsewhere: 5000, Taken: 2000, Open: 20, Staged: 5 << 30} }

const window = 24 * time.Hour

// tells is how much a check has said of members of other territories.
type tells struct{ elsewhere, taken int }

// tellsTooMuch is a *sheet.Error once the account that uploaded a run has found more
// members of other territories within a day than it may. Two runs checked at once may
// overrun the bound by a batch.
func (s *Store) tellsTooMuch(ctx context.Context, tx pgx.Tx, id int64) (over, err error) {
	var t tells
	err = tx.QueryRow(ctx, `SELECT sum(o.n_elsewhere), sum(o.n_taken) FROM roster_runs r
		JOIN roster_runs o ON o.staff_id = r.staff_id AND (o.created_at > $2 OR o.id = r.id) WHERE r.id = $1`, id, s.clock().Add(-window)).
		Scan(&t.elsewhere, &t.taken)
	switch {
	case err != nil:
		return nil, fmt.Errorf("what the account found: %w", err)
	case t.elsewhere > s.bounds.Elsewhere:
		return &sheet.Error{Code: "too_many_elsewhere", Message: fmt.Sprintf("一天之内，您上传的名册里有超过%d人是别处工会的会员，没有再检查下去。"+
			"请核对名册是不是本单位的；确实要成批转入的，请分几天上传，或由管辖两边的上级工会上传。", s.bounds.Elsewhere)}, nil
	case t.taken > s.bounds.Taken:
		return &sheet.Error{Code: "too_many_taken", Message: fmt.Sprintf("一天之内，您上传的名册里有超过%d个手机号是别处会员的，没有再检查下去。"+
			"请核对手机号一列是不是填错了；没有本人手机号的可以不填。", s.bounds.Taken)}, nil
	}
	return nil, nil
}

// noteCheck records, as done by who uploaded the run, what its check told.
func noteCheck(ctx context.Context, tx pgx.Tx, id int64) error {
	var by, rows, faulty int64
	var t tells
	var code string
	err := tx.QueryRow(ctx, `SELECT staff_id, rows_done, n_faulty, n_elsewhere, n_taken, fault_code FROM roster_runs WHERE id = $1`, id).
		Scan(&by, &rows, &faulty, &t.elsewhere, &t.taken, &code)
	if err != nil {
		return fmt.Errorf("note the check: %w", err)
	}
	reason, after := "检查名册", map[string]any{"rows": rows, "faulty": faulty, "elsewhere": t.elsewhere, "taken": t.taken}
	if code != "" {
		reason, after["fault_code"] = "检查名册，没有收下", code
	}
	return event.Record(ctx, tx, fmt.Sprintf("staff:%d", by), "roster.check", object(id), reason, nil, after)
}

// openLock keeps two uploads from counting a union's runs at once ("open").
const openLock = 0x6f70656e

// begin stores a run whose file is about to come. *RefusedError if the union has too
// many, or the files that wait take up too much.
func (s *Store) begin(ctx context.Context, a *staff.Account, unionID int64, name string) (id int64, err error) {
	err = card.InTx(ctx, s.db, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(openLock)); err != nil {
			return err
		}
		var open int
		var staged int64
		err := tx.QueryRow(ctx, `SELECT (SELECT count(*) FROM roster_runs WHERE union_id = $1
				AND state IN ('uploading', 'queued', 'checking', 'checked', 'confirmed', 'applying')), `+stagedBytes, unionID).Scan(&open, &staged)
		switch {
		case err != nil:
			return err
		case open >= s.bounds.Open:
			return &RefusedError{"file", fmt.Sprintf("这个工会有%d份名册还没有办完。请先把检查好的确认导入或放弃，再上传新的。", open)}
		case staged >= s.bounds.Staged:
			return errStaged
		}
		return tx.QueryRow(ctx, `INSERT INTO roster_runs (union_id, name, staff_id, created_at) VALUES ($1, $2, $3, $4) RETURNING id`,
			unionID, name, a.ID, s.clock()).Scan(&id)
	})
	return id, err
}

// stagedBytes is a column: how much the uploads take up that wait to be checked.
const stagedBytes = `(SELECT coalesce(sum(bytes), 0)::bigint FROM roster_runs WHERE state IN ('uploading', 'queued', 'checking'))`

var errStaged = &RefusedError{"file", "现在等着检查的名册太多，收不下了。请过十几分钟再上传。"}

// storePiece stores a piece of an upload, sealed, if there is room.
func (s *Store) storePiece(ctx context.Context, id int64, n int, data []byte) error {
	var staged int64
	err := s.db.QueryRow(ctx, `WITH grown AS (UPDATE roster_runs SET bytes = bytes + $4 WHERE id = $1 AND state = 'uploading')
		INSERT INTO roster_chunks (run_id, n, data) VALUES ($1, $2, $3) RETURNING `+stagedBytes,
		id, n, s.vault.SealBytes(purposeChunk, data, aad(id, n)), len(data)).Scan(&staged)
	if err == nil && staged+int64(len(data)) > s.bounds.Staged { // as it was before this piece
		return errStaged
	}
	return err
}

// hideForeign takes from rows of members who left a union of another territory what
// the file may not have told: the number that is kept of them, and what differs.
func (s *Store) hideForeign(ctx context.Context, id int64, rows []Row) error {
	numbers := make([]int32, len(rows))
	for i := range rows {
		numbers[i] = int32(rows[i].Number)
	}
	found, err := s.db.Query(ctx, `SELECT w.row_no FROM roster_rows w JOIN roster_runs r ON r.id = w.run_id JOIN unions own ON own.id = r.union_id
		JOIN members m ON m.id = w.member_id JOIN unions u ON u.id = m.union_id
		WHERE w.run_id = $1 AND w.row_no = ANY($2) AND NOT starts_with(u.path, own.path)`, id, numbers)
	if err != nil {
		return err
	}
	foreign := map[int]bool{}
	var n int
	if _, err := pgx.ForEachRow(found, []any{&n}, func() error { foreign[n] = true; return nil }); err != nil {
		return err
	}
	for i := range rows {
		if foreign[rows[i].Number] {
			rows[i].Phone, rows[i].Fields = "", nil
		}
	}
	return nil
}
