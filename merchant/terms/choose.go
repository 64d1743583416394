package terms

import "math/bits"

// best is the set of rivals without overlap that has the largest total
// discount; among equal ones the set that holds the earliest offer at the first
// index where they differ.
func best(rivals mask, w []work) mask {
	var chosen, disputed mask
	for m := rivals; m != 0; m &= m - 1 {
		if i := bits.TrailingZeros64(m); w[i].overlaps == 0 {
			chosen |= 1 << i
		} else {
			disputed |= 1 << i
		}
	}
	if disputed != 0 {
		_, set := heaviest(disputed, w)
		chosen |= set
	}
	return chosen
}

// heaviest solves best for rivals that may overlap (maximum weight independent
// set): it splits them into connected parts and branches on the offer with the
// most overlaps. For nested scopes that is linear, since taking away the widest
// offer splits the rest; for others it is exponential with a small base in the
// size of a part.
func heaviest(rivals mask, w []work) (int64, mask) {
	var sum int64
	var set mask
	for rivals != 0 {
		part := connected(rivals, w)
		rivals &^= part
		fen, chosen := heaviestPart(part, w)
		sum += fen
		set |= chosen
	}
	return sum, set
}

// connected is the connected part of rivals that holds the first of them.
func connected(rivals mask, w []work) mask {
	part := rivals & -rivals
	for edge := part; edge != 0; {
		i := bits.TrailingZeros64(edge)
		edge &= edge - 1
		more := w[i].overlaps & rivals &^ part
		part |= more
		edge |= more
	}
	return part
}

func heaviestPart(part mask, w []work) (int64, mask) {
	if part&(part-1) == 0 {
		return w[bits.TrailingZeros64(part)].discount, part
	}
	widest, degree := 0, -1
	for m := part; m != 0; m &= m - 1 {
		i := bits.TrailingZeros64(m)
		if d := count(w[i].overlaps & part); d > degree {
			widest, degree = i, d
		}
	}
	if degree == count(part) {
		// Overlaps with all others: it stands alone or not at all.
		fen, set := heaviest(part&^(1<<widest), w)
		return better(w[widest].discount, 1<<widest, fen, set)
	}
	fenIn, setIn := heaviest(part&^w[widest].overlaps, w)
	fenOut, setOut := heaviest(part&^(1<<widest), w)
	return better(fenIn+w[widest].discount, setIn|1<<widest, fenOut, setOut)
}

// better picks the larger discount; among equals the set that holds the lowest
// offer in which they differ.
func better(fenA int64, a mask, fenB int64, b mask) (int64, mask) {
	if fenA > fenB {
		return fenA, a
	}
	if fenB > fenA {
		return fenB, b
	}
	differ := a ^ b
	if a&(differ&-differ) != 0 {
		return fenA, a
	}
	return fenB, b
}
