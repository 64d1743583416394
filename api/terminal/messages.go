package terminal

import (
	"strconv"

	"unioncard/merchant/terms"
)

// appendMessage appends, without quotes, the sentence for the cashier on why an
// offer gave nothing. It holds no character that JSON escapes.
func appendMessage(dst []byte, reason terms.Reason, needFen int64) []byte {
	if reason != terms.ReasonThreshold || needFen <= 0 {
		return append(dst, reason.Message()...)
	}
	dst = append(dst, "参加该优惠的商品再买"...)
	dst = appendYuan(dst, needFen)
	return append(dst, "元即可享受"...)
}

// appendYuan appends an amount of fen as yuan: 1250 is 12.50, 2000 is 20.
func appendYuan(dst []byte, fen int64) []byte {
	dst = strconv.AppendInt(dst, fen/100, 10)
	if rest := fen % 100; rest != 0 {
		dst = append(dst, '.', '0'+byte(rest/10), '0'+byte(rest%10))
	}
	return dst
}
