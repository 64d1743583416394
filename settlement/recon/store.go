package recon

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"unioncard/card/personal"
	"unioncard/card/sheet"
	"unioncard/card/union/event"
	"unioncard/merchant"
	"unioncard/settlement/ledger"
)

// Options of a Store.
type Options struct {
	Vault  *personal.Vault
	Clock  func() time.Time
	Logger *slog.Logger
	// Limits of files; those of MaxBytes and MaxRows if zero.
	Limits sheet.Limits
	// Open is how many unfinished files a merchant may have, 10 if zero.
	Open int
}

// Store keeps files and differences, and does the files' work. Any number of nodes
// may run one.
type Store struct {
	db     merchant.DB
	vault  *personal.Vault
	clock  func() time.Time
	log    *slog.Logger
	limits sheet.Limits
	open   int
	wake   chan struct{}
	// samples are places for those who look into a file that asks for its columns.
	samples chan struct{}
}

// New makes a store over a pool.
func New(db merchant.DB, o Options) *Store {
	s := &Store{db: db, vault: o.Vault, clock: o.Clock, log: o.Logger, limits: o.Limits, open: o.Open, wake: make(chan struct{}, 1), samples: make(chan struct{}, sampling)}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.limits == (sheet.Limits{}) {
		s.limits = sheet.DefaultLimits()
		s.limits.Bytes, s.limits.Rows = MaxBytes, MaxRows
		s.limits.Inflated, s.limits.Strings = 512<<20, 48<<20
	}
	if s.open == 0 {
		s.open = 10
	}
	return s
}

// Errors of files and differences. Of another merchant's they say merchant.ErrNotFound.
var (
	// ErrMovedOn: the file or difference is not where this could be done: somebody was
	// quicker, or a new file of the merchant changed it.
	ErrMovedOn = errors.New("recon: it has gone on meanwhile")
	// ErrNotUndone: the sale is not voided or refunded in this service's records.
	ErrNotUndone = errors.New("recon: the sale has not been undone")
	// ErrBookedElsewhere: the same offline sale was accepted from another file.
	ErrBookedElsewhere = errors.New("recon: this sale was accepted from another file")
)

// SameFileError: the merchant has uploaded this very file for these days already.
type SameFileError struct{ Case int64 }

func (e *SameFileError) Error() string {
	return fmt.Sprintf("recon: the same file as reconciliation %d has", e.Case)
}

// Upload is a file that a merchant sends.
type Upload struct {
	MerchantID  int64
	By          event.Actor
	Name        string // the file's, as the browser says
	First, Last ledger.Day
	// Rows and Fen are the control totals, as typed; -1 rows: not typed.
	Rows int
	Fen  int64
	Body io.Reader
}

// Upload stores a file as it arrives, sealed, and queues it to be checked. It becomes
// the next version of the reconciliation of these days, which begins with its first.
// merchant.FieldErrors, *SameFileError. An upload that breaks off leaves no file.
func (s *Store) Upload(ctx context.Context, u Upload) (caseID int64, err error) {
	if err := s.checkDays(ctx, u.First, u.Last); err != nil {
		return 0, err
	}
	var file int64
	err = merchant.InTx(ctx, s.db, "recon", func(tx pgx.Tx) error {
		caseID, file, err = s.begin(ctx, tx, &u)
		return err
	})
	if err != nil {
		return 0, err
	}
	sum, size, err := s.store(ctx, file, u.Body)
	if err == nil {
		err = s.queue(ctx, &u, caseID, file, sum, size)
	}
	if err != nil {
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		if dropErr := s.forget(late, file); dropErr != nil { // the next Prune does
			s.log.Error("recon: an upload that broke off stays for a while", "file", file, "error", dropErr)
		}
		return 0, err
	}
	s.stir()
	return caseID, nil
}

// checkDays refuses days that are not over: sales would still come.
func (s *Store) checkDays(ctx context.Context, first, last ledger.Day) error {
	var bad merchant.FieldErrors
	switch {
	case first == 0:
		bad.Add("first_day", "请填写起始日期")
	case last < first:
		bad.Add("last_day", "截止日期不能早于起始日期")
	case last-first >= MaxDays:
		bad.Add("last_day", fmt.Sprintf("一次最多对 %d 天的账，请分几个文件上传", MaxDays))
	}
	if err := bad.Err(); err != nil {
		return err
	}
	var over bool
	err := s.db.QueryRow(ctx, `SELECT $1::date < (now() AT TIME ZONE 'Asia/Shanghai')::date
		OR EXISTS (SELECT FROM business_days WHERE day = $1 AND closed_at IS NOT NULL)`, last.Date()).Scan(&over)
	if err != nil {
		return fmt.Errorf("recon: days: %w", err)
	}
	if !over {
		bad.Add("last_day", "这一天还没有过完，请第二天再对账")
	}
	return bad.Err()
}

