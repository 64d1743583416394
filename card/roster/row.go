package roster

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"unioncard/card/personal"
	"unioncard/card/sheet"
)

// entry is a row as read: a person, where to, and what is wrong.
type entry struct {
	row    int
	person personal.Person
	named  string // name as far as it could be read, for the masked one
	union  int64
	joined time.Time // date at midnight UTC, zero if not given
	faults []Fault
	// raw is the cells. They are kept of faulty rows, to be given back, and of others
	// only where the columns that mean something do not say all of the row.
	raw     []string
	keepRaw bool

	outcome Outcome
	member  int64
	version int64
	fields  []string
	sealed  personal.Sealed
}

func (e *entry) fault(f Fault) { e.faults = append(e.faults, f) }

// rules is what rows are held to.
type rules struct {
	layout   *layout
	unions   *unionNames
	today    time.Time // date in Beijing, at midnight UTC
	date1904 bool
	keepRaw  bool // also of good rows
}

// read holds a row to what can be said of it alone.
func (r *rules) read(row *sheet.Row) entry {
	e := entry{row: row.Number}
	if row.Fault != sheet.NoFault {
		e.fault(ofRow(row.Fault))
	}
	e.raw, e.keepRaw = make([]string, len(row.Cells)), r.keepRaw
	for i, c := range row.Cells {
		e.raw[i] = c.Text
	}
	if r.total(row) {
		e.fault(faultTotal())
		return e
	}
	if c, ok := r.text(&e, row, ColumnName); ok {
		name, err := personal.ParseName(c.Text)
		if f, bad := ofPerson(err); bad {
			e.fault(f)
		}
		e.person.Name, e.named = name, name
	}
	if r.swapped(row) {
		e.fault(faultSwapped())
	} else {
		r.numbers(&e, row)
	}
	if c, ok := r.text(&e, row, ColumnUnion); ok {
		union, f := r.unions.find(c.Text)
		if f != nil {
			e.fault(*f)
		}
		e.union = union
	}
	r.joined(&e, row)
	return e
}

// shortestID is as long as an ID of the first generation: what is shorter is no ID
// that somebody mistyped, but perhaps a number of persons.
const shortestID = 15

// total reports whether a row is a sum: nobody's resident ID stands in it, and one of
// its cells begins as sums do.
func (r *rules) total(row *sheet.Row) bool {
	sum := slices.ContainsFunc(row.Cells, func(c sheet.Cell) bool {
		text := strings.Join(strings.Fields(c.Text), "") // 合　计
		return slices.ContainsFunc([]string{"合计", "总计", "小计", "共计", "总人数"}, func(word string) bool { return strings.HasPrefix(text, word) })
	})
	return sum && len(r.layout.cell(row, ColumnID).Text) < shortestID
}

// swapped reports whether resident ID and phone number stand in each other's column.
func (r *rules) swapped(row *sheet.Row) bool {
	_, notPhone := personal.ParsePhone(r.layout.cell(row, ColumnID).Text)
	_, notID := personal.CheckResidentID(r.layout.cell(row, ColumnPhone).Text)
	return notPhone == nil && notID == nil
}

// numbers holds resident ID and phone number to their rules.
func (r *rules) numbers(e *entry, row *sheet.Row) {
	r.residentID(e, row)
	if c, ok := r.text(e, row, ColumnPhone); ok && c.Text != "" {
		phone, err := personal.ParsePhone(c.Text)
		if f, bad := ofPerson(err); bad {
			e.fault(f)
		}
		e.person.Phone = phone
	}
}

// text is a cell that somebody filled in; a formula or an error value is a fault.
func (r *rules) text(e *entry, row *sheet.Row, column string) (sheet.Cell, bool) {
	c := r.layout.cell(row, column)
	switch c.Kind {
	case sheet.Formula:
		e.fault(faultFormula(column))
	case sheet.Broken:
		e.fault(faultCell(column))
	default:
		return c, true
	}
	return c, false
}

// exactDigits is how many digits a spreadsheet's number keeps.
const exactDigits = 15

func (r *rules) residentID(e *entry, row *sheet.Row) {
	c, ok := r.text(e, row, ColumnID)
	if !ok {
		return
	}
	if c.Kind == sheet.Number && len(c.Text) > exactDigits && !strings.ContainsAny(c.Text, "Ee") {
		e.fault(faultRounded())
		return
	}
	id, err := personal.CheckResidentID(c.Text)
	if err == nil {
		err = id.CheckAge(r.today)
	}
	if f, bad := ofPerson(err); bad {
		e.fault(f)
		return
	}
	e.person.ResidentID = string(id)
}

func (r *rules) joined(e *entry, row *sheet.Row) {
	c, ok := r.text(e, row, ColumnJoined)
	if !ok || c.Text == "" {
		return
	}
	day, ok := readDate(c, r.date1904)
	switch {
	case !ok:
		e.fault(faultDate())
	case day.After(r.today):
		e.fault(faultDateAhead())
	default:
		e.joined = day
	}
}

// readDate reads a date as people and spreadsheets write it; a number counts days.
func readDate(c sheet.Cell, date1904 bool) (time.Time, bool) {
	if c.Kind == sheet.Number {
		f, err := strconv.ParseFloat(c.Text, 64)
		if err == nil && f >= 1 && f < 100_000 {
			base := time.Date(1899, 12, 30, 0, 0, 0, 0, time.UTC)
			if date1904 {
				base = time.Date(1904, 1, 1, 0, 0, 0, 0, time.UTC)
			}
			return sane(base.AddDate(0, 0, int(f)))
		}
	}
	text, _, _ := strings.Cut(halfWidth(c.Text), " ")
	for _, form := range []string{"2006-1-2", "2006/1/2", "2006.1.2", "20060102", "2006年1月2日", "2006-1", "2006/1", "2006.1", "200601", "2006年1月"} {
		if t, err := time.Parse(form, text); err == nil {
			return sane(t)
		}
	}
	return time.Time{}, false
}

// sane: the trade unions of China are not a hundred years old in this form.
func sane(t time.Time) (time.Time, bool) { return t, t.Year() >= 1921 && t.Year() < 2100 }

// halfWidth writes full-width digits and signs as plain ones.
func halfWidth(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case r >= '！' && r <= '～':
			return r - '！' + '!'
		case r == '\u3000':
			return ' '
		}
		return r
	}, s))
}
