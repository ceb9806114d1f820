package regular

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestRead(t *testing.T) {
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("file", "12345")
	write("empty", "")
	write("sparse", "")
	if err := os.Truncate(filepath.Join(dir, "sparse"), 5<<30); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "directory"), 0o700); err != nil {
		t.Fatal(err)
	}
	const ok, limit, kind, missing = "ok", "limit", "kind", "missing"
	outcome := func(err error) string {
		var k *KindError
		switch {
		case err == nil:
			return ok
		case IsLimit(err):
			return limit
		case errors.As(err, &k):
			return kind
		case errors.Is(err, fs.ErrNotExist):
			return missing
		}
		return err.Error()
	}
	for _, c := range []struct {
		name  string
		limit int64
		want  string
	}{
		{"file", 5, ok}, {"file", 4, limit}, {"empty", 0, ok}, {"sparse", 1 << 20, limit}, {"directory", 9, kind}, {"none", 9, missing},
	} {
		text, err := Read(filepath.Join(dir, c.name), c.limit)
		if got := outcome(err); got != c.want {
			t.Errorf("Read %s with limit %d: %s, want %s", c.name, c.limit, got, c.want)
		}
		if c.name == "file" && err == nil && string(text) != "12345" {
			t.Errorf("Read %s: %q", c.name, text)
		}
		if _, err := ReadIn(root, c.name, c.limit); outcome(err) != c.want {
			t.Errorf("ReadIn %s with limit %d: %v, want %s", c.name, c.limit, err, c.want)
		}
	}
}
