package console

import (
	"strings"

	"unioncard/api/page"
	"unioncard/card/union/staff"
	"unioncard/merchant/application"
)

// memberName is a member of what an event kept, in Chinese where it has a name.
func memberName(key string) string {
	names := map[string]string{
		"status": "状态", "state": "状态", "roles": "角色", "union_id": "单位编号", "office_id": "单位编号", "office": "单位编号", "union": "单位编号",
		"rows": "行数", "faulty": "有问题的行数", "elsewhere": "别处会员的行数", "taken": "别处会员的手机号数", "fault_code": "问题代码", "disabled": "停用", "renamed": "改了姓名", "version": "版本", "effective": "生效时间", "from": "起", "until": "止", "valid_from": "有效期起",
		"valid_until": "有效期止", "refund_until": "退款受理止", "merchant_id": "商家编号", "outlet_id": "门店编号", "contract_id": "协议编号",
		"merchant": "商家编号", "outlet": "门店编号", "contract": "协议编号", "proposal": "审批编号", "file": "附件编号", "floor": "底线编号",
		"visit": "走访编号", "impact": "测算编号", "plan": "退出安排编号", "trade": "行业", "brand": "品牌", "reason": "理由", "kind": "类别",
		"floor_clause": "随省条款", "refund_tail": "退款期", "complainant": "投诉人", "member_id": "会员", "sha256": "内容摘要",
		"terms_sha256": "内容摘要", "fingerprint": "提请时的内容", "object": "对象", "below": "低于底线的协议", "deadline": "议价期限",
		"deadline_days": "议价天数", "lifted": "收银处按底线", "terms_version": "条件版本", "draft": "第几稿", "offers": "优惠项数",
		"added": "新增项数", "changed": "修改项数", "removed": "删除项数", "faults": "要改的处数", "merchants": "商家数", "outlets": "门店数",
		"contracts": "协议数", "expires_at": "有效至", "issued_by": "发放人", "item": "核对项", "photos": "照片数", "on": "日期", "at": "时间",
		"media": "文件格式", "size": "字节数", "source": "来源", "fields": "改了哪些", "territory": "行政区划", "union_owned": "工会自办",
		"name": "名称", "code": "代码", "path": "位置", "cards": "会员卡数", "class": "会员类别", "divisions": "区划数", "cause": "原因",
		"last_day": "最后优惠日", "last_purchase": "最后优惠时间", "reentry_from": "可重新入网", "typed_allowed": "允许手输卡号", "unions_below": "下级工会数", "moved": "转交的数量", "by": "按什么查", "found": "辖区内查到", "unopened": "等批准开业",
	}
	if n := names[key]; n != "" {
		return n
	}
	return key
}

// valueName is a word that an event kept, in Chinese where it has one; others, such
// as hashes, are themselves.
func valueName(word string) string {
	if name := page.StateName(word); name != word {
		return name
	}
	if name := page.TradeName(word); name != word {
		return name
	}
	if name := page.RoleName(staff.Role(word)); name != word {
		return name
	}
	if name := actionNames()[word]; name != "" {
		return name
	}
	if kind, id, ok := strings.Cut(word, ":"); ok && kindName(kind) != kind {
		return kindName(kind) + " " + objectName(id)
	}
	words := map[string]string{
		"waiting": "待审批", "public": "网上申请", "staff": "工会录入", "terminal": "终端", "server": "收银系统服务器", "demo": "示例数据",
		"permit": "经营许可", "other": "其他材料", "signature": "盖章协议", "notice": "提前通知", "cause": "立即终止", "expiry": "到期",
	}
	if name := words[word]; name != "" {
		return name
	}
	for _, i := range application.Checklist("") {
		if i.Name == word {
			return i.Title
		}
	}
	return application.FieldTitle(word)
}
