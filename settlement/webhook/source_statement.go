package webhook

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/settlement"
	"unioncard/settlement/ledger"
)

// statementData is a statement as it was closed. Due is what the union owes of the
// day; opening + due - paid = closing.
type statementData struct {
	StatementID      int64  `json:"statement_id"`
	Number           string `json:"number"`
	BusinessDay      string `json:"business_day"`
	Purchases        int64  `json:"purchases"`
	GrossFen         int64  `json:"gross_fen"`
	DiscountFen      int64  `json:"discount_fen"`
	MerchantShareFen int64  `json:"merchant_share_fen"`
	UnionShareFen    int64  `json:"union_share_fen"`
	AdjustedFen      int64  `json:"adjusted_fen"`
	OpeningFen       int64  `json:"opening_fen"`
	DueFen           int64  `json:"due_fen"`
	PaidFen          int64  `json:"paid_fen"`
	ClosingFen       int64  `json:"closing_fen"`
	ConfirmBy        string `json:"confirm_by"`
	SHA256           string `json:"sha256"` // of the statement's bytes
}

// Days close soon after they are over, and one after another; a statement is looked
// for among those of this many days before the moment that is read from.
const closeLag = 60

const statementsSQL = `SELECT v.id, s.id, s.merchant_id, s.business_day - date '1970-01-01', s.closed_at, s.purchases, s.gross_fen, s.discount_fen,
	  s.merchant_share_fen, s.union_share_fen, s.adjusted_fen, s.opening_fen, s.due_fen, s.paid_fen, s.closing_fen, s.confirm_by, s.sha256
	FROM unnest($1::bigint[], $2::timestamptz[]) AS v (id, at)
	JOIN webhook_endpoints e ON e.id = v.id AND 'statement.closed' = ANY(e.events)
	CROSS JOIN LATERAL (SELECT * FROM statements s
	  WHERE s.merchant_id = e.merchant_id AND s.business_day >= (v.at AT TIME ZONE 'Asia/Shanghai')::date - $4::integer
	    AND s.closed_at >= greatest(v.at, e.since)
	    AND NOT EXISTS (SELECT FROM webhook_messages m WHERE m.endpoint_id = e.id AND m.event_id = 'statement-' || s.id)
	  ORDER BY s.business_day LIMIT $3) s
	ORDER BY v.id, s.business_day`

func statementsOf(ctx context.Context, tx pgx.Tx, list []reading) ([]found, error) {
	ids, from, _ := columns(list)
	rows, err := tx.Query(ctx, statementsSQL, ids, from, eventsATurn, closeLag)
	if err != nil {
		return nil, fmt.Errorf("webhook: statements: %w", err)
	}
	var out []found
	var d statementData
	var merchant int64
	var day ledger.Day
	var confirm time.Time
	var sum []byte
	f := found{kind: "statement.closed"}
	_, err = pgx.ForEachRow(rows, []any{&f.endpoint, &d.StatementID, &merchant, &day, &f.at, &d.Purchases, &d.GrossFen, &d.DiscountFen,
		&d.MerchantShareFen, &d.UnionShareFen, &d.AdjustedFen, &d.OpeningFen, &d.DueFen, &d.PaidFen, &d.ClosingFen, &confirm, &sum}, func() (err error) {
		d.Number, d.BusinessDay = settlement.Number(day, merchant), day.String()
		d.ConfirmBy, d.SHA256 = confirm.Format(time.DateOnly), hex.EncodeToString(sum)
		f.id = fmt.Sprintf("statement-%d", d.StatementID)
		if f.body, err = bodyOf(f.kind, f.at, d); err == nil {
			out = append(out, f)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("webhook: statements: %w", err)
	}
	return out, nil
}

// paidData is one statement of a payment that the bank has carried out.
type paidData struct {
	StatementID int64  `json:"statement_id"`
	Number      string `json:"number"`
	BusinessDay string `json:"business_day"`
	DueFen      int64  `json:"due_fen"`
	// Payment is the batch, PaymentFen what the merchant was paid with it, of all its
	// statements in it.
	Payment    string `json:"payment"`
	PaymentFen int64  `json:"payment_fen"`
}

const paidSQL = `SELECT v.id, s.id, s.merchant_id, s.business_day - date '1970-01-01', s.due_fen, s.payment_id, s.fen, s.answered_at
	FROM unnest($1::bigint[], $2::timestamptz[]) AS v (id, at)
	JOIN webhook_endpoints e ON e.id = v.id AND 'statement.paid' = ANY(e.events)
	CROSS JOIN LATERAL (SELECT s.*, l.fen, l.answered_at FROM payment_lines l
	    JOIN statements s ON s.payment_id = l.payment_id AND s.merchant_id = l.merchant_id
	  WHERE l.merchant_id = e.merchant_id AND l.state = 'paid' AND l.answered_at >= greatest(v.at, e.since)
	    AND NOT EXISTS (SELECT FROM webhook_messages m WHERE m.endpoint_id = e.id AND m.event_id = 'statement-' || s.id || '-paid-' || s.payment_id)
	  ORDER BY l.answered_at, s.business_day LIMIT $3) s
	ORDER BY v.id, s.answered_at, s.business_day`

func paidOf(ctx context.Context, tx pgx.Tx, list []reading) ([]found, error) {
	ids, from, _ := columns(list)
	rows, err := tx.Query(ctx, paidSQL, ids, from, eventsATurn)
	if err != nil {
		return nil, fmt.Errorf("webhook: payments: %w", err)
	}
	var out []found
	var d paidData
	var merchant, payment int64
	var day ledger.Day
	f := found{kind: "statement.paid"}
	_, err = pgx.ForEachRow(rows, []any{&f.endpoint, &d.StatementID, &merchant, &day, &d.DueFen, &payment, &d.PaymentFen, &f.at}, func() (err error) {
		d.Number, d.BusinessDay, d.Payment = settlement.Number(day, merchant), day.String(), settlement.PaymentNumber(payment)
		f.id = fmt.Sprintf("statement-%d-paid-%d", d.StatementID, payment)
		if f.body, err = bodyOf(f.kind, f.at, d); err == nil {
			out = append(out, f)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("webhook: payments: %w", err)
	}
	return out, nil
}
