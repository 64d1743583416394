package recon

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"unioncard/settlement/ledger"
)

var noon = time.Date(2026, 6, 1, 12, 0, 0, 0, beijing)

func whole(fen, discount int64) Sums { return Sums{fen, discount, fen - discount, hasAll} }

// pid is the n-th test purchase's id.
func pid(n int) uuid.UUID { return uuid.UUID{0: 1, 15: byte(n)} }

func sold(n int, fen int64, minutes int, with ...func(*Purchase)) Purchase {
	p := Purchase{ID: pid(n), At: noon.Add(time.Duration(minutes) * time.Minute), Last4: int16(n), Sale: whole(fen, fen/10)}
	for _, w := range with {
		w(&p)
	}
	return p
}

func row(no int, fen int64, minutes int, with ...func(*Row)) Row {
	r := Row{No: no, At: noon.Add(time.Duration(minutes) * time.Minute), Last4: -1, Sums: whole(fen, fen/10)}
	if fen < 0 {
		r.Return = true
	}
	for _, w := range with {
		w(&r)
	}
	return r
}

func ref(s string) func(*Row) { return func(r *Row) { r.Ref = s } }
func id(n int) func(*Row)     { return func(r *Row) { r.ID = pid(n) } }
func card(n int) func(*Row)   { return func(r *Row) { r.Last4 = int16(n) } }
func numbered(s string) func(*Purchase) {
	return func(p *Purchase) { p.Ref = s }
}
func undone(fen int64, minutes int) func(*Purchase) {
	return func(p *Purchase) {
		p.Undos = append(p.Undos, Undo{noon.Add(time.Duration(minutes) * time.Minute), whole(-fen, -fen/10)})
	}
}
func beyond(p *Purchase) { p.Beyond = true }

