package signing

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card/union/staff"
	"unioncard/merchant"
	"unioncard/merchant/draft"
	"unioncard/merchant/terms"
)

// Agreement is what two parties sign: everything that the printed page says.
type Agreement struct {
	ContractID  int64          `json:"contract"`
	MerchantID  int64          `json:"merchant"`
	Merchant    string         `json:"merchant_name"`
	Brand       string         `json:"brand"`
	Trade       merchant.Trade `json:"trade"`
	OutletID    int64          `json:"outlet"` // 0: every outlet of the merchant
	Outlet      string         `json:"outlet_name"`
	OfficeID    int64          `json:"office"`
	Office      string         `json:"office_name"`
	ValidFrom   time.Time      `json:"from"`
	ValidUntil  time.Time      `json:"until"` // exclusive
	RefundUntil time.Time      `json:"refund_until"`
	FloorClause bool           `json:"floor_clause"`
	First       bool           `json:"first"` // the contract's first Terms; else an amendment
	// Effective is when an amendment is to bind; published later, it binds from then.
	Effective   time.Time `json:"effective"`
	TermsSHA256 string    `json:"terms_sha256"` // of the canonical JSON, in hex
}

// Fingerprint is a digest of the whole agreement.
func (a *Agreement) Fingerprint() (string, error) {
	b, err := json.Marshal(a)
	if err != nil {
		return "", fmt.Errorf("signing: agreement: %w", err)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]), nil
}

// CodeLength is how much of the printed code a clerk types in, in characters.
const CodeLength = 8

// Code is what a clerk reads off the paper's foot: the last characters of the
// Terms' SHA-256.
func (a *Agreement) Code() string { return a.TermsSHA256[len(a.TermsSHA256)-CodeLength:] }

// readAgreement reads what an agreement on a contract says now.
func readAgreement(ctx context.Context, db merchant.DB, contract int64, effective time.Time) (*Agreement, error) {
	a := Agreement{ContractID: contract, Effective: effective.UTC()}
	var status merchant.ContractStatus
	err := db.QueryRow(ctx, `SELECT m.id, m.name, c.brand, c.trade, coalesce(c.outlet_id, 0), coalesce(o.name, ''), c.office_id, u.name,
			lower(c.valid), upper(c.valid), c.refund_until, c.floor_clause, c.status
		FROM contracts c JOIN merchants m ON m.id = c.merchant_id JOIN unions u ON u.id = c.office_id
		LEFT JOIN outlets o ON o.id = c.outlet_id WHERE c.id = $1`, contract).
		Scan(&a.MerchantID, &a.Merchant, &a.Brand, &a.Trade, &a.OutletID, &a.Outlet, &a.OfficeID, &a.Office,
			&a.ValidFrom, &a.ValidUntil, &a.RefundUntil, &a.FloorClause, &status)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, merchant.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("signing: agreement: %w", err)
	}
	a.ValidFrom, a.ValidUntil, a.RefundUntil = a.ValidFrom.UTC(), a.ValidUntil.UTC(), a.RefundUntil.UTC()
	a.First = status == merchant.ContractDraft
	return &a, nil
}

// TermsKind is the name of the kind of proposal that publishes Terms.
const TermsKind = "terms.publish"

// TermsPayload is what a proposal to publish Terms holds.
type TermsPayload struct {
	ContractID int64           `json:"contract"`
	Draft      int32           `json:"draft"`     // the draft's version
	SHA256     string          `json:"sha256"`    // of the canonical JSON, in hex
	Effective  time.Time       `json:"effective"` // of an amendment; zero: at once
	Terms      json.RawMessage `json:"terms"`
}

// termsKind publishes Terms: approving allows the agreement to be printed and
// signed, Contracts.Publish carries it out.
func termsKind(clock func() time.Time) Kind {
	return Kind{
		Name: TermsKind, Title: "发布优惠条件", Right: staff.WriteContract,
		Check: func(ctx context.Context, tx pgx.Tx, object string, payload json.RawMessage) error {
			p, d, err := termsOf(ctx, tx, clock, object, payload)
			if err != nil {
				return err
			}
			if d != p.SHA256 {
				return ErrStale
			}
			return dryRun(ctx, tx, clock, p)
		},
		Fingerprint: func(ctx context.Context, tx pgx.Tx, object string, payload json.RawMessage) (string, error) {
			p, d, err := termsOf(ctx, tx, clock, object, payload)
			if err != nil {
				return "", err
			}
			a, err := readAgreement(ctx, tx, p.ContractID, p.Effective)
			if err != nil {
				return "", err
			}
			a.TermsSHA256 = d
			return a.Fingerprint()
		},
	}
}

// termsOf reads the payload of a proposal about a contract, and the hash of the
// contract's draft as it is now, "" without one.
func termsOf(ctx context.Context, tx pgx.Tx, clock func() time.Time, object string, payload json.RawMessage) (*TermsPayload, string, error) {
	var p TermsPayload
	if err := json.Unmarshal(payload, &p); err != nil {
		return nil, "", fmt.Errorf("signing: payload: %w", err)
	}
	if id, ok := ObjectID(object, "contract"); !ok || id != p.ContractID {
		return nil, "", fmt.Errorf("signing: proposal about %s for contract %d", object, p.ContractID)
	}
	d, err := draft.NewStore(tx, clock).Get(ctx, object)
	if errors.Is(err, draft.ErrNotFound) {
		return &p, "", nil
	}
	if err != nil {
		return nil, "", err
	}
	return &p, hex.EncodeToString(d.SHA256[:]), nil
}

// dryRun publishes and activates, and takes it back: what publishing would refuse
// is refused now, with the same error.
func dryRun(ctx context.Context, tx pgx.Tx, clock func() time.Time, p *TermsPayload) error {
	sp, err := tx.Begin(ctx)
	if err != nil {
		return fmt.Errorf("signing: savepoint: %w", err)
	}
	_, err = publish(ctx, sp, clock, merchant.By{Actor: "system", Reason: "dry run"}, p)
	return errors.Join(err, rollback(ctx, sp))
}

// publish makes a proposal's Terms bind, and a draft contract active.
func publish(ctx context.Context, tx pgx.Tx, clock func() time.Time, by merchant.By, p *TermsPayload) (*merchant.Published, error) {
	st := merchant.NewStore(tx, clock)
	c, err := st.Contract(ctx, p.ContractID)
	if err != nil {
		return nil, err
	}
	now := clock().Truncate(time.Microsecond)
	if !c.ValidUntil.After(now) {
		var bad merchant.FieldErrors
		bad.Add("valid_until", "协议的有效期已经过了，请先改有效期")
		return nil, bad.Err()
	}
	var effective time.Time
	if c.Status != merchant.ContractDraft {
		// Signing takes its time: what was to bind from yesterday binds at once.
		if effective = p.Effective; effective.Before(now) {
			effective = time.Time{}
		}
	}
	out, err := st.PublishTerms(ctx, by, p.ContractID, p.Terms, effective)
	if err != nil {
		return nil, err
	}
	if c.Status == merchant.ContractDraft {
		if err := st.ActivateContract(ctx, by, p.ContractID); err != nil {
			return nil, err
		}
	}
	return &out, nil
}

// ParseTerms reads the Terms of a payload.
func (p *TermsPayload) ParseTerms() (*terms.Terms, error) {
	t, err := terms.Parse(p.Terms)
	if err != nil {
		return nil, fmt.Errorf("signing: proposed terms: %w", err)
	}
	return t, nil
}
