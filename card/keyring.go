package card

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Ring names one purpose of key material. Keys of one ring are never used for
// another.
type Ring string

// The rings of a deployment.
const (
	RingAlias   Ring = "alias"   // AES-256 keys of the phone code's alias (FF1)
	RingPhone   Ring = "phone"   // master keys of the phone codes' TOTP keys (HKDF)
	RingPrinted Ring = "printed" // HMAC keys of printed codes
	RingQuote   Ring = "quote"   // HMAC keys of quotes
	RingToken   Ring = "token"   // HMAC keys of access tokens
	// RingPersonal's keys wrap the data keys of members' personal data. Like those
	// of RingPrinted they stay open until retired: what they wrapped must open.
	RingPersonal Ring = "personal"
)

// Rings lists every ring.
func Rings() []Ring {
	return []Ring{RingAlias, RingPhone, RingPrinted, RingQuote, RingToken, RingPersonal}
}

// lasting reports whether the ring's older keys stay open whatever the overlap,
// until retired.
func (r Ring) lasting() bool { return r == RingPrinted || r == RingPersonal }

// PhoneOverlap is how long an alias or phone key must stay accepted after its
// successor took over so that no phone goes dark: a phone that fetched its keys
// a moment before holds those of that week and the next, and the next week's
// are accepted as last week's for one week more.
const PhoneOverlap = 21 * 24 * time.Hour

const (
	keyBytes = 32
	// keySkew is how far ahead of its not_before a key is already accepted, so
	// that a node whose clock is behind takes what another has just issued.
	keySkew = 2 * time.Minute
	// maxAccepted bounds the accepted keys of a ring: a miss is tried under every
	// pair of alias and phone key, so this bounds what a miss may cost.
	maxAccepted = 4
	// maxPrintedID: a printed code has two digits for its key id. It bounds the
	// personal ring as well, which rotates more rarely.
	maxPrintedID = 99
)

// Errors of key management.
var (
	errKeyringFull = errors.New("card: the ring holds as many accepted keys as it may")
	errKeyOrder    = errors.New("card: a newer key is already in the ring")
	errLastKey     = errors.New("card: the ring's active key can not be retired, rotate first")
	errNoKey       = errors.New("card: no such key or ring, or the ring is there already")
)

// hidden keeps secret bytes from fmt, which prints unexported fields of a struct
// without asking their methods, and follows one pointer even there (%s of a
// pointer is a bad verb, and explained by its value). Fields hold a *hidden: two
// pointers away, all it prints is an address.
type hidden struct{ bytes *[keyBytes]byte }

func hide(b [keyBytes]byte) *hidden { return &hidden{&b} }

// Key is one key of a ring. Copies share the secret, which no method but Secret
// shows.
type Key struct {
	ID          uint16
	CreatedAt   time.Time
	NotBefore   time.Time
	AcceptUntil time.Time // exclusive; zero: open
	secret      *hidden
}

// Secret returns a copy of the 32 key bytes.
func (k Key) Secret() []byte {
	if k.secret == nil {
		return nil
	}
	return slices.Clone(k.secret.bytes[:])
}

// String shows the id and nothing of the secret.
func (k Key) String() string { return fmt.Sprintf("key %d [redacted]", k.ID) }

// GoString is String.
func (k Key) GoString() string { return k.String() }

// Format prints String whatever the verb: %d or %x would else reach the secret.
func (k Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.String()) }

// LogValue is String, for slog.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

// MarshalJSON is String: only Keyring.Save writes secrets.
func (k Key) MarshalJSON() ([]byte, error) { return []byte(`"` + k.String() + `"`), nil }

// accepted reports whether the key is good for checking at now.
func (k Key) accepted(now time.Time) bool {
	return !now.Before(k.NotBefore.Add(-keySkew)) && (k.AcceptUntil.IsZero() || now.Before(k.AcceptUntil))
}

// ringSet is one immutable state of a keyring; keys newest first.
type ringSet map[Ring][]Key

