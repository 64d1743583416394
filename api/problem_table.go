package api

import (
	"net/http"
	"slices"
	"time"

	"unioncard/api/exchange"
	"unioncard/api/strictjson"
	"unioncard/api/terminal"
	"unioncard/card"
	"unioncard/merchant"
	"unioncard/merchant/terms"
	"unioncard/settlement/purchase"
)

// internal answers every error that has no row: it says nothing about it.
var internal = problem{
	status: http.StatusInternalServerError, code: "internal", title: "系统内部错误",
	detail: "系统出现内部错误，本次请求的结果未知，请先查询后再决定是否重试。",
	fix:    "写操作请用原 Idempotency-Key 重发，或按 key 查询；仍不行时把 request_id 告诉技术支持。",
}

// for one problem of one error or several.
func is(errs ...error) []error { return errs }

// table is the one place that says how an error is answered. The first row that
// matches counts. A test finds every exported error of the domain packages and
// fails if it has neither a row here nor a reason why no till meets it.
func table() []row {
	return slices.Concat(tillRows(), peopleRows())
}

// tillRows is the part that tills meet, which the API's documents list.
func tillRows() []row { return slices.Concat(codeRows(), placeRows(), saleRows(), requestRows()) }

// codeRows: the card and its code.
func codeRows() []row {
	const (
		unprocessable = http.StatusUnprocessableEntity
		conflict      = http.StatusConflict
		tooMany       = http.StatusTooManyRequests
	)
	return []row{
		{is(card.ErrCodeFormat), problem{unprocessable, "code_format", "不是会员码",
			"这不是工会会员码或卡号。扫码的请让会员打开“会员码”页面再扫一次；手输的请逐位核对卡号。",
			"会员码只有 20 位、36 位或 16 位数字三种；检查扫码枪是否混入空格、全角字符或扫到了别的码，卡号是否输错一位。", 0}},
		{is(card.ErrCodeInvalid), problem{unprocessable, "code_invalid", "会员码无效",
			"会员码无效或已过期，请让会员刷新后重新出示。",
			"请会员刷新会员码后重扫；实体卡或卡号请核对是否为最新换发的卡。", 0}},
		{is(card.ErrCodeBound), problem{conflict, "code_bound", "会员码已在别的终端使用",
			"这个会员码正在另一台收银机上使用，请让会员换一个新的码。",
			"请会员等待新码（约 30 秒）后重扫，或回到先扫码的那台终端继续。", 30 * time.Second}},
		{is(purchase.ErrCodeUsed), problem{conflict, "code_used", "会员码已用过",
			"这个会员码已经完成过一笔优惠，请让会员出示新的码。",
			"按 retry_after_s 等待新码，或请会员切换到另一个码。", 30 * time.Second}},
		{is(card.ErrCardSuspended), problem{unprocessable, "card_suspended", "会员卡已停用",
			"该会员卡已停用，不能享受优惠，可按原价结账。", "请会员联系所在工会办理恢复。", 0}},
		{is(card.ErrCardLost), problem{unprocessable, "card_lost", "会员卡已挂失",
			"该会员卡已挂失，不能享受优惠，可按原价结账。", "请会员联系所在工会解除挂失或补卡。", 0}},
		{is(card.ErrCardCancelled), problem{unprocessable, "card_cancelled", "会员卡已注销",
			"该会员卡已注销，不能享受优惠，可按原价结账。", "请会员联系所在工会重新办卡。", 0}},
		{is(card.ErrCardExpired), problem{unprocessable, "card_expired", "会员卡已到期",
			"该会员卡已过有效期，不能享受优惠，可按原价结账。", "请会员联系所在工会换卡。", 0}},
		{is(card.ErrMemberLeft), problem{unprocessable, "member_left", "持卡人已退会",
			"持卡人已不是工会会员，不能享受优惠，可按原价结账。", "如有疑问，请持卡人联系原所在工会。", 0}},
		{is(card.ErrCardInactive), problem{unprocessable, "card_inactive", "会员卡还没有激活",
			"该会员卡还没有激活，不能享受优惠，可按原价结账。", "请会员先激活：用登记的手机号登录“会员码”页面，或联系所在工会；激活后马上可用。", 0}},
		{is(card.ErrGuessBlocked), problem{tooMany, "guess_blocked", "错误次数过多",
			"错误的会员码过多，本终端暂时不能核验，请稍后再试。",
			"按 Retry-After 等待；若并非误扫，请联系签约的帮扶中心。", time.Minute}},
		{is(card.ErrTypedBlocked), problem{tooMany, "typed_blocked", "暂时只能扫手机码",
			"卡号或实体卡码错误过多，本终端暂时只能扫手机会员码。",
			"请会员出示手机会员码；一小时后可恢复手工输入。", time.Minute}},
		{is(merchant.ErrTypedNotAllowed), problem{unprocessable, "typed_not_allowed", "不允许手工输入卡号",
			"本终端不允许手工输入卡号，请扫手机会员码或实体卡码。", "如需开通，请联系签约的帮扶中心。", 0}},
	}
}

