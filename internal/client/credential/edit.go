package credential

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
)

// Editing the text rather than writing what was parsed leaves everything else
// in the file as it is: what berth does not know, the order, the indentation. No
// object of a text has a name twice: see unambiguous.

// member is one name and value of a JSON object, as places in the text.
type member struct {
	name       string
	start      int // of the name
	value, end int // of the value
}

// members lists the members of the object in data[from:], which must begin one
// after white space, and returns the place of its closing brace.
func members(data []byte, from int) (list []member, closing int, err error) {
	dec := json.NewDecoder(bytes.NewReader(data[from:]))
	open, err := dec.Token()
	if err != nil {
		return nil, 0, err
	}
	if open != json.Delim('{') {
		return nil, 0, errors.New("there is no object where one belongs")
	}
	for dec.More() {
		start := from + int(dec.InputOffset())
		start += len(data[start:]) - len(bytes.TrimLeft(data[start:], " \t\r\n,"))
		name, err := dec.Token()
		if err != nil {
			return nil, 0, err
		}
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return nil, 0, err
		}
		end := from + int(dec.InputOffset())
		list = append(list, member{name.(string), start, end - len(raw), end})
	}
	if _, err := dec.Token(); err != nil {
		return nil, 0, err
	}
	return list, from + int(dec.InputOffset()) - 1, nil
}

// named returns where in the list the member of that name is, -1 for nowhere.
func named(list []member, name string) int {
	return slices.IndexFunc(list, func(m member) bool { return m.name == name })
}

// setMember gives object.name a value, in the text of an object.
func setMember(data []byte, object, name string, value []byte) ([]byte, error) {
	list, closing, err := members(data, 0)
	if err != nil {
		return nil, err
	}
	i := named(list, object)
	if i >= 0 && string(data[list[i].value:list[i].end]) != "null" {
		inner, closing, err := members(data, list[i].value)
		if err != nil {
			return nil, err
		}
		if i := named(inner, name); i >= 0 {
			return splice(data, inner[i].value, inner[i].end, indented(data, value, 2)), nil
		}
		return insert(data, inner, closing, name, value, 2), nil
	}
	empty := []byte("{" + newline(data, 1) + "}")
	made := insert(empty, nil, len(empty)-1, name, value, 2)
	if i >= 0 {
		return splice(data, list[i].value, list[i].end, made), nil
	}
	return insert(data, list, closing, object, made, 1), nil
}

// removeMember removes object.name, if it is there.
func removeMember(data []byte, object, name string) ([]byte, error) {
	list, _, err := members(data, 0)
	if err != nil {
		return nil, err
	}
	outer := named(list, object)
	if outer < 0 {
		return data, nil
	}
	inner, closing, err := members(data, list[outer].value)
	if err != nil {
		return nil, err
	}
	switch i := named(inner, name); {
	case i < 0:
		return data, nil
	case i+1 < len(inner): // with the comma that follows
		return splice(data, inner[i].start, inner[i+1].start, nil), nil
	case i > 0: // with the comma before
		return splice(data, inner[i-1].end, inner[i].end, nil), nil
	default:
		return splice(data, len(bytes.TrimRight(data[:inner[i].start], " \t\r\n")), closing, nil), nil
	}
}

// insert adds a member at the end of an object, whose members are known, with
// the indentation of the given depth where the text has lines.
func insert(data []byte, list []member, closing int, name string, value []byte, depth int) []byte {
	quoted, _ := json.Marshal(name) // never fails on a string
	text := newline(data, depth) + string(quoted) + ": " + string(indented(data, value, depth))
	if len(list) > 0 {
		at := list[len(list)-1].end
		return splice(data, at, at, []byte(","+text))
	}
	open := bytes.LastIndexByte(data[:closing], '{') + 1
	return splice(data, open, closing, []byte(text+newline(data, depth-1)))
}

// newline begins a line of the given depth, or nothing in a text of one line.
func newline(data []byte, depth int) string {
	if !bytes.Contains(data, []byte("\n")) {
		return ""
	}
	return "\n" + string(bytes.Repeat([]byte("\t"), depth))
}

// indented writes a value over lines where the text has lines.
func indented(data, value []byte, depth int) []byte {
	if newline(data, 0) == "" {
		return value
	}
	var b bytes.Buffer
	if err := json.Indent(&b, value, string(bytes.Repeat([]byte("\t"), depth)), "\t"); err != nil {
		return value
	}
	return b.Bytes()
}

func splice(data []byte, from, to int, text []byte) []byte {
	out := make([]byte, 0, len(data)+len(text))
	out = append(out, data[:from]...)
	out = append(out, text...)
	return append(out, data[to:]...)
}
