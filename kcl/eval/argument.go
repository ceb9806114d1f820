package eval

import (
	"bytes"
	"encoding/json"
	"errors"
	"regexp"
	"strings"

	goccy "github.com/goccy/go-yaml"

	"github.com/berth-oci/berth/kcl/syntax"
)

// scientific matches numbers that an argument gives as text.
var scientific = regexp.MustCompile(`^[+-]?[0-9.]+[eE][+-]?[0-9]+$`)

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
	if !scientific.MatchString(strings.TrimSpace(text)) {
		if v, err := decodeJSON(text); err == nil {
			return v
		}
	}
	return String(text)
}

// decodeJSON returns the value of a JSON text.
func decodeJSON(text string) (Value, error) {
	if !json.Valid([]byte(text)) {
		return nil, errors.New("not JSON")
	}
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.UseNumber()
	return decodeNext(d)
}

// decodeNext reads a value from a valid text.
func decodeNext(d *json.Decoder) (Value, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t := token.(type) {
	case json.Delim:
		if t == '[' {
			return decodeList(d)
		}
		return decodeDict(d)
	case json.Number:
		if n, err := t.Int64(); err == nil {
			return Int(n), nil
		}
		f, err := t.Float64()
		return Float(f), err
	}
	return ValueOf(token), nil
}

func decodeList(d *json.Decoder) (Value, error) {
	list := &List{}
	for d.More() {
		v, err := decodeNext(d)
		if err != nil {
			return nil, err
		}
		list.Elems = append(list.Elems, v)
	}
	_, err := d.Token()
	return list, err
}

func decodeDict(d *json.Decoder) (Value, error) {
	dict := &Dict{}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, err
		}
		v, err := decodeNext(d)
		if err != nil {
			return nil, err
		}
		dict.set(&Entry{Key: key.(string), Value: v, Op: syntax.COLON})
	}
	_, err := d.Token()
	return dict, err
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
