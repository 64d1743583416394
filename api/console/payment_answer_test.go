package console

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"unioncard/card/sheet"
	"unioncard/merchant"
	"unioncard/settlement"
)

// TestReadAnswers: a bank's answer is read by its headings, all of it or nothing.
func TestReadAnswers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		file  string
		want  []settlement.LineAnswer
		fault string
	}{
		"as sent, with results": {file: "\uFEFF序号,收款户名,收款账号,开户银行,金额（元）,用途,结果,银行流水号,失败原因\r\n1,甲,1,行,\"1,811.85\",x,成功,A1,\r\n2,乙,2,行,0.07,x,交易失败,,账号户名不符\r\n合计,2 笔,,,1811.92,FK7,,,\r\n",
			want: []settlement.LineAnswer{{No: 1, Fen: 181185, Paid: true, Ref: "A1"}, {No: 2, Fen: 7, Note: "账号户名不符"}}},
		"words before the heading": {file: "某银行代付回单\n序号,金额,结果\n1,5,未成功\n", want: []settlement.LineAnswer{{No: 1, Fen: 500, Note: "未成功"}}},
		"no heading":               {file: "1,5,成功\n", fault: "没有找到表头"},
		"no amounts":               {file: "序号,结果\n1,成功\n", fault: "没有“金额”一列"},
		"nothing":                  {file: "序号,金额,结果\n合计,,\n", fault: "没有内容"},
		"unclear":                  {file: "序号,金额,结果\n1,5,处理中\n", fault: "第 2 行：结果看不懂"},
		"amount":                   {file: "序号,金额,结果\n1,-5,成功\n", fault: "金额不对"},
		"formula":                  {file: "序号,金额,结果\n1,=1+1,成功\n", fault: "第 2 行"},
		"not done":                 {file: "序号,金额,结果\n1,5,未完成\n", fault: "第 2 行：结果看不懂"},
		"in part":                  {file: "序号,金额,结果\n1,5,部分成功\n", fault: "第 2 行：结果看不懂"},
		"none":                     {file: "序号,金额,结果\n1,5,没有成功\n", fault: "第 2 行：结果看不懂"},
		"of another payment":       {file: "序号,金额,用途,结果\n1,5,会员卡优惠结算 FK8 商家3,成功\n", fault: "第 2 行：这是付款 FK8 的，不是 FK7 的"},
		"totals of another one":    {file: "序号,金额,用途,结果\n1,5,x,成功\n合计,5.00,FK71,\n", fault: "第 3 行：这是付款 FK71 的，不是 FK7 的"},
		"of this payment":          {file: "序号,金额,用途,结果\n1,5,会员卡优惠结算 FK7 商家3,成功\n合计,5.00,FK7,\n", want: []settlement.LineAnswer{{No: 1, Fen: 500, Paid: true}}},
		"number":                   {file: "序号,金额,结果\n99999999999,5,成功\n", fault: "序号不对"},
	} {
		got, err := readAnswers(strings.NewReader(c.file), int64(len(c.file)), "FK7")
		faults, _ := errors.AsType[merchant.FieldErrors](err)
		if c.fault != "" {
			if !strings.Contains(faults.On("answer"), c.fault) {
				t.Errorf("%s: %v %v", name, got, err)
			}
			continue
		}
		if d := cmp.Diff(c.want, got); d != "" || err != nil {
			t.Errorf("%s: %v %s", name, err, d)
		}
	}
}

// FuzzReadAnswers: whatever a bank sends, it is answers, faults of rows, or a file
// that can't be read.
func FuzzReadAnswers(f *testing.F) {
	f.Add([]byte("序号,金额,结果\n1,5,成功\n"))
	f.Add([]byte("PK\x03\x04"))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := readAnswers(bytes.NewReader(data), int64(len(data)), "FK7")
		_, rows := errors.AsType[merchant.FieldErrors](err)
		_, file := errors.AsType[*sheet.Error](err)
		if err != nil && !rows && !file {
			t.Fatal(err)
		}
		for _, a := range got {
			if a.No < 1 || a.Fen < 0 || !a.Paid && a.Note == "" {
				t.Fatalf("read %+v", a)
			}
		}
	})
}
