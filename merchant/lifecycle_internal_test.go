package merchant

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"unioncard/card/union/staff"
)

var update = flag.Bool("update", false, "draw LIFECYCLE.md anew")

// TestLifecycleDrawing keeps LIFECYCLE.md in line with the table:
// go test ./merchant -run TestLifecycleDrawing -update
func TestLifecycleDrawing(t *testing.T) {
	t.Parallel()
	want := drawLifecycle()
	if *update {
		if err := os.WriteFile("LIFECYCLE.md", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile("LIFECYCLE.md")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(have)); diff != "" {
		t.Errorf("LIFECYCLE.md is not what the table says (run with -update):\n%s", diff)
	}
}

func drawLifecycle() string {
	var b strings.Builder
	b.WriteString("# From application to exit\n\n" +
		"Drawn from the one table in `lifecycle.go`; change that and run\n" +
		"`go test ./merchant -run TestLifecycleDrawing -update`.\n\n```mermaid\nstateDiagram-v2\n")
	for _, s := range stageRows {
		fmt.Fprintf(&b, "    state \"%s\" as %s\n", s.Title, s.Stage)
	}
	b.WriteString("    [*] --> draft\n")
	for _, m := range stageMoves {
		fmt.Fprintf(&b, "    %s --> %s: %s\n", m.From, m.To, m.Name)
	}
	for _, s := range stageRows {
		if s.Stage.Final() {
			fmt.Fprintf(&b, "    %s --> [*]\n", s.Stage)
		}
	}
	b.WriteString("```\n\n## Stages\n\n| stage | 中文 | 怎么办 |\n|---|---|---|\n")
	for _, s := range stageRows {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", s.Stage, s.Title, s.Advice)
	}
	b.WriteString("\n## Moves\n\n| from | action | to | who | second person | 中文 |\n|---|---|---|---|---|---|\n")
	for _, m := range stageMoves {
		second := ""
		if m.Checked {
			second = "yes"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", m.From, m.Action, m.To, strings.Join(whoMay(m), ", "), second, m.Name)
	}
	return b.String()
}

func whoMay(m StageMove) []string {
	var who []string
	if m.Applicant {
		who = append(who, "merchant")
	}
	if m.Right != "" {
		who = append(who, "staff with `"+string(m.Right)+"`")
	}
	if m.System {
		who = append(who, "the service")
	}
	return who
}

// TestLifecycleTable: every stage is told of, reached and (unless final) left;
// every move has somebody who may make it and is there once.
func TestLifecycleTable(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	reached, left := map[Stage]bool{StageDraft: true}, map[Stage]bool{}
	for _, m := range stageMoves {
		key := string(m.From) + " " + m.Action
		if seen[key] {
			t.Errorf("%s is there twice", key)
		}
		seen[key] = true
		reached[m.To], left[m.From] = true, true
		if len(whoMay(m)) == 0 || m.Name == "" {
			t.Errorf("%s: nobody may make it, or it has no name", key)
		}
		if m.Right != "" && !slices.ContainsFunc(staff.Roles(), func(r staff.Role) bool { return r.May(m.Right) }) {
			t.Errorf("%s: no role has the right %s", key, m.Right)
		}
	}
	for _, s := range stageRows {
		if s.Title == "" || s.Advice == "" || !reached[s.Stage] || left[s.Stage] == s.Stage.Final() {
			t.Errorf("%s: title %q, advice %q, reached %v, left %v, final %v", s.Stage, s.Title, s.Advice,
				reached[s.Stage], left[s.Stage], s.Stage.Final())
		}
	}
	for s := range reached {
		if s.Row().Advice == "" {
			t.Errorf("%s has no row", s)
		}
	}
}

// TestLifecycleHoldsContractMoves: what the store lets a contract do, the table
// knows; suspending and ending what is in force takes two people.
func TestLifecycleHoldsContractMoves(t *testing.T) {
	t.Parallel()
	for _, m := range contractMoves {
		from := ContractStage(m.from, false, m.action == "activate")
		got, err := NextStage("contract:1", from, m.action)
		if err != nil || got.To != ContractStage(m.to, false, false) {
			t.Errorf("%s %s leads to %s (%v), the store makes it %s", from, m.action, got.To, err, m.to)
		}
		if m.from != ContractDraft && m.action != "expire" && !got.Checked {
			t.Errorf("%s %s needs no second person", from, m.action)
		}
	}
}

func TestContractStage(t *testing.T) {
	t.Parallel()
	tests := []struct {
		status             ContractStatus
		proposed, approved bool
		want               Stage
	}{
		{ContractDraft, false, false, StageNegotiating},
		{ContractDraft, true, false, StageAwaitingApproval},
		{ContractDraft, true, true, StageAwaitingApproval},
		{ContractDraft, false, true, StageAwaitingSignature},
		{ContractActive, true, true, StageActive},
		{ContractSuspended, false, true, StageSuspended},
		{ContractEnding, true, false, StageEnding},
		{ContractEnded, true, true, StageEnded},
	}
	for _, tt := range tests {
		if got := ContractStage(tt.status, tt.proposed, tt.approved); got != tt.want {
			t.Errorf("%+v: %s", tt, got)
		}
	}
}

func TestNextStageRefuses(t *testing.T) {
	t.Parallel()
	_, err := NextStage("application:3", StageRejected, "submit")
	var move *MoveError
	if !errors.As(err, &move) || *move != (MoveError{Object: "application:3", From: "rejected", Action: "submit"}) {
		t.Errorf("got %v", err)
	}
}
