package eval

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/berth-oci/berth/internal/base/lazyregexp"
)

// durationModule computes with durations such as 1d2h3m4.5s.
func durationModule() map[string]func(*call) Value {
	return map[string]func(*call) Value{
		"second":            ofUnit(1, "n"),
		"minute":            ofUnit(60, "n"),
		"hour":              ofUnit(3600, "n"),
		"day":               ofUnit(86400, "n"),
		"from_seconds":      ofUnit(1, "n"),
		"to_seconds":        func(c *call) Value { return Float(c.seconds(0, "d")) },
		"parse":             func(c *call) Value { return String(durationText(c.seconds(0, "d"))) },
		"is_valid":          func(c *call) Value { _, ok := parseDuration(c.text(0, "d")); return Bool(ok) },
		"add":               func(c *call) Value { return String(durationText(c.seconds(0, "a") + c.seconds(1, "b"))) },
		"sub":               durationSub,
		"add_to_datetime":   movedBy(1),
		"sub_from_datetime": movedBy(-1),
	}
}

// ofUnit makes a duration of a number of units.
func ofUnit(seconds float64, name string) func(*call) Value {
	return func(c *call) Value {
		v := c.value(0, name)
		f, ok := builtinFloat(&call{ev: c.ev, name: c.name, args: []Value{v}, at: c.at}).(Float)
		if !ok {
			return bad{}
		}
		if f < 0 || math.IsNaN(float64(f)) || math.IsInf(float64(f)*seconds, 0) {
			return c.errorf("%s is no length of time", text(f))
		}
		return String(durationText(float64(f) * seconds))
	}
}

// seconds returns an argument that must be a duration.
func (c *call) seconds(i int, name string) float64 {
	s := c.text(i, name)
	n, ok := parseDuration(s)
	if !ok && !c.failed {
		c.failed = true
		c.errorf("%s is no duration, as 1d2h3m4.5s is one", quote(s, '"'))
	}
	return n
}

// durationParts matches a duration, the larger units before the smaller.
var durationParts = lazyregexp.New(`^([0-9.]+d)*([0-9.]+h)*([0-9.]+m)*([0-9.]+s)*$`)

var durationPart = lazyregexp.New(`([0-9.]+)([dhms])`)

// parseDuration returns the seconds of a duration.
func parseDuration(s string) (float64, bool) {
	s = strings.TrimSpace(s)
	if s == "" || !durationParts().MatchString(s) {
		return 0, false
	}
	total := 0.0
	for _, part := range durationPart().FindAllStringSubmatch(s, -1) {
		n, ok := parseFloat(part[1])
		if !ok {
			return 0, false
		}
		total += n * map[string]float64{"d": 86400, "h": 3600, "m": 60, "s": 1}[part[2]]
	}
	return total, !math.IsInf(total, 0)
}

// durationText writes seconds in the largest units.
func durationText(n float64) string {
	if n == 0 {
		return "0s"
	}
	var b strings.Builder
	for _, unit := range []struct {
		name    string
		seconds float64
	}{{"d", 86400}, {"h", 3600}, {"m", 60}} {
		if count := math.Floor(n / unit.seconds); count > 0 {
			b.WriteString(strconv.FormatFloat(count, 'f', 0, 64) + unit.name)
			n = math.Mod(n, unit.seconds)
		}
	}
	if n > 0 {
		b.WriteString(strconv.FormatFloat(n, 'f', -1, 64) + "s")
	}
	return b.String()
}

func durationSub(c *call) Value {
	n := c.seconds(0, "a") - c.seconds(1, "b")
	if n < 0 && !c.failed {
		return c.errorf("the second duration is longer than the first")
	}
	return String(durationText(n))
}

// movedBy adds a duration to a date and time as RFC 3339 writes it, or with
// sign -1 takes it off. A leap second counts as the second before.
func movedBy(sign float64) func(*call) Value {
	return func(c *call) Value {
		s, n := c.text(0, "dt"), sign*c.seconds(1, "d")
		m := rfc3339().FindStringSubmatch(s)
		if !isRFC3339(s) || m == nil {
			return c.errorf("%s is no date and time as RFC 3339 writes it", quote(s, '"'))
		}
		zone := strings.Replace(strings.ToUpper(m[4]), "−", "-", 1)
		t, err := time.Parse(time.RFC3339, m[1]+"T"+strings.Replace(m[2], ":60", ":59", 1)+m[3]+zone)
		if err != nil {
			return c.errorf("%v", err)
		}
		const maxYears = 262142
		whole := math.Floor(n)
		if math.Abs(whole) > 3*maxYears*366*86400 {
			return c.errorf("the date is out of range")
		}
		moved := time.Unix(t.Unix()+int64(whole), int64(t.Nanosecond())+int64(math.Round((n-whole)*1e9))).In(t.Location())
		year := moved.Year()
		if year > maxYears || year < -maxYears {
			return c.errorf("the date is out of range")
		}
		date := fmt.Sprintf("%04d", year)
		if year < 0 || year > 9999 {
			date = fmt.Sprintf("%+05d", year)
		}
		return String(date + moved.Format("-01-02T15:04:05") + timeName(moved, ".f") + moved.Format("-07:00"))
	}
}
