package merchant

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// ContractFacts is a contract with the names that people know it by.
type ContractFacts struct {
	Contract
	Merchant, Outlet, Office string // Outlet is "" for the whole merchant
	// Territory is the GB/T 2260 code that the office's cards mostly have.
	Territory int32
}

// ContractFacts reads a contract with its names. ErrNotFound.
func (s *Store) ContractFacts(ctx context.Context, id int64) (*ContractFacts, error) {
	c, err := s.Contract(ctx, id)
	if err != nil {
		return nil, err
	}
	f := &ContractFacts{Contract: *c}
	err = s.db.QueryRow(ctx, `SELECT m.name, coalesce(o.name, ''), u.name, u.territory
		FROM contracts c JOIN merchants m ON m.id = c.merchant_id JOIN unions u ON u.id = c.office_id
		LEFT JOIN outlets o ON o.id = c.outlet_id WHERE c.id = $1`, id).
		Scan(&f.Merchant, &f.Outlet, &f.Office, &f.Territory)
	return f, found("contract facts", err)
}

// ActorNames says who actors are: "staff:12" is a name, "system" and "demo" are
// what people call them. Actors that are nobody's stay as they are.
func (s *Store) ActorNames(ctx context.Context, actors []string) (map[string]string, error) {
	out := make(map[string]string, len(actors))
	var ids []int64
	for _, a := range actors {
		out[a] = a
		if id, ok := strings.CutPrefix(a, "staff:"); ok {
			if n, err := strconv.ParseInt(id, 10, 64); err == nil {
				ids = append(ids, n)
			}
			continue
		}
		switch {
		case a == system:
			out[a] = "系统"
		case a == "demo":
			out[a] = "演示数据"
		case strings.HasPrefix(a, "cli:"):
			out[a] = "命令行管理员"
		}
	}
	rows, err := s.db.Query(ctx, `SELECT id, name FROM staff WHERE id = ANY ($1)`, ids)
	if err != nil {
		return nil, fmt.Errorf("merchant: actor names: %w", err)
	}
	var id int64
	var name string
	_, err = pgx.ForEachRow(rows, []any{&id, &name}, func() error {
		out["staff:"+strconv.FormatInt(id, 10)] = name
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("merchant: actor names: %w", err)
	}
	return out, nil
}
