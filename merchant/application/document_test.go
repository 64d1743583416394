package application_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"unioncard/merchant"
	"unioncard/merchant/application"
)

func at(lon, lat float64) func(*application.Document) {
	return func(d *application.Document) { d.Outlets[0].Lon, d.Outlets[0].Lat = &lon, &lat }
}

func TestCheck(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		spoil func(*application.Document)
		field string // at fault, "" for none
		says  string
	}{
		{"good", func(*application.Document) {}, "", ""},
		{"no code", func(d *application.Document) { d.Code = "" }, "code", "请填写"},
		{"short code", func(d *application.Document) { d.Code = "9141000017" }, "code", "18 位，现在是 10 位"},
		{"letter O", func(d *application.Document) { d.Code = "914100OO170001401D" }, "code", "I、O、S、V、Z"},
		{"wrong check character", func(d *application.Document) { d.Code = "91410000170001401E" }, "code", "校验位"},
		{"swapped", func(d *application.Document) { d.Code = "91410000710001401D" }, "code", "校验位"},
		{"small and spaced code", func(d *application.Document) { d.Code = " 9141 0000 1700 0140 1d" }, "", ""},
		{"no name", func(d *application.Document) { d.LegalName = " " }, "legal_name", "请填写"},
		{"long name", func(d *application.Document) { d.LegalName = strings.Repeat("长", 101) }, "legal_name", "太长"},
		{"bell in the name", func(d *application.Document) { d.LegalName = "a\x07b" }, "legal_name", "不可见"},
		{"trade", func(d *application.Document) { d.Trade = "gambling" }, "trade", "行业"},
		{"phone of ten", func(d *application.Document) { d.Contact.Phone = "1380371000" }, "phone", "电话不对"},
		{"phone 12…", func(d *application.Document) { d.Contact.Phone = "12803710001" }, "phone", "电话不对"},
		{"landline", func(d *application.Document) { d.Contact.Phone = "0371-65901234" }, "", ""},
		{"with +86", func(d *application.Document) { d.Contact.Phone = "+86 138 0371 0001" }, "", ""},
		{"letters", func(d *application.Document) { d.Contact.Phone = "ask-me" }, "phone", "电话不对"},
		{"account alone", func(d *application.Document) { d.Bank.Account = "1702020109000012345" }, "bank_holder", "户名"},
		{"card with a slip", func(d *application.Document) {
			d.Bank = application.Bank{Holder: "x", Bank: "y", Account: "6222021702000012345"}
		}, "bank_account", "校验位"},
		{"no outlet", func(d *application.Document) { d.Outlets = nil }, "outlet.0.name", "至少"},
		{"too many outlets", func(d *application.Document) { d.Outlets = make([]application.Outlet, 51) }, "outlet.0.name", "最多"},
		{"a city with counties", func(d *application.Document) { d.Outlets[0].Territory = zhengz }, "outlet.0.territory", "县"},
		{"Beijing", func(d *application.Document) { d.Outlets[0].Territory = 110101 }, "outlet.0.territory", "县"},
		{"in Zhengzhou", at(113.6653, 34.7579), "", ""},
		{"the wrong way round", at(34.7579, 113.6653), "outlet.0.position", "填反"},
		{"in Shanghai", at(121.47, 31.23), "outlet.0.position", "不在河南"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := document(jinshui)
			tt.spoil(&d)
			d.Normalize()
			err := d.Check(true)
			if tt.field == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var fields merchant.FieldErrors
			if !errors.As(err, &fields) || !strings.Contains(fields.On(tt.field), tt.says) {
				t.Errorf("got %v (%q), want %s: %s", err, fields.On(tt.field), tt.field, tt.says)
			}
		})
	}
}

// TestFormRoundTrip: what is written into a form is read back.
func TestFormRoundTrip(t *testing.T) {
	t.Parallel()
	d := document(jinshui, erqi)
	lon, lat := 113.6653, 34.7579
	d.Outlets[1].Lon, d.Outlets[1].Lat = &lon, &lat
	got, _, e := application.ReadForm(d.Form())
	if diff := cmp.Diff(d, got); diff != "" || e != nil {
		t.Errorf("%v\n%s", e, diff)
	}
}

// TestFormRows: rows that were removed or left empty fall away, and messages
// stand at the rows that are shown.
func TestFormRows(t *testing.T) {
	t.Parallel()
	v := url.Values{"outlet.0.name": {" "}, "outlet.0.territory": {"410105"}, "outlet.7.name": {"东店"}, "outlet.7.position": {"abc"},
		"outlet.3.name": {"西店"}, "outlet.3.territory": {"410105"}, "outlet.-1.name": {"x"}, "outlet.x.name": {"x"}}
	d, typed, e := application.ReadForm(v)
	if len(d.Outlets) != 2 || d.Outlets[0].Name != "西店" || d.Outlets[1].Name != "东店" {
		t.Errorf("outlets %+v", d.Outlets)
	}
	if typed.Get("outlet.1.position") != "abc" || e.On("outlet.1.position") == "" {
		t.Errorf("typed %v, errors %v", typed, e)
	}
}

func FuzzForm(f *testing.F) {
	f.Add("code=1&outlet.0.name=a&outlet.0.position=113,34&outlet.99999999999999999999.name=b&phone=%2B86")
	f.Fuzz(func(t *testing.T, query string) {
		v, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		d, typed, _ := application.ReadForm(v)
		d.Normalize()
		once := d
		d.Normalize()
		if diff := cmp.Diff(once, d); diff != "" {
			t.Errorf("normalizing twice differs: %s", diff)
		}
		_ = d.Check(true) // refuses or not; must not crash
		again, _, _ := application.ReadForm(typed)
		if len(again.Outlets) != len(d.Outlets) {
			t.Errorf("%d outlets, shown again %d", len(d.Outlets), len(again.Outlets))
		}
	})
}
