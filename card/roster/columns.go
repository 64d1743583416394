package roster

import (
	"fmt"
	"slices"
	"strings"

	"unioncard/card/sheet"
)

// names of columns as clerks write them, the surest first.
func names(column string) []string {
	switch column {
	case ColumnName:
		return []string{"姓名", "会员姓名", "职工姓名", "员工姓名", "名字"}
	case ColumnID:
		return []string{"身份证号", "身份证号码", "公民身份号码", "居民身份证号", "居民身份证号码", "身份证", "身份证件号码", "证件号码", "证件号"}
	case ColumnPhone:
		return []string{"手机号", "手机号码", "手机", "本人手机号", "移动电话", "联系电话", "电话号码", "联系方式", "电话"}
	case ColumnUnion:
		return []string{"工会", "工会名称", "所属工会", "所在工会", "基层工会", "基层工会名称", "工会编号"}
	case ColumnJoined:
		return []string{"入会日期", "入会时间", "加入工会日期", "加入工会时间"}
	}
	return nil
}

func columns() []string {
	return []string{ColumnName, ColumnID, ColumnPhone, ColumnUnion, ColumnJoined}
}

// layout is which column of the file is which, by index; -1 for none.
type layout struct {
	at       map[string]int
	headings []string
	ignored  []string
	dropped  []int // columns that a fault file added, which its next one does not repeat
}

// headingRows is how many rows may stand above the heading: a title, who filled it in.
const headingRows = 10

// plainHeading is a heading without blanks, brackets and marks: 手机号（必填）* is 手机号.
func plainHeading(s string) string {
	s = strings.Join(strings.Fields(s), "")
	if i := strings.IndexAny(s, "（(【["); i > 0 {
		s = s[:i]
	}
	return strings.Trim(s, "*＊:：")
}

// readHeading finds the heading among the first rows.
func readHeading(in sheet.Reader) (*layout, error) {
	var seen []string
	for range headingRows {
		row, err := in.Next()
		if err != nil {
			if fileFault, ok := asFileFault(err); ok {
				return nil, fileFault
			}
			break
		}
		l, found, err := layoutOf(row)
		if err != nil {
			return nil, err
		}
		if found {
			if row.Fault != sheet.NoFault {
				return nil, &sheet.Error{Code: "heading", Message: "表头读不全：文字编码不对，或者列太多。请用模板填写，另存为 .xlsx 后再上传。"}
			}
			return l, nil
		}
		if seen == nil {
			for _, h := range l.headings {
				if len(seen) < 8 && headingLike(h) {
					seen = append(seen, h)
				}
			}
		}
	}
	message := "没有找到表头：要有“姓名”和“身份证号”两列。请用模板填写后再上传。"
	if len(seen) > 0 {
		message = fmt.Sprintf("没有找到表头：要有“姓名”和“身份证号”两列，文件里有“%s”。请用模板填写后再上传。", strings.Join(seen, "、"))
	}
	return nil, &sheet.Error{Code: "heading", Message: message}
}

// headingLike: a cell that names a column and can be nobody's data. What is said of a
// file is kept in plain, and the first row of many a file is a person.
func headingLike(s string) bool {
	if len([]rune(s)) > 12 || strings.ContainsAny(halfWidth(s), "0123456789*") {
		return false
	}
	for _, word := range []string{"姓名", "名字", "名称", "身份证", "证件", "号码", "电话", "手机", "工会", "单位", "部门",
		"日期", "时间", "性别", "序号", "编号", "民族", "备注"} {
		if strings.Contains(s, word) {
			return true
		}
	}
	return false
}

// layoutOf reads a row as a heading; found only if it has the two columns that must
// be there. Two columns of one meaning are an error: nobody could say which counts.
func layoutOf(row *sheet.Row) (l *layout, found bool, err error) {
	l = &layout{at: map[string]int{}, headings: []string{}, ignored: []string{}}
	taken := map[int]bool{}
	plain := make([]string, len(row.Cells))
	for i, c := range row.Cells {
		heading := []rune(c.Text)
		l.headings = append(l.headings, string(heading[:min(len(heading), 40)]))
		plain[i] = plainHeading(c.Text)
	}
	for _, column := range columns() {
		l.at[column] = -1
		for _, name := range names(column) {
			i := slices.Index(plain, name)
			if i < 0 {
				continue
			}
			if j := slices.Index(plain[i+1:], name); j >= 0 {
				return l, false, &sheet.Error{Code: "heading_twice",
					Message: fmt.Sprintf("有两列都叫“%s”（第 %d 列和第 %d 列），不知道以哪列为准。请删去或改名一列再上传。", name, i+1, i+j+2)}
			}
			l.at[column], taken[i] = i, true
			break
		}
	}
	for i, p := range plain {
		switch {
		case taken[i]:
		case p == ColumnProblem || p == ColumnFix:
			l.dropped = append(l.dropped, i)
		case p != "":
			l.ignored = append(l.ignored, l.headings[i])
		}
	}
	return l, l.at[ColumnName] >= 0 && l.at[ColumnID] >= 0, nil
}

// cell is a row's cell of a column.
func (l *layout) cell(row *sheet.Row, column string) sheet.Cell { return row.Cell(l.at[column]) }

// has reports whether the file has a column.
func (l *layout) has(column string) bool { return l.at[column] >= 0 }
