package portal

import (
	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/settlement/webhook"
)

type webhookDocsPage struct {
	page.Frame
	Sample webhook.Sample
	Events []webhook.Event
}

// WebhookDocs answers GET /docs/webhooks: what a POS vendor needs to receive events.
func (h *Handlers) WebhookDocs(x *exchange.Exchange) error {
	sample, err := webhook.NewSample()
	if err != nil {
		return err
	}
	return h.Pages.Page(x, "portal/webhook_docs", &webhookDocsPage{Sample: sample, Events: webhook.Events(),
		Frame: page.Frame{Title: "推送（Webhook）接入说明", Crumbs: []page.Crumb{{Title: "接口说明", URL: "/docs"}}}})
}
