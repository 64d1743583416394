package intake_test

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/xuri/excelize/v2"

	"unioncard/card/union"
	"unioncard/card/union/staff"
	"unioncard/merchant"
	"unioncard/merchant/application"
	"unioncard/merchant/file"
	"unioncard/merchant/intake"
	"unioncard/merchant/signing"
	"unioncard/merchant/terms"
	"unioncard/migrations/pgtest"
)

var noon = time.Date(2026, 6, 1, 4, 0, 0, 0, time.UTC)

// sheet is a workbook's rows below the headings, by sheet.
type sheets map[string][][]string

var heads = map[string][]string{
	"商家": {"序号", "统一社会信用代码", "名称", "品牌", "行业"},
	"门店": {"商家序号", "门店名称", "地址", "区划代码", "经度", "纬度"},
	"协议": {"商家序号", "开始日期", "结束日期", "退款期天数", "随省条款", "优惠"},
}

func good() sheets {
	return sheets{
		"商家": {{"1", "91410000170001401D", "老郑州烩面有限公司", "", "餐饮"}},
		"门店": {{"1", "花园路店", "郑州市金水区花园路1号", "410105", "113.68", "34.78"}, {"1", "经三路店", "郑州市金水区经三路2号", "410105", "", ""}},
		"协议": {{"1", "2026-01-01", "2027-12-31", "30", "是", "8.8折"}},
	}
}

