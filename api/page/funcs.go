package page

import (
	"fmt"
	"html/template"
	"time"
)

var beijing = time.FixedZone("Asia/Shanghai", 8*3600)

// funcs is what templates may call.
func (r *Renderer) funcs() template.FuncMap {
	return template.FuncMap{
		"asset": r.assets.URL,
		"yuan":  Yuan,
		"day":   Day,
		"clock": Moment,
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

// Day writes a moment's day in Beijing, "" for none.
func Day(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(beijing).Format(time.DateOnly)
}

// Moment writes a moment to the minute in Beijing, "" for none.
func Moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(beijing).Format("2006-01-02 15:04")
}
