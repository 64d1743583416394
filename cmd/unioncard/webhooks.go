package main

import (
	"strconv"
	"time"

	"unioncard/merchant/application"
	"unioncard/settlement/webhook"
)

// webhooks are who is told of purchases and statements, and this node's share of
// telling them.
type webhooks struct {
	store  *webhook.Store
	sender *webhook.Sender
}

func (n *node) newWebhooks(clock func() time.Time) webhooks {
	store := webhook.NewStore(n.pool, webhook.Options{Vault: application.NewVault(vaultKeys(n.keyring, clock)), Clock: clock,
		Private: n.cfg.WebhooksPrivate})
	if n.cfg.WebhooksPrivate {
		n.log.Warn("webhooks may go to inner networks and without encryption: for development only")
	}
	return webhooks{store, webhook.NewSender(store, webhook.SenderOptions{Logger: n.log, Registerer: n.registry})}
}

// webhookSettings are those of webhooks.
func webhookSettings(nodes mode) []setting {
	return []setting{{flag: "webhooks-private", modes: nodes, isSwitch: true, preset: "false",
		usage: "let webhooks go to http and to addresses of inner networks too; for development only",
		set:   func(c *Config, v string) error { return parseSwitch(v, &c.WebhooksPrivate) },
		get:   func(c Config) string { return strconv.FormatBool(c.WebhooksPrivate) }}}
}
