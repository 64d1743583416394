package batch

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card"
	"unioncard/card/union/event"
)

// handChunk is how many cards one transaction of Deliver and Activate takes.
const handChunk = 10_000

// To says which cards of a batch are handed out or activated: of the members of a
// union and those below it, of some numbers, or all.
type To struct {
	UnionPath string
	Numbers   []int64
}

// Hand delivers or activates (of those delivered) cards of a batch in the territory
// of a path, and returns how many. It goes on in chunks, each committed, until none
// is left or the context's deadline is near; more says that it broke off. What is
// done stays done, and asking again goes on. ErrNotFound, ErrNothing.
func (s *Store) Hand(ctx context.Context, by card.By, path string, id int64, to To, activate bool) (n int, more bool, err error) {
	if _, err := s.Get(ctx, path, id); err != nil {
		return 0, false, err
	}
	do := s.cards.DeliverBatch
	if activate {
		do = s.cards.ActivateBatch
	}
	in := card.InBatch{Batch: id, UnionPath: to.UnionPath, Numbers: to.Numbers, Limit: handChunk}
	for {
		var did int
		err := pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) (err error) {
			did, err = do(ctx, tx, by, in)
			return err
		})
		if err != nil {
			return n, n > 0, fmt.Errorf("batch.Hand: %w", err)
		}
		n += did
		if did < handChunk {
			break
		}
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < 5*time.Second {
			return n, true, nil
		}
	}
	if n == 0 {
		return 0, false, ErrNothing
	}
	return n, false, nil
}

func (s *Store) tell(ctx context.Context, tx pgx.Tx, by card.By, action string, id int64, after any) error {
	return event.Record(ctx, tx, by.Actor, action, object(id), by.Reason, nil, after)
}

// Place is what a batch or an office's batches have come to in one place: a
// territory, or a union without one.
type Place struct {
	UnionID                      int64
	Union                        string
	Territory                    int32
	Batches, Overdue             int
	Target                       int64
	Issued, Delivered, Activated int64
}

// Places is what a batch has come to by territory.
func (s *Store) Places(ctx context.Context, id int64) ([]Place, error) {
	rows, err := s.db.Query(ctx, `SELECT coalesce(u.id, 0) AS union_id, coalesce(u.name, '') AS union, p.territory, 0 AS batches, 0 AS overdue,
		0::bigint AS target, p.issued::bigint, p.delivered::bigint, p.activated::bigint
		FROM batch_progress p LEFT JOIN unions u ON u.division = p.territory WHERE p.batch_id = $1 ORDER BY p.territory`, id)
	return places(rows, err)
}

