package merchant

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// ErrContractChanged: somebody else changed the contract since it was read.
var ErrContractChanged = errors.New("merchant: contract changed meanwhile")

// ContractEdit is what may be changed of a contract while it is a draft.
type ContractEdit struct {
	ValidFrom   time.Time
	ValidUntil  time.Time     // exclusive
	RefundTail  time.Duration // how long after its end refunds are still taken
	FloorClause bool          // 随省条款
}

// EditContract changes a draft that is still at a version. MoveError once it is no
// draft any more, ErrContractChanged, InvalidError; FieldErrors as CheckLength. The merchant's row lock
// protects it.
func (s *Store) EditContract(ctx context.Context, by By, id, version int64, e ContractEdit) error {
	if !e.ValidFrom.Before(e.ValidUntil) {
		return &InvalidError{Field: "ValidUntil", Detail: "is not after ValidFrom"}
	}
	if e.RefundTail < 0 {
		return &InvalidError{Field: "RefundTail", Detail: "is negative"}
	}
	if err := CheckLength(e.ValidFrom, e.ValidUntil); err != nil {
		return err
	}
	return s.change(ctx, func(tx pgx.Tx) error {
		c, err := lockContract(ctx, tx, id, false)
		if err != nil {
			return err
		}
		if c.Status != ContractDraft {
			return &MoveError{Object: contractObject(id), From: string(c.Status), Action: "edit"}
		}
		if c.Version != version {
			return ErrContractChanged
		}
		before := editState(c)
		c.ValidFrom, c.ValidUntil, c.RefundUntil = e.ValidFrom, e.ValidUntil, e.ValidUntil.Add(e.RefundTail)
		c.FloorClause = e.FloorClause
		if _, err := tx.Exec(ctx, `UPDATE contracts SET floor_clause = $2 WHERE id = $1`, id, e.FloorClause); err != nil {
			return fmt.Errorf("merchant: edit contract: %w", err)
		}
		if err := saveContract(ctx, tx, c); err != nil {
			return err
		}
		return record(ctx, tx, by, "contract.edit", contractObject(id), before, editState(c), c.changed())
	})
}

func editState(c *Contract) map[string]any {
	return map[string]any{"from": c.ValidFrom, "until": c.ValidUntil, "refund_until": c.RefundUntil, "floor_clause": c.FloorClause}
}
