package territory

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"unioncard/card/union"
	"unioncard/merchant"
	"unioncard/merchant/terms"
)

// TermsAt are published Terms, in force or to come, that name a territory which a
// merger changes: either a contract's or a floor's.
type TermsAt struct {
	ContractID int64 // 0 for a floor
	Merchant   string
	Path       string // of the office's union; "" of a floor, which everybody reads
	Trade      string // of a floor
	Brand      string
	Version    int32
	Offers     []string // titles of the offers concerned
}

// BlockedError refuses a merger by which members would earn less than Terms promise.
type BlockedError struct{ Terms []TermsAt }

func (e *BlockedError) Error() string {
	return fmt.Sprintf("territory: %d published Terms name the merged territory and not its successor", len(e.Terms))
}

// Unwrap makes it a refusal of the form's field too.
func (e *BlockedError) Unwrap() error {
	return merchant.FieldErrors{{Field: "into", Message: fmt.Sprintf(
		"有 %d 份执行中或将要执行的优惠条件写明了“限某地会员”，合并后这些会员就享受不到了。请先让这些协议（底线）发布新的条件，把并入后的地方也列进去，再来合并。", len(e.Terms))}}
}

func blocked(lost []TermsAt) error {
	if len(lost) == 0 {
		return nil
	}
	return &BlockedError{lost}
}

// holder is where cards of one sort count, before and after.
type holder struct{ wasCounty, wasCity, county, city int32 }

// shift finds the published Terms by which members whose cards change their territory,
// or the city around it, would lose and would gain an offer. A merger of unions
// without divisions changes the meaning of no code: who is moved is as one who was
// transferred.
func (s *Store) shift(ctx context.Context, db union.Querier, m *union.Merger) (lost, gained []TermsAt, err error) {
	if m.From.Division == 0 {
		return nil, nil, nil
	}
	before, after, err := m.Trees(ctx, db)
	if err != nil {
		return nil, nil, err
	}
	var holders []holder
	note := func(from, to int32) {
		h := holder{from, before.City(from), to, after.City(to)}
		if h.wasCounty != h.county || h.wasCity != h.city {
			holders = append(holders, h)
		}
	}
	note(m.From.Territory, m.Into.Territory)
	seen := map[int32]bool{m.From.Territory: true}
	for _, b := range m.Below {
		if !seen[b.FromTerritory] {
			seen[b.FromTerritory] = true
			note(b.FromTerritory, b.ToTerritory)
		}
	}
	rows, err := db.Query(ctx, namingSQL, s.now())
	if err != nil {
		return nil, nil, fmt.Errorf("territory: terms: %w", err)
	}
	var at TermsAt
	var doc []byte
	_, err = pgx.ForEachRow(rows, []any{&at.ContractID, &at.Merchant, &at.Path, &at.Trade, &at.Brand, &at.Version, &doc}, func() error {
		t, err := terms.Parse(doc)
		if err != nil {
			return fmt.Errorf("territory: terms of contract %d, version %d: %w", at.ContractID, at.Version, err)
		}
		loses, gains := changed(t, holders)
		if len(loses) > 0 {
			lost = append(lost, with(at, loses))
		}
		if len(gains) > 0 {
			gained = append(gained, with(at, gains))
		}
		return nil
	})
	return lost, gained, err
}

func with(at TermsAt, offers []string) TermsAt {
	at.Offers = offers
	return at
}

// changed are the titles of the offers that some holder loses, and that some gains.
func changed(t *terms.Terms, holders []holder) (loses, gains []string) {
	for i := range t.Offers {
		o := &t.Offers[i]
		if len(o.Eligibility.Territories) == 0 {
			continue
		}
		var less, more bool
		for _, h := range holders {
			was, is := o.Eligibility.Covers(h.wasCounty, h.wasCity), o.Eligibility.Covers(h.county, h.city)
			less, more = less || was && !is, more || is && !was
		}
		if less {
			loses = append(loses, o.Title)
		}
		if more {
			gains = append(gains, o.Title)
		}
	}
	return loses, gains
}

// namingSQL finds the Terms that name territories at all, of contracts that have not
// ended and of floors, in force at $1 or to come.
const namingSQL = `SELECT c.id, m.name || coalesce(' ' || o.name, ''), u.path, '', '', t.version, t.terms
	FROM contract_terms t JOIN contracts c ON c.id = t.contract_id JOIN merchants m ON m.id = c.merchant_id JOIN unions u ON u.id = c.office_id
	LEFT JOIN outlets o ON o.id = c.outlet_id
	WHERE c.status <> 'ended' AND (upper_inf(t.effective) OR upper(t.effective) > $1)
	AND jsonb_path_exists(t.terms, '$.offers[*].eligibility.territories')
	UNION ALL SELECT 0, '', '', coalesce(f.trade, ''), coalesce(f.brand, ''), f.version, f.terms FROM floors f
	WHERE (upper_inf(f.effective) OR upper(f.effective) > $1) AND jsonb_path_exists(f.terms, '$.offers[*].eligibility.territories')
	ORDER BY 1, 5`
