package portal

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/settlement/webhook"
)

const webhooksPath = "/portal/webhooks"

func webhookURL(id int64) string { return webhooksPath + "/" + strconv.FormatInt(id, 10) }

func webhookEvents() []page.Choice {
	var out []page.Choice
	for _, e := range webhook.Events() {
		out = append(out, page.Choice{Value: e.Type, Label: e.Title})
	}
	return out
}

// eventTitle is an event's type in Chinese.
func eventTitle(kind string) string {
	for _, e := range webhook.Events() {
		if e.Type == kind {
			return e.Title
		}
	}
	if kind == webhook.TestEvent {
		return "测试"
	}
	return kind
}

// faultTitle says why an attempt failed, and what to look at.
func faultTitle(fault string, status int) string {
	switch fault {
	case "":
		return ""
	case "status":
		return "对方答复 " + strconv.Itoa(status) + "，应答复 2xx"
	case "redirect":
		return "对方要求转到别的地址（" + strconv.Itoa(status) + "），不会跟过去；请填写最终的地址"
	case "timeout":
		return "10 秒内没有答复"
	case "dns":
		return "域名解析不了"
	case "tls":
		return "证书有问题：过期、域名不符或不被信任"
	case "address":
		return "域名指向内部网络，不会推送"
	case "secret":
		return "密钥读不出来，请更换密钥"
	case "connect":
		return "连接不上或中途断开"
	}
	return "推送不成功"
}

type webhookListPage struct {
	page.Frame
	Rows []webhook.Endpoint
	Max  int
}

// Badge is how an endpoint is doing.
func (p *webhookListPage) Badge(e webhook.Endpoint) page.Badge { return webhookBadge(&e) }

func webhookBadge(e *webhook.Endpoint) page.Badge {
	if e.State == webhook.Active && e.Failures > 0 {
		return page.NewBadge("webhook_failing")
	}
	return page.NewBadge("webhook_" + string(e.State))
}

// WebhookList answers GET /portal/webhooks.
func (h *Handlers) WebhookList(x *exchange.Exchange) error {
	p := &webhookListPage{Frame: page.Frame{Title: "系统推送", Active: "webhooks"}, Max: webhook.MaxEndpoints}
	var err error
	if p.Rows, err = h.Webhooks.List(x.Ctx, x.Merchant.MerchantID); err != nil {
		return err
	}
	return h.Pages.Page(x, "portal/webhook_list", p)
}

type webhookFormPage struct {
	page.Frame
	Form   *page.Form
	Events []page.Choice
	ID     int64 // 0 for a new one
}

func (h *Handlers) webhookForm(x *exchange.Exchange, id int64, form *page.Form) error {
	p := &webhookFormPage{Frame: page.Frame{Title: "新建推送地址", Active: "webhooks", Crumbs: []page.Crumb{{Title: "系统推送", URL: webhooksPath}}},
		Form: form, Events: webhookEvents(), ID: id}
	if id != 0 {
		p.Title = "修改推送地址"
		p.Crumbs = append(p.Crumbs, page.Crumb{Title: "推送地址", URL: webhookURL(id)})
	}
	return h.Pages.Page(x, "portal/webhook_form", p)
}

// WebhookNew answers GET /portal/webhooks/new.
func (h *Handlers) WebhookNew(x *exchange.Exchange) error {
	form := page.NewForm()
	for _, e := range webhook.Events() {
		form.Values.Add("events", e.Type)
	}
	return h.webhookForm(x, 0, form)
}

func webhookDraft(form *exchange.Form) webhook.Draft {
	return webhook.Draft{Name: form.Text("name"), URL: form.Text("url"), Events: form.Values["events"]}
}

type webhookSecretPage struct {
	page.Frame
	ID     int64
	Secret string
	Both   bool // the old one is good for another day
}

// showSecret is the one page that ever shows a secret.
func (h *Handlers) showSecret(x *exchange.Exchange, id int64, secret string, both bool) error {
	return h.Pages.Page(x, "portal/webhook_secret", &webhookSecretPage{ID: id, Secret: secret, Both: both,
		Frame: page.Frame{Title: "推送密钥", Active: "webhooks", Crumbs: []page.Crumb{{Title: "系统推送", URL: webhooksPath}, {Title: "推送地址", URL: webhookURL(id)}}}})
}

// WebhookCreate answers POST /portal/webhooks.
func (h *Handlers) WebhookCreate(x *exchange.Exchange) error {
	form, err := x.Form()
	if err != nil {
		return err
	}
	id, secret, err := h.Webhooks.Create(x.Ctx, byUser(x, "商家新建推送地址"), x.Merchant.MerchantID, webhookDraft(form))
	if refused, ok := page.Refuse(form.Values, err); ok {
		x.Status = http.StatusUnprocessableEntity
		return h.webhookForm(x, 0, refused)
	}
	if err != nil {
		return err
	}
	return h.showSecret(x, id, secret, false)
}

// WebhookEditForm answers GET /portal/webhooks/:id/edit.
func (h *Handlers) WebhookEditForm(x *exchange.Exchange) error {
	e, err := h.ownWebhook(x)
	if err != nil {
		return err
	}
	return h.webhookForm(x, e.ID, webhookValues(e))
}

func webhookValues(e *webhook.Endpoint) *page.Form {
	form := page.NewForm("name", e.Name, "url", e.URL, "version", strconv.FormatInt(e.Version, 10))
	form.Values["events"] = e.Events
	return form
}

func (h *Handlers) ownWebhook(x *exchange.Exchange) (*webhook.Endpoint, error) {
	id, err := x.ID64("id")
	if err != nil {
		return nil, err
	}
	return h.Webhooks.Get(x.Ctx, x.Merchant.MerchantID, id)
}

// WebhookEdit answers POST /portal/webhooks/:id/edit.
func (h *Handlers) WebhookEdit(x *exchange.Exchange) error {
	form, err := x.Form()
	if err != nil {
		return err
	}
	e, err := h.ownWebhook(x)
	if err != nil {
		return err
	}
	version, _ := form.Int("version")
	err = h.Webhooks.Edit(x.Ctx, byUser(x, "商家修改推送地址"), x.Merchant.MerchantID, e.ID, version, webhookDraft(form))
	if errors.Is(err, webhook.ErrConflict) {
		// What was typed stays; the next saving is made in sight of what is there now.
		typed := url.Values{"version": {strconv.FormatInt(e.Version, 10)}, "name": {form.Text("name")}, "url": {form.Text("url")}, "events": form.Values["events"]}
		x.Status = http.StatusConflict
		return h.webhookForm(x, e.ID, &page.Form{Values: typed,
			Summary: "您打开以后，这个推送地址被别人改过，没有保存。现在的名称是“" + e.Name + "”，地址是 " + e.URL + "。核对后，需要的话请再保存一次。"})
	}
	if refused, ok := page.Refuse(form.Values, err); ok {
		x.Status = http.StatusUnprocessableEntity
		return h.webhookForm(x, e.ID, refused)
	}
	if err != nil {
		return err
	}
	page.Notify(x, "已保存。")
	return x.Redirect(webhookURL(e.ID))
}
