package application

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"unioncard/card/union"
	"unioncard/merchant"
)

// outletFields are the fields of one outlet in a form, after "outlet.N.".
var outletFields = []string{"name", "address", "territory", "position"}

// ReadForm reads a document from a form's fields. typed is what was typed, with
// the outlets counted afresh from 0 (rows left empty fall away), so that a
// refused form shows it with messages at the right fields. The errors are about
// what is no number; Check says the rest.
func ReadForm(v url.Values) (d Document, typed url.Values, e merchant.FieldErrors) {
	get := func(name string) string { return strings.TrimSpace(v.Get(name)) }
	d = Document{
		Code: get("code"), LegalName: get("legal_name"), Brand: get("brand"), Trade: merchant.Trade(get("trade")), Note: get("note"),
		Contact: Contact{LegalRep: get("legal_rep"), Name: get("contact_name"), Phone: get("phone")},
		Bank:    Bank{Holder: get("bank_holder"), Bank: get("bank_name"), Account: get("bank_account")},
	}
	typed = url.Values{}
	for name, values := range v {
		if !strings.HasPrefix(name, "outlet.") {
			typed[name] = values
		}
	}
	for _, row := range outletRows(v) {
		from := fmt.Sprintf("outlet.%d.", row)
		if get(from+"name") == "" && get(from+"address") == "" && get(from+"position") == "" {
			continue
		}
		to := fmt.Sprintf("outlet.%d.", len(d.Outlets))
		for _, field := range outletFields {
			typed.Set(to+field, v.Get(from+field))
		}
		o := Outlet{Name: get(from + "name"), Address: get(from + "address")}
		if code, err := strconv.ParseInt(get(from+"territory"), 10, 32); err == nil {
			o.Territory = int32(code)
		}
		var ok bool
		if o.Lon, o.Lat, ok = readPosition(get(from + "position")); !ok {
			e.Add(to+"position", "请按“经度,纬度”填写，如 113.6653,34.7579；不清楚可以不填。")
		}
		d.Outlets = append(d.Outlets, o)
	}
	return d, typed, e
}

// outletRows lists the numbers of the outlets' rows in a form, ascending.
func outletRows(v url.Values) []int {
	var rows []int
	for name := range v {
		rest, ok := strings.CutPrefix(name, "outlet.")
		digits, field, _ := strings.Cut(rest, ".")
		n, err := strconv.Atoi(digits)
		if ok && err == nil && n >= 0 && field == "name" {
			rows = append(rows, n)
		}
	}
	slices.Sort(rows)
	return rows
}

// readPosition reads "113.6653,34.7579", as map pickers give it.
func readPosition(s string) (lon, lat *float64, ok bool) {
	if s == "" {
		return nil, nil, true
	}
	parts := strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(",，、; \t", r) })
	if len(parts) != 2 {
		return nil, nil, false
	}
	x, errX := strconv.ParseFloat(parts[0], 64)
	y, errY := strconv.ParseFloat(parts[1], 64)
	if errX != nil || errY != nil || x != x || y != y {
		return nil, nil, false
	}
	return &x, &y, true
}

// Form writes a document as a form's fields, the reverse of ReadForm.
func (d *Document) Form() url.Values {
	v := url.Values{}
	for name, value := range map[string]string{
		"code": d.Code, "legal_name": d.LegalName, "brand": d.Brand, "trade": string(d.Trade), "note": d.Note,
		"legal_rep": d.Contact.LegalRep, "contact_name": d.Contact.Name, "phone": d.Contact.Phone,
		"bank_holder": d.Bank.Holder, "bank_name": d.Bank.Bank, "bank_account": d.Bank.Account,
	} {
		v.Set(name, value)
	}
	for i, o := range d.Outlets {
		at := fmt.Sprintf("outlet.%d.", i)
		v.Set(at+"name", o.Name)
		v.Set(at+"address", o.Address)
		v.Set(at+"territory", strconv.Itoa(int(o.Territory)))
		if o.Lon != nil && o.Lat != nil {
			v.Set(at+"position", strconv.FormatFloat(*o.Lon, 'f', -1, 64)+","+strconv.FormatFloat(*o.Lat, 'f', -1, 64))
		}
	}
	return v
}

// Place is a division an outlet can stand in, under the city it lies in.
type Place struct {
	Code       int32
	Name, City string
}

// Places lists where outlets can stand, in the order of the divisions: for the
// public everywhere (scope ""), for staff their union's territory.
func (s *Store) Places(ctx context.Context, scope string) ([]Place, error) {
	here, err := offices(ctx, s.DB, `starts_with(path, $1)`, scope)
	if err != nil {
		return nil, err
	}
	leaves, names := Leaves(), map[int32]string{}
	var places []Place
	for _, d := range union.Divisions() {
		names[d.Code] = d.Name
		if !leaves[d.Code] || !slices.ContainsFunc(here, func(o office) bool { return o.division == d.Code }) {
			continue
		}
		city := names[d.Parent]
		if d.Kind == union.City {
			city = d.Name
		}
		places = append(places, Place{d.Code, d.Name, city})
	}
	slices.SortStableFunc(places, func(a, b Place) int { return int(cityOf(a.Code) - cityOf(b.Code)) })
	return places, nil
}

func cityOf(code int32) int32 { return code / 100 }

// PlaceName is a division with its city: "郑州市金水区"; "" if there is none.
func PlaceName(code int32) string {
	var city, name string
	names := map[int32]string{}
	for _, d := range union.Divisions() {
		names[d.Code] = d.Name
		if d.Code == code {
			name = d.Name
			if d.Kind == union.County {
				city = names[d.Parent]
			}
		}
	}
	return city + name
}

// Offices lists the divisions with a union of their own in a territory, for lists
// to be narrowed by, in the order of the tree.
func (s *Store) Offices(ctx context.Context, scope string) ([]Place, error) {
	here, err := offices(ctx, s.DB, `starts_with(path, $1)`, scope)
	if err != nil {
		return nil, err
	}
	var places []Place
	for _, d := range union.Divisions() {
		if slices.ContainsFunc(here, func(o office) bool { return o.division == d.Code }) {
			places = append(places, Place{Code: d.Code, Name: d.Name})
		}
	}
	return places, nil
}
