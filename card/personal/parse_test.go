package personal_test

import (
	"errors"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"

	"unioncard/card/personal"
)

// wantFault checks a refusal: its code, and that it tells in Chinese what to do
// without repeating the value.
func wantFault(t *testing.T, input string, err error, code string) {
	t.Helper()
	if code == "" {
		if err != nil {
			t.Errorf("%q: %v", input, err)
		}
		return
	}
	f, ok := errors.AsType[*personal.Fault](err)
	if !ok || f.Code != code {
		t.Errorf("%q: %v, want %s", input, err, code)
		return
	}
	for _, s := range []string{f.Message, f.Fix} {
		if !strings.ContainsFunc(s, func(r rune) bool { return unicode.Is(unicode.Han, r) }) {
			t.Errorf("%s says %q", code, s)
		}
		if strings.ContainsAny(input, "0123456789") && len(input) > 6 && strings.Contains(s+f.Error(), input) {
			t.Errorf("%s repeats the value", code)
		}
	}
}

// The first two numbers are the examples of GB 11643-1999.
func TestCheckResidentID(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ in, want, code string }{
		{"11010519491231002X", "11010519491231002X", ""},
		{"440524188001010014", "", "id_date"}, // the standard's own, born in 1880
		{"110101199003072893", "110101199003072893", ""},
		{"11010519491231002x", "11010519491231002X", ""},
		{" 110105 19491231 002X\t", "11010519491231002X", ""},
		{"１１０１０５１９４９１２３１００２Ｘ", "11010519491231002X", ""},
		{"１１０１０５１９４９１２３１００２ｘ", "11010519491231002X", ""},
		{"'110101199003072893", "110101199003072893", ""},
		{"’110101199003072893", "110101199003072893", ""},
		{"\ufeff110101199003072893\u200b", "110101199003072893", ""},
		{"110101-19900307-2893", "110101199003072893", ""},
		{"", "", "id_empty"},
		{" \u3000\t", "", "id_empty"},
		{"1.10101E+17", "", "id_spreadsheet"},
		{"1.10101199003073E+17", "", "id_spreadsheet"},
		{"1.10101e17", "", "id_spreadsheet"},
		{"１.10101E＋17", "", "id_spreadsheet"},
		{"110101199003072000", "", "id_rounded"},
		{"110101900307289", "", "id_15"},
		{"1101011990030728", "", "id_length"},
		{"1101011990030728933", "", "id_length"},
		{"110101********2893", "", "id_masked"},
		{"11010119900307289O", "", "id_chars"},
		{"1101011990030728X3", "", "id_chars"},
		{"XXXXXXXXXXXXXXXXXX", "", "id_chars"},
		{"身份证号", "", "id_chars"},
		{"110101199003072893、410105199003072893", "", "id_chars"},
		{"\xff\xfe", "", "id_chars"},
		{"000000199003072893", "", "id_region"},
		{"990101199003072893", "", "id_region"},
		{"410000199003072893", "", "id_region"},
		{"410105199002302893", "", "id_date"},
		{"410105198902292893", "", "id_date"},
		{"410105199013012893", "", "id_date"},
		{"410105199000012893", "", "id_date"},
		{"410105199001002893", "", "id_date"},
		{"410105189912312893", "", "id_date"},
		{"110101199003072894", "", "id_check"},
		{"11010119900307289X", "", "id_check"},
		{"110101199003702893", "", "id_date"},
		{"110101199003082793", "", "id_check"}, // two digits changed about
	} {
		got, err := personal.CheckResidentID(tc.in)
		wantFault(t, tc.in, err, tc.code)
		if string(got) != tc.want {
			t.Errorf("%q: read as %q", tc.in, string(got))
		}
	}
}

