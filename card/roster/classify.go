package roster

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card/member"
	"unioncard/card/personal"
	"unioncard/card/union"
)

// known is the member that a row's person is.
type known struct {
	id, version int64
	status      member.Status
	union       int64
	path        string
	joined      *time.Time
	moving      bool
	sealed      personal.Sealed
}

// classify says what comes of each row without a fault, by the members there are,
// and how much that tells of others' members.
func (s *Store) classify(ctx context.Context, r *Run, rows []entry) (t tells, err error) {
	people, err := s.known(ctx, rows)
	if err != nil {
		return t, err
	}
	phones, err := s.phoneOwners(ctx, rows)
	if err != nil {
		return t, err
	}
	for i := range rows {
		e := &rows[i]
		if len(e.faults) == 0 {
			if err := s.decide(r, e, people[i]); err != nil {
				return t, err
			}
			if m := people[i]; m != nil && !union.InScope(r.Path, m.path) {
				t.elsewhere++
			}
		}
		if owner, taken := phones[i]; taken && owner.id != e.member && len(e.faults) == 0 {
			e.fault(faultPhoneTaken())
			if !union.InScope(r.Path, owner.path) {
				t.taken++
			}
		}
		if len(e.faults) > 0 {
			e.outcome = Faulty
		}
	}
	return t, nil
}

// decide compares a row with the member that it is about; m is nil for nobody.
func (s *Store) decide(r *Run, e *entry, m *known) error {
	if m == nil {
		e.outcome = New
		return nil
	}
	was, err := s.vault.Reveal(m.sealed)
	if err != nil {
		return fmt.Errorf("member %d: %w", m.id, err)
	}
	e.member, e.version = m.id, m.version
	elsewhere := m.status != member.StatusLeft && !union.InScope(r.Path, m.path)
	if e.person.Phone == "" && was.Phone != "" && !elsewhere { // not told is not taken away
		// The file did not tell the number, so its fault file must not: what it gives
		// back are the cells.
		e.person.Phone, e.keepRaw = was.Phone, true
		if e.sealed, err = s.vault.Seal(e.person); err != nil {
			return err
		}
	}
	if was.Name != e.person.Name {
		e.fields = append(e.fields, personal.FieldName)
	}
	if was.Phone != e.person.Phone {
		e.fields = append(e.fields, personal.FieldPhone)
	}
	if !e.joined.IsZero() && (m.joined == nil || !m.joined.Equal(e.joined)) && m.status != member.StatusLeft {
		e.fields = append(e.fields, "joined_on")
	}
	switch {
	case m.status == member.StatusLeft:
		e.outcome = Rejoin
	case m.union == e.union && len(e.fields) == 0:
		e.outcome = Unchanged
	case m.union == e.union:
		e.outcome = Changed
	case m.moving:
		e.fault(faultMoving())
	case !elsewhere:
		e.outcome = Moved
	default:
		e.outcome, e.fields = Transfer, nil
	}
	return nil
}

// lookup is hashes to be found, and the rows that they are of.
type lookup struct {
	hashes []personal.Hash
	rows   []int32
}

func (l *lookup) add(row int, hashes ...personal.Hash) {
	for _, h := range hashes {
		l.hashes, l.rows = append(l.hashes, h), append(l.rows, int32(row))
	}
}

// known finds the members that the rows' persons are, also under an older index
// key while a re-index runs.
func (s *Store) known(ctx context.Context, rows []entry) (map[int]*known, error) {
	var l lookup
	for i := range rows {
		if len(rows[i].faults) == 0 {
			l.add(i, s.vault.IDHashes(rows[i].person.ResidentID)...)
		}
	}
	found, err := s.db.Query(ctx, `SELECT h.row, m.id, m.version, m.status, m.union_id, u.path, m.joined_on,
			EXISTS (SELECT FROM member_transfers t WHERE t.member_id = m.id AND t.state = 'requested'),
			m.id_hash, m.phone_hash, m.id_sealed, m.phone_sealed, m.name_sealed, m.data_key, m.index_key
		FROM unnest($1::bytea[], $2::integer[]) AS h (hash, row) JOIN members m ON m.id_hash = h.hash JOIN unions u ON u.id = m.union_id`, l.hashes, l.rows)
	if err != nil {
		return nil, fmt.Errorf("look for persons: %w", err)
	}
	out := map[int]*known{}
	defer found.Close()
	for found.Next() {
		var row int32
		k := &known{}
		err := found.Scan(&row, &k.id, &k.version, &k.status, &k.union, &k.path, &k.joined, &k.moving, &k.sealed.IDHash, &k.sealed.PhoneHash,
			&k.sealed.ID, &k.sealed.Phone, &k.sealed.Name, &k.sealed.Key, &k.sealed.IndexKey)
		if err != nil {
			return nil, fmt.Errorf("look for persons: %w", err)
		}
		out[int(row)] = k
	}
	if err := found.Err(); err != nil {
		return nil, fmt.Errorf("look for persons: %w", err)
	}
	return out, nil
}

// owner is the member that has a phone number.
type owner struct {
	id   int64
	path string
}

// phoneOwners finds the members to whom the rows' phone numbers belong.
func (s *Store) phoneOwners(ctx context.Context, rows []entry) (map[int]owner, error) {
	var l lookup
	for i := range rows {
		if len(rows[i].faults) == 0 && rows[i].person.Phone != "" {
			l.add(i, s.vault.PhoneHashes(rows[i].person.Phone)...)
		}
	}
	found, err := s.db.Query(ctx, `SELECT h.row, m.id, u.path FROM unnest($1::bytea[], $2::integer[]) AS h (hash, row)
		JOIN members m ON m.phone_hash = h.hash AND m.status IN (1, 3) JOIN unions u ON u.id = m.union_id`, l.hashes, l.rows)
	if err != nil {
		return nil, fmt.Errorf("look for phones: %w", err)
	}
	out := map[int]owner{}
	var row int32
	var o owner
	_, err = pgx.ForEachRow(found, []any{&row, &o.id, &o.path}, func() error {
		out[int(row)] = o
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look for phones: %w", err)
	}
	return out, nil
}
