package settlement

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"unioncard/merchant"
	"unioncard/merchant/application"
	"unioncard/merchant/signing"
)

// banked notes a bank account for merchants.
func (w *world) banked(merchants ...int64) {
	w.t.Helper()
	for _, m := range merchants {
		w.must(w.store.opt.Details.SetDetails(w.ctx, finance, m, 0, application.Details{
			Bank: application.Bank{Holder: fmt.Sprintf("商家%d有限公司", m), Bank: "工商银行郑州分行", Account: fmt.Sprintf("17020200000%05d", m)}}))
	}
}

// approve carries out what a proposal to send a payment carries out.
func (w *world) approve(id int64) {
	w.t.Helper()
	w.must(pgx.BeginFunc(w.ctx, w.pool, func(tx pgx.Tx) error {
		p, err := lockPayment(w.ctx, tx, id, 0)
		if err != nil {
			return err
		}
		payload, err := json.Marshal(p.SendPayload())
		if err != nil {
			return err
		}
		pr := signing.Proposal{Object: paymentObject(id), OfficeID: 2, Payload: payload}
		if err := w.store.sendCheck(w.ctx, tx, pr.Object, payload); err != nil {
			return err
		}
		return w.store.send(w.ctx, tx, finance, &pr)
	}))
}

// owed is a world in which merchant 1 to n are owed m yuan each, confirmed.
func owed(t *testing.T, n int) *world {
	w := newWorld(t, n, CloserOptions{})
	for m := range int64(n) {
		w.buy(2*m+1, w.today-1, 100000, 10000, (m+1)*100)
		w.banked(m + 1)
	}
	w.close(w.today - 1)
	w.exec(`UPDATE statements SET state = 'confirmed'`)
	return w
}

func (w *world) make() int64 {
	w.t.Helper()
	id, err := w.store.MakePayment(w.ctx, finance, NewPayment{OfficeID: 2, From: w.today - 9, Until: w.today})
	w.must(err)
	return id
}

func TestPayment(t *testing.T) {
	t.Parallel()
	w := owed(t, 3)
	id := w.make()
	_, _, err := w.store.File(w.ctx, finance, id)
	w.wantErr(err, ErrNotSent)
	_, err = w.store.Answer(w.ctx, finance, id, nil)
	w.wantErr(err, ErrNotSent)
	w.approve(id)
	file, sum, err := w.store.File(w.ctx, finance, id)
	w.must(err)
	want := "\uFEFF序号,收款户名,收款账号,开户银行,金额（元）,用途\r\n" +
		"1,商家1有限公司,1702020000000001,工商银行郑州分行,1.00,会员卡优惠结算 FK1 商家1\r\n" +
		"2,商家2有限公司,1702020000000002,工商银行郑州分行,2.00,会员卡优惠结算 FK1 商家2\r\n" +
		"3,商家3有限公司,1702020000000003,工商银行郑州分行,3.00,会员卡优惠结算 FK1 商家3\r\n" +
		"合计,3 笔,,,6.00,FK1\r\n"
	if diff := cmp.Diff(want, string(file)); diff != "" {
		t.Errorf("file (-want +got):\n%s", diff)
	}
	p, err := w.store.Payment(w.ctx, id)
	w.must(err)
	if sum != sha256.Sum256(file) || hex.EncodeToString(p.FileSHA256) != hex.EncodeToString(sum[:]) {
		t.Error("the SHA-256 is not the file's")
	}

	// The bank pays two and returns one; then it returns one of the two.
	answers := []LineAnswer{{No: 1, Fen: 100, Paid: true, Ref: "A1"}, {No: 2, Fen: 200, Paid: true}, {No: 3, Fen: 300, Note: "账号不存在"}}
	got, err := w.store.Answer(w.ctx, finance, id, answers)
	w.must(err)
	if diff := cmp.Diff(Answered{Paid: 2, Returned: 1, Done: true}, got); diff != "" {
		t.Errorf("first answer (-want +got):\n%s", diff)
	}
	entries := w.count(`SELECT count(*) FROM transfers`)
	if got, err = w.store.Answer(w.ctx, finance, id, answers); err != nil || got.Known != 3 { // replayed
		t.Errorf("replayed: %+v, %v", got, err)
	}
	if n := w.count(`SELECT count(*) FROM transfers`); n != entries {
		t.Errorf("the replay posted %d transfers", n-entries)
	}
	got, err = w.store.Answer(w.ctx, finance, id, []LineAnswer{{No: 2, Fen: 200, Note: "退票"}})
	w.must(err)
	if got.Returned != 1 {
		t.Errorf("returned later: %+v", got)
	}
	states := map[int64]State{1: StatePaid, 2: StateConfirmed, 3: StateConfirmed}
	for m, want := range states {
		if st := w.statement(m, w.today-1); st.State != want {
			t.Errorf("merchant %d: %s, want %s", m, st.State, want)
		}
	}
	w.close(w.today)
	if st := w.statement(2, w.today); st.PaidFen != 0 || st.ClosingFen != 200 || st.OpeningFen != 200 {
		t.Errorf("paid and returned: %+v", st)
	}
	if st := w.statement(1, w.today); st.PaidFen != 100 || st.ClosingFen != 0 {
		t.Errorf("paid: %+v", st)
	}
	if p, err = w.store.Payment(w.ctx, w.make()); err != nil || p.Lines != 2 || p.Fen != 500 { // those that came back
		t.Errorf("the next payment: %+v, %v", p, err)
	}
	if r := w.audit(); !r.OK() {
		t.Error(lines(r))
	}
}

