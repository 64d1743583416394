package portal

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/merchant"
	"unioncard/merchant/application"
	"unioncard/merchant/file"
)

// uploaded is a file as its uploader sees it.
type uploaded struct {
	ID         int64
	Name, Size string
}

// wanted is one kind of file, with what is there of it.
type wanted struct {
	Kind, Title, Help string
	Required          bool
	Files             []uploaded
	Form              *page.Form // its upload, as it was refused
}

type statusPage struct {
	page.Frame
	Link, Number, Office string
	Stage                merchant.Stage
	Badge, Says          string
	Reason, Fix          string
	Facts                []map[string]any
	Outlets              []string
	Files                []wanted
	Missing              []string
	Editable, Submits    bool
	Withdraws            bool
	Version              int64
	Form                 *page.Form // of sending
	At                   int        // step
	Kept                 time.Time  // until when an unsent draft is kept
}

// Status answers GET /apply/:id/:token.
func (h *Handlers) Status(x *exchange.Exchange) error {
	a, err := h.own(x)
	if err != nil {
		return err
	}
	return h.status(x, a, nil, "", nil)
}

// says is what a stage means to the applicant, and the step it is.
func says(s merchant.Stage) (badge, sentence string, step int) {
	switch s {
	case merchant.StageDraft:
		return "draft", "资料已保存，还没有提交。请上传材料，然后点“提交申请”。", 1
	case merchant.StageSubmitted:
		return "submitted", "申请已提交，等工会受理。有结果会打电话，也可以随时回到这个页面查看。", 2
	case merchant.StageReturned:
		return "returned", "工会请您补充或更正，改好后请重新提交。", 1
	case merchant.StageInReview:
		return "in_review", "工会正在审核，可能会打电话核实或到店走访。", 2
	case merchant.StageNegotiating:
		return "accepted", "审核通过。工会会与您联系，商定优惠条件并签订协议。", 3
	case merchant.StageRejected:
		return "rejected", "这次申请没有通过。情况变化后可以重新申请。", 3
	}
	return "withdrawn", "申请已撤销。需要时可以重新申请。", 3
}

// status shows the page; form is a refused upload of kind, or the sending.
func (h *Handlers) status(x *exchange.Exchange, a *application.Application, form *page.Form, kind string, send *page.Form) error {
	files, err := h.Files.List(x.Ctx, a.Object())
	if err != nil {
		return err
	}
	p := &statusPage{Link: link(x), Number: a.Number, Office: a.Office, Stage: a.Stage, Version: a.Version,
		Reason: a.Reason, Fix: a.Fix, Editable: a.Editable(true), Form: send,
		Frame: page.Frame{Title: "我的申请", Active: "apply"}}
	p.Badge, p.Says, p.At = says(a.Stage)
	if a.Stage == merchant.StageDraft && a.Source == application.FromPublic {
		p.Kept = a.UpdatedAt.Add(application.DraftLife)
	}
	for _, m := range a.Moves(true) {
		p.Submits = p.Submits || m.Action == "submit"
		p.Withdraws = p.Withdraws || m.Action == "withdraw"
	}
	p.Missing = application.MissingFiles(a.Doc.Trade, files)
	p.Facts = []map[string]any{
		{"Term": "申请编号", "Text": a.Number}, {"Term": "受理工会", "Text": a.Office},
		{"Term": "商家名称", "Text": a.Doc.LegalName}, {"Term": "统一社会信用代码", "Text": a.Doc.Code},
		{"Term": "行业", "Text": page.TradeName(string(a.Doc.Trade))}, {"Term": "联系人", "Text": a.Doc.Contact.Name},
		{"Term": "联系电话", "Text": application.Mask(a.Doc.Contact.Phone)},
		{"Term": "银行账号", "Text": application.Mask(a.Doc.Bank.Account)},
	}
	for _, o := range a.Doc.Outlets {
		p.Outlets = append(p.Outlets, o.Name+"："+application.PlaceName(o.Territory)+o.Address)
	}
	required := map[string]bool{}
	for _, item := range application.Checklist(a.Doc.Trade) {
		required[item.File] = item.Required && item.File != ""
	}
	for _, k := range application.FileKinds(a.Doc.Trade) {
		w := wanted{Kind: k.Kind, Title: k.Title, Help: k.Help, Required: required[k.Kind], Form: page.NewForm()}
		if k.Kind == kind {
			w.Form = form
		}
		for _, f := range files {
			if f.Kind == k.Kind {
				w.Files = append(w.Files, uploaded{f.ID, f.Name, fmt.Sprintf("%d KB", (f.Size+1023)/1024)})
			}
		}
		p.Files = append(p.Files, w)
	}
	return h.Pages.Page(x, "portal/apply_status", p)
}

