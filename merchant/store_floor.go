package merchant

import (
	"context"
	"encoding/hex"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card/feed"
	"unioncard/merchant/terms"
)

// NewFloor is a floor to publish: for a trade or for a brand, never both.
type NewFloor struct {
	Trade        Trade
	Brand        string
	Terms        []byte    // JSON
	Effective    time.Time // zero: now
	DeadlineDays int       // 0 to 365: how long contracts below have to renegotiate
}

// PublishedFloor is what publishing a floor led to.
type PublishedFloor struct {
	ID        int64
	Version   int32
	Effective time.Time
	Below     []Below // every contract in force or suspended that is below it
}

// PublishFloor publishes a new version of the floor of a trade or a brand, ends
// the effect of the version before it, and lists every contract that it leaves
// below, with the basket that proves it. A contract with the floor clause is
// lifted at the till from the floor's start; any other has until its deadline:
// DeadlineDays after the floor's start, or the deadline it was already under.
// Of a floor that reaches back they have until DeadlineDays from now.
//
// The floor's exclusive lock keeps Terms from being published meanwhile; the
// rows of the merchants concerned are locked in order of id. terms.ErrInvalid,
// InvalidError.
func (s *Store) PublishFloor(ctx context.Context, by By, n NewFloor) (PublishedFloor, error) {
	if (n.Trade == "") == (n.Brand == "") {
		return PublishedFloor{}, &InvalidError{Field: "Trade", Detail: "a floor is for a trade or for a brand"}
	}
	if n.DeadlineDays < 0 || n.DeadlineDays > 365 {
		return PublishedFloor{}, &InvalidError{Field: "DeadlineDays", Detail: "is not 0 to 365"}
	}
	p, err := parseTerms(n.Terms)
	if err != nil {
		return PublishedFloor{}, err
	}
	if err := checkUnfunded(p.doc); err != nil {
		return PublishedFloor{}, err
	}
	var out PublishedFloor
	err = s.change(ctx, func(tx pgx.Tx) error {
		if err := holdTerritories(ctx, tx, p.doc); err != nil {
			return err
		}
		if err := lockFloor(ctx, tx, n.Trade, n.Brand); err != nil {
			return err
		}
		if err := checkCategories(ctx, tx, p.doc); err != nil {
			return err
		}
		out = PublishedFloor{}
		previous, err := s.insertFloor(ctx, tx, by, n, p, &out)
		if err != nil {
			return err
		}
		bound := version{
			Bound: Bound{FloorID: out.ID, Trade: n.Trade, Brand: n.Brand, Version: out.Version},
			Doc:   p.doc, from: out.Effective, until: far,
		}
		contracts, err := lockBound(ctx, tx, bound)
		if err != nil {
			return err
		}
		if out.Below, err = outgrown(ctx, tx, contracts, bound); err != nil {
			return err
		}
		changes, err := s.renegotiate(ctx, tx, by, contracts, bound, n.DeadlineDays, out.Below)
		if err != nil {
			return err
		}
		// The floors first: the view takes changes in order and in bounded pieces, and
		// must know a floor before the contracts that it lifts.
		first := []feed.Change{{Kind: feed.KindFloor, ObjectID: out.ID, Version: int64(out.Version)}}
		if previous != 0 {
			first = append(first, feed.Change{Kind: feed.KindFloor, ObjectID: previous, Version: int64(out.Version)})
		}
		changes = append(first, changes...)
		return record(ctx, tx, by, "floor.publish", "floor:"+strconv.FormatInt(out.ID, 10), nil, map[string]any{
			"trade": n.Trade, "brand": n.Brand, "version": out.Version, "effective": out.Effective,
			"sha256": hex.EncodeToString(p.sum[:]), "deadline_days": n.DeadlineDays, "below": len(out.Below),
		}, changes...)
	})
	if err != nil {
		return PublishedFloor{}, err
	}
	return out, nil
}

// insertFloor stores a floor's new version and ends the one before, whose id it
// returns (0: none).
func (s *Store) insertFloor(ctx context.Context, tx pgx.Tx, by By, n NewFloor, p *parsed, out *PublishedFloor) (previous int64, err error) {
	now := s.now()
	out.Effective = n.Effective.Truncate(time.Microsecond)
	if n.Effective.IsZero() {
		out.Effective = now
	}
	var from time.Time
	err = tx.QueryRow(ctx, `SELECT id, version, lower(effective) FROM floors
		WHERE trade IS NOT DISTINCT FROM nullif($1, '') AND brand IS NOT DISTINCT FROM nullif($2, '')
		ORDER BY version DESC LIMIT 1`, n.Trade, n.Brand).Scan(&previous, &out.Version, &from)
	switch err = found("last floor", err); {
	case err == ErrNotFound:
		err = nil
	case err != nil:
		return 0, err
	case out.Effective.Before(now):
		return 0, &InvalidError{Field: "Effective", Detail: "is in the past"}
	case !out.Effective.After(from):
		return 0, &InvalidError{Field: "Effective", Detail: "is not after the start of the last published version"}
	}
	out.Version++
	if previous != 0 {
		if _, err := tx.Exec(ctx, `UPDATE floors SET effective = tstzrange(lower(effective), $2) WHERE id = $1`, previous, out.Effective); err != nil {
			return 0, fmt.Errorf("merchant: end the last floor: %w", err)
		}
	}
	err = tx.QueryRow(ctx, `INSERT INTO floors (trade, brand, version, terms, sha256, effective, deadline_days, published_by)
		VALUES (nullif($1, ''), nullif($2, ''), $3, $4, $5, tstzrange($6, NULL), $7, $8) RETURNING id`,
		n.Trade, n.Brand, out.Version, p.canonical, p.sum[:], out.Effective, n.DeadlineDays, by.Actor).Scan(&out.ID)
	if err != nil {
		return 0, fmt.Errorf("merchant: publish floor: %w", err)
	}
	return previous, nil
}

