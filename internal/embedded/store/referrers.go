package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"hash/fnv"
	"path"
	"slices"
	"strings"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// referrers is the index behind the referrers API: for each subject of a
// repository the manifests that name it. It is stored beside the manifests,
//
//	<repository>/_referrers/<algorithm>/<hex of the subject>   the list of one subject
//	<repository>/_referrers/state                              how many subjects have one, and which
//
// and made again from the manifests when the two do not fit together, or a list
// is not what its first line says. While manifest and index change, the state
// says nothing: whoever finds it so makes the index again.
type referrers struct {
	s *Store

	mu    sync.Mutex
	repos map[string]*referrersState
	lists *lru.Cache[string, []v1.Descriptor] // by repository@subject
}

// referrersState is what is remembered of a repository. Its lock is held while
// its files change.
type referrersState struct {
	mu     sync.Mutex
	loaded bool // and found to fit
	subjects
}

// subjects tells sets of subjects apart, in constant space.
type subjects struct {
	Count int    `json:"count"`
	Sum   uint64 `json:"sum"` // of the hashes of all, by exclusive or
}

func (s *subjects) flip(subject digest.Digest, by int) {
	h := fnv.New64a()
	_, _ = h.Write([]byte(subject))
	s.Sum ^= h.Sum64()
	s.Count += by
}

const cachedReferrers = 1024

func newReferrers(s *Store) *referrers {
	return &referrers{s: s, repos: map[string]*referrersState{}, lists: cache[string, []v1.Descriptor](cachedReferrers)}
}

func referrersPath(repo string) string { return repositoryPath(repo) + "/_referrers" }

func referrersList(repo string, subject digest.Digest) string {
	return path.Join(referrersPath(repo), subject.Algorithm().String(), subject.Encoded())
}

func referrersStatePath(repo string) string { return referrersPath(repo) + "/state" }

// Referrers returns the manifests of a repository whose subject is the one
// given, by digest. They must not be changed.
func (s *Store) Referrers(ctx context.Context, repo string, subject digest.Digest) ([]v1.Descriptor, error) {
	if list, ok := s.referrers.lists.Get(at(repo, subject)); ok {
		return list, nil
	}
	// Nothing is stored for a name that somebody merely asked for.
	if _, err := s.driver.Stat(ctx, manifestsPath(repo)); missing(err) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	st := s.referrers.state(repo)
	st.mu.Lock()
	defer st.mu.Unlock()
	return s.referrers.get(ctx, st, repo, subject)
}

func (r *referrers) state(repo string) *referrersState {
	r.mu.Lock()
	defer r.mu.Unlock()
	st := r.repos[repo]
	if st == nil {
		st = &referrersState{}
		r.repos[repo] = st
	}
	return st
}

// get reads the list of a subject, for the holder of the state's lock.
func (r *referrers) get(ctx context.Context, st *referrersState, repo string, subject digest.Digest) ([]v1.Descriptor, error) {
	made, err := r.load(ctx, st, repo)
	if err != nil {
		return nil, err
	}
	var list []v1.Descriptor
	if made == nil {
		list, err = r.read(ctx, repo, subject)
		if errors.Is(err, errReferrersDamaged) {
			made, err = r.rebuild(ctx, st, repo, "a list is damaged")
		}
	}
	if made != nil {
		list = made[subject]
	}
	if err == nil {
		r.lists.Add(at(repo, subject), list)
	}
	return list, err
}

var errReferrersDamaged = errors.New("a list of referrers is damaged")

func (r *referrers) read(ctx context.Context, repo string, subject digest.Digest) ([]v1.Descriptor, error) {
	data, err := r.s.driver.GetContent(ctx, referrersList(repo, subject))
	if missing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	sum, rest, _ := bytes.Cut(data, []byte("\n"))
	var list []v1.Descriptor
	if string(sum) != digest.FromBytes(rest).String() || json.Unmarshal(rest, &list) != nil {
		return nil, errReferrersDamaged
	}
	return list, nil
}

func encodeReferrers(list []v1.Descriptor) ([]byte, error) {
	data, err := json.Marshal(list)
	return append([]byte(digest.FromBytes(data)+"\n"), data...), err
}

// unfinished is what the state file has while manifest and index change.
const unfinished = "changing\n"

