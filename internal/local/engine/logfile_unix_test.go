//go:build unix

package engine

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/testtool"
)

// What somebody else can have put in the place of the log is not written to.
func TestOpenLog(t *testing.T) {
	for name, c := range map[string]struct {
		make func(t *testing.T, victim, log string) error
		mode fs.FileMode // of the directory
		want string      // what the error has; "" for none
	}{
		"none":                  {func(*testing.T, string, string) error { return nil }, 0o777, ""},
		"its own":               {func(_ *testing.T, _, log string) error { return os.WriteFile(log, nil, 0o600) }, 0o777, ""},
		"a link":                {func(_ *testing.T, victim, log string) error { return os.Symlink(victim, log) }, 0o700, "is a link"},
		"a link to nothing":     {func(_ *testing.T, victim, log string) error { return os.Symlink(victim+"2", log) }, 0o700, "is a link"},
		"another name":          {func(_ *testing.T, victim, log string) error { return os.Link(victim, log) }, 0o777, "another name"},
		"another name, private": {func(_ *testing.T, victim, log string) error { return os.Link(victim, log) }, 0o755, ""},
		"a pipe":                {func(_ *testing.T, _, log string) error { return syscall.Mkfifo(log, 0o600) }, 0o700, "is not a file"},
		"a directory":           {func(_ *testing.T, _, log string) error { return os.Mkdir(log, 0o700) }, 0o700, "is not a file"},
		"another user's": {func(t *testing.T, _, log string) error {
			if os.Geteuid() != 0 {
				testtool.Skip(t, "only root can give a file away")
			}
			return errors.Join(os.WriteFile(log, nil, 0o600), os.Chown(log, 1, -1))
		}, 0o777, "belongs to user 1"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "log")
			victim, log := filepath.Join(t.TempDir(), "victim"), filepath.Join(dir, "registry.log")
			if err := errors.Join(os.Mkdir(dir, 0o700), os.Chmod(dir, c.mode), os.WriteFile(victim, []byte("mine"), 0o600)); err != nil {
				t.Fatal(err)
			}
			if err := c.make(t, victim, log); err != nil {
				t.Fatal(err)
			}
			f, err := openLog(log)
			if f != nil {
				f.Close()
			}
			if c.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			d, ok := asDiagnostic(err)
			if !ok || d.Code != diag.StorageFailed || !strings.Contains(err.Error(), c.want) || d.Hint == "" {
				t.Errorf("got %v", err)
			}
			if err := Usable(Unit{Dir: dir, LogFile: log, Config: filepath.Join(dir, "config")}); codeOf(err) != diag.StorageFailed {
				t.Errorf("it is told to be usable: %v", err)
			}
			if data, err := os.ReadFile(victim); string(data) != "mine" {
				t.Errorf("the other file holds %q, %v", data, err)
			}
		})
	}
}

// A log whose name becomes a link goes on where it was.
func TestLogFileLinked(t *testing.T) {
	dir := t.TempDir()
	name, victim := filepath.Join(dir, "log"), filepath.Join(dir, "victim")
	f, err := openLog(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	l := FollowLog(name, f)
	if l == nil {
		t.Fatal("its own file is not the log")
	}
	if err := errors.Join(os.WriteFile(victim, nil, 0o600), os.Rename(name, name+".1"), os.Symlink(victim, name)); err != nil {
		t.Fatal(err)
	}
	l.checked = time.Time{}
	if _, err := io.WriteString(l, "line\n"); err != nil {
		t.Fatal(err)
	}
	l.Reopen()
	for file, want := range map[string]string{victim: "", name + ".1": "line\n"} {
		if got, err := os.ReadFile(file); err != nil || string(got) != want {
			t.Errorf("%s holds %q, %v", filepath.Base(file), got, err)
		}
	}
	if FollowLog(name, f) != nil {
		t.Error("a link is taken for the log")
	}
}

// Nobody waits for a log that is a pipe.
func TestLogsOfPipe(t *testing.T) {
	name := filepath.Join(t.TempDir(), "log")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Logs(t.Context(), io.Discard, name, -1, false); codeOf(err) != diag.StorageFailed {
		t.Errorf("got %v", err)
	}
}
