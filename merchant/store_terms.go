package merchant

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/merchant/terms"
)

// Published is what publishing Terms led to.
type Published struct {
	Version   int32
	SHA256    [sha256.Size]byte // of the canonical JSON
	Effective time.Time
	// Below are, for a province-signed chain, the outlets' own contracts that the
	// chain's new Terms outgrew. They are listed for their offices; no deadline
	// runs.
	Below []Below
}

// parsed is a document of Terms ready to be stored.
type parsed struct {
	doc       *terms.Terms
	form      *terms.Compiled
	canonical []byte
	sum       [sha256.Size]byte
}

// parseTerms reads Terms strictly; errors are those of the terms package.
func parseTerms(doc []byte) (*parsed, error) {
	t, err := terms.Parse(doc)
	if err != nil {
		return nil, err
	}
	p := &parsed{doc: t}
	if p.form, err = t.Compile(); err != nil {
		return nil, err
	}
	if p.canonical, err = t.Canonical(); err != nil {
		return nil, err
	}
	p.sum = sha256.Sum256(p.canonical)
	return p, nil
}

// PublishTerms publishes a new version of a contract's Terms (JSON), effective
// from a moment (zero: now, or the contract's start if that is later), and ends
// the effect of the version before it there. Versions take effect in the order
// they are published, and only the first may reach back.
//
// It is refused with BelowFloorError if the Terms are worse for the member than
// any floor of the contract's trade or brand, effective or to come, or than the
// chain's Terms for an outlet's own contract under a province-signed chain, while
// both are valid; with terms.ErrInvalid, InvalidError or MoveError otherwise. A
// renegotiation ends when the new version binds.
//
// The floors' shared locks keep a new floor out, the merchant's row lock keeps
// other versions out; one_terms_a_moment stands behind.
func (s *Store) PublishTerms(ctx context.Context, by By, contractID int64, doc []byte, effective time.Time) (Published, error) {
	p, err := parseTerms(doc)
	if err != nil {
		return Published{}, err
	}
	out := Published{SHA256: p.sum}
	err = s.change(ctx, func(tx pgx.Tx) error {
		if err := holdTerritories(ctx, tx, p.doc); err != nil {
			return err
		}
		c, err := lockContract(ctx, tx, contractID, true)
		if err != nil {
			return err
		}
		versions, err := publishable(ctx, tx, c, p)
		if err != nil {
			return err
		}
		if out.Version, out.Effective, err = s.place(c, versions, effective); err != nil {
			return err
		}
		binds := period{out.Effective, far}
		if err := s.checkFloors(ctx, tx, c, p.form, binds); err != nil {
			return err
		}
		if err := insertVersion(ctx, tx, by, c, p, &out); err != nil {
			return err
		}
		if out.Below, err = belowChain(ctx, tx, c, version{
			Bound: Bound{ContractID: c.ID, Version: out.Version}, Doc: p.doc, from: binds.from, until: far,
		}); err != nil {
			return err
		}
		return recordVersion(ctx, tx, by, c, &out)
	})
	if err != nil {
		return Published{}, err
	}
	return out, nil
}

// place finds the number and the start of a contract's next version.
func (s *Store) place(c *Contract, versions []version, effective time.Time) (int32, time.Time, error) {
	now := s.now()
	if effective.IsZero() {
		effective = now
		if c.ValidFrom.After(now) || len(versions) == 0 {
			effective = c.ValidFrom
		}
	}
	effective = effective.Truncate(time.Microsecond)
	if !effective.Before(c.ValidUntil) {
		return 0, effective, &InvalidError{Field: "effective", Detail: "is not before the contract's end"}
	}
	if len(versions) == 0 {
		return 1, effective, nil
	}
	last := versions[len(versions)-1]
	switch {
	case effective.Before(now):
		return 0, effective, &InvalidError{Field: "effective", Detail: "is in the past"}
	case !effective.After(last.from):
		return 0, effective, &InvalidError{Field: "effective", Detail: "is not after the start of the last published version"}
	}
	return last.Bound.Version + 1, effective, nil
}

