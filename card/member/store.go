package member

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"unioncard/card"
	"unioncard/card/personal"
	"unioncard/card/union"
	"unioncard/card/union/event"
)

// Options of a Store.
type Options struct {
	Clock func() time.Time
	// Sources are what other packages keep of a member; see Export and Erase.
	Sources []Source
}

// Store reads and writes members. Every change is one transaction with its event.
type Store struct {
	db      card.DB
	vault   *personal.Vault
	cards   *card.Store
	clock   func() time.Time
	sources []Source
}

// NewStore makes a store over a pool, or over a transaction for tests.
func NewStore(db card.DB, v *personal.Vault, cards *card.Store, o Options) *Store {
	s := &Store{db: db, vault: v, cards: cards, clock: o.Clock, sources: o.Sources}
	if s.clock == nil {
		s.clock = time.Now
	}
	return s
}

var beijing = time.FixedZone("CST", 8*60*60)

// today is the date in Beijing, at midnight UTC as PostgreSQL's date wants it.
func (s *Store) today() time.Time {
	y, m, d := s.clock().In(beijing).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

const memberSQL = `SELECT m.id, m.union_id, u.name, u.path, m.name_masked, m.class, m.status, m.joined_on, m.retired_on, m.left_on, m.erased_at,
	m.created_at, m.version, coalesce((SELECT t.id FROM member_transfers t WHERE t.member_id = m.id AND t.state = 'requested'), 0),
	m.id_hash, m.phone_hash, m.id_sealed, m.phone_sealed, m.name_sealed, coalesce(m.data_key, 0), coalesce(m.index_key, 0)
	FROM members m JOIN unions u ON u.id = m.union_id `

// stored is a member's row.
type stored struct {
	Member
	sealed personal.Sealed
}

func scan(row pgx.CollectableRow) (m stored, err error) {
	var joined, retired, left, erased *time.Time
	err = row.Scan(&m.ID, &m.UnionID, &m.Union, &m.Path, &m.Name, &m.Class, &m.Status, &joined, &retired, &left, &erased,
		&m.CreatedAt, &m.Version, &m.Transfer, &m.sealed.IDHash, &m.sealed.PhoneHash,
		&m.sealed.ID, &m.sealed.Phone, &m.sealed.Name, &m.sealed.Key, &m.sealed.IndexKey)
	for to, from := range map[*time.Time]*time.Time{&m.JoinedOn: joined, &m.RetiredOn: retired, &m.LeftOn: left, &m.ErasedAt: erased} {
		if from != nil {
			*to = *from
		}
	}
	m.HasPersonal = m.sealed.ID != nil
	return m, err
}

// masked fills in what is shown of the sealed values.
func (s *Store) masked(m *stored) (Member, error) {
	if !m.HasPersonal {
		return m.Member, nil
	}
	p, err := s.vault.Reveal(m.sealed)
	if err != nil {
		return Member{}, fmt.Errorf("member %d: %w", m.ID, err)
	}
	m.ResidentID, m.Phone = personal.MaskID(p.ResidentID), personal.MaskPhone(p.Phone)
	return m.Member, nil
}

func one(ctx context.Context, db card.DB, where string, args ...any) (stored, error) {
	rows, err := db.Query(ctx, memberSQL+where, args...)
	if err != nil {
		return stored{}, err
	}
	m, err := pgx.CollectExactlyOneRow(rows, scan)
	if errors.Is(err, pgx.ErrNoRows) {
		err = ErrNotFound
	}
	return m, err
}

func (s *Store) get(ctx context.Context, call, where string, args ...any) (Member, error) {
	m, err := one(ctx, s.db, where, args...)
	if err == nil {
		m.Member, err = s.masked(&m)
	}
	if err != nil {
		return Member{}, fmt.Errorf("member.%s: %w", call, err)
	}
	return m.Member, nil
}

// Get reads a member; ErrNotFound.
func (s *Store) Get(ctx context.Context, id int64) (Member, error) {
	return s.get(ctx, "Get", `WHERE m.id = $1`, id)
}

// ByResidentID finds a member, also one who left, by the resident ID as people
// write it. ErrNotFound; a *personal.Fault for what is none.
func (s *Store) ByResidentID(ctx context.Context, text string) (Member, error) {
	id, err := personal.CheckResidentID(text)
	if err != nil {
		return Member{}, err
	}
	return s.get(ctx, "ByResidentID", `WHERE m.id_hash = ANY($1)`, s.vault.IDHashes(string(id)))
}

// ByPhone finds the living membership of a phone number as people write it.
// ErrNotFound; a *personal.Fault for what is none.
func (s *Store) ByPhone(ctx context.Context, text string) (Member, error) {
	phone, err := personal.ParsePhone(text)
	if err != nil {
		return Member{}, err
	}
	return s.get(ctx, "ByPhone", `WHERE m.phone_hash = ANY($1) AND m.status IN (1, 3)`, s.vault.PhoneHashes(phone))
}

// Register makes a person a member of a grassroots union (article 22) and returns
// the member's id. *InvalidError for values that can't be taken, ErrUnion,
// *TakenError for a person who is or was a member (Rejoin, or ask for a transfer)
// and for a phone number that another member has. The unique indexes protect it.
func (s *Store) Register(ctx context.Context, by card.By, unionID int64, p personal.Person, class uint8) (id int64, err error) {
	if p, err = check(p, s.today()); err != nil {
		return 0, err
	}
	err = s.write(ctx, &p, 0, func(tx pgx.Tx) error {
		if err := union.Hold(ctx, tx); err != nil {
			return err
		}
		if _, err := takesMembers(ctx, tx, unionID); err != nil {
			return err
		}
		if err := s.free(ctx, tx, p, 0); err != nil {
			return err
		}
		sealed, err := s.vault.Seal(p)
		if err != nil {
			return err
		}
		err = tx.QueryRow(ctx, `INSERT INTO members (union_id, name_masked, class, joined_on,
			id_hash, phone_hash, id_sealed, phone_sealed, name_sealed, data_key, index_key)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING id`,
			unionID, card.Mask(p.Name), class, s.today(),
			sealed.IDHash, sealed.PhoneHash, sealed.ID, sealed.Phone, sealed.Name, sealed.Key, sealed.IndexKey).Scan(&id)
		if err != nil {
			return err
		}
		return record(ctx, tx, by, ActionRegister, id, nil, map[string]any{"union": unionID, "class": class})
	})
	if err != nil {
		return 0, fmt.Errorf("member.Register: %w", s.told(ctx, by, fmt.Sprintf("union:%d", unionID), err))
	}
	return id, nil
}

func record(ctx context.Context, tx pgx.Tx, by card.By, action Action, id int64, before, after any) error {
	return event.Record(ctx, tx, by.Actor, "member."+string(action), fmt.Sprintf("member:%d", id), by.Reason, before, after)
}

// takesMembers holds a union to what Register says of it, returns its territory,
// and keeps it from being merged until the transaction ends. The caller holds the
// tree (union.Hold), from before its first row lock on.
func takesMembers(ctx context.Context, tx pgx.Tx, unionID int64) (territory int32, err error) {
	err = tx.QueryRow(ctx, `SELECT territory FROM unions WHERE id = $1 AND active AND kind = 'grassroots' FOR SHARE`,
		unionID).Scan(&territory)
	if errors.Is(err, pgx.ErrNoRows) {
		err = ErrUnion
	}
	return territory, err
}

// free is a *TakenError if somebody but the member has the resident ID or, while
// the membership lasts, the phone number.
func (s *Store) free(ctx context.Context, db card.DB, p personal.Person, member int64) error {
	var phones []personal.Hash
	if p.Phone != "" {
		phones = s.vault.PhoneHashes(p.Phone)
	}
	taken := &TakenError{Field: personal.FieldResidentID}
	var byID bool
	err := db.QueryRow(ctx, `SELECT m.id, m.union_id, u.name, u.path, m.status, m.id_hash = ANY($1)
		FROM members m JOIN unions u ON u.id = m.union_id
		WHERE m.id <> $3 AND (m.id_hash = ANY($1) OR m.phone_hash = ANY($2) AND m.status IN (1, 3))
		ORDER BY 6 DESC LIMIT 1`, s.vault.IDHashes(p.ResidentID), phones, member).
		Scan(&taken.MemberID, &taken.UnionID, &taken.Union, &taken.Path, &taken.Status, &byID)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil
	case err != nil:
		return fmt.Errorf("look for the person: %w", err)
	case !byID:
		taken.Field = personal.FieldPhone
	}
	return taken
}

// write runs fn in a transaction, again if the index key has been replaced
// meanwhile, and turns a broken unique index into a *TakenError: somebody else was
// quicker by a moment. p is the person as fn last wrote it.
func (s *Store) write(ctx context.Context, p *personal.Person, member int64, fn func(pgx.Tx) error) error {
	const attempts = 3
	var err error
	for range attempts {
		if err = card.InTx(ctx, s.db, fn); !personal.KeysMoved(err) {
			break
		}
		if err := s.vault.Reload(ctx); err != nil {
			return err
		}
	}
	pg, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || pg.ConstraintName != "members_id_hash" && pg.ConstraintName != "members_phone_hash" {
		return err
	}
	if taken := s.free(ctx, s.db, *p, member); taken != nil {
		return taken
	}
	// The other one has gone again: whoever asks may try once more.
	field := personal.FieldResidentID
	if pg.ConstraintName == "members_phone_hash" {
		field = personal.FieldPhone
	}
	return &TakenError{Field: field}
}
