package phone

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card"
	"unioncard/card/member"
	"unioncard/card/personal"
)

// Where the member's codes can be shown.
const (
	EnrolledHere      = "this"
	EnrolledElsewhere = "other"
	EnrolledNowhere   = "none"
)

// Self is what members see of themselves.
type Self struct {
	ID         int64
	Name       string // in full: it is their own
	NameMasked string
	Class      uint8
	Union      string // the grassroots union
	Territory  int32  // division of the county or city, which tills see
	Retired    bool
	Card       *card.Card // nil: none that is live
	// Epoch is Keys.Epoch as it would be now; "" without a card.
	Epoch string
	// LastStatus is how the last card ended, if there is none that is live; 0: there
	// never was one.
	LastStatus card.Status
	Enrolled   string
}

// Me reads what the session's member sees. ErrNoSession for one who has left.
func (s *Store) Me(ctx context.Context, se *Session) (*Self, error) {
	me := &Self{ID: se.MemberID, Enrolled: EnrolledNowhere}
	var sealed sealedName
	var enrolment int64
	err := s.db.QueryRow(ctx, `SELECT m.name_masked, m.class, m.status = 3, u.name, u.territory, `+sealedColumns+`,
		  coalesce((SELECT e.id FROM phone_enrolments e WHERE e.member_id = m.id AND e.ended_at IS NULL), 0),
		  coalesce((SELECT c.status FROM cards c WHERE c.member_id = m.id ORDER BY c.serial DESC LIMIT 1), 0)
		FROM members m JOIN unions u ON u.id = m.union_id WHERE m.id = $1 AND m.status IN (1, 3)`, se.MemberID).
		Scan(append([]any{&me.NameMasked, &me.Class, &me.Retired, &me.Union, &me.Territory}, append(sealed.into(), &enrolment, &me.LastStatus)...)...)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, ErrNoSession
	}
	if err != nil {
		return nil, fmt.Errorf("phone.Me: %w", err)
	}
	if me.Name, err = s.nameOf(&sealed, me.NameMasked); err != nil {
		return nil, fmt.Errorf("phone.Me: %w", err)
	}
	switch enrolment {
	case 0:
	case se.Enrolment:
		me.Enrolled = EnrolledHere
	default:
		me.Enrolled = EnrolledElsewhere
	}
	c, err := s.opts.Cards.Live(ctx, se.MemberID)
	if err == nil {
		me.Card, me.Epoch, me.LastStatus = &c, epochOf(&c), card.StatusNone
	} else if !errors.Is(err, card.ErrCodeInvalid) {
		return nil, fmt.Errorf("phone.Me: %w", err)
	}
	return me, nil
}

// sealedColumns of members, as sealedName scans them.
const sealedColumns = `m.id_hash, m.phone_hash, m.id_sealed, m.phone_sealed, m.name_sealed, m.data_key, m.index_key`

// sealedName is a member's sealed columns, which may all be null.
type sealedName struct {
	personal.Sealed
	key, indexKey *int16
}

func (n *sealedName) into() []any {
	return []any{&n.IDHash, &n.PhoneHash, &n.ID, &n.Phone, &n.Name, &n.key, &n.indexKey}
}

// nameOf opens the name; of a member of before personal data there is only the
// masked one.
func (s *Store) nameOf(n *sealedName, masked string) (string, error) {
	p, err := s.open(n)
	if p.Name == "" {
		return masked, err
	}
	return p.Name, err
}

func (s *Store) open(n *sealedName) (personal.Person, error) {
	if n.key == nil || n.indexKey == nil {
		return personal.Person{}, nil
	}
	n.Key, n.IndexKey = *n.key, *n.indexKey
	return s.opts.Vault.Reveal(n.Sealed)
}

// Number is the session's member's own phone number, for sending a code to it;
// ErrNoSession for one who has none any more.
func (s *Store) Number(ctx context.Context, se *Session) (string, error) {
	var n sealedName
	err := s.db.QueryRow(ctx, `SELECT `+sealedColumns+` FROM members m WHERE m.id = $1 AND m.status IN (1, 3)`, se.MemberID).Scan(n.into()...)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", ErrNoSession
	}
	if err != nil {
		return "", fmt.Errorf("phone.Number: %w", err)
	}
	p, err := s.open(&n)
	if err != nil {
		return "", fmt.Errorf("phone.Number: %w", err)
	}
	if p.Phone == "" {
		return "", ErrNoSession
	}
	return p.Phone, nil
}

// maxReason bounds what a member may say of a loss, in characters.
const maxReason = 60

// Lost reports the member's card lost, at once and at any time of day. A card that
// is lost already stays so. ErrNoCard.
func (s *Store) Lost(ctx context.Context, se *Session, reason string) error {
	c, err := s.opts.Cards.Live(ctx, se.MemberID)
	if errors.Is(err, card.ErrCodeInvalid) {
		return ErrNoCard
	}
	if err != nil {
		return fmt.Errorf("phone.Lost: %w", err)
	}
	by := card.By{Actor: actor(se.MemberID), Reason: "持卡人在手机上挂失"}
	if said := plainReason(reason); said != "" {
		by.Reason += "：" + said
	}
	err = s.opts.Cards.ReportLost(ctx, by, c.Serial)
	var move *card.MoveError
	if errors.As(err, &move) {
		if move.From == card.StatusLost {
			return nil
		}
		return ErrNoCard
	}
	if err != nil {
		return fmt.Errorf("phone.Lost: %w", err)
	}
	return nil
}

