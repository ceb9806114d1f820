package remote

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/berth-oci/berth/internal/base/filelock"
	"github.com/berth-oci/berth/internal/base/regular"
)

// Journal remembers where uploads go on, so that another process can finish what
// one that was killed has begun. It is a directory of small files, one for each
// upload, shared by all processes of a user. What cannot be read or written is
// as if it were not there: an upload then begins anew.
type Journal struct{ dir string }

// OpenJournal returns the journal in dir, which is made when it is needed.
func OpenJournal(dir string) *Journal { return &Journal{dir: dir} }

// lockSuffix is that of the files which are locked while their uploads go on.
const lockSuffix = ".lock"

// keptFor is how long an upload is worth going on with: registries forget those
// that rest, most of them after a day to a week.
const keptFor = 7 * 24 * time.Hour

// note is the record of one upload, which this process alone uses. The nil note
// remembers nothing.
type note struct {
	file  string
	state string // of what is sent ahead; "" for others
}

// entry is what a note's file holds. The location lets whoever has it write to
// the upload, no more, and only with credentials.
type entry struct {
	Location string        `json:"location,omitempty"`
	Least    int64         `json:"least,omitempty"` // see upload.least
	State    string        `json:"state,omitempty"` // see Growing
	Sent     digest.Digest `json:"sent,omitempty"`  // what was sent ahead turned out to be, and is noted by that
	Updated  time.Time     `json:"updated"`
}

// openNote returns the note of the upload of what, a digest or the key of what is
// sent ahead, and what ends its use. The note is nil when another process is at
// work on the same upload.
func (r *Repository) openNote(what string) (n *note, done func()) {
	return r.uploads.Journal.open(r.uploads.Origin + "\n" + r.base.Host + "/" + r.name + "@" + what)
}

// open returns the note with a name.
func (j *Journal) open(name string) (n *note, done func()) {
	key := digest.FromString(name).Encoded()
	if err := os.MkdirAll(j.dir, 0o700); err != nil {
		return nil, func() {}
	}
	j.prune()
	file := filepath.Join(j.dir, key)
	lock, err := filelock.Try(file+lockSuffix, 0o600)
	if err != nil || lock == nil {
		return nil, func() {}
	}
	n = &note{file: file + ".json"}
	return n, func() {
		if _, err := os.Stat(n.file); err != nil {
			lock.Remove()
			return
		}
		lock.Release()
	}
}

// prune removes what is too old to be gone on with.
func (j *Journal) prune() {
	entries, err := os.ReadDir(j.dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || time.Since(info.ModTime()) <= keptFor {
			continue
		}
		name := filepath.Join(j.dir, e.Name())
		if !strings.HasSuffix(name, lockSuffix) {
			_ = os.Remove(name)
		} else if l, err := filelock.Try(name, 0o600); err == nil && l != nil { // else its upload lasts
			l.Remove()
		}
	}
}

// read returns what was noted, lately.
func (n *note) read() (e entry) {
	if n == nil {
		return entry{}
	}
	data, err := regular.ReadSmall(n.file)
	if err != nil || json.Unmarshal(data, &e) != nil || time.Since(e.Updated) > keptFor {
		return entry{}
	}
	return e
}

// location returns where the upload was, or nil.
func (n *note) location() *url.URL {
	location, err := url.Parse(n.read().Location)
	if err != nil || location.Host == "" {
		return nil
	}
	return location
}

// record notes where the upload goes on.
func (n *note) record(u *upload) { n.write(entry{Location: u.location.String(), Least: u.least}) }

// settle notes what was sent ahead.
func (n *note) settle(d digest.Digest) { n.write(entry{Sent: d}) }

func (n *note) write(e entry) {
	if n == nil {
		return
	}
	e.State, e.Updated = n.state, time.Now().UTC()
	data, err := json.Marshal(e)
	if err != nil {
		return
	}
	temp := n.file + ".new" // nobody else writes it
	_ = os.Remove(temp)     // what a stranger has put there may be no file
	if os.WriteFile(temp, append(data, '\n'), 0o600) == nil {
		_ = os.Rename(temp, n.file)
	}
}

// forget removes the record of an upload that is done or lost.
func (n *note) forget() {
	if n != nil {
		_ = os.Remove(n.file)
	}
}

// JournalDir returns where the journal of this user is: $XDG_STATE_HOME/berth/uploads,
// else ~/.local/state/berth/uploads.
func JournalDir() (string, error) {
	state := os.Getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(state) { // as the XDG base directory specification says
		home, err := os.UserHomeDir()
		if err == nil && !filepath.IsAbs(home) {
			err = fmt.Errorf("the home directory %q is no absolute path", home)
		}
		if err != nil {
			return "", err
		}
		state = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(state, "berth", "uploads"), nil
}
