package personal

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// ResidentID is a citizen identification number by GB 11643: 6 digits of the
// division where it was issued, 8 of the date of birth, 3 in sequence (odd for
// men), a check character. It prints masked; string(id) is the plain number.
type ResidentID string

// String is the masked number.
func (id ResidentID) String() string { return MaskID(string(id)) }

// GoString is String.
func (id ResidentID) GoString() string { return id.String() }

// Format prints the masked number whatever the verb.
func (id ResidentID) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, id.String()) }

// MarshalText is the masked number, for JSON and slog.
func (id ResidentID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// Born is the date of birth, at midnight UTC.
func (id ResidentID) Born() time.Time {
	t, _ := birthday(string(id))
	return t
}

// Female is what the last digit of the sequence says.
func (id ResidentID) Female() bool { return len(id) == 18 && (id[16]-'0')%2 == 0 }

const idLength = 18

// regions are the first two digits of GB/T 2260; 81 to 83 are residence permits
// of people from Hong Kong, Macao and Taiwan, whose numbers follow GB 11643, too.
const regions = " 11 12 13 14 15 21 22 23 31 32 33 34 35 36 37 41 42 43 44 45 46 50 51 52 53 54 61 62 63 64 65 71 81 82 83 "

// foreigner begins the number of a foreigner's permanent residence card since
// 2023: 9, two digits of the province, three of the country; the rest as GB 11643.
const foreigner = '9'

func idFault(code, message, fix string) error {
	return &Fault{Field: FieldResidentID, Code: code, Message: message, Fix: fix}
}

// CheckResidentID reads a resident ID as people and spreadsheets write it:
// full-width characters, blanks within, a lower-case x. Any error is a *Fault: the
// characters, length, region, date of birth and check character must be right,
// and it says which is not, and when a spreadsheet has spoilt the number. Whether
// the person is old enough is CheckAge's.
func CheckResidentID(text string) (ResidentID, error) {
	s := text
	if len(s) != idLength || !plain(s) || s[idLength-1] == 'x' { // else as it should be
		s = strings.ToUpper(strings.NewReplacer(" ", "", "-", "").Replace(clean(text)))
	}
	switch {
	case s == "":
		return "", idFault("id_empty", "没有填身份证号", "请填写18位居民身份证号")
	case scientific(s):
		return "", idFault("id_spreadsheet", "身份证号被表格软件变成了科学计数（如 4.10101E+17），后几位已经丢失",
			"请把这一列设为“文本”格式，再重新录入完整的身份证号")
	case strings.ContainsRune(s, '*'):
		return "", idFault("id_masked", "身份证号中有星号，不完整", "请填写完整的18位身份证号")
	case len(s) == 15 && digitsOnly(s):
		return "", idFault("id_15", "这是15位的旧身份证号，2013年起已停用", "请填写现在的18位身份证号")
	case strings.Trim(s, "0123456789X") != "" || strings.IndexByte(s, 'X') >= 0 && strings.IndexByte(s, 'X') != len(s)-1:
		return "", idFault("id_chars", "身份证号中有不该有的字符", "只能是17位数字加一位校验码（数字或X），请核对")
	case len(s) != idLength:
		return "", idFault("id_length", fmt.Sprintf("身份证号应为18位，这里是%d位", len(s)), "请核对后填写完整的身份证号")
	}
	return checkParts(s)
}

// checkParts holds 17 digits and a digit or X to GB 11643.
func checkParts(s string) (ResidentID, error) {
	region := s[:2]
	if s[0] == foreigner {
		region = s[1:3]
	}
	if !strings.Contains(regions, " "+region+" ") || s[0] != foreigner && s[2:6] == "0000" && region < "81" {
		return "", idFault("id_region", "身份证号前6位不是我国的行政区划", "请对照身份证核对前6位")
	}
	if _, ok := birthday(s); !ok {
		return "", idFault("id_date", "身份证号第7至14位不是真实的出生日期", "请对照身份证核对出生日期部分")
	}
	if checkCharacter(s) != s[idLength-1] {
		if s[15:] == "000" {
			// Fifteen digits are what a spreadsheet's number holds.
			return "", idFault("id_rounded", "身份证号最后几位变成了000，是表格软件当作数字处理造成的",
				"请把这一列设为“文本”格式，再重新录入完整的身份证号")
		}
		return "", idFault("id_check", "身份证号的校验位不对，可能有一位录错", "请对照身份证逐位核对")
	}
	return ResidentID(s), nil
}

// birthday is digits 7 to 14 as a real date from 1900 to 2099.
func birthday(s string) (time.Time, bool) {
	if len(s) != idLength || !digitsOnly(s[6:14]) {
		return time.Time{}, false
	}
	number := func(s string) (n int) {
		for i := range len(s) {
			n = n*10 + int(s[i]-'0')
		}
		return n
	}
	y, m, d := number(s[6:10]), number(s[10:12]), number(s[12:14])
	if y < 1900 || y > 2099 || m < 1 || m > 12 || d < 1 {
		return time.Time{}, false
	}
	t := time.Date(y, time.Month(m), d, 0, 0, 0, 0, time.UTC)
	return t, t.Day() == d
}

// idWeights and idChecks are ISO 7064:1983 MOD 11-2, as GB 11643 prints them.
var (
	idWeights = [idLength - 1]int{7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2}
	idChecks  = [11]byte{'1', '0', 'X', '9', '8', '7', '6', '5', '4', '3', '2'}
)

// checkCharacter is that of the first 17 digits.
func checkCharacter(s string) byte {
	sum := 0
	for i, w := range idWeights {
		sum += int(s[i]-'0') * w
	}
	return idChecks[sum%11]
}

// Ages at which somebody can be a member: work begins at 16 (Labour Law, art. 15).
const (
	minAge = 16
	maxAge = 120
)

// CheckAge refuses, as a *Fault, who is not yet 16 on a day or cannot be alive.
func (id ResidentID) CheckAge(on time.Time) error {
	born := id.Born()
	switch {
	case born.After(on):
		return idFault("id_future", "身份证号中的出生日期还没有到", "请对照身份证核对出生日期部分")
	case born.AddDate(minAge, 0, 0).After(on):
		return idFault("id_minor", "这个人不满16周岁，不能入会", "请对照身份证核对出生日期部分")
	case born.AddDate(maxAge, 0, 0).Before(on):
		return idFault("id_age", "身份证号中的出生日期在120年以前", "请对照身份证核对出生日期部分")
	}
	return nil
}

// CompleteResidentID appends the check character to 17 digits: for made-up
// persons of tests and demonstrations.
func CompleteResidentID(digits string) (ResidentID, error) {
	if len(digits) != idLength-1 || !digitsOnly(digits) {
		return "", idFault("id_chars", "前17位应都是数字", "请核对")
	}
	return checkParts(digits + string(checkCharacter(digits)))
}
