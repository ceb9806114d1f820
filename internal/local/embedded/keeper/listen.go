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
	"slices"
	"strconv"

	"github.com/berth-oci/berth/diag"
)

// maxSocket is the longest path of a socket that all systems take, in bytes.
const maxSocket = 100

// sockets returns where the keeper of a data directory may listen, the best place
// first: in it; in a directory of its own there, for where others can write to the
// data directory; and in one among the system's temporary ones, for where the path
// is too long.
func sockets(dir string, users []int) (names []string) {
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	inside := []string{filepath.Join(dir, socketFile)}
	if tellsPeer { // or who can write there could put another directory in its place
		inside = append(inside, filepath.Join(dir, socketDir, "sock"))
	}
	for _, name := range inside {
		if len(name) <= maxSocket {
			names = append(names, name)
		}
	}
	sum := sha256.Sum256([]byte(dir))
	for _, user := range users {
		names = append(names, filepath.Join(os.TempDir(), "berth-"+strconv.Itoa(user)+"-"+hex.EncodeToString(sum[:8]), "sock"))
	}
	return names
}

// listen opens the socket of a data directory, for whoever holds its lock, at the
// first place where that is possible.
func listen(dir string) (net.Listener, error) {
	var faults []error
	self := []int{os.Geteuid()}
	for _, name := range sockets(dir, self) {
		private := filepath.Dir(name)
		err := os.MkdirAll(private, 0o700)
		if err == nil {
			err = checkPrivate(private, self)
		}
		if err == nil {
			var l net.Listener
			if l, err = listenAt(name); err == nil {
				return l, nil
			}
		}
		faults = append(faults, err)
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
		if checkPeer(conn, []int{os.Geteuid()}) == nil {
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

// trusted returns the users beside root whose registry with a data directory may be
// asked: this one, and for root, who may do anything, the one that has the directory.
func trusted(dir string) []int {
	users := []int{os.Geteuid()}
	if users[0] == 0 {
		if owner, ok := ownerOf(dir); ok && owner != 0 {
			users = append(users, owner)
		}
	}
	return users
}

// find returns the socket that the registry whose data directory is dir listens
// at, if that is one of users. It fails with fs.ErrNotExist when there is none, and
// with diag.StorageFailed when it could be somebody else's.
func find(dir string, users []int) (string, error) {
	var fault error
	for _, name := range sockets(dir, users) {
		if _, err := os.Lstat(name); err != nil {
			continue
		}
		err := checkPrivate(filepath.Dir(name), users)
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

// checkPeer fails when none of users, nor root, is at the other end of a connection,
// where the system tells.
func checkPeer(conn net.Conn, users []int) error {
	if uid, ok := peer(conn); ok && uid != 0 && !slices.Contains(users, uid) {
		return fmt.Errorf("the other end of the socket belongs to user %d", uid)
	}
	return nil
}
