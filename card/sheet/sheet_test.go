package sheet_test

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
	"github.com/xuri/excelize/v2"
	"golang.org/x/text/encoding/simplifiedchinese"

	"unioncard/card/sheet"
)

// read is all rows of a file: number, cells and what is odd about them.
func read(data []byte, limits sheet.Limits) (rows []string, format string, err error) {
	r, err := sheet.Open(bytes.NewReader(data), int64(len(data)), limits)
	if err != nil {
		return nil, "", err
	}
	for {
		row, err := r.Next()
		if errors.Is(err, io.EOF) {
			if d := r.Done(); d < 0.99 || d > 1 {
				return nil, "", fmt.Errorf("done %v at the end", d)
			}
			return rows, r.Format(), nil
		}
		if err != nil {
			return rows, r.Format(), err
		}
		s := fmt.Sprint(row.Number)
		for _, c := range row.Cells {
			s += "|" + c.Text + [...]string{"", "#", "=", "!"}[c.Kind]
		}
		rows = append(rows, s+[...]string{"", "~encoding", "~wide", "~long"}[row.Fault])
	}
}

func gb(t testing.TB, s string) string {
	t.Helper()
	b, err := simplifiedchinese.GB18030.NewEncoder().String(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func utf16le(s string) string {
	b := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return string(b)
}

func TestCSV(t *testing.T) {
	t.Parallel()
	const plain = "姓名,身份证号\r\n张三,11010519491231002X\r\n𠮷野家,1\r\n"
	want := []string{"1|姓名|身份证号", "2|张三|11010519491231002X", "3|𠮷野家|1"}
	long := strings.Repeat("长", 400)
	for name, c := range map[string]struct {
		data string
		want []string
	}{
		"UTF-8":         {plain, want},
		"BOM":           {"\ufeff" + plain, want},
		"GB18030":       {gb(t, plain), want}, // 𠮷 takes four bytes, two of them digits
		"UTF-16":        {utf16le(strings.ReplaceAll(plain, ",", "\t")), want},
		"no last break": {strings.TrimSuffix(plain, "\r\n"), want},
		"semicolons":    {strings.ReplaceAll(plain, ",", ";"), want},
		"quotes":        {"a,b\n\"x,\"\"y\"\"\",  \"z\" \n\"two\nlines\",2\n5\"x,\"\"\n", []string{"1|a|b", `2|x,"y"|z`, "3|two lines|2", `5|5"x|`}},
		"digits kept":   {"a\n=\"410105\"\n\"=\"\"410105\"\"\"\n'410105\n", []string{"1|a", "2|410105", "3|410105", "4|410105"}},
		"formulas":      {"a\n=1+1\n@SUM(A1)\n#N/A\n+8613800000000\n", []string{"1|a", "2|=1+1=", "3|@SUM(A1)=", "4|#N/A!", "5|+8613800000000"}},
		"blank rows":    {"a,b\n\n,\n \u3000,\u200b\n1,2\n", []string{"1|a|b", "5|1|2"}},
		"unseen":        {"a\n\u202e张\u200b三\ufeff\u00a0\n", []string{"1|a", "2|张三"}},
		"long cell":     {"a,b\n" + long + ",1\n", []string{"1|a|b", "2|" + long[:999] + "|1~long"}},
		"long row":      {"a,b\n1,2" + strings.Repeat(" ", 600_000) + "\n3,4\n", []string{"1|a|b", "2|1|2~long", "3|3|4"}},
		"wide row":      {"a\n" + strings.Repeat("1,", 30_000) + "\n2\n", []string{"1|a", "2" + strings.Repeat("|1", 60) + "~wide", "3|2"}},
		"UTF-8 in GB":   {gb(t, "姓名,单位\n李四,郑州\n王五,洛阳\n") + "赵六,开封\n联通,1\n", []string{"1|姓名|单位", "2|李四|郑州", "3|王五|洛阳", "4|赵六|开封~encoding", "5|联通|1~encoding"}},
		"GB in UTF-8":   {"姓名,单位\n李四,郑州\n王五,洛阳\n" + gb(t, "赵六,开封\n"), []string{"1|姓名|单位", "2|李四|郑州", "3|王五|洛阳", "4|赵六|开封~encoding"}},
		"GB by chance":  {gb(t, "姓名,单位\n李四,郑州\n联通,1\n"), []string{"1|姓名|单位", "2|李四|郑州", "3|联通|1"}}, // C1AACDA8 is UTF-8, too
		"no encoding":   {"姓名\n张三\n李四\n\xff\xff\xff王\n", []string{"1|姓名", "2|张三", "3|李四", "4|王~encoding"}},
	} {
		got, _, err := read([]byte(c.data), sheet.DefaultLimits())
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// book is a workbook whose first worksheet holds this XML.
func book(t testing.TB, rows string, more ...string) []byte {
	t.Helper()
	parts := []string{
		"[Content_Types].xml", `<Types><Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/></Types>`,
		"xl/workbook.xml", `<workbook xmlns:r="r"><sheets><sheet name="藏" state="hidden" sheetId="9" r:id="h"/><sheet name="名册" sheetId="1" r:id="a"/></sheets></workbook>`,
		"xl/_rels/workbook.xml.rels", `<Relationships><Relationship Id="a" Type="x/worksheet" Target="worksheets/sheet1.xml"/></Relationships>`,
		"xl/worksheets/sheet1.xml", `<worksheet><sheetData>` + rows + `</sheetData></worksheet>`,
	}
	return archive(t, append(parts, more...)...)
}

// archive packs parts; a later one takes the place of an earlier one of its name.
func archive(t testing.TB, parts ...string) []byte {
	t.Helper()
	last := map[string]string{}
	var names []string
	for i := 0; i < len(parts); i += 2 {
		if _, ok := last[parts[i]]; !ok {
			names = append(names, parts[i])
		}
		last[parts[i]] = parts[i+1]
	}
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for _, n := range names {
		w, err := z.Create(n)
		if err == nil {
			_, err = io.WriteString(w, last[n])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestXLSX(t *testing.T) {
	t.Parallel()
	f := excelize.NewFile()
	for i, row := range [][]any{{"姓名", "身份证号", "手机号"}, {"张三", "11010519491231002X", 13800000000}, {}, {"李四", 410105199001011230, 7}} {
		if err := f.SetSheetRow("Sheet1", fmt.Sprintf("A%d", i+1), &row); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.SetCellFormula("Sheet1", "C4", "1+1"); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := f.Write(&out); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		data []byte
		want []string
	}{
		"excelize":    {out.Bytes(), []string{"1|姓名|身份证号|手机号", "2|张三|11010519491231002X|13800000000#", "4|李四|410105199001011230#|7="}},
		"gaps":        {book(t, `<row r="3"><c r="B3"><v>1.38E10</v></c><c r="D3" t="inlineStr"><is><t>a</t><rPh><t>x</t></rPh><r><t>b</t></r></is></c></row><row><c t="str"><v>z</v></c></row>`), []string{"3||13800000000#||ab", "4|z"}},
		"damaged id":  {book(t, `<row><c><v>1.10101199003071E+17</v></c></row>`), []string{"1|1.10101199003071E+17#"}},
		"error value": {book(t, `<row><c t="e"><v>#N/A</v></c></row>`), []string{"1|#N/A!"}},
		"wide":        {book(t, `<row><c r="A1"><v>1</v></c><c r="XFD1"><v>2</v></c></row>`), []string{"1|1#~wide"}},
		"long":        {book(t, `<row><c t="str"><v>`+strings.Repeat("x", 5000)+`</v></c></row>`), []string{"1|" + strings.Repeat("x", 1000) + "~long"}},
	} {
		got, format, err := read(c.data, sheet.DefaultLimits())
		if err != nil || format != "XLSX" {
			t.Errorf("%s: %s, %v", name, format, err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestRefused: what a clerk can't mean, and what somebody else may.
func TestRefused(t *testing.T) {
	t.Parallel()
	compound := "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + strings.Repeat("\x00", 600)
	encrypted := compound + utf16le("EncryptedPackage")[2:]
	good := book(t, `<row><c><v>1</v></c></row>`)
	locked := bytes.Clone(good)
	for at := 0; ; { // the flag of encryption, in the directory
		i := bytes.Index(locked[at:], []byte("PK\x01\x02"))
		if i < 0 {
			break
		}
		at += i + 8
		locked[at] |= 1
	}
	many := make([]string, 0, 8000)
	for i := range 4000 {
		many = append(many, fmt.Sprintf("x%d", i), "")
	}
	small := sheet.DefaultLimits()
	small.Rows, small.Strings, small.Inflated = 2, 1000, 100<<20
	for name, c := range map[string]struct {
		data []byte
		code string
	}{
		"empty":               {nil, "empty"},
		"a picture":           {[]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"), "not_a_table"},
		"old excel":           {[]byte(compound), "old_excel"},
		"encrypted":           {[]byte(encrypted), "encrypted"},
		"encrypted entries":   {locked, "encrypted"},
		"macro":               {book(t, "", "xl/vbaProject.bin", "x"), "macro"},
		"macro by type":       {book(t, "", "[Content_Types].xml", `<Types><Override ContentType="application/vnd.ms-excel.sheet.macroEnabled.main+xml"/></Types>`), "macro"},
		"xlsb":                {book(t, "", "xl/workbook.bin", "x"), "old_excel"},
		"a document":          {archive(t, "[Content_Types].xml", "<Types/>", "word/document.xml", "<x/>"), "not_a_table"},
		"row -1":              {book(t, `<row r="-1"><c><v>1</v></c></row>`), "row_number"},
		"row 2147483647":      {book(t, `<row r="2147483647"><c><v>1</v></c></row>`), "row_number"},
		"rows backwards":      {book(t, `<row r="5"/><row r="5"><c><v>1</v></c></row>`), "row_number"},
		"column beyond":       {book(t, `<row><c r="ZZZZ1"><v>1</v></c></row>`), "damaged"},
		"string beyond":       {book(t, `<row><c t="s"><v>7</v></c></row>`), "damaged"},
		"cut off":             {book(t, `<row><c>`), "damaged"},
		"half a zip":          {good[:len(good)/2], "damaged"},
		"external entity":     {archive(t, "[Content_Types].xml", "<Types/>", "xl/workbook.xml", `<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><workbook>&e;</workbook>`), "entity"},
		"entity in a sheet":   {book(t, "", "xl/worksheets/sheet1.xml", `<!DOCTYPE x [<!ENTITY e "e">]><worksheet><sheetData><row><c t="str"><v>&e;</v></c></row></sheetData></worksheet>`), "entity"},
		"undefined entity":    {book(t, `<row><c t="str"><v>&e;</v></c></row>`), "damaged"},
		"zip bomb":            {book(t, strings.Repeat(" ", 40<<20)), "bomb"},
		"too large unpacked":  {book(t, strings.Repeat(" ", 101<<20)), "bomb"},
		"many entries":        {archive(t, many...), "bomb"},
		"no sheet to see":     {book(t, "", "xl/workbook.xml", `<workbook xmlns:r="r"><sheets><sheet name="x" state="veryHidden" r:id="a"/></sheets></workbook>`), "no_sheet"},
		"too many rows":       {[]byte("a\n1\n2\n3\n"), "too_many_rows"},
		"too many sheet rows": {book(t, strings.Repeat(`<row><c><v>1</v></c></row>`, 4)), "too_many_rows"},
		"too many strings":    {book(t, "", "xl/sharedStrings.xml", "<sst>"+strings.Repeat("<si/>", 300)+"</sst>"), "too_large"},
		"open quote":          {[]byte("a,b\n1,\"2\n3,4\n"), "quote"},
		"blank lines":         {[]byte("a" + strings.Repeat("\n", 1_200_000)), "too_many_rows"},
	} {
		_, _, err := read(c.data, small)
		var bad *sheet.Error
		if !errors.As(err, &bad) || bad.Code != c.code || !strings.HasSuffix(bad.Message, "。") {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
	}
}

// TestLyingSizes: an entry inflates no further than it declared.
func TestLyingSizes(t *testing.T) {
	t.Parallel()
	data := book(t, strings.Repeat(`<row><c><v>1</v></c></row>`, 1000))
	i := bytes.LastIndex(data, []byte("PK\x01\x02"))
	binary.LittleEndian.PutUint32(data[i+24:], 500)
	var bad *sheet.Error
	if rows, _, err := read(data, sheet.DefaultLimits()); !errors.As(err, &bad) || len(rows) > 50 {
		t.Errorf("%d rows, %v", len(rows), err)
	}
}

// What is written is read again as it was.
func TestWrite(t *testing.T) {
	t.Parallel()
	rows := [][]string{{"=1+1", "11010519491231002X", "+86 138", "a\"b,c"}, {"-1", "13800000000", "<&>", "张 三"}, {"@x", "'y", "410105199001011230", "1"}}
	want := []string{"1|姓名|身份证号|手机号|备注"}
	for i, r := range rows {
		if i == 2 {
			r[1] = "y"
		}
		want = append(want, fmt.Sprint(i+2, "|", strings.Join(r, "|")))
	}
	var c, x bytes.Buffer
	cw, err := sheet.NewCSV(&c)
	if err != nil {
		t.Fatal(err)
	}
	xw, err := sheet.NewXLSX(&x, "名册", []sheet.Column{{Head: "姓名", Width: 10}, {Head: "身份证号", Width: 22}, {Head: "手机号", Width: 14}, {Head: "备注", Width: 20}}, []string{"第一行是表头。"})
	if err != nil {
		t.Fatal(err)
	}
	if err := cw.Write([]string{"姓名", "身份证号", "手机号", "备注"}); err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if err := errors.Join(cw.Write(r), xw.Write(r)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(cw.Close(), xw.Close()); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"csv": c.Bytes(), "xlsx": x.Bytes()} {
		got, _, err := read(data, sheet.DefaultLimits())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	f, err := excelize.OpenReader(&x) // somebody else's reading of it
	if err != nil {
		t.Fatal(err)
	}
	if got, err := f.GetCellValue("名册", "B2"); err != nil || got != "11010519491231002X" {
		t.Errorf("B2 is %q, %v", got, err)
	}
}

func FuzzOpen(f *testing.F) {
	f.Add([]byte("姓名,身份证号\n张三,\"1\"\n"))
	f.Add([]byte(gb(f, "姓名,身份证号\n张三,1\n")))
	f.Add([]byte(utf16le("姓名\t1\n")))
	f.Add(book(f, `<row r="3"><c r="B3"><v>1</v></c></row>`, "xl/sharedStrings.xml", "<sst><si><t>a</t></si></sst>"))
	f.Fuzz(func(t *testing.T, data []byte) {
		limits := sheet.DefaultLimits()
		limits.Rows = 1000
		_, _, _ = read(data, limits) // bounded, and no panic
	})
}
