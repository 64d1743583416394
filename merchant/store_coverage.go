package merchant

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// rederive brings contract_outlets in line with the contracts of a merchant, for
// one outlet or, with outlet 0, for all of them. The caller holds the merchant's
// row lock; the exclusion constraint one_contract_an_outlet stands behind the
// rule.
func rederive(ctx context.Context, tx pgx.Tx, merchant, outlet int64) error {
	outlets, err := outletIDs(ctx, tx, merchant, outlet)
	if err != nil {
		return err
	}
	claims, err := readClaims(ctx, tx, merchant)
	if err != nil {
		return err
	}
	past, live, err := readCover(ctx, tx, outlets)
	if err != nil {
		return err
	}
	var gone, add coverRows
	for _, o := range outlets {
		want, err := deriveCover(o, claims, past[o])
		if err != nil {
			return err
		}
		diffCover(o, live[o], want, &gone, &add)
	}
	return writeCover(ctx, tx, &gone, &add)
}

func outletIDs(ctx context.Context, tx pgx.Tx, merchant, outlet int64) ([]int64, error) {
	if outlet != 0 {
		return []int64{outlet}, nil
	}
	rows, err := tx.Query(ctx, `SELECT id FROM outlets WHERE merchant_id = $1 ORDER BY id`, merchant)
	if err != nil {
		return nil, fmt.Errorf("merchant: outlets: %w", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return nil, fmt.Errorf("merchant: outlets: %w", err)
	}
	return ids, nil
}

// readClaims reads the live contracts of a merchant.
func readClaims(ctx context.Context, tx pgx.Tx, merchant int64) ([]claim, error) {
	rows, err := tx.Query(ctx, `SELECT id, coalesce(outlet_id, 0), lower(valid), upper(valid)
		FROM contracts WHERE merchant_id = $1 AND status IN ('active', 'suspended', 'ending') ORDER BY id`, merchant)
	if err != nil {
		return nil, fmt.Errorf("merchant: contracts: %w", err)
	}
	claims, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (claim, error) {
		var c claim
		err := row.Scan(&c.contract, &c.outlet, &c.from, &c.until)
		return c, err
	})
	if err != nil {
		return nil, fmt.Errorf("merchant: contracts: %w", err)
	}
	return claims, nil
}

// readCover reads what covers the outlets now: by contracts that have ended, and
// by live ones.
func readCover(ctx context.Context, tx pgx.Tx, outlets []int64) (past, live map[int64][]cover, err error) {
	rows, err := tx.Query(ctx, `SELECT co.outlet_id, co.contract_id, lower(co.during), upper(co.during), c.status = 'ended'
		FROM contract_outlets co JOIN contracts c ON c.id = co.contract_id WHERE co.outlet_id = ANY ($1)`, outlets)
	if err != nil {
		return nil, nil, fmt.Errorf("merchant: coverage: %w", err)
	}
	past, live = map[int64][]cover{}, map[int64][]cover{}
	var outlet int64
	var c cover
	var ended bool
	_, err = pgx.ForEachRow(rows, []any{&outlet, &c.contract, &c.from, &c.until, &ended}, func() error {
		if ended {
			past[outlet] = append(past[outlet], c)
		} else {
			live[outlet] = append(live[outlet], c)
		}
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("merchant: coverage: %w", err)
	}
	return past, live, nil
}

// coverRows are rows of contract_outlets, by column.
type coverRows struct {
	contracts, outlets []int64
	from, until        []time.Time
}

func (r *coverRows) add(outlet int64, c cover) {
	r.contracts, r.outlets = append(r.contracts, c.contract), append(r.outlets, outlet)
	r.from, r.until = append(r.from, c.from), append(r.until, c.until)
}

// diffCover adds to gone what is there and not wanted, and to add the opposite.
func diffCover(outlet int64, have, want []cover, gone, add *coverRows) {
	has := func(rows []cover, c cover) bool {
		for _, r := range rows {
			if r.contract == c.contract && r.from.Equal(c.from) && r.until.Equal(c.until) {
				return true
			}
		}
		return false
	}
	for _, c := range have {
		if !has(want, c) {
			gone.add(outlet, c)
		}
	}
	for _, c := range want {
		if !has(have, c) {
			add.add(outlet, c)
		}
	}
}

func writeCover(ctx context.Context, tx pgx.Tx, gone, add *coverRows) error {
	if len(gone.outlets) > 0 {
		_, err := tx.Exec(ctx, `DELETE FROM contract_outlets co
			USING unnest($1::bigint[], $2::bigint[], $3::timestamptz[], $4::timestamptz[]) AS g (contract_id, outlet_id, a, b)
			WHERE co.contract_id = g.contract_id AND co.outlet_id = g.outlet_id AND co.during = tstzrange(g.a, g.b)`,
			gone.contracts, gone.outlets, gone.from, gone.until)
		if err != nil {
			return fmt.Errorf("merchant: drop coverage: %w", err)
		}
	}
	if len(add.outlets) == 0 {
		return nil
	}
	_, err := tx.Exec(ctx, `INSERT INTO contract_outlets (contract_id, outlet_id, during)
		SELECT c, o, tstzrange(a, b)
		FROM unnest($1::bigint[], $2::bigint[], $3::timestamptz[], $4::timestamptz[]) AS g (c, o, a, b)`,
		add.contracts, add.outlets, add.from, add.until)
	if err != nil {
		return fmt.Errorf("merchant: add coverage: %w", err)
	}
	return nil
}

// cutCover ends what a contract that is ending now covers: nothing from at on.
func cutCover(ctx context.Context, tx pgx.Tx, contract int64, at time.Time) error {
	_, err := tx.Exec(ctx, `DELETE FROM contract_outlets WHERE contract_id = $1 AND lower(during) >= $2`, contract, at)
	if err != nil {
		return fmt.Errorf("merchant: drop coverage: %w", err)
	}
	_, err = tx.Exec(ctx, `UPDATE contract_outlets SET during = tstzrange(lower(during), $2)
		WHERE contract_id = $1 AND upper(during) > $2`, contract, at)
	if err != nil {
		return fmt.Errorf("merchant: cut coverage: %w", err)
	}
	return nil
}
