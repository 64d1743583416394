package till

import (
	"encoding/json"
	"fmt"
	"strconv"

	"unioncard/loadtest/wire"
)

// Bearer is the header that carries a token.
func Bearer(token string) wire.Header {
	return wire.Header{Name: "Authorization", Value: "Bearer " + token}
}

// Key is the header that carries an idempotency key.
func Key(key string) wire.Header { return wire.Header{Name: "Idempotency-Key", Value: key} }

// AppendItems appends a basket as JSON.
func AppendItems(dst []byte, basket []Item) []byte {
	data, err := json.Marshal(basket)
	if err != nil {
		panic(fmt.Sprintf("till: a basket of strings and integers has JSON: %v", err))
	}
	return append(dst, data...)
}

// AppendVerification appends the body of a verification; without a basket it asks
// only whether the card is good.
func AppendVerification(dst []byte, code string, basket []Item) []byte {
	dst = append(dst, `{"code":"`...)
	dst = append(dst, code...) // digits
	dst = append(dst, '"')
	if len(basket) > 0 {
		dst = append(dst, `,"amount_fen":`...)
		dst = strconv.AppendInt(dst, Total(basket), 10)
		dst = append(dst, `,"items":`...)
		dst = AppendItems(dst, basket)
	}
	return append(dst, '}')
}

// AppendPurchase appends the body of a purchase.
func AppendPurchase(dst []byte, quote string, basket []Item) []byte {
	dst = append(dst, `{"quote":"`...)
	dst = append(dst, quote...) // base64url
	dst = append(dst, `","items":`...)
	dst = AppendItems(dst, basket)
	return append(dst, '}')
}

// Verification is the part of an answer to a verification that a till acts on.
type Verification struct {
	Quote *struct {
		Token       string `json:"token"`
		AmountFen   int64  `json:"amount_fen"`
		DiscountFen int64  `json:"discount_fen"`
		PayableFen  int64  `json:"payable_fen"`
	} `json:"quote"`
	Problem
}

// Receipt is the answer to a purchase, a look-up, a void or a refund.
type Receipt struct {
	ID          string `json:"id"`
	State       string `json:"state"`
	AmountFen   int64  `json:"amount_fen"`
	DiscountFen int64  `json:"discount_fen"`
	PayableFen  int64  `json:"payable_fen"`
}

// Problem is a problem document (RFC 9457) with the service's own code.
type Problem struct {
	Status int    `json:"status"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

// Decode reads an answer's body.
func Decode[T any](body []byte) (T, error) {
	var v T
	if err := json.Unmarshal(body, &v); err != nil {
		return v, fmt.Errorf("till: answer %.200q: %w", body, err)
	}
	return v, nil
}
