package portal

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/merchant"
	"unioncard/merchant/account"
	"unioncard/settlement/ledger"
	"unioncard/settlement/recon"
)

// ReconBody is the largest upload of a till's file in bytes, with the form round it.
const ReconBody = recon.MaxBytes + 64<<10

const reconPageCases = 30

type reconListPage struct {
	page.Frame
	Form  *page.Form
	Cases []reconCase
	Next  string
}

// reconCase is a reconciliation with its state in words.
type reconCase struct {
	recon.Case
	Badge page.Badge
}

func reconBadge(c *recon.Case) page.Badge {
	switch f := c.Newest; {
	case !c.DroppedAt.IsZero():
		return page.Badge{Label: "已放弃", Look: "off"}
	case f != nil && f.State.Working():
		return page.Badge{Label: "正在核对", Look: "busy"}
	case f != nil && f.State == recon.Asking:
		return page.Badge{Label: "等您指明各列", Look: "wait"}
	case c.Current == nil && f != nil && f.State == recon.Dropped:
		return page.Badge{Label: "已过期", Look: "off"}
	case c.Current == nil:
		return page.Badge{Label: "没有收下", Look: "bad"}
	case c.Open > 0:
		return page.Badge{Label: fmt.Sprintf("%d 条差异待处理", c.Open), Look: "wait"}
	}
	return page.Badge{Label: "对平了", Look: "good"}
}

func reconURL(id int64) string { return "/portal/recon/" + strconv.FormatInt(id, 10) }

// ReconList answers GET /portal/recon: upload a till's file, and what was reconciled.
func (h *Handlers) ReconList(x *exchange.Exchange) error {
	day := h.today().AddDate(0, 0, -1).Format("2006-01-02")
	return h.reconList(x, page.NewForm("first_day", day, "last_day", day))
}

func (h *Handlers) reconList(x *exchange.Exchange, form *page.Form) error {
	before, _ := strconv.ParseInt(x.Query("before"), 10, 64) // nonsense: from the newest
	cases, err := h.Recon.Cases(x.Ctx, x.Merchant.MerchantID, max(before, 0), reconPageCases+1)
	if err != nil {
		return err
	}
	p := &reconListPage{Frame: page.Frame{Title: "对账", Active: "recon"}, Form: form}
	if len(cases) > reconPageCases {
		cases = cases[:reconPageCases]
		p.Next = fmt.Sprintf("/portal/recon?before=%d", cases[reconPageCases-1].ID)
	}
	for i := range cases {
		p.Cases = append(p.Cases, reconCase{cases[i], reconBadge(&cases[i])})
	}
	return h.Pages.Page(x, "portal/recon_list", p)
}

// ReconUpload answers POST /portal/recon: it takes a till's file as it arrives, to be
// checked.
func (h *Handlers) ReconUpload(x *exchange.Exchange) error {
	form := page.NewForm()
	id, err := h.takeTillFile(x, form)
	var faults merchant.FieldErrors
	var same *recon.SameFileError
	switch {
	case errors.As(err, &faults):
		form.Errors = faults
		x.Status = http.StatusUnprocessableEntity
		return h.reconList(x, form)
	case errors.As(err, &same):
		page.Notify(x, "这个文件已经核对过，没有再收一份。下面是那次的结果。")
		return x.Redirect(reconURL(same.Case))
	case err != nil:
		return err
	}
	return x.Redirect(reconURL(id))
}

// takeTillFile reads the form: the days and control totals, then the file. What was
// typed is put into form.
func (h *Handlers) takeTillFile(x *exchange.Exchange, form *page.Form) (int64, error) {
	parts, err := x.Parts(ReconBody)
	if err != nil {
		return 0, err
	}
	var bad merchant.FieldErrors
	for {
		part, err := parts.Next()
		if errors.Is(err, io.EOF) {
			bad.Add("file", "请选择收银系统导出的交易明细")
			return 0, bad.Err()
		}
		if err != nil {
			return 0, err
		}
		switch name := part.FormName(); name {
		case "first_day", "last_day", "rows", "total":
			text, err := parts.Text(part, 40)
			if err != nil {
				return 0, err
			}
			form.Values.Set(name, strings.TrimSpace(text))
		case "file":
			u, faults := tillUpload(form)
			if faults.Err() == nil && part.FileName() == "" {
				faults.Add("file", "请选择收银系统导出的交易明细")
			}
			if err := faults.Err(); err != nil {
				return 0, err
			}
			u.MerchantID, u.By, u.Name, u.Body = x.Merchant.MerchantID, x.Merchant.Actor(), part.FileName(), part
			id, err := h.Recon.Upload(x.Ctx, u)
			if lost := parts.Failed(); lost != nil {
				return 0, lost
			}
			return id, err
		}
	}
}

// tillUpload reads what was typed beside the file.
func tillUpload(form *page.Form) (u recon.Upload, bad merchant.FieldErrors) {
	day := func(name, what string) ledger.Day {
		d, err := ledger.ParseDay(form.Values.Get(name))
		if t := d.Date(); err != nil || t.Year() < 2000 || t.Year() > 2999 {
			bad.Add(name, "请填写"+what)
			return 0
		}
		return d
	}
	u.First, u.Last, u.Rows = day("first_day", "起始日期"), day("last_day", "截止日期"), -1
	rows, total := form.Values.Get("rows"), form.Values.Get("total")
	if rows == "" && total == "" {
		return u, bad
	}
	n, err := strconv.Atoi(strings.TrimSuffix(rows, "笔"))
	if err != nil || n < 0 || n > recon.MaxRows {
		bad.Add("rows", fmt.Sprintf("请填写笔数，0 到 %d 的整数；笔数和金额要么都填，要么都不填", recon.MaxRows))
	}
	fen, ok := recon.ParseFen(total)
	if !ok {
		bad.Add("total", "请填写金额合计（元），最多两位小数；笔数和金额要么都填，要么都不填")
	}
	u.Rows, u.Fen = n, fen
	return u, bad
}

// reconTasks: differences to look at, and files that ask which column is which.
func (h *Handlers) reconTasks(x *exchange.Exchange, p *homePage) error {
	if h.Recon == nil || !x.Merchant.May(account.Money) {
		return nil
	}
	differences, files, err := h.Recon.Todo(x.Ctx, x.Merchant.MerchantID)
	if err != nil {
		return err
	}
	if files > 0 {
		p.Tasks = append(p.Tasks, task{fmt.Sprintf("%d 份收银文件等您指明各列", files), "系统没有全认出来，选好每一项在哪一列就开始核对。", "/portal/recon"})
	}
	if differences > 0 {
		p.Tasks = append(p.Tasks, task{fmt.Sprintf("%d 条对账差异等您处理", differences), "是自己漏记的点“以系统为准”，确有其事的写明情况。", "/portal/recon"})
	}
	return nil
}
