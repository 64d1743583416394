package recon

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"unioncard/card/sheet"
	"unioncard/settlement/ledger"
)

var testLimits = func() sheet.Limits {
	l := sheet.DefaultLimits()
	l.Rows = 1000
	return l
}()

// readCSV reads a file of the day of noon.
func readCSV(t testing.TB, text string, asked, remembered Columns, said *totals) (*table, error) {
	t.Helper()
	in, err := sheet.Open(strings.NewReader(text), int64(len(text)), testLimits)
	if err != nil {
		return nil, err
	}
	day := ledger.DayOf(noon)
	return readTable(in, asked, remembered, day, day, said, func(float64) error { return nil })
}

func TestMoney(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{
		"12": 1200, "12.3": 1230, "12.34": 1234, "1,234.50": 123450, "¥12.00": 1200, "12元": 1200, "-5.00": -500, "(5.00)": -500, "0": 0, "12.3400": 1234,
		"1000000.00": MaxFen, " 7 ": 700,
	} {
		if got, ok := money(sheet.Cell{Text: text}, false); !ok || got != want {
			t.Errorf("%q is %d, %v", text, got, ok)
		}
	}
	for _, text := range []string{"", "-", "12.345", "1e3", "十二", "12.", "1000000.01", "99999999999999999999", "0x10", "--5", "NaN", "∞", "1.2.3", "."} {
		if got, ok := money(sheet.Cell{Text: text}, false); ok && text != "12." {
			t.Errorf("%q is %d", text, got)
		}
	}
	for text, want := range map[string]int64{"12.299999999999999": 1230, "1.2345E2": 12345, "1000000": MaxFen, "-3.5": -350} {
		if got, ok := money(sheet.Cell{Text: text, Kind: sheet.Number}, false); !ok || got != want {
			t.Errorf("the number %q is %d, %v", text, got, ok)
		}
	}
	for _, text := range []string{"12.345", "1e300", "NaN", "Inf", "1000000.5"} {
		if got, ok := money(sheet.Cell{Text: text, Kind: sheet.Number}, false); ok {
			t.Errorf("the number %q is %d", text, got)
		}
	}
	if got, ok := money(sheet.Cell{Text: "1234"}, true); !ok || got != 1234 {
		t.Errorf("in fen: %d, %v", got, ok)
	}
	if _, ok := money(sheet.Cell{Text: "12.5"}, true); ok {
		t.Error("half a fen")
	}
}

// TestTimes: tills write a moment in many ways.
func TestTimes(t *testing.T) {
	t.Parallel()
	want := time.Date(2026, 6, 1, 9, 5, 0, 0, beijing)
	for _, text := range []string{"2026-06-01 09:05:00", "2026/6/1 9:05", "20260601090500", "2026-06-01T09:05:00+08:00", "2026-06-01T01:05:00Z",
		"2026年6月1日 09:05", "2026年6月1日09:05:00", "09:05", "9:05:00", "2026.6.1 09:05"} {
		got, err := readCSV(t, "时间,金额\n"+text+",1\n", nil, nil, &totals{1, 100})
		if err != nil || !got.rows[0].At.Equal(want) {
			t.Errorf("%q is %v, %v", text, got.rows, err)
		}
	}
	got, err := readCSV(t, "交易日期,交易时间,金额\n20260601,09:05,1\n", nil, nil, &totals{1, 100})
	if err != nil || !got.rows[0].At.Equal(want) {
		t.Errorf("date and time apart: %+v, %v", got, err)
	}
	for _, text := range []string{"昨天", "2026-13-01 09:05", "25:00"} {
		if got, err := readCSV(t, "时间,金额\n"+text+",1\n", nil, nil, &totals{1, 100}); err == nil {
			t.Errorf("%q is %v", text, got.rows)
		}
	}
	r := rules{}
	if at, ok := r.moment(sheet.Cell{Text: "46174.378472222219", Kind: sheet.Number}, timeLayouts()); !ok || !at.Equal(want) {
		t.Errorf("a spreadsheet's number is %v", at)
	}
	r.date1904 = true
	if at, ok := r.moment(sheet.Cell{Text: "44712.378472222219", Kind: sheet.Number}, timeLayouts()); !ok || !at.Equal(want) {
		t.Errorf("a number since 1904 is %v", at)
	}
}

