package recon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"unioncard/card/personal"
	"unioncard/card/union/event"
	"unioncard/card/union/staff"
	"unioncard/merchant"
	"unioncard/merchant/account"
	"unioncard/merchant/signing"
	"unioncard/settlement"
)

// MaxReason is the longest reason or note, in letters.
const MaxReason = 300

func checkText(field, text, missing string) error {
	switch n := utf8.RuneCountInString(text); {
	case strings.TrimSpace(text) == "":
		return fault(field, missing)
	case n > MaxReason:
		return fault(field, fmt.Sprintf("最多 %d 个字，现在有 %d 个", MaxReason, n))
	case personal.Mentioned(text): // it is kept in plain, and in the log of events
		return fault(field, "不要写身份证号或手机号，写收银单号就能查到")
	}
	return nil
}

// locked is an open difference that is being settled.
type locked struct {
	id, caseID, merchantID, officeID int64
	kind                             Kind
	why                              Why
	state                            State
	version                          int64
	purchase                         *uuid.UUID
	their, ours                      *int64
	discount, paid                   *int64
	booked                           int64
}

// lock locks a difference and, before it, its reconciliation, as merging a new version
// does. merchantID is 0 for whoever works in the merchant's territory.
func lock(ctx context.Context, tx pgx.Tx, merchantID, id int64) (*locked, error) {
	d := &locked{id: id}
	err := tx.QueryRow(ctx, `SELECT r.id FROM recon_differences d JOIN reconciliations r ON r.id = d.reconciliation_id
		WHERE d.id = $1 AND ($2::bigint = 0 OR d.merchant_id = $2) AND r.dropped_at IS NULL FOR UPDATE OF r`, id, merchantID).Scan(&d.caseID)
	if err == nil {
		err = tx.QueryRow(ctx, `SELECT d.merchant_id, m.office_id, d.kind, d.why, d.state, d.version, d.purchase_id, d.their_fen, d.our_fen,
				d.their_discount_fen, d.their_paid_fen, d.booked_fen
			FROM recon_differences d JOIN merchants m ON m.id = d.merchant_id WHERE d.id = $1 FOR UPDATE OF d`, id).
			Scan(&d.merchantID, &d.officeID, &d.kind, &d.why, &d.state, &d.version, &d.purchase, &d.their, &d.ours, &d.discount, &d.paid, &d.booked)
	}
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, merchant.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("recon: lock difference: %w", err)
	}
	return d, nil
}

// close settles a locked difference that is open as its version was seen; version 0
// is any.
func (d *locked) close(ctx context.Context, tx pgx.Tx, to State, by event.Actor, reason string, version int64, now time.Time, fen int64, doc *uuid.UUID) error {
	if d.state != Open || version != 0 && version != d.version {
		return ErrMovedOn
	}
	_, err := tx.Exec(ctx, `UPDATE recon_differences SET state = $2, reason = $3, settled_by = $4, settled_at = $5, version = version + 1,
		booked_fen = booked_fen + $6, doc = coalesce($7, doc) WHERE id = $1`, d.id, to, reason, string(by), now, fen, doc)
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.ConstraintName == "one_booking" {
		return ErrBookedElsewhere
	}
	if err != nil {
		return fmt.Errorf("recon: settle difference: %w", err)
	}
	if !strings.HasPrefix(string(by), "merchant:") { // its own doing is no news to it
		err := account.Notify(ctx, tx, d.merchantID, account.Notice{Kind: "difference.settled", For: account.Money,
			Text: fmt.Sprintf("工会处理了对账差异 %d：%s", d.id, bounded(reason, 100)), URL: fmt.Sprintf("/portal/differences/%d", d.id)})
		if err != nil {
			return err
		}
	}
	return settle(ctx, tx, d.caseID, now)
}

