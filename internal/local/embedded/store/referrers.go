package store

import (
	"context"
	"encoding/json"
	"errors"
	"hash/fnv"
	"sync"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// referrers is the index behind the referrers API: for each subject of a
// repository the manifests that name it. It is stored beside the manifests,
//
//	<repository>/_referrers/index/<hex of the subject>.<hex of the manifest>   an entry, see referrer
//	<repository>/_referrers/state                                              how many entries there are, and which
//
// and made again from the manifests when the two do not fit together, or an entry
// is not what its first line says. While manifest and index change, the state
// says nothing: whoever finds it so makes the index again. So does who finds the
// state of an earlier version, which kept one file for all of a subject.
//
// To push a manifest costs the same however many refer to its subject, and what
// is remembered has a bound in bytes: names of entries in lists, entries, and
// answers as they are given.
type referrers struct {
	s       *Store
	names   *lists             // of entries, by repository
	entries *sized[referrer]   // by repository/name
	pages   *sized[madePage]   // by pageKey
	ctx     context.Context    // of making an index, which is not that of who asks for it
	cancel  context.CancelFunc // at the end of the store
	making  sync.WaitGroup     // indexes

	mu    sync.Mutex
	repos map[string]*referrersState
}

// referrersState is what is remembered of a repository.
type referrersState struct {
	users int // guarded by referrers.mu: those at work with it

	mu     sync.Mutex // held while the files change
	loaded bool       // and found to fit
	made   *making    // under way; nil for none
	doubts int        // how often it was found that the files may not fit
	adds   int        // how often an entry was written otherwise
	broken bool       // an entry is, whatever the state says
	entrySet
}

// entrySet tells sets of entries apart, in constant space.
type entrySet struct {
	Version int    `json:"version"` // of the form of the index
	Count   int    `json:"count"`
	Sum     uint64 `json:"sum"` // of the hashes of their names, by exclusive or
}

const referrersVersion = 2

func (s *entrySet) flip(name string, by int) {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))
	s.Sum ^= h.Sum64()
	s.Count += by
}

const (
	// cachedEntries bounds the entries that are remembered, in bytes.
	cachedEntries = 12 << 20
	// cachedPages bounds the answers that are remembered, and cachedPage one of them.
	cachedPages = 4 << 20
	cachedPage  = 256 << 10
	// cachedStates is how many repositories are remembered when nobody is at work
	// there.
	cachedStates = 4096
)

func newReferrers(s *Store) *referrers {
	r := &referrers{s: s, repos: map[string]*referrersState{}, entries: newSized[referrer](cachedEntries), pages: newSized[madePage](cachedPages)}
	r.names = newLists(r.readNames)
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r
}

// close ends the making of indexes, which the next process begins anew.
func (r *referrers) close() {
	r.mu.Lock()
	r.cancel()
	r.mu.Unlock()
	r.making.Wait()
}

func referrersPath(repo string) string { return repositoryPath(repo) + "/_referrers" }

func referrersIndex(repo string) string { return referrersPath(repo) + "/index" }

func referrersEntry(repo, name string) string { return referrersIndex(repo) + "/" + name }

func referrersStatePath(repo string) string { return referrersPath(repo) + "/state" }

// use returns what is remembered of a repository, until done is called.
func (r *referrers) use(repo string) (st *referrersState, done func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	st = r.repos[repo]
	if st == nil {
		r.makeRoom()
		st = &referrersState{}
		r.repos[repo] = st
	}
	st.users++
	return st, func() { r.leave(st) }
}

func (r *referrers) leave(st *referrersState) {
	r.mu.Lock()
	defer r.mu.Unlock()
	st.users--
}

// makeRoom forgets any repository when there are too many.
func (r *referrers) makeRoom() {
	if len(r.repos) < cachedStates {
		return
	}
	for repo, st := range r.repos {
		if st.users == 0 {
			delete(r.repos, repo)
			return
		}
	}
}

// hold returns the state of a repository with its lock, once the index fits.
//
// Its error may be that the storage takes no writes.
func (r *referrers) hold(ctx context.Context, repo string) (st *referrersState, release func(), err error) {
	st, done := r.use(repo)
	defer func() {
		if release == nil {
			done()
		}
	}()
	for {
		st.mu.Lock()
		if st.loaded {
			return st, func() { st.mu.Unlock(); done() }, nil
		}
		st.mu.Unlock()
		if _, err := r.fit(ctx, st, repo); err != nil {
			return nil, nil, err
		}
	}
}

