package recon_test

import (
	"bytes"
	"flag"
	"fmt"
	"testing"
	"time"

	"unioncard/card/sheet"
	"unioncard/settlement/ledger"
	"unioncard/settlement/recon"
)

var (
	benchRows = flag.Int("rows", 200_000, "rows of the file of BenchmarkFile")
	benchXLSX = flag.Bool("xlsx", false, "BenchmarkFile takes an XLSX instead of CSV")
)

// BenchmarkFile measures a till's file from the upload to the differences, of rows
// matched by number (half), by id and by look (a quarter each), one in a thousand
// missing on either side. The issue asks for 200,000 rows in 20 s:
//
//	go test ./settlement/recon -run '^$' -bench File -benchtime 1x
func BenchmarkFile(b *testing.B) {
	for range b.N {
		w := newWorld(b)
		first, last := day, day+ledger.Day(9)
		n := *benchRows
		step := time.Duration(10*24) * time.Hour / time.Duration(n+1)
		step = step.Truncate(time.Millisecond)
		w.exec(`INSERT INTO cards (serial, member_id, number, status, territory, name_masked, valid_until)
			SELECT n, n, 4100000000000001 + n * 10000, 1, 410105, '张*', '2030-12-31' FROM generate_series(1, 1000) n`)
		w.exec(`INSERT INTO purchases (merchant_id, id, terminal_id, idem_key, request_hash, state, outlet_id, contract_id, terms_version, card_serial,
				code_kind, code_key, quote_id, quoted_at, amount_fen, discount_fen, union_share_fen, applied, merchant_ref, business_day, committed_at)
			SELECT $1, (lpad(to_hex(round(extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7000' || '8' || lpad(to_hex(n), 15, '0'))::uuid, 1, 'k' || n, '\x00', 1, $2, 1, 1,
				1 + n % 1000, 1, n, n, at, 1000 + n % 5000, 100, 0, '[]', CASE WHEN n % 4 < 2 THEN 'R' || n END, (at AT TIME ZONE 'Asia/Shanghai')::date, at
			FROM (SELECT n, $3::timestamptz + n * $4::interval AS at FROM generate_series(1, $5) n) x WHERE n % 1000 <> 1`,
			w.shop, w.outlet, first.Start(), step, n)
		w.exec(`ANALYZE purchases`)
		data := benchFile(b, w, first, step, n)
		began := time.Now()
		id, err := w.store.Upload(w.ctx, recon.Upload{MerchantID: w.shop, By: owner, First: first, Last: last, Rows: -1, Body: bytes.NewReader(data)})
		w.must(err)
		w.work()
		b.ReportMetric(time.Since(began).Seconds(), "s")
		b.ReportMetric(float64(n)/time.Since(began).Seconds(), "rows/s")
		b.ReportMetric(0, "ns/op")
		c := w.get(id)
		if f := c.Current; f == nil || f.ByID+f.ByRef+f.ByLook+c.Open < n*998/1000 || c.Open > n*3/1000+2 {
			b.Fatalf("%+v %+v", c, c.Newest)
		}
	}
}

func benchFile(b *testing.B, w *world, first ledger.Day, step time.Duration, n int) []byte {
	b.Helper()
	var out bytes.Buffer
	heads := []string{"优惠单号", "收银单号", "交易时间", "消费金额", "优惠金额", "会员卡号", "备注"}
	var to sheet.Writer
	var err error
	if *benchXLSX {
		cols := make([]sheet.Column, len(heads))
		for i := range cols {
			cols[i] = sheet.Column{Head: heads[i], Width: 12}
		}
		to, err = sheet.NewXLSX(&out, "交易", cols, nil)
	} else if to, err = sheet.NewCSV(&out); err == nil {
		err = to.Write(heads)
	}
	w.must(err)
	var total int64
	for i := 1; i <= n; i++ {
		if i%1000 == 2 {
			continue
		}
		at := first.Start().Add(time.Duration(i) * step)
		id, ref := "", ""
		switch i % 4 {
		case 0, 1:
			ref = fmt.Sprint("R", i)
		case 2:
			id = fmt.Sprintf("%012x70008%015x", at.UnixMilli(), i)
			id = id[:8] + "-" + id[8:12] + "-" + id[12:16] + "-" + id[16:20] + "-" + id[20:]
		}
		fen := int64(1000 + i%5000)
		total += fen
		w.must(to.Write([]string{id, ref, at.In(beijing).Format("2006-01-02 15:04:05"), fmt.Sprintf("%d.%02d", fen/100, fen%100), "1.00", "41** **** **** 0001", "堂食"}))
	}
	w.must(to.Write([]string{"合计", "", "", fmt.Sprintf("%d.%02d", total/100, total%100)}))
	w.must(to.Close())
	return out.Bytes()
}
