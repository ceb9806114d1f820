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
	docs := c.list(0, "values")
	var b strings.Builder
	for i, v := range docs {
		if i > 0 {
			b.WriteString("\n" + sep + "\n")
		}
		b.WriteString(strings.TrimSuffix(c.ev.encodeYAML(v, enc, c.at), "\n"))
		if tooLong(&b) {
			return c.newStr(b.String()) // reports that it is too much
		}
	}
	c.ev.stream = &stream{text: b.String(), separator: sep, docs: docs, plan: Plan{
		SortKeys: enc.sortKeys, ShowHidden: !enc.hidePrivate, DisableNone: enc.leaveOutNone,
	}}
	return None{}
}
