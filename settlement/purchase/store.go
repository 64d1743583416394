package purchase

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"unioncard/card"
	"unioncard/merchant/terms"
)

// stored is a purchase as the database has it.
type stored struct {
	merchant   int64
	id         uuid.UUID
	terminal   int64
	key        string
	hash       []byte
	state      State
	outlet     int64
	contract   int64
	floor      int64
	serial     int64
	kind       card.CodeKind
	amount     int64 // fen, as all that follow
	discount   int64
	unionShare int64
	returned   int64
	givenBack  int64
	refundMode int16
	applied    []storedOffer
	lines      []storedLine
	ref        string
	day        day
	at         time.Time
}

type storedOffer struct {
	Offer    string         `json:"offer"`
	Fen      int64          `json:"fen"`
	UnionFen int64          `json:"union_fen"`
	Budget   int64          `json:"budget"`  // that pays UnionFen, 0 for none
	Voucher  int16          `json:"voucher"` // its number, 0 for none
	Periods  []storedPeriod `json:"periods"`
}

// storedPeriod is a period by its number, as in usage.period.
type storedPeriod uint8

type storedLine struct {
	QtyMilli    int64 `json:"qty_milli"`
	AmountFen   int64 `json:"amount_fen"`
	DiscountFen int64 `json:"discount_fen"`
}

const storedColumns = `merchant_id, id, terminal_id, idem_key, request_hash, state, outlet_id, contract_id, floor_id,
	card_serial, code_kind, amount_fen, discount_fen, union_share_fen, returned_fen, given_back_fen, refund_mode,
	applied, lines, coalesce(merchant_ref, ''), business_day - date '1970-01-01', committed_at`

// querier is what reading needs.
type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// findStored reads one purchase or tombstone; ErrNotFound if there is none,
// ErrOverloaded if the database is away.
func findStored(ctx context.Context, db querier, where string, args ...any) (*stored, error) {
	var p stored
	var applied, lines []byte
	err := db.QueryRow(ctx, `SELECT `+storedColumns+` FROM purchases WHERE `+where, args...).Scan(
		&p.merchant, &p.id, &p.terminal, &p.key, &p.hash, &p.state, &p.outlet, &p.contract, &p.floor,
		&p.serial, &p.kind, &p.amount, &p.discount, &p.unionShare, &p.returned, &p.givenBack, &p.refundMode,
		&applied, &lines, &p.ref, &p.day, &p.at)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, ErrNotFound
	}
	if err == nil {
		err = json.Unmarshal(applied, &p.applied)
	}
	if err == nil && lines != nil {
		err = json.Unmarshal(lines, &p.lines)
	}
	if err != nil {
		return nil, away(fmt.Errorf("purchase: read: %w", err))
	}
	p.at = p.at.UTC()
	return &p, nil
}

func purchaseByKey(ctx context.Context, db querier, merchantID, terminalID int64, key string) (*stored, error) {
	return findStored(ctx, db, `merchant_id = $1 AND terminal_id = $2 AND idem_key = $3`, merchantID, terminalID, key)
}

func purchaseByID(ctx context.Context, db querier, merchantID int64, id uuid.UUID) (*stored, error) {
	return findStored(ctx, db, `merchant_id = $1 AND id = $2`, merchantID, id)
}

// firstAnswer is what a repeated request under the purchase's key is told: the
// first answer, whatever happened to the purchase since, but never that a
// reversed one stands.
func (p *stored) firstAnswer(hash [16]byte) (Receipt, error) {
	switch {
	case p.state == StateTombstone:
		return Receipt{}, ErrKeyReversed
	case !bytes.Equal(p.hash, hash[:]):
		return Receipt{}, ErrKeyReused
	case p.state == StateReversed:
		return Receipt{}, ErrKeyReversed
	}
	r := p.receipt()
	r.State, r.ReturnedFen, r.GivenBackFen = StateCommitted, 0, 0
	r.Replayed = true
	return r, nil
}

// receipt is the purchase as it is now.
func (p *stored) receipt() Receipt {
	return Receipt{
		ID: p.id, State: p.state,
		AmountFen: p.amount, DiscountFen: p.discount, PayableFen: p.payable(),
		MerchantShareFen: p.discount - p.unionShare, UnionShareFen: p.unionShare,
		ReturnedFen: p.returned, GivenBackFen: p.givenBack,
		CommittedAt: p.at, Key: p.key, MerchantRef: p.ref, OutletID: p.outlet,
	}
}

// payable is what the member paid, in fen.
func (p *stored) payable() int64 { return p.amount - p.discount }

func (p storedPeriod) period() terms.Period { return terms.Period(p) }
