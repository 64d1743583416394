package directory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/merchant"
)

// ErrCursorExpired: delistings after the cursor have been forgotten, or the cursor
// is ahead of this database; the mirror must start anew.
var ErrCursorExpired = errors.New("directory: cursor is too old")

// MaxChanges is the most changes on one page.
const MaxChanges = 500

// Change is the last change of one outlet.
type Change struct {
	OutletID int64
	Kind     string // listed, changed or delisted; the first two carry the outlet
	At       time.Time
	Document json.RawMessage // the outlet's public form; nil when delisted
}

// since is how far a mirror has read: up to number seq, having begun when
// delistings up to number gone had been forgotten.
type since struct{ seq, gone int64 }

func (s since) String() string {
	return strconv.FormatInt(s.seq, 10) + "-" + strconv.FormatInt(s.gone, 10)
}

// readSince reads a mirror's cursor; "" is the beginning. ErrCursor.
func readSince(text string) (s since, ok bool, err error) {
	if text == "" || text == "0" {
		return since{}, false, nil
	}
	seq, gone, _ := strings.Cut(text, "-")
	for _, p := range []struct {
		text string
		into *int64
	}{{seq, &s.seq}, {gone, &s.gone}} {
		n, err := strconv.ParseUint(p.text, 10, 63)
		if err != nil || strconv.FormatUint(n, 10) != p.text {
			return since{}, false, ErrCursor
		}
		*p.into = int64(n)
	}
	return s, true, nil
}

// ReadChanges returns the changes after a mirror's cursor in their order, "" for
// everything that is listed, and the cursor to go on from; more says that there is
// more already. An outlet that changed several times is there once, at its last
// place. ErrCursor, ErrCursorExpired.
//
// One statement reads head and rows, and numbers commit in order, so that nothing
// with a lower number comes into view later.
func ReadChanges(ctx context.Context, db merchant.DB, cursor string, limit int) (changes []Change, next string, more bool, err error) {
	at, given, err := readSince(cursor)
	if err != nil {
		return nil, "", false, err
	}
	limit = min(max(limit, 1), MaxChanges)
	rows, err := db.Query(ctx, `SELECT h.seq, h.gone, o.outlet_id, o.seq, o.change, o.at, o.document
		FROM directory_head h LEFT JOIN LATERAL
			(SELECT * FROM directory_outlets WHERE seq > $1 ORDER BY seq LIMIT $2) o ON true ORDER BY o.seq`, at.seq, limit+1)
	if err != nil {
		return nil, "", false, fmt.Errorf("directory: read changes: %w", err)
	}
	var head, gone int64
	var id, seq *int64
	var kind *string
	var when *time.Time
	var doc []byte
	last := at.seq
	_, err = pgx.ForEachRow(rows, []any{&head, &gone, &id, &seq, &kind, &when, &doc}, func() error {
		switch {
		case id == nil:
		case len(changes) == limit:
			more = true
		default:
			changes = append(changes, Change{*id, *kind, *when, json.RawMessage(append([]byte(nil), doc...))})
			last = *seq
		}
		return nil
	})
	if err != nil {
		return nil, "", false, fmt.Errorf("directory: read changes: %w", err)
	}
	if given && (at.seq > head || at.seq < gone && at.gone != gone) {
		return nil, "", false, ErrCursorExpired
	}
	if !more {
		last = head
	}
	to := since{last, gone}
	return changes, to.String(), more, nil
}
