package file_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"unioncard/merchant"
	"unioncard/merchant/file"
)

func TestPutGetRemove(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	put, err := w.put("application:7", "licence", "执照.jpg", jpegOf(t, picture(40, 20)))
	if err != nil {
		t.Fatal(err)
	}
	want := file.File{ID: put.ID, Object: "application:7", Kind: "licence", Name: "执照.jpg", Media: file.JPEG,
		Size: put.Size, SHA256: put.SHA256, Width: 40, Height: 20, By: "test"}
	got, data, err := w.store.Get(ctx, put.ID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(file.File{}, "At")); diff != "" {
		t.Error(diff)
	}
	if int64(len(data)) != put.Size {
		t.Errorf("%d bytes, want %d", len(data), put.Size)
	}
	again, err := w.put("application:7", "licence", "twice.jpg", jpegOf(t, picture(40, 20)))
	if err != nil || again.ID != put.ID {
		t.Errorf("the same content again: file %d, %v; want %d", again.ID, err, put.ID)
	}
	if _, err := w.put("secret:7", "licence", "a.jpg", jpegOf(t, picture(40, 20))); err == nil {
		t.Error("an object of an unknown kind took a file")
	}
	if _, _, err := w.store.Get(ctx, put.ID+1); !errors.Is(err, merchant.ErrNotFound) {
		t.Errorf("absent: %v", err)
	}
	if err := w.remove("application:8", put.ID); !errors.Is(err, merchant.ErrNotFound) {
		t.Errorf("removing another object's file: %v", err)
	}
	if err := w.remove("application:7", put.ID); err != nil {
		t.Fatal(err)
	}
	if left, err := w.store.List(ctx, "application:7"); err != nil || len(left) != 0 {
		t.Errorf("after removal: %v, %v", left, err)
	}
	if _, _, err := w.store.Get(ctx, put.ID); err != nil {
		t.Errorf("history cannot read a removed file: %v", err)
	}
}

func (w *world) remove(object string, id int64) error {
	w.t.Helper()
	tx, err := w.pool.Begin(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(w.t.Context())) }()
	if err := w.store.Remove(w.t.Context(), tx, by, object, id); err != nil {
		return err
	}
	return tx.Commit(w.t.Context())
}

// TestStoredOutOfReach: content lies under its hash, readable by the service
// alone, and damage is noticed.
func TestStoredOutOfReach(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	put, err := w.put("application:7", "licence", "../../../x.jpg", jpegOf(t, picture(40, 20)))
	if err != nil {
		t.Fatal(err)
	}
	paths := w.contents()
	if len(paths) != 1 {
		t.Fatalf("stored: %v", paths)
	}
	info, err := os.Stat(paths[0])
	if err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := os.WriteFile(paths[0], []byte("changed"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.store.Get(t.Context(), put.ID); err == nil {
		t.Error("damaged content was read")
	}
}

func (w *world) contents() []string {
	w.t.Helper()
	paths, err := filepath.Glob(filepath.Join(w.dir, "*", "*"))
	if err != nil {
		w.t.Fatal(err)
	}
	return paths
}

// TestSweep: content of a transaction that never committed goes after a day, and
// neither what has a row nor what is just being written.
func TestSweep(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	if _, err := w.put("application:7", "licence", "a.jpg", jpegOf(t, picture(40, 20))); err != nil {
		t.Fatal(err)
	}
	tx, err := w.pool.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	orphan := jpegOf(t, picture(80, 20))
	if _, err := w.store.Put(ctx, tx, by, "application:7", "licence", "b.jpg", orphan); err != nil {
		t.Fatal(err)
	}
	w.clock.add(25 * time.Hour)
	if n, err := w.store.Sweep(ctx); n != 0 || err != nil {
		t.Errorf("while an upload is under way: %d, %v", n, err)
	}
	if err := tx.Rollback(ctx); err != nil {
		t.Fatal(err)
	}
	w.clock.add(-25 * time.Hour)
	if n, err := w.store.Sweep(ctx); n != 0 || err != nil {
		t.Errorf("within the day: %d, %v", n, err)
	}
	w.clock.add(25 * time.Hour)
	// Uploading it again makes the old content young.
	if _, err := w.put("application:9", "licence", "b.jpg", orphan); err != nil {
		t.Fatal(err)
	}
	if err := w.remove("application:9", 3); err != nil && !errors.Is(err, merchant.ErrNotFound) {
		t.Fatal(err)
	}
	if n, err := w.store.Sweep(ctx); n != 0 || err != nil {
		t.Errorf("with rows: %d, %v", n, err)
	}
	if _, err := w.pool.Exec(ctx, `DELETE FROM files WHERE object_id = 9`); err != nil {
		t.Fatal(err)
	}
	if n, err := w.store.Sweep(ctx); n != 0 || err != nil {
		t.Errorf("young again: %d, %v", n, err)
	}
	w.clock.add(25 * time.Hour)
	if n, err := w.store.Sweep(ctx); n != 1 || err != nil {
		t.Errorf("the orphan: %d, %v", n, err)
	}
	if left := w.contents(); len(left) != 1 {
		t.Errorf("left: %v", left)
	}
}

// TestFileCount: an object's files are bounded.
func TestFileCount(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	_, err := w.pool.Exec(ctx, `INSERT INTO files (object_kind, object_id, kind, name, media, size, sha256, created_by)
		SELECT 'application', 7, 'other', 'x.pdf', 'application/pdf', 1, sha256(n::text::bytea), 'test'
		FROM generate_series(1, $1::integer) n`, file.MaxPerObject)
	if err != nil {
		t.Fatal(err)
	}
	var refused *file.RefusedError
	if _, err := w.put("application:7", "other", "a.pdf", pdfOf("")); !errors.As(err, &refused) {
		t.Errorf("one more than may be: %v", err)
	}
}
