package eval

import (
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/berth-oci/berth/internal/base/lazyregexp"
)

// timeText is a text that is read by a format, with what it has set so far.
type timeText struct {
	rest   string
	fields map[string]int
}

// validTime reports whether a text is a date, a time or both in the given
// format: every piece is there and in range, nothing is left, and the pieces
// make up a date or a time without contradiction.
func validTime(s, format string) bool {
	items, ok := timeFormat(format)
	if !ok {
		return false
	}
	t := &timeText{rest: s, fields: map[string]int{}}
	for _, item := range items {
		if !t.item(item) {
			return false
		}
	}
	if t.rest != "" {
		return false
	}
	_, stamp := t.fields["s"]
	return stamp || t.isDate() || t.isTime()
}

// set notes a field. One that is there must have the same value.
func (t *timeText) set(name string, n int) bool {
	if old, ok := t.fields[name]; ok {
		return old == n
	}
	t.fields[name] = n
	return true
}

func (t *timeText) item(item timeItem) bool {
	if item.name == "" {
		return t.literal(item.text)
	}
	if n, ok := timeNumbers[item.name]; ok {
		return t.number(item.name, n.width, n.min, n.max)
	}
	switch item.name {
	case "b", "h", "B":
		return t.named("m", item.name == "B", func(i int) string { return time.Month(i).String() }, 12)
	case "a", "A":
		return t.named("u", item.name == "A", func(i int) string { return time.Weekday(i % 7).String() }, 7)
	case "p", "P":
		for i, name := range []string{"am", "pm"} {
			if len(t.rest) >= 2 && strings.EqualFold(t.rest[:2], name) {
				t.rest = t.rest[2:]
				return t.set("p", i)
			}
		}
		return false
	case "Z":
		t.rest = strings.TrimLeftFunc(t.rest, func(r rune) bool { return !unicode.IsSpace(r) })
		return true
	case "+z":
		if rest, ok := strings.CutPrefix(strings.ToUpper(t.rest), "Z"); ok {
			t.rest = rest
			return true
		}
		return t.offset(false)
	case "z", ":z", "::z", ":::z", "#z":
		return t.offset(item.name == "#z")
	}
	digits, optional := strings.CutPrefix(strings.TrimSuffix(item.name, "f"), ".")
	if optional {
		rest, ok := strings.CutPrefix(t.rest, ".")
		if !ok {
			return true
		}
		t.rest = rest
	}
	if digits == "" {
		return t.fraction(9, false)
	}
	return t.fraction(int(digits[0]-'0'), true)
}

// literal reads text of the format. White space stands for any white space.
func (t *timeText) literal(text string) bool {
	for _, r := range text {
		if unicode.IsSpace(r) {
			t.rest = strings.TrimLeftFunc(t.rest, unicode.IsSpace)
			continue
		}
		rest, ok := strings.CutPrefix(t.rest, string(r))
		if !ok {
			return false
		}
		t.rest = rest
	}
	return true
}

// number reads a field of at most width digits. A year or a count of seconds
// may have a sign, and then any number of digits.
func (t *timeText) number(name string, width, low, high int) bool {
	t.rest = strings.TrimLeftFunc(t.rest, unicode.IsSpace)
	sign := 1
	if name == "s" {
		width = 18
	}
	if low < 0 && t.rest != "" && (t.rest[0] == '-' || t.rest[0] == '+') {
		if t.rest[0] == '-' {
			sign = -1
		}
		t.rest, width = t.rest[1:], 18
	}
	n, ok := t.digits(width)
	n *= sign
	if !ok || n < low || n > high {
		return false
	}
	switch name {
	case "e":
		name = "d"
	case "w":
		name, n = "u", (n+6)%7+1
	case "H", "k":
		return t.set("p", n/12) && t.set("hour12", n%12)
	case "I", "l":
		name, n = "hour12", n%12
	}
	return t.set(name, n)
}

func (t *timeText) digits(width int) (int, bool) {
	i := 0
	for i < len(t.rest) && i < width && '0' <= t.rest[i] && t.rest[i] <= '9' {
		i++
	}
	n, err := strconv.Atoi(t.rest[:i])
	t.rest = t.rest[i:]
	return n, err == nil
}

// fraction reads the digits of a fraction of a second; more than width are of
// no effect unless their number is fixed.
func (t *timeText) fraction(width int, fixed bool) bool {
	before := len(t.rest)
	n, ok := t.digits(width)
	read := before - len(t.rest)
	if !ok || fixed && read != width {
		return false
	}
	for ; read < 9; read++ {
		n *= 10
	}
	if !fixed {
		t.rest = strings.TrimLeft(t.rest, "0123456789")
	}
	return t.set("f", n)
}

// named reads one of n names, of which three letters are enough; long allows
// all of them.
func (t *timeText) named(field string, long bool, name func(int) string, n int) bool {
	for i := 1; i <= n; i++ {
		full := name(i)
		if len(t.rest) < 3 || !strings.EqualFold(t.rest[:3], full[:3]) {
			continue
		}
		end := 3
		if long && len(t.rest) >= len(full) && strings.EqualFold(t.rest[:len(full)], full) {
			end = len(full)
		}
		t.rest = t.rest[end:]
		return t.set(field, i)
	}
	return false
}

