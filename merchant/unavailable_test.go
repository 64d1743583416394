package merchant

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// unsent is an error as pgx has it for what never left.
type unsent bool

func (unsent) Error() string       { return "conn closed" }
func (u unsent) SafeToRetry() bool { return bool(u) }

func TestUnavailable(t *testing.T) {
	t.Parallel()
	pg := func(code string) error { return &pgconn.PgError{Severity: "FATAL", Code: code} }
	for _, c := range []struct {
		err  error
		want bool
	}{
		{&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, true},
		{&net.OpError{Op: "read", Err: syscall.ECONNRESET}, true},
		{&net.DNSError{Err: "no such host"}, true},
		{io.ErrUnexpectedEOF, true},
		{unsent(true), true},
		{unsent(false), false},
		{pg("08006"), true},
		{pg("53300"), true},  // too many connections
		{pg("57P01"), true},  // shut down by an operator
		{pg("57P03"), true},  // starting up
		{pg("57014"), false}, // a statement was cancelled
		{pg("23505"), false},
		{pg("28P01"), false}, // wrong password
		{pg("42601"), false},
		{pg(""), false},
		{errors.Join(ErrActivation, ErrNotFound), false},
		{context.Canceled, false},
		{nil, false},
	} {
		if got := Unavailable(c.err); got != c.want {
			t.Errorf("%v: %v", c.err, got)
		}
		if c.err != nil && Unavailable(fmt.Errorf("merchant: begin: %w", c.err)) != c.want {
			t.Errorf("%v, wrapped: %v", c.err, !c.want)
		}
	}
}

// TestUnavailableStore asks a store whose database is not there.
func TestUnavailableStore(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	pool, err := pgxpool.New(t.Context(), "postgres://nobody@"+addr+"/none?sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	s := NewStore(pool, time.Now)
	if err := s.UseAssertion(t.Context(), "t1", "j1", time.Now()); !Unavailable(err) {
		t.Errorf("UseAssertion: %v", err)
	}
	if _, err := s.Activate(t.Context(), "7K3M-Q9TZ-04XB", make([]byte, 32)); !Unavailable(err) {
		t.Errorf("Activate: %v", err)
	}
}
