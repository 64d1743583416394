package console

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/card"
	"unioncard/card/batch"
	"unioncard/merchant"
)

type batchPage struct {
	page.Frame
	B         batchRow
	Facts     []any
	Choices   []page.Choice // what can be done with it now
	Places    []placeRow
	Files     []printRow
	Fresh     int // cards that stand in no print file
	Waiting   []batch.Undelivered
	Unions    []page.Choice // of Waiting
	Inactive  int           // handed out and still inactive, at most
	Left      string        // how long the run still takes, in words
	Done      int64         // of the run, in percent
	History   []page.Step
	Open      bool // what changes it is offered
	Form      *page.Form
	Edit      *page.Form
	Hand      *page.Form
	Print     *page.Form
	HandWords []page.Choice
}

type printRow struct {
	batch.File
	Who     string
	Choices []page.Choice // what can be downloaded
}

// BatchShow answers GET /console/batches/:id.
func (h *Handlers) BatchShow(x *exchange.Exchange) error {
	return h.batchShow(x, &batchPage{})
}

// batchOf is the batch of the address, in the account's territory.
func (h *Handlers) batchOf(x *exchange.Exchange) (batch.Batch, error) {
	id, err := idOf(x)
	if err != nil {
		return batch.Batch{}, err
	}
	return h.Batches.Get(x.Ctx, x.Account.Path, id)
}

// batchShow fills in the page around the forms that are set.
func (h *Handlers) batchShow(x *exchange.Exchange, p *batchPage) error {
	b, err := h.batchOf(x)
	if err != nil {
		return err
	}
	p.Frame = page.Frame{Title: b.Title, Active: "batches", Crumbs: []page.Crumb{{Title: "发卡批次", URL: "/console/batches"}}}
	p.B = h.batchRow(b)
	p.Open = b.Status != batch.Closed && mayCards(x)
	p.forms(&b)
	p.Facts = []any{fact("编号", strconv.FormatInt(b.ID, 10)), fact("种类", batchWord(b.Kind)), factLink("工会（含下级）", b.Union, unionURL(b.UnionID)),
		fact("完成期限", b.DueOn.Format(time.DateOnly)), fact("有效期至", b.ValidUntil.String())}
	if b.Kind == batch.Renew {
		p.Facts = append(p.Facts, fact("续哪些卡", "有效期在 "+b.Expiring.String()+" 以前（含）的在用卡"))
	}
	for _, c := range []page.Choice{{Value: string(batch.Start), Label: "开始：给还没办的会员办"}, {Value: string(batch.Stop), Label: "停下：已办的不变，以后可以接着办"},
		{Value: string(batch.Close), Label: "结束：以后不能再办，也不能改"}} {
		if _, err := b.Status.Next(batch.Action(c.Value)); err == nil {
			p.Choices = append(p.Choices, c)
		}
	}
	if b.Status == batch.Running && b.Members > 0 {
		p.Done = b.Seen * 100 / b.Members
		if left := b.TimeLeft(h.Clock()); left > 0 {
			p.Left = minutes(left)
		}
	}
	if err := h.batchParts(x, p, b.ID); err != nil {
		return err
	}
	return h.Pages.Page(x, "console/batch_show", p)
}

// forms fills in the forms that no refusal has set.
func (p *batchPage) forms(b *batch.Batch) {
	version := strconv.FormatInt(b.Version, 10)
	for _, f := range []**page.Form{&p.Form, &p.Hand, &p.Print} {
		if *f == nil {
			*f = page.NewForm()
		}
		if (*f).Values == nil {
			(*f).Values = url.Values{}
		}
		(*f).Values.Set("version", version)
	}
	if p.Edit == nil {
		p.Edit = page.NewForm("title", b.Title, "target", strconv.Itoa(b.Target), "due_on", b.DueOn.Format(time.DateOnly))
	}
	p.Edit.Values.Set("version", version)
	p.HandWords = []page.Choice{{Value: "deliver", Label: "交付：卡已送到，登记为已交付"}, {Value: "activate", Label: "激活：已交付的卡马上可用"}}
}

