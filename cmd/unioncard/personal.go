package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"unioncard/card"
	"unioncard/card/member"
	"unioncard/card/personal"
)

// personalKEKs are the keys of the ring that wraps the data keys of personal
// data, as the keyring holds them at each asking.
func personalKEKs(k *card.Keyring, clock func() time.Time) personal.KEKs {
	return personal.KEKs{
		Active: func() (uint16, []byte) {
			key := k.Active(card.RingPersonal, clock())
			return key.ID, key.Secret()
		},
		ByID: func(id uint16) ([]byte, bool) {
			key, ok := k.AcceptedKey(card.RingPersonal, id, clock())
			return key.Secret(), ok
		},
	}
}

// checkSuite is the check of --cipher-suite.
func checkSuite(name string) error {
	if _, err := personal.SuiteNamed(name); err != nil {
		return errors.New("want aes or sm")
	}
	return nil
}

// openVault opens the personal data of a deployment, and makes its first keys in
// a database that has none.
func openVault(ctx context.Context, db personal.DB, cfg Config, k *card.Keyring, clock func() time.Time) (*personal.Vault, error) {
	if !k.Has(card.RingPersonal) {
		return nil, fmt.Errorf("the keyring file is from before members' personal data: run `unioncard keyring add %s --keyring-file FILE` once, and bring the file to every node", card.RingPersonal)
	}
	suite, err := personal.SuiteNamed(cfg.CipherSuite)
	if err != nil {
		return nil, err
	}
	return personal.Open(ctx, db, personalKEKs(k, clock), personal.Options{Suite: suite, Clock: clock})
}

// newMembers is the store of members, with what other packages keep of one.
func newMembers(db card.DB, v *personal.Vault, clock func() time.Time, sources ...member.Source) *member.Store {
	return member.NewStore(db, v, card.NewStore(db, card.StoreOptions{}), member.Options{Clock: clock, Sources: sources})
}
