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

// A member's status, as in members.status.
const (
	memberIn      = 1
	memberLeft    = 2
	memberRetired = 3 // keeps the card
)

// NewMember is a member to enroll. Name is masked before it is stored; until the
// members issue nothing else personal is kept.
type NewMember struct {
	UnionID int64
	Name    string
	Class   uint8 // 0 to 7, see members.class
}

// Enroll registers a member with a union (article 22: grassroots unions do) and
// returns the member's id. The union's foreign key protects it.
func (s *Store) Enroll(ctx context.Context, by By, m NewMember) (memberID int64, err error) {
	err = InTx(ctx, s.db, func(tx pgx.Tx) error {
		if err := union.Hold(ctx, tx); err != nil {
			return err
		}
		err := tx.QueryRow(ctx, `INSERT INTO members (union_id, name_masked, class) VALUES ($1, $2, $3) RETURNING id`,
			m.UnionID, Mask(m.Name), m.Class).Scan(&memberID)
		if err != nil {
			return err
		}
		return event.Record(ctx, tx, by.Actor, "member.enroll", fmt.Sprintf("member:%d", memberID), by.Reason,
			nil, map[string]any{"union": m.UnionID, "class": m.Class})
	})
	if err != nil {
		return 0, fmt.Errorf("card.Enroll: %w", err)
	}
	return memberID, nil
}

// Issue gives a member a card, active at once and valid to the end of
// validUntil. A member has at most one live card (*MoveError with that card's
// status), and one who left none (*MoveError from StatusLeft). The member's row
// lock protects it, and live_cards backs it up.
func (s *Store) Issue(ctx context.Context, by By, memberID int64, validUntil Month) (Card, error) {
	return s.IssueAs(ctx, by, memberID, validUntil, StatusActive)
}

// IssueAs is Issue for a card that is StatusActive at once or StatusInactive.
func (s *Store) IssueAs(ctx context.Context, by By, memberID int64, validUntil Month, status Status) (Card, error) {
	action := ActionIssue
	if status == StatusInactive {
		action = ActionPrepare
	}
	var c Card
	err := InTx(ctx, s.db, func(tx pgx.Tx) error {
		if to, err := StatusNone.Next(action); err != nil || to != status {
			return fmt.Errorf("a new card can't be %s", status)
		}
		if err := union.Hold(ctx, tx); err != nil { // the card's territory follows from the tree
			return err
		}
		c = Card{MemberID: memberID, Version: 1, Entry: Entry{Status: status, Generation: 1, ValidUntil: validUntil}}
		var status int
		err := tx.QueryRow(ctx, `SELECT m.status, m.class, m.name_masked, u.territory, nextval('card_serial')
			FROM members m JOIN unions u ON u.id = m.union_id WHERE m.id = $1 FOR UPDATE OF m`, memberID).
			Scan(&status, &c.Class, &c.Holder, &c.Territory, &c.Serial)
		if errors.Is(err, pgx.ErrNoRows) {
			return fmt.Errorf("there is no member %d", memberID)
		}
		if err != nil {
			return err
		}
		if status == memberLeft {
			return &MoveError{Action: ActionIssue, From: StatusLeft}
		}
		if err := claimLive(ctx, tx, &c); err != nil {
			return err
		}
		if err := s.claimNumber(ctx, tx, &c); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO cards
			(serial, member_id, number, generation, status, class, territory, name_masked, valid_until)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
			c.Serial, memberID, c.Number, c.Generation, c.Status, c.Class, c.Territory, c.Holder, validUntil.LastDay())
		if err != nil {
			return fmt.Errorf("insert: %w", err)
		}
		return record(ctx, tx, by, action, &c, nil)
	})
	if err != nil {
		return Card{}, fmt.Errorf("card.Issue: %w", err)
	}
	return c, nil
}

