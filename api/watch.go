package api

import (
	"net/http"
	"strings"

	"unioncard/api/exchange"
	"unioncard/merchant/fleet"
)

// watch notes what each terminal asked for and how it went, for the offices that
// look after the terminals. It waits for nothing.
func (s *server) watch(r *route, next exchange.Handler) exchange.Handler {
	if r.open || s.fleet == nil {
		return next
	}
	did := fleet.Other
	switch {
	case strings.HasPrefix(r.path, "/v1/verifications"):
		did = fleet.Verify
	case r.method == http.MethodPost && r.path == "/v1/purchases":
		did = fleet.Purchase
	}
	return func(x *exchange.Exchange) error {
		err := next(x)
		went := fleet.Done
		if err != nil {
			went = fleet.Refused
			if s.problems.find(err).status >= http.StatusInternalServerError {
				went = fleet.Failed
			}
		}
		s.fleet.Note(x.Terminal.ID, did, went, x.Gin.Request.UserAgent(), x.Start)
		return err
	}
}