// unfinished is what the state file has while manifest and index change.
const unfinished = "changing\n"

// add returns what to write so that a subject has one more referrer, before and
// after what makes that a manifest of the repository. It holds the repository's
// index until done is called, with whether all was written.
func (r *referrers) add(ctx context.Context, repo string, subject digest.Digest, d v1.Descriptor, content []byte) (first, last []write, done func(written bool), err error) {
	st, release, err := r.hold(ctx, repo)
	if err != nil {
		return nil, nil, nil, err
	}
	defer func() {
		if done == nil {
			release()
		}
	}()
	name := entryName(subject, digest.FromBytes(content))
	before, err := r.entry(ctx, repo, name)
	known := !missing(err)
	if known && err != nil && !errors.Is(err, errReferrerDamaged) {
		return nil, nil, nil, err
	}
	// Once, whichever of its digests it was pushed by.
	if other := digest.SHA512.FromBytes(content); before.Digest == other {
		d.Digest = other
	}
	e := referrerOf(d)
	after := st.entrySet
	if !known {
		after.flip(name, 1)
	}
	state, err := after.encode()
	if err != nil {
		return nil, nil, nil, err
	}
	entry, err := e.encode()
	if err != nil {
		return nil, nil, nil, err
	}
	first = []write{{referrersStatePath(repo), []byte(unfinished)}}
	last = []write{{referrersEntry(repo, name), entry}, {referrersStatePath(repo), state}}
	return first, last, func(written bool) {
		defer release()
		if !written {
			r.doubt(st, repo) // there may be a part of it
			return
		}
		st.entrySet = after
		st.adds++
		r.names.add(repo, name)
		r.entries.add(repo+"/"+name, e, e.encoded)
	}, nil
}

// remove takes a manifest out of the referrers of its subject and out of the
// repository, which unlink does.
func (r *referrers) remove(ctx context.Context, repo string, subject, canonical digest.Digest, unlink func() error) error {
	st, release, err := r.hold(ctx, repo)
	if err != nil {
		return err
	}
	defer release()
	name := entryName(subject, canonical)
	if _, err := r.entry(ctx, repo, name); missing(err) {
		return unlink()
	} else if err != nil && !errors.Is(err, errReferrerDamaged) {
		return err
	}
	after := st.entrySet
	after.flip(name, -1)
	r.doubt(st, repo)
	if err := r.s.driver.PutContent(ctx, referrersStatePath(repo), []byte(unfinished)); err != nil {
		return err
	}
	if err := unlink(); err != nil {
		return err
	}
	if err := r.s.remove(ctx, referrersEntry(repo, name)); err != nil {
		return err
	}
	r.entries.remove(repo + "/" + name)
	if err := r.writeState(ctx, repo, after); err != nil {
		return err
	}
	st.entrySet, st.loaded = after, true
	return nil
}

// doubt makes the next look at the index of a repository compare it, for the
// holder of its lock.
func (r *referrers) doubt(st *referrersState, repo string) {
	st.loaded = false
	st.doubts++
	r.names.forget(repo)
}

func (s entrySet) encode() ([]byte, error) {
	s.Version = referrersVersion
	return json.Marshal(s)
}

func (r *referrers) writeState(ctx context.Context, repo string, s entrySet) error {
	data, err := s.encode()
	if err != nil {
		return err
	}
	return r.s.driver.PutContent(ctx, referrersStatePath(repo), data)
}

// invalidate makes the next look at the index of a repository make it anew.
func (r *referrers) invalidate(ctx context.Context, repo string) error {
	st, done := r.use(repo)
	defer done()
	st.mu.Lock()
	defer st.mu.Unlock()
	r.doubt(st, repo)
	r.entries.purge()
	return r.s.driver.PutContent(ctx, referrersStatePath(repo), []byte(unfinished))
}

// forget is for a repository that was removed.
func (r *referrers) forget(repo string) {
	st, done := r.use(repo)
	defer done()
	st.mu.Lock()
	defer st.mu.Unlock()
	r.doubt(st, repo)
	r.entries.purge()
}
