package merchant

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5"

	"unioncard/card/feed"
	"unioncard/merchant/terms"
)

// Category is an entry of the one province-wide list of item categories.
type Category struct {
	Code string // "fuel.petrol_92"
	Name string // as people read it
}

var categoryCode = regexp.MustCompile(`^[a-z][a-z0-9_.]{0,31}$`)

// PublishCategories publishes a new version of the list: adds entries (or renames
// and brings back existing ones) and retires others; none is ever deleted. It
// returns the list's new version. A lock of the table keeps two versions apart.
// InvalidError for a malformed code or one to retire that is not there.
func (s *Store) PublishCategories(ctx context.Context, by By, add []Category, retire []string) (int32, error) {
	codes, names := make([]string, len(add)), make([]string, len(add))
	for i, c := range add {
		if !categoryCode.MatchString(c.Code) {
			return 0, &InvalidError{Field: "Code", Detail: fmt.Sprintf("%.40q is no category code", c.Code)}
		}
		if err := required("Name", c.Name); err != nil {
			return 0, err
		}
		codes[i], names[i] = c.Code, c.Name
	}
	var list int32
	err := s.change(ctx, func(tx pgx.Tx) error {
		// Self-exclusive, lets readers through.
		if _, err := tx.Exec(ctx, `LOCK TABLE categories IN SHARE UPDATE EXCLUSIVE MODE`); err != nil {
			return fmt.Errorf("merchant: lock categories: %w", err)
		}
		err := tx.QueryRow(ctx, `SELECT coalesce(max(greatest(since, retired)), 0) + 1 FROM categories`).Scan(&list)
		if err != nil {
			return fmt.Errorf("merchant: categories: %w", err)
		}
		_, err = tx.Exec(ctx, `INSERT INTO categories (code, name, since) SELECT code, name, $3
			FROM unnest($1::text[], $2::text[]) AS c (code, name)
			ON CONFLICT (code) DO UPDATE SET name = excluded.name, retired = NULL,
				since = CASE WHEN categories.retired IS NULL THEN categories.since ELSE excluded.since END`, codes, names, list)
		if err != nil {
			return fmt.Errorf("merchant: add categories: %w", err)
		}
		tag, err := tx.Exec(ctx, `UPDATE categories SET retired = $2 WHERE code = ANY ($1) AND retired IS NULL`, retire, list)
		if err != nil {
			return fmt.Errorf("merchant: retire categories: %w", err)
		}
		if int(tag.RowsAffected()) != len(retire) {
			return &InvalidError{Field: "retire", Detail: "names a category that is not in the list, or one twice"}
		}
		return record(ctx, tx, by, "categories.publish", "categories:"+strconv.Itoa(int(list)), nil,
			map[string]any{"add": codes, "retire": retire},
			feed.Change{Kind: feed.KindCategory, ObjectID: int64(list), Version: int64(list)})
	})
	return list, err
}

// Categories returns the present list by code and the list's version, 0 when
// empty. One statement sees one version.
func (s *Store) Categories(ctx context.Context) ([]Category, int32, error) {
	rows, err := s.db.Query(ctx, `SELECT code, name, retired IS NULL, max(greatest(since, retired)) OVER () FROM categories ORDER BY code`)
	if err != nil {
		return nil, 0, fmt.Errorf("merchant: categories: %w", err)
	}
	var all []Category
	var c Category
	var present bool
	var list int32
	_, err = pgx.ForEachRow(rows, []any{&c.Code, &c.Name, &present, &list}, func() error {
		if present {
			all = append(all, c)
		}
		return nil
	})
	if err != nil {
		return nil, 0, fmt.Errorf("merchant: categories: %w", err)
	}
	return all, list, nil
}

// checkCategories refuses Terms whose scopes name a category that is not in the
// list: it would match nothing, silently.
func checkCategories(ctx context.Context, tx pgx.Tx, doc *terms.Terms) error {
	named := map[string]bool{}
	for _, o := range doc.Offers {
		for _, code := range slices.Concat(o.Scope.Categories, o.Scope.ExceptCategories) {
			named[code] = true
		}
	}
	if len(named) == 0 {
		return nil
	}
	var unknown *string
	err := tx.QueryRow(ctx, `SELECT min(n.code) FROM unnest($1::text[]) AS n (code)
		WHERE NOT EXISTS (SELECT FROM categories c WHERE c.code = n.code AND c.retired IS NULL)`,
		slices.Sorted(maps.Keys(named))).Scan(&unknown)
	if err != nil {
		return fmt.Errorf("merchant: check categories: %w", err)
	}
	if unknown != nil {
		return &InvalidError{Field: "terms", Detail: fmt.Sprintf("category %.40q is not in the province's list", *unknown)}
	}
	return nil
}
