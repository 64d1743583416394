package main

import (
	"crypto/hkdf"
	"crypto/sha256"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"unioncard/card"
	"unioncard/card/union/staff"
)

// newStaff is the store of accounts as this deployment configures it.
func newStaff(pool *pgxpool.Pool, cfg Config, keyring *card.Keyring, clock func() time.Time) *staff.Store {
	return staff.NewStore(pool, staff.Options{Clock: clock, Policy: cfg.staffPolicy(), Box: staffBox(keyring, clock)})
}

// staffBox keeps second factors under keys derived from the printed codes' ring:
// its keys stay until they are retired, so a rotation makes nobody's second factor
// unreadable; each use seals it again under the newest.
func staffBox(keyring *card.Keyring, clock func() time.Time) *staff.Box {
	derive := func(k card.Key) []byte {
		key, err := hkdf.Key(sha256.New, k.Secret(), nil, "unioncard second factor of staff v1", 32)
		if err != nil {
			panic(err) // only for a length that SHA-256 can't give
		}
		return key
	}
	return &staff.Box{
		Active: func() (uint16, []byte) {
			k := keyring.Active(card.RingPrinted, clock())
			return k.ID, derive(k)
		},
		ByID: func(id uint16) ([]byte, bool) {
			k, ok := keyring.AcceptedKey(card.RingPrinted, id, clock())
			if !ok {
				return nil, false
			}
			return derive(k), true
		},
	}
}

// secure reports whether people reach the service by https only.
func (c Config) secure() bool { return strings.HasPrefix(c.PublicURL, "https://") }
