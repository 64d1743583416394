package roster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card"
	"unioncard/card/personal"
	"unioncard/card/sheet"
	"unioncard/card/union/event"
	"unioncard/card/union/staff"
)

// Row is a checked row as pages show it: masked.
type Row struct {
	Number   int // as the clerk's program counts
	Outcome  Outcome
	Name     string // masked, "" if it could not be read
	ID       string // masked, "" of a faulty row
	Phone    string
	Union    string // where the row wants the member
	MemberID int64  // 0 for somebody new
	Fields   []string
	Faults   []Fault
}

// stagedSQL reads rows with what is sealed in them.
const stagedSQL = `SELECT r.row_no, r.outcome, coalesce(r.name_masked, ''), coalesce(u.name, ''), coalesce(r.member_id, 0), r.fields, r.faults, r.joined_on,
	r.id_hash, r.phone_hash, r.id_sealed, r.phone_sealed, r.name_sealed, coalesce(r.data_key, 0), coalesce(r.index_key, 0), r.raw
	FROM roster_rows r LEFT JOIN unions u ON u.id = r.union_id WHERE r.run_id = $1 AND r.outcome = $2 AND r.row_no > $3 ORDER BY r.row_no LIMIT $4`

type staged struct {
	Row
	joined *time.Time
	sealed personal.Sealed
	raw    []byte
}

func scanStaged(row pgx.CollectableRow) (r staged, err error) {
	var faults []byte
	err = row.Scan(&r.Number, &r.Outcome, &r.Name, &r.Union, &r.MemberID, &r.Fields, &faults, &r.joined, &r.sealed.IDHash, &r.sealed.PhoneHash,
		&r.sealed.ID, &r.sealed.Phone, &r.sealed.Name, &r.sealed.Key, &r.sealed.IndexKey, &r.raw)
	if err == nil && faults != nil {
		err = json.Unmarshal(faults, &r.Faults)
	}
	return r, err
}

// Rows is a run's rows of one outcome behind a row's number, in the file's order.
func (s *Store) Rows(ctx context.Context, id int64, outcome Outcome, after, limit int) ([]Row, error) {
	rows, err := s.db.Query(ctx, stagedSQL, id, outcome, after, limit)
	if err != nil {
		return nil, fmt.Errorf("roster.Rows: %w", err)
	}
	all, err := pgx.CollectRows(rows, scanStaged)
	if err != nil {
		return nil, fmt.Errorf("roster.Rows: %w", err)
	}
	out := make([]Row, len(all))
	for i, r := range all {
		if out[i] = r.Row; r.sealed.ID == nil {
			continue
		}
		p, err := s.vault.Reveal(r.sealed)
		if err != nil {
			return nil, fmt.Errorf("roster.Rows: %w", err)
		}
		out[i].ID, out[i].Phone = personal.MaskID(p.ResidentID), personal.MaskPhone(p.Phone)
	}
	if outcome == Rejoin {
		if err := s.hideForeign(ctx, id, out); err != nil {
			return nil, fmt.Errorf("roster.Rows: %w", err)
		}
	}
	return out, nil
}

// FaultFileRows is how many rows a fault file holds at most.
const FaultFileRows = 100_000

// FaultFile writes a run's faulty rows, with what is wrong and what to do, as a file
// to be corrected and uploaded again: "xlsx" or "csv". It holds what the clerk
// uploaded, in full, so the event says who took it and why. ErrState if the rows are gone.
func (s *Store) FaultFile(ctx context.Context, a *staff.Account, id int64, reason, format string, to io.Writer) error {
	r, err := s.Get(ctx, id)
	if err != nil {
		return err
	}
	if r.Purged || r.Faulty == 0 || r.State != Checked && r.State != Applied {
		return ErrState
	}
	err = card.InTx(ctx, s.db, func(tx pgx.Tx) error {
		return event.Record(ctx, tx, a.Actor(), "roster.faults", r.Object(), reason, nil, map[string]any{"faulty": r.Faulty, "format": format})
	})
	if err == nil {
		err = s.writeFaults(ctx, r, format, to)
	}
	if err != nil {
		return fmt.Errorf("roster.FaultFile: %w", err)
	}
	return nil
}

// back says which of a file's columns a fault file gives back.
type back struct {
	layout *layout
	keep   []int // indexes into the headings
}

func backOf(r *Run) back {
	row := &sheet.Row{}
	for _, h := range r.Headings {
		row.Cells = append(row.Cells, sheet.Cell{Text: h})
	}
	l, _, err := layoutOf(row)
	b := back{layout: l}
	for i := range r.Headings {
		drop := false
		for _, d := range l.dropped {
			drop = drop || d == i
		}
		if !drop && err == nil {
			b.keep = append(b.keep, i)
		}
	}
	return b
}

func (s *Store) writeFaults(ctx context.Context, r *Run, format string, to io.Writer) error {
	b := backOf(r)
	var heads []sheet.Column
	for _, i := range b.keep {
		heads = append(heads, sheet.Column{Head: r.Headings[i], Width: 22})
	}
	heads = append(heads, sheet.Column{Head: ColumnProblem, Width: 46}, sheet.Column{Head: ColumnFix, Width: 46})
	out, err := newFile(format, to, heads)
	if err != nil {
		return err
	}
	const page = 2000
	for after, n := 0, 0; n < FaultFileRows; {
		rows, err := s.db.Query(ctx, stagedSQL, r.ID, Faulty, after, min(page, FaultFileRows-n))
		if err != nil {
			return err
		}
		all, err := pgx.CollectRows(rows, scanStaged)
		if err != nil {
			return err
		}
		if len(all) == 0 {
			break
		}
		for i := range all {
			cells, err := s.cells(r.ID, &b, &all[i])
			if err != nil {
				return err
			}
			if err := out.Write(cells); err != nil {
				return err
			}
		}
		after, n = all[len(all)-1].Number, n+len(all)
	}
	return out.Close()
}

