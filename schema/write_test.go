package schema_test

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// writer writes a generated config as a KCL program, in a form chosen at random
// for each part of it.
type writer struct {
	*generator
	head  strings.Builder // statements before the config
	names int
	from  string // what stands before the names of the schema package, as in oci.OCIRegistryConfig
}

// kcl writes a config as a program. imported says whether it imports the schema
// package or uses its names bare.
func (g *generator) kcl(root *table, imported bool) string {
	w := &writer{generator: g}
	if imported {
		w.from = pick(g, "oci.", "oci_registry.")
		w.head.WriteString("import oci_registry")
		if w.from == "oci." {
			w.head.WriteString(" as oci")
		}
		w.head.WriteString("\n")
	}
	if g.chance(20) {
		w.head.WriteString("import site\n")
		root.entries = append(root.entries, entry{pick(g, "endpoint", "ca_cert_path"), pick(g, "=", ":"), code("site." + pick(g, "domain", "path"))})
	}
	name := w.from + root.schema
	if g.chance(25) {
		name = w.own(root)
	}
	body := w.config(name, root)
	return w.head.String() + "\n" + body
}

// own declares a schema of an organisation's own and returns its name.
func (w *writer) own(root *table) string {
	fmt.Fprintf(&w.head, "\nschema AcmeRegistry(%s%s):\n", w.from, root.schema)
	w.head.WriteString("    \"\"\"How registries are at Acme.\"\"\"\n    team: str\n    cost_center?: int\n")
	if root.schema != "OCIArtifactReference" && w.chance(50) {
		w.head.WriteString(pick(w.generator, "    endpoint = \"registry.acme.org\"\n", "    tls_enabled = True\n", "    auth_required: bool = True\n", "    port = 5001\n"))
	}
	if w.chance(70) {
		w.head.WriteString("\n    check:\n        len(team) > 2, \"team ${team} is too short\"\n")
		w.head.WriteString("        cost_center > 0 if cost_center, \"no cost center\"\n")
		if root.schema != "OCIArtifactReference" {
			w.head.WriteString(pick(w.generator, "", "        endpoint.endswith(\".org\") or deployment != \"remote\", \"registries are in acme.org\"\n",
				"        not features?.gc_enabled or deployment != \"remote\"\n"))
		}
	}
	w.head.WriteString("\n")
	if w.chance(90) {
		root.add("team", pick[any](w.generator, "platform", "core", "x", 5))
	}
	if w.chance(30) {
		root.add("cost_center", pick[any](w.generator, 7, -7, "7"))
	}
	return "AcmeRegistry"
}

// config writes the statements that make the instance.
func (w *writer) config(schema string, root *table) string {
	switch w.IntN(6) {
	case 0, 1:
		return schema + " " + w.block(root, "", false) + "\n"
	case 2, 3:
		return "registry = " + schema + " " + w.block(root, "", false) + "\n"
	case 4:
		return "registry: " + schema + " = " + w.block(root, "", false) + "\n"
	}
	n := w.IntN(len(root.entries) + 1)
	first, second := &table{root.schema, root.entries[:n]}, &table{root.schema, root.entries[n:]}
	return "registry: " + schema + " " + w.block(first, "", false) + "\n" +
		"registry: " + schema + " " + w.block(second, "", false) + "\n"
}

