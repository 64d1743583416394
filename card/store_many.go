package card

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"unioncard/card/feed"
	"unioncard/card/union"
	"unioncard/card/union/event"
)

// MaxMany is how many members IssueMany, RenewMany and LeaveMany take in one call:
// what one transaction writes and one turn of every node's reader applies.
const MaxMany = 50_000

// Issuing is what IssueBatch gives to each member.
type Issuing struct {
	ValidUntil Month
	Status     Status // StatusInactive or StatusActive
	Batch      int64  // 0 for none
}

// newCards are the columns of many cards to be written at once.
type newCards struct {
	member, serial, number []int64
	class                  []int16
	territory              []int32
	name                   []string
}

// IssueMany gives each of the members a card, set-based, and returns how many it
// gave one and how many it passed over: those who left, have a live card, or do
// not exist. status is StatusInactive or StatusActive. The members' row locks
// protect it, taken in the order of their ids, and live_cards backs it up. Whoever
// locks rows before calling it holds the union tree (union.Hold) before those.
func (s *Store) IssueMany(ctx context.Context, tx pgx.Tx, by By, memberIDs []int64, validUntil Month, status Status) (issued, skipped int, err error) {
	issued, err = s.IssueBatch(ctx, tx, by, memberIDs, Issuing{ValidUntil: validUntil, Status: status})
	return issued, len(memberIDs) - issued, err
}

// IssueBatch is IssueMany for a batch, whose progress it counts.
func (s *Store) IssueBatch(ctx context.Context, tx pgx.Tx, by By, memberIDs []int64, as Issuing) (issued int, err error) {
	action := ActionPrepare
	if as.Status == StatusActive {
		action = ActionIssue
	}
	if to, err := StatusNone.Next(action); err != nil || to != as.Status || len(memberIDs) > MaxMany {
		return 0, fmt.Errorf("card.IssueBatch: %d cards to be issued %s", len(memberIDs), as.Status)
	}
	if err := union.Hold(ctx, tx); err != nil { // the cards' territories follow from the tree
		return 0, fmt.Errorf("card.IssueBatch: %w", err)
	}
	cards, err := s.claimMany(ctx, tx, memberIDs)
	if err == nil && len(cards.serial) > 0 {
		err = s.insertMany(ctx, tx, by, cards, as, action)
	}
	if err != nil {
		return 0, fmt.Errorf("card.IssueBatch: %w", err)
	}
	return len(cards.serial), nil
}

