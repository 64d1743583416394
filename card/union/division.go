package union

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"
)

// divisionsCSV is the real territory of Henan by GB/T 2260: the province, its
// cities, the counties below them and the functional zones.
//
//go:embed henan-divisions.csv
var divisionsCSV string

// Division is one territory. Parent is the geographic one: a directly
// administered county lies in a city although it answers to the province.
type Division struct {
	Code   int32 // GB/T 2260, six digits
	Name   string
	Kind   Kind // Province, City or County
	Parent int32
	Direct bool // a directly administered county (省直管县), ranked beside the cities
	Zone   bool // a functional zone under its city, not an administrative county
}

// Divisions returns the embedded territories, every parent before its children.
func Divisions() []Division {
	ds, err := parseDivisions(divisionsCSV)
	if err != nil {
		// The data is part of the program and parsed by its tests.
		panic(err)
	}
	return ds
}

func parseDivisions(csv string) ([]Division, error) {
	lines := strings.Split(strings.TrimSpace(csv), "\n")
	ds := make([]Division, 0, len(lines))
	seen := make(map[int32]Kind, len(lines))
	for i, line := range lines[1:] {
		d, err := parseDivision(strings.TrimSpace(line))
		if err != nil {
			return nil, fmt.Errorf("union: divisions line %d: %w", i+2, err)
		}
		if _, twice := seen[d.Code]; twice {
			return nil, fmt.Errorf("union: divisions line %d: %d is there twice", i+2, d.Code)
		}
		if parent, ok := seen[d.Parent]; d.Kind == Province && d.Parent != 0 ||
			d.Kind != Province && (!ok || !d.Kind.under(parent)) {
			return nil, fmt.Errorf("union: divisions line %d: %d can't lie in %d", i+2, d.Code, d.Parent)
		}
		seen[d.Code] = d.Kind
		ds = append(ds, d)
	}
	return ds, nil
}

func parseDivision(line string) (Division, error) {
	f := strings.Split(line, ",")
	if len(f) != 5 {
		return Division{}, fmt.Errorf("%d fields, want code,name,level,parent,note", len(f))
	}
	d := Division{Name: f[1], Kind: Kind(f[2]), Direct: f[4] == "direct", Zone: f[4] == "zone"}
	code, err := strconv.ParseInt(f[0], 10, 32)
	if err != nil || code < 100000 || code > 999999 {
		return Division{}, fmt.Errorf("code %q", f[0])
	}
	d.Code = int32(code)
	if f[3] != "" {
		parent, err := strconv.ParseInt(f[3], 10, 32)
		if err != nil {
			return Division{}, fmt.Errorf("parent %q", f[3])
		}
		d.Parent = int32(parent)
	}
	if d.Name == "" || !d.Kind.Territorial() || f[4] != "" && (d.Kind != County || !d.Direct && !d.Zone) {
		return Division{}, fmt.Errorf("name %q, level %q, note %q", f[1], f[2], f[4])
	}
	return d, nil
}
