package terms

import "slices"

// One scope: every benefit of an amount is a sequence of pieces of three forms,
// so the first sum at which one gives less than another is found by arithmetic,
// and the first sum at which a floor offer gives more than all local ones by
// leaping from one such sum to the next.

const never = int64(MaxBasketFen + 1)

// piece is a benefit on the sums from..to: bp basis points rounded up, or off
// fen for every whole step, or off fen.
type piece struct {
	from, to  int64
	bp        int64
	off, step int64
}

func (p *piece) value(b int64) int64 {
	switch {
	case p.bp > 0:
		return ceilDiv(b*p.bp, wholeBP)
	case p.step > 0:
		return p.off * (b / p.step)
	default:
		return p.off
	}
}

func ceilDiv(a, b int64) int64 { return (a + b - 1) / b }

// pieces are the benefit with a cap on sums 1..MaxBasketFen, without a gap.
func (b *benefit) pieces(capFen int64) []piece {
	var out []piece
	add := func(p piece) {
		p.to = min(p.to, MaxBasketFen)
		if p.from <= p.to {
			out = append(out, p)
		}
	}
	if len(b.rules) == 0 {
		return []piece{{from: 1, to: MaxBasketFen}}
	}
	add(piece{from: 1, to: b.rules[0].at - 1})
	for i, r := range b.rules {
		to := int64(MaxBasketFen)
		if i+1 < len(b.rules) {
			to = b.rules[i+1].at - 1
		}
		// full is the first sum on which the rule gives the cap, or all it can.
		full, most := never, min(r.off, capFen)
		switch {
		case r.bp > 0:
			full, most = (capFen-1)*wholeBP/r.bp+1, capFen
		case r.step > 0:
			times := min(ceilDiv(capFen, r.off), r.times)
			full, most = times*r.step, min(capFen, times*r.off)
		default:
			full = r.at
		}
		full = max(full, r.at)
		add(piece{from: r.at, to: min(to, full-1), bp: r.bp, off: r.off, step: r.step})
		add(piece{from: full, to: to, off: most})
	}
	return out
}

// firstWorse is the first sum in from..to at which l gives less than f, or
// never. Both cover the whole range of sums. What it walks is added to effort.
func firstWorse(l, f []piece, from, to int64, effort *int) int64 {
	i := pieceAt(l, from)
	j := pieceAt(f, from)
	for from <= to && i < len(l) && j < len(f) {
		end := min(l[i].to, f[j].to, to)
		*effort++
		if b := l[i].firstWorse(&f[j], from, end, effort); b <= end {
			return b
		}
		from = end + 1
		if l[i].to <= end {
			i++
		}
		if f[j].to <= end {
			j++
		}
	}
	return never
}

func pieceAt(p []piece, b int64) int {
	return max(0, slices.IndexFunc(p, func(p piece) bool { return b <= p.to }))
}

// firstWorse is the first sum in a..b, within both pieces, at which l gives
// less than f, or never. What f gives grows only at certain sums and l never
// shrinks, so it is a itself or one of those.
func (l *piece) firstWorse(f *piece, a, b int64, effort *int) int64 {
	if l.value(a) < f.value(a) {
		return a
	}
	at := never
	switch {
	case f.bp == 0 && f.step == 0:
	case l.bp > 0 && f.bp > 0:
		at = l.percentBelowPercent(f, a, b, effort)
	case l.bp > 0:
		// At f's steps k: ceil(bp*k*step/1e4) < k*off iff k*(1e4*off - bp*step) >= 1e4.
		if d := wholeBP*f.off - l.bp*f.step; d > 0 {
			at = max(ceilDiv(wholeBP, d), a/f.step+1) * f.step
		}
	case l.step > 0 && f.bp > 0:
		at = l.stairsBelowPercent(f, a)
	case l.step > 0:
		at = l.stairsBelowStairs(f, a, b, effort)
	case f.bp > 0:
		at = l.off*wholeBP/f.bp + 1
	default:
		at = (l.off/f.off + 1) * f.step
	}
	if at > b {
		return never
	}
	return max(at, a)
}

// percentBelowPercent walks the sums at which f gives one fen more. From
// 1e4/(f.bp-l.bp) on l is below for good, so there are few.
func (l *piece) percentBelowPercent(f *piece, a, b int64, effort *int) int64 {
	if l.bp >= f.bp {
		return never
	}
	for at := a; at <= b; at = f.value(at)*wholeBP/f.bp + 1 {
		*effort++
		if l.value(at) < f.value(at) {
			return at
		}
	}
	return never
}

// stairsBelowPercent: on step k of l, f is above from k*off*1e4/bp + 1 on. If
// that is past the step, l has gained on f by its end and is never below again.
func (l *piece) stairsBelowPercent(f *piece, a int64) int64 {
	k := a / l.step
	if at := max(k*l.off*wholeBP/f.bp+1, a); at < (k+1)*l.step {
		return at
	}
	return never
}

// stairsBelowStairs walks the steps of f. With k*f.step = q*l.step + r, l is
// below iff r*l.off > k*d, d = l.off*f.step - f.off*l.step; r repeats.
func (l *piece) stairsBelowStairs(f *piece, a, b int64, effort *int) int64 {
	d := l.off*f.step - f.off*l.step
	first := a/f.step + 1
	last := b / f.step
	if d >= 0 {
		if l.step == f.step {
			return never
		}
		last = min(last, first+l.step/gcd(l.step, f.step))
	}
	for k := first; k <= last; k++ {
		*effort++
		if d > 0 && k*d >= l.off*(l.step-1) {
			return never
		}
		if k*f.step%l.step*l.off > k*d {
			return k * f.step
		}
	}
	return never
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// firstAbove is the first sum in from..to at which f gives more than every one
// of ls, or never.
func firstAbove(ls [][]piece, f []piece, from, to int64, effort *int) int64 {
	for from <= to {
		next := firstWorse(nothing, f, from, to, effort)
		for _, l := range ls {
			if next > to {
				return never
			}
			next = firstWorse(l, f, next, to, effort)
		}
		if next > to {
			return never
		}
		// The last of ls is below at next; the others were at earlier sums.
		again := firstWorse(nothing, f, next, next, effort)
		for _, l := range ls {
			if again != next {
				break
			}
			again = firstWorse(l, f, next, next, effort)
		}
		if again == next {
			return next
		}
		from = next + 1
	}
	return never
}

// nothing is a benefit that gives nothing.
var nothing = []piece{{from: 1, to: MaxBasketFen}}
