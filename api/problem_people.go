package api

import (
	"net/http"
	"time"

	"unioncard/api/exchange"
	"unioncard/api/portal"
	"unioncard/card/union"
	"unioncard/card/union/staff"
	"unioncard/merchant"
	"unioncard/merchant/directory"
	"unioncard/merchant/draft"
	"unioncard/merchant/intake"
	"unioncard/merchant/signing"
	"unioncard/merchant/territory"
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
		{is(directory.ErrCursorExpired), problem{http.StatusGone, "cursor_expired", "游标太旧",
			"游标之后的删除记录已经清理，接不上了。", "请不带 since 从头读一遍，以新的为准。", 0}},
		{is(directory.ErrCursor), problem{http.StatusBadRequest, "cursor_invalid", "游标无效",
			"游标不是这个查询给出的，或已损坏。", "请连同原来的条件原样带回上一页的 next，或从第一页开始。", 0}},
		{is(directory.ErrInvalid), problem{http.StatusBadRequest, "parameter_invalid", "查询条件不对",
			"有一项查询条件无法识别或超出范围，见 parameter。", "请对照接口说明 /open/openapi.yaml 改正后再试。", 0}},
		{is(portal.ErrTooMany), problem{http.StatusTooManyRequests, "too_many_applications", "提交太频繁",
			"这个网络在一小时内提交得太多，这次没有受理。", "请过一小时再试；着急的请直接联系当地工会。", time.Hour}},
		{is(signing.ErrOwnProposal), problem{http.StatusForbidden, "own_proposal", "不能审批自己的提请",
			"提请和审批必须是两个人。", "请本单位另一位审批人办理；本单位没有的，由上级工会审批。", 0}},
		{is(signing.ErrNotYours), problem{http.StatusForbidden, "not_yours", "这件事不归您办",
			"您没有办理这件事的权限，或者它该由别的同事、别的单位来办。", "请看页面上写明的办理人；角色或单位刚变动的，请重新登录。", 0}},
		{is(signing.ErrStale), problem{http.StatusConflict, "proposal_stale", "内容已经变了",
			"提请之后，所涉及的内容有了改动，您看到的不是现在的样子，没有批准。", "请驳回，由提请人核对后重新提请。", 0}},
		{is(signing.ErrAlreadyWaiting), problem{http.StatusConflict, "proposal_waiting", "已经提请过了",
			"同样的提请正在等待审批。", "请等审批结果；要改内容，先由提请人撤回。", 0}},
		{is(signing.ErrNotApproved), problem{http.StatusConflict, "not_approved", "还没有批准",
			"这份协议还没有批准，或批准之后内容又有改动。", "请先提请审批；改过内容的，要重新提请。", 0}},
		{is(signing.ErrNotSigned), problem{http.StatusConflict, "not_signed", "还没有签署",
			"还没有上传这次批准的协议的盖章扫描件。", "请打印协议，双方盖章后上传扫描件，再发布。", 0}},
		{is(intake.ErrFaults), problem{http.StatusConflict, "import_faults", "导入文件有问题",
			"文件里有不能导入的内容，或检查之后情况有了变化，没有导入。", "请重新上传检查，改好后再提请。", 0}},
		{is(intake.ErrTaken), problem{http.StatusConflict, "import_taken", "已经导入过了",
			"这个文件本单位已经导入过，没有再导入。", "请到商家列表查看。", 0}},
		{is(merchant.ErrContractChanged), problem{http.StatusConflict, "contract_changed", "协议刚被别人改过",
			"您打开以后，有人改了这份协议，没有保存。", "请刷新页面，核对现在的内容后再改。", 0}},
		{is(draft.ErrConflict), problem{http.StatusConflict, "draft_changed", "草稿刚被别人改过",
			"您打开以后，有人先保存了草稿，您的改动没有保存。", "请刷新页面，核对现在的草稿后再改。", 0}},
		{is(draft.ErrNotFound), problem{http.StatusNotFound, "draft_not_found", "没有草稿",
			"还没有写优惠条件的草稿，或者它已经发布、被放弃了。", "请先到“优惠条件”页写好草稿。", 0}},
		{is(union.ErrNotFound), problem{http.StatusNotFound, "union_not_found", "没有这个工会",
			"您要找的工会不存在，或不在您的管辖范围内。", "请从工会组织页重新进入。", 0}},
		{is(union.ErrInactive), problem{http.StatusConflict, "union_merged", "工会已经并入别的工会",
			"这个工会已经合并，不再办理业务。", "请到并入后的工会办理，它的页面上有链接。", 0}},
		{is(union.ErrStale), problem{http.StatusConflict, "union_changed", "工会刚被别人改过",
			"您打开以后，有人改了这个工会，没有保存。", "请刷新页面，核对现在的内容后再改。", 0}},
		{is(union.ErrName, union.ErrNameTaken), problem{http.StatusUnprocessableEntity, "union_name_refused", "名称不能用",
			"名称不合要求，或同一个上级下面已经有同名的工会。", "请填写工会的全称；确实同名的，请写得更具体。", 0}},
		{is(union.ErrNoMerger, territory.ErrNeedsChecker), problem{http.StatusConflict, "no_merger", "不能这样合并",
			"只有同一级、同一类的工会可以合并；基层工会以外的合并要由两个人办理。", "请在工会的页面上按提示提请。", 0}},
		{is(staff.ErrNotFound), problem{http.StatusNotFound, "account_not_found", "没有这个账号",
			"您要找的账号不存在，或不在您的管辖范围内。", "请从账号列表重新进入。", 0}},
		{is(staff.ErrWrong, staff.ErrUnfinished, staff.ErrOneTimeOver), problem{http.StatusUnprocessableEntity, "sign_in_refused", "没有登录成功",
			"登录名、密码或验证码不对，或一次性密码已过期。", "请重新输入；忘记密码的，请联系本单位系统管理员重置。", 0}},
		{is(staff.ErrBusy), problem{http.StatusServiceUnavailable, "sign_in_busy", "登录的人太多",
			"系统正忙着核对登录，没有受理。", "请稍等几秒再试。", 2 * time.Second}},
		{is(staff.ErrStale), problem{http.StatusConflict, "account_changed", "账号刚被别人改过",
			"您打开以后，有人改了这个账号，没有保存。", "请刷新页面，核对现在的内容后再改。", 0}},
		{is(staff.ErrNotGrantable), problem{http.StatusForbidden, "not_grantable", "超出您的管辖范围",
			"只能管理本单位和下级单位的账号。", "请由该单位或其上级单位的系统管理员办理。", 0}},
		{is(staff.ErrOwnAccount), problem{http.StatusForbidden, "own_account", "不能改自己的账号",
			"自己的角色、单位和停用，只能由另一位系统管理员办理。", "请联系本单位或上级单位的另一位系统管理员。", 0}},
		{is(staff.ErrLastOperator), problem{http.StatusConflict, "last_operator", "这是最后一位省级系统管理员",
			"停用、调走或取消他的角色后，就没有人能管理账号了，没有受理。", "请先为另一位同事开通省级系统管理员。", 0}},
	}
}
