package staff_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"unioncard/card/union/keyset"
	"unioncard/card/union/staff"
)

// Who may grant what: the rules at the head of grant.go, one by one.
func TestGranting(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r := newRig(t, cheap())
	r.make("root", province, staff.Operator)
	rootPeer := r.make("root2", province, staff.Operator)
	r.make("city", zhengzhou, staff.Operator)
	peer := r.make("city2", zhengzhou, staff.Operator)
	r.make("clerk", zhengzhou, staff.Negotiator, staff.Approver)
	below := r.make("below", jinshui, staff.Negotiator)
	beside := r.make("beside", kaifeng, staff.Negotiator)
	_, root := r.account("root")
	_, city := r.account("city")
	_, clerk := r.account("clerk")
	edit := func(by *staff.Account, id int64, division int32, roles ...staff.Role) error {
		row, err := r.Get(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		return r.Edit(ctx, by, id, staff.Edited{Name: row.Name, UnionID: r.tree[division], Roles: roles, Version: row.Version, Reason: "调岗"})
	}
	var invalid *staff.InvalidError
	refusedField := func(err error) error {
		if errors.As(err, &invalid) {
			return errors.New(invalid.Fields[0].Field)
		}
		return err
	}
	tests := []struct {
		name string
		do   func() error
		want string // "" for done
	}{
		{"role below", func() error { return edit(city, below, jinshui, staff.Approver) }, ""},
		{"operator below", func() error { return edit(city, below, jinshui, staff.Operator) }, ""},
		{"peer", func() error { return edit(city, peer, zhengzhou, staff.Auditor) }, ""},
		{"move up to the own union", func() error { return edit(city, below, zhengzhou, staff.Negotiator) }, ""},
		{"move back", func() error { return edit(city, below, jinshui, staff.Negotiator) }, ""},
		{"move out", func() error { return edit(city, below, kaifeng, staff.Negotiator) }, "union_id"},
		{"move above", func() error { return edit(city, below, province, staff.Negotiator) }, "union_id"},
		{"sibling", func() error { return edit(city, beside, zhengzhou, staff.Negotiator) }, staff.ErrNotGrantable.Error()},
		{"ancestor", func() error { return edit(city, rootPeer, zhengzhou, staff.Operator) }, staff.ErrNotGrantable.Error()},
		{"own roles", func() error { return edit(city, city.ID, zhengzhou, staff.Approver) }, staff.ErrOwnAccount.Error()},
		{"disable oneself", func() error { return r.Disable(ctx, root, root.ID, 1, true, "试试") }, staff.ErrOwnAccount.Error()},
		{"reset oneself", func() error { _, err := r.Reset(ctx, root, root.ID, 1, true, "试试"); return err }, staff.ErrOwnAccount.Error()},
		{"no operator", func() error { return edit(clerk, below, jinshui, staff.Approver) }, staff.ErrNotGrantable.Error()},
		{"operator and more", func() error { return edit(city, below, jinshui, staff.Operator, staff.Approver) }, "roles"},
		{"auditor and more", func() error { return edit(city, below, jinshui, staff.Auditor, staff.Negotiator) }, "roles"},
		{"role unknown", func() error { return edit(city, below, jinshui, "god") }, "roles"},
		{"role twice", func() error { return edit(city, below, jinshui, staff.Approver, staff.Approver) }, "roles"},
		{"nobody", func() error { return r.Disable(ctx, root, 1<<40, 1, true, "试试") }, staff.ErrNotFound.Error()},
		{"stale", func() error { return r.Disable(ctx, root, below, 1, true, "试试") }, staff.ErrStale.Error()},
		{"no reason", func() error { return r.Disable(ctx, root, below, 1, true, " ") }, "reason"},
		{"10 KB reason", func() error { return r.Disable(ctx, root, below, 1, true, strings.Repeat("由", 5000)) }, "reason"},
	}
	for _, tt := range tests {
		err := refusedField(tt.do())
		if got := ""; err != nil {
			got = err.Error()
			if got != tt.want {
				t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
			}
		} else if tt.want != "" {
			t.Errorf("%s: done, want %q", tt.name, tt.want)
		}
	}
}

// The root union always keeps an operator, also when two take each other's role
// at once.
func TestLastOperatorStays(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r := newRig(t, cheap())
	ids := []int64{r.make("root1", province, staff.Operator), r.make("root2", province, staff.Operator)}
	_, one := r.account("root1")
	_, two := r.account("root2")
	tx, err := r.db.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tx.Rollback(context.WithoutCancel(ctx)) })
	first := staff.NewStore(tx, staff.Options{Clock: r.now, Policy: cheap()})
	if err := first.Disable(ctx, one, ids[1], 1, true, "试试"); err != nil { // not committed yet
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- r.Disable(ctx, two, ids[0], 1, true, "试试") }()
	for waiting := false; !waiting && len(done) == 0; {
		err := r.db.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
			AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))`).Scan(&waiting)
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, staff.ErrLastOperator) {
		t.Errorf("the second: %v", err)
	}
}

// Roles are read at each request; disabling ends every session at once.
func TestRightsCountFromTheNextRequest(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r := newRig(t, cheap())
	r.make("root", province, staff.Operator)
	id := r.make("zhang.gong", jinshui, staff.Approver)
	_, root := r.account("root")
	token, a := r.account("zhang.gong")
	if !a.May(staff.Decide) || !a.Covers(a.Path) {
		t.Fatal(a)
	}
	if err := r.Edit(ctx, root, id, staff.Edited{Name: "张工", UnionID: r.tree[kaifeng], Roles: []staff.Role{staff.Negotiator}, Version: 1, Reason: "调岗"}); err != nil {
		t.Fatal(err)
	}
	b, err := r.BySession(ctx, token)
	if err != nil || b.May(staff.Decide) || !b.May(staff.WriteContract) || b.Covers(a.Path) || b.UnionID != r.tree[kaifeng] {
		t.Errorf("%+v %v", b, err)
	}
	if err := r.Disable(ctx, root, id, 2, true, "离岗"); err != nil {
		t.Fatal(err)
	}
	r.ended(token, "session of a disabled account")
	if _, err := r.try("zhang.gong", goodPassword, home, ""); !errors.Is(err, staff.ErrWrong) {
		t.Errorf("sign-in of a disabled account: %v", err)
	}
	if err := r.Disable(ctx, root, id, 3, false, "回岗"); err != nil {
		t.Fatal(err)
	}
	r.ended(token, "the session of before")
	token, _ = r.account("zhang.gong")
	if _, err := r.db.Exec(ctx, `UPDATE staff SET disabled = true WHERE id = $1`, id); err != nil {
		t.Fatal(err)
	}
	r.ended(token, "disabled by hand")
}

// A one-time password opens nothing but the choice of an own one.
func TestOneTimePassword(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r := newRig(t, cheap())
	r.make("root", province, staff.Operator)
	_, root := r.account("root")
	id, once, err := r.Add(ctx, root, staff.NewAccount{Login: "Zhang.Gong", Name: "张工", UnionID: r.tree[jinshui], Roles: []staff.Role{staff.Approver}}, "新人")
	if err != nil {
		t.Fatal(err)
	}
	e, err := r.try("zhang.gong", once.Password, home, "")
	if err != nil || e.Stage != staff.StagePassword {
		t.Fatal(e, err)
	}
	var invalid *staff.InvalidError
	for _, bad := range []string{once.Password, "short-1A", "zhang.gong-2026-A", "Password-2026!", strings.Repeat("好Aa1", 100), "Aa1\x00aaaaaaaaaa"} {
		if _, err := r.ChooseAtSignIn(ctx, e.Token, bad); !errors.As(err, &invalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	full, err := r.ChooseAtSignIn(ctx, e.Token, goodPassword)
	if err != nil || full.Stage != staff.StageFull {
		t.Fatal(full, err)
	}
	if _, err := r.ChooseAtSignIn(ctx, e.Token, goodPassword+"2"); !errors.Is(err, staff.ErrNoSession) {
		t.Errorf("the stage's token again: %v", err)
	}
	if _, err := r.try("zhang.gong", once.Password, home, ""); !errors.Is(err, staff.ErrWrong) {
		t.Errorf("the one-time password again: %v", err)
	}
	row, err := r.Get(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	if once, err = r.Reset(ctx, root, id, row.Version, false, "忘记密码"); err != nil {
		t.Fatal(err)
	}
	r.ended(full.Token, "a session after the reset")
	r.pass(72 * time.Hour)
	if _, err := r.try("zhang.gong", once.Password, home, ""); !errors.Is(err, staff.ErrOneTimeOver) {
		t.Errorf("after three days: %v", err)
	}
}

func TestOwnPassword(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r := newRig(t, cheap())
	r.make("zhang.gong", jinshui, staff.Approver)
	other, _ := r.account("zhang.gong")
	token, a := r.account("zhang.gong")
	var invalid *staff.InvalidError
	if err := r.ChangePassword(ctx, a, token, "guess", "Huaxia-8-Dengfeng"); !errors.Is(err, staff.ErrWrong) {
		t.Errorf("wrong present password: %v", err)
	}
	now := goodPassword
	for _, next := range []string{"Huaxia-8-Dengfeng", "Huaxia-9-Dengfeng", "Huaxia-10-Dengfeng", "Huaxia-11-Dengfeng", "Huaxia-12-Dengfeng"} {
		if err := r.ChangePassword(ctx, a, token, now, next); err != nil {
			t.Fatal(err)
		}
		now = next
		if err := r.ChangePassword(ctx, a, token, now, "Huaxia-8-Dengfeng"); !errors.As(err, &invalid) {
			t.Errorf("an earlier password again: %v", err)
		}
	}
	if err := r.ChangePassword(ctx, a, token, now, goodPassword); err != nil {
		t.Errorf("the sixth last again: %v", err)
	}
	r.ended(other, "the other session")
	if _, err := r.BySession(ctx, token); err != nil {
		t.Errorf("the own session: %v", err)
	}
	r.pass(91 * 24 * time.Hour)
	if e, err := r.try("zhang.gong", goodPassword, home, ""); err != nil || e.Stage != staff.StagePassword {
		t.Errorf("after 91 days: %v %v", e, err)
	}
}

func TestSessionsAreTheOwners(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r := newRig(t, cheap())
	r.make("zhang.gong", jinshui, staff.Approver)
	r.make("li.gong", jinshui, staff.Approver)
	_, li := r.account("li.gong")
	first, zhang := r.account("zhang.gong")
	second, _ := r.account("zhang.gong")
	all, err := r.Sessions(ctx, zhang.ID, second)
	if err != nil || len(all) != 2 || !all[0].Current || all[1].Current {
		t.Fatal(all, err)
	}
	if err := r.EndSession(ctx, li.ID, all[1].ID); !errors.Is(err, staff.ErrNotFound) {
		t.Errorf("somebody else's session: %v", err)
	}
	if err := r.EndSession(ctx, zhang.ID, all[1].ID); err != nil {
		t.Fatal(err)
	}
	r.ended(first, "an ended session")
}

func TestBadAccounts(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r := newRig(t, cheap())
	r.make("root", province, staff.Operator)
	r.make("taken", jinshui, staff.Approver)
	_, root := r.account("root")
	for name, n := range map[string]staff.NewAccount{
		"login taken": {Login: "TAKEN", Name: "张"}, "login short": {Login: "a", Name: "张"}, "login odd": {Login: "zh ang", Name: "张"},
		"login Chinese": {Login: "张工", Name: "张"}, "login long": {Login: strings.Repeat("a", 10<<10), Name: "张"},
		"no name": {Login: "zhang", Name: " "}, "name long": {Login: "zhang", Name: strings.Repeat("张", 10<<10)},
		"name NUL": {Login: "zhang", Name: "张\x00"}, "name not UTF-8": {Login: "zhang", Name: "\xff"},
		"no union": {Login: "zhang", Name: "张", UnionID: -1},
	} {
		if n.UnionID == 0 {
			n.UnionID = r.tree[jinshui]
		}
		var invalid *staff.InvalidError
		if _, _, err := r.Add(ctx, root, n, "新人"); !errors.As(err, &invalid) || len(invalid.Fields) != 1 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r := newRig(t, cheap())
	r.make("alpha", zhengzhou, staff.Operator)
	r.make("beta", jinshui, staff.Approver)
	r.make("gamma", kaifeng, staff.Approver)
	_, city := r.account("alpha")
	page := keyset.Page{Sort: "login", Limit: 10}
	for text, want := range map[string]string{"": "alpha beta", "金水": "beta", "a%": "", "_": "", "gamma": ""} {
		rows, err := r.List(ctx, city.Path, staff.ListFilter{Text: text}, page)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, row := range rows {
			got = append(got, row.Login)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: %v, want %s", text, got, want)
		}
	}
	offices, err := r.Offices(ctx, city.Path, "", 500)
	if err != nil || len(offices) == 0 || offices[0].ID != r.tree[zhengzhou] || offices[0].Depth != 0 || offices[1].Depth != 1 {
		t.Errorf("%v %v", offices, err)
	}
}
