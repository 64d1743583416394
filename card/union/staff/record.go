package staff

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// record is an account's whole row.
type record struct {
	ID           int64
	Login, Name  string
	UnionID      int64
	Path         string
	Roles        []Role
	Disabled     bool
	Password     string
	PasswordAt   time.Time
	OneTimeUntil *time.Time
	TOTP         []byte
	TOTPStep     int64
	Offered      []byte
	OfferedAt    *time.Time
	Version      int64
}

const recordColumns = `st.id, st.login, st.name, st.union_id, u.path, st.roles, st.disabled, st.password, st.password_at,
	st.one_time_until, st.totp, st.totp_step, st.totp_offered, st.totp_offered_at, st.version`

func scanRecord(row pgx.Row) (*record, error) {
	var r record
	err := row.Scan(&r.ID, &r.Login, &r.Name, &r.UnionID, &r.Path, &r.Roles, &r.Disabled, &r.Password, &r.PasswordAt,
		&r.OneTimeUntil, &r.TOTP, &r.TOTPStep, &r.Offered, &r.OfferedAt, &r.Version)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("staff: read an account: %w", err)
	}
	return &r, nil
}

func (s *Store) byLogin(ctx context.Context, login string) (*record, error) {
	return scanRecord(s.db.QueryRow(ctx, `SELECT `+recordColumns+`
		FROM staff st JOIN unions u ON u.id = st.union_id WHERE st.login = $1`, login))
}

func (s *Store) byID(ctx context.Context, id int64) (*record, error) {
	return scanRecord(s.db.QueryRow(ctx, `SELECT `+recordColumns+`
		FROM staff st JOIN unions u ON u.id = st.union_id WHERE st.id = $1`, id))
}

// lock reads an account and locks its row until the end of the transaction, so
// that its changes run one after the other.
func lock(ctx context.Context, tx pgx.Tx, id int64) (*record, error) {
	return scanRecord(tx.QueryRow(ctx, `SELECT `+recordColumns+`
		FROM staff st JOIN unions u ON u.id = st.union_id WHERE st.id = $1 FOR NO KEY UPDATE OF st`, id))
}

// state is what the event log keeps.
func (r *record) state() state { return state{r.UnionID, r.Roles, r.Disabled} }

// setPassword stores a new password and keeps the old one for the history.
func (s *Store) setPassword(ctx context.Context, tx pgx.Tx, r *record, hash string, oneTimeUntil *time.Time) error {
	for _, q := range []struct {
		sql string
		arg []any
	}{
		{`INSERT INTO staff_passwords (staff_id, password) VALUES ($1, $2)`, []any{r.ID, r.Password}},
		{`DELETE FROM staff_passwords WHERE staff_id = $1 AND id NOT IN
			(SELECT id FROM staff_passwords WHERE staff_id = $1 ORDER BY id DESC LIMIT $2)`, []any{r.ID, s.policy.History}},
		{`UPDATE staff SET password = $2, password_at = $3, one_time_until = $4, version = version + 1 WHERE id = $1`,
			[]any{r.ID, hash, s.now(), oneTimeUntil}},
	} {
		if _, err := tx.Exec(ctx, q.sql, q.arg...); err != nil {
			return fmt.Errorf("staff: set password: %w", err)
		}
	}
	return nil
}

// usedBefore reports whether a password is the present one or one of the history.
func (s *Store) usedBefore(ctx context.Context, r *record, password string) (bool, error) {
	rows, err := s.db.Query(ctx, `SELECT password FROM staff_passwords WHERE staff_id = $1 ORDER BY id DESC LIMIT $2`,
		r.ID, max(s.policy.History-1, 0))
	if err != nil {
		return false, fmt.Errorf("staff: earlier passwords: %w", err)
	}
	earlier, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return false, fmt.Errorf("staff: earlier passwords: %w", err)
	}
	for _, hash := range append(earlier, r.Password) {
		if same, err := s.hasher.matches(ctx, password, hash); err != nil || same {
			return same, err
		}
	}
	return false, nil
}
