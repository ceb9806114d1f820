package engine

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/regular"
)

// followInterval is how often a followed log is looked at.
const followInterval = 200 * time.Millisecond

// Logs writes the last n lines of a log file to w, all of them when n is
// negative. With follow it goes on with what is added until ctx is done, also
// when the file is truncated or replaced by a new one, and returns nil then.
// It fails with diag.NotFound when there is no log and none is waited for.
func Logs(ctx context.Context, w io.Writer, name string, n int, follow bool) error {
	f, _, err := regular.Open(name)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !follow:
		return diag.Errorf(diag.NotFound, "there is no log yet: %w", err).WithHint("start the registry with berth up")
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return about("local.log_file", storageFault(name, err))
	}
	t := &tail{name: name, file: f}
	defer t.close()
	if f != nil {
		if err := seekLines(f, n); err != nil {
			return storageFault(name, err)
		}
	}
	for {
		if err := t.copy(w); err != nil || !follow {
			return err
		}
		if sleep(ctx, followInterval) != nil {
			return nil
		}
		t.reopen()
	}
}

// tail is a place in a log file; file is nil while there is none.
type tail struct {
	name string
	file *os.File
}

func (t *tail) close() {
	if t.file != nil {
		t.file.Close()
	}
}

// copy writes what was added since the last time.
func (t *tail) copy(w io.Writer) error {
	if t.file == nil {
		return nil
	}
	_, err := io.Copy(w, t.file)
	return err
}

// reopen goes to the start of a file that was truncated or replaced. What was
// added to a replaced one in between, the next copy takes from it first.
func (t *tail) reopen() {
	now, err := os.Stat(t.name)
	if err != nil {
		return // rotated away, and the new one is not there yet
	}
	if t.file != nil {
		old, err := t.file.Stat()
		at, _ := t.file.Seek(0, io.SeekCurrent)
		switch {
		case err == nil && os.SameFile(old, now) && now.Size() >= at:
			return
		case err == nil && os.SameFile(old, now):
			_, _ = t.file.Seek(0, io.SeekStart)
			return
		case err == nil && old.Size() > at:
			return
		}
	}
	if f, _, err := regular.Open(t.name); err == nil {
		t.close()
		t.file = f
	}
}

// seekLines places f before its last n lines.
func seekLines(f *os.File, n int) error {
	if n < 0 {
		return nil
	}
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil || n == 0 {
		return err
	}
	buf := make([]byte, 32<<10)
	for pos, left := end, n; pos > 0; {
		size := min(pos, int64(len(buf)))
		pos -= size
		if _, err := f.ReadAt(buf[:size], pos); err != nil && err != io.EOF {
			return err
		}
		chunk := buf[:size]
		for i := bytes.LastIndexByte(chunk, '\n'); i >= 0; i = bytes.LastIndexByte(chunk[:i], '\n') {
			if pos+int64(i) == end-1 {
				continue // the end of the last line
			}
			if left--; left == 0 {
				_, err = f.Seek(pos+int64(i)+1, io.SeekStart)
				return err
			}
		}
	}
	_, err = f.Seek(0, io.SeekStart)
	return err
}
