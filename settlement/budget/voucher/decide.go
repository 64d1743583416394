package voucher

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card"
	"unioncard/card/feed"
	"unioncard/card/phone"
	"unioncard/card/union"
	"unioncard/merchant"
	"unioncard/settlement/budget"
)

// offer is a series as a batch of claims finds it.
type offer struct {
	state       budget.Status
	from, until *time.Time // nil: only granted
	over        bool       // its last day has passed
	perPack     int
	left        int // packs
	territory   int32
	given       []int64 // serials that this batch gives a pack to
}

// mayLock says whether anybody could get a pack: else nothing is locked or written,
// so that the crowd that came too late costs reading alone.
func (o *offer) mayLock(now time.Time) bool { return o.open(now) == nil && o.left > 0 }

// open says whether claims are open at a moment.
func (o *offer) open(now time.Time) error {
	switch {
	case o.state == budget.Draft || o.from == nil:
		return ErrNoSeries
	case o.state == budget.Closed || o.over || !now.Before(*o.until):
		return ErrOver
	case o.state == budget.Frozen:
		return ErrPaused
	case now.Before(*o.from):
		return ErrNotYet
	}
	return nil
}

// claimant is who stands behind a claim's session.
type claimant struct {
	member, serial int64 // 0: none
	status         card.Status
	expired        bool
	territory      int32
	has            time.Time // when the member got a pack of the series; zero: never
}

// claimSettings hold for a transaction of claims: its statements are planned once, for
// whatever size their tables will have. A plan made while a table was empty would read
// the whole of it for every claim.
const claimSettings = `SELECT set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true),
	set_config('enable_mergejoin', 'off', true)`

// decide settles a batch of claims in one transaction. All that give out packs of a
// series lock its row first, so what is read of it after that stays true until the
// commit.
func (c *Claimer) decide(ctx context.Context, rows []*claim) error {
	return merchant.InTx(ctx, c.pool, "voucher", func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, claimSettings); err != nil {
			return fmt.Errorf("voucher: begin: %w", err)
		}
		offers, now, err := lockOffers(ctx, tx, rows)
		if err != nil {
			return err
		}
		who, err := c.claimants(ctx, tx, rows, now)
		if err != nil {
			return err
		}
		c.judge(rows, who, offers, now)
		return give(ctx, tx, offers, now)
	})
}

const offerSQL = `SELECT s.budget_id, b.state, s.claim_from, s.claim_until, b.last_day < (clock_timestamp() AT TIME ZONE 'Asia/Shanghai')::date,
	s.per_pack, s.packs - s.claimed, s.territory, clock_timestamp()
	FROM voucher_series s JOIN budgets b ON b.id = s.budget_id WHERE s.budget_id = ANY ($1)`

// lockOffers reads the series that claims are about, and locks those of which a pack
// can be had. The moment is the database's, the same for every node.
func lockOffers(ctx context.Context, tx pgx.Tx, rows []*claim) (map[int64]*offer, time.Time, error) {
	var ids []int64
	for _, r := range rows {
		ids = append(ids, r.series)
	}
	slices.Sort(ids)
	offers, now, err := readOffers(ctx, tx, offerSQL, slices.Compact(ids))
	if err != nil {
		return nil, now, err
	}
	var lock []int64
	for id, o := range offers {
		if o.mayLock(now) {
			lock = append(lock, id)
		}
	}
	if len(lock) == 0 {
		return offers, now, nil
	}
	slices.Sort(lock)
	if err := lockSeries(ctx, tx, lock); err != nil {
		return nil, now, err
	}
	locked, at, err := readOffers(ctx, tx, offerSQL, lock)
	if err != nil {
		return nil, now, err
	}
	for id, o := range locked {
		offers[id] = o
	}
	return offers, at, nil
}

// lockSeries locks series' rows. What they are is to be read in a statement after it:
// one that also waits for the lock reads the budgets as they were before it waited, and
// would give out packs of a series that was closed or frozen meanwhile.
func lockSeries(ctx context.Context, tx pgx.Tx, ids []int64) error {
	_, err := tx.Exec(ctx, `SELECT FROM voucher_series WHERE budget_id = ANY ($1) ORDER BY budget_id FOR NO KEY UPDATE`, ids)
	if err != nil {
		return fmt.Errorf("voucher: lock series: %w", err)
	}
	return nil
}

func readOffers(ctx context.Context, tx pgx.Tx, sql string, ids []int64) (map[int64]*offer, time.Time, error) {
	var now time.Time
	offers := map[int64]*offer{}
	rows, err := tx.Query(ctx, sql, ids)
	if err != nil {
		return nil, now, fmt.Errorf("voucher: read series: %w", err)
	}
	_, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (struct{}, error) {
		var id int64
		var o offer
		err := row.Scan(&id, &o.state, &o.from, &o.until, &o.over, &o.perPack, &o.left, &o.territory, &now)
		offers[id] = &o
		return struct{}{}, err
	})
	if err != nil {
		return nil, now, fmt.Errorf("voucher: read series: %w", err)
	}
	return offers, now, nil
}

