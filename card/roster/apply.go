package roster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"unioncard/card"
	"unioncard/card/feed"
	"unioncard/card/personal"
	"unioncard/card/union"
	"unioncard/card/union/event"
)

// errRekeying: hashes of two index keys stand side by side; applying waits.
var errRekeying = errors.New("roster: members are being indexed anew; applying waits")

// apply applies a confirmed run in one transaction. What its check did not meet is
// left out as faulty; a transaction that collides with another (a registration in
// the same moment, a deadlock) is tried again by the next claim, and then meets it.
func (s *Store) apply(ctx context.Context, h *held) error {
	if err := s.reseal(ctx, h); err != nil {
		return err
	}
	err := card.InTx(ctx, s.db, func(tx pgx.Tx) error {
		// The tree's shape, then the run, then unions, members, transfers, cards: the
		// order of package member.
		if err := union.Hold(ctx, tx); err != nil {
			return err
		}
		var by card.By
		err := tx.QueryRow(ctx, `SELECT 'staff:' || confirmed_by, reason FROM roster_runs WHERE id = $1 AND token = $2 AND state = 'applying' FOR UPDATE`,
			h.ID, h.token).Scan(&by.Actor, &by.Reason)
		if errors.Is(err, pgx.ErrNoRows) {
			return errLost
		}
		if err != nil {
			return err
		}
		return s.applyTx(ctx, tx, h, by)
	})
	if personal.KeysMoved(err) {
		return errors.Join(err, s.vault.Reload(ctx))
	}
	if err != nil {
		return err
	}
	return s.purge(ctx, h.ID, false)
}

// step is one statement of an application; $1 is the run.
type step struct {
	name, sql string
	args      []any
}

func (s *Store) applyTx(ctx context.Context, tx pgx.Tx, h *held, by card.By) error {
	if err := s.oneIndexKey(ctx, tx); err != nil {
		return err
	}
	if err := run(ctx, tx, h.ID, s.recheck(h)); err != nil {
		return err
	}
	if err := s.insert(ctx, tx, h.ID); err != nil {
		return err
	}
	if err := s.settled(ctx, tx, h.ID); err != nil {
		return err
	}
	if err := run(ctx, tx, h.ID, s.changes(by)); err != nil {
		return err
	}
	if err := followCards(ctx, tx, h.ID, by); err != nil {
		return err
	}
	if err := s.transfers(ctx, tx, h.ID, by); err != nil {
		return err
	}
	var c Counts
	var before int
	err := tx.QueryRow(ctx, `SELECT n_faulty FROM roster_runs WHERE id = $1`, h.ID).Scan(&before)
	if err == nil {
		err = recount(ctx, tx, h.ID)
	}
	if err == nil {
		_, err = tx.Exec(ctx, `UPDATE roster_runs SET state = 'applied', applied_at = $2, lease_until = NULL, n_stale = n_faulty - $3 WHERE id = $1`, h.ID, s.clock(), before)
	}
	if err == nil {
		_, c, err = lockRun(ctx, tx, h.ID)
	}
	if err != nil {
		return err
	}
	return event.Record(ctx, tx, by.Actor, "roster.apply", object(h.ID), by.Reason, nil, c.event())
}

func run(ctx context.Context, tx pgx.Tx, id int64, steps []step) error {
	for _, st := range steps {
		if _, err := tx.Exec(ctx, st.sql, append([]any{id}, st.args...)...); err != nil {
			return fmt.Errorf("%s: %w", st.name, err)
		}
	}
	return nil
}

