package account_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"unioncard/card/personal"
	"unioncard/card/phone"
	"unioncard/card/union/staff"
	"unioncard/merchant"
	"unioncard/merchant/account"
)

// TestRaisedRole: whoever becomes finance signs in again with a second factor; whoever
// is disabled is out at once.
func TestRaisedRole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.add("13900000001", account.Owner)
	id := w.add("13900000002", account.Manager, w.shops[0])
	token, secret := w.signIn("13900000002")
	if secret != "" {
		t.Error("a manager had to set up a second factor")
	}
	u, err := w.store.BySession(w.ctx, token)
	w.must(err)
	if u.Sees(w.shops[1]) || !u.Sees(w.shops[0]) || !u.Runs(w.shops[0]) || u.May(account.Money) || u.ReadOnly || !slices.Equal(u.Outlets(), w.shops[:1]) {
		t.Errorf("a manager of the first shop: %+v", u)
	}
	w.must(w.store.Edit(w.ctx, by, w.merchant, id, 1, account.Form{Name: "赵六", Roles: []account.Role{account.Finance}}))
	_, err = w.store.BySession(w.ctx, token)
	w.is("now finance, without a second factor", err, account.ErrNoSession)
	w.at = w.at.Add(2 * time.Minute)
	token, secret = w.signIn("13900000002")
	if secret == "" {
		t.Error("finance without a second factor")
	}
	u, err = w.store.BySession(w.ctx, token)
	w.must(err)
	if !u.May(account.Money) || !u.AllOutlets() || u.Outlets() != nil || u.Runs(w.shops[0]) {
		t.Errorf("finance: %+v", u)
	}
	w.must(w.store.Disable(w.ctx, by, w.merchant, id, 0, false))
	_, err = w.store.BySession(w.ctx, token)
	w.is("disabled", err, account.ErrNoSession)
	w.at = w.at.Add(2 * time.Minute)
	w.must(w.store.RequestCode(w.ctx, from, "13900000002"))
	_, err = w.store.SignIn(w.ctx, from, "13900000002", "123456")
	w.is("a guess at a disabled user", err, phone.ErrCodeWrong)
	// The number may come back as a new user.
	w.add("13900000002", account.Finance)
}

// TestSessionEnds: idle, after half a day, and when the merchant's time is over.
func TestSessionEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.add("13900000001", account.Owner)
	token, secret := w.signIn("13900000001")
	begin := w.at
	for w.at.Sub(begin) < 11*time.Hour {
		w.at = w.at.Add(time.Hour)
		if _, err := w.store.BySession(w.ctx, token); err != nil {
			t.Fatalf("in use, after %v: %v", w.at.Sub(begin), err)
		}
	}
	w.at = begin.Add(12*time.Hour + time.Minute)
	_, err := w.store.BySession(w.ctx, token)
	w.is("after half a day", err, account.ErrNoSession)
	again := func() string {
		e := w.bySMS("13900000001")
		e, err := w.store.Factor(w.ctx, e.Token, staff.TOTP(secret, w.at))
		w.must(err)
		return e.Token
	}
	token = again()
	w.at = w.at.Add(2*time.Hour + time.Second)
	_, err = w.store.BySession(w.ctx, token)
	w.is("idle", err, account.ErrNoSession)
	token = again()
	if _, err := w.pool.Exec(w.ctx, `UPDATE merchants SET status = 'exited', created_at = $1`, w.at); err != nil {
		t.Fatal(err)
	}
	u, err := w.store.BySession(w.ctx, token)
	w.must(err)
	if !u.ReadOnly {
		t.Error("a merchant that has left may write")
	}
	if _, err := w.pool.Exec(w.ctx, `UPDATE merchants SET created_at = $1`, w.at.Add(-account.ReadableAfter-time.Hour)); err != nil {
		t.Fatal(err)
	}
	_, err = w.store.BySession(w.ctx, token)
	w.is("long after it left", err, account.ErrNoSession)
	n, err := w.store.Prune(w.ctx)
	if w.must(err); n == 0 {
		t.Error("nothing pruned")
	}
}

