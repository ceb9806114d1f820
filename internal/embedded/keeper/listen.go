package keeper

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"github.com/berth-oci/berth/diag"
)

// maxSocket is the longest path of a socket that all systems take, in bytes.
const maxSocket = 100

// sockets returns where the keeper of a data directory may listen: in it, and in
// a directory of this user's among the system's temporary ones, for where the
// path is too long or others can write to the data directory.
func sockets(dir string) (names []string) {
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	if name := filepath.Join(dir, socketFile); len(name) <= maxSocket {
		names = append(names, name)
	}
	sum := sha256.Sum256([]byte(dir))
	return append(names, filepath.Join(os.TempDir(), "berth-"+strconv.Itoa(os.Getuid())+"-"+hex.EncodeToString(sum[:8]), "sock"))
}

// listen opens the socket of a data directory, for whoever holds its lock.
func listen(dir string) (net.Listener, error) {
	var faults []error
	for _, name := range sockets(dir) {
		private := filepath.Dir(name)
		if err := os.MkdirAll(private, 0o700); err != nil {
			faults = append(faults, err)
			continue
		}
		if err := checkPrivate(private); err != nil {
			faults = append(faults, err)
			continue
		}
		return listenAt(name)
	}
	return nil, errors.Join(faults...)
}

func listenAt(name string) (net.Listener, error) {
	// Of a process that was killed: this one holds the lock.
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	l, err := new(net.ListenConfig).Listen(context.Background(), "unix", name)
	if err != nil {
		return nil, err
	}
	if unix, ok := l.(*net.UnixListener); ok {
		unix.SetUnlinkOnClose(false) // whatever the name is by then
	}
	file, err := os.Lstat(name)
	if err == nil {
		err = os.Chmod(name, 0o600)
	}
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return &private{Listener: l, name: name, file: file}, nil
}

// private is a listener that nobody but this user, and root, gets through to.
type private struct {
	net.Listener
	name string
	file fs.FileInfo // of its socket
}

// Accept implements net.Listener.
func (l *private) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if checkPeer(conn) == nil {
			return conn, nil
		}
		_ = conn.Close()
	}
}

// Close implements net.Listener. The socket goes as well, unless its name is
// another's by now.
func (l *private) Close() error {
	err := l.Listener.Close()
	if file, missing := os.Lstat(l.name); missing == nil && os.SameFile(file, l.file) {
		err = errors.Join(err, os.Remove(l.name))
	}
	return err
}

// find returns the socket that the registry whose data directory is dir listens
// at. It fails with fs.ErrNotExist when there is none, and with
// diag.StorageFailed when it could be somebody else's.
func find(dir string) (string, error) {
	var fault error
	for _, name := range sockets(dir) {
		if _, err := os.Lstat(name); err != nil {
			continue
		}
		err := checkPrivate(filepath.Dir(name))
		if err == nil {
			return name, nil
		}
		fault = diag.Errorf(diag.StorageFailed, "the registry's socket is not to be trusted: %w", err).
			WithHint("run berth as the user who runs the registry; if that is you, take the right to write from the others (chmod go-w)")
	}
	if fault == nil {
		fault = fmt.Errorf("no socket of %s: %w", dir, fs.ErrNotExist)
	}
	return "", fault
}

// checkPeer fails when a user other than this one and root is at the other end of
// a connection, where the system tells.
func checkPeer(conn net.Conn) error {
	if uid, ok := peer(conn); ok && uid != 0 && uid != os.Geteuid() {
		return fmt.Errorf("the other end of the socket belongs to user %d", uid)
	}
	return nil
}
