package signing

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"unioncard/card/union/staff"
	"unioncard/merchant"
)

// accountNow reads an account as it is now and keeps it so until the transaction
// ends. ErrNotYours for one that is no longer in use.
func accountNow(ctx context.Context, tx pgx.Tx, id int64) (*staff.Account, error) {
	a := staff.Account{ID: id}
	var roles []string
	err := tx.QueryRow(ctx, `SELECT s.login, s.name, s.union_id, u.name, u.path, s.roles
		FROM staff s JOIN unions u ON u.id = s.union_id WHERE s.id = $1 AND NOT s.disabled FOR SHARE OF s`, id).
		Scan(&a.Login, &a.Name, &a.UnionID, &a.Union, &a.Path, &roles)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, ErrNotYours
	}
	if err != nil {
		return nil, fmt.Errorf("signing: account: %w", err)
	}
	for _, r := range roles {
		a.Roles = append(a.Roles, staff.Role(r))
	}
	return &a, nil
}

// deciders are the roles that may decide.
func deciders() []string {
	var out []string
	for _, r := range staff.Roles() {
		if r.May(staff.Decide) {
			out = append(out, string(r))
		}
	}
	return out
}

// deskSQL is the union whose accounts decide a proposal p of the office o: the
// rule in the package's comment. $1 are the roles that may decide. It is null
// where nobody may.
const deskSQL = `(SELECT d.id FROM unions d JOIN staff s ON s.union_id = d.id
	WHERE starts_with(o.path, d.path) AND NOT s.disabled AND s.roles && $1::text[] AND s.id <> p.maker_id
	ORDER BY length(d.path) DESC LIMIT 1)`

// mayDecide refuses whoever is not a checker of a proposal, as the accounts are
// now.
func mayDecide(ctx context.Context, tx pgx.Tx, a *staff.Account, p *Proposal) error {
	if a.ID == p.MakerID {
		return ErrOwnProposal
	}
	if !a.May(staff.Decide) {
		return ErrNotYours
	}
	desk, err := desk(ctx, tx, p)
	if err != nil {
		return err
	}
	if desk.UnionID != a.UnionID {
		return ErrNotYours
	}
	return nil
}

// Desk is where a waiting proposal is decided.
type Desk struct {
	UnionID int64  // 0: nowhere, as nobody above may decide either
	Union   string // its name
	Names   []string
}

// Upper reports whether an office above the proposal's own decides.
func (d *Desk) Upper(p *Proposal) bool { return d.UnionID != 0 && d.UnionID != p.OfficeID }

// Desk tells where a proposal would be decided if it were now, and by whom.
func (s *Store) Desk(ctx context.Context, p *Proposal) (*Desk, error) {
	d, err := desk(ctx, s.db, p)
	if err != nil || d.UnionID == 0 {
		return d, err
	}
	rows, err := s.db.Query(ctx, `SELECT name FROM staff
		WHERE union_id = $1 AND NOT disabled AND roles && $2::text[] AND id <> $3 ORDER BY id LIMIT 20`,
		d.UnionID, deciders(), p.MakerID)
	if err != nil {
		return nil, fmt.Errorf("signing: checkers: %w", err)
	}
	if d.Names, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
		return nil, fmt.Errorf("signing: checkers: %w", err)
	}
	return d, nil
}

// desk finds the union that decides a proposal.
func desk(ctx context.Context, db merchant.DB, p *Proposal) (*Desk, error) {
	var id *int64
	var name *string
	err := db.QueryRow(ctx, `SELECT d.id, (SELECT name FROM unions WHERE id = d.id)
		FROM (SELECT $2::bigint AS maker_id) p, unions o, LATERAL (SELECT `+deskSQL+` AS id) d WHERE o.id = $3`,
		deciders(), p.MakerID, p.OfficeID).Scan(&id, &name)
	if err != nil {
		return nil, fmt.Errorf("signing: desk: %w", err)
	}
	if id == nil {
		return &Desk{}, nil
	}
	return &Desk{UnionID: *id, Union: *name}, nil
}
