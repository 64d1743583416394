package account

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"unioncard/card/personal"
	"unioncard/card/union/event"
	"unioncard/merchant"
)

// record is a user's row.
type record struct {
	ID, MerchantID int64
	Merchant       string
	Name           string
	Roles          []Role
	OutletIDs      []int64
	Disabled       bool
	TOTP, Offered  []byte
	TOTPStep       int64
	OfferedAt      *time.Time
	Version        int64
}

// read is a user as db has it; lock is how the row is held, "" not at all.
func (s *Store) read(ctx context.Context, db merchant.DB, id int64, lock string) (*record, error) {
	r := &record{ID: id}
	err := db.QueryRow(ctx, `SELECT u.merchant_id, m.name, u.name, u.roles, u.outlet_ids, u.disabled, u.totp, u.totp_offered, u.totp_step, u.totp_offered_at, u.version
		FROM merchant_users u JOIN merchants m ON m.id = u.merchant_id WHERE u.id = $1`+lock, id).
		Scan(&r.MerchantID, &r.Merchant, &r.Name, &r.Roles, &r.OutletIDs, &r.Disabled, &r.TOTP, &r.Offered, &r.TOTPStep, &r.OfferedAt, &r.Version)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("account: read user: %w", err)
	}
	return r, nil
}

// lock holds a user's row for a sign-in: ErrNoSession once it is disabled.
func (s *Store) lock(ctx context.Context, tx pgx.Tx, id int64) (*record, error) {
	r, err := s.read(ctx, tx, id, " FOR NO KEY UPDATE OF u")
	if err == nil && r.Disabled {
		return nil, ErrNoSession
	}
	return r, err
}

// lockMerchant keeps two changes to a merchant's users apart. merchant.ErrNotFound;
// merchant.ErrMerchantExited unless it is done even for one that has left.
func lockMerchant(ctx context.Context, tx pgx.Tx, id int64, even bool) error {
	var status merchant.MerchantStatus
	err := tx.QueryRow(ctx, `SELECT status FROM merchants WHERE id = $1 FOR NO KEY UPDATE`, id).Scan(&status)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return merchant.ErrNotFound
	case err != nil:
		return fmt.Errorf("account: lock merchant: %w", err)
	case status == merchant.MerchantExited && !even:
		return merchant.ErrMerchantExited
	}
	return nil
}

// state is what the event log keeps of a user: no number, no name.
type state struct {
	Merchant int64   `json:"merchant"`
	Roles    []Role  `json:"roles"`
	Outlets  []int64 `json:"outlets,omitempty"`
	Disabled bool    `json:"disabled,omitempty"`
}

func (r *record) state() state { return state{r.MerchantID, r.Roles, r.OutletIDs, r.Disabled} }

// Form is what is filled in of a user.
type Form struct {
	Name      string
	Phone     string // of Add only
	Roles     []Role
	OutletIDs []int64 // of a manager
}

const maxName = 40 // characters

// check tidies a form and says what is wrong with it, in the fields name, phone,
// roles and outlets. whole: with a number.
func (f *Form) check(whole bool) error {
	var wrong merchant.FieldErrors
	f.Name = strings.TrimSpace(f.Name)
	switch {
	case f.Name == "":
		wrong.Add("name", "请填写姓名。")
	case utf8.RuneCountInString(f.Name) > maxName:
		wrong.Add("name", fmt.Sprintf("姓名最多 %d 个字。", maxName))
	case !utf8.ValidString(f.Name) || strings.ContainsFunc(f.Name, unicode.IsControl) || personal.Mentioned(f.Name):
		wrong.Add("name", "这里只填姓名，不要填号码或不可见字符。")
	}
	if whole {
		number, err := personal.ParsePhone(f.Phone)
		var fault *personal.Fault
		switch {
		case errors.As(err, &fault):
			wrong.Add("phone", fault.Message+"。"+fault.Fix+"。")
		case err != nil:
			return err
		default:
			f.Phone = number
		}
	}
	slices.Sort(f.Roles)
	f.Roles = slices.Compact(f.Roles)
	slices.Sort(f.OutletIDs)
	f.OutletIDs = slices.Compact(f.OutletIDs)
	known := !slices.ContainsFunc(f.Roles, func(r Role) bool { return !slices.Contains(Roles(), r) })
	switch {
	case len(f.Roles) == 0 || !known:
		wrong.Add("roles", "请至少选一个角色。")
	case slices.Contains(f.Roles, Manager) && len(f.OutletIDs) == 0:
		wrong.Add("outlets", "请选择店长管的门店。")
	case !slices.Contains(f.Roles, Manager):
		f.OutletIDs = []int64{}
	}
	return wrong.Err()
}