// oneIndexKey refuses to go on while members' hashes are of two keys: rows here are
// looked for under one. The lock, which every writer of hashes shares (migration
// 0017), keeps the answer true until the transaction ends.
func (s *Store) oneIndexKey(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock_shared(1970303091)`); err != nil {
		return fmt.Errorf("index keys: %w", err)
	}
	var keys int
	err := tx.QueryRow(ctx, `SELECT count(*) FROM data_keys WHERE kind = 'index' AND retired_at IS NULL`).Scan(&keys)
	if err != nil {
		return fmt.Errorf("index keys: %w", err)
	}
	if keys > 1 {
		return errRekeying
	}
	return nil
}

// reseal brings staged rows under the keys that members are sealed and indexed with
// now: a rotation may have come between check and apply.
func (s *Store) reseal(ctx context.Context, h *held) error {
	for {
		if err := s.beat(ctx, h); err != nil {
			return err
		}
		rows, err := s.db.Query(ctx, `SELECT r.row_no, r.id_hash, r.phone_hash, r.id_sealed, r.phone_sealed, r.name_sealed, r.data_key, r.index_key
			FROM roster_rows r, personal_state p WHERE r.run_id = $1 AND r.outcome <> 9 AND (r.data_key <> p.data_key OR r.index_key <> p.index_key)
			LIMIT $2`, h.ID, batchRows)
		if err != nil {
			return fmt.Errorf("reseal: %w", err)
		}
		type sealedRow struct {
			row    int32
			sealed personal.Sealed
		}
		all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (r sealedRow, err error) {
			return r, row.Scan(&r.row, &r.sealed.IDHash, &r.sealed.PhoneHash, &r.sealed.ID, &r.sealed.Phone, &r.sealed.Name, &r.sealed.Key, &r.sealed.IndexKey)
		})
		if err != nil || len(all) == 0 {
			return err
		}
		if err := s.vault.Reload(ctx); err != nil {
			return err
		}
		var b pgx.Batch
		for _, r := range all {
			p, err := s.vault.Reveal(r.sealed)
			if err != nil {
				return err
			}
			n, err := s.vault.Seal(p)
			if err != nil {
				return err
			}
			b.Queue(`UPDATE roster_rows SET id_hash = $3, phone_hash = $4, id_sealed = $5, phone_sealed = $6, name_sealed = $7, data_key = $8, index_key = $9
				WHERE run_id = $1 AND row_no = $2`, h.ID, r.row, n.IDHash, n.PhoneHash, n.ID, n.Phone, n.Name, n.Key, n.IndexKey)
		}
		err = card.InTx(ctx, s.db, func(tx pgx.Tx) error { return tx.SendBatch(ctx, &b).Close() })
		if err != nil {
			return fmt.Errorf("reseal: %w", err)
		}
	}
}

func faultDoc(f Fault) string {
	doc, _ := json.Marshal([]Fault{f}) // strings always marshal
	return string(doc)
}

// recheck locks what the run is about and makes faulty what is no longer as it was
// checked.
func (s *Store) recheck(h *held) []step {
	const mark = `UPDATE roster_rows r SET outcome = 9, faults = $2::jsonb WHERE run_id = $1 AND `
	return []step{
		{"lock unions", `SELECT id FROM unions WHERE id IN (SELECT DISTINCT union_id FROM roster_rows WHERE run_id = $1 AND outcome <> 9) ORDER BY id FOR SHARE`, nil},
		{"lock members", `SELECT m.id FROM members m JOIN roster_rows r ON r.member_id = m.id
			WHERE r.run_id = $1 AND r.outcome IN (2, 4, 5, 6) ORDER BY m.id FOR UPDATE OF m`, nil},
		{"unions gone", mark + `outcome IN (1, 2, 4, 5, 6) AND union_id NOT IN
			(SELECT id FROM unions WHERE active AND kind = 'grassroots' AND path LIKE (SELECT path || '%' FROM unions WHERE id = $3))`, []any{faultDoc(faultUnionGone()), h.UnionID}},
		{"members changed", mark + `outcome IN (2, 4, 5, 6) AND NOT EXISTS (SELECT FROM members m JOIN unions u ON u.id = m.union_id
			WHERE m.id = r.member_id AND m.version = r.member_version AND m.erased_at IS NULL AND (r.outcome = 6 OR
				CASE r.outcome WHEN 2 THEN m.union_id = r.union_id WHEN 5 THEN m.union_id <> r.union_id
				ELSE u.path LIKE (SELECT path || '%' FROM unions WHERE id = $3) END))`, []any{faultDoc(faultStale()), h.UnionID}},
		{"members registered", mark + `outcome = 1 AND EXISTS (SELECT FROM members m WHERE m.id_hash = r.id_hash)`, []any{faultDoc(faultStale())}},
		{"phones taken", mark + `outcome IN (1, 2, 4, 6) AND phone_hash IS NOT NULL AND EXISTS (SELECT FROM members m
			WHERE m.phone_hash = r.phone_hash AND m.status IN (1, 3) AND m.id IS DISTINCT FROM r.member_id)`, []any{faultDoc(faultPhoneTaken())}},
		{"transfers begun", mark + `outcome IN (4, 5) AND EXISTS (SELECT FROM member_transfers t
			WHERE t.member_id = r.member_id AND t.state = 'requested')`, []any{faultDoc(faultMoving())}},
	}
}

// insert registers the new members, in the order of their hashes, so that two runs
// never wait for each other over persons. Who was registered by somebody else since
// recheck is left out and made faulty.
func (s *Store) insert(ctx context.Context, tx pgx.Tx, id int64) error {
	var want int64
	if err := tx.QueryRow(ctx, `SELECT count(*) FROM roster_rows WHERE run_id = $1 AND outcome = 1`, id).Scan(&want); err != nil {
		return fmt.Errorf("new members: %w", err)
	}
	tag, err := tx.Exec(ctx, `INSERT INTO members (union_id, name_masked, joined_on, id_hash, phone_hash, id_sealed, phone_sealed, name_sealed,
			data_key, index_key, roster_run)
		SELECT union_id, name_masked, coalesce(joined_on, $2), id_hash, phone_hash, id_sealed, phone_sealed, name_sealed, data_key, index_key, run_id
		FROM roster_rows WHERE run_id = $1 AND outcome = 1 ORDER BY id_hash ON CONFLICT DO NOTHING`, id, s.today())
	if err != nil {
		return fmt.Errorf("new members: %w", err)
	}
	if tag.RowsAffected() == want {
		return nil
	}
	_, err = tx.Exec(ctx, `UPDATE roster_rows r SET outcome = 9, faults = $2::jsonb WHERE run_id = $1 AND outcome = 1
		AND NOT EXISTS (SELECT FROM members m WHERE m.id_hash = r.id_hash AND m.roster_run = $1)`, id, faultDoc(faultStale()))
	if err != nil {
		return fmt.Errorf("new members: %w", err)
	}
	return nil
}

// settled finds, among the rows that others were quicker with, those that ask for
// nothing any more: the member is registered in the row's union with the same data by
// now, as when two rosters of the same people were checked before either was applied.
func (s *Store) settled(ctx context.Context, tx pgx.Tx, id int64) error {
	rows, err := tx.Query(ctx, `SELECT r.row_no, r.id_hash, r.phone_hash, r.id_sealed, r.phone_sealed, r.name_sealed, r.data_key, r.index_key,
			m.id_hash, m.phone_hash, m.id_sealed, m.phone_sealed, m.name_sealed, m.data_key, m.index_key
		FROM roster_rows r JOIN members m ON m.id_hash = r.id_hash
		WHERE r.run_id = $1 AND r.outcome = 9 AND r.faults->0->>'c' = $2 AND m.union_id = r.union_id AND m.status IN (1, 3)
			AND (r.phone_hash IS NULL OR r.phone_hash = m.phone_hash) AND (r.joined_on IS NULL OR r.joined_on = m.joined_on)`, id, codeStale)
	if err != nil {
		return fmt.Errorf("settled: %w", err)
	}
	var same []int32
	var row int32
	var asked, is personal.Sealed
	_, err = pgx.ForEachRow(rows, []any{&row, &asked.IDHash, &asked.PhoneHash, &asked.ID, &asked.Phone, &asked.Name, &asked.Key, &asked.IndexKey,
		&is.IDHash, &is.PhoneHash, &is.ID, &is.Phone, &is.Name, &is.Key, &is.IndexKey}, func() error {
		a, err := s.vault.Reveal(asked)
		if err != nil {
			return err
		}
		b, err := s.vault.Reveal(is)
		if err == nil && a.Name == b.Name {
			same = append(same, row)
		}
		return err
	})
	if err == nil && len(same) > 0 {
		_, err = tx.Exec(ctx, `UPDATE roster_rows SET outcome = 3, faults = NULL WHERE run_id = $1 AND row_no = ANY($2)`, id, same)
	}
	if err != nil {
		return fmt.Errorf("settled: %w", err)
	}
	return nil
}

// changes records and makes what comes of members that are there already.
func (s *Store) changes(by card.By) []step {
	const events = `INSERT INTO events (actor, action, object_kind, object_id, reason, before, after) SELECT $2, `
	const states = `(ARRAY['none', 'in', 'left', 'retired'])`
	now := s.clock()
	return []step{
		{"tell of edits", events + `'member.edit', 'member', r.member_id::text, $3, NULL, jsonb_build_object('fields', r.fields, 'run', r.run_id)
			FROM roster_rows r WHERE r.run_id = $1 AND r.outcome IN (2, 4, 6) AND cardinality(r.fields) > 0 ORDER BY r.row_no`, []any{by.Actor, by.Reason}},
		{"tell of rejoining", events + `'member.rejoin', 'member', m.id::text, $3,
			jsonb_build_object('status', ` + states + `[m.status + 1], 'union', m.union_id), jsonb_build_object('status', 'in', 'union', r.union_id, 'run', r.run_id)
			FROM roster_rows r JOIN members m ON m.id = r.member_id WHERE r.run_id = $1 AND r.outcome = 6 ORDER BY r.row_no`, []any{by.Actor, by.Reason}},
		{"move", `WITH moved AS (INSERT INTO member_transfers (member_id, from_union, to_union, state, requested_by, requested_at, reason, due_at, decided_by, decided_at)
				SELECT m.id, m.union_id, r.union_id, 'done', $2, $4, $3, $4, $2, $4 FROM roster_rows r JOIN members m ON m.id = r.member_id
				WHERE r.run_id = $1 AND r.outcome = 4 ORDER BY m.id RETURNING id, member_id, from_union, to_union)
			INSERT INTO events (actor, action, object_kind, object_id, reason, before, after)
			SELECT $2, 'member.transfer', 'member', member_id::text, $3, jsonb_build_object('union', from_union),
				jsonb_build_object('union', to_union, 'transfer', id) FROM moved`, []any{by.Actor, by.Reason, now}},
		{"change members", `UPDATE members m SET union_id = r.union_id, name_masked = r.name_masked, id_hash = r.id_hash, phone_hash = r.phone_hash,
				id_sealed = r.id_sealed, phone_sealed = r.phone_sealed, name_sealed = r.name_sealed, data_key = r.data_key, index_key = r.index_key,
				status = CASE r.outcome WHEN 6 THEN 1 ELSE m.status END, left_on = CASE r.outcome WHEN 6 THEN NULL ELSE m.left_on END,
				retired_on = CASE r.outcome WHEN 6 THEN NULL ELSE m.retired_on END,
				joined_on = CASE r.outcome WHEN 6 THEN $2 ELSE coalesce(r.joined_on, m.joined_on) END, version = m.version + 1
			FROM roster_rows r WHERE r.run_id = $1 AND r.outcome IN (2, 4, 6) AND m.id = r.member_id`, []any{s.today()}},
	}
}

// followCards makes the live cards of changed members follow them, as package member
// does for one.
func followCards(ctx context.Context, tx pgx.Tx, id int64, by card.By) error {
	rows, err := tx.Query(ctx, `WITH picked AS (
			SELECT c.serial, u.territory, m.class, m.name_masked, m.id AS member FROM roster_rows r JOIN members m ON m.id = r.member_id
			JOIN unions u ON u.id = m.union_id JOIN live_cards l ON l.member_id = m.id JOIN cards c ON c.serial = l.card_serial
			WHERE r.run_id = $1 AND r.outcome IN (2, 4) AND (c.territory, c.class, c.name_masked) IS DISTINCT FROM (u.territory, m.class, m.name_masked)
			ORDER BY c.serial FOR UPDATE OF c),
		followed AS (UPDATE cards c SET territory = p.territory, class = p.class, name_masked = p.name_masked, version = c.version + 1
			FROM picked p WHERE c.serial = p.serial RETURNING c.serial, c.version, p.member),
		told AS (INSERT INTO events (actor, action, object_kind, object_id, reason, before, after)
			SELECT $2, 'card.follow', 'card', serial::text, $3, NULL, jsonb_build_object('member', member) FROM followed)
		SELECT serial, version FROM followed`, id, by.Actor, by.Reason)
	if err != nil {
		return fmt.Errorf("cards: %w", err)
	}
	changes, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (feed.Change, error) {
		c := feed.Change{Kind: feed.KindCard}
		return c, row.Scan(&c.ObjectID, &c.Version)
	})
	if err != nil {
		return fmt.Errorf("cards: %w", err)
	}
	return feed.Record(ctx, tx, changes...)
}

// transfers asks for the members of other territories.
func (s *Store) transfers(ctx context.Context, tx pgx.Tx, id int64, by card.By) error {
	rows, err := tx.Query(ctx, `SELECT union_id, array_agg(member_id ORDER BY member_id) FROM roster_rows
		WHERE run_id = $1 AND outcome = 5 GROUP BY union_id ORDER BY union_id`, id)
	if err != nil {
		return fmt.Errorf("transfers: %w", err)
	}
	type asked struct {
		Union   int64
		Members []int64
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[asked])
	if err != nil {
		return fmt.Errorf("transfers: %w", err)
	}
	for _, a := range all {
		if _, err := s.members.RequestTransfers(ctx, tx, by, a.Members, a.Union); err != nil {
			return err
		}
	}
	return nil
}
