// Package store keeps the content of the built-in registry: blobs, manifests,
// tags, uploads and referrers, in distribution's layout on one of
// distribution's storage drivers, so that the real registry program can read
// what this one wrote and the other way round. It also collects garbage and
// verifies blobs. It speaks no HTTP.
//
// A store owns its storage: one process at a time writes there. What it
// remembers in memory is right only because of that.
package store

import (
	"context"
	"errors"
	"log/slog"
	"path"
	"runtime"
	"sync"
	"syscall"
	"time"

	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"
	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/opencontainers/go-digest"
)

// Store is the content of a registry. Its methods may be called concurrently.
//
// Their errors are *Error where the client is at fault, or asked for what is
// not there; others are the storage's.
type Store struct {
	driver storagedriver.StorageDriver
	log    *slog.Logger
	opts   Options

	claims     *claims
	collecting chan struct{} // full while garbage is collected
	scrubbing  sync.Mutex

	blobs     *lru.Cache[string, *knownBlob]       // by repository@digest
	revisions *lru.Cache[string, digest.Digest]    // canonical digest, by repository@digest
	manifests *lru.Cache[digest.Digest, Manifest]  // small ones, by canonical digest
	inspected *lru.Cache[digest.Digest, inspected] // files of manifests on a disk, by canonical digest
	tagged    *lru.Cache[string, digest.Digest]    // by repository:tag
	sizes     *lru.Cache[digest.Digest, int64]     // of blobs, as manifests have them, which name them by any digest
	verdicts  *verdicts                            // on blobs that were doubted

	// Where a cache is filled from storage, or storage changes, one of these is
	// held: or a slow reader could put back what a writer has just replaced.
	blobLocks, revisionLocks, tagLocks stripes
	// manifestLocks is for who writes or removes a manifest; it is taken before
	// the others.
	manifestLocks stripes

	loading, parsing chan struct{} // places for manifests, see load

	absent absentees // see Restore

	tags         *lists
	repositories *lists
	referrers    *referrers
	uploads      *uploads
	writers      *writers
}

// Options of a store.
type Options struct {
	Log *slog.Logger
	// Delay protects what nothing names yet from garbage collection: until it is
	// this old, and nothing was pushed to its repository for as long.
	Delay time.Duration
	// Purge ends what the storage service keeps of interrupted uploads since before
	// a time, and returns how many; nil where there is no such thing.
	Purge func(ctx context.Context, before time.Time) (int, error)
	// Writers is how many uploads may have a file open, or a connection to a service:
	// most of them those that are sent, half of them by one client, and few others.
	// Zero is for a default.
	Writers int
	// Untagged makes manifests garbage that no tag, index or live subject leads to.
	Untagged bool
}

// How much is remembered. Each entry is a few hundred bytes, a manifest at most
// cachedManifest.
const (
	cachedLinks     = 1 << 14
	cachedManifests = 512
	cachedManifest  = 32 << 10
)

// New returns a store on a driver, which it owns from now on.
func New(driver storagedriver.StorageDriver, opts Options) *Store {
	s := &Store{
		driver:     calmDriver(driver, opts.Log),
		log:        opts.Log,
		opts:       opts,
		claims:     newClaims(opts.Delay),
		collecting: make(chan struct{}, 1),
		blobs:      cache[string, *knownBlob](cachedLinks),
		revisions:  cache[string, digest.Digest](cachedLinks),
		manifests:  cache[digest.Digest, Manifest](cachedManifests),
		inspected:  cache[digest.Digest, inspected](cachedManifests),
		tagged:     cache[string, digest.Digest](cachedLinks),
		sizes:      cache[digest.Digest, int64](cachedLinks),
		verdicts:   newVerdicts(),
	}
	const loads = 32
	s.loading, s.parsing = make(chan struct{}, loads), make(chan struct{}, runtime.GOMAXPROCS(0))
	s.tags = newLists(s.readTags)
	s.repositories = newLists(func(ctx context.Context, _ string) ([]string, error) { return s.readRepositories(ctx) })
	s.referrers = newReferrers(s)
	s.uploads = newUploads(s)
	s.writers = newWriters(opts.Writers)
	return s
}

func cache[K comparable, V any](size int) *lru.Cache[K, V] {
	c, err := lru.New[K, V](size)
	if err != nil {
		panic(err) // the size is not positive
	}
	return c
}

// Close ends the uploads that are under way, keeping what they have.
func (s *Store) Close() error {
	s.referrers.close()
	return s.uploads.close()
}

// Ready fails when the storage does not answer. Storage that is full, or takes no
// writes for another reason, still serves pulls, and so is ready.
func (s *Store) Ready(ctx context.Context) error {
	_, err := s.driver.Stat(ctx, root)
	if missing(err) {
		return nil // nothing was pushed yet
	}
	return err
}

// root is above all that a registry stores.
const root = "/docker/registry/v2"

