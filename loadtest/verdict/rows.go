package verdict

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Rows reads the purchases of the given terminals straight from the database.
func Rows(ctx context.Context, dsn string, clients []string) ([]Row, error) {
	db, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return nil, fmt.Errorf("verdict: %w", err)
	}
	defer db.Close(context.WithoutCancel(ctx))
	rows, err := db.Query(ctx, `
		SELECT t.client_id, p.idem_key, p.id::text, p.state::int, p.amount_fen, p.discount_fen,
		       p.returned_fen, p.given_back_fen,
		       coalesce(u.returned, 0)::bigint, coalesce(u.given_back, 0)::bigint,
		       p.card_serial, p.code_key,
		       (SELECT count(*) FROM code_uses c WHERE c.merchant_id = p.merchant_id AND c.purchase_id = p.id
		           AND c.card_serial = p.card_serial AND c.code_key = p.code_key)::int
		FROM purchases p
		JOIN terminals t ON t.id = p.terminal_id
		LEFT JOIN (
			SELECT merchant_id, purchase_id, sum(returned_fen) AS returned, sum(given_back_fen) AS given_back
			FROM purchase_undos GROUP BY merchant_id, purchase_id
		) u ON u.merchant_id = p.merchant_id AND u.purchase_id = p.id
		WHERE t.client_id = ANY($1)`, clients)
	if err != nil {
		return nil, fmt.Errorf("verdict: %w", err)
	}
	out, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (r Row, err error) {
		err = row.Scan(&r.Client, &r.Key, &r.ID, &r.State, &r.AmountFen, &r.DiscountFen,
			&r.ReturnedFen, &r.GivenBackFen, &r.UndoReturnedFen, &r.UndoGivenBackFen, &r.CardSerial, &r.CodeKey, &r.Uses)
		return r, err
	})
	if err != nil {
		return nil, fmt.Errorf("verdict: %w", err)
	}
	return out, nil
}

// Strays counts code uses that name a purchase that does not exist.
func Strays(ctx context.Context, dsn string) (int, error) {
	db, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return 0, fmt.Errorf("verdict: %w", err)
	}
	defer db.Close(context.WithoutCancel(ctx))
	var n int
	err = db.QueryRow(ctx, `
		SELECT count(*) FROM code_uses c WHERE NOT EXISTS (
			SELECT FROM purchases p WHERE p.merchant_id = c.merchant_id AND p.id = c.purchase_id)`).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("verdict: %w", err)
	}
	return n, nil
}
