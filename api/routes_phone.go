package api

import (
	"net/http"
	"time"

	"unioncard/api/exchange"
	"unioncard/card/phone"
)

// phoneTime bounds what a phone may ask for.
const phoneTime = 5 * time.Second

// phoneRoutes is what the page under /m asks for. Those who are not signed in yet
// have a gate of their own, so that a flood of them keeps nobody else waiting. A
// route of a member gets its session as an argument and can't be made without.
func (s *server) phoneRoutes() []route {
	if s.people == nil || s.people.Phone == nil {
		return nil
	}
	p := s.people.Phone
	return []route{
		s.publicGet("/m/openapi.yaml", p.OpenAPI),

		s.phoneOpen("/m/api/code", p.Code),
		s.phoneOpen("/m/api/session", p.SignIn),

		s.memberCall(http.MethodDelete, "/m/api/session", p.SignOut, exchange.NoBody),
		s.memberCall(http.MethodPost, "/m/api/session/others/end", p.EndOthers, exchange.NoBody),
		s.memberCall(http.MethodGet, "/m/api/me", p.Me, exchange.NoBody),
		s.memberCall(http.MethodPost, "/m/api/enrol", p.Enrol, exchange.MediaJSON),
		s.memberMaybe("/m/api/keys", p.Keys),
		s.memberStream("/m/api/events", p.Events),
		s.memberCall(http.MethodGet, "/m/api/purchases", p.Purchases, exchange.NoBody),
		s.memberCall(http.MethodGet, "/m/api/vouchers", p.Vouchers, exchange.NoBody),
		s.phoneClaim("/m/api/vouchers/claim", p.Claim),
		s.memberCall(http.MethodPost, "/m/api/lost", p.Lost, exchange.MediaJSON),
		s.memberCall(http.MethodPost, "/m/api/found", p.Found, exchange.MediaJSON),
	}
}

// phoneOpen is for who has not signed in.
func (s *server) phoneOpen(path string, h exchange.Handler) route {
	return route{method: http.MethodPost, path: path, handle: h, media: exchange.MediaJSON, body: smallBody,
		timeout: phoneTime, gate: s.signingIn, open: true, people: true}
}

// memberCall is for a signed-in member.
func (s *server) memberCall(method, path string, h func(*exchange.Exchange, *phone.Session) error, media exchange.Media) route {
	return route{method: method, path: path, handle: s.people.Phone.SignedIn(h), media: media, body: smallBody,
		timeout: phoneTime, gate: s.phones, open: true, people: true}
}

// memberMaybe is for a phone that may have been signed out without hearing of it; the
// handler asks for the session.
func (s *server) memberMaybe(path string, h exchange.Handler) route {
	return route{method: http.MethodPost, path: path, handle: h, media: exchange.MediaJSON, body: smallBody,
		timeout: phoneTime, gate: s.phones, open: true, people: true}
}

// phoneClaim is for a crowd at a minute: they wait in the claimer's line, in a gate of
// their own, so that nobody else's phone does. The handler asks for the session.
func (s *server) phoneClaim(path string, h exchange.Handler) route {
	r := s.memberMaybe(path, h)
	r.gate = s.claiming
	return r
}

// memberStream is a stream of events: it has no time-out, and its gate is only held
// until it begins. The hub bounds how many there are.
func (s *server) memberStream(path string, h func(*exchange.Exchange, *phone.Session) error) route {
	r := s.memberCall(http.MethodGet, path, h, exchange.NoBody)
	r.timeout = 0
	return r
}