// add returns what to write so that a subject has one more referrer, before and
// after what makes that a manifest of the repository. It holds the repository's
// index until done is called, with whether all was written.
func (r *referrers) add(ctx context.Context, repo string, subject digest.Digest, d v1.Descriptor, content []byte) (first, last []write, done func(written bool), err error) {
	st := r.state(repo)
	st.mu.Lock()
	defer func() {
		if err != nil {
			st.mu.Unlock()
		}
	}()
	before, err := r.get(ctx, st, repo, subject)
	if err != nil {
		return nil, nil, nil, err
	}
	// Once, whichever of its digests it was pushed by.
	list := slices.Clone(before)
	other := digest.SHA512.FromBytes(content)
	list = slices.DeleteFunc(list, func(e v1.Descriptor) bool {
		if e.Digest == other {
			d.Digest = other
		}
		return e.Digest == other || e.Digest == digest.FromBytes(content)
	})
	list = append(list, d)
	sortDescriptors(list)
	data, err := encodeReferrers(list)
	if err != nil {
		return nil, nil, nil, err
	}
	after := st.subjects
	if len(before) == 0 {
		after.flip(subject, 1)
	}
	state, err := json.Marshal(after)
	if err != nil {
		return nil, nil, nil, err
	}
	first = []write{{referrersStatePath(repo), []byte(unfinished)}}
	last = []write{{referrersList(repo, subject), data}, {referrersStatePath(repo), state}}
	return first, last, func(written bool) {
		defer st.mu.Unlock()
		if !written {
			st.loaded = false // there may be a part of it
			r.lists.Remove(at(repo, subject))
			return
		}
		st.subjects = after
		r.lists.Add(at(repo, subject), list)
	}, nil
}

// remove takes a manifest out of the referrers of its subject, under any of its
// digests, and out of the repository, which unlink does.
func (r *referrers) remove(ctx context.Context, repo string, subject digest.Digest, names []digest.Digest, unlink func() error) error {
	st := r.state(repo)
	st.mu.Lock()
	defer st.mu.Unlock()
	before, err := r.get(ctx, st, repo, subject)
	if err != nil {
		return err
	}
	list := slices.DeleteFunc(slices.Clone(before), func(d v1.Descriptor) bool { return slices.Contains(names, d.Digest) })
	if len(list) == len(before) {
		return unlink()
	}
	st.loaded = false
	r.lists.Remove(at(repo, subject))
	if err := r.s.driver.PutContent(ctx, referrersStatePath(repo), []byte(unfinished)); err != nil {
		return err
	}
	if err := unlink(); err != nil {
		return err
	}
	if len(list) > 0 {
		data, err := encodeReferrers(list)
		if err != nil {
			return err
		}
		if err := r.s.driver.PutContent(ctx, referrersList(repo, subject), data); err != nil {
			return err
		}
	} else {
		if err := r.s.remove(ctx, referrersList(repo, subject)); err != nil {
			return err
		}
		st.flip(subject, -1)
	}
	if err := r.writeState(ctx, repo, st.subjects); err != nil {
		return err
	}
	st.loaded = true
	return nil
}

func (r *referrers) writeState(ctx context.Context, repo string, s subjects) error {
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return r.s.driver.PutContent(ctx, referrersStatePath(repo), data)
}

// load makes sure that the index of a repository is whole. It returns the index
// where it had to be made again.
func (r *referrers) load(ctx context.Context, st *referrersState, repo string) (made map[digest.Digest][]v1.Descriptor, err error) {
	if st.loaded {
		return nil, nil
	}
	data, err := r.s.driver.GetContent(ctx, referrersStatePath(repo))
	if err != nil && !missing(err) {
		return nil, err
	}
	if missing(err) || json.Unmarshal(data, &st.subjects) != nil {
		return r.rebuild(ctx, st, repo, "its state is missing or damaged, or a change was not finished")
	}
	found, err := r.stored(ctx, repo)
	if err != nil {
		return nil, err
	}
	var have subjects
	for _, subject := range found {
		have.flip(subject, 1)
	}
	if have != st.subjects {
		return r.rebuild(ctx, st, repo, "lists are missing")
	}
	st.loaded = true
	return nil, nil
}

// invalidate makes the next look at the index of a repository make it anew.
func (r *referrers) invalidate(ctx context.Context, repo string) error {
	st := r.state(repo)
	st.mu.Lock()
	defer st.mu.Unlock()
	st.loaded = false
	r.lists.Purge()
	return r.s.driver.PutContent(ctx, referrersStatePath(repo), []byte(unfinished))
}

