package staff

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

	"unioncard/card/union/event"
)

const maxReason = 500 // characters

func checkReason(reason string) string {
	switch {
	case strings.TrimSpace(reason) == "":
		return "请写明理由，理由会记入日志。"
	case utf8.RuneCountInString(reason) > maxReason:
		return fmt.Sprintf("理由最多 %d 个字。", maxReason)
	case !utf8.ValidString(reason) || strings.ContainsFunc(reason, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\r' && r != '\t' }):
		return "理由里有不可见字符，请重新输入。"
	}
	return ""
}

// OneTime is a password handed out, to be shown this once.
type OneTime struct {
	Password string
	Until    time.Time // by when it must have been changed
}

// NewOneTime draws a one-time password.
func (s *Store) NewOneTime() OneTime { return OneTime{newOneTime(), s.now().Add(s.policy.OneTime)} }

// Add makes an account for an operator: within the operator's territory, with a
// one-time password. *InvalidError, ErrNotGrantable.
func (s *Store) Add(ctx context.Context, operator *Account, n NewAccount, reason string) (id int64, once OneTime, err error) {
	invalid := &InvalidError{}
	if err := s.checkUnion(ctx, operator, n.UnionID, invalid); err != nil {
		return 0, once, err
	}
	invalid.add("reason", checkReason(reason))
	invalid.add("login", checkLogin(CleanLogin(n.Login)))
	invalid.add("name", checkName(strings.TrimSpace(n.Name)))
	invalid.add("roles", checkRoles(n.Roles))
	if err := invalid.orNil(); err != nil {
		return 0, once, err
	}
	once = s.NewOneTime()
	n.Password, n.OneTime = once.Password, true
	id, err = s.Create(ctx, By{operator.Actor(), reason}, n)
	return id, once, err
}

// checkUnion notes a union that is not there or not the operator's: the answer is
// the same, as outside the territory nothing exists.
func (s *Store) checkUnion(ctx context.Context, operator *Account, id int64, invalid *InvalidError) error {
	if !operator.May(WriteStaff) {
		return ErrNotGrantable
	}
	path, err := unionPath(ctx, s.db, id)
	if err != nil {
		return err
	}
	if path == "" || !operator.Covers(path) {
		invalid.add("union_id", "请从本单位和下级单位中选择。")
	}
	return nil
}

// unionPath is an active union's path, "" if there is none.
func unionPath(ctx context.Context, db DB, id int64) (path string, err error) {
	err = db.QueryRow(ctx, `SELECT path FROM unions WHERE id = $1 AND active`, id).Scan(&path)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("staff: path of a union: %w", err)
	}
	return path, nil
}

// Edited is what an operator may change of an account.
type Edited struct {
	Name    string
	UnionID int64
	Roles   []Role
	// Version is that of the account as the operator saw it.
	Version int64
	Reason  string
}

// Edit changes an account's name, union and roles; they count from its next
// request on. *InvalidError, ErrStale, and what mayManage and keepOperator say.
func (s *Store) Edit(ctx context.Context, operator *Account, id int64, e Edited) error {
	e.Name, e.Roles = strings.TrimSpace(e.Name), slices.Clone(e.Roles)
	invalid := &InvalidError{}
	if err := s.checkUnion(ctx, operator, e.UnionID, invalid); err != nil {
		return err
	}
	invalid.add("reason", checkReason(e.Reason))
	invalid.add("name", checkName(e.Name))
	invalid.add("roles", checkRoles(e.Roles))
	if err := invalid.orNil(); err != nil {
		return err
	}
	return s.manage(ctx, operator, id, e.Version, func(tx pgx.Tx, r *record) error {
		after := state{e.UnionID, sorted(e.Roles), r.Disabled}
		renamed := e.Name != r.Name
		if !renamed && r.UnionID == after.UnionID && slices.Equal(sorted(r.Roles), after.Roles) {
			return nil
		}
		_, err := tx.Exec(ctx, `UPDATE staff SET name = $2, union_id = $3, roles = $4, version = version + 1 WHERE id = $1`,
			id, e.Name, e.UnionID, after.Roles)
		if err != nil {
			return fmt.Errorf("staff.Edit: %w", err)
		}
		type edit struct {
			state
			Renamed bool `json:"renamed,omitempty"`
		}
		return event.Record(ctx, tx, operator.Actor(), "staff.edit", object(id), e.Reason, r.state(), edit{after, renamed})
	})
}

