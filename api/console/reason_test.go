package console

import (
	"net/url"
	"testing"

	"unioncard/api/exchange"
	"unioncard/merchant"
)

// TestReasonNamesNobody: a reason stays in the event log for good.
func TestReasonNamesNobody(t *testing.T) {
	t.Parallel()
	for reason, want := range map[string]int{"本人到窗口核对": 0, "": 1, "本人 11010519491231002X 申请": 1, "已电话13800001111确认": 1} {
		var wrong merchant.FieldErrors
		reasonIn(&exchange.Form{Values: url.Values{"reason": {reason}}}, &wrong)
		if len(wrong) != want {
			t.Errorf("%q: %v", reason, wrong)
		}
	}
}

// TestReasonsOfTheirOwnName: a reason under another field's name is held to the same.
func TestReasonsOfTheirOwnName(t *testing.T) {
	t.Parallel()
	for reason, want := range map[string]int{"交制卡单位": 0, "": 1, "交13800001111": 1} {
		var wrong merchant.FieldErrors
		printReason(&exchange.Form{Values: url.Values{"print_reason": {reason}}}, &wrong)
		if len(wrong) != want || want == 1 && wrong[0].Field != "print_reason" {
			t.Errorf("%q: %v", reason, wrong)
		}
	}
}
