package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"unioncard/card/roster"
	rostersample "unioncard/card/roster/sample"
)

const rosterUsage = `
  roster sample --rows N [--faults M] [--seed S] [--from K] [--unions NAME,NAME] --out FILE.csv|FILE.xlsx
      a made-up roster, the same for the same seed, with faults planted in rows that it prints
`

// runRoster makes sample rosters. It needs no database.
func runRoster(_ context.Context, p *program, args []string) error {
	own, rest, err := takeFlags(args, map[string]string{"rows": "1000", "faults": "0", "seed": "1", "from": "0", "unions": "", "out": ""})
	if err != nil {
		return err
	}
	if slices.Contains(rest, "--help") || slices.Contains(rest, "-h") {
		return errHelp
	}
	if len(rest) != 1 || rest[0] != "sample" {
		return wantOneOf(rosterUsage)
	}
	t := &tool{program: p, own: own}
	rows, err := t.number("rows", 1, roster.MaxRows)
	if err != nil {
		return err
	}
	faults, err := t.number("faults", 0, rows/3)
	if err != nil {
		return err
	}
	seed, err := t.number("seed", 0, 1<<62)
	if err != nil {
		return err
	}
	from, err := t.number("from", 0, 100_000_000)
	if err != nil {
		return err
	}
	if own["out"] == "" {
		return errors.New("--out: needed, a file that does not exist")
	}
	spec := rostersample.Spec{Rows: int(rows), Faults: int(faults), Seed: uint64(seed), From: int(from), XLSX: strings.HasSuffix(own["out"], ".xlsx")}
	if own["unions"] != "" {
		spec.Unions = strings.Split(own["unions"], ",")
	}
	return p.writeSample(own["out"], spec)
}

// writeSample writes the file and prints its planted faults.
func (p *program) writeSample(name string, spec rostersample.Spec) (err error) {
	// Nobody else reads it, and nothing of anybody's is overwritten.
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	planted, err := rostersample.Write(f, spec)
	if err != nil {
		return err
	}
	for _, fault := range planted {
		fmt.Fprintf(p.stdout, "row %d\t%s\n", fault.Row, fault.Code)
	}
	_, err = fmt.Fprintf(p.stdout, "%d rows with %d faults in %s\n", spec.Rows, len(planted), name)
	return err
}
