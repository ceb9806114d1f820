package store

import (
	"context"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/berth-oci/berth/internal/base/oci"
)

// lists remembers sorted names by key, such as the tags of a repository: reading
// a directory of a million takes seconds.
type lists struct {
	read func(ctx context.Context, key string) ([]string, error)

	mu   sync.Mutex
	all  map[string]*list
	size int // in bytes, of all
}

// list is one of them. names is replaced and never changed, so that it can be
// given away.
type list struct {
	used time.Time // guarded by lists.mu
	size int       // in bytes, as when it was last asked for; guarded by lists.mu

	mu      sync.Mutex
	loaded  bool
	names   []string
	changes map[string]bool // since: added, or else removed
}

const (
	// listAge is how long an unused list is remembered.
	listAge = time.Minute
	// listBytes bounds what is remembered: beyond it the lists go that were not
	// asked for the longest, but the last one, or its next page would read all.
	listBytes = 64 << 20
	// maxChanges is how many are remembered beside a list that nobody asks for.
	maxChanges = 1 << 16
	// nameBytes is what a name takes beside its characters.
	nameBytes = 16
)

func newLists(read func(ctx context.Context, key string) ([]string, error)) *lists {
	return &lists{read: read, all: map[string]*list{}}
}

// get returns the names in byte order. They must not be changed. That there are
// none is not remembered: anybody can ask for what does not exist.
func (ls *lists) get(ctx context.Context, key string) ([]string, error) {
	ls.mu.Lock()
	l := ls.all[key]
	if l == nil {
		l = &list{}
		ls.all[key] = l
	}
	l.used = time.Now()
	ls.mu.Unlock()

	l.mu.Lock()
	defer l.mu.Unlock()
	read := !l.loaded
	if read {
		names, err := ls.read(ctx, key)
		if err != nil {
			ls.settle(key, l, nil)
			return nil, err
		}
		for i, name := range names { // or the paths that they end would be remembered
			names[i] = strings.Clone(name)
		}
		slices.Sort(names)
		l.names, l.loaded, l.changes = names, true, map[string]bool{}
	}
	if l.merge() || read {
		ls.settle(key, l, l.names)
	}
	return l.names, nil
}

// settle notes how large a list became, and drops it when it is empty, or others
// for its sake.
func (ls *lists) settle(key string, l *list, names []string) {
	size := 0
	for _, name := range names {
		size += len(name) + nameBytes
	}
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if ls.all[key] != l {
		return
	}
	ls.size += size - l.size
	l.size = size
	if size == 0 {
		ls.drop(key)
	}
	for ls.size > listBytes && len(ls.all) > 1 {
		oldest := ""
		for k, other := range ls.all {
			if k != key && (oldest == "" || other.used.Before(ls.all[oldest].used)) {
				oldest = k
			}
		}
		ls.drop(oldest)
	}
}

// merge applies the changes, if there are any.
func (l *list) merge() bool {
	if len(l.changes) == 0 {
		return false
	}
	names := make([]string, 0, len(l.names)+len(l.changes))
	for _, name := range l.names {
		if _, changed := l.changes[name]; !changed {
			names = append(names, name)
		}
	}
	kept := len(names)
	for name, added := range l.changes {
		if added {
			names = append(names, name)
		}
	}
	if added := names[kept:]; len(added) > 0 {
		slices.Sort(added)
		if kept > 0 && added[0] < names[kept-1] {
			slices.Sort(names)
		}
	}
	l.names, l.changes = names, map[string]bool{}
	return true
}

// add notes that the storage has one more name, and remove one less. A list that
// is just being read waits for that, so that it has the change either way.
func (ls *lists) add(key, name string)    { ls.change(key, name, true) }
func (ls *lists) remove(key, name string) { ls.change(key, name, false) }

func (ls *lists) change(key, name string, added bool) {
	ls.mu.Lock()
	l := ls.all[key]
	ls.mu.Unlock()
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.loaded {
		l.changes[name] = added
		if len(l.changes) >= maxChanges {
			l.merge()
		}
	}
}

// forget drops the list of a key.
func (ls *lists) forget(key string) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	ls.drop(key)
}

// tidy drops the lists that nobody asked for of late.
func (ls *lists) tidy() {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for key, l := range ls.all {
		if time.Since(l.used) > listAge {
			ls.drop(key)
		}
	}
}

// drop is forget for the holder of mu.
func (ls *lists) drop(key string) {
	if l := ls.all[key]; l != nil {
		ls.size -= l.size
		delete(ls.all, key)
	}
}

// Tags returns the tags of a repository in byte order. They must not be changed.
//
// Errors: oci.CodeNameUnknown.
func (s *Store) Tags(ctx context.Context, repo string) ([]string, error) {
	tags, err := s.tags.get(ctx, repo)
	if err != nil || len(tags) > 0 {
		return tags, err
	}
	_, err = s.driver.Stat(ctx, manifestsPath(repo))
	if missing(err) {
		return nil, fault(oci.CodeNameUnknown, "there is no such repository")
	}
	return nil, err
}

func (s *Store) readTags(ctx context.Context, repo string) ([]string, error) {
	names, err := s.list(ctx, tagsPath(repo))
	return slices.DeleteFunc(names, func(name string) bool { return !oci.IsTag(name) }), err
}

// Repositories returns the names of all repositories with manifests, in byte
// order. They must not be changed.
func (s *Store) Repositories(ctx context.Context) ([]string, error) {
	return s.repositories.get(ctx, "")
}

func (s *Store) readRepositories(ctx context.Context) ([]string, error) {
	var names []string
	err := s.eachRepository(ctx, func(repo string, parts []string) {
		if slices.Contains(parts, "_manifests") {
			names = append(names, repo)
		}
	})
	return names, err
}

// eachRepository calls visit for every directory of a repository, with what is
// in it of a repository's own. It lists directories, several at a time, and
// walks through none of what a repository holds.
func (s *Store) eachRepository(ctx context.Context, visit func(repo string, parts []string)) error {
	const parallel = 16
	var mu sync.Mutex
	level := []string{""}
	for len(level) > 0 {
		var next []string
		group, ctx := errgroup.WithContext(ctx)
		group.SetLimit(parallel)
		for _, dir := range level {
			group.Go(func() error {
				entries, err := s.list(ctx, path.Join(repositoriesRoot, dir))
				if err != nil {
					return err
				}
				var parts []string
				mu.Lock()
				defer mu.Unlock()
				for _, e := range entries {
					if strings.HasPrefix(e, "_") {
						parts = append(parts, e)
					} else {
						next = append(next, path.Join(dir, e))
					}
				}
				if len(parts) > 0 {
					visit(dir, parts)
				}
				return nil
			})
		}
		if err := group.Wait(); err != nil {
			return err
		}
		level = next
	}
	return nil
}
