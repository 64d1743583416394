package recon

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
)

// means is what a row was matched by.
type means uint8

const (
	unmatched means = iota
	byID
	byRef
	byLook
)

// finding is a difference as matching finds it.
type finding struct {
	kind     Kind
	why      Why
	row      *Row // nil for what the file does not have
	their    Sums
	purchase *Purchase // nil for what this service does not have
	our      Sums
}

// result is what matching finds. by counts the rows that agree, by what they were
// matched.
type result struct {
	by       [byLook + 1]int
	ours     int // purchases of the file's days
	findings []finding
}

// matcher matches one file.
type matcher struct {
	rows []Row
	ours []Purchase
	how  []means
	of   []int   // the purchase of a row, -1 without
	got  [][]int // the rows of a purchase
	refs map[string][]int
	worn map[string]bool // numbers that too many share
	ids  map[uuid.UUID]int
}

// match holds a file's rows against the purchases of its days and, to say so, those
// of the days beside (Purchase.Beyond).
func match(rows []Row, ours []Purchase) *result {
	m := &matcher{rows: rows, ours: ours, how: make([]means, len(rows)), of: make([]int, len(rows)), got: make([][]int, len(ours)),
		refs: map[string][]int{}, worn: map[string]bool{}, ids: make(map[uuid.UUID]int, len(ours))}
	for i := range m.of {
		m.of[i] = -1
	}
	for i := range ours {
		m.ids[ours[i].ID] = i
		if ours[i].Ref != "" {
			m.refs[ours[i].Ref] = append(m.refs[ours[i].Ref], i)
		}
	}
	m.matchIDs()
	m.matchRefs()
	m.matchLooks()
	return m.result()
}

func (m *matcher) attach(row, purchase int, how means) {
	m.of[row], m.how[row] = purchase, how
	m.got[purchase] = append(m.got[purchase], row)
}

func (m *matcher) matchIDs() {
	for i := range m.rows {
		if id := m.rows[i].ID; id != uuid.Nil {
			if p, ok := m.ids[id]; ok {
				m.attach(i, p, byID)
			}
		}
	}
}

// matchRefs gives rows to the purchases of their number. Tills count anew every day
// or in every shop, so a number may be several purchases': each row has the one that
// agrees with it, the nearest in time, and only then another.
func (m *matcher) matchRefs() {
	sharing := map[string][]int{}
	for i := range m.rows {
		r := &m.rows[i]
		if r.ID == uuid.Nil && r.Ref != "" && m.refs[r.Ref] != nil {
			sharing[r.Ref] = append(sharing[r.Ref], i)
		}
	}
	left := mostPairs
	for _, ref := range slices.Sorted(maps.Keys(sharing)) {
		pairs := m.pairsOf(sharing[ref], m.refs[ref], min(left, mostPairsOfOne))
		if pairs == nil {
			m.worn[ref] = true
			continue
		}
		left -= len(pairs)
		sold := map[int]bool{} // purchases that have a sale's row
		for _, p := range pairs {
			if !m.rows[p.row].Return && m.of[p.row] < 0 && !sold[p.purchase] && len(m.got[p.purchase]) == 0 {
				m.attach(p.row, p.purchase, byRef)
				sold[p.purchase] = true
			}
		}
		// What is over is a part of a sale, its return, or the sale once more.
		for _, p := range pairs {
			if m.of[p.row] < 0 && (m.rows[p.row].Return || away(&m.rows[p.row], &m.ours[p.purchase]) <= Window || len(m.refs[ref]) == 1) {
				m.attach(p.row, p.purchase, byRef)
			}
		}
	}
}

// mostPairs bounds the rows and purchases of one number that are held against each
// other, of a file and of one number. A number that so many share tells nothing (a till
// that always sends 1), and would fill the memory: it is as none.
const mostPairs, mostPairsOfOne = 10_000_000, 500_000

// pair is a row and a purchase of its number.
type pair struct {
	row, purchase int
	equal         bool
	away          time.Duration
}

