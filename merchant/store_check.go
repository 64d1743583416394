package merchant

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/merchant/terms"
)

// errNoOffers: Terms of a contract without any offer earn nothing, which is what
// ending the contract is for.
var errNoOffers = &InvalidError{Field: "terms", Detail: "has no offers"}

// Check is what publishing Terms would find, without publishing.
type Check struct {
	Version   int32     // that publishing would give
	Effective time.Time // when the version would bind
	SHA256    [32]byte  // of the canonical JSON
	// Bounds is everything the Terms have to meet, floors first.
	Bounds []BoundCheck
}

// BoundCheck is Terms held against one bound.
type BoundCheck struct {
	Bound Bound
	// From and Until are when both are valid; Until is zero for no end.
	From, Until time.Time
	Terms       *terms.Terms // the bound's
	Comparison  terms.Comparison
}

// Err is the refusal that PublishTerms would give for the bounds, nil for none.
func (c *Check) Err() error {
	for i := range c.Bounds {
		if b := &c.Bounds[i]; b.Comparison.Verdict != terms.NotWorse {
			return &BelowFloorError{Bound: b.Bound, Comparison: b.Comparison}
		}
	}
	return nil
}

// CheckTerms does all that PublishTerms does short of publishing, and goes on to
// the last bound where PublishTerms stops at the first that is not met. It takes
// no locks, so publishing may still find more a moment later. Effective zero also
// does where versions to come are published: it is then the first moment after
// them. Errors are those of PublishTerms but for BelowFloorError, see Check.Err.
func (s *Store) CheckTerms(ctx context.Context, contractID int64, doc []byte, effective time.Time) (*Check, error) {
	p, err := parseTerms(doc)
	if err != nil {
		return nil, err
	}
	out := &Check{SHA256: p.sum}
	err = s.look(ctx, func(tx pgx.Tx) error {
		if err := holdTerritories(ctx, tx, p.doc); err != nil {
			return err
		}
		c, err := readContract(ctx, tx, contractID)
		if err != nil {
			return err
		}
		versions, err := publishable(ctx, tx, c, p)
		if err != nil {
			return err
		}
		if n := len(versions); effective.IsZero() && n > 0 && !versions[n-1].from.Before(s.now()) {
			effective = versions[n-1].from.Add(time.Microsecond)
		}
		if out.Version, out.Effective, err = s.place(c, versions, effective); err != nil {
			return err
		}
		out.Bounds, err = s.checkAll(ctx, tx, c, p.form, period{out.Effective, far})
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// checkAll is checkFloors to the end.
func (s *Store) checkAll(ctx context.Context, tx pgx.Tx, c *Contract, form *terms.Compiled, p period) ([]BoundCheck, error) {
	bounds, p, err := s.boundsOf(ctx, tx, c, p)
	if err != nil {
		return nil, err
	}
	var all []BoundCheck
	for _, b := range bounds {
		found, both, ok, err := b.hold(form, p)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		k := BoundCheck{Bound: b.Bound, From: both.from, Terms: b.Doc, Comparison: found}
		if both.until.Before(far) {
			k.Until = both.until
		}
		all = append(all, k)
	}
	return all, nil
}

// BoundsOf lists what Terms of a contract have to meet from now on, without
// holding any against it: Comparison is empty.
func (s *Store) BoundsOf(ctx context.Context, contractID int64) ([]BoundCheck, error) {
	var all []BoundCheck
	err := s.look(ctx, func(tx pgx.Tx) error {
		c, err := readContract(ctx, tx, contractID)
		if err != nil {
			return err
		}
		bounds, p, err := s.boundsOf(ctx, tx, c, period{s.now(), far})
		for _, b := range bounds {
			if both, ok := p.intersect(b.period()); ok {
				k := BoundCheck{Bound: b.Bound, From: both.from, Terms: b.Doc}
				if both.until.Before(far) {
					k.Until = both.until
				}
				all = append(all, k)
			}
		}
		return err
	})
	return all, err
}

// look runs f in a transaction that sees one state and is rolled back.
func (s *Store) look(ctx context.Context, f func(tx pgx.Tx) error) error {
	tx, err := s.db.Begin(ctx)
	if err != nil {
		return fmt.Errorf("merchant: begin: %w", err)
	}
	defer func() {
		undo, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
		defer cancel()
		_ = tx.Rollback(undo) // nothing was changed; a lost connection undoes by itself
	}()
	return f(tx)
}

// PublishedTerms is a version of Terms as published, of a contract or of a floor.
type PublishedTerms struct {
	ID        int64 // of the floor; 0 for a contract's
	Version   int32
	Terms     *terms.Terms
	From      time.Time
	Until     time.Time // zero: no later version yet
	Actor     string
	Published time.Time
}

// ContractVersions returns the published versions of a contract's Terms, the
// newest first.
func (s *Store) ContractVersions(ctx context.Context, contractID int64) ([]PublishedTerms, error) {
	return s.publishedTerms(ctx, `SELECT 0::bigint, version, terms, lower(effective), upper(effective), published_by, published_at
		FROM contract_terms WHERE contract_id = $1 ORDER BY version DESC`, contractID)
}

// FloorVersions returns the published versions of the floor of a trade or a
// brand (one is ""), the newest first.
func (s *Store) FloorVersions(ctx context.Context, trade Trade, brand string) ([]PublishedTerms, error) {
	return s.publishedTerms(ctx, `SELECT id, version, terms, lower(effective), upper(effective), published_by, published_at
		FROM floors WHERE trade IS NOT DISTINCT FROM nullif($1, '') AND brand IS NOT DISTINCT FROM nullif($2, '')
		ORDER BY version DESC`, string(trade), brand)
}

func (s *Store) publishedTerms(ctx context.Context, sql string, args ...any) ([]PublishedTerms, error) {
	rows, err := s.db.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("merchant: published terms: %w", err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (PublishedTerms, error) {
		var v PublishedTerms
		var doc []byte
		var until *time.Time
		if err := row.Scan(&v.ID, &v.Version, &doc, &v.From, &until, &v.Actor, &v.Published); err != nil {
			return v, err
		}
		if until != nil {
			v.Until = *until
		}
		var err error
		v.Terms, err = terms.Parse(doc)
		return v, err
	})
	if err != nil {
		return nil, fmt.Errorf("merchant: published terms: %w", err)
	}
	return all, nil
}
