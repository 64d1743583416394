package terminal

import (
	"strings"
	"time"

	"unioncard/api/exchange"
	"unioncard/merchant"
	"unioncard/settlement/purchase"
)

// Authenticate finds the terminal behind the bearer token (RFC 6750) and sets
// x.Terminal. Errors: exchange.ErrUnauthorized; merchant.ErrTerminalSuspended as
// soon as this node has seen the suspension; ErrViewStale when this node has not
// seen the terminal yet that another has just activated.
func (h *Handlers) Authenticate(x *exchange.Exchange) error {
	header := x.Gin.Request.Header["Authorization"]
	if len(header) != 1 {
		return exchange.ErrUnauthorized
	}
	const scheme = "Bearer "
	if len(header[0]) <= len(scheme) || !strings.EqualFold(header[0][:len(scheme)], scheme) {
		return exchange.ErrUnauthorized
	}
	g, err := h.issuer.prove(header[0][len(scheme):], h.clock())
	if err != nil {
		return exchange.ErrUnauthorized
	}
	terminal := h.merchants.Snapshot().Terminal(g.terminalID)
	if terminal == nil {
		return &purchase.Refusal{Err: purchase.ErrViewStale, RetryAfter: time.Second}
	}
	if terminal.ClientID != g.clientID || !g.of(terminal.PublicKey) {
		return exchange.ErrUnauthorized
	}
	if terminal.Status != merchant.TerminalActive {
		return merchant.ErrTerminalSuspended
	}
	x.Terminal = terminal
	return nil
}
