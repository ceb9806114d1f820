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
// judged: what it accepts has no fault, and what it rejects before evaluation
// has one on the line that it names.
func TestRecordedPrograms(t *testing.T) {
	exceptions := exceptions(t)
	var ok, total, accepted int
	for _, record := range glob(t, programs+"/*.json", programs+"/*.err") {
		name := strings.TrimSuffix(strings.TrimSuffix(filepath.Base(record), ".json"), ".err")
		faults, file := run(t, name)
		if strings.HasSuffix(record, ".json") {
			accepted++
			if err := faults.Err(); err != nil {
				t.Errorf("%s is right:\n%v", name, err)
			}
			continue
		}
		place, class := verdict(t, record, file)
		if !slices.Contains(static, class) {
			continue
		}
		total++
		reason, excepted := exceptions[name]
		delete(exceptions, name)
		switch found := slices.ContainsFunc(faults, func(d *diag.Diagnostic) bool {
			return d.Severity == diag.Error && fmt.Sprintf("%s:%d", filepath.Base(d.Span.Start.File), d.Span.Start.Line) == place
		}); {
		case found:
			ok++
			if excepted {
				t.Errorf("%s agrees now; take it off exceptions.txt", name)
			}
		case excepted:
			t.Logf("%s differs: %s", name, reason)
		default:
			t.Errorf("%s: no fault at %s, but\n%v", name, place, faults)
		}
	}
	for name := range exceptions {
		t.Errorf("exceptions.txt names %s, which is no such program", name)
	}
	t.Logf("%d of %d rejected programs have their fault on the right line; %d accepted ones have none", ok, total, accepted)
}

// run loads and checks a program.
func run(t *testing.T, name string) (diag.List, string) {
	t.Helper()
	file := filepath.Join(programs, name+".k")
	if info, err := os.Stat(filepath.Join(programs, name)); err == nil && info.IsDir() {
		file = filepath.Join(programs, name, "main.k")
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	p, faults := program.Load([]*syntax.Source{syntax.NewSource(file, string(data))}, program.Options{})
	if faults.Err() != nil {
		return append(faults, check.Program(p)...), file
	}
	return check.Program(p), file
}

// verdict reads the place and the class of the first fault of a record.
func verdict(t *testing.T, record, file string) (place, class string) {
	t.Helper()
	data, err := os.ReadFile(record)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(data), "\n")
	place = lines[0]
	if !strings.Contains(place, ":") {
		place = filepath.Base(file) + ":" + place
	}
	class, _, _ = strings.Cut(lines[1], ":")
	return place, class
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
