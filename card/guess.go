package card

import (
	"errors"
	"net/netip"
	"time"
)

// Guess budgets. A miss is a code of the right form that proved nothing:
// ErrCodeInvalid, or a typed number that does not exist. Misses are counted per
// client in an outlet, outlet, claimed card, network address and in all; correct
// codes cost nothing. A client is a terminal, or a POS server with all its outlets:
// naming another outlet makes it neither clean nor free of the typed rule. A budget is a leaky bucket: it holds Misses,
// and drains evenly over Per, so a spent one lets a miss through every
// Per/Misses, and at most twice Misses in the first Per.
//
// Who is refused:
//
//   - A client without a miss in the last hour is never refused anything, however
//     many others guess. (Otherwise a guesser could stop a shop, a street behind
//     one address, or one worker's card.)
//   - A client that has missed is refused when its own budget is spent, or that
//     of its outlet, its address or the card its code claims to be.
//   - The global budget refuses such a client printed and typed codes only.
//   - Five typed misses in an hour, and the client takes phone codes only for an
//     hour.
//
// Without Redis a node knows its own misses only. A client's own budget and the
// typed rule are not divided by the number of nodes, as a till keeps its
// connection and so its node: dividing them would refuse it correct codes for
// misses it never made. Of the wider budgets the node keeps its share, but as it
// can not know whether the whole is spent, a spent share acts like the global
// budget: it refuses printed and typed codes only, to clients that have missed
// only. Phone codes are refused when this node alone has seen the whole budget
// spent. So no correct phone code is ever refused for a share.
//
// Requests of one client that run at the same moment are all judged before any
// of them has missed: the API's limits on a client's parallel requests bound
// what a budget can be overrun by.

// What a guard refuses with.
var (
	// ErrGuessBlocked: a guess budget is spent; try again after Refusal.RetryAfter.
	ErrGuessBlocked = errors.New("card: too many wrong codes")
	// ErrTypedBlocked: printed and typed codes are refused for a while, phone codes
	// are still taken.
	ErrTypedBlocked = errors.New("card: phone codes only for now, after wrong codes")
)

// Subjects says on whose budgets a guess is made.
type Subjects struct {
	// Terminal is the client's id; 0 for a client that is none (then its address
	// is the client). A POS server for many outlets has a budget in each of them.
	Terminal int64
	Outlet   int64      // 0: none
	Claim    int64      // what the code claims to be: Codes.Claim; 0: none
	Addr     netip.Addr // the client's address; IPv6 counts by its /64
}

// Subject is a kind of budget.
type Subject uint8

// The budgets, in the order in which Allow looks at them.
const (
	SubjectNone Subject = iota
	SubjectTerminal
	SubjectTyped
	SubjectOutlet
	SubjectCard
	SubjectAddress
	SubjectGlobal
	subjects
)

// String names the budget for metrics.
func (s Subject) String() string {
	return [...]string{"none", "terminal", "typed", "outlet", "card", "address", "global", ""}[min(s, subjects)]
}

// Refusal is a guard's answer; the zero value lets the code through.
type Refusal struct {
	By         Subject
	RetryAfter time.Duration
	phoneOnly  bool
}

// Refused reports whether the code may not be tried now.
func (r Refusal) Refused() bool { return r.By != SubjectNone }

// Err is nil, ErrTypedBlocked where phone codes are still taken, or
// ErrGuessBlocked.
func (r Refusal) Err() error {
	switch {
	case r.By == SubjectNone:
		return nil
	case r.phoneOnly:
		return ErrTypedBlocked
	}
	return ErrGuessBlocked
}

// Guard keeps the guess budgets. Allow is asked before a code is tried, Miss
// told after each that proved nothing; every item of a batch is a code of its
// own. Allow neither blocks nor allocates, and for a client without misses takes
// no lock.
type Guard interface {
	Allow(s Subjects, kind CodeKind, now time.Time) Refusal
	Miss(s Subjects, kind CodeKind, now time.Time)
}

// Budget is how many misses a subject may make in a time.
type Budget struct {
	Misses int
	Per    time.Duration
}

// GuardOptions are the budgets. Zero fields take DefaultGuardOptions.
type GuardOptions struct {
	Terminal, Outlet, Card, Address, Global Budget
	// Typed: this many (1 to 5) typed misses within Per, and only phone codes are
	// taken for Per from the last of them.
	Typed Budget
	// Nodes is how many nodes share the work, for a node that hears of no other.
	Nodes int
	// MaxSubjects bounds the memory: about 80 bytes each, for clients and outlets
	// on one side and cards and addresses on the other. When full, the subject
	// nearest to clean is forgotten.
	MaxSubjects int
}

// DefaultGuardOptions returns the defaults.
func DefaultGuardOptions() GuardOptions {
	return GuardOptions{
		// A till with 60 customers an hour sees a handful of stale screenshots and
		// worn prints; a POS server stands for some dozens of tills of its outlet.
		Terminal: Budget{100, time.Hour},
		// A hypermarket of a hundred tills at the same rate, with room.
		Outlet: Budget{300, time.Hour},
		// Whoever has photographed an alias hits its code with 3·10⁻⁸ a try: at 20
		// an hour, all year, that is half a percent; and the alias lasts a week.
		Card: Budget{20, time.Hour},
		// A chain's thousand tills behind one address, one miss in a hundred codes.
		Address: Budget{3000, time.Hour},
		// About a million a day: by phone codes one hit in twenty years. Honest
		// misses of 50,000 outlets stay at an eighth of it.
		Global: Budget{40_000, time.Hour},
		// With 10 million cards a guessed number exists with 10⁻⁶.
		Typed:       Budget{5, time.Hour},
		Nodes:       1,
		MaxSubjects: 65_536,
	}
}

func (o GuardOptions) withDefaults() GuardOptions {
	d := DefaultGuardOptions()
	for _, p := range []struct{ got, def *Budget }{
		{&o.Terminal, &d.Terminal}, {&o.Outlet, &d.Outlet}, {&o.Card, &d.Card},
		{&o.Address, &d.Address}, {&o.Global, &d.Global}, {&o.Typed, &d.Typed},
	} {
		if p.got.Misses <= 0 || p.got.Per <= 0 {
			*p.got = *p.def
		}
	}
	o.Typed.Misses = min(o.Typed.Misses, typedLog+1)
	o.Nodes = max(o.Nodes, 1)
	if o.MaxSubjects <= 0 {
		o.MaxSubjects = d.MaxSubjects
	}
	return o
}
