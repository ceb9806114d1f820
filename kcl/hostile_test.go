//go:build !race

package kcl_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/kcl"
)

// TestHostilePrograms runs small programs that ask for much. Each ends soon,
// with what is the matter, and so do large ones. The race detector makes them
// fifteen times slower and there is no concurrency to find races in: make check
// leaves this test to make test.
func TestHostilePrograms(t *testing.T) {
	shared := "_x0 = [1]\n" + lines(1, 60, "_x%d = [_x%d, _x%d]\n", func(i int) []any { return []any{i, i - 1, i - 1} }) +
		"_y = [_x58, _x58]\n"
	deep := func(n int) string { return fmt.Sprintf("_deep = reduce(lambda a, b { [a] }, range(%d), [])\n", n) }
	for name, test := range map[string]struct {
		program string
		code    diag.Code // "" for none
	}{
		"unique":        {shared + "a = isunique([_y, _x59])", diag.LimitExceeded},
		"most":          {shared + "a = max([_y, _x59])", diag.LimitExceeded},
		"text":          {"a = 'a' * 60000000\nb = '" + strings.Repeat("${a}", 1000) + "'", diag.LimitExceeded},
		"print":         {"a = 'a' * 60000000\nb = [print(a) for i in range(1000)]", diag.LimitExceeded},
		"deep":          {deep(1_900_000), diag.LimitExceeded},
		"deep text":     {deep(100_000) + "a = len(str(_deep))", diag.LimitExceeded},
		"deep encoding": {"import json\n" + deep(1_000_000) + "a = len(json.encode(_deep))", diag.LimitExceeded},
		"deep equality": {deep(100_000) + "a = [_deep] == [[_deep]]", diag.LimitExceeded},
		"deep union":    {deep(100_000) + "a = len([_deep] | [_deep])", diag.LimitExceeded},
		"deep type":     {deep(100_000) + "a: [any] | {str:} = _deep", diag.LimitExceeded},

		"slices":     {"a = range(1000000)\nb = [len(a[1:]) for i in range(100000)]", diag.LimitExceeded},
		"stars":      {"a = range(1000000)\nb = [len([*a]) for i in range(100000)]", diag.LimitExceeded},
		"spreads":    {"a = {str(i) = i for i in range(100000)}\nb = [len({**a}) for i in range(100000)]", diag.LimitExceeded},
		"sums":       {"a = range(1000000)\nb = [sum(a) for i in range(100000)]", diag.LimitExceeded},
		"characters": {"a = 'é' * 4000000\nb = [a[i] for i in range(100000)]", diag.LimitExceeded},
		"parts":      {"a = 'a' * 4000000\nb = ['ab' in a for i in range(100000)]", diag.LimitExceeded},
		"methods":    {"a = 'a' * 4000000\nb = [a.isalpha() for i in range(100000)]", diag.LimitExceeded},
		"hashes":     {"import crypto\na = 'a' * 4000000\nb = [crypto.md5(a) for i in range(100000)]", diag.LimitExceeded},
		"patterns":   {"import regex\na = 'a' * 100000\nb = [regex.match(a, '(a{0,30}){0,30}b${i}') for i in range(1000)]", diag.LimitExceeded},
		"groups":     {"import regex\na = regex.replace('a' * 1000000, '(.*)', '$1' * 100000)", diag.LimitExceeded},
		"documents":  {"import yaml\na = '- 1\\n' * 100000\nb = [yaml.validate(a) for i in range(100000)]", diag.LimitExceeded},
		"decoded":    {"import json\na = len(json.decode('[' + '1,' * 25000000 + '1]'))", diag.LimitExceeded},

		"type names": {"type A0 = int | str\n" +
			lines(1, 60, "type A%d = {A%d:A%d} | [A%d]\n", func(i int) []any { return []any{i, i - 1, i - 1, i - 1} }) + "a: A59 = 1", diag.WrongType},
		"unions": {"type A0 = int | str\n" +
			lines(1, 40, "type A%d = [A%d] | [A%d | bool] | {str:A%d}\n", func(i int) []any { return []any{i, i - 1, i - 1, i - 1} }) +
			"a: A39 = " + strings.Repeat("[", 39) + "1.5" + strings.Repeat("]", 39), diag.LimitExceeded},
		"parents": {"schema A(B):\n    a: int = 1\nschema B(C):\n    b: int = 1\nschema C(A):\n    c: int = 1\na = A {}", diag.Cycle},

		"chain of parents": {"schema A0:\n    a0: int = 0\n" + lines(1, 20_000, "schema A%d(A%d):\n    a%d: int = 0\n", func(i int) []any { return []any{i, i - 1, i} }) + "a = A19999 {}\n", diag.LimitExceeded},
		"wide parent": {"schema A:\n" + lines(0, 20_000, "    a%d: int = 0\n", func(i int) []any { return []any{i} }) +
			lines(0, 3000, "schema B%d(A):\n    b: int = 0\n", func(i int) []any { return []any{i} }) +
			lines(0, 3000, "a%d = B%d {}\n", func(i int) []any { return []any{i, i} }), diag.LimitExceeded},

		"imports":         {lines(0, 60_000, "import p%d\n", func(i int) []any { return []any{i} }), diag.LimitExceeded},
		"many globals":    {lines(0, 20_000, "a%d = %d\n", func(i int) []any { return []any{i, i} }), ""},
		"one key":         {"a = {\n" + strings.Repeat("k = 1\n", 20_000) + "}\n", ""},
		"unknown names":   {lines(0, 50_000, "a%d = b%d\n", func(i int) []any { return []any{i, i} }), diag.UnknownName},
		"unknown attrs":   {"schema A:\n" + lines(0, 5000, "    attr%d?: int\n", func(i int) []any { return []any{i} }) + "a = A {\n" + lines(0, 5000, "    atr%d = 1\n", func(i int) []any { return []any{i} }) + "}\n", diag.UnknownAttr},
		"one long line":   {"a = [" + strings.TrimSuffix(lines(0, 50_000, "b%d,", func(i int) []any { return []any{i} }), ",") + "]\n", diag.UnknownName},
		"very long names": {strings.Repeat("a", 100_000) + " = 1\nb = " + strings.Repeat("a", 99_999) + "b\n", diag.UnknownName},
		"too many parts":  {"a = [" + strings.Repeat("1,", 3_000_000) + "]\n", diag.LimitExceeded},
		"deep brackets":   {"a = " + strings.Repeat("[", 300), diag.LimitExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			_, err := kcl.Run(kcl.Options{Files: []string{"-"}, Stdin: strings.NewReader(test.program), Print: io.Discard})
			if test.code == "" && err != nil || !strings.Contains(codes(err), string(test.code)) {
				t.Errorf("%.300v, want %q", err, test.code)
			}
			if took := time.Since(start); took > time.Minute {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// TestHostileDirectories wants that a program of too much is refused before it is
// parsed.
func TestHostileDirectories(t *testing.T) {
	for name, test := range map[string]struct {
		files int
		size  int64 // of each
		text  string
	}{
		"files": {10_001, 0, "the program has more than 10000 files"},
		"bytes": {5, 16 << 20, "the program has more than 64 MiB"},
		"file":  {1, 16<<20 + 1, "has more than 16 MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for i := range test.files {
				name := filepath.Join(dir, fmt.Sprintf("f%d.k", i))
				if err := errors.Join(os.WriteFile(name, nil, 0o600), os.Truncate(name, test.size)); err != nil {
					t.Fatal(err)
				}
			}
			_, err := kcl.Run(kcl.Options{Files: []string{dir}})
			if d, ok := errors.AsType[*diag.Diagnostic](err); !ok || d.Code != diag.LimitExceeded || !strings.Contains(d.Message, test.text) {
				t.Errorf("%v, want %q", err, test.text)
			}
		})
	}
}

// lines repeats a format for each number from first up to, and without, end.
func lines(first, end int, format string, args func(i int) []any) string {
	var b strings.Builder
	for i := first; i < end; i++ {
		fmt.Fprintf(&b, format, args(i)...)
	}
	return b.String()
}
