package signing

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card/union/staff"
	"unioncard/merchant"
	"unioncard/merchant/draft"
	"unioncard/merchant/terms"
)

const impactSQL = `SELECT i.id, i.trade, i.brand, i.terms, i.sha256, i.effective, i.deadline_days, i.state, s.name, i.made_at,
	i.done, i.total, i.contracts, i.below, i.basis, i.fault, i.finished_at
	FROM floor_impacts i JOIN staff s ON s.id = i.staff_id`

func scanImpact(row pgx.CollectableRow) (*Impact, error) {
	var i Impact
	var doc, sum []byte
	var finished *time.Time
	err := row.Scan(&i.ID, &i.Trade, &i.Brand, &doc, &sum, &i.Effective, &i.DeadlineDays, &i.State, &i.Staff, &i.MadeAt,
		&i.Done, &i.Total, &i.Contracts, &i.Below, &i.Basis, &i.Fault, &finished)
	if err != nil {
		return nil, err
	}
	i.SHA256, i.FinishedAt = hex.EncodeToString(sum), orZero(finished)
	i.Terms, err = terms.Parse(doc)
	return &i, err
}

func (w *Impacts) one(ctx context.Context, sql string, args ...any) (*Impact, error) {
	rows, err := w.db.Query(ctx, impactSQL+sql, args...)
	if err != nil {
		return nil, fmt.Errorf("signing: impact: %w", err)
	}
	i, err := pgx.CollectExactlyOneRow(rows, scanImpact)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, merchant.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("signing: impact: %w", err)
	}
	return i, nil
}

// Get reads an impact list without its rows; merchant.ErrNotFound.
func (w *Impacts) Get(ctx context.Context, id int64) (*Impact, error) {
	return w.one(ctx, ` WHERE i.id = $1`, id)
}

// Latest reads the newest impact list of a floor; merchant.ErrNotFound.
func (w *Impacts) Latest(ctx context.Context, trade merchant.Trade, brand string) (*Impact, error) {
	return w.one(ctx, ` WHERE i.trade = $1 AND i.brand = $2 ORDER BY i.id DESC LIMIT 1`, trade, brand)
}

// Stale says, in Chinese, why a finished impact list no longer tells the truth; ""
// if it does.
func (w *Impacts) Stale(ctx context.Context, i *Impact) (string, error) {
	d, err := draft.NewStore(w.db, w.clock).Get(ctx, i.Object())
	switch {
	case errors.Is(err, draft.ErrNotFound):
		return "底线草稿已经没有了", nil
	case err != nil:
		return "", err
	case hex.EncodeToString(d.SHA256[:]) != i.SHA256:
		return "测算之后底线草稿改过", nil
	}
	basis, err := merchant.FloorBasis(ctx, w.db, i.Trade, i.Brand)
	if err != nil {
		return "", err
	}
	if basis != i.Basis {
		return "测算之后有协议或底线变动", nil
	}
	return "", nil
}

// ImpactRow is a contract that a floor would leave below.
type ImpactRow struct {
	ContractID   int64
	Merchant     string
	Outlet       string // "" for the whole merchant
	OfficeID     int64
	Office       string
	TermsVersion int32
	Comparison   terms.Comparison
	Deadline     time.Time // zero: lifted at the till by the floor clause
	Resolved     time.Time // when better Terms, published already, will bind
	Members      int64     // live cards in the office's territory
}

// ImpactOffice is how many contracts of an office a floor would leave below.
type ImpactOffice struct {
	OfficeID      int64
	Office        string
	Below, Lifted int
	Members       int64
}

// Offices lists the offices that an impact concerns, those with most first.
func (w *Impacts) Offices(ctx context.Context, id int64) ([]ImpactOffice, error) {
	rows, err := w.db.Query(ctx, `SELECT r.office_id, u.name, count(*), count(*) FILTER (WHERE r.deadline IS NULL), max(r.members)
		FROM impact_rows r JOIN unions u ON u.id = r.office_id WHERE r.impact_id = $1
		GROUP BY r.office_id, u.name ORDER BY count(*) DESC, r.office_id`, id)
	if err != nil {
		return nil, fmt.Errorf("signing: impact offices: %w", err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowToStructByPos[ImpactOffice])
	if err != nil {
		return nil, fmt.Errorf("signing: impact offices: %w", err)
	}
	return out, nil
}

// Rows lists an impact's contracts by id, of one office or (0) of all, from after
// one on.
func (w *Impacts) Rows(ctx context.Context, id, office, after int64, limit int) ([]ImpactRow, error) {
	rows, err := w.db.Query(ctx, `SELECT r.contract_id, m.name, coalesce(o.name, ''), r.office_id, u.name, r.terms_version,
			r.comparison, r.deadline, r.resolved_at, r.members
		FROM impact_rows r JOIN contracts c ON c.id = r.contract_id JOIN merchants m ON m.id = c.merchant_id
		JOIN unions u ON u.id = r.office_id LEFT JOIN outlets o ON o.id = c.outlet_id
		WHERE r.impact_id = $1 AND ($2::bigint = 0 OR r.office_id = $2) AND r.contract_id > $3 ORDER BY r.contract_id LIMIT $4`,
		id, office, after, limit)
	if err != nil {
		return nil, fmt.Errorf("signing: impact rows: %w", err)
	}
	out, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (ImpactRow, error) {
		var r ImpactRow
		var comparison []byte
		var deadline, resolved *time.Time
		err := row.Scan(&r.ContractID, &r.Merchant, &r.Outlet, &r.OfficeID, &r.Office, &r.TermsVersion,
			&comparison, &deadline, &resolved, &r.Members)
		if err != nil {
			return r, err
		}
		r.Deadline, r.Resolved = orZero(deadline), orZero(resolved)
		return r, json.Unmarshal(comparison, &r.Comparison)
	})
	if err != nil {
		return nil, fmt.Errorf("signing: impact rows: %w", err)
	}
	return out, nil
}

// ProposeFloor proposes to publish the draft that an impact list was made for.
// ErrStale unless the list is finished and still true; ErrNotYours; errors as
// Store.Propose.
func (w *Impacts) ProposeFloor(ctx context.Context, maker *staff.Account, proposals *Store, impact int64, reason string) (int64, error) {
	i, err := w.Get(ctx, impact)
	if err != nil {
		return 0, err
	}
	if i.State != ImpactDone {
		return 0, ErrStale
	}
	if why, err := w.Stale(ctx, i); err != nil || why != "" {
		return 0, errors.Join(ErrStale, err)
	}
	d, err := draft.NewStore(w.db, w.clock).Get(ctx, i.Object())
	if err != nil {
		return 0, err
	}
	doc, err := i.Terms.Canonical()
	if err != nil {
		return 0, err
	}
	var root int64
	err = change(ctx, w.db, func(tx pgx.Tx) error {
		now, err := accountNow(ctx, tx, maker.ID)
		if err != nil {
			return err
		}
		root, err = mayWriteFloors(ctx, tx, now)
		return err
	})
	if err != nil {
		return 0, err
	}
	return proposals.Propose(ctx, maker, FloorKind, i.Object(), root, FloorPayload{
		Trade: i.Trade, Brand: i.Brand, Draft: d.Version, SHA256: i.SHA256, Effective: i.Effective.UTC(),
		DeadlineDays: i.DeadlineDays, Impact: i.ID, Below: i.Below, Terms: doc,
	}, reason)
}
