package application

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"unioncard/card/union/event"
	"unioncard/card/union/staff"
	"unioncard/merchant"
)

// beijing is the time people live by here.
var beijing = time.FixedZone("Asia/Shanghai", 8*3600)

// numberAlphabet leaves out what is misread: I, L, O, U, 0, 1.
const numberAlphabet = "23456789ABCDEFGHJKMNPQRSTVWXYZ"

// newNumber is what an application is named by: its day and 6 random characters,
// so that it tells nothing about how many there are.
func newNumber(now time.Time) string {
	var raw [6]byte
	_, _ = rand.Read(raw[:]) // never fails
	for i, b := range raw {
		raw[i] = numberAlphabet[int(b)%len(numberAlphabet)]
	}
	return "SQ" + now.In(beijing).Format("060102") + "-" + string(raw[:])
}

// Receipt is what an applicant gets: a number to name, and the secret of the link.
type Receipt struct {
	ID            int64
	Number, Token string
}

// Apply takes a document from the public form as a draft, to which files are
// added before it is submitted, for the office of the outlets' territory. The
// document must be whole: merchant.FieldErrors.
func (s *Store) Apply(ctx context.Context, d Document) (Receipt, error) {
	d.Normalize()
	if err := d.Check(true); err != nil {
		return Receipt{}, err
	}
	if d.Trade == merchant.TradeUnion {
		var e merchant.FieldErrors
		e.Add("trade", "工会服务窗口由工会自己登记，请选择商家的行业。")
		return Receipt{}, e
	}
	var secret [16]byte
	_, _ = rand.Read(secret[:]) // never fails
	r := Receipt{Token: base64.RawURLEncoding.EncodeToString(secret[:])}
	err := s.change(ctx, func(tx pgx.Tx) error {
		office, err := officeOf(ctx, tx, &d)
		if err != nil {
			return err
		}
		r.ID, r.Number, err = s.insert(ctx, tx, merchant.By{Actor: "applicant", Reason: "商家网上申请"}, FromPublic, office, &d, hashToken(r.Token))
		return err
	})
	return r, err
}

