package staff

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"unioncard/card/union/event"
)

// DB is what a pool and a transaction have in common.
type DB interface {
	Begin(ctx context.Context) (pgx.Tx, error)
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Options is what a store works with.
type Options struct {
	Clock func() time.Time
	// Policy; the zero value stands for DefaultPolicy, with the second factor only
	// if there is a Box.
	Policy Policy
	// Box seals the second factor's secrets; nil: none can be set up.
	Box *Box
}

// Store reads and changes accounts and their sessions in PostgreSQL.
type Store struct {
	db     DB
	clock  func() time.Time
	policy Policy
	box    *Box
	hasher *hasher
}

// NewStore returns a store.
func NewStore(db DB, o Options) *Store {
	if o.Policy == (Policy{}) {
		o.Policy = DefaultPolicy()
		o.Policy.SecondFactor = o.Box != nil
	}
	return &Store{db: db, clock: o.Clock, policy: o.Policy, box: o.Box, hasher: newHasher(o.Policy.Hash, o.Policy.Hashing)}
}

// Policy is what the store asks of accounts.
func (s *Store) Policy() Policy { return s.policy }

// now is the clock at PostgreSQL's resolution.
func (s *Store) now() time.Time { return s.clock().Truncate(time.Microsecond) }

// By says who makes a change and why (invariant 10).
type By struct {
	Actor  event.Actor // "cli:root", "demo", "staff:123"
	Reason string
}

// Actor is the account as the event log names it.
func (a *Account) Actor() event.Actor { return fmt.Sprintf("staff:%d", a.ID) }

// Errors of accounts.
var (
	// ErrNotFound: no such account.
	ErrNotFound = errors.New("staff: no such account")
	// ErrStale: somebody else has changed the account since the form was opened.
	ErrStale = errors.New("staff: the account has changed meanwhile")
)

// FieldError is one field at fault, with a sentence in Chinese.
type FieldError struct{ Field, Message string }

// InvalidError is a form refused, field by field.
type InvalidError struct{ Fields []FieldError }

func (e *InvalidError) Error() string {
	names := make([]string, len(e.Fields))
	for i, f := range e.Fields {
		names[i] = f.Field
	}
	return "staff: fields at fault: " + strings.Join(names, ", ")
}

func (e *InvalidError) add(field, message string) {
	if message != "" {
		e.Fields = append(e.Fields, FieldError{field, message})
	}
}

func (e *InvalidError) orNil() error {
	if len(e.Fields) == 0 {
		return nil
	}
	return e
}

// NewAccount is an account to make.
type NewAccount struct {
	Login    string
	Name     string
	UnionID  int64
	Roles    []Role
	Password string
	// OneTime: the password must be changed at the first sign-in.
	OneTime bool
}

// state is what the event log keeps of an account: no name, no login.
type state struct {
	UnionID  int64  `json:"union_id"`
	Roles    []Role `json:"roles"`
	Disabled bool   `json:"disabled"`
}

const maxName = 40 // characters

var loginForm = regexp.MustCompile(`^[a-z][a-z0-9._-]{1,31}$`)

// CleanLogin is a login as it is stored and compared: lower case.
func CleanLogin(s string) string { return strings.ToLower(strings.TrimSpace(s)) }

func checkName(name string) string {
	switch {
	case strings.TrimSpace(name) == "":
		return "请填写姓名。"
	case utf8.RuneCountInString(name) > maxName:
		return fmt.Sprintf("姓名最多 %d 个字。", maxName)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return "姓名里有不可见字符，请重新输入。"
	}
	return ""
}

func checkLogin(login string) string {
	if !loginForm.MatchString(login) {
		return "登录名为 2 至 32 个小写字母、数字或 . _ -，以字母开头。"
	}
	return ""
}

// Create makes an account for whoever may do anything here: the command line and
// the demonstration. The console's operators use Add. An *InvalidError names what
// is wrong, a login that is taken among it (the unique key decides).
func (s *Store) Create(ctx context.Context, by By, n NewAccount) (id int64, err error) {
	n.Login, n.Name = CleanLogin(n.Login), strings.TrimSpace(n.Name)
	invalid := &InvalidError{}
	invalid.add("login", checkLogin(n.Login))
	invalid.add("name", checkName(n.Name))
	invalid.add("roles", checkRoles(n.Roles))
	if !n.OneTime {
		invalid.add("password", s.policy.CheckPassword(n.Login, n.Password))
	}
	if err := invalid.orNil(); err != nil {
		return 0, err
	}
	hash, err := s.hasher.hash(ctx, n.Password)
	if err != nil {
		return 0, fmt.Errorf("staff.Create: %w", err)
	}
	err = s.change(ctx, func(tx pgx.Tx) error {
		id, err = s.insert(ctx, tx, by, n, hash)
		return err
	})
	switch {
	case violates(err, "staff_login_key"):
		return 0, &InvalidError{[]FieldError{{"login", "这个登录名已有人使用，请换一个。"}}}
	case violates(err, "staff_union_id_fkey"):
		return 0, &InvalidError{[]FieldError{{"union_id", "没有这个工会，请重新选择。"}}}
	case err != nil:
		return 0, fmt.Errorf("staff.Create: %w", err)
	}
	return id, nil
}

func (s *Store) insert(ctx context.Context, tx pgx.Tx, by By, n NewAccount, hash string) (id int64, err error) {
	now := s.now()
	var oneTime *time.Time
	if n.OneTime {
		until := now.Add(s.policy.OneTime)
		oneTime = &until
	}
	err = tx.QueryRow(ctx, `INSERT INTO staff (login, name, union_id, roles, password, password_at, one_time_until, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $6) RETURNING id`,
		n.Login, n.Name, n.UnionID, sorted(n.Roles), hash, now, oneTime).Scan(&id)
	if err != nil {
		return 0, err
	}
	return id, event.Record(ctx, tx, by.Actor, "staff.create", object(id), by.Reason, nil, state{n.UnionID, sorted(n.Roles), false})
}

func object(id int64) string { return fmt.Sprintf("staff:%d", id) }

// rollbackTimeout bounds a rollback whose caller has gone away.
const rollbackTimeout = 5 * time.Second

// change runs f in a transaction of its own and commits it.
func (s *Store) change(ctx context.Context, f func(tx pgx.Tx) error) error {
	tx, err := s.db.Begin(ctx)
	if err != nil {
		return fmt.Errorf("staff: begin: %w", err)
	}
	if err := f(tx); err != nil {
		rollback, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
		defer cancel()
		if rbErr := tx.Rollback(rollback); rbErr != nil && !errors.Is(rbErr, pgx.ErrTxClosed) {
			return errors.Join(err, fmt.Errorf("staff: rollback: %w", rbErr))
		}
		return err
	}
	if err := tx.Commit(ctx); err != nil {
		return fmt.Errorf("staff: commit: %w", err)
	}
	return nil
}

// violates says whether err is PostgreSQL refusing by the named constraint.
func violates(err error, constraint string) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.ConstraintName == constraint
}