// pairsOf are the rows of a number with the purchases of it that are near, the likeliest
// first; nil if there are more than most.
func (m *matcher) pairsOf(rows, ours []int, most int) []pair {
	byTime := slices.Clone(ours)
	slices.SortFunc(byTime, func(a, b int) int { return cmp.Or(m.ours[a].At.Compare(m.ours[b].At), cmp.Compare(a, b)) })
	since := func(t time.Time) int {
		n, _ := slices.BinarySearchFunc(byTime, t, func(p int, t time.Time) int { return m.ours[p].At.Compare(t) })
		return n
	}
	pairs := []pair{}
	for _, i := range rows {
		r, beside := &m.rows[i], byTime
		if !r.At.IsZero() && !r.Return {
			beside = byTime[since(r.At.Add(-sameRefWithin)):since(r.At.Add(sameRefWithin+1))]
		}
		if len(pairs)+len(beside) > most {
			return nil
		}
		for _, p := range beside {
			o := &m.ours[p]
			pairs = append(pairs, pair{i, p, !r.Return && (r.agrees(o.Sale) || r.agrees(o.net())), away(r, o)})
		}
	}
	slices.SortFunc(pairs, func(a, b pair) int {
		switch {
		case a.equal != b.equal:
			return order(b.equal, a.equal)
		case m.ours[a.purchase].Beyond != m.ours[b.purchase].Beyond:
			return order(m.ours[a.purchase].Beyond, m.ours[b.purchase].Beyond)
		}
		return cmp.Or(cmp.Compare(a.away, b.away), cmp.Compare(a.row, b.row), cmp.Compare(a.purchase, b.purchase))
	})
	return pairs
}

// numbered reports whether a till's number tells a sale from others.
func (m *matcher) numbered(ref string) bool { return ref != "" && !m.worn[ref] }

func order(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// sameRefWithin is how far apart a row and a purchase of one number may be: the
// next day's number is another sale.
const sameRefWithin = 18 * time.Hour

// away is how far a row's time is from a purchase's, 0 for a row without.
func away(r *Row, p *Purchase) time.Duration {
	if r.At.IsZero() {
		return 0
	}
	return r.At.Sub(p.At).Abs()
}

// look is what rows and purchases look like that may be the same.
type look struct {
	back                bool // money that went back
	has                 Has
	fen, discount, paid int64
	last4               int16 // -1: of whatever card
}

func lookOf(s Sums, has Has, back bool, last4 int16) look {
	l := look{back: back, has: has, last4: last4}
	if has&HasFen != 0 {
		l.fen = s.Fen
	}
	if has&HasDiscount != 0 {
		l.discount = s.Discount
	}
	if has&HasPaid != 0 {
		l.paid = s.Paid
	}
	return l
}

// moment is a row's or an undertaking's time within a look.
type moment struct {
	at    time.Time
	index int // of the row, or of the purchase
}

// matchLooks gives the rows left to the purchases left, by amounts, time and card:
// first those within the days, then those beside. Rows that name a card or a number
// can have fewer purchases, so they choose first.
func (m *matcher) matchLooks() {
	for _, beyond := range []bool{false, true} {
		for _, back := range []bool{false, true} { // sales first: a return belongs to its sale
			for _, carded := range []bool{true, false} {
				for _, numbered := range []bool{true, false} {
					m.matchLook(beyond, back, carded, numbered)
				}
			}
		}
	}
}

func (m *matcher) matchLook(beyond, back, carded, numbered bool) {
	rows := map[look][]moment{}
	var kinds [hasAll + 1]bool
	for i := range m.rows {
		r := &m.rows[i]
		if m.of[i] >= 0 || r.ID != uuid.Nil || r.At.IsZero() || r.Return != back || (r.Last4 >= 0) != carded || m.numbered(r.Ref) != numbered {
			continue
		}
		kinds[r.Has] = true
		l := lookOf(r.Sums, r.Has, back, r.Last4)
		rows[l] = append(rows[l], moment{r.At, i})
	}
	if len(rows) == 0 {
		return
	}
	there := map[look][]moment{}
	for i := range m.ours {
		p := &m.ours[i]
		// A row with another number is another sale.
		if p.Beyond != beyond || numbered && m.numbered(p.Ref) || carded && p.Last4 < 0 {
			continue
		}
		last4 := int16(-1)
		if carded {
			last4 = p.Last4
		}
		for has := range kinds {
			if kinds[has] {
				m.looks(i, Has(has), back, last4, there)
			}
		}
	}
	for l, r := range rows {
		m.pair(r, there[l])
	}
}

// looks adds what a purchase looks like, if nothing of the file is it yet.
func (m *matcher) looks(i int, has Has, back bool, last4 int16, there map[look][]moment) {
	p := &m.ours[i]
	if !back {
		if len(m.got[i]) == 0 && p.Sale.Has != 0 {
			l := lookOf(p.Sale, has, false, last4)
			there[l] = append(there[l], moment{p.At, i})
		}
		return
	}
	if slices.ContainsFunc(m.got[i], func(r int) bool { return m.rows[r].Return }) {
		return
	}
	for _, u := range p.Undos {
		l := lookOf(u.Sums, has, true, last4)
		there[l] = append(there[l], moment{u.At, i})
	}
}

// pair gives as many rows as can be a purchase within Window of their time: of both,
// in order of time, the earliest that fit.
func (m *matcher) pair(rows, there []moment) {
	byTime := func(a, b moment) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.index, b.index)) }
	slices.SortFunc(rows, byTime)
	slices.SortFunc(there, byTime)
	for i, j := 0, 0; i < len(rows) && j < len(there); {
		switch d := rows[i].at.Sub(there[j].at); {
		case d > Window:
			j++
		case d < -Window:
			i++
		default:
			m.attach(rows[i].index, there[j].index, byLook)
			i, j = i+1, j+1
		}
	}
}

