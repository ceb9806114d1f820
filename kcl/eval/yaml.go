package eval

import (
	"regexp"
	"strconv"
	"strings"
)

// WriteYAML writes a plain value (see Plain) as a block-style document that
// ends with a line break.
func WriteYAML(b *strings.Builder, v any) {
	switch v := v.(type) {
	case *Object:
		if len(v.Keys) > 0 {
			yamlObject(b, v, "")
			return
		}
	case []any:
		if len(v) > 0 {
			yamlList(b, v, "")
			return
		}
	}
	b.WriteString(yamlScalar(v, "") + "\n")
}

func yamlObject(b *strings.Builder, o *Object, indent string) {
	for i, key := range o.Keys {
		if i > 0 {
			b.WriteString(indent)
		}
		b.WriteString(yamlString(key, "") + ":")
		yamlBelow(b, o.Values[key], indent)
	}
}

func yamlList(b *strings.Builder, list []any, indent string) {
	for i, v := range list {
		if i > 0 {
			b.WriteString(indent)
		}
		b.WriteString("-")
		if o, ok := v.(*Object); ok && len(o.Keys) > 0 {
			b.WriteString(" ")
			yamlObject(b, o, indent+"  ")
			continue
		}
		yamlBelow(b, v, indent)
	}
}

// yamlBelow writes a value after its key or dash.
func yamlBelow(b *strings.Builder, v any, indent string) {
	switch v := v.(type) {
	case *Object:
		if len(v.Keys) > 0 {
			b.WriteString("\n" + indent + "  ")
			yamlObject(b, v, indent+"  ")
			return
		}
	case []any:
		if len(v) > 0 {
			b.WriteString("\n" + indent)
			yamlList(b, v, indent)
			return
		}
	}
	b.WriteString(" " + yamlScalar(v, indent) + "\n")
}

func yamlScalar(v any, indent string) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return strconv.FormatBool(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return floatText(v)
	case string:
		return yamlString(v, indent)
	case []any:
		return "[]"
	}
	return "{}"
}

// plainYAML matches strings that need no quotes.
var plainYAML = regexp.MustCompile(`^[A-Za-z_/$.][A-Za-z0-9_/$.+~^()-]*( [A-Za-z0-9_/$.+~^()-]+)*$`)

func yamlString(s, indent string) string {
	switch strings.ToLower(s) {
	case "true", "false", "yes", "no", "on", "off", "null", "y", "n", ".inf", ".nan":
		return "'" + s + "'"
	}
	if plainYAML.MatchString(s) && !strings.HasPrefix(s, ".") {
		return s
	}
	if strings.Contains(s, "\n") && !strings.ContainsAny(s, "\r\t\\\"") && s[0] != ' ' && s[0] != '\n' {
		return yamlBlock(s, indent)
	}
	for _, r := range s {
		if r < ' ' || r == 0x7f || r == '\ufeff' {
			return strconv.Quote(s)
		}
	}
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}

// yamlBlock writes a text of several lines as a literal block.
func yamlBlock(s, indent string) string {
	head := "|"
	switch {
	case !strings.HasSuffix(s, "\n"):
		head = "|-"
	case strings.HasSuffix(s, "\n\n"):
		head = "|+"
	}
	var b strings.Builder
	b.WriteString(head)
	for _, line := range strings.Split(strings.TrimSuffix(s, "\n"), "\n") {
		b.WriteString("\n")
		if line != "" {
			b.WriteString(indent + "  " + line)
		}
	}
	return b.String()
}
