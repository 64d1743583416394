package settlement

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"unioncard/card/union/event"
	"unioncard/merchant"
	"unioncard/settlement/ledger"
)

// MaxAdjustmentFen bounds one adjustment: 1,000,000,000 yuan.
const MaxAdjustmentFen = 100_000_000_000

// maxReason is the longest reason, in characters.
const maxReason = 500

// Posting is what somebody posts to a merchant's balance.
type Posting struct {
	MerchantID int64
	OfficeID   int64 // the union that pays or takes back
	// Fen above 0 is owed to the merchant, below 0 taken off.
	Fen   int64
	Cause string // what led to it, as events are named: "difference", "dispute", "compensation"
	// Reason is read by the merchant: it stands in the statement for good.
	Reason string
	// Doc names the transfer; uuid.Nil lets Adjust make one. The same Doc twice is
	// refused by the table: a caller that may repeat itself hands its own in.
	Doc uuid.UUID
}

// check refuses what could not be posted: merchant.FieldErrors.
func (p *Posting) check() error {
	var bad merchant.FieldErrors
	if p.Fen == 0 || p.Fen > MaxAdjustmentFen || p.Fen < -MaxAdjustmentFen {
		bad.Add("fen", "调整金额不能是 0，也不能超过 10 亿元")
	}
	switch n := utf8.RuneCountInString(p.Reason); {
	case strings.TrimSpace(p.Reason) == "":
		bad.Add("reason", "请写明调整的原因，商家在结算单上看得到")
	case n > maxReason:
		bad.Add("reason", fmt.Sprintf("原因最多 %d 个字，现在有 %d 个", maxReason, n))
	}
	return bad.Err()
}

// Adjust posts to a merchant's balance on the present open business day, in the
// caller's transaction, and returns the adjustment's number. It will stand in the
// statement of that day. merchant.FieldErrors, merchant.ErrNotFound for a merchant or
// union that there is not. Adjust takes the locks of the open days; call it before
// locking rows that purchases lock too.
func Adjust(ctx context.Context, tx pgx.Tx, by merchant.By, p Posting) (id int64, err error) {
	if err := p.check(); err != nil {
		return 0, err
	}
	day, err := openDay(ctx, tx)
	if err != nil {
		return 0, err
	}
	var known bool
	err = tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM merchants WHERE id = $1) AND EXISTS (SELECT FROM unions WHERE id = $2)`,
		p.MerchantID, p.OfficeID).Scan(&known)
	if err != nil {
		return 0, fmt.Errorf("settlement.Adjust: %w", err)
	}
	if !known {
		return 0, merchant.ErrNotFound
	}
	if p.Doc == uuid.Nil {
		if p.Doc, err = uuid.NewV7(); err != nil {
			return 0, fmt.Errorf("settlement.Adjust: %w", err)
		}
	}
	err = tx.QueryRow(ctx, `INSERT INTO adjustments (merchant_id, business_day, office_id, fen, cause, reason, doc, posted_by)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id`,
		p.MerchantID, day.Date(), p.OfficeID, p.Fen, p.Cause, p.Reason, p.Doc, string(by.Actor)).Scan(&id)
	if err != nil {
		return 0, fmt.Errorf("settlement.Adjust: %w", err)
	}
	t := ledger.Transfer{MerchantID: p.MerchantID, Day: day, Doc: p.Doc, Kind: ledger.Adjusting,
		Debit: ledger.Adjustment(p.OfficeID), Credit: ledger.Merchant(p.MerchantID), Fen: p.Fen}
	if p.Fen < 0 {
		t.Debit, t.Credit, t.Fen = t.Credit, t.Debit, -p.Fen
	}
	if err := ledger.Post(ctx, tx, t); err != nil {
		return 0, err
	}
	return id, event.Record(ctx, tx, by.Actor, "statement.adjust", fmt.Sprintf("merchant:%d", p.MerchantID), by.Reason, nil,
		map[string]any{"adjustment": id, "fen": p.Fen, "cause": p.Cause, "day": day.String(), "office": p.OfficeID})
}
