package main

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"testing"
	"time"

	"unioncard/migrations/pgtest"
)

// TestTwoNodesObeyTheConsole: what a clerk publishes, amends, suspends, resumes and
// ends on one node, the other's purchases obey at once, its verifications and its
// directory within a second (invariant 4).
func TestTwoNodesObeyTheConsole(t *testing.T) {
	t.Parallel()
	p, redis := newProvince(t), pgtest.RedisURL(t)
	a, b := p.serve(t, redis), p.serve(t, redis)
	a.cateringFloor()
	d := a.accepted()
	// The same till, asking the other node.
	far := &simTill{sim: &simulation{base: b.base, http: http.DefaultClient}, outlet: d.outlet, client: d.till.client, key: d.till.key, audience: d.till.audience}
	soon(t, time.Now(), time.Second, "the till known to the other node", func() bool {
		_, err := far.bearer(t.Context())
		return err == nil
	})
	d.draft("9")
	d.approve(d.proposed())
	d.signed()
	if code, _ := d.show(far); code != "no_contract" || !d.delisted(b) {
		t.Errorf("before publishing: %q, or listed", code)
	}
	d.obeyed(b, far, "published", d.publish(), 1000, "")

	d.draft("8")
	d.approve(d.proposed())
	d.signed()
	d.obeyed(b, far, "amended", d.publish(), 2000, "")

	for _, step := range []struct {
		name, path string
		form       []string
		discount   int
		code       string
	}{
		{"suspended", "/suspend", []string{"suspend_reason", "整改"}, -1, "contract_suspended"},
		{"resumed", "/resume", []string{"resume_reason", "整改好了"}, 2000, ""},
		{"ended", "/exit", []string{"kind", "cause", "cause", "breach", "noticed_on", beijingNow().Format(time.DateOnly), "reason", "拒不履行"}, -1, "contract_ended"},
	} {
		_, quoted := d.show(far)
		d.clerk.want(step.name, d.clerk.post(d.at(step.path), step.form...), http.StatusSeeOther)
		d.approve(fmt.Sprintf("/console/proposals/%d", d.number(`SELECT max(id) FROM proposals`)))
		since := time.Now()
		if step.code != "" { // the price was promised for three minutes, but not past this
			status, code, _ := far.ask(t, "/v1/purchases", rand.Text(), map[string]any{"quote": quoteOf(t, quoted)})
			if code != step.code {
				t.Errorf("%s: the first purchase on the other node: %d %s, want %s", step.name, status, code, step.code)
			}
			d.sold++ // its code may be bound to the quote
		}
		d.obeyed(b, far, step.name, since, step.discount, step.code)
	}
	if n := d.number(`SELECT count(*) FROM purchases`); n != 3 {
		t.Errorf("%d purchases, want those after publishing, amending and resuming", n)
	}
}

// obeyed waits for a node's verifications and directory to say what holds since a
// change, and then sells if something is to be sold: at the new price.
func (d *dealing) obeyed(at *bureau, till *simTill, what string, since time.Time, fen int, refusal string) {
	d.Helper()
	var answer map[string]any
	soon(d, since, time.Second, what+": verifications on the other node", func() bool {
		var code string
		code, answer = d.show(till)
		return discount(answer) == fen && code == refusal
	})
	if refusal != "" {
		soon(d, since, time.Second, what+": the other node's directory", func() bool { return d.delisted(at) })
		return
	}
	soon(d, since, time.Second, what+": the other node's directory", func() bool { return d.listed(at) })
	if status, code, _ := till.ask(d, "/v1/purchases", rand.Text(), map[string]any{"quote": quoteOf(d, answer)}); status != http.StatusCreated {
		d.Errorf("%s: purchase on the other node: %d %s", what, status, code)
	}
	d.sold++
}
