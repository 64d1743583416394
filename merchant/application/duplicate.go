package application

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/jackc/pgx/v5"
)

// Match is why two are taken for the same.
type Match string

// The matches, the strongest first.
const (
	SameCode    Match = "code"    // the same unified social credit code
	SameName    Match = "name"    // the same name, but for its form
	SamePhone   Match = "phone"   // the same contact phone
	SameAddress Match = "address" // an outlet at the same address, or within NearMetres
)

// Title is the match in Chinese.
func (m Match) Title() string {
	return map[Match]string{SameCode: "统一社会信用代码相同", SameName: "名称相同", SamePhone: "联系电话相同", SameAddress: "门店地址相同或相邻"}[m]
}

// NearMetres is how close two outlets are taken for the same shop.
const NearMetres = 30

// Duplicate is another application or a merchant that seems to be the same. Of
// another office's it tells the clerk only whose it is.
type Duplicate struct {
	Kind       string // "application" or "merchant"
	ID         int64
	Office     string
	OfficePath string
	Status     string // a stage, or the merchant's status
	Matches    []Match
	// Barred is the day before which the re-entry rule forbids it to come back; zero
	// if it may.
	Barred time.Time
}

// nameKey brings a company's name to what does not depend on its form: width,
// case, spaces, brackets, and the words for its legal form.
func nameKey(s string) string {
	s = plainText(s)
	for _, form := range []string{"股份有限公司", "有限责任公司", "有限公司", "个体工商户", "分公司", "总公司"} {
		s = strings.ReplaceAll(s, form, "")
	}
	return s
}

// addressKey likewise for an address; the province may be left out.
func addressKey(s string) string { return strings.TrimPrefix(plainText(s), "河南省") }

// plainText keeps letters and digits, narrow and small.
func plainText(s string) string {
	return strings.Map(func(r rune) rune {
		if r = unicode.ToLower(halfWidth(r)); unicode.IsLetter(r) || unicode.IsDigit(r) {
			return r
		}
		return -1
	}, s)
}

// near reports whether two positions are within NearMetres (equirectangular,
// which is exact enough for that).
func near(aLon, aLat, bLon, bLat *float64) bool {
	if aLon == nil || aLat == nil || bLon == nil || bLat == nil {
		return false
	}
	const metresPerDegree = 111_320
	dy := (*aLat - *bLat) * metresPerDegree
	dx := (*aLon - *bLon) * metresPerDegree * math.Cos(*aLat*math.Pi/180)
	return dx*dx+dy*dy <= NearMetres*NearMetres
}

// Duplicates finds what seems to be the same as an application, whichever office
// it belongs to, the strongest match first. Other applications count unless they
// are over or were never sent.
func (s *Store) Duplicates(ctx context.Context, a *Application) (list []Duplicate, err error) {
	err = s.change(ctx, func(tx pgx.Tx) error {
		list, err = s.duplicates(ctx, tx, a)
		return err
	})
	return list, err
}

func (s *Store) duplicates(ctx context.Context, tx pgx.Tx, a *Application) ([]Duplicate, error) {
	phone, err := s.Vault.Hash("phone", a.Doc.Contact.Phone)
	if err != nil {
		return nil, err
	}
	found := map[string]*Duplicate{}
	note := func(d Duplicate, m Match) {
		key := fmt.Sprint(d.Kind, d.ID)
		if found[key] == nil {
			found[key] = &d
		}
		if !slices.Contains(found[key].Matches, m) {
			found[key].Matches = append(found[key].Matches, m)
		}
	}
	if err := findByKey(ctx, tx, a, phone, note); err != nil {
		return nil, err
	}
	if err := findByPlace(ctx, tx, a, note); err != nil {
		return nil, err
	}
	if err := s.bar(ctx, tx, found); err != nil {
		return nil, err
	}
	list := make([]Duplicate, 0, len(found))
	for _, d := range found {
		list = append(list, *d)
	}
	slices.SortFunc(list, func(x, y Duplicate) int {
		return cmp.Or(cmp.Compare(strength(x), strength(y)), cmp.Compare(x.Kind, y.Kind), cmp.Compare(x.ID, y.ID))
	})
	return list, nil
}

const strengthOfName = 1

// strength is 0 for the strongest match.
func strength(d Duplicate) int {
	order := []Match{SameCode, SameName, SamePhone, SameAddress}
	best := len(order)
	for _, m := range d.Matches {
		best = min(best, slices.Index(order, m))
	}
	return best
}