// ours refuses shops that are not the merchant's as if they did not exist.
func ours(ctx context.Context, tx pgx.Tx, merchantID int64, outlets []int64) error {
	var n int
	err := tx.QueryRow(ctx, `SELECT count(*) FROM outlets WHERE merchant_id = $1 AND id = ANY ($2)`, merchantID, outlets).Scan(&n)
	if err != nil {
		return fmt.Errorf("account: outlets: %w", err)
	}
	if n != len(outlets) {
		return merchant.FieldErrors{{Field: "outlets", Message: "有的门店不存在了，请重新选择。"}}
	}
	return nil
}

// Add makes a user of a merchant, who may sign in at once. merchant.FieldErrors, a
// number that is a user already among them (the unique index decides);
// merchant.ErrMerchantExited. The caller has seen to it that by may: an owner of the
// merchant, or its office.
func (s *Store) Add(ctx context.Context, by merchant.By, merchantID int64, f Form) (id int64, err error) {
	if err := f.check(true); err != nil {
		return 0, err
	}
	err = s.change(ctx, func(tx pgx.Tx) error {
		if err := lockMerchant(ctx, tx, merchantID, false); err != nil {
			return err
		}
		if err := ours(ctx, tx, merchantID, f.OutletIDs); err != nil {
			return err
		}
		// While a re-index runs a number may stand under either hash.
		var there bool
		err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM merchant_users WHERE merchant_id = $1 AND phone_hash = ANY ($2) AND NOT disabled)`,
			merchantID, s.opts.Vault.PhoneHashes(f.Phone)).Scan(&there)
		if err != nil {
			return fmt.Errorf("account.Add: %w", err)
		}
		if there {
			return taken()
		}
		id, err = s.insert(ctx, tx, by, merchantID, &f)
		return err
	})
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.ConstraintName == "merchant_users_phone" {
		return 0, taken()
	}
	return id, err
}

func taken() error {
	return merchant.FieldErrors{{Field: "phone", Message: "这个手机号已经是本商家的用户，请在用户列表里修改。"}}
}

func (s *Store) insert(ctx context.Context, tx pgx.Tx, by merchant.By, merchantID int64, f *Form) (id int64, err error) {
	if err := tx.QueryRow(ctx, `SELECT nextval(pg_get_serial_sequence('merchant_users', 'id'))`).Scan(&id); err != nil {
		return 0, fmt.Errorf("account.Add: %w", err)
	}
	hash, key := s.opts.Vault.PhoneHash(f.Phone)
	_, err = tx.Exec(ctx, `INSERT INTO merchant_users (id, merchant_id, name, phone_hash, phone_sealed, index_key, roles, outlet_ids, created_by, created_at)
		OVERRIDING SYSTEM VALUE VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		id, merchantID, f.Name, hash, s.opts.Vault.SealBytes(numberPurpose, []byte(f.Phone), bound(id)), key, f.Roles, f.OutletIDs, by.Actor, s.now())
	if err != nil {
		return 0, fmt.Errorf("account.Add: %w", err)
	}
	r := record{MerchantID: merchantID, Roles: f.Roles, OutletIDs: f.OutletIDs}
	if err := tellOwners(ctx, tx, by, merchantID, "签约工会为本商家添加了人员（"+titles(f.Roles)+"）"); err != nil {
		return 0, err
	}
	return id, event.Record(ctx, tx, by.Actor, "portal.add_user", object(id), by.Reason, nil, r.state())
}

