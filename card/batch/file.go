package batch

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/xuri/excelize/v2"

	"unioncard/card"
	"unioncard/card/personal"
	"unioncard/card/union"
)

const (
	// MaxFile is how many cards one print file holds.
	MaxFile = 50_000
	// SheetCards is how many cards one part of the sheets holds, PageCards one page.
	SheetCards = 200
	PageCards  = 10
)

// File is a print file: which cards the card maker is to make together.
type File struct {
	ID, Batch int64
	// Cards at first; Left of them are still as they were then: replaced cards go
	// into a later file, final ones into none.
	Cards, Left int
	MadeBy      string // actor
	MadeAt      time.Time
	// Parts is how many parts its sheets have. Each stays the same cards, but for
	// those no longer left.
	Parts int
}

const fileSQL = `SELECT f.id, f.batch_id, f.cards,
	(SELECT count(*) FROM cards c WHERE c.print_file = f.id AND c.status IN (1, 2, 6))::integer AS left, f.made_by, f.made_at, cardinality(f.parts)
	FROM batch_files f JOIN batches b ON b.id = f.batch_id JOIN unions u ON u.id = b.union_id `

// Files lists the print files of a batch, the latest first.
func (s *Store) Files(ctx context.Context, id int64) ([]File, error) {
	rows, err := s.db.Query(ctx, fileSQL+`WHERE f.batch_id = $1 ORDER BY f.id DESC LIMIT 200`, id)
	if err != nil {
		return nil, fmt.Errorf("batch.Files: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[File])
	if err != nil {
		return nil, fmt.Errorf("batch.Files: %w", err)
	}
	return list, nil
}

// Unprinted is how many cards of a batch stand in no print file.
func (s *Store) Unprinted(ctx context.Context, id int64) (n int, err error) {
	err = s.db.QueryRow(ctx, `SELECT count(*) FROM cards WHERE batch_id = $1 AND print_file IS NULL AND status IN (1, 2, 6)`, id).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("batch.Unprinted: %w", err)
	}
	return n, nil
}

// MakeFile puts the batch's cards that stand in no print file yet into a new one,
// at most MaxFile of them. ErrNotFound, ErrNothing. The batch's row lock protects
// it: two clerks at once never have one card made twice.
func (s *Store) MakeFile(ctx context.Context, by card.By, path string, id int64) (f File, err error) {
	err = s.locked(ctx, path, id, 0, func(tx pgx.Tx, b *Batch) error {
		if b.Kind != Issue {
			return ErrNothing
		}
		f = File{Batch: id, MadeBy: by.Actor}
		err := tx.QueryRow(ctx, `WITH file AS MATERIALIZED (SELECT nextval(pg_get_serial_sequence('batch_files', 'id')) AS id),
			picked AS (SELECT serial FROM cards WHERE batch_id = $1 AND print_file IS NULL AND status IN (1, 2, 6)
				ORDER BY serial LIMIT $2 FOR UPDATE),
			put AS (UPDATE cards c SET print_file = file.id FROM picked, file WHERE c.serial = picked.serial RETURNING c.serial)
			INSERT INTO batch_files (id, batch_id, cards, made_by, parts)
			SELECT file.id, $1, n, $3, parts FROM file, (SELECT count(*) AS n, array_agg(serial ORDER BY serial) FILTER (WHERE (at - 1) % $4 = 0) AS parts
				FROM (SELECT serial, row_number() OVER (ORDER BY serial) AS at FROM put) AS placed) AS counted WHERE n > 0
			RETURNING id, cards, made_at, cardinality(parts)`, id, MaxFile, by.Actor, SheetCards).Scan(&f.ID, &f.Cards, &f.MadeAt, &f.Parts)
		if errors.Is(err, pgx.ErrNoRows) {
			return ErrNothing
		}
		if err != nil {
			return fmt.Errorf("batch.MakeFile: %w", err)
		}
		f.Left = f.Cards
		return s.tell(ctx, tx, by, "batch.file", id, map[string]any{"file": f.ID, "cards": f.Cards})
	})
	return f, err
}

// Printed is what is printed on one card.
type Printed struct {
	Serial, Number int64
	Code           string // 36 digits
	// Name is the full name, the masked one where no full name is stored.
	Name, Masked, Union string
	ValidUntil          card.Month
}

// Format is how a print file is downloaded.
type Format string

// The formats: one table with names; sheets of codes as PDF or as a ZIP of PNG
// pages, in parts of SheetCards.
const (
	CSV  Format = "csv"
	XLSX Format = "xlsx"
	PDF  Format = "pdf"
	PNG  Format = "png"
)

// Sheets reports whether it comes in parts.
func (f Format) Sheets() bool { return f == PDF || f == PNG }

// Download reads a print file of a batch for the card maker, and records that and
// why. part counts from 1 and matters for sheets only. ErrNotFound.
func (s *Store) Download(ctx context.Context, by card.By, path string, id, file int64, format Format, part int) (cards []Printed, err error) {
	err = pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		if !format.Sheets() {
			part = 0 // all of it
		}
		var from, next *int64
		err := tx.QueryRow(ctx, `SELECT f.parts[$4::integer], f.parts[$4::integer + 1] FROM batch_files f JOIN batches b ON b.id = f.batch_id
			JOIN unions u ON u.id = b.union_id WHERE f.id = $1 AND f.batch_id = $2 AND starts_with(u.path, $3)`, file, id, path, part).Scan(&from, &next)
		if errors.Is(err, pgx.ErrNoRows) || err == nil && format.Sheets() && from == nil {
			return ErrNotFound
		}
		if err != nil {
			return err
		}
		if !format.Sheets() {
			next = nil // part 1 begins there
		}
		if cards, err = s.printed(ctx, tx, `c.print_file = $1 AND c.status IN (1, 2, 6) AND ($2::bigint IS NULL OR c.serial >= $2)
			AND ($3::bigint IS NULL OR c.serial < $3) ORDER BY c.serial`, file, from, next); err != nil {
			return err
		}
		if len(cards) == 0 {
			return ErrNotFound
		}
		return s.tell(ctx, tx, by, "batch.download", id, map[string]any{"file": file, "format": format, "part": part, "cards": len(cards)})
	})
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, fmt.Errorf("batch.Download: %w", err)
	}
	return cards, err
}

