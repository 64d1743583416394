package terminal

import (
	"errors"
	"math"

	"unioncard/api/strictjson"
	"unioncard/merchant/terms"
	"unioncard/settlement/purchase"
)

// Bounds of requests.
const (
	// maxBatch is the most verifications in one batch.
	maxBatch = 1000
)

// ErrBatchSize: a batch has 1 to 1,000 verifications.
var ErrBatchSize = errors.New("terminal: a batch has 1 to 1,000 verifications")

// decodeItem reads one line of a basket.
func decodeItem(r *strictjson.Reader, it *terms.Item) {
	*it = terms.Item{}
	var seen strictjson.Seen
	for key := r.Object(); key != nil; key = r.Next() {
		switch string(key) {
		case "sku":
			r.Once(&seen, 0)
			it.SKU = r.String()
		case "category":
			r.Once(&seen, 1)
			it.Category = r.String()
		case "qty_milli":
			r.Once(&seen, 2)
			it.QtyMilli = r.Fen()
		case "unit_price_fen":
			r.Once(&seen, 3)
			it.UnitPriceFen = r.Fen()
		case "amount_fen":
			r.Once(&seen, 4)
			it.AmountFen = r.Fen()
		default:
			r.Unknown()
		}
	}
	r.Require(seen, 2, "qty_milli")
	r.Require(seen, 3, "unit_price_fen")
	r.Require(seen, 4, "amount_fen")
}

// decodeItems reads a basket into items, whose memory it uses again. It keeps
// at most one line more than a basket may have, so that the basket is refused
// as such and a body of tiny lines can not grow without bound.
func decodeItems(r *strictjson.Reader, items []terms.Item) []terms.Item {
	items = items[:0]
	var extra terms.Item
	for ok := r.Array(); ok; ok = r.More() {
		if len(items) > terms.MaxItems {
			decodeItem(r, &extra)
			continue
		}
		items = append(items, terms.Item{})
		decodeItem(r, &items[len(items)-1])
	}
	return items
}

// decodeVerify reads one verification. The strings are views of the body.
func decodeVerify(r *strictjson.Reader, req *purchase.VerifyRequest) {
	items := req.Items[:0]
	*req = purchase.VerifyRequest{Items: items}
	var seen strictjson.Seen
	for key := r.Object(); key != nil; key = r.Next() {
		switch string(key) {
		case "code":
			r.Once(&seen, 0)
			req.Code = r.String()
		case "outlet":
			r.Once(&seen, 1)
			req.OutletID = positive(r.Int())
		case "amount_fen":
			r.Once(&seen, 2)
			req.HasAmount = true
			req.AmountFen = r.Fen()
		case "items":
			r.Once(&seen, 3)
			req.Items = decodeItems(r, req.Items)
		default:
			r.Unknown()
		}
	}
	r.Require(seen, 0, "code")
}

// positive makes an id of what a client sent. 0 would mean "none named" and no
// outlet has a number below 1, so those become one that does not exist.
func positive(id int64) int64 {
	if id < 1 {
		return math.MaxInt64
	}
	return id
}

// decodeCommit reads a purchase.
func decodeCommit(r *strictjson.Reader, req *purchase.CommitRequest) {
	var seen strictjson.Seen
	for key := r.Object(); key != nil; key = r.Next() {
		switch string(key) {
		case "quote":
			r.Once(&seen, 0)
			req.Quote = r.String()
		case "items":
			r.Once(&seen, 1)
			req.Items = decodeItems(r, nil)
		case "merchant_ref":
			r.Once(&seen, 2)
			req.MerchantRef = r.String()
		case "operator":
			r.Once(&seen, 3)
			req.Operator = r.String()
		default:
			r.Unknown()
		}
	}
	r.Require(seen, 0, "quote")
}

// decodeVoid reads a void. Who undoes and why are not for leaving out (DESIGN
// invariant 10).
func decodeVoid(r *strictjson.Reader) (operator, reason string) {
	var seen strictjson.Seen
	for key := r.Object(); key != nil; key = r.Next() {
		switch string(key) {
		case "operator":
			r.Once(&seen, 0)
			operator = r.String()
		case "reason":
			r.Once(&seen, 1)
			reason = r.String()
		default:
			r.Unknown()
		}
	}
	r.Require(seen, 0, "operator")
	r.Require(seen, 1, "reason")
	return operator, reason
}

// decodeRefund reads a refund. An amount of 0 or less is no way to say "none",
// so byAmount tells that one was sent.
func decodeRefund(r *strictjson.Reader, req *purchase.RefundRequest) (byAmount bool) {
	var seen strictjson.Seen
	for key := r.Object(); key != nil; key = r.Next() {
		switch string(key) {
		case "amount_fen":
			r.Once(&seen, 0)
			req.AmountFen = r.Fen()
		case "items":
			r.Once(&seen, 1)
			for ok := r.Array(); ok; ok = r.More() {
				line := decodeRefundLine(r)
				if len(req.Lines) <= terms.MaxItems {
					req.Lines = append(req.Lines, line)
				}
			}
		case "operator":
			r.Once(&seen, 2)
			req.Operator = r.String()
		case "reason":
			r.Once(&seen, 3)
			req.Reason = r.String()
		default:
			r.Unknown()
		}
	}
	r.Require(seen, 2, "operator")
	r.Require(seen, 3, "reason")
	return seen.Has(0)
}

// decodeRefundLine reads {line, qty_milli?}.
func decodeRefundLine(r *strictjson.Reader) (line purchase.RefundLine) {
	var seen strictjson.Seen
	for key := r.Object(); key != nil; key = r.Next() {
		switch string(key) {
		case "line":
			r.Once(&seen, 0)
			line.Line = int(min(max(r.Int(), 0), terms.MaxItems+1))
		case "qty_milli":
			r.Once(&seen, 1)
			if line.QtyMilli = r.Fen(); line.QtyMilli == 0 {
				// 0 means the rest of the line, which is said by leaving it out.
				line.QtyMilli = -1
			}
		default:
			r.Unknown()
		}
	}
	r.Require(seen, 0, "line")
	return line
}

// decodeReversal reads {key}.
func decodeReversal(r *strictjson.Reader) (key string) {
	var seen strictjson.Seen
	for name := r.Object(); name != nil; name = r.Next() {
		switch string(name) {
		case "key":
			r.Once(&seen, 0)
			key = r.String()
		default:
			r.Unknown()
		}
	}
	r.Require(seen, 0, "key")
	return key
}

// decodeActivation reads {code, public_key}.
func decodeActivation(r *strictjson.Reader) (code, publicKey string) {
	var seen strictjson.Seen
	for name := r.Object(); name != nil; name = r.Next() {
		switch string(name) {
		case "code":
			r.Once(&seen, 0)
			code = r.String()
		case "public_key":
			r.Once(&seen, 1)
			publicKey = r.String()
		default:
			r.Unknown()
		}
	}
	r.Require(seen, 0, "code")
	r.Require(seen, 1, "public_key")
	return code, publicKey
}
