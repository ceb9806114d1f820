package builtin_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/berth-oci/berth/kcl/builtin"
)

var update = flag.Bool("update", false, "write the tables into docs/kcl.md")

// TestDocs holds the tables in docs/kcl.md and those of this package together.
func TestDocs(t *testing.T) {
	const (
		file  = "../../docs/kcl.md"
		begin = "<!-- builtins: written by go test ./kcl/builtin -update -->\n"
		end   = "<!-- end of builtins -->\n"
	)
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(data), begin)
	was, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the tables", file)
	}
	var b strings.Builder
	table(&b, "", builtin.Functions())
	fmt.Fprintf(&b, "\n## Methods of str\n\n")
	table(&b, "", builtin.Methods())
	fmt.Fprintf(&b, "\n## System modules\n")
	for _, name := range builtin.Modules() {
		fmt.Fprintf(&b, "\n### %s\n\n", name)
		table(&b, name+".", builtin.Module(name))
	}
	if b.String() == was {
		return
	}
	if !*update {
		t.Fatalf("the tables in %s are not those of this package; write them with: go test ./kcl/builtin -update", file)
	}
	if err := os.WriteFile(file, []byte(before+begin+b.String()+end+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

func table(b *strings.Builder, prefix string, members []builtin.Member) {
	fmt.Fprintln(b, "| | |\n|---|---|")
	for _, m := range members {
		fmt.Fprintf(b, "| `%s%s` | %s |\n", prefix, escape(signature(m)), escape(m.Doc))
	}
}

// signature writes a member as KCL would declare it.
func signature(m builtin.Member) string {
	switch {
	case m.IsValue:
		return m.Name + ": " + m.Result
	case m.IsType:
		return "type " + m.Name + " = " + m.Result
	}
	params := make([]string, 0, len(m.Params)+1)
	for _, p := range m.Params {
		name := p.Name
		if p.Optional {
			name += "?"
		}
		params = append(params, name+": "+p.Type)
	}
	if m.Variadic {
		params = append(params, "...")
	}
	return m.Name + "(" + strings.Join(params, ", ") + ") -> " + m.Result
}

func escape(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
