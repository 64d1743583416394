package console

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"unioncard/api/page"
	"unioncard/merchant"
	"unioncard/merchant/draft"
	"unioncard/merchant/file"
	"unioncard/merchant/signing"
	"unioncard/merchant/terms"
)

// refusal is a form as it was typed, with what a clerk reads of a refusal; false
// if err is no refusal that a form can show.
func refusal(typed url.Values, err error) (*page.Form, bool) {
	if form, ok := page.Refuse(typed, err); ok {
		return form, true
	}
	sentence := refusalSentence(err)
	if sentence == "" {
		return nil, false
	}
	return &page.Form{Values: typed, Summary: sentence}, true
}

// refusalSentence is a refusal of the work on contracts and floors in words, ""
// for any other error.
func refusalSentence(err error) string {
	var below *merchant.BelowFloorError
	var overlap *merchant.OverlapError
	var move *merchant.MoveError
	var invalid *merchant.InvalidError
	var scan *file.RefusedError
	switch {
	case errors.As(err, &below):
		return belowSentence(below)
	case errors.As(err, &overlap):
		return fmt.Sprintf("同一门店在这段时间已有协议（编号 %d）：请改有效期，或先终止那一份。", overlap.ContractID)
	case errors.As(err, &move) && strings.HasPrefix(move.Object, "outlet:"):
		return "门店现在是“" + page.StateName("outlet_"+move.From) + "”，不能这样办理，可能别人刚刚改过。请刷新页面后再看。"
	case errors.As(err, &move) && ofMoney(move.Object):
		return moneySentence(err)
	case errors.As(err, &move):
		return "协议现在是“" + stageWord(move.From) + "”，不能这样办理。请刷新页面后再看。"
	case errors.As(err, &scan):
		return scan.Message
	case errors.As(err, &invalid):
		return invalidSentence(invalid)
	case errors.Is(err, terms.ErrInvalid):
		return "优惠条件有错误，请到优惠条件页面按提示改正。"
	case errors.Is(err, draft.ErrNotFound):
		return "还没有起草优惠条件，请先起草。"
	case errors.Is(err, signing.ErrAlreadyWaiting):
		return "同样的事项已经提请过，正等审批；要改内容请先撤回。"
	case errors.Is(err, signing.ErrStale):
		return "内容在这期间有改动，没有办理。请核对现在的内容，重新提请审批。"
	case errors.Is(err, signing.ErrNotApproved):
		return "还没有批准，或者批准后又有改动。请先提请审批。"
	case errors.Is(err, signing.ErrNotSigned):
		return "还没有上传这次批准的协议的盖章扫描件。"
	case errors.Is(err, signing.ErrOwnProposal):
		return "提请和审批必须是两个人，自己提请的不能自己审批。"
	case errors.Is(err, merchant.ErrContractChanged):
		return "您打开以后有人改了这份协议，没有保存。下面是您填的内容，请与现在的内容核对后再提交。"
	case errors.Is(err, merchant.ErrMerchantExited):
		return "商家已经退出网络，不能再签协议，也不能再开门店。"
	}
	return ""
}

// stageWord is a stage or status in words.
func stageWord(s string) string { return merchant.Stage(s).Row().Title }

// boundName is a floor, or a chain's Terms, in words.
func boundName(b merchant.Bound) string {
	switch {
	case b.ContractID != 0:
		return fmt.Sprintf("省级连锁协议（编号 %d，第 %d 版）", b.ContractID, b.Version)
	case b.Brand != "":
		return fmt.Sprintf("品牌“%s”的省级底线（第 %d 版）", b.Brand, b.Version)
	}
	return fmt.Sprintf("%s行业的省级底线（第 %d 版）", page.TradeName(string(b.Trade)), b.Version)
}

func belowSentence(e *merchant.BelowFloorError) string {
	return "低于" + boundName(e.Bound) + "，不能办理。" + e.Comparison.Reason + "。请到优惠条件页面提高优惠。"
}

func invalidSentence(e *merchant.InvalidError) string {
	switch e.Field {
	case "terms":
		return "优惠条件里一条优惠也没有，请先添加。"
	case "effective", "Effective":
		return "生效时间不合适：不能早于现在，要在上一版开始之后、协议到期之前。"
	case "ValidUntil":
		return "截止日期应在开始日期之后。"
	case "category":
		return "优惠条件用了已停用或不存在的商品类别，请改正。"
	case "territory":
		return "优惠条件写明的地区里，有的工会已经合并，那里的会员都换到了新的地区。请改成并入后的地区。"
	case "contract":
		return "这份协议还没有优惠条件。"
	}
	return "内容不能办理，请核对后再提交。"
}
