package eval

import (
	"strings"

	goccy "github.com/goccy/go-yaml"

	"github.com/berth-oci/berth/internal/base/lazyregexp"
	"github.com/berth-oci/berth/kcl/syntax"
)

// scientific matches numbers that an argument gives as text.
var scientific = lazyregexp.New(`^[+-]?[0-9.]+[eE][+-]?[0-9]+$`)

// ParseArgument returns the value of an argument NAME=TEXT of a program: JSON,
// or a constant of KCL; any other text is a str, and so is a number with an
// exponent, which may be a name.
func ParseArgument(text string) Value {
	switch constant := strings.TrimSpace(text); constant {
	case "True", "False":
		return Bool(constant == "True")
	case "None", "Undefined":
		return None{}
	}
	if !scientific().MatchString(strings.TrimSpace(text)) {
		if v, err := decodeJSON(text); err == nil {
			return v
		}
	}
	return String(text)
}

// ValueOf returns the value of decoded YAML or JSON: nil, bool, a number, a
// string, []any or a goccy MapSlice. Anything else is Undefined.
func ValueOf(v any) Value {
	switch v := v.(type) {
	case nil:
		return None{}
	case bool:
		return Bool(v)
	case int64:
		return Int(v)
	case uint64:
		if int64(v) < 0 {
			return Float(v)
		}
		return Int(v)
	case float64:
		return Float(v)
	case string:
		return String(v)
	case []any:
		list := &List{}
		for _, e := range v {
			list.Elems = append(list.Elems, ValueOf(e))
		}
		return list
	case Value:
		return v
	case goccy.MapSlice:
		dict := &Dict{}
		for _, item := range v {
			key, ok := item.Key.(string)
			if !ok {
				key = text(ValueOf(item.Key))
			}
			dict.set(&Entry{Key: key, Value: ValueOf(item.Value), Op: syntax.COLON})
		}
		return dict
	}
	return Undefined{}
}
