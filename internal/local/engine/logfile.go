package engine

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"time"

	"github.com/berth-oci/berth/diag"
)

// reopenInterval is how often a log that is written looks whether it was moved.
const reopenInterval = time.Second

// LogFile is a log that is rotated by renaming it: when its name is gone or
// another file's, writing goes on in the file of that name. It may be used
// concurrently.
type LogFile struct {
	name string

	mu      sync.Mutex
	first   *os.File // as given
	file    *os.File
	checked time.Time
}

// FollowLog returns the LogFile of the given name when out is that file, and
// nil when out is something else, such as a terminal.
func FollowLog(name string, out *os.File) *LogFile {
	l := &LogFile{name: name, first: out, file: out, checked: time.Now()}
	if l.moved() {
		return nil
	}
	return l
}

var _ io.Writer = (*LogFile)(nil)

// Write implements io.Writer.
func (l *LogFile) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); now.Sub(l.checked) >= reopenInterval {
		l.checked = now
		l.reopen()
	}
	return l.file.Write(p)
}

// Reopen looks at once, for a rotation that tells of itself.
func (l *LogFile) Reopen() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reopen()
}

// reopen keeps the old file where there can be no new one: a log in the wrong
// place is better than none.
func (l *LogFile) reopen() {
	if !l.moved() {
		return
	}
	f, err := openLog(l.name)
	if err != nil {
		return
	}
	if l.file != l.first { // closing that would give its number, 2, to the next file
		l.file.Close()
	}
	l.file = f
	_ = debug.SetCrashOutput(f, debug.CrashOptions{})
}

// moved reports whether the name is not that of the open file. A link is not: it
// may lead to any file by the next time.
func (l *LogFile) moved() bool {
	named, err := os.Lstat(l.name)
	if err != nil {
		return true
	}
	open, err := l.file.Stat()
	return err != nil || !os.SameFile(open, named)
}

// openLog opens a log to add to it. What it adds to is the file of that name: it
// follows no link, and where others can write to the directory the file must be
// this user's and have no other name. It fails with diag.StorageFailed.
func openLog(name string) (*os.File, error) {
	const flags = os.O_WRONLY | os.O_APPEND | os.O_CREATE
	info, err := os.Lstat(name)
	if err == nil {
		err = checkLog(name, info)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, logFault(name, err)
	}
	f, err := os.OpenFile(name, flags|noFollow, 0o600)
	if err != nil {
		return nil, logFault(name, err)
	}
	if info, err = f.Stat(); err == nil {
		err = checkLog(name, info) // which may be another than a moment ago
	}
	if err != nil {
		f.Close()
		return nil, logFault(name, err)
	}
	return f, nil
}

// checkLog fails for what is no log of this user's.
func checkLog(name string, info fs.FileInfo) error {
	switch mode := info.Mode(); {
	case mode&fs.ModeSymlink != 0:
		return diag.Errorf(diag.StorageFailed, "%s is a link, which a log must not be", name).
			WithHint("let log_file name the file itself%s; a link to its directory is fine", leadsTo(name))
	case !mode.IsRegular():
		return diag.Errorf(diag.StorageFailed, "%s is not a file", name).
			WithHint("choose another log_file; berth serve writes its log to standard error instead")
	}
	if err := checkShared(name, info); err != nil {
		return diag.Errorf(diag.StorageFailed, "%s may not be this user's alone: %w", name, err).
			WithHint("choose a log_file in a directory that only this user can write to")
	}
	return nil
}

// leadsTo says where a link leads, if it does.
func leadsTo(link string) string {
	target, err := filepath.EvalSymlinks(link)
	if err != nil {
		return ""
	}
	return ", " + target
}

func logFault(name string, err error) error {
	if _, ok := asDiagnostic(err); ok {
		return err
	}
	return storageFault(name, err)
}
