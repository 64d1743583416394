package staff

import "slices"

// Role is what somebody does in a union's office.
type Role string

// The roles, as stored.
const (
	Negotiator       Role = "negotiator"        // 签约专员: takes in applications, drafts, amends, renews, ends
	Approver         Role = "approver"          // 审批人: the second pair of eyes
	TerminalManager  Role = "terminal_manager"  // 终端管理员
	ComplaintHandler Role = "complaint_handler" // 投诉处理员
	Finance          Role = "finance"           // 财务
	Assessor         Role = "assessor"          // 考核员
	Registrar        Role = "registrar"         // 会籍管理员: rosters, members' data, transfers
	CardManager      Role = "card_manager"      // 发卡管理员: batches, printing, delivery, a card's life
	Auditor          Role = "auditor"           // 审计员: reads all in scope, writes nothing
	Operator         Role = "operator"          // 系统管理员: accounts and settings, no business data
)

// Roles lists every role.
func Roles() []Role {
	return []Role{Negotiator, Approver, TerminalManager, ComplaintHandler, Finance, Assessor, Registrar, CardManager, Auditor, Operator}
}

// Right is one thing that a role may do within its territory. Every route of
// the console names the one it needs.
type Right string

// The rights.
const (
	// SignedIn is everybody's with an account: the own account, the start page.
	SignedIn Right = "signed_in"
	// ReadBusiness: applications, merchants, contracts, floors, terminals, work lists.
	ReadBusiness Right = "business.read"
	// ReadPersonal: uploaded papers that may show a person's account or identity.
	ReadPersonal     Right = "personal.read"
	WriteApplication Right = "application.write"
	WriteContract    Right = "contract.write" // drafts, amendments, signatures, publishing what was approved
	WriteFloor       Right = "floor.write"    // the province's floors and categories; counts at the root only
	Decide           Right = "proposal.decide"
	WriteTerminal    Right = "terminal.write"
	WriteExit        Right = "exit.write" // suspension, notice, exit plans
	ImportBusiness   Right = "business.import"
	ReadEvents       Right = "event.read"
	WriteStaff       Right = "staff.write" // accounts and their roles
	WriteSettings    Right = "settings.write"
	// ReadMembers: members, cards, batches and rosters, personal data masked.
	ReadMembers  Right = "member.read"
	WriteMembers Right = "member.write" // rosters, single members, transfers, leaving
	// RevealMembers: a member's personal data in full for a stated, logged reason;
	// export and erasure (PIPL 45, 47).
	RevealMembers Right = "member.reveal"
	WriteCards    Right = "card.write"  // batches, delivery, suspension, replacement, renewal
	ReadUnions    Right = "union.read"  // the union tree with its counts
	WriteUnions   Right = "union.write" // the union tree: grassroots unions, names, mergers
	// ReadMoney: budgets, vouchers, statements, payments, differences, reports.
	ReadMoney  Right = "money.read"
	WriteMoney Right = "money.write" // the maker's side; the checker's is Decide
)

// rights is the one table of who may do what.
var rights = map[Role][]Right{
	Negotiator:       {ReadBusiness, ReadPersonal, WriteApplication, WriteContract, WriteFloor, WriteExit, ImportBusiness},
	Approver:         {ReadBusiness, ReadPersonal, Decide, ReadEvents, ReadMembers, ReadUnions, ReadMoney},
	TerminalManager:  {ReadBusiness, WriteTerminal},
	ComplaintHandler: {ReadBusiness},
	Finance:          {ReadBusiness, ReadMoney, WriteMoney},
	Assessor:         {ReadBusiness},
	Registrar:        {ReadMembers, WriteMembers, RevealMembers, ReadUnions, WriteUnions},
	CardManager:      {ReadMembers, ReadUnions, WriteCards},
	Auditor:          {ReadBusiness, ReadPersonal, ReadEvents, ReadMembers, ReadUnions, ReadMoney},
	Operator:         {WriteStaff, WriteSettings, ReadUnions, WriteUnions},
}

// May reports whether the role has a right.
func (r Role) May(right Right) bool {
	return right == SignedIn || slices.Contains(rights[r], right)
}

// Rights lists what the role may do besides what everybody may.
func (r Role) Rights() []Right { return slices.Clone(rights[r]) }
