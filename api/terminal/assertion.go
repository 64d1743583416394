package terminal

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	// assertionLife is how far ahead an assertion may end: it is made for one use.
	assertionLife = 10 * time.Minute
	// assertionSkew is how far a terminal's clock may be off.
	assertionSkew = time.Minute
	// maxJTI is the longest jti in bytes; the store's column holds as much.
	maxJTI = 128
)

// What is wrong with an assertion. The text goes into error_description: it
// helps who builds a till and tells no secret.
var (
	errAssertionForm     = errors.New("not a JWT signed with EdDSA")
	errAssertionClient   = errors.New("unknown client, or not signed with its key")
	errAssertionAudience = errors.New("aud is not this token endpoint")
	errAssertionTime     = errors.New("exp, iat or nbf do not fit server_time; set the clock by it")
	errAssertionJTI      = errors.New("jti is not 1 to 128 visible ASCII characters, or was used before")
)

// assertion is a proved client assertion.
type assertion struct {
	clientID string
	jti      string
	// forgetAfter is when the assertion can no longer be accepted, so that its
	// jti need not be remembered any more.
	forgetAfter time.Time
}

// checkAssertion proves a client assertion (RFC 7523 section 3): EdDSA only,
// under the key of the client that iss and sub name, for one of audiences, and
// in time. Whether its jti is new is the store's to say.
func checkAssertion(text string, audiences []string, now time.Time, keyOf func(clientID string) ed25519.PublicKey) (*assertion, error) {
	var claims jwt.RegisteredClaims
	parser := jwt.NewParser(jwt.WithValidMethods([]string{jwt.SigningMethodEdDSA.Alg()}),
		jwt.WithoutClaimsValidation(), jwt.WithStrictDecoding())
	_, err := parser.ParseWithClaims(text, &claims, func(*jwt.Token) (any, error) {
		key := keyOf(claims.Subject)
		if key == nil || claims.Issuer != claims.Subject {
			return nil, errAssertionClient
		}
		return key, nil
	})
	switch {
	case errors.Is(err, jwt.ErrTokenMalformed):
		return nil, errAssertionForm
	case errors.Is(err, errAssertionClient):
		return nil, errAssertionClient
	case err != nil:
		// The algorithm is refused with the same error as a wrong signature.
		return nil, fmt.Errorf("%w, or %w", errAssertionForm, errAssertionClient)
	}
	if !slices.ContainsFunc(audiences, func(a string) bool { return slices.Contains(claims.Audience, a) }) {
		return nil, errAssertionAudience
	}
	if err := checkTimes(&claims, now); err != nil {
		return nil, err
	}
	if len(claims.ID) > maxJTI || len(claims.ID) == 0 || strings.ContainsFunc(claims.ID, notVisible) {
		return nil, errAssertionJTI
	}
	return &assertion{
		clientID: claims.Subject, jti: claims.ID,
		forgetAfter: claims.ExpiresAt.Add(assertionSkew),
	}, nil
}

func notVisible(r rune) bool { return r <= ' ' || r > '~' }

// checkTimes holds exp, iat and nbf to now, with assertionSkew either way. exp
// is required; one further away than assertionLife is a wrong clock, or an
// assertion meant to be kept.
func checkTimes(c *jwt.RegisteredClaims, now time.Time) error {
	if c.ExpiresAt == nil || !now.Before(c.ExpiresAt.Add(assertionSkew)) ||
		c.ExpiresAt.After(now.Add(assertionLife+assertionSkew)) {
		return errAssertionTime
	}
	for _, from := range []*jwt.NumericDate{c.IssuedAt, c.NotBefore} {
		if from != nil && from.After(now.Add(assertionSkew)) {
			return errAssertionTime
		}
	}
	if c.IssuedAt != nil && c.IssuedAt.Before(now.Add(-assertionLife-assertionSkew)) {
		return errAssertionTime
	}
	return nil
}
