package eval

import (
	"encoding/json"
	"errors"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/berth-oci/berth/internal/base/lazyregexp"
	"github.com/berth-oci/berth/kcl/syntax"
)

// WriteJSON writes a plain value (see Plain) as JSON on one line, with a space
// after each colon and comma.
func WriteJSON(b *strings.Builder, v any) { jsonWriter{b: b}.value(v, "\n") }

type jsonWriter struct {
	b      *strings.Builder
	indent string // for each level; "" for one line
}

// value writes v. line is a line break with the indentation that v has.
func (w jsonWriter) value(v any, line string) {
	switch v := v.(type) {
	case nil:
		w.b.WriteString("null")
	case bool:
		w.b.WriteString(strconv.FormatBool(v))
	case int64:
		w.b.WriteString(strconv.FormatInt(v, 10))
	case float64:
		w.b.WriteString(jsonFloat(v))
	case string:
		writeJSONString(w.b, v)
	case []any:
		w.sequence('[', ']', len(v), line, func(i int, line string) { w.value(v[i], line) })
	case *Object:
		w.sequence('{', '}', len(v.Keys), line, func(i int, line string) {
			writeJSONString(w.b, v.Keys[i])
			w.b.WriteString(": ")
			w.value(v.Values[v.Keys[i]], line)
		})
	}
}

func (w jsonWriter) sequence(open, end byte, n int, line string, elem func(i int, line string)) {
	w.b.WriteByte(open)
	inner := line + w.indent
	for i := range n {
		switch {
		case i > 0 && w.indent != "":
			w.b.WriteString("," + inner)
		case i > 0:
			w.b.WriteString(", ")
		case w.indent != "":
			w.b.WriteString(inner)
		}
		if tooLong(w.b) {
			return
		}
		elem(i, inner)
	}
	if n > 0 && w.indent != "" {
		w.b.WriteString(line)
	}
	w.b.WriteByte(end)
}

// jsonFloat writes a float with a fraction or an exponent, so that it is read
// back as a float.
func jsonFloat(f float64) string { return shortFloat(f, "e+") }

// shortFloat writes the fewest digits that stand for f: with an exponent below
// 1e-5 and from 1e16.
func shortFloat(f float64, exponentSign string) string {
	s := strconv.FormatFloat(f, 'e', -1, 64)
	mantissa, exponent, _ := strings.Cut(s, "e")
	n, err := strconv.Atoi(exponent)
	if err != nil { // infinite or no number
		return s
	}
	if -6 < n && n < 16 {
		s = strconv.FormatFloat(f, 'f', -1, 64)
		if !strings.Contains(s, ".") {
			s += ".0"
		}
		return s
	}
	if n < 0 {
		exponentSign = "e"
	}
	return mantissa + exponentSign + strconv.Itoa(n)
}

func writeJSONString(b *strings.Builder, s string) {
	const hex = "0123456789abcdef"
	b.WriteByte('"')
	from := 0
	for i := range len(s) {
		ch := s[i]
		if ch >= ' ' && ch != '"' && ch != '\\' {
			continue
		}
		b.WriteString(s[from:i])
		from = i + 1
		if j := strings.IndexByte("\"\\\b\f\n\r\t", ch); j >= 0 {
			b.WriteString("\\" + string(`"\bfnrt`[j]))
		} else {
			b.WriteString(`\u00` + string(hex[ch>>4]) + string(hex[ch&15]))
		}
	}
	b.WriteString(s[from:])
	b.WriteByte('"')
}

// jsonText writes v as interpolation shows it with #json.
func (ev *evaluator) jsonText(v Value, at syntax.Range) string {
	return ev.encodeJSON(v, encoding{}, at)
}

func (ev *evaluator) encodeJSON(v Value, enc encoding, at syntax.Range) string {
	var b strings.Builder
	w := jsonWriter{b: &b, indent: strings.Repeat(" ", max(0, enc.indent))}
	w.value(ev.encode(v, enc, at), "\n")
	return b.String()
}

// surrogates matches the escapes of a surrogate pair, of one half of it, and
// any other escape.
var surrogates = lazyregexp.New(`\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[dD][89a-fA-F][0-9a-fA-F]{2}|\\.`)

