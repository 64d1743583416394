package purchase

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/jackc/pgx/v5/pgconn"
)

// overloaded is the refusal of what could not be done for now; nothing was
// recorded.
func overloaded(cause error) error {
	if cause == nil {
		return &Refusal{Err: ErrOverloaded, RetryAfter: retryAfter}
	}
	return &Refusal{Err: fmt.Errorf("%w: %w", ErrOverloaded, cause), RetryAfter: retryAfter}
}

// away turns the error of a database that is away, before anything was recorded,
// into ErrOverloaded and leaves every other as it is; also when it is only the
// caller that has gone.
func away(err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, ErrOverloaded) || !lostConnection(err) {
		return err
	}
	return overloaded(err)
}

// lostConnection says whether an error comes of the connection and not of what
// was asked. Among others it finds deadlines, and what was never sent.
func lostConnection(err error) bool {
	var connect *pgconn.ConnectError
	var pg *pgconn.PgError
	var network net.Error
	switch {
	case errors.As(err, &connect):
		return true
	case errors.As(err, &pg):
		return faultOf(err) == faultLost
	}
	return errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || pgconn.SafeToRetry(err)
}
