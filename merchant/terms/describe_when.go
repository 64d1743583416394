package terms

import (
	"slices"
	"strings"
)

var dayNames = [...]string{"周一", "周二", "周三", "周四", "周五", "周六", "周日"}

// words is a calendar part by part; nil for always.
func (d *Calendar) words() []string {
	var parts []string
	switch {
	case d.From != "" && d.From == d.To:
		parts = append(parts, "仅"+d.From)
	case d.From != "" && d.To != "":
		parts = append(parts, d.From+"至"+d.To)
	case d.From != "":
		parts = append(parts, d.From+"起")
	case d.To != "":
		parts = append(parts, d.To+"止")
	}
	if s := weekdayWords(d.Weekdays); s != "" {
		parts = append(parts, s)
	}
	if len(d.Hours) > 0 {
		spans := make([]string, len(d.Hours))
		for i, h := range d.Hours {
			spans[i] = h.From + "–" + h.To
		}
		parts = append(parts, strings.Join(spans, "、"))
	}
	if len(d.Blackout) > 0 {
		parts = append(parts, strings.Join(dayRunWords(d.Blackout), "、")+"除外")
	}
	return parts
}

// weekdayWords joins three and more days in a row: 周一至周五、周日. Every day of
// the week is "".
func weekdayWords(days []int) string {
	var on [8]bool
	n := 0
	for _, d := range days {
		if d >= 1 && d <= 7 && !on[d] {
			on[d] = true
			n++
		}
	}
	if n == 0 || n == 7 {
		return ""
	}
	var parts []string
	for d := 1; d <= 7; d++ {
		if !on[d] {
			continue
		}
		last := d
		for last < 7 && on[last+1] {
			last++
		}
		if last-d >= 2 {
			parts = append(parts, dayNames[d-1]+"至"+dayNames[last-1])
			d = last
			continue
		}
		parts = append(parts, dayNames[d-1])
	}
	return strings.Join(parts, "、")
}

// dayRunWords joins days that follow one another: 2026-10-01至2026-10-07.
func dayRunWords(days []string) []string {
	days = slices.Sorted(slices.Values(days))
	var out []string
	for i := 0; i < len(days); {
		j := i
		for j+1 < len(days) && nextDay(days[j], days[j+1]) {
			j++
		}
		if j == i {
			out = append(out, days[i])
		} else {
			out = append(out, days[i]+"至"+days[j])
		}
		i = j + 1
	}
	return out
}

// nextDay says whether b is the day after a.
func nextDay(a, b string) bool {
	x, errX := parseDay(a)
	y, errY := parseDay(b)
	return errX == nil && errY == nil && y == x+1
}
