package terms

import "fmt"

// Reason says why an offer gave nothing.
type Reason uint8

// Reasons, in the order in which they are looked for.
const (
	// ReasonEligibility: the offer is for other cards.
	ReasonEligibility Reason = iota + 1
	// ReasonCalendar: not at this time.
	ReasonCalendar
	// ReasonLimitUsed: the card has used up the offer for the period.
	ReasonLimitUsed
	// ReasonScope: no line of the basket takes part.
	ReasonScope
	// ReasonThreshold: the in-scope sum is below the threshold.
	ReasonThreshold
	// ReasonZero: the offer comes to nothing on this basket.
	ReasonZero
	// ReasonBetterOffer: an overlapping offer gives more.
	ReasonBetterOffer
	// ReasonTotalCap: the cap on the whole discount left nothing.
	ReasonTotalCap
	// ReasonTooMany: more than MaxOffers offers were handed in.
	ReasonTooMany
	// ReasonNoItems: the basket came as an amount alone, so that nobody can say
	// whether it is in the offer's scope.
	ReasonNoItems
	// ReasonBudget: the budget that pays the union's share is not open here and now,
	// or has too little left.
	ReasonBudget
)

var reasons = [...]struct{ code, message string }{
	ReasonEligibility: {"eligibility", "该优惠不适用于此会员卡"},
	ReasonCalendar:    {"calendar", "当前时间不在优惠时段内"},
	ReasonLimitUsed:   {"limit_used", "本期优惠次数或额度已用完"},
	ReasonScope:       {"scope", "所购商品不参加该优惠"},
	ReasonThreshold:   {"threshold", "未达到优惠门槛"},
	ReasonZero:        {"zero", "该优惠对本单没有减免"},
	ReasonBetterOffer: {"better_offer", "与其他优惠不可同享，已按更优惠的计算"},
	ReasonTotalCap:    {"total_cap", "该卡今日以实体卡或卡号享受的优惠已达上限"},
	ReasonTooMany:     {"too_many", "优惠数量超过系统上限"},
	ReasonBudget:      {"budget", "该优惠的工会补贴资金未开放或已用完"},
	ReasonNoItems:     {"items_missing", "收银系统没有上传商品明细，无法计算该优惠"},
}

// String is the stable code.
func (r Reason) String() string {
	if r == 0 || int(r) >= len(reasons) {
		return fmt.Sprintf("reason_%d", uint8(r))
	}
	return reasons[r].code
}

// Message is a Chinese sentence for the cashier.
func (r Reason) Message() string {
	if r == 0 || int(r) >= len(reasons) {
		return "该优惠不可用"
	}
	return reasons[r].message
}

// Message is the reason with what is missing, if that is known: 再消费12.5元即可享受.
func (d Declined) Message() string {
	if d.Reason == ReasonThreshold && d.NeedFen > 0 {
		return "未达到优惠门槛，再消费" + yuan(d.NeedFen) + "元即可享受"
	}
	return d.Reason.Message()
}
