package member

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"unioncard/card/union/keyset"
)

// ListFilter narrows a list; zero values ask for nothing.
type ListFilter struct {
	UnionID int64  // of that union alone, none below it
	Status  Status // StatusNone: all
	Moving  bool   // only those with an open transfer
	Surname string // only those whose masked name begins so; read row by row: for a county at most
}

// List is one page of the members at or below the union of a path, ordered by
// "id" (the latest registered have the largest).
func (s *Store) List(ctx context.Context, path string, f ListFilter, page keyset.Page) ([]Member, error) {
	page.Sort = "id"
	where, order, args := page.Clause(map[string]string{"id": "m.id"}, "m.id", path, f.UnionID, f.Surname)
	// The few that move are found by their transfers, not by reading all members.
	moving := "true"
	if f.Moving {
		moving = `m.id IN (SELECT t.member_id FROM member_transfers t WHERE t.state = 'requested')`
	}
	// Written out, so that the index of those who left serves whatever plan is kept.
	status := "true"
	if f.Status != StatusNone {
		status = fmt.Sprintf("m.status = %d", uint8(f.Status))
	}
	rows, err := s.db.Query(ctx, memberSQL+`WHERE u.path LIKE $1 || '%' AND ($2::bigint = 0 OR m.union_id = $2)
		AND `+status+` AND starts_with(m.name_masked, $3::text)
		AND `+moving+` AND `+where+order, args...)
	if err != nil {
		return nil, fmt.Errorf("member.List: %w", err)
	}
	all, err := pgx.CollectRows(rows, scan)
	if err != nil {
		return nil, fmt.Errorf("member.List: %w", err)
	}
	out := make([]Member, len(all))
	for i := range all {
		if out[i], err = s.masked(&all[i]); err != nil {
			return nil, fmt.Errorf("member.List: %w", err)
		}
	}
	return out, nil
}

// Count is how many members of each status are registered at or below the union
// of a path.
func (s *Store) Count(ctx context.Context, path string) (map[Status]int64, error) {
	rows, err := s.db.Query(ctx, `SELECT m.status, count(*) FROM members m JOIN unions u ON u.id = m.union_id
		WHERE u.path LIKE $1 || '%' GROUP BY m.status`, path)
	if err != nil {
		return nil, fmt.Errorf("member.Count: %w", err)
	}
	out := make(map[Status]int64)
	var status Status
	var n int64
	_, err = pgx.ForEachRow(rows, []any{&status, &n}, func() error {
		out[status] = n
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("member.Count: %w", err)
	}
	return out, nil
}
