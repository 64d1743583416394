package card

import (
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestMaskName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"张三":         "张*",
		"张三丰":        "张**",
		"张":          "张*", // never the whole name
		"欧阳修":        "欧阳*",
		"欧阳":         "欧*", // a surname 欧
		"司马相如":       "司马**",
		"买买提·艾力":     "买***",
		"古丽 巴哈尔":     "古***",
		"John Smith": "J***",
		" 李 四 ":      "李*",
		"":           "*",
		"*":          "*",
		"**":         "*",
		"123":        "*",
		"王\x00五":     "王*",
		"王\xff五":     "王*",
		"\u202e赵六":   "赵*",
		"張**":        "張**",
		"𠮷田":         "𠮷*",
	} {
		if got := Mask(name); got != want {
			t.Errorf("Mask(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestMaskNameProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.OneOf(rapid.String(), rapid.StringOfN(rapid.RuneFrom([]rune("张欧阳司马三丰·* \x00a")), 0, 8, -1)).Draw(t, "name")
		got := Mask(name)
		stars := strings.Count(got, "*")
		kept := utf8.RuneCountInString(got) - stars
		switch {
		case Mask(got) != got:
			t.Fatalf("%q, masked again %q", got, Mask(got))
		case stars < 1 || stars > maxStars || kept > 2 || !utf8.ValidString(got) || len(got) > maxName:
			t.Fatalf("%q", got)
		case kept == 2 && !compoundSurnames[got[:len(got)-stars]]:
			t.Fatalf("%q keeps two characters that are no surname", got)
		}
	})
}

// A full dictionary gives "*" for new names and still the right one for old.
func TestNameDictOverflow(t *testing.T) {
	t.Parallel()
	d := newNameDict()
	for i := range maxNames - 1 {
		name := strconv.Itoa(i)
		if j := d.intern(name); j == 0 || d.at(j) != name {
			t.Fatalf("%s got index %d", name, j)
		}
	}
	if i := d.intern("one more"); d.at(i) != anonymous {
		t.Errorf("one too many is shown as %q", d.at(i))
	}
	if i := d.intern("7"); d.at(i) != "7" {
		t.Errorf("an old one is shown as %q", d.at(i))
	}
}
