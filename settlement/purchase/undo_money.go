package purchase

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"unioncard/card/feed"
	"unioncard/settlement/ledger"
)

// moneyBack is who gets back how much of the discount that an undoing gives back.
type moneyBack struct {
	shares   []Share // what comes back to each budget, 0 included
	merchant int64
}

// moneyBack splits what the undoing gives back, after what others gave before it.
func (u *undoing) moneyBack(p *stored, given []int64) moneyBack {
	shares := p.sharesOf()
	rows := SplitBack(p.discount, shares, append(given[:len(given):len(given)], u.givenBack))
	last := rows[len(rows)-1]
	m := moneyBack{merchant: last[len(shares)]}
	for i, s := range shares {
		m.shares = append(m.shares, Share{s.Budget, last[i]})
	}
	return m
}

// union is the union's part, in fen.
func (m *moneyBack) union() (fen int64) {
	for _, s := range m.shares {
		fen += s.Fen
	}
	return fen
}

// transferKind is what the ledger calls a kind of undoing.
func transferKind(kind int16) ledger.Kind {
	switch kind {
	case kindVoid:
		return ledger.Void
	case kindReversal:
		return ledger.Reversal
	}
	return ledger.Refund
}

// postings are the transfers of an undoing: those of the purchase, the other way
// round.
func (s *undoState) postings(kind int16, m moneyBack) (out []ledger.Transfer) {
	p := s.p
	post := func(leg int16, from, to ledger.Account, fen int64) {
		if fen > 0 {
			out = append(out, ledger.Transfer{MerchantID: p.merchant, Day: ledger.Day(s.today), Doc: p.id, Seq: int32(s.seq),
				Leg: leg, Kind: transferKind(kind), Debit: from, Credit: to, Fen: fen})
		}
	}
	post(legMerchant, ledger.Members(), ledger.Discount(p.merchant), m.merchant)
	for i, share := range m.shares {
		to := ledger.Unbudgeted()
		if share.Budget != 0 {
			to = ledger.Budget(share.Budget)
		}
		post(legUnion+int16(i), ledger.Merchant(p.merchant), to, share.Fen)
	}
	return out
}

// giveMoneyBack gives budgets, members' caps and vouchers back what an undoing
// frees, and posts it. Money comes back to a budget's first slice, also of one that
// is closed by now.
func (s *undoState) giveMoneyBack(ctx context.Context, tx pgx.Tx, u *undoing, m moneyBack) error {
	p := s.p
	var uses int64
	if u.full(p) && !p.undone() {
		uses = 1
	}
	for _, share := range m.shares {
		if share.Budget == 0 || share.Fen == 0 && uses == 0 {
			continue
		}
		tag, err := tx.Exec(ctx, `UPDATE budget_slices SET back_fen = back_fen + $2, uses = uses - $3
			WHERE budget_id = $1 AND slice = 0`, share.Budget, share.Fen, uses)
		if err != nil {
			return fmt.Errorf("purchase: give budget back: %w", err)
		}
		if tag.RowsAffected() != 1 {
			return fmt.Errorf("purchase: give budget back: no slice of budget %d", share.Budget)
		}
	}
	for _, share := range m.shares {
		if share.Budget == 0 || share.Fen == 0 {
			continue
		}
		// Nothing is there where the budget has no bound for a member.
		_, err := tx.Exec(ctx, `UPDATE budget_cards SET spent_fen = spent_fen - $3
			WHERE card_serial = $1 AND budget_id = $2`, p.serial, share.Budget, share.Fen)
		if err != nil {
			return fmt.Errorf("purchase: give member cap back: %w", err)
		}
	}
	if uses > 0 {
		if err := giveVouchersBack(ctx, tx, p); err != nil {
			return err
		}
	}
	return ledger.Post(ctx, tx, s.postings(u.kind, m)...)
}

// giveVouchersBack lets the holder have a voucher again, once all of the purchase is
// undone; one whose series is over meanwhile has expired.
func giveVouchersBack(ctx context.Context, tx pgx.Tx, p *stored) error {
	for _, o := range p.applied {
		if o.Voucher == 0 {
			continue
		}
		tag, err := tx.Exec(ctx, `UPDATE vouchers v SET merchant_id = NULL, purchase_id = NULL,
				state = CASE WHEN b.state IN ('open', 'frozen') AND b.last_day >= (now() AT TIME ZONE 'Asia/Shanghai')::date THEN 1 ELSE 3 END
			FROM budgets b
			WHERE b.id = v.series_id AND v.card_serial = $1 AND v.series_id = $2 AND v.no = $3 AND v.state = 2 AND v.purchase_id = $4`,
			p.serial, o.Budget, o.Voucher, p.id)
		if err != nil {
			return fmt.Errorf("purchase: give voucher back: %w", err)
		}
		if tag.RowsAffected() != 1 {
			return fmt.Errorf("purchase: give voucher back: voucher %d of series %d is not the purchase's", o.Voucher, o.Budget)
		}
		if err := feed.Record(ctx, tx, feed.Change{Kind: feed.KindWallet, ObjectID: p.serial}); err != nil {
			return err
		}
	}
	return nil
}
