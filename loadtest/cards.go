package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// cardsBenchmark measures the card table from inside, which no client can. It must
// report the units below by testing.B.ReportMetric.
const (
	cardsBenchmark = "^BenchmarkTenMillionCards"
	unitBytes      = "bytes/card" // all memory of the table, masked names included
	unitLoad       = "load/read"  // load from PostgreSQL / pgx reading the same rows
)

// cards runs the card package's own benchmark and prints its figures.
func (b *benchmark) cards(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, "go", "test", "./card/...", "-run", "^$", "-bench", cardsBenchmark,
		"-benchtime", "1x", "-timeout", "20m")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go test ./card: %w: %s", err, out.Bytes())
	}
	metrics, err := benchMetrics(out.Bytes())
	if err != nil {
		return err
	}
	for _, m := range []struct {
		unit string
		line func(float64) string
	}{{unitBytes, bytesPerCard.Line}, {unitLoad, loadOverRead.Line}} {
		value, found := metrics[m.unit]
		if !found {
			return fmt.Errorf("go test ./card -bench %s reports no %s", cardsBenchmark, m.unit)
		}
		b.lines = append(b.lines, m.line(value))
	}
	return nil
}

// benchMetrics reads the metrics of "go test -bench": a line is the name, the number
// of iterations, and pairs of value and unit.
func benchMetrics(out []byte) (map[string]float64, error) {
	metrics := map[string]float64{}
	sc := bufio.NewScanner(bytes.NewReader(out))
	for sc.Scan() {
		f := strings.Fields(sc.Text())
		if len(f) < 4 || !strings.HasPrefix(f[0], "Benchmark") {
			continue
		}
		for i := 2; i+1 < len(f); i += 2 {
			value, err := strconv.ParseFloat(f[i], 64)
			if err != nil {
				return nil, fmt.Errorf("benchmark line %q", sc.Text())
			}
			metrics[f[i+1]] = value
		}
	}
	return metrics, sc.Err()
}
