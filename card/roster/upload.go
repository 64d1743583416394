package roster

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"unioncard/card"
	"unioncard/card/personal"
	"unioncard/card/sheet"
	"unioncard/card/union"
	"unioncard/card/union/event"
	"unioncard/card/union/staff"
)

// chunkBytes is the size of a piece of an upload.
const chunkBytes = 1 << 20

// purposes under which the vault seals what is here.
const (
	purposeChunk = "roster chunk"
	purposeRow   = "roster row"
)

func aad(run int64, n int) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(nil, uint64(run)), uint32(n))
}

// Upload stores a file as it arrives, sealed, and queues it to be checked. unionID
// is whose roster it is: a union of the account's territory. *RefusedError,
// *SameFileError if the union has taken up the file before. An upload that breaks
// off leaves nothing.
func (s *Store) Upload(ctx context.Context, a *staff.Account, unionID int64, name string, body io.Reader) (id int64, err error) {
	var unionPath string
	err = s.db.QueryRow(ctx, `SELECT path FROM unions WHERE id = $1 AND active`, unionID).Scan(&unionPath)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && !a.Covers(unionPath) {
		return 0, &RefusedError{"union_id", "请选择本单位或下级工会。"}
	}
	if err != nil {
		return 0, fmt.Errorf("roster.Upload: %w", err)
	}
	name = fileName(name)
	if id, err = s.begin(ctx, a, unionID, name); err != nil {
		return 0, fmt.Errorf("roster.Upload: %w", err)
	}
	sum, size, err := s.store(ctx, id, body)
	if err == nil {
		err = s.queue(ctx, a, id, unionID, sum, size)
	}
	if err != nil {
		drop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		if dropErr := s.drop(drop, id); dropErr != nil { // the next Prune does
			s.log.Error("roster: an upload that broke off stays for a while", "run", id, "error", dropErr)
		}
		return 0, fmt.Errorf("roster.Upload: %w", err)
	}
	s.stir()
	return id, nil
}

// fileName is the last part of a name as the browser sent it, bounded.
func fileName(name string) string {
	name = sheet.Clean(path.Base(strings.ReplaceAll(strings.ToValidUTF8(name, ""), `\`, "/")))
	if name == "" || name == "." || name == "/" {
		name = "名册"
	}
	if r := []rune(name); len(r) > 120 {
		name = string(r[:80]) + "…" + string(r[len(r)-30:])
	}
	return name
}

// store writes the pieces of an upload.
func (s *Store) store(ctx context.Context, id int64, body io.Reader) (sum []byte, size int64, err error) {
	hash := sha256.New()
	buf := make([]byte, chunkBytes)
	for n := 0; ; n++ {
		got, err := fill(body, buf)
		if err != nil && err != io.EOF { //nolint:errorlint // what wraps io.EOF is a body cut off
			return nil, 0, err
		}
		if size += int64(got); size > s.limits.Bytes {
			return nil, 0, &RefusedError{"file", fmt.Sprintf("文件超过 %d MB。请分成几个文件上传。", s.limits.Bytes>>20)}
		}
		if got > 0 {
			_, _ = hash.Write(buf[:got]) // never fails
			if err := s.storePiece(ctx, id, n, buf[:got]); err != nil {
				return nil, 0, err
			}
		}
		if err != nil {
			break
		}
	}
	if size == 0 {
		return nil, 0, &RefusedError{"file", "文件是空的，请选择填好的名册。"}
	}
	return hash.Sum(nil), size, nil
}

// fill reads until buf is full or the end, which is io.EOF and nothing else: a body cut
// off (io.ErrUnexpectedEOF) must not pass for a whole one, as it would with io.ReadFull.
func fill(body io.Reader, buf []byte) (n int, err error) {
	for n < len(buf) && err == nil {
		var got int
		got, err = body.Read(buf[n:])
		n += got
	}
	return n, err
}

// queue ends an upload. The unique index keeps a file from being taken up twice. The
// tree is held (union.Hold): a merger either sees a queued roster, and is refused, or
// has taken the upload over or left it at a union that is gone, and it is refused.
func (s *Store) queue(ctx context.Context, a *staff.Account, id, unionID int64, sum []byte, size int64) error {
	err := card.InTx(ctx, s.db, func(tx pgx.Tx) error {
		if err := union.Hold(ctx, tx); err != nil {
			return err
		}
		var still bool
		err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM unions WHERE id = $2 AND active)
			AND NOT EXISTS (SELECT FROM roster_runs WHERE id = $1 AND union_id <> $2)`, id, unionID).Scan(&still)
		if err != nil {
			return err
		}
		if !still {
			return &RefusedError{"union_id", "您上传的时候，这个工会刚被合并。请选择合并后的工会，重新上传。"}
		}
		tag, err := tx.Exec(ctx, `UPDATE roster_runs SET state = 'queued', sha256 = $2, bytes = $3 WHERE id = $1 AND state = 'uploading'`, id, sum, size)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return ErrNotFound // pruned: it took too long
		}
		return event.Record(ctx, tx, a.Actor(), "roster.upload", object(id), "上传名册", nil, map[string]any{"union": unionID, "bytes": size})
	})
	pg, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || pg.ConstraintName != "roster_same_file" {
		return err
	}
	same := &SameFileError{}
	var applied *time.Time
	err = s.db.QueryRow(ctx, `SELECT id, applied_at FROM roster_runs WHERE union_id = $1 AND sha256 = $2
		AND state IN ('queued', 'checking', 'checked', 'confirmed', 'applying', 'applied')`, unionID, sum).Scan(&same.RunID, &applied)
	if err != nil {
		return err
	}
	if applied != nil {
		same.AppliedAt = *applied
	}
	return same
}

