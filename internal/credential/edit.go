package credential

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/berth-oci/berth/diag"
)

// Editing the text rather than writing what was parsed leaves everything else
// in the file as it is: what berth does not know, the order, the indentation.

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

// named returns the last member of that name, which is the one that counts.
func named(list []member, name string) (found member, ok bool) {
	for _, m := range list {
		if m.name == name {
			found, ok = m, true
		}
	}
	return found, ok
}

// setMember gives object.name a value, in the text of an object or in no text.
func setMember(data []byte, object, name string, value []byte) ([]byte, error) {
	if data == nil {
		data = []byte("{\n}\n")
	}
	list, closing, err := members(data, 0)
	if err != nil {
		return nil, err
	}
	outer, ok := named(list, object)
	if ok && string(data[outer.value:outer.end]) != "null" {
		inner, closing, err := members(data, outer.value)
		if err != nil {
			return nil, err
		}
		if m, ok := named(inner, name); ok {
			return splice(data, m.value, m.end, indented(data, value, 2)), nil
		}
		return insert(data, inner, closing, name, value, 2), nil
	}
	empty := []byte("{" + newline(data, 1) + "}")
	made := insert(empty, nil, len(empty)-1, name, value, 2)
	if ok {
		return splice(data, outer.value, outer.end, made), nil
	}
	return insert(data, list, closing, object, made, 1), nil
}

// removeMember removes object.name, every one of it.
func removeMember(data []byte, object, name string) ([]byte, error) {
	for {
		list, _, err := members(data, 0)
		if err != nil {
			return nil, err
		}
		outer, ok := named(list, object)
		if !ok {
			return data, nil
		}
		inner, closing, err := members(data, outer.value)
		if err != nil {
			return nil, err
		}
		i := 0
		for i < len(inner) && inner[i].name != name {
			i++
		}
		switch {
		case i == len(inner):
			return data, nil
		case i+1 < len(inner): // with the comma that follows
			data = splice(data, inner[i].start, inner[i+1].start, nil)
		case i > 0: // with the comma before
			data = splice(data, inner[i-1].end, inner[i].end, nil)
		default:
			data = splice(data, len(bytes.TrimRight(data[:inner[i].start], " \t\r\n")), closing, nil)
		}
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

// write replaces the file, readable by its owner only: it holds passwords. A
// symbolic link stays one.
func (s Store) write(data []byte) error {
	name, err := filepath.EvalSymlinks(s.File)
	if errors.Is(err, fs.ErrNotExist) {
		name, err = s.File, os.MkdirAll(filepath.Dir(s.File), 0o700)
	}
	if err == nil {
		err = replace(name, data)
	}
	if err != nil {
		return diag.Errorf(diag.StorageFailed, "cannot store credentials: %w", err).
			WithHint("check the permissions of %s, or set DOCKER_CONFIG to another directory", filepath.Dir(s.File))
	}
	return nil
}

// replace leaves the old file or the new one, never half.
func replace(name string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // nothing is there after the rename
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}
