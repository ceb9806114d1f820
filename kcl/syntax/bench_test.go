package syntax

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// bigConfig makes a config of about n lines of the usual kinds.
func bigConfig(n int) string {
	var b strings.Builder
	b.WriteString("import regex\n\nschema Item:\n    name: str\n    port?: int\n    labels?: {str:str}\n\n    check:\n        port > 0 if port, \"port of ${name}\"\n\n")
	for i := 0; b.Len() == 0 || i*10 < n; i++ {
		fmt.Fprintf(&b, `item_%d = Item {
    name = "item-%[1]d" # the name
    port = %d
    labels = {app = "a", tier.kind: "b", "example.org/x" = "c"}
    if item_count > 10 and not debug:
        replicas = max(item_count // 2, 3) + 1
    urls = ["https://${host}:${port}/%[1]d", base.url + "/v2", *extra]
    mounts = [m.path for m in volumes if m.size >= 10Gi]
}

`, i, 1000+i)
	}
	return b.String()
}

func BenchmarkParse(b *testing.B) {
	text := bigConfig(10_000)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, faults := Parse(NewSource("big.k", text)); len(faults) > 0 {
			b.Fatal(faults)
		}
	}
}

func BenchmarkFormat(b *testing.B) {
	f, _ := Parse(NewSource("big.k", bigConfig(10_000)))
	b.ReportAllocs()
	for b.Loop() {
		Format(f)
	}
}

// TestParseIsLinear makes sure that no kind of text takes more than its share
// of time: ten times the text may take thirty times as long, and no more.
func TestParseIsLinear(t *testing.T) {
	repeat := strings.Repeat
	kinds := map[string]func(n int) string{
		"long line":         func(n int) string { return "a = " + repeat("x ", n) },
		"names":             func(n int) string { return repeat("a = b\n", n) },
		"elements":          func(n int) string { return "a = [" + repeat("1, ", n) + "]" },
		"elements lines":    func(n int) string { return "a = [\n" + repeat("  1\n", n) + "]" },
		"entries":           func(n int) string { return "a = {\n" + repeat("  b.c = 1\n", n) + "}" },
		"arguments":         func(n int) string { return "a = f(" + repeat("1, ", n) + ")" },
		"comments":          func(n int) string { return repeat("# c\n", n) },
		"blank lines":       func(n int) string { return "a = 1" + repeat("\n", n) },
		"spaces":            func(n int) string { return "a = 1" + repeat(" ", n) },
		"string":            func(n int) string { return `a = "` + repeat(`\n`, n) + `"` },
		"triple quotes":     func(n int) string { return `a = """` + repeat("\n  x", n) + `"""` },
		"interpolations":    func(n int) string { return `a = "` + repeat("${b}", n) + `"` },
		"no interpolations": func(n int) string { return `a = "` + repeat(`\${b}`, n) + `"` },
		"dollars":           func(n int) string { return `a = "` + repeat("$", n) + `"` },
		"open strings":      func(n int) string { return repeat("a = \"x\n", n) },
		"open brackets":     func(n int) string { return repeat("a = [\n", n) },
		"open braces":       func(n int) string { return repeat("a = {\n", n) },
		"open lambdas":      func(n int) string { return repeat("lambda {\n", n) },
		"closed brackets":   func(n int) string { return repeat("]\n", n) },
		"wrong brackets":    func(n int) string { return repeat("[(}\n", n) },
		"errors":            func(n int) string { return repeat("a = = 1\n", n) },
		"errors inside":     func(n int) string { return "a = {\n" + repeat("  b = = 1\n", n) + "}" },
		"errors nested":     func(n int) string { return repeat("if a:\n    b = = 1\n", n) },
		"indentations":      func(n int) string { return repeat("a = 1\n    b = 2\n", n) },
		"mixed":             func(n int) string { return repeat("if a:\n\tb = 1\n        c = 2\n", n) },
		"sums":              func(n int) string { return "a = 1" + repeat(" + 1", n) },
		"comparisons":       func(n int) string { return "a = 1" + repeat(" < 1", n) },
		"selectors":         func(n int) string { return "a = b" + repeat(".c", n) },
		"calls":             func(n int) string { return "a = b" + repeat("()", n) },
		"else if":           func(n int) string { return "a = 1" + repeat(" if b else 1", n) },
		"elif":              func(n int) string { return "if a:\n    b = 1\n" + repeat("elif a:\n    b = 1\n", n) },
		"parentheses":       func(n int) string { return "a = " + repeat("(", n) + repeat(")", n) },
		"lists":             func(n int) string { return "a = " + repeat("[", n) + repeat("]", n) },
		"dicts":             func(n int) string { return "a = " + repeat("{b = ", n) + repeat("}", n) },
		"lambdas":           func(n int) string { return "a = " + repeat("lambda { ", n) + repeat("}", n) },
		"blocks":            func(n int) string { return nest(min(n, 1000)) },
		"targets":           func(n int) string { return repeat("a = ", n) + "1" },
		"unions":            func(n int) string { return "a: int" + repeat(" | int", n) + " = 1" },
		"dotted keys":       func(n int) string { return "a = {b" + repeat(".c", n) + " = 1}" },
		"decorators":        func(n int) string { return repeat("@a\n", n) + "schema S:\n    a: int\n" },
		"not UTF-8":         func(n int) string { return "a = " + repeat("\xff", n) },
		"wide characters":   func(n int) string { return "a = " + repeat("☃", n) },
	}
	for name, text := range kinds {
		t.Run(name, func(t *testing.T) {
			var small, big time.Duration
			for range 20 { // another process may have taken the time
				small, big = quickest(text(2_000)), quickest(text(20_000))
				if big <= 30*small+20*time.Millisecond {
					return
				}
			}
			t.Errorf("2000 take %v, 20000 take %v", small, big)
		})
	}
}

func nest(depth int) string {
	var b strings.Builder
	for i := range depth {
		b.WriteString(strings.Repeat(" ", i) + "if a:\n")
	}
	return b.String() + strings.Repeat(" ", depth) + "b = 1\n"
}

// quickest is the least time of three that parsing a text takes.
func quickest(text string) time.Duration {
	best := time.Hour
	for range 3 {
		start := time.Now()
		Parse(NewSource("long.k", text))
		best = min(best, time.Since(start))
	}
	return best
}
