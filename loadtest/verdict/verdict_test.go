package verdict

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// good is a book and the rows that agree with it: one purchase of every fate.
func good() ([]Entry, []Row) {
	books := []Entry{
		{Client: "c", Key: "plain", Code: "1", Outcome: Acknowledged, ID: "p1", AmountFen: 1000, DiscountFen: 100, PayableFen: 900},
		{Client: "c", Key: "part", Code: "2", Outcome: Acknowledged, ID: "p2", AmountFen: 1000, DiscountFen: 100, PayableFen: 900, ReturnedFen: 301},
		{Client: "c", Key: "whole", Code: "3", Outcome: Acknowledged, ID: "p3", AmountFen: 1000, DiscountFen: 101, PayableFen: 899, ReturnedFen: 899},
		{Client: "c", Key: "void", Code: "4", Outcome: Acknowledged, ID: "p4", AmountFen: 500, DiscountFen: 1, PayableFen: 499, Voided: true},
		{Client: "c", Key: "undone", Code: "5", Outcome: Acknowledged, ID: "p5", AmountFen: 500, DiscountFen: 1, PayableFen: 499, Reversed: true},
		{Client: "c", Key: "never", Code: "6", Outcome: Refused, Reversed: true},
		{Client: "c", Key: "refused", Code: "7", Outcome: Refused},
		{Client: "c", Key: "unknown", Code: "8", Outcome: Unknown},
		{Client: "d", Key: "plain", Code: "9", Outcome: Acknowledged, ID: "p9", AmountFen: 10, DiscountFen: 0, PayableFen: 10},
	}
	rows := []Row{
		{Client: "c", Key: "plain", ID: "p1", State: Committed, AmountFen: 1000, DiscountFen: 100, CardSerial: 1, CodeKey: 8, Uses: 1},
		{Client: "c", Key: "part", ID: "p2", State: PartiallyRefunded, AmountFen: 1000, DiscountFen: 100, ReturnedFen: 301, GivenBackFen: 33,
			UndoReturnedFen: 301, UndoGivenBackFen: 33, CardSerial: 2, CodeKey: 8, Uses: 1},
		{Client: "c", Key: "whole", ID: "p3", State: Refunded, AmountFen: 1000, DiscountFen: 101, ReturnedFen: 899, GivenBackFen: 101,
			UndoReturnedFen: 899, UndoGivenBackFen: 101, CardSerial: 3, CodeKey: 8, Uses: 1},
		{Client: "c", Key: "void", ID: "p4", State: Voided, AmountFen: 500, DiscountFen: 1, CardSerial: 4, CodeKey: 8, Uses: 1},
		{Client: "c", Key: "undone", ID: "p5", State: Reversed, AmountFen: 500, DiscountFen: 1, CardSerial: 5, CodeKey: 8, Uses: 1},
		{Client: "c", Key: "never", ID: "t1", State: Tombstone},
		{Client: "c", Key: "unknown", ID: "p8", State: Committed, AmountFen: 7, CardSerial: 8, CodeKey: 8, Uses: 1},
		{Client: "d", Key: "plain", ID: "p9", State: Committed, AmountFen: 10, CardSerial: 1, CodeKey: 9, Uses: 1},
	}
	return books, rows
}

func TestAgreementIsNoBreach(t *testing.T) {
	t.Parallel()
	if b := Judge(good()); len(b) != 0 {
		t.Errorf("breaches where there are none: %v", b)
	}
}