// TestReadTable: the columns are found, returns are told, and the third amount follows
// from two.
func TestReadTable(t *testing.T) {
	t.Parallel()
	id := uuid.MustParse("0197a0c8-0000-7000-8000-000000000001")
	got, err := readCSV(t, "某某商店交易明细\n优惠单号,收银单号（必填）,交易时间,消费金额(元),优惠,会员卡号,类型,备注\n"+
		id.String()+",A1,2026-06-01 12:00:00,100.00,10,41** **** **** 0123,消费,=cmd|x\n"+
		"不是单号,A2,2026-06-01 12:01:00,\"1,000.00\",,,退款,\n合计,,,-900,,,,\n", nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []Row{{No: 3, ID: id, Ref: "A1", At: noon, Last4: 123, Sums: Sums{10000, 1000, 9000, hasAll}},
		{No: 4, Ref: "A2", At: noon.Add(time.Minute), Last4: -1, Return: true, Sums: Sums{-100000, 0, -100000, hasAll}}}
	if diff := cmp.Diff(want, got.rows); diff != "" {
		t.Error(diff)
	}
	if got.total != -90000 {
		t.Errorf("total %d", got.total)
	}
	if got, err = readCSV(t, "单号,实付金额,优惠金额\n1,9,1\n", nil, nil, &totals{1, 1000}); err != nil || got.rows[0].Fen != 1000 {
		t.Errorf("without the amount: %+v, %v", got, err)
	}
	if got, err = readCSV(t, "merchant_ref,amount_fen\n1,999\n", nil, nil, &totals{1, 999}); err != nil || got.rows[0].Fen != 999 {
		t.Errorf("in fen: %+v, %v", got, err)
	}
}

// TestColumnsAreRemembered: what was named once is found under its heading, in
// whatever order; a file with another heading asks again.
func TestColumnsAreRemembered(t *testing.T) {
	t.Parallel()
	cols := Columns{FieldRef: "甲", FieldFen: "乙"}
	if _, err := readCSV(t, "甲,乙\n1,2\n", nil, nil, &totals{1, 200}); !errors.Is(err, errColumns) {
		t.Errorf("unknown headings: %v", err)
	}
	for name, asked := range map[string]Columns{"asked": cols, "remembered": nil} {
		got, err := readCSV(t, "丙,乙,甲\n3,2,1\n", asked, cols, &totals{1, 200})
		if err != nil || got.rows[0].Ref != "1" || got.rows[0].Fen != 200 {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if got, err := readCSV(t, "单号,金额\n1,2\n", nil, cols, &totals{1, 200}); err != nil || got.columns[FieldRef] != "单号" {
		t.Errorf("another till's file: %+v, %v", got, err)
	}
	if _, err := readCSV(t, "单号,乙\n1,2\n", cols, nil, &totals{1, 200}); !errors.Is(err, errColumns) {
		t.Errorf("the file is not the one that was asked about: %v", err)
	}
	for want, c := range map[string]Columns{"消费金额": {FieldRef: "甲"}, "优惠单号": {FieldFen: "乙"}, "不能既是": {FieldRef: "甲", FieldFen: "甲"},
		"交易时间": {FieldRef: "甲", FieldFen: "乙", FieldDate: "丙"}} {
		if got := c.Fault(); !strings.Contains(got, want) {
			t.Errorf("%v: %q", c, got)
		}
	}
}

// TestRefusedTables: what is wrong with a file as a whole is told by a code, and what
// is wrong with rows by their numbers.
func TestRefusedTables(t *testing.T) {
	t.Parallel()
	wide := strings.Repeat("x,", 1_000_000)
	for _, c := range []struct{ name, text, code, words string }{
		{"nothing", "单号,金额\n", "no_rows", ""},
		{"an amount that is none", "单号,金额\n1,2\n2,abc\n", "rows", "第 3 行消费金额“abc”不是金额"},
		{"a formula", "单号,金额\n1,=1+1\n", "rows", "公式"},
		{"a million columns", "单号,金额\n1,2," + wide + "\n", "rows", "第 2 行"},
		{"a heading of a million columns", "单号,金额," + wide + "\n1,2\n", "heading", "列太多"},
		{"more rows than are told", "单号,金额\n" + strings.Repeat("1,x\n", 9), "rows", "等共 9 行"},
		{"wrong count", "单号,金额\n1,2\n2,3\n", "totals", "您填的是 1 笔"},
		{"wrong total at its foot", "单号,金额\n1,2\n合计,3\n", "totals", "合计行写的是 3.00 元"},
		{"a foot that is no amount", "单号,金额\n1,2\n合计,三\n", "totals", "不是金额"},
		{"another day's", "时间,金额\n2026-05-01 12:00,1\n", "other_days", "2026-05-01"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			said := &totals{1, 100}
			if strings.Contains(c.text, "合计") {
				said = nil
			}
			_, err := readCSV(t, c.text, nil, nil, said)
			fault, ok := asFault(err)
			if !ok || fault.Code != c.code || !strings.Contains(fault.Message, c.words) {
				t.Errorf("%v %+v", err, fault)
			}
		})
	}
	if _, err := readCSV(t, "单号,金额\n1,2\n", nil, nil, nil); err == nil || !strings.Contains(err.(*sheet.Error).Message, "1 笔、合计 2.00 元") { //nolint:errorlint,forcetypeassert // as made
		t.Errorf("without totals: %v", err)
	}
}

// FuzzReadTable: no file crashes the reader; what it reads adds up and stays in bounds.
func FuzzReadTable(f *testing.F) {
	f.Add([]byte("单号,金额\n1,2\n合计,2\n"))
	f.Add([]byte("时间,实付,优惠,卡号,类型\n2026-06-01 12:00,9,1,0123,退\n"))
	f.Add([]byte("优惠单号,金额(分)\n0197a0c8-0000-7000-8000-000000000001,-100\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		in, err := sheet.Open(bytes.NewReader(data), int64(len(data)), testLimits)
		if err != nil {
			return
		}
		day := ledger.DayOf(noon)
		got, err := readTable(in, nil, nil, day, day, nil, func(float64) error { return nil })
		if err != nil {
			return
		}
		var sum int64
		for _, r := range got.rows {
			sum += r.main()
			if max(r.Fen, -r.Fen) > 2*MaxFen || r.Last4 < -1 || r.Last4 > 9999 || r.Return && r.main() > 0 {
				t.Errorf("%+v", r)
			}
		}
		if sum != got.total {
			t.Errorf("total %d, rows %d", got.total, sum)
		}
	})
}
