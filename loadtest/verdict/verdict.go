// Package verdict compares what tills were told with what the database holds.
//
// The tills keep books: for every idempotency key what they sent and which definite
// answers they got. Judge holds the rows against the books and names every breach of
// what must always hold (DESIGN, invariants 2, 3 and 5). It decides nothing from the
// service's own code.
package verdict

import (
	"fmt"
	"math/big"
)

// Outcome of a purchase as its till knows it.
type Outcome int

// Outcomes.
const (
	Unknown      Outcome = iota // no definite answer until the end
	Acknowledged                // answered 201
	Refused                     // definitely refused: nothing may exist under the key
)

// Entry is what a till's books say about one idempotency key.
type Entry struct {
	Client string // the terminal's client id
	Key    string
	Code   string // the phone code of the quote; "" if the key never bought anything

	Outcome                            Outcome
	ID                                 string // purchase id, when acknowledged
	AmountFen, DiscountFen, PayableFen int64

	Voided      bool
	Reversed    bool  // a reversal was acknowledged
	ReturnedFen int64 // sum of the acknowledged refunds
	// Open: an undo's outcome is unknown, so the database may be one step ahead.
	Open bool
	// Contradictions are answers that were wrong in themselves, as the till saw.
	Contradictions []string
}

// States of purchases.state.
const (
	Committed         = 1
	Voided            = 2
	Reversed          = 3
	PartiallyRefunded = 4
	Refunded          = 5
	Tombstone         = 9
)

// Row is one row of purchases with what hangs on it.
type Row struct {
	Client, Key, ID           string
	State                     int
	AmountFen, DiscountFen    int64
	ReturnedFen, GivenBackFen int64
	// UndoReturnedFen and UndoGivenBackFen are the sums over its undos.
	UndoReturnedFen, UndoGivenBackFen int64
	CardSerial, CodeKey               int64
	Uses                              int // rows of code_uses that name this purchase
}

// Breach is one thing that must never happen.
type Breach struct {
	Client, Key string
	What        string
}

func (b Breach) String() string { return fmt.Sprintf("%s %s: %s", b.Client, b.Key, b.What) }

type keyOf struct{ client, key string }

// Judge compares the books with the rows of the same terminals.
func Judge(books []Entry, rows []Row) []Breach {
	j := &judge{rows: map[keyOf][]Row{}}
	for _, r := range rows {
		k := keyOf{r.Client, r.Key}
		j.rows[k] = append(j.rows[k], r)
	}
	known := map[keyOf]bool{}
	for _, e := range books {
		known[keyOf{e.Client, e.Key}] = true
		j.entry(e)
	}
	for _, r := range rows {
		if !known[keyOf{r.Client, r.Key}] {
			j.add(r.Client, r.Key, "a purchase under a key that was never sent")
		}
		j.row(r)
	}
	j.codes(books, rows)
	return j.breaches
}

type judge struct {
	rows     map[keyOf][]Row
	breaches []Breach
}

func (j *judge) add(client, key, format string, args ...any) {
	j.breaches = append(j.breaches, Breach{client, key, fmt.Sprintf(format, args...)})
}

// entry checks one key's books.
func (j *judge) entry(e Entry) {
	for _, c := range e.Contradictions {
		j.add(e.Client, e.Key, "%s", c)
	}
	rows := j.rows[keyOf{e.Client, e.Key}]
	if len(rows) > 1 {
		j.add(e.Client, e.Key, "%d rows under one key", len(rows))
	}
	if len(rows) == 0 {
		switch {
		case e.Outcome == Acknowledged:
			j.add(e.Client, e.Key, "acknowledged purchase %s is missing", e.ID)
		case e.Reversed:
			j.add(e.Client, e.Key, "a reversed key left no tombstone")
		}
		return
	}
	for _, r := range rows {
		switch {
		case e.Outcome == Acknowledged:
			j.same(e, r)
		case e.Reversed:
			if r.State != Tombstone && r.State != Reversed && r.State != Voided {
				j.add(e.Client, e.Key, "reversed, but in state %d", r.State)
			}
		case e.Outcome == Refused && r.State != Tombstone:
			j.add(e.Client, e.Key, "refused, but purchase %s exists in state %d", r.ID, r.State)
		}
	}
}

