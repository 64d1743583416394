package member

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card"
	"unioncard/card/feed"
	"unioncard/card/personal"
	"unioncard/card/union"
	"unioncard/card/union/event"
)

// Change is what Edit changes; nil leaves a field as it is.
type Change struct {
	ResidentID, Phone, Name *string // as people write them; Phone "": none any more
	Class                   *uint8
	JoinedOn                *time.Time // date at midnight UTC
}

// locked reads a member under its row lock. The lock comes first, in a statement
// of its own: one that joins and locks would, after waiting for a transfer, still
// look for the union of before and find nobody.
func locked(ctx context.Context, tx pgx.Tx, id int64) (stored, error) {
	tag, err := tx.Exec(ctx, `SELECT FROM members WHERE id = $1 FOR UPDATE`, id)
	if err != nil {
		return stored{}, err
	}
	if tag.RowsAffected() == 0 {
		return stored{}, ErrNotFound
	}
	return one(ctx, tx, `WHERE m.id = $1`, id)
}

// Edit corrects a member's data. version is the one that the form showed: ErrStale
// if the member has changed since. Errors as Register's. The event names the fields
// and never a value; the live card follows with its masked name and class. The row
// lock protects it.
func (s *Store) Edit(ctx context.Context, by card.By, id, version int64, c Change) error {
	err := s.rewrite(ctx, id, func(tx pgx.Tx, m *stored, p *personal.Person) error {
		switch {
		case m.Version != version:
			return ErrStale
		case !m.ErasedAt.IsZero():
			return ErrNoData
		}
		fields, err := s.apply(ctx, tx, m, p, c)
		if err != nil {
			return err
		}
		if len(fields) == 0 {
			return nil
		}
		if err := refreshCard(ctx, tx, by, id); err != nil {
			return err
		}
		return event.Record(ctx, tx, by.Actor, "member.edit", fmt.Sprintf("member:%d", id), by.Reason, nil, map[string]any{"fields": fields})
	})
	if err != nil {
		return fmt.Errorf("member.Edit: %w", s.told(ctx, by, fmt.Sprintf("member:%d", id), err))
	}
	return nil
}

// rewrite runs fn on a locked member and what is sealed of it, by write's rules.
func (s *Store) rewrite(ctx context.Context, id int64, fn func(tx pgx.Tx, m *stored, p *personal.Person) error) error {
	var p personal.Person
	return s.write(ctx, &p, id, func(tx pgx.Tx) error {
		if err := union.Hold(ctx, tx); err != nil { // the union and the card's territory follow from the tree
			return err
		}
		m, err := locked(ctx, tx, id)
		if err != nil {
			return err
		}
		p = personal.Person{}
		if m.HasPersonal {
			if p, err = s.vault.Reveal(m.sealed); err != nil {
				return err
			}
		}
		return fn(tx, &m, &p)
	})
}

// apply checks and stores a change and returns the names of the fields changed.
func (s *Store) apply(ctx context.Context, tx pgx.Tx, m *stored, p *personal.Person, c Change) (fields []string, err error) {
	was := *p
	for to, from := range map[*string]*string{&p.ResidentID: c.ResidentID, &p.Phone: c.Phone, &p.Name: c.Name} {
		if from != nil {
			*to = *from
		}
	}
	changed := func(name string, is bool) {
		if is {
			fields = append(fields, name)
		}
	}
	if c.ResidentID != nil || c.Phone != nil || c.Name != nil {
		if *p, err = check(*p, s.today()); err != nil {
			return nil, err
		}
		changed(personal.FieldResidentID, p.ResidentID != was.ResidentID)
		changed(personal.FieldPhone, p.Phone != was.Phone)
		changed(personal.FieldName, p.Name != was.Name)
	}
	if len(fields) > 0 {
		if err := s.reseal(ctx, tx, m, *p); err != nil {
			return nil, err
		}
	}
	class, joined := m.Class, m.JoinedOn
	if c.Class != nil {
		class = *c.Class
	}
	if c.JoinedOn != nil {
		joined = *c.JoinedOn
	}
	changed("class", class != m.Class)
	changed("joined_on", !joined.Equal(m.JoinedOn))
	if len(fields) == 0 {
		return nil, nil
	}
	_, err = tx.Exec(ctx, `UPDATE members SET class = $2, joined_on = $3, version = version + 1 WHERE id = $1`,
		m.ID, class, date(joined))
	return fields, err
}