func minutes(d time.Duration) string {
	if d < time.Minute {
		return "不到 1 分钟"
	}
	return fmt.Sprintf("约 %d 分钟", int(d/time.Minute)+1)
}

// batchParts reads what stands below the head of the page.
func (h *Handlers) batchParts(x *exchange.Exchange, p *batchPage, id int64) error {
	places, err := h.Batches.Places(x.Ctx, id)
	if err != nil {
		return err
	}
	for _, at := range places {
		name := placeName(at.Territory)
		if name == "" {
			name = at.Union
		}
		p.Places = append(p.Places, placeRow{Place: at, Name: name})
	}
	if p.B.Kind == batch.Issue {
		if err := h.batchCards(x, p, id); err != nil {
			return err
		}
	}
	// What people did. The worker's cards, an event for every 2,000, would bury it;
	// they are in the event log.
	p.History, err = h.history(x, "batch", id, "batch", cardHistory)
	return err
}

// batchCards is what is printed and handed out.
func (h *Handlers) batchCards(x *exchange.Exchange, p *batchPage, id int64) error {
	files, err := h.Batches.Files(x.Ctx, id)
	if err != nil {
		return err
	}
	actors := make([]string, len(files))
	for i := range files {
		actors[i] = files[i].MadeBy
	}
	names, err := h.Merchants.ActorNames(x.Ctx, actors)
	if err != nil {
		return err
	}
	for _, f := range files {
		row := printRow{File: f, Who: names[f.MadeBy], Choices: []page.Choice{
			{Value: "csv-1", Label: "CSV：制卡系统读取，有全名"}, {Value: "xlsx-1", Label: "Excel：人工核对，有全名"}}}
		for part := 1; part <= min(f.Parts, 250); part++ {
			from, to := (part-1)*batch.SheetCards+1, min(part*batch.SheetCards, f.Cards)
			row.Choices = append(row.Choices,
				page.Choice{Value: fmt.Sprintf("pdf-%d", part), Label: fmt.Sprintf("PDF 码版 第 %d–%d 张", from, to)},
				page.Choice{Value: fmt.Sprintf("png-%d", part), Label: fmt.Sprintf("PNG 码版（压缩包） 第 %d–%d 张", from, to)})
		}
		p.Files = append(p.Files, row)
	}
	if p.Fresh, err = h.Batches.Unprinted(x.Ctx, id); err != nil {
		return err
	}
	if p.Waiting, err = h.Batches.Undelivered(x.Ctx, x.Account.Path, id); err != nil {
		return err
	}
	for _, u := range p.Waiting {
		p.Unions = append(p.Unions, page.Choice{Value: strconv.FormatInt(u.UnionID, 10), Label: fmt.Sprintf("%s（%d 张）", u.Name, u.Cards)})
	}
	p.Inactive = max(p.B.Delivered-p.B.Activated, 0)
	return nil
}

// batchRefused shows the page again with what was wrong in one of its forms.
func (h *Handlers) batchRefused(x *exchange.Exchange, p *batchPage) error {
	x.Status = http.StatusUnprocessableEntity
	return h.batchShow(x, p)
}

const batchMoved = "您打开以后，这个批次刚被别人改过。请看现在的内容，再决定要不要办。"

// batchFault puts what the store refused beside a field; false if it is no refusal.
func batchFault(err error, field string, wrong *merchant.FieldErrors) bool {
	_, moved := errors.AsType[*batch.MoveError](err)
	switch {
	case errors.Is(err, batch.ErrChanged):
		wrong.Add(field, batchMoved)
	case errors.Is(err, batch.ErrNothing):
		wrong.Add(field, "没有要这样办的卡：可能已经办过了，或还没有交付。")
	case moved:
		wrong.Add(field, "批次现在的状态不能这样办理，可能别人刚刚办过，请看现在的状态。")
	default:
		return false
	}
	return true
}

