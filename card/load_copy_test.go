package card

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// copyStream is what PostgreSQL sends for the entries; serials count from 1.
func copyStream(entries []Entry) []byte {
	be := binary.BigEndian
	b := append([]byte{}, copySignature...)
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0)
	int2 := func(v uint16) { b = be.AppendUint16(be.AppendUint32(b, 2), v) }
	int4 := func(v uint32) { b = be.AppendUint32(be.AppendUint32(b, 4), v) }
	for i, e := range entries {
		b = be.AppendUint16(b, copyFields)
		b = be.AppendUint64(be.AppendUint32(b, 8), uint64(i+1))
		int2(uint16(e.Status))
		int2(e.Generation)
		int2(uint16(e.Class))
		int4(uint32(e.Last4))
		int4(uint32(e.Territory))
		int4(uint32(e.ValidUntil.LastDay().Sub(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)) / (24 * time.Hour)))
		int2(uint16(e.PhoneEpoch))
		b = append(be.AppendUint32(b, uint32(len(e.Holder))), e.Holder...)
	}
	return append(b, 0xff, 0xff)
}

func drawStream(t *rapid.T) ([]Entry, []byte) {
	entries := rapid.SliceOfN(rapid.Custom(drawEntry), 0, 20).Draw(t, "entries")
	for i := range entries {
		if entries[i].Status == StatusNone { // not in the database
			entries[i].Status = StatusActive
		}
	}
	return entries, copyStream(entries)
}

// However the stream is cut, the table holds what was sent.
func TestCopyDecoder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		entries, stream := drawStream(t)
		table := NewTable()
		d := newCopyDecoder(table)
		for rest := stream; len(rest) > 0; {
			n := rapid.IntRange(1, min(len(rest), 100)).Draw(t, "cut")
			// The buffer is reused by the connection: it must not be kept.
			piece := append([]byte{}, rest[:n]...)
			if got, err := d.Write(piece); err != nil || got != n {
				t.Fatalf("%d of %d, %v", got, n, err)
			}
			clear(piece)
			rest = rest[n:]
		}
		if err := d.finish(); err != nil || table.Len() != len(entries) {
			t.Fatalf("%d cards, %v, want %d", table.Len(), err, len(entries))
		}
		for i, want := range entries {
			var got Entry
			if table.Get(int64(i+1), &got); got != want {
				t.Fatalf("card %d: %+v, want %+v", i+1, got, want)
			}
		}
	})
}

// A stream that breaks off, or goes on, is never taken for a whole one.
func TestCopyDecoderRefuses(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		_, stream := drawStream(t)
		cut := stream[:rapid.IntRange(0, len(stream)-1).Draw(t, "length")]
		if rapid.Bool().Draw(t, "goes on") {
			cut = append(append([]byte{}, stream...), 0, 8)
		}
		d := newCopyDecoder(NewTable())
		_, err := d.Write(cut)
		if err == nil {
			err = d.finish()
		}
		if !errors.Is(err, errCopy) {
			t.Fatalf("%d of %d bytes: %v", len(cut), len(stream), err)
		}
	})
}

// A name that no masking made does not fill the dictionary.
func TestCopyDecoderLongName(t *testing.T) {
	t.Parallel()
	table := NewTable()
	d := newCopyDecoder(table)
	if _, err := d.Write(copyStream([]Entry{{Status: StatusActive, Holder: strings.Repeat("长", 30)}})); err != nil {
		t.Fatal(err)
	}
	var e Entry
	if table.Get(1, &e); e.Holder != anonymous {
		t.Errorf("shown as %q", e.Holder)
	}
}

func FuzzCopyDecoder(f *testing.F) {
	f.Add(copyStream([]Entry{{Status: StatusActive, Holder: "张**", Territory: 410105, ValidUntil: 155}}), uint16(30))
	f.Add(copyStream(nil), uint16(3))
	f.Fuzz(func(t *testing.T, stream []byte, cut uint16) {
		d := newCopyDecoder(NewTable())
		n := min(int(cut), len(stream))
		if _, err := d.Write(stream[:n]); err == nil {
			if _, err := d.Write(stream[n:]); err == nil {
				_ = d.finish()
			}
		}
	})
}

func BenchmarkCopyDecoder(b *testing.B) {
	entries := make([]Entry, 1000)
	for i := range entries {
		entries[i] = Entry{Status: StatusActive, Holder: "张" + strings.Repeat("*", i%3+1), Territory: int32(410000 + i%190), ValidUntil: Month(100 + i%40)}
	}
	stream := copyStream(entries)
	table := NewTable()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := newCopyDecoder(table).Write(stream); err != nil {
			b.Fatal(err)
		}
	}
}
