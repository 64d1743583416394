package api

import (
	"net/http"

	"unioncard/api/exchange"
	"unioncard/merchant"
	"unioncard/merchant/signing"
)

// peopleRows: what staff and the public meet in pages, not tills.
func peopleRows() []row {
	return []row{
		{is(exchange.ErrForbidden), problem{http.StatusForbidden, "forbidden", "没有权限",
			"您的账号没有办理这项业务的权限。", "请联系本单位系统管理员调整角色，或请有权限的同事办理。", 0}},
		{is(exchange.ErrCrossOrigin), problem{http.StatusForbidden, "cross_origin", "请求来源不对",
			"这次提交不是从本系统的页面发出的，没有受理。", "请从本系统的页面重新填写提交。", 0}},
		{is(exchange.ErrForm), problem{http.StatusBadRequest, "form_invalid", "表单无法读取",
			"提交的内容无法读取，没有受理。", "请刷新页面后重新填写；不要粘贴不可见字符。", 0}},
		{is(signing.ErrOwnProposal), problem{http.StatusForbidden, "own_proposal", "不能审批自己的提请",
			"提请和审批必须是两个人。", "请本单位另一位审批人办理；本单位没有的，由上级工会审批。", 0}},
		{is(signing.ErrNotYours), problem{http.StatusForbidden, "not_yours", "这件事不归您办",
			"您没有办理这件事的权限，或者它该由别的同事、别的单位来办。", "请看页面上写明的办理人；角色或单位刚变动的，请重新登录。", 0}},
		{is(signing.ErrStale), problem{http.StatusConflict, "proposal_stale", "内容已经变了",
			"提请之后，所涉及的内容有了改动，您看到的不是现在的样子，没有批准。", "请驳回，由提请人核对后重新提请。", 0}},
		{is(signing.ErrAlreadyWaiting), problem{http.StatusConflict, "proposal_waiting", "已经提请过了",
			"同样的提请正在等待审批。", "请等审批结果；要改内容，先由提请人撤回。", 0}},
		{is(merchant.ErrContractChanged), problem{http.StatusConflict, "contract_changed", "协议刚被别人改过",
			"您打开以后，有人改了这份协议，没有保存。", "请刷新页面，核对现在的内容后再改。", 0}},
	}
}
