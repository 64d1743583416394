package budget

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"unioncard/merchant"
	"unioncard/settlement/ledger"
)

// moves is the state machine of a budget. Opening, topping up and closing take a
// second person (Kinds); freezing and its end do not, so that one who sees something
// wrong stops it at once.
var moves = []struct {
	from   Status
	action string
	to     Status
}{
	{Draft, "open", Open},
	{Open, "topup", Open},
	{Frozen, "topup", Frozen},
	{Open, "freeze", Frozen},
	{Frozen, "unfreeze", Open},
	{Open, "close", Closed},
	{Frozen, "close", Closed},
}

// next finds a move; *merchant.MoveError if there is none.
func (p *purse) next(action string) (Status, error) {
	for _, m := range moves {
		if m.from == p.status && m.action == action {
			return m.to, nil
		}
	}
	return "", &merchant.MoveError{Object: p.object(), From: string(p.status), Action: action}
}

// Freeze stops a budget from paying from the commit on; what is held of it stays.
// *merchant.MoveError, merchant.ErrNotFound. The budget's and its slices' locks keep
// purchases and other steps apart.
func (s *Store) Freeze(ctx context.Context, by merchant.By, id int64) error {
	return s.setStatus(ctx, by, id, "freeze")
}

// Unfreeze ends that. Errors and protection as Freeze.
func (s *Store) Unfreeze(ctx context.Context, by merchant.By, id int64) error {
	return s.setStatus(ctx, by, id, "unfreeze")
}

func (s *Store) setStatus(ctx context.Context, by merchant.By, id int64, what string) error {
	return s.change(ctx, func(tx pgx.Tx) error {
		p, err := lockPurse(ctx, tx, id)
		if err != nil {
			return err
		}
		was := p.status
		if p.status, err = p.next(what); err != nil {
			return err
		}
		if err := p.save(ctx, tx); err != nil {
			return err
		}
		return record(ctx, tx, by, action(p.kind, what), id, p.version, map[string]any{"state": was}, map[string]any{"state": p.status})
	})
}

// OpenTx opens a draft and puts its money in: a budget's from its office's fund, a
// series' out of its parent. unit is what the money is spent in, in fen: a voucher's
// face; 1 for a budget. merchant.FieldErrors for a period that is over, or a parent
// that is not open or has too little ("amount"); *merchant.MoveError.
func (s *Store) OpenTx(ctx context.Context, tx pgx.Tx, by merchant.By, id, unit int64) error {
	parent, err := parentOf(ctx, tx, id)
	if err != nil {
		return err
	}
	p, err := lockPurse(ctx, tx, id)
	if err != nil {
		return err
	}
	if p.status, err = p.next("open"); err != nil {
		return err
	}
	if err := s.mayOpen(p, parent); err != nil {
		return err
	}
	from, kind := ledger.Fund(p.office), ledger.Funding
	if parent != nil {
		from, kind = ledger.Budget(parent.id), ledger.Allocation
		parent.gather()
		parent.allocated += p.amount
		parent.spread(1)
		if err := parent.save(ctx, tx); err != nil {
			return err
		}
		if err := fed(ctx, tx, parent); err != nil {
			return err
		}
	}
	p.spread(unit)
	if err := p.save(ctx, tx); err != nil {
		return err
	}
	if err := post(ctx, tx, kind, from, ledger.Budget(id), p.amount); err != nil {
		return err
	}
	return record(ctx, tx, by, action(p.kind, "open"), id, p.version, map[string]any{"state": Draft},
		map[string]any{"state": p.status, "amount_fen": p.amount})
}

// mayOpen refuses a draft that can't be opened now.
func (s *Store) mayOpen(p, parent *purse) error {
	var bad merchant.FieldErrors
	if p.last < ledger.DayOf(s.now()) {
		bad.Add("last_day", "结束日期已经过去，请先改日期")
	}
	if parent == nil {
		return bad.Err()
	}
	switch {
	case parent.status != Open:
		bad.Add("parent", "出钱的预算没有启用，请先启用或解冻它")
	case p.first < parent.first || p.last > parent.last:
		bad.Add("last_day", fmt.Sprintf("使用日期要在预算的期限（%s 到 %s）之内", parent.first, parent.last))
	case parent.left() < p.amount:
		bad.Add("amount", fmt.Sprintf("预算只剩 %s 元，这批券要占用 %s 元。请减少份数，或先给预算追加", yuan(parent.left()), yuan(p.amount)))
	}
	return bad.Err()
}

