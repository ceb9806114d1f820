package eval

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

func datetimeModule() map[string]func(*call) Value {
	const date = "%Y-%m-%d %H:%M:%S"
	return map[string]func(*call) Value{
		"ticks": func(*call) Value { return Float(time.Now().Unix()) },
		"date":  func(*call) Value { s, _ := formatTime(time.Now(), date); return String(s) },
		"today": func(*call) Value {
			now := time.Now()
			s, _ := formatTime(now, date)
			return String(s + "." + strconv.FormatInt(now.Unix(), 10))
		},
		"now":        datetimeNow,
		"validate":   func(c *call) Value { return Bool(validTime(c.text(0, "date"), c.text(1, "format"))) },
		"is_rfc3339": func(c *call) Value { return Bool(isRFC3339(c.text(0, "date"))) },
		"is_iso8601": func(c *call) Value {
			s := c.text(0, "date")
			return Bool(isRFC3339(s) || isDuration(s))
		},
	}
}

func datetimeNow(c *call) Value {
	format := "%a %b %d %H:%M:%S %Y"
	if c.arg(0, "format") != nil {
		format = c.text(0, "format")
	}
	s, ok := formatTime(time.Now(), format)
	if !ok {
		return c.errorf("%s is no format of a date", quote(format, '"'))
	}
	return c.newStr(s)
}

// composed are the specifiers that stand for several.
var composed = map[string]string{
	"D": "%m/%d/%y", "x": "%m/%d/%y", "F": "%Y-%m-%d", "v": "%e-%b-%Y", "R": "%H:%M", "T": "%H:%M:%S", "X": "%H:%M:%S",
	"r": "%I:%M:%S %p", "c": "%a %b %e %H:%M:%S %Y", "+": "%Y-%m-%dT%H:%M:%S%.f%+z",
}

// timeItem is a piece of a format: literal text or, with a name, a specifier.
type timeItem struct {
	text string
	name string
	pad  byte // -, _ or 0 where the format changes the padding
}

// timeFormat parts a format into its pieces.
func timeFormat(format string) ([]timeItem, bool) {
	var items []timeItem
	for format != "" {
		i := strings.IndexByte(format, '%')
		if i < 0 {
			i = len(format)
		}
		if i > 0 {
			items = append(items, timeItem{text: format[:i]})
			format = format[i:]
			continue
		}
		item := timeItem{}
		format = format[1:]
		if format != "" && strings.IndexByte("-_0", format[0]) >= 0 {
			item.pad, format = format[0], format[1:]
		}
		for _, name := range []string{".3f", ".6f", ".9f", ".f", "3f", "6f", "9f", ":::z", "::z", ":z", "#z", "+z"} {
			if strings.HasPrefix(format, name) {
				item.name = name
			}
			if item.name != "" {
				break
			}
		}
		if item.name == "" && format != "" {
			item.name = format[:1]
		}
		format = strings.TrimPrefix(format, item.name)
		if longer, ok := composed[item.name]; ok && item.pad == 0 {
			inner, _ := timeFormat(longer)
			items = append(items, inner...)
			continue
		}
		if literal, ok := map[string]string{"t": "\t", "n": "\n", "%": "%"}[item.name]; ok && item.pad == 0 {
			items = append(items, timeItem{text: literal})
			continue
		}
		_, isNumber := timeNumbers[item.name]
		if item.name == "" || !isNumber && (item.pad != 0 || !strings.Contains(" b h B a A P p .f .3f .6f .9f 3f 6f 9f Z z :z ::z :::z #z +z ", " "+item.name+" ")) {
			return nil, false
		}
		items = append(items, item)
	}
	return items, true
}

