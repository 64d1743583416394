package page

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"unioncard/merchant"
)

// Form is what a page with a form shows: what is in its fields, and what was
// wrong with them. A handler that refuses a form shows the page again with
// Values as they were typed, Errors, and status 422.
type Form struct {
	Values url.Values
	Errors merchant.FieldErrors
	// Summary is said above the form when the fault is not one field's.
	Summary string
}

// NewForm is a form with these values, in pairs: name, value.
func NewForm(pairs ...string) *Form {
	f := &Form{Values: url.Values{}}
	for i := 0; i+1 < len(pairs); i += 2 {
		f.Values.Add(pairs[i], pairs[i+1])
	}
	return f
}

// Refuse is the form as it was typed, with what was wrong; false if err is none
// of a form's faults.
func Refuse(typed url.Values, err error) (*Form, bool) {
	var faults merchant.FieldErrors
	if !errors.As(err, &faults) {
		return nil, false
	}
	return &Form{Values: typed, Errors: faults}, true
}

// Choice is one entry of a select, or of a set of radio buttons or boxes.
type Choice struct {
	Value, Label string
	// Group is the heading it stands under, "" for none.
	Group string
	// Confirm is what will happen: the sentence that asks before a form with this
	// choice is sent (data-confirm), on a button named OK; Danger paints it red.
	Confirm, OK string
	Danger      bool
	// Fill are words for the {places} of such a sentence while this is chosen.
	Fill map[string]string
}

// ChoiceGroup is the choices under one heading.
type ChoiceGroup struct {
	Name    string
	Choices []Choice
}

// Field is one field of a form, as the template part "field" draws it.
type Field struct {
	Name, ID, Label, Type string
	Value                 string
	Values                []string
	Error, Hint           string
	Required              bool
	Groups                []ChoiceGroup
	// Narrow, Unit, Rows and the rest shape the control; "" for the default.
	Narrow                                           bool
	Unit, Rows, Placeholder, Autocomplete, InputMode string
	Min, Max, Step, MaxLength, Accept, List          string
	Multiple, ReadOnly, Disabled, Autofocus          bool
}

// Describedby is the ids of the hint and the message, for aria-describedby.
func (f *Field) Describedby() string {
	var ids []string
	if f.Hint != "" {
		ids = append(ids, f.ID+"-hint")
	}
	if f.Error != "" {
		ids = append(ids, f.ID+"-error")
	}
	return strings.Join(ids, " ")
}

// Has reports whether a choice is chosen.
func (f *Field) Has(value string) bool { return slices.Contains(f.Values, value) }

// AsksFirst reports whether a select starts with "请选择": where nothing of it is
// chosen, as a browser would take its first choice for chosen.
func (f *Field) AsksFirst() bool {
	if f.Multiple {
		return false
	}
	for _, g := range f.Groups {
		if slices.ContainsFunc(g.Choices, func(c Choice) bool { return c.Value == "" || f.Has(c.Value) }) {
			return false
		}
	}
	return true
}

// NewField is the template function "field": {{template "field" (field .Form
// "name" "企业名称" "required" "hint:与营业执照一致")}}. Options are words ("required",
// "narrow", "multiple", "readonly", "disabled", "autofocus"), pairs ("type:money",
// "hint:…", "unit:元", "rows:4", "placeholder:…", "autocomplete:…",
// "inputmode:…", "min:…", "max:…", "step:…", "maxlength:…", "accept:…", "list:…",
// "value:…" for a field not yet filled in) or a []Choice. An unknown option is an
// error, so a slip shows at once.
func NewField(form *Form, name, label string, options ...any) (*Field, error) {
	if form == nil {
		form = &Form{}
	}
	f := &Field{Name: name, ID: fieldID(name), Label: label, Type: "text",
		Values: form.Values[name], Error: form.Errors.On(name)}
	for _, option := range options {
		switch o := option.(type) {
		case []Choice:
			f.Groups = groupChoices(o)
			if f.Type == "text" {
				f.Type = "select"
			}
		case string:
			if err := f.option(o); err != nil {
				return nil, err
			}
		default:
			return nil, fmt.Errorf("page: field %s: option of type %T", name, option)
		}
	}
	if len(f.Values) > 0 && f.Type != "password" && f.Type != "file" {
		f.Value = f.Values[0]
	}
	return f, nil
}

// fieldID is a field's name as an id, the one that FieldAnchor leads to.
func fieldID(name string) string {
	return "f-" + strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return '-'
	}, name)
}

func groupChoices(choices []Choice) (out []ChoiceGroup) {
	for _, c := range choices {
		if n := len(out); n == 0 || out[n-1].Name != c.Group {
			out = append(out, ChoiceGroup{Name: c.Group})
		}
		last := &out[len(out)-1]
		last.Choices = append(last.Choices, c)
	}
	return out
}

func (f *Field) option(o string) error {
	key, value, pair := strings.Cut(o, ":")
	texts := map[string]*string{
		"type": &f.Type, "hint": &f.Hint, "unit": &f.Unit, "rows": &f.Rows, "placeholder": &f.Placeholder,
		"autocomplete": &f.Autocomplete, "inputmode": &f.InputMode, "min": &f.Min, "max": &f.Max, "step": &f.Step,
		"maxlength": &f.MaxLength, "accept": &f.Accept, "list": &f.List,
	}
	words := map[string]*bool{
		"required": &f.Required, "narrow": &f.Narrow, "multiple": &f.Multiple, "readonly": &f.ReadOnly,
		"disabled": &f.Disabled, "autofocus": &f.Autofocus,
	}
	switch {
	case pair && key == "value":
		if f.Values == nil {
			f.Values = []string{value}
		}
	case pair && texts[key] != nil:
		*texts[key] = value
	case !pair && words[key] != nil:
		*words[key] = true
	default:
		return fmt.Errorf("page: field %s: no option %q", f.Name, o)
	}
	return nil
}