// DownloadCard is Download of a single card of a territory, as after a replacement;
// its event is the card's. A card of a batch that stands in no print file yet gets
// one of its own, so that the batch's next file does not have it made again. The
// batch's row lock protects it, as in MakeFile.
func (s *Store) DownloadCard(ctx context.Context, by card.By, path string, serial int64, format Format) (cards []Printed, err error) {
	err = pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		if err := union.Hold(ctx, tx); err != nil { // a merger moves batches and cards
			return err
		}
		var batch int64
		err := tx.QueryRow(ctx, `SELECT coalesce(c.batch_id, 0) FROM cards c JOIN members m ON m.id = c.member_id JOIN unions u ON u.id = m.union_id
			WHERE c.serial = $1 AND starts_with(u.path, $2)`, serial, path).Scan(&batch)
		if errors.Is(err, pgx.ErrNoRows) {
			return ErrNotFound
		}
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `SELECT FROM batches WHERE id = $1 FOR UPDATE`, batch); err != nil {
			return err
		}
		if cards, err = s.printed(ctx, tx, `c.serial = $1 AND starts_with(u.path, $2) AND c.status IN (1, 2, 6) FOR UPDATE OF c`, serial, path); err != nil {
			return err
		}
		if len(cards) == 0 {
			return ErrNotFound
		}
		if err := s.placeAlone(ctx, tx, by, batch, serial); err != nil {
			return err
		}
		return eventCard(ctx, tx, by, serial, format)
	})
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, fmt.Errorf("batch.DownloadCard: %w", err)
	}
	return cards, err
}

// placeAlone puts a card of a batch that stands in no print file into one of its own.
// batch 0 does nothing: a card of none never stands in a file.
func (s *Store) placeAlone(ctx context.Context, tx pgx.Tx, by card.By, batch, serial int64) error {
	if batch == 0 {
		return nil
	}
	var file int64
	err := tx.QueryRow(ctx, `WITH file AS (INSERT INTO batch_files (batch_id, cards, made_by, parts)
			SELECT $1, 1, $2, ARRAY[serial] FROM cards WHERE serial = $3 AND print_file IS NULL RETURNING id)
		UPDATE cards SET print_file = file.id FROM file WHERE serial = $3 RETURNING file.id`, batch, by.Actor, serial).Scan(&file)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("a file of its own: %w", err)
	}
	return s.tell(ctx, tx, by, "batch.file", batch, map[string]any{"file": file, "cards": 1})
}

