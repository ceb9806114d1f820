package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/berth-oci/berth/diag"
)

func TestWrite(t *testing.T) {
	t.Run("durable", func(t *testing.T) { testWrite(t, filepath.Join(t.TempDir(), "new"), Write) })
	t.Run("volatile", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "removed")
		err := WriteVolatile(filepath.Join(dir, "file"), nil, 0o600)
		if d, ok := errors.AsType[*diag.Diagnostic](err); !ok || d.Code != diag.StorageFailed {
			t.Errorf("in a directory that is not there: %v", err)
		}
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("it is there again: %v", err)
		}
		testWrite(t, t.TempDir(), WriteVolatile)
	})
}

func testWrite(t *testing.T, dir string, write func(string, []byte, fs.FileMode) error) {
	name := filepath.Join(dir, "file")
	for _, content := range []string{"old", "new"} {
		if err := write(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(name); err != nil || string(got) != content {
			t.Errorf("got %q, %v", got, err)
		}
	}
	left, err := os.ReadDir(filepath.Dir(name))
	if err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	err = write(filepath.Join(name, "below"), nil, 0o600)
	if d, ok := errors.AsType[*diag.Diagnostic](err); !ok || d.Code != diag.StorageFailed || d.Hint == "" {
		t.Errorf("below a file: %v", err)
	}
}

func TestMkdirAll(t *testing.T) {
	base := t.TempDir()
	file := filepath.Join(base, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for dir, ok := range map[string]bool{
		filepath.Join(base, "a", "b", "c"): true, filepath.Join(base, "a", "b"): true, base: true,
		file: false, filepath.Join(file, "below"): false,
	} {
		err := MkdirAll(dir)
		info, missing := os.Stat(dir)
		if made := missing == nil && info.IsDir(); made != ok || (err == nil) != ok {
			t.Errorf("%s: %v, made %v", dir, err, made)
		}
	}
	if info, err := os.Stat(filepath.Join(base, "a")); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info, err)
	}
}