// begin finds or makes the reconciliation of the days and stores a file that is about
// to come. The reconciliation's row lock keeps two uploads apart; the exclusion
// constraint two reconciliations.
func (s *Store) begin(ctx context.Context, tx pgx.Tx, u *Upload) (id, file int64, err error) {
	var waiting int
	err = tx.QueryRow(ctx, `SELECT count(*) FROM recon_files f JOIN reconciliations r ON r.id = f.reconciliation_id
		WHERE r.merchant_id = $1 AND f.state IN ('uploading', 'queued', 'checking', 'asking')`, u.MerchantID).Scan(&waiting)
	if err != nil {
		return 0, 0, fmt.Errorf("recon: begin: %w", err)
	}
	if waiting >= s.open {
		return 0, 0, fault("file", fmt.Sprintf("有 %d 份文件还没有核对完。请先等它们办完，或放弃不要的。", waiting))
	}
	err = tx.QueryRow(ctx, `SELECT id FROM reconciliations WHERE merchant_id = $1 AND first_day = $2 AND last_day = $3
		AND dropped_at IS NULL FOR UPDATE`, u.MerchantID, u.First.Date(), u.Last.Date()).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		err = tx.QueryRow(ctx, `INSERT INTO reconciliations (merchant_id, first_day, last_day, created_at) VALUES ($1, $2, $3, $4) RETURNING id`,
			u.MerchantID, u.First.Date(), u.Last.Date(), s.now()).Scan(&id)
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.ConstraintName == "one_reconciliation_a_day" {
		return 0, 0, s.overlap(ctx, u)
	}
	if err != nil {
		return 0, 0, fmt.Errorf("recon: begin: %w", err)
	}
	var said *int
	var fen *int64
	if u.Rows >= 0 {
		said, fen = &u.Rows, &u.Fen
	}
	err = tx.QueryRow(ctx, `WITH r AS (UPDATE reconciliations SET version = version + 1 WHERE id = $1 RETURNING version)
		INSERT INTO recon_files (reconciliation_id, version, name, by, created_at, said_rows, said_fen)
		SELECT $1, r.version, $2, $3, $4, $5, $6 FROM r RETURNING id`, id, fileName(u.Name), string(u.By), s.now(), said, fen).Scan(&file)
	if err != nil {
		return 0, 0, fmt.Errorf("recon: begin: %w", err)
	}
	return id, file, nil
}

// overlap says with which days' file the days of another overlap. The transaction is
// over by then.
func (s *Store) overlap(ctx context.Context, u *Upload) error {
	var first, last time.Time
	err := s.db.QueryRow(ctx, `SELECT first_day, last_day FROM reconciliations WHERE merchant_id = $1 AND dropped_at IS NULL
		AND daterange(first_day, last_day, '[]') && daterange($2, $3, '[]') ORDER BY first_day LIMIT 1`, u.MerchantID, u.First.Date(), u.Last.Date()).Scan(&first, &last)
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrMovedOn // it has just been dropped, or two came at once
	}
	if err != nil {
		return fmt.Errorf("recon: overlap: %w", err)
	}
	return fault("first_day", fmt.Sprintf("%s 至 %s 已经在对账。要改那份，请用同样的日期上传新的；日期选错了的，先放弃那份。",
		first.Format(time.DateOnly), last.Format(time.DateOnly)))
}

// fault is one field's fault.
func fault(field, message string) error {
	var bad merchant.FieldErrors
	bad.Add(field, message)
	return bad.Err()
}