// TestPlantedBreaches: each breach is planted once and must be found.
func TestPlantedBreaches(t *testing.T) {
	t.Parallel()
	at := func(rows []Row, client, key string) *Row {
		for i := range rows {
			if rows[i].Client == client && rows[i].Key == key {
				return &rows[i]
			}
		}
		panic("no row " + key)
	}
	cases := map[string]struct {
		plant func(b *[]Entry, r *[]Row)
		want  string
	}{
		"lost":             {func(_ *[]Entry, r *[]Row) { *r = (*r)[1:] }, "is missing"},
		"lost to other":    {func(_ *[]Entry, r *[]Row) { at(*r, "d", "plain").Client = "c" }, "is missing"},
		"other amount":     {func(_ *[]Entry, r *[]Row) { at(*r, "c", "plain").AmountFen++ }, "stored as"},
		"other discount":   {func(_ *[]Entry, r *[]Row) { at(*r, "c", "plain").DiscountFen++ }, "stored as"},
		"other id":         {func(_ *[]Entry, r *[]Row) { at(*r, "c", "plain").ID = "p0" }, "stored as"},
		"double key":       {func(_ *[]Entry, r *[]Row) { *r = append(*r, *at(*r, "c", "void")) }, "2 rows under one key"},
		"double code":      {func(_ *[]Entry, r *[]Row) { at(*r, "d", "plain").CodeKey = 8 }, "earned again"},
		"code acked twice": {func(b *[]Entry, _ *[]Row) { (*b)[8].Code = "1" }, "acknowledged for a code"},
		"no code use":      {func(_ *[]Entry, r *[]Row) { at(*r, "c", "plain").Uses = 0 }, "0 code uses"},
		"refused exists": {func(_ *[]Entry, r *[]Row) {
			*r = append(*r, Row{Client: "c", Key: "refused", ID: "p7", State: Committed, CardSerial: 7, CodeKey: 8, Uses: 1})
		}, "refused, but"},
		"refund lost":      {func(_ *[]Entry, r *[]Row) { at(*r, "c", "part").ReturnedFen = 300 }, "301 fen of refunds acknowledged"},
		"refund twice":     {func(_ *[]Entry, r *[]Row) { at(*r, "c", "part").ReturnedFen = 602 }, "602 stored"},
		"refund above":     {func(_ *[]Entry, r *[]Row) { at(*r, "c", "whole").ReturnedFen = 900 }, "returned 900 of 899"},
		"discount kept":    {func(_ *[]Entry, r *[]Row) { at(*r, "c", "whole").GivenBackFen = 100 }, "101 is due"},
		"undos differ":     {func(_ *[]Entry, r *[]Row) { at(*r, "c", "part").UndoReturnedFen = 0 }, "add up to"},
		"void forgotten":   {func(_ *[]Entry, r *[]Row) { at(*r, "c", "void").State = Committed }, "amount to 2"},
		"reversal undone":  {func(_ *[]Entry, r *[]Row) { at(*r, "c", "undone").State = Committed }, "amount to 3"},
		"alive again":      {func(_ *[]Entry, r *[]Row) { at(*r, "c", "never").State = Committed }, "reversed, but in state 1"},
		"no tombstone":     {func(_ *[]Entry, r *[]Row) { *at(*r, "c", "never") = Row{Client: "d", Key: "plain2", State: Tombstone} }, "no tombstone"},
		"only a tombstone": {func(_ *[]Entry, r *[]Row) { at(*r, "c", "plain").State = Tombstone }, "only a tombstone"},
		"never sent":       {func(_ *[]Entry, r *[]Row) { *r = append(*r, Row{Client: "c", Key: "x", State: Committed, Uses: 1}) }, "never sent"},
		"told contradiction": {func(b *[]Entry, _ *[]Row) {
			(*b)[0].Contradictions = []string{"a repeat answered another purchase"}
		}, "another purchase"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			books, rows := good()
			c.plant(&books, &rows)
			for _, b := range Judge(books, rows) {
				if strings.Contains(b.What, c.want) {
					return
				}
			}
			t.Errorf("not found; breaches: %v", Judge(books, rows))
		})
	}
}

// TestOpenUndo: an undo without a definite answer may have happened or not, but
// what was acknowledged before must be there.
func TestOpenUndo(t *testing.T) {
	t.Parallel()
	e := Entry{Client: "c", Key: "k", Code: "1", Outcome: Acknowledged, ID: "p", AmountFen: 100, PayableFen: 100, ReturnedFen: 30, Open: true}
	r := Row{Client: "c", Key: "k", ID: "p", State: PartiallyRefunded, AmountFen: 100, Uses: 1}
	for returned, breaches := range map[int64]int{30: 0, 60: 0, 29: 1} {
		r.ReturnedFen, r.UndoReturnedFen = returned, returned
		if b := Judge([]Entry{e}, []Row{r}); len(b) != breaches {
			t.Errorf("returned %d: %v", returned, b)
		}
	}
}

// TestAnyLostPurchaseIsFound: whichever acknowledged row is taken away.
func TestAnyLostPurchaseIsFound(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		books, rows := good()
		i := rapid.IntRange(0, len(rows)-1).Draw(t, "lost")
		lost := rows[i]
		left := append(append([]Row{}, rows[:i]...), rows[i+1:]...)
		found := len(Judge(books, left)) > 0
		if want := lost.Key != "unknown"; found != want {
			t.Fatalf("without %s/%s: breaches %v", lost.Client, lost.Key, Judge(books, left))
		}
	})
}
