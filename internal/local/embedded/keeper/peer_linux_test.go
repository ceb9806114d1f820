package keeper

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/berth-oci/berth/internal/base/testtool"
	"github.com/berth-oci/berth/internal/local/embedded/settings"
)

// asOther calls work as another user, on a thread that ends with that.
func asOther(t *testing.T, work func() error) {
	t.Helper()
	if os.Geteuid() != 0 {
		testtool.Skip(t, "only root can become another user")
	}
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		const same, other = ^uintptr(0), 1
		if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESUID, same, other, same); errno != 0 {
			done <- errno
			return
		}
		done <- work()
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// Another user is not let in, even where the socket is open to all.
func TestPeerConnects(t *testing.T) {
	dir := shortDir(t)
	k := start(t, dir, settings.Settings{}, "", nil)
	socket := sockets(k.dir, nil)[0]
	if err := os.Chmod(socket, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	asOther(t, func() error {
		conn, err := new(net.Dialer).DialContext(context.Background(), "unix", socket)
		if err != nil {
			return err
		}
		defer conn.Close()
		_, _ = conn.Write([]byte("POST /scrub HTTP/1.1\r\nHost: registry\r\n\r\n"))
		if n, _ := conn.Read(make([]byte, 1)); n > 0 {
			t.Error("it is answered")
		}
		return nil
	})
	if _, err := dial(t, dir).Scrub(t.Context()); err != nil {
		t.Errorf("this user: %v", err)
	}
}

// What another user listens at is not believed.
func TestPeerListens(t *testing.T) {
	dir := shortDir(t)
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	asOther(t, func() error {
		l, err := new(net.ListenConfig).Listen(context.Background(), "unix", filepath.Join(dir, socketFile))
		if err == nil {
			t.Cleanup(func() { l.Close() })
		}
		return err
	})
	if err := os.Chmod(dir, 0o700); err != nil { // too late
		t.Fatal(err)
	}
	if _, err := dial(t, dir).Scrub(t.Context()); err == nil || !strings.Contains(err.Error(), "belongs to user 1") {
		t.Errorf("got %v", err)
	}
}

// Root may ask the registry of whoever has the data directory.
func TestRootAsks(t *testing.T) {
	if os.Geteuid() != 0 {
		testtool.Skip(t, "only root may ask another user's registry")
	}
	const other = 1
	for name, at := range map[string]func(dir string) string{
		"in the data directory": func(dir string) string { return filepath.Join(dir, socketFile) },
		"elsewhere":             func(dir string) string { return sockets(dir, []int{other})[2] },
	} {
		t.Run(name, func(t *testing.T) {
			temp, dir := temporary(t), shortDir(t)
			if err := errors.Join(os.Chown(dir, other, -1), os.Chown(temp, other, -1)); err != nil {
				t.Fatal(err)
			}
			asOther(t, func() error {
				socket := at(dir)
				if err := os.MkdirAll(filepath.Dir(socket), 0o700); err != nil {
					return err
				}
				l, err := new(net.ListenConfig).Listen(context.Background(), "unix", socket)
				if err == nil {
					answerOnce(t, l, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"+`{"scrubbed":{"blobs":7}}{"done":true}`)
				}
				return err
			})
			if _, err := dial(t, dir).Scrub(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}
