package merchant

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"unioncard/card/union"
	"unioncard/merchant/terms"
)

// Naming is what people call the codes in Terms: item categories (retired ones
// too), territories and classes of card.
type Naming struct {
	// Categories is the present list by code.
	Categories []Category
	byCode     map[string]string
	places     map[int32]string
}

// Naming reads the present names. They change seldom; a caller may keep them for
// a request.
func (s *Store) Naming(ctx context.Context) (*Naming, error) {
	n := &Naming{byCode: map[string]string{}, places: map[int32]string{}}
	rows, err := s.db.Query(ctx, `SELECT code, name, retired IS NULL FROM categories ORDER BY code`)
	if err != nil {
		return nil, fmt.Errorf("merchant: names: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var c Category
		var present bool
		if err := rows.Scan(&c.Code, &c.Name, &present); err != nil {
			return nil, fmt.Errorf("merchant: names: %w", err)
		}
		n.byCode[c.Code] = c.Name
		if present {
			n.Categories = append(n.Categories, c)
		} else {
			n.byCode[c.Code] += "（已停用）"
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("merchant: names: %w", err)
	}
	for _, d := range union.Divisions() {
		n.places[d.Code] = d.Name
	}
	return n, nil
}

// Names is the naming as the terms package takes it.
func (n *Naming) Names() terms.Names {
	return terms.Names{
		Category: func(code string) string { return n.byCode[code] },
		Territory: func(code int32) string {
			if code%10000 == 0 && n.places[code] != "" {
				return "全省"
			}
			return n.places[code]
		},
		Class: ClassName,
		Unit:  func(code string) string { return unitOf(n.byCode[code]) },
	}
}

// NamedClasses is how many classes, from 0 on, the province has named.
const NamedClasses = 2

// ClassName is what a class of card is called: 0 is an ordinary member's, 1 a model
// worker's, the others wait for the province to name them.
func ClassName(class int) string {
	switch class {
	case 0:
		return "普通会员"
	case 1:
		return "劳模会员"
	}
	return strconv.Itoa(class) + "类会员"
}

// unitOf is what goods are sold by where there is one answer: motor fuel by the
// litre, natural gas by the cubic metre.
func unitOf(category string) string {
	switch {
	case strings.Contains(category, "汽油"), strings.Contains(category, "柴油"), strings.Contains(category, "燃油"):
		return "升"
	case strings.Contains(category, "天然气"):
		return "立方米"
	}
	return ""
}
