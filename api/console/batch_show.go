package console

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/card/batch"
	"unioncard/merchant"
)

type batchPage struct {
	page.Frame
	B         batchRow
	Facts     []any
	Start     *batchStart // what a start would do; nil if it can't start
	Stops     bool        // it may be stopped
	Closes    bool        // it may be ended
	Places    []placeRow
	Files     []printRow
	Fresh     int // cards that stand in no print file
	All       batch.Waiting
	Waiting   []batch.Waiting // by union
	Unions    []page.Choice   // of Waiting
	Left      string          // how long the run still takes, in words
	Done      int64           // of the run, in percent
	History   []page.Step
	Open      bool // what changes it is offered
	Form      *page.Form
	Edit      *page.Form
	Hand      *page.Form
	Print     *page.Form
	HandWords []page.Choice
	Whom      []page.Choice
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
		p.Facts = append(p.Facts, fact("续哪些卡", "有效期到 "+b.Expiring.String()+" 或更早的在用卡"))
	}
	_, err = b.Status.Next(batch.Stop)
	p.Stops = err == nil
	_, err = b.Status.Next(batch.Close)
	p.Closes = err == nil
	if b.Status == batch.Running && b.Members > 0 {
		p.Done = b.Seen * 100 / b.Members
		if left := b.TimeLeft(h.Clock()); left > 0 {
			p.Left = minutes(left)
		}
	}
	if p.Places, err = h.batchPlaces(x, b.ID); err != nil {
		return err
	}
	if x.HTMX() && b.Status == batch.Running {
		return h.Pages.Part(x, "console/batch_show", "batchprogress", p)
	}
	if x.HTMX() { // it ended since: the page offers other things now
		x.SetHeader("HX-Refresh", "true")
	}
	if err := h.batchParts(x, p, &b); err != nil {
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
}

func minutes(d time.Duration) string {
	if d < time.Minute {
		return "不到 1 分钟"
	}
	return fmt.Sprintf("约 %d 分钟", int(d/time.Minute)+1)
}

// batchStart is what a start would do now.
type batchStart struct {
	Reach int64
	Words string // how many, and how that is beside the plan
}

// startOf counts whom a start would reach, if the batch can be started.
func (h *Handlers) startOf(x *exchange.Exchange, p *batchPage, b *batch.Batch) error {
	if _, err := b.Status.Next(batch.Start); err != nil || !mayCards(x) {
		return nil //nolint:nilerr // it can't be started, which the page then does not offer
	}
	n, err := h.Batches.Reach(x.Ctx, b.Path, b.Kind, b.Expiring)
	if err != nil {
		return err
	}
	p.Start = &batchStart{n, reachWords(b.Kind, n, int64(b.Issued), int64(b.Target))}
	return nil
}

// reachWords says how many cards a start would make or renew, and how that and what
// it made before is beside the plan; target 0 is none.
func reachWords(kind batch.Kind, n, before, target int64) string {
	words := "将给 " + figure(n) + " 位会员各发一张新卡"
	if kind == batch.Renew {
		words = "将续期 " + figure(n) + " 张在用卡"
	}
	all := n + before
	if before > 0 {
		words += "，连同已办的共 " + figure(all) + " 张"
	}
	switch {
	case target == 0 || all == target:
		return words
	case all > target:
		return words + "，比计划多 " + figure(all-target) + " 张"
	}
	return words + "，比计划少 " + figure(target-all) + " 张"
}

// figure is a number as people read it.
func figure(n int64) string {
	s, err := page.Count(n)
	if err != nil { // never: it is a number
		return strconv.FormatInt(n, 10)
	}
	return s
}

// batchPlaces is what a batch has come to by territory.
func (h *Handlers) batchPlaces(x *exchange.Exchange, id int64) (rows []placeRow, err error) {
	places, err := h.Batches.Places(x.Ctx, id)
	if err != nil {
		return nil, err
	}
	for _, at := range places {
		name := placeName(at.Territory)
		if name == "" {
			name = at.Union
		}
		rows = append(rows, placeRow{Place: at, Name: name})
	}
	return rows, nil
}

// batchParts reads what stands below the head of the page.
func (h *Handlers) batchParts(x *exchange.Exchange, p *batchPage, b *batch.Batch) (err error) {
	if err := h.startOf(x, p, b); err != nil {
		return err
	}
	if b.Kind == batch.Issue {
		if err := h.batchFiles(x, p, b.ID); err != nil {
			return err
		}
		if err := h.batchWaiting(x, p, b.ID); err != nil {
			return err
		}
	}
	// What people did. The worker's cards, an event for every 2,000, would bury it;
	// they are in the event log.
	p.History, err = h.history(x, "batch", b.ID, "batch", cardHistory)
	return err
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
	done := map[batch.Action]string{batch.Start: "已开始，正在逐个会员办理。可以离开这个页面，办完后再来看。", batch.Stop: "已停下。", batch.Close: "批次已结束。"}[action]
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
	reason := reasonAs(form, "edit_reason", &wrong)
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
