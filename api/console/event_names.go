package console

import (
	"strings"

	"unioncard/api/page"
	"unioncard/card/union/event"
)

// webhookKind finds what was done to merchants' webhooks, of which the object is the
// merchant: its number is the object's.
const webhookKind = "webhook"

// kindNames are the objects that events name, in the order of the search's list.
func kindNames() []page.Choice {
	return []page.Choice{
		{Value: "application", Label: "入网申请"}, {Value: "merchant", Label: "商家"}, {Value: "outlet", Label: "门店"},
		{Value: "contract", Label: "协议"}, {Value: "draft", Label: "条款草稿"}, {Value: "proposal", Label: "审批"},
		{Value: "floor", Label: "底线条件"}, {Value: "categories", Label: "商品分类"}, {Value: "terminal", Label: "终端"},
		{Value: "exitplan", Label: "退出安排"}, {Value: "file", Label: "附件"}, {Value: "importrun", Label: "批量导入"},
		{Value: "staff", Label: "人员账号"}, {Value: "union", Label: "工会组织"}, {Value: "card", Label: "会员卡"}, {Value: "batch", Label: "发卡批次"},
		{Value: "member", Label: "会员"}, {Value: "rosterrun", Label: "名册导入"}, {Value: "merchantuser", Label: "商家后台人员"},
		{Value: "budget", Label: "补贴预算"}, {Value: "statement", Label: "结算单"}, {Value: "payment", Label: "付款"},
		{Value: "difference", Label: "对账差异"}, {Value: "reconciliation", Label: "对账"}, {Value: webhookKind, Label: "推送地址"},
	}
}

func kindName(kind string) string {
	for _, c := range kindNames() {
		if c.Value == kind {
			return c.Label
		}
	}
	return kind
}

