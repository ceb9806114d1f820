package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"unicode/utf8"

	"github.com/berth-oci/berth/diag"
)

func TestTerminal(t *testing.T) {
	for name, test := range map[string]struct{ given, want string }{
		"plain":          {"a\n\tb", "a\n\tb"},
		"letters":        {"é漢🎉", "é漢🎉"},
		"escape":         {"\x1b[31m", `\u001b[31m`},
		"latin-1":        {"a\u009b2J", `a\u009b2J`},
		"delete":         {"\x7f", `\u007f`},
		"return":         {"a\rb", `a\u000db`},
		"direction":      {"\u202e\u2066", `\u202e\u2066`},
		"no width":       {"\u200b\ufeff", `\u200b\ufeff`},
		"lines":          {"\u2028\u2029\u0085", `\u2028\u2029\u0085`},
		"tags":           {"\U000e0041", `\udb40\udc41`},
		"no text":        {"\x9b2J\xff", "\ufffd2J\ufffd"},
		"their own mark": {"\ufffd", "\ufffd"},
	} {
		t.Run(name, func(t *testing.T) {
			var whole, parts bytes.Buffer
			n, err := newTerminal(&whole).Write([]byte(test.given))
			if n != len(test.given) || err != nil || whole.String() != test.want {
				t.Errorf("got %q, %d, %v, want %q", whole.String(), n, err, test.want)
			}
			// A character that is cut is one when the rest comes.
			out := newTerminal(&parts)
			for i := range len(test.given) {
				out.Write([]byte{test.given[i]})
			}
			out.Write([]byte("."))
			if parts.String() != test.want+"." {
				t.Errorf("in parts: got %q, want %q", parts.String(), test.want)
			}
		})
	}
}

func TestTerminalColours(t *testing.T) {
	var buf bytes.Buffer
	out := coloured{newTerminal(&buf)}
	diag.Style{Color: true}.WriteText(out, diag.List{{Code: diag.Failed, Message: "a\x1b[8mb\nerror[failed]: c"}}, nil)
	out.Write([]byte("\x1b[1mx\x1b[2J"))
	if want := "\x1b[1;31merror[failed]:\x1b[0m \x1b[1ma\ufffd[8mb\n  error[failed]: c\x1b[0m\n\x1b[1mx\\u001b[2J"; buf.String() != want {
		t.Errorf("got %q, want %q", buf.String(), want)
	}
}

// FuzzTerminal looks for text of which something hidden is left, or JSON that means
// something else afterwards.
func FuzzTerminal(f *testing.F) {
	f.Add("a\x1b\u009b\U000e0041\xff\"\\")
	f.Fuzz(func(t *testing.T, s string) {
		var buf bytes.Buffer
		a := &app{stdout: newTerminal(&buf)}
		a.print("%s", s)
		for _, r := range buf.String()[:buf.Len()-1] {
			if diag.Hidden(r) {
				t.Errorf("%q of %q is left", r, s)
			}
		}
		buf.Reset()
		if err := a.printJSON(s); err != nil {
			t.Fatal(err)
		}
		var got, want string
		plain, _ := json.Marshal(s)
		json.Unmarshal(plain, &want)
		if err := json.Unmarshal(buf.Bytes(), &got); err != nil || got != want || !utf8.Valid(buf.Bytes()) {
			t.Errorf("%q became %q, %v", s, got, err)
		}
	})
}

// What is no terminal gets a program's result byte by byte.
func TestTerminalExact(t *testing.T) {
	name := filepath.Join(t.TempDir(), "x")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	newTerminal(f).exact().Write([]byte("\x1b"))
	if got, _ := os.ReadFile(name); string(got) != "\x1b" {
		t.Errorf("got %q", got)
	}
}

func TestLine(t *testing.T) {
	if got, want := line("%-4s|%d|%v|%s", "a\n", 3, diag.Failed, "\t"), `a\n |3|failed|\t`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
