package batch_test

import (
	"archive/zip"
	"bytes"
	"encoding/csv"
	"errors"
	"image/png"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/xuri/excelize/v2"

	"unioncard/card"
	"unioncard/card/batch"
)

// Print files: each card in one of them, again after a replacement; every download
// is recorded; nothing leaves for another territory.
func TestFiles(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	w := newWorld(t)
	a := w.register(w.works[0], "张小红")
	w.register(w.works[0], "李四")
	id, err := w.batches.Create(ctx, by, w.draft(w.works[0]))
	w.must(err)
	if _, err := w.batches.MakeFile(ctx, by, "/", id); !errors.Is(err, batch.ErrNothing) {
		t.Errorf("a file of nothing: %v", err)
	}
	w.move(id, batch.Start)
	w.run()
	file, err := w.batches.MakeFile(ctx, by, "/", id)
	if err != nil || file.Cards != 2 {
		t.Fatalf("%+v, %v", file, err)
	}
	if _, err := w.batches.MakeFile(ctx, by, "/", id); !errors.Is(err, batch.ErrNothing) {
		t.Errorf("the same cards twice: %v", err)
	}
	cards, err := w.batches.Download(ctx, by, "/", id, file.ID, batch.CSV, 1)
	w.must(err)
	first, err := w.cards.Live(ctx, a)
	w.must(err)
	want := batch.Printed{Serial: first.Serial, Number: first.Number, Code: w.codes.PrintedCode(first.Serial, 1, now),
		Name: "张小红", Masked: "张**", Union: "第1机械厂工会", ValidUntil: first.ValidUntil}
	if diff := cmp.Diff(want, cards[0]); len(cards) != 2 || diff != "" {
		t.Errorf("%d cards: %s", len(cards), diff)
	}
	if n, _, err := w.batches.Hand(ctx, by, "/", id, batch.To{}, false); err != nil || n != 2 {
		t.Fatalf("%d handed out, %v", n, err)
	}
	replaced, err := w.cards.Replace(ctx, by, first.Serial)
	w.must(err)
	// The new plastic is nobody's yet: it is handed out again, and not activated before.
	if b := w.get(id); b.Delivered != 1 {
		t.Errorf("%d delivered after the replacement", b.Delivered)
	}
	if n, _, err := w.batches.Hand(ctx, by, "/", id, batch.To{}, true); err != nil || n != 1 {
		t.Errorf("%d activated, %v", n, err)
	}
	if n, _, err := w.batches.Hand(ctx, by, "/", id, batch.To{}, false); err != nil || n != 1 || w.get(id).Delivered != 2 {
		t.Errorf("%d handed out again, %v", n, err)
	}
	next, err := w.batches.MakeFile(ctx, by, "/", id)
	w.must(err)
	cards, err = w.batches.Download(ctx, by, "/", id, next.ID, batch.PDF, 1)
	if err != nil || len(cards) != 1 || cards[0].Number != replaced.Number || cards[0].Code == want.Code {
		t.Errorf("after the replacement: %+v, %v", cards, err)
	}
	files, err := w.batches.Files(ctx, id)
	if err != nil || len(files) != 2 || files[1].Left != 1 || files[1].Cards != 2 {
		t.Errorf("files %+v, %v", files, err)
	}
	for name, err := range map[string]error{
		"elsewhere":     second(w.batches.Download(ctx, by, w.works[1].Path, id, file.ID, batch.CSV, 1)),
		"another batch": second(w.batches.Download(ctx, by, "/", id+1, file.ID, batch.CSV, 1)),
		"no such part":  second(w.batches.Download(ctx, by, "/", id, file.ID, batch.PDF, 2)),
		"card":          second(w.batches.DownloadCard(ctx, by, w.works[1].Path, first.Serial, batch.PDF)),
	} {
		if !errors.Is(err, batch.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	var told int
	w.must(w.pool.QueryRow(ctx, `SELECT count(*) FROM events WHERE action = 'batch.download'`).Scan(&told))
	if told != 2 {
		t.Errorf("%d downloads told", told)
	}
}

// TestPartsStay: a card that goes between two downloads takes no other with it.
func TestPartsStay(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	w := newWorld(t)
	for range batch.SheetCards + 1 {
		_, err := w.cards.Enroll(ctx, by, card.NewMember{UnionID: w.works[0].ID, Name: "王小明"})
		w.must(err)
	}
	id, err := w.batches.Create(ctx, by, w.draft(w.works[0]))
	w.must(err)
	w.move(id, batch.Start)
	w.run()
	file, err := w.batches.MakeFile(ctx, by, "/", id)
	if err != nil || file.Parts != 2 {
		t.Fatalf("%+v, %v", file, err)
	}
	first, err := w.batches.Download(ctx, by, "/", id, file.ID, batch.PDF, 1)
	if err != nil || len(first) != batch.SheetCards {
		t.Fatalf("%d cards in part 1, %v", len(first), err)
	}
	w.must(w.cards.Cancel(ctx, by, first[0].Serial))
	last, err := w.batches.Download(ctx, by, "/", id, file.ID, batch.PDF, 2)
	if err != nil || len(last) != 1 || last[0].Serial <= first[len(first)-1].Serial {
		t.Errorf("part 2 after a cancellation: %+v, %v", last, err)
	}
	all, err := w.batches.Download(ctx, by, "/", id, file.ID, batch.CSV, 1)
	if err != nil || len(all) != batch.SheetCards {
		t.Errorf("the whole: %d cards, %v", len(all), err)
	}
	if files, err := w.batches.Files(ctx, id); err != nil || files[0].Parts != 2 || files[0].Left != batch.SheetCards {
		t.Errorf("files %+v, %v", files, err)
	}
}

func second[T any](_ T, err error) error { return err }

func printed(n int) []batch.Printed {
	list := make([]batch.Printed, n)
	for i := range list {
		list[i] = batch.Printed{Serial: int64(i + 1), Number: 4100000000000011 + int64(i), Code: strings.Repeat("4", 36),
			Name: "=1+1", Masked: "张**", Union: "某厂,\"工会\"", ValidUntil: 155}
	}
	return list
}

func TestWrite(t *testing.T) {
	t.Parallel()
	raw, err := batch.WriteCSV(printed(2))
	if err != nil {
		t.Fatal(err)
	}
	lines, err := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(raw, []byte("\uFEFF")))).ReadAll()
	want := []string{"2", "4100000000000012", "4100 0000 0000 0012", strings.Repeat("4", 36), "'=1+1", "张**", "某厂,\"工会\"", "2027-12-31"}
	if err != nil || len(lines) != 3 || cmp.Diff(want, lines[2]) != "" {
		t.Errorf("%v, %v", lines, err)
	}
	raw, err = batch.WriteXLSX(printed(2))
	if err != nil {
		t.Fatal(err)
	}
	book, err := excelize.OpenReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	rows, err := book.GetRows("Sheet1")
	if err != nil || len(rows) != 3 || cmp.Diff(want, rows[2]) != "" {
		t.Errorf("%v, %v", rows, err)
	}
	pdf, err := batch.WritePDF(printed(11), 201)
	if err != nil || !bytes.HasPrefix(pdf, []byte("%PDF-")) || bytes.Count(pdf, []byte("/Type /Page\n")) != 2 {
		t.Errorf("PDF of %d bytes, %d pages, %v", len(pdf), bytes.Count(pdf, []byte("/Type /Page\n")), err)
	}
	packed, err := batch.WritePNG(printed(11), 1)
	if err != nil {
		t.Fatal(err)
	}
	z, err := zip.NewReader(bytes.NewReader(packed), int64(len(packed)))
	if err != nil || len(z.File) != 2 {
		t.Fatalf("%v", err)
	}
	f, err := z.File[1].Open()
	if err != nil {
		t.Fatal(err)
	}
	picture, err := png.Decode(f)
	if err != nil || picture.Bounds().Dx() != 2520 {
		t.Errorf("%v, %v", picture, err)
	}
}