// maxOwnFiles is how many files an applicant may have in one application.
const maxOwnFiles = 20

// Upload answers POST /apply/:id/:token/files.
func (h *Handlers) Upload(x *exchange.Exchange) error {
	if err := h.uploading.take(x.Addr); err != nil {
		return err
	}
	a, err := h.own(x)
	if err != nil {
		return err
	}
	form, err := x.Form()
	if err != nil {
		return err
	}
	kind := form.Text("kind")
	field := "file_" + kind
	if !slices.ContainsFunc(application.FileKinds(a.Doc.Trade), func(k application.FileKind) bool { return k.Kind == kind }) {
		return merchant.ErrNotFound
	}
	err = h.upload(x, a, kind, form.File(field))
	var refused *file.RefusedError
	if errors.As(err, &refused) {
		err = merchant.FieldErrors{{Field: field, Message: refused.Message}}
	}
	var move *merchant.MoveError
	if errors.As(err, &move) {
		page.Notify(x, "申请已经提交，现在不能再传材料。")
		return x.Redirect(link(x))
	}
	if again, ok := page.Refuse(form.Values, err); ok {
		x.Status = http.StatusUnprocessableEntity
		return h.status(x, a, again, kind, nil)
	}
	if err != nil {
		return err
	}
	page.Notify(x, "已上传。")
	return x.Redirect(link(x) + "#files")
}

func (h *Handlers) upload(x *exchange.Exchange, a *application.Application, kind string, f *exchange.File) error {
	if f == nil {
		return &file.RefusedError{Message: "请先选择文件，再点“上传”。"}
	}
	if !a.Editable(true) {
		return &merchant.MoveError{Object: a.Object(), From: string(a.Stage), Action: "add file"}
	}
	files, err := h.Files.List(x.Ctx, a.Object())
	if err != nil {
		return err
	}
	if len(files) >= maxOwnFiles {
		return &file.RefusedError{Message: fmt.Sprintf("最多 %d 个文件，请先删去不需要的。", maxOwnFiles)}
	}
	c, err := h.Files.Check(x.Ctx, f.Name, f.Data)
	if err != nil {
		return err
	}
	return h.Applications.AddFile(x.Ctx, by(a, "商家上传材料"), a.ID, kind, c, true)
}

// RemoveFile answers POST /apply/:id/:token/files/:item/remove.
func (h *Handlers) RemoveFile(x *exchange.Exchange) error {
	a, err := h.own(x)
	if err != nil {
		return err
	}
	item, err := x.ID64("item")
	if err != nil {
		return err
	}
	err = h.Applications.RemoveFile(x.Ctx, by(a, "商家删去材料"), a.ID, item, true)
	var move *merchant.MoveError
	switch {
	case errors.As(err, &move):
		page.Notify(x, "申请已经提交，现在不能删材料。")
	case err != nil:
		return err
	default:
		page.Notify(x, "已删去。")
	}
	return x.Redirect(link(x) + "#files")
}

// Move answers POST /apply/:id/:token/move: sends the application, or withdraws it.
func (h *Handlers) Move(x *exchange.Exchange) error {
	form, err := x.Form()
	if err != nil {
		return err
	}
	a, err := h.own(x)
	if err != nil {
		return err
	}
	version, _ := form.Int("version")
	action := form.Text("action")
	if action != "submit" && action != "withdraw" {
		return merchant.ErrNotFound
	}
	err = h.Applications.Move(x.Ctx, by(a, map[string]string{"submit": "商家提交申请", "withdraw": "商家撤销申请"}[action]),
		a.ID, version, action, "", true)
	var conflict *application.ConflictError
	var move *merchant.MoveError
	if errors.As(err, &conflict) || errors.As(err, &move) {
		page.Notify(x, "您打开以后申请有了变动，请看现在的情况再办。")
		return x.Redirect(link(x))
	}
	if again, ok := page.Refuse(form.Values, err); ok {
		if again.Errors.On("files") == "" {
			again.Summary = "资料里有需要改正的地方，请点“修改资料”。"
		}
		x.Status = http.StatusUnprocessableEntity
		return h.status(x, a, nil, "", again)
	}
	if err != nil {
		return err
	}
	page.Notify(x, strings.TrimSpace(map[string]string{"submit": "申请已提交。请收藏这个页面，随时查看进度。", "withdraw": "申请已撤销。"}[action]))
	return x.Redirect(link(x))
}
