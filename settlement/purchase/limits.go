package purchase

import (
	"cmp"
	"slices"

	"unioncard/card"
	"unioncard/merchant/terms"
)

// usageKey names a row of usage: what a card has used of an offer's limit in a
// period.
type usageKey struct {
	merchant, contract, source int64
	offer                      string
	serial                     int64
	period                     terms.Period
	start                      day
}

func (k usageKey) compare(o usageKey) int {
	return cmp.Or(cmp.Compare(k.merchant, o.merchant), cmp.Compare(k.contract, o.contract),
		cmp.Compare(k.source, o.source), cmp.Compare(k.offer, o.offer), cmp.Compare(k.serial, o.serial),
		cmp.Compare(k.period, o.period), cmp.Compare(k.start, o.start))
}

// usageUse is a row of usage at work in a batch.
type usageUse struct {
	usageKey
	was, add        used
	maxUses, maxFen int64 // of the last purchase that took
}

// limits are the usage rows that a batch touches, in the order of their locks.
type limits struct {
	today day
	rows  []usageUse
	index map[usageKey]int
}

func (l *limits) key(r *row, o *quotedOffer, p terms.Period) usageKey {
	return usageKey{r.merchant, r.q.contract, r.q.floor, o.id, r.q.serial, p, l.today.start(p)}
}

// gather finds the usage rows of all limits of the rows' offers.
func (l *limits) gather(rows []*row, today day) {
	l.today, l.rows = today, l.rows[:0]
	if l.index == nil {
		l.index = make(map[usageKey]int)
	}
	clear(l.index)
	for _, r := range rows {
		for i := range r.q.applied {
			o := &r.q.applied[i]
			for _, lim := range o.limits {
				k := l.key(r, o, lim.period)
				if _, ok := l.index[k]; !ok {
					l.index[k] = 0
					l.rows = append(l.rows, usageUse{usageKey: k})
				}
			}
		}
	}
	slices.SortFunc(l.rows, func(a, b usageUse) int { return a.compare(b.usageKey) })
	for i := range l.rows {
		l.index[l.rows[i].usageKey] = i
	}
}

// check refuses a row one of whose offers has nothing left of a limit, under the
// limits that the row's own quote pins.
func (l *limits) check(r *row) error {
	for i := range r.q.applied {
		o := &r.q.applied[i]
		for _, lim := range o.limits {
			u := &l.rows[l.index[l.key(r, o, lim.period)]]
			if lim.maxUses != noLimit && u.was.uses+u.add.uses+1 > lim.maxUses ||
				lim.maxFen != noLimit && u.was.fen+u.add.fen+o.fen > lim.maxFen {
				return &Refusal{Err: ErrLimitReached, Offer: o.id}
			}
		}
	}
	return nil
}

// take counts an accepted row.
func (l *limits) take(r *row) {
	for i := range r.q.applied {
		o := &r.q.applied[i]
		for _, lim := range o.limits {
			u := &l.rows[l.index[l.key(r, o, lim.period)]]
			u.add.uses++
			u.add.fen += o.fen
			u.maxUses, u.maxFen = lim.maxUses, lim.maxFen
		}
	}
}

// capKey names a row of card_caps.
type capKey struct {
	serial int64
	kind   card.CodeKind
}

type capUseRow struct {
	capKey
	was, add int64 // fen
}

// capUse are the daily caps that a batch touches, in the order of their locks.
type capUse struct {
	caps  Caps
	today day
	rows  []capUseRow
	index map[capKey]int
}

func (c *capUse) gather(rows []*row, today day) {
	c.today, c.rows = today, c.rows[:0]
	if c.index == nil {
		c.index = make(map[capKey]int)
	}
	clear(c.index)
	for _, r := range rows {
		if _, capped := c.caps.of(r.q.kind); !capped || r.q.discount == 0 {
			continue
		}
		k := capKey{r.q.serial, r.q.kind}
		if _, ok := c.index[k]; !ok {
			c.index[k] = 0
			c.rows = append(c.rows, capUseRow{capKey: k})
		}
	}
	slices.SortFunc(c.rows, func(a, b capUseRow) int {
		return cmp.Or(cmp.Compare(a.serial, b.serial), cmp.Compare(a.kind, b.kind))
	})
	for i := range c.rows {
		c.index[c.rows[i].capKey] = i
	}
}

func (c *capUse) row(r *row) *capUseRow {
	if i, ok := c.index[capKey{r.q.serial, r.q.kind}]; ok {
		return &c.rows[i]
	}
	return nil
}

// check refuses a row whose card has not enough left of its daily cap.
func (c *capUse) check(r *row) error {
	u := c.row(r)
	if u == nil {
		return nil
	}
	if most, _ := c.caps.of(r.q.kind); u.was+u.add+r.q.discount > most {
		return &Refusal{Err: ErrCapReached}
	}
	return nil
}

func (c *capUse) take(r *row) {
	if u := c.row(r); u != nil {
		u.add += r.q.discount
	}
}
