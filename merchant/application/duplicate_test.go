package application_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"unioncard/merchant"
	"unioncard/merchant/application"
)

// TestDuplicates: found across offices by each of the four marks.
func TestDuplicates(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	lon, lat := 113.6653, 34.7579
	base := document(jinshui)
	base.Code, base.LegalName, base.Contact.Phone = freshCode(), "甲公司", "13800000001"
	base.Outlets[0].Address, base.Outlets[0].Lon, base.Outlets[0].Lat = "农业路1号", &lon, &lat
	fresh := func() application.Document {
		d := document(jianxi)
		d.Code, d.LegalName, d.Contact.Phone = freshCode(), "乙公司", "13800000002"
		return d
	}
	a := w.apply(base)
	if twins, err := w.store.Duplicates(w.ctx, a); err != nil || len(twins) != 0 {
		t.Fatalf("alone: %v, %v", twins, err)
	}
	tests := []struct {
		name string
		make func() application.Document
		want []application.Match
	}{
		{"code", func() application.Document { d := fresh(); d.Code = base.Code; return d }, []application.Match{application.SameCode}},
		{"name in another form", func() application.Document {
			d := fresh()
			d.LegalName = " 甲公司（有限责任公司） "
			return d
		}, []application.Match{application.SameName}},
		{"phone", func() application.Document { d := fresh(); d.Contact.Phone = "138-0000-0001"; return d }, []application.Match{application.SamePhone}},
		{"address", func() application.Document {
			d := fresh()
			d.Outlets[0] = application.Outlet{Name: "店", Address: "河南省 农业路１号", Territory: jinshui}
			return d
		}, []application.Match{application.SameAddress}},
		{"20 metres away", func() application.Document {
			d, x := fresh(), lon+0.0002
			d.Outlets[0] = application.Outlet{Name: "店", Address: "不同写法", Territory: jinshui, Lon: &x, Lat: &lat}
			return d
		}, []application.Match{application.SameAddress}},
		{"200 metres away", func() application.Document {
			d, x := fresh(), lon+0.002
			d.Outlets[0] = application.Outlet{Name: "店", Address: "别处", Territory: jinshui, Lon: &x, Lat: &lat}
			return d
		}, nil},
	}
	for _, tt := range tests {
		b := w.apply(tt.make())
		twins, err := w.store.Duplicates(w.ctx, b)
		if err != nil {
			t.Fatal(err)
		}
		var got []application.Match
		for _, d := range twins {
			if d.Kind == "application" && d.ID == a.ID {
				got = d.Matches
				if d.Office != "金水区总工会" {
					t.Errorf("%s: office %q", tt.name, d.Office)
				}
			}
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
		w.move(b.ID, "withdraw", true) // no longer in the way of the next
	}
}

// TestDuplicateMerchants: a merchant is found by its details and by its name, and
// one of the own office is joined rather than made twice.
func TestDuplicateMerchants(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.reviewed(document(jinshui))
	_, err := w.store.Accept(w.ctx, by, first.ID, first.Version, w.year())
	w.must(err)
	old := w.get(first.ID).MerchantID
	d := document(jinshui)
	d.Outlets = append(d.Outlets, application.Outlet{Name: "新店", Address: "文化路9号", Territory: jinshui})
	second := w.reviewed(d)
	_, err = w.store.Accept(w.ctx, by, second.ID, second.Version, w.year())
	var fields merchant.FieldErrors
	if !errors.As(err, &fields) || fields.On("merchant_id") == "" {
		t.Fatalf("a second merchant of the same code: %v", err)
	}
	other, err := merchant.NewStore(w.pool, w.clock.Now).CreateMerchant(w.ctx, by, merchant.NewMerchant{
		OfficeID: w.unions[luoyang], Name: "别家", Trade: merchant.TradeCatering})
	w.must(err)
	// The same company under another office: still not this office's to sign for.
	w.must(w.store.SetDetails(w.ctx, by, other, 0, application.Details{Code: goodCode}))
	join := w.year()
	for _, forged := range []int64{other, old + 1_000_000} {
		join.MerchantID = forged
		if _, err := w.store.Accept(w.ctx, by, second.ID, second.Version, join); !errors.Is(err, merchant.ErrNotFound) {
			t.Errorf("a forged merchant %d: %v", forged, err)
		}
	}
	join.MerchantID = old
	contract, err := w.store.Accept(w.ctx, by, second.ID, second.Version, join)
	w.must(err)
	if n := w.count(`SELECT count(*) FROM contracts WHERE merchant_id = $1`, old); n != 2 || contract == 0 {
		t.Errorf("%d contracts", n)
	}
	if n := w.count(`SELECT count(*) FROM outlets WHERE merchant_id = $1`, old); n != 2 {
		t.Errorf("%d outlets: only the new one is added", n)
	}
}

// TestReentry: a company that left for cause is flagged and can't be accepted
// before its day.
func TestReentry(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	gone, err := merchant.NewStore(w.pool, w.clock.Now).CreateMerchant(w.ctx, by, merchant.NewMerchant{
		OfficeID: w.unions[luoyang], Name: document().LegalName, Trade: merchant.TradeCatering})
	w.must(err)
	w.must(merchant.NewStore(w.pool, w.clock.Now).ExitMerchant(w.ctx, by, gone))
	until := w.clock.Now().AddDate(0, 6, 0)
	w.store.Barred = func(_ context.Context, _ merchant.DB, id int64) (time.Time, error) {
		if id != gone {
			return time.Time{}, nil
		}
		return until, nil
	}
	a := w.reviewed(document(jinshui))
	twins, err := w.store.Duplicates(w.ctx, a)
	w.must(err)
	if len(twins) != 1 || !twins[0].Barred.Equal(until) {
		t.Fatalf("not flagged: %+v", twins)
	}
	_, err = w.store.Accept(w.ctx, by, a.ID, a.Version, w.year())
	var fields merchant.FieldErrors
	if !errors.As(err, &fields) || fields.On("reentry") == "" {
		t.Errorf("accepted: %v", err)
	}
	w.clock.add(200 * 24 * time.Hour)
	if _, err := w.store.Accept(w.ctx, by, a.ID, a.Version, w.year()); err != nil {
		t.Errorf("after its day: %v", err)
	}
}
