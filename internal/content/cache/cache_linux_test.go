package cache_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/testtool"
	"github.com/berth-oci/berth/internal/content/cache"
)

// A full disk fails what needs more, says what to do, and leaves nothing broken.
func TestDiskFull(t *testing.T) {
	root := t.TempDir()
	if err := syscall.Mount("tmpfs", root, "tmpfs", 0, "size=4m"); err != nil {
		testtool.Skip(t, fmt.Sprintf("cannot mount a small file system: %v", err))
	}
	defer func() { _ = syscall.Unmount(root, syscall.MNT_DETACH) }()
	c := open(t, root)
	small, s := blob(mib, 3)
	put(t, c, small)
	content, d := blob(8*mib, 1)
	full := func(what string, err error) {
		t.Helper()
		fault, ok := errors.AsType[*diag.Diagnostic](err)
		if !ok || fault.Code != diag.StorageFailed || !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("%s: %v", what, err)
		}
		if !strings.Contains(fault.Hint, "berth cache prune") || !strings.Contains(fault.Hint, "BERTH_CACHE_DIR") {
			t.Errorf("%s: the hint is %q", what, fault.Hint)
		}
	}
	_, err := c.Fetch(t.Context(), d, func(ctx context.Context, p *cache.Partial) error {
		r, err := p.Reader(ctx)
		if err != nil {
			return err
		}
		defer r.Close()
		for at := int64(0); at < d.Size; at += mib {
			if _, err := p.WriteAt(content[at:at+mib], at); err != nil {
				// Whoever waits for the rest is told as well.
				buf := make([]byte, mib)
				for {
					if _, err := r.Read(buf); err != nil {
						full("read", err)
						return fmt.Errorf("download: %w", err)
					}
				}
			}
		}
		return nil
	})
	full("fetch", err)
	full("put", c.Put(t.Context(), d, strings.NewReader(string(content))))
	if names := append(left(t, root, "partial"), left(t, root, "tmp")...); len(names) > 0 {
		t.Errorf("left are %v", names)
	}
	b, err := c.Blob(t.Context(), s, true)
	expect(t, b, err, small)
	content, d = blob(2*mib, 4)
	b, err = c.Fetch(t.Context(), d, writeMissing(content))
	expect(t, b, err, content)
}

// A cache that cannot be written to still gives what it has.
func TestReadOnly(t *testing.T) {
	root := t.TempDir()
	content, d := blob(1000, 1)
	put(t, open(t, root), content)
	if err := syscall.Mount(root, root, "", syscall.MS_BIND, ""); err != nil {
		testtool.Skip(t, fmt.Sprintf("cannot mount: %v", err))
	}
	defer func() { _ = syscall.Unmount(root, syscall.MNT_DETACH) }()
	if err := syscall.Mount("", root, "", syscall.MS_BIND|syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		testtool.Skip(t, fmt.Sprintf("cannot mount read-only: %v", err))
	}
	c := open(t, root)
	b, err := c.Fetch(t.Context(), d, nil)
	expect(t, b, err, content)
	other, o := blob(1000, 2)
	if _, err := c.Fetch(t.Context(), o, writeMissing(other)); code(err) != diag.StorageFailed || !errors.Is(err, syscall.EROFS) {
		t.Error(err)
	}
	if err := c.SetTag(cache.Reference{Host: "h", Repository: "r", Tag: "t"}, cache.TagEntry{Descriptor: d}); code(err) != diag.StorageFailed {
		t.Error(err)
	}
}
