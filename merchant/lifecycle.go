package merchant

import (
	"slices"

	"unioncard/card/union/staff"
)

// Stage is where a merchant's way with the network stands, from its application
// to its exit (policy article 18: joining, leaving, 动态管理). An application
// (merchant/application) stores the stages up to negotiating. From there on the
// contract carries on: its stored status stays what the tills obey, and
// ContractStage derives the stage from it and from what is under way (proposals,
// signatures).
type Stage string

// The stages. Ended and rejected are final: whoever comes back applies afresh.
const (
	StageDraft             Stage = "draft"
	StageSubmitted         Stage = "submitted"
	StageReturned          Stage = "returned"
	StageInReview          Stage = "in_review"
	StageNegotiating       Stage = "negotiating"
	StageAwaitingApproval  Stage = "awaiting_approval"
	StageAwaitingSignature Stage = "awaiting_signature"
	StageActive            Stage = "active"
	StageSuspended         Stage = "suspended"
	StageEnding            Stage = "ending"
	StageEnded             Stage = "ended"
	StageRejected          Stage = "rejected"
)

// StageRow tells people of a stage, in Chinese.
type StageRow struct {
	Stage  Stage
	Title  string
	Advice string // what to do about it
}

// stageRows is in the order of the usual way.
var stageRows = []StageRow{
	{StageDraft, "草稿", "把申请表填完整后提交；没填完可以先存着。"},
	{StageSubmitted, "已提交", "请受理人点“开始审核”，核对证照、门店和联系人。"},
	{StageReturned, "已退回补正", "按退回理由补齐材料后重新提交。"},
	{StageInReview, "审核中", "逐项完成核对清单，需要时上门走访；齐了点“通过”，缺材料点“退回补正”。"},
	{StageNegotiating, "洽谈中", "与商家谈好优惠条件并填入协议草稿，不低于省级底线后提请审批。"},
	{StageAwaitingApproval, "待审批", "请另一位有审批权限的同事核对后批准或驳回；提请人可以撤回。"},
	{StageAwaitingSignature, "待签署", "打印协议，双方盖章后上传扫描件，再点“发布生效”。"},
	{StageActive, "履行中", "协议有效，会员可享优惠；改优惠条件走变更，到期前办续签。"},
	{StageSuspended, "已暂停", "会员暂不能享受优惠；问题解决后提请恢复，解决不了的办理终止。"},
	{StageEnding, "即将终止", "到最后消费日自动停止优惠；此前请办完退货、投诉和结算。"},
	{StageEnded, "已终止", "不能再恢复；商家想再合作，请重新申请。"},
	{StageRejected, "不予通过", "不能再恢复；商家情况变化后可以重新申请。"},
}

// Stages lists every stage in the order of the usual way.
func Stages() []StageRow { return slices.Clone(stageRows) }

// Row is what people read of a stage.
func (s Stage) Row() StageRow {
	for _, r := range stageRows {
		if r.Stage == s {
			return r
		}
	}
	return StageRow{Stage: s, Title: string(s)}
}

// Final reports whether no move leads on from the stage.
func (s Stage) Final() bool { return s == StageEnded || s == StageRejected }

// StageMove is one row of the table of moves.
type StageMove struct {
	From   Stage
	Action string
	To     Stage
	// Right is what staff need within their territory; "" if staff cannot make
	// this move.
	Right     staff.Right
	Applicant bool   // the merchant may make it, on the public form
	System    bool   // the service makes it by itself, as actor "system"
	Checked   bool   // staff only propose it; another person approves (merchant/signing)
	Name      string // on the button, in Chinese
}