// Keyring holds all secret key material of a deployment. Readers see one
// immutable state; Rotate, Retire and Replace swap it, and everything that works
// with this keyring (Codes too) follows at once. Safe for concurrent use.
type Keyring struct {
	mu    sync.Mutex // serializes writers
	rings atomic.Pointer[ringSet]
}

// NewKeyring makes one key a ring, valid from now. rand may be nil for
// crypto/rand.
func NewKeyring(now time.Time, rand io.Reader) (*Keyring, error) {
	set := make(ringSet)
	for _, ring := range Rings() {
		key, err := newKey(1, now, now, rand)
		if err != nil {
			return nil, fmt.Errorf("card.NewKeyring: %w", err)
		}
		set[ring] = []Key{key}
	}
	k := new(Keyring)
	k.rings.Store(&set)
	return k, nil
}

func newKey(id uint16, created, notBefore time.Time, source io.Reader) (Key, error) {
	if source == nil {
		source = rand.Reader
	}
	var secret [keyBytes]byte
	if _, err := io.ReadFull(source, secret[:]); err != nil {
		return Key{}, err
	}
	// Whole UTC seconds: what the file keeps is what memory holds.
	return Key{ID: id, CreatedAt: created.UTC().Truncate(time.Second), NotBefore: notBefore.UTC().Truncate(time.Second), secret: hide(secret)}, nil
}

// Has reports whether the keyring holds keys of a ring.
func (k *Keyring) Has(ring Ring) bool { return len((*k.rings.Load())[ring]) > 0 }

// Add makes the first key of a ring that a keyring from an older program lacks.
func (k *Keyring) Add(ring Ring, now time.Time, rand io.Reader) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	set := *k.rings.Load()
	if len(set[ring]) > 0 || !slices.Contains(Rings(), ring) {
		return fmt.Errorf("card.Add: %q: %w", ring, errNoKey)
	}
	key, err := newKey(1, now, now, rand)
	if err != nil {
		return fmt.Errorf("card.Add: %w", err)
	}
	k.swap(set, ring, []Key{key})
	return nil
}

// Rotate puts a new key at the head of a ring, active from now, and lets the
// older ones be accepted until now+overlap (0 in an emergency); those that end
// earlier keep their end, and those over before the last rotation took effect
// are dropped. now may lie ahead, to bring the file to every node before the key
// is used, but the last rotation must have taken effect. Keys of RingPrinted and
// RingPersonal stay open whatever the overlap, as long as the cards printed and
// the data keys wrapped under them: only Retire ends one.
func (k *Keyring) Rotate(ring Ring, now time.Time, overlap time.Duration, rand io.Reader) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	set := *k.rings.Load()
	old, ok := set[ring]
	if !ok {
		return fmt.Errorf("card.Rotate: %q: %w", ring, errNoKey)
	}
	if overlap < 0 || now.Before(old[0].NotBefore) {
		return fmt.Errorf("card.Rotate: %q: %w", ring, errKeyOrder)
	}
	key, err := newKey(old[0].ID+1, now, now, rand)
	if err != nil {
		return fmt.Errorf("card.Rotate: %w", err)
	}
	keys := []Key{key}
	until := key.NotBefore.Add(overlap)
	for _, o := range old {
		if !ring.lasting() {
			if o.AcceptUntil.IsZero() || o.AcceptUntil.After(until) {
				o.AcceptUntil = until
			}
			if !o.AcceptUntil.After(old[0].NotBefore) {
				continue // over before the last rotation took effect
			}
		}
		keys = append(keys, o)
	}
	if err := checkRing(ring, keys); err != nil {
		return fmt.Errorf("card.Rotate: %q: %w", ring, err)
	}
	k.swap(set, ring, keys)
	return nil
}