// TestGuesses: a second factor is guessed ten times at most, and a stage's token is
// good once.
func TestGuesses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.add("13900000001", account.Owner)
	_, secret := w.signIn("13900000001")
	w.at = w.at.Truncate(15 * time.Minute).Add(15 * time.Minute)
	e := w.bySMS("13900000001")
	for range 10 {
		_, err := w.store.Factor(w.ctx, e.Token, "000000")
		w.is("a guess", err, account.ErrFactor)
	}
	var wait *phone.WaitError
	if _, err := w.store.Factor(w.ctx, e.Token, staff.TOTP(secret, w.at)); !errors.As(err, &wait) {
		t.Errorf("the eleventh guess: %v", err)
	}
	w.at = w.at.Add(15 * time.Minute)
	e = w.bySMS("13900000001")
	code := staff.TOTP(secret, w.at)
	full, err := w.store.Factor(w.ctx, e.Token, code)
	w.must(err)
	_, err = w.store.Factor(w.ctx, e.Token, code)
	w.is("a stage twice", err, account.ErrNoSession)
	w.must(w.store.SignOut(w.ctx, full.Token))
	for _, token := range []string{full.Token, e.Token, "", "x", strings.Repeat("A", 43)} {
		_, err := w.store.BySession(w.ctx, token)
		w.is("a token that is none", err, account.ErrNoSession)
	}
}