// duplicatesSQL compares code ($2), name ($3, $4) and phone ($5) of application $1
// and its merchant ($6). Both halves go by index; 200 of each are more than
// anybody reads.
const duplicatesSQL = `
(SELECT 'application', a.id, u.name, u.path, a.status, a.code = $2 AND $2 <> '', a.name_key = $3 AND $3 <> '', coalesce(a.phone_hash = $5, false)
FROM applications a JOIN unions u ON u.id = a.office_id
WHERE a.id <> $1 AND a.status NOT IN ('ended', 'rejected', 'negotiating') AND NOT (a.source = 'public' AND a.submitted_at IS NULL)
AND (a.code = $2 AND $2 <> '' OR a.name_key = $3 AND $3 <> '' OR a.phone_hash = $5)
ORDER BY a.id DESC LIMIT 200)
UNION ALL
(SELECT 'merchant', m.id, u.name, u.path, m.status, coalesce(d.code = $2, false) AND $2 <> '',
	$3 <> '' AND (coalesce(d.name_key = $3, false) OR m.name = $4), coalesce(d.phone_hash = $5, false)
FROM merchants m JOIN unions u ON u.id = m.office_id LEFT JOIN merchant_details d ON d.merchant_id = m.id
WHERE m.id <> $6 AND m.id IN (
	SELECT merchant_id FROM merchant_details WHERE code = $2 AND code <> ''
	UNION SELECT merchant_id FROM merchant_details WHERE name_key = $3 AND name_key <> ''
	UNION SELECT merchant_id FROM merchant_details WHERE phone_hash = $5
	UNION SELECT id FROM merchants WHERE name = $4)
ORDER BY m.id DESC LIMIT 200)`

func findByKey(ctx context.Context, tx pgx.Tx, a *Application, phone []byte, note func(Duplicate, Match)) error {
	rows, err := tx.Query(ctx, duplicatesSQL, a.ID, a.Doc.Code, nameKey(a.Doc.LegalName), a.Doc.LegalName, phone, a.MerchantID)
	if err != nil {
		return fmt.Errorf("application: duplicates: %w", err)
	}
	var d Duplicate
	var code, name, samePhone bool
	_, err = pgx.ForEachRow(rows, []any{&d.Kind, &d.ID, &d.Office, &d.OfficePath, &d.Status, &code, &name, &samePhone}, func() error {
		for m, yes := range map[Match]bool{SameCode: code, SameName: name, SamePhone: samePhone} {
			if yes {
				note(d, m)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("application: duplicates: %w", err)
	}
	return nil
}

// placesSQL lists the outlets in some divisions ($1) of others than application $2
// and merchant $3.
const placesSQL = `
SELECT 'merchant', m.id, u.name, u.path, m.status, o.address, o.territory, o.lon, o.lat
FROM outlets o JOIN merchants m ON m.id = o.merchant_id JOIN unions u ON u.id = m.office_id
WHERE o.territory = ANY ($1) AND o.status <> 'closed' AND m.status <> 'exited' AND m.id <> $3
UNION ALL
SELECT 'application', a.id, u.name, u.path, a.status, o.address, o.territory, o.lon, o.lat
FROM application_outlets o JOIN applications a ON a.id = o.application_id JOIN unions u ON u.id = a.office_id
WHERE o.territory = ANY ($1) AND a.id <> $2 AND a.status NOT IN ('ended', 'rejected', 'negotiating')
AND NOT (a.source = 'public' AND a.submitted_at IS NULL)`

func findByPlace(ctx context.Context, tx pgx.Tx, a *Application, note func(Duplicate, Match)) error {
	type place struct {
		territory int32
		address   string
	}
	mine := map[place]bool{}
	for _, o := range a.Doc.Outlets {
		mine[place{o.Territory, addressKey(o.Address)}] = true
	}
	rows, err := tx.Query(ctx, placesSQL, a.Doc.territories(), a.ID, a.MerchantID)
	if err != nil {
		return fmt.Errorf("application: places: %w", err)
	}
	var d Duplicate
	var o Outlet
	_, err = pgx.ForEachRow(rows, []any{&d.Kind, &d.ID, &d.Office, &d.OfficePath, &d.Status, &o.Address, &o.Territory, &o.Lon, &o.Lat}, func() error {
		same := mine[place{o.Territory, addressKey(o.Address)}] && o.Address != "" ||
			slices.ContainsFunc(a.Doc.Outlets, func(m Outlet) bool { return near(m.Lon, m.Lat, o.Lon, o.Lat) })
		if same {
			note(d, SameAddress)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("application: places: %w", err)
	}
	return nil
}

// bar marks those that may not come back yet. Only the same company counts: its
// code, or its name.
func (s *Store) bar(ctx context.Context, tx pgx.Tx, found map[string]*Duplicate) error {
	if s.Barred == nil {
		return nil
	}
	for _, d := range found {
		if d.Kind != "merchant" || strength(*d) > strengthOfName {
			continue
		}
		until, err := s.Barred(ctx, tx, d.ID)
		if err != nil {
			return fmt.Errorf("application: re-entry: %w", err)
		}
		if until.After(s.Clock()) {
			d.Barred = until
		}
	}
	return nil
}
