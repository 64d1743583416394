package card

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"time"
)

const (
	stepSeconds = 30          // RFC 6238 X
	totpModulo  = 100_000_000 // eight digits
	weekSeconds = 7 * 24 * 3600
	// weekShift moves the epoch (a Thursday, 00:00 UTC) to a Monday 00:00 in
	// Asia/Shanghai, which has been UTC+8 without summer time since 1992.
	weekShift = 8*3600 + 3*24*3600
)

// StepOf returns the TOTP time step of t: whole 30 s since 1970.
func StepOf(t time.Time) int64 { return floorDiv(t.Unix(), stepSeconds) }

// WeekOf returns the number of t's week; weeks begin on Monday 00:00
// Asia/Shanghai (fixed UTC+8) and week 0 is the one with 1970-01-01.
func WeekOf(t time.Time) int64 { return floorDiv(t.Unix()+weekShift, weekSeconds) }

// WeekStart returns the moment at which week begins.
func WeekStart(week int64) time.Time { return time.Unix(week*weekSeconds-weekShift, 0) }

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// totpKey is the secret of one card's slot in one week.
type totpKey [32]byte

// totp returns the eight-digit code of a step: RFC 6238 with HMAC-SHA-256.
func totp(key *totpKey, step int64) uint32 {
	var msg [8]byte
	binary.BigEndian.PutUint64(msg[:], uint64(step))
	mac := hmac256((*[32]byte)(key), msg[:])
	at := mac[31] & 0x0f
	return (binary.BigEndian.Uint32(mac[at:at+4]) & 0x7fffffff) % totpModulo
}

// phoneSalt separates these keys from whatever else is derived from a master.
const phoneSalt = "unioncard phone totp v1"

// extractPhone is HKDF-Extract, done once a master key: the pseudorandom key
// from which every card's keys are expanded.
func extractPhone(master []byte) (prk [32]byte, err error) {
	k, err := hkdf.Extract(sha256.New, master, []byte(phoneSalt))
	if err != nil {
		return prk, err
	}
	copy(prk[:], k)
	return prk, nil
}

// phoneInfoLen is serial 8, generation 2, phone epoch 1, week 8, slot 1. Every
// input has a fixed width, so no two cards, phones, weeks or slots share an info
// string.
const phoneInfoLen = 8 + 2 + 1 + 8 + 1

// deriveTOTP is HKDF-Expand to 32 bytes, which is a single HMAC over the info
// and a counter byte. Written out, since crypto/hkdf allocates.
func deriveTOTP(prk *[32]byte, serial int64, generation uint16, epoch uint8, week int64, slot uint8) totpKey {
	var info [phoneInfoLen + 1]byte
	putPhoneInfo(&info, serial, generation, epoch, week, slot)
	info[phoneInfoLen] = 1
	return totpKey(hmac256(prk, info[:]))
}

func putPhoneInfo(info *[phoneInfoLen + 1]byte, serial int64, generation uint16, epoch uint8, week int64, slot uint8) {
	binary.BigEndian.PutUint64(info[0:], uint64(serial))
	binary.BigEndian.PutUint16(info[8:], generation)
	info[10] = epoch
	binary.BigEndian.PutUint64(info[11:], uint64(week))
	info[19] = slot
}

// hmac256 is HMAC-SHA-256 (RFC 2104) under a 32-byte key for messages of at most
// 64 bytes (more is cut off: callers' messages are of fixed, shorter length).
// It works on stack arrays: crypto/hmac would allocate two hashes a call, and a
// verification makes up to eight calls.
func hmac256(key *[32]byte, msg []byte) [32]byte {
	const block = 64
	var inner [block + 64]byte
	var outer [block + 32]byte
	for i := range block {
		inner[i], outer[i] = 0x36, 0x5c
	}
	for i, k := range key {
		inner[i] ^= k
		outer[i] ^= k
	}
	n := copy(inner[block:], msg)
	sum := sha256.Sum256(inner[:block+n])
	copy(outer[block:], sum[:])
	return sha256.Sum256(outer[:])
}