// fileName is the last part of a name as the browser sent it, bounded.
func fileName(name string) string {
	name = sheet.Clean(path.Base(strings.ReplaceAll(strings.ToValidUTF8(name, ""), `\`, "/")))
	if name == "" || name == "." || name == "/" {
		name = "收银文件"
	}
	if r := []rune(name); len(r) > 120 {
		name = string(r[:80]) + "…" + string(r[len(r)-30:])
	}
	return name
}

const (
	chunkBytes   = 1 << 20
	purposeChunk = "till file chunk"
	// sampling is how many files are looked into at once for a page.
	sampling = 2
)

func aad(file int64, n int) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(nil, uint64(file)), uint32(n))
}

// store writes the pieces of an upload.
func (s *Store) store(ctx context.Context, file int64, body io.Reader) (sum []byte, size int64, err error) {
	hash := sha256.New()
	buf := make([]byte, chunkBytes)
	for n := 0; ; n++ {
		got, end := fill(body, buf)
		if end != nil && end != io.EOF { //nolint:errorlint // what wraps io.EOF is a body cut off
			return nil, 0, end
		}
		if size += int64(got); size > s.limits.Bytes {
			return nil, 0, fault("file", fmt.Sprintf("文件超过 %d MB。请分成几段日期上传。", s.limits.Bytes>>20))
		}
		if got > 0 {
			_, _ = hash.Write(buf[:got]) // never fails
			if _, err := s.db.Exec(ctx, `INSERT INTO recon_chunks (file_id, n, data) VALUES ($1, $2, $3)`,
				file, n, s.vault.SealBytes(purposeChunk, buf[:got], aad(file, n))); err != nil {
				return nil, 0, fmt.Errorf("recon: store: %w", err)
			}
		}
		if end != nil {
			break
		}
	}
	if size == 0 {
		return nil, 0, fault("file", "文件是空的。请选择收银系统导出的交易明细。")
	}
	return hash.Sum(nil), size, nil
}

// fill reads until buf is full or the end, which is io.EOF and nothing else: a body
// cut off must not pass for a whole one, as it would with io.ReadFull.
func fill(body io.Reader, buf []byte) (n int, err error) {
	for n < len(buf) && err == nil {
		var got int
		got, err = body.Read(buf[n:])
		n += got
	}
	return n, err
}

// queue ends an upload. *SameFileError if the newest file of the days is the same.
func (s *Store) queue(ctx context.Context, u *Upload, caseID, file int64, sum []byte, size int64) error {
	return merchant.InTx(ctx, s.db, "recon", func(tx pgx.Tx) error {
		if err := lockCase(ctx, tx, caseID); err != nil {
			return fmt.Errorf("recon: queue: %w", err)
		}
		var same bool
		err := tx.QueryRow(ctx, `SELECT coalesce(f.sha256 = $2 AND f.said_rows IS NOT DISTINCT FROM n.said_rows AND f.said_fen IS NOT DISTINCT FROM n.said_fen, false)
			FROM reconciliations r JOIN recon_files n ON n.id = $3 LEFT JOIN recon_files f ON f.id = r.file_id WHERE r.id = $1`,
			caseID, sum, file).Scan(&same)
		if err != nil {
			return fmt.Errorf("recon: queue: %w", err)
		}
		if same {
			return &SameFileError{caseID}
		}
		tag, err := tx.Exec(ctx, `UPDATE recon_files SET state = 'queued', sha256 = $2, bytes = $3 WHERE id = $1 AND state = 'uploading'`, file, sum, size)
		if err != nil {
			return fmt.Errorf("recon: queue: %w", err)
		}
		if tag.RowsAffected() == 0 {
			return ErrMovedOn // pruned: it took too long
		}
		return event.Record(ctx, tx, u.By, "recon.upload", caseObject(caseID), "上传收银文件", nil,
			map[string]any{"file": file, "bytes": size, "first_day": u.First.String(), "last_day": u.Last.String()})
	})
}

// forget deletes a file that never became one, and the reconciliation that was made
// for it.
func (s *Store) forget(ctx context.Context, file int64) error {
	return merchant.InTx(ctx, s.db, "recon", func(tx pgx.Tx) error {
		var id int64
		err := tx.QueryRow(ctx, `SELECT r.id FROM recon_files f JOIN reconciliations r ON r.id = f.reconciliation_id
			WHERE f.id = $1 AND f.state = 'uploading' FOR UPDATE OF r`, file).Scan(&id)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("recon: forget: %w", err)
		}
		for _, sql := range []string{`DELETE FROM recon_chunks WHERE file_id = $1`, `DELETE FROM recon_files WHERE id = $1`} {
			if _, err := tx.Exec(ctx, sql, file); err != nil {
				return fmt.Errorf("recon: forget: %w", err)
			}
		}
		_, err = tx.Exec(ctx, `DELETE FROM reconciliations r WHERE id = $1 AND NOT EXISTS (SELECT FROM recon_files WHERE reconciliation_id = $1)`, id)
		if err != nil {
			return fmt.Errorf("recon: forget: %w", err)
		}
		return nil
	})
}

// now is the clock at PostgreSQL's resolution.
func (s *Store) now() time.Time { return s.clock().Truncate(time.Microsecond) }

// stir wakes the worker of this node.
func (s *Store) stir() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// asFault is a file's fault as a whole.
func asFault(err error) (*sheet.Error, bool) { return errors.AsType[*sheet.Error](err) }

// upload reads a stored file.
type upload struct {
	ctx    context.Context // of the work; io.ReaderAt has no place for it
	s      *Store
	file   int64
	size   int64
	pieces [4]piece // the last ones read: a reader may go back a little
	next   int
	beat   func() error
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
	if u.beat != nil {
		if err := u.beat(); err != nil {
			return nil, err
		}
	}
	var sealed []byte
	if err := u.s.db.QueryRow(u.ctx, `SELECT data FROM recon_chunks WHERE file_id = $1 AND n = $2`, u.file, n).Scan(&sealed); err != nil {
		return nil, fmt.Errorf("recon: piece %d of the upload: %w", n, err)
	}
	data, err := u.s.vault.OpenBytes(purposeChunk, sealed, aad(u.file, n))
	if err != nil {
		return nil, fmt.Errorf("recon: piece %d of the upload: %w", n, err)
	}
	u.pieces[u.next%len(u.pieces)] = piece{n, data}
	u.next++
	return data, nil
}

// newDoc names a posting.
func newDoc() (uuid.UUID, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return id, fmt.Errorf("recon: %w", err)
	}
	return id, nil
}
