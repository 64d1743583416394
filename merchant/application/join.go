package application

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"

	"github.com/jackc/pgx/v5"

	"unioncard/merchant"
)

// lockCode keeps apart two who accept applications of one company until the end of
// the transaction: each would see no merchant of its code yet. A collision of keys
// only makes two wait for each other that need not.
func lockCode(ctx context.Context, tx pgx.Tx, code string) error {
	if code == "" {
		return nil
	}
	h := fnv.New64a()
	fmt.Fprintf(h, "unioncard company %s", code)
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(h.Sum64())); err != nil {
		return fmt.Errorf("application: lock code: %w", err)
	}
	return nil
}

// inForce is the contract of the whole merchant that covers a new outlet from the
// moment it is made, 0 if there is none. It keeps the merchant's row, so that no
// contract comes into force before the outlets are there.
func (s *Store) inForce(ctx context.Context, tx pgx.Tx, merchantID int64) (contract int64, err error) {
	if merchantID == 0 {
		return 0, nil
	}
	if _, err := tx.Exec(ctx, `SELECT FROM merchants WHERE id = $1 FOR NO KEY UPDATE`, merchantID); err != nil {
		return 0, fmt.Errorf("application: lock merchant: %w", err)
	}
	err = tx.QueryRow(ctx, liveSQL, merchantID, s.Clock()).Scan(&contract)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("application: contract in force: %w", err)
	}
	return contract, nil
}

// liveSQL finds the contract of the whole merchant $1 that is not over at $2, the
// next to begin first.
const liveSQL = `SELECT id FROM contracts WHERE merchant_id = $1 AND outlet_id IS NULL
	AND status IN ('active', 'suspended', 'ending') AND upper(valid) > $2 ORDER BY lower(valid) LIMIT 1`

// Unopened lists the outlets of a merchant that wait for a second person.
func (s *Store) Unopened(ctx context.Context, merchantID int64) ([]HeldOutlet, error) {
	rows, err := s.DB.Query(ctx, `SELECT id, name, address, territory, status FROM outlets
		WHERE merchant_id = $1 AND unopened AND status <> 'closed' ORDER BY id LIMIT $2`, merchantID, holdingMax)
	if err != nil {
		return nil, fmt.Errorf("application.Unopened: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[HeldOutlet])
	if err != nil {
		return nil, fmt.Errorf("application.Unopened: %w", err)
	}
	return list, nil
}

// ownOutlets lists the addresses of a merchant that an application may be joined
// with: of the same office and code, not gone. merchant.ErrNotFound for any other.
func ownOutlets(ctx context.Context, tx pgx.Tx, a *Application, id int64) (map[string]bool, error) {
	rows, err := tx.Query(ctx, `SELECT o.address FROM merchants m JOIN merchant_details d ON d.merchant_id = m.id
		LEFT JOIN outlets o ON o.merchant_id = m.id AND o.status <> 'closed'
		WHERE m.id = $1 AND m.office_id = $2 AND d.code = $3 AND d.code <> '' AND m.status <> 'exited'`, id, a.OfficeID, a.Doc.Code)
	if err != nil {
		return nil, fmt.Errorf("application: existing merchant: %w", err)
	}
	addresses, err := pgx.CollectRows(rows, pgx.RowTo[*string])
	if err != nil {
		return nil, fmt.Errorf("application: existing merchant: %w", err)
	}
	if len(addresses) == 0 {
		return nil, merchant.ErrNotFound
	}
	there := map[string]bool{}
	for _, address := range addresses {
		if address != nil && *address != "" {
			there[addressKey(*address)] = true
		}
	}
	return there, nil
}