// BatchMove answers POST /console/batches/:id/move: start, stop, close.
func (h *Handlers) BatchMove(x *exchange.Exchange) error {
	form, b, err := posted(x, h.batchOf)
	if err != nil {
		return err
	}
	var wrong merchant.FieldErrors
	by := byCards(x, reasonIn(form, &wrong))
	version, _ := form.Int("version")
	action := batch.Action(form.Text("action"))
	done := map[batch.Action]string{batch.Start: "已开始，系统正在给会员办，可以离开这个页面。", batch.Stop: "已停下。", batch.Close: "批次已结束。"}[action]
	if done == "" {
		wrong.Add("action", "请选择要办的事。")
	}
	if len(wrong) == 0 {
		if err = h.Batches.Move(x.Ctx, by, x.Account.Path, b.ID, max(version, 1), action); err == nil {
			page.Notify(x, done)
			return x.Redirect(batchURL(b.ID))
		}
		if !batchFault(err, "action", &wrong) {
			return err
		}
	}
	return h.batchRefused(x, &batchPage{Form: &page.Form{Values: form.Values, Errors: wrong}})
}

// BatchEdit answers POST /console/batches/:id/edit.
func (h *Handlers) BatchEdit(x *exchange.Exchange) error {
	form, b, err := posted(x, h.batchOf)
	if err != nil {
		return err
	}
	var wrong merchant.FieldErrors
	reason := form.Text("edit_reason")
	if reason == "" || len([]rune(reason)) > 500 {
		wrong.Add("edit_reason", "请写明理由，最多 500 字，会记入操作日志。")
	}
	version, _ := form.Int("version")
	d := b.Draft
	d.Title, d.Target, d.DueOn = "", 0, time.Time{}
	batchFields(form, &d)
	for _, f := range d.Check(batch.Today(h.Clock())) {
		if f.Field != "valid_until" && f.Field != "expiring" { // which stay as they are
			wrong.Add(f.Field, f.Message)
		}
	}
	if len(wrong) == 0 {
		err := h.Batches.Edit(x.Ctx, byCards(x, reason), x.Account.Path, b.ID, max(version, 1), batch.Change{Title: d.Title, Target: d.Target, DueOn: d.DueOn})
		if err == nil {
			page.Notify(x, "已保存。")
			return x.Redirect(batchURL(b.ID))
		}
		if !batchFault(err, "title", &wrong) {
			return err
		}
	}
	return h.batchRefused(x, &batchPage{Edit: &page.Form{Values: form.Values, Errors: wrong}})
}

// BatchHand answers POST /console/batches/:id/hand: cards delivered, or those that
// were activated, of all, of one union or of numbers.
func (h *Handlers) BatchHand(x *exchange.Exchange) error {
	form, b, err := posted(x, h.batchOf)
	if err != nil {
		return err
	}
	var wrong merchant.FieldErrors
	reason := form.Text("hand_reason")
	if reason == "" || len([]rune(reason)) > 500 {
		wrong.Add("hand_reason", "请写明交给谁、怎么交的，最多 500 字，会记入操作日志。")
	}
	what := form.Text("what")
	if what != "deliver" && what != "activate" {
		wrong.Add("what", "请选择交付还是激活。")
	}
	var to batch.To
	if text := form.Text("union"); text != "" {
		u, err := h.Batches.UnionNamed(x.Ctx, x.Account.Path, text)
		if errors.Is(err, batch.ErrNotFound) {
			wrong.Add("union", "在您的管辖范围内没有这个工会。请从列表里选。")
		} else if err != nil {
			return err
		}
		to.UnionPath = u.Path
	}
	if to.Numbers, err = h.numbersIn(form.Get("numbers")); err != nil {
		wrong.Add("numbers", err.Error())
	}
	if len(wrong) == 0 {
		n, more, err := h.Batches.Hand(x.Ctx, byCards(x, reason), x.Account.Path, b.ID, to, what == "activate")
		if err == nil {
			page.Notify(x, handed(what, n, more, len(to.Numbers)))
			return x.Redirect(batchURL(b.ID))
		}
		if !batchFault(err, "what", &wrong) {
			return err
		}
	}
	return h.batchRefused(x, &batchPage{Hand: &page.Form{Values: form.Values, Errors: wrong}})
}

