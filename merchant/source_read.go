package merchant

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// read reads the wanted objects (all of them for nil) in tx and takes them in.
// Floors come before contracts, which point to them; coverage comes last.
func (e *edit) read(ctx context.Context, tx pgx.Tx, want *wanted) error {
	all := want == nil
	if all {
		want = &wanted{naming: true}
	}
	if err := e.readCategories(ctx, tx, want.naming); err != nil {
		return err
	}
	merchants, err := readObjects(ctx, tx, merchantSQL, "id", all, want.merchants, scanMerchant)
	if err != nil {
		return err
	}
	for _, m := range merchants {
		e.merchants.set(m.ID, m)
	}
	outlets, err := readObjects(ctx, tx, outletSQL, "id", all, want.outlets, scanOutlet)
	if err != nil {
		return err
	}
	e.setOutlets(outlets)
	terminals, err := readObjects(ctx, tx, terminalSQL, "id", all, want.terminals, scanTerminal)
	if err != nil {
		return err
	}
	e.setTerminals(terminals)
	floors, err := readObjects(ctx, tx, floorSQL, "id", all, want.floors, e.scanFloor)
	if err != nil {
		return err
	}
	e.setFloors(slices.DeleteFunc(floors, func(f *Floor) bool { return !f.Until.IsZero() && !f.Until.After(e.keep) }))
	touched, err := e.readContracts(ctx, tx, all, want.contracts)
	if err != nil {
		return err
	}
	return e.readCover(ctx, tx, all, want.outlets, touched)
}

// readObjects runs one of the SELECTs of this package, for all rows or for those
// whose key is among ids; args are the statement's own.
func readObjects[T any](ctx context.Context, tx pgx.Tx, sql, key string, all bool, ids []int64, scan pgx.RowToFunc[T], args ...any) ([]T, error) {
	if !all {
		if len(ids) == 0 {
			return nil, nil
		}
		args = append(args, ids)
		sql += fmt.Sprintf(` WHERE %s = ANY ($%d)`, key, len(args))
	}
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("merchant: read the view: %w", err)
	}
	read, err := pgx.CollectRows(rows, scan)
	if err != nil {
		return nil, fmt.Errorf("merchant: read the view: %w", err)
	}
	return read, nil
}

// readCategories reads the names of all categories, a few hundred, if any changed.
func (e *edit) readCategories(ctx context.Context, tx pgx.Tx, wanted bool) error {
	if !wanted {
		return nil
	}
	rows, err := tx.Query(ctx, `SELECT code, name FROM categories`)
	if err != nil {
		return fmt.Errorf("merchant: read the categories: %w", err)
	}
	read := map[string]string{}
	var code, name string
	_, err = pgx.ForEachRow(rows, []any{&code, &name}, func() error {
		read[code] = name
		return nil
	})
	if err != nil {
		return fmt.Errorf("merchant: read the categories: %w", err)
	}
	e.categories = read
	return nil
}

const merchantSQL = `SELECT id, office_id, name, brand, trade, union_owned, status, version FROM merchants`

func scanMerchant(row pgx.CollectableRow) (*Merchant, error) {
	var m Merchant
	err := row.Scan(&m.ID, &m.OfficeID, &m.Name, &m.Brand, &m.Trade, &m.UnionOwned, &m.Status, &m.Version)
	return &m, err
}

const outletSQL = `SELECT id, merchant_id, name, territory, status, version FROM outlets`

func scanOutlet(row pgx.CollectableRow) (*Outlet, error) {
	var o Outlet
	err := row.Scan(&o.ID, &o.MerchantID, &o.Name, &o.Territory, &o.Status, &o.Version)
	return &o, err
}

const floorSQL = `SELECT id, coalesce(trade, ''), coalesce(brand, ''), version, sha256, terms,
	lower(effective), upper(effective) FROM floors`

func (e *edit) scanFloor(row pgx.CollectableRow) (*Floor, error) {
	var f Floor
	var sum, doc []byte
	var until *time.Time
	if err := row.Scan(&f.ID, &f.Trade, &f.Brand, &f.Version, &sum, &doc, &f.From, &until); err != nil {
		return nil, err
	}
	if until != nil {
		f.Until = *until
	}
	f.SHA256, f.Terms = e.compiled("floor", f.ID, f.Version, sum, doc)
	return &f, nil
}

