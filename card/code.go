package card

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// What a code may be refused for before its card is looked at.
var (
	// ErrCodeFormat: no code of ours by its length, digits, prefix, version or a
	// card number's check digit. Nothing was tried, no budget is touched.
	ErrCodeFormat = errors.New("card: not the form of a member code")
	// ErrCodeInvalid: unknown, expired, forged or of a replaced card. One error
	// for all, after the same work, so that nothing can be learned from it.
	ErrCodeInvalid = errors.New("card: code not valid")
)

// CodeKind tells the three forms apart. The numbers are stored (code_kind).
type CodeKind uint8

// The kinds of codes.
const (
	KindPhone   CodeKind = 1 // dynamic, from the phone
	KindPrinted CodeKind = 2 // static, from the plastic card
	KindTyped   CodeKind = 3 // the card number, typed by hand
)

// String names the kind for logs and metrics.
func (k CodeKind) String() string {
	switch k {
	case KindPhone:
		return "phone"
	case KindPrinted:
		return "printed"
	case KindTyped:
		return "typed"
	}
	return "none"
}

// Limits of what codes can carry.
const (
	MaxSerial     = 999_999_999 // nine digits of the alias
	MaxGeneration = 999         // three digits of the printed code
	Slots         = 2           // phone codes a card can have in one step
)

// Code is what a proved code says. For a typed number only the form has been
// checked: Number is to be looked up, and Serial is 0.
type Code struct {
	Kind       CodeKind
	Serial     int64
	Number     int64  // typed only
	Generation uint16 // phone and printed: the card's present one
	Slot       uint8  // phone only
	Step       int64  // phone only: the 30 s step it was made for
	Epoch      uint8  // phone only: the card's present one
}

// UseKey tells a card's phone codes apart for the once-only rule: step×2+slot,
// above 0. It is 0 for printed and typed codes, which are used up by quote id.
func (c Code) UseKey() int64 {
	if c.Kind != KindPhone {
		return 0
	}
	return c.Step*Slots + int64(c.Slot)
}

// NextCodeIn is how long after now the phone shows its next code: what
// retry_after_s says of a bound or used code. At least a second, at most a step.
func (c Code) NextCodeIn(now time.Time) time.Duration {
	next := time.Unix((c.Step+1)*stepSeconds, 0)
	if !next.After(now) { // a slow phone: count by our own clock
		next = time.Unix((StepOf(now)+1)*stepSeconds, 0)
	}
	return min(max(next.Sub(now), time.Second), stepSeconds*time.Second)
}

// Lookup gives a card's present generation and phone epoch; ok is false when
// there is no such card. It is called on the hot path and must not block or
// allocate.
type Lookup func(serial int64) (generation uint16, epoch uint8, ok bool)

// Codes makes and checks the codes of one deployment. It follows its keyring:
// a rotated or replaced ring is taken up with the next call. Safe for
// concurrent use; checking does not allocate.
type Codes struct {
	keyring *Keyring
	prefix  string
	lookup  Lookup
	state   atomic.Pointer[codeState]
	scratch sync.Pool // *codeScratch
}

// NewCodes returns the codes of the deployment with the two-digit prefix. It
// panics on any other prefix, which is a fault of the program (CheckPrefix).
func NewCodes(k *Keyring, prefix string, lookup Lookup) *Codes {
	if err := CheckPrefix(prefix); err != nil {
		panic(err)
	}
	c := &Codes{keyring: k, prefix: prefix, lookup: lookup}
	c.scratch.New = func() any { return new(codeScratch) }
	return c
}

// String keeps the keys behind it out of logs.
func (c *Codes) String() string { return "codes " + c.prefix }

// GoString is String.
func (c *Codes) GoString() string { return c.String() }

// Resolve proves a code at now: ErrCodeFormat, ErrCodeInvalid, or what it says.
// A typed number is only checked for its form; the caller looks it up and
// answers ErrCodeInvalid for one that does not exist.
func (c *Codes) Resolve(code string, now time.Time) (Code, error) {
	kind, err := c.Kind(code)
	if err != nil {
		return Code{}, err
	}
	switch kind {
	case KindPhone:
		sc := c.scratch.Get().(*codeScratch)
		got, age := c.resolvePhone(sc, code, now, freshSteps)
		c.scratch.Put(sc)
		if age == phoneUnknown {
			return Code{}, ErrCodeInvalid
		}
		return got, nil
	case KindPrinted:
		return c.resolvePrinted(code, now)
	default:
		n, err := checkNumber(c.prefix, code)
		if err != nil {
			return Code{}, err
		}
		return Code{Kind: KindTyped, Number: n}, nil
	}
}

// ResolveRepeat is Resolve for a terminal that may have scanned the phone code
// before: stale is true for one too old to be new but young enough that its
// first terminal may still verify it again (2 minutes). A stale code counts for
// nothing until Bindings.Holds confirms that the terminal holds it.
func (c *Codes) ResolveRepeat(code string, now time.Time) (got Code, stale bool, err error) {
	if len(code) != phoneLen {
		got, err = c.Resolve(code, now)
		return got, false, err
	}
	if _, err := c.Kind(code); err != nil {
		return Code{}, false, err
	}
	sc := c.scratch.Get().(*codeScratch)
	got, age := c.resolvePhone(sc, code, now, freshSteps+staleSteps)
	c.scratch.Put(sc)
	if age == phoneUnknown {
		return Code{}, false, ErrCodeInvalid
	}
	return got, age == phoneStale, nil
}

// Kind tells a code's kind by its form alone: ErrCodeFormat unless it is all
// ASCII digits of a known length under our prefix (and, printed, of a version we
// know). It costs nothing on huge input.
func (c *Codes) Kind(code string) (CodeKind, error) {
	var kind CodeKind
	switch len(code) {
	case phoneLen:
		kind = KindPhone
	case printedLen:
		kind = KindPrinted
	case numberLen:
		kind = KindTyped
	default:
		return 0, ErrCodeFormat
	}
	if code[:2] != c.prefix {
		return 0, ErrCodeFormat
	}
	for i := 2; i < len(code); i++ {
		if code[i]-'0' > 9 {
			return 0, ErrCodeFormat
		}
	}
	if kind == KindPrinted && code[2] != printedVersion {
		return 0, ErrCodeFormat
	}
	return kind, nil
}

// Claim is what a code of the given kind says it is, unproved: the alias, the
// printed serial or the number, with the kind in the highest digits. Guess
// budgets are kept by it, since a wrong code leads to no card.
func (c *Codes) Claim(kind CodeKind, code string) int64 {
	var digits string
	switch {
	case kind == KindPhone && len(code) == phoneLen:
		digits = code[2 : 2+aliasLen]
	case kind == KindPrinted && len(code) == printedLen:
		digits = code[3 : 3+printedSerial]
	case kind == KindTyped && len(code) == numberLen:
		digits = code
	}
	n, _ := parseDigits(digits)
	return int64(kind)*100_000_000_000_000_000 + n
}

// NewNumber is the package's NewNumber under this deployment's prefix.
func (c *Codes) NewNumber() (int64, error) { return newNumber(c.prefix, nil) }

// CheckNumber is the package's CheckNumber under this deployment's prefix.
func (c *Codes) CheckNumber(s string) (int64, error) { return checkNumber(c.prefix, s) }

// Mask is MaskLast4 under this deployment's prefix.
func (c *Codes) Mask(last4 uint16) string { return MaskLast4(c.prefix, last4) }
