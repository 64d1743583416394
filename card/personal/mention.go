package personal

import "strings"

// Mentioned reports whether a text that is kept in plain, such as a reason in the
// event log, holds somebody's resident ID or mobile number. What only looks like one
// (an invoice's number, a wrong check character) is none.
func Mentioned(text string) bool {
	text = clean(text)
	joined := strings.NewReplacer(" ", "", "-", "").Replace(text)
	return mentions(text) || joined != text && mentions(joined)
}

// mentions looks at each run of digits, with an X behind.
func mentions(s string) bool {
	for i := 0; i < len(s); i++ {
		from := i
		for i < len(s) && s[i] >= '0' && s[i] <= '9' {
			i++
		}
		number := s[from:i]
		if len(number) == idLength-1 && i < len(s) && (s[i] == 'X' || s[i] == 'x') {
			number = s[from : i+1]
		}
		switch len(number) {
		case idLength:
			if _, err := CheckResidentID(number); err == nil {
				return true
			}
		case phoneLength, phoneLength + 2:
			if _, err := ParsePhone(number); err == nil {
				return true
			}
		}
	}
	return false
}