// readContracts reads contracts with the versions of their Terms and what lifts
// them, and returns the merchants whose coverage may have changed.
func (e *edit) readContracts(ctx context.Context, tx pgx.Tx, all bool, ids []int64) ([]int64, error) {
	contracts, err := readObjects(ctx, tx, contractSQL, "id", all, ids, scanContract)
	if err != nil {
		return nil, err
	}
	versions := map[int64][]*TermsVersion{}
	_, err = readObjects(ctx, tx, `SELECT contract_id, version, sha256, terms, lower(effective), upper(effective)
		FROM (SELECT * FROM contract_terms WHERE upper_inf(effective) OR upper(effective) > $1) t`, "contract_id", all, ids,
		func(row pgx.CollectableRow) (struct{}, error) { return struct{}{}, e.scanVersion(row, versions) }, e.keep)
	if err != nil {
		return nil, err
	}
	for _, list := range versions {
		slices.SortFunc(list, func(a, b *TermsVersion) int { return a.From.Compare(b.From) })
	}
	below := &outgrownBy{map[int64][]lift{}, map[int64][]due{}}
	_, err = readObjects(ctx, tx, `SELECT contract_id, floor_id, deadline, resolved_at FROM renegotiations`, "contract_id", all, ids,
		func(row pgx.CollectableRow) (struct{}, error) { return struct{}{}, e.scanBelow(row, below) })
	if err != nil {
		return nil, err
	}
	for _, list := range below.lifts {
		slices.SortFunc(list, func(a, b lift) int { return cmp.Compare(a.floor.ID, b.floor.ID) })
	}
	for _, list := range below.due {
		slices.SortFunc(list, func(a, b due) int { return cmp.Compare(a.floor.ID, b.floor.ID) })
	}
	return e.setContracts(contracts, versions, below), nil
}

func (e *edit) scanVersion(row pgx.CollectableRow, into map[int64][]*TermsVersion) error {
	var v TermsVersion
	var contract int64
	var sum, doc []byte
	var until *time.Time
	if err := row.Scan(&contract, &v.Version, &sum, &doc, &v.From, &until); err != nil {
		return err
	}
	if until != nil {
		v.Until = *until
	}
	v.SHA256, v.Terms = e.compiled("contract", contract, v.Version, sum, doc)
	into[contract] = append(into[contract], &v)
	return nil
}

// outgrownBy is what contracts are below, by contract: floors that lift them, and
// floors they have to renegotiate for.
type outgrownBy struct {
	lifts map[int64][]lift
	due   map[int64][]due
}

func (e *edit) scanBelow(row pgx.CollectableRow, into *outgrownBy) error {
	var contract, id int64
	var deadline, resolved *time.Time
	if err := row.Scan(&contract, &id, &deadline, &resolved); err != nil {
		return err
	}
	floor := e.floors[id]
	if floor == nil {
		return nil // replaced long ago
	}
	var until time.Time
	if resolved != nil {
		until = *resolved
	}
	from := floor.From
	if deadline != nil {
		from = *deadline
	}
	switch {
	case resolved != nil && !until.After(from): // never lifts, never overdue
	case deadline == nil:
		into.lifts[contract] = append(into.lifts[contract], lift{floor, until})
	default:
		into.due[contract] = append(into.due[contract], due{floor, from, until})
	}
	return nil
}

// readCover reads again the coverage of outlets that changed and of every outlet
// of the merchants whose contracts changed.
func (e *edit) readCover(ctx context.Context, tx pgx.Tx, all bool, outlets, merchants []int64) error {
	ids := slices.Clone(outlets)
	if all {
		e.outlets.now.each(func(id int64, _ *Outlet) { ids = append(ids, id) })
	} else {
		for _, m := range merchants {
			of, _ := e.belongs.get(m)
			ids = append(ids, of...)
		}
		slices.Sort(ids)
		ids = slices.Compact(ids)
	}
	covers := map[int64][]cover{}
	_, err := readObjects(ctx, tx, `SELECT outlet_id, contract_id, lower(during), upper(during) FROM contract_outlets`,
		"outlet_id", all, ids, func(row pgx.CollectableRow) (struct{}, error) {
			var outlet int64
			var c cover
			err := row.Scan(&outlet, &c.contract, &c.from, &c.until)
			covers[outlet] = append(covers[outlet], c)
			return struct{}{}, err
		})
	if err != nil {
		return err
	}
	e.setCover(ids, covers)
	return nil
}