func TestResidentIDParts(t *testing.T) {
	t.Parallel()
	for _, in := range []string{"8100001990010100", "9114431990010100"} { // a resident of Hong Kong, a foreigner
		id, err := personal.CompleteResidentID(in + "2")
		if err != nil {
			t.Fatalf("%s: %v", in, err)
		}
		if id.Born() != time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC) || !id.Female() {
			t.Errorf("%s: born %v, female %v", in, id.Born(), id.Female())
		}
	}
	id, err := personal.CheckResidentID("110101199003072893")
	if err != nil || id.Female() {
		t.Errorf("female %v, %v", id.Female(), err)
	}
	for on, code := range map[string]string{"1990-03-06": "id_future", "2006-03-06": "id_minor", "2006-03-07": "", "2110-03-07": "", "2110-03-08": "id_age"} {
		day, _ := time.Parse(time.DateOnly, on)
		wantFault(t, on, id.CheckAge(day), code)
	}
	leap, err := personal.CompleteResidentID("41010520080229001")
	if err != nil {
		t.Fatal(err)
	}
	for on, code := range map[string]string{"2024-02-28": "id_minor", "2024-02-29": ""} {
		day, _ := time.Parse(time.DateOnly, on)
		wantFault(t, on, leap.CheckAge(day), code)
	}
}

// The check character tells every single wrong digit and every two neighbours
// changed about (ISO 7064 MOD 11-2).
func TestCheckCharacterTellsSlips(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		id, err := personal.CompleteResidentID("410105" + rapid.StringMatching(`19[5-9][0-9](0[1-9]|1[0-2])(0[1-9]|1[0-9]|2[0-8])[0-9]{3}`).Draw(t, "rest"))
		if err != nil {
			t.Fatal(err)
		}
		spoilt := []byte(string(id))
		at := rapid.IntRange(0, 16).Draw(t, "at")
		if rapid.Bool().Draw(t, "changed about") {
			spoilt[at], spoilt[at+1] = spoilt[at+1], spoilt[at]
		} else {
			spoilt[at] = byte('0' + rapid.IntRange(0, 9).Draw(t, "digit"))
		}
		if _, err := personal.CheckResidentID(string(spoilt)); (err == nil) != (string(spoilt) == string(id)) {
			t.Fatalf("%s for %s: %v", spoilt, string(id), err)
		}
	})
}

func TestParsePhone(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ in, want, code string }{
		{"13800138000", "13800138000", ""},
		{" 138 0013 8000 ", "13800138000", ""},
		{"138-0013-8000", "13800138000", ""},
		{"+86 13800138000", "13800138000", ""},
		{"008613800138000", "13800138000", ""},
		{"8613800138000", "13800138000", ""},
		{"（+86）13800138000", "13800138000", ""},
		{"１３８００１３８０００", "13800138000", ""},
		{"13800138000.0", "13800138000", ""},
		{"'13800138000", "13800138000", ""},
		{"19900138000", "19900138000", ""},
		{"", "", "phone_empty"},
		{"　", "", "phone_empty"},
		{"1.37E+10", "", "phone_spreadsheet"},
		{"138****8000", "", "phone_masked"},
		{"13800138000/13900139000", "", "phone_chars"},
		{"无", "", "phone_chars"},
		{"1380013800O", "", "phone_chars"},
		{"0371-12345678", "", "phone_landline"},
		{"6512345", "", "phone_landline"},
		{"65123456", "", "phone_landline"},
		{"1380013800", "", "phone_length"},
		{"138001380000", "", "phone_length"},
		{"12345678901", "", "phone_range"},
		{"23800138000", "", "phone_range"},
		{"\xff", "", "phone_chars"},
	} {
		got, err := personal.ParsePhone(tc.in)
		wantFault(t, tc.in, err, tc.code)
		if got != tc.want {
			t.Errorf("%q: read as %q", tc.in, got)
		}
	}
}

