package signing

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"unioncard/card/union/event"
	"unioncard/merchant"
	"unioncard/merchant/file"
)

// stampedKind is the kind of a scan that the merchant stamped and sent in.
const stampedKind = "merchant_signature"

// Stamp takes the merchant's scan of the agreement that was approved, stamped by the
// merchant alone: the office adds its own stamp and sends in the whole (Sign). code is
// what stands at the foot of the paper. merchant.ErrNotFound for another merchant's
// contract, merchant.FieldErrors, ErrNotApproved, ErrStale. The approval's row lock
// keeps it apart from Sign and Publish.
func (c *Contracts) Stamp(ctx context.Context, by merchant.By, merchantID, contract int64, code string, scan *file.Clean) error {
	return change(ctx, c.db, func(tx pgx.Tx) error {
		s, err := c.standing(ctx, tx, contract, " FOR UPDATE OF p")
		if err != nil {
			return err
		}
		switch {
		case s.Contract.MerchantID != merchantID:
			return merchant.ErrNotFound
		case s.Outdated:
			return ErrStale
		case s.Approved == nil || s.Waiting != nil:
			return ErrNotApproved
		}
		if strings.ToLower(strings.TrimSpace(code)) != s.Agreement.Code() {
			return merchant.FieldErrors{{Field: "code", Message: "与批准的协议不符：请核对纸面页脚“核验码”的后 8 位；若纸面是改动前打印的，请重新打印盖章。"}}
		}
		f, err := c.files.PutClean(ctx, tx, by, contractObject(contract), stampedKind, scan)
		if err != nil {
			return err
		}
		return event.Record(ctx, tx, by.Actor, "contract.stamp", contractObject(contract), fmt.Sprintf("%s（提请 %d）", by.Reason, s.Approved.ID), nil,
			map[string]any{"proposal": s.Approved.ID, "file": f.ID, "terms_sha256": s.Agreement.TermsSHA256})
	})
}

// Stamped are the scans that the merchant sent in, the oldest first.
func (c *Contracts) Stamped(ctx context.Context, contract int64) ([]file.File, error) {
	all, err := c.files.List(ctx, contractObject(contract))
	if err != nil {
		return nil, err
	}
	var out []file.File
	for _, f := range all {
		if f.Kind == stampedKind {
			out = append(out, f)
		}
	}
	return out, nil
}
