package purchase

import (
	"context"

	"unioncard/settlement/budget"
)

// rebalance brings into the lane's slices what its batch draws on budgets whose
// slice was short. The batch is rolled back, so the lane holds no lock.
func (l *lane) rebalance(ctx context.Context) error {
	if l.conn == nil {
		return errNoConnection
	}
	for i := range l.batch.purses.budgets {
		u := &l.batch.purses.budgets[i]
		if !u.short {
			continue
		}
		if err := budget.Rebalance(ctx, l.conn, u.id, int(l.pick), u.demand); err != nil {
			return err
		}
	}
	return nil
}