func (s sheets) write(t testing.TB) []byte {
	t.Helper()
	f := excelize.NewFile()
	for name, head := range heads {
		if _, err := f.NewSheet(name); err != nil {
			t.Fatal(err)
		}
		for i, row := range append([][]string{head}, s[name]...) {
			if err := f.SetSheetRow(name, fmt.Sprintf("A%d", i+1), &row); err != nil {
				t.Fatal(err)
			}
		}
	}
	var out bytes.Buffer
	if err := f.Write(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

type world struct {
	*testing.T
	ctx     context.Context
	pool    *pgxpool.Pool
	store   *intake.Store
	signing *signing.Store
	maker   *staff.Account
	checker *staff.Account
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, ctx: t.Context(), pool: pgtest.New(t)}
	clock := func() time.Time { return noon }
	var unions map[int32]int64
	w.must(pgx.BeginFunc(w.ctx, w.pool, func(tx pgx.Tx) (err error) {
		unions, err = union.SeedHenan(w.ctx, tx)
		return err
	}))
	files, err := file.New(file.Options{DB: w.pool, Dir: t.TempDir(), Clock: clock})
	w.must(err)
	vault := application.NewVault(func() []application.VaultKey {
		return []application.VaultKey{{ID: 1, Secret: bytes.Repeat([]byte{7}, 32)}}
	})
	w.store = intake.New(w.pool, clock, application.New(application.Options{DB: w.pool, Vault: vault, Files: files, Clock: clock}))
	w.signing = signing.New(w.pool, signing.Options{Clock: clock, Kinds: []signing.Kind{w.store.Kind()}})
	w.maker = w.account("maker", unions[410105], staff.Negotiator)
	w.checker = w.account("checker", unions[410105], staff.Approver)
	// The province asks for 9 折 in restaurants.
	shops := merchant.NewStore(w.pool, clock)
	by := merchant.By{Actor: "test", Reason: "test"}
	_, err = shops.PublishCategories(w.ctx, by, []merchant.Category{{Code: "drink", Name: "饮料"}}, nil)
	w.must(err)
	_, err = shops.PublishFloor(w.ctx, by, merchant.NewFloor{Trade: merchant.TradeCatering, Effective: noon.AddDate(-1, 0, 0), DeadlineDays: 30,
		Terms: []byte(`{"v":1,"offers":[{"id":"f","title":"九折","benefit":{"kind":"percent","rate_bp":9000},"funding_bp":10000}]}`)})
	w.must(err)
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) account(login string, unionID int64, role staff.Role) *staff.Account {
	w.Helper()
	a := &staff.Account{Login: login, Name: login, UnionID: unionID, Roles: []staff.Role{role}}
	w.must(w.pool.QueryRow(w.ctx, `WITH s AS (INSERT INTO staff (login, name, union_id, roles, password, password_at, created_at)
		VALUES ($1, $1, $2, $3, 'none', now(), now()) RETURNING id)
		SELECT s.id, u.path FROM s, unions u WHERE u.id = $2`, login, unionID, []string{string(role)}).Scan(&a.ID, &a.Path))
	return a
}

func (w *world) count(table string) (n int) {
	w.Helper()
	w.must(w.pool.QueryRow(w.ctx, `SELECT count(*) FROM `+table).Scan(&n))
	return n
}

func (w *world) check(s sheets) *intake.Run {
	w.Helper()
	r, err := w.store.Check(w.ctx, w.maker, "老商家.xlsx", s.write(w))
	w.must(err)
	return r
}

// A workbook is checked, approved by another person, and taken in whole, once.
func TestImport(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before := w.count("changes") + w.count("events")
	r := w.check(good())
	kept, err := w.store.Get(w.ctx, r.ID)
	w.must(err)
	want := intake.Report{Merchants: 1, Outlets: 2, Contracts: 1, Rows: []intake.Row{{Name: "老郑州烩面有限公司", Code: "91410000170001401D",
		Trade: merchant.TradeCatering, Outlets: []string{"花园路店（郑州市金水区花园路1号）", "经三路店（郑州市金水区经三路2号）"},
		From: time.Date(2025, 12, 31, 16, 0, 0, 0, time.UTC), Until: time.Date(2027, 12, 31, 16, 0, 0, 0, time.UTC), Clause: true, Offers: "8.8折"}}}
	if diff := cmp.Diff(want, kept.Report); diff != "" {
		t.Fatal(diff)
	}
	if n := w.count("merchants") + w.count("outlets") + w.count("contracts") + w.count("changes") + w.count("events") - before; n != 1 {
		t.Fatalf("the dry run left %d rows, want its own event alone", n)
	}
	id, err := w.signing.Propose(w.ctx, w.maker, intake.KindApply, r.Object(), r.OfficeID, struct{}{}, "老协议补录")
	w.must(err)
	w.must(w.signing.Decide(w.ctx, w.checker, id, true, "已核对"))
	if m, o, c := w.count("merchants"), w.count("outlets"), w.count("contracts WHERE status = 'active' AND floor_clause"); m != 1 || o != 2 || c != 1 {
		t.Errorf("%d merchants, %d outlets, %d contracts", m, o, c)
	}
	var offer string
	w.must(w.pool.QueryRow(w.ctx, `SELECT terms->'offers'->0->'benefit'->>'rate_bp' FROM contract_terms`).Scan(&offer))
	if offer != "8800" {
		t.Errorf("rate %s", offer)
	}
	if _, err := w.signing.Propose(w.ctx, w.maker, intake.KindApply, r.Object(), r.OfficeID, struct{}{}, "再来"); !errors.Is(err, intake.ErrTaken) {
		t.Errorf("taken in twice: %v", err)
	}
	again := w.check(good())
	if again.Report.Good() || !strings.Contains(again.Report.Faults[0].What, "已经在网络中") {
		t.Errorf("the same merchant again: %+v", again.Report)
	}
}

// What was good when it was checked and is not any more is refused whole.
func TestImportMeetsWhatItsCheckDidNot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	two := good()
	two["商家"] = append(two["商家"], []string{"2", "91410100MA3X1JR00D", "别家", "", "餐饮"})
	first, second := w.check(good()), w.check(good())
	a, err := w.signing.Propose(w.ctx, w.maker, intake.KindApply, first.Object(), first.OfficeID, struct{}{}, "补录")
	w.must(err)
	b, err := w.signing.Propose(w.ctx, w.maker, intake.KindApply, second.Object(), second.OfficeID, struct{}{}, "补录")
	w.must(err)
	w.must(w.signing.Decide(w.ctx, w.checker, a, true, "已核对"))
	if err := w.signing.Decide(w.ctx, w.checker, b, true, "已核对"); !errors.Is(err, intake.ErrFaults) {
		t.Errorf("the same workbook under another run: %v", err)
	}
	if n := w.count("merchants"); n != 1 {
		t.Errorf("%d merchants", n)
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	set := func(sheet string, column int, value string) func(sheets) {
		return func(s sheets) { s[sheet][0][column] = value }
	}
	for name, c := range map[string]struct {
		change func(sheets)
		want   string // part of the only fault
	}{
		"code":             {set("商家", 1, "91410000170001401E"), "统一社会信用代码不对"},
		"name":             {set("商家", 2, ""), "请填写与营业执照一致的名称"},
		"trade":            {set("商家", 4, "餐厅"), "行业应为"},
		"no key":           {set("商家", 0, ""), "请填写序号"},
		"place":            {set("门店", 3, "410199"), "区划代码应为"},
		"abroad":           {set("门店", 4, "13.4"), "经纬度不在河南"},
		"another county's": {set("门店", 3, "410103"), "不在本单位的辖区内"},
		"no outlet":        {func(s sheets) { s["门店"] = nil }, "没有它的门店"},
		"no contract":      {func(s sheets) { s["协议"] = nil }, "没有它的协议"},
		"two contracts":    {func(s sheets) { s["协议"] = append(s["协议"], s["协议"][0]) }, "只填一份协议"},
		"impossible date":  {set("协议", 1, "2026-02-30"), "开始日期应写作"},
		"over ten years":   {set("协议", 2, "2046-12-31"), "协议有效期最长 10 年"},
		"end before start": {set("协议", 2, "2025-12-31"), "结束日期早于开始日期"},
		"expired":          {func(s sheets) { s["协议"][0][1], s["协议"][0][2] = "2025-01-01", "2025-12-31" }, "已经过期"},
		"tail":             {set("协议", 3, "三十"), "退款期应为"},
		"clause":           {set("协议", 4, "Y"), "随省条款应填"},
		"no offer":         {set("协议", 5, ""), "没有填写优惠"},
		"odd offer":        {set("协议", 5, "买一送一"), "看不懂优惠"},
		"below the floor":  {set("协议", 5, "9.5折"), "低于省级底线"},
	} {
		t.Run(name, func(t *testing.T) {
			s := good()
			c.change(s)
			r := w.check(s)
			found := false
			for _, f := range r.Report.Faults {
				found = found || strings.Contains(f.What, c.want)
			}
			if !found {
				t.Errorf("faults %+v, want %q", r.Report.Faults, c.want)
			}
			if _, err := w.signing.Propose(w.ctx, w.maker, intake.KindApply, r.Object(), r.OfficeID, struct{}{}, "x"); !errors.Is(err, intake.ErrFaults) {
				t.Errorf("proposed all the same: %v", err)
			}
		})
	}
	if n := w.count("merchants"); n != 0 {
		t.Errorf("%d merchants left behind", n)
	}
}

func TestNoWorkbook(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	long := good()
	for i := range intake.MaxMerchants + 1 {
		long["商家"] = append(long["商家"], []string{fmt.Sprint("k", i)})
	}
	for name, data := range map[string][]byte{
		"empty": nil, "text": []byte("序号,名称"), "zip of nothing": []byte("PK\x05\x06" + strings.Repeat("\x00", 18)),
		"bomb": bomb(t), "too large": make([]byte, intake.MaxFile+1), "no rows": sheets{}.write(t), "too many rows": long.write(t),
	} {
		var fields merchant.FieldErrors
		if _, err := w.store.Check(w.ctx, w.maker, "x", data); !errors.As(err, &fields) || fields.On("file") == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := w.count("import_runs"); n != 0 {
		t.Errorf("%d runs kept", n)
	}
}

// bomb is the template with shared strings that take 1 GB of memory when read.
func bomb(t *testing.T) []byte {
	t.Helper()
	data, err := intake.Template()
	if err != nil {
		t.Fatal(err)
	}
	from, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	to := zip.NewWriter(&out)
	for _, f := range from.File {
		if f.Name != "xl/sharedStrings.xml" {
			err = errors.Join(err, to.Copy(f))
			continue
		}
		r, openErr := f.Open()
		strs, readErr := io.ReadAll(r)
		w, createErr := to.Create(f.Name)
		_, writeErr := io.WriteString(w, strings.Replace(string(strs), "</sst>", strings.Repeat("<si><t>a</t></si>", 40<<20/17)+"</sst>", 1))
		err = errors.Join(err, openErr, readErr, createErr, writeErr)
	}
	if err = errors.Join(err, to.Close()); err != nil || out.Len() > 1<<20 {
		t.Fatal(err, out.Len())
	}
	return out.Bytes()
}

func TestTemplateIsRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	data, err := intake.Template()
	w.must(err)
	r, err := w.store.Check(w.ctx, w.maker, "模板.xlsx", data)
	w.must(err)
	// Only the example's code is refused, so that nobody takes the example in.
	if len(r.Report.Faults) != 1 || r.Report.Faults[0].Column != "统一社会信用代码" {
		t.Errorf("%+v", r.Report)
	}
}

func category(word string) (string, bool) {
	code, ok := map[string]string{"饮料": "drink", "drink": "drink", "92号汽油": "fuel.petrol_92"}[word]
	return code, ok
}

func TestParseOffers(t *testing.T) {
	t.Parallel()
	for cell, want := range map[string][]terms.Benefit{
		"8.8折":               {{Kind: "percent", RateBP: 8800}},
		"88折":                {{Kind: "percent", RateBP: 8800}},
		"9折":                 {{Kind: "percent", RateBP: 9000}},
		"让利5%":               {{Kind: "percent", RateBP: 9500}},
		"满158减20":            {{Kind: "amount_off", AtFen: 15800, OffFen: 2000}},
		"满 50 元减 40 元":       {{Kind: "amount_off", AtFen: 5000, OffFen: 4000}},
		"每满100减15（最多3次）":     {{Kind: "every", AtFen: 10000, OffFen: 1500, MaxTimes: 3}},
		"92号汽油：每升减0.3元":      {{Kind: "per_unit", OffFen: 30}},
		"8.8折；饮料:满50减10.5\n": {{Kind: "percent", RateBP: 8800}, {Kind: "amount_off", AtFen: 5000, OffFen: 1050}},
	} {
		doc, err := intake.ParseOffers(cell, category)
		if err != nil {
			t.Errorf("%s: %v", cell, err)
			continue
		}
		var got []terms.Benefit
		for _, o := range doc.Offers {
			got = append(got, o.Benefit)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", cell, diff)
		}
	}
	for _, cell := range []string{"", "；", "0折", "10折", "100折", "让利100%", "满10减20", "每升减0.3元", "烟酒：9折", "满1e9减1", "满1.001减1",
		strings.Repeat("9", 400) + "折", strings.Repeat("9折；", 65), strings.Repeat("长", 5000)} {
		if doc, err := intake.ParseOffers(cell, category); err == nil {
			t.Errorf("%.30q was taken as %+v", cell, doc)
		}
	}
}

func FuzzParseOffers(f *testing.F) {
	f.Add("8.8折；饮料:满50减10.5；每满100减15（最多3次）；92号汽油：每升减0.3元；让利5%")
	f.Fuzz(func(t *testing.T, cell string) {
		doc, err := intake.ParseOffers(cell, category)
		if err != nil {
			return
		}
		if _, err := doc.Compile(); err != nil {
			t.Errorf("%q gives terms that do not compile: %v", cell, err)
		}
	})
}
