//go:build unix

package regular

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestSpecial wants that a pipe and a device are refused at once, by their names
// and through links, and that a link leads nowhere out of a root.
func TestSpecial(t *testing.T) {
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	in := func(name string) string { return filepath.Join(dir, name) }
	outside := filepath.Join(t.TempDir(), "secret")
	if err := errors.Join(
		syscall.Mkfifo(in("pipe"), 0o600), os.Symlink("pipe", in("to-pipe")), os.Symlink("/dev/zero", in("to-zero")),
		os.WriteFile(outside, []byte("secret"), 0o600), os.Symlink(outside, in("out")),
	); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"pipe": "a named pipe", "to-pipe": "a named pipe", "to-zero": "a device"} {
		_, err := Read(in(name), 9)
		var kind *KindError
		if !errors.As(err, &kind) || Kind(kind.Mode) != want {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
		if _, err := ReadIn(root, name, 9); err == nil {
			t.Errorf("%s was read in the root", name)
		}
	}
	if _, err := Read(in("out"), 9); err != nil {
		t.Error(err)
	}
	if text, err := ReadIn(root, "out", 9); err == nil {
		t.Errorf("a link led out of the root, to %q", text)
	}
	if _, err := ReadAny("/dev/zero", 9); !IsLimit(err) {
		t.Errorf("a device without end: %v", err)
	}
}

// TestPipeIsOpened wants that a pipe is refused that takes the place of a file
// between the look at it and its opening.
func TestPipeIsOpened(t *testing.T) {
	name := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	_, _, err := open(name, os.OpenFile)
	var kind *KindError
	if !errors.As(err, &kind) {
		t.Errorf("got %v", err)
	}
}
