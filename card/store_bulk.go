package card

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"

	"unioncard/card/feed"
	"unioncard/card/personal"
	"unioncard/card/union/event"
)

// bulkBatch is how many members one transaction of a bulk load holds.
const bulkBatch = 500_000

// BulkRow is one member with a card.
type BulkRow struct {
	UnionID    int64
	Territory  int32  // of that union
	Name       string // masked before it is stored
	Class      uint8
	Status     Status // of the card; StatusActive if 0
	ValidUntil Month
}

// BulkOptions of BulkLoad.
type BulkOptions struct {
	// Number gives the card number of a serial; default BulkNumbers(Prefix, seed)
	// with a random seed.
	Number func(serial int64) int64
	// NoFeed writes no change feed rows: only for a database that no node has
	// loaded yet.
	NoFeed bool
	// Sealed gives the personal data of the i-th member; nil for members without. It
	// is called once for each.
	Sealed func(i int) (personal.Sealed, error)
}

// BulkLoad makes n members with a card each, by COPY: the demo's and the load
// generator's way in. row fills in the i-th of them; it is called several times for
// each and must say the same every time. Serials are one run, of which first is
// the first. Every half million is one transaction with its event, so an error
// leaves whole batches and nothing in between. Readers that run meanwhile learn
// of it by their next poll.
func (s *Store) BulkLoad(ctx context.Context, by By, n int, opts BulkOptions, row func(i int, r *BulkRow)) (first int64, err error) {
	if n <= 0 {
		return 0, errors.New("card.BulkLoad: nothing to load")
	}
	number := opts.Number
	if number == nil {
		seed, err := s.newNumber()
		if err != nil {
			return 0, fmt.Errorf("card.BulkLoad: %w", err)
		}
		number = BulkNumbers(Prefix, uint64(seed))
	}
	b := bulk{row: row, number: number, noFeed: opts.NoFeed, sealed: opts.Sealed}
	err = InTx(ctx, s.db, func(tx pgx.Tx) (err error) {
		if first, err = reserve(ctx, tx, "card_serial", n); err != nil {
			return err
		}
		b.serial = first
		b.member, err = reserve(ctx, tx, "members_id_seq", n)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("card.BulkLoad: reserve: %w", err)
	}
	for from := 0; from < n; from += bulkBatch {
		to := min(from+bulkBatch, n)
		if err := InTx(ctx, s.db, func(tx pgx.Tx) error { return b.copy(ctx, tx, by, from, to) }); err != nil {
			return 0, fmt.Errorf("card.BulkLoad: from the %d. on: %w", from+1, err)
		}
	}
	return first, nil
}

// reserve takes a run of n values off a sequence. Altering it locks out every
// other taker until the transaction ends.
func reserve(ctx context.Context, tx pgx.Tx, sequence string, n int) (first int64, err error) {
	increment := func(by int) error {
		_, err := tx.Exec(ctx, `ALTER SEQUENCE `+sequence+` INCREMENT BY `+strconv.Itoa(by))
		return err
	}
	if err := increment(1); err != nil {
		return 0, err
	}
	if err := tx.QueryRow(ctx, `SELECT nextval($1::regclass)`, sequence).Scan(&first); err != nil || n == 1 {
		return first, err
	}
	if err := increment(n - 1); err != nil {
		return 0, err
	}
	if _, err := tx.Exec(ctx, `SELECT nextval($1::regclass)`, sequence); err != nil {
		return 0, err
	}
	return first, increment(1)
}

type bulk struct {
	row            func(i int, r *BulkRow)
	number         func(serial int64) int64
	serial, member int64 // of row 0
	noFeed         bool
	sealed         func(i int) (personal.Sealed, error)
	failed         error // of sealed
}

// at is row i as it will be stored.
func (b *bulk) at(i int) BulkRow {
	var r BulkRow
	b.row(i, &r)
	r.Name = Mask(r.Name)
	if r.Status == StatusNone {
		r.Status = StatusActive
	}
	return r
}

func (b *bulk) copy(ctx context.Context, tx pgx.Tx, by By, from, to int) error {
	for _, table := range []struct {
		name    string
		columns []string
		values  func(i int, out []any) []any // nil: no row for this one
	}{
		{"members", []string{"id", "union_id", "name_masked", "class", "status", "id_hash", "phone_hash", "id_sealed", "phone_sealed",
			"name_sealed", "data_key", "index_key"}, b.person},
		{"cards", []string{"serial", "member_id", "number", "generation", "status", "class", "territory", "name_masked", "valid_until"},
			func(i int, out []any) []any {
				r := b.at(i)
				serial := b.serial + int64(i)
				return append(out, serial, b.member+int64(i), b.number(serial), int16(1), int16(r.Status), int16(r.Class),
					r.Territory, r.Name, r.ValidUntil.LastDay())
			}},
		{"card_numbers", []string{"number", "card_serial"}, func(i int, out []any) []any {
			serial := b.serial + int64(i)
			return append(out, b.number(serial), serial)
		}},
		{"live_cards", []string{"member_id", "card_serial"}, func(i int, out []any) []any {
			if !b.at(i).Status.Live() {
				return nil
			}
			return append(out, b.member+int64(i), b.serial+int64(i))
		}},
		{"changes", []string{"kind", "object_id", "version"}, func(i int, out []any) []any {
			if b.noFeed {
				return nil
			}
			return append(out, int16(feed.KindCard), b.serial+int64(i), int64(1))
		}},
	} {
		source := &bulkSource{i: from - 1, to: to, values: table.values, failed: &b.failed}
		if _, err := tx.CopyFrom(ctx, pgx.Identifier{table.name}, table.columns, source); err != nil {
			return fmt.Errorf("copy %s: %w", table.name, err)
		}
	}
	return event.Record(ctx, tx, by.Actor, "card.bulk_load", fmt.Sprintf("cards:%d-%d", b.serial+int64(from), b.serial+int64(to)-1),
		by.Reason, nil, map[string]any{"cards": to - from})
}

// person is row i of members.
func (b *bulk) person(i int, out []any) []any {
	r := b.at(i)
	status := int16(memberIn)
	if r.Status == StatusLeft {
		status = memberLeft
	}
	out = append(out, b.member+int64(i), r.UnionID, r.Name, int16(r.Class), status)
	if b.sealed == nil {
		return append(out, nil, nil, nil, nil, nil, nil, nil)
	}
	p, err := b.sealed(i)
	if err != nil {
		b.failed = err
	}
	return append(out, p.IDHash, p.PhoneHash, p.ID, p.Phone, p.Name, p.Key, p.IndexKey)
}

// bulkSource is a pgx.CopyFromSource over rows [i+1, to).
type bulkSource struct {
	i, to  int
	values func(i int, out []any) []any
	failed *error // what values could not do
	buf    [12]any
	row    []any
}

func (s *bulkSource) Next() bool {
	for s.i++; s.i < s.to && *s.failed == nil; s.i++ {
		if s.row = s.values(s.i, s.buf[:0]); s.row != nil {
			return true
		}
	}
	return false
}

func (s *bulkSource) Values() ([]any, error) { return s.row, nil }

func (s *bulkSource) Err() error { return *s.failed }

// BulkNumbers gives every serial a card number of its own, the same for the same
// seed: a permutation of the 13 random digits, so no two meet. Whoever knows the
// seed knows the numbers; cards for use get theirs from NewNumber.
func BulkNumbers(prefix string, seed uint64) func(serial int64) int64 {
	lead := (int64(prefix[0]-'0')*10 + int64(prefix[1]-'0')) * randomPart
	return func(serial int64) int64 {
		payload := lead + permute(serial%randomPart, seed)
		return payload*10 + int64(checkDigit(luhnSum(payload)))
	}
}

// permute is a permutation of [0, randomPart): a Feistel network on 44 bits,
// walked until it falls back into the range, which takes 1.8 steps on average.
func permute(v int64, seed uint64) int64 {
	const half = 22
	const mask = 1<<half - 1
	for {
		left, right := uint64(v)>>half, uint64(v)&mask
		for round := range uint64(4) {
			left, right = right, left^(mix(right+round<<half+seed)&mask)
		}
		if v = int64(left<<half | right); v < randomPart {
			return v
		}
	}
}

// mix is the finisher of SplitMix64.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
