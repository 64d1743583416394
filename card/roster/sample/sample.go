// Package sample makes rosters that look real, the same ones for the same seed, with
// faults planted in known rows: for tests, the demonstration and measurements. The
// persons are nobody: their IDs are well formed and drawn at random.
package sample

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"

	"unioncard/card/personal"
	"unioncard/card/sheet"
)

// Spec says what roster to make.
type Spec struct {
	Rows   int
	Faults int // planted in rows spread over the file
	Seed   uint64
	Unions []string // full names, taken in turn; none: no such column
	XLSX   bool
	// From is the first person: rosters of one seed that begin apart share nobody.
	From int
}

// Planted is a fault planted on purpose.
type Planted struct {
	Row  int // as spreadsheets count; the heading is row 1
	Code string
}

// Person is the n-th of a seed's persons: all have different IDs and phones.
func Person(seed uint64, n int) personal.Person {
	r := rand.New(rand.NewPCG(seed, uint64(n)))
	// 8·10^8 persons: county × day of birth × sequence, by n; no two alike.
	counties := []string{"410102", "410103", "410105", "410108", "410122", "410302", "410305", "410526", "410702", "411002", "411102", "411202", "411302", "411402", "411502", "412702"}
	county := counties[n%len(counties)]
	day := n / len(counties) % 12_000
	sequence := n/len(counties)/12_000%999 + 1
	year, rest := 1968+day/360, day%360
	digits := fmt.Sprintf("%s%04d%02d%02d%03d", county, year, rest/30+1, min(rest%30+1, 28), sequence)
	if rest%30 >= 28 { // days 29 and 30 would meet the 28th: another region instead
		digits = fmt.Sprintf("%s%04d%02d%02d%03d", strings.Replace(county, "41", "13", 1), year, rest/30+1, rest%30-27, sequence)
	}
	id, err := personal.CompleteResidentID(digits)
	if err != nil {
		panic("sample: " + err.Error()) // the digits above are always well formed
	}
	// Not 139: the demonstration's worker and members have numbers from 139 0000 0001 on.
	heads := []string{"138", "137", "150", "151", "158", "159", "182", "187", "188", "199"}
	phone := heads[n%len(heads)] + fmt.Sprintf("%08d", (uint64(n/len(heads))*48_271+seed%97)%100_000_000)
	return personal.Person{ResidentID: string(id), Phone: phone, Name: name(r)}
}

func name(r *rand.Rand) string {
	surnames := []rune("王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟汪田任姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易常武乔贺赖龚文")
	given := []rune("伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉兰红梅建国志文海燕晓东春生永辉佳雪婷宇浩然子轩欣怡梦琪思远学军立新")
	s := string(surnames[r.IntN(len(surnames))]) + string(given[r.IntN(len(given))])
	if r.IntN(100) < 70 {
		s += string(given[r.IntN(len(given))])
	}
	if r.IntN(200) == 0 {
		s = "欧阳" + string(given[r.IntN(len(given))])
	}
	return s
}

// codes are the faults that are planted, in turn.
var codes = []string{"id_check", "id_date", "id_spreadsheet", "phone_length", "id_length", "name_empty", "phone_landline", "id_region", "twice", "phone_twice",
	"name_masked", "id_15", "phone_chars", "id_minor", "union_unknown"}

// Write makes the roster and says what is wrong in it.
func Write(to io.Writer, spec Spec) ([]Planted, error) {
	if spec.Faults*3 > spec.Rows {
		return nil, errors.New("sample: at most one row in three can be faulty")
	}
	heads := []string{"序号", "姓名", "身份证号", "手机号"}
	if len(spec.Unions) > 0 {
		heads = append(heads, "工会")
	}
	out, err := newWriter(to, heads, spec.XLSX)
	if err != nil {
		return nil, err
	}
	kinds := slices.DeleteFunc(slices.Clone(codes), func(c string) bool { return c == "union_unknown" && len(spec.Unions) == 0 })
	var planted []Planted
	cells := make([]string, 0, 5)
	for i := range spec.Rows {
		p := Person(spec.Seed, spec.From+i)
		union := ""
		if len(spec.Unions) > 0 {
			union = spec.Unions[i%len(spec.Unions)]
		}
		// The faults stand at even distances, in the last row of each.
		if k := len(planted); k < spec.Faults && i == (k+1)*spec.Rows/spec.Faults-1 {
			code := kinds[k%len(kinds)]
			spoil(&p, &union, code, Person(spec.Seed, spec.From+i-1))
			planted = append(planted, Planted{i + 2, code})
		}
		cells = append(cells[:0], fmt.Sprint(i+1), p.Name, p.ResidentID, p.Phone)
		if len(spec.Unions) > 0 {
			cells = append(cells, union)
		}
		if err := out.Write(cells); err != nil {
			return nil, fmt.Errorf("sample: %w", err)
		}
	}
	if err := out.Close(); err != nil {
		return nil, fmt.Errorf("sample: %w", err)
	}
	return planted, nil
}

func newWriter(to io.Writer, heads []string, xlsx bool) (sheet.Writer, error) {
	if !xlsx {
		w, err := sheet.NewCSV(to)
		if err != nil {
			return nil, err
		}
		return w, w.Write(heads)
	}
	columns := make([]sheet.Column, len(heads))
	for i, h := range heads {
		columns[i] = sheet.Column{Head: h, Width: 20}
	}
	return sheet.NewXLSX(to, "名册", columns, nil)
}

// spoil makes one mistake that people and spreadsheets make. before is the person of
// the row above, who is good.
func spoil(p *personal.Person, union *string, code string, before personal.Person) {
	id := p.ResidentID
	switch code {
	case "id_check":
		p.ResidentID = id[:17] + map[bool]string{true: "2", false: "1"}[id[17] == '1']
	case "id_date":
		p.ResidentID = id[:10] + "0230" + id[14:]
	case "id_spreadsheet":
		p.ResidentID = id[:1] + "." + id[1:6] + "E+17"
	case "id_length":
		p.ResidentID = id[:17]
	case "id_region":
		p.ResidentID = "99" + id[2:]
	case "id_15":
		p.ResidentID = id[:6] + id[8:17]
	case "id_minor":
		young, err := personal.CompleteResidentID(id[:6] + "2020" + id[10:17])
		if err == nil {
			p.ResidentID = string(young)
		}
	case "twice":
		p.ResidentID = before.ResidentID
	case "phone_twice":
		p.Phone = before.Phone
	case "phone_length":
		p.Phone = p.Phone[:10]
	case "phone_landline":
		p.Phone = "0371-65901234"
	case "phone_chars":
		p.Phone += "（微信同号）"
	case "name_empty":
		p.Name = ""
	case "name_masked":
		p.Name = string([]rune(p.Name)[:1]) + "**"
	case "union_unknown":
		*union = "没有的工会委员会"
	}
}
