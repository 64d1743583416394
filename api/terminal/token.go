package terminal

import (
	"crypto/ed25519"
	"errors"
	"hash/maphash"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"unioncard/card"
)

const (
	// TokenLife is how long an access token is good.
	TokenLife = time.Hour
	// tokenSkew is how far another node's clock may be ahead of ours.
	tokenSkew = 10 * time.Second
	// tokenIssuer and tokenType mark our own access tokens (RFC 9068), so that
	// nothing else signed under the same ring passes for one.
	tokenIssuer = "unioncard"
	tokenType   = "at+jwt"
)

// errToken: not an access token of ours, or no longer good.
var errToken = errors.New("terminal: access token not valid")

// grant is what an access token proves.
type grant struct {
	terminalID int64
	clientID   string
	expires    time.Time
	keyID      uint16
	held       keyPrint
}

// keyPrint tells a terminal's public key from any other it had or will have: its
// first half, which is as random as a hash of it. A token of an earlier key dies
// with that key, also if the terminal was suspended and resumed meanwhile.
type keyPrint [16]byte

// printOf is the print of a public key, zero of what is none.
func printOf(key ed25519.PublicKey) (p keyPrint) {
	if len(key) == ed25519.PublicKeySize {
		copy(p[:], key)
	}
	return p
}

// of reports whether a token was given to who has this key.
func (g *grant) of(key ed25519.PublicKey) bool {
	return g.held != keyPrint{} && g.held == printOf(key)
}

// issuer makes and checks access tokens: JWTs under HS256 with the keyring's
// token ring, whose keys every node has.
type issuer struct {
	keys   *card.Keyring
	clock  func() time.Time
	parser *jwt.Parser
	cache  *grants
}

func newIssuer(keys *card.Keyring, clock func() time.Time) *issuer {
	return &issuer{
		keys: keys, clock: clock, cache: newGrants(),
		parser: jwt.NewParser(
			jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}),
			jwt.WithIssuer(tokenIssuer), jwt.WithExpirationRequired(), jwt.WithIssuedAt(),
			jwt.WithLeeway(tokenSkew), jwt.WithTimeFunc(clock), jwt.WithStrictDecoding(),
		),
	}
}

// accessClaims is the payload of an access token.
type accessClaims struct {
	jwt.RegisteredClaims
	TerminalID int64  `json:"tid"`
	Key        []byte `json:"key"` // a keyPrint
}

// mint makes a token that is good from now for TokenLife, for who has held.
func (s *issuer) mint(terminalID int64, clientID string, held ed25519.PublicKey) (string, error) {
	now, print := s.clock(), printOf(held)
	key := s.keys.Active(card.RingToken, now)
	token := jwt.NewWithClaims(jwt.SigningMethodHS256, accessClaims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: tokenIssuer, Subject: clientID,
			IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(TokenLife)),
		},
		TerminalID: terminalID, Key: print[:],
	})
	token.Header["kid"] = strconv.Itoa(int(key.ID))
	token.Header["typ"] = tokenType
	return token.SignedString(key.Secret())
}

// prove returns what a token proves at now, or errToken. A token seen before
// costs one look into the cache.
func (s *issuer) prove(token string, now time.Time) (*grant, error) {
	if g := s.cache.get(token); g != nil {
		// A key that leaked is retired at once, and what it signed with it.
		if _, ok := s.keys.AcceptedKey(card.RingToken, g.keyID, now); ok && now.Before(g.expires) {
			return g, nil
		}
		return nil, errToken
	}
	var claims accessClaims
	var keyID uint16
	_, err := s.parser.ParseWithClaims(token, &claims, func(t *jwt.Token) (any, error) {
		kid, _ := t.Header["kid"].(string)
		id, err := strconv.ParseUint(kid, 10, 16)
		if err != nil || t.Header["typ"] != tokenType {
			return nil, errToken
		}
		key, ok := s.keys.AcceptedKey(card.RingToken, uint16(id), now)
		if !ok {
			return nil, errToken
		}
		keyID = key.ID
		return key.Secret(), nil
	})
	// The parser's leeway is for another node's iat; an expiry is exact.
	if err != nil || claims.TerminalID <= 0 || len(claims.Key) != len(keyPrint{}) || !now.Before(claims.ExpiresAt.Time) {
		return nil, errToken
	}
	g := &grant{terminalID: claims.TerminalID, clientID: claims.Subject, expires: claims.ExpiresAt.Time, keyID: keyID, held: keyPrint(claims.Key)}
	s.cache.put(token, g)
	return g, nil
}

// grantSlots is how many proved tokens are remembered: every terminal of a
// province has one, and two places each make losing a neighbour's rare.
const grantSlots = 1 << 17

// grants remembers proved tokens by the whole token. It never grows: a token
// has two places, and a new one takes the place of an older. Readers take no
// lock. Forgetting costs one more check of a signature, never an answer.
type grants struct {
	seed  maphash.Seed
	slots []atomic.Pointer[proved]
}

type proved struct {
	token string
	grant
}

func newGrants() *grants {
	return &grants{seed: maphash.MakeSeed(), slots: make([]atomic.Pointer[proved], grantSlots)}
}

// places gives the two places of a token.
func (c *grants) places(token string) (a, b *atomic.Pointer[proved]) {
	h := maphash.String(c.seed, token) & (grantSlots - 1)
	return &c.slots[h], &c.slots[h^1]
}

func (c *grants) get(token string) *grant {
	a, b := c.places(token)
	if p := a.Load(); p != nil && p.token == token {
		return &p.grant
	}
	if p := b.Load(); p != nil && p.token == token {
		return &p.grant
	}
	return nil
}

func (c *grants) put(token string, g *grant) {
	a, b := c.places(token)
	old := a.Load()
	if old != nil {
		// The one that ends sooner gives way.
		if other := b.Load(); other == nil || other.expires.Before(old.expires) {
			a = b
		}
	}
	a.Store(&proved{token: token, grant: *g})
}
