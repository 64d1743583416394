package api

import (
	"net/http"
	"time"

	"unioncard/api/exchange"
	"unioncard/api/portal"
	"unioncard/card"
	"unioncard/card/batch"
	"unioncard/card/member"
	"unioncard/card/phone"
	"unioncard/card/phone/push"
	"unioncard/card/roster"
	"unioncard/card/union"
	"unioncard/card/union/staff"
	"unioncard/merchant"
	"unioncard/merchant/account"
	"unioncard/merchant/directory"
	"unioncard/merchant/draft"
	"unioncard/merchant/intake"
	"unioncard/merchant/signing"
	"unioncard/merchant/territory"
	"unioncard/settlement/report"
	"unioncard/settlement/webhook"
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
		{is(directory.ErrCursor, report.ErrPage), problem{http.StatusBadRequest, "cursor_invalid", "游标无效",
			"游标不是这个查询给出的，或已损坏。", "请连同原来的条件原样带回上一页的 next，或从第一页开始。", 0}},
		{is(directory.ErrInvalid), problem{http.StatusBadRequest, "parameter_invalid", "查询条件不对",
			"有一项查询条件无法识别或超出范围，见 parameter。", "请对照接口说明 /open/openapi.yaml 改正后再试。", 0}},
		{is(webhook.ErrTooMany), problem{http.StatusConflict, "webhooks_too_many", "推送地址太多",
			"每个商家最多5个推送地址。", "请先删去不用的，再新建。", 0}},
		{is(webhook.ErrConflict), problem{http.StatusConflict, "webhook_changed", "已被改动",
			"您打开以后，这个推送地址被别人改过，没有保存。", "请返回查看现在的情况，再办一次。", 0}},
		{is(webhook.ErrState), problem{http.StatusConflict, "webhook_state", "现在不能这样办",
			"这个推送地址的状态已经变了，这次没有办理。", "请返回查看现在的状态，再决定怎么办。", 0}},
		{is(phone.ErrNumber), problem{http.StatusUnprocessableEntity, "phone_invalid", "手机号不对",
			"这不是11位的手机号。", "请填写在工会登记的11位手机号。", 0}},
		{is(phone.ErrCodeWrong), problem{http.StatusUnprocessableEntity, "code_wrong", "验证码不对",
			"验证码不对、已过期、已用过，或输错次数太多。", "请核对最近一条短信里的6位数字；收不到短信的，请向所在工会核对登记的手机号。", 0}},
		{is(phone.ErrTooMany), problem{http.StatusTooManyRequests, "too_many_codes", "操作太频繁",
			"短时间内操作次数太多，这次没有受理。", "请过一会儿再试；已经收到的验证码在有效期内仍然可用。", time.Minute}},
		{is(phone.ErrNoSMS), problem{http.StatusServiceUnavailable, "sms_off", "短信登录没有开通",
			"系统还没有接通短信，暂时不能登录。", "请使用实体会员卡，或稍后再试。", time.Hour}},
		{is(phone.ErrBusy), problem{http.StatusServiceUnavailable, "sms_busy", "短信发送繁忙",
			"等待发送的短信太多，这次没有发出。", "请过一分钟再试。", time.Minute}},
		{is(phone.ErrNoSession), problem{http.StatusUnauthorized, "sign_in_needed", "请先登录",
			"您还没有登录，或登录已经失效。", "请用登记的手机号和短信验证码登录。", 0}},
		{is(account.ErrFactor), problem{http.StatusUnprocessableEntity, "second_factor_wrong", "动态验证码不对",
			"动态验证码不对，或已经用过。", "请等手机上出现下一个验证码再输入。", 0}},
		{is(account.ErrNotFound), problem{http.StatusNotFound, "user_not_found", "没有这个人员",
			"您要找的人员不存在，或不是本商家的。", "请从人员列表重新进入。", 0}},
		{is(account.ErrStale), problem{http.StatusConflict, "changed_meanwhile", "刚被别人改过",
			"您打开以后，有人改过这里的内容，没有保存。", "请刷新页面，核对现在的内容后再办。", 0}},
		{is(account.ErrLastOwner), problem{http.StatusConflict, "last_owner", "这是最后一位老板",
			"停用或取消他的角色后，就没有人能管理本商家的人员了，没有受理。", "请先添加另一位老板。", 0}},
		{is(account.ErrReadOnly), problem{http.StatusForbidden, "read_only", "现在只能查看",
			"本商家已暂停或已退出，后台只能查看和办理已有的结算，这次没有受理。", "请联系签约工会。", 0}},
		{is(phone.ErrNoCard), problem{http.StatusConflict, "no_card", "没有会员卡",
			"您名下现在没有会员卡。", "请联系所在工会办理会员卡。", 0}},
		{is(phone.ErrCardUnusable), problem{http.StatusConflict, "card_unusable", "会员卡现在不能用",
			"会员卡已挂失、被停用或已到期，不能显示会员码。", "挂失的可以解挂；其他情况请联系所在工会。", 0}},
		{is(phone.ErrNotLost), problem{http.StatusConflict, "card_not_lost", "会员卡没有挂失",
			"这张会员卡现在不是挂失状态，不用解挂。", "请返回首页查看会员卡的状态。", 0}},
		{is(phone.ErrEnrolledElsewhere), problem{http.StatusConflict, "enrolled_elsewhere", "会员码在另一部手机上",
			"您的会员码现在由另一部手机显示。", "要换到这部手机，请确认换机；原手机上的会员码马上失效。", 0}},
		{is(phone.ErrSignInAgain), problem{http.StatusForbidden, "sign_in_again", "请再用短信验证码登录一次",
			"要让另一部手机上的会员码停用，须在 15 分钟内用短信验证码登录过，确认是您本人。", "请获取新的短信验证码，登录后再办一次。", 0}},
		{is(phone.ErrEnrolmentEnded), problem{http.StatusUnauthorized, "enrolment_ended", "这部手机的会员码已失效",
			"会员码已换到别的手机，或登记的手机号已更改、手机数据被复制，这部手机的会员码已经停用。", "请重新登录并启用会员码；不是您本人操作的，请马上挂失并联系工会。", 0}},
		{is(phone.ErrProof), problem{http.StatusUnprocessableEntity, "proof_wrong", "手机密钥不对",
			"这次请求不是用启用会员码的那部手机的密钥签的，没有受理。", "请在原来的手机上操作，或在这部手机上重新启用会员码。", 0}},
		{is(phone.ErrDeviceKey), problem{http.StatusUnprocessableEntity, "device_key_invalid", "手机密钥无法识别",
			"手机生成的密钥格式不对，没有启用会员码。", "请更新浏览器后再试。", 0}},
		{is(push.ErrFull), problem{http.StatusServiceUnavailable, "too_many_streams", "连接太多",
			"同时在线的手机太多，暂时收不到即时提醒。", "不影响使用会员码；请到“我的优惠”里查看记录。", time.Minute}},
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
		{is(batch.ErrNotFound), problem{http.StatusNotFound, "batch_not_found", "没有这个批次",
			"您要找的发卡批次、制卡文件或会员卡不存在，或不在您的管辖范围内。", "请从发卡批次列表重新进入。", 0}},
		{is(batch.ErrChanged), problem{http.StatusConflict, "batch_changed", "批次刚被别人改过",
			"您打开以后，有人改了这个批次，没有办理。", "请刷新页面，核对现在的内容后再办。", 0}},
		{is(batch.ErrNothing), problem{http.StatusConflict, "batch_nothing", "没有可办的卡",
			"这个批次里没有还要这样办理的卡，可能同事刚刚办过。", "请刷新页面，看看现在的张数。", 0}},
		{is(card.ErrStale), problem{http.StatusConflict, "card_changed", "会员卡刚被别人办理过",
			"您打开以后，有人办理了这张卡，没有再办。", "请刷新页面，看现在的状态，再决定要不要办。", 0}},
		{is(roster.ErrNotFound), problem{http.StatusNotFound, "roster_not_found", "没有这份名册",
			"您要找的名册不存在，或不在您的管辖范围内。", "请从名册导入列表重新进入。", 0}},
		{is(roster.ErrState, roster.ErrNothing), problem{http.StatusConflict, "roster_moved_on", "名册已经处理过了",
			"这份名册刚被处理过，或者已经没有要导入的人，没有再办理。", "请刷新页面，看看现在的结果。", 0}},
		{is(member.ErrNotFound), problem{http.StatusNotFound, "member_not_found", "没有找到",
			"没有这位会员或这条转接，或它不在您的管辖范围内。", "请核对后从会员列表重新进入。", 0}},
		{is(member.ErrStale), problem{http.StatusConflict, "member_changed", "会员信息已经变了",
			"您打开页面之后，别的同事改过这位会员的信息，这次没有保存。", "请刷新页面，核对现在的信息后再办理。", 0}},
		{is(member.ErrUnion), problem{http.StatusUnprocessableEntity, "union_takes_no_members", "这个工会不能登记会员",
			"会员只能登记在仍在使用的基层工会。", "请选择会员所在单位的基层工会；单位工会已合并的，选合并后的工会。", 0}},
		{is(member.ErrMoving), problem{http.StatusConflict, "transfer_open", "正在转接中",
			"这位会员已有一条转接在等待答复。", "请到“转接”里办理那一条；要改接收工会，先由原申请的工会撤回。", 0}},
		{is(member.ErrHere), problem{http.StatusConflict, "member_here", "已是本工会会员",
			"这位会员现在就登记在这个工会。", "不用转接；信息有变的，请直接修改。", 0}},
		{is(member.ErrDecided), problem{http.StatusConflict, "transfer_decided", "转接已经办结",
			"这条转接已经同意、退回或撤回，不能再办。", "请刷新页面查看结果；还要转接的，重新申请。", 0}},
		{is(member.ErrNoData), problem{http.StatusConflict, "member_no_data", "没有个人信息",
			"这位会员的个人信息已经删除，或还没有录入。", "要继续办理，请先核对身份，补录身份证号和姓名；已删除的，重新登记入会。", 0}},
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
