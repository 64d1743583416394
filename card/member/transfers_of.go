package member

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"unioncard/card/union/keyset"
)

// few is how many unions a territory has at most whose transfers are looked up union
// by union. Of more, so large a part of all transfers is the territory's that reading
// them in order finds a page soon; of one, it would read them all.
const few = 100

// fewUnions are the unions at or below that of a path, nil if they are more than few.
func (s *Store) fewUnions(ctx context.Context, path string) ([]int64, error) {
	rows, err := s.db.Query(ctx, `SELECT id FROM unions WHERE path LIKE $1 || '%' LIMIT $2`, path, few+1)
	if err != nil {
		return nil, err
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil || len(ids) > few {
		return nil, err
	}
	return append([]int64{}, ids...), nil // none is few, too
}

// transfersOf is one page of the transfers of a few unions: of each union and side
// one page in the order of its index, and of all those the page.
func (s *Store) transfersOf(ctx context.Context, own []int64, f TransferFilter, page keyset.Page) ([]Transfer, error) {
	where, order, args := page.Clause(map[string]string{"id": "t.id"}, "t.id", own, f.State, f.Side)
	side := func(column, not string) string {
		return `(SELECT t.id FROM member_transfers t WHERE t.` + column + ` = own.id AND $3 <> '` + not + `' AND ($2 = '' OR t.state = $2) AND ` + where + order + `)`
	}
	rows, err := s.db.Query(ctx, `SELECT t.id FROM unnest($1::bigint[]) AS own (id) CROSS JOIN LATERAL (`+
		side("from_union", "in")+` UNION ALL `+side("to_union", "out")+`) t GROUP BY t.id`+order, args...)
	if err != nil {
		return nil, fmt.Errorf("member.Transfers: %w", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return nil, fmt.Errorf("member.Transfers: %w", err)
	}
	rows, err = s.db.Query(ctx, transferSQL+`JOIN unnest($1::bigint[]) WITH ORDINALITY AS own (id, n) ON own.id = t.id ORDER BY own.n`, ids)
	if err != nil {
		return nil, fmt.Errorf("member.Transfers: %w", err)
	}
	out, err := pgx.CollectRows(rows, scanTransfer)
	if err != nil {
		return nil, fmt.Errorf("member.Transfers: %w", err)
	}
	return out, nil
}
