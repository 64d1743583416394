package portal

import (
	"errors"
	"strconv"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/settlement/webhook"
)

type webhookPage struct {
	page.Frame
	E           *webhook.Endpoint
	Rows        []webhook.Message
	Types       []page.Choice
	States      []page.Choice
	Type, State string
	Next, First string
}

// Badge is how the endpoint is doing.
func (p *webhookPage) Badge() page.Badge { return webhookBadge(p.E) }

// EventTitle and Fault are a message's type, and why it did not arrive, in words.
func (p *webhookPage) EventTitle(kind string) string { return eventTitle(kind) }

// Fault: see EventTitle.
func (p *webhookPage) Fault(m webhook.Message) string { return faultTitle(m.Fault, m.Status) }

// EventTitles are what the endpoint is told.
func (p *webhookPage) EventTitles() (out string) {
	for i, e := range p.E.Events {
		if i > 0 {
			out += "、"
		}
		out += eventTitle(e)
	}
	return out
}

func messageStates() []page.Choice {
	return []page.Choice{{Value: "1", Label: "等待推送"}, {Value: "2", Label: "已送达"}, {Value: "3", Label: "未送达"}, {Value: "4", Label: "不再推送"}}
}

// WebhookShow answers GET /portal/webhooks/:id: an endpoint and its log.
func (h *Handlers) WebhookShow(x *exchange.Exchange) error {
	e, err := h.ownWebhook(x)
	if err != nil {
		return err
	}
	p := &webhookPage{E: e, Types: append(webhookEvents(), page.Choice{Value: webhook.TestEvent, Label: "测试"}), States: messageStates(),
		Frame: page.Frame{Title: e.Name, Active: "webhooks", Crumbs: []page.Crumb{{Title: "系统推送", URL: webhooksPath}}}}
	f := webhook.Filter{}
	if kind := x.Query("type"); eventTitle(kind) != kind {
		p.Type, f.Type = kind, kind
	}
	if n, err := strconv.ParseInt(x.Query("state"), 10, 16); err == nil && n >= 1 && n <= 4 {
		p.State, f.State = strconv.FormatInt(n, 10), webhook.MessageState(n)
	}
	if n, err := strconv.ParseInt(x.Query("before"), 10, 64); err == nil && n > 0 {
		f.Before = n
	}
	rows, next, err := h.Webhooks.Log(x.Ctx, x.Merchant.MerchantID, e.ID, f)
	if err != nil {
		return err
	}
	p.Rows = rows
	here := webhookURL(e.ID) + "?type=" + p.Type + "&state=" + p.State
	if next != 0 {
		p.Next = here + "&before=" + strconv.FormatInt(next, 10)
	}
	if f.Before != 0 {
		p.First = here
	}
	return h.Pages.Page(x, "portal/webhook_show", p)
}

// webhookAct runs an action on the endpoint that the address names, at the version
// that the user saw, and leads back to it.
func (h *Handlers) webhookAct(x *exchange.Exchange, done string, do func(e *webhook.Endpoint, version int64, form *exchange.Form) error) error {
	form, err := x.Form()
	if err != nil {
		return err
	}
	e, err := h.ownWebhook(x)
	if err != nil {
		return err
	}
	version, _ := form.Int("version")
	err = do(e, version, form)
	if errors.Is(err, webhook.ErrConflict) || errors.Is(err, webhook.ErrState) {
		page.Notify(x, "您打开以后情况有了变动，没有办理。请看现在的状态再办。")
		return x.Redirect(webhookURL(e.ID))
	}
	if err != nil {
		return err
	}
	page.Notify(x, done)
	return x.Redirect(webhookURL(e.ID))
}

// WebhookPause answers POST /portal/webhooks/:id/pause.
func (h *Handlers) WebhookPause(x *exchange.Exchange) error {
	return h.webhookAct(x, "已暂停推送。", func(e *webhook.Endpoint, version int64, _ *exchange.Form) error {
		return h.Webhooks.Pause(x.Ctx, byUser(x, "商家暂停推送"), e.MerchantID, e.ID, version)
	})
}

