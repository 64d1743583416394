package console

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// What clerks type and what Terms hold: 8.8 (折) is 8800 basis points, 12.5 (元)
// is 1250 fen. Full-width characters from a Chinese keyboard, and a unit typed
// along, are taken as meant.

// halfWidth turns full-width digits and signs into plain ones.
func halfWidth(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case r >= '！' && r <= '～':
			return r - '！' + '!'
		case r == '\u3000':
			return ' '
		case r == '。':
			return '.'
		case r == '￥' || r == '¥':
			return -1
		}
		return r
	}, s))
}

var (
	yuanText = regexp.MustCompile(`^([0-9]{1,9})(?:\.([0-9]{1,2}))?元?$`)
	zheText  = regexp.MustCompile(`^([0-9])(?:\.([0-9]{1,3}))?折?$`)
	fullZhe  = regexp.MustCompile(`^[0-9]{2,3}折?$`)
	qtyText  = regexp.MustCompile(`^([0-9]{1,7})(?:\.([0-9]{1,3}))?$`)
	partText = regexp.MustCompile(`^([0-9]{1,3})(?:\.([0-9]{1,2}))?%?$`)
)

// readFen reads an amount in yuan.
func readFen(s string) (int64, bool) { return scaled(yuanText, s, 2) }

// rateBP reads a 折: 8.8 is 8800.
func rateBP(s string) (int64, bool) { return scaled(zheText, s, 3) }

// shareBP reads a percentage: 62.5 is 6250.
func shareBP(s string) (int64, bool) { return scaled(partText, s, 2) }

// scaled reads a decimal as a whole number of its smallest unit.
func scaled(pattern *regexp.Regexp, s string, places int) (int64, bool) {
	m := pattern.FindStringSubmatch(halfWidth(s))
	if m == nil {
		return 0, false
	}
	n, err := strconv.ParseInt(m[1]+m[2]+strings.Repeat("0", places-len(m[2])), 10, 64)
	return n, err == nil
}

// decimal writes v of the smallest unit without trailing zeros: decimalText(1250, 2)
// is "12.5".
func decimalText(v int64, places int) string {
	digits := strconv.FormatInt(v, 10)
	if len(digits) <= places {
		digits = strings.Repeat("0", places+1-len(digits)) + digits
	}
	whole, part := digits[:len(digits)-places], strings.TrimRight(digits[len(digits)-places:], "0")
	if part == "" {
		return whole
	}
	return whole + "." + part
}

// readCount reads a count.
func readCount(s string) (int64, bool) {
	n, err := strconv.ParseInt(strings.TrimSuffix(halfWidth(s), "次"), 10, 64)
	return n, err == nil && n >= 0
}

var dayText = regexp.MustCompile(`^([0-9]{4})[-/.年]([0-9]{1,2})[-/.月]([0-9]{1,2})日?$`)

// readDay reads a date in the ways people write one, as "2006-01-02".
func readDay(s string) (string, bool) {
	m := dayText.FindStringSubmatch(halfWidth(s))
	if m == nil {
		return "", false
	}
	t, err := time.Parse("2006-1-2", m[1]+"-"+m[2]+"-"+m[3])
	return t.Format(time.DateOnly), err == nil
}

var clockText = regexp.MustCompile(`^([0-9]{1,2}):([0-9]{2})$`)

// clockTime reads a time of day as "15:04"; 24:00 is the end of the day.
func clockTime(s string) (string, bool) {
	m := clockText.FindStringSubmatch(halfWidth(s))
	if m == nil {
		return "", false
	}
	if len(m[1]) == 1 {
		m[1] = "0" + m[1]
	}
	at := m[1] + ":" + m[2]
	if at == "24:00" {
		return at, true
	}
	_, err := time.Parse("15:04", at)
	return at, err == nil
}

// dayRuns reads days, one a line or several, single or as a range (2026-10-01 至
// 2026-10-07), and returns each day. At most limit are read.
func dayRuns(s string, limit int) ([]string, bool) {
	var out []string
	for _, part := range strings.FieldsFunc(halfWidth(s), func(r rune) bool { return strings.ContainsRune("\r\n\t,、;", r) }) {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		from, until, ranged := strings.Cut(part, "至")
		if !ranged {
			from, until, ranged = strings.Cut(part, "~")
		}
		first, ok := readDay(from)
		if !ok {
			return nil, false
		}
		last := first
		if ranged {
			if last, ok = readDay(until); !ok {
				return nil, false
			}
		}
		if last < first {
			return nil, false
		}
		// Both parsed a moment ago.
		at, _ := time.Parse(time.DateOnly, first)
		for d := first; d <= last; {
			if len(out) == limit {
				return nil, false
			}
			out = append(out, d)
			at = at.AddDate(0, 0, 1)
			d = at.Format(time.DateOnly)
		}
	}
	return out, true
}

// dayLines is dayRuns the other way: one run of days a line.
func dayLines(days []string) string {
	var lines []string
	for i := 0; i < len(days); {
		j := i
		for j+1 < len(days) && follows(days[j], days[j+1]) {
			j++
		}
		if j == i {
			lines = append(lines, days[i])
		} else {
			lines = append(lines, days[i]+" 至 "+days[j])
		}
		i = j + 1
	}
	return strings.Join(lines, "\n")
}

func follows(a, b string) bool {
	t, err := time.Parse(time.DateOnly, a)
	return err == nil && t.AddDate(0, 0, 1).Format(time.DateOnly) == b
}
