package terminal

import (
	"strconv"

	"unioncard/api/strictjson"
	"unioncard/settlement/purchase"
)

// number appends a member that is a number; name holds all that stands before it.
func number(dst []byte, name string, n int64) []byte {
	dst = append(dst, name...)
	return strconv.AppendInt(dst, n, 10)
}

// text appends a member that is a string; name holds all that stands before it.
func text(dst []byte, name, s string) []byte {
	dst = append(dst, name...)
	return strictjson.AppendString(dst, s)
}

// appendVerification appends the answer to a verification.
func appendVerification(dst []byte, a *purchase.VerifyAnswer) []byte {
	dst = text(dst, `{"card":{"number_masked":`, a.NumberMasked)
	dst = text(dst, `,"holder_masked":`, a.HolderMasked)
	dst = text(dst, `,"union":`, a.Union)
	dst = append(dst, `,"valid_until":"`...)
	dst = append(dst, a.ValidUntil...)
	dst = append(dst, `","check_holder":`...)
	dst = strconv.AppendBool(dst, a.CheckHolder)
	dst = append(dst, '}')
	if a.HasQuote {
		dst = append(dst, `,"quote":`...)
		dst = AppendQuote(dst, a)
	}
	dst = number(dst, `,"as_of":{"age_ms":`, a.Age.Milliseconds())
	dst = number(dst, `,"terms_version":`, int64(a.TermsVersion))
	dst = append(dst, `,"stale":`...)
	dst = strconv.AppendBool(dst, a.Stale)
	return append(dst, '}', '}')
}

// AppendQuote appends the quote of an answer that has one.
func AppendQuote(dst []byte, a *purchase.VerifyAnswer) []byte {
	dst = append(dst, `{"token":"`...)
	dst = append(dst, a.Token...) // base64url
	dst = append(dst, `","expires_at":`...)
	dst = strictjson.AppendTime(dst, a.ExpiresAt)
	dst = number(dst, `,"amount_fen":`, a.AmountFen)
	dst = number(dst, `,"discount_fen":`, a.DiscountFen)
	dst = number(dst, `,"payable_fen":`, a.PayableFen)
	dst = append(dst, `,"lifted":`...)
	dst = strconv.AppendBool(dst, a.Lifted)
	dst = append(dst, `,"applied":[`...)
	for i := range a.Applied {
		o := &a.Applied[i]
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = text(dst, `{"offer":`, o.ID)
		dst = text(dst, `,"title":`, o.Title)
		dst = number(dst, `,"discount_fen":`, o.DiscountFen)
		dst = append(dst, '}')
	}
	dst = append(dst, `],"declined":[`...)
	for i := range a.Declined {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendDeclined(dst, &a.Declined[i])
	}
	return append(dst, ']', '}')
}

func appendDeclined(dst []byte, o *purchase.DeclinedOffer) []byte {
	dst = text(dst, `{"offer":`, o.ID)
	dst = text(dst, `,"title":`, o.Title)
	dst = text(dst, `,"reason":`, o.Reason.String())
	if o.NeedFen > 0 {
		dst = number(dst, `,"need_fen":`, o.NeedFen)
	}
	dst = append(dst, `,"message":"`...)
	dst = appendMessage(dst, o.Reason, o.NeedFen)
	return append(dst, '"', '}')
}

// appendReceipt appends a purchase.
func appendReceipt(dst []byte, rc *purchase.Receipt) []byte {
	dst = text(dst, `{"id":`, rc.ID.String())
	dst = text(dst, `,"state":`, rc.State.String())
	dst = text(dst, `,"key":`, rc.Key)
	dst = number(dst, `,"outlet":`, rc.OutletID)
	dst = number(dst, `,"amount_fen":`, rc.AmountFen)
	dst = number(dst, `,"discount_fen":`, rc.DiscountFen)
	dst = number(dst, `,"payable_fen":`, rc.PayableFen)
	dst = number(dst, `,"merchant_share_fen":`, rc.MerchantShareFen)
	dst = number(dst, `,"union_share_fen":`, rc.UnionShareFen)
	dst = number(dst, `,"returned_fen":`, rc.ReturnedFen)
	dst = number(dst, `,"given_back_fen":`, rc.GivenBackFen)
	if rc.MerchantRef != "" {
		dst = text(dst, `,"merchant_ref":`, rc.MerchantRef)
	}
	dst = append(dst, `,"committed_at":`...)
	dst = strictjson.AppendTimeMS(dst, rc.CommittedAt)
	return append(dst, '}')
}

// appendUndo appends what a void or refund did.
func appendUndo(dst []byte, u *purchase.UndoAnswer) []byte {
	dst = text(dst, `{"purchase":`, u.PurchaseID.String())
	dst = appendUndone(dst, u)
	return append(dst, '}')
}

// appendUndone appends the members that voids, refunds and reversals share.
func appendUndone(dst []byte, u *purchase.UndoAnswer) []byte {
	dst = number(dst, `,"seq":`, int64(u.Seq))
	dst = text(dst, `,"state":`, u.State.String())
	dst = number(dst, `,"returned_fen":`, u.ReturnedFen)
	dst = number(dst, `,"given_back_fen":`, u.GivenBackFen)
	dst = number(dst, `,"remaining_fen":`, u.RemainingFen)
	dst = append(dst, `,"adjustment":`...)
	dst = strconv.AppendBool(dst, u.Adjustment)
	dst = append(dst, `,"at":`...)
	return strictjson.AppendTimeMS(dst, u.At)
}

// appendReversal appends what stands under a reversed key.
func appendReversal(dst []byte, key string, a *purchase.ReversalAnswer) []byte {
	dst = text(dst, `{"key":`, key)
	if !a.Found {
		dst = text(dst, `,"state":`, a.State.String())
		return append(dst, '}')
	}
	dst = text(dst, `,"purchase":`, a.PurchaseID.String())
	dst = appendUndone(dst, &a.UndoAnswer)
	return append(dst, '}')
}