// block writes the entries of a table in braces.
func (w *writer) block(t *table, indent string, line bool) string {
	if len(t.entries) == 0 {
		return "{}"
	}
	if line || len(t.entries) < 3 && w.chance(40) {
		var parts []string
		for _, e := range t.entries {
			parts = append(parts, w.entry(e, indent, true))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	deeper := indent + "    "
	var b strings.Builder
	b.WriteString("{\n")
	for _, e := range t.entries {
		switch text := w.entry(e, deeper, false); {
		case w.chance(4): // an if-entry
			cond := pick(w.generator, "True", "1 < 2", "not False", "False")
			fmt.Fprintf(&b, "%sif %s:\n%s    %s\n", deeper, cond, deeper, w.entry(e, deeper+"    ", false))
		case w.chance(3): // expanded from a variable
			fmt.Fprintf(&b, "%s**%s\n", deeper, w.variable("{"+w.entry(e, "", true)+"}"))
		default:
			fmt.Fprintf(&b, "%s%s\n", deeper, text)
		}
	}
	return b.String() + indent + "}"
}

func (w *writer) entry(e entry, indent string, line bool) string {
	key := e.key
	if !plain(key) || w.chance(5) {
		key = strconv.Quote(key)
	}
	op := e.op
	if op == "=" && w.chance(15) {
		op = ":"
	}
	value := e.value
	for {
		t, ok := value.(*table)
		if !ok || len(t.entries) != 1 || !plain(t.entries[0].key) || !plain(key) || !w.chance(60) {
			break
		}
		key, value = key+"."+t.entries[0].key, t.entries[0].value
	}
	if op == ":" {
		return key + ": " + w.value(value, indent, line)
	}
	return key + " " + op + " " + w.value(value, indent, line)
}

// plain reports whether a key needs no quotes.
func plain(key string) bool {
	return !strings.ContainsAny(key, "-. ") && key != "" && (key[0] < '0' || key[0] > '9')
}

// variable puts a value into a variable and returns its name.
func (w *writer) variable(value string) string {
	w.names++
	name := fmt.Sprintf("_v%d", w.names)
	fmt.Fprintf(&w.head, "%s = %s\n", name, value)
	return name
}

func (w *writer) value(v any, indent string, line bool) string {
	switch v := v.(type) {
	case *table:
		block := w.block(v, indent, line)
		if v.schema != "" && w.chance(50) {
			block = w.from + v.schema + " " + block
		}
		return w.indirect(block, 3)
	case list:
		return w.indirect(w.list(v, indent, line), 5)
	case string:
		return w.text(v)
	case int:
		return w.indirect(pick(w.generator, strconv.Itoa(v), strconv.Itoa(v), strconv.Itoa(v), fmt.Sprintf("%d + 0", v), fmt.Sprintf("int(\"%d\")", v), fmt.Sprintf("%d if 1 < 2 else 0", v)), 5)
	case float64:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case bool:
		text := map[bool]string{true: "True", false: "False"}[v]
		return w.indirect(pick(w.generator, text, text, text, "not (not "+text+")", text+" and True"), 5)
	case code:
		return string(v)
	}
	return "None"
}

// indirect sometimes puts a value into a variable first.
func (w *writer) indirect(text string, percent int) string {
	if !w.chance(percent) || strings.Contains(text, "\n") {
		return text
	}
	return w.variable(text)
}

func (w *writer) list(l list, indent string, line bool) string {
	if len(l) > 1 && w.chance(15) {
		return fmt.Sprintf("[v for v in %s]", w.list(l, indent, true))
	}
	var parts []string
	deeper := indent + "    "
	line = line || w.chance(50)
	for _, v := range l {
		parts = append(parts, w.value(v, deeper, line))
	}
	if line || len(l) == 0 {
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return "[\n" + deeper + strings.Join(parts, "\n"+deeper) + "\n" + indent + "]"
}

func (w *writer) text(s string) string {
	quoted := quote(s)
	switch w.IntN(12) {
	case 0:
		return w.variable(quoted)
	case 1:
		return `"${` + w.variable(quoted) + `}"`
	case 2:
		n := len(s) / 2
		if strings.ToValidUTF8(s[:n], "") == s[:n] {
			return quote(s[:n]) + " + " + quote(s[n:])
		}
	case 3:
		return quoted + " if True else " + pick(w.generator, quoted, quoted, `"other"`)
	case 4:
		return quoted + ".strip()"
	}
	return quoted
}

// quote writes a string of KCL, in which a $ begins nothing unless { follows.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// asJSON writes a config as JSON; false where it has a form that only KCL knows.
func asJSON(v any) (string, bool) {
	switch v := v.(type) {
	case *table:
		var parts []string
		seen := map[string]bool{}
		for _, e := range v.entries {
			text, ok := asJSON(e.value)
			if !ok || seen[e.key] || e.op != "=" {
				return "", false
			}
			seen[e.key] = true
			parts = append(parts, strconv.Quote(e.key)+": "+text)
		}
		return "{" + strings.Join(parts, ", ") + "}", true
	case list:
		var parts []string
		for _, e := range v {
			text, ok := asJSON(e)
			if !ok {
				return "", false
			}
			parts = append(parts, text)
		}
		return "[" + strings.Join(parts, ", ") + "]", true
	case code:
		return "", false
	case float64:
		return strconv.FormatFloat(v, 'f', 1, 64), true
	}
	text, err := json.Marshal(v)
	return string(text), err == nil
}

// asYAML writes a config, of which there is JSON, as YAML.
func asYAML(v any, indent string) string {
	switch v := v.(type) {
	case *table:
		if len(v.entries) == 0 {
			return " {}\n"
		}
		text := "\n"
		for _, e := range v.entries {
			text += indent + strconv.Quote(e.key) + ":" + asYAML(e.value, indent+"  ")
		}
		return text
	case list:
		if len(v) == 0 {
			return " []\n"
		}
		text := "\n"
		for _, e := range v {
			flow, _ := asJSON(e)
			text += indent + "- " + flow + "\n"
		}
		return text
	}
	text, _ := asJSON(v)
	return " " + text + "\n"
}
