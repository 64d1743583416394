package personal_test

import (
	"testing"

	"unioncard/card/personal"
)

func TestMentioned(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"":                         false,
		"本人来窗口核对":                  false,
		"王某 11010519491231002X 申请": true,
		"身份证１１０１０５１９４９１２３１００２ｘ":                  true,
		"证号110105 19491231 0021":                 false, // a wrong check character
		"证号110105 19491231 002x":                 true,
		"电话13800001111":                          true,
		"电话 138-0000-1111，下午来过":                  true,
		"+8613800001111":                         true,
		"固话 0371-65908888":                       false,
		"发票号 138000011112222":                    false,
		"协议 20260131-18，金额 13800 元":              false,
		"2026年1月31日 12345678901":                 false, // no number begins with 12
		"统一社会信用代码 91410100MA44XXXX1X 的门店关了":      false,
		"从 2026-01-31 到 2026-02-28，共 11 张，第 3 批": false,
	} {
		if got := personal.Mentioned(text); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}
