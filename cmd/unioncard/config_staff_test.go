package main

import (
	"testing"

	"unioncard/card/union/staff"
)

// staffDefaults is what parseConfig sets by itself; the rest of the policy is
// staffPolicy's.
func staffDefaults() staff.Policy {
	p := staff.DefaultPolicy()
	p.SecondFactor, p.Window, p.Hash = false, 0, staff.HashParams{}
	return p
}

// The defaults of the command line are those of the package, and the second
// factor is only off where that was said or in the demonstration.
func TestStaffPolicy(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		args []string
		want bool
	}{
		{"unset", nil, true},
		{"demo", []string{"--demo"}, false},
		{"demo, required", []string{"--demo", "--second-factor", "required"}, true},
		{"off", []string{"--second-factor=off"}, false},
	} {
		cfg, err := parseConfig(append([]string{"--data", "d"}, tt.args...), nil, modeRun)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		want := staff.DefaultPolicy()
		want.SecondFactor = tt.want
		if got := cfg.staffPolicy(); got != want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, want)
		}
	}
	for _, v := range []string{"on", "true", "false", "Off", "optional", "no"} {
		if _, err := parseConfig([]string{"--data", "d", "--second-factor", v}, nil, modeRun); err == nil {
			t.Errorf("--second-factor %s: accepted", v)
		}
	}
}
