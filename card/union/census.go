package union

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// Count is how much there is at and below a union.
type Count struct {
	Unions  int64 // active ones below it
	Members int64 // in the union or retired
	Cards   int64 // issued and not ended: active ones, and inactive, suspended and lost ones
}

// Census is the counts of every union, a moment ago: they are added up at once for
// the whole tree, and again when somebody asks after so long that counting takes a
// twentieth of the time at most. With few members they are always of now.
type Census struct {
	db    Querier
	clock func() time.Time

	mu     sync.Mutex
	at     time.Time
	took   time.Duration
	counts map[int64]Count
}

// NewCensus returns a census over a pool.
func NewCensus(db Querier, clock func() time.Time) *Census { return &Census{db: db, clock: clock} }

// maxCensusAge bounds how old counts get however long counting takes.
const maxCensusAge = 10 * time.Minute

// Counts returns the counts by union, and of when they are. It must not be changed.
func (c *Census) Counts(ctx context.Context) (map[int64]Count, time.Time, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.clock()
	if age := now.Sub(c.at); c.counts != nil && age >= 0 && age < min(20*c.took, maxCensusAge) {
		return c.counts, c.at, nil
	}
	counts, err := census(ctx, c.db)
	if err != nil {
		return nil, time.Time{}, err
	}
	c.counts, c.at, c.took = counts, now, c.clock().Sub(now)
	return c.counts, c.at, nil
}

func census(ctx context.Context, db Querier) (map[int64]Count, error) {
	rows, err := db.Query(ctx, `WITH m AS (SELECT union_id, count(*) AS n, count(l.member_id) AS cards FROM members
			LEFT JOIN live_cards l ON l.member_id = members.id WHERE status IN (1, 3) GROUP BY union_id)
		SELECT u.path, u.active, coalesce(m.n, 0), coalesce(m.cards, 0) FROM unions u LEFT JOIN m ON m.union_id = u.id`)
	if err != nil {
		return nil, fmt.Errorf("union: census: %w", err)
	}
	counts := map[int64]Count{}
	var path string
	var active bool
	var members, cards int64
	_, err = pgx.ForEachRow(rows, []any{&path, &active, &members, &cards}, func() error {
		ids := strings.Split(strings.Trim(path, "/"), "/")
		for i, s := range ids {
			id, err := strconv.ParseInt(s, 10, 64)
			if err != nil {
				return fmt.Errorf("path %q: %w", path, err)
			}
			n := counts[id]
			n.Members += members
			n.Cards += cards
			if active && i < len(ids)-1 {
				n.Unions++
			}
			counts[id] = n
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("union: census: %w", err)
	}
	return counts, nil
}
