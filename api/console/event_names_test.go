package console

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestEveryActionHasItsWords: what the code records as an event reads as Chinese in
// the console. It finds actions that stand in the source in one piece; those put
// together from a state machine's words are listed.
func TestEveryActionHasItsWords(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, action := range []string{
		"member.register", "member.leave", "member.rejoin", "member.retire", "member.transfer", "member.erase", "member.transfer_request",
		"member.transfer_decline", "member.transfer_withdraw", "member.transfer_void", "card.issue", "card.prepare", "card.issue_many",
		"card.prepare_many", "card.activate", "card.suspend", "card.resume", "card.report_lost", "card.found", "card.replace", "card.cancel",
		"batch.start", "batch.stop", "batch.finish", "batch.close",
	} {
		seen[action] = "this test"
	}
	recorded := regexp.MustCompile(`event\.Record\(.*, "([a-z_]+\.[a-z_]+)", |'([a-z_]+\.[a-z_]+)', '[a-z]+'|"(personal\.(?:key_made|rewrap|rotate|retire))"`)
	for _, root := range []string{"../../card", "../../merchant", "../../settlement", "../../cmd"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			source, err := os.ReadFile(path)
			for _, m := range recorded.FindAllStringSubmatch(string(source), -1) {
				seen[m[1]+m[2]+m[3]] = path
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(seen) < 60 {
		t.Errorf("only %d actions were found", len(seen))
	}
	latin := regexp.MustCompile(`[A-Za-z]`)
	for action, path := range seen {
		if name := actionName(action); latin.MatchString(name) {
			t.Errorf("%s (%s) is shown as %q", action, path, name)
		}
	}
}
