package purchase

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// TodayPage is how many purchases one page of Today holds.
const TodayPage = 50

// idSkew is how far the clock that stamped a purchase's id may be behind the
// database's.
const idSkew = time.Hour

// Today is a page of what a terminal recorded on the present business day.
type Today struct {
	// Day is the business day in Beijing, at its first moment.
	Day       time.Time
	Purchases []Receipt // newest first
	// Next is where the next page begins, uuid.Nil where there is none.
	Next uuid.UUID
	// Totals are of the whole day, on the first page only.
	Totals *Totals
}

// Totals add up a terminal's day. Money that went back is taken off.
type Totals struct {
	Count, Undone     int64 // purchases, and how many of them were voided or reversed
	AmountFen         int64 // before discount, what was undone included
	PaidFen, SavedFen int64 // what members paid and saved in the end
	ReturnedFen       int64
}

// Today lists the purchases that this very terminal recorded on the present
// business day (a POS server: for all its outlets), newest first, from the page
// that begins after the purchase `after`; uuid.Nil is the first page.
//
// There is no index by terminal, which every purchase would pay for: ids are
// UUIDs of version 7, so a day of one merchant is a stretch of the primary key,
// and of that the terminal's are picked.
func (d *Desk) Today(ctx context.Context, c *Client, after uuid.UUID) (Today, error) {
	var now time.Time
	var today day
	err := d.db.QueryRow(ctx, `SELECT now(), `+businessDaySQL+` - date '1970-01-01'`).Scan(&now, &today)
	if err != nil {
		return Today{}, away(fmt.Errorf("purchase: today: %w", err))
	}
	// What a day closed early stamps with tomorrow was recorded today all the same.
	from := firstID(min(dayOf(now), today).time().Add(-idSkew))
	out := Today{Day: today.time()}
	t := c.Terminal
	if after == uuid.Nil {
		if out.Totals, err = d.totals(ctx, t.MerchantID, t.ID, from, today); err != nil {
			return Today{}, err
		}
		after = uuid.Max
	}
	rows, err := d.db.Query(ctx, `SELECT id, state, idem_key, outlet_id, amount_fen, discount_fen, union_share_fen, returned_fen, given_back_fen,
			coalesce(merchant_ref, ''), committed_at FROM purchases
		WHERE merchant_id = $1 AND id >= $2 AND id < $3 AND terminal_id = $4 AND state <> $5 AND business_day = $6
		ORDER BY id DESC LIMIT $7`, t.MerchantID, from, after, t.ID, int16(StateTombstone), today.date(), TodayPage+1)
	if err != nil {
		return Today{}, away(fmt.Errorf("purchase: today: %w", err))
	}
	var p stored
	_, err = pgx.ForEachRow(rows, []any{&p.id, &p.state, &p.key, &p.outlet, &p.amount, &p.discount, &p.unionShare, &p.returned, &p.givenBack,
		&p.ref, &p.at}, func() error {
		p.at = p.at.UTC()
		out.Purchases = append(out.Purchases, p.receipt())
		return nil
	})
	if err != nil {
		return Today{}, away(fmt.Errorf("purchase: today: %w", err))
	}
	if len(out.Purchases) > TodayPage {
		out.Purchases = out.Purchases[:TodayPage]
		out.Next = out.Purchases[TodayPage-1].ID
	}
	return out, nil
}

func (d *Desk) totals(ctx context.Context, merchantID, terminalID int64, from uuid.UUID, today day) (*Totals, error) {
	var sum Totals
	err := d.db.QueryRow(ctx, `SELECT count(*), count(*) FILTER (WHERE state IN ($5, $6)),
			coalesce(sum(amount_fen - discount_fen - returned_fen), 0)::bigint, coalesce(sum(discount_fen - given_back_fen), 0)::bigint,
			coalesce(sum(returned_fen), 0)::bigint, coalesce(sum(amount_fen), 0)::bigint
		FROM purchases WHERE merchant_id = $1 AND id >= $2 AND terminal_id = $3 AND state <> $7 AND business_day = $4`,
		merchantID, from, terminalID, today.date(), int16(StateVoided), int16(StateReversed), int16(StateTombstone)).
		Scan(&sum.Count, &sum.Undone, &sum.PaidFen, &sum.SavedFen, &sum.ReturnedFen, &sum.AmountFen)
	if err != nil {
		return nil, away(fmt.Errorf("purchase: totals of today: %w", err))
	}
	return &sum, nil
}

// firstID is the smallest UUID of version 7 (RFC 9562 section 5.7) made at t or
// later.
func firstID(t time.Time) (id uuid.UUID) {
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(t.UnixMilli()))
	copy(id[:6], ms[2:])
	return id
}
