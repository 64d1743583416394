package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"unioncard/card"
	"unioncard/card/member"
	"unioncard/card/personal"
	"unioncard/settlement/report"
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

// exportedPurchase is a purchase as a member's export has it. Amounts are in fen.
type exportedPurchase struct {
	ID       uuid.UUID `json:"id"`
	At       time.Time `json:"at"`
	Merchant string    `json:"merchant"`
	Outlet   string    `json:"outlet"`
	Amount   int64     `json:"amount_fen"`
	Discount int64     `json:"discount_fen"`
	Returned int64     `json:"returned_fen"`
}

// purchases is what the tills recorded of a member's cards. They are kept as the
// accounts demand: an erasure takes the name off the card and leaves them.
func purchases(clock func() time.Time) member.Source {
	return member.Source{Name: "purchases", Read: func(ctx context.Context, tx pgx.Tx, memberID int64) (any, error) {
		rows, err := tx.Query(ctx, `SELECT serial FROM cards WHERE member_id = $1`, memberID)
		if err != nil {
			return nil, err
		}
		serials, err := pgx.CollectRows(rows, pgx.RowTo[int64])
		if err != nil || len(serials) == 0 {
			return nil, err
		}
		out := []exportedPurchase{}
		for cursor, more := "", true; more; more = cursor != "" {
			var list []report.Bought
			if list, cursor, err = report.NewStore(tx, clock).Bought(ctx, serials, cursor); err != nil {
				return nil, err
			}
			for _, b := range list {
				out = append(out, exportedPurchase{b.ID, b.At, b.Merchant, b.Outlet, b.AmountFen, b.DiscountFen, b.ReturnedFen})
			}
		}
		return out, nil
	}}
}

// newMembers is the store of members, with what other packages keep of one.
func newMembers(db card.DB, v *personal.Vault, clock func() time.Time, sources ...member.Source) *member.Store {
	sources = append(sources, purchases(clock))
	return member.NewStore(db, v, card.NewStore(db, card.StoreOptions{}), member.Options{Clock: clock, Sources: sources})
}
