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
