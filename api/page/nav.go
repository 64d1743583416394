package page

import (
	"time"

	"unioncard/card/union/staff"
)

// Entry is one entry of the console's navigation.
type Entry struct {
	Key, Title, Icon, URL string
	Current               bool
}

// Group is the entries under one heading, "" for the first.
type Group struct {
	Title   string
	Entries []Entry
}

type area struct {
	group, key, title, icon, url string
	right                        staff.Right
}

// areas is the navigation, in its order: who has the right sees the entry.
func areas() []area {
	return []area{
		{"", "home", "工作台", "home", "/console", staff.SignedIn},
		{"商家与协议", "applications", "入网申请", "inbox", "/console/applications", staff.ReadBusiness},
		{"商家与协议", "merchants", "商家", "shop", "/console/merchants", staff.ReadBusiness},
		{"商家与协议", "outlets", "门店", "pin", "/console/outlets", staff.ReadBusiness},
		{"商家与协议", "contracts", "协议", "file", "/console/contracts", staff.ReadBusiness},
		{"商家与协议", "proposals", "审批", "check", "/console/proposals", staff.ReadBusiness},
		{"商家与协议", "exits", "商家退出", "clock", "/console/exits", staff.ReadBusiness},
		{"底线", "floors", "底线条件", "floor", "/console/floors", staff.ReadBusiness},
		{"底线", "renegotiations", "限期改约", "clock", "/console/renegotiations", staff.ReadBusiness},
		{"设备", "terminals", "终端", "device", "/console/terminals", staff.ReadBusiness},
		{"会员与会员卡", "members", "会员", "people", "/console/members", staff.ReadMembers},
		{"会员与会员卡", "rosters", "名册导入", "upload", "/console/rosters", staff.ReadMembers},
		{"会员与会员卡", "transfers", "转接", "swap", "/console/transfers", staff.ReadMembers},
		{"会员与会员卡", "cards", "会员卡", "card", "/console/cards", staff.ReadMembers},
		{"会员与会员卡", "batches", "发卡批次", "batch", "/console/batches", staff.ReadMembers},
		{"会员与会员卡", "unions", "工会组织", "tree", "/console/unions", staff.ReadUnions},
		{"资金", "budgets", "补贴预算", "coin", "/console/budgets", staff.ReadMoney},
		{"资金", "series", "消费券", "ticket", "/console/series", staff.ReadMoney},
		{"资金", "statements", "结算单", "bill", "/console/statements", staff.ReadMoney},
		{"资金", "payments", "付款", "bank", "/console/payments", staff.ReadMoney},
		{"资金", "differences", "对账差异", "check", "/console/differences", staff.ReadMoney},
		{"资金", "spending", "资金报表", "chart", "/console/spending", staff.ReadMoney},
		{"管理", "import", "批量导入", "upload", "/console/import", staff.ReadBusiness},
		{"管理", "staff", "人员账号", "people", "/console/staff", staff.WriteStaff},
		{"管理", "events", "操作日志", "list", "/console/events", staff.ReadEvents},
	}
}

// Nav is the navigation of who is signed in, empty without.
func (f *Frame) Nav() (out []Group) {
	if f.Account == nil {
		return nil
	}
	for _, a := range areas() {
		if !f.Account.May(a.right) {
			continue
		}
		if n := len(out); n == 0 || out[n-1].Title != a.group {
			out = append(out, Group{Title: a.group})
		}
		g := &out[len(out)-1]
		g.Entries = append(g.Entries, Entry{a.key, a.title, a.icon, a.url, a.key == f.Active})
	}
	return out
}

// Crumb is one step of the way from the start to a page, without the page itself.
type Crumb struct{ Title, URL string }

// Step is one row of the part "timeline": who did what when, and why.
type Step struct {
	At             time.Time
	Who, What, Why string
}
