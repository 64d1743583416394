package exit

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"

	"unioncard/card/union/staff"
	"unioncard/merchant"
	"unioncard/merchant/signing"
)

// The proposals about one outlet. Shutting a shop for a while is one person's, and
// so is opening what was shut that way; putting it in force for the first time and
// closing it for good take two.
const (
	KindOutletOpen  = "outlet.open"
	KindOutletClose = "outlet.close"
)

// outletKinds are the proposals about one outlet.
func (s *Store) outletKinds() []signing.Kind {
	move := func(name, title string, may func(*merchant.OutletFacts) bool, do func(*merchant.Store, context.Context, merchant.By, int64) error) signing.Kind {
		return signing.Kind{
			Name: name, Title: title, Right: staff.WriteExit,
			Fingerprint: func(ctx context.Context, tx pgx.Tx, object string, _ json.RawMessage) (string, error) {
				return s.outletPrint(ctx, tx, object, name, may)
			},
			Apply: func(ctx context.Context, tx pgx.Tx, by merchant.By, p *signing.Proposal) error {
				id, ok := signing.ObjectID(p.Object, "outlet")
				if !ok {
					return merchant.ErrNotFound
				}
				return do(merchant.NewStore(tx, s.clock), ctx, by, id)
			},
		}
	}
	return []signing.Kind{
		move(KindOutletOpen, "门店开业", func(o *merchant.OutletFacts) bool { return o.Unopened && o.Status == merchant.OutletSuspended },
			(*merchant.Store).OpenOutlet),
		move(KindOutletClose, "门店停业", func(o *merchant.OutletFacts) bool { return o.Status != merchant.OutletClosed },
			(*merchant.Store).CloseOutlet),
	}
}

// outletPrint is the outlet's version, which every move of it raises. It refuses
// with merchant.ErrMerchantExited, and with merchant.MoveError what the outlet can't
// do now.
func (s *Store) outletPrint(ctx context.Context, tx pgx.Tx, object, action string, may func(*merchant.OutletFacts) bool) (string, error) {
	id, ok := signing.ObjectID(object, "outlet")
	if !ok {
		return "", merchant.ErrNotFound
	}
	o, err := merchant.NewStore(tx, s.clock).Outlet(ctx, id)
	if err != nil {
		return "", err
	}
	if o.MerchantStatus == merchant.MerchantExited {
		return "", merchant.ErrMerchantExited
	}
	if !may(&o) {
		return "", &merchant.MoveError{Object: object, From: string(o.Status), Action: action}
	}
	return fmt.Sprintf("outlet:%d:%d", o.ID, o.Version), nil
}
