package portal

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/merchant"
	"unioncard/merchant/account"
	"unioncard/merchant/application"
	"unioncard/merchant/file"
)

const applicationPath = "/portal/application"

// document is a kind of document with what is there of it.
type document struct {
	Title, Help string
	Required    bool
	Files       []file.File
}

type joinedPage struct {
	page.Frame
	Facts   []map[string]any
	Missing []string
	Docs    []document
	Kinds   []page.Choice
	Form    *page.Form
}

// Joined answers GET /portal/application: what the office knows of the merchant, and
// which documents it still wants.
func (h *Handlers) Joined(x *exchange.Exchange) error { return h.joined(x, page.NewForm()) }

func (h *Handlers) joined(x *exchange.Exchange, form *page.Form) error {
	m, err := h.Applications.Merchant(x.Ctx, x.Merchant.MerchantID)
	if err != nil {
		return err
	}
	d, err := h.Applications.Details(x.Ctx, m.ID)
	if err != nil {
		return err
	}
	p := &joinedPage{Form: form, Frame: page.Frame{Title: "入网资料", Active: "application"}}
	p.Facts = []map[string]any{
		{"Term": "商家", "Text": m.Name}, {"Term": "统一社会信用代码", "Text": m.Code}, {"Term": "行业", "Text": page.TradeName(string(m.Trade))},
		{"Term": "品牌", "Text": m.Brand}, {"Term": "签约工会", "Text": m.Office}, {"Term": "入网申请", "Text": m.ApplicationNumber},
		{"Term": "登记时间", "Text": page.Moment(m.CreatedAt)},
		{"Term": "联系人", "Text": d.Contact.Name}, {"Term": "联系电话", "Text": application.Mask(d.Contact.Phone)},
		{"Term": "收款账户", "Text": strings.TrimSpace(d.Bank.Holder + " " + d.Bank.Bank + " " + application.Mask(d.Bank.Account))},
	}
	files, err := h.ownFiles(x, m)
	if err != nil {
		return err
	}
	p.Missing = application.MissingFiles(m.Trade, files)
	required := map[string]bool{}
	for _, item := range application.Checklist(m.Trade) {
		required[item.File] = item.Required && item.File != ""
	}
	for _, k := range application.FileKinds(m.Trade) {
		doc := document{Title: k.Title, Help: k.Help, Required: required[k.Kind]}
		for _, f := range files {
			if f.Kind == k.Kind {
				doc.Files = append(doc.Files, f)
			}
		}
		p.Docs = append(p.Docs, doc)
		p.Kinds = append(p.Kinds, page.Choice{Value: k.Kind, Label: k.Title})
	}
	return h.Pages.Page(x, "portal/joined", p)
}

// ownFiles are the documents of the merchant and of its application; photos of visits
// and what else the office noted are the office's.
func (h *Handlers) ownFiles(x *exchange.Exchange, m *application.MerchantRow) (out []file.File, err error) {
	objects := []string{fmt.Sprintf("merchant:%d", m.ID)}
	if m.ApplicationID != 0 {
		objects = append(objects, fmt.Sprintf("application:%d", m.ApplicationID))
	}
	for _, object := range objects {
		files, err := h.Files.List(x.Ctx, object)
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			if !strings.HasPrefix(f.Kind, application.FileVisit) {
				out = append(out, f)
			}
		}
	}
	return out, nil
}

// JoinedUpload answers POST /portal/application/files.
func (h *Handlers) JoinedUpload(x *exchange.Exchange) error {
	f, err := x.Form()
	if err != nil {
		return err
	}
	clean, err := h.uploaded(x, f, "file", "请选择文件。")
	if err == nil {
		err = h.Applications.AddMerchantFile(x.Ctx, byUser(x, "商家补充材料"), x.Merchant.MerchantID, f.Text("kind"), clean)
	}
	var full *file.RefusedError
	if errors.As(err, &full) {
		err = merchant.FieldErrors{{Field: "file", Message: full.Message}}
	}
	if refused, ok := page.Refuse(f.Values, err); ok {
		x.Status = http.StatusUnprocessableEntity
		return h.joined(x, refused)
	}
	if err != nil {
		return err
	}
	page.Notify(x, "已上传，签约工会可以看到。")
	return x.Redirect(applicationPath)
}

// File answers GET /portal/files/:id: a document of the merchant, or a scan that it
// stamped. Anything else is not found.
func (h *Handlers) File(x *exchange.Exchange) error {
	id, err := x.ID64("id")
	if err != nil {
		return err
	}
	f, data, err := h.Files.Get(x.Ctx, id)
	if err != nil {
		return err
	}
	m, err := h.Applications.Merchant(x.Ctx, x.Merchant.MerchantID)
	if err != nil {
		return err
	}
	mine := f.Object == fmt.Sprintf("merchant:%d", m.ID) || m.ApplicationID != 0 && f.Object == fmt.Sprintf("application:%d", m.ApplicationID)
	if contract, ok := strings.CutPrefix(f.Object, "contract:"); ok && f.Kind == "merchant_signature" {
		var n int64
		if _, err := fmt.Sscan(contract, &n); err == nil {
			_, err = h.contractFor(x, n)
			mine = err == nil
		}
	}
	if !mine || strings.HasPrefix(f.Kind, application.FileVisit) {
		return merchant.ErrNotFound
	}
	for name, value := range f.Headers(false) {
		x.SetHeader(name, value)
	}
	x.ContentType = []string{string(f.Media)}
	x.Out = append(x.Out[:0], data...)
	return nil
}

// noticesShown is how many notices a page has.
const noticesShown = 50

type noticePage struct {
	page.Frame
	Rows []account.Notice
	New  int   // how many of them had not been seen
	More int64 // where the next page begins, 0 at the end
}

// Notices answers GET /portal/notices, and remembers what was seen.
func (h *Handlers) Notices(x *exchange.Exchange) error {
	var before int64
	if text := x.Query("before"); text != "" {
		if _, err := fmt.Sscan(text, &before); err != nil || before < 0 {
			before = 0
		}
	}
	rows, err := h.Accounts.Notices(x.Ctx, x.Merchant, before, noticesShown+1)
	if err != nil {
		return err
	}
	p := &noticePage{Frame: page.Frame{Title: "通知", Active: "notices"}, Rows: rows[:min(len(rows), noticesShown)]}
	if len(rows) > noticesShown {
		p.More = p.Rows[noticesShown-1].ID
	}
	if before == 0 && len(rows) > 0 {
		p.New = x.Merchant.Unread
		if err := h.Accounts.ReadUpTo(x.Ctx, x.Merchant, rows[0].ID); err != nil {
			return err
		}
		x.Merchant.Unread = 0
	}
	return h.Pages.Page(x, "portal/notice_list", p)
}