// TestMatch: what agrees, and each kind of difference, by every means.
func TestMatch(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		rows []Row
		ours []Purchase
		by   [byLook + 1]int
		want string // findings: kind why row purchase
	}{
		{"by id", []Row{row(1, 100, 500, id(1))}, []Purchase{sold(1, 100, 0)}, [...]int{byID: 1, 3: 0}, ""},
		{"by id, other amount", []Row{row(1, 110, 0, id(1))}, []Purchase{sold(1, 100, 0)}, [4]int{}, "amount unequal 1 1"},
		{"id of nobody's, or of another merchant", []Row{row(1, 100, 0, id(9))}, []Purchase{sold(1, 100, 0)}, [4]int{}, "theirs not_found 1 -; ours missing - 1"},
		{"id of another day", []Row{row(1, 100, 0, id(1))}, []Purchase{sold(1, 100, 0, beyond)}, [4]int{}, "theirs wrong_day 1 1"},
		{"by number", []Row{row(1, 100, 0, ref("A"))}, []Purchase{sold(1, 100, 3, numbered("A"))}, [4]int{byRef: 1}, ""},
		{"one number in two shops", []Row{row(1, 200, 0, ref("A")), row(2, 100, 0, ref("A"))},
			[]Purchase{sold(1, 100, 0, numbered("A")), sold(2, 200, 0, numbered("A"))}, [4]int{byRef: 2}, ""},
		{"the next day's number", []Row{row(1, 100, 24*60, ref("A"))}, []Purchase{sold(1, 100, 0, numbered("A"))}, [4]int{}, "theirs not_found 1 -; ours missing - 1"},
		{"by number, recorded the day before", []Row{row(1, 100, 0, ref("A"))}, []Purchase{sold(1, 100, -60, numbered("A"), beyond)}, [4]int{}, "theirs wrong_day 1 1"},
		{"twice in the file", []Row{row(1, 100, 0, ref("A")), row(2, 100, 0, ref("A"))}, []Purchase{sold(1, 100, 0, numbered("A"))}, [4]int{byRef: 1}, "theirs duplicate 2 1"},
		{"twice by id", []Row{row(1, 100, 0, id(1)), row(2, 100, 0, id(1))}, []Purchase{sold(1, 100, 0)}, [4]int{byID: 1}, "theirs duplicate 2 1"},
		{"paid in two parts", []Row{row(1, 60, 0, ref("A")), row(2, 40, 0, ref("A"))}, []Purchase{sold(1, 100, 0, numbered("A"))}, [4]int{byRef: 2}, ""},
		{"by look", []Row{row(1, 100, 9, card(1))}, []Purchase{sold(1, 100, 0)}, [4]int{byLook: 1}, ""},
		{"by look, too late", []Row{row(1, 100, 11, card(1))}, []Purchase{sold(1, 100, 0)}, [4]int{}, "theirs not_found 1 -; ours missing - 1"},
		{"by look, another card", []Row{row(1, 100, 0, card(7))}, []Purchase{sold(1, 100, 0)}, [4]int{}, "theirs not_found 1 -; ours missing - 1"},
		{"by look, another number", []Row{row(1, 100, 0, ref("B"))}, []Purchase{sold(1, 100, 0, numbered("A"))}, [4]int{}, "theirs not_found 1 -; ours missing - 1"},
		{"by look, without our number", []Row{row(1, 100, 0, ref("B"))}, []Purchase{sold(1, 100, 0)}, [4]int{byLook: 1}, ""},
		{"by look, a card first", []Row{row(1, 100, 0), row(2, 100, 0, card(1))}, []Purchase{sold(1, 100, 0), sold(2, 100, 0)}, [4]int{byLook: 2}, ""},
		{"by look, beside the days", []Row{row(1, 100, 0)}, []Purchase{sold(1, 100, 5, beyond)}, [4]int{}, "theirs wrong_day 1 1"},
		{"ours alone", nil, []Purchase{sold(2, 100, 5), sold(1, 100, 0)}, [4]int{}, "ours missing - 1; ours missing - 2"},
		{"voided and not in the file", nil, []Purchase{sold(1, 100, 0, undone(100, 5))}, [4]int{}, ""},
		{"voided and in the file with its void", []Row{row(1, 100, 0, id(1)), row(2, -100, 5, id(1))}, []Purchase{sold(1, 100, 0, undone(100, 5))}, [4]int{byID: 2}, ""},
		{"voided, the void without a number", []Row{row(1, 100, 0, card(1)), row(2, -100, 5, card(1))}, []Purchase{sold(1, 100, 0, undone(100, 5))}, [4]int{byLook: 2}, ""},
		{"voided with us only", []Row{row(1, 100, 0, id(1))}, []Purchase{sold(1, 100, 0, undone(100, 5))}, [4]int{}, "amount undone 1 1"},
		{"given back with them only", []Row{row(1, 100, 0, id(1)), row(2, -100, 5, id(1))}, []Purchase{sold(1, 100, 0)}, [4]int{}, "amount undone 1 1"},
		{"a part given back, as one row", []Row{row(1, 70, 0, id(1))}, []Purchase{sold(1, 100, 0, undone(30, 5))}, [4]int{byID: 1}, ""},
		{"a part given back, sold before", []Row{row(1, -30, 5, id(1))}, []Purchase{sold(1, 100, 0, undone(30, 5), func(p *Purchase) { p.Sale = Sums{} })}, [4]int{byID: 1}, ""},
		{"only what was paid", []Row{row(1, 0, 0, id(1), func(r *Row) { r.Sums = Sums{Paid: 90, Has: HasPaid} })}, []Purchase{sold(1, 100, 0)}, [4]int{byID: 1}, ""},
		{"only what was paid, by look", []Row{row(1, 0, 0, func(r *Row) { r.Sums = Sums{Paid: 90, Has: HasPaid} })}, []Purchase{sold(1, 100, 0)}, [4]int{byLook: 1}, ""},
		{"another discount", []Row{row(1, 100, 0, id(1), func(r *Row) { r.Sums = whole(100, 20) })}, []Purchase{sold(1, 100, 0)}, [4]int{}, "amount unequal 1 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := match(c.rows, c.ours)
			var all []string
			for _, f := range got.findings {
				r, p := "-", "-"
				if f.row != nil {
					r = fmt.Sprint(f.row.No)
				}
				if f.purchase != nil {
					p = fmt.Sprint(f.purchase.ID[15])
				}
				all = append(all, fmt.Sprintf("%s %s %s %s", f.kind, f.why, r, p))
			}
			if diff := cmp.Diff(c.want, strings.Join(all, "; ")); diff != "" {
				t.Error(diff)
			}
			if got.by != c.by {
				t.Errorf("matched by %v, want %v", got.by, c.by)
			}
		})
	}
}

// TestWornNumber: a number that too many rows and purchases share fills no memory, and
// they are matched by what they look like.
func TestWornNumber(t *testing.T) {
	t.Parallel()
	const n = 1000 // together more than mostPairsOfOne
	var rows []Row
	var ours []Purchase
	for i := range n {
		rows = append(rows, row(i+1, int64(1000+10*i), 0, ref("1")))
		ours = append(ours, sold(i, int64(1000+10*i), 1, numbered("1"), func(p *Purchase) { p.ID[14] = byte(i >> 8) }))
	}
	rows, ours = append(rows, row(n+1, 50, 0, ref("2"))), append(ours, sold(0, 50, 2, numbered("2"), func(p *Purchase) { p.ID[13] = 1 }))
	if res := match(rows, ours); res.by[byLook] != n || res.by[byRef] != 1 || len(res.findings) != 0 {
		t.Errorf("%v by looks and numbers, %d differences", res.by, len(res.findings))
	}
}

