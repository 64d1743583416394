package card

import (
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"time"
)

// The layout of a phone code: prefix 2, alias 10, TOTP 8.
const (
	phoneLen      = 20
	aliasLen      = 10
	totpLen       = 8
	aliasTweakLen = 8       // the week, big-endian
	aliasHalf     = 100_000 // five of the alias's ten digits
)

// Steps tried around the present one, in this order: the present, one either
// way (a phone's clock is off, or the code was read late), and for the first
// terminal's repeats those that BindTime leaves behind: scanned first in the last
// moment of its time, a code is not yet six steps old when the 2 minutes end.
const (
	freshSteps = 3
	staleSteps = 4
)

var stepOffsets = [freshSteps + staleSteps]int64{0, -1, 1, -2, -3, -4, -5}

type phoneAge uint8

const (
	phoneUnknown phoneAge = iota
	phoneFresh
	phoneStale
)

// PhoneKey is what a phone holds to show the codes of one slot in one week
// without a network. It never prints its key.
type PhoneKey struct {
	Week  int64
	Slot  uint8
	Alias string // ten digits, the same all week
	key   *hidden
	head  string // prefix and alias
}

// TOTPKey returns the 32-byte RFC 6238 key (HMAC-SHA-256, 8 digits, 30 s) for
// handing it to the phone.
func (k PhoneKey) TOTPKey() []byte { return append([]byte(nil), k.key.bytes[:]...) }

// Code is the phone's own arithmetic: the 20 digits it shows at a moment, which
// need not lie in the key's week (a phone offline past its week goes on with
// its last keys, and the following week accepts them).
func (k PhoneKey) Code(at time.Time) string {
	b := make([]byte, 0, phoneLen)
	b = append(b, k.head...)
	return string(appendDigits(b, uint64(totp((*totpKey)(k.key.bytes), StepOf(at))), totpLen))
}

// String shows the week and slot only.
func (k PhoneKey) String() string {
	return fmt.Sprintf("phone key week %d slot %d [redacted]", k.Week, k.Slot)
}

// GoString is String.
func (k PhoneKey) GoString() string { return k.String() }

// Format prints String whatever the verb.
func (k PhoneKey) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.String()) }

// LogValue is String, for slog.
func (k PhoneKey) LogValue() slog.Value { return slog.StringValue(k.String()) }

// PhoneKeys returns the keys of a card's two slots in a week, for the phone of
// the given epoch and under the keys that are active at the moment given. ok is
// false for a serial outside 1..MaxSerial.
func (c *Codes) PhoneKeys(serial int64, generation uint16, epoch uint8, week int64, at time.Time) (keys [Slots]PhoneKey, ok bool) {
	if serial < 1 || serial > MaxSerial {
		return keys, false
	}
	s := c.prepared()
	cipher, prk := s.activeAlias(c.keyring, at), s.activePhone(c.keyring, at)
	sc := c.scratch.Get().(*codeScratch)
	defer c.scratch.Put(sc)
	for slot := range uint8(Slots) {
		alias := sealAlias(&sc.ff1, cipher, serial, slot, week)
		key := deriveTOTP(prk, serial, generation, epoch, week, slot)
		head := string(appendDigits([]byte(c.prefix), alias, aliasLen))
		keys[slot] = PhoneKey{Week: week, Slot: slot, Alias: head[2:], key: hide(key), head: head}
	}
	return keys, true
}

// PhoneCode returns the code a card's phone shows in a slot (0 or 1) at a
// moment; "" for a serial or slot that can not be.
func (c *Codes) PhoneCode(serial int64, generation uint16, epoch, slot uint8, at time.Time) string {
	keys, ok := c.PhoneKeys(serial, generation, epoch, WeekOf(at), at)
	if !ok || slot >= Slots {
		return ""
	}
	return keys[slot].Code(at)
}

func sealAlias(sc *ff1Scratch, f *ff1, serial int64, slot uint8, week int64) uint64 {
	plain := uint64(serial)*10 + uint64(slot)
	var tweak [aliasTweakLen]byte
	binary.BigEndian.PutUint64(tweak[:], uint64(week))
	a, b := f.encrypt(sc, plain/aliasHalf, plain%aliasHalf, tweak[:])
	return a*aliasHalf + b
}

func openAlias(sc *ff1Scratch, f *ff1, alias uint64, week int64) (serial int64, slot uint8) {
	var tweak [aliasTweakLen]byte
	binary.BigEndian.PutUint64(tweak[:], uint64(week))
	a, b := f.decrypt(sc, alias/aliasHalf, alias%aliasHalf, tweak[:])
	plain := a*aliasHalf + b
	return int64(plain / 10), uint8(plain % 10)
}

// resolvePhone tries a well-formed phone code under every accepted alias key and
// week, every accepted master key and the first steps of stepOffsets. It stops
// only at a match: a code that matches nothing always costs the same, whether
// its alias leads to a card or nowhere (then the work is done on a card that is
// not there). The step is the present one whatever the week of the key, as a
// phone without network goes on with the keys it has.
func (c *Codes) resolvePhone(sc *codeScratch, code string, now time.Time, steps int) (Code, phoneAge) {
	s := c.prepared()
	alias, _ := parseDigits(code[2 : 2+aliasLen])
	want, _ := parseDigits(code[2+aliasLen:])
	unix, step := now.Unix(), StepOf(now)
	weeks, n := acceptedWeeks(now)
	for i := range s.alias {
		if !s.alias[i].covers(unix) {
			continue
		}
		for _, week := range weeks[:n] {
			serial, slot := openAlias(&sc.ff1, s.alias[i].ff1, uint64(alias), week)
			generation, epoch, real := c.lookup(serial)
			real = real && serial > 0 && slot < Slots
			sc.work.aliases++
			sc.work.lookups++
			for j := range s.phone {
				if !s.phone[j].covers(unix) {
					continue
				}
				key := deriveTOTP(s.phone[j].prk, serial, generation, epoch, week, slot)
				sc.work.derived++
				k := matchStep(sc, &key, uint32(want), step, steps, real)
				if k < 0 {
					continue
				}
				got := Code{Kind: KindPhone, Serial: serial, Generation: generation, Slot: slot, Step: step + stepOffsets[k], Epoch: epoch}
				if k >= freshSteps {
					return got, phoneStale
				}
				return got, phoneFresh
			}
		}
	}
	return Code{}, phoneUnknown
}

// matchStep returns which of the first steps of stepOffsets gives the TOTP, or
// -1 after trying all of them. For a card that is not real none does.
func matchStep(sc *codeScratch, key *totpKey, want uint32, step int64, steps int, real bool) int {
	for k, off := range stepOffsets[:steps] {
		sc.work.totps++
		if subtle.ConstantTimeEq(int32(totp(key, step+off)), int32(want)) == 1 && real {
			return k
		}
	}
	return -1
}

// acceptedWeeks lists the weeks whose keys are taken at now: this one, the last,
// and in the last step before midnight on Sunday the next one too, for a phone
// whose clock is a step ahead.
func acceptedWeeks(now time.Time) (weeks [3]int64, n int) {
	w := WeekOf(now)
	weeks, n = [3]int64{w, w - 1, 0}, 2
	if ahead := WeekOf(now.Add(stepSeconds * time.Second)); ahead != w {
		weeks[2], n = ahead, 3
	}
	return weeks, n
}