// Disable ends an account and its sessions, or with off = false lets it in again.
func (s *Store) Disable(ctx context.Context, operator *Account, id, version int64, off bool, reason string) error {
	invalid := &InvalidError{}
	if invalid.add("reason", checkReason(reason)); len(invalid.Fields) > 0 {
		return invalid
	}
	return s.manage(ctx, operator, id, version, func(tx pgx.Tx, r *record) error {
		if r.Disabled == off {
			return nil
		}
		action := "staff.enable"
		if off {
			action = "staff.disable"
			if err := endSessions(ctx, tx, id, nil); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, `DELETE FROM staff_devices WHERE staff_id = $1`, id); err != nil {
				return fmt.Errorf("staff.Disable: forget browsers: %w", err)
			}
		}
		if _, err := tx.Exec(ctx, `UPDATE staff SET disabled = $2, version = version + 1 WHERE id = $1`, id, off); err != nil {
			return fmt.Errorf("staff.Disable: %w", err)
		}
		after := r.state()
		after.Disabled = off
		return event.Record(ctx, tx, operator.Actor(), action, object(id), reason, r.state(), after)
	})
}

// Reset gives an account a one-time password, ends its sessions, and with factor
// forgets its second factor too.
func (s *Store) Reset(ctx context.Context, operator *Account, id, version int64, factor bool, reason string) (once OneTime, err error) {
	invalid := &InvalidError{}
	if invalid.add("reason", checkReason(reason)); len(invalid.Fields) > 0 {
		return once, invalid
	}
	once = s.NewOneTime()
	hash, err := s.hasher.hash(ctx, once.Password)
	if err != nil {
		return OneTime{}, err
	}
	err = s.manage(ctx, operator, id, version, func(tx pgx.Tx, r *record) error {
		return s.reset(ctx, tx, By{operator.Actor(), reason}, r, hash, once.Until, factor)
	})
	if err != nil {
		return OneTime{}, err
	}
	return once, nil
}

// ResetByLogin is Reset from the command line. ErrNotFound.
func (s *Store) ResetByLogin(ctx context.Context, by By, login string, factor bool) (once OneTime, err error) {
	r, err := s.byLogin(ctx, CleanLogin(login))
	if err != nil {
		return once, err
	}
	once = s.NewOneTime()
	hash, err := s.hasher.hash(ctx, once.Password)
	if err != nil {
		return OneTime{}, err
	}
	err = s.change(ctx, func(tx pgx.Tx) error {
		if r, err = lock(ctx, tx, r.ID); err != nil {
			return err
		}
		return s.reset(ctx, tx, by, r, hash, once.Until, factor)
	})
	if err != nil {
		return OneTime{}, err
	}
	return once, nil
}

func (s *Store) reset(ctx context.Context, tx pgx.Tx, by By, r *record, hash string, until time.Time, factor bool) error {
	if err := s.setPassword(ctx, tx, r, hash, &until); err != nil {
		return err
	}
	if err := endSessions(ctx, tx, r.ID, nil); err != nil {
		return err
	}
	if err := event.Record(ctx, tx, by.Actor, "staff.reset_password", object(r.ID), by.Reason, nil, nil); err != nil {
		return err
	}
	if !factor {
		return nil
	}
	if _, err := tx.Exec(ctx, `UPDATE staff SET totp = NULL, totp_offered = NULL, totp_offered_at = NULL, version = version + 1 WHERE id = $1`, r.ID); err != nil {
		return fmt.Errorf("staff: forget the second factor: %w", err)
	}
	if _, err := tx.Exec(ctx, `DELETE FROM staff_recovery WHERE staff_id = $1`, r.ID); err != nil {
		return fmt.Errorf("staff: forget recovery codes: %w", err)
	}
	return event.Record(ctx, tx, by.Actor, "staff.reset_second_factor", object(r.ID), by.Reason, nil, nil)
}

// manage runs one change of an account by an operator who may make it. Operators
// wait for each other (the advisory lock), so that two can't take the last two
// operators' roles at once; the account's row lock keeps its owner's changes apart.
func (s *Store) manage(ctx context.Context, operator *Account, id, version int64, f func(pgx.Tx, *record) error) error {
	return s.change(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(manageLock)); err != nil {
			return fmt.Errorf("staff: lock: %w", err)
		}
		r, err := lock(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := mayManage(operator, id, r.Path); err != nil {
			return err
		}
		if r.Version != version {
			return ErrStale
		}
		if err := f(tx, r); err != nil {
			return err
		}
		return keepOperator(ctx, tx)
	})
}

// manageLock is the advisory lock of changes by operators ("ucstaff").
const manageLock = 0x75_6373_7461_6666

// keepOperator refuses a change after which nobody is left to put things right.
func keepOperator(ctx context.Context, tx pgx.Tx) error {
	var left bool
	err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM staff st JOIN unions u ON u.id = st.union_id
		WHERE u.parent_id IS NULL AND NOT st.disabled AND 'operator' = ANY (st.roles))`).Scan(&left)
	if err != nil {
		return fmt.Errorf("staff: look for an operator: %w", err)
	}
	if !left {
		return ErrLastOperator
	}
	return nil
}