// TestLooksMatchAsManyAsCan: rows of one amount are matched one to one with purchases
// within Window, and as many as any choice would match (brute force by augmenting
// paths).
func TestLooksMatchAsManyAsCan(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		minute := rapid.IntRange(0, 60)
		var rows []Row
		var ours []Purchase
		for i := range rapid.IntRange(0, 8).Draw(t, "rows") {
			rows = append(rows, row(i+1, 100, minute.Draw(t, "row")))
		}
		for i := range rapid.IntRange(0, 8).Draw(t, "ours") {
			ours = append(ours, sold(i+1, 100, minute.Draw(t, "purchase")))
		}
		res := match(rows, ours)
		if got, want := res.by[byLook], most(rows, ours); got != want {
			t.Fatalf("%d matched of %d that can be", got, want)
		}
		theirs, our := 0, 0
		for _, f := range res.findings {
			if f.kind == Theirs {
				theirs++
			} else {
				our++
			}
		}
		if theirs != len(rows)-res.by[byLook] || our != len(ours)-res.by[byLook] {
			t.Fatalf("%d rows and %d purchases, %d matched, but %d and %d are left over", len(rows), len(ours), res.by[byLook], theirs, our)
		}
	})
}

func most(rows []Row, ours []Purchase) (n int) {
	of := make([]int, len(ours))
	for i := range of {
		of[i] = -1
	}
	var find func(r int, seen []bool) bool
	find = func(r int, seen []bool) bool {
		for p := range ours {
			if seen[p] || away(&rows[r], &ours[p]) > Window {
				continue
			}
			seen[p] = true
			if of[p] < 0 || find(of[p], seen) {
				of[p] = r
				return true
			}
		}
		return false
	}
	for r := range rows {
		if find(r, make([]bool, len(ours))) {
			n++
		}
	}
	return n
}

// TestMoneyIsAccountedFor: whatever rows and purchases there are, what both sides have
// differs by exactly what the differences say, so that no fen is lost between them.
func TestMoneyIsAccountedFor(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		fen, minute := rapid.SampledFrom([]int64{100, 200, 300}), rapid.IntRange(0, 30)
		var rows []Row
		var ours []Purchase
		var their, our int64
		for i := range rapid.IntRange(0, 10).Draw(t, "ours") {
			p := sold(i+1, fen.Draw(t, "fen"), minute.Draw(t, "at"))
			p.Ref = rapid.SampledFrom([]string{"", "A", "B"}).Draw(t, "ref")
			p.Beyond = rapid.IntRange(0, 5).Draw(t, "beyond") == 0
			if rapid.IntRange(0, 3).Draw(t, "undone") == 0 && !p.Beyond {
				p.Undos = append(p.Undos, Undo{p.At.Add(time.Minute), Sums{-p.Sale.Fen, -p.Sale.Discount, -p.Sale.Paid, hasAll}})
			}
			ours = append(ours, p)
			if !p.Beyond {
				our += p.net().Fen
			}
		}
		for i := range rapid.IntRange(0, 10).Draw(t, "rows") {
			v := fen.Draw(t, "fen")
			if rapid.IntRange(0, 3).Draw(t, "back") == 0 {
				v = -v
			}
			r := row(i+1, v, minute.Draw(t, "at"))
			r.Ref = rapid.SampledFrom([]string{"", "A", "B", "C"}).Draw(t, "ref")
			if rapid.IntRange(0, 4).Draw(t, "named") == 0 {
				r.ID = pid(rapid.IntRange(1, 12).Draw(t, "id"))
			}
			rows = append(rows, r)
			their += v
		}
		res := match(rows, ours)
		var diff int64
		rowsTold := map[int]bool{}
		for _, f := range res.findings {
			switch f.kind {
			case Theirs:
				diff += f.their.Fen
				if rowsTold[f.row.No] {
					t.Fatalf("row %d is told twice", f.row.No)
				}
				rowsTold[f.row.No] = true
			case Ours:
				diff -= f.our.Fen
			default:
				diff += f.their.Fen - f.our.Fen
			}
		}
		if their-our != diff {
			t.Fatalf("they have %d, we %d, and the differences say %d", their, our, diff)
		}
	})
}

// TestIdentity: the same from version to version, another for each of several that
// look alike, and another when an amount changes.
func TestIdentity(t *testing.T) {
	t.Parallel()
	r1, r2, changed := row(1, 100, 0), row(2, 100, 0), row(3, 101, 0)
	first := ledger.DayOf(noon).String()
	ids := func(rows ...*Row) (out [][16]byte) {
		seen := map[[16]byte]int{}
		for _, r := range rows {
			f := finding{kind: Theirs, row: r, their: r.Sums}
			out = append(out, f.identity(first, seen))
		}
		return out
	}
	a, b := ids(&r1, &r2, &changed), ids(&changed, &r2, &r1)
	if a[0] == a[1] || a[1] == a[2] || a[0] == a[2] || a[2] != b[0] || a[0] != b[1] || a[1] != b[2] {
		t.Errorf("%x and %x", a, b)
	}
	p := sold(1, 100, 0)
	f := finding{kind: Ours, why: Missing, purchase: &p, our: p.net()}
	g := f
	g.why = Booked
	if f.identity(first, map[[16]byte]int{}) != g.identity(first, map[[16]byte]int{}) {
		t.Error("the reason is part of the identity")
	}
}
