package merchant

import (
	"errors"
	"io"
	"net"

	"github.com/jackc/pgx/v5/pgconn"
)

// Unavailable says whether err, of this package's store or of another one on
// PostgreSQL, came of the database being away and not of what was asked: no
// connection, one lost under way, or a server that starts, stops or has no room.
// Asking again later is then the right advice. Deadlines and cancellations are
// the caller's and not meant here, nor is a password that the server refuses.
func Unavailable(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		if len(pg.Code) != 5 {
			return false
		}
		switch pg.Code[:2] {
		case "08", "53": // connection; too many of them, no memory, disk full
			return true
		}
		return pg.Code[:3] == "57P" // shut down, crashed, starting up
	}
	// Nothing was sent: pgx says so of a connection that it found closed.
	var unsent interface{ SafeToRetry() bool }
	if errors.As(err, &unsent) && unsent.SafeToRetry() {
		return true
	}
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}
