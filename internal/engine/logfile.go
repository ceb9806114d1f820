package engine

import (
	"io"
	"os"
	"runtime/debug"
	"sync"
	"time"
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

// moved reports whether the name is not that of the open file.
func (l *LogFile) moved() bool {
	named, err := os.Stat(l.name)
	if err != nil {
		return true
	}
	open, err := l.file.Stat()
	return err != nil || !os.SameFile(open, named)
}

func openLog(name string) (*os.File, error) {
	return os.OpenFile(name, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
}
