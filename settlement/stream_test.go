package settlement

import (
	"context"
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"unioncard/settlement/ledger"
)

// copied is a COPY of rows in binary.
func copied(rows ...[soldColumns]int64) []byte {
	out := append([]byte(copyHead), make([]byte, 8)...)
	for _, r := range rows {
		out = binary.BigEndian.AppendUint16(out, soldColumns)
		for _, v := range r {
			out = binary.BigEndian.AppendUint32(out, 8)
			out = binary.BigEndian.AppendUint64(out, uint64(v))
		}
	}
	return append(out, 0xff, 0xff)
}

func newStream() *soldStream {
	return &soldStream{figures: newDayFigures(0), pace: newPace(context.Background(), time.Now, 1, 1)}
}

// FuzzSoldStream: however a stream is cut, it is read as the whole; and whatever else
// comes is refused or read, and never more than it holds.
func FuzzSoldStream(f *testing.F) {
	whole := copied([5]int64{1, 2, 300, 30, 10}, [5]int64{1, 3, 500, 50, 0}, [5]int64{2, 4, 1, 0, 0})
	f.Add(whole, uint8(1))
	f.Add(whole, uint8(19))
	f.Add(whole[:30], uint8(7))
	f.Add([]byte("PGCOPY"), uint8(3))
	f.Add(append(copied(), copied()...), uint8(200))
	f.Fuzz(func(t *testing.T, data []byte, cut uint8) {
		one, cutUp := newStream(), newStream()
		n, err := one.Write(data)
		if err == nil && n != len(data) {
			t.Fatalf("took %d of %d bytes", n, len(data))
		}
		if one.rows > int64(len(data)/soldRow) {
			t.Fatalf("%d rows in %d bytes", one.rows, len(data))
		}
		var cutErr error
		for part := range slices.Chunk(data, max(int(cut), 1)) {
			if _, cutErr = cutUp.Write(part); cutErr != nil {
				break
			}
		}
		if (err == nil) != (cutErr == nil) {
			t.Fatalf("whole: %v, in parts of %d: %v", err, cut, cutErr)
		}
		if err == nil && (one.rows != cutUp.rows || one.ended != cutUp.ended || !slices.Equal(one.figures.outlets, cutUp.figures.outlets)) {
			t.Fatalf("in parts of %d: %d rows, ended %v; whole %d, %v", cut, cutUp.rows, cutUp.ended, one.rows, one.ended)
		}
	})
}

// FuzzParseNumber: what is read as a number is written the same.
func FuzzParseNumber(f *testing.F) {
	f.Add("JS20261122-12")
	f.Add("JS00010101-9223372036854775807")
	f.Add("JS20260229-1")
	f.Add("js20261122-12")
	f.Fuzz(func(t *testing.T, s string) {
		if day, id, ok := ParseNumber(s); ok && (Number(day, id) != s || id < 1) {
			t.Errorf("%q was read as %v of %d", s, day, id)
		}
	})
}

// FuzzParseBody: what is read as a body and written is read as the same.
func FuzzParseBody(f *testing.F) {
	b := Body{V: 1, Number: Number(20000, 7), Merchant: 7, Day: ledger.Day(20000).String(), Outlets: []OutletFigures{{Outlet: 1}},
		Adjustments: []Adjustment{{Kind: KindPosted, ID: 1, Reason: "<补>&\u2028", Fen: -1}}, Payments: []PaymentEntry{{Payment: 1, Fen: 5}}}
	body, _, err := b.Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(body)
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := ParseBody(data)
		if err != nil {
			return
		}
		first, sum, err := b.Marshal()
		if err != nil {
			return // e.g. a purchase's id is any sixteen bytes
		}
		again, err := ParseBody(first)
		if err != nil {
			t.Fatal(err)
		}
		second, sum2, err := again.Marshal()
		if err != nil || sum != sum2 {
			t.Errorf("written as %s, then as %s: %v", first, second, err)
		}
	})
}