// stageMoves is THE table of who may move what from where to where.
var stageMoves = []StageMove{
	{StageDraft, "submit", StageSubmitted, staff.WriteApplication, true, false, false, "提交"},
	{StageDraft, "withdraw", StageEnded, staff.WriteApplication, true, false, false, "撤销申请"},

	{StageSubmitted, "take", StageInReview, staff.WriteApplication, false, false, false, "开始审核"},
	{StageSubmitted, "return", StageReturned, staff.WriteApplication, false, false, false, "退回补正"},
	{StageSubmitted, "reject", StageRejected, staff.WriteApplication, false, false, false, "不予通过"},
	{StageSubmitted, "withdraw", StageEnded, staff.WriteApplication, true, false, false, "撤销申请"},

	{StageReturned, "submit", StageSubmitted, staff.WriteApplication, true, false, false, "重新提交"},
	{StageReturned, "reject", StageRejected, staff.WriteApplication, false, false, false, "不予通过"},
	{StageReturned, "withdraw", StageEnded, staff.WriteApplication, true, false, false, "撤销申请"},

	{StageInReview, "return", StageReturned, staff.WriteApplication, false, false, false, "退回补正"},
	{StageInReview, "accept", StageNegotiating, staff.WriteApplication, false, false, false, "通过，进入洽谈"},
	{StageInReview, "reject", StageRejected, staff.WriteApplication, false, false, false, "不予通过"},
	{StageInReview, "withdraw", StageEnded, staff.WriteApplication, true, false, false, "撤销申请"},

	{StageNegotiating, "propose", StageAwaitingApproval, staff.WriteContract, false, false, false, "提请审批"},
	{StageNegotiating, "end", StageEnded, staff.WriteContract, false, false, false, "放弃这份草稿"},

	{StageAwaitingApproval, "approve", StageAwaitingSignature, staff.Decide, false, false, true, "批准"},
	{StageAwaitingApproval, "decline", StageNegotiating, staff.Decide, false, false, false, "驳回"},
	{StageAwaitingApproval, "retract", StageNegotiating, staff.WriteContract, false, false, false, "撤回提请"},
	{StageAwaitingApproval, "end", StageEnded, staff.WriteContract, false, false, false, "放弃这份草稿"},

	{StageAwaitingSignature, "activate", StageActive, staff.WriteContract, false, false, false, "发布生效"},
	{StageAwaitingSignature, "reopen", StageNegotiating, staff.WriteContract, false, false, false, "重新洽谈"},
	{StageAwaitingSignature, "end", StageEnded, staff.WriteContract, false, false, false, "放弃这份草稿"},

	{StageActive, "amend", StageActive, staff.WriteContract, false, false, true, "变更优惠条件"},
	{StageActive, "suspend", StageSuspended, staff.WriteExit, false, false, true, "暂停"},
	{StageActive, "overdue", StageSuspended, "", false, true, false, "重新议价逾期，自动暂停"},
	{StageActive, "notice", StageEnding, staff.WriteExit, false, false, true, "通知终止"},
	{StageActive, "end", StageEnded, staff.WriteExit, false, false, true, "立即终止"},
	{StageActive, "expire", StageEnded, "", false, true, false, "到期"},

	{StageSuspended, "amend", StageSuspended, staff.WriteContract, false, false, true, "变更优惠条件"},
	{StageSuspended, "resume", StageActive, staff.WriteExit, false, false, true, "恢复"},
	{StageSuspended, "end", StageEnded, staff.WriteExit, false, false, true, "立即终止"},
	{StageSuspended, "expire", StageEnded, "", false, true, false, "到期"},

	{StageEnding, "amend", StageEnding, staff.WriteContract, false, false, true, "变更优惠条件"},
	{StageEnding, "suspend", StageSuspended, staff.WriteExit, false, false, true, "暂停"},
	{StageEnding, "overdue", StageSuspended, "", false, true, false, "重新议价逾期，自动暂停"},
	{StageEnding, "notice", StageEnding, staff.WriteExit, false, false, true, "改终止日期"},
	{StageEnding, "end", StageEnded, staff.WriteExit, false, false, true, "立即终止"},
	{StageEnding, "expire", StageEnded, "", false, true, false, "到期"},
}

// StageMoves lists the moves that lead on from a stage, in the order of the table.
func StageMoves(from Stage) []StageMove {
	var out []StageMove
	for _, m := range stageMoves {
		if m.From == from {
			out = append(out, m)
		}
	}
	return out
}

// NextStage looks a move up; one that the table does not have is a *MoveError of
// the object ("application:12"). Whether the person may make it is the caller's
// to ask: StageMove.Right, Applicant, System.
func NextStage(object string, from Stage, action string) (StageMove, error) {
	for _, m := range stageMoves {
		if m.From == from && m.Action == action {
			return m, nil
		}
	}
	return StageMove{}, &MoveError{Object: object, From: string(from), Action: action}
}

// ContractStage is the stage of a contract by its stored status; for a draft
// also by what is under way: proposed, while a proposal to publish its Terms
// waits for its checker, or approved, when one was approved for the Terms as
// they are now.
func ContractStage(status ContractStatus, proposed, approved bool) Stage {
	switch status {
	case ContractActive:
		return StageActive
	case ContractSuspended:
		return StageSuspended
	case ContractEnding:
		return StageEnding
	case ContractEnded:
		return StageEnded
	}
	switch {
	case proposed:
		return StageAwaitingApproval
	case approved:
		return StageAwaitingSignature
	}
	return StageNegotiating
}