func places(rows pgx.Rows, err error) ([]Place, error) {
	if err != nil {
		return nil, fmt.Errorf("batch: places: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Place])
	if err != nil {
		return nil, fmt.Errorf("batch: places: %w", err)
	}
	return list, nil
}

// Below is how issuing stands in each union directly below one: of a territory, all
// cards issued to its members by whatever batch; of another union, those of its own
// batches and of those below it. Targets and overdue batches are those of its own
// batches and of those below it. The last row is the union itself: batches that it
// holds directly, with all they came to.
func (s *Store) Below(ctx context.Context, unionID int64) ([]Place, error) {
	rows, err := s.db.Query(ctx, `WITH child AS (
			SELECT id, name, path, coalesce(division, 0) AS division, kind FROM unions WHERE parent_id = $1 AND active),
		planned AS (
			SELECT child.id, count(*) AS batches, sum(b.target) AS target,
				count(*) FILTER (WHERE b.status <> 4 AND b.due_on < $2 AND coalesce(p.issued, 0) < b.target) AS overdue,
				sum(p.issued) AS issued, sum(p.delivered) AS delivered, sum(p.activated) AS activated
			FROM child JOIN unions u ON starts_with(u.path, child.path) JOIN batches b ON b.union_id = u.id AND b.kind = 1
			LEFT JOIN LATERAL (SELECT sum(issued) AS issued, sum(delivered) AS delivered, sum(activated) AS activated
				FROM batch_progress WHERE batch_id = b.id) p ON true
			GROUP BY child.id),
		there AS (
			SELECT child.id, sum(p.issued) AS issued, sum(p.delivered) AS delivered, sum(p.activated) AS activated
			FROM child JOIN unions u ON starts_with(u.path, child.path) JOIN batch_progress p ON p.territory = u.division
			JOIN batches b ON b.id = p.batch_id AND b.kind = 1 WHERE child.division <> 0 GROUP BY child.id),
		own AS (
			SELECT $1::bigint AS id, count(*) AS batches, sum(b.target) AS target,
				count(*) FILTER (WHERE b.status <> 4 AND b.due_on < $2 AND coalesce(p.issued, 0) < b.target) AS overdue,
				sum(p.issued) AS issued, sum(p.delivered) AS delivered, sum(p.activated) AS activated
			FROM batches b LEFT JOIN LATERAL (SELECT sum(issued) AS issued, sum(delivered) AS delivered, sum(activated) AS activated
				FROM batch_progress WHERE batch_id = b.id) p ON true
			WHERE b.union_id = $1 AND b.kind = 1)
		SELECT id, name, division, batches, overdue, target, issued, delivered, activated FROM (
			SELECT 0 AS last, child.id, child.name, child.division, coalesce(planned.batches, 0)::integer AS batches,
				coalesce(planned.overdue, 0)::integer AS overdue, coalesce(planned.target, 0)::bigint AS target,
				coalesce(CASE WHEN child.division <> 0 THEN there.issued ELSE planned.issued END, 0)::bigint AS issued,
				coalesce(CASE WHEN child.division <> 0 THEN there.delivered ELSE planned.delivered END, 0)::bigint AS delivered,
				coalesce(CASE WHEN child.division <> 0 THEN there.activated ELSE planned.activated END, 0)::bigint AS activated
			FROM child LEFT JOIN planned USING (id) LEFT JOIN there USING (id)
			WHERE child.division <> 0 OR planned.batches > 0
			UNION ALL
			SELECT 1, u.id, u.name, coalesce(u.division, 0), own.batches::integer, own.overdue::integer, coalesce(own.target, 0)::bigint,
				coalesce(own.issued, 0)::bigint, coalesce(own.delivered, 0)::bigint, coalesce(own.activated, 0)::bigint
			FROM own JOIN unions u USING (id)) AS t
		ORDER BY last, division = 0, division, id LIMIT 1000`, unionID, s.today())
	return places(rows, err)
}

// Waiting is how many cards of a batch are to be handed out, and how many have been
// and are to be activated: what Hand would do.
type Waiting struct {
	UnionID           int64 // 0: all of the batch
	Name              string
	Deliver, Activate int64
}

// maxWaiting bounds the unions shown for handing out.
const maxWaiting = 500

// Waiting counts them in a whole batch, and in the unions of a territory that have
// any, at most 500 of them.
func (s *Store) Waiting(ctx context.Context, path string, id int64) (all Waiting, unions []Waiting, err error) {
	const counted = `count(*) FILTER (WHERE c.delivered_at IS NULL), count(*) FILTER (WHERE c.delivered_at IS NOT NULL)`
	const where = `c.batch_id = $1 AND c.status IN (1, 2, 3, 6) AND (c.delivered_at IS NULL OR c.status = 6)`
	if err := s.db.QueryRow(ctx, `SELECT `+counted+` FROM cards c WHERE `+where, id).Scan(&all.Deliver, &all.Activate); err != nil {
		return all, nil, fmt.Errorf("batch.Waiting: %w", err)
	}
	rows, err := s.db.Query(ctx, `SELECT u.id, u.name, `+counted+` FROM cards c JOIN members m ON m.id = c.member_id
		JOIN unions u ON u.id = m.union_id WHERE `+where+` AND starts_with(u.path, $2) GROUP BY u.id, u.name ORDER BY u.id LIMIT $3`, id, path, maxWaiting)
	if err != nil {
		return all, nil, fmt.Errorf("batch.Waiting: %w", err)
	}
	if unions, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Waiting]); err != nil {
		return all, nil, fmt.Errorf("batch.Waiting: %w", err)
	}
	return all, unions, nil
}

// NamedUnion is a union that a clerk named.
type NamedUnion struct {
	ID         int64
	Path, Name string
}

// maxNamed bounds the unions that a clerk chooses among.
const maxNamed = 8

// UnionsNamed finds the active unions of a territory that a clerk may mean: the one
// of a number, else those of exactly a name, else those with it in their names, at
// most 8, shortest name first. More than one, and the clerk has to say which.
func (s *Store) UnionsNamed(ctx context.Context, path, text string) ([]NamedUnion, error) {
	if text == "" {
		return nil, nil
	}
	rows, err := s.db.Query(ctx, `SELECT id, path, name FROM (
			SELECT id, path, name, CASE WHEN id::text = $2 THEN 0 WHEN name = $2 THEN 1 ELSE 2 END AS how FROM unions
			WHERE starts_with(path, $1) AND active AND (id::text = $2 OR strpos(name, $2) > 0)) AS u
		WHERE how = 0 OR NOT EXISTS (SELECT FROM unions o WHERE starts_with(o.path, $1) AND o.active AND o.id::text = $2)
			AND (how = 1 OR NOT EXISTS (SELECT FROM unions o WHERE starts_with(o.path, $1) AND o.active AND o.name = $2))
		ORDER BY length(name), id LIMIT $3`, path, text, maxNamed)
	if err != nil {
		return nil, fmt.Errorf("batch.UnionsNamed: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[NamedUnion])
	if err != nil {
		return nil, fmt.Errorf("batch.UnionsNamed: %w", err)
	}
	return found, nil
}

// UnionNames suggests unions of a territory, the highest first, at most 500.
func (s *Store) UnionNames(ctx context.Context, path string) ([]string, error) {
	rows, err := s.db.Query(ctx, `SELECT name FROM unions WHERE starts_with(path, $1) AND active
		ORDER BY length(path) - length(replace(path, '/', '')), id LIMIT $2`, path, maxWaiting)
	if err != nil {
		return nil, fmt.Errorf("batch.UnionNames: %w", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("batch.UnionNames: %w", err)
	}
	return names, nil
}