// placeRows: the terminal, the outlet and the contract.
func placeRows() []row {
	const conflict = http.StatusConflict
	return []row{
		{is(merchant.ErrTerminalSuspended), problem{http.StatusForbidden, "terminal_suspended", "终端已停用",
			"本终端已被停用，请换本店另一台终端；已成交的单子可凭交易编号在另一台终端退款或撤销。", "请联系签约的帮扶中心恢复终端；已注销的终端须重新激活。", 0}},
		{is(merchant.ErrNoContract), problem{conflict, "no_contract", "门店没有生效的协议",
			"本门店目前没有生效的优惠协议，请按原价结账。", "请联系签约的帮扶中心确认协议范围和起始日期。", 0}},
		{is(merchant.ErrContractSuspended), problem{conflict, "contract_suspended", "优惠协议已暂停",
			"本门店的优惠协议已暂停，请按原价结账。", "请联系签约的帮扶中心。", 0}},
		{is(merchant.ErrContractEnded), problem{conflict, "contract_ended", "优惠协议已结束",
			"本门店的优惠协议已结束，请按原价结账。", "如需续签，请联系签约的帮扶中心。", 0}},
		{is(merchant.ErrOutletClosed), problem{conflict, "outlet_closed", "门店已关闭",
			"本门店在优惠网络中已关闭，请按原价结账。", "请联系签约的帮扶中心。", 0}},
		{is(merchant.ErrMerchantExited), problem{conflict, "merchant_exited", "商家已退出",
			"本商家已退出优惠网络，请按原价结账。", "如需重新加入，请联系签约的帮扶中心。", 0}},
		{is(purchase.ErrOutletRequired), problem{http.StatusUnprocessableEntity, "outlet_required", "缺少门店号",
			"收银系统没有说明是哪家门店，请联系收银系统的技术人员。", "POS 服务器须在每次核验请求里给出 outlet；提交时不用再给。", 0}},
		{is(merchant.ErrActivation), problem{http.StatusUnprocessableEntity, "activation_invalid", "激活码无效",
			"激活码无效、已过期或已被别的终端使用，请重新获取激活码。", "激活码 15 分钟内有效，只能绑定一把密钥；请在后台重新生成。", 0}},
		{is(terminal.ErrPublicKey), problem{http.StatusUnprocessableEntity, "public_key_invalid", "公钥无法识别",
			"终端公钥无法识别，请联系收银系统的技术人员。", "public_key 须为 Ed25519 公钥：PEM、DER 的 base64，或 32 字节的 base64。", 0}},
		{is(purchase.ErrNotFound, merchant.ErrNotFound), problem{http.StatusNotFound, "not_found", "没有找到",
			"没有找到这笔交易或这个门店，请核对编号。", "只能查到本商家、本门店的记录；请核对编号、key 或 outlet。", 0}},
	}
}

// saleRows: quotes, purchases and their undoing.
func saleRows() []row {
	return append(append(quoteRows(), keyRows()...), undoRows()...)
}

