package application

import (
	"testing"

	"pgregory.net/rapid"
)

// TestPublishedCodes: codes that large companies print on their pages.
func TestPublishedCodes(t *testing.T) {
	t.Parallel()
	for _, code := range []string{
		"914403001922038216", // 华为技术有限公司
		"9144030071526726XG", // 腾讯科技（深圳）有限公司
		"91330100799655058B", // 阿里巴巴（中国）有限公司
		"91110000802100433B", // 百度在线网络技术（北京）有限公司
		"91410000170001401D", // 宇通客车股份有限公司
		"91100000100003962T", // 中国工商银行股份有限公司
		"91440300708461136T", // 深圳市腾讯计算机系统有限公司
	} {
		if !ValidCode(code) {
			t.Errorf("%s is refused, want check character %c", code, checkCharacter(code[:17]))
		}
	}
}

func TestInvalidCodes(t *testing.T) {
	t.Parallel()
	for _, code := range []string{
		"", "9141000017000140", "91410000170001401D1", "91410000170001401E", "9141000017000140ID",
		"91410000170001401d", "９1410000170001401", "91350100M0001TGQXM", "000000000000000000\x00", "OOOOOOOOOOOOOOOOOO",
	} {
		if ValidCode(code) {
			t.Errorf("%q is taken", code)
		}
	}
}

func TestNormalizeCode(t *testing.T) {
	t.Parallel()
	for _, typed := range []string{" 9141 0000 1700 0140 1d ", "91410000-170001401-D", "９１４１００００１７０００１４０１Ｄ", "91410000170001401D"} {
		if got := NormalizeCode(typed); got != "91410000170001401D" {
			t.Errorf("%q became %q", typed, got)
		}
	}
}

// TestCodeFindsSlips: any one wrong character and any swap of neighbours is found.
func TestCodeFindsSlips(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		body := make([]byte, codeLength-1)
		for i := range body {
			body[i] = codeAlphabet[rapid.IntRange(0, len(codeAlphabet)-1).Draw(t, "c")]
		}
		code := string(body) + string(checkCharacter(string(body)))
		if !ValidCode(code) {
			t.Fatalf("%s is refused", code)
		}
		wrong := []byte(code)
		at := rapid.IntRange(0, codeLength-1).Draw(t, "at")
		wrong[at] = codeAlphabet[rapid.IntRange(0, len(codeAlphabet)-1).Draw(t, "other")]
		if string(wrong) != code && ValidCode(string(wrong)) {
			t.Fatalf("%s for %s is taken", wrong, code)
		}
		swapped := []byte(code)
		i := rapid.IntRange(0, codeLength-2).Draw(t, "swap")
		swapped[i], swapped[i+1] = swapped[i+1], swapped[i]
		if string(swapped) != code && ValidCode(string(swapped)) {
			t.Fatalf("%s for %s is taken", swapped, code)
		}
	})
}

func FuzzCode(f *testing.F) {
	f.Add("91410000170001401D")
	f.Fuzz(func(t *testing.T, s string) {
		n := NormalizeCode(s)
		if NormalizeCode(n) != n {
			t.Errorf("normalizing %q twice differs", s)
		}
		if ValidCode(n) && len(n) != codeLength {
			t.Errorf("%q is taken", n)
		}
	})
}