// WebhookResume answers POST /portal/webhooks/:id/resume.
func (h *Handlers) WebhookResume(x *exchange.Exchange) error {
	return h.webhookAct(x, "已恢复推送。", func(e *webhook.Endpoint, version int64, form *exchange.Form) error {
		return h.Webhooks.Resume(x.Ctx, byUser(x, "商家恢复推送"), e.MerchantID, e.ID, version, form.Text("backfill") == "1")
	})
}

// WebhookDelete answers POST /portal/webhooks/:id/delete.
func (h *Handlers) WebhookDelete(x *exchange.Exchange) error {
	form, err := x.Form()
	if err != nil {
		return err
	}
	e, err := h.ownWebhook(x)
	if err != nil {
		return err
	}
	version, _ := form.Int("version")
	err = h.Webhooks.Delete(x.Ctx, byUser(x, "商家删除推送地址"), e.MerchantID, e.ID, version)
	if errors.Is(err, webhook.ErrConflict) {
		page.Notify(x, "您打开以后情况有了变动，没有办理。请看现在的状态再办。")
		return x.Redirect(webhookURL(e.ID))
	}
	if err != nil {
		return err
	}
	page.Notify(x, "已删除“"+e.Name+"”，不再向它推送。")
	return x.Redirect(webhooksPath)
}

// WebhookRotate answers POST /portal/webhooks/:id/rotate.
func (h *Handlers) WebhookRotate(x *exchange.Exchange) error {
	form, err := x.Form()
	if err != nil {
		return err
	}
	e, err := h.ownWebhook(x)
	if err != nil {
		return err
	}
	version, _ := form.Int("version")
	atOnce := form.Text("at_once") == "1"
	secret, err := h.Webhooks.Rotate(x.Ctx, byUser(x, "商家更换推送密钥"), e.MerchantID, e.ID, version, atOnce)
	if errors.Is(err, webhook.ErrConflict) {
		page.Notify(x, "您打开以后情况有了变动，没有更换。请看现在的状态再办。")
		return x.Redirect(webhookURL(e.ID))
	}
	if err != nil {
		return err
	}
	return h.showSecret(x, e.ID, secret, !atOnce)
}

// WebhookTest answers POST /portal/webhooks/:id/test.
func (h *Handlers) WebhookTest(x *exchange.Exchange) error {
	return h.webhookAct(x, "测试消息已排队，几秒后刷新本页看结果。", func(e *webhook.Endpoint, _ int64, _ *exchange.Form) error {
		_, err := h.Webhooks.Test(x.Ctx, byUser(x, "商家发送测试推送"), e.MerchantID, e.ID)
		return err
	})
}

type messagePage struct {
	page.Frame
	E        *webhook.Endpoint
	M        *webhook.Message
	Attempts []webhook.Attempt
}

// EventTitle and Fault: as of webhookPage.
func (p *messagePage) EventTitle() string { return eventTitle(p.M.Type) }

// Fault: see EventTitle.
func (p *messagePage) Fault(a webhook.Attempt) string { return faultTitle(a.Fault, a.Status) }

// WebhookMessage answers GET /portal/webhooks/:id/messages/:item.
func (h *Handlers) WebhookMessage(x *exchange.Exchange) error {
	e, err := h.ownWebhook(x)
	if err != nil {
		return err
	}
	item, err := x.ID64("item")
	if err != nil {
		return err
	}
	p := &messagePage{E: e, Frame: page.Frame{Title: "推送消息", Active: "webhooks",
		Crumbs: []page.Crumb{{Title: "系统推送", URL: webhooksPath}, {Title: e.Name, URL: webhookURL(e.ID)}}}}
	if p.M, p.Attempts, err = h.Webhooks.Message(x.Ctx, x.Merchant.MerchantID, e.ID, item); err != nil {
		return err
	}
	return h.Pages.Page(x, "portal/webhook_message", p)
}

// WebhookResend answers POST /portal/webhooks/:id/messages/:item/resend.
func (h *Handlers) WebhookResend(x *exchange.Exchange) error {
	item, err := x.ID64("item")
	if err != nil {
		return err
	}
	return h.webhookAct(x, "已排队重新推送，几秒后刷新本页看结果。", func(e *webhook.Endpoint, _ int64, _ *exchange.Form) error {
		return h.Webhooks.Resend(x.Ctx, byUser(x, "商家重新推送"), e.MerchantID, e.ID, item)
	})
}
