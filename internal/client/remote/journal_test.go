package remote

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gofrs/flock"

	"github.com/berth-oci/berth/diag"
)

// interrupted leaves an upload of which the registry has the first piece.
func interrupted(t *testing.T) (f *fake, address, dir string) {
	t.Helper()
	f, dir = newFake(), filepath.Join(t.TempDir(), "uploads")
	f.hook = after(1, always, "PATCH", "", answer(http.StatusForbidden))
	r, server := f.start(t, Uploads{Journal: OpenJournal(dir)})
	d, _, open := content(large)
	_, err := r.PutBlob(t.Context(), d, open, "")
	wantCode(t, r.Err(err), diag.Forbidden)
	if len(notes(t, dir)) != 1 {
		t.Fatalf("notes: %v", notes(t, dir))
	}
	f.mu.Lock()
	f.hook, f.log = nil, nil
	f.mu.Unlock()
	return f, server.URL, dir
}

func notes(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// finish sends the blob with another repository, as another process has one.
func finish(t *testing.T, f *fake, address, dir string) {
	t.Helper()
	d, data, open := content(large)
	if _, err := repository(t, address, Uploads{Journal: OpenJournal(dir)}).PutBlob(t.Context(), d, open, ""); err != nil {
		t.Fatal(err)
	}
	if string(f.blobs[d.Digest]) != string(data) {
		t.Error("the blob is another")
	}
}

func TestJournal(t *testing.T) {
	edit := func(change func(e *entry)) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			name := notes(t, dir)[0]
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			var e entry
			if err := json.Unmarshal(data, &e); err != nil {
				t.Fatal(err)
			}
			change(&e)
			if data, err = json.Marshal(e); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	write := func(text string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			if err := os.WriteFile(notes(t, dir)[0], []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, c := range map[string]struct {
		meanwhile func(t *testing.T, dir string)
		posts     int
		left      int // notes
	}{
		"as it was": {func(*testing.T, string) {}, 0, 0},
		"expired":   {edit(func(e *entry) { e.Updated = e.Updated.Add(-keptFor) }), 1, 0},
		"old file": {func(t *testing.T, dir string) {
			old := time.Now().Add(-keptFor - time.Hour)
			if err := os.Chtimes(notes(t, dir)[0], old, old); err != nil {
				t.Fatal(err)
			}
		}, 1, 0},
		"empty":      {write(""), 1, 0},
		"cut":        {write(`{"location": "htt`), 1, 0},
		"no address": {write(`{"location": "uploads/x", "updated": "2999-01-01T00:00:00Z"}`), 1, 0},
		"elsewhere":  {edit(func(e *entry) { e.Location = strings.ReplaceAll(e.Location, "u0", "gone") }), 1, 0},
		"in use by another process": {func(t *testing.T, dir string) {
			lock := flock.New(strings.TrimSuffix(notes(t, dir)[0], ".json") + ".lock")
			if ok, err := lock.TryLock(); !ok || err != nil {
				t.Fatal(ok, err)
			}
			t.Cleanup(func() { _ = lock.Close() })
		}, 1, 1},
		"in use for long by another process": {func(t *testing.T, dir string) {
			name := strings.TrimSuffix(notes(t, dir)[0], ".json") + lockSuffix
			lock := flock.New(name)
			if ok, err := lock.TryLock(); !ok || err != nil {
				t.Fatal(ok, err)
			}
			t.Cleanup(func() { _ = lock.Close() })
			old := time.Now().Add(-keptFor - time.Hour)
			if err := os.Chtimes(name, old, old); err != nil {
				t.Fatal(err)
			}
		}, 1, 1},
		"a directory that cannot be": {func(t *testing.T, dir string) {
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(dir, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			f, address, dir := interrupted(t)
			c.meanwhile(t, dir)
			finish(t, f, address, dir)
			f.wantRequests(t, c.posts, "POST", "")
			if c.posts == 0 {
				f.wantRequests(t, 0, "PATCH", " 0-")
			}
			if list := notes(t, dir); len(list) != c.left {
				t.Errorf("left: %v", list)
			}
			if locks, _ := filepath.Glob(filepath.Join(dir, "*.lock")); len(locks) != c.left {
				t.Errorf("left: %v", locks)
			}
		})
	}
}

// unusable is what may have become of the upload that another process has begun,
// at a registry that takes new ones.
var unusable = map[string]func(w http.ResponseWriter, r *http.Request) bool{
	"credentials": times(always, "", "/u0", answer(http.StatusUnauthorized)),
	"forbidden":   times(always, "", "/u0", answer(http.StatusForbidden)),
	"broken":      times(always, "", "/u0", answer(http.StatusInternalServerError)),
	"conflict":    times(always, "", "/u0", answer(http.StatusConflict)),
	"not a word": times(always, "", "/u0", func(http.ResponseWriter, *http.Request) {
		panic(http.ErrAbortHandler)
	}),
	"no place": times(always, "GET", "/u0", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "http://[::1")
		w.WriteHeader(http.StatusNoContent)
	}),
	"takes no piece": times(always, "PATCH", "/u0", answer(http.StatusForbidden)),
	"takes no user":  times(always, "PATCH", "/u0", answer(http.StatusUnauthorized)),
}

// An upload that another process has begun and nobody can go on with is lost, and
// keeps no content from being sent.
func TestJournalUnusable(t *testing.T) {
	for name, hook := range unusable {
		t.Run(name, func(t *testing.T) {
			f, address, dir := interrupted(t)
			f.hook = hook
			finish(t, f, address, dir)
			f.wantRequests(t, 1, "POST", "")
			if list := notes(t, dir); len(list) > 0 {
				t.Errorf("left: %v", list)
			}
		})
	}
}

// An upload's host may be gone, which the registry is not.
func TestJournalElsewhere(t *testing.T) {
	f, address, dir := interrupted(t)
	gone := httptest.NewServer(nil)
	gone.Close()
	name := notes(t, dir)[0]
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, bytes.ReplaceAll(data, []byte(address), []byte(gone.URL)), 0o600); err != nil {
		t.Fatal(err)
	}
	finish(t, f, address, dir)
	f.wantRequests(t, 1, "POST", "")
}

// While nothing can be begun anew what was noted stays, for when all is well again.
func TestJournalOutage(t *testing.T) {
	f, address, dir := interrupted(t)
	f.hook = times(always, "", "", answer(http.StatusUnauthorized))
	d, _, open := content(large)
	r := repository(t, address, Uploads{Journal: OpenJournal(dir)})
	if _, err := r.PutBlob(t.Context(), d, open, ""); err == nil {
		t.Fatal("it was sent")
	}
	f.hook, f.log = nil, nil
	finish(t, f, address, dir)
	f.wantRequests(t, 0, "POST", "")
	f.wantRequests(t, 0, "PATCH", " 0-")
}

// An upload that can be asked about and takes nothing fails once, not each time.
func TestJournalStuck(t *testing.T) {
	f, address, dir := interrupted(t)
	f.hook = times(always, "PATCH", "/u0", answer(http.StatusInternalServerError))
	d, _, open := content(large)
	r := repository(t, address, Uploads{Journal: OpenJournal(dir)})
	if _, err := r.PutBlob(t.Context(), d, open, ""); err == nil {
		t.Fatal("it was sent")
	}
	finish(t, f, address, dir)
}

// TestJournalKeepsSecrets: what is noted is for the user alone.
func TestJournalKeepsSecrets(t *testing.T) {
	_, _, dir := interrupted(t)
	for _, name := range append(notes(t, dir), dir) {
		info, err := os.Stat(name)
		if err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v (%v)", name, info.Mode(), err)
		}
	}
}

func TestJournalDir(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	for state, want := range map[string]string{"": filepath.Join(home, ".local/state/berth/uploads"), "relative": filepath.Join(home, ".local/state/berth/uploads"), "/s": "/s/berth/uploads"} {
		t.Setenv("XDG_STATE_HOME", state)
		if got, err := JournalDir(); err != nil || got != want {
			t.Errorf("%q: %s (%v), want %s", state, got, err, want)
		}
	}
}

// Where an upload goes on is a matter of the registry that said so: another one at
// its address does not lead a client there.
func TestJournalOfAnotherRegistry(t *testing.T) {
	journal := OpenJournal(t.TempDir())
	of := func(origin string) *Repository {
		return &Repository{base: &url.URL{Scheme: "http", Host: "127.0.0.1:5000"}, name: "a", uploads: Uploads{Journal: journal, Origin: origin}}
	}
	n, done := of("http").openNote("sha256:00")
	n.write(entry{Location: "http://elsewhere.example/upload"})
	done()
	for origin, known := range map[string]bool{"http": true, "https": false, "http of the registry b": false} {
		n, done := of(origin).openNote("sha256:00")
		if location := n.location(); (location != nil) != known {
			t.Errorf("%s leads to %v", origin, location)
		}
		done()
	}
}
