package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/testtool"
)

// readIn returns what reads a file for Update.
func readIn(name string) func() ([]byte, error) {
	return func() ([]byte, error) {
		data, err := os.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		return data, err
	}
}

// What another program changes before the file is replaced is edited too.
func TestUpdateAgain(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	calls := 0
	err := Update(t.Context(), name, 0o600, readIn(name), func(old []byte) ([]byte, error) {
		if calls++; calls == 1 {
			if err := os.WriteFile(name, []byte("other "), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return append(old, "mine"...), nil
	})
	if got, _ := os.ReadFile(name); err != nil || string(got) != "other mine" {
		t.Errorf("%q after %d edits: %v", got, calls, err)
	}
}

func TestUpdateFails(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	stop := errors.New("stop")
	if err := Update(t.Context(), name, 0o600, readIn(name), func([]byte) ([]byte, error) { return []byte("x"), stop }); !errors.Is(err, stop) {
		t.Errorf("an edit that fails: %v", err)
	}
	if err := Update(t.Context(), name, 0o600, func() ([]byte, error) { return nil, stop }, nil); !errors.Is(err, stop) {
		t.Errorf("a read that fails: %v", err)
	}
	n := 0
	for what, err := range map[string]error{
		"without end": Update(t.Context(), name, 0o600, readIn(name), func(old []byte) ([]byte, error) {
			n++
			return []byte("mine"), os.WriteFile(name, fmt.Append(nil, n), 0o600)
		}),
		"no directory": Update(t.Context(), filepath.Join(name, "below"), 0o600, readIn(name), nil),
	} {
		if d, ok := errors.AsType[*diag.Diagnostic](err); !ok || d.Code != diag.StorageFailed || d.Hint == "" {
			t.Errorf("%s: %v", what, err)
		}
	}
	if left, err := os.ReadDir(filepath.Dir(name)); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// Sweep takes nothing from an Update that is at work.
func TestSweep(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	temp := beside(name, "new")
	err := Update(t.Context(), name, 0o600, readIn(name), func([]byte) ([]byte, error) {
		if err := os.WriteFile(temp, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		Sweep(name)
		if _, err := os.Lstat(temp); err != nil {
			t.Error(err)
		}
		return nil, os.Remove(temp)
	})
	if err != nil {
		t.Error(err)
	}
}

func TestTarget(t *testing.T) {
	base, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	at := func(name string) string { return filepath.Join(base, name) }
	if err := errors.Join(os.MkdirAll(at("a/b"), 0o700), os.WriteFile(at("a/file"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{
		"file": "a/file", "dir": "a/b", "a/b/up": "../none", "none": "dir/up", "far": at("x/y"), "loop": "loop2", "loop2": "loop",
	} {
		if err := os.Symlink(to, at(link)); err != nil {
			testtool.Skip(t, fmt.Sprint("no symbolic links: ", err))
		}
	}
	for name, want := range map[string]string{
		"a/file": "a/file", "new": "new", "file": "a/file", "dir": "a/b",
		"none": "a/none", "dir/up": "a/none", "far": "x/y", "new/file": "new/file",
	} {
		if got, err := Target(at(name)); got != at(want) || err != nil {
			t.Errorf("%s leads to %s (%v), want %s", name, got, err, at(want))
		}
	}
	if got, err := Target(at("loop")); err == nil {
		t.Errorf("a loop leads to %s", got)
	}
}
