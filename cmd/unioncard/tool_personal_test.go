package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"unioncard/card"
	"unioncard/card/member"
	"unioncard/card/personal"
	"unioncard/card/union"
	"unioncard/card/union/staff"
)

// Keys are rotated from the command line, to the other suite and under another key
// of the ring, while a node serves: it finds and reveals the member all the time.
func TestPersonalTool(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	p := newProvince(t)
	file := filepath.Join(t.TempDir(), "keyring.json")
	b := p.serve(t, "")
	b.must(p.keyring.Save(file))
	u, err := b.node.cards.CreateUnion(ctx, card.By(testBy), union.Union{Kind: union.Grassroots, Name: "甲厂工会委员会", ParentID: b.unions[410105]})
	b.must(err)
	registrar := b.hire("registrar", u.ID, staff.Registrar)
	who := personal.Person{ResidentID: "110101199003072893", Phone: "13811112222", Name: "诸葛孔明"}
	id, err := b.node.members.Register(ctx, card.By(testBy), u.ID, who, 0)
	b.must(err)
	run := func(args ...string) string {
		t.Helper()
		var out bytes.Buffer
		prog := &program{stdout: &out, stderr: t.Output(), environ: []string{"DATABASE_URL=" + p.pool.Config().ConnString()}}
		if err := prog.main(ctx, append(args, "--keyring-file", file)); err != nil {
			t.Fatalf("%v: %v", args, err)
		}
		return out.String()
	}
	want := func(out string, says ...string) {
		t.Helper()
		for _, s := range says {
			if !strings.Contains(out, s) {
				t.Errorf("does not say %q: %s", s, out)
			}
		}
	}
	want(run("personal", "status"), "data\taes\tkek 1\tin use\t1 members", "1 members with personal data, 0 of them with older keys")
	want(run("personal", "rotate", "--suite", "sm", "--reason", "test"), "data\tsm\tkek 1\tin use\t1 members", "data\taes\tkek 1\tretired\t0 members", "0 of them with older keys")
	prog := &program{stdout: t.Output(), stderr: t.Output()}
	b.must(prog.main(ctx, []string{"keyring", "rotate", "personal", "--keyring-file", file}))
	want(run("personal", "rewrap", "--reason", "test"), "4 keys wrapped with key 2")
	want(run("personal", "status"), "kek 2\tin use")
	search := func() member.Found {
		found, err := b.node.members.Search(ctx, card.By(testBy), "/", u.ID, who.Phone)
		b.must(err)
		return found
	}
	if found := search(); found.Member.ID != id {
		t.Errorf("the running node finds %+v", found)
	}
	if got, err := b.node.members.Reveal(ctx, card.By(testBy), id); err != nil || got.ResidentID != who.ResidentID {
		t.Errorf("the running node reveals: %v", err)
	}
	registrar.want("the page", registrar.get("/console/members"), 200, personal.MaskID(who.ResidentID))
	for _, args := range [][]string{{"personal"}, {"personal", "melt"}, {"personal", "rotate"}, {"personal", "rotate", "--suite", "des", "--reason", "x"}} {
		prog := &program{stdout: t.Output(), stderr: t.Output(), environ: []string{"DATABASE_URL=" + p.pool.Config().ConnString()}}
		if err := prog.main(ctx, append(args, "--keyring-file", file)); err == nil {
			t.Errorf("%v was taken", args)
		}
	}
}