// claimLive makes c its member's live card. The caller holds the member's row,
// so nobody else makes one; but a cancellation, which locks the card alone, may
// take the present one away between the two statements: then the claim is free.
func claimLive(ctx context.Context, tx pgx.Tx, c *Card) error {
	for {
		tag, err := tx.Exec(ctx, `INSERT INTO live_cards (member_id, card_serial) VALUES ($1, $2)
			ON CONFLICT (member_id) DO NOTHING`, c.MemberID, c.Serial)
		if err != nil {
			return fmt.Errorf("live card: %w", err)
		}
		if tag.RowsAffected() == 1 {
			return nil
		}
		var live Status
		err = tx.QueryRow(ctx, `SELECT status FROM cards c JOIN live_cards l ON l.card_serial = c.serial
			WHERE l.member_id = $1`, c.MemberID).Scan(&live)
		switch {
		case err == nil:
			return &MoveError{Action: ActionIssue, From: live}
		case !errors.Is(err, pgx.ErrNoRows):
			return fmt.Errorf("live card: %w", err)
		}
	}
}

// Leave ends a member's membership and with it the live card, if there is one.
// Leaving twice is refused as a *MoveError. The member's and the card's row
// locks protect it, in this order.
func (s *Store) Leave(ctx context.Context, by By, memberID int64) error {
	err := InTx(ctx, s.db, func(tx pgx.Tx) error {
		var was int
		err := tx.QueryRow(ctx, `SELECT status FROM members WHERE id = $1 FOR UPDATE`, memberID).Scan(&was)
		if errors.Is(err, pgx.ErrNoRows) {
			return fmt.Errorf("there is no member %d", memberID)
		}
		if err != nil {
			return err
		}
		if was == memberLeft {
			return &MoveError{Action: ActionLeave, From: StatusLeft}
		}
		if _, err := tx.Exec(ctx, `UPDATE members SET status = $2, version = version + 1 WHERE id = $1`, memberID, memberLeft); err != nil {
			return err
		}
		c, err := one(ctx, tx, `serial = (SELECT card_serial FROM live_cards WHERE member_id = $1) FOR UPDATE`, memberID)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		// A card that was cancelled while we waited for its lock is left as it is.
		if err == nil && c.Status.Live() {
			if err := s.moveTx(ctx, tx, by, &c, ActionLeave); err != nil {
				return err
			}
		}
		return event.Record(ctx, tx, by.Actor, "member.leave", fmt.Sprintf("member:%d", memberID), by.Reason,
			map[string]any{"status": was}, map[string]any{"status": memberLeft})
	})
	if err != nil {
		return fmt.Errorf("card.Leave: %w", err)
	}
	return nil
}

// CreateUnion adds a union under u.ParentID with its event and change feed row.
// Members' unions are made here; SeedUnions makes the territories.
func (s *Store) CreateUnion(ctx context.Context, by By, u union.Union) (union.Union, error) {
	err := InTx(ctx, s.db, func(tx pgx.Tx) error {
		if err := union.Insert(ctx, tx, &u); err != nil {
			return err
		}
		if err := feed.Record(ctx, tx, feed.Change{Kind: feed.KindUnion, ObjectID: u.ID, Version: u.Version}); err != nil {
			return err
		}
		return event.Record(ctx, tx, by.Actor, "union.create", fmt.Sprintf("union:%d", u.ID), by.Reason, nil,
			map[string]any{"kind": u.Kind, "path": u.Path, "division": u.Division})
	})
	if err != nil {
		return union.Union{}, fmt.Errorf("card.CreateUnion: %w", err)
	}
	return u, nil
}

// SeedUnions is union.SeedHenan with its event and change feed row; it returns
// the territorial unions' ids by division.
func (s *Store) SeedUnions(ctx context.Context, by By) (ids map[int32]int64, err error) {
	err = InTx(ctx, s.db, func(tx pgx.Tx) (err error) {
		if ids, err = union.SeedHenan(ctx, tx); err != nil {
			return err
		}
		root := ids[union.Divisions()[0].Code]
		// One row is enough: a reader reads the whole tree anew.
		if err := feed.Record(ctx, tx, feed.Change{Kind: feed.KindUnion, ObjectID: root, Version: 1}); err != nil {
			return err
		}
		return event.Record(ctx, tx, by.Actor, "union.seed", fmt.Sprintf("union:%d", root), by.Reason, nil,
			map[string]any{"divisions": len(ids)})
	})
	if err != nil {
		return nil, fmt.Errorf("card.SeedUnions: %w", err)
	}
	return ids, nil
}
