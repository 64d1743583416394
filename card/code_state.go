package card

import (
	"fmt"
	"time"
)

// codeState is a keyring prepared for work: key schedules and HKDF extracts are
// made once a rotation, not once a code. Immutable.
type codeState struct {
	source  *ringSet // what it was made of, to notice a change
	alias   []aliasKey
	phone   []phoneMaster
	printed [maxPrintedID + 1]*printedKey // by key id
	dummy   *printedKey                   // does the work for ids that are not there
}

// validity is a key's time of acceptance in unix seconds; until 0 is open.
type validity struct{ from, until int64 }

func (v validity) covers(now int64) bool {
	return now >= v.from && (v.until == 0 || now < v.until)
}

func validityOf(k Key) validity {
	v := validity{from: k.NotBefore.Add(-keySkew).Unix()}
	if !k.AcceptUntil.IsZero() {
		v.until = k.AcceptUntil.Unix()
	}
	return v
}

type aliasKey struct {
	validity
	id  uint16
	ff1 *ff1
}

type phoneMaster struct {
	validity
	id  uint16
	prk *[32]byte
}

type printedKey struct {
	validity
	secret *[keyBytes]byte
}

// work counts what a check has done. Tests compare the counts of good, unknown,
// expired and forged codes instead of trusting a clock.
type work struct {
	aliases, lookups, derived, totps, macs int
}

// codeScratch is the reused memory of one check.
type codeScratch struct {
	ff1  ff1Scratch
	work work
}

// prepared returns the state of the present keyring.
func (c *Codes) prepared() *codeState {
	source := c.keyring.rings.Load()
	if s := c.state.Load(); s != nil && s.source == source {
		return s
	}
	s, err := prepare(source)
	if err != nil {
		// A ring holds 32-byte keys by construction (checkRing); nothing else can
		// make a cipher or an extract fail.
		panic(fmt.Errorf("card: prepare keyring: %w", err))
	}
	c.state.Store(s)
	return s
}

func prepare(source *ringSet) (*codeState, error) {
	s := &codeState{source: source}
	for _, k := range (*source)[RingAlias] {
		f, err := newFF1(k.secret.bytes[:], 10, aliasLen, aliasTweakLen)
		if err != nil {
			return nil, err
		}
		s.alias = append(s.alias, aliasKey{validityOf(k), k.ID, f})
	}
	for _, k := range (*source)[RingPhone] {
		prk, err := extractPhone(k.secret.bytes[:])
		if err != nil {
			return nil, err
		}
		s.phone = append(s.phone, phoneMaster{validityOf(k), k.ID, &prk})
	}
	for _, k := range (*source)[RingPrinted] {
		p := &printedKey{validityOf(k), k.secret.bytes}
		s.printed[k.ID] = p
		s.dummy = p
	}
	return s, nil
}

// activeAlias is the prepared form of Keyring.Active.
func (s *codeState) activeAlias(k *Keyring, at time.Time) *ff1 {
	id := k.Active(RingAlias, at).ID
	for _, a := range s.alias {
		if a.id == id {
			return a.ff1
		}
	}
	return s.alias[0].ff1
}

func (s *codeState) activePhone(k *Keyring, at time.Time) *[32]byte {
	id := k.Active(RingPhone, at).ID
	for _, p := range s.phone {
		if p.id == id {
			return p.prk
		}
	}
	return s.phone[0].prk
}
