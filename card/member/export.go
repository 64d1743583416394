package member

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card"
	"unioncard/card/feed"
	"unioncard/card/union/event"
)

// Source is what another package keeps of a member beyond these tables.
type Source struct {
	Name string // key of the exported document
	// Read returns what is kept, as it marshals to JSON; nil for nothing.
	Read func(ctx context.Context, tx pgx.Tx, memberID int64) (any, error)
	// Erase removes what is personal in it; nil if nothing is.
	Erase func(ctx context.Context, tx pgx.Tx, memberID int64) error
}

// Document is everything that is kept of a member (PIPL, article 45). It holds
// plain values: it is for the member's own hands.
type Document struct {
	Generated  time.Time          `json:"generated_at"`
	MemberID   int64              `json:"member_id"`
	ResidentID string             `json:"resident_id,omitempty"`
	Name       string             `json:"name"`
	Phone      string             `json:"phone,omitempty"`
	Union      string             `json:"union"`
	Class      uint8              `json:"class"`
	Status     string             `json:"status"`
	JoinedOn   string             `json:"joined_on,omitempty"`
	RetiredOn  string             `json:"retired_on,omitempty"`
	LeftOn     string             `json:"left_on,omitempty"`
	ErasedAt   *time.Time         `json:"erased_at,omitempty"`
	Cards      []ExportedCard     `json:"cards"`
	Transfers  []ExportedTransfer `json:"transfers"`
	History    []ExportedEvent    `json:"history"` // what was done with the membership and the cards
	Other      map[string]any     `json:"other,omitempty"`
}

// ExportedCard is one of the member's cards.
type ExportedCard struct {
	Number     string    `json:"number"`
	Status     string    `json:"status"`
	ValidUntil string    `json:"valid_until"`
	IssuedAt   time.Time `json:"issued_at"`
}

// ExportedTransfer is one of the member's transfers.
type ExportedTransfer struct {
	From        string        `json:"from"`
	To          string        `json:"to"`
	State       TransferState `json:"state"`
	RequestedAt time.Time     `json:"requested_at"`
	DecidedAt   *time.Time    `json:"decided_at,omitempty"`
}

// ExportedEvent is something that was done; who did it and why is the office's.
type ExportedEvent struct {
	At     time.Time `json:"at"`
	Action string    `json:"action"`
}

// Export collects everything that is kept of a member, for the member (PIPL,
// article 45), in one view of the database. The event keeps that it was done.
func (s *Store) Export(ctx context.Context, by card.By, id int64) (Document, error) {
	var d Document
	err := card.InTx(ctx, s.db, func(tx pgx.Tx) error {
		m, err := locked(ctx, tx, id)
		if err != nil {
			return err
		}
		d = Document{Generated: s.clock().UTC(), MemberID: id, Name: m.Name, Union: m.Union, Class: m.Class, Status: m.Status.String(),
			JoinedOn: day(m.JoinedOn), RetiredOn: day(m.RetiredOn), LeftOn: day(m.LeftOn), Other: map[string]any{}}
		if !m.ErasedAt.IsZero() {
			d.ErasedAt = &m.ErasedAt
		}
		if m.HasPersonal {
			p, err := s.vault.Reveal(m.sealed)
			if err != nil {
				return err
			}
			d.ResidentID, d.Name, d.Phone = p.ResidentID, p.Name, p.Phone
		}
		if err := d.read(ctx, tx); err != nil {
			return err
		}
		for _, source := range s.sources {
			if source.Read == nil {
				continue
			}
			part, err := source.Read(ctx, tx, id)
			if err != nil {
				return fmt.Errorf("%s: %w", source.Name, err)
			}
			if part != nil {
				d.Other[source.Name] = part
			}
		}
		return event.Record(ctx, tx, by.Actor, "member.export", fmt.Sprintf("member:%d", id), by.Reason, nil, nil)
	})
	if err != nil {
		return Document{}, fmt.Errorf("member.Export: %w", err)
	}
	return d, nil
}

// day is a date, "" for none.
func day(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.DateOnly)
}