// date is NULL for the zero time.
func date(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// reseal stores a locked member's values under the present keys. While a member
// is out, the phone number may be somebody else's.
func (s *Store) reseal(ctx context.Context, tx pgx.Tx, m *stored, p personal.Person) error {
	asked := p
	if !m.Status.Live() {
		asked.Phone = ""
	}
	if err := s.free(ctx, tx, asked, m.ID); err != nil {
		return err
	}
	sealed, err := s.vault.Seal(p)
	if err != nil {
		return err
	}
	if err := s.dropNumber(ctx, tx, m, sealed.IndexKey, p.Phone); err != nil {
		return err
	}
	m.sealed, m.HasPersonal = sealed, true
	_, err = tx.Exec(ctx, `UPDATE members SET name_masked = $2, id_hash = $3, phone_hash = $4, id_sealed = $5,
		phone_sealed = $6, name_sealed = $7, data_key = $8, index_key = $9 WHERE id = $1`, m.ID, card.Mask(p.Name),
		sealed.IDHash, sealed.PhoneHash, sealed.ID, sealed.Phone, sealed.Name, sealed.Key, sealed.IndexKey)
	return err
}

// dropNumber takes the number of before off a member whose hashes are of an older
// index key than those to come, if it is not the number to come: by the hashes alone
// nobody could tell such a change from a re-index, which leaves the phone signed in
// (members_phone_changed, migration 0020).
func (s *Store) dropNumber(ctx context.Context, tx pgx.Tx, m *stored, key int16, number string) error {
	if m.sealed.Phone == nil || m.sealed.IndexKey == key {
		return nil
	}
	was, err := s.vault.Reveal(m.sealed)
	if err != nil || was.Phone == number {
		return err
	}
	_, err = tx.Exec(ctx, `UPDATE members SET phone_hash = NULL, phone_sealed = NULL, index_key = $2 WHERE id = $1`, m.ID, key)
	return err
}

// Reveal opens a member's data to somebody who has said why; the event keeps the
// reason, and no value. ErrNoData.
func (s *Store) Reveal(ctx context.Context, by card.By, id int64) (personal.Person, error) {
	var p personal.Person
	err := card.InTx(ctx, s.db, func(tx pgx.Tx) error {
		m, err := one(ctx, tx, `WHERE m.id = $1`, id)
		if err != nil {
			return err
		}
		if !m.HasPersonal {
			return ErrNoData
		}
		if p, err = s.vault.Reveal(m.sealed); err != nil {
			return err
		}
		return event.Record(ctx, tx, by.Actor, "member.reveal", fmt.Sprintf("member:%d", id), by.Reason, nil, nil)
	})
	if err != nil {
		// Nobody sees a value whose showing was not logged.
		return personal.Person{}, fmt.Errorf("member.Reveal: %w", err)
	}
	return p, nil
}

// Leave ends a membership: the card is cancelled, an open transfer void. *MoveError.
// The member's, the transfer's and the card's row locks protect it, in this order.
func (s *Store) Leave(ctx context.Context, by card.By, id int64) error {
	err := card.InTx(ctx, s.db, func(tx pgx.Tx) error {
		m, err := locked(ctx, tx, id)
		if err != nil {
			return err
		}
		if _, err := m.Status.Next(ActionLeave); err != nil {
			return err
		}
		if err := s.void(ctx, tx, by, id); err != nil {
			return err
		}
		// The card package moves status and card together, with their events.
		if err := card.NewStore(tx, card.StoreOptions{}).Leave(ctx, by, id); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE members SET left_on = $2 WHERE id = $1`, id, s.today())
		return err
	})
	if err != nil {
		return fmt.Errorf("member.Leave: %w", err)
	}
	return nil
}

// Rejoin takes a member who left, or retired and is back at work, into a union; 0:
// the one of before. No union has to release who has left; a retired member comes
// back in the own union (ErrUnion otherwise: that is a transfer). The old card
// stays cancelled; a new one can be issued. *MoveError, ErrUnion, ErrNoData for one
// who was erased, *TakenError if somebody else has the phone number by now. The
// row lock and the unique indexes protect it.
func (s *Store) Rejoin(ctx context.Context, by card.By, id, unionID int64) error {
	err := s.rewrite(ctx, id, func(tx pgx.Tx, m *stored, p *personal.Person) error {
		next, err := m.Status.Next(ActionRejoin)
		switch {
		case err != nil:
			return err
		case !m.ErasedAt.IsZero():
			return ErrNoData
		case unionID == 0:
			unionID = m.UnionID
		case m.Status == StatusRetired && unionID != m.UnionID:
			return ErrUnion
		}
		if _, err := takesMembers(ctx, tx, unionID); err != nil {
			return err
		}
		was := m.Status
		m.Status = next
		if m.HasPersonal { // under the present keys, where the unique index holds
			if err := s.reseal(ctx, tx, m, *p); err != nil {
				return err
			}
		}
		joined := m.JoinedOn
		if was == StatusLeft {
			joined = s.today()
		}
		_, err = tx.Exec(ctx, `UPDATE members SET status = $2, union_id = $3, joined_on = $4, left_on = NULL, retired_on = NULL, version = version + 1
			WHERE id = $1`, id, next, unionID, date(joined))
		if err != nil {
			return err
		}
		return record(ctx, tx, by, ActionRejoin, id, state(was, m.UnionID), state(next, unionID))
	})
	if err != nil {
		return fmt.Errorf("member.Rejoin: %w", err)
	}
	return nil
}

// state is what events keep of a membership.
func state(s Status, unionID int64) map[string]any {
	return map[string]any{"status": s.String(), "union": unionID}
}

// Retire marks a member as retired; the card stays. *MoveError. The row lock
// protects it.
func (s *Store) Retire(ctx context.Context, by card.By, id int64) error {
	err := card.InTx(ctx, s.db, func(tx pgx.Tx) error {
		m, err := locked(ctx, tx, id)
		if err != nil {
			return err
		}
		next, err := m.Status.Next(ActionRetire)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE members SET status = $2, retired_on = $3, version = version + 1 WHERE id = $1`, id, next, s.today()); err != nil {
			return err
		}
		return record(ctx, tx, by, ActionRetire, id, state(m.Status, m.UnionID), state(next, m.UnionID))
	})
	if err != nil {
		return fmt.Errorf("member.Retire: %w", err)
	}
	return nil
}

// refreshCard makes a member's live card follow the member: territory, class and
// masked name, with its change feed row. Without a live card there is nothing to
// do.
func refreshCard(ctx context.Context, tx pgx.Tx, by card.By, id int64) error {
	var serial, version int64
	err := tx.QueryRow(ctx, `UPDATE cards c SET territory = u.territory, class = m.class, name_masked = m.name_masked,
		version = c.version + 1 FROM members m JOIN unions u ON u.id = m.union_id
		WHERE m.id = $1 AND c.serial = (SELECT card_serial FROM live_cards WHERE member_id = $1)
		AND (c.territory, c.class, c.name_masked) IS DISTINCT FROM (u.territory, m.class, m.name_masked)
		RETURNING c.serial, c.version`, id).Scan(&serial, &version)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("the member's card: %w", err)
	}
	if err := feed.Record(ctx, tx, feed.Change{Kind: feed.KindCard, ObjectID: serial, Version: version}); err != nil {
		return err
	}
	return event.Record(ctx, tx, by.Actor, "card.follow", fmt.Sprintf("card:%d", serial), by.Reason, nil, map[string]any{"member": id})
}