// tellOwners tells the owners what somebody of the office did about the merchant's
// users, so that no access is given behind their back.
func tellOwners(ctx context.Context, tx pgx.Tx, by merchant.By, merchantID int64, what string) error {
	if !strings.HasPrefix(string(by.Actor), "staff:") {
		return nil
	}
	return Notify(ctx, tx, merchantID, Notice{Kind: "portal.users", For: Owners, Text: what + "。不是您要求的，请马上联系签约工会。", URL: "/portal/users"})
}

// change of one user under the merchant's lock: ErrNotFound if it is not the
// merchant's, ErrStale if its version is another (version 0: any). even: also of a
// merchant that has left, whose users still read what it was paid.
func (s *Store) alter(ctx context.Context, by merchant.By, merchantID, id, version int64, action string, even bool, f func(tx pgx.Tx, r *record) error) error {
	return s.change(ctx, func(tx pgx.Tx) error {
		if err := lockMerchant(ctx, tx, merchantID, even); err != nil {
			return err
		}
		r, err := s.read(ctx, tx, id, " FOR NO KEY UPDATE OF u")
		if err != nil {
			return err
		}
		if r.MerchantID != merchantID {
			return ErrNotFound
		}
		if version != 0 && r.Version != version {
			return ErrStale
		}
		before := r.state()
		if err := f(tx, r); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE merchant_users SET version = version + 1 WHERE id = $1`, id); err != nil {
			return fmt.Errorf("account: %s: %w", action, err)
		}
		return event.Record(ctx, tx, by.Actor, action, object(id), by.Reason, before, r.state())
	})
}

// keepsOwner refuses to leave the merchant without an owner who may sign in.
func keepsOwner(ctx context.Context, tx pgx.Tx, r *record) error {
	var left bool
	err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM merchant_users WHERE merchant_id = $1 AND id <> $2 AND NOT disabled AND 'owner' = ANY (roles))`,
		r.MerchantID, r.ID).Scan(&left)
	if err != nil {
		return fmt.Errorf("account: owners: %w", err)
	}
	if !left && slices.Contains(r.Roles, Owner) && !r.Disabled {
		return ErrLastOwner
	}
	return nil
}

// Edit changes a user's name, roles and shops; the number stays: another number is
// another user. merchant.FieldErrors, ErrNotFound, ErrStale, ErrLastOwner.
func (s *Store) Edit(ctx context.Context, by merchant.By, merchantID, id, version int64, f Form) error {
	if err := f.check(false); err != nil {
		return err
	}
	return s.alter(ctx, by, merchantID, id, version, "portal.edit_user", false, func(tx pgx.Tx, r *record) error {
		if err := ours(ctx, tx, merchantID, f.OutletIDs); err != nil {
			return err
		}
		if !slices.Contains(f.Roles, Owner) {
			if err := keepsOwner(ctx, tx, r); err != nil {
				return err
			}
		}
		r.Name, r.Roles, r.OutletIDs = f.Name, f.Roles, f.OutletIDs
		_, err := tx.Exec(ctx, `UPDATE merchant_users SET name = $2, roles = $3, outlet_ids = $4 WHERE id = $1`, id, f.Name, f.Roles, f.OutletIDs)
		if err != nil {
			return fmt.Errorf("account.Edit: %w", err)
		}
		return nil
	})
}

// Disable ends a user's access and sessions at once. office: it may be the last
// owner. ErrNotFound, ErrStale, ErrLastOwner.
func (s *Store) Disable(ctx context.Context, by merchant.By, merchantID, id, version int64, office bool) error {
	return s.alter(ctx, by, merchantID, id, version, "portal.disable_user", true, func(tx pgx.Tx, r *record) error {
		if !office {
			if err := keepsOwner(ctx, tx, r); err != nil {
				return err
			}
		}
		if err := tellOwners(ctx, tx, by, merchantID, "签约工会停用了本商家的一位人员（"+titles(r.Roles)+"）"); err != nil {
			return err
		}
		r.Disabled = true
		// Who comes back sets a second factor up anew.
		_, err := tx.Exec(ctx, `UPDATE merchant_users SET disabled = true, totp = NULL, totp_offered = NULL, totp_offered_at = NULL WHERE id = $1`, id)
		if err != nil {
			return fmt.Errorf("account.Disable: %w", err)
		}
		return endSessions(ctx, tx, id)
	})
}

// ResetFactor forgets a user's second factor, which is set up anew at the next
// sign-in, and ends the sessions. ErrNotFound, ErrStale.
func (s *Store) ResetFactor(ctx context.Context, by merchant.By, merchantID, id, version int64) error {
	return s.alter(ctx, by, merchantID, id, version, "portal.reset_second_factor", true, func(tx pgx.Tx, r *record) error {
		if err := tellOwners(ctx, tx, by, merchantID, "签约工会重置了本商家一位人员（"+titles(r.Roles)+"）的两步验证"); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `UPDATE merchant_users SET totp = NULL, totp_offered = NULL, totp_offered_at = NULL WHERE id = $1`, id)
		if err != nil {
			return fmt.Errorf("account.ResetFactor: %w", err)
		}
		return endSessions(ctx, tx, id)
	})
}

