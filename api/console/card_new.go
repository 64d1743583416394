package console

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/card"
	"unioncard/card/batch"
	"unioncard/merchant"
)

type cardNewPage struct {
	page.Frame
	Member int64
	Form   *page.Form
}

// cardYears is how long a card is valid unless said otherwise.
const cardYears = 5

// CardNew answers GET /console/cards/new?member=: one card for one member.
func (h *Handlers) CardNew(x *exchange.Exchange) error {
	until := monthText(card.MonthOf(h.Clock()) + 12*cardYears)
	return h.cardNew(x, page.NewForm("member", x.Query("member"), "valid_until", until, "status", "inactive"))
}

func (h *Handlers) cardNew(x *exchange.Exchange, form *page.Form) error {
	member, _ := strconv.ParseInt(form.Values.Get("member"), 10, 64)
	return h.Pages.Page(x, "console/card_new", &cardNewPage{Frame: page.Frame{Title: "发一张卡", Active: "cards",
		Crumbs: []page.Crumb{{Title: "会员卡", URL: "/console/cards"}}}, Member: member, Form: form})
}

// CardCreate answers POST /console/cards.
func (h *Handlers) CardCreate(x *exchange.Exchange) error {
	form, err := x.Form()
	if err != nil {
		return err
	}
	var wrong merchant.FieldErrors
	by := byCards(x, reasonIn(form, &wrong))
	member, _ := form.Int("member")
	path, err := merchant.Locate(x.Ctx, h.DB, "member", member)
	if err != nil && !errors.Is(err, merchant.ErrNotFound) {
		return err
	}
	if err != nil || !x.Account.Covers(path) {
		wrong.Add("member", "没有这位会员，或他不在您的管辖范围内。请从会员的页面进来。")
	}
	until, ok := month(form.Text("valid_until"))
	if now := card.MonthOf(h.Clock()); !ok || until < now || until > now+12*20 {
		wrong.Add("valid_until", "请填写有效期至，例如 2031-12，本月以后、20 年以内。")
	}
	status := map[string]card.Status{"inactive": card.StatusInactive, "active": card.StatusActive}[form.Text("status")]
	if status == card.StatusNone {
		wrong.Add("status", "请选择发出后是否马上可用。")
	}
	if len(wrong) == 0 {
		c, err := h.Cards.IssueAs(x.Ctx, by, member, until, status)
		if err == nil {
			page.Notify(x, "已发卡。")
			return x.Redirect(cardURL(c.Serial))
		}
		move, refused := errors.AsType[*card.MoveError](err)
		if !refused {
			return err
		}
		if move.From == card.StatusLeft {
			wrong.Add("member", "这位会员已经退会，不能发卡。")
		} else {
			wrong.Add("member", fmt.Sprintf("这位会员已经有一张卡（%s）。要换卡，请在那张卡的页面办补换卡。", page.StateName("card_"+move.From.String())))
		}
	}
	x.Status = http.StatusUnprocessableEntity
	return h.cardNew(x, &page.Form{Values: form.Values, Errors: wrong})
}

// printReason is why a print file is downloaded; who reads the log must see it.
func printReason(form *exchange.Form, wrong *merchant.FieldErrors) string {
	reason := reasonAs(form, "print_reason", wrong)
	return reason
}

func printable(f batch.Format) bool { return f == batch.CSV || f == batch.XLSX || f.Sheets() }

// sendPrint answers with a print file of a name without its ending (RFC 6266, its
// Chinese by RFC 8187).
func (h *Handlers) sendPrint(x *exchange.Exchange, name string, cards []batch.Printed, first int, format batch.Format) error {
	var out []byte
	var err error
	suffix, media := ".csv", "text/csv; charset=utf-8"
	switch format {
	case batch.PDF:
		suffix, media = ".pdf", "application/pdf"
		out, err = batch.WritePDF(cards, first)
	case batch.PNG:
		suffix, media = ".zip", "application/zip"
		out, err = batch.WritePNG(cards, first)
	case batch.XLSX:
		suffix, media = ".xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
		out, err = batch.WriteXLSX(cards)
	default:
		out, err = batch.WriteCSV(cards)
	}
	if err != nil {
		return err
	}
	x.ContentType = []string{media}
	x.SetHeader("Content-Disposition", `attachment; filename="cards`+suffix+`"; filename*=UTF-8''`+url.PathEscape(name+suffix))
	x.SetHeader("X-Content-Type-Options", "nosniff")
	x.SetHeader("Cache-Control", "no-store")
	x.Out = append(x.Out[:0], out...)
	return nil
}
