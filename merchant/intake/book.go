package intake

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/xuri/excelize/v2"

	"unioncard/merchant"
	"unioncard/merchant/application"
)

// Bounds of a workbook.
const (
	// MaxFile is the largest workbook in bytes, as uploaded.
	MaxFile = 4 << 20
	// MaxMerchants and MaxOutlets are the most rows of a workbook.
	MaxMerchants = 500
	MaxOutlets   = 2000
	// maxUnzipped bounds what a workbook unpacks to, so that a small file can't fill
	// the memory: reading takes up to 25 times as much. A full one of MaxOutlets
	// rows unpacks to 3 MB.
	maxUnzipped = 8 << 20
	maxFaults   = 200
)

// The sheets, by name, and their columns in order.
const (
	sheetMerchants = "商家"
	sheetOutlets   = "门店"
	sheetContracts = "协议"
)

func columnsOf(sheet string) []string {
	switch sheet {
	case sheetMerchants:
		return []string{"序号", "统一社会信用代码", "名称", "品牌", "行业"}
	case sheetOutlets:
		return []string{"商家序号", "门店名称", "地址", "区划代码", "经度", "纬度"}
	case sheetContracts:
		return []string{"商家序号", "开始日期", "结束日期", "退款期天数", "随省条款", "优惠"}
	}
	return nil
}

// Fault is a row that can't be taken in, and what to do about it.
type Fault struct {
	Sheet  string `json:"sheet"`
	Row    int    `json:"row"` // as the workbook counts
	Column string `json:"column,omitempty"`
	What   string `json:"what"`
}

// merchantRow is one merchant with its outlets and its contract.
type merchantRow struct {
	row      int
	key      string
	code     string
	name     string
	brand    string
	trade    merchant.Trade
	outlets  []outletRow
	contract *contractRow
	bad      bool // a row of it is at fault, so it is not tried
}

type outletRow struct {
	row       int
	name      string
	address   string
	territory int32
	lon, lat  *float64
}

type contractRow struct {
	row         int
	from, until time.Time // until is exclusive
	tail        time.Duration
	clause      bool
	offers      string
}

// book is a workbook read, with what is wrong in it.
type book struct {
	merchants []*merchantRow
	byKey     map[string]*merchantRow
	faults    []Fault
	tooMany   bool
}

func (b *book) fault(sheet string, row int, column, what string) {
	if len(b.faults) == maxFaults {
		b.tooMany = true
		return
	}
	b.faults = append(b.faults, Fault{sheet, row, column, what})
}

// read parses a workbook. Its faults are in the book; only a file that is no
// workbook at all is an error (merchant.FieldErrors, field "file").
func read(data []byte) (*book, error) {
	refuse := func(what string) error { return merchant.FieldErrors{{Field: "file", Message: what}} }
	if len(data) > MaxFile {
		return nil, refuse(fmt.Sprintf("文件超过 %d MB，请分成几个文件。", MaxFile>>20))
	}
	f, err := excelize.OpenReader(bytes.NewReader(data), excelize.Options{UnzipSizeLimit: maxUnzipped, UnzipXMLSizeLimit: maxUnzipped})
	if err != nil {
		return nil, refuse("这不是能打开的 xlsx 文件。请用模板填写，另存为 .xlsx 后再上传。")
	}
	defer f.Close() //nolint:errcheck // nothing was written
	b := &book{byKey: map[string]*merchantRow{}}
	for _, sheet := range []string{sheetMerchants, sheetOutlets, sheetContracts} {
		rows, err := f.Rows(sheet)
		if err != nil {
			return nil, refuse("缺少工作表“" + sheet + "”。请用模板填写，不要改表名。")
		}
		if err := b.sheet(sheet, rows); err != nil {
			return nil, refuse(err.Error())
		}
	}
	if len(b.merchants) == 0 && len(b.faults) == 0 {
		return nil, refuse("表里没有商家。请在“商家”表第 2 行起填写。")
	}
	return b, nil
}

// sheet reads one sheet, whose first row names the columns.
func (b *book) sheet(sheet string, rows *excelize.Rows) error {
	defer rows.Close() //nolint:errcheck // nothing was written
	want := columnsOf(sheet)
	limit := map[string]int{sheetMerchants: MaxMerchants, sheetOutlets: MaxOutlets, sheetContracts: MaxMerchants}[sheet]
	filled := 0
	for n := 1; rows.Next(); n++ {
		cells, err := rows.Columns(excelize.Options{RawCellValue: false})
		if err != nil {
			return fmt.Errorf("工作表“%s”第 %d 行读不出来。", sheet, n)
		}
		for i := range cells {
			cells[i] = clean(cells[i])
		}
		if n == 1 {
			for i, name := range want {
				if i >= len(cells) || cells[i] != name {
					return fmt.Errorf("工作表“%s”的表头应为：%s。请用模板填写，不要改表头。", sheet, strings.Join(want, "、"))
				}
			}
			continue
		}
		if strings.Join(cells, "") == "" {
			if n > 100_000 {
				return fmt.Errorf("工作表“%s”太长，请删去后面的空行。", sheet)
			}
			continue
		}
		if filled++; filled > limit {
			return fmt.Errorf("工作表“%s”超过 %d 行，请分成几个文件。", sheet, limit)
		}
		get := func(i int) string {
			if i < len(cells) {
				return cells[i]
			}
			return ""
		}
		switch sheet {
		case sheetMerchants:
			b.merchant(n, get)
		case sheetOutlets:
			b.outlet(n, get)
		default:
			b.contract(n, get)
		}
	}
	if filled > 0 && len(want) == 0 {
		return fmt.Errorf("工作表“%s”没有表头。", sheet)
	}
	return nil
}

