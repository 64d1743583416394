package roster_test

import (
	"context"
	"flag"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"unioncard/card/roster"
	"unioncard/card/roster/sample"
)

var (
	benchRows = flag.Int("rows", 200_000, "rows of the roster of BenchmarkImport")
	benchXLSX = flag.Bool("xlsx", false, "BenchmarkImport takes an XLSX instead of CSV")
)

// BenchmarkImport measures a roster's way from upload to members, into an empty
// database, with its faults: rows a second of each step and the most memory that this process had (VmHWM;
// PostgreSQL is another process). The million of the issue:
//
//	go test ./card/roster -run '^$' -bench Import -benchtime 1x -timeout 30m -args -rows 1000000
func BenchmarkImport(b *testing.B) {
	for range b.N {
		w := newWorld(b)
		from, to := io.Pipe()
		go func() {
			_, err := sample.Write(to, sample.Spec{Rows: *benchRows, Faults: *benchRows / 70, Seed: 1, XLSX: *benchXLSX})
			_ = to.CloseWithError(err) // what the reader gets
		}()
		began := time.Now()
		id, err := w.store.Upload(w.ctx, w.clerk, w.here.ID, "名册", from)
		w.must(err)
		report := func(what string) {
			b.ReportMetric(float64(*benchRows)/time.Since(began).Seconds(), what+"_rows/s")
			began = time.Now()
		}
		report("upload")
		w.must(one(w.ctx, w.store))
		report("check")
		if r := w.get(id); r.State != roster.Checked || r.Good() != *benchRows-*benchRows/70 {
			b.Fatalf("%s %s %+v", r.State, r.Fault, r.Counts)
		}
		w.must(w.store.Confirm(w.ctx, w.clerk, id, "测量"))
		w.must(one(w.ctx, w.store))
		report("apply")
		if r := w.get(id); r.State != roster.Applied {
			b.Fatal(r.State)
		}
		b.ReportMetric(peakMB(b), "peak_MB")
		b.ReportMetric(0, "ns/op")
	}
}

func one(ctx context.Context, s *roster.Store) error {
	_, err := s.Work(ctx)
	return err
}

// peakMB is the most resident memory this process has had.
func peakMB(b *testing.B) float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	kb, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
	if err != nil {
		b.Fatal(err)
	}
	return kb / 1024
}
