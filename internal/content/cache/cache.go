// Package cache owns the content that berth keeps on this machine between
// commands: blobs and manifests by digest, what has arrived of interrupted
// downloads, and which digest a tag had when. Any number of processes share one
// cache. It trusts nothing that it finds there: content is hashed again before
// it is given out, and nothing is synced for it. It knows neither registries nor how content is fetched.
//
// The directory:
//
//	blobs/<algorithm>/<2 hex>/<hex>  complete content, put there in one step
//	partial/<algorithm>-<hex>        what has arrived of a blob, as a sparse file;
//	                                 with .json which bytes that is, and with
//	                                 .lock the lock of whoever fetches it
//	tags/<hex>.json                  one tag, named by the hash of its origin and reference
//	tmp/                             files that have no name yet
package cache

import (
	"crypto/rand"
	"crypto/sha256"
	_ "crypto/sha512" // for digests of sha384 and sha512
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"syscall"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/oci"
	"github.com/berth-oci/berth/internal/base/regular"
)

// What is cached may be private.
const (
	fileMode = 0o600
	dirMode  = 0o700
)

// The directories below the root, which os.Root takes with slashes everywhere.
const (
	blobsDir   = "blobs"
	partialDir = "partial"
	tagsDir    = "tags"
	tempDir    = "tmp"
)

// Step is what an Event tells of.
type Step string

// The steps.
const (
	Damaged Step = "damaged" // the cached blob is not what its digest says, and is removed
	Waiting Step = "waiting" // somebody else fetches the blob
	Resumed Step = "resumed" // Done bytes of the blob are there from an earlier fetch
)

// Event is something that a user may want to know of.
type Event struct {
	Step   Step
	Digest digest.Digest
	Done   int64 // bytes
}

// Events receives events, from several goroutines at once. It may be nil.
type Events func(Event)

func (f Events) send(e Event) {
	if f != nil {
		f(e)
	}
}

// Cache is an open cache. It is safe for concurrent use, also by other processes
// and also when they are killed.
//
// Errors of its methods, unless they say more: diag.StorageFailed for a
// directory that cannot be used, diag.BadArtifact for a descriptor that no
// content can have, and the context's.
type Cache struct {
	dir    string
	root   *os.Root // which on Windows, too, renames and removes files that are open
	events Events
}

// Dir returns where the cache is: $BERTH_CACHE_DIR, else $XDG_CACHE_HOME/berth,
// else berth in the system's directory for caches, which is ~/.cache on Linux.
// It fails with diag.StorageFailed where none of them is known.
func Dir() (string, error) {
	if dir := os.Getenv("BERTH_CACHE_DIR"); dir != "" {
		return filepath.Abs(dir)
	}
	// The XDG base directory specification has relative paths ignored.
	if dir := os.Getenv("XDG_CACHE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "berth"), nil
	}
	if runtime.GOOS != "windows" && runtime.GOOS != "darwin" {
		home, err := os.UserHomeDir()
		if err == nil && !filepath.IsAbs(home) {
			err = fmt.Errorf("the home directory %q is no absolute path", home)
		}
		if err != nil {
			return "", unknownDir(err)
		}
		return filepath.Join(home, ".cache", "berth"), nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", unknownDir(err)
	}
	return filepath.Join(dir, "berth"), nil
}

func unknownDir(err error) error {
	return diag.Errorf(diag.StorageFailed, "no directory for the cache: %w", err).WithHint("name one with BERTH_CACHE_DIR")
}

// Open opens the cache in dir, which it makes if need be.
func Open(dir string, events Events) (*Cache, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	c := &Cache{dir: dir, events: events}
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return nil, c.fault(err)
	}
	if c.root, err = os.OpenRoot(dir); err != nil {
		return nil, c.fault(err)
	}
	return c, nil
}

// Close closes the cache. Blobs that it gave out stay open.
func (c *Cache) Close() error { return c.root.Close() }

