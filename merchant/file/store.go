package file

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card/union/event"
	"unioncard/merchant"
)

// Store keeps files: content under a directory, rows in PostgreSQL.
type Store struct {
	db       merchant.DB
	disk     *disk
	clock    func() time.Time
	decoding chan struct{}
}

// Options is what a Store works on.
type Options struct {
	DB  merchant.DB
	Dir string // made with the first upload; several nodes must share it
	// Clock is what Sweep measures age by.
	Clock func() time.Time
}

// New returns a store over a directory.
func New(o Options) (*Store, error) {
	d, err := openDisk(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("file.New: %w", err)
	}
	return &Store{db: o.DB, disk: d, clock: o.Clock, decoding: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2))}, nil
}

// lockKey is the advisory lock of Put (shared) and Sweep (alone).
const lockKey = 0x756e6966696c6573 // "unifiles"

// Put checks a file and stores it for an object ("application:12"), as Check and
// PutClean. A *RefusedError says why a file is not taken.
func (s *Store) Put(ctx context.Context, tx pgx.Tx, by merchant.By, object, kind, name string, data []byte) (File, error) {
	c, err := s.Check(ctx, name, data)
	if err != nil {
		return File{}, err
	}
	return s.PutClean(ctx, tx, by, object, kind, c)
}

// PutClean stores a checked file for an object. The content is on disk before
// this returns; the row is the transaction's. The same content under the same
// object and kind is stored once. The caller has checked that the object is
// there and in the person's territory, and holds its row if the number of its
// files matters (MaxPerObject).
func (s *Store) PutClean(ctx context.Context, tx pgx.Tx, by merchant.By, object, kind string, c *Clean) (File, error) {
	objectKind, objectID, err := splitObject(object)
	if err != nil {
		return File{}, err
	}
	f := File{Object: object, Kind: kind, Name: c.Name, Media: c.Media, Size: int64(len(c.Data)),
		SHA256: sha256.Sum256(c.Data), Width: c.Width, Height: c.Height, By: by.Actor}
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock_shared($1)`, int64(lockKey)); err != nil {
		return File{}, fmt.Errorf("file.Put: lock: %w", err)
	}
	var there int
	var same int64
	err = tx.QueryRow(ctx, `SELECT count(*), coalesce(max(id) FILTER (WHERE kind = $3 AND sha256 = $4), 0)
		FROM files WHERE object_kind = $1 AND object_id = $2 AND removed_at IS NULL`, objectKind, objectID, kind, f.SHA256[:]).
		Scan(&there, &same)
	switch {
	case err != nil:
		return File{}, fmt.Errorf("file.Put: %w", err)
	case same != 0:
		return s.row(ctx, tx, same)
	case there >= MaxPerObject:
		return File{}, refused(fmt.Sprintf("已有 %d 个文件，不能再传；请先删去不需要的。", there))
	}
	if err := s.disk.write(f.SHA256, c.Data, s.clock()); err != nil {
		return File{}, fmt.Errorf("file.Put: %w", err)
	}
	err = tx.QueryRow(ctx, `INSERT INTO files (object_kind, object_id, kind, name, media, size, sha256, width, height, created_by)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING id, created_at`,
		objectKind, objectID, kind, f.Name, f.Media, f.Size, f.SHA256[:], f.Width, f.Height, f.By).Scan(&f.ID, &f.At)
	if err != nil {
		return File{}, fmt.Errorf("file.Put: %w", err)
	}
	// The name is the uploader's text and may hold a person's: it is not told.
	return f, event.Record(ctx, tx, by.Actor, "file.add", object, by.Reason, nil,
		map[string]any{"file": f.ID, "kind": kind, "media": f.Media, "size": f.Size, "sha256": fmt.Sprintf("%x", f.SHA256)})
}

// Remove hides a file of an object. merchant.ErrNotFound if the object has no
// such file: an id from a form is worth nothing without the object's.
func (s *Store) Remove(ctx context.Context, tx pgx.Tx, by merchant.By, object string, id int64) error {
	objectKind, objectID, err := splitObject(object)
	if err != nil {
		return err
	}
	tag, err := tx.Exec(ctx, `UPDATE files SET removed_at = clock_timestamp()
		WHERE id = $1 AND object_kind = $2 AND object_id = $3 AND removed_at IS NULL`, id, objectKind, objectID)
	if err != nil {
		return fmt.Errorf("file.Remove: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return merchant.ErrNotFound
	}
	return event.Record(ctx, tx, by.Actor, "file.remove", object, by.Reason, map[string]any{"file": id}, nil)
}

// Get reads a file, removed or not. merchant.ErrNotFound. Content that no longer
// is what its hash says is an error.
func (s *Store) Get(ctx context.Context, id int64) (File, []byte, error) {
	f, err := s.row(ctx, s.db, id)
	if err != nil {
		return File{}, nil, err
	}
	data, err := s.disk.read(f.SHA256)
	if err != nil {
		return File{}, nil, fmt.Errorf("file.Get: file %d: %w", id, err)
	}
	return f, data, nil
}

// querier is a pool or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

const columns = `SELECT id, object_kind || ':' || object_id, kind, name, media, size, sha256, width, height, created_by, created_at FROM files `

func scan(row pgx.CollectableRow) (File, error) {
	var f File
	var sum []byte
	err := row.Scan(&f.ID, &f.Object, &f.Kind, &f.Name, &f.Media, &f.Size, &sum, &f.Width, &f.Height, &f.By, &f.At)
	copy(f.SHA256[:], sum)
	return f, err
}

func (s *Store) row(ctx context.Context, db querier, id int64) (File, error) {
	rows, err := db.Query(ctx, columns+`WHERE id = $1`, id)
	if err != nil {
		return File{}, fmt.Errorf("file: %w", err)
	}
	f, err := pgx.CollectExactlyOneRow(rows, scan)
	if errors.Is(err, pgx.ErrNoRows) {
		return File{}, merchant.ErrNotFound
	}
	if err != nil {
		return File{}, fmt.Errorf("file: %w", err)
	}
	return f, nil
}

// List is what an object has, oldest first, without what was removed.
func (s *Store) List(ctx context.Context, object string) ([]File, error) {
	return s.list(ctx, s.db, object)
}

// ListTx is List as a transaction sees it.
func (s *Store) ListTx(ctx context.Context, tx pgx.Tx, object string) ([]File, error) {
	return s.list(ctx, tx, object)
}

func (s *Store) list(ctx context.Context, db querier, object string) ([]File, error) {
	kind, id, err := splitObject(object)
	if err != nil {
		return nil, err
	}
	rows, err := db.Query(ctx, columns+`WHERE object_kind = $1 AND object_id = $2 AND removed_at IS NULL ORDER BY id`, kind, id)
	if err != nil {
		return nil, fmt.Errorf("file.List: %w", err)
	}
	files, err := pgx.CollectRows(rows, scan)
	if err != nil {
		return nil, fmt.Errorf("file.List: %w", err)
	}
	return files, nil
}
