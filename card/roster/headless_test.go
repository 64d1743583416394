package roster_test

import (
	"strings"
	"testing"

	"unioncard/card/roster"
	"unioncard/card/roster/sample"
)

// TestNoHeading: what is said of a file without a heading is kept with the run for
// good, so it repeats only what can be no person's.
func TestNoHeading(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := sample.Person(1, 1)
	for name, tc := range map[string]struct{ file, says string }{
		"persons only":        {line(1) + "\n" + line(2) + "\n", ""},
		"names only":          {p.Name + "\n欧阳修\n", ""},
		"other heading":       {"序号,会员姓名,证件类别,联系电话\n1," + p.Name + ",身份证," + p.Phone + "\n", "序号、会员姓名、证件类别、联系电话"},
		"title with a person": {"经办人" + p.Name + "电话" + p.Phone + "\n" + line(1) + "\n", ""},
	} {
		r := w.upload(w.clerk, w.here.ID, tc.file)
		if r.State != roster.Refused || r.FaultCode != "heading" || !strings.Contains(r.Fault, tc.says) {
			t.Errorf("%s: %s %s %s", name, r.State, r.FaultCode, r.Fault)
		}
		for _, value := range []string{p.Name, p.ResidentID, p.Phone, "欧阳修"} {
			if strings.Contains(r.Fault, value) {
				t.Errorf("%s: %s", name, r.Fault)
			}
		}
	}
}