// parentOf locks the budget that a series' money comes from, which comes before the
// series; nil for a budget.
func parentOf(ctx context.Context, tx pgx.Tx, id int64) (*purse, error) {
	var parent int64
	err := tx.QueryRow(ctx, `SELECT coalesce(parent_id, 0) FROM budgets WHERE id = $1`, id).Scan(&parent)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, merchant.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("budget: parent: %w", err)
	}
	if parent == 0 {
		return nil, nil
	}
	return lockPurse(ctx, tx, parent)
}

// TopUpTx puts more of the office's money into an open or frozen budget. A series
// has a fixed number of vouchers and takes none: *merchant.MoveError.
// merchant.FieldErrors on "amount" for what is none or would be more than MaxFen.
func (s *Store) TopUpTx(ctx context.Context, tx pgx.Tx, by merchant.By, id, fen int64) error {
	p, err := lockPurse(ctx, tx, id)
	if err != nil {
		return err
	}
	if err := p.mayTopUp(fen); err != nil {
		return err
	}
	before := p.amount
	p.amount += fen
	p.alerted = min(p.alerted, p.level())
	p.spread(1) // else what was nearly spent stays in one slice
	if err := p.save(ctx, tx); err != nil {
		return err
	}
	if err := post(ctx, tx, ledger.Funding, ledger.Fund(p.office), ledger.Budget(id), fen); err != nil {
		return err
	}
	return record(ctx, tx, by, action(p.kind, "topup"), id, p.version, map[string]any{"amount_fen": before}, map[string]any{"amount_fen": p.amount})
}

func (p *purse) mayTopUp(fen int64) error {
	if _, err := p.next("topup"); err != nil {
		return err
	}
	if p.kind != KindBudget {
		return &merchant.MoveError{Object: p.object(), From: string(p.status), Action: "topup"}
	}
	return checkAmount("amount", fen, MaxFen-p.amount).Err()
}

// CloseTx ends a budget for good and sends what is left of it back to where it came
// from. A budget with series that are not over is refused: merchant.FieldErrors on
// "series". *merchant.MoveError.
func (s *Store) CloseTx(ctx context.Context, tx pgx.Tx, by merchant.By, id int64) error {
	parent, err := parentOf(ctx, tx, id)
	if err != nil {
		return err
	}
	p, err := lockPurse(ctx, tx, id)
	if err != nil {
		return err
	}
	was := p.status
	if p.status, err = p.next("close"); err != nil {
		return err
	}
	if err := p.mayClose(ctx, tx); err != nil {
		return err
	}
	rest, err := p.giveBack(ctx, tx, parent)
	if err != nil {
		return err
	}
	return record(ctx, tx, by, action(p.kind, "close"), id, p.version, map[string]any{"state": was},
		map[string]any{"state": p.status, "returned_fen": rest})
}

// mayClose refuses a budget that series live of. Its row's lock, which opening a
// series takes, keeps new ones out.
func (p *purse) mayClose(ctx context.Context, tx pgx.Tx) error {
	var below int
	err := tx.QueryRow(ctx, `SELECT count(*) FROM budgets WHERE parent_id = $1 AND state IN ('open', 'frozen')`, p.id).Scan(&below)
	if err != nil {
		return fmt.Errorf("budget: close: %w", err)
	}
	if below > 0 {
		return merchant.FieldErrors{{Field: "series", Message: fmt.Sprintf("这个预算下面还有 %d 个消费券没有结束，请先结束它们", below)}}
	}
	return nil
}

// giveBack returns what is left of a closed purse and saves it.
func (p *purse) giveBack(ctx context.Context, tx pgx.Tx, parent *purse) (rest int64, err error) {
	p.gather()
	rest = p.left()
	p.returned += rest
	if err := p.save(ctx, tx); err != nil || rest == 0 {
		return rest, err
	}
	to := ledger.Fund(p.office)
	if parent != nil {
		to = ledger.Budget(parent.id)
		parent.allocated -= rest
		if parent.status != Closed {
			parent.spread(1)
		}
		if err := parent.save(ctx, tx); err != nil {
			return 0, err
		}
		if err := fed(ctx, tx, parent); err != nil {
			return 0, err
		}
	}
	return rest, post(ctx, tx, ledger.Return, ledger.Budget(p.id), to, rest)
}
