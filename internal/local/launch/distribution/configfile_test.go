package distribution

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// The registry's own config is written only where it is not as it is to be.
func TestWriteConfigFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "sub", "native.yml")
	write := func(content string) (written bool) {
		t.Helper()
		before, _ := os.Stat(name)
		if err := writeConfigFile(name, []byte(content)); err != nil {
			t.Fatal(err)
		}
		after, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(name)
		if err != nil || string(got) != content || after.Mode().Perm()&^0o600 != 0 {
			t.Errorf("%q, %v, %v", got, after.Mode(), err)
		}
		return before == nil || !os.SameFile(before, after)
	}
	for _, step := range []struct {
		why     string
		mode    fs.FileMode // that somebody sets before
		content string
		written bool
	}{
		{"it is not there", 0, "a", true},
		{"it is right", 0, "a", false},
		{"others may read it", 0o644, "a", true},
		{"it has another content", 0, "b", true},
		{"it has become longer", 0, "bb", true},
		{"it is right again", 0, "bb", false},
	} {
		if step.mode != 0 {
			if err := os.Chmod(name, step.mode); err != nil {
				t.Fatal(err)
			}
		}
		if got := write(step.content); got != step.written {
			t.Errorf("%s: written %v", step.why, got)
		}
	}
}
