package terminal

import (
	"log/slog"
	"sync"
	"time"

	"unioncard/api/exchange"
	"unioncard/api/strictjson"
	"unioncard/card"
	"unioncard/merchant"
	"unioncard/settlement/purchase"
)

// Options is what the tills' handlers work on.
type Options struct {
	Verifier  *purchase.Verifier
	Committer *purchase.Committer
	Desk      *purchase.Desk
	Merchants *merchant.State
	Store     *merchant.Store
	Keyring   *card.Keyring
	// PublicURL is the address under which tills reach this service, e.g.
	// "https://card.example.cn"; an assertion must name its token endpoint as
	// audience. When empty, the request's own Host is taken instead, which is for
	// trying the service out: a server that a till is lured to could pass its
	// assertion on.
	PublicURL string
	Clock     func() time.Time
	Logger    *slog.Logger
}

// Handlers answers the tills.
type Handlers struct {
	verifier  *purchase.Verifier
	committer *purchase.Committer
	desk      *purchase.Desk
	merchants *merchant.State
	store     *merchant.Store
	issuer    *issuer
	audience  string
	clock     func() time.Time
	logger    *slog.Logger
	work      sync.Pool // *work
}

// New returns the handlers.
func New(o Options) *Handlers {
	h := &Handlers{
		verifier: o.Verifier, committer: o.Committer, desk: o.Desk,
		merchants: o.Merchants, store: o.Store,
		issuer: newIssuer(o.Keyring, o.Clock),
		clock:  o.Clock, logger: o.Logger,
	}
	if o.PublicURL != "" {
		h.audience = o.PublicURL + tokenPath
	}
	return h
}

// work is what one request needs besides its Exchange, used again later.
type work struct {
	reader strictjson.Reader
	client purchase.Client
	verify purchase.VerifyRequest
	answer purchase.VerifyAnswer
}

// take starts reading x's body. The caller gives the work back with h.work.Put.
func (h *Handlers) take(x *exchange.Exchange) *work {
	w, ok := h.work.Get().(*work)
	if !ok {
		w = new(work)
	}
	w.reader.Reset(x.Body)
	w.client = purchase.Client{Terminal: x.Terminal, Addr: x.Addr}
	return w
}

// give ends the work and lets go of what it points to.
func (h *Handlers) give(w *work) {
	w.reader = strictjson.Reader{}
	w.client = purchase.Client{}
	clear(w.verify.Items)
	w.verify = purchase.VerifyRequest{Items: w.verify.Items[:0]}
	h.work.Put(w)
}
