package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"unioncard/api/page"
	"unioncard/card/union/staff"
	"unioncard/merchant"
	"unioncard/merchant/application"
	"unioncard/merchant/exit"
	"unioncard/merchant/intake"
)

// TestEndedForCause: who approves reads what was ordered, and the merchant comes
// back neither by a new contract nor by a draft from before.
func TestEndedForCause(t *testing.T) {
	t.Parallel()
	b := newProvince(t).serve(t, "")
	maker, checker := b.hire("maker", b.unions[jinshui], staff.Negotiator), b.hire("checker", b.unions[jinshui], staff.Approver)
	by := merchant.By{Actor: maker.account().Actor(), Reason: "test"}
	shop, err := b.node.merchants.CreateMerchant(t.Context(), by, merchant.NewMerchant{OfficeID: b.unions[jinshui], Name: "百货", Trade: merchant.TradeLeisure})
	b.must(err)
	contract := b.sign(by, shop, b.unions[jinshui])
	today := page.Day(time.Now())
	draft := fmt.Sprintf("/console/merchants/%d/contract", shop)
	terms := []string{"valid_from", page.Day(time.Now().AddDate(2, 0, 0)), "valid_until", page.Day(time.Now().AddDate(3, 0, 0)),
		"refund_days", "30", "floor_clause", "1", "outlet", "0", "reason", "再签"}
	earlier := maker.want("a draft before", maker.post(draft, terms...), 303).to()
	maker.want("order", maker.post(fmt.Sprintf("/console/contracts/%d/exit", contract), "kind", string(exit.KindCause), "cause", "fraud",
		"noticed_on", today, "merchant_leaves", "1", "reason", "查实套取"), 303)
	waiting := fmt.Sprintf("/console/proposals/%d", b.number(`SELECT max(id) FROM proposals`))
	checker.want("what is approved", checker.get(waiting), 200, exit.Title("fraud"), "批准后立即终止", "退出网络", "36 个月以后")
	checker.want("approve", checker.post(waiting+"/decide", "decision", "approve", "reason", "属实"), 303)
	if n := b.number(`SELECT count(*) FROM contracts WHERE id = $1 AND status = 'ended'`, contract); n != 1 {
		t.Fatal("the contract goes on")
	}
	maker.want("a new contract", maker.post(draft, terms...), 422, "以前不能再签")
	maker.want("the draft from before", maker.post(earlier+"/propose", "reason", "再签"), 422, "以前不能再签")
	maker.want("publishing it", maker.post(earlier+"/publish"), 422, "以前不能再签")
}

// TestRightsOfPersonalFiles: a bank's paper, or whatever may show a person's, opens
// for those who work on it or answer for it; a storefront for everybody in the office.
func TestRightsOfPersonalFiles(t *testing.T) {
	t.Parallel()
	b := newProvince(t).serve(t, "")
	maker := b.hire("maker", b.unions[jinshui], staff.Negotiator)
	id, err := b.node.applied.Enter(t.Context(), maker.account(), "录入", application.Document{LegalName: "百货公司", Trade: merchant.TradeCatering})
	b.must(err)
	object := fmt.Sprintf("application:%d", id)
	bank, other, shop := b.fileOf(object, application.FileBank, "账户", 1), b.fileOf(object, application.FileOther, "授权书", 2),
		b.fileOf(object, application.FileStorefront, "门头", 3)
	reads := map[staff.Role]bool{staff.Negotiator: true, staff.Approver: true, staff.Auditor: true,
		staff.Finance: false, staff.TerminalManager: false, staff.Assessor: false, staff.ComplaintHandler: false}
	for role, may := range reads {
		c := b.hire("reads-"+strings.ReplaceAll(string(role), "_", "-"), b.unions[jinshui], role)
		for _, file := range []int64{bank, other, shop} {
			for _, as := range []string{"", "/image"} {
				want := http.StatusForbidden
				if may || file == shop {
					want = http.StatusOK
				}
				c.want(string(role), c.get(fmt.Sprintf("/console/files/%d%s", file, as)), want)
			}
		}
		said := c.want("the page", c.get(fmt.Sprintf("/console/applications/%d", id)), 200, fmt.Sprintf("/console/files/%d", shop))
		if strings.Contains(said.body, fmt.Sprintf("/console/files/%d", bank)) != may {
			t.Errorf("%s: the page links the bank's paper: %v", role, !may)
		}
	}
}

// TestImportIsReadBeforeApproval: who approves a workbook reads every merchant and
// every offer that would go in force.
func TestImportIsReadBeforeApproval(t *testing.T) {
	t.Parallel()
	b := newProvince(t).serve(t, "")
	maker, checker := b.hire("maker", b.unions[jinshui], staff.Negotiator), b.hire("checker", b.unions[jinshui], staff.Approver)
	template, err := intake.Template()
	b.must(err)
	book, err := excelize.OpenReader(bytes.NewReader(template))
	b.must(err)
	b.must(book.SetCellValue("商家", "B2", "91410000170001401D"))
	b.must(book.SetCellValue("协议", "F2", "每满100减15"))
	var data bytes.Buffer
	b.must(book.Write(&data))
	name, err := book.GetCellValue("商家", "C2")
	b.must(err)
	run := maker.want("upload", maker.upload("/console/import", "file", "<b>=1+1.xlsx", data.Bytes()), 303).to()
	maker.want("checked", maker.get(run), 200, "检查没有发现问题")
	maker.want("propose", maker.post(run, "reason", "补录"), 303)
	waiting := fmt.Sprintf("/console/proposals/%d", b.number(`SELECT max(id) FROM proposals`))
	checker.want("the proposal", checker.get(waiting), 200, run, "1 份协议")
	checker.want("its rows", checker.get(run), 200, name, "每满100减15", "餐饮")
	checker.want("approve", checker.post(waiting+"/decide", "decision", "approve", "reason", "已逐行核对"), 303)
}

// TestSillyAddresses: no address or version is an internal error.
func TestSillyAddresses(t *testing.T) {
	t.Parallel()
	b := newProvince(t).serve(t, "")
	chief := b.hire("chief", b.unions[henan], staff.Negotiator, staff.Approver)
	const most = "9223372036854775807"
	cursor := base64.RawURLEncoding.EncodeToString([]byte(`{"s":"id","d":true,"i":` + most + `}`))
	for _, path := range []string{"/console/events?at=" + cursor, "/console/proposals?view=all&before=" + most,
		"/console/merchants?at=" + cursor, "/console/terminals?at=" + cursor + "&sort=-id"} {
		chief.want(path, chief.get(path), 200)
	}
	for _, path := range []string{"/apply/%00/x", "/apply/%ff/x/edit", "/apply/x/%00", "/console/floors/impact?id=" + most} {
		chief.want(path, chief.get(path), 404)
	}
	clerk := b.hire("clerk", b.unions[jinshui], staff.Negotiator)
	application := clerk.want("enter", clerk.post("/console/applications", "trade", "catering"), 303).to()
	chief.want("a version to come", clerk.post(application+"/move", "action", "submit", "version", most), 409)
}
