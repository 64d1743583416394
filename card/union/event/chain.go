package event

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// The chain. Writers never wait for it: they insert events, and one chainer links
// what has been committed, in the order in which it becomes visible (within one
// turn by id), into table event_chain: seq counts from 1 without a gap, and
//
//	hash(seq) = SHA-256( hash(seq-1) ‖ seq ‖ id ‖ at ‖ actor ‖ action ‖ kind ‖ object ‖ reason ‖ before ‖ after )
//	hash(0)   = SHA-256( "unioncard event chain v1" )
//
// where seq, id and at (microseconds since 1970 UTC) are 8 bytes, big-endian two's
// complement; the texts are UTF-8 behind their length in bytes as 8 such bytes;
// before and after are PostgreSQL's text of the jsonb (keys sorted by length, then
// by bytes; ", " and ": " between), or for NULL the length -1 alone. Every field
// has its length, so no two events have one encoding.
//
// The chain proves what it holds against anybody who does not rewrite all of it
// from the changed row on. Against who does, keep its head (Verify returns it)
// outside, on paper or in another system: a later Verify is given the head.

// DB is what a pool and a transaction have in common.
type DB interface {
	Begin(ctx context.Context) (pgx.Tx, error)
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Head is the last link of the chain.
type Head struct {
	Seq  int64 // 0: nothing has been linked
	Hash [sha256.Size]byte
}

func (h Head) String() string {
	return strconv.FormatInt(h.Seq, 10) + ":" + hex.EncodeToString(h.Hash[:])
}

var errHead = errors.New("event: a head is written SEQ:HASH, as audit verify prints it")

// ParseHead reads what Head.String wrote.
func ParseHead(s string) (Head, error) {
	seq, hash, ok := strings.Cut(s, ":")
	n, err := strconv.ParseInt(seq, 10, 64)
	raw, hexErr := hex.DecodeString(hash)
	if !ok || err != nil || hexErr != nil || len(raw) != sha256.Size {
		return Head{}, errHead
	}
	h := Head{n, [sha256.Size]byte(raw)}
	if n < 0 || h.String() != s {
		return Head{}, errHead
	}
	return h, nil
}

func genesis() Head { return Head{0, sha256.Sum256([]byte("unioncard event chain v1"))} }

// row is an event as it is linked.
type row struct {
	ID                                  int64
	At                                  time.Time
	Actor, Action, Kind, Object, Reason string
	Before, After                       *string // jsonb as text
}

const rowColumns = `e.id, e.at, e.actor, e.action, e.object_kind, e.object_id, e.reason, e.before::text, e.after::text`

func (e *row) fields() []any {
	return []any{&e.ID, &e.At, &e.Actor, &e.Action, &e.Kind, &e.Object, &e.Reason, &e.Before, &e.After}
}

// link is the head after e.
func (h Head) link(e *row) Head {
	b := make([]byte, 0, 512)
	b = append(b, h.Hash[:]...)
	number := func(n int64) { b = binary.BigEndian.AppendUint64(b, uint64(n)) }
	number(h.Seq + 1)
	number(e.ID)
	number(e.At.UnixMicro())
	for _, s := range []*string{&e.Actor, &e.Action, &e.Kind, &e.Object, &e.Reason, e.Before, e.After} {
		if s == nil {
			number(-1)
			continue
		}
		number(int64(len(*s)))
		b = append(b, *s...)
	}
	return Head{h.Seq + 1, sha256.Sum256(b)}
}

const (
	// chainLock is the advisory lock under which one node links ("ucchain").
	chainLock = 0x7563_6368_6169_6e
	// linkBatch bounds one turn's rows.
	linkBatch = 1000
	// turnEvery is how long the chainer rests when it has nothing to link: half of
	// the second within which an event is to be linked.
	turnEvery = 400 * time.Millisecond
)

// ChainerOptions is what a chainer works with.
type ChainerOptions struct {
	Logger *slog.Logger
	// Union finds the union that answers for an object now; ok is false for an
	// object that no union answers for. nil: for none.
	Union func(ctx context.Context, kind string, id int64) (union int64, ok bool, err error)
	// Turn, if not nil, is called after every turn with the rows linked: for tests.
	Turn func(linked int)
}

// Chainer links events. Every node has one; at each turn an advisory lock lets one
// of them work.
type Chainer struct {
	db DB
	ChainerOptions

	// What is linked, so that a turn need not look at every event there ever was.
	// While catching up, rows after id are looked at; low is then the oldest
	// transaction that ran when catching up began. Afterwards every row of a
	// transaction before low is linked, and rows from low on are looked at. It is
	// kept in memory only: transaction ids begin anew in a restored database.
	low      string
	catching bool
	after    int64

	scoped int64 // every link up to this one has its scope
}

// NewChainer returns a chainer.
func NewChainer(db DB, o ChainerOptions) *Chainer {
	return &Chainer{db: db, ChainerOptions: o, catching: true}
}

// Run links until ctx ends.
func (c *Chainer) Run(ctx context.Context) error {
	for {
		n, err := c.Link(ctx)
		if err == nil {
			err = c.scope(ctx)
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			c.Logger.Error("event chain", "error", err)
		}
		if c.Turn != nil {
			c.Turn(n)
		}
		if n == linkBatch && err == nil {
			continue // more is waiting
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(turnEvery):
		}
	}
}

// Link makes one turn and returns how many events it linked; 0 also while another
// node is at it.
func (c *Chainer) Link(ctx context.Context) (n int, err error) {
	tx, err := c.db.Begin(ctx)
	if err != nil {
		return 0, fmt.Errorf("event.Link: begin: %w", err)
	}
	defer func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if e := tx.Rollback(end); e != nil && !errors.Is(e, pgx.ErrTxClosed) { // ErrTxClosed: it was committed
			err = errors.Join(err, fmt.Errorf("event.Link: rollback: %w", e))
		}
	}()
	var mine bool
	var oldest string
	// The oldest transaction is read before the rows are: whatever began later and
	// is not among the rows will be looked at again.
	err = tx.QueryRow(ctx, `SELECT pg_try_advisory_xact_lock($1), pg_snapshot_xmin(pg_current_snapshot())::text`, int64(chainLock)).Scan(&mine, &oldest)
	if err != nil || !mine {
		return 0, wrap("event.Link: lock", err)
	}
	if c.low == "" {
		c.low = oldest
	}
	rows, err := c.unlinked(ctx, tx)
	if err != nil {
		return 0, err
	}
	if len(rows) > 0 {
		if err := appendLinks(ctx, tx, rows); err != nil {
			return 0, err
		}
		if err := tx.Commit(ctx); err != nil {
			return 0, fmt.Errorf("event.Link: commit: %w", err)
		}
	}
	switch full := len(rows) == linkBatch; {
	case c.catching && full:
		c.after = rows[len(rows)-1].ID
	case c.catching:
		c.catching = false
	case !full:
		c.low = oldest
	}
	return len(rows), nil
}