func quoteRows() []row {
	const (
		unprocessable = http.StatusUnprocessableEntity
		conflict      = http.StatusConflict
	)
	return []row{
		{is(terms.ErrAmount, strictjson.ErrFen), problem{unprocessable, "amount_invalid", "金额不正确",
			"金额或商品明细不正确，请检查后重新录入。",
			"金额须为整数分（1 至 100000000），明细之和须等于总额，每行金额与数量×单价相差不超过 1 分。", 0}},
		{is(purchase.ErrQuoteInvalid), problem{unprocessable, "quote_invalid", "报价无效",
			"报价无效，请重新扫码核验。", "quote 须原样使用核验返回的 token。", 0}},
		{is(purchase.ErrQuoteExpired), problem{unprocessable, "quote_expired", "报价已过期",
			"报价已超过 3 分钟，请重新扫码核验。", "重新核验取得新的报价后再提交。", 0}},
		{is(purchase.ErrQuoteMismatch), problem{unprocessable, "quote_mismatch", "商品与报价不符",
			"提交的商品与报价时不一致，请重新扫码核验。", "提交时 items 须与核验时完全相同（含顺序），核验时没有的也不要带。", 0}},
		{is(purchase.ErrQuoteOtherClient), problem{conflict, "quote_other_terminal", "报价属于别的终端",
			"这个报价是另一台终端取得的，请在本终端重新扫码核验。", "报价只能由取得它的终端和门店提交。", 0}},
		{is(purchase.ErrQuoteUsed), problem{conflict, "quote_used", "报价已用过",
			"这个报价已经记过一笔优惠，不能再用。", "若是重发同一笔，请使用原来的 Idempotency-Key；新的一笔请重新核验。", 0}},
		{is(purchase.ErrLimitReached), problem{conflict, "limit_reached", "优惠次数或额度已用完",
			"会员的该项优惠本期已用完，请按新的报价结账。", "quote 成员是新的报价，向会员说明后可直接提交。", 0}},
		{is(purchase.ErrCapReached), problem{conflict, "cap_reached", "当日优惠额度不足",
			"这张卡今天以实体卡或卡号享受的优惠额度不够这一单，请改用手机会员码，或按新的报价结账。",
			"quote 成员是按剩余额度重算的新报价，可用同一个或新的 Idempotency-Key 提交；手机会员码不受此额度限制。", 0}},
		{is(purchase.ErrBudgetExhausted), problem{conflict, "budget_exhausted", "补贴资金已用完",
			"这项优惠的工会补贴资金已经用完，请按新的报价结账。", "quote 成员是不含这项优惠的新报价，向会员说明后可直接提交。", 0}},
		{is(purchase.ErrBudgetClosed), problem{conflict, "budget_closed", "补贴活动未开放",
			"这项优惠的工会补贴活动已暂停或结束，请按新的报价结账。", "quote 成员是不含这项优惠的新报价，向会员说明后可直接提交。", 0}},
		{is(purchase.ErrBudgetCardCap), problem{conflict, "budget_card_cap", "会员补贴额度已用完",
			"这位会员在本次补贴活动中的额度不够这一单，请按新的报价结账。", "quote 成员是不含这项优惠的新报价，向会员说明后可直接提交。", 0}},
		{is(purchase.ErrVoucherUsed), problem{conflict, "voucher_used", "消费券不能再用",
			"这张消费券刚刚已经用过，或者已经失效，请按新的报价结账。", "quote 成员是不含这张消费券的新报价，向会员说明后可直接提交。", 0}},
		{is(purchase.ErrViewStale), problem{http.StatusServiceUnavailable, "view_stale", "数据暂未同步",
			"系统数据正在同步，暂时不能记录优惠，请稍后再试或按原价结账。", "按 Retry-After 重试。", 5 * time.Second}},
		{is(purchase.ErrOutcomeUnknown), problem{http.StatusServiceUnavailable, "outcome_unknown", "结果未知",
			"暂时不知道这笔是否已记录，请先查询，不要当作失败处理。",
			"用原 Idempotency-Key 原样重发，总是安全。GET /v1/purchases?key= 此时答 404 还不是最终结果；要放弃这一笔，先对该 key 调用 /v1/reversals，之后才算没有发生。", 2 * time.Second}},
		{is(purchase.ErrOverloaded, exchange.ErrOverloaded), problem{http.StatusServiceUnavailable, "overloaded", "系统繁忙",
			"系统繁忙，本次没有受理，请稍后再试。", "按 Retry-After 等待后用原 Idempotency-Key 重发。", time.Second}},
	}
}