// clean takes what can't be seen out of a cell.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || r != '\n' && r < ' ' || r == 0x7f || r == 0xfeff {
			return -1
		}
		return r
	}, s)
	return strings.TrimSpace(s)
}

func (b *book) merchant(row int, get func(int) string) {
	m := &merchantRow{row: row, key: get(0), code: application.NormalizeCode(get(1)), name: get(2), brand: get(3)}
	bad := func(i int, what string) {
		m.bad = true
		b.fault(sheetMerchants, row, columnsOf(sheetMerchants)[i], what)
	}
	switch {
	case m.key == "":
		bad(0, "请填写序号，门店和协议靠它对应商家。")
		return
	case b.byKey[m.key] != nil:
		bad(0, "序号与第 "+strconv.Itoa(b.byKey[m.key].row)+" 行重复。")
		return
	}
	if !application.ValidCode(m.code) {
		bad(1, "统一社会信用代码不对，请对照营业执照核对 18 位。")
	}
	if n := len([]rune(m.name)); n == 0 || n > 100 {
		bad(2, "请填写与营业执照一致的名称，不超过 100 字。")
	}
	if len([]rune(m.brand)) > 50 {
		bad(3, "品牌不超过 50 字。")
	}
	var ok bool
	if m.trade, ok = trades()[get(4)]; !ok {
		bad(4, "行业应为：旅游、餐饮、出行、健康、休闲娱乐、商业购物。")
	}
	b.byKey[m.key] = m
	b.merchants = append(b.merchants, m)
}

// trades are the policy's six by the words of articles 5 and 18.
func trades() map[string]merchant.Trade {
	return map[string]merchant.Trade{
		"旅游": merchant.TradeTravel, "餐饮": merchant.TradeCatering, "出行": merchant.TradeTransport,
		"健康": merchant.TradeHealth, "休闲娱乐": merchant.TradeLeisure, "商业购物": merchant.TradeShopping,
	}
}

func (b *book) of(sheet string, row int, key string) *merchantRow {
	m := b.byKey[key]
	if m == nil {
		b.fault(sheet, row, "商家序号", "“商家”表里没有序号“"+key+"”。")
	}
	return m
}

func (b *book) outlet(row int, get func(int) string) {
	m := b.of(sheetOutlets, row, get(0))
	if m == nil {
		return
	}
	o := outletRow{row: row, name: get(1), address: get(2)}
	bad := func(i int, what string) {
		m.bad = true
		b.fault(sheetOutlets, row, columnsOf(sheetOutlets)[i], what)
	}
	if n := len([]rune(o.name)); n == 0 || n > 100 {
		bad(1, "请填写门店名称，不超过 100 字。")
	}
	if n := len([]rune(o.address)); n == 0 || n > 200 {
		bad(2, "请填写门店地址，不超过 200 字。")
	}
	code, err := strconv.ParseInt(get(3), 10, 32)
	if err != nil || !application.Leaves()[int32(code)] {
		bad(3, "区划代码应为门店所在县（市、区）的 6 位代码，例如金水区 410105。")
	}
	o.territory = int32(code)
	if get(4) != "" || get(5) != "" {
		lon, lonErr := strconv.ParseFloat(get(4), 64)
		lat, latErr := strconv.ParseFloat(get(5), 64)
		// Henan lies between 110°21′ and 116°39′ E, 31°23′ and 36°22′ N.
		if lonErr != nil || latErr != nil || !(lon > 110 && lon < 117 && lat > 31 && lat < 37) {
			bad(4, "经纬度不在河南境内，请核对；经度约 110–117，纬度约 31–37，没有可以不填。")
		} else {
			o.lon, o.lat = &lon, &lat
		}
	}
	m.outlets = append(m.outlets, o)
}

var beijing = time.FixedZone("Asia/Shanghai", 8*3600)

func (b *book) contract(row int, get func(int) string) {
	m := b.of(sheetContracts, row, get(0))
	if m == nil {
		return
	}
	bad := func(i int, what string) {
		m.bad = true
		b.fault(sheetContracts, row, columnsOf(sheetContracts)[i], what)
	}
	if m.contract != nil {
		bad(0, "一个商家只填一份协议；门店另有协议的，导入后在系统里办理。")
		return
	}
	c := &contractRow{row: row, offers: get(5)}
	m.contract = c
	from, okFrom := day(get(1))
	if !okFrom {
		bad(1, "开始日期应写作 2026-01-01。")
	}
	until, okUntil := day(get(2))
	if !okUntil {
		bad(2, "结束日期应写作 2027-12-31。")
	}
	if okFrom && okUntil && until.Before(from) {
		bad(2, "结束日期早于开始日期。")
	}
	c.from, c.until = from, until.AddDate(0, 0, 1)
	if okFrom && okUntil && merchant.CheckLength(c.from, c.until) != nil {
		bad(2, fmt.Sprintf("协议有效期最长 %d 年。", merchant.MaxYears))
	}
	days, err := strconv.Atoi(get(3))
	if err != nil || days < 0 || days > 365 {
		bad(3, "退款期应为 0 到 365 的天数，一般填 30。")
	}
	c.tail = time.Duration(days) * 24 * time.Hour
	switch get(4) {
	case "是":
		c.clause = true
	case "否":
	default:
		bad(4, "随省条款应填“是”或“否”。")
	}
}

// day reads a day as people and spreadsheets write it.
func day(s string) (time.Time, bool) {
	for _, layout := range []string{"2006-01-02", "2006/1/2", "2006-1-2", "2006.1.2", "2006年1月2日", "01-02-06"} {
		if t, err := time.ParseInLocation(layout, s, beijing); err == nil && t.Year() >= 2000 && t.Year() < 2100 {
			return t, true
		}
	}
	return time.Time{}, false
}
