//go:build unix

package keeper

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/testtool"
	"github.com/berth-oci/berth/internal/local/embedded/settings"
)

// temporary makes another directory the system's for temporary files, with a
// path short enough for sockets.
func temporary(t *testing.T) string {
	t.Helper()
	dir := shortDir(t)
	t.Setenv("TMPDIR", dir)
	return dir
}

// The socket is in the data directory, in a directory of its own there where others
// can write to that, or among the temporary files where the path is too long; and by
// each name of the directory the same one.
func TestSocket(t *testing.T) {
	base := shortDir(t)
	temp := temporary(t)
	short, long := filepath.Join(base, "short"), filepath.Join(base, strings.Repeat("x", maxSocket))
	shared, ofGroup := filepath.Join(base, "shared"), filepath.Join(base, "group")
	link := filepath.Join(base, "link")
	if err := os.Symlink(long, link); err != nil {
		t.Fatal(err)
	}
	for dir, test := range map[string]struct {
		mode fs.FileMode
		at   string // where the socket is
	}{
		short:   {0o755, short},
		long:    {0o700, temp},
		shared:  {0o777, filepath.Join(shared, socketDir)},
		ofGroup: {0o770 | fs.ModeSetgid, filepath.Join(ofGroup, socketDir)},
	} {
		if err := errors.Join(os.Mkdir(dir, 0o700), os.Chmod(dir, test.mode)); err != nil {
			t.Fatal(err)
		}
		k := start(t, dir, settings.Settings{GC: settings.GC{Delay: time.Hour}}, "", nil)
		socket, err := find(dir, self)
		if err != nil {
			t.Fatal(err)
		}
		if !tellsPeer && dir != short {
			test.at = temp
		}
		if !strings.HasPrefix(realPath(t, socket), realPath(t, test.at)+string(filepath.Separator)) {
			t.Errorf("the socket of %s is %s", dir, socket)
		}
		info, err := os.Stat(socket)
		if err != nil || info.Mode().Perm() != 0o600 || len(socket) > maxSocket {
			t.Errorf("%s: %v, %v", socket, info, err)
		}
		if _, err := dial(t, k.dir).Collect(t.Context(), true, nil, nil); err != nil {
			t.Error(err)
		}
	}
	if _, err := dial(t, link).Collect(t.Context(), true, nil, nil); err != nil {
		t.Errorf("by another name: %v", err)
	}
}

// A registry serves where no socket can be, as on a volume that others can write to
// beside a file system that nobody can.
func TestNoPlaceForASocket(t *testing.T) {
	dir := shortDir(t)
	if err := errors.Join(os.Chmod(dir, 0o770), os.WriteFile(filepath.Join(dir, socketDir), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", filepath.Join(dir, socketDir))
	start(t, dir, settings.Settings{}, "", nil)
	if _, err := Dial(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func realPath(t *testing.T, name string) string {
	t.Helper()
	real, err := filepath.EvalSymlinks(name)
	if err != nil {
		t.Fatal(err)
	}
	return real
}

// A socket that somebody else can have put there is not asked, and a directory
// that is somebody else's is not listened in.
func TestForeignSocket(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, dir string) error{
		"others can write": func(_ *testing.T, dir string) error { return os.Chmod(dir, 0o777) },
		"its group can":    func(_ *testing.T, dir string) error { return os.Chmod(dir, 0o770) },
		"another user's": func(t *testing.T, dir string) error {
			if os.Geteuid() != 0 {
				testtool.Skip(t, "only root can give a directory away")
			}
			return os.Chown(dir, 1, -1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			temporary(t)
			dir := shortDir(t)
			l, err := listen(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			if err := spoil(t, dir); err != nil {
				t.Fatal(err)
			}
			var d *diag.Diagnostic
			if _, err := find(dir, self); !errors.As(err, &d) || d.Code != diag.StorageFailed || d.Hint == "" {
				t.Errorf("it is asked: %v", err)
			}
			other, err := listen(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer other.Close()
			if socket := other.Addr().String(); filepath.Dir(socket) == dir {
				t.Errorf("it listens at %s", socket)
			}
			// Where the other places are spoiled too, there is none.
			for range sockets(dir, self)[1:] {
				other, err := listen(dir)
				if err != nil {
					t.Fatal(err)
				}
				defer other.Close()
				if err := spoil(t, filepath.Dir(other.Addr().String())); err != nil {
					t.Fatal(err)
				}
			}
			if l, err := listen(dir); err == nil {
				l.Close()
				t.Error("it listens among others")
			}
		})
	}
}

// A directory that a link leads to is not the one that others could have made.
func TestLinkedPrivate(t *testing.T) {
	temporary(t)
	dir := filepath.Join(shortDir(t), strings.Repeat("x", maxSocket))
	mine := t.TempDir()
	if err := os.Symlink(mine, filepath.Dir(sockets(dir, self)[0])); err != nil {
		t.Fatal(err)
	}
	if l, err := listen(dir); err == nil {
		l.Close()
		t.Error("it follows the link")
	}
}

// The socket of a process that was killed is in nobody's way.
func TestStaleSocket(t *testing.T) {
	dir := shortDir(t)
	if _, err := Dial(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nobody is there: %v", err)
	}
	l, err := new(net.ListenConfig).Listen(t.Context(), "unix", sockets(dir, self)[0])
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	if _, err := dial(t, dir).Scrub(t.Context()); err == nil {
		t.Error("nobody is there, and answers")
	}
	start(t, dir, settings.Settings{}, "", nil)
	if _, err := dial(t, dir).Scrub(t.Context()); err != nil {
		t.Error(err)
	}
}

// One that ends leaves alone the socket that has taken the place of its own.
func TestReplacedSocket(t *testing.T) {
	dir := shortDir(t)
	old, err := listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	l, err := listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := old.Close(); err != nil {
		t.Error(err)
	}
	if _, err := find(dir, self); err != nil {
		t.Errorf("the other's socket is gone: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if _, err := find(dir, self); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("its own socket is left: %v", err)
	}
}

// How far a pass came is not written into a file that a link leads to.
func TestProgressLinked(t *testing.T) {
	dir, victim := t.TempDir(), filepath.Join(t.TempDir(), "victim")
	p := Progress(dir)
	if err := errors.Join(os.WriteFile(victim, []byte("mine"), 0o600), os.Symlink(victim, p.file())); err != nil {
		t.Fatal(err)
	}
	if err := p.Write([]byte("{}")); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{victim: "mine", p.file(): "{}"} {
		if got, err := os.ReadFile(name); err != nil || string(got) != want {
			t.Errorf("%s holds %q, %v", filepath.Base(name), got, err)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("left: %v, %v", left, err)
	}
}
