package paper_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/xuri/excelize/v2"

	"unioncard/settlement"
	"unioncard/settlement/ledger"
	"unioncard/settlement/paper"
)

// statement has n adjustments by undoing and one that was posted.
func statement(t testing.TB, n int) (*settlement.Statement, paper.Names) {
	t.Helper()
	b := settlement.Body{V: 1, Number: "JS20261122-7", Merchant: 7, Day: "2026-11-22", OpeningFen: 100, DueFen: 123456, PaidFen: 100, ClosingFen: 123456,
		AdjustedFen: -400, Figures: settlement.Figures{Purchases: 3, GrossFen: 500000, DiscountFen: 200000, MerchantShareFen: 76144, UnionShareFen: 123856},
		Outlets:  []settlement.OutletFigures{{Outlet: 1, Figures: settlement.Figures{Purchases: 3, GrossFen: 500000}}, {Outlet: 2}},
		Payments: []settlement.PaymentEntry{{Payment: 9, Fen: 100}}}
	for i := range n {
		b.Adjustments = append(b.Adjustments, settlement.Adjustment{Kind: settlement.KindRefund, Purchase: uuid.UUID{15: byte(i)}, Seq: 1,
			PurchaseDay: "2026-11-21", Outlet: 1, ReturnedFen: 900, GivenBackFen: 100, Fen: -40})
	}
	b.Adjustments = append(b.Adjustments, settlement.Adjustment{Kind: settlement.KindPosted, ID: 1, Cause: "difference",
		Reason: "=HYPERLINK(\"x\") 离线收银的一笔补记，商家已提供小票", Fen: 4000})
	body, sum, err := b.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	day, err := ledger.ParseDay("2026-11-22")
	if err != nil {
		t.Fatal(err)
	}
	return &settlement.Statement{ID: 1, Number: b.Number, MerchantID: 7, Day: day, Body: body, SHA256: sum,
			ClosedAt: time.Date(2026, 11, 23, 0, 5, 0, 0, time.FixedZone("CST", 8*3600))},
		paper.Names{Merchant: "郑州示范餐饮有限公司", Office: "金水区总工会", Outlets: map[int64]string{1: "花园路店", 2: "经三路店"}}
}

// TestPDF: the same statement gives the same bytes, whatever the day, and says what
// it should.
func TestPDF(t *testing.T) {
	t.Parallel()
	font, err := paper.Font()
	if err != nil {
		t.Fatalf("%v: .ci/deps installs fonts-wqy-microhei", err)
	}
	for _, n := range []int{2, 700} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			s, names := statement(t, n)
			first, err := paper.PDF(font, s, names)
			if err != nil {
				t.Fatal(err)
			}
			s.ClosedAt = s.ClosedAt.UTC() // as another node's zone gives it
			s.State, s.Version = settlement.StatePaid, 9
			second, err := paper.PDF(font, s, names)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(first, second) {
				t.Error("two writings differ")
			}
			if !bytes.HasPrefix(first, []byte("%PDF-")) || len(first) > 2<<20 {
				t.Errorf("%d bytes", len(first))
			}
			if pages := bytes.Count(first, []byte("/Type /Page\n")); (n == 2) != (pages == 1) {
				t.Errorf("%d pages for %d adjustments", pages, n)
			}
		})
	}
}

// TestRareLetters: letters beyond the basic plane, which the library fails on, are
// printed as a mark in names and reasons, and are whole in the workbook.
func TestRareLetters(t *testing.T) {
	t.Parallel()
	font, err := paper.Font()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"𠮷野家", "\U00010000店", "好味😀", "\xf0\x9f店", "\uffff"} {
		s, names := statement(t, 1)
		names.Merchant, names.Office, names.Outlets[1] = name, name, strings.Repeat(name, 30)
		if _, err := paper.PDF(font, s, names); err != nil {
			t.Errorf("%q: %v", name, err)
		}
		if _, err := paper.XLSX(s, names); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// TestXLSX: the same bytes, amounts as numbers, texts as texts.
func TestXLSX(t *testing.T) {
	t.Parallel()
	s, names := statement(t, 2)
	first, err := paper.XLSX(s, names)
	if err != nil {
		t.Fatal(err)
	}
	for range 20 { // maps have another order each time
		second, err := paper.XLSX(s, names)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(first, second) {
			t.Fatal("two writings differ")
		}
	}
	f, err := excelize.OpenReader(bytes.NewReader(first))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got := strings.Join(f.GetSheetList(), " "); got != "结算单 按门店 调整 本日付款" {
		t.Errorf("sheets %s", got)
	}
	for at, want := range map[string]string{"结算单!B2": "JS20261122-7", "结算单!B7": "1,234.56", "按门店!A2": "花园路店", "按门店!C2": "5,000.00",
		"调整!A2": "退款", "调整!E2": "-0.40", "调整!A4": "对账差异", "本日付款!A2": "FK9"} {
		sheet, cell, _ := strings.Cut(at, "!")
		if got, err := f.GetCellValue(sheet, cell); err != nil || got != want {
			t.Errorf("%s is %q, want %q (%v)", at, got, want, err)
		}
	}
	if formula, err := f.GetCellFormula("调整", "B4"); err != nil || formula != "" {
		t.Errorf("a reason became the formula %q (%v)", formula, err)
	}
}

// FuzzFace: whatever lies where the font should be is taken or refused.
func FuzzFace(f *testing.F) {
	f.Add([]byte("ttcf"))
	f.Add([]byte("ttcf\x00\x01\x00\x00\x00\x00\x00\x01\x00\x00\x00\x10\x00\x01\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00glyf\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff"))
	f.Add([]byte("\x00\x01\x00\x00"))
	f.Fuzz(func(t *testing.T, file []byte) {
		out, err := paper.Face(file)
		if err == nil && len(out) > 65*len(file)+1024 {
			t.Errorf("%d bytes of %d", len(out), len(file))
		}
	})
}