// claimantsSQL finds who is behind each claim: $1 session hashes, $2 series, $3 and $4
// since when a session must have been seen and made, $5 now. The vouchers are reached by
// LATERAL (OFFSET 0): a few by their primary key for each claim, where a join planned
// while the table was empty would go through the whole series for each.
const claimantsSQL = `SELECT r.i, coalesce(m.id, 0), coalesce(c.serial, 0), coalesce(c.status, 0),
		coalesce(c.valid_until < ($5::timestamptz AT TIME ZONE 'Asia/Shanghai')::date, false), coalesce(c.territory, 0),
		(SELECT min(v.got_at) FROM cards o CROSS JOIN LATERAL (
			SELECT got_at FROM vouchers WHERE card_serial = o.serial AND series_id = r.series OFFSET 0) v WHERE o.member_id = m.id)
	FROM unnest($1::bytea[], $2::bigint[]) WITH ORDINALITY r(hash, series, i)
	LEFT JOIN phone_sessions se ON se.hash = r.hash AND se.seen_at > $3 AND se.created_at > $4
	LEFT JOIN members m ON m.id = se.member_id AND m.status IN (1, 3)
	LEFT JOIN live_cards lc ON lc.member_id = m.id
	LEFT JOIN cards c ON c.serial = lc.card_serial`

// claimants finds who is behind each claim. A member's earlier card counts for what
// the member has had.
func (c *Claimer) claimants(ctx context.Context, tx pgx.Tx, rows []*claim, now time.Time) ([]claimant, error) {
	hashes, series := make([][]byte, len(rows)), make([]int64, len(rows))
	for i, r := range rows {
		hashes[i], series[i] = r.hash, r.series
	}
	l := c.opts.Limits
	found, err := tx.Query(ctx, claimantsSQL,
		hashes, series, now.Add(-l.Idle), now.Add(-l.Absolute), now)
	if err != nil {
		return nil, fmt.Errorf("voucher: read claimants: %w", err)
	}
	who := make([]claimant, len(rows))
	var i int
	var w claimant
	var has *time.Time
	_, err = pgx.ForEachRow(found, []any{&i, &w.member, &w.serial, &w.status, &w.expired, &w.territory, &has}, func() error {
		w.has = time.Time{}
		if has != nil {
			w.has = *has
		}
		who[i-1] = w
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("voucher: read claimants: %w", err)
	}
	return who, nil
}

// judge answers the claims in the order in which they came, and notes in the offers
// who gets a pack.
func (c *Claimer) judge(rows []*claim, who []claimant, offers map[int64]*offer, now time.Time) {
	type pack struct{ series, serial int64 }
	got := map[pack]bool{}
	for i, r := range rows {
		w, o := &who[i], offers[r.series]
		r.claimed, r.err = Claimed{}, nil
		switch {
		case w.member == 0:
			r.err = phone.ErrNoSession
			continue
		case o == nil:
			r.err = ErrNoSeries
			continue
		}
		r.claimed = Claimed{SeriesID: r.series, Vouchers: o.perPack, At: now}
		switch p := (pack{r.series, w.serial}); {
		case !w.has.IsZero():
			r.claimed.At, r.claimed.Again = w.has, true
		case got[p]: // twice in this batch
			r.claimed.Again = true
		default:
			if r.err = o.refuse(w, c.opts.Tree(), now); r.err != nil {
				r.claimed = Claimed{}
				continue
			}
			o.left--
			o.given = append(o.given, w.serial)
			got[p] = true
		}
	}
}

// refuse says why a claimant gets no pack, nil if there is one.
func (o *offer) refuse(w *claimant, tree *union.Tree, now time.Time) error {
	if err := o.open(now); err != nil {
		return err
	}
	switch {
	case w.serial == 0:
		return phone.ErrNoCard
	case w.status != card.StatusActive || w.expired:
		return phone.ErrCardUnusable
	case !eligible(o.territory, w.territory, tree):
		return ErrNotEligible
	case o.left <= 0:
		return ErrSoldOut
	}
	return nil
}

// eligible says whether a series for a territory is for a card of one: its own
// county's or city's; 0 and the province's are everybody's.
func eligible(series, card int32, tree *union.Tree) bool {
	return series == 0 || series%10000 == 0 || series == card || series == tree.City(card)
}

// give writes the packs of a batch: the vouchers, the count, and the nodes' news.
func give(ctx context.Context, tx pgx.Tx, offers map[int64]*offer, now time.Time) error {
	for id, o := range offers {
		if len(o.given) == 0 {
			continue
		}
		if err := giveTx(ctx, tx, id, o.perPack, o.given, now); err != nil {
			return err
		}
	}
	return nil
}

// errTaken: a voucher was there already, although its series' row is locked.
var errTaken = errors.New("voucher: somebody gives vouchers out without the series' lock")

// giveTx gives each card a pack of a series whose row the transaction has locked.
func giveTx(ctx context.Context, tx pgx.Tx, series int64, perPack int, serials []int64, at time.Time) error {
	slices.Sort(serials) // one order of pages
	tag, err := tx.Exec(ctx, `INSERT INTO vouchers (card_serial, series_id, no, state, got_at)
		SELECT serial, $1, no, 1, $4 FROM unnest($2::bigint[]) serial CROSS JOIN generate_series(1, $3::int) no
		ON CONFLICT DO NOTHING`, series, serials, perPack, at)
	if err != nil {
		return fmt.Errorf("voucher: give: %w", err)
	}
	if tag.RowsAffected() != int64(len(serials)*perPack) {
		return errTaken
	}
	if _, err := tx.Exec(ctx, `UPDATE voucher_series SET claimed = claimed + $2 WHERE budget_id = $1`, series, len(serials)); err != nil {
		return fmt.Errorf("voucher: count: %w", err)
	}
	return tellWallets(ctx, tx, serials, at)
}

// tellWallets tells the nodes whose vouchers changed. A wallet has no version of its
// own; the moment stands in for it.
func tellWallets(ctx context.Context, tx pgx.Tx, serials []int64, at time.Time) error {
	changes := make([]feed.Change, len(serials))
	for i, serial := range serials {
		changes[i] = feed.Change{Kind: feed.KindWallet, ObjectID: serial, Version: at.UnixMicro()}
	}
	return feed.Record(ctx, tx, changes...)
}