func (s *Store) printed(ctx context.Context, tx pgx.Tx, where string, args ...any) (cards []Printed, err error) {
	rows, err := tx.Query(ctx, `SELECT c.serial, c.number, c.generation, c.name_masked, c.valid_until, u.name,
		m.id_hash, m.phone_hash, m.id_sealed, m.phone_sealed, m.name_sealed, coalesce(m.data_key, 0), coalesce(m.index_key, 0)
		FROM cards c JOIN members m ON m.id = c.member_id JOIN unions u ON u.id = m.union_id WHERE `+where, args...)
	if err != nil {
		return nil, err
	}
	var (
		p          Printed
		generation uint16
		validUntil time.Time
		sealed     personal.Sealed
		id, phone  []byte
	)
	now := s.clock()
	_, err = pgx.ForEachRow(rows, []any{&p.Serial, &p.Number, &generation, &p.Masked, &validUntil, &p.Union,
		&id, &phone, &sealed.ID, &sealed.Phone, &sealed.Name, &sealed.Key, &sealed.IndexKey}, func() error {
		p.Code, p.ValidUntil = s.codes.PrintedCode(p.Serial, generation, now), card.MonthOf(validUntil)
		p.Name = p.Masked
		if sealed.Name != nil {
			sealed.IDHash, sealed.PhoneHash = hash(id), hash(phone)
			person, err := s.vault.Reveal(sealed)
			if err != nil {
				return fmt.Errorf("card %d: %w", p.Serial, err)
			}
			p.Name = person.Name
		}
		cards = append(cards, p)
		return nil
	})
	return cards, err
}

func hash(b []byte) (h personal.Hash) {
	copy(h[:], b)
	return h
}

// heading is a print file's first row; row is the cells of its i-th card.
func heading() []string {
	return []string{"序号", "卡号", "卡面号码", "印刷码", "姓名", "姓名（脱敏）", "工会", "有效期至"}
}

func (c *Printed) row(i int) []string {
	return []string{strconv.Itoa(i + 1), strconv.FormatInt(c.Number, 10), grouped(c.Number), c.Code,
		harmless(c.Name), harmless(c.Masked), harmless(c.Union), c.ValidUntil.String()}
}

// WriteCSV is the print file as card makers' programs read it: RFC 4180, UTF-8 with
// the byte-order mark. A spreadsheet that opens it rounds its numbers to 15 digits:
// for people there is WriteXLSX.
func WriteCSV(cards []Printed) ([]byte, error) {
	var out bytes.Buffer
	out.WriteString("\uFEFF")
	w := csv.NewWriter(&out)
	w.UseCRLF = true
	if err := w.Write(heading()); err != nil {
		return nil, err
	}
	for i := range cards {
		if err := w.Write(cards[i].row(i)); err != nil {
			return nil, err
		}
	}
	w.Flush()
	return out.Bytes(), w.Error()
}

// WriteXLSX is the print file as a workbook, every cell of it text.
func WriteXLSX(cards []Printed) ([]byte, error) {
	f := excelize.NewFile()
	defer f.Close() // only its temporary files; the book is written by then
	w, err := f.NewStreamWriter("Sheet1")
	if err != nil {
		return nil, fmt.Errorf("batch.WriteXLSX: %w", err)
	}
	for column, width := range map[int]float64{2: 20, 3: 22, 4: 42, 5: 14, 7: 36, 8: 14} {
		if err := w.SetColWidth(column, column, width); err != nil {
			return nil, fmt.Errorf("batch.WriteXLSX: %w", err)
		}
	}
	for i := -1; i < len(cards); i++ {
		texts := heading()
		if i >= 0 {
			texts = cards[i].row(i)
		}
		cells := make([]any, len(texts))
		for k, text := range texts {
			cells[k] = text
		}
		if err := w.SetRow("A"+strconv.Itoa(i+2), cells); err != nil {
			return nil, fmt.Errorf("batch.WriteXLSX: %w", err)
		}
	}
	if err := w.Flush(); err != nil {
		return nil, fmt.Errorf("batch.WriteXLSX: %w", err)
	}
	var out bytes.Buffer
	if err := f.Write(&out); err != nil {
		return nil, fmt.Errorf("batch.WriteXLSX: %w", err)
	}
	return out.Bytes(), nil
}

// grouped is a card number as it stands on the card: 4101 2345 6789 0123.
func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	var b strings.Builder
	for i := 0; i < len(s); i += 4 {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(s[i:min(i+4, len(s))])
	}
	return b.String()
}

// harmless puts a ' before a text that a spreadsheet would take for a formula.
func harmless(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r\n＝＋－＠", []rune(s)[0]) {
		return "'" + s
	}
	return s
}