// plainReason is a reason as the event log keeps it: short, on one line, and
// without numbers that could be a phone's or an ID's.
func plainReason(s string) string {
	var b strings.Builder
	n, digits := 0, 0
	for _, r := range strings.TrimSpace(s) {
		if n == maxReason {
			break
		}
		n++
		if r >= '0' && r <= '9' {
			if digits++; digits > 4 {
				r = '*'
			}
		} else {
			digits = 0
		}
		if r < ' ' {
			r = ' '
		}
		b.WriteRune(r)
	}
	return b.String()
}

// Found takes a loss back. It needs a code sent to the member's number just now: a
// phone that was lost itself may be in a stranger's hands. ErrCodeWrong, ErrNoCard,
// ErrNotLost; *WaitError.
func (s *Store) Found(ctx context.Context, se *Session, from netip.Addr, code string) error {
	if !plausible(code) {
		return ErrCodeWrong
	}
	number, err := s.Number(ctx, se)
	if err != nil {
		return err
	}
	sent, err := s.right(ctx, from, number, code)
	if err != nil {
		return err
	}
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		if err := sent.use(ctx, tx, s.now()); err != nil {
			return err
		}
		if err := lockSession(ctx, tx, se); err != nil {
			return err
		}
		c, err := s.opts.Cards.LiveTx(ctx, tx, se.MemberID)
		if errors.Is(err, card.ErrCodeInvalid) {
			return ErrNoCard
		}
		if err != nil {
			return err
		}
		err = card.NewStore(tx, card.StoreOptions{}).Found(ctx, card.By{Actor: actor(se.MemberID), Reason: "持卡人在手机上凭短信验证码解挂"}, c.Serial)
		var move *card.MoveError
		if errors.As(err, &move) {
			return ErrNotLost
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("phone.Found: %w", err)
	}
	return nil
}

// LiveSerial is the member's live card; ErrNoCard.
func (s *Store) LiveSerial(ctx context.Context, se *Session) (int64, error) {
	c, err := s.opts.Cards.Live(ctx, se.MemberID)
	if errors.Is(err, card.ErrCodeInvalid) {
		return 0, ErrNoCard
	}
	if err != nil {
		return 0, fmt.Errorf("phone.LiveSerial: %w", err)
	}
	return c.Serial, nil
}

// Serials are all cards the member has or had, for what was bought with them.
func (s *Store) Serials(ctx context.Context, se *Session) ([]int64, error) {
	rows, err := s.db.Query(ctx, `SELECT serial FROM cards WHERE member_id = $1 ORDER BY serial`, se.MemberID)
	if err != nil {
		return nil, fmt.Errorf("phone.Serials: %w", err)
	}
	serials, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return nil, fmt.Errorf("phone.Serials: %w", err)
	}
	return serials, nil
}

// Source is what is kept here of a member, for the export and the erasure that
// members may ask for (PIPL 45, 47).
func (s *Store) Source() member.Source {
	type signIn struct {
		SignedIn time.Time `json:"signed_in"`
		LastSeen time.Time `json:"last_seen"`
	}
	type enrolled struct {
		From    time.Time  `json:"from"`
		Renewed time.Time  `json:"renewed"`
		Until   *time.Time `json:"until,omitempty"`
		Why     *string    `json:"why_ended,omitempty"`
	}
	return member.Source{
		Name: "phone",
		Read: func(ctx context.Context, tx pgx.Tx, memberID int64) (any, error) {
			rows, err := tx.Query(ctx, `SELECT created_at, seen_at FROM phone_sessions WHERE member_id = $1 ORDER BY id`, memberID)
			if err != nil {
				return nil, fmt.Errorf("phone.Source: %w", err)
			}
			sessions, err := pgx.CollectRows(rows, pgx.RowToStructByPos[signIn])
			if err != nil {
				return nil, fmt.Errorf("phone.Source: %w", err)
			}
			if rows, err = tx.Query(ctx, `SELECT created_at, renewed_at, ended_at, ended FROM phone_enrolments WHERE member_id = $1 ORDER BY id`, memberID); err != nil {
				return nil, fmt.Errorf("phone.Source: %w", err)
			}
			phones, err := pgx.CollectRows(rows, pgx.RowToStructByPos[enrolled])
			if err != nil {
				return nil, fmt.Errorf("phone.Source: %w", err)
			}
			if len(sessions)+len(phones) == 0 {
				return nil, nil
			}
			return map[string]any{"sessions": sessions, "phones": phones}, nil
		},
		Erase: func(ctx context.Context, tx pgx.Tx, memberID int64) error {
			if _, err := tx.Exec(ctx, `DELETE FROM phone_sessions WHERE member_id = $1`, memberID); err != nil {
				return fmt.Errorf("phone.Source: %w", err)
			}
			// The card was cancelled before, so no key of it is good; only the device's
			// key is left, which is worth nothing to anybody but names a device.
			if _, err := tx.Exec(ctx, `DELETE FROM phone_enrolments WHERE member_id = $1`, memberID); err != nil {
				return fmt.Errorf("phone.Source: %w", err)
			}
			return nil
		},
	}
}