// Retire ends a key that is no longer active at until, for a printed key whose
// cards are all replaced or a key that leaked.
func (k *Keyring) Retire(ring Ring, id uint16, until time.Time) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	set := *k.rings.Load()
	keys := slices.Clone(set[ring])
	i := slices.IndexFunc(keys, func(key Key) bool { return key.ID == id })
	switch {
	case i < 0:
		return fmt.Errorf("card.Retire: %q %d: %w", ring, id, errNoKey)
	case i == 0:
		return fmt.Errorf("card.Retire: %q %d: %w", ring, id, errLastKey)
	}
	keys[i].AcceptUntil = until.UTC().Truncate(time.Second)
	k.swap(set, ring, keys)
	return nil
}

// Replace takes over another keyring's keys, as read again from the file.
func (k *Keyring) Replace(from *Keyring) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.rings.Store(from.rings.Load())
}

func (k *Keyring) swap(set ringSet, ring Ring, keys []Key) {
	next := make(ringSet, len(set))
	for r, ks := range set {
		next[r] = ks
	}
	next[ring] = keys
	k.rings.Store(&next)
}

// Active returns the key to issue with: the newest one begun at now. Before the
// first has begun (a clock set back) it is the oldest.
func (k *Keyring) Active(ring Ring, now time.Time) Key {
	keys := (*k.rings.Load())[ring]
	for _, key := range keys {
		if !now.Before(key.NotBefore) {
			return key
		}
	}
	if len(keys) == 0 {
		return Key{}
	}
	return keys[len(keys)-1]
}

// Accepted returns the keys to check with at now, newest first.
func (k *Keyring) Accepted(ring Ring, now time.Time) []Key {
	var keys []Key
	for _, key := range (*k.rings.Load())[ring] {
		if key.accepted(now) {
			keys = append(keys, key)
		}
	}
	return keys
}

// AcceptedKey returns the key of that id if it is accepted at now. It does not
// allocate.
func (k *Keyring) AcceptedKey(ring Ring, id uint16, now time.Time) (Key, bool) {
	for _, key := range (*k.rings.Load())[ring] {
		if key.ID == id && key.accepted(now) {
			return key, true
		}
	}
	return Key{}, false
}

// String names no key.
func (k *Keyring) String() string { return "keyring [redacted]" }

// GoString is String.
func (k *Keyring) GoString() string { return k.String() }

// Format prints String whatever the verb.
func (k *Keyring) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.String()) }

// LogValue is String, for slog.
func (k *Keyring) LogValue() slog.Value { return slog.StringValue(k.String()) }

// MarshalJSON is String: only Save writes secrets.
func (k *Keyring) MarshalJSON() ([]byte, error) { return []byte(`"` + k.String() + `"`), nil }

// checkRing holds a ring's keys, newest first, to what codes rely on.
func checkRing(ring Ring, keys []Key) error {
	if len(keys) == 0 {
		return errNoKey
	}
	for i, key := range keys {
		switch {
		case key.ID == 0 || key.secret == nil || *key.secret.bytes == [keyBytes]byte{}:
			return fmt.Errorf("key %d: no id or no secret", key.ID)
		case i > 0 && (key.ID >= keys[i-1].ID || key.NotBefore.After(keys[i-1].NotBefore)):
			return fmt.Errorf("key %d: out of order", key.ID)
		case i > 0 && !ring.lasting() && key.AcceptUntil.IsZero():
			return fmt.Errorf("key %d: a replaced key needs accept_until", key.ID)
		case i == 0 && !key.AcceptUntil.IsZero():
			return fmt.Errorf("key %d: the newest key may not end", key.ID)
		}
	}
	if ring.lasting() {
		if keys[0].ID > maxPrintedID {
			return errKeyringFull
		}
		return nil
	}
	accepted := 0
	for _, key := range keys {
		if key.AcceptUntil.IsZero() || key.AcceptUntil.After(keys[0].NotBefore) {
			accepted++
		}
	}
	if accepted > maxAccepted || len(keys) > 4*maxAccepted {
		return errKeyringFull
	}
	return nil
}
