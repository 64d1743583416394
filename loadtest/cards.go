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

// The card table is measured from inside, which no client can do: by a test of the
// card package that fills a PostgreSQL with ten million cards and prints lines of
// name, figure and target.
const (
	cardsTest    = "^TestLoadTenMillion$"
	memoryFigure = "card_memory_bytes_per_card" // the whole table, masked names included
	loadFigure   = "card_load_ratio"            // load from PostgreSQL / pgx reading the same rows
)

// cards runs the card package's own measurement and prints its figures.
func (b *benchmark) cards(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, "go", "test", "./card", "-run", cardsTest, "-v", "-count=1", "-timeout", "30m",
		"-cards", strconv.Itoa(b.opt.cards), "-rounds", strconv.Itoa(b.opt.rounds))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	runErr := cmd.Run()
	got, err := figures(out.Bytes())
	if err != nil {
		return err
	}
	for _, m := range []struct {
		figure string
		line   func(float64) string
	}{{memoryFigure, bytesPerCard.Line}, {loadFigure, loadOverRead.Line}} {
		value, found := got[m.figure]
		if !found {
			return fmt.Errorf("go test ./card -run %s printed no %s (%v): %s", cardsTest, m.figure, runErr, out.Bytes())
		}
		b.lines = append(b.lines, m.line(value))
	}
	if runErr != nil && bytes.Contains(out.Bytes(), []byte("panic:")) {
		return fmt.Errorf("go test ./card: %w: %s", runErr, out.Bytes())
	}
	return nil
}

// figures reads lines of name, figure and target; others are the test's own talk.
func figures(out []byte) (map[string]float64, error) {
	got := map[string]float64{}
	sc := bufio.NewScanner(bytes.NewReader(out))
	for sc.Scan() {
		f := strings.Fields(sc.Text())
		if len(f) != 3 || f[0] != memoryFigure && f[0] != loadFigure {
			continue
		}
		value, err := strconv.ParseFloat(f[1], 64)
		if err != nil {
			return nil, fmt.Errorf("line %q: %w", sc.Text(), err)
		}
		got[f[0]] = value
	}
	return got, sc.Err()
}