// hasHalfPair reports whether the text escapes half a surrogate pair, which
// stands for no character.
func hasHalfPair(s string) bool {
	return slices.ContainsFunc(surrogates().FindAllString(s, -1), func(m string) bool { return len(m) == len(`\ud800`) })
}

// maxNesting is how deep JSON and YAML may nest.
const maxNesting = 127

// decodeJSON reads one JSON value.
func decodeJSON(s string) (Value, error) {
	if strings.Contains(s, `\u`) && hasHalfPair(s) {
		return nil, errors.New("half a surrogate pair stands for no character")
	}
	d := jsonReader{dec: json.NewDecoder(strings.NewReader(s)), left: maxSize}
	d.dec.UseNumber()
	v, err := d.value(maxNesting)
	if err != nil {
		return nil, err
	}
	if _, err := d.dec.Token(); err != io.EOF {
		return nil, errors.New("text after the value")
	}
	return v, nil
}

type jsonReader struct {
	dec  *json.Decoder
	left int // how many values there may still be
}

func (r *jsonReader) value(depth int) (Value, error) {
	if r.left--; r.left < 0 {
		return nil, errors.New("it has too many values")
	}
	t, err := r.dec.Token()
	if err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	switch t := t.(type) {
	case nil:
		return None{}, nil
	case bool:
		return Bool(t), nil
	case string:
		return String(t), nil
	case json.Number:
		return jsonNumber(string(t))
	}
	if depth == 0 {
		return nil, errors.New("it nests too deeply")
	}
	if t == json.Delim('[') {
		l := listOf()
		for r.dec.More() {
			v, err := r.value(depth - 1)
			if err != nil {
				return nil, err
			}
			l.Elems = append(l.Elems, v)
		}
		_, err = r.dec.Token()
		return l, err
	}
	d := &Dict{}
	for r.dec.More() {
		key, err := r.dec.Token()
		if err != nil {
			return nil, err
		}
		v, err := r.value(depth - 1)
		if err != nil {
			return nil, err
		}
		d.set(&Entry{Key: key.(string), Value: v, Op: syntax.COLON})
	}
	_, err = r.dec.Token()
	return d, err
}

// jsonNumber reads an int where it fits, else a float.
func jsonNumber(s string) (Value, error) {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && s != "-0" {
		return Int(n), nil
	}
	f := readFloat(s)
	if math.IsInf(f, 0) {
		return nil, errors.New("the number " + s + " is out of range")
	}
	return Float(f), nil
}

// readFloat reads a number in decimal notation as the reference runtime reads
// JSON: the digits as an int, times or by a power of ten, which may be off by a
// little. One that is too large is infinite.
func readFloat(s string) float64 {
	digits, exponent := uint64(0), 0
	rest, negative := strings.CutPrefix(s, "-")
	point, full := false, false
	for rest != "" && rest[0] != 'e' && rest[0] != 'E' {
		ch := rest[0]
		rest = rest[1:]
		if ch == '.' {
			point = true
			continue
		}
		next := digits*10 + uint64(ch-'0')
		full = full || digits > math.MaxUint64/10 || next < digits
		switch {
		case full && !point:
			exponent++
		case !full && point:
			exponent--
			fallthrough
		case !full:
			digits = next
		}
	}
	if rest != "" {
		e, err := strconv.Atoi(rest[1:])
		if err != nil { // far beyond any float
			e = 10_000
			if strings.HasPrefix(rest[1:], "-") {
				e = -e
			}
		}
		exponent += e
	}
	f := float64(digits)
	for ; exponent < -308 && f != 0; exponent += 308 {
		f /= 1e308
	}
	switch {
	case f == 0:
	case exponent > 308:
		f = math.Inf(1)
	case exponent >= 0:
		f *= powerOfTen(exponent)
	default:
		f /= powerOfTen(-exponent)
	}
	if negative {
		return -f
	}
	return f
}

// powerOfTen is exact to the last bit, which math.Pow is not.
func powerOfTen(n int) float64 {
	f, err := strconv.ParseFloat("1e"+strconv.Itoa(n), 64)
	if err != nil {
		return math.Inf(1)
	}
	return f
}
