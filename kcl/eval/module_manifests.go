package eval

import "strings"

// manifestsYAMLStream makes the program put out a stream of YAML documents
// instead of its value. The last call counts.
func manifestsYAMLStream(c *call) Value {
	enc, sep := encoding{}, "---"
	if v := c.arg(1, "opts"); v != nil {
		opts := entriesOf(v)
		if opts == nil {
			c.mismatch(v, "opts", "a dict")
		}
		flag := func(name string) bool { e := opts.Get(name); return e != nil && truth(e.Value) }
		enc = encoding{sortKeys: flag("sort_keys"), hidePrivate: flag("ignore_private"), leaveOutNone: flag("ignore_none")}
		if e := opts.Get("sep"); e != nil {
			sep = text(e.Value)
		}
	}
	var b, lines strings.Builder
	for i, v := range c.list(0, "values") {
		if i > 0 {
			b.WriteString("\n" + sep + "\n")
		}
		b.WriteString(strings.TrimSuffix(c.ev.encodeYAML(v, enc, c.at), "\n"))
		lines.WriteString(c.ev.encodeJSON(v, enc, c.at) + "\n")
		if tooLong(&b) {
			return c.newStr(b.String()) // reports that it is too much
		}
	}
	c.ev.modules.stream = &stream{yaml: b.String(), json: strings.TrimSuffix(lines.String(), "\n")}
	return None{}
}

// stream is what a program puts out instead of its value.
type stream struct{ yaml, json string }

// Stream returns what the program puts out instead of its value, if it calls
// manifests.yaml_stream: YAML documents, and the same as lines of JSON. Neither
// ends with a line break.
func (p *Program) Stream() (yaml, json string, ok bool) {
	if s := p.ev.modules.stream; s != nil {
		return s.yaml, s.json, true
	}
	return "", "", false
}
