package staff

import (
	"errors"
	"slices"
)

// Who may grant what. An operator (系统管理员)
//
//   - manages the accounts of unions within the own territory and no others,
//     neither before nor after a move;
//   - grants and takes every role there, among them operator: within the
//     territory it is the highest authority over accounts, and an account it
//     makes never reaches beyond that territory;
//   - never changes its own account: not its roles, its union, nor whether it is
//     disabled, so nobody raises or locks out themselves;
//   - leaves at least one operator of the root union standing, so that the
//     deployment always has somebody who can put the rest right.
//
// Two roles stand alone: an operator sees no business data, and an auditor
// writes nothing, so neither goes together with any other role.

// ErrNotGrantable: the change is beyond what the account itself has.
var ErrNotGrantable = errors.New("staff: beyond the operator's own")

// ErrOwnAccount: an operator may not change the own account.
var ErrOwnAccount = errors.New("staff: nobody changes their own roles")

// ErrLastOperator: the change would leave the root union without an operator.
var ErrLastOperator = errors.New("staff: the last operator of the root union")

// mayManage refuses an operator who may not change account target, now at path
// from, so that it is at path to.
func mayManage(operator *Account, target int64, paths ...string) error {
	if !operator.May(WriteStaff) {
		return ErrNotGrantable
	}
	for _, p := range paths {
		if !operator.Covers(p) {
			return ErrNotGrantable
		}
	}
	if operator.ID == target {
		return ErrOwnAccount
	}
	return nil
}

// checkRoles says, in Chinese, what is wrong with a set of roles, "" if nothing.
func checkRoles(roles []Role) string {
	for i, r := range roles {
		if !slices.Contains(Roles(), r) || slices.Contains(roles[:i], r) {
			return "角色有误，请重新选择。"
		}
	}
	if len(roles) > 1 && slices.Contains(roles, Operator) {
		return "系统管理员不能兼任其他角色：他管理账号，不接触业务数据。"
	}
	if len(roles) > 1 && slices.Contains(roles, Auditor) {
		return "审计员不能兼任其他角色：他只查看，不办理。"
	}
	return ""
}

// sorted is a set of roles in the order of Roles, for storing and comparing.
func sorted(roles []Role) []Role {
	out := make([]Role, 0, len(roles))
	for _, r := range Roles() {
		if slices.Contains(roles, r) {
			out = append(out, r)
		}
	}
	return out
}
