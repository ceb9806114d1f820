package check_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/kcl/check"
	"github.com/berth-oci/berth/kcl/program"
	"github.com/berth-oci/berth/kcl/syntax"
)

const programs = "../testdata/programs"

// static are the classes of faults that the reference runtime finds before it
// evaluates a program.
var static = []string{
	"TypeError", "CompileError", "ImmutableError", "IllegalInheritError", "IllegalAttributeError", "IllegalParameterError",
	"IndexSignatureError", "UniqueKeyError", "NameError", "CannotFindModule",
}

// TestRecordedPrograms checks every program that the reference runtime has
// judged. What it accepts has no fault, nor has what it rejects only when it
// evaluates it. What it rejects before has one on the line that it names
// first, and none on a line that it does not name.
func TestRecordedPrograms(t *testing.T) {
	exceptions := exceptions(t)
	var ok, total, accepted int
	for _, record := range glob(t, programs+"/*.json", programs+"/*.err") {
		name := strings.TrimSuffix(strings.TrimSuffix(filepath.Base(record), ".json"), ".err")
		faults, before, file := run(t, name)
		class, lines := "", []string{}
		if strings.HasSuffix(record, ".err") {
			class, lines = verdict(t, record, file)
		}
		if class == "" || class == "EvaluationError" {
			accepted++
			_, excepted := exceptions[name]
			delete(exceptions, name)
			if err := faults.Err(); err != nil && !excepted {
				t.Errorf("%s is right as far as is known before it is evaluated:\n%v", name, err)
			}
			continue
		}
		if !slices.Contains(static, class) {
			continue
		}
		total++
		reason, excepted := exceptions[name]
		delete(exceptions, name)
		for _, d := range faults {
			if !slices.Contains(lines, line(d.Span)) {
				t.Errorf("%s: the reference finds no such fault:\n%v", name, d)
			}
		}
		if strings.HasPrefix(name, "check-builtin-") { // every signature, each in all ways
			for _, want := range lines {
				if !slices.ContainsFunc(faults, func(d *diag.Diagnostic) bool { return line(d.Span) == want }) {
					t.Errorf("%s: no fault at %s", name, want)
				}
			}
		}
		all := append(before, faults...)
		switch found := slices.ContainsFunc(all, func(d *diag.Diagnostic) bool {
			return line(d.Span) == lines[0] || slices.ContainsFunc(d.Related, func(r diag.Related) bool { return line(r.Span) == lines[0] })
		}); {
		case found:
			ok++
			if excepted {
				t.Errorf("%s agrees now; take it off exceptions.txt", name)
			}
		case excepted:
			t.Logf("%s differs: %s", name, reason)
		default:
			t.Errorf("%s: no fault at %s, but\n%v", name, lines[0], all)
		}
	}
	for name := range exceptions {
		t.Errorf("exceptions.txt names %s, which is no such program", name)
	}
	t.Logf("%d of %d rejected programs have their fault on the right line; %d others have none", ok, total, accepted)
}

// line returns where a span begins, as records have it.
func line(s diag.Span) string {
	return fmt.Sprintf("%s:%d", filepath.Base(s.Start.File), s.Start.Line)
}

// run loads and checks a program. The faults of loading are apart.
func run(t *testing.T, name string) (found, before diag.List, file string) {
	t.Helper()
	file = filepath.Join(programs, name+".k")
	files := []string{file}
	if info, err := os.Stat(filepath.Join(programs, name)); err == nil && info.IsDir() {
		files = glob(t, filepath.Join(programs, name, "*.k"))
		if main := filepath.Join(programs, name, "main.k"); slices.Contains(files, main) {
			files = []string{main}
		}
		file = files[0]
	}
	var sources []*syntax.Source
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		sources = append(sources, syntax.NewSource(file, string(data)))
	}
	p, faults := program.Load(sources, program.Options{})
	return check.Program(p), faults, file
}

// verdict reads a record: the class of the first fault, and the lines of all,
// the first one first.
func verdict(t *testing.T, record, file string) (class string, lines []string) {
	t.Helper()
	data, err := os.ReadFile(record)
	if err != nil {
		t.Fatal(err)
	}
	add := func(place string) {
		if !strings.Contains(place, ":") {
			place = filepath.Base(file) + ":" + place
		}
		lines = append(lines, place)
	}
	rows := strings.Split(strings.TrimSpace(string(data)), "\n")
	add(rows[0])
	class, _, _ = strings.Cut(rows[1], ":")
	for _, row := range rows[2:] {
		place, _, _ := strings.Cut(row, ": ")
		add(place)
	}
	return class, lines
}

func glob(t *testing.T, patterns ...string) []string {
	t.Helper()
	var all []string
	for _, p := range patterns {
		m, err := filepath.Glob(p)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, m...)
	}
	if len(all) == 0 {
		t.Fatalf("nothing matches %v", patterns)
	}
	return all
}

// exceptions reads the programs whose faults are not on the line of the
// reference, with the reasons.
func exceptions(t *testing.T) map[string]string {
	t.Helper()
	data, err := os.ReadFile("testdata/exceptions.txt")
	if err != nil {
		t.Fatal(err)
	}
	list := map[string]string{}
	for _, line := range strings.Split(string(data), "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, reason, ok := strings.Cut(line, " ")
		if !ok {
			t.Fatalf("exceptions.txt: no reason for %s", name)
		}
		list[name] = reason
	}
	return list
}
