package diag_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/berth-oci/berth/diag"
)

// TestCodesAreDocumented holds docs/errors.md and the code together: the same
// codes, the same exit codes, the same explanations.
func TestCodesAreDocumented(t *testing.T) {
	data, err := os.ReadFile("../docs/errors.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[diag.Code]int{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\| (\\d+) \\| (.*) \\| (.*) \\|$").FindAllStringSubmatch(string(data), -1) {
		code := diag.Code(row[1])
		documented[code], _ = strconv.Atoi(row[2])
		says := diag.Explanation{Wrong: row[3], Remedy: strings.ReplaceAll(row[4], `\|`, "|")}
		if code.Explain() != says {
			t.Errorf("%s: docs/errors.md says %q, Explain %q", code, says, code.Explain())
		}
	}
	for _, code := range codes(t) {
		exit, ok := documented[code]
		switch {
		case !ok:
			t.Errorf("docs/errors.md does not explain %s", code)
		case exit != code.Exit():
			t.Errorf("%s exits with %d, docs/errors.md says %d", code, code.Exit(), exit)
		}
		delete(documented, code)
	}
	for code := range documented {
		t.Errorf("docs/errors.md explains %s, which does not exist", code)
	}
}

// TestCodesAreProvoked fails for a code that no test names.
func TestCodesAreProvoked(t *testing.T) {
	var tests strings.Builder
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") && !strings.HasSuffix(path, ".txtar") {
			return err
		}
		data, err := os.ReadFile(path)
		tests.Write(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	names := constants(t)
	for _, code := range codes(t) {
		if !strings.Contains(tests.String(), string(code)+`\]`) && !strings.Contains(tests.String(), `"`+string(code)+`"`) &&
			!strings.Contains(tests.String(), "diag."+names[code]) {
			t.Errorf("no test provokes %s", code)
		}
	}
}

func codes(t *testing.T) []diag.Code {
	var list []diag.Code
	for code := range constants(t) {
		list = append(list, code)
	}
	return list
}

// constants returns the codes of the package with the names of their constants.
func constants(t *testing.T) map[diag.Code]string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "code.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	names := map[diag.Code]string{}
	ast.Inspect(f, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		if typ, ok := spec.Type.(*ast.Ident); !ok || typ.Name != "Code" {
			return true
		}
		text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		names[diag.Code(text)] = spec.Names[0].Name
		return true
	})
	return names
}
