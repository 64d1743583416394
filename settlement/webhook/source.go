package webhook

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// envelope is the body of every message, as Standard Webhooks has it. Amounts are
// in fen, moments in RFC 3339.
type envelope struct {
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"` // of the event, not of its sending
	Data      any       `json:"data"`
}

func bodyOf(kind string, at time.Time, data any) (string, error) {
	b, err := json.Marshal(envelope{kind, at.UTC().Truncate(time.Millisecond), data})
	if err != nil {
		return "", fmt.Errorf("webhook: body: %w", err)
	}
	return string(b), nil
}

// purchaseData is a purchase as it was committed, whatever happened to it since.
type purchaseData struct {
	PurchaseID       uuid.UUID `json:"purchase_id"`
	MerchantRef      string    `json:"merchant_ref,omitempty"`
	OutletID         int64     `json:"outlet_id"`
	BusinessDay      string    `json:"business_day"`
	AmountFen        int64     `json:"amount_fen"`
	DiscountFen      int64     `json:"discount_fen"`
	PayableFen       int64     `json:"payable_fen"`
	MerchantShareFen int64     `json:"merchant_share_fen"`
	UnionShareFen    int64     `json:"union_share_fen"`
}

const purchasesSQL = `SELECT v.id, p.id, coalesce(p.merchant_ref, ''), p.outlet_id, p.business_day, p.committed_at,
	  p.amount_fen, p.discount_fen, p.union_share_fen
	FROM unnest($1::bigint[], $2::uuid[]) AS v (id, first)
	JOIN webhook_endpoints e ON e.id = v.id AND 'purchase.committed' = ANY(e.events)
	CROSS JOIN LATERAL (SELECT * FROM purchases p
	  WHERE p.merchant_id = e.merchant_id AND p.id >= v.first AND p.state <> 9 AND p.committed_at >= e.since
	    AND NOT EXISTS (SELECT FROM webhook_messages m WHERE m.endpoint_id = e.id AND m.event_id = 'purchase-' || p.id)
	  ORDER BY p.id LIMIT $3) p ORDER BY v.id, p.id`

func purchasesOf(ctx context.Context, tx pgx.Tx, list []reading) ([]found, error) {
	ids, _, firsts := columns(list)
	rows, err := tx.Query(ctx, purchasesSQL, ids, firsts, eventsATurn)
	if err != nil {
		return nil, fmt.Errorf("webhook: purchases: %w", err)
	}
	var out []found
	var d purchaseData
	var day, at time.Time
	f := found{kind: "purchase.committed"}
	_, err = pgx.ForEachRow(rows, []any{&f.endpoint, &d.PurchaseID, &d.MerchantRef, &d.OutletID, &day, &at,
		&d.AmountFen, &d.DiscountFen, &d.UnionShareFen}, func() (err error) {
		d.BusinessDay = day.Format(time.DateOnly)
		d.PayableFen, d.MerchantShareFen = d.AmountFen-d.DiscountFen, d.DiscountFen-d.UnionShareFen
		f.id, f.at = "purchase-"+d.PurchaseID.String(), at
		if f.body, err = bodyOf(f.kind, at, d); err == nil {
			out = append(out, f)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("webhook: purchases: %w", err)
	}
	return out, nil
}

// undoData is one undoing of a purchase. Returned is money to the member,
// discount_back what was taken back of the discount with it.
type undoData struct {
	PurchaseID      uuid.UUID `json:"purchase_id"`
	MerchantRef     string    `json:"merchant_ref,omitempty"`
	OutletID        int64     `json:"outlet_id"`
	BusinessDay     string    `json:"business_day"` // of the undoing
	Seq             int32     `json:"seq"`
	ReturnedFen     int64     `json:"returned_fen"`
	DiscountBackFen int64     `json:"discount_back_fen"`
	UnionBackFen    int64     `json:"union_back_fen"`
	// Adjustment: the purchase's business day was closed before.
	Adjustment bool `json:"adjustment"`
}

const undosSQL = `SELECT v.id, u.type, u.purchase_id, coalesce(p.merchant_ref, ''), p.outlet_id, u.business_day, u.at, u.seq,
	  u.returned_fen, u.given_back_fen, u.union_back_fen, u.adjustment
	FROM unnest($1::bigint[], $2::timestamptz[]) AS v (id, at)
	JOIN webhook_endpoints e ON e.id = v.id
	CROSS JOIN LATERAL (SELECT u.*, 'purchase.' || CASE u.kind WHEN 1 THEN 'voided' WHEN 2 THEN 'reversed' ELSE 'refunded' END AS type
	  FROM purchase_undos u
	  WHERE u.merchant_id = e.merchant_id AND u.at >= greatest(v.at, e.since)
	    AND 'purchase.' || CASE u.kind WHEN 1 THEN 'voided' WHEN 2 THEN 'reversed' ELSE 'refunded' END = ANY(e.events)
	    AND NOT EXISTS (SELECT FROM webhook_messages m WHERE m.endpoint_id = e.id AND m.event_id = 'purchase-' || u.purchase_id || '-' || u.seq)
	    AND EXISTS (SELECT FROM purchases p WHERE p.merchant_id = u.merchant_id AND p.id = u.purchase_id AND p.state <> 9)
	  ORDER BY u.at, u.purchase_id, u.seq LIMIT $3) u
	JOIN purchases p ON p.merchant_id = u.merchant_id AND p.id = u.purchase_id
	ORDER BY v.id, u.at, u.purchase_id, u.seq`

func undosOf(ctx context.Context, tx pgx.Tx, list []reading) ([]found, error) {
	ids, from, _ := columns(list)
	rows, err := tx.Query(ctx, undosSQL, ids, from, eventsATurn)
	if err != nil {
		return nil, fmt.Errorf("webhook: undos: %w", err)
	}
	var out []found
	var d undoData
	var f found
	var day time.Time
	_, err = pgx.ForEachRow(rows, []any{&f.endpoint, &f.kind, &d.PurchaseID, &d.MerchantRef, &d.OutletID, &day, &f.at, &d.Seq,
		&d.ReturnedFen, &d.DiscountBackFen, &d.UnionBackFen, &d.Adjustment}, func() (err error) {
		d.BusinessDay = day.Format(time.DateOnly)
		f.id = fmt.Sprintf("purchase-%s-%d", d.PurchaseID, d.Seq)
		if f.body, err = bodyOf(f.kind, f.at, d); err == nil {
			out = append(out, f)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("webhook: undos: %w", err)
	}
	return out, nil
}
