package gate

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/berth-oci/berth/internal/base/testtool"
)

// watchTokens watches a file of tokens in a directory of its own.
func watchTokens(t *testing.T, content string) (w *watched[tokens], file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "tokens")
	put(t, file, content)
	w, err := watch(slog.New(slog.NewTextHandler(io.Discard, nil)), func(tokens) (tokens, error) { return loadTokens(file) }, file)
	if err != nil {
		t.Fatal(err)
	}
	w.pause = func(time.Duration) {}
	return w, file
}

func put(t *testing.T, file, content string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// lets reports whether a token lets somebody in once the file is looked at again.
func lets(w *watched[tokens], token string) bool {
	w.next.Store(0)
	_, ok := w.get().find(token)
	return ok
}

// A file that is only being replaced is not taken for one that is gone.
func TestReplacedInAMoment(t *testing.T) {
	for name, leave := range map[string]func(t *testing.T, file string){
		"gone":  func(t *testing.T, file string) { _ = os.Remove(file) },
		"empty": func(t *testing.T, file string) { put(t, file, "") },
	} {
		t.Run(name, func(t *testing.T) {
			w, file := watchTokens(t, "first\n")
			leave(t, file)
			paused := 0
			w.pause = func(time.Duration) {
				if paused++; paused == 3 {
					put(t, file, "second\n")
				}
				if paused > 3 {
					t.Error("it still waits")
				}
			}
			if !lets(w, "second") || lets(w, "first") || paused != 3 {
				t.Errorf("second %v, first %v, paused %d", lets(w, "second"), lets(w, "first"), paused)
			}
		})
	}
}

func TestGoneOrEmpty(t *testing.T) {
	for name, test := range map[string]struct {
		leave func(t *testing.T, file string) error
		lets  bool // in, whom it did before
	}{
		"gone":                {func(_ *testing.T, file string) error { return os.Remove(file) }, false},
		"directory gone":      {func(_ *testing.T, file string) error { return os.RemoveAll(filepath.Dir(file)) }, false},
		"empty":               {func(t *testing.T, file string) error { put(t, file, ""); return nil }, false},
		"only a comment":      {func(t *testing.T, file string) error { put(t, file, "# first\n"); return nil }, false},
		"others":              {func(t *testing.T, file string) error { put(t, file, "second\n"); return nil }, false},
		"not a token":         {func(t *testing.T, file string) error { put(t, file, "first\nno token\n"); return nil }, true},
		"a directory instead": {func(_ *testing.T, file string) error { _ = os.Remove(file); return os.Mkdir(file, 0o700) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			w, file := watchTokens(t, "first\n")
			if !lets(w, "first") {
				t.Fatal("it does not let in at first")
			}
			if err := test.leave(t, file); err != nil {
				t.Fatal(err)
			}
			if got := lets(w, "first"); got != test.lets {
				t.Errorf("it lets in: %v", got)
			}
			_ = os.Remove(file)
			_ = os.MkdirAll(filepath.Dir(file), 0o700)
			put(t, file, "first\nthird\n")
			if !lets(w, "first") || !lets(w, "third") {
				t.Error("it does not let in when it is back")
			}
		})
	}
}

// Secrets of Kubernetes are links through a link, which is replaced.
func TestLinkedDirectory(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"1", "2"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		put(t, filepath.Join(dir, name, "tokens"), "token"+name+"\n")
	}
	link := func(from, to string) {
		t.Helper()
		if err := os.Symlink(to, filepath.Join(dir, from)); err != nil {
			testtool.Skip(t, "no links here: "+err.Error())
		}
	}
	link("..data", "1")
	link("tokens", "..data/tokens")
	file := filepath.Join(dir, "tokens")
	w, err := watch(slog.New(slog.DiscardHandler), func(tokens) (tokens, error) { return loadTokens(file) }, file)
	if err != nil {
		t.Fatal(err)
	}
	w.pause = func(time.Duration) { t.Error("it is taken for gone") }
	link("..data_tmp", "2")
	if err := os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")); err != nil {
		t.Fatal(err)
	}
	if lets(w, "token1") || !lets(w, "token2") {
		t.Error("the old file is in force")
	}
}

// What was verified is remembered when the file changes elsewhere, and forgotten
// with the hash.
func TestRememberedAcrossChanges(t *testing.T) {
	file := filepath.Join(t.TempDir(), "htpasswd")
	const ann = "ann:$2y$05$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"
	load := func(content string, before *passwords) *passwords {
		t.Helper()
		put(t, file, content)
		p, err := loadPasswords(file, before)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	compared := 0
	l := newLogins(1)
	l.compare = func(string, string) bool { compared++; return true }
	p := load(ann, nil)
	for i, test := range []struct {
		content string
		want    int
	}{
		{ann, 1},
		{ann + "bob" + ann[3:], 1},
		{"ann:$2y$05$BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n", 2},
		{ann, 3},
	} {
		p = load(test.content, p)
		if right, err := p.verify(t.Context(), l, address(1), "ann", "right"); !right || err != nil || compared != test.want {
			t.Errorf("%d: %v, %v; %d were compared", i, right, err, compared)
		}
	}
}