// insertVersion stores a version, ends the one before, and settles what
// renegotiations it settles.
func insertVersion(ctx context.Context, tx pgx.Tx, by By, c *Contract, p *parsed, out *Published) error {
	_, err := tx.Exec(ctx, `UPDATE contract_terms SET effective = tstzrange(lower(effective), $2)
		WHERE contract_id = $1 AND upper_inf(effective)`, c.ID, out.Effective)
	if err != nil {
		return fmt.Errorf("merchant: end the last version: %w", err)
	}
	_, err = tx.Exec(ctx, `INSERT INTO contract_terms (contract_id, version, terms, sha256, effective, published_by)
		VALUES ($1, $2, $3, $4, tstzrange($5, NULL), $6)`, c.ID, out.Version, p.canonical, p.sum[:], out.Effective, by.Actor)
	if err != nil {
		return fmt.Errorf("merchant: publish terms: %w", err)
	}
	// It meets every floor from its start on, so whatever was open ends there.
	_, err = tx.Exec(ctx, `UPDATE renegotiations SET resolved_at = $2
		WHERE contract_id = $1 AND (resolved_at IS NULL OR resolved_at > $2)`, c.ID, out.Effective)
	if err != nil {
		return fmt.Errorf("merchant: resolve renegotiations: %w", err)
	}
	return saveContract(ctx, tx, c)
}

func recordVersion(ctx context.Context, tx pgx.Tx, by By, c *Contract, out *Published) error {
	below := make([]int64, 0, len(out.Below))
	for _, b := range out.Below {
		below = append(below, b.ContractID)
	}
	return record(ctx, tx, by, "contract.publish", contractObject(c.ID), nil, map[string]any{
		"version": out.Version, "effective": out.Effective, "sha256": hex.EncodeToString(out.SHA256[:]), "below": below,
	}, c.changed())
}

// publishable reads the versions that p would follow, if p can be published at all.
func publishable(ctx context.Context, tx pgx.Tx, c *Contract, p *parsed) ([]version, error) {
	if c.Status == ContractEnded {
		return nil, &MoveError{Object: contractObject(c.ID), From: string(c.Status), Action: "publish"}
	}
	if len(p.doc.Offers) == 0 {
		return nil, errNoOffers
	}
	if err := checkCategories(ctx, tx, p.doc); err != nil {
		return nil, err
	}
	if err := checkBudgets(ctx, tx, c, p.doc); err != nil {
		return nil, err
	}
	return readVersions(ctx, tx, c.ID)
}

// readVersions reads the published versions of a contract's Terms in time order.
func readVersions(ctx context.Context, tx pgx.Tx, contract int64) ([]version, error) {
	by, err := readVersionsOf(ctx, tx, []int64{contract})
	if err != nil {
		return nil, err
	}
	return by[contract], nil
}

