package purchase

import (
	"errors"
	"testing"

	"github.com/google/uuid"

	"unioncard/merchant/terms"
)

func TestRefundByAmount(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plan{terms: limited})
	c := w.till(1)
	r := w.buy(c, "k", 3, 1, 10_001) // 30 yuan off, 70.01 to pay
	for _, step := range []struct {
		fen             int64
		want            error
		givenBack, rest int64
		state           State
	}{
		{7_002, ErrRefundExceeds, 0, 0, 0},
		{-1, ErrRefundInvalid, 0, 0, 0},
		{0, ErrRefundInvalid, 0, 0, 0},
		{1, nil, 0, 7_000, StatePartiallyRefunded},
		{3_000, nil, 1_285, 4_000, StatePartiallyRefunded}, // floor(3000*3001/7001)
		{4_001, ErrRefundExceeds, 0, 0, 0},
		{3_999, nil, 1_714, 1, StatePartiallyRefunded}, // floor(3000*7000/7001) - 1285
		{1, nil, 1, 0, StateRefunded},
		{1, ErrPurchaseUndone, 0, 0, 0},
	} {
		a, err := w.refund(c, r.ID, uuid.NewString(), step.fen)
		if !errors.Is(err, step.want) {
			t.Fatalf("%d fen: got %v, want %v", step.fen, err, step.want)
		}
		if step.want == nil && (a.GivenBackFen != step.givenBack || a.RemainingFen != step.rest || a.State != step.state) {
			t.Errorf("%d fen: %+v", step.fen, a)
		}
	}
	if n := w.count(`SELECT sum(uses + used_fen) FROM usage`); n != 0 {
		t.Errorf("usage of %d left", n)
	}
}

// TestLimitComesBackInProportion: uses only with the last fen.
func TestLimitComesBackInProportion(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plan{terms: limited})
	c := w.till(1)
	r := w.buy(c, "k", 3, 1, 10_000)
	_, err := w.refund(c, r.ID, "r1", 3_500)
	w.must(err)
	if n := w.count(`SELECT count(*) FROM usage WHERE uses = 1 AND used_fen = 1500`); n != 3 {
		t.Errorf("%d of 3 usage rows halved", n)
	}
	_, err = w.refund(c, r.ID, "r2", 3_500)
	w.must(err)
	if n := w.count(`SELECT count(*) FROM usage WHERE uses = 0 AND used_fen = 0`); n != 3 {
		t.Errorf("%d of 3 usage rows empty", n)
	}
}

func TestCapComesBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plan{})
	ans := w.quote(w.till(1), w.codes.PrintedCode(4, 1, w.now()), 100_000)
	r, err := w.commit(w.till(1), "k", string(ans.Token))
	w.must(err)
	_, err = w.refund(w.till(1), r.ID, "r1", 45_000)
	w.must(err)
	if n := w.count(`SELECT discount_fen FROM card_caps`); n != 5_000 {
		t.Errorf("%d fen of the cap used", n)
	}
	_, err = w.desk.Void(w.ctx, w.till(1), r.ID, "v", "", "x")
	w.must(err)
	if n := w.count(`SELECT discount_fen FROM card_caps`); n != 0 {
		t.Errorf("%d fen of the cap used", n)
	}
}

