package settlement

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"unioncard/settlement/ledger"
)

// dayFigures is what happened on one business day, at all merchants or at one.
type dayFigures struct {
	day     ledger.Day
	index   map[outletKey]int32 // into outlets
	outlets []outletDay
	entries map[int64]*merchantEntries
}

type outletKey struct{ merchant, outlet int64 }

type outletDay struct {
	outletKey
	Figures
}

// merchantEntries are a merchant's adjustments and payments of the day.
type merchantEntries struct {
	adjustments []Adjustment
	payments    []PaymentEntry
}

func newDayFigures(day ledger.Day) *dayFigures {
	return &dayFigures{day: day, index: map[outletKey]int32{}, entries: map[int64]*merchantEntries{}}
}

// outlet returns the figures of an outlet, to be added to at once.
func (d *dayFigures) outlet(merchant, outlet int64) *Figures {
	k := outletKey{merchant, outlet}
	i, ok := d.index[k]
	if !ok {
		i = int32(len(d.outlets))
		d.index[k] = i
		d.outlets = append(d.outlets, outletDay{outletKey: k})
	}
	return &d.outlets[i].Figures
}

func (d *dayFigures) entry(merchant int64) *merchantEntries {
	e := d.entries[merchant]
	if e == nil {
		e = &merchantEntries{}
		d.entries[merchant] = e
	}
	return e
}

// sold counts a purchase of the day.
func (d *dayFigures) sold(merchant, outlet, amount, discount, union int64) {
	f := d.outlet(merchant, outlet)
	f.Purchases++
	f.GrossFen += amount
	f.DiscountFen += discount
	f.MerchantShareFen += discount - union
	f.UnionShareFen += union
}

// undone is an undoing stamped with the day.
type undone struct {
	merchant, outlet               int64
	purchase                       uuid.UUID
	seq                            int32
	kind                           int16 // of purchase_undos
	soldOn                         ledger.Day
	returned, givenBack, fromUnion int64
}

// undoneKinds name the kinds of purchase_undos.
var undoneKinds = [...]string{1: KindVoid, 2: KindReversal, 3: KindRefund, 4: KindRefund}

// took counts an undoing of the day: of a purchase of the same day in its figures, of
// an earlier one as an adjustment.
func (d *dayFigures) took(u *undone) error {
	if int(u.kind) >= len(undoneKinds) || undoneKinds[u.kind] == "" {
		return fmt.Errorf("settlement: undoing of kind %d", u.kind)
	}
	kind := undoneKinds[u.kind]
	if u.soldOn != d.day {
		e := d.entry(u.merchant)
		e.adjustments = append(e.adjustments, Adjustment{Kind: kind, Purchase: u.purchase, Seq: u.seq,
			PurchaseDay: u.soldOn.String(), Outlet: u.outlet, ReturnedFen: u.returned, GivenBackFen: u.givenBack, Fen: -u.fromUnion})
		return nil
	}
	f := d.outlet(u.merchant, u.outlet)
	if kind == KindRefund {
		f.Refunds++
	} else {
		f.Undone++
	}
	f.ReturnedFen += u.returned
	f.GivenBackFen += u.givenBack
	f.UnionBackFen += u.fromUnion
	return nil
}

// readUndone reads the day's undoings, of one merchant or, with 0, of all.
func (d *dayFigures) readUndone(ctx context.Context, tx pgx.Tx, merchant int64) error {
	rows, err := tx.Query(ctx, `SELECT u.merchant_id, p.outlet_id, u.purchase_id, u.seq, u.kind, p.business_day - date '1970-01-01',
			u.returned_fen, u.given_back_fen, u.union_back_fen
		FROM purchase_undos u CROSS JOIN LATERAL (
			SELECT outlet_id, business_day FROM purchases WHERE merchant_id = u.merchant_id AND id = u.purchase_id OFFSET 0) AS p
		WHERE u.business_day = $1 AND ($2 = 0 OR u.merchant_id = $2)`, d.day.Date(), merchant)
	if err != nil {
		return fmt.Errorf("settlement: undoings: %w", err)
	}
	var u undone
	_, err = pgx.ForEachRow(rows, []any{&u.merchant, &u.outlet, &u.purchase, &u.seq, &u.kind, &u.soldOn,
		&u.returned, &u.givenBack, &u.fromUnion}, func() error { return d.took(&u) })
	if err != nil {
		return fmt.Errorf("settlement: undoings: %w", err)
	}
	return nil
}