// actionNames are what people did; one that is missing here is shown as its object
// and the English word.
func actionNames() map[string]string {
	return map[string]string{
		"application.create": "录入申请", "application.save": "修改申请", "application.submit": "提交申请", "application.accept": "通过申请",
		"application.tick": "核对材料", "application.untick": "取消核对", "application.visit": "记录走访", "application.link": "发放填报链接",
		"merchant.create": "登记商家", "merchant.details": "修改商家资料", "merchant.suspend": "暂停商家", "merchant.resume": "恢复商家", "merchant.exit": "商家退出",
		"outlet.create": "登记门店", "outlet.open": "门店开业", "outlet.suspend": "暂停门店", "outlet.resume": "恢复门店", "outlet.close": "关闭门店",
		"contract.create": "起草协议", "contract.edit": "修改协议", "contract.publish": "发布条款", "contract.sign": "上传签章协议",
		"contract.activate": "协议生效", "contract.suspend": "暂停协议", "contract.resume": "恢复协议", "contract.end": "终止协议",
		"contract.expire": "协议到期", "contract.outgrown": "协议低于新底线",
		"draft.save": "保存条款草稿", "draft.discard": "放弃条款草稿",
		"proposal.make": "提请审批", "proposal.decide": "审批", "proposal.withdraw": "撤回提请",
		"floor.publish": "发布底线条件", "floor.impact": "测算底线影响", "terms.publish": "发布优惠条件", "categories.publish": "发布商品分类",
		"terminal.issue_code": "发放终端激活码", "terminal.activate": "激活终端", "terminal.issue_rekey_code": "发放换钥码", "terminal.rekey": "更换终端密钥",
		"terminal.suspend": "暂停终端", "terminal.resume": "恢复终端", "terminal.retire": "停用终端", "terminal.typed_allowed": "设置手输卡号",
		"exit.plan": "安排退出", "exit.settling": "进入清算", "exit.done": "退出完成",
		"file.add": "上传附件", "file.remove": "删除附件", "import.check": "试导入", "import.apply": "批量导入",
		"staff.create": "开通账号", "staff.edit": "修改账号", "staff.disable": "停用账号", "staff.enable": "启用账号",
		"staff.reset_password": "重置密码", "staff.reset_second_factor": "重置两步验证", "staff.change_password": "修改密码",
		"staff.enrol_second_factor": "设置两步验证", "staff.renew_recovery_codes": "更换恢复码", "staff.use_recovery_code": "使用恢复码", "staff.sign_in": "登录",
		"union.create": "新建工会", "union.seed": "初始化工会组织", "union.rename": "工会改名", "union.merge": "并入别的工会", "union.absorb": "接收并入的工会", "member.enroll": "登记会员", "member.leave": "会员退会",
		"member.register": "登记会员", "member.rejoin": "重新入会", "member.retire": "会员退休", "member.edit": "修改会员资料",
		"member.reveal": "查看会员明文资料", "member.export": "导出个人资料", "member.erase": "删除个人资料", "member.search": "查找会员", "member.taken": "号码已有人登记，未保存",
		"card.bulk_load": "批量制卡", "card.suspend": "停用会员卡", "card.resume": "恢复会员卡", "card.replace": "补换会员卡", "card.cancel": "注销会员卡",
		"recon.upload": "上传收银文件", "recon.check": "核对收银文件", "recon.columns": "指明收银文件的列", "recon.drop": "放弃对账",
		"difference.explain": "说明对账差异", "difference.reject": "对账差异以系统为准", "difference.void": "对账差异已退款",
		"difference.accept": "认可线下销售", "difference.adjust": "按对账差异调整",
		"roster.upload": "上传名册", "roster.check": "检查名册", "roster.confirm": "确认导入名册", "roster.apply": "导入名册", "roster.discard": "放弃名册", "roster.faults": "下载问题名册",
		"card.issue": "发会员卡", "card.prepare": "发会员卡（待激活）", "card.issue_many": "批量发卡", "card.prepare_many": "批量发卡（待激活）",
		"card.activate": "激活会员卡", "card.leave": "随退会终止会员卡", "card.download": "下载单卡制卡文件",
		"batch.create": "新建批次", "batch.edit": "修改批次", "batch.start": "开始办批次", "batch.stop": "停下批次", "batch.finish": "批次办完",
		"batch.close": "结束批次", "batch.file": "生成制卡文件", "batch.download": "下载制卡文件", "batch.deliver": "登记交付",
		"batch.activate": "批量激活", "batch.renew": "批量续期",
		"card.report_lost": "会员卡挂失", "card.found": "会员卡解挂", "card.follow": "会员卡随会员资料更新",
		"member.transfer": "会员转接完成", "member.transfer_request": "申请转接", "member.transfer_decline": "不同意转接",
		"member.transfer_withdraw": "撤回转接申请", "member.transfer_void": "转接失效",
		"budget.create": "新建预算草稿", "budget.edit": "修改预算草稿", "budget.discard": "删除预算草稿", "budget.open": "启用预算", "budget.topup": "追加预算",
		"budget.freeze": "冻结预算", "budget.unfreeze": "解冻预算", "budget.close": "结束预算", "budget.return": "退回预算余额", "budget.alert": "预算快用完提醒",
		"series.create": "新建消费券草稿", "series.edit": "修改消费券草稿", "series.discard": "删除消费券草稿", "series.open": "启用消费券",
		"series.freeze": "冻结消费券", "series.unfreeze": "解冻消费券", "series.close": "结束消费券", "series.return": "退回消费券余额", "series.alert": "消费券快用完提醒",
		"voucher.grant": "发放消费券", "voucher.revoke": "收回消费券", "voucher.expire": "消费券过期",
		"statement.confirm": "确认结算单", "statement.dispute": "对结算单申诉", "statement.resolve": "答复申诉", "statement.adjust": "调整结算", "settlement.adjust": "调整结算",
		"day.close": "关账", "payment.make": "付款制单", "payment.send": "批准付款", "payment.drop": "作废付款", "payment.file": "下载银行文件", "payment.answer": "登记银行结果",
		"phone.enrol": "手机启用会员码", "phone.end": "手机停用会员码",
		"portal.sign_in": "登录商家后台", "portal.enrol_second_factor": "设置两步验证", "portal.reset_second_factor": "重置两步验证",
		"portal.add_user": "添加商家后台人员", "portal.edit_user": "修改商家后台人员", "portal.disable_user": "停用商家后台人员",
		"portal.edit_outlet": "商家修改门店资料", "portal.ask_outlet": "商家申请变更门店", "portal.request_accepted": "同意门店变更",
		"portal.request_declined": "不同意门店变更", "portal.request_withdrawn": "商家撤回门店变更", "contract.stamp": "商家上传盖章协议",
		"personal.key_made": "新建个人信息密钥", "personal.rewrap": "个人信息密钥重新封装", "personal.rotate": "更换个人信息密钥",
		"personal.retire": "停用个人信息密钥",
		"webhook.create":  "新建推送地址", "webhook.edit": "修改推送地址", "webhook.rotate": "更换推送密钥", "webhook.pause": "暂停推送",
		"webhook.resume": "恢复推送", "webhook.delete": "删除推送地址", "webhook.disable": "自动停用推送地址", "webhook.resend": "重新推送", "webhook.test": "发送测试推送",
	}
}