func keyRows() []row {
	return []row{
		{is(exchange.ErrKeyMissing), problem{http.StatusBadRequest, "idempotency_key_missing", "缺少 Idempotency-Key",
			"收银系统的请求缺少幂等键，请联系收银系统的技术人员。", "记账、撤销和退款须带 Idempotency-Key 请求头，每笔一个新值。", 0}},
		{is(purchase.ErrKeyInvalid), problem{http.StatusBadRequest, "idempotency_key_invalid", "Idempotency-Key 不合规",
			"收银系统的幂等键不合规，请联系收银系统的技术人员。", "幂等键须为 1 至 64 个可见 ASCII 字符，不含空格。", 0}},
		{is(purchase.ErrKeyReused), problem{http.StatusUnprocessableEntity, "idempotency_key_reused", "Idempotency-Key 重复使用",
			"同一个幂等键已用于另一笔内容不同的请求，请联系收银系统的技术人员。", "新的一笔请换新的幂等键；重发须与原请求完全相同。", 0}},
		{is(purchase.ErrKeyInFlight), problem{http.StatusConflict, "idempotency_key_in_flight", "同一笔正在处理",
			"同一笔请求正在处理，请稍候。", "按 Retry-After 等待后用同一幂等键重发。", time.Second}},
		{is(purchase.ErrKeyReversed), problem{http.StatusConflict, "key_reversed", "该笔已冲正",
			"这一笔已经冲正，不能再记录，请重新扫码并作为新的一笔。", "冲正后的幂等键永久作废，请换新的幂等键。", 0}},
		{is(purchase.ErrTextInvalid), problem{http.StatusUnprocessableEntity, "text_invalid", "文字不合规",
			"单号、操作员或原因的文字为空、过长或含有特殊字符，请修改后重试。",
			"merchant_ref、operator 不超过 64 个字符，reason 不超过 200 个字符，均不含控制字符；撤销和退款的 operator、reason 不能为空。", 0}},
	}
}

func undoRows() []row {
	const (
		unprocessable = http.StatusUnprocessableEntity
		conflict      = http.StatusConflict
	)
	return []row{
		{is(purchase.ErrVoidTooLate), problem{conflict, "void_too_late", "已过撤销时限",
			"只能撤销当天的交易，请改用全额退款。", "调用 /v1/purchases/{id}/refunds，金额为剩余的全部实付金额。", 0}},
		{is(purchase.ErrReversalTooLate), problem{conflict, "reversal_too_late", "已过冲正时限",
			"已过冲正时限（次日日终），请改用退款。", "按 key 查到这笔交易后调用 /v1/purchases/{id}/refunds。", 0}},
		{is(purchase.ErrPurchaseUndone), problem{conflict, "purchase_undone", "交易已撤销或退完",
			"这笔交易已经撤销、冲正或全部退款，不能再退。", "用 GET /v1/purchases/{id} 查看现状。", 0}},
		{is(purchase.ErrRefundExceeds), problem{unprocessable, "refund_exceeds", "退款超过剩余金额",
			"退款超过了这笔交易还能退的金额或数量，请核对后重试。", "用 GET /v1/purchases/{id} 查看已退金额。", 0}},
		{is(purchase.ErrRefundLineUnknown), problem{unprocessable, "refund_line_unknown", "没有这一行商品",
			"这笔交易没有这一行商品，请核对行号后重试。", "line 从 1 数起，按提交时 items 的顺序；用 GET /v1/purchases/{id} 查看。", 0}},
		{is(purchase.ErrRefundByLineRefused), problem{conflict, "refund_by_line_refused", "不能按商品退款",
			"这笔交易没有商品明细，或已按金额退过，只能按金额退款。", "改用 amount_fen 退款。", 0}},
		{is(purchase.ErrRefundByAmountRefused), problem{conflict, "refund_by_amount_refused", "不能按金额退款",
			"这笔交易实付为零，只能按商品退款。", "改用 items 按行退款。", 0}},
		{is(purchase.ErrRefundInvalid), problem{unprocessable, "refund_invalid", "退款内容不正确",
			"退款须写明金额或商品，二者只能选一个，请检查后重试。", "amount_fen 与 items 恰好给一个；items 里每行只出现一次。", 0}},
		{is(purchase.ErrRefundNotAllowed), problem{http.StatusForbidden, "refund_not_allowed", "本店不能办理",
			"商家没有让本店的收银终端办理这项撤销或退款。", "请联系店长，或由商家总部办理；老板可以在商家后台的门店页修改。", 0}},
		{is(purchase.ErrRefundTailOver), problem{conflict, "refund_tail_over", "已过退款期",
			"该协议的退款期已过，系统不再受理，请按商家自己的规定处理。", "如有争议，请联系签约的帮扶中心。", 0}},
	}
}