// readEntries reads what was posted and paid on the day.
func (d *dayFigures) readEntries(ctx context.Context, tx pgx.Tx, merchant int64) error {
	rows, err := tx.Query(ctx, `SELECT merchant_id, id, cause, reason, fen FROM adjustments
		WHERE business_day = $1 AND ($2 = 0 OR merchant_id = $2)`, d.day.Date(), merchant)
	if err != nil {
		return fmt.Errorf("settlement: adjustments: %w", err)
	}
	a, of := Adjustment{Kind: KindPosted}, int64(0)
	_, err = pgx.ForEachRow(rows, []any{&of, &a.ID, &a.Cause, &a.Reason, &a.Fen}, func() error {
		e := d.entry(of)
		e.adjustments = append(e.adjustments, a)
		return nil
	})
	if err != nil {
		return fmt.Errorf("settlement: adjustments: %w", err)
	}
	rows, err = tx.Query(ctx, `SELECT merchant_id, kind, debit, credit, fen FROM transfers
		WHERE business_day = $1 AND kind IN (9, 10) AND ($2 = 0 OR merchant_id = $2)`, d.day.Date(), merchant)
	if err != nil {
		return fmt.Errorf("settlement: payments: %w", err)
	}
	var kind ledger.Kind
	var debit, credit ledger.Account
	var fen int64
	_, err = pgx.ForEachRow(rows, []any{&of, &kind, &debit, &credit, &fen}, func() error {
		p := PaymentEntry{Payment: credit.ID(), Fen: fen}
		if kind == ledger.PaymentReturned {
			p = PaymentEntry{Payment: debit.ID(), Fen: -fen}
		}
		e := d.entry(of)
		e.payments = append(e.payments, p)
		return nil
	})
	if err != nil {
		return fmt.Errorf("settlement: payments: %w", err)
	}
	return nil
}

// sort puts everything in the order of the bodies.
func (d *dayFigures) sort() {
	slices.SortFunc(d.outlets, func(a, b outletDay) int {
		return cmp.Or(cmp.Compare(a.merchant, b.merchant), cmp.Compare(a.outletKey.outlet, b.outletKey.outlet))
	})
	d.index = nil // no more to be added to
	for _, e := range d.entries {
		slices.SortFunc(e.adjustments, func(a, b Adjustment) int {
			return cmp.Or(cmp.Compare(a.ID, b.ID), slices.Compare(a.Purchase[:], b.Purchase[:]), cmp.Compare(a.Seq, b.Seq))
		})
		slices.SortFunc(e.payments, func(a, b PaymentEntry) int {
			return cmp.Or(cmp.Compare(a.Payment, b.Payment), cmp.Compare(b.Fen, a.Fen))
		})
	}
}

// bodies builds the day's bodies without their balances, in the order of the
// merchants: one for each that has anything.
func (d *dayFigures) bodies() []Body {
	d.sort()
	ids := make([]int64, 0, len(d.entries)+len(d.outlets)/2)
	for id := range d.entries {
		ids = append(ids, id)
	}
	for i, o := range d.outlets {
		if i == 0 || d.outlets[i-1].merchant != o.merchant {
			ids = append(ids, o.merchant)
		}
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	out := make([]Body, len(ids))
	at := 0
	for i, id := range ids {
		from := at
		for at < len(d.outlets) && d.outlets[at].merchant == id {
			at++
		}
		out[i] = d.body(id, d.outlets[from:at])
	}
	return out
}

func (d *dayFigures) body(merchant int64, outlets []outletDay) Body {
	b := Body{V: 1, Number: Number(d.day, merchant), Merchant: merchant, Day: d.day.String(),
		Outlets: make([]OutletFigures, len(outlets)), Adjustments: []Adjustment{}, Payments: []PaymentEntry{}}
	for i, o := range outlets {
		b.Outlets[i] = OutletFigures{o.outletKey.outlet, o.Figures}
		b.Figures.add(&o.Figures)
	}
	if e := d.entries[merchant]; e != nil {
		b.Adjustments, b.Payments = append(b.Adjustments, e.adjustments...), append(b.Payments, e.payments...)
	}
	for _, a := range b.Adjustments {
		b.AdjustedFen += a.Fen
	}
	for _, p := range b.Payments {
		b.PaidFen += p.Fen
	}
	b.DueFen = b.UnionShareFen - b.UnionBackFen + b.AdjustedFen
	return b
}

// open sets the opening balance, and with it the closing one.
func (b *Body) open(opening int64) {
	b.OpeningFen = opening
	b.ClosingFen = opening + b.DueFen - b.PaidFen
}
