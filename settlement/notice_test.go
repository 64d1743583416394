package settlement

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"unioncard/merchant"
	"unioncard/merchant/account"
)

// reader makes a user of a merchant who reads its notices.
func (w *world) reader(merchantID int64, role account.Role) *account.User {
	w.t.Helper()
	return &account.User{ID: w.count(`INSERT INTO merchant_users (merchant_id, name, phone_hash, phone_sealed, index_key, roles, created_by, created_at)
		VALUES ($1, $2, decode(md5(random()::text), 'hex'), '\x00', 1, ARRAY[$2], 'test', now()) RETURNING id`, merchantID, string(role))}
}

// wantNotices checks what a user reads of it, the newest first: text, kind and address.
func (w *world) wantNotices(what string, u *account.User, want ...[3]string) {
	w.t.Helper()
	list, err := account.NewStore(w.pool, account.Options{}).Notices(w.ctx, u, 0, 10)
	w.must(err)
	var got [][3]string
	for _, n := range list {
		got = append(got, [3]string{n.Text, n.Kind, n.URL})
	}
	if diff := cmp.Diff(want, got); diff != "" {
		w.t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// broken makes every write to a table fail until the test mends it.
func (w *world) broken(table string) (mend func()) {
	w.t.Helper()
	w.exec(`ALTER TABLE ` + table + ` ADD CONSTRAINT broken CHECK (false) NOT VALID`)
	return func() { w.t.Helper(); w.exec(`ALTER TABLE ` + table + ` DROP CONSTRAINT broken`) }
}

// TestPaymentIsTold: each merchant is told once of its own line, those of its people
// who see money, with the booking or not at all.
func TestPaymentIsTold(t *testing.T) {
	t.Parallel()
	w := owed(t, 2)
	paidOwner, paidFinance, manager := w.reader(1, account.Owner), w.reader(1, account.Finance), w.reader(1, account.Manager)
	returned := w.reader(2, account.Owner)
	id := w.make()
	w.approve(id)
	p, err := w.store.Payment(w.ctx, id)
	w.must(err)
	answers := []LineAnswer{{No: 1, Fen: 100, Paid: true}, {No: 2, Fen: 200, Note: "账号不存在"}}
	for _, table := range []string{"merchant_notices", "transfers"} {
		mend := w.broken(table)
		if _, err := w.store.Answer(w.ctx, finance, id, answers); err == nil {
			t.Errorf("answered while %s is broken", table)
		}
		mend()
		if told, booked := w.count(`SELECT count(*) FROM merchant_notices`), w.count(`SELECT count(*) FROM payment_lines WHERE state <> 'waiting'`); told != 0 || booked != 0 {
			t.Errorf("%s broken: %d told, %d booked", table, told, booked)
		}
	}
	for range 2 { // the second time is a replay
		w.must(errOf(w.store.Answer(w.ctx, finance, id, answers)))
	}
	paid := [3]string{"工会付款 1.00 元 已到账（" + p.Number() + "），结算日期 " + p.From.String() + " 至 " + p.Until.String() + "。", "statement.paid", "/portal/statements"}
	w.wantNotices("owner", paidOwner, paid)
	w.wantNotices("finance", paidFinance, paid)
	w.wantNotices("manager", manager)
	back := func(yuan string) [3]string {
		return [3]string{"工会付款 " + yuan + " 元 被银行退回（" + p.Number() + "）。请核对收款账户，有变动的带证明材料到签约工会办理；这些结算单会再付。", "statement.paid", "/portal/statements"}
	}
	w.wantNotices("returned", returned, back("2.00"))
	w.must(errOf(w.store.Answer(w.ctx, finance, id, []LineAnswer{{No: 1, Fen: 100, Note: "退票"}})))
	w.wantNotices("returned after it was paid", paidOwner, back("1.00"), paid)
	w.wantNotices("the other, of that", returned, back("2.00"))
}

// TestDisputeAnswerIsTold: who disputed is told of the answer once, those of the
// merchant who see money, with the answer or not at all.
func TestDisputeAnswerIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2, CloserOptions{})
	w.buy(1, w.today-1, 1000, 100, 50)
	w.close(w.today - 1)
	st := w.statement(1, w.today-1)
	owner, money, manager, other := w.reader(1, account.Owner), w.reader(1, account.Finance), w.reader(1, account.Manager), w.reader(2, account.Owner)
	w.must(w.store.Dispute(w.ctx, merchant.By{Actor: "merchant:1", Reason: "少算"}, 1, st.ID, 0))
	w.wantNotices("nothing answered yet", owner)
	resolve := func() error { return w.store.Resolve(w.ctx, finance, st.ID, 0, Resolution{Answer: "金额无误"}) }
	mend := w.broken("merchant_notices")
	if resolve() == nil {
		t.Error("answered while nobody can be told")
	}
	mend()
	if st := w.statement(1, w.today-1); st.State != StateDisputed {
		t.Errorf("an answer that nobody was told left %s", st.State)
	}
	w.must(resolve())
	if resolve() == nil {
		t.Error("answered twice")
	}
	want := [3]string{"工会答复了您对一张结算单的申诉，请打开查看。", "statement.resolved", fmt.Sprint("/portal/statements/", st.ID)}
	w.wantNotices("owner", owner, want)
	w.wantNotices("finance", money, want)
	w.wantNotices("manager", manager)
	w.wantNotices("another merchant's", other)
}