// requestRows: what is wrong before the request's meaning matters.
func requestRows() []row {
	const bad = http.StatusBadRequest
	const caller = "收银系统发出的请求有误，请联系收银系统的技术人员。"
	return []row{
		{is(exchange.ErrUnauthorized), problem{http.StatusUnauthorized, "unauthorized", "未登录或登录已过期",
			"终端的登录已过期，请稍候自动重试；一直不行请联系技术人员。", "到 /oauth/token 取新的访问令牌；若被拒，请按 server_time 校准时钟。", 0}},
		{is(exchange.ErrNoRoute), problem{http.StatusNotFound, "route_not_found", "没有这个地址", caller, "请核对地址，接口文档见 /docs。", 0}},
		{is(exchange.ErrMethod), problem{http.StatusMethodNotAllowed, "method_not_allowed", "方法不允许", caller, "请看 Allow 响应头。", 0}},
		{is(exchange.ErrMediaType), problem{http.StatusUnsupportedMediaType, "unsupported_media_type", "内容类型不支持", caller,
			"Content-Type 须为 application/json（令牌接口为 application/x-www-form-urlencoded），UTF-8，不压缩。", 0}},
		{is(exchange.ErrBodyTooLarge), problem{http.StatusRequestEntityTooLarge, "body_too_large", "请求过大", caller, "请减小请求体，各接口上限见 /docs。", 0}},
		{is(exchange.ErrBodyLost), problem{http.StatusRequestTimeout, "body_incomplete", "请求没有收完",
			"网络不稳定，请求没有收完，请重试。", "请求没有受理，可用原 Idempotency-Key 重发。", 0}},
		{is(exchange.ErrQuery), problem{bad, "query_invalid", "查询参数有误", caller, "GET /v1/purchases 只有一个参数 key，必填；GET /v1/purchases/today 只有一个参数 cursor，原样用上一页的 next。", 0}},
		{is(terminal.ErrBatchSize), problem{http.StatusUnprocessableEntity, "batch_size", "批量条数不对", caller, "verifications 须为 1 至 1000 条。", 0}},
		{is(strictjson.ErrSyntax), problem{bad, "invalid_json", "不是合法的 JSON", caller, "请求体须为一个 UTF-8 JSON 对象，其后没有别的内容。", 0}},
		{is(strictjson.ErrTooDeep), problem{bad, "too_deep", "JSON 嵌套过深", caller, "请求体嵌套不超过 16 层。", 0}},
		{is(strictjson.ErrDuplicateKey), problem{bad, "duplicate_key", "字段重复", caller, "同一个字段只能出现一次，见 field。", 0}},
		{is(strictjson.ErrUnknownField), problem{bad, "unknown_field", "没有这个字段", caller, "请对照 /docs 去掉多余字段，见 field；字段名区分大小写。", 0}},
		{is(strictjson.ErrWrongType), problem{bad, "wrong_type", "字段类型不对", caller, "请对照 /docs 修正字段类型，见 field；可选字段没有值就不要带，不能为 null。", 0}},
		{is(strictjson.ErrMissing), problem{bad, "missing_field", "缺少字段", caller, "请补上必填字段，见 field。", 0}},
	}
}
