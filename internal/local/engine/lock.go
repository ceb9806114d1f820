package engine

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/filelock"
	"github.com/berth-oci/berth/internal/base/regular"
)

const (
	// lockFile is in each directory that a registry has to itself. It stays when
	// the registry ends, whose system releases the lock, however it ends: nothing
	// stale can block a start.
	lockFile = "berth.engine.lock"

	// lockMode lets another user lock it later, such as one whom root came before.
	lockMode = 0o644

	// formerLockFile is what berth once locked in data_dir, where a lockfile of
	// pulls may have that name. It is not made any more; one that is there, and
	// empty, is locked as well, so that the older berth notices this one.
	formerLockFile = "berth.lock"
)

const (
	// lockPatience lets Status and Down, which take the lock for a moment to see
	// whether it is free, not be mistaken for a running registry.
	lockPatience = 300 * time.Millisecond

	// keepInterval is how often a holder of the lock looks whether it is one still.
	keepInterval = time.Second
)

// lock is the right to run from a data directory, and to change what is in the
// directories that the registry stores in.
type lock struct {
	from   string // the data directory
	claims []claim
	former *filelock.Lock // nil where there is none
}

// claim is the lock of one directory, twice: of the directory itself, whose lock
// nobody can replace, and of a file in it, which is seen from other machines as
// well where the directory is on a network.
type claim struct {
	dir  string
	self *filelock.Lock // nil where directories cannot be locked
	file *filelock.Lock // nil where the disk is too full to make it
	told bool           // that the file is lost
}

// holder is what a lock file says of who holds it, for those who are kept out.
type holder struct {
	identity
	From string `json:"data_dir"`
}

// acquire takes the lock of u for a start. A command that works on what is
// stored there is asked to stop, and waited for at most for patience; see Hold.
// It fails with diag.AlreadyRunning, diag.Busy and diag.StorageFailed.
func acquire(ctx context.Context, u Unit, patience time.Duration) (*lock, error) {
	for deadline := time.Now().Add(patience); ; {
		l, taken, err := take(ctx, u)
		switch {
		case err != nil:
			return nil, err
		case l != nil:
			removeTask(u.Dir) // of one that was killed
			return l, nil
		}
		fault := inUse(u, taken)
		if fault.Code != diag.Busy || time.Now().After(deadline) {
			return nil, fault
		}
		dismiss(holderOf(taken))
	}
}

// take waits a moment for the lock of u. It returns the directory that another
// has, where it does. It fails with diag.StorageFailed.
func take(ctx context.Context, u Unit) (l *lock, taken string, err error) {
	for deadline := time.Now().Add(lockPatience); ; {
		l, taken, err = tryTake(u)
		if err != nil || l != nil || time.Now().After(deadline) {
			return l, taken, err
		}
		if err := sleep(ctx, lockPatience/10); err != nil {
			return nil, "", err
		}
	}
}

func tryTake(u Unit) (l *lock, taken string, err error) {
	l = &lock{from: u.Dir}
	defer func() {
		if err != nil || taken != "" {
			l.release()
			l = nil
		}
	}()
	if taken, err = l.claim(u.Dir); err != nil || taken != "" {
		return l, taken, err
	}
	for _, dir := range u.Storage {
		if info, err := os.Stat(dir); err == nil && !info.IsDir() {
			continue // whoever opens it says so
		}
		if taken, err = l.claim(dir); err != nil || taken != "" {
			return l, taken, about("local.storage_config.rootdirectory", err)
		}
	}
	if ok, err := l.claimFormer(); !ok || err != nil {
		return l, u.Dir, err
	}
	if s, _, err := occupant(u.Dir); err != nil || s.PID != 0 && s.identity != self() {
		return l, u.Dir, err // it has lost its lock, or is ending
	}
	for _, c := range l.claims {
		c.tell(u.Dir)
	}
	return l, "", nil
}