const repositoriesRoot = root + "/repositories"

// Paths of distribution's layout. None of the parts has a slash or is a dot,
// apart from repository names, which checkName lets through.

func blobsPath(a digest.Algorithm) string { return path.Join(root, "blobs", a.String()) }

func blobPath(d digest.Digest) string {
	return path.Join(blobsPath(d.Algorithm()), d.Encoded()[:2], d.Encoded())
}

func blobData(d digest.Digest) string { return blobPath(d) + "/data" }

func repositoryPath(repo string) string { return path.Join(repositoriesRoot, repo) }

func layersPath(repo string) string { return repositoryPath(repo) + "/_layers" }

func layerPath(repo string, d digest.Digest) string {
	return path.Join(layersPath(repo), d.Algorithm().String(), d.Encoded())
}

func layerLink(repo string, d digest.Digest) string { return layerPath(repo, d) + "/link" }

func manifestsPath(repo string) string { return repositoryPath(repo) + "/_manifests" }

func revisionsPath(repo string) string { return manifestsPath(repo) + "/revisions" }

func revisionPath(repo string, d digest.Digest) string {
	return path.Join(revisionsPath(repo), d.Algorithm().String(), d.Encoded())
}

func revisionLink(repo string, d digest.Digest) string { return revisionPath(repo, d) + "/link" }

func tagsPath(repo string) string { return manifestsPath(repo) + "/tags" }

func tagPath(repo, tag string) string { return path.Join(tagsPath(repo), tag) }

func tagLink(repo, tag string) string { return tagPath(repo, tag) + "/current/link" }

func uploadsPath(repo string) string { return repositoryPath(repo) + "/_uploads" }

// uploadPath is a file, and not distribution's directory with one: to make and
// remove a directory costs as much as all else that is written for a small blob.
// Neither program goes on with an upload of the other.
func uploadPath(repo, id string) string { return path.Join(uploadsPath(repo), id) }

// at names something in a repository for a cache or a lock.
func at(repo string, d digest.Digest) string { return repo + "@" + d.String() }

// missing reports whether the storage has nothing at a path.
func missing(err error) bool {
	var e storagedriver.PathNotFoundError
	return errors.As(err, &e)
}

// list returns the last elements of the paths directly below a path, in no
// order; none when the path is missing.
func (s *Store) list(ctx context.Context, dir string) ([]string, error) {
	names, err := s.listWhole(ctx, dir)
	if errors.Is(err, syscall.ENOTDIR) {
		return nil, nil
	}
	return names, err
}

// listWhole is list for a directory of which everything counts, as what is not
// listed may be removed. It fails where a file is in its place, which is not the
// same as nothing.
func (s *Store) listWhole(ctx context.Context, dir string) ([]string, error) {
	paths, err := s.driver.List(ctx, dir)
	if missing(err) && !errors.Is(err, syscall.ENOTDIR) {
		return nil, nil
	}
	for i, p := range paths {
		paths[i] = path.Base(p)
	}
	return paths, err
}

// remove deletes a path and all below. That it is missing is as well.
func (s *Store) remove(ctx context.Context, name string) error {
	if err := s.driver.Delete(ctx, name); err != nil && !missing(err) {
		return err
	}
	return nil
}

// fileDeleter is what a driver without directories has: it deletes one file at
// less cost than a path that may have more below it.
type fileDeleter interface {
	DeleteFile(ctx context.Context, path string) error
}

// removeOnly deletes a file with its directory, in which it is alone.
func (s *Store) removeOnly(ctx context.Context, file string) error {
	if d, ok := s.driver.(fileDeleter); ok {
		return d.DeleteFile(ctx, file)
	}
	return s.remove(ctx, path.Dir(file))
}

// write is one file of a change to the storage.
type write struct {
	path    string
	content []byte
}

// publisher is what a driver has that can make several files visible at less
// than the cost of each.
type publisher interface {
	// Publish moves from to to, unless from is empty, and then writes the files.
	// They become visible in order, and all is durable when it returns.
	Publish(ctx context.Context, from, to string, paths []string, contents [][]byte) error
}

// publish moves from to to, unless from is empty, and then writes the files, in
// order. All is durable when it returns; after a crash there is a beginning of
// it.
func (s *Store) publish(ctx context.Context, from, to string, writes ...write) error {
	if p, ok := s.driver.(publisher); ok {
		paths, contents := make([]string, len(writes)), make([][]byte, len(writes))
		for i, w := range writes {
			paths[i], contents[i] = w.path, w.content
		}
		return p.Publish(ctx, from, to, paths, contents)
	}
	if from != "" {
		if err := s.driver.Move(ctx, from, to); err != nil {
			return err
		}
	}
	for _, w := range writes {
		if err := s.driver.PutContent(ctx, w.path, w.content); err != nil {
			return err
		}
	}
	return nil
}
