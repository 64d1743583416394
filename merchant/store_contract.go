package merchant

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card/feed"
)

// NewContract is what drawing up a contract needs.
type NewContract struct {
	MerchantID  int64
	OutletID    int64  // 0: the whole merchant
	OfficeID    int64  // the union whose office signs
	Trade       Trade  // "" or the merchant's: a contract can't choose its floors
	Brand       string // "": the merchant's; free only if the merchant has none
	ValidFrom   time.Time
	ValidUntil  time.Time     // exclusive
	RefundTail  time.Duration // how long after its end refunds are still taken
	FloorClause bool          // 随省条款
}

// CreateContract draws up a contract as a draft and returns its id. It covers
// nothing and earns nothing before ActivateContract. The merchant's row lock
// keeps it apart from the merchant's leaving. InvalidError; FieldErrors as CheckLength.
func (s *Store) CreateContract(ctx context.Context, by By, n NewContract) (int64, error) {
	if !n.ValidFrom.Before(n.ValidUntil) {
		return 0, &InvalidError{Field: "ValidUntil", Detail: "is not after ValidFrom"}
	}
	if n.RefundTail < 0 {
		return 0, &InvalidError{Field: "RefundTail", Detail: "is negative"}
	}
	if err := CheckLength(n.ValidFrom, n.ValidUntil); err != nil {
		return 0, err
	}
	var id int64
	err := s.change(ctx, func(tx pgx.Tx) error {
		m, err := lockMerchant(ctx, tx, n.MerchantID)
		if err != nil {
			return err
		}
		if m.Status == MerchantExited {
			return ErrMerchantExited
		}
		if err := bindToMerchant(m, &n); err != nil {
			return err
		}
		if err := checkOffice(ctx, tx, n.OfficeID); err != nil {
			return err
		}
		err = tx.QueryRow(ctx, `INSERT INTO contracts
			(merchant_id, outlet_id, office_id, trade, brand, status, valid, refund_until, floor_clause)
			VALUES ($1, nullif($2::bigint, 0), $3, $4, $5, 'draft', tstzrange($6, $7), $8, $9) RETURNING id`,
			n.MerchantID, n.OutletID, n.OfficeID, n.Trade, n.Brand, n.ValidFrom, n.ValidUntil,
			n.ValidUntil.Add(n.RefundTail), n.FloorClause).Scan(&id)
		if violates(err, "contracts_merchant_id_outlet_id_fkey") {
			return ErrNotFound // another merchant's outlet
		}
		if err != nil {
			return fmt.Errorf("merchant: create contract: %w", err)
		}
		return record(ctx, tx, by, "contract.create", contractObject(id), nil, map[string]any{
			"merchant": n.MerchantID, "outlet": n.OutletID, "office": n.OfficeID, "trade": n.Trade, "brand": n.Brand,
			"status": ContractDraft, "from": n.ValidFrom, "until": n.ValidUntil, "floor_clause": n.FloorClause,
		}, feed.Change{Kind: feed.KindContract, ObjectID: id, Version: 1})
	})
	return id, err
}

// bindToMerchant fills in the trade and brand of a new contract. They decide which
// floors bind it, so they are the merchant's.
func bindToMerchant(m *Merchant, n *NewContract) error {
	if n.Trade == "" {
		n.Trade = m.Trade
	}
	if n.Trade != m.Trade {
		return &InvalidError{Field: "Trade", Detail: "is not the merchant's"}
	}
	if n.Brand == "" {
		n.Brand = m.Brand
	}
	if m.Brand != "" && n.Brand != m.Brand {
		return &InvalidError{Field: "Brand", Detail: "is not the merchant's"}
	}
	return nil
}

// checkOffice refuses a union without an office: those of a province, a city or a
// county sign contracts.
func checkOffice(ctx context.Context, tx pgx.Tx, id int64) error {
	var kind string
	err := tx.QueryRow(ctx, `SELECT CASE WHEN merged_into IS NULL THEN kind ELSE 'merged' END FROM unions WHERE id = $1`, id).Scan(&kind)
	switch err = found("office", err); {
	case errors.Is(err, ErrNotFound):
		return &InvalidError{Field: "OfficeID", Detail: "does not exist"}
	case err != nil:
		return err
	case kind != "province" && kind != "city" && kind != "county":
		return &InvalidError{Field: "OfficeID", Detail: "is no office: only province, city and county unions sign contracts"}
	}
	return nil
}

