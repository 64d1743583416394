package budget

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"unioncard/card/union/staff"
	"unioncard/merchant"
	"unioncard/merchant/signing"
)

// The proposals by which a budget's money moves; their object is "budget:12".
const (
	ProposeOpen  = "budget.open"
	ProposeTopUp = "budget.topup"
	ProposeClose = "budget.close" // a series too
)

// TopUp is what a proposal to top a budget up holds.
type TopUp struct {
	Fen int64 `json:"fen"`
}

// Kinds are the proposals of this package, for signing.Options: finance proposes,
// another person approves, and the approval's transaction carries it out.
func (s *Store) Kinds() []signing.Kind {
	return []signing.Kind{
		{Name: ProposeOpen, Title: "启用补贴预算", Right: staff.WriteMoney, Fingerprint: Fingerprint,
			Check: func(ctx context.Context, tx pgx.Tx, object string, _ json.RawMessage) error {
				p, err := s.look(ctx, tx, object, "open", KindBudget)
				if err != nil {
					return err
				}
				return s.mayOpen(p, nil)
			},
			Apply: func(ctx context.Context, tx pgx.Tx, by merchant.By, p *signing.Proposal) error {
				return apply(p, func(id int64) error { return s.OpenTx(ctx, tx, by, id, 1) })
			}},
		{Name: ProposeTopUp, Title: "追加补贴预算", Right: staff.WriteMoney, Fingerprint: Fingerprint,
			Check: func(ctx context.Context, tx pgx.Tx, object string, payload json.RawMessage) error {
				var t TopUp
				if err := json.Unmarshal(payload, &t); err != nil {
					return fmt.Errorf("budget: payload: %w", err)
				}
				p, err := s.look(ctx, tx, object, "topup", KindBudget)
				if err != nil {
					return err
				}
				return p.mayTopUp(t.Fen)
			},
			Apply: func(ctx context.Context, tx pgx.Tx, by merchant.By, p *signing.Proposal) error {
				var t TopUp
				if err := p.Decode(&t); err != nil {
					return err
				}
				return apply(p, func(id int64) error { return s.TopUpTx(ctx, tx, by, id, t.Fen) })
			}},
		{Name: ProposeClose, Title: "结束补贴预算或消费券", Right: staff.WriteMoney, Fingerprint: Fingerprint,
			Check: func(ctx context.Context, tx pgx.Tx, object string, _ json.RawMessage) error {
				p, err := s.look(ctx, tx, object, "close", "")
				if err != nil {
					return err
				}
				return p.mayClose(ctx, tx)
			},
			Apply: func(ctx context.Context, tx pgx.Tx, by merchant.By, p *signing.Proposal) error {
				return apply(p, func(id int64) error { return s.CloseTx(ctx, tx, by, id) })
			}},
	}
}

func apply(p *signing.Proposal, f func(id int64) error) error {
	id, ok := signing.ObjectID(p.Object, "budget")
	if !ok {
		return merchant.ErrNotFound
	}
	return f(id)
}

// look locks the budget that a proposal is about and refuses one of another kind, and
// an action that it can't take now.
func (s *Store) look(ctx context.Context, tx pgx.Tx, object, what string, kind Kind) (*purse, error) {
	id, ok := signing.ObjectID(object, "budget")
	if !ok {
		return nil, merchant.ErrNotFound
	}
	if _, err := parentOf(ctx, tx, id); err != nil { // its lock comes before the series'
		return nil, err
	}
	p, err := lockPurse(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	if kind != "" && p.kind != kind {
		return nil, merchant.ErrNotFound
	}
	_, err = p.next(what)
	return p, err
}

// Fingerprint is a digest of what the maker and the checker of a proposal see of a
// budget or series. What is spent of it changes every second and is not part of it.
func Fingerprint(ctx context.Context, tx pgx.Tx, object string, _ json.RawMessage) (string, error) {
	id, ok := signing.ObjectID(object, "budget")
	if !ok {
		return "", merchant.ErrNotFound
	}
	var seen string
	err := tx.QueryRow(ctx, `SELECT concat_ws('|', b.id, b.office_id, b.parent_id, b.kind, b.name, b.state, b.first_day, b.last_day,
			b.trades, b.merchants, b.member_cap_fen, b.amount_fen,
			(SELECT ROW (v.face_fen, v.need_fen, v.packs, v.per_pack, v.stackable, extract(epoch FROM v.claim_from),
				extract(epoch FROM v.claim_until), v.territory)::text FROM voucher_series v WHERE v.budget_id = b.id))
		FROM budgets b WHERE b.id = $1`, id).Scan(&seen)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", merchant.ErrNotFound
	}
	if err != nil {
		return "", fmt.Errorf("budget: fingerprint: %w", err)
	}
	sum := sha256.Sum256([]byte(seen))
	return hex.EncodeToString(sum[:]), nil
}

// MayOpenTx is OpenTx's check alone, for the package that opens series: it locks the
// parent and the series.
func (s *Store) MayOpenTx(ctx context.Context, tx pgx.Tx, id int64) error {
	parent, err := parentOf(ctx, tx, id)
	if err != nil {
		return err
	}
	p, err := lockPurse(ctx, tx, id)
	if err != nil {
		return err
	}
	if _, err := p.next("open"); err != nil {
		return err
	}
	return s.mayOpen(p, parent)
}
