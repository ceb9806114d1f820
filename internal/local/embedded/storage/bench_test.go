package storage_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"
	"github.com/distribution/distribution/v3/registry/storage/driver/filesystem"

	"github.com/berth-oci/berth/internal/local/embedded/storage"
)

// contenders are the drivers on a local directory that are measured side by side.
func contenders(b *testing.B) map[string]storagedriver.StorageDriver {
	own, err := storage.NewFilesystem(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	return map[string]storagedriver.StorageDriver{
		"berth":        own,
		"distribution": filesystem.New(filesystem.DriverParameters{RootDirectory: b.TempDir(), MaxThreads: 100}),
	}
}

// atOnce runs op b.N times, n at once, each with a number of its own.
func atOnce(b *testing.B, n int, op func(i int64) error) {
	var next atomic.Int64
	done := make(chan error, n)
	for range n {
		go func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				if err := op(i); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range n {
		if err := <-done; err != nil {
			b.Error(err)
		}
	}
}

// blobPath is where distribution's layout keeps a blob: a directory for each.
func blobPath(i int64) string {
	return fmt.Sprintf("/docker/registry/v2/blobs/sha256/%02x/%064d/data", i%256, i)
}

// BenchmarkPutContent writes what a registry writes most: small links, each in a
// directory of its own.
func BenchmarkPutContent(b *testing.B) {
	content := make([]byte, 71)
	for name, driver := range contenders(b) {
		for _, n := range []int{1, 4, 8} {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				atOnce(b, n, func(i int64) error {
					return driver.PutContent(context.Background(), fmt.Sprintf("/links/%d/%d/link", n, i), content)
				})
			})
		}
	}
	for _, n := range []int{1, 4, 8} {
		b.Run(fmt.Sprintf("floor/%d", n), func(b *testing.B) { floor(b, n, content) })
	}
}

// BenchmarkBlob is an upload of 1 MB: written in pieces, committed, moved to its
// name.
func BenchmarkBlob(b *testing.B) {
	const piece = 128 << 10
	content := make([]byte, 1<<20)
	for name, driver := range contenders(b) {
		for _, n := range []int{1, 4, 8} {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				b.SetBytes(int64(len(content)))
				atOnce(b, n, func(i int64) error {
					ctx, upload := context.Background(), fmt.Sprintf("/uploads/%d/%d/data", n, i)
					w, err := driver.Writer(ctx, upload, false)
					if err != nil {
						return err
					}
					defer w.Close()
					for p := content; len(p) > 0; p = p[piece:] {
						if _, err := w.Write(p[:piece]); err != nil {
							return err
						}
					}
					if err := w.Commit(ctx); err != nil {
						return err
					}
					return driver.Move(ctx, upload, blobPath(i+int64(n)<<40))
				})
			})
		}
	}
	for _, n := range []int{1, 4, 8} {
		b.Run(fmt.Sprintf("floor/%d", n), func(b *testing.B) {
			b.SetBytes(int64(len(content)))
			floor(b, n, content)
		})
	}
}

// floor is the least that gives a durable file: write, sync, rename, sync one
// directory that is there already.
func floor(b *testing.B, n int, content []byte) {
	dir := b.TempDir()
	atOnce(b, n, func(i int64) error {
		name := filepath.Join(dir, fmt.Sprint(i))
		file, err := os.Create(name + ".new")
		if err != nil {
			return err
		}
		defer file.Close()
		if _, err := file.Write(content); err != nil {
			return err
		}
		if err := file.Sync(); err != nil {
			return err
		}
		if err := os.Rename(name+".new", name); err != nil {
			return err
		}
		parent, err := os.Open(dir)
		if err != nil {
			return err
		}
		defer parent.Close()
		return parent.Sync()
	})
}