func hashToken(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

// Enter takes a document from staff as a draft for the account's own office. It
// may be incomplete. merchant.FieldErrors.
func (s *Store) Enter(ctx context.Context, acct *staff.Account, reason string, d Document) (id int64, err error) {
	d.Normalize()
	if err := d.Check(false); err != nil {
		return 0, err
	}
	err = s.change(ctx, func(tx pgx.Tx) error {
		office, err := ownOffice(ctx, tx, acct, &d)
		if err != nil {
			return err
		}
		id, _, err = s.insert(ctx, tx, merchant.By{Actor: fmt.Sprintf("staff:%d", acct.ID), Reason: reason}, FromStaff, office, &d, nil)
		return err
	})
	return id, err
}

func (s *Store) insert(ctx context.Context, tx pgx.Tx, by merchant.By, source Source, office int64, d *Document, token []byte) (id int64, number string, err error) {
	if err := tx.QueryRow(ctx, `SELECT nextval(pg_get_serial_sequence('applications', 'id'))`).Scan(&id); err != nil {
		return 0, "", fmt.Errorf("application: id: %w", err)
	}
	sealed, phone, err := s.seal(object(id), personal{d.Contact, d.Bank})
	if err != nil {
		return 0, "", err
	}
	number = newNumber(s.Clock())
	_, err = tx.Exec(ctx, `INSERT INTO applications (id, number, office_id, source, status, code, legal_name, name_key, brand, trade,
			note, sealed, phone_hash, token_hash, created_by)
		VALUES ($1, $2, $3, $4, 'draft', $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
		id, number, office, source, d.Code, d.LegalName, nameKey(d.LegalName), d.Brand, d.Trade, d.Note, sealed, phone, token, by.Actor)
	if err != nil {
		return 0, "", fmt.Errorf("application: create: %w", err)
	}
	if err := putOutlets(ctx, tx, id, d.Outlets); err != nil {
		return 0, "", err
	}
	return id, number, event.Record(ctx, tx, by.Actor, "application.create", object(id), by.Reason, nil,
		map[string]any{"office": office, "source": source, "trade": d.Trade, "status": merchant.StageDraft, "version": 1})
}

// ByToken reads the application of a secret link. merchant.ErrNotFound for a
// wrong number or token alike.
func (s *Store) ByToken(ctx context.Context, number, token string) (*Application, error) {
	if !utf8.ValidString(number) || strings.ContainsRune(number, 0) {
		return nil, merchant.ErrNotFound // PostgreSQL takes no such text
	}
	hash := hashToken(token)
	var id int64
	var stored []byte
	err := s.DB.QueryRow(ctx, `SELECT id, token_hash FROM applications WHERE token_hash = $1 AND number = $2`, hash, number).Scan(&id, &stored)
	if err != nil || subtle.ConstantTimeCompare(stored, hash) != 1 {
		return nil, notFound("by token", err)
	}
	return s.Get(ctx, id)
}

// NewLink makes a secret link for an application that may still be corrected, in
// place of the one before: for a merchant that lost its own, or whose application
// staff took down. MoveError once nothing can be corrected any more.
func (s *Store) NewLink(ctx context.Context, by merchant.By, id int64) (r Receipt, err error) {
	var secret [16]byte
	_, _ = rand.Read(secret[:]) // never fails
	err = s.change(ctx, func(tx pgx.Tx) error {
		a, err := s.lock(ctx, tx, id)
		if err != nil {
			return err
		}
		if a.Stage.Final() || a.Stage == merchant.StageNegotiating {
			return &merchant.MoveError{Object: a.Object(), From: string(a.Stage), Action: "link"}
		}
		r = Receipt{ID: id, Number: a.Number, Token: base64.RawURLEncoding.EncodeToString(secret[:])}
		if _, err := tx.Exec(ctx, `UPDATE applications SET token_hash = $2 WHERE id = $1`, id, hashToken(r.Token)); err != nil {
			return fmt.Errorf("application: link: %w", err)
		}
		return event.Record(ctx, tx, by.Actor, "application.link", a.Object(), by.Reason, nil, map[string]any{"status": a.Stage})
	})
	return r, err
}

// Save replaces the document of the version that was seen: ConflictError if it
// is another by now, merchant.FieldErrors, merchant.MoveError if it may not be
// changed any more. Ticks of the checklist that rest on a changed field fall. The
// row's lock keeps two saves apart.
func (s *Store) Save(ctx context.Context, by merchant.By, id, version int64, d Document, applicant bool) error {
	d.Normalize()
	if err := d.Check(applicant); err != nil {
		return err
	}
	return s.change(ctx, func(tx pgx.Tx) error {
		a, err := s.lockAt(ctx, tx, id, version)
		if err != nil {
			return err
		}
		if !a.Editable(applicant) {
			return &merchant.MoveError{Object: a.Object(), From: string(a.Stage), Action: "save"}
		}
		office, err := s.officeAfter(ctx, tx, a, &d, applicant)
		if err != nil {
			return err
		}
		fields := changed(&a.Doc, &d)
		if len(fields) == 0 {
			return nil
		}
		sealed, phone, err := s.seal(a.Object(), personal{d.Contact, d.Bank})
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE applications SET office_id = $2, code = $3, legal_name = $4, name_key = $5, brand = $6, trade = $7,
			note = $8, sealed = $9, phone_hash = $10, version = version + 1, updated_at = clock_timestamp() WHERE id = $1`,
			id, office, d.Code, d.LegalName, nameKey(d.LegalName), d.Brand, d.Trade, d.Note, sealed, phone)
		if err != nil {
			return fmt.Errorf("application: save: %w", err)
		}
		if err := putOutlets(ctx, tx, id, d.Outlets); err != nil {
			return err
		}
		if err := dropTicks(ctx, tx, id, doubtful(d.Trade, fields)); err != nil {
			return err
		}
		return event.Record(ctx, tx, by.Actor, "application.save", a.Object(), by.Reason, map[string]any{"version": version, "office": a.OfficeID},
			map[string]any{"version": version + 1, "office": office, "fields": fields})
	})
}

// officeAfter is the office once the document is d. An applicant's draft follows
// its outlets; what an office has seen stays with it, within its territory.
func (s *Store) officeAfter(ctx context.Context, tx pgx.Tx, a *Application, d *Document, applicant bool) (int64, error) {
	if applicant && d.Trade == merchant.TradeUnion {
		var e merchant.FieldErrors
		e.Add("trade", "工会服务窗口由工会自己登记，请选择商家的行业。")
		return 0, e
	}
	if applicant && a.Stage == merchant.StageDraft {
		return officeOf(ctx, tx, d)
	}
	return a.OfficeID, checkTerritory(ctx, tx, a.OfficePath, d)
}

// doubtful lists the items of the checklist that rest on changed fields.
func doubtful(trade merchant.Trade, fields []string) []string {
	var items []string
	for _, item := range Checklist(trade) {
		if slices.ContainsFunc(item.Rests, func(f string) bool { return slices.Contains(fields, f) }) {
			items = append(items, item.Name)
		}
	}
	return items
}