func TestRefundByLine(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plan{terms: `{"v":1,"offers":[
		{"id":"free","title":"赠品","scope":{"skus":["gift"]},"benefit":{"kind":"amount_off","at_fen":500,"off_fen":500},"funding_bp":10000},
		{"id":"nine","title":"九折","scope":{"except_skus":["gift"]},"benefit":{"kind":"percent","rate_bp":9000},"funding_bp":10000}]}`})
	c := w.till(1)
	items := []terms.Item{
		{SKU: "a", QtyMilli: 3_000, UnitPriceFen: 333, AmountFen: 999},
		{SKU: "gift", QtyMilli: 1_000, UnitPriceFen: 500, AmountFen: 500},
		{SKU: "b", QtyMilli: 1_500, UnitPriceFen: 1_000, AmountFen: 1_500},
	}
	r := w.buy(c, "k", 3, 1, 0, items...)
	if r.DiscountFen != 750 || r.PayableFen != 2_249 {
		t.Fatalf("receipt %+v", r)
	}
	for _, step := range []struct {
		lines               []RefundLine
		want                error
		returned, givenBack int64
		state               State
	}{
		{[]RefundLine{{Line: 4}}, ErrRefundLineUnknown, 0, 0, 0},
		{[]RefundLine{{Line: 0}}, ErrRefundLineUnknown, 0, 0, 0},
		{[]RefundLine{{Line: 1, QtyMilli: 3_001}}, ErrRefundExceeds, 0, 0, 0},
		{[]RefundLine{{Line: 1, QtyMilli: -1}}, ErrRefundInvalid, 0, 0, 0},
		{[]RefundLine{{Line: 1}, {Line: 1}}, ErrRefundInvalid, 0, 0, 0},
		{[]RefundLine{{Line: 1, QtyMilli: 1_000}}, nil, 299, 33, StatePartiallyRefunded},
		{[]RefundLine{{Line: 1, QtyMilli: 1_000}}, nil, 300, 33, StatePartiallyRefunded},
		{[]RefundLine{{Line: 1, QtyMilli: 1_001}}, ErrRefundExceeds, 0, 0, 0},
		{[]RefundLine{{Line: 1}, {Line: 3}}, nil, 1_650, 184, StatePartiallyRefunded}, // nothing left to pay back, but the gift
		{[]RefundLine{{Line: 1}}, ErrRefundExceeds, 0, 0, 0},
		{[]RefundLine{{Line: 2}}, nil, 0, 500, StateRefunded},
		{[]RefundLine{{Line: 2}}, ErrPurchaseUndone, 0, 0, 0},
	} {
		a, err := w.refundLines(c, r.ID, uuid.NewString(), step.lines...)
		if !errors.Is(err, step.want) {
			t.Fatalf("%v: got %v, want %v", step.lines, err, step.want)
		}
		if step.want == nil && (a.ReturnedFen != step.returned || a.GivenBackFen != step.givenBack || a.State != step.state) {
			t.Errorf("%v: %+v", step.lines, a)
		}
	}
}

func TestRefundModes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plan{terms: `{"v":1,"offers":[{"id":"free","title":"免费","benefit":{"kind":"amount_off","at_fen":900,"off_fen":900},"scope":{"skus":["gift"]},"funding_bp":10000},
		{"id":"all","title":"减","benefit":{"kind":"amount_off","at_fen":1000,"off_fen":1000},"stack":1,"funding_bp":10000}]}`})
	c := w.till(1)
	item := terms.Item{SKU: "a", QtyMilli: 1_000, UnitPriceFen: 5_000, AmountFen: 5_000}
	r := w.buy(c, "k1", 3, 1, 0, item, item)
	_, err := w.refundLines(c, r.ID, "l1", RefundLine{Line: 1})
	w.must(err)
	_, err = w.refund(c, r.ID, "a1", 100) // by line, then by amount
	w.must(err)
	_, err = w.refundLines(c, r.ID, "l2", RefundLine{Line: 2}) // and no way back
	w.wantErr(err, ErrRefundByLineRefused)
	last, err := w.refund(c, r.ID, "a2", 4_400)
	w.must(err)
	if last.State != StateRefunded {
		t.Errorf("%+v", last)
	}
	bare := w.buy(c, "k2", 3, 2, 5_000)
	_, err = w.refundLines(c, bare.ID, "l3", RefundLine{Line: 1})
	w.wantErr(err, ErrRefundByLineRefused)
	_, err = w.desk.Refund(w.ctx, c, bare.ID, "l4", RefundRequest{})
	w.wantErr(err, ErrRefundInvalid)
	_, err = w.desk.Refund(w.ctx, c, bare.ID, "l4", RefundRequest{AmountFen: 1, Lines: []RefundLine{{Line: 1}}})
	w.wantErr(err, ErrRefundInvalid)
	gift := w.buy(c, "k3", 3, 3, 0, terms.Item{SKU: "gift", QtyMilli: 1_000, UnitPriceFen: 900, AmountFen: 900})
	_, err = w.refund(c, gift.ID, "a3", 1)
	w.wantErr(err, ErrRefundByAmountRefused)
	_, err = w.refundLines(c, gift.ID, "l5", RefundLine{Line: 1})
	w.must(err)
	free := w.buy(c, "k4", 3, 4, 1_000) // all of it discount, and no lines
	_, err = w.refund(c, free.ID, "a4", 1)
	w.wantErr(err, ErrRefundByAmountRefused)
	a, err := w.refundLines(c, free.ID, "l6", RefundLine{Line: 1})
	w.must(err)
	if a.State != StateRefunded || a.GivenBackFen != 1_000 {
		t.Errorf("%+v", a)
	}
}
