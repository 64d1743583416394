package personal

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// phoneLength is that of a mobile number of the mainland.
const phoneLength = 11

// ParsePhone reads a mobile number as people and spreadsheets write it, with
// blanks, dashes, full-width digits or +86, and returns its 11 digits. Any error
// is a *Fault. An empty text is one, too: whether a number is needed is the
// caller's.
func ParsePhone(text string) (string, error) {
	fault := func(code, message, fix string) (string, error) {
		return "", &Fault{Field: FieldPhone, Code: code, Message: message, Fix: fix}
	}
	s := strings.NewReplacer(" ", "", "-", "", "–", "", "—", "", "(", "", ")", "").Replace(clean(text))
	if rest := strings.TrimPrefix(strings.TrimPrefix(s, "+"), "00"); len(rest) == phoneLength+2 {
		s = strings.TrimPrefix(rest, "86")
	}
	s = strings.TrimSuffix(s, ".0") // a spreadsheet's number written as text
	switch {
	case s == "":
		return fault("phone_empty", "没有填手机号", "请填写11位手机号")
	case scientific(s):
		return fault("phone_spreadsheet", "手机号被表格软件变成了科学计数（如 1.38E+10）",
			"请把这一列设为“文本”格式，再重新录入完整的手机号")
	case strings.ContainsRune(s, '*'):
		return fault("phone_masked", "手机号中有星号，不完整", "请填写完整的11位手机号")
	case !digitsOnly(s):
		return fault("phone_chars", "手机号中有不该有的字符", "只填一个11位手机号，不要填两个号码或备注")
	case s[0] == '0' || len(s) == 7 || len(s) == 8:
		return fault("phone_landline", "这是固定电话", "请填写本人的11位手机号，用来接收验证码")
	case len(s) != phoneLength:
		return fault("phone_length", fmt.Sprintf("手机号应为11位，这里是%d位", len(s)), "请核对后填写完整的手机号")
	case s[0] != '1' || s[1] < '3':
		return fault("phone_range", "没有这样的手机号段", "手机号以13至19开头，请核对")
	}
	return s, nil
}

const maxName = 50 // characters

// ParseName reads a person's name and returns it in one spelling: without blanks
// between Chinese characters, with one kind of middle dot. Any error is a *Fault.
func ParseName(text string) (string, error) {
	fault := func(code, message, fix string) (string, error) {
		return "", &Fault{Field: FieldName, Code: code, Message: message, Fix: fix}
	}
	if !utf8.ValidString(text) || strings.ContainsRune(text, utf8.RuneError) {
		return fault("name_damaged", "姓名是乱码", "请检查文件的编码，另存为“CSV UTF-8”后重新上传")
	}
	s := tidyName(clean(text))
	letters, stars := 0, false
	for _, r := range s {
		switch {
		case unicode.IsLetter(r) || unicode.Is(unicode.Mn, r):
			letters++
		case r == '*' || r == '〇' || r == '○':
			stars = stars || r == '*'
			letters++
		case r == '·' || r == ' ' || r == '\'' || r == '-' || r == '.':
		default:
			return fault("name_chars", "姓名中有不该有的字符", "只能是汉字、字母和间隔号“·”，请核对")
		}
	}
	switch {
	case letters == 0:
		return fault("name_empty", "没有填姓名", "请填写与身份证一致的姓名")
	case stars || strings.ContainsRune(s, '某'):
		return fault("name_masked", "姓名不完整", "请填写与身份证一致的完整姓名")
	case letters == 1 || utf8.RuneCountInString(s) > maxName:
		return fault("name_length", "姓名应为2至50个字", "请填写与身份证一致的完整姓名")
	}
	return s, nil
}

// tidyName drops blanks beside Chinese characters and dots, joins the others, and
// writes every middle dot as the one on identity cards (U+00B7).
func tidyName(s string) string {
	var b strings.Builder
	var last rune
	gap := false
	for _, r := range s {
		switch r {
		case '•', '‧', '∙', '⋅', '・', '･', '●', '．', '。', '﹒', '·':
			r = '·'
		case '.':
			if unicode.Is(unicode.Han, last) {
				r = '·'
			}
		case ' ':
			gap = true
			continue
		}
		if gap && last != 0 && last != '·' && r != '·' && !unicode.Is(unicode.Han, r) && !unicode.Is(unicode.Han, last) {
			b.WriteByte(' ')
		}
		gap, last = false, r
		b.WriteRune(r)
	}
	return strings.Trim(b.String(), "· -.'")
}

// MaskID shows the first four characters of a resident ID (province and city) and
// the last two: 4101************1X. Less of it stands against guessing the date of
// birth between.
func MaskID(id string) string { return mask(id, 4, 2) }

// MaskPhone shows a number as 138****5678.
func MaskPhone(phone string) string { return mask(phone, 3, 4) }

func mask(s string, head, tail int) string {
	if len(s) <= head+tail {
		return strings.Repeat("*", len(s))
	}
	return s[:head] + strings.Repeat("*", len(s)-head-tail) + s[len(s)-tail:]
}
