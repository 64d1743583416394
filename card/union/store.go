package union

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Querier is what reading needs; a pool and a transaction both have it.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

const unionColumns = `id, kind, name, coalesce(parent_id, 0), path, coalesce(division, 0),
	territory, direct_county, zone, active, coalesce(merged_into, 0), version`

// Load reads the whole tree.
func Load(ctx context.Context, db Querier) (*Tree, error) {
	unions, err := query(ctx, db, `SELECT `+unionColumns+` FROM unions ORDER BY id`)
	if err != nil {
		return nil, fmt.Errorf("union.Load: %w", err)
	}
	return NewTree(unions)
}

func query(ctx context.Context, db Querier, sql string, args ...any) ([]Union, error) {
	rows, err := db.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (Union, error) {
		var u Union
		err := row.Scan(&u.ID, &u.Kind, &u.Name, &u.ParentID, &u.Path, &u.Division,
			&u.Territory, &u.DirectCounty, &u.Zone, &u.Active, &u.MergedInto, &u.Version)
		return u, err
	})
}

// Insert adds u under u.ParentID and fills in its ID, Path, Territory and
// Version. The caller writes the event and the change feed row in the same
// transaction (card.Store.CreateUnion does). ErrInactive under a union that was
// merged; the tree's shared lock keeps mergers out.
func Insert(ctx context.Context, tx pgx.Tx, u *Union) error {
	if err := Hold(ctx, tx); err != nil {
		return err
	}
	var parent *Union
	if u.ParentID != 0 {
		found, err := query(ctx, tx, `SELECT `+unionColumns+` FROM unions WHERE id = $1`, u.ParentID)
		if err != nil {
			return fmt.Errorf("union.Insert: parent: %w", err)
		}
		if len(found) != 1 {
			return fmt.Errorf("union.Insert: no union %d", u.ParentID)
		}
		if parent = &found[0]; !parent.Active {
			return ErrInactive
		}
	}
	if err := tx.QueryRow(ctx, `SELECT nextval(pg_get_serial_sequence('unions', 'id'))`).Scan(&u.ID); err != nil {
		return fmt.Errorf("union.Insert: id: %w", err)
	}
	return insert(ctx, tx, u, parent)
}

func insert(ctx context.Context, tx pgx.Tx, u, parent *Union) error {
	if err := u.place(parent); err != nil {
		return err
	}
	u.Active, u.Version = true, 1
	_, err := tx.Exec(ctx, `INSERT INTO unions
		(id, kind, name, parent_id, path, division, territory, direct_county, zone)
		VALUES ($1, $2, $3, nullif($4::bigint, 0), $5, nullif($6::integer, 0), $7, $8, $9)`,
		u.ID, u.Kind, u.Name, u.ParentID, u.Path, u.Division, u.Territory, u.DirectCounty, u.Zone)
	if err != nil {
		return fmt.Errorf("union: insert %q: %w", u.Name, err)
	}
	return nil
}