// lockBound locks the merchants of the contracts that a floor binds, in order of
// id, and reads those contracts. Drafts are left out: ActivateContract holds them
// against the floors.
func lockBound(ctx context.Context, tx pgx.Tx, floor version) ([]*Contract, error) {
	const bound = ` (trade = nullif($1, '') OR brand = nullif($2, '')) AND status IN ('active', 'suspended', 'ending')
		AND upper(valid) > $3`
	_, err := tx.Exec(ctx, `SELECT FROM merchants WHERE id IN (SELECT merchant_id FROM contracts WHERE`+bound+`)
		ORDER BY id FOR NO KEY UPDATE`, floor.Bound.Trade, floor.Bound.Brand, floor.from)
	if err != nil {
		return nil, fmt.Errorf("merchant: lock bound merchants: %w", err)
	}
	rows, err := tx.Query(ctx, contractSQL+` WHERE`+bound+` ORDER BY id`, floor.Bound.Trade, floor.Bound.Brand, floor.from)
	if err != nil {
		return nil, fmt.Errorf("merchant: bound contracts: %w", err)
	}
	contracts, err := pgx.CollectRows(rows, scanContract)
	if err != nil {
		return nil, fmt.Errorf("merchant: bound contracts: %w", err)
	}
	return contracts, nil
}

// latest is the later of two moments.
func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// outgrown finds the contracts whose Terms are below a bound while both are
// valid. Equal Terms over an equal time are compared once; where neither they nor
// the bound have a calendar, the time makes no difference.
func outgrown(ctx context.Context, tx pgx.Tx, contracts []*Contract, bound version) ([]Below, error) {
	ids := make([]int64, len(contracts))
	for i, c := range contracts {
		ids[i] = c.ID
	}
	versions, err := readVersionsOf(ctx, tx, ids)
	if err != nil {
		return nil, err
	}
	floor, err := bound.Doc.Compile()
	if err != nil {
		return nil, fmt.Errorf("merchant: %s: %w", bound.Bound, err)
	}
	type question struct {
		sum         string
		from, until int64
	}
	timeless := bound.timeless()
	known := map[question]terms.Comparison{}
	compare := func(v version, p period) (terms.Comparison, error) {
		q := question{sum: v.sum}
		if !timeless || !v.timeless() {
			q.from, q.until = p.from.UnixMicro(), p.until.UnixMicro()
		}
		if c, ok := known[q]; ok {
			return c, nil
		}
		local, err := v.Doc.Compile()
		if err != nil {
			return terms.Comparison{}, fmt.Errorf("merchant: stored terms: %w", err)
		}
		c := compareWithin(local, floor, p)
		known[q] = c
		return c, nil
	}
	var all []Below
	for _, c := range contracts {
		b, below, err := belowBound(period{c.ValidFrom, c.ValidUntil}, versions[c.ID], bound, compare)
		if err != nil {
			return nil, err
		}
		if below {
			b.Lifted = c.FloorClause
			all = append(all, b)
		}
	}
	return all, nil
}

// renegotiate writes what follows for each contract below a floor, fills in the
// deadlines, and returns the contracts' changes.
func (s *Store) renegotiate(ctx context.Context, tx pgx.Tx, by By, contracts []*Contract, floor version, days int, below []Below) ([]feed.Change, error) {
	byID := make(map[int64]*Contract, len(contracts))
	for _, c := range contracts {
		byID[c.ID] = c
	}
	var changes []feed.Change
	for i := range below {
		b := &below[i]
		comparison, err := comparisonJSON(b.Comparison)
		if err != nil {
			return nil, err
		}
		var deadline, resolved *time.Time
		if !b.Lifted {
			d := latest(floor.from, s.now()).AddDate(0, 0, days)
			deadline = &d
		}
		if !b.Resolved.IsZero() {
			resolved = &b.Resolved
		}
		// A contract that was already under a deadline keeps it: raising the floor
		// again buys no time. It never ends before the new floor has effect.
		err = tx.QueryRow(ctx, `INSERT INTO renegotiations (contract_id, floor_id, terms_version, comparison, deadline, resolved_at)
			VALUES ($1, $2, $3, $4, least($5::timestamptz, (SELECT greatest(min(r.deadline), $6)
				FROM renegotiations r JOIN floors f ON f.id = r.floor_id
				WHERE r.contract_id = $1 AND (r.resolved_at IS NULL OR r.resolved_at > r.deadline)
				AND upper(f.effective) = $6 HAVING count(r.deadline) > 0)), $7)
			RETURNING deadline`,
			b.ContractID, floor.Bound.FloorID, b.TermsVersion, comparison, deadline, floor.from, resolved).Scan(&deadline)
		if err != nil {
			return nil, fmt.Errorf("merchant: renegotiate: %w", err)
		}
		if deadline != nil {
			b.Deadline = *deadline
		}
		c := byID[b.ContractID]
		if err := saveContract(ctx, tx, c); err != nil {
			return nil, err
		}
		err = record(ctx, tx, by, "contract.outgrown", contractObject(c.ID), nil, map[string]any{
			"floor": floor.Bound.FloorID, "terms_version": b.TermsVersion, "lifted": b.Lifted, "deadline": deadline, "resolved_at": resolved,
		})
		if err != nil {
			return nil, err
		}
		changes = append(changes, c.changed())
	}
	return changes, nil
}