func newFile(format string, to io.Writer, heads []sheet.Column) (sheet.Writer, error) {
	if format == "xlsx" {
		return sheet.NewXLSX(to, "问题名册", heads, nil)
	}
	w, err := sheet.NewCSV(to)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(heads))
	for i, h := range heads {
		names[i] = h.Head
	}
	return w, w.Write(names)
}

// cells is a faulty row as it was uploaded, with its problems. Of a row found faulty
// only among the others its cells were not kept: what they said is.
func (s *Store) cells(run int64, b *back, r *staged) ([]string, error) {
	whole := make([]string, len(b.layout.headings))
	switch {
	case r.raw != nil:
		doc, err := s.vault.OpenBytes(purposeRow, r.raw, aad(run, r.Number))
		if err != nil {
			return nil, err
		}
		var cells []string
		if err := json.Unmarshal(doc, &cells); err != nil {
			return nil, errors.New("a row's cells are damaged")
		}
		copy(whole, cells)
	case r.sealed.ID != nil:
		p, err := s.vault.Reveal(r.sealed)
		if err != nil {
			return nil, err
		}
		joined := ""
		if r.joined != nil {
			joined = r.joined.Format(time.DateOnly)
		}
		for column, text := range map[string]string{ColumnName: p.Name, ColumnID: p.ResidentID, ColumnPhone: p.Phone, ColumnUnion: r.Union, ColumnJoined: joined} {
			if i := b.layout.at[column]; i >= 0 {
				whole[i] = text
			}
		}
	}
	var out, problems, fixes []string
	for _, i := range b.keep {
		out = append(out, whole[i])
	}
	for _, f := range r.Faults {
		problems, fixes = append(problems, f.Message), append(fixes, f.Fix)
	}
	return append(out, fmt.Sprintf("第 %d 行：%s", r.Number, strings.Join(problems, "；")), strings.Join(fixes, "；")), nil
}

// FaultCount is how many rows have a fault of one code.
type FaultCount struct {
	Fault
	Rows int
}

// FaultCounts are a run's faults by code, the most frequent first.
func (s *Store) FaultCounts(ctx context.Context, id int64) ([]FaultCount, error) {
	rows, err := s.db.Query(ctx, `SELECT f->>'c', min(f->>'f'), min(f->>'m'), min(f->>'x'), count(*) FROM roster_rows, jsonb_array_elements(faults) f
		WHERE run_id = $1 AND outcome = 9 GROUP BY 1 ORDER BY 5 DESC, 1`, id)
	if err != nil {
		return nil, fmt.Errorf("roster.FaultCounts: %w", err)
	}
	out, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (c FaultCount, err error) {
		err = row.Scan(&c.Code, &c.Column, &c.Message, &c.Fix, &c.Rows)
		switch c.Code { // what is said of one row names the row that it is like
		case codeTwice:
			c.Message = "与前面某一行是同一个人"
		case codePhoneTwice:
			c.Message = "手机号与前面某一行相同"
		}
		return c, err
	})
	if err != nil {
		return nil, fmt.Errorf("roster.FaultCounts: %w", err)
	}
	return out, nil
}

// Template writes an empty roster to be filled in. unions adds the column that names
// the union of each member.
func Template(to io.Writer, unions bool) error {
	heads := []sheet.Column{{Head: ColumnName, Width: 14}, {Head: ColumnID, Width: 24}, {Head: ColumnPhone, Width: 16}}
	notes := []string{
		"1. 一人一行，从第 2 行填起；表头不要改名，多出来的列没有关系，导入时会略过。",
		"2. 姓名：与身份证一致。",
		"3. 身份证号：18 位，末位是 X 的照写。整列已设为“文本”格式，从别的表复制时请“选择性粘贴”为“数值”或“文本”，否则后几位会丢失（显示成 4.10105E+17）。",
		"4. 手机号：会员本人的 11 位手机号，用来登录会员卡；没有手机的退休会员可以不填。",
	}
	if unions {
		heads = append(heads, sheet.Column{Head: ColumnUnion, Width: 36})
		notes = append(notes, "5. 工会：会员所在基层工会的全称；有同名的写成“上级工会/工会名称”。")
	}
	heads = append(heads, sheet.Column{Head: ColumnJoined, Width: 14})
	notes = append(notes, fmt.Sprintf("%d. 入会日期：写成 2026-01-31；不知道可以不填，按导入当天算。", len(notes)+1),
		fmt.Sprintf("%d. 填好后在“名册导入”里上传检查。检查不会改动会员数据，确认之后才导入。", len(notes)+2))
	w, err := sheet.NewXLSX(to, "名册", heads, notes)
	if err != nil {
		return fmt.Errorf("roster.Template: %w", err)
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("roster.Template: %w", err)
	}
	return nil
}
