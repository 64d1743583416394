package terms

// spread takes the discount of offer i off what is left payable of its lines,
// by largest remainder: in proportion to what is left payable of each, or, for
// a benefit of quantities, to what each line earns. The fen left over go to the
// largest remainders, the earlier line first among equals, never to a line
// beyond what is left payable of it.
func (e *evaluation) spread(i int) {
	o, dict := e.offer(i)
	b, d := &o.benefit, e.r.work[i].discount
	lines := e.r.lines
	var total, in int64
	last := 0
	for k := range lines {
		l := &lines[k]
		if l.in>>i&1 == 0 {
			continue
		}
		l.weight = l.left
		if b.ofQuantity() {
			l.weight = b.ofLine(l.left, e.qty(k), int(l.sku[dict]))
		}
		total += l.weight
		in++
		last = k
	}
	if in == 1 {
		lines[last].left -= d
		return
	}
	over := d
	for k := range lines {
		l := &lines[k]
		if l.in>>i&1 == 0 {
			continue
		}
		// At most 1e8 fen times 1e11 thousandths: fits uint64.
		p := uint64(d) * uint64(l.weight)
		l.share = int64(p / uint64(total))
		l.rest = p % uint64(total)
		l.left -= l.share
		over -= l.share
	}
	for ; over > 0; over-- {
		e.giveFen(i)
	}
}

// giveFen takes one more fen off the line of offer i with the largest remainder.
func (e *evaluation) giveFen(i int) {
	lines := e.r.lines
	to := -1
	for k := range lines {
		l := &lines[k]
		if l.in>>i&1 == 1 && l.left > 0 && (to < 0 || l.rest > lines[to].rest) {
			to = k
		}
	}
	lines[to].left--
	lines[to].rest = 0
}