func contractObject(id int64) string { return "contract:" + strconv.FormatInt(id, 10) }

const contractSQL = `SELECT id, merchant_id, coalesce(outlet_id, 0), office_id, trade, brand, status,
	lower(valid), upper(valid), refund_until, floor_clause, version FROM contracts`

func scanContract(row pgx.CollectableRow) (*Contract, error) {
	var c Contract
	err := row.Scan(&c.ID, &c.MerchantID, &c.OutletID, &c.OfficeID, &c.Trade, &c.Brand, &c.Status,
		&c.ValidFrom, &c.ValidUntil, &c.RefundUntil, &c.FloorClause, &c.Version)
	return &c, err
}

func readContract(ctx context.Context, tx pgx.Tx, id int64) (*Contract, error) {
	rows, err := tx.Query(ctx, contractSQL+` WHERE id = $1`, id)
	if err != nil {
		return nil, fmt.Errorf("merchant: contract: %w", err)
	}
	c, err := pgx.CollectExactlyOneRow(rows, scanContract)
	if err != nil {
		return nil, found("contract", err)
	}
	return c, nil
}

// lockContract locks the merchant of a contract and then reads the contract,
// which by the rule of lockMerchant stays as it is until the transaction ends.
// With floors set, the floors that bind it are held first.
func lockContract(ctx context.Context, tx pgx.Tx, id int64, floors bool) (*Contract, error) {
	c, err := readContract(ctx, tx, id) // merchant, trade and brand never change
	if err != nil {
		return nil, err
	}
	if floors {
		if err := holdFloors(ctx, tx, c.Trade, c.Brand); err != nil {
			return nil, err
		}
	}
	if _, err := lockMerchant(ctx, tx, c.MerchantID); err != nil {
		return nil, err
	}
	return readContract(ctx, tx, id)
}

// saveContract writes the parts of a contract that change and raises its version.
func saveContract(ctx context.Context, tx pgx.Tx, c *Contract) error {
	err := tx.QueryRow(ctx, `UPDATE contracts SET status = $2, valid = tstzrange($3, $4), refund_until = $5,
		version = version + 1 WHERE id = $1 RETURNING version`,
		c.ID, c.Status, c.ValidFrom, c.ValidUntil, c.RefundUntil).Scan(&c.Version)
	if err != nil {
		return fmt.Errorf("merchant: save contract: %w", err)
	}
	return nil
}

// contractState is what events tell of a contract.
type contractState struct {
	Status ContractStatus `json:"status"`
	Until  time.Time      `json:"until"`
}

func (c *Contract) state() contractState { return contractState{c.Status, c.ValidUntil} }

func (c *Contract) changed() feed.Change {
	return feed.Change{Kind: feed.KindContract, ObjectID: c.ID, Version: c.Version}
}

// activated is what the event tells of a contract put in force.
type activated struct {
	contractState
	Below []int64 `json:"below,omitempty"` // outlets' own contracts that a chain's Terms outgrow
}

// ActivateContract puts a draft in force for its validity. From its start an
// outlet's own contract takes the outlet out of its merchant's contract. The
// Terms published on the draft are held against the floors once more, as the
// floors may have risen. For a province-signed chain the event lists in "below" the
// outlets' own contracts that its Terms outgrow, as PublishTerms does; no deadline
// runs. The floors' shared locks and the merchant's row lock
// protect it, one_contract_an_outlet stands behind. MoveError, OverlapError,
// BelowFloorError; InvalidError if no Terms have been published.
func (s *Store) ActivateContract(ctx context.Context, by By, id int64) error {
	return s.change(ctx, func(tx pgx.Tx) error {
		c, err := lockContract(ctx, tx, id, true)
		if err != nil {
			return err
		}
		before := c.state()
		if c.Status, err = next(contractMoves, contractObject(id), c.Status, "activate"); err != nil {
			return err
		}
		versions, err := readVersions(ctx, tx, id)
		if err != nil {
			return err
		}
		if len(versions) == 0 {
			return &InvalidError{Field: "contract", Detail: "has no published Terms"}
		}
		var below []int64
		for _, v := range versions {
			form, err := v.Doc.Compile()
			if err != nil {
				return fmt.Errorf("merchant: stored terms: %w", err)
			}
			if err := s.checkFloors(ctx, tx, c, form, v.period()); err != nil {
				return err
			}
			outgrown, err := belowChain(ctx, tx, c, v)
			if err != nil {
				return err
			}
			for _, b := range outgrown {
				below = append(below, b.ContractID)
			}
		}
		if err := saveContract(ctx, tx, c); err != nil {
			return err
		}
		if err := rederive(ctx, tx, c.MerchantID, c.OutletID); err != nil {
			return err
		}
		slices.Sort(below)
		after := activated{c.state(), slices.Compact(below)}
		return record(ctx, tx, by, "contract.activate", contractObject(id), before, after, c.changed())
	})
}