// fault says that the cache's directory cannot be used.
func (c *Cache) fault(err error) error {
	d := diag.Errorf(diag.StorageFailed, "cannot use the cache %s: %w", c.dir, err)
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return d.WithHint("make room, for example with berth cache prune, or set BERTH_CACHE_DIR to a directory on another disk")
	}
	return d.WithHint("it must be a directory that this user can write to; set BERTH_CACHE_DIR to another one")
}

// check fails with diag.BadArtifact for a descriptor that no content can have:
// its digest becomes a file name.
func check(d ocispec.Descriptor) error {
	if err := oci.CheckDescriptor(d); err != nil {
		return diag.Errorf(diag.BadArtifact, "%w", err).WithHint("do not trust where the artifact came from")
	}
	return nil
}

func blobName(d digest.Digest) string {
	return path.Join(blobsDir, d.Algorithm().String(), d.Encoded()[:2], d.Encoded())
}

func partialName(d digest.Digest) string {
	return path.Join(partialDir, d.Algorithm().String()+"-"+d.Encoded())
}

// tagName hashes: a reference is longer than a file name may be, and file
// systems that ignore case would take two tags for one.
func tagName(ref Reference) string {
	return tagFileName(ref.Origin.String() + "\n" + ref.String())
}

func tagFileName(of string) string {
	sum := sha256.Sum256([]byte(of))
	return path.Join(tagsDir, hex.EncodeToString(sum[:])+".json")
}

// tagNames are where a tag may be read: what an older berth kept by a digest, under
// another name, is good for everybody, as content is what its digest says.
func tagNames(ref Reference) []string {
	if !ref.isDigest() {
		return []string{tagName(ref)}
	}
	return []string{tagName(ref), tagFileName(ref.Host + "/" + ref.Repository + ":" + ref.Tag)}
}

func (c *Cache) path(name string) string { return filepath.Join(c.dir, filepath.FromSlash(name)) }

// writable makes a directory of the cache.
func (c *Cache) writable(dir string) error {
	if err := c.root.MkdirAll(dir, dirMode); err != nil {
		return err
	}
	// Programs that back up a disk leave out what has this file; see
	// https://bford.info/cachedir/.
	const tag = "CACHEDIR.TAG"
	if _, err := c.root.Lstat(tag); err == nil {
		return nil
	}
	return c.root.WriteFile(tag, []byte("Signature: 8a477f597d28d172789f06886806bc55\n# berth's cache\n"), fileMode)
}

// temp makes a file that has no name yet. What happens to be left of it is
// removed by Prune.
func (c *Cache) temp() (f *os.File, name string, err error) {
	if err := c.writable(tempDir); err != nil {
		return nil, "", err
	}
	name = path.Join(tempDir, rand.Text())
	f, err = c.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, fileMode)
	return f, name, err
}

// replace gives a file new content in one step: whoever reads it meanwhile, or
// after this process was killed, gets the old content or the new. After a power
// cut it may be neither, which whoever reads it must notice.
func (c *Cache) replace(name string, data []byte) error {
	f, temp, err := c.temp()
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err == nil {
		err = c.name(temp, name)
	}
	if err != nil {
		_ = c.root.Remove(temp)
	}
	return err
}

// name renames a file into a directory that it makes if need be.
func (c *Cache) name(from, to string) error {
	if err := c.writable(path.Dir(to)); err != nil {
		return err
	}
	return c.root.Rename(from, to)
}

// maxRecord is far above what a file of a tag or partial has, in bytes.
const maxRecord = 16 << 20

// open opens a file for reading, and nothing else that may have its name.
func (c *Cache) open(name string) (*os.File, fs.FileInfo, error) { return regular.OpenIn(c.root, name) }

// foreign reports whether a name is there and is not that of a file: a pipe, a
// device, a directory, a link. Nobody but a stranger makes one in the cache.
func (c *Cache) foreign(name string) bool {
	info, err := c.root.Lstat(name)
	return err == nil && !info.Mode().IsRegular()
}

// remove removes a file if it is there.
func (c *Cache) remove(name string) error {
	if err := c.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