// Explain keeps what the merchant says about an open difference; it may be said anew.
// merchant.ErrNotFound, merchant.FieldErrors, ErrMovedOn.
func (s *Store) Explain(ctx context.Context, merchantID, id int64, by event.Actor, note string) error {
	if err := checkText("note", note, "请写明情况，例如“当时断网，手工记账”"); err != nil {
		return err
	}
	return merchant.InTx(ctx, s.db, "recon", func(tx pgx.Tx) error {
		d, err := lock(ctx, tx, merchantID, id)
		if err != nil {
			return err
		}
		if d.state != Open {
			return ErrMovedOn
		}
		_, err = tx.Exec(ctx, `UPDATE recon_differences SET note = $2, noted_by = $3, noted_at = $4, version = version + 1 WHERE id = $1`, id, note, string(by), s.now())
		if err != nil {
			return fmt.Errorf("recon: explain: %w", err)
		}
		return event.Record(ctx, tx, by, "difference.explain", object(id), note, nil, map[string]any{"kind": d.kind})
	})
}

// Reject settles an open difference without money: this service's record stands. The
// merchant may say so itself, but not where money stays posted to it (a fault); finance
// may of merchants in its territory (merchantID 0). version is what its page
// showed. merchant.ErrNotFound, merchant.FieldErrors, ErrMovedOn.
func (s *Store) Reject(ctx context.Context, merchantID, id int64, by event.Actor, reason string, version int64) error {
	if err := checkText("reason", reason, "请写明理由，对方看得到"); err != nil {
		return err
	}
	return merchant.InTx(ctx, s.db, "recon", func(tx pgx.Tx) error {
		d, err := lock(ctx, tx, merchantID, id)
		if err != nil {
			return err
		}
		if merchantID != 0 && d.why == Booked {
			return fault("reason", "这条已经入账，要由工会财务核对了结；请在“情况说明”里写明情况。")
		}
		if err := d.close(ctx, tx, Rejected, by, reason, version, s.now(), 0, nil); err != nil {
			return err
		}
		return event.Record(ctx, tx, by, "difference.reject", object(id), reason, map[string]any{"state": Open}, map[string]any{"state": Rejected})
	})
}

// Void settles an open difference of a sale that the merchant has meanwhile voided,
// reversed or refunded whole at its terminal; it is looked up. ErrNotUndone, and
// errors as Reject.
func (s *Store) Void(ctx context.Context, merchantID, id int64, by event.Actor, reason string, version int64) error {
	if err := checkText("reason", reason, "请写明理由，对方看得到"); err != nil {
		return err
	}
	return merchant.InTx(ctx, s.db, "recon", func(tx pgx.Tx) error {
		d, err := lock(ctx, tx, merchantID, id)
		if err != nil {
			return err
		}
		undone := false
		if d.purchase != nil && d.kind != Theirs {
			// 2 voided, 3 reversed, 5 refunded.
			err := tx.QueryRow(ctx, `SELECT state IN (2, 3, 5) FROM purchases WHERE merchant_id = $1 AND id = $2`, d.merchantID, *d.purchase).Scan(&undone)
			if err != nil {
				return fmt.Errorf("recon: void: %w", err)
			}
		}
		if !undone {
			return ErrNotUndone
		}
		if err := d.close(ctx, tx, Voided, by, reason, version, s.now(), 0, nil); err != nil {
			return err
		}
		return event.Record(ctx, tx, by, "difference.void", object(id), reason, map[string]any{"state": Open}, map[string]any{"state": Voided})
	})
}

// KindAccept is the proposal to settle a difference with money.
const KindAccept = "difference.accept"

// Settlement is what such a proposal proposes.
type Settlement struct {
	// To is Accepted (an offline sale, the union pays its share) or Adjusted.
	To State `json:"to"`
	// Fen is owed to the merchant, below 0 by it. Of an accepted sale it may be 0: the
	// merchant bore the discount.
	Fen int64 `json:"fen"`
}

// Object is a difference as proposals name it.
func Object(id int64) string { return object(id) }

