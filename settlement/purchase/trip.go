package purchase

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// trip is one round trip of prepared statements, COPYs among them, written in one
// piece: a server that refuses one skips the rest up to the sync, rows included.
// Everything asked must be small in its answer, as nothing is read before all is
// written.
type trip struct {
	out     []byte
	readers []func([][]byte) // one a statement, nil for one without rows
	copied  []int            // rows written by each COPY
	err     error            // why a message can't be written
}

func (t *trip) reset() {
	t.out, t.readers, t.copied, t.err = t.out[:0], t.readers[:0], t.copied[:0], nil
}

func (t *trip) message(m pgproto3.FrontendMessage) {
	out, err := m.Encode(t.out)
	if err != nil { // longer than 1 GB
		t.err = err
		return
	}
	t.out = out
}

func (t *trip) execute(name string, args [][]byte, read func([][]byte)) {
	t.message(&pgproto3.Bind{PreparedStatement: name, Parameters: args,
		ParameterFormatCodes: binaryFormat, ResultFormatCodes: binaryFormat})
	t.message(&pgproto3.Execute{})
	t.readers = append(t.readers, read)
}

// do makes the trip. A *pgconn.PgError is the server's refusal; after any other
// error the connection is good for nothing.
func (t *trip) do(ctx context.Context, pg *pgconn.PgConn) error {
	t.message(&pgproto3.Sync{})
	if t.err != nil {
		return fmt.Errorf("purchase: write batch: %w", t.err)
	}
	until, _ := ctx.Deadline()
	if err := pg.Conn().SetDeadline(until); err != nil {
		return fmt.Errorf("purchase: write batch: %w", err)
	}
	if _, err := pg.Conn().Write(t.out); err != nil {
		return fmt.Errorf("purchase: write batch: %w", err)
	}
	refused, err := t.read(pg)
	if err == nil {
		err = pg.Conn().SetDeadline(time.Time{})
	}
	if err != nil {
		return fmt.Errorf("purchase: write batch: %w", err)
	}
	return refused
}

// read takes the answers up to the end of the trip, statement by statement.
func (t *trip) read(pg *pgconn.PgConn) (refused, err error) {
	copying := false
	for at := 0; ; {
		msg, err := pg.ReceiveMessage(context.Background()) // the connection has a deadline
		if err != nil {
			return nil, err
		}
		switch m := msg.(type) {
		case *pgproto3.CopyInResponse:
			copying = true
		case *pgproto3.DataRow:
			if at == len(t.readers) || t.readers[at] == nil {
				return nil, errors.New("rows that nobody asked for")
			}
			t.readers[at](m.Values)
		case *pgproto3.CommandComplete:
			if copying {
				t.copied = append(t.copied, int(pgconn.NewCommandTag(string(m.CommandTag)).RowsAffected()))
			}
			copying = false
			at++
		case *pgproto3.ErrorResponse:
			refused = pgconn.ErrorResponseToPgError(m)
		case *pgproto3.ReadyForQuery:
			return refused, nil
		}
	}
}