func handed(what string, n int, more bool, asked int) string {
	done := fmt.Sprintf("已登记交付 %d 张。", n)
	if what == "activate" {
		done = fmt.Sprintf("已激活 %d 张，马上可用。", n)
	}
	if asked > n {
		done += fmt.Sprintf("另有 %d 张不在这个批次里，或已经办过。", asked-n)
	}
	if more {
		done += "还没有办完，请再点一次接着办。"
	}
	return done
}

// maxNumbers bounds the card numbers pasted at once.
const maxNumbers = 2000

// numbersIn reads card numbers as scanned or pasted, one a line; nil for none. Its
// error is a sentence.
func (h *Handlers) numbersIn(text string) ([]int64, error) {
	var out []int64
	for _, line := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune("\r\n,，;；", r) }) {
		if line = digitsOf(line); line == "" {
			continue
		}
		n, err := h.CardCodes.CheckNumber(line)
		if err != nil {
			return nil, fmt.Errorf("第 %d 个卡号不对，请逐位核对：每行一个 16 位卡号。", len(out)+1)
		}
		if out = append(out, n); len(out) > maxNumbers {
			return nil, fmt.Errorf("一次最多 %d 个卡号，请分几次办。", maxNumbers)
		}
	}
	return out, nil
}

// BatchFile answers POST /console/batches/:id/file: a print file of the cards that
// stand in none.
func (h *Handlers) BatchFile(x *exchange.Exchange) error {
	_, b, err := posted(x, h.batchOf)
	if err != nil {
		return err
	}
	f, err := h.Batches.MakeFile(x.Ctx, card.By{Actor: x.Account.Actor(), Reason: "生成制卡文件"}, x.Account.Path, b.ID)
	if errors.Is(err, batch.ErrNothing) {
		return h.batchRefused(x, &batchPage{Print: &page.Form{Summary: "没有要制的卡：都已列入制卡文件，或还没有开始发卡。"}})
	}
	if err != nil {
		return err
	}
	page.Notify(x, fmt.Sprintf("已生成制卡文件，共 %d 张卡。请下载后交制卡单位。", f.Cards))
	return x.Redirect(batchURL(b.ID))
}

// BatchDownload answers POST /console/batches/:id/download.
func (h *Handlers) BatchDownload(x *exchange.Exchange) error {
	form, b, err := posted(x, h.batchOf)
	if err != nil {
		return err
	}
	var wrong merchant.FieldErrors
	by := byCards(x, printReason(form, &wrong))
	file, _ := form.Int("file")
	kind, part, _ := strings.Cut(form.Text("format"), "-")
	format := batch.Format(kind)
	n, err := strconv.Atoi(part)
	if !printable(format) || err != nil || n < 1 || n > batch.MaxFile {
		wrong.Add("format", "请选择下载什么。")
	}
	if len(wrong) > 0 {
		return h.batchRefused(x, &batchPage{Print: &page.Form{Values: form.Values, Errors: wrong}})
	}
	cards, err := h.Batches.Download(x.Ctx, by, x.Account.Path, b.ID, file, format, n)
	if err != nil {
		return err
	}
	first := 1
	if format.Sheets() {
		first += (n - 1) * batch.SheetCards
	}
	return h.sendPrint(x, fmt.Sprintf("batch-%d-file-%d-%d", b.ID, file, n), cards, first, format)
}
