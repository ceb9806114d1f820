package load

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/yaml"
	"github.com/berth-oci/berth/kcl/eval"
)

// hints says of values of a document that have the wrong type how they would be
// written to have the right one: what one means in YAML is easily mistaken.
func (c *Config) hints(faults diag.List) {
	if c.document == nil {
		return
	}
	for _, d := range faults {
		if d.Code != diag.WrongType && d.Code != diag.MissingAttr || d.Span.Start.File != c.document.src.Name {
			continue
		}
		at := c.document.src.Offset(d.Span.Start.Line, d.Span.Start.Column)
		s, ok := c.document.scalars[at]
		if !ok {
			continue
		}
		if s.text == "" && !s.quoted {
			d.Hint = strings.TrimPrefix("write a value after the colon: nothing there means null; "+d.Hint, "; ")
			continue
		}
		hint := spelling(typeAt(c.value.Schema, d.Path), s)
		switch {
		case d.Code == diag.MissingAttr: // given as null
			d.Hint += ", or leave the key out where there is a default"
		case hint != "" && d.Hint == "":
			d.Hint = hint
			if s.quoted && strings.HasPrefix(hint, "write ") {
				d.Hint += ", without quotes"
			}
		}
	}
}

// spelling says how a scalar is written as a value of a type; "" where it
// cannot be guessed.
func spelling(want eval.TypeShape, s scalar) string {
	word := strings.ToLower(strings.TrimSpace(s.text))
	switch {
	case want.Basic == "bool" && slices.Contains([]string{"true", "yes", "on", "y", "1"}, word):
		return "write true"
	case want.Basic == "bool" && slices.Contains([]string{"false", "no", "off", "n", "0"}, word):
		return "write false"
	case want.Basic == "int" || want.Basic == "float":
		return number(want.Basic, word)
	case want.Basic == "str" && !s.quoted:
		quoted, err := json.Marshal(s.text)
		if err != nil { // strings always have a JSON form
			return ""
		}
		return "quote it: " + string(quoted)
	case want.List != nil:
		return "write a list, as in [" + s.text + "]"
	}
	return ""
}

// number says how a number is written that reads like word.
func number(kind, word string) string {
	digits := strings.NewReplacer("_", "", ",", "", " ", "").Replace(word)
	v, err := yaml.Scalar(digits)
	if n, perr := strconv.ParseInt(digits, 0, 64); err == nil && perr == nil && !yaml.Ambiguous(digits) { // 0b11 and the like too
		v = n
	}
	switch v := v.(type) {
	case int64:
		return "write " + strconv.FormatInt(v, 10)
	case float64:
		if kind == "float" {
			return "write " + digits
		}
		if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
			return "write " + strconv.FormatInt(int64(v), 10)
		}
		return "write a whole number"
	}
	return ""
}

// typeAt returns the type of the attribute at a path below a schema, the zero
// shape where that is not known.
func typeAt(s *eval.Schema, path string) eval.TypeShape {
	shape := eval.TypeShape{Schema: s}
	for path != "" {
		var step string
		if path[0] == '[' {
			step, path, _ = strings.Cut(path[1:], "]")
		} else if i := strings.IndexAny(path, ".["); i >= 0 {
			step, path = path[:i], path[i:]
		} else {
			step, path = path, ""
		}
		path = strings.TrimPrefix(path, ".")
		switch {
		case shape.Schema != nil:
			shape = attrShape(shape.Schema, step)
		case shape.List != nil:
			shape = eval.Shape(shape.List)
		case shape.Dict != nil:
			shape = eval.Shape(shape.Dict)
		default:
			return eval.TypeShape{}
		}
	}
	return shape
}

func attrShape(s *eval.Schema, name string) eval.TypeShape {
	for _, a := range s.Attributes() {
		if a.Name == name {
			return eval.Shape(a.Type)
		}
	}
	return eval.TypeShape{}
}