// claim locks a directory, which it makes if needed, unless it is one that is
// locked already. It returns the directory when another has it.
func (l *lock) claim(dir string) (taken string, err error) {
	if err := makeDir(dir); err != nil {
		return "", err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return "", storageFault(dir, err)
	}
	for _, c := range l.claims {
		if known, err := os.Stat(c.dir); err == nil && os.SameFile(known, info) {
			return "", nil
		}
	}
	c := claim{dir: dir}
	if c.self, err = filelock.TryDir(dir); c.self == nil && !errors.Is(err, errors.ErrUnsupported) {
		return dir, lockFault(dir, err)
	}
	c.file, err = filelock.Try(filepath.Join(dir, lockFile), lockMode)
	if c.file == nil && (c.self == nil || !isFull(err)) { // a full disk may need what is to be done here
		c.release()
		return dir, lockFault(dir, err)
	}
	l.claims = append(l.claims, c)
	return "", nil
}

// claimFormer reports whether no older berth has the data directory.
func (l *lock) claimFormer() (ok bool, err error) {
	name := filepath.Join(l.from, formerLockFile)
	info, err := os.Lstat(name)
	if err != nil || !info.Mode().IsRegular() {
		return true, nil
	}
	former, err := filelock.Try(name, 0o600)
	if former == nil {
		return false, lockFault(l.from, err)
	}
	if info.Size() > 0 { // a lockfile of pulls, which is others' to read and to replace
		former.Release()
		return true, nil
	}
	l.former = former
	return true, nil
}

// keep makes sure that the lock is worth something still, for its holder to call
// now and then. A lock file that was removed or replaced is put back. It fails
// when a directory was, or another process has its lock: then what is there may be
// another registry's, and the holder must not write there any more.
func (l *lock) keep(log *slog.Logger) error {
	for i := range l.claims {
		c := &l.claims[i]
		if c.self != nil {
			if named, err := c.self.Named(); !named && err == nil {
				return diag.Errorf(diag.StorageFailed, "%s was removed or replaced while it was in use", c.dir).
					WithHint("stop the registry before its directories are moved; start it with berth up")
			}
		}
		if named, err := c.named(); named || err != nil {
			continue
		}
		if err := c.restore(); err != nil {
			return err
		}
		if named, _ := c.named(); named {
			c.told = false
			c.tell(l.from)
			log.Warn("the lock file was removed or replaced, and is put back", "file", filepath.Join(c.dir, lockFile))
		} else if !c.told {
			c.told = true
			log.Warn("the lock file is missing and cannot be made", "file", filepath.Join(c.dir, lockFile))
		}
	}
	return nil
}

// named reports whether the lock file is the one that is locked.
func (c *claim) named() (bool, error) {
	if c.file == nil {
		return false, nil
	}
	return c.file.Named()
}

// restore locks a new file in place of one that lost its name. It fails when
// another process has done so, or the directory is gone; other errors may pass.
func (c *claim) restore() error {
	ctx, cancel := context.WithTimeout(context.Background(), lockPatience)
	defer cancel()
	file, err := filelock.Wait(ctx, filepath.Join(c.dir, lockFile), lockMode)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return diag.Errorf(diag.StorageFailed, "another process has locked %s", c.dir).
			WithHint("its lock file was removed while it was in use: stop one of the two, and berth scrub says whether damage was done")
	case errors.Is(err, fs.ErrNotExist):
		return diag.Errorf(diag.StorageFailed, "%s was removed while it was in use", c.dir).
			WithHint("stop the registry before its directories are moved; start it with berth up")
	case err == nil:
		if c.file != nil {
			c.file.Release()
		}
		c.file = file
	}
	return nil
}

// tell writes down who has the lock. Who cannot read it learns less.
func (c claim) tell(from string) {
	data, err := json.Marshal(holder{self(), from})
	if err != nil {
		return
	}
	f, err := os.OpenFile(filepath.Join(c.dir, lockFile), os.O_WRONLY|os.O_TRUNC|noFollow, 0)
	if err != nil {
		return
	}
	_, _ = f.Write(append(data, '\n'))
	f.Close()
}