// result compares what belongs together.
func (m *matcher) result() *result {
	res := &result{}
	for i := range m.rows {
		switch p := m.of[i]; {
		case p < 0:
			res.theirs(&m.rows[i], NotFound, nil)
		case m.ours[p].Beyond:
			res.theirs(&m.rows[i], WrongDay, &m.ours[p])
		}
	}
	for i := range m.ours {
		p := &m.ours[i]
		if p.Beyond {
			continue
		}
		res.ours++
		m.compare(res, p, m.got[i])
	}
	slices.SortStableFunc(res.findings, func(a, b finding) int {
		switch {
		case a.row != nil && b.row != nil:
			return cmp.Compare(a.row.No, b.row.No)
		case a.row != nil || b.row != nil:
			return order(a.row == nil, b.row == nil)
		}
		return cmp.Or(a.purchase.At.Compare(b.purchase.At), slices.Compare(a.purchase.ID[:], b.purchase.ID[:]))
	})
	return res
}

func (r *result) theirs(row *Row, why Why, p *Purchase) {
	f := finding{kind: Theirs, why: why, row: row, their: row.Sums, purchase: p}
	if p != nil {
		f.our = p.net()
	}
	r.findings = append(r.findings, f)
}

// compare holds a purchase against the rows about it.
func (m *matcher) compare(res *result, p *Purchase, rows []int) {
	net := p.net()
	if len(rows) == 0 {
		if !net.zero() { // what was sold and undone need not stand in the file
			res.findings = append(res.findings, finding{kind: Ours, why: Missing, purchase: p, our: net})
		}
		return
	}
	slices.Sort(rows)
	sum := m.sum(rows)
	if !sum.agrees(net) {
		rows, sum = m.withoutTwins(res, p, rows)
	}
	if sum.agrees(net) {
		for _, r := range rows {
			res.by[m.how[r]]++
		}
		return
	}
	why := Unequal
	if len(p.Undos) > 0 || slices.ContainsFunc(rows, func(r int) bool { return m.rows[r].Return }) {
		why = Undone
	}
	res.findings = append(res.findings, finding{kind: Amount, why: why, row: &m.rows[rows[0]], their: sum, purchase: p, our: net})
}

func (m *matcher) sum(rows []int) Sums {
	s := Sums{Has: hasAll}
	for _, r := range rows {
		s = s.add(m.rows[r].Sums)
	}
	return s
}

// withoutTwins finds the sale among several rows that say so, and takes the others
// for the same sale written twice.
func (m *matcher) withoutTwins(res *result, p *Purchase, rows []int) ([]int, Sums) {
	sale := -1
	for _, r := range rows {
		row := &m.rows[r]
		if !row.Return && (sale < 0 || row.agrees(p.Sale) && !m.rows[sale].agrees(p.Sale)) {
			sale = r
		}
	}
	var kept []int
	for _, r := range rows {
		if m.rows[r].Return || r == sale {
			kept = append(kept, r)
		} else {
			res.theirs(&m.rows[r], Duplicate, p)
		}
	}
	return kept, m.sum(kept)
}
