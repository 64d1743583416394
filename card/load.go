package card

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card/feed"
)

// tableSource loads the table and keeps it current.
type tableSource struct{ table *Table }

// NewSource makes the feed source of the card table.
func NewSource(t *Table) feed.Source { return tableSource{t} }

func (s tableSource) Kinds() []feed.Kind { return []feed.Kind{feed.KindCard} }

// loadRange is how many serials one COPY reads: enough that its start costs
// nothing, few enough that the workers end together.
const loadRange = 2 * chunkSize

// copyColumns are read by copyDecoder in this order. Casts fix the widths that
// the decoder relies on.
const copyColumns = `serial, status, generation, class, (number % 10000)::int4, territory, valid_until, phone_epoch, name_masked`

// Load reads all cards by parallel binary COPY over ranges of serials, each
// worker in a transaction under the session's snapshot. Cards are never
// deleted, so loading over an older table leaves nothing behind.
func (s tableSource) Load(ctx context.Context, session feed.Session) error {
	var low, high int64
	err := session.InSnapshot(ctx, func(ctx context.Context, tx pgx.Tx) error {
		return tx.QueryRow(ctx, `SELECT coalesce(min(serial), 0), coalesce(max(serial) + 1, 0) FROM cards`).Scan(&low, &high)
	})
	if err != nil {
		return fmt.Errorf("card: range of serials: %w", err)
	}
	return feed.LoadRanges(ctx, session, low, high, loadRange, s.copyRange)
}

func (s tableSource) copyRange(ctx context.Context, tx pgx.Tx, from, to int64) error {
	d := newCopyDecoder(s.table)
	// COPY takes no parameters; both are integers.
	sql := `COPY (SELECT ` + copyColumns + ` FROM cards WHERE serial >= ` + strconv.FormatInt(from, 10) +
		` AND serial < ` + strconv.FormatInt(to, 10) + `) TO STDOUT (FORMAT binary)`
	if _, err := tx.Conn().PgConn().CopyTo(ctx, d, sql); err != nil {
		return fmt.Errorf("card: copy serials from %d: %w", from, err)
	}
	if err := d.finish(); err != nil {
		return fmt.Errorf("card: copy serials from %d: %w", from, err)
	}
	return nil
}

// Apply re-reads the changed cards.
func (s tableSource) Apply(ctx context.Context, tx pgx.Tx, changes []feed.Change) error {
	return EntriesTx(ctx, tx, feed.ObjectIDs(changes, feed.KindCard), func(serial int64, e *Entry) {
		s.table.Set(serial, *e)
	})
}

// EntriesTx reads the present entries of cards as the transaction sees them and
// visits each that exists; e is reused.
func EntriesTx(ctx context.Context, tx pgx.Tx, serials []int64, visit func(serial int64, e *Entry)) error {
	rows, err := tx.Query(ctx, `SELECT `+copyColumns+` FROM cards WHERE serial = ANY($1)`, serials)
	if err != nil {
		return fmt.Errorf("card: read entries: %w", err)
	}
	var (
		serial     int64
		e          Entry
		last4      int32
		validUntil time.Time
	)
	_, err = pgx.ForEachRow(rows, []any{&serial, &e.Status, &e.Generation, &e.Class, &last4, &e.Territory, &validUntil, &e.PhoneEpoch, &e.Holder},
		func() error {
			e.Last4 = uint16(last4)
			e.ValidUntil = monthOfDate(validUntil)
			visit(serial, &e)
			return nil
		})
	if err != nil {
		return fmt.Errorf("card: read entries: %w", err)
	}
	return nil
}