func readVersionsOf(ctx context.Context, tx pgx.Tx, contracts []int64) (map[int64][]version, error) {
	rows, err := tx.Query(ctx, `SELECT contract_id, version, terms, sha256, lower(effective), upper(effective)
		FROM contract_terms WHERE contract_id = ANY ($1) ORDER BY contract_id, lower(effective)`, contracts)
	if err != nil {
		return nil, fmt.Errorf("merchant: versions: %w", err)
	}
	by := map[int64][]version{}
	var v version
	var doc, sum []byte
	var until *time.Time
	_, err = pgx.ForEachRow(rows, []any{&v.Bound.ContractID, &v.Bound.Version, &doc, &sum, &v.from, &until}, func() error {
		v.sum = string(sum)
		n, err := stored(v, doc, until)
		by[n.Bound.ContractID] = append(by[n.Bound.ContractID], n)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("merchant: versions: %w", err)
	}
	return by, nil
}

// stored completes a version read from the database.
func stored(v version, doc []byte, until *time.Time) (version, error) {
	v.until = far
	if until != nil {
		v.until = *until
	}
	var err error
	if v.Doc, err = terms.Parse(doc); err != nil {
		return v, fmt.Errorf("%s: %w", v.Bound, err)
	}
	return v, nil
}

// checkFloors holds Terms that bind a contract during p against all that applies
// to it from now on: what is past has been sold. The caller holds the floors
// (holdFloors) and the merchant's row.
func (s *Store) checkFloors(ctx context.Context, tx pgx.Tx, c *Contract, form *terms.Compiled, p period) error {
	bounds, p, err := s.boundsOf(ctx, tx, c, p)
	if err != nil {
		return err
	}
	return holdAgainst(form, p, bounds)
}

// boundsOf reads all that Terms in force during p have to meet, and what is left
// of p: within the contract's validity and from now on.
func (s *Store) boundsOf(ctx context.Context, tx pgx.Tx, c *Contract, p period) ([]version, period, error) {
	p, ok := p.intersect(period{c.ValidFrom, c.ValidUntil})
	if ok {
		p, ok = p.intersect(period{s.now(), far})
	}
	if !ok {
		return nil, p, nil
	}
	bounds, err := readFloors(ctx, tx, c.Trade, c.Brand, p)
	if err != nil {
		return nil, p, err
	}
	chain, err := readChain(ctx, tx, c)
	if err != nil {
		return nil, p, err
	}
	return slices.Concat(bounds, chain), p, nil
}

// readFloors reads the versions of floors of a trade or a brand with effect
// during p.
func readFloors(ctx context.Context, tx pgx.Tx, trade Trade, brand string, p period) ([]version, error) {
	rows, err := tx.Query(ctx, `SELECT id, coalesce(trade, ''), coalesce(brand, ''), version, terms, lower(effective), upper(effective)
		FROM floors WHERE (trade = $1 OR brand = nullif($2, '')) AND effective && tstzrange($3, $4) ORDER BY id`,
		trade, brand, p.from, p.until)
	if err != nil {
		return nil, fmt.Errorf("merchant: floors: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (version, error) {
		var v version
		var doc []byte
		var until *time.Time
		b := &v.Bound
		if err := row.Scan(&b.FloorID, &b.Trade, &b.Brand, &b.Version, &doc, &v.from, &until); err != nil {
			return v, err
		}
		return stored(v, doc, until)
	})
}

// readChain reads the Terms that an outlet's own contract may not fall below:
// those of its merchant's contracts signed by the province, within their
// validity.
func readChain(ctx context.Context, tx pgx.Tx, c *Contract) ([]version, error) {
	if c.OutletID == 0 {
		return nil, nil
	}
	rows, err := tx.Query(ctx, `SELECT t.contract_id, t.version, t.terms, lower(t.effective * c.valid), upper(t.effective * c.valid)
		FROM contracts c JOIN unions u ON u.id = c.office_id JOIN contract_terms t ON t.contract_id = c.id
		WHERE c.merchant_id = $1 AND c.outlet_id IS NULL AND u.kind = 'province'
		AND c.status IN ('active', 'suspended', 'ending') AND t.effective && c.valid AND c.valid && tstzrange($2, $3)
		ORDER BY t.contract_id, t.version`, c.MerchantID, c.ValidFrom, c.ValidUntil)
	if err != nil {
		return nil, fmt.Errorf("merchant: chain: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (version, error) {
		var v version
		var doc []byte
		var until *time.Time
		if err := row.Scan(&v.Bound.ContractID, &v.Bound.Version, &doc, &v.from, &until); err != nil {
			return v, err
		}
		return stored(v, doc, until)
	})
}

// belowChain lists the outlets' own contracts that a province-signed chain's new
// version outgrew.
func belowChain(ctx context.Context, tx pgx.Tx, chain *Contract, bound version) ([]Below, error) {
	if chain.OutletID != 0 {
		return nil, nil
	}
	bound.from = latest(bound.from, chain.ValidFrom)
	rows, err := tx.Query(ctx, contractSQL+` WHERE merchant_id = $1 AND outlet_id IS NOT NULL
		AND status IN ('active', 'suspended', 'ending') AND valid && tstzrange($2, $3)
		AND EXISTS (SELECT FROM unions u WHERE u.id = $4 AND u.kind = 'province') ORDER BY id`,
		chain.MerchantID, bound.from, chain.ValidUntil, chain.OfficeID)
	if err != nil {
		return nil, fmt.Errorf("merchant: contracts under the chain: %w", err)
	}
	contracts, err := pgx.CollectRows(rows, scanContract)
	if err != nil {
		return nil, fmt.Errorf("merchant: contracts under the chain: %w", err)
	}
	if chain.ValidUntil.Before(bound.until) {
		bound.until = chain.ValidUntil
	}
	return outgrown(ctx, tx, contracts, bound)
}