// drop deletes an upload that never became a run.
func (s *Store) drop(ctx context.Context, id int64) error {
	if _, err := s.db.Exec(ctx, `DELETE FROM roster_chunks WHERE run_id = $1 AND EXISTS (SELECT FROM roster_runs WHERE id = $1 AND state = 'uploading')`, id); err != nil {
		return err
	}
	_, err := s.db.Exec(ctx, `DELETE FROM roster_runs WHERE id = $1 AND state = 'uploading'`, id)
	return err
}

// upload reads a stored file. It keeps the last few pieces, so that a reader that
// goes back a little does not fetch them again.
type upload struct {
	ctx    context.Context // of the work; io.ReaderAt has no place for it
	db     card.DB
	vault  *personal.Vault
	run    int64
	size   int64
	pieces [4]piece
	next   int
	beat   func() error // called now and then
}

type piece struct {
	n    int
	data []byte
}

// ReadAt implements io.ReaderAt; not for use by several at once.
func (u *upload) ReadAt(p []byte, at int64) (n int, err error) {
	for n < len(p) {
		if at >= u.size {
			return n, io.EOF
		}
		data, err := u.piece(int(at / chunkBytes))
		if err != nil {
			return n, err
		}
		from := int(at % chunkBytes)
		if from >= len(data) {
			return n, io.ErrUnexpectedEOF
		}
		got := copy(p[n:], data[from:])
		n, at = n+got, at+int64(got)
	}
	return n, nil
}

func (u *upload) piece(n int) ([]byte, error) {
	for i := range u.pieces {
		if u.pieces[i].data != nil && u.pieces[i].n == n {
			return u.pieces[i].data, nil
		}
	}
	if err := u.beat(); err != nil {
		return nil, err
	}
	var sealed []byte
	err := u.db.QueryRow(u.ctx, `SELECT data FROM roster_chunks WHERE run_id = $1 AND n = $2`, u.run, n).Scan(&sealed)
	if err != nil {
		return nil, fmt.Errorf("piece %d of the upload: %w", n, err)
	}
	data, err := u.vault.OpenBytes(purposeChunk, sealed, aad(u.run, n))
	if err != nil {
		return nil, fmt.Errorf("piece %d of the upload: %w", n, err)
	}
	u.pieces[u.next%len(u.pieces)] = piece{n, data}
	u.next++
	return data, nil
}

// Takers are the grassroots unions at or below that of a path, by name, for a form
// to choose from; more than limit are as good as none: the file then names them.
func (s *Store) Takers(ctx context.Context, path string, limit int) ([]union.Union, error) {
	rows, err := s.db.Query(ctx, `SELECT id, name FROM unions WHERE path LIKE $1 || '%' AND active AND kind = 'grassroots' ORDER BY name, id LIMIT $2`, path, limit)
	if err != nil {
		return nil, fmt.Errorf("roster.Takers: %w", err)
	}
	out, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (u union.Union, err error) { return u, row.Scan(&u.ID, &u.Name) })
	if err != nil {
		return nil, fmt.Errorf("roster.Takers: %w", err)
	}
	return out, nil
}
