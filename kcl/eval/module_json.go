package eval

func jsonModule() map[string]func(*call) Value {
	return map[string]func(*call) Value{
		"encode": func(c *call) Value { return c.newStr(c.ev.encodeJSON(c.value(0, "data"), c.jsonEncoding(1), c.at)) },
		"decode": func(c *call) Value {
			v, err := c.decodeJSON(c.text(0, "value"))
			if err != nil {
				return c.errorf("%v", err)
			}
			return v
		},
		"validate": func(c *call) Value {
			_, err := c.decodeJSON(c.text(0, "value"))
			return Bool(err == nil)
		},
		"dump_to_file": func(c *call) Value {
			name := c.text(1, "filename")
			return c.writeFile(name, c.ev.encodeJSON(c.value(0, "data"), c.jsonEncoding(2), c.at), Undefined{})
		},
		"merge": func(c *call) Value { return c.mergePatch(c.value(0, "src"), c.value(1, "patch")) },
	}
}

// decodeJSON reads JSON; the values that it has count as new ones.
func (c *call) decodeJSON(s string) (Value, error) {
	if c.read(s, 8); c.failed {
		return bad{}, nil
	}
	v, err := decodeJSON(s)
	count := 0
	if countValues(v, &count, maxDepth); !c.ev.grow(count, c.at) {
		return bad{}, nil
	}
	return v, err
}

// maxIndent is how far JSON may be indented for each level.
const maxIndent = 100

// jsonEncoding reads the options of an encoder, of which argument i is the first.
func (c *call) jsonEncoding(i int) encoding {
	indent := Int(0)
	if v := c.arg(i+1, "indent"); v != nil {
		indent = c.int(i+1, "indent")
	}
	if indent > maxIndent {
		c.failed = true
		c.errorf("indent must not be more than %d", maxIndent)
	}
	return encoding{
		sortKeys: c.flag(i, "sort_keys"), indent: int(max(min(indent, maxIndent), 0)),
		hidePrivate: c.flag(i+2, "ignore_private"), leaveOutNone: c.flag(i+3, "ignore_none"),
	}
}

// mergePatch applies a JSON merge patch (RFC 7396).
func (c *call) mergePatch(src, patch Value) Value {
	changes := entriesOf(patch)
	if changes == nil {
		return patch
	}
	d := &Dict{}
	if old := entriesOf(src); old != nil {
		for _, e := range old.entries {
			if change := changes.Get(e.Key); change == nil || !isMissing(change.Value) {
				d.set(&Entry{Key: e.Key, Value: e.Value})
			}
		}
	}
	if !c.ev.grow(d.Len()+changes.Len(), c.at) {
		return bad{}
	}
	for _, e := range changes.entries {
		switch {
		case isMissing(e.Value):
		case entriesOf(e.Value) != nil:
			var old Value = &Dict{}
			if o := d.Get(e.Key); o != nil {
				old = o.Value
			}
			d.set(&Entry{Key: e.Key, Value: c.mergePatch(old, e.Value)})
		default:
			d.set(&Entry{Key: e.Key, Value: e.Value})
		}
	}
	return d
}
