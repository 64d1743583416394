package application

import (
	"fmt"
	"strings"
	"time"

	"unioncard/merchant"
)

// Source is how an application came in.
type Source string

// The sources, as stored.
const (
	FromPublic Source = "public" // the public form
	FromStaff  Source = "staff"  // entered in an office
)

// Application is one merchant's wish to join.
type Application struct {
	ID                                int64
	Number                            string // what people name it by
	OfficeID                          int64
	Office                            string // its name
	OfficePath                        string
	Source                            Source
	Stage                             merchant.Stage
	Doc                               Document
	Reason, Fix                       string // of the last return or rejection
	MerchantID, ContractID            int64  // once accepted
	Version                           int64
	CreatedBy                         string
	CreatedAt, UpdatedAt, SubmittedAt time.Time // SubmittedAt zero: not yet
	// Unreadable: contact and bank details do not open with the keys at hand.
	Unreadable bool
}

func object(id int64) string { return fmt.Sprintf("application:%d", id) }

// Object names the application in events and files.
func (a *Application) Object() string { return object(a.ID) }

// Editable reports whether the document may be changed: by the applicant while it
// is theirs to fill in or correct, by staff until it is decided.
func (a *Application) Editable(applicant bool) bool {
	switch a.Stage {
	case merchant.StageDraft, merchant.StageReturned:
		return true
	case merchant.StageSubmitted, merchant.StageInReview:
		return !applicant
	}
	return false
}

// ConflictError: the application is not what the person saw. Changes says what
// happened since, oldest first.
type ConflictError struct {
	Object  string
	Changes []Change
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("application: %s was changed meanwhile, %d times", e.Object, len(e.Changes))
}

// Change is one entry of an application's history.
type Change struct {
	At     time.Time
	Actor  string // "staff:12", "applicant:3"
	Who    string // the account's name, for people
	Action string // "application.save"
	Reason string
	Fields []string // names of the form's fields that changed
}

// Title is what the action is called, in Chinese.
func (c *Change) Title() string {
	if t, ok := actionTitles[c.Action]; ok {
		return t
	}
	_, action, _ := strings.Cut(c.Action, ".")
	for _, row := range merchant.Stages() {
		for _, m := range merchant.StageMoves(row.Stage) {
			if m.Action == action {
				return m.Name
			}
		}
	}
	return c.Action
}

var actionTitles = map[string]string{
	"application.create": "建立申请", "application.save": "修改资料", "application.submit": "提交",
	"application.tick": "核对通过", "application.untick": "取消核对", "application.visit": "记录走访",
	"application.link": "生成商家查询链接",
	"file.add":         "上传文件", "file.remove": "删去文件", "merchant.create": "建立商家", "merchant.details": "修改联系资料",
	"merchant.suspend": "暂停商家", "merchant.resume": "恢复商家", "merchant.exit": "商家退出",
}

// FieldTitles are the form's fields as people read them; "outlets" stands for all
// of the outlets'.
func FieldTitle(field string) string {
	if t, ok := fieldTitles[field]; ok {
		return t
	}
	return field
}

var fieldTitles = map[string]string{
	"code": "统一社会信用代码", "legal_name": "名称", "brand": "品牌", "trade": "行业", "note": "备注",
	"legal_rep": "法定代表人", "contact_name": "联系人", "phone": "联系电话",
	"bank_holder": "户名", "bank_name": "开户银行", "bank_account": "银行账号", "outlets": "门店",
}

// changed lists the fields in which two documents differ.
func changed(a, b *Document) []string {
	var out []string
	note := func(field string, differs bool) {
		if differs {
			out = append(out, field)
		}
	}
	note("code", a.Code != b.Code)
	note("legal_name", a.LegalName != b.LegalName)
	note("brand", a.Brand != b.Brand)
	note("trade", a.Trade != b.Trade)
	note("note", a.Note != b.Note)
	note("legal_rep", a.Contact.LegalRep != b.Contact.LegalRep)
	note("contact_name", a.Contact.Name != b.Contact.Name)
	note("phone", a.Contact.Phone != b.Contact.Phone)
	note("bank_holder", a.Bank.Holder != b.Bank.Holder)
	note("bank_name", a.Bank.Bank != b.Bank.Bank)
	note("bank_account", a.Bank.Account != b.Bank.Account)
	same := len(a.Outlets) == len(b.Outlets)
	for i := 0; same && i < len(a.Outlets); i++ {
		x, y := a.Outlets[i], b.Outlets[i]
		same = x.Name == y.Name && x.Address == y.Address && x.Territory == y.Territory &&
			equal(x.Lon, y.Lon) && equal(x.Lat, y.Lat)
	}
	note("outlets", !same)
	return out
}

func equal(a, b *float64) bool { return a == b || a != nil && b != nil && *a == *b }
