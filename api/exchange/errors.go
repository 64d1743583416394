package exchange

import "errors"

// What can be wrong with a request before its meaning matters.
var (
	ErrUnauthorized = errors.New("exchange: no valid access token")
	ErrNoRoute      = errors.New("exchange: no such address")
	ErrMethod       = errors.New("exchange: method not allowed")
	ErrMediaType    = errors.New("exchange: media type not supported")
	ErrBodyTooLarge = errors.New("exchange: body too large")
	ErrBodyLost     = errors.New("exchange: body did not arrive")
	ErrKeyMissing   = errors.New("exchange: Idempotency-Key missing")
	ErrQuery        = errors.New("exchange: query parameter missing or not known")
	ErrCrossOrigin  = errors.New("exchange: form sent by another site")
	ErrForbidden    = errors.New("exchange: not this account's right")
	ErrOverloaded   = errors.New("exchange: too many requests at once")
)