// Row is a user as owners and the office see it.
type Row struct {
	ID         int64
	Name       string
	Phone      string // 138****5678
	Roles      []Role
	OutletIDs  []int64
	Disabled   bool
	Factor     bool // a second factor is set up
	SignedInAt *time.Time
	CreatedAt  time.Time
	Version    int64
}

// RoleTitles are the roles in Chinese.
func (r Row) RoleTitles() string { return titles(r.Roles) }

// Is reports whether the user has a role.
func (r Row) Is(role Role) bool { return slices.Contains(r.Roles, role) }

const rowSQL = `SELECT id, name, phone_sealed, roles, outlet_ids, disabled, totp IS NOT NULL, signed_in_at, created_at, version FROM merchant_users`

func (s *Store) scanRow(row pgx.CollectableRow) (r Row, err error) {
	var sealed []byte
	if err := row.Scan(&r.ID, &r.Name, &sealed, &r.Roles, &r.OutletIDs, &r.Disabled, &r.Factor, &r.SignedInAt, &r.CreatedAt, &r.Version); err != nil {
		return r, err
	}
	number, err := s.opts.Vault.OpenBytes(numberPurpose, sealed, bound(r.ID))
	if err != nil {
		r.Phone = "无法读取"
		return r, nil
	}
	r.Phone = personal.MaskPhone(string(number))
	return r, nil
}

// listed bounds the users on a page.
const listed = 500

// List is a merchant's users: who may sign in first, owners before others.
func (s *Store) List(ctx context.Context, merchantID int64) ([]Row, error) {
	rows, err := s.db.Query(ctx, rowSQL+` WHERE merchant_id = $1 ORDER BY disabled, 'owner' = ANY (roles) DESC, id LIMIT $2`, merchantID, listed)
	if err != nil {
		return nil, fmt.Errorf("account.List: %w", err)
	}
	out, err := pgx.CollectRows(rows, s.scanRow)
	if err != nil {
		return nil, fmt.Errorf("account.List: %w", err)
	}
	return out, nil
}

// Get is one user of a merchant. ErrNotFound, also for another merchant's.
func (s *Store) Get(ctx context.Context, merchantID, id int64) (*Row, error) {
	rows, err := s.db.Query(ctx, rowSQL+` WHERE merchant_id = $1 AND id = $2`, merchantID, id)
	if err != nil {
		return nil, fmt.Errorf("account.Get: %w", err)
	}
	r, err := pgx.CollectExactlyOneRow(rows, s.scanRow)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("account.Get: %w", err)
	}
	return &r, nil
}