// check refuses what a difference can't be settled by.
func (p *Settlement) check(d *locked) error {
	abs := func(v *int64) int64 {
		if v == nil {
			return 0
		}
		return max(*v, -*v)
	}
	largest := max(abs(d.their), abs(d.ours), abs(d.paid)+abs(d.discount), abs(&d.booked))
	switch p.To {
	case Accepted:
		most := largest
		if d.discount != nil {
			most = abs(d.discount)
		}
		switch {
		case d.kind != Theirs || d.why == Booked:
			return fault("to", "只有商家有、本系统没有的交易，才能按线下销售认可")
		case d.why == WrongDay || d.why == Duplicate: // its discount is in a statement
			return fault("to", "这笔在本系统里已有记录，优惠已经结算，不能再按线下销售认可")
		case d.their != nil && *d.their < 0 || d.paid != nil && *d.paid < 0:
			return fault("to", "退款不能按线下销售认可，请按金额调整")
		case p.Fen < 0 || p.Fen > most:
			return fault("fen", fmt.Sprintf("工会承担的金额要在 0 到 %s 元之间，不能超过这笔的优惠", yuan(most)))
		}
	case Adjusted:
		if p.Fen == 0 || p.Fen > largest || p.Fen < -largest {
			return fault("fen", fmt.Sprintf("调整金额不能是 0，最多 %s 元：正数是补给商家，负数是从商家扣回", yuan(largest)))
		}
	default:
		return fault("to", "请选择处理办法")
	}
	return nil
}

// Kind is the kind of proposal that settles a difference with money: finance proposes,
// a second person approves, and the money is posted in the approval's transaction.
func (s *Store) Kind() signing.Kind {
	read := func(ctx context.Context, tx pgx.Tx, object string, payload json.RawMessage) (*locked, *Settlement, error) {
		id, ok := signing.ObjectID(object, "difference")
		if !ok {
			return nil, nil, fmt.Errorf("recon: proposal about %q", object)
		}
		var p Settlement
		if err := json.Unmarshal(payload, &p); err != nil {
			return nil, nil, fmt.Errorf("recon: payload: %w", err)
		}
		d, err := lock(ctx, tx, 0, id)
		return d, &p, err
	}
	return signing.Kind{
		Name: KindAccept, Title: "认可对账差异", Right: staff.WriteMoney,
		Check: func(ctx context.Context, tx pgx.Tx, object string, payload json.RawMessage) error {
			d, p, err := read(ctx, tx, object, payload)
			if err != nil {
				return err
			}
			if d.state != Open {
				return ErrMovedOn
			}
			return p.check(d)
		},
		Fingerprint: func(ctx context.Context, tx pgx.Tx, object string, payload json.RawMessage) (string, error) {
			d, _, err := read(ctx, tx, object, payload)
			if err != nil {
				return "", err
			}
			return fmt.Sprintf("%s version %d of merchant %d, office %d", d.state, d.version, d.merchantID, d.officeID), nil
		},
		Apply: func(ctx context.Context, tx pgx.Tx, by merchant.By, p *signing.Proposal) error {
			d, do, err := read(ctx, tx, p.Object, p.Payload)
			if err != nil {
				return err
			}
			return s.book(ctx, tx, by, d, do, p.Reason)
		},
	}
}

// book settles a difference with money.
func (s *Store) book(ctx context.Context, tx pgx.Tx, by merchant.By, d *locked, do *Settlement, reason string) error {
	if err := do.check(d); err != nil {
		return err
	}
	var doc *uuid.UUID
	if do.Fen != 0 {
		id, err := newDoc()
		if err != nil {
			return err
		}
		doc = &id
		if _, err := settlement.Adjust(ctx, tx, by, settlement.Posting{MerchantID: d.merchantID, OfficeID: d.officeID, Fen: do.Fen,
			Cause: "difference", Reason: bounded(fmt.Sprintf("对账差异 %d：%s", d.id, reason), MaxReason), Doc: id}); err != nil {
			return err
		}
	}
	if err := d.close(ctx, tx, do.To, by.Actor, reason, 0, s.now(), do.Fen, doc); err != nil {
		return err
	}
	action := "difference.adjust"
	if do.To == Accepted {
		action = "difference.accept"
	}
	return event.Record(ctx, tx, by.Actor, action, object(d.id), by.Reason, map[string]any{"state": Open},
		map[string]any{"state": do.To, "fen": do.Fen, "doc": doc})
}
