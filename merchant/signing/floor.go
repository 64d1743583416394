package signing

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card/union/staff"
	"unioncard/merchant"
	"unioncard/merchant/draft"
)

// FloorKind is the name of the kind of proposal that publishes a floor.
const FloorKind = "floor.publish"

// FloorPayload is what a proposal to publish a floor holds.
type FloorPayload struct {
	Trade        merchant.Trade  `json:"trade"`
	Brand        string          `json:"brand"`
	Draft        int32           `json:"draft"`
	SHA256       string          `json:"sha256"`    // of the canonical JSON, in hex
	Effective    time.Time       `json:"effective"` // published later, it binds from then
	DeadlineDays int             `json:"deadline_days"`
	Impact       int64           `json:"impact"` // the impact list that the maker saw
	Below        int             `json:"below"`  // how many contracts it found
	Terms        json.RawMessage `json:"terms"`
}

// floorKind publishes a floor when it is approved. What its maker and checker see
// is the draft, the floor in force and the impact; contracts change every day, so
// these make an impact stale, which pages show, but no approval.
func floorKind(clock func() time.Time) Kind {
	return Kind{
		Name: FloorKind, Title: "发布底线条件", Right: staff.WriteFloor,
		Check: func(ctx context.Context, tx pgx.Tx, object string, payload json.RawMessage) error {
			var p FloorPayload
			if err := json.Unmarshal(payload, &p); err != nil {
				return fmt.Errorf("signing: payload: %w", err)
			}
			if object != draft.FloorObject(p.Trade, p.Brand) {
				return fmt.Errorf("signing: proposal about %s for the floor %q %q", object, p.Trade, p.Brand)
			}
			sum, err := floorDraft(ctx, tx, clock, object)
			if err == nil && sum != p.SHA256 { // saved after the maker read it: publishing would discard that
				return ErrStale
			}
			return err
		},
		Fingerprint: func(ctx context.Context, tx pgx.Tx, object string, payload json.RawMessage) (string, error) {
			var p FloorPayload
			if err := json.Unmarshal(payload, &p); err != nil {
				return "", fmt.Errorf("signing: payload: %w", err)
			}
			sum, err := floorDraft(ctx, tx, clock, object)
			if err != nil {
				return "", err
			}
			var last int
			err = tx.QueryRow(ctx, `SELECT coalesce(max(version), 0) FROM floors
				WHERE trade IS NOT DISTINCT FROM nullif($1, '') AND brand IS NOT DISTINCT FROM nullif($2, '')`,
				p.Trade, p.Brand).Scan(&last)
			if err != nil {
				return "", fmt.Errorf("signing: last floor: %w", err)
			}
			return fmt.Sprintf("%s after %d from %s within %d days", sum, last, p.Effective.UTC().Format(time.RFC3339), p.DeadlineDays), nil
		},
		Apply: func(ctx context.Context, tx pgx.Tx, by merchant.By, p *Proposal) error {
			var f FloorPayload
			if err := p.Decode(&f); err != nil {
				return err
			}
			effective := f.Effective
			if effective.Before(clock()) {
				effective = time.Time{} // at once: the clock goes on until the store looks
			}
			_, err := merchant.NewStore(tx, clock).PublishFloor(ctx, by, merchant.NewFloor{
				Trade: f.Trade, Brand: f.Brand, Terms: f.Terms, Effective: effective, DeadlineDays: f.DeadlineDays})
			if err != nil {
				return err
			}
			drafts := draft.NewStore(tx, clock)
			version, err := drafts.Version(ctx, p.Object)
			if err != nil {
				return err
			}
			return drafts.Discard(ctx, by, p.Object, version)
		},
	}
}

// floorDraft is the hash of a floor's draft in hex, "" without one.
func floorDraft(ctx context.Context, tx pgx.Tx, clock func() time.Time, object string) (string, error) {
	d, err := draft.NewStore(tx, clock).Get(ctx, object)
	if errors.Is(err, draft.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return hex.EncodeToString(d.SHA256[:]), nil
}