func TestAnswerRefused(t *testing.T) {
	t.Parallel()
	w := owed(t, 2)
	id := w.make()
	w.approve(id)
	w.must(errOf(w.store.Answer(w.ctx, finance, id, []LineAnswer{{No: 2, Fen: 200, Note: "退"}})))
	for name, a := range map[string][]LineAnswer{
		"another amount":  {{No: 1, Fen: 101, Paid: true}},
		"an unknown line": {{No: 3, Fen: 100, Paid: true}},
		"a line twice":    {{No: 1, Fen: 100, Paid: true}, {No: 1, Fen: 100, Paid: true}},
		"no reason":       {{No: 1, Fen: 100}},
		"paid again":      {{No: 2, Fen: 200, Paid: true}},
	} {
		_, err := w.store.Answer(w.ctx, finance, id, a)
		var bad merchant.FieldErrors
		if !errors.As(err, &bad) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := w.count(`SELECT count(*) FROM payment_lines WHERE state = 'paid'`); n != 0 {
		t.Errorf("%d lines paid by refused answers", n)
	}
	_, err := w.store.Answer(w.ctx, finance, 99, nil)
	w.wantErr(err, merchant.ErrNotFound)
}

func errOf[T any](_ T, err error) error { return err }

// TestOnePayment: makers at once, and nothing is paid twice.
func TestOnePayment(t *testing.T) {
	t.Parallel()
	w := owed(t, 5)
	var wg sync.WaitGroup
	made := make(chan int64, 4)
	for range 4 {
		wg.Go(func() {
			id, err := w.store.MakePayment(w.ctx, finance, NewPayment{OfficeID: 2, From: w.today - 9, Until: w.today})
			switch {
			case err == nil:
				made <- id
			case !errors.Is(err, ErrNothingToPay):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(made) != 1 {
		t.Fatalf("%d payments of the same statements", len(made))
	}
	id := <-made
	w.must(w.store.DropPayment(w.ctx, finance, id, 0))
	p, err := w.store.Payment(w.ctx, w.make()) // free again
	w.must(err)
	if p.Lines != 5 || p.Fen != 1500 {
		t.Errorf("after a drop: %+v", p)
	}
	err = w.store.DropPayment(w.ctx, finance, p.ID, p.Version-1+2)
	w.wantErr(err, ErrChanged)
	w.approve(p.ID)
	var move *merchant.MoveError
	if err := w.store.DropPayment(w.ctx, finance, p.ID, 0); !errors.As(err, &move) {
		t.Errorf("an approved payment was given up: %v", err)
	}
}

// TestPreview: who has no account is left out, what is taken back is taken off, and
// what is not confirmed waits.
func TestPreview(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 5, CloserOptions{})
	d := w.today - 3
	w.buy(1, d, 1000, 500, 500) // confirmed, account
	w.buy(3, d, 1000, 500, 400) // confirmed, none
	s := w.buy(5, d, 1000, 300, 300)
	w.buy(7, d, 1000, 300, 300) // waits
	b := w.buy(9, d, 1000, 300, 300)
	w.close(d)
	w.undo(s, d+1, 350)
	w.undo(b, d+1, 700)
	w.close(d + 1)
	w.banked(1, 3, 4, 5)
	w.exec(`UPDATE statements SET state = 'confirmed' WHERE merchant_id <> 4`)
	pre, err := w.store.PreviewPayment(w.ctx, NewPayment{2, d, d + 1})
	w.must(err)
	want := &PaymentPreview{Fen: 650, Waiting: 1,
		Lines: []Payable{{MerchantID: 1, Merchant: "商家1", Fen: 500, Statements: 1}, {MerchantID: 3, Merchant: "商家3", Fen: 150, Statements: 2}},
		Left:  []Payable{{MerchantID: 2, Merchant: "商家2", Fen: 400, Statements: 1, NoAccount: true}}}
	if diff := cmp.Diff(want, pre); diff != "" {
		t.Errorf("preview (-want +got):\n%s", diff)
	}
	if _, err := w.store.MakePayment(w.ctx, finance, NewPayment{3, d, d + 1}); !errors.Is(err, ErrNothingToPay) {
		t.Errorf("another office: %v", err)
	}
	var bad merchant.FieldErrors
	if _, err := w.store.PreviewPayment(w.ctx, NewPayment{2, d + 1, d}); !errors.As(err, &bad) {
		t.Errorf("days the wrong way round: %v", err)
	}
}

// TestTakenBackIsTakenOff: what has come back of other days is taken off what is paid
// for these, so that nobody is paid more than the union owes.
func TestTakenBackIsTakenOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3, CloserOptions{})
	d := w.today - 4
	a, b := w.buy(1, d, 1000, 500, 500), w.buy(3, d, 1000, 500, 500)
	w.buy(5, d, 1000, 500, 500)
	w.close(d)
	w.undo(a, d+1, 300) // 300 come back
	w.undo(b, d+1, 500) // all of it
	w.close(d + 1)
	w.banked(1, 2, 3)
	w.exec(`UPDATE statements SET state = 'confirmed'`)
	pre, err := w.store.PreviewPayment(w.ctx, NewPayment{2, d, d})
	w.must(err)
	want := []Payable{{MerchantID: 1, Merchant: "商家1", Fen: 200, Statements: 2, Taken: 300}, {MerchantID: 3, Merchant: "商家3", Fen: 500, Statements: 1}}
	if diff := cmp.Diff(want, pre.Lines); diff != "" || pre.Fen != 700 {
		t.Errorf("%d fen, lines (-want +got):\n%s", pre.Fen, diff)
	}
	id, err := w.store.MakePayment(w.ctx, finance, NewPayment{2, d, d})
	w.must(err)
	w.approve(id)
	_, err = w.store.AnswerAll(w.ctx, finance, id, "")
	w.must(err)
	w.close(w.today)
	if st := w.statement(1, w.today); st.ClosingFen != 0 || st.PaidFen != 200 || w.statement(1, d+1).State != StatePaid {
		t.Errorf("after the payment: %+v", st)
	}
	if r := w.audit(); !r.OK() {
		t.Error(lines(r))
	}
}

func TestPayableTo(t *testing.T) {
	t.Parallel()
	good := application.Bank{Holder: "商家", Bank: "银行", Account: "6222 0200-1"}
	if !payableTo(good) {
		t.Error("a good account was refused")
	}
	for _, b := range []application.Bank{
		{}, {Holder: "=1+1", Bank: "银行", Account: "1"}, {Holder: "商家", Bank: "@银行", Account: "1"}, {Holder: "商\n家", Bank: "银行", Account: "1"},
		{Holder: "商家", Bank: "银行", Account: "12a"}, {Holder: "商家", Bank: " ", Account: "12"}, {Holder: "商家", Bank: "银行", Account: "-12"},
	} {
		if payableTo(b) {
			t.Errorf("%+v was taken", b)
		}
	}
	if got := strings.Join([]string{yuan(0), yuan(5), yuan(12345), yuan(-7)}, " "); got != "0.00 0.05 123.45 -0.07" {
		t.Error(got)
	}
}

func TestStates(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, CloserOptions{})
	w.buy(1, w.today-1, 1000, 100, 50)
	w.close(w.today - 1)
	st := w.statement(1, w.today-1)
	owner := merchant.By{Actor: "merchant:1", Reason: "少算了一笔"}
	w.wantErr(w.store.Confirm(w.ctx, owner, 2, st.ID, st.Version), merchant.ErrNotFound)
	w.wantErr(w.store.Dispute(w.ctx, owner, 1, st.ID, st.Version+1), ErrChanged)
	var bad merchant.FieldErrors
	if err := w.store.Dispute(w.ctx, merchant.By{Actor: "merchant:1", Reason: " "}, 1, st.ID, st.Version); !errors.As(err, &bad) {
		t.Errorf("a dispute without a word: %v", err)
	}
	w.must(w.store.Dispute(w.ctx, owner, 1, st.ID, st.Version))
	var move *merchant.MoveError
	if err := w.store.Confirm(w.ctx, owner, 1, st.ID, 0); !errors.As(err, &move) {
		t.Errorf("confirmed in dispute: %v", err)
	}
	w.must(w.store.Resolve(w.ctx, finance, st.ID, 0, Resolution{Answer: "已核对，金额无误"}))
	all, err := w.store.Disputes(w.ctx, st.ID)
	w.must(err)
	if len(all) != 1 || all[0].Open || all[0].Accepted || all[0].Reason != owner.Reason || all[0].Answer == "" {
		t.Errorf("disputes %+v", all)
	}
	if st = w.statement(1, w.today-1); st.State != StateResolved || st.SettledBy != string(finance.Actor) {
		t.Errorf("statement %+v", st)
	}
	for from, actions := range moves {
		for _, act := range []string{actConfirm, actDispute, actResolve, actPay, actReturn} {
			if _, err := next(1, from, act); (err == nil) != (actions[act] != "") {
				t.Errorf("%s from %s: %v", act, from, err)
			}
		}
	}
}

// TestAdjustByProposal: money for a dispute comes the next open day, and resolves it.
func TestAdjustByProposal(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, CloserOptions{})
	w.buy(1, w.today-1, 1000, 100, 50)
	w.close(w.today - 1)
	st := w.statement(1, w.today-1)
	w.must(w.store.Dispute(w.ctx, merchant.By{Actor: "merchant:1", Reason: "少算"}, 1, st.ID, 0))
	payload, err := json.Marshal(AdjustPayload{Fen: 30, Cause: "dispute", Answer: "补一笔"})
	w.must(err)
	w.must(pgx.BeginFunc(w.ctx, w.pool, func(tx pgx.Tx) error {
		return w.store.adjust(w.ctx, tx, finance, &signing.Proposal{Object: statementObject(st.ID), OfficeID: 2, Payload: payload})
	}))
	all, err := w.store.Disputes(w.ctx, st.ID)
	w.must(err)
	if len(all) != 1 || !all[0].Accepted || all[0].Adjustment == 0 {
		t.Errorf("disputes %+v", all)
	}
	w.close(w.today)
	b, err := w.statement(1, w.today).Content()
	w.must(err)
	want := []Adjustment{{Kind: KindPosted, ID: all[0].Adjustment, Cause: "dispute", Reason: "补一笔", Fen: 30}}
	if diff := cmp.Diff(want, b.Adjustments); diff != "" || b.ClosingFen != 80 {
		t.Errorf("closing %d, adjustments (-want +got):\n%s", b.ClosingFen, diff)
	}
}

func TestConfirmDue(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2, CloserOptions{})
	w.buy(1, w.today-1, 1000, 100, 50)
	w.buy(3, w.today-1, 1000, 100, 50)
	w.close(w.today - 1)
	w.exec(`ALTER TABLE statements DISABLE TRIGGER statements_stay`)
	w.exec(`UPDATE statements SET confirm_by = $1 WHERE merchant_id = 1`, (w.today - 1).Date())
	n, err := w.store.ConfirmDue(w.ctx)
	w.must(err)
	if a, b := w.statement(1, w.today-1), w.statement(2, w.today-1); n != 1 || a.State != StateConfirmed || a.SettledBy != system || b.State != StateClosed {
		t.Errorf("%d confirmed: %s, %s", n, a.State, b.State)
	}
}