// same checks an acknowledged purchase against its row.
func (j *judge) same(e Entry, r Row) {
	if r.State == Tombstone {
		j.add(e.Client, e.Key, "acknowledged purchase %s is only a tombstone", e.ID)
		return
	}
	if r.ID != e.ID || r.AmountFen != e.AmountFen || r.DiscountFen != e.DiscountFen ||
		r.AmountFen-r.DiscountFen != e.PayableFen {
		j.add(e.Client, e.Key, "acknowledged as %s %d-%d=%d fen, stored as %s %d-%d fen",
			e.ID, e.AmountFen, e.DiscountFen, e.PayableFen, r.ID, r.AmountFen, r.DiscountFen)
	}
	if r.State == Committed || r.State == PartiallyRefunded || r.State == Refunded {
		if r.ReturnedFen < e.ReturnedFen || r.ReturnedFen > e.ReturnedFen && !e.Open {
			j.add(e.Client, e.Key, "%d fen of refunds acknowledged, %d stored", e.ReturnedFen, r.ReturnedFen)
		}
	}
	if want := e.state(); r.State != want && !e.Open {
		j.add(e.Client, e.Key, "state %d, the answers given amount to %d", r.State, want)
	}
}

// state is what the acknowledged answers amount to.
func (e Entry) state() int {
	switch {
	case e.Reversed:
		return Reversed
	case e.Voided:
		return Voided
	case e.ReturnedFen == 0:
		return Committed
	case e.ReturnedFen == e.PayableFen:
		return Refunded
	}
	return PartiallyRefunded
}

// row checks one row in itself.
func (j *judge) row(r Row) {
	if r.State == Tombstone {
		if r.Uses != 0 {
			j.add(r.Client, r.Key, "a tombstone uses a code")
		}
		return
	}
	if r.Uses != 1 {
		j.add(r.Client, r.Key, "purchase %s has %d code uses", r.ID, r.Uses)
	}
	payable := r.AmountFen - r.DiscountFen
	if r.ReturnedFen > payable || r.GivenBackFen > r.DiscountFen || r.ReturnedFen < 0 || r.GivenBackFen < 0 {
		j.add(r.Client, r.Key, "returned %d of %d fen, gave back %d of %d", r.ReturnedFen, payable, r.GivenBackFen, r.DiscountFen)
	}
	if r.State != PartiallyRefunded && r.State != Refunded {
		return
	}
	if r.UndoReturnedFen != r.ReturnedFen || r.UndoGivenBackFen != r.GivenBackFen {
		j.add(r.Client, r.Key, "refunds add up to %d and %d fen, the purchase says %d and %d",
			r.UndoReturnedFen, r.UndoGivenBackFen, r.ReturnedFen, r.GivenBackFen)
	}
	if want := givenBack(r.DiscountFen, r.ReturnedFen, payable); r.GivenBackFen != want {
		j.add(r.Client, r.Key, "gave back %d fen of the discount, %d is due", r.GivenBackFen, want)
	}
}

// givenBack is floor(discount × returned / payable), DESIGN's rule for refunds by
// amount, which the tills of the crash test use.
func givenBack(discount, returned, payable int64) int64 {
	if payable == 0 {
		return 0
	}
	n := new(big.Int).Mul(big.NewInt(discount), big.NewInt(returned))
	return n.Quo(n, big.NewInt(payable)).Int64()
}

// codes checks that no code earned twice, in the rows and in the books.
func (j *judge) codes(books []Entry, rows []Row) {
	type use struct{ serial, key int64 }
	byUse := map[use]Row{}
	for _, r := range rows {
		if r.State == Tombstone {
			continue
		}
		u := use{r.CardSerial, r.CodeKey}
		if other, found := byUse[u]; found {
			j.add(r.Client, r.Key, "the code of purchase %s (key %s) earned again as %s", other.ID, other.Key, r.ID)
		}
		byUse[u] = r
	}
	byCode := map[string]Entry{}
	for _, e := range books {
		if e.Outcome != Acknowledged || e.Code == "" {
			continue
		}
		if other, found := byCode[e.Code]; found {
			j.add(e.Client, e.Key, "acknowledged for a code that key %s was acknowledged for", other.Key)
		}
		byCode[e.Code] = e
	}
}