// SuspendContract stops a contract from earning, at once. The merchant's row
// lock protects it. MoveError if the contract is not in force.
func (s *Store) SuspendContract(ctx context.Context, by By, id int64) error {
	return s.change(ctx, func(tx pgx.Tx) error {
		c, err := lockContract(ctx, tx, id, false)
		if err != nil {
			return err
		}
		return suspendContract(ctx, tx, by, c)
	})
}

func suspendContract(ctx context.Context, tx pgx.Tx, by By, c *Contract) error {
	before := c.state()
	var err error
	if c.Status, err = next(contractMoves, contractObject(c.ID), c.Status, "suspend"); err != nil {
		return err
	}
	if err := saveContract(ctx, tx, c); err != nil {
		return err
	}
	return record(ctx, tx, by, "contract.suspend", contractObject(c.ID), before, c.state(), c.changed())
}

// ResumeContract ends a suspension; a contract under notice keeps its earlier
// end. It is refused with BelowFloorError while a renegotiation is overdue. The
// floors' shared locks and the merchant's row lock protect it. MoveError.
func (s *Store) ResumeContract(ctx context.Context, by By, id int64) error {
	return s.change(ctx, func(tx pgx.Tx) error {
		c, err := lockContract(ctx, tx, id, true)
		if err != nil {
			return err
		}
		before := c.state()
		if c.Status, err = next(contractMoves, contractObject(id), c.Status, "resume"); err != nil {
			return err
		}
		if err := refuseOverdue(ctx, tx, c, s.now()); err != nil {
			return err
		}
		if err := saveContract(ctx, tx, c); err != nil {
			return err
		}
		return record(ctx, tx, by, "contract.resume", contractObject(id), before, c.state(), c.changed())
	})
}

// EndContract ends a contract at a moment before its own end: at once if the
// moment is zero or not in the future, else under notice (status ending). What
// an outlet's own contract gives up goes back to the merchant's contract. The
// refund tail keeps its length. The merchant's row lock protects it. MoveError;
// InvalidError if the moment is not before the contract's end.
func (s *Store) EndContract(ctx context.Context, by By, id int64, at time.Time) error {
	return s.change(ctx, func(tx pgx.Tx) error {
		c, err := lockContract(ctx, tx, id, false)
		if err != nil {
			return err
		}
		before, now, action := c.state(), s.now(), "notice"
		if at.IsZero() || !at.After(now) {
			at, action = now, "end"
		}
		if c.Status, err = next(contractMoves, contractObject(id), c.Status, action); err != nil {
			return err
		}
		if action == "notice" && !(at.After(c.ValidFrom) && at.Before(c.ValidUntil)) {
			return &InvalidError{Field: "at", Detail: "is not within the contract's validity"}
		}
		if at.After(c.ValidFrom) && at.Before(c.ValidUntil) {
			c.RefundUntil = at.Add(c.RefundUntil.Sub(c.ValidUntil))
			c.ValidUntil = at
		}
		if err := saveContract(ctx, tx, c); err != nil {
			return err
		}
		if action == "end" {
			if err := cutCover(ctx, tx, id, at); err != nil {
				return err
			}
		}
		if err := rederive(ctx, tx, c.MerchantID, c.OutletID); err != nil {
			return err
		}
		return record(ctx, tx, by, "contract."+action, contractObject(id), before, c.state(), c.changed())
	})
}
