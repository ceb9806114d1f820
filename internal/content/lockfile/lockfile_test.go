package lockfile

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/gofrs/flock"
	"github.com/opencontainers/go-digest"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/testtool"
)

func wantCode(t *testing.T, err error, code diag.Code) {
	t.Helper()
	if d, ok := errors.AsType[*diag.Diagnostic](err); !ok || d.Code != code || d.Hint == "" {
		t.Errorf("got %v, want %s with a hint", err, code)
	}
}

func TestLock(t *testing.T) {
	dir := t.TempDir()
	f := In(dir)
	if err := f.Check(); err != nil {
		t.Errorf("a lockfile that is not there yet: %v", err)
	}
	_, err := f.Digest("h/r:1")
	wantCode(t, err, diag.PolicyRefused)
	one, two := digest.FromString("one"), digest.FromString("two")
	for _, step := range []struct {
		reference string
		digest    digest.Digest
	}{{"h/r:2", two}, {"h/r:1", two}, {"h/r:1", one}, {"h/r:1", one}} {
		if err := f.Lock(t.Context(), step.reference, step.digest); err != nil {
			t.Fatal(err)
		}
	}
	want := fmt.Sprintf("{\n  \"version\": 1,\n  \"artifacts\": {\n    \"h/r:1\": %q,\n    \"h/r:2\": %q\n  }\n}\n", one, two)
	if data, err := os.ReadFile(filepath.Join(dir, Name)); err != nil || string(data) != want {
		t.Errorf("%s (%v), want %s", data, err, want)
	}
	if d, err := f.Digest("h/r:1"); d != one || err != nil {
		t.Errorf("%s (%v), want %s", d, err, one)
	}
	if err := errors.Join(f.Pins("h/r", one), f.Pins("h/r", two)); err != nil {
		t.Error(err)
	}
	wantCode(t, f.Pins("h/r", digest.FromString("three")), diag.PolicyRefused)
	wantCode(t, f.Pins("h", one), diag.PolicyRefused)
	wantCode(t, f.Pins("h/r2", one), diag.PolicyRefused)
	if files, _ := os.ReadDir(dir); len(files) != 1 {
		t.Errorf("left: %v", files)
	}
}

// TestNoLockfile: what is none is neither believed nor written over.
func TestNoLockfile(t *testing.T) {
	for name, text := range map[string]string{
		"no JSON": "version: 1", "cut": `{"version": 1, "artifacts": {"a": "sha`, "a list": "[]", "no version": "{}", "null": "null",
		"one twice":  fmt.Sprintf(`{"version": 1, "artifacts": {"h/r:1": %q, "h/r:1": %q}}`, digest.FromString("a"), digest.FromString("b")),
		"a conflict": "{\n  \"version\": 1,\n<<<<<<< ours\n", "no text": `{"version": 1, "artifacts": {"h/r:1": 1}}`,
		"another version": `{"version": 2, "artifacts": {}}`, "no digest": `{"version": 1, "artifacts": {"h/r:1": "latest"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, Name)
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			f := In(dir)
			_, err := f.Digest("h/r:1")
			wantCode(t, err, diag.ConfigUnread)
			wantCode(t, f.Check(), diag.ConfigUnread)
			wantCode(t, f.Lock(t.Context(), "h/r:1", digest.FromString("x")), diag.ConfigUnread)
			if data, _ := os.ReadFile(file); string(data) != text {
				t.Errorf("the file has %q now", data)
			}
		})
	}
	wantCode(t, In(filepath.Join(t.TempDir(), "none")).Lock(t.Context(), "h/r:1", digest.FromString("x")), diag.StorageFailed)
}

// TestEmpty: a file of no bytes locks nothing, and becomes a lockfile.
func TestEmpty(t *testing.T) {
	f := In(t.TempDir())
	if err := os.WriteFile(f.name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := f.Digest("h/r:1")
	wantCode(t, err, diag.PolicyRefused)
	want := digest.FromString("x")
	if err := f.Lock(t.Context(), "h/r:1", want); err != nil {
		t.Fatal(err)
	}
	if d, err := f.Digest("h/r:1"); d != want || err != nil {
		t.Errorf("%s (%v), want %s", d, err, want)
	}
}

// TestLockAtOnce: no entry of those who lock at once is lost.
func TestLockAtOnce(t *testing.T) {
	dir := t.TempDir()
	var group sync.WaitGroup
	for i := range 16 {
		group.Go(func() {
			name := fmt.Sprint("h/r:", i)
			if err := In(dir).Lock(t.Context(), name, digest.FromString(name)); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	for i := range 16 {
		name := fmt.Sprint("h/r:", i)
		if d, err := In(dir).Digest(name); d != digest.FromString(name) {
			t.Errorf("%s: %s (%v)", name, d, err)
		}
	}
}

// TestLockWaits until another has done, or its context ends.
func TestLockWaits(t *testing.T) {
	dir := t.TempDir()
	other := flock.New(filepath.Join(dir, "."+Name+".guard"))
	if ok, err := other.TryLock(); !ok || err != nil {
		t.Fatal(ok, err)
	}
	defer other.Close()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- In(dir).Lock(ctx, "h/r:1", digest.FromString("x")) }()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// TestLink: a link stays one, and what it leads to is written, be it there or not.
func TestLink(t *testing.T) {
	dir, want := t.TempDir(), digest.FromString("x")
	if err := os.Mkdir(filepath.Join(dir, "shared"), 0o700); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join("shared", "real.lock")
	if err := os.Symlink(link, filepath.Join(dir, Name)); err != nil {
		testtool.Skip(t, fmt.Sprint("no symbolic links: ", err))
	}
	for _, reference := range []string{"h/r:1", "h/r:2"} {
		if err := In(dir).Lock(t.Context(), reference, want); err != nil {
			t.Fatal(err)
		}
		if to, err := os.Readlink(filepath.Join(dir, Name)); to != link {
			t.Errorf("the link is %q, %v", to, err)
		}
		if d, err := (File{filepath.Join(dir, link)}).Digest(reference); d != want || err != nil {
			t.Errorf("%s: %s (%v)", reference, d, err)
		}
	}
}