func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

// unlinked reads what may be linked in this turn.
func (c *Chainer) unlinked(ctx context.Context, tx pgx.Tx) ([]row, error) {
	sql, from := `SELECT `+rowColumns+` FROM events e WHERE e.id > $1
		AND NOT EXISTS (SELECT FROM event_chain c WHERE c.event_id = e.id) ORDER BY e.id LIMIT $2`, any(c.after)
	if !c.catching {
		sql, from = `SELECT `+rowColumns+` FROM events e WHERE e.xid >= $1::text::xid8
			AND NOT EXISTS (SELECT FROM event_chain c WHERE c.event_id = e.id) ORDER BY e.id LIMIT $2`, c.low
	}
	found, err := tx.Query(ctx, sql, from, linkBatch)
	if err != nil {
		return nil, fmt.Errorf("event.Link: read: %w", err)
	}
	rows, err := pgx.CollectRows(found, func(r pgx.CollectableRow) (e row, err error) {
		return e, r.Scan(e.fields()...)
	})
	return rows, wrap("event.Link: read", err)
}

// appendLinks adds links behind the head. The lock keeps others from it; the
// primary key would refuse a second link in one place, and the unique event id a
// second link of one event.
func appendLinks(ctx context.Context, tx pgx.Tx, rows []row) error {
	head, err := lastLink(ctx, tx)
	if err != nil {
		return err
	}
	seqs, ids, hashes := make([]int64, len(rows)), make([]int64, len(rows)), make([][]byte, len(rows))
	for i := range rows {
		head = head.link(&rows[i])
		seqs[i], ids[i], hashes[i] = head.Seq, rows[i].ID, slices.Clone(head.Hash[:])
	}
	_, err = tx.Exec(ctx, `INSERT INTO event_chain (seq, event_id, hash)
		SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[])`, seqs, ids, hashes)
	return wrap("event.Link: insert", err)
}

func lastLink(ctx context.Context, tx pgx.Tx) (Head, error) {
	head := genesis()
	var hash []byte
	err := tx.QueryRow(ctx, `SELECT seq, hash FROM event_chain ORDER BY seq DESC LIMIT 1`).Scan(&head.Seq, &hash)
	if errors.Is(err, pgx.ErrNoRows) {
		return genesis(), nil
	}
	if err != nil {
		return head, fmt.Errorf("event: head of the chain: %w", err)
	}
	copy(head.Hash[:], hash)
	return head, nil
}
