package page

import (
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"reflect"
	"strconv"
	"strings"
	"time"

	"unioncard/card/union/staff"
)

var beijing = time.FixedZone("Asia/Shanghai", 8*3600)

// funcs is what templates may call.
func (r *Renderer) funcs() template.FuncMap {
	return template.FuncMap{
		"asset":    r.assets.URL,
		"yuan":     Yuan,
		"money":    Money,
		"day":      Day,
		"lastday":  LastDay,
		"clock":    Moment,
		"moment":   Second,
		"ago":      func(t time.Time) string { return Ago(r.clock(), t) },
		"trade":    TradeName,
		"trades":   Trades,
		"state":    StateName,
		"badge":    NewBadge,
		"role":     RoleName,
		"percent":  Percent,
		"count":    Count,
		"json":     toJSON,
		"field":    NewField,
		"fieldid":  fieldID,
		"dict":     dict,
		"opt":      opt,
		"list":     func(values ...any) []any { return values },
		"may":      func(a *staff.Account, right string) bool { return a != nil && a.May(staff.Right(right)) },
		"add":      func(a, b int) int { return a + b },
		"lines":    func(s string) []string { return strings.Split(strings.TrimSpace(s), "\n") },
		"contains": strings.Contains,
		"yes":      yes,
		"either":   either,
		"dayOr":    dayOr,
		"choices":  choices,
		"isText":   func(v any) bool { _, ok := v.(string); return ok },
	}
}

// Yuan writes fen as yuan: 123456 is "1234.56".
func Yuan(fen int64) string {
	sign := ""
	if fen < 0 {
		sign, fen = "-", -fen
	}
	return fmt.Sprintf("%s%d.%02d", sign, fen/100, fen%100)
}

// Money writes fen as yuan with its thousands parted: 123456700 is "1,234,567.00".
func Money(fen int64) string {
	s := Yuan(fen)
	digits := strings.TrimPrefix(s, "-")
	for at := strings.IndexByte(digits, '.') - 3; at > 0; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	if s[0] == '-' {
		return "-" + digits
	}
	return digits
}

// Day writes a moment's day in Beijing, "" for none.
func Day(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(beijing).Format(time.DateOnly)
}

// LastDay writes the last day before an exclusive end, "" for none.
func LastDay(until time.Time) string {
	if until.IsZero() {
		return ""
	}
	return Day(until.Add(-time.Second))
}

// Moment writes a moment to the minute in Beijing, "" for none.
func Moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(beijing).Format("2006-01-02 15:04")
}

// Second writes a moment to the second in Beijing, "" for none.
func Second(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(beijing).Format(time.DateTime)
}

// Ago writes how long ago a moment was, in the largest unit that fits: "3 分钟前".
// A moment to come, or less than a minute ago, is "刚刚".
func Ago(now, t time.Time) string {
	switch d := now.Sub(t); {
	case t.IsZero():
		return ""
	case d < time.Minute:
		return "刚刚"
	case d < time.Hour:
		return fmt.Sprintf("%d 分钟前", d/time.Minute)
	case d < 24*time.Hour:
		return fmt.Sprintf("%d 小时前", d/time.Hour)
	default:
		return fmt.Sprintf("%d 天前", d/(24*time.Hour))
	}
}

// Percent writes basis points as per cent: 1250 is "12.5%".
func Percent(bp int64) string {
	return strconv.FormatFloat(float64(bp)/100, 'f', -1, 64) + "%"
}

// Count writes a whole number in groups of three: 1234567 is "1,234,567".
func Count(n any) (string, error) {
	s := fmt.Sprint(n)
	digits := strings.TrimPrefix(s, "-")
	if _, err := strconv.ParseUint(digits, 10, 64); err != nil {
		return "", fmt.Errorf("page: count of %T", n)
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	if strings.HasPrefix(s, "-") {
		digits = "-" + digits
	}
	return digits, nil
}

// toJSON is a value for a data- attribute; the template escapes it for there.
func toJSON(v any) (string, error) {
	b, err := json.Marshal(v)
	return string(b), err
}

// dict is what a part that needs several values gets: pairs of name and value.
func dict(pairs ...any) (map[string]any, error) {
	if len(pairs)%2 != 0 {
		return nil, errors.New("page: dict: a name without a value")
	}
	m := make(map[string]any, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		name, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("page: dict: a name of type %T", pairs[i])
		}
		m[name] = pairs[i+1]
	}
	return m, nil
}

// opt is a value that may be left out of what a part gets: a dict's entry or a
// struct's field of that name, "" without it.
func opt(from any, name string) any {
	if m, ok := from.(map[string]any); ok {
		if v, ok := m[name]; ok {
			return v
		}
		return ""
	}
	v := reflect.Indirect(reflect.ValueOf(from))
	if v.Kind() != reflect.Struct || !v.FieldByName(name).IsValid() {
		return ""
	}
	return v.FieldByName(name).Interface()
}

// yes writes a truth as a word.
func yes(b bool) string { return either(b, "是", "否") }

func either(b bool, whenTrue, whenFalse string) string {
	if b {
		return whenTrue
	}
	return whenFalse
}

// dayOr is Day, with a word for no day.
func dayOr(t time.Time, none string) string {
	if t.IsZero() {
		return none
	}
	return Day(t)
}

// choices makes choices of pairs: value, label.
func choices(pairs ...string) ([]Choice, error) {
	if len(pairs)%2 != 0 {
		return nil, errors.New("page: choices come in pairs")
	}
	var out []Choice
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, Choice{Value: pairs[i], Label: pairs[i+1]})
	}
	return out, nil
}