func (c claim) release() {
	for _, l := range []*filelock.Lock{c.file, c.self} {
		if l != nil {
			l.Release()
		}
	}
}

func (l *lock) release() {
	for _, c := range l.claims {
		c.release()
	}
	if l.former != nil {
		l.former.Release()
	}
}

// holderOf returns the data directory of who has dir: dir itself, unless another
// one's registry or command says that it stores there.
func holderOf(dir string) string {
	var h holder
	data, err := regular.ReadSmall(filepath.Join(dir, lockFile))
	if err != nil || json.Unmarshal(data, &h) != nil || h.From == "" || !h.alive() {
		return dir
	}
	return h.From
}

// inUse says who has the directory that u needs. Its Path tells that it is
// another data directory's registry or command.
func inUse(u Unit, dir string) *diag.Diagnostic {
	from := holderOf(dir)
	s, _, err := occupant(from)
	running := err == nil && s.PID != 0
	switch {
	case running && sameDir(from, u.Dir):
		return diag.Errorf(diag.AlreadyRunning, "a registry runs already from %s: pid %d at %s", u.Dir, s.PID, s.Address).
			WithHint("stop it with berth down, or give this one another data_dir")
	case sameDir(from, u.Dir):
		return busy(u.Dir)
	}
	d := busy(from)
	if running {
		d = diag.Errorf(diag.AlreadyRunning, "a registry that runs from %s uses %s: pid %d at %s", from, dir, s.PID, s.Address).
			WithHint("two would damage what is stored: stop that one with berth down, or give this one another rootdirectory")
	}
	d.Path = "local.storage_config.rootdirectory"
	return d
}

func sameDir(a, b string) bool {
	first, err := os.Stat(a)
	if err != nil {
		return a == b
	}
	second, err := os.Stat(b)
	return err == nil && os.SameFile(first, second)
}

// held reports whether a process holds the lock of dir, or did for an older
// berth. It makes nothing.
func held(dir string) (now, former bool, err error) {
	if now, err = filelock.HeldDir(dir); errors.Is(err, fs.ErrNotExist) {
		return false, false, nil
	}
	if !now && err == nil {
		now, err = filelock.Held(filepath.Join(dir, lockFile))
	}
	if info, look := os.Lstat(filepath.Join(dir, formerLockFile)); err == nil && look == nil && info.Mode().IsRegular() {
		former, err = filelock.Held(filepath.Join(dir, formerLockFile))
	}
	if err != nil {
		return false, false, storageFault(filepath.Join(dir, lockFile), err)
	}
	return now, former, nil
}

// occupant tells who has dir. taken is true when its lock is held, or a registry
// runs from it that has lost its lock. s is the state of that registry: zero when
// a command has the lock, or one that has not told of itself yet.
func occupant(dir string) (s State, taken bool, err error) {
	now, former, err := held(dir)
	if err != nil {
		return State{}, false, err
	}
	s = readState(dir)
	older := s.Directory == "" && former && !now
	if !s.alive() || s.Directory != directoryID(dir) && !older {
		s = State{} // of a crash, or in a copy of the directory
	}
	return s, now || former || s.PID != 0 && s.identity != self(), nil
}

func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// lockFault is about a directory that cannot be locked; nil for no error.
func lockFault(dir string, err error) error {
	if err == nil {
		return nil
	}
	d := diag.Errorf(diag.StorageFailed, "cannot lock %s: %w", dir, err).
		WithHint("this user must be able to write to it: change the config, or owner and permissions")
	switch {
	case errors.Is(err, syscall.EROFS):
		d.Hint = "its file system can only be read: choose a directory on another one"
	case errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.ENOLCK):
		d.Hint = "its file system has no locks, without which two registries could damage each other: choose a directory on a local disk"
	}
	return d
}
