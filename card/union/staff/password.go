package staff

import (
	"crypto/rand"
	_ "embed"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxPassword bounds what is hashed, in bytes.
const maxPassword = 200

// commonWords are what guessing lists try first, one a line, lower case.
//
//go:embed common.txt
var commonWords string

// CheckPassword says, in Chinese, what is wrong with a password that somebody
// chooses for an account of this login, "" if nothing is.
func (p Policy) CheckPassword(login, password string) string {
	n := utf8.RuneCountInString(password)
	switch {
	case !utf8.ValidString(password) || strings.ContainsFunc(password, unicode.IsControl):
		return "密码里有不可见字符，请重新输入。"
	case n < p.MinLength:
		return fmt.Sprintf("密码至少 %d 个字符，现在是 %d 个。", p.MinLength, n)
	case len(password) > maxPassword:
		return fmt.Sprintf("密码太长，最多 %d 个字节。", maxPassword)
	case classes(password) < p.Classes:
		return fmt.Sprintf("密码要包含大写字母、小写字母、数字、符号中的至少 %d 种。", p.Classes)
	case login != "" && strings.Contains(strings.ToLower(password), strings.ToLower(login)):
		return "密码里不能包含登录名。"
	case common(password):
		return "这个密码太容易被猜到（常用词、连续或重复的字符），请换一个。"
	}
	return ""
}

// classes counts the sorts of characters in a password; other scripts count as
// symbols.
func classes(s string) int {
	var lower, upper, digit, other int
	for _, r := range s {
		switch {
		case r >= 'a' && r <= 'z':
			lower = 1
		case r >= 'A' && r <= 'Z':
			upper = 1
		case r >= '0' && r <= '9':
			digit = 1
		default:
			other = 1
		}
	}
	return lower + upper + digit + other
}

// unleet undoes the replacements that everybody thinks of.
var unleet = strings.NewReplacer("0", "o", "1", "i", "3", "e", "4", "a", "5", "s", "7", "t", "@", "a", "$", "s", "!", "i")

// common reports whether a password is a well-known word in disguise (with
// digits or signs round it, or in place of letters), or is mostly a run along
// the alphabet, the digits or the keyboard.
func common(password string) bool {
	lower := strings.ToLower(password)
	if strings.ContainsFunc(password, func(r rune) bool { return r > unicode.MaxASCII }) {
		return longestRun(lower)*2 > len(lower) // the list knows no other script
	}
	isLetter := func(r rune) bool { return r >= 'a' && r <= 'z' }
	bare := strings.TrimFunc(lower, func(r rune) bool { return !isLetter(r) })
	for _, form := range []string{lower, unleet.Replace(lower), unleet.Replace(bare)} {
		var letters strings.Builder
		for _, r := range form {
			if isLetter(r) {
				letters.WriteRune(r)
			}
		}
		core := strings.TrimFunc(form, func(r rune) bool { return !isLetter(r) })
		for word := range strings.Lines(commonWords) {
			word = strings.TrimSpace(word)
			if letters.String() == word || core == word {
				return true
			}
		}
	}
	return longestRun(lower)*2 > len(lower)
}

// rows are the orders in which fingers run.
var rows = []string{"abcdefghijklmnopqrstuvwxyz", "01234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm", "1qaz2wsx3edc4rfv5tgb", "!@#$%^&*()"}

// longestRun is the length of the longest run: the same character again, or
// neighbours in one of rows, either way.
func longestRun(s string) int {
	longest, same, run := 0, 1, 1
	for i := 1; i < len(s); i++ {
		if s[i] == s[i-1] {
			same++
		} else {
			same = 1
		}
		if neighbours(s[i-1], s[i]) {
			run++
		} else {
			run = 1
		}
		longest = max(longest, same, run)
	}
	return longest
}

func neighbours(a, b byte) bool {
	for _, row := range rows {
		if strings.Contains(row, string([]byte{a, b})) || strings.Contains(row, string([]byte{b, a})) {
			return true
		}
	}
	return false
}

// The alphabet of one-time passwords and recovery codes leaves out what is
// misread: no 0 O o, 1 l I.
const plainAlphabet = "abcdefghijkmnpqrstuvwxyz23456789"

// plainCode draws groups of five characters of plainAlphabet, 25 bits each.
func plainCode(groups int) string {
	raw := make([]byte, 5*groups)
	_, _ = rand.Read(raw) // never fails
	var b strings.Builder
	for i, c := range raw {
		if i > 0 && i%5 == 0 {
			b.WriteByte('-')
		}
		b.WriteByte(plainAlphabet[int(c)%len(plainAlphabet)]) // 32 characters: no bias
	}
	return b.String()
}

// newOneTime draws a one-time password: 75 bits.
func newOneTime() string { return plainCode(3) }
