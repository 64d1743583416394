package terminal

import (
	"crypto/ed25519"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"unioncard/api/exchange"
	"unioncard/api/strictjson"
	"unioncard/merchant"
)

const (
	tokenPath     = "/oauth/token"
	grantType     = "client_credentials"
	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
)

// oauthError is an error code of RFC 6749 section 5.2, with its status.
type oauthError struct {
	code   string
	status int
}

// The errors that the token endpoint answers.
var (
	oauthInvalidRequest   = oauthError{"invalid_request", http.StatusBadRequest}
	oauthUnsupportedGrant = oauthError{"unsupported_grant_type", http.StatusBadRequest}
	oauthInvalidScope     = oauthError{"invalid_scope", http.StatusBadRequest}
	oauthInvalidClient    = oauthError{"invalid_client", http.StatusUnauthorized}
	oauthUnauthorized     = oauthError{"unauthorized_client", http.StatusBadRequest}
)

// Token answers POST /oauth/token. Its errors are RFC 6749's plus server_time,
// by which a terminal whose clock is off can set it. What is no error of the
// client comes back as err.
func (h *Handlers) Token(x *exchange.Exchange) error {
	x.SetHeader("Cache-Control", "no-store")
	form, refused, why := readTokenRequest(string(x.Body))
	if why != "" {
		return h.refuseToken(x, refused, why)
	}
	var t *merchant.Terminal
	proved, err := checkAssertion(form.assertion, h.audiences(x.Gin.Request), h.clock(), func(id string) ed25519.PublicKey {
		if form.clientID != "" && form.clientID != id {
			return nil
		}
		if t = h.merchants.Snapshot().TerminalByClient(id); t == nil {
			return nil
		}
		return t.PublicKey
	})
	switch {
	case err != nil:
		return h.refuseToken(x, oauthInvalidClient, err.Error())
	case t.Status != merchant.TerminalActive:
		return h.refuseToken(x, oauthUnauthorized, "the terminal is suspended or retired")
	}
	switch err := h.store.UseAssertion(x.Ctx, proved.clientID, proved.jti, proved.forgetAfter); {
	case errors.Is(err, merchant.ErrAssertionReused):
		return h.refuseToken(x, oauthInvalidClient, errAssertionJTI.Error())
	case err != nil:
		return err
	}
	token, err := h.issuer.mint(t.ID, t.ClientID, t.PublicKey)
	if err != nil {
		return err
	}
	x.ContentType = exchange.JSON
	x.Out = text(x.Out, `{"access_token":`, token)
	x.Out = number(x.Out, `,"token_type":"Bearer","expires_in":`, int64(TokenLife.Seconds()))
	x.Out = append(x.Out, `,"server_time":`...)
	x.Out = strictjson.AppendTime(x.Out, h.clock())
	x.Out = append(x.Out, '}')
	return nil
}

// tokenRequest is what the form carries.
type tokenRequest struct {
	assertion string
	clientID  string
}

// readTokenRequest reads the form (RFC 6749 section 4.4.2, RFC 7523 section
// 2.2): every parameter at most once. why is empty when it is in order.
func readTokenRequest(body string) (t tokenRequest, refused oauthError, why string) {
	form, err := url.ParseQuery(body)
	if err != nil {
		return t, oauthInvalidRequest, "not a form"
	}
	for name, values := range form {
		if len(values) != 1 {
			return t, oauthInvalidRequest, "a parameter appears more than once"
		}
		switch name {
		case "grant_type", "client_assertion_type", "client_assertion", "client_id", "scope":
		case "client_secret":
			return t, oauthInvalidClient, "only private_key_jwt is accepted"
		}
	}
	switch {
	case form.Get("grant_type") == "":
		return t, oauthInvalidRequest, "grant_type is missing"
	case form.Get("grant_type") != grantType:
		return t, oauthUnsupportedGrant, "only client_credentials is supported"
	case form.Get("scope") != "":
		return t, oauthInvalidScope, "there are no scopes; leave it out"
	case form.Get("client_assertion_type") != assertionType:
		return t, oauthInvalidRequest, "client_assertion_type must be " + assertionType
	case form.Get("client_assertion") == "":
		return t, oauthInvalidRequest, "client_assertion is missing"
	}
	return tokenRequest{assertion: form.Get("client_assertion"), clientID: form.Get("client_id")}, oauthError{}, ""
}

// audiences lists what an assertion may be meant for: this token endpoint under
// its public address, or under the request's own host when none is configured.
func (h *Handlers) audiences(r *http.Request) []string {
	if h.audience != "" {
		return []string{h.audience}
	}
	host := strings.ToLower(r.Host)
	return []string{"http://" + host + tokenPath, "https://" + host + tokenPath}
}

// refuseToken answers an error of RFC 6749 section 5.2.
func (h *Handlers) refuseToken(x *exchange.Exchange, e oauthError, description string) error {
	x.Status = e.status
	x.Outcome = e.code
	x.ContentType = exchange.JSON
	x.Out = text(x.Out, `{"error":`, e.code)
	x.Out = text(x.Out, `,"error_description":`, description)
	x.Out = append(x.Out, `,"server_time":`...)
	x.Out = strictjson.AppendTime(x.Out, h.clock())
	x.Out = append(x.Out, '}')
	return nil
}