// claimMany locks the members and makes each of them who may have one a live card
// with a serial.
func (s *Store) claimMany(ctx context.Context, tx pgx.Tx, memberIDs []int64) (c *newCards, err error) {
	rows, err := tx.Query(ctx, `SELECT m.id, m.class, m.name_masked, u.territory FROM members m JOIN unions u ON u.id = m.union_id
		WHERE m.id = ANY ($1) AND m.status <> $2 AND NOT EXISTS (SELECT FROM live_cards l WHERE l.member_id = m.id)
		ORDER BY m.id FOR UPDATE OF m`, memberIDs, memberLeft)
	if err != nil {
		return nil, fmt.Errorf("lock members: %w", err)
	}
	c = &newCards{}
	at := map[int64]int{} // place among the locked members
	var (
		member    int64
		class     int16
		name      string
		territory int32
	)
	_, err = pgx.ForEachRow(rows, []any{&member, &class, &name, &territory}, func() error {
		at[member] = len(c.member)
		c.member, c.class = append(c.member, member), append(c.class, class)
		c.name, c.territory = append(c.name, name), append(c.territory, territory)
		return nil
	})
	if err != nil || len(c.member) == 0 {
		return c, err
	}
	// Who got a card since the lines above were read is passed over here.
	rows, err = tx.Query(ctx, `INSERT INTO live_cards (member_id, card_serial)
		SELECT id, nextval('card_serial') FROM unnest($1::bigint[]) AS id
		ON CONFLICT (member_id) DO NOTHING RETURNING member_id, card_serial`, c.member)
	if err != nil {
		return nil, fmt.Errorf("live cards: %w", err)
	}
	won := &newCards{}
	var serial int64
	_, err = pgx.ForEachRow(rows, []any{&member, &serial}, func() error {
		i := at[member]
		won.member, won.serial = append(won.member, member), append(won.serial, serial)
		won.class, won.name = append(won.class, c.class[i]), append(won.name, c.name[i])
		won.territory = append(won.territory, c.territory[i])
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("live cards: %w", err)
	}
	won.number, err = s.claimNumbers(ctx, tx, won.serial)
	return won, err
}

// claimNumbers draws a number never given for each of the serials.
func (s *Store) claimNumbers(ctx context.Context, tx pgx.Tx, serials []int64) ([]int64, error) {
	at := make(map[int64]int, len(serials))
	for i, serial := range serials {
		at[serial] = i
	}
	numbers := make([]int64, len(serials))
	for left, round := serials, 0; len(left) > 0; round++ {
		if round == 16 {
			return nil, errors.New("every number drawn is taken")
		}
		drawn := make([]int64, len(left))
		for i := range drawn {
			var err error
			if drawn[i], err = s.newNumber(); err != nil {
				return nil, err
			}
		}
		rows, err := tx.Query(ctx, `INSERT INTO card_numbers (number, card_serial)
			SELECT * FROM unnest($1::bigint[], $2::bigint[]) ON CONFLICT (number) DO NOTHING
			RETURNING number, card_serial`, drawn, left)
		if err != nil {
			return nil, fmt.Errorf("claim numbers: %w", err)
		}
		var number, serial int64
		if _, err = pgx.ForEachRow(rows, []any{&number, &serial}, func() error {
			numbers[at[serial]] = number
			return nil
		}); err != nil {
			return nil, fmt.Errorf("claim numbers: %w", err)
		}
		var again []int64
		for _, serial := range left {
			if numbers[at[serial]] == 0 {
				again = append(again, serial)
			}
		}
		left = again
	}
	return numbers, nil
}

func (s *Store) insertMany(ctx context.Context, tx pgx.Tx, by By, c *newCards, as Issuing, action Action) error {
	var batch *int64
	if as.Batch != 0 {
		batch = &as.Batch
	}
	_, err := tx.Exec(ctx, `INSERT INTO cards
		(serial, member_id, number, generation, status, class, territory, name_masked, valid_until, batch_id, batch_territory)
		SELECT u.serial, u.member, u.number, 1, $7, u.class, u.territory, u.name, $8, $9::bigint, CASE WHEN $9::bigint IS NOT NULL THEN u.territory END
		FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::smallint[], $5::integer[], $6::text[])
		AS u (serial, member, number, class, territory, name)`,
		c.serial, c.member, c.number, c.class, c.territory, c.name, as.Status, as.ValidUntil.LastDay(), batch)
	if err != nil {
		return fmt.Errorf("insert: %w", err)
	}
	if err := feedMany(ctx, tx, c.serial, nil); err != nil {
		return err
	}
	object, low, high := "cards:", c.serial[0], c.serial[0]
	for _, serial := range c.serial {
		low, high = min(low, serial), max(high, serial)
	}
	object += fmt.Sprintf("%d-%d", low, high)
	if batch != nil {
		object = fmt.Sprintf("batch:%d", as.Batch)
		if err := countIssued(ctx, tx, c.serial); err != nil {
			return err
		}
	}
	return event.Record(ctx, tx, by.Actor, "card."+string(action)+"_many", object, by.Reason, nil, map[string]any{
		"cards": len(c.serial), "first": low, "last": high, "status": as.Status.String(), "valid_until": as.ValidUntil.String()})
}

// feedMany writes a change feed row for each card; versions nil is version 1.
func feedMany(ctx context.Context, tx pgx.Tx, serials, versions []int64) error {
	changes := make([]feed.Change, len(serials))
	for i, serial := range serials {
		changes[i] = feed.Change{Kind: feed.KindCard, ObjectID: serial, Version: 1}
		if versions != nil {
			changes[i].Version = versions[i]
		}
	}
	return feed.Record(ctx, tx, changes...)
}

// batchSums is how many of the cards $1 each batch has in each territory. Cards
// without a batch count nowhere.
const batchSums = `SELECT batch_id, batch_territory AS territory, count(*) AS n FROM cards
	WHERE serial = ANY ($1) AND batch_id IS NOT NULL GROUP BY batch_id, batch_territory`

// countIssued adds new cards to what their batches came to. The rows of progress
// come last in every transaction, behind the cards' locks and in their own order,
// so that no two wait for each other.
func countIssued(ctx context.Context, tx pgx.Tx, serials []int64) error {
	_, err := tx.Exec(ctx, `INSERT INTO batch_progress AS p (batch_id, territory, issued)
		SELECT * FROM (`+batchSums+`) s ORDER BY batch_id, territory
		ON CONFLICT (batch_id, territory) DO UPDATE SET issued = p.issued + excluded.issued`, serials)
	if err != nil {
		return fmt.Errorf("count issued: %w", err)
	}
	return nil
}

// countOn is countIssued for what comes after it: column is delivered or activated.
func countOn(ctx context.Context, tx pgx.Tx, column string, serials []int64) error {
	_, err := tx.Exec(ctx, `WITH locked AS (
			SELECT p.batch_id, p.territory, s.n FROM batch_progress p JOIN (`+batchSums+`) s USING (batch_id, territory)
			ORDER BY p.batch_id, p.territory FOR UPDATE OF p)
		UPDATE batch_progress p SET `+column+` = p.`+column+` + locked.n FROM locked
		WHERE p.batch_id = locked.batch_id AND p.territory = locked.territory`, serials)
	if err != nil {
		return fmt.Errorf("count %s: %w", column, err)
	}
	return nil
}

// takeBack makes a card one that is still to be handed out: what was handed out is
// the plastic before. Otherwise a clerk would activate a batch's new plastic that
// nobody has in the hand.
func takeBack(ctx context.Context, tx pgx.Tx, serial int64) error {
	_, err := tx.Exec(ctx, `WITH back AS (
			UPDATE cards SET delivered_at = NULL WHERE serial = $1 AND delivered_at IS NOT NULL RETURNING batch_id, batch_territory)
		UPDATE batch_progress p SET delivered = p.delivered - 1 FROM back
		WHERE p.batch_id = back.batch_id AND p.territory = back.batch_territory`, serial)
	if err != nil {
		return fmt.Errorf("take back: %w", err)
	}
	return nil
}

// changed is the cards that a set-based statement changed.
type changed struct{ serials, versions []int64 }

func changedRows(rows pgx.Rows, err error) (c changed, _ error) {
	if err != nil {
		return c, err
	}
	var serial, version int64
	_, err = pgx.ForEachRow(rows, []any{&serial, &version}, func() error {
		c.serials, c.versions = append(c.serials, serial), append(c.versions, version)
		return nil
	})
	return c, err
}

// RenewMany moves the members' active cards that are valid to the end of expiring,
// or have run out before, to the end of until, and returns how many it renewed.
// Codes and numbers stay. Cards that are not in use stay as they are: those not yet
// activated may still lie in a drawer with the old date on them, suspended and lost
// ones may never come back; each may be renewed once it is active. The cards' row locks protect it, taken in the order of
// their serials.
func (s *Store) RenewMany(ctx context.Context, tx pgx.Tx, by By, memberIDs []int64, expiring, until Month) (renewed int, err error) {
	if expiring >= until || len(memberIDs) > MaxMany {
		return 0, fmt.Errorf("card.RenewMany: %d cards from %s to %s", len(memberIDs), expiring, until)
	}
	c, err := changedRows(tx.Query(ctx, `WITH picked AS (
			SELECT c.serial FROM live_cards l JOIN cards c ON c.serial = l.card_serial
			WHERE l.member_id = ANY ($1) AND c.status = 1 AND c.valid_until <= $2
			ORDER BY c.serial FOR UPDATE OF c)
		UPDATE cards c SET valid_until = $3, version = c.version + 1 FROM picked WHERE c.serial = picked.serial
		RETURNING c.serial, c.version`, memberIDs, expiring.LastDay(), until.LastDay()))
	if err == nil && len(c.serials) > 0 {
		err = feedMany(ctx, tx, c.serials, c.versions)
	}
	if err != nil {
		return 0, fmt.Errorf("card.RenewMany: %w", err)
	}
	return len(c.serials), nil
}

// LeaveMany ends the live cards of members who left, whose rows the caller has
// locked and changed in the same transaction; each card has its feed row and its
// event. It returns how many it ended. The cards' row locks protect it, taken in
// the order of their serials.
func (s *Store) LeaveMany(ctx context.Context, tx pgx.Tx, by By, memberIDs []int64) (ended int, err error) {
	if len(memberIDs) > MaxMany {
		return 0, fmt.Errorf("card.LeaveMany: %d members", len(memberIDs))
	}
	c, err := changedRows(tx.Query(ctx, `WITH picked AS (
			SELECT c.serial, c.status AS was FROM live_cards l JOIN cards c ON c.serial = l.card_serial
			WHERE l.member_id = ANY ($1) AND c.status IN (1, 2, 3, 6) ORDER BY c.serial FOR UPDATE OF c),
		ended AS (
			UPDATE cards c SET status = $2, lost_from = 0, version = c.version + 1 FROM picked WHERE c.serial = picked.serial
			RETURNING c.serial, c.version, picked.was, c.generation, c.valid_until, c.member_id),
		dead AS (
			DELETE FROM live_cards l USING ended WHERE l.member_id = ended.member_id AND l.card_serial = ended.serial),
		told AS (
			INSERT INTO events (actor, action, object_kind, object_id, reason, before, after)
			SELECT $3, 'card.leave', 'card', serial::text, $4,
				jsonb_build_object('status', ($5::text[])[was + 1], 'generation', generation, 'valid_until', valid_until, 'member', member_id),
				jsonb_build_object('status', ($5::text[])[$2::integer + 1], 'generation', generation, 'valid_until', valid_until, 'member', member_id)
			FROM ended)
		SELECT serial, version FROM ended`, memberIDs, StatusLeft, by.Actor, by.Reason, statusNames[:]))
	if err == nil && (by.Actor == "" || by.Reason == "") {
		err = errors.New("nobody and nothing to record it by")
	}
	if err == nil && len(c.serials) > 0 {
		err = feedMany(ctx, tx, c.serials, c.versions)
	}
	if err != nil {
		return 0, fmt.Errorf("card.LeaveMany: %w", err)
	}
	return len(c.serials), nil
}
