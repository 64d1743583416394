package strictjson

import (
	"time"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// AppendString appends s as a JSON string. Bytes that are no UTF-8 become
// U+FFFD; <, > and & stay, since no answer is read as HTML.
func AppendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			char, size := utf8.DecodeRuneInString(s[i:])
			if char == utf8.RuneError && size == 1 {
				dst = append(dst, s[start:i]...)
				dst = append(dst, `\ufffd`...)
				start = i + 1
			}
			i += size
			continue
		}
		if c >= 0x20 && c != '"' && c != '\\' {
			i++
			continue
		}
		dst = append(dst, s[start:i]...)
		dst = appendEscape(dst, c)
		i++
		start = i
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, `\n`...)
	case '\r':
		return append(dst, `\r`...)
	case '\t':
		return append(dst, `\t`...)
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}

// beijing is the zone of every time in an answer. Its offset has been constant
// since 1991, so no zone file is needed.
var beijing = time.FixedZone("Asia/Shanghai", 8*3600)

// AppendTime appends t as a JSON string, RFC 3339 to the second, Beijing time.
func AppendTime(dst []byte, t time.Time) []byte {
	dst = append(dst, '"')
	dst = t.In(beijing).AppendFormat(dst, time.RFC3339)
	return append(dst, '"')
}

// AppendTimeMS is AppendTime to the millisecond.
func AppendTimeMS(dst []byte, t time.Time) []byte {
	dst = append(dst, '"')
	dst = t.In(beijing).AppendFormat(dst, "2006-01-02T15:04:05.000Z07:00")
	return append(dst, '"')
}