var utcOffset = lazyregexp.New(`^[+\-−]\d\d\s*:?\s*[0-5]\d`)

func (t *timeText) offset(minutesOptional bool) bool {
	t.rest = strings.TrimLeftFunc(t.rest, unicode.IsSpace)
	if m := utcOffset().FindString(t.rest); m != "" {
		t.rest = t.rest[len(m):]
		return true
	}
	if minutesOptional {
		for _, short := range []string{"Z", "z"} {
			if rest, ok := strings.CutPrefix(t.rest, short); ok {
				t.rest = rest
				return true
			}
		}
		if len(t.rest) >= 3 && utcOffset().MatchString(t.rest[:3]+"00") {
			t.rest = t.rest[3:]
			return true
		}
	}
	return false
}

// year returns the year that fields say: all of it, or its last two digits.
func (t *timeText) year(whole, century, last string) (int, bool) {
	y, hasWhole := t.fields[whole]
	c, hasCentury := t.fields[century]
	l, hasLast := t.fields[last]
	switch {
	case hasWhole:
		return y, (!hasCentury || y >= 0 && y/100 == c) && (!hasLast || y >= 0 && y%100 == l)
	case hasCentury && hasLast:
		return c*100 + l, true
	case hasLast && !hasCentury && l < 70:
		return 2000 + l, true
	case hasLast && !hasCentury:
		return 1900 + l, true
	}
	return 0, false
}

// isDate reports whether the fields make up a date and contradict nothing.
func (t *timeText) isDate() bool {
	has := func(names ...string) bool {
		for _, name := range names {
			if _, ok := t.fields[name]; !ok {
				return false
			}
		}
		return true
	}
	f := t.fields
	year, ok := t.year("Y", "C", "y")
	isoYear, isoOK := t.year("G", "", "g")
	var d time.Time
	switch {
	case ok && has("m", "d"):
		d = time.Date(year, time.Month(f["m"]), f["d"], 0, 0, 0, 0, time.UTC)
	case ok && has("j"):
		d = time.Date(year, 1, f["j"], 0, 0, 0, 0, time.UTC)
	case ok && has("U", "u"):
		d = weekDate(year, f["U"], 0, f["u"])
	case ok && has("W", "u"):
		d = weekDate(year, f["W"], 1, f["u"])
	case isoOK && has("V", "u"):
		d = time.Date(isoYear, 1, 4, 0, 0, 0, 0, time.UTC)
		d = d.AddDate(0, 0, 7*(f["V"]-1)+f["u"]-timeNumbers["u"].of(d))
	default:
		return false
	}
	if ok && d.Year() != year {
		return false
	}
	for _, name := range []string{"m", "d", "j", "U", "W", "u", "V", "G", "g", "Y"} {
		if n, set := f[name]; set && timeNumbers[name].of(d) != n {
			return false
		}
	}
	return true
}

// weekDate returns a weekday of a week of a year; weeks begin on the weekday
// first, and the first such day begins week 1.
func weekDate(year, week, first, weekday int) time.Time {
	d := time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)
	toFirst := (first - int(d.Weekday()) + 7) % 7
	return d.AddDate(0, 0, toFirst+7*(week-1)+(weekday%7-first+7)%7)
}

// isTime reports whether the fields make up a time of day.
func (t *timeText) isTime() bool {
	for _, name := range []string{"p", "hour12", "M"} {
		if _, ok := t.fields[name]; !ok {
			return false
		}
	}
	_, seconds := t.fields["S"]
	_, fraction := t.fields["f"]
	return seconds || !fraction
}

var rfc3339 = lazyregexp.New(`^(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(\.\d+)?([Zz]|[+\-−]\d\d:[0-5]\d)$`)

func isRFC3339(s string) bool {
	m := rfc3339().FindStringSubmatch(s)
	if m == nil || !validTime(m[1], "%F") || !validTime(m[2], "%T") {
		return false
	}
	hours, err := strconv.Atoi(strings.TrimLeft(m[4], "+-−Zz")[:min(2, len(strings.TrimLeft(m[4], "+-−Zz")))])
	return err != nil || hours < 24
}

// duration matches an ISO 8601 duration, also one without any part.
var duration = lazyregexp.New(`^P(?:[\p{Nd}.]+Y)?(?:[\p{Nd}.]+M)?(?:[\p{Nd}.]+W)?(?:[\p{Nd}.]+D)?(T(?:[\p{Nd}.]+H)?(?:[\p{Nd}.]+M)?(?:[\p{Nd}.]+S)?)?$`)

// durationNumber matches a number that is none.
var durationNumber = lazyregexp.New(`\.[^\p{Nd}]|[^\p{Nd}]\.|\.\p{Nd}*\.`)

func isDuration(s string) bool {
	m := duration().FindStringSubmatch(s)
	return m != nil && s != "P" && m[1] != "T" && !durationNumber().MatchString(s)
}