// timeNumbers are the specifiers of numbers: how they are padded and to what
// width, the value of a time, and the range that a text may have.
var timeNumbers = map[string]struct {
	pad      byte
	width    int
	of       func(t time.Time) int
	min, max int
}{
	"Y": {'0', 4, time.Time.Year, -1 << 18, 1 << 18},
	"C": {'0', 2, func(t time.Time) int { return t.Year() / 100 }, 0, 2621},
	"y": {'0', 2, func(t time.Time) int { return t.Year() % 100 }, 0, 99},
	"m": {'0', 2, func(t time.Time) int { return int(t.Month()) }, 1, 12},
	"d": {'0', 2, time.Time.Day, 1, 31},
	"e": {' ', 2, time.Time.Day, 1, 31},
	"w": {'0', 1, func(t time.Time) int { return int(t.Weekday()) }, 0, 6},
	"u": {'0', 1, func(t time.Time) int { return (int(t.Weekday())+6)%7 + 1 }, 1, 7},
	"U": {'0', 2, func(t time.Time) int { return (t.YearDay() + 6 - int(t.Weekday())) / 7 }, 0, 53},
	"W": {'0', 2, func(t time.Time) int { return (t.YearDay() + 6 - (int(t.Weekday())+6)%7) / 7 }, 0, 53},
	"G": {'0', 4, func(t time.Time) int { y, _ := t.ISOWeek(); return y }, -1 << 18, 1 << 18},
	"g": {'0', 2, func(t time.Time) int { y, _ := t.ISOWeek(); return y % 100 }, 0, 99},
	"V": {'0', 2, func(t time.Time) int { _, w := t.ISOWeek(); return w }, 1, 53},
	"j": {'0', 3, time.Time.YearDay, 1, 366},
	"H": {'0', 2, time.Time.Hour, 0, 23},
	"k": {' ', 2, time.Time.Hour, 0, 23},
	"I": {'0', 2, func(t time.Time) int { return (t.Hour()+11)%12 + 1 }, 1, 12},
	"l": {' ', 2, func(t time.Time) int { return (t.Hour()+11)%12 + 1 }, 1, 12},
	"M": {'0', 2, time.Time.Minute, 0, 59},
	"S": {'0', 2, time.Time.Second, 0, 60},
	"f": {'0', 9, time.Time.Nanosecond, 0, 999_999_999},
	"s": {'0', 1, func(t time.Time) int { return int(t.Unix()) }, -1 << 62, 1 << 62},
}

// formatTime writes a time by a format of strftime.
func formatTime(t time.Time, format string) (string, bool) {
	items, ok := timeFormat(format)
	var b strings.Builder
	for _, item := range items {
		n, isNumber := timeNumbers[item.name]
		switch {
		case item.name == "":
			b.WriteString(item.text)
		case isNumber:
			pad := n.pad
			if item.pad != 0 {
				pad = map[byte]byte{'-': 0, '_': ' ', '0': '0'}[item.pad]
			}
			s := strconv.Itoa(n.of(t))
			if pad != 0 && len(s) < n.width {
				s = strings.Repeat(string(pad), n.width-len(s)) + s
			}
			b.WriteString(s)
		default:
			b.WriteString(timeName(t, item.name))
		}
	}
	return b.String(), ok
}

func timeName(t time.Time, name string) string {
	switch name {
	case "b", "h":
		return t.Format("Jan")
	case "B":
		return t.Format("January")
	case "a":
		return t.Format("Mon")
	case "A":
		return t.Format("Monday")
	case "p":
		return t.Format("PM")
	case "P":
		return t.Format("pm")
	case "z":
		return t.Format("-0700")
	case ":z", "+z", "Z": // the reference runtime knows the offset and not the name
		return t.Format("-07:00")
	case "::z":
		return t.Format("-07:00:00")
	case ":::z":
		return t.Format("-07")
	case "#z":
		return t.Format("-0700")
	}
	fraction := fmt.Sprintf("%09d", t.Nanosecond())
	point, digits := strings.CutPrefix(name, ".")
	if point == "f" { // as many digits as there are, in threes
		for strings.HasSuffix(fraction, "000") {
			fraction = fraction[:len(fraction)-3]
		}
		point = strconv.Itoa(len(fraction)) + "f"
	}
	n, err := strconv.Atoi(strings.TrimSuffix(point, "f"))
	if err != nil || n == 0 {
		return ""
	}
	fraction = fraction[:n]
	if digits {
		return "." + fraction
	}
	return fraction
}
