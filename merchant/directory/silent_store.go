package directory

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card/union/keyset"
)

// SilentMerchant is a merchant that has given no discount for SilentAfter although
// it could.
type SilentMerchant struct {
	ID      int64
	Name    string
	Office  string
	Outlets int       // that are open
	Last    time.Time // the last discount; zero: never
}

// LastOrEpoch is Last as the list is ordered: never is before everything.
func (m SilentMerchant) LastOrEpoch() time.Time {
	if m.Last.IsZero() {
		return time.Unix(0, 0)
	}
	return m.Last
}

// silentSQL names those of the merchants $2 that lie under the path $1 and have $3
// in their name. Which are silent is findSilent's rule alone, so that the office's
// list and the public mark agree.
const silentSQL = `SELECT * FROM (
	SELECT m.id, m.name, u.name AS office,
		(SELECT count(*) FROM outlets o WHERE o.merchant_id = m.id AND o.status = 'active') AS outlets,
		coalesce((SELECT max(s.discount_at) FROM outlets o JOIN outlet_signs s ON s.outlet_id = o.id WHERE o.merchant_id = m.id), 'epoch') AS last
	FROM merchants m JOIN unions u ON u.id = m.office_id
	WHERE starts_with(u.path, $1) AND m.id = ANY ($2) AND m.name LIKE $3) x`

func (s *Signs) silents() []int64 { return slices.Sorted(maps.Keys(*s.silent.Load())) }

// Silents is one page of the silent merchants of a territory; the page's sort is
// "last", "name" or "id".
func (s *Signs) Silents(ctx context.Context, path, text string, p keyset.Page) ([]SilentMerchant, error) {
	where, order, args := p.Clause(map[string]string{"last": "x.last", "name": "x.name", "id": "x.id"}, "x.id",
		path, s.silents(), keyset.Like(text))
	rows, err := s.db.Query(ctx, silentSQL+` WHERE `+where+order, args...)
	if err != nil {
		return nil, fmt.Errorf("directory: silent merchants: %w", err)
	}
	out, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (m SilentMerchant, err error) {
		err = row.Scan(&m.ID, &m.Name, &m.Office, &m.Outlets, &m.Last)
		if m.Last.Unix() == 0 {
			m.Last = time.Time{}
		}
		return m, err
	})
	if err != nil {
		return nil, fmt.Errorf("directory: silent merchants: %w", err)
	}
	return out, nil
}

// CountSilent is how many merchants of a territory are silent.
func (s *Signs) CountSilent(ctx context.Context, path string) (n int, err error) {
	err = s.db.QueryRow(ctx, `SELECT count(*) FROM merchants m JOIN unions u ON u.id = m.office_id
		WHERE starts_with(u.path, $1) AND m.id = ANY ($2)`, path, s.silents()).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("directory: count silent merchants: %w", err)
	}
	return n, nil
}