// TestRefusedForms: what a form of a user may get wrong; shops of others read as
// absent.
func TestRefusedForms(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other, theirs := w.newMerchant("别家")
	owner := []account.Role{account.Owner}
	good := account.Form{Name: "钱七", Phone: "139 0000 0001", Roles: owner}
	w.must(func() error { _, err := w.store.Add(w.ctx, by, w.merchant, good); return err }())
	for name, c := range map[string]struct {
		form  account.Form
		field string
	}{
		"the number again":   {account.Form{Name: "孙八", Phone: "+8613900000001", Roles: owner}, "phone"},
		"no number":          {account.Form{Name: "孙八", Roles: owner}, "phone"},
		"a landline":         {account.Form{Name: "孙八", Phone: "0371-65551234", Roles: owner}, "phone"},
		"no name":            {account.Form{Phone: "13900000002", Roles: owner}, "name"},
		"a number as name":   {account.Form{Name: "13900000002", Phone: "13900000002", Roles: owner}, "name"},
		"a long name":        {account.Form{Name: strings.Repeat("长", 41), Phone: "13900000002", Roles: owner}, "name"},
		"no role":            {account.Form{Name: "孙八", Phone: "13900000002"}, "roles"},
		"a forged role":      {account.Form{Name: "孙八", Phone: "13900000002", Roles: []account.Role{"operator"}}, "roles"},
		"a manager no shop":  {account.Form{Name: "孙八", Phone: "13900000002", Roles: []account.Role{account.Manager}}, "outlets"},
		"another's shop":     {account.Form{Name: "孙八", Phone: "13900000002", Roles: []account.Role{account.Manager}, OutletIDs: theirs[:1]}, "outlets"},
		"shop and another's": {account.Form{Name: "孙八", Phone: "13900000002", Roles: []account.Role{account.Manager}, OutletIDs: []int64{w.shops[0], theirs[0]}}, "outlets"},
	} {
		_, err := w.store.Add(w.ctx, by, w.merchant, c.form)
		var wrong merchant.FieldErrors
		if !errors.As(err, &wrong) || wrong.On(c.field) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	// The same number at another merchant is another user.
	id, err := w.store.Add(w.ctx, by, other, good)
	w.must(err)
	_, err = w.store.Get(w.ctx, w.merchant, id)
	w.is("another merchant's user", err, account.ErrNotFound)
	w.is("edit it", w.store.Edit(w.ctx, by, w.merchant, id, 1, good), account.ErrNotFound)
	w.is("disable it", w.store.Disable(w.ctx, by, w.merchant, id, 1, true), account.ErrNotFound)
	w.is("reset it", w.store.ResetFactor(w.ctx, by, w.merchant, id, 1), account.ErrNotFound)
	w.is("an old form", w.store.Edit(w.ctx, by, other, id, 7, good), account.ErrStale)
	_, err = w.store.Add(w.ctx, by, 1<<40, good)
	w.is("no merchant", err, merchant.ErrNotFound)
}

// TestLastOwner: two owners who disable each other at once leave one.
func TestLastOwner(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ids := []int64{w.add("13900000001", account.Owner), w.add("13900000002", account.Owner)}
	errs := make([]error, 2)
	var both sync.WaitGroup
	for i, id := range ids {
		both.Go(func() { errs[i] = w.store.Disable(w.ctx, by, w.merchant, id, 0, false) })
	}
	both.Wait()
	if refused := errors.Is(errs[0], account.ErrLastOwner) != errors.Is(errs[1], account.ErrLastOwner); !refused {
		t.Errorf("both: %v, %v", errs[0], errs[1])
	}
	left := ids[0]
	if errs[0] == nil {
		left = ids[1]
	}
	w.is("the last one's role", w.store.Edit(w.ctx, by, w.merchant, left, 0, account.Form{Name: "赵六", Roles: []account.Role{account.Finance}}), account.ErrLastOwner)
	w.must(w.store.Disable(w.ctx, by, w.merchant, left, 0, true)) // the office may
}

// TestLeft: of a merchant that has left nobody new signs in, and the office takes away who
// may and lets a second factor be set up anew.
func TestLeft(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	finance, owner := w.add("13900000001", account.Finance), w.add("13900000002", account.Owner)
	token, _ := w.signIn("13900000001")
	if _, err := w.pool.Exec(w.ctx, `UPDATE merchants SET status = 'exited' WHERE id = $1`, w.merchant); err != nil {
		t.Fatal(err)
	}
	if u, err := w.store.BySession(w.ctx, token); err != nil || !u.ReadOnly {
		t.Fatalf("%+v, %v", u, err)
	}
	_, err := w.store.Add(w.ctx, by, w.merchant, account.Form{Name: "赵六", Phone: "13900000003", Roles: []account.Role{account.Owner}})
	w.is("another user", err, merchant.ErrMerchantExited)
	w.is("another role", w.store.Edit(w.ctx, by, w.merchant, finance, 0, account.Form{Name: "赵六", Roles: []account.Role{account.Owner}}), merchant.ErrMerchantExited)
	w.must(w.store.ResetFactor(w.ctx, by, w.merchant, owner, 0))
	w.must(w.store.Disable(w.ctx, by, w.merchant, finance, 0, true))
	_, err = w.store.BySession(w.ctx, token)
	w.is("one whom the office took away", err, account.ErrNoSession)
}

// TestOfficeIsSeen: the owners are told what the office does about their users, and not
// what they do themselves.
func TestOfficeIsSeen(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	office := merchant.By{Actor: "staff:1", Reason: "换了负责人"}
	w.add("13900000001", account.Owner)
	owner, _ := w.signIn("13900000001")
	id, err := w.store.Add(w.ctx, office, w.merchant, account.Form{Name: "钱七", Phone: "13900000002", Roles: []account.Role{account.Owner}})
	w.must(err)
	w.must(w.store.ResetFactor(w.ctx, office, w.merchant, id, 0))
	w.must(w.store.Disable(w.ctx, office, w.merchant, id, 0, true))
	w.must(w.store.Disable(w.ctx, merchant.By{Actor: "merchant:1", Reason: "离职"}, w.merchant, w.add("13900000003", account.Finance), 0, false))
	u, err := w.store.BySession(w.ctx, owner)
	w.must(err)
	rows, err := w.store.Notices(w.ctx, u, 0, 10)
	w.must(err)
	if len(rows) != 3 || !strings.Contains(rows[0].Text, "停用") || !strings.Contains(rows[1].Text, "重置") || !strings.Contains(rows[2].Text, "添加") {
		t.Errorf("%+v", rows)
	}
}

// TestRehash: after the index key was rotated a number still signs in.
func TestRehash(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.add("13900000001", account.Manager, w.shops[0])
	_, err := w.vault.Rotate(w.ctx, personal.RotateOptions{Actor: "test", Reason: "test", Settle: time.Millisecond})
	w.must(err)
	n, err := w.store.Rehash(w.ctx)
	if w.must(err); n != 1 {
		t.Fatalf("%d hashed anew", n)
	}
	if n, err := w.store.Rehash(w.ctx); n != 0 || err != nil {
		t.Errorf("once more: %d, %v", n, err)
	}
	if e := w.bySMS("13900000001"); e.Stage != account.StageFull {
		t.Errorf("stage %s", e.Stage)
	}
	r, err := w.store.Get(w.ctx, w.merchant, id)
	if w.must(err); r.Phone != "139****0001" {
		t.Errorf("phone %s", r.Phone)
	}
}

// TestNotices: who may read what, and what was seen.
func TestNotices(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.add("13900000001", account.Owner)
	w.add("13900000002", account.Manager, w.shops[0])
	owner, _ := w.signIn("13900000001")
	manager, _ := w.signIn("13900000002")
	other, _ := w.newMerchant("别家")
	tx, err := w.pool.Begin(w.ctx)
	w.must(err)
	for _, n := range []struct {
		merchant int64
		notice   account.Notice
	}{{w.merchant, account.Notice{Kind: "a.b", For: account.Anybody, Text: "大家"}}, {w.merchant, account.Notice{Kind: "a.b", For: account.Money, Text: "钱", URL: "/portal"}},
		{w.merchant, account.Notice{Kind: "a.b", For: account.Shops, Text: "店"}}, {w.merchant, account.Notice{Kind: "a.b", For: account.Owners, Text: "老板"}},
		{w.merchant, account.Notice{Kind: "a.b", For: account.Shops, Outlet: w.shops[0], Text: "一店"}},
		{w.merchant, account.Notice{Kind: "a.b", For: account.Shops, Outlet: w.shops[1], Text: "二店"}},
		{other, account.Notice{Kind: "a.b", For: account.Anybody, Text: "别家"}}} {
		w.must(account.Notify(w.ctx, tx, n.merchant, n.notice))
	}
	w.must(tx.Commit(w.ctx))
	read := func(token string) (texts []string, u *account.User, newest int64) {
		u, err := w.store.BySession(w.ctx, token)
		w.must(err)
		rows, err := w.store.Notices(w.ctx, u, 0, 10)
		w.must(err)
		for _, n := range rows {
			texts = append(texts, n.Text)
		}
		return texts, u, rows[0].ID
	}
	if texts, u, _ := read(manager); !slices.Equal(texts, []string{"一店", "店", "大家"}) || u.Unread != 3 {
		t.Errorf("a manager reads %v, %d new", texts, u.Unread)
	}
	texts, u, newest := read(owner)
	if !slices.Equal(texts, []string{"二店", "一店", "老板", "店", "钱", "大家"}) || u.Unread != 6 {
		t.Errorf("an owner reads %v, %d new", texts, u.Unread)
	}
	w.must(w.store.ReadUpTo(w.ctx, u, newest))
	if _, u, _ := read(owner); u.Unread != 0 {
		t.Errorf("%d new after reading", u.Unread)
	}
}

// TestNothingPersonalIsLogged: events hold no number and no name.
func TestNothingPersonalIsLogged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.add("13900000001", account.Owner)
	w.signIn("13900000001")
	w.must(w.store.ResetFactor(w.ctx, by, w.merchant, id, 0))
	var n int
	w.must(w.pool.QueryRow(w.ctx, `SELECT count(*) FROM events WHERE events::text LIKE '%13900000001%' OR events::text LIKE '%赵六%'`).Scan(&n))
	if n != 0 {
		t.Errorf("%d events name the person", n)
	}
	w.must(w.pool.QueryRow(w.ctx, `SELECT count(*) FROM events WHERE action LIKE 'portal.%'`).Scan(&n))
	if n != 4 {
		t.Errorf("%d events, want adding, enrolment, sign-in and reset", n)
	}
}

// TestCodeOnce: a code of the second factor that was used is not taken again while its
// step is still within the tolerance.
func TestCodeOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.add("13900000001", account.Owner)
	e := w.bySMS("13900000001")
	offer, err := w.store.Offered(w.ctx, e.Token)
	w.must(err)
	ahead := staff.TOTP(offer.Secret, w.at.Add(30*time.Second)) // of a phone whose clock is fast
	_, err = w.store.Factor(w.ctx, e.Token, ahead)
	w.must(err)
	w.at = w.at.Add(time.Minute)
	e = w.bySMS("13900000001")
	_, err = w.store.Factor(w.ctx, e.Token, ahead)
	w.is("a used code", err, account.ErrFactor)
	_, err = w.store.Factor(w.ctx, e.Token, staff.TOTP(offer.Secret, w.at))
	w.must(err)
}