// read fills in cards, transfers and history.
func (d *Document) read(ctx context.Context, tx pgx.Tx) error {
	rows, _ := tx.Query(ctx, `SELECT number::text, status, valid_until, issued_at FROM cards WHERE member_id = $1 ORDER BY serial`, d.MemberID)
	cards, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (c ExportedCard, err error) {
		var status card.Status
		var until time.Time
		err = row.Scan(&c.Number, &status, &until, &c.IssuedAt)
		c.Status, c.ValidUntil = status.String(), day(until)
		return c, err
	})
	if err != nil {
		return fmt.Errorf("cards: %w", err)
	}
	rows, _ = tx.Query(ctx, `SELECT f.name, o.name, t.state, t.requested_at, t.decided_at FROM member_transfers t
		JOIN unions f ON f.id = t.from_union JOIN unions o ON o.id = t.to_union WHERE t.member_id = $1 ORDER BY t.id`, d.MemberID)
	transfers, err := pgx.CollectRows(rows, pgx.RowToStructByPos[ExportedTransfer])
	if err != nil {
		return fmt.Errorf("transfers: %w", err)
	}
	// Each object by the index: with OR, every event of every card would be read.
	rows, _ = tx.Query(ctx, `SELECT e.at, e.action FROM (SELECT 'member' AS kind, $1::bigint::text AS id
			UNION ALL SELECT 'card', serial::text FROM cards WHERE member_id = $1) o
		JOIN events e ON e.object_kind = o.kind AND e.object_id = o.id ORDER BY e.id`, d.MemberID)
	history, err := pgx.CollectRows(rows, pgx.RowToStructByPos[ExportedEvent])
	if err != nil {
		return fmt.Errorf("history: %w", err)
	}
	d.Cards, d.Transfers, d.History = cards, transfers, history
	return nil
}

// JSON is the document as a file.
func (d Document) JSON() ([]byte, error) { return json.MarshalIndent(d, "", "  ") }

// Erase removes what is personal of a member who has left (PIPL, article 47): the
// sealed values and their hashes, the masked name on the membership and on every
// card, and what the sources keep. What remains is an empty membership that the
// cards' purchases name by number, kept as the accounting rules demand (PIPL 47,
// last paragraph). It can't be taken back: the person comes back as a new member.
// *MoveError for who has not left; ErrNoData if it was done before. The row lock
// protects it.
func (s *Store) Erase(ctx context.Context, by card.By, id int64) error {
	err := card.InTx(ctx, s.db, func(tx pgx.Tx) error {
		m, err := locked(ctx, tx, id)
		if err != nil {
			return err
		}
		if _, err := m.Status.Next(ActionErase); err != nil {
			return err
		}
		if !m.ErasedAt.IsZero() {
			return ErrNoData
		}
		_, err = tx.Exec(ctx, `UPDATE members SET name_masked = '*', id_hash = NULL, phone_hash = NULL, id_sealed = NULL,
			phone_sealed = NULL, name_sealed = NULL, data_key = NULL, index_key = NULL, erased_at = $2, version = version + 1
			WHERE id = $1`, id, s.clock())
		if err != nil {
			return err
		}
		if err := forgetCards(ctx, tx, id); err != nil {
			return err
		}
		for _, source := range s.sources {
			if source.Erase == nil {
				continue
			}
			if err := source.Erase(ctx, tx, id); err != nil {
				return fmt.Errorf("%s: %w", source.Name, err)
			}
		}
		return record(ctx, tx, by, ActionErase, id, nil, nil)
	})
	if err != nil {
		return fmt.Errorf("member.Erase: %w", err)
	}
	return nil
}

// forgetCards takes the masked name off a member's cards, with their feed rows.
func forgetCards(ctx context.Context, tx pgx.Tx, id int64) error {
	rows, _ := tx.Query(ctx, `UPDATE cards SET name_masked = '*', version = version + 1
		WHERE member_id = $1 AND name_masked <> '*' RETURNING serial, version`, id)
	var serials, versions []int64
	var serial, version int64
	_, err := pgx.ForEachRow(rows, []any{&serial, &version}, func() error {
		serials, versions = append(serials, serial), append(versions, version)
		return nil
	})
	if err != nil {
		return fmt.Errorf("the member's cards: %w", err)
	}
	var errs []error
	for i, serial := range serials {
		errs = append(errs, feed.Record(ctx, tx, feed.Change{Kind: feed.KindCard, ObjectID: serial, Version: versions[i]}))
	}
	return errors.Join(errs...)
}
