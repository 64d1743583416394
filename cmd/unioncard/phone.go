package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	phonepage "unioncard/api/phone"
	"unioncard/card"
	"unioncard/card/phone"
	"unioncard/card/phone/push"
	"unioncard/card/phone/sms"
	"unioncard/merchant"
	"unioncard/merchant/account"
	"unioncard/settlement/budget/voucher"
	"unioncard/settlement/purchase"
	"unioncard/settlement/report"
)

// phones is members' phones on this node: signing in, keys, and what they are told
// at once.
type phones struct {
	*phone.Store
	hub   *push.Hub
	relay *push.Relay // nil on a single node
	page  *phonepage.Handlers
	// claims gives vouchers out.
	claims *voucher.Claimer
	// portal is the merchants' users, who sign in the same way.
	portal *account.Store
}

// newPhones needs the node's vault; nothing is sent before run.
func (n *node) newPhones(table *card.Table, codes *card.Codes, state *merchant.State, clock func() time.Time) (*phones, error) {
	sender, err := n.smsSender(clock)
	if err != nil {
		return nil, err
	}
	limits := phone.DefaultLimits()
	limits.AddressHour, limits.Minute = n.cfg.Phone.AddressHour, n.cfg.Phone.Minute
	counts := phone.NewMemoryCounts()
	p := &phones{hub: push.NewHub(push.Options{Look: table.Get, Max: n.cfg.Phone.Streams})}
	o := phone.Options{
		Vault: n.vault, Cards: card.NewStore(n.pool, card.StoreOptions{}), Codes: codes, Keyring: n.keyring, Sender: sender,
		Counts: counts, Limits: limits, Clock: clock, Logger: n.log, Registerer: n.registry,
	}
	if n.redis != nil {
		prefix := "unioncard:" + n.cfg.Prefix
		o.Counts = phone.NewRedisCounts(counts, n.redis, prefix, n.cfg.Nodes)
		p.relay = push.NewRelay(p.hub, n.redis, prefix)
	}
	p.Store = phone.NewStore(n.pool, o)
	p.portal = account.NewStore(n.pool, account.Options{Vault: n.vault, Keyring: n.keyring, Sender: sender, Counts: o.Counts,
		Limits: limits, Clock: clock, Logger: n.log})
	p.claims = voucher.NewClaimer(n.pool, voucher.ClaimerOptions{Tree: n.listing.tree.Tree, Limits: limits, Logger: n.log, Registerer: n.registry})
	p.page = phonepage.New(phonepage.Options{
		Claims: p.claims,
		Phones: p.Store, Hub: p.hub, Reports: report.NewStore(n.pool, clock), Codes: codes, Merchants: state,
		Tree: n.listing.tree.Tree, SecureCookies: n.cfg.secure(), Clock: clock,
	})
	n.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "unioncard_phone_streams", Help: "Phones that are told at once what happens to their card.",
	}, func() float64 { return float64(p.hub.Streams()) }))
	return p, nil
}

// smsSender is how this node sends codes, nil if it does not.
func (n *node) smsSender(clock func() time.Time) (sms.Sender, error) {
	switch n.cfg.smsWay() {
	case smsConsole:
		n.log.Warn("codes by SMS are shown on the console and in the log: who reads them can sign in as anybody")
		to := n.cfg.Console
		if to == nil {
			to = io.Discard
		}
		return sms.NewConsole(to, n.log), nil
	case smsGateway:
		g, err := sms.NewGateway(sms.GatewayOptions{
			URL: n.cfg.Phone.GatewayURL, KeyID: n.cfg.Phone.KeyID, Secret: []byte(n.cfg.Phone.Secret), Template: n.cfg.Phone.Template, Clock: clock,
		})
		if err != nil {
			return nil, fmt.Errorf("codes by SMS: %w", err)
		}
		return g, nil
	}
	n.log.Warn("no SMS gateway is set: members can't sign in on their phones")
	return nil, nil
}

// run sends codes and passes on what phones are told, until ctx ends.
func (p *phones) run(ctx context.Context) error {
	parts := []func(context.Context) error{p.Run, p.portal.Run, p.hub.Run, p.claims.Run}
	if p.relay != nil {
		parts = append(parts, p.relay.Run)
	}
	return runTogether(ctx, parts...)
}

// sold hears of every purchase as it is recorded. Lanes call it; nothing in it
// waits.
func (n *node) sold(s purchase.Sale) {
	if s.DiscountFen > 0 {
		n.listing.signs.Sold(s.OutletID, s.At)
	}
	n.phones.hub.Sold(push.Used{
		Serial: s.CardSerial, MerchantID: s.MerchantID, OutletID: s.OutletID, Purchase: s.PurchaseID,
		Kind: s.Kind, Slot: s.Slot, AmountFen: s.AmountFen, DiscountFen: s.DiscountFen, At: s.At,
	})
}
