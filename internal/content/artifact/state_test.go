package artifact

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestStateOf(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "a")
	if err := os.WriteFile(file, []byte("1"), 0o644); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{StateOf(dir): true}
	if !seen[StateOf(dir)] || !seen[StateOf(link)] {
		t.Error("the same directory has two states")
	}
	for _, c := range []struct {
		name   string
		change func() error
	}{
		{"time", func() error { return os.Chtimes(file, time.Unix(1, 0), time.Unix(1, 0)) }},
		{"mode", func() error { return os.Chmod(file, 0o755) }},
		{"size", func() error { return os.Truncate(file, 5) }},
		{"name", func() error { return os.Rename(file, filepath.Join(dir, "b")) }},
		{"a directory", func() error { return os.Mkdir(filepath.Join(dir, "c"), 0o755) }},
		{"nothing left", func() error { return os.RemoveAll(dir) }},
	} {
		if err := c.change(); err != nil {
			t.Fatal(err)
		}
		state := StateOf(dir)
		if seen[state] {
			t.Errorf("%s: no other state", c.name)
		}
		seen[state] = true
	}
}
