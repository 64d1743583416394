package migrations

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"
)

func TestLoad(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		files []string
		want  string // part of the error, "" for none
	}{
		{"in order", []string{"0001_a.sql", "0002_b.sql"}, ""},
		{"gap", []string{"0001_a.sql", "0003_b.sql"}, "0003_b.sql follows version 1"},
		{"not from one", []string{"0002_a.sql"}, "0002_a.sql follows version 0"},
		{"twice", []string{"0001_a.sql", "0001_b.sql"}, "0001_b.sql follows version 1"},
		{"bad name", []string{"1_a.sql"}, "not named"},
		{"capitals", []string{"0001_A.sql"}, "not named"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			fsys := fstest.MapFS{}
			for _, f := range tt.files {
				fsys["sql/"+f] = &fstest.MapFile{Data: []byte("SELECT 1")}
			}
			all, err := load(fsys)
			if tt.want != "" {
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("load: %v, want %q", err, tt.want)
				}
				return
			}
			if err != nil || len(all) != len(tt.files) {
				t.Errorf("load: %d files, %v", len(all), err)
			}
		})
	}
}

func TestCompare(t *testing.T) {
	t.Parallel()
	known := []migration{{1, "a", "sum1", ""}, {2, "b", "sum2", ""}, {3, "c", "sum3", ""}}
	tests := []struct {
		name    string
		applied []migration
		want    error
	}{
		{"equal", known, nil},
		{"empty", nil, ErrSchemaMissing},
		{"behind", known[:2], ErrSchemaMissing},
		{"newer", append(known[:3:3], migration{4, "d", "sum4", ""}), ErrSchemaNewer},
		{"changed", []migration{{1, "a", "other", ""}, known[1], known[2]}, ErrSchemaChanged},
		{"renamed", []migration{known[0], {2, "x", "sum2", ""}}, ErrSchemaChanged},
		{"hole", []migration{known[0], known[2]}, ErrSchemaChanged},
		{"newer and changed", []migration{{1, "a", "other", ""}, {9, "z", "", ""}}, ErrSchemaNewer},
		{"changed and behind", []migration{{1, "a", "other", ""}}, ErrSchemaChanged},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if err := compare(tt.applied, known); !errors.Is(err, tt.want) {
				t.Errorf("compare: %v, want %v", err, tt.want)
			}
		})
	}
}