func actionName(action string) string {
	if name, ok := actionNames()[action]; ok {
		return name
	}
	kind, verb, _ := strings.Cut(action, ".")
	if name, ok := verbNames()[verb]; ok {
		verb = name
	}
	return kindName(kind) + "：" + verb
}

// verbNames are moves that several kinds of objects have in common.
func verbNames() map[string]string {
	return map[string]string{
		"create": "新建", "edit": "修改", "save": "保存", "submit": "提交", "take": "开始审核", "return": "退回补正", "accept": "通过",
		"reject": "不予通过", "withdraw": "撤回", "propose": "提请审批", "approve": "批准", "decline": "驳回", "refuse": "驳回", "retract": "撤回提请",
		"activate": "生效", "reopen": "重新洽谈", "amend": "变更优惠条件", "suspend": "暂停", "resume": "恢复", "overdue": "逾期自动暂停",
		"notice": "通知终止", "end": "终止", "expire": "到期", "close": "关闭", "retire": "停用", "discard": "放弃", "plan": "安排", "apply": "执行",
		"stale": "失效", "handover": "随工会合并转交", "cancel": "取消", "done": "完成", "settling": "进入清算",
	}
}

// whoDid is who did it, in words.
func whoDid(e *event.Found) string {
	kind, id, _ := strings.Cut(e.Actor, ":")
	switch {
	case kind == "staff" && e.Who != "":
		return e.Who + "（" + id + " 号账号）"
	case kind == "cli":
		return "命令行 " + id
	case kind == "system":
		return "系统自动"
	case kind == "demo":
		return "示例数据"
	case kind == "merchant" && id != "":
		return "商家人员（" + id + " 号）"
	case kind == "merchant": // which one is not among what the log is searched by
		return "商家人员"
	case kind == "applicant":
		return "申请人"
	case kind == "terminal":
		return "终端"
	case kind == "member":
		return "会员"
	}
	return kind
}

// objectName is an object's id in words: floors are named by trade or brand.
func objectName(id string) string {
	if trade, ok := strings.CutPrefix(id, "trade:"); ok {
		return page.TradeName(trade)
	}
	return strings.TrimPrefix(id, "brand:")
}

// objectURL is the page of an object, "" without one.
func objectURL(kind, id string) string {
	pages := map[string]string{
		"application": "applications", "merchant": "merchants", "outlet": "outlets", "contract": "contracts",
		"proposal": "proposals", "terminal": "terminals", "card": "cards", "batch": "batches", "union": "unions", "member": "members", "rosterrun": "rosters",
	}
	if pages[kind] == "" || strings.Trim(id, "0123456789") != "" || id == "" {
		return ""
	}
	return "/console/" + pages[kind] + "/" + id
}
