package store

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"
)

// making is an index that is compared with what its state says, and made again
// from the manifests if need be. All who need it wait for the one.
type making struct {
	done chan struct{} // closed at the end

	// names of all entries where the index could be made and not be stored: who
	// merely asks is answered all the same. Else nil.
	names []string
	err   error // of the storage
	// unstored is why the index could not be stored.
	unstored error
}

// fit makes sure that the index of a repository is whole, which may take as long
// as to read all its manifests. ctx is for the waiting only: who goes away ends
// nothing. It fails with the reason when the storage takes no writes, and then
// returns the names of all entries.
func (r *referrers) fit(ctx context.Context, st *referrersState, repo string) (names []string, err error) {
	st.mu.Lock()
	if st.loaded {
		st.mu.Unlock()
		return nil, nil
	}
	if st.made == nil {
		st.made = r.begin(st, repo)
	}
	m := st.made
	st.mu.Unlock()
	select {
	case <-m.done:
		return m.names, errors.Join(m.err, m.unstored)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// begin begins a making, which has ended already when the store has. The making is
// at work with the state, whoever waits for it, so that there is one for all.
func (r *referrers) begin(st *referrersState, repo string) *making {
	m := &making{done: make(chan struct{})}
	r.mu.Lock()
	defer r.mu.Unlock()
	if m.err = r.ctx.Err(); m.err != nil {
		close(m.done)
		return m
	}
	st.users++
	r.making.Go(func() {
		defer close(m.done)
		defer r.leave(st)
		r.compare(st, repo, m)
	})
	return m
}

// compare is the work of a making.
func (r *referrers) compare(st *referrersState, repo string, m *making) {
	changed := ""
	for {
		st.mu.Lock()
		doubts, broken := st.doubts, st.broken
		st.mu.Unlock()
		found, why, err := r.stored(r.ctx, repo)
		why = cmp.Or(why, changed)
		if broken {
			why = cmp.Or(why, "an entry is damaged")
		}
		if err == nil && why != "" {
			found, err = r.make(r.ctx, repo, why, m)
		}
		st.mu.Lock()
		if st.doubts != doubts && err == nil && m.unstored == nil {
			st.mu.Unlock()
			changed = changedMeanwhile
			continue
		}
		m.err, st.made = err, nil
		if err == nil && m.unstored == nil {
			st.entrySet, st.loaded, st.broken = found, true, false
		}
		st.mu.Unlock()
		return
	}
}

// stored returns the entries of a repository, and why they do not fit.
func (r *referrers) stored(ctx context.Context, repo string) (found entrySet, why string, err error) {
	data, err := r.s.driver.GetContent(ctx, referrersStatePath(repo))
	if err != nil && !missing(err) {
		return found, "", err
	}
	var want entrySet
	if missing(err) || json.Unmarshal(data, &want) != nil {
		return found, "its state is missing or damaged, or a change was not finished", nil
	}
	if want.Version != referrersVersion {
		return found, "an earlier version made it", nil
	}
	r.names.forget(repo)
	names, err := r.names.get(ctx, repo)
	if err != nil {
		return found, "", err
	}
	found = setOf(names)
	if found != want {
		return found, entriesMissing, nil
	}
	return found, "", nil
}

// entriesMissing is what a state does not say that looks as if all were well.
const entriesMissing = "entries are missing"

// changedMeanwhile is why an index that was just made does not fit, although its
// state, written by who made it, says so.
const changedMeanwhile = "manifests changed while it was made"

func setOf(names []string) entrySet {
	s := entrySet{Version: referrersVersion}
	for _, name := range names {
		s.flip(name, 1)
	}
	return s
}

// make makes the index of a repository from its manifests. Storage that takes no
// writes does not stop it: m gets its names.
func (r *referrers) make(ctx context.Context, repo, why string, m *making) (entrySet, error) {
	old, err := r.readNames(ctx, repo)
	if err != nil {
		return entrySet{}, err
	}
	if why == entriesMissing || why == changedMeanwhile { // or a half-made index could come to fit
		m.unstored = r.s.driver.PutContent(ctx, referrersStatePath(repo), []byte(unfinished))
	}
	r.entries.purge()
	made, err := r.makeEntries(ctx, repo, func(name string, e referrer) error {
		content, err := e.encode()
		if err != nil {
			return err
		}
		if _, had := slices.BinarySearch(old, name); had {
			if same, err := r.s.driver.GetContent(ctx, referrersEntry(repo, name)); err == nil && bytes.Equal(same, content) {
				return nil
			}
		}
		return r.s.driver.PutContent(ctx, referrersEntry(repo, name), content)
	}, m)
	if err != nil {
		return entrySet{}, err
	}
	found := setOf(made)
	if len(old)+len(made) > 0 {
		r.s.log.Warn("the index of referrers was made again", "repository", repo, "why", why, "referrers", len(made))
	}
	r.names.forget(repo)
	if m.unstored == nil {
		m.unstored = r.removeOthers(ctx, repo, old, made)
	}
	if m.unstored == nil {
		m.unstored = r.writeState(ctx, repo, found)
	}
	if m.unstored != nil {
		r.s.log.Warn("the index of referrers cannot be stored", "repository", repo, "error", m.unstored)
		m.names = made
	}
	return found, ctx.Err()
}

// makeEntries calls store for each manifest with a subject, several at a time,
// and returns their names in byte order. What store fails with goes to m.
func (r *referrers) makeEntries(ctx context.Context, repo string, store func(name string, e referrer) error, m *making) ([]string, error) {
	const parallel = 8
	names := []string{}
	var mu sync.Mutex
	group, loads := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	err := r.s.eachRevision(ctx, repo, func(canonical digest.Digest, known []digest.Digest) error {
		group.Go(func() error {
			content, p, err := r.s.load(loads, canonical)
			var e *Error
			if errors.As(err, &e) || err == nil && p.subject == "" {
				return nil
			}
			if err != nil {
				return err
			}
			name := entryName(p.subject, canonical)
			made := referrerOf(descriptor(p, known[len(known)-1], int64(len(content.Content))))
			r.entries.add(repo+"/"+name, made, made.encoded)
			mu.Lock()
			names = append(names, name)
			failed := m.unstored != nil
			mu.Unlock()
			if failed {
				return nil
			}
			if err := store(name, made); err != nil {
				mu.Lock()
				m.unstored = err
				mu.Unlock()
			}
			return nil
		})
		return loads.Err()
	})
	if failed := group.Wait(); failed != nil {
		return nil, failed
	}
	if err != nil && !errors.Is(err, errDamagedLink) {
		return nil, err
	}
	slices.Sort(names)
	return names, nil
}

// removeOthers removes entries that nothing made, and what earlier versions of
// this program kept.
func (r *referrers) removeOthers(ctx context.Context, repo string, old, made []string) error {
	for _, name := range old {
		if _, ok := slices.BinarySearch(made, name); !ok {
			if err := r.s.remove(ctx, referrersEntry(repo, name)); err != nil {
				return err
			}
		}
	}
	for _, a := range []digest.Algorithm{digest.SHA256, digest.SHA512} {
		if err := r.s.remove(ctx, referrersPath(repo)+"/"+a.String()); err != nil {
			return err
		}
	}
	return nil
}

// readNames returns those of all entries of a repository in byte order.
func (r *referrers) readNames(ctx context.Context, repo string) ([]string, error) {
	names, err := r.s.list(ctx, referrersIndex(repo))
	if err != nil {
		return nil, err
	}
	names = slices.DeleteFunc(names, func(name string) bool { return !isEntryName(name) })
	slices.Sort(names)
	return names, nil
}