func TestParseName(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ in, want, code string }{
		{"张三", "张三", ""},
		{" 张 三 ", "张三", ""},
		{"张　三", "张三", ""},
		{"欧阳修", "欧阳修", ""},
		{"买买提•艾力", "买买提·艾力", ""},
		{"买买提.艾力", "买买提·艾力", ""},
		{"买买提．艾力", "买买提·艾力", ""},
		{"买买提 · 艾力", "买买提·艾力", ""},
		{"John  Smith", "John Smith", ""},
		{"Ｊｏｈｎ Smith", "John Smith", ""},
		{"𠮷野", "𠮷野", ""},
		{"㛃〇", "㛃〇", ""},
		{"\ufeff张三\u200b", "张三", ""},
		{"", "", "name_empty"},
		{"·", "", "name_empty"},
		{"张", "", "name_length"},
		{strings.Repeat("张", 51), "", "name_length"},
		{"张*", "", "name_masked"},
		{"张某", "", "name_masked"},
		{"张三1", "", "name_chars"},
		{"张三(女)", "", "name_chars"},
		{"=张三", "", "name_chars"},
		{"张\x00三", "", "name_chars"},
		{"寮犱笁\ufffd", "", "name_damaged"},
		{"\xd5\xc5\xc8\xfd", "", "name_damaged"},
	} {
		got, err := personal.ParseName(tc.in)
		wantFault(t, tc.in, err, tc.code)
		if got != tc.want {
			t.Errorf("%q: read as %q", tc.in, got)
		}
	}
}

func TestMasks(t *testing.T) {
	t.Parallel()
	for got, want := range map[string]string{
		personal.MaskID("11010519491231002X"): "1101************2X",
		personal.MaskID("12345"):              "*****",
		personal.MaskID(""):                   "",
		personal.MaskPhone("13800138000"):     "138****8000",
		personal.MaskPhone("1380013"):         "*******",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// stable: what a parser accepts, it accepts again and returns the same; what it
// refuses, it refuses with a fault.
func stable(t *testing.T, in string, parse func(string) (string, error)) (string, bool) {
	out, err := parse(in)
	if err != nil {
		if f, ok := errors.AsType[*personal.Fault](err); !ok || out != "" || f.Code == "" || f.Fix == "" {
			t.Fatalf("%q: %q, %v", in, out, err)
		}
		return "", false
	}
	if again, err := parse(out); err != nil || again != out {
		t.Fatalf("%q: read as %q, then as %q, %v", in, out, again, err)
	}
	return out, true
}

func FuzzCheckResidentID(f *testing.F) {
	for _, s := range []string{"11010519491231002X", "１１０１０５１９４９１２３１００２ｘ", "1.10101E+17", "110101900307289", "'110101199003072893", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		out, ok := stable(t, in, func(s string) (string, error) {
			id, err := personal.CheckResidentID(s)
			return string(id), err
		})
		if !ok {
			return
		}
		if len(out) != 18 || strings.Trim(out, "0123456789X") != "" || personal.ResidentID(out).Born().IsZero() {
			t.Fatalf("%q: accepted as %q", in, out)
		}
		if whole, err := personal.CompleteResidentID(out[:17]); err != nil || string(whole) != out {
			t.Fatalf("%q: %v", out, err)
		}
	})
}

func FuzzParsePhone(f *testing.F) {
	for _, s := range []string{"13800138000", "+86 138-0013-8000", "1.38E+10", "0371-12345678", "１３８００１３８０００"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		if out, ok := stable(t, in, personal.ParsePhone); ok && (len(out) != 11 || out[0] != '1' || strings.Trim(out, "0123456789") != "") {
			t.Fatalf("%q: accepted as %q", in, out)
		}
	})
}

func FuzzParseName(f *testing.F) {
	for _, s := range []string{"张三", "买买提•艾力", "John  Smith", "张 三", "=张三", "\xd5\xc5", "a.b", "张.b c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		if out, ok := stable(t, in, personal.ParseName); ok && (!utf8.ValidString(out) || utf8.RuneCountInString(out) > 50 || strings.TrimSpace(out) != out) {
			t.Fatalf("%q: accepted as %q", in, out)
		}
	})
}
