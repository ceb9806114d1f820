package syntax

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const programs = "../testdata/programs"

// TestRecordedSyntax makes sure that a program which the reference runtime
// rejects for its syntax has a fault on the same line, that one which it
// accepts has none, and that the text of its tree is the same tree.
func TestRecordedSyntax(t *testing.T) {
	known, err := os.ReadFile("../testdata/known-differences.txt")
	if err != nil {
		t.Fatal(err)
	}
	records, err := filepath.Glob(programs + "/*.*")
	if err != nil {
		t.Fatal(err)
	}
	wrong, right := 0, 0
	for _, record := range records {
		ending := filepath.Ext(record)
		base := strings.TrimSuffix(record, ending)
		if strings.Contains(string(known), "\n"+filepath.Base(base)+" ") {
			continue
		}
		switch ending {
		case ".json":
			right++
			for _, file := range files(t, base) {
				acceptsRecorded(t, file)
			}
		case ".err":
			place, message, _ := strings.Cut(read(t, record), "\n")
			if strings.HasPrefix(message, "InvalidSyntax:") {
				wrong++
				rejectsRecorded(t, base, place)
			}
		}
	}
	if right < 900 || wrong < 300 {
		t.Errorf("%d right and %d wrong programs are too few", right, wrong)
	}
}

// files returns the files of a program: NAME.k, or those of the directory.
func files(t *testing.T, base string) []string {
	t.Helper()
	if _, err := os.Stat(base + ".k"); err == nil {
		return []string{base + ".k"}
	}
	matches, err := filepath.Glob(base + "/*.k")
	if err != nil || len(matches) == 0 {
		t.Fatal("no files", base, err)
	}
	return matches
}

func acceptsRecorded(t *testing.T, file string) {
	t.Helper()
	f, faults := Parse(NewSource(file, read(t, file)))
	if faults.Err() != nil {
		t.Errorf("%s is right: %v", file, faults)
		return
	}
	printsTheSame(t, f)
}

func rejectsRecorded(t *testing.T, base, place string) {
	t.Helper()
	file := base + ".k"
	name, number, other := strings.Cut(place, ":")
	switch {
	case !other:
		number = name
		if _, err := os.Stat(file); err != nil {
			file = filepath.Join(base, "main.k")
		}
	default: // the record has the last part of its path only
		matches, err := filepath.Glob(base + "/*/" + name)
		if len(matches) == 0 {
			matches, err = filepath.Glob(base + "/" + name)
		}
		if err != nil || len(matches) != 1 {
			t.Fatalf("%s: %d files %s", base, len(matches), name)
		}
		file = matches[0]
	}
	line, err := strconv.Atoi(number)
	if err != nil {
		t.Fatal(base, err)
	}
	_, faults := Parse(NewSource(file, read(t, file)))
	for _, d := range faults {
		if d.Span.Start.Line == line {
			return
		}
	}
	t.Errorf("%s has no fault on line %d: %v", file, line, faults)
}

func read(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