// stored returns the subjects that have a list.
func (r *referrers) stored(ctx context.Context, repo string) (found []digest.Digest, err error) {
	for _, a := range []digest.Algorithm{digest.SHA256, digest.SHA512} {
		names, err := r.s.list(ctx, path.Join(referrersPath(repo), a.String()))
		if err != nil {
			return nil, err
		}
		for _, hex := range names {
			if d := digest.NewDigestFromEncoded(a, hex); d.Validate() == nil {
				found = append(found, d)
			}
		}
	}
	return found, nil
}

// rebuild makes the index of a repository from its manifests. Storage that takes
// no writes does not stop the answer: it is made once more the next time.
func (r *referrers) rebuild(ctx context.Context, st *referrersState, repo, why string) (map[digest.Digest][]v1.Descriptor, error) {
	st.loaded = false
	made := map[digest.Digest][]v1.Descriptor{}
	err := r.s.eachRevision(ctx, repo, func(canonical digest.Digest, names []digest.Digest) error {
		m, p, err := r.s.load(ctx, canonical)
		var e *Error
		if errors.As(err, &e) || err == nil && p.subject == "" {
			return nil
		}
		if err == nil {
			made[p.subject] = append(made[p.subject], descriptor(p, names[len(names)-1], int64(len(m.Content))))
		}
		return err
	})
	if err != nil && !errors.Is(err, errDamagedLink) {
		return nil, err
	}
	old, err := r.stored(ctx, repo)
	if err != nil {
		return nil, err
	}
	if len(old)+len(made) > 0 {
		r.s.log.Warn("the index of referrers was made again", "repository", repo, "why", why, "subjects", len(made))
	}
	for _, list := range made {
		sortDescriptors(list)
	}
	for _, subject := range old {
		r.lists.Remove(at(repo, subject))
	}
	if err := r.write(ctx, st, repo, made, old); err != nil {
		r.s.log.Warn("the index of referrers cannot be stored", "repository", repo, "error", err)
	}
	return made, nil
}

// write replaces the stored index of a repository; old are the subjects that
// have a list in it.
func (r *referrers) write(ctx context.Context, st *referrersState, repo string, made map[digest.Digest][]v1.Descriptor, old []digest.Digest) error {
	var now subjects
	for subject, list := range made {
		data, err := encodeReferrers(list)
		if err != nil {
			return err
		}
		if err := r.s.driver.PutContent(ctx, referrersList(repo, subject), data); err != nil {
			return err
		}
		now.flip(subject, 1)
	}
	for _, subject := range old {
		if made[subject] == nil {
			if err := r.s.remove(ctx, referrersList(repo, subject)); err != nil {
				return err
			}
		}
	}
	if err := r.writeState(ctx, repo, now); err != nil {
		return err
	}
	st.subjects, st.loaded = now, true
	return nil
}

// forget is for a repository that was removed.
func (r *referrers) forget(repo string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.repos, repo)
}

// descriptor is what the referrers API tells of a manifest.
func descriptor(p parsed, d digest.Digest, size int64) v1.Descriptor {
	return v1.Descriptor{MediaType: p.mediaType, Digest: d, Size: size, ArtifactType: p.artifactType, Annotations: p.annotations}
}

func sortDescriptors(list []v1.Descriptor) {
	slices.SortFunc(list, func(a, b v1.Descriptor) int { return strings.Compare(a.Digest.String(), b.Digest.String()) })
}

// eachRevision calls visit for each manifest of a repository, with its canonical
// digest and all that it is known by, the canonical one first. It fails with
// errDamagedLink, after all visits, when it cannot tell whose name one is.
func (s *Store) eachRevision(ctx context.Context, repo string, visit func(canonical digest.Digest, names []digest.Digest) error) error {
	var damaged error
	aliases := map[digest.Digest][]digest.Digest{}
	hexes, err := s.list(ctx, path.Join(revisionsPath(repo), digest.SHA512.String()))
	if err != nil {
		return err
	}
	for _, hex := range hexes {
		d := digest.NewDigestFromEncoded(digest.SHA512, hex)
		canonical, err := s.link(ctx, revisionLink(repo, d))
		switch {
		case err == nil:
			aliases[canonical] = append(aliases[canonical], d)
		case errors.Is(err, errDamagedLink):
			damaged = errDamagedLink
		case !missing(err):
			return err
		}
	}
	hexes, err = s.list(ctx, path.Join(revisionsPath(repo), digest.SHA256.String()))
	if err != nil {
		return err
	}
	for _, hex := range hexes {
		d := digest.NewDigestFromEncoded(digest.SHA256, hex)
		if d.Validate() != nil {
			continue
		}
		if err := visit(d, append([]digest.Digest{d}, aliases[d]...)); err != nil {
			return err
		}
	}
	return damaged
}
