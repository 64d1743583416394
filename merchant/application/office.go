package application

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"unioncard/card/union/staff"
	"unioncard/merchant"
)

// office is a union that can answer for a merchant.
type office struct {
	id       int64
	path     string
	division int32
}

// territorialSQL finds active unions with a division of their own.
const territorialSQL = `SELECT id, path, division FROM unions WHERE active AND division IS NOT NULL AND `

func offices(ctx context.Context, db querier, where string, arg any) ([]office, error) {
	rows, err := db.Query(ctx, territorialSQL+where+` ORDER BY length(path) DESC`, arg)
	if err != nil {
		return nil, fmt.Errorf("application: offices: %w", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (o office, err error) {
		return o, row.Scan(&o.id, &o.path, &o.division)
	})
	if err != nil {
		return nil, fmt.Errorf("application: offices: %w", err)
	}
	return list, nil
}

// territories lists where a document's outlets stand.
func (d *Document) territories() []int32 {
	var codes []int32
	for _, o := range d.Outlets {
		if !slices.Contains(codes, o.Territory) {
			codes = append(codes, o.Territory)
		}
	}
	return codes
}

// officeOf finds the office that answers for outlets: the county's, for several
// counties their city's, for several cities the province's (article 18: the
// province signs what lies across cities).
func officeOf(ctx context.Context, tx pgx.Tx, d *Document) (int64, error) {
	codes := d.territories()
	here, err := offices(ctx, tx, `division = ANY ($1)`, codes)
	if err != nil {
		return 0, err
	}
	if len(here) == 0 || len(here) < len(codes) {
		var e merchant.FieldErrors
		e.Add("outlet.0.territory", "这个地方暂时没有工会受理申请，请联系省总工会。")
		return 0, e
	}
	common := here[0].path
	for _, o := range here[1:] {
		for !strings.HasPrefix(o.path, common) {
			common = common[:strings.LastIndexByte(strings.TrimSuffix(common, "/"), '/')+1]
		}
	}
	above, err := offices(ctx, tx, `starts_with($1::text, path)`, common)
	if err != nil {
		return 0, err
	}
	if len(above) == 0 {
		return 0, fmt.Errorf("application: no office at or above %s", common)
	}
	return above[0].id, nil
}

// ownOffice is the office of an account that enters an application: its own
// union, which must be one that signs, and all outlets in its territory.
func ownOffice(ctx context.Context, tx pgx.Tx, acct *staff.Account, d *Document) (int64, error) {
	var e merchant.FieldErrors
	own, err := offices(ctx, tx, `id = $1`, acct.UnionID)
	if err != nil {
		return 0, err
	}
	if len(own) == 0 {
		e.Add("office", "只有省、市、县级工会能受理商家申请，您的账号属于“"+acct.Union+"”。")
		return 0, e
	}
	return own[0].id, checkTerritory(ctx, tx, own[0].path, d)
}

// checkTerritory refuses outlets outside an office's territory.
func checkTerritory(ctx context.Context, tx pgx.Tx, path string, d *Document) error {
	var e merchant.FieldErrors
	here, err := offices(ctx, tx, `division = ANY ($1)`, d.territories())
	if err != nil {
		return err
	}
	for i, o := range d.Outlets {
		inside := slices.ContainsFunc(here, func(u office) bool { return u.division == o.Territory && strings.HasPrefix(u.path, path) })
		if !inside {
			e.Add(fmt.Sprintf("outlet.%d.territory", i), "这家门店不在受理工会的辖区内，请由上级工会受理，或请当地工会受理。")
		}
	}
	return e.Err()
}
