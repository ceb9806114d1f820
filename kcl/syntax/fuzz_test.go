package syntax

import (
	"os"
	"path/filepath"
	"testing"
)

// FuzzParse looks for texts on which the parser panics or does not end, and
// for places outside the text.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"../testdata/programs/*.k", "../../schema/*.k", "../../schema/testdata/configs/*.k"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			f.Fatal("no seeds", pattern, err)
		}
		for _, name := range files {
			data, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(string(data))
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		src := NewSource("fuzz.k", text)
		file, faults := Parse(src)
		if file == nil {
			t.Fatal("no tree")
		}
		for _, d := range faults {
			if d.Message == "" || d.Span.Start.Line < 1 || d.Span.Start.Line > len(src.lines) {
				t.Fatalf("fault without message or outside the text: %+v", d)
			}
		}
		if faults.Err() == nil {
			printsTheSame(t, file)
		}
		for _, s := range file.Body {
			if r := s.At(); r.Start < 0 || r.End < r.Start || r.End > len(src.Text) {
				t.Fatalf("%T lies outside the text: %d to %d of %d", s, r.Start, r.End, len(src.Text))
			}
		}
	})
}

// printsTheSame makes sure that the text of a tree parses to the same tree.
func printsTheSame(t *testing.T, file *File) {
	t.Helper()
	text := Format(file)
	again, faults := Parse(NewSource("printed.k", text))
	if faults.Err() != nil {
		t.Fatalf("%s\nprints as\n%s\nwhich is wrong: %v", file.Source.Text, text, faults)
	}
	if !Equal(file, again) {
		t.Fatalf("%s\nprints as\n%s\nwhich is another tree, and prints as\n%s", file.Source.Text, text, Format(again))
	}
	if second := Format(again); second != text {
		t.Fatalf("%s\nprints as\n%s\nand then as\n%s", file.Source.Text, text, second)
	}
}
