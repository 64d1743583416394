package page

import "unioncard/card/union/staff"

// Badge is a state in a word, coloured by what it asks of the reader; the colour
// says nothing that the word does not.
type Badge struct {
	Label string
	// Look is good, wait (somebody must act), busy (under way), bad or off.
	Look string
}

// badges is every state that pages show, of whatever object. A state means the
// same wherever it occurs.
func badges() map[string]Badge {
	return map[string]Badge{
		"draft":             {"草稿", "off"},
		"submitted":         {"待受理", "wait"},
		"returned":          {"退回补正", "wait"},
		"in_review":         {"审核中", "busy"},
		"negotiating":       {"洽谈中", "busy"},
		"awaiting_approval": {"待审批", "wait"},
		"awaiting_signature": {"待签章",
			"wait"},
		"active":    {"有效", "good"},
		"suspended": {"已暂停", "bad"},
		"ending":    {"终止中", "wait"},
		"ended":     {"已终止", "off"},
		"rejected":  {"未通过", "bad"},
		"exited":    {"已退出", "off"},
		"closed":    {"已停业", "off"},
		"retired":   {"已停用", "off"},
		"pending":   {"待审批", "wait"},
		"approved":  {"已批准", "good"},
		"refused":   {"未批准", "bad"},
		"withdrawn": {"已撤回", "off"},
		"stale":     {"已失效", "off"},
		"applied":   {"已生效", "good"},
		"accepted":  {"已通过", "good"},
		"disabled":  {"已停用", "off"},
		"locked":    {"已锁定", "bad"},
		"silent":    {"久未使用", "wait"},
		"failing":   {"常出错", "bad"},
		"planned":   {"未到期", "off"},
		"open":      {"未完成", "wait"},
		"done":      {"已完成", "good"},
		"running":   {"进行中", "busy"},
		"failed":    {"失败", "bad"},
		"cancelled": {"已取消", "off"},
		"expired":   {"已过期", "off"},
		"used":      {"已使用", "off"},
		"current":   {"执行中", "good"},
		"future":    {"未生效", "busy"},
		"past":      {"已过期", "off"},

		"proposal_waiting":   {"待审批", "wait"},
		"proposal_approved":  {"已批准", "good"},
		"proposal_declined":  {"已驳回", "bad"},
		"proposal_withdrawn": {"已撤回", "off"},
		"lifted":             {"收银处按底线", "busy"},
		"due":                {"限期内", "wait"},
		"overdue":            {"已逾期", "bad"},
		"announced":          {"底线未生效", "busy"},
		"settled":            {"已谈妥", "good"},

		"terminal_active":    {"在用", "good"},
		"terminal_suspended": {"已暂停", "bad"},
		"terminal_retired":   {"已停用", "off"},
		"outlet_active":      {"营业", "good"},
		"outlet_suspended":   {"已暂停", "bad"},
		"outlet_closed":      {"已停业", "off"},

		"member_in":          {"在会", "good"},
		"member_retired":     {"退休", "good"},
		"member_left":        {"已退会", "off"},
		"transfer_requested": {"等转出方答复", "wait"},
		"transfer_done":      {"已转接", "good"},
		"transfer_declined":  {"未同意", "bad"},
		"transfer_withdrawn": {"已撤回", "off"},
		"transfer_void":      {"已失效", "off"},

		"sale_1": {"已成交", "good"}, "sale_2": {"已撤销", "off"}, "sale_3": {"已冲正", "off"}, "sale_4": {"部分退款", "wait"}, "sale_5": {"已退款", "off"},
		"webhook_active": {"启用", "good"}, "webhook_paused": {"已暂停", "off"}, "webhook_disabled": {"已自动停用", "bad"}, "webhook_failing": {"推送失败", "bad"},
		"message_1": {"等待推送", "wait"}, "message_2": {"已送达", "good"}, "message_3": {"未送达", "bad"}, "message_4": {"不再推送", "off"},

		"union_active": {"在用", "good"},
		"union_merged": {"已并入别处", "off"},

		"card_inactive":  {"待激活", "wait"},
		"card_active":    {"在用", "good"},
		"card_suspended": {"已停用", "bad"},
		"card_lost":      {"已挂失", "bad"},
		"card_cancelled": {"已注销", "off"},
		"card_left":      {"已退会", "off"},
		"card_expired":   {"已到期", "wait"},
		"batch_planned":  {"未开始", "off"},
		"batch_running":  {"正在办", "busy"},
		"batch_done":     {"已办完", "good"},
		"batch_closed":   {"已结束", "off"},

		"budget_draft":  {"草稿", "off"},
		"budget_open":   {"使用中", "good"},
		"budget_frozen": {"已冻结", "bad"},
		"budget_closed": {"已结束", "off"},

		"statement_closed":    {"待商家确认", "wait"},
		"statement_confirmed": {"已确认", "good"},
		"statement_disputed":  {"商家申诉", "bad"},
		"statement_resolved":  {"申诉已答复", "good"},
		"statement_paid":      {"已付款", "off"},
		"payment_draft":       {"已制单", "wait"},
		"payment_sent":        {"已批准，付款中", "busy"},
		"payment_done":        {"已有结果", "good"},
		"payment_dropped":     {"已作废", "off"},
		"line_waiting":        {"等银行回话", "wait"},
		"line_paid":           {"已到账", "good"},
		"line_returned":       {"银行退回", "bad"},

		"exit_running":   {"优惠至最后日", "busy"},
		"exit_settling":  {"退款期", "wait"},
		"exit_done":      {"已办结", "good"},
		"exit_cancelled": {"已取消", "off"},
	}
}

// tradeNames are the six trades of the policy (articles 5 and 18), and the
// union's own service windows (article 4).
func tradeNames() []Choice {
	return []Choice{
		{Value: "travel", Label: "旅游"}, {Value: "catering", Label: "餐饮"}, {Value: "transport", Label: "出行"},
		{Value: "health", Label: "健康"}, {Value: "leisure", Label: "休闲娱乐"}, {Value: "shopping", Label: "商业购物"},
		{Value: "union", Label: "工会服务窗口"},
	}
}

// Trades is the trades as choices.
func Trades() []Choice { return tradeNames() }

// TradeName is a trade in Chinese, the word itself for one that is unknown.
func TradeName(trade string) string {
	for _, c := range tradeNames() {
		if c.Value == trade {
			return c.Label
		}
	}
	return trade
}

// NewBadge is a state's badge; a state that is unknown is shown as it is.
func NewBadge(state string) Badge {
	if b, ok := badges()[state]; ok {
		return b
	}
	return Badge{state, "off"}
}

// StateName is a state in a word.
func StateName(state string) string { return NewBadge(state).Label }

// RoleName is a role in Chinese.
func RoleName(r staff.Role) string {
	switch r {
	case staff.Negotiator:
		return "签约专员"
	case staff.Approver:
		return "审批人"
	case staff.TerminalManager:
		return "终端管理员"
	case staff.ComplaintHandler:
		return "投诉处理员"
	case staff.Finance:
		return "财务"
	case staff.Assessor:
		return "考核员"
	case staff.Registrar:
		return "会籍管理员"
	case staff.CardManager:
		return "发卡管理员"
	case staff.Auditor:
		return "审计员"
	case staff.Operator:
		return "系统管理员"
	}
	return string(r)
}
