package purchase

import (
	"cmp"
	"slices"
)

// draw is what a purchase takes of one budget.
type draw struct {
	budget int64
	fen    int64  // the sum over its offers, above 0
	offer  string // the first of them
	// voucher and its number, of a series; 0 for a budget's.
	voucher int16
}

// drawsOf are the draws of a quote on budgets, ascending. Union shares without a
// budget are none.
func drawsOf(applied []quotedOffer) (draws []draw) {
	for i := range applied {
		o := &applied[i]
		if o.budget == 0 || o.unionFen == 0 {
			continue
		}
		at, known := slices.BinarySearchFunc(draws, o.budget, func(d draw, id int64) int { return cmp.Compare(d.budget, id) })
		if known {
			draws[at].fen += o.unionFen
			continue
		}
		draws = slices.Insert(draws, at, draw{o.budget, o.unionFen, o.id, o.voucher})
	}
	return draws
}

// Share is a part of a purchase's discount: the union's, paid by one budget, or with
// Budget 0 the union's share of before there were budgets.
type Share struct {
	Budget int64
	Fen    int64
}

// sharesOf are the union's parts of a stored purchase, by ascending budget.
func (p *stored) sharesOf() (shares []Share) {
	rest := p.unionShare
	for _, o := range p.applied {
		if o.Budget == 0 || o.UnionFen == 0 {
			continue
		}
		rest -= o.UnionFen
		at, known := slices.BinarySearchFunc(shares, o.Budget, func(s Share, id int64) int { return cmp.Compare(s.Budget, id) })
		if known {
			shares[at].Fen += o.UnionFen
			continue
		}
		shares = slices.Insert(shares, at, Share{o.Budget, o.UnionFen})
	}
	if rest > 0 {
		shares = slices.Insert(shares, 0, Share{0, rest})
	}
	return shares
}

// SplitBack says who gets how much of the discount that a purchase's undoings gave
// back: one row an undoing, the shares in their order and the merchant's part last.
// discount is the purchase's, shares the union's parts of it, given what each undoing
// gave back, in order.
//
// Everybody has back, after each undoing, the share of all that is given back, rounded
// down; what rounding leaves goes to the merchant first, and to nobody more than was
// his. So with one share it is the union's part rounded down and the merchant's the
// rest, and the undoing that gives back the last fen gives everybody the rest.
func SplitBack(discount int64, shares []Share, given []int64) [][]int64 {
	n := len(shares)
	had, rest := make([]int64, n+1), make([]int64, n+1)
	rest[n] = discount
	for i, s := range shares {
		rest[i] = s.Fen
		rest[n] -= s.Fen
	}
	out := make([][]int64, len(given))
	var all int64
	for i, fen := range given {
		all += fen
		row := make([]int64, n+1)
		take := func(p int, want int64) {
			want = max(min(want, rest[p], fen), 0)
			row[p] += want
			had[p] += want
			rest[p] -= want
			fen -= want
		}
		for p := range had {
			take(p, share(had[p]+rest[p], all, discount)-had[p])
		}
		take(n, fen)
		for p := range n {
			take(p, fen)
		}
		out[i] = row
	}
	return out
}
