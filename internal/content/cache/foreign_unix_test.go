//go:build unix

package cache_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/berth-oci/berth/internal/content/cache"
)

// foreign is what a stranger may put in the place of a file.
var foreign = map[string]func(t *testing.T, name string) error{
	"a pipe":   func(_ *testing.T, name string) error { return syscall.Mkfifo(name, 0o600) },
	"a device": func(_ *testing.T, name string) error { return os.Symlink("/dev/zero", name) },
	"a link out of the cache": func(t *testing.T, name string) error {
		outside := filepath.Join(t.TempDir(), "outside")
		return errors.Join(os.WriteFile(outside, []byte("outside"), 0o600), os.Symlink(outside, name))
	},
	"a link to a pipe": func(_ *testing.T, name string) error {
		return errors.Join(syscall.Mkfifo(name+".pipe", 0o600), os.Symlink(filepath.Base(name)+".pipe", name))
	},
	"a link to nothing": func(_ *testing.T, name string) error { return os.Symlink("nothing", name) },
	"a directory":       func(_ *testing.T, name string) error { return os.Mkdir(name, 0o700) },
}

// What is no file is never waited for, never read, and no blob: it is fetched again.
func TestForeignBlob(t *testing.T) {
	content, d := blob(1<<20, 1)
	for name, put := range foreign {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			c := open(t, root)
			place := func() {
				t.Helper()
				if err := errors.Join(os.MkdirAll(filepath.Dir(blobPath(root, d)), 0o700), os.RemoveAll(blobPath(root, d)),
					os.RemoveAll(blobPath(root, d)+".pipe"), put(t, blobPath(root, d))); err != nil {
					t.Fatal(err)
				}
			}
			place()
			if has, err := c.Has(d); has || err != nil {
				t.Errorf("it is there: %v, %v", has, err)
			}
			if b, err := c.Blob(t.Context(), d, false); b != nil || err != nil {
				t.Errorf("got %v, %v", b, err)
			}
			place()
			ref := cache.Reference{Host: "h", Repository: "r", Tag: "t"}
			if err := c.SetTag(ref, cache.TagEntry{Descriptor: d}); err != nil {
				t.Error(err)
			}
			if _, err := c.List(t.Context()); err != nil {
				t.Error(err)
			}
			if _, err := c.Prune(t.Context(), cache.PruneOptions{DryRun: true, All: true}); err != nil {
				t.Error(err)
			}
			if v, err := c.Verify(t.Context(), nil); err != nil || len(v.Damaged) != 1 {
				t.Errorf("%+v, %v", v, err)
			}
			if _, err := os.Lstat(blobPath(root, d)); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("it is not removed: %v", err)
			}
			place()
			b, err := c.Fetch(t.Context(), d, writeMissing(content))
			expect(t, b, err, content)
			b, err = c.Blob(t.Context(), d, true)
			expect(t, b, err, content)
		})
	}
}

// Nor is it a beginning of a blob, or the record of one.
func TestForeignPartial(t *testing.T) {
	content, d := blob(1<<20, 1)
	for name, put := range foreign {
		for _, ending := range []string{"", ".json"} {
			t.Run(name+ending, func(t *testing.T) {
				root := t.TempDir()
				c := open(t, root)
				if err := errors.Join(os.MkdirAll(filepath.Dir(partialPath(root, d)), 0o700), put(t, partialPath(root, d)+ending)); err != nil {
					t.Fatal(err)
				}
				if _, err := c.List(t.Context()); err != nil {
					t.Error(err)
				}
				b, err := c.Fetch(t.Context(), d, writeMissing(content))
				expect(t, b, err, content)
			})
		}
	}
}

// Nor a tag.
func TestForeignTag(t *testing.T) {
	_, d := blob(1000, 1)
	ref := cache.Reference{Host: "h", Repository: "r", Tag: "t"}
	for name, put := range foreign {
		if name == "a directory" { // over which no file is renamed
			continue
		}
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			c := open(t, root)
			entry := cache.TagEntry{Descriptor: d, Checked: time.Now()}
			if err := c.SetTag(ref, entry); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(root, "tags", left(t, root, "tags")[0])
			if err := errors.Join(os.Remove(file), put(t, file)); err != nil {
				t.Fatal(err)
			}
			if _, ok := c.Tag(ref); ok {
				t.Error("it is known")
			}
			if _, err := c.List(t.Context()); err != nil {
				t.Error(err)
			}
			if err := c.SetTag(ref, entry); err != nil {
				t.Error(err)
			}
			if _, ok := c.Tag(ref); !ok {
				t.Error("it is not known")
			}
		})
	}
}
