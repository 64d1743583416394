package terms

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// beijing is +8:00 without rules: Beijing time has had no daylight saving since
// 1991, and a fixed zone needs no database on the node.
const beijingOffset = 8 * 3600

// Beijing is the zone of every calendar and period here.
func Beijing() *time.Location { return time.FixedZone("Asia/Shanghai", beijingOffset) }

// Period is the span over which a limit counts.
type Period uint8

// Periods, in Beijing time: a day from midnight, a week from Monday, a calendar
// month, and the whole life of the contract.
const (
	PerDay Period = iota + 1
	PerWeek
	PerMonth
	PerContract
)

var periodNames = [...]string{PerDay: "day", PerWeek: "week", PerMonth: "month", PerContract: "contract"}

// String is the name used in documents.
func (p Period) String() string {
	if p < PerDay || p > PerContract {
		return fmt.Sprintf("period(%d)", uint8(p))
	}
	return periodNames[p]
}

// MarshalJSON writes the name.
func (p Period) MarshalJSON() ([]byte, error) { return json.Marshal(p.String()) }

// UnmarshalJSON reads the name.
func (p *Period) UnmarshalJSON(data []byte) error {
	var s string
	if err := json.Unmarshal(data, &s); err != nil {
		return fmt.Errorf("per: not a string")
	}
	i := slices.Index(periodNames[:], s)
	if i < int(PerDay) {
		return fmt.Errorf("per: unknown period %q", s)
	}
	*p = Period(i)
	return nil
}

// Start is the first day of the period that holds t, as days since 1970-01-01
// in Beijing time; 0 for the contract. Two moments are in one period exactly if
// their starts are equal, so it serves as the period's key.
func (p Period) Start(t time.Time) int32 {
	day := momentOf(t).day
	switch p {
	case PerDay:
		return day
	case PerWeek:
		return day - int32(weekday(day))
	case PerMonth:
		return day - int32(time.Unix(int64(day)*86400, 0).UTC().Day()-1)
	default:
		return 0
	}
}

// moment is a minute in Beijing time.
type moment struct {
	day    int32 // days since 1970-01-01
	minute int16 // of the day
}

func momentOf(t time.Time) moment {
	s := t.Unix() + beijingOffset
	day := s / 86400
	if s%86400 < 0 {
		day--
	}
	return moment{day: int32(day), minute: int16((s - day*86400) / 60)}
}

// time is the first instant of the minute.
func (m moment) time() time.Time {
	return time.Unix(int64(m.day)*86400+int64(m.minute)*60-beijingOffset, 0).In(Beijing())
}

// weekday is 0 for Monday; day 0 was a Thursday.
func weekday(day int32) int { return int(((day+3)%7 + 7) % 7) }

const (
	dayMin     = int32(-1 << 20)
	dayMax     = int32(1 << 20)
	dayMinutes = 24 * 60
)

// span is minutes of a day, from included, to excluded.
type span struct{ from, to int16 }

// calendar is a compiled Calendar.
type calendar struct {
	always   bool
	from, to int32 // days, both included
	weekdays uint8 // bit 0 is Monday
	hours    []span
	blackout []int32 // ascending
}

func (c *calendar) holds(m moment) bool {
	if c.always {
		return true
	}
	return c.holdsDay(m.day) && c.holdsMinute(m.minute)
}

func (c *calendar) holdsDay(day int32) bool {
	if day < c.from || day > c.to || c.weekdays>>weekday(day)&1 == 0 {
		return false
	}
	_, rests := slices.BinarySearch(c.blackout, day)
	return !rests
}

func (c *calendar) holdsMinute(minute int16) bool {
	if len(c.hours) == 0 {
		return true
	}
	for _, h := range c.hours {
		if minute >= h.from && minute < h.to {
			return true
		}
	}
	return false
}

func (d *Calendar) compile() (calendar, error) {
	c := calendar{from: dayMin, to: dayMax, weekdays: 0x7f}
	var err error
	if d.From != "" {
		if c.from, err = parseDay(d.From); err != nil {
			return c, fmt.Errorf("calendar.from: %w", err)
		}
	}
	if d.To != "" {
		if c.to, err = parseDay(d.To); err != nil {
			return c, fmt.Errorf("calendar.to: %w", err)
		}
	}
	if c.from > c.to {
		return c, fmt.Errorf("calendar.to: before from")
	}
	if len(d.Weekdays) > 0 {
		c.weekdays = 0
		for _, w := range d.Weekdays {
			if w < 1 || w > 7 || c.weekdays>>(w-1)&1 == 1 {
				return c, fmt.Errorf("calendar.weekdays: %d is not 1 to 7, or is there twice", w)
			}
			c.weekdays |= 1 << (w - 1)
		}
	}
	if c.hours, err = compileHours(d.Hours); err != nil {
		return c, err
	}
	if c.blackout, err = compileDays(d.Blackout); err != nil {
		return c, err
	}
	c.always = d.From == "" && d.To == "" && c.weekdays == 0x7f && len(c.hours) == 0 && len(c.blackout) == 0
	return c, nil
}

func compileHours(hours []Hours) ([]span, error) {
	if len(hours) > 24 {
		return nil, fmt.Errorf("calendar.hours: more than 24")
	}
	var out []span
	for _, h := range hours {
		from, err := parseMinute(h.From)
		if err != nil {
			return nil, fmt.Errorf("calendar.hours.from: %w", err)
		}
		to, err := parseMinute(h.To)
		if err != nil {
			return nil, fmt.Errorf("calendar.hours.to: %w", err)
		}
		if from >= to {
			return nil, fmt.Errorf("calendar.hours: %s is not before %s; write a span over midnight as two", h.From, h.To)
		}
		out = append(out, span{from, to})
	}
	slices.SortFunc(out, func(a, b span) int { return int(a.from) - int(b.from) })
	for i := 1; i < len(out); i++ {
		if out[i].from < out[i-1].to {
			return nil, fmt.Errorf("calendar.hours: spans overlap")
		}
	}
	return out, nil
}

func compileDays(days []string) ([]int32, error) {
	if len(days) > MaxListed {
		return nil, fmt.Errorf("calendar.blackout: more than %d days", MaxListed)
	}
	var out []int32
	for _, s := range days {
		d, err := parseDay(s)
		if err != nil {
			return nil, fmt.Errorf("calendar.blackout: %w", err)
		}
		out = append(out, d)
	}
	slices.Sort(out)
	for i := 1; i < len(out); i++ {
		if out[i] == out[i-1] {
			return nil, fmt.Errorf("calendar.blackout: a day is there twice")
		}
	}
	return out, nil
}

func parseDay(s string) (int32, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil || t.Year() < 2000 || t.Year() > 2199 {
		return 0, fmt.Errorf("%.20q is not a day from 2000-01-01 to 2199-12-31", s)
	}
	return int32(t.Unix() / 86400), nil
}

func parseMinute(s string) (int16, error) {
	if s == "24:00" {
		return dayMinutes, nil
	}
	t, err := time.Parse("15:04", s)
	if err != nil || len(s) != 5 {
		return 0, fmt.Errorf("%.20q is not a time such as 09:30", s)
	}
	return int16(t.Hour()*60 + t.Minute()), nil
}
