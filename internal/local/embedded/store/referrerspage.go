package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/berth-oci/berth/internal/base/oci"
)

// ReferrersQuery says which of the manifests that refer to a subject are asked for.
type ReferrersQuery struct {
	ArtifactType string        // "" for any
	After        digest.Digest // where a page before ended, see Referrers; "" for the first
	// Room is taken before anything of a page is in memory. Nobody who waits for the
	// index has it. nil for none.
	Room Room
}

// Room is what an answer needs, which whoever gives it takes back at the end. Both
// methods may be called again.
type Room interface {
	Enter() error
	Leave()
}

// Referrers is a page of descriptors.
type Referrers struct {
	// Index has them as an image index, encoded. It must not be changed.
	Index []byte
	// Next is where the next page begins, "" for the last one. A page may have
	// fewer than there are, or none, when it has a next.
	Next digest.Digest
}

// Bounds on a page: what is looked at, and its descriptors in bytes, unless one
// alone has more. The specification has an answer be no larger than a manifest.
const (
	pageEntries = 4096
	pageBytes   = oci.MaxManifest - 128 // for what is around them
)

// Referrers returns manifests of a repository whose subject is the one given, in
// the order of their canonical digests.
func (s *Store) Referrers(ctx context.Context, repo string, subject digest.Digest, q ReferrersQuery) (Referrers, error) {
	r, key := s.referrers, pageKey(repo, subject, q)
	if page, ok := r.recall(repo, key); ok {
		return page, nil
	}
	made, list, err := r.page(ctx, repo, subject, q, false)
	if errors.Is(err, errReferrerDamaged) { // the index was made again, or will be
		if q.Room != nil {
			q.Room.Leave()
		}
		made, list, err = r.page(ctx, repo, subject, q, true)
	}
	if err == nil {
		made.Index, err = encodeIndex(list)
	}
	if err != nil {
		return Referrers{}, err
	}
	if size := len(made.Index); made.of != nil && len(list) > 0 && size <= cachedPage {
		made.Index = bytes.Clone(made.Index) // which was made in more room than it takes
		r.pages.add(key, made, size)
	}
	return made.Referrers, nil
}

func encodeIndex(list []v1.Descriptor) ([]byte, error) {
	index := v1.Index{MediaType: v1.MediaTypeImageIndex, Manifests: append([]v1.Descriptor{}, list...)}
	index.SchemaVersion = 2
	var data bytes.Buffer
	e := json.NewEncoder(&data)
	e.SetEscapeHTML(false) // which takes six bytes for one
	err := e.Encode(index)
	return bytes.TrimSuffix(data.Bytes(), []byte("\n")), err
}

// madePage is an answer, and of what it was made: it holds for as long as this does
// not change. of is nil where it need not hold.
type madePage struct {
	Referrers
	of           *referrersState
	doubts, adds int
}

func pageKey(repo string, subject digest.Digest, q ReferrersQuery) string {
	return repo + " " + string(subject) + " " + string(q.After) + " " + q.ArtifactType
}

// recall returns a page that is remembered and still holds.
func (r *referrers) recall(repo, key string) (Referrers, bool) {
	page, ok := r.pages.get(key)
	if !ok {
		return Referrers{}, false
	}
	st, done := r.use(repo)
	defer done()
	st.mu.Lock()
	defer st.mu.Unlock()
	return page.Referrers, st.loaded && page.of == st && page.doubts == st.doubts && page.adds == st.adds
}

// begun returns a page that is still to be made, of what there is now.
func (r *referrers) begun(repo string) (page madePage) {
	if !r.knows(repo) {
		return madePage{}
	}
	st, done := r.use(repo)
	defer done()
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.loaded {
		page.of, page.doubts, page.adds = st, st.doubts, st.adds
	}
	return page
}

// page makes an answer, but for its encoding. It fails with errReferrerDamaged for
// an entry that is not what it should be, unless there is to be an answer anyhow.
func (r *referrers) page(ctx context.Context, repo string, subject digest.Digest, q ReferrersQuery, anyhow bool) (page madePage, list []v1.Descriptor, err error) {
	page = r.begun(repo)
	names, err := r.of(ctx, repo, subject)
	if err != nil {
		return madePage{}, nil, err
	}
	if q.Room != nil {
		if err := q.Room.Enter(); err != nil {
			return madePage{}, nil, err
		}
	}
	if q.After != "" {
		from, found := slices.BinarySearchFunc(names, q.After.Encoded(), func(name, hex string) int { return strings.Compare(referrerHex(name), hex) })
		if found {
			from++
		}
		names = names[from:]
	}
	size := 0
	for n, name := range names {
		if n == pageEntries {
			page.Next = canonicalOf(names[n-1])
			break
		}
		if n%entriesAtOnce == 0 {
			r.prefetch(ctx, repo, names[n:min(n+entriesAtOnce, len(names))])
		}
		e, err := r.entire(ctx, repo, name, anyhow)
		if err != nil || e.Brief { // the manifest may change what is told of it
			page.of = nil
		}
		if errors.Is(err, errNoReferrer) || err == nil && q.ArtifactType != "" && e.ArtifactType != q.ArtifactType {
			continue
		}
		if err != nil {
			return madePage{}, nil, err
		}
		if size += e.encoded + len(","); size > pageBytes && len(list) > 0 {
			page.Next = canonicalOf(names[n-1])
			break
		}
		list = append(list, e.Descriptor)
	}
	return page, list, nil
}

func canonicalOf(name string) digest.Digest {
	return digest.NewDigestFromEncoded(digest.SHA256, referrerHex(name))
}

func referrerHex(name string) string { return name[strings.IndexByte(name, '.')+1:] }

// of returns the names of a subject's entries in the order of their manifests. What
// names the subject by its other digest refers to the same content.
func (r *referrers) of(ctx context.Context, repo string, subject digest.Digest) ([]string, error) {
	names, err := r.all(ctx, repo)
	if err != nil || len(names) == 0 {
		return nil, err
	}
	same, err := r.otherDigest(ctx, repo, subject)
	if err != nil {
		return nil, err
	}
	found := namesOf(names, subject)
	if same == "" {
		return found, nil
	}
	if others := namesOf(names, same); len(others) > 0 {
		found = slices.Concat(found, others)
		slices.SortFunc(found, func(a, b string) int { return strings.Compare(referrerHex(a), referrerHex(b)) })
	}
	return found, nil
}

// namesOf returns the names of entries that name a subject so.
func namesOf(sorted []string, subject digest.Digest) []string {
	from, _ := slices.BinarySearch(sorted, subject.Encoded()+".")
	to, _ := slices.BinarySearch(sorted, subject.Encoded()+"/") // what follows a dot
	return sorted[from:to]
}

// otherDigest returns the digest that a manifest of a repository has by the other
// algorithm; "" where it is not there, or damaged.
func (r *referrers) otherDigest(ctx context.Context, repo string, d digest.Digest) (digest.Digest, error) {
	canonical, err := r.s.revision(ctx, repo, d)
	if err == nil && canonical != d {
		return canonical, nil
	}
	var m Manifest
	if err == nil {
		m, err = r.s.content(ctx, canonical)
	}
	switch {
	case isFault(err) || errors.Is(err, errDamagedLink):
		return "", nil
	case err != nil:
		return "", err
	}
	return digest.SHA512.FromBytes(m.Content), nil
}

// all returns the names of all entries of a repository in byte order.
func (r *referrers) all(ctx context.Context, repo string) ([]string, error) {
	if !r.knows(repo) {
		// Nothing is stored for a name that somebody merely asked for.
		if _, err := r.s.driver.Stat(ctx, manifestsPath(repo)); missing(err) {
			return nil, nil
		} else if err != nil {
			return nil, err
		}
	}
	st, done := r.use(repo)
	defer done()
	for {
		st.mu.Lock()
		if st.loaded {
			defer st.mu.Unlock()
			if st.Count == 0 {
				return nil, nil
			}
			return r.names.get(ctx, repo)
		}
		st.mu.Unlock()
		names, err := r.fit(ctx, st, repo)
		if names != nil {
			return names, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

func (r *referrers) knows(repo string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.repos[repo] != nil
}

// entriesAtOnce is how many entries are read at the same time: a service takes its
// time for each.
const entriesAtOnce = 32

// prefetch reads entries that are not remembered. It leaves faults to who needs
// them.
func (r *referrers) prefetch(ctx context.Context, repo string, names []string) {
	var group errgroup.Group
	for _, name := range names {
		if _, ok := r.entries.get(repo + "/" + name); !ok {
			group.Go(func() error {
				_, _ = r.remembered(ctx, repo, name)
				return nil
			})
		}
	}
	_ = group.Wait()
}

// remembered is entry with the cache. What it remembers of an entry that is
// removed meanwhile is asked for by nobody.
func (r *referrers) remembered(ctx context.Context, repo, name string) (referrer, error) {
	if e, ok := r.entries.get(repo + "/" + name); ok {
		return e, nil
	}
	e, err := r.entry(ctx, repo, name)
	if err == nil {
		r.entries.add(repo+"/"+name, e, e.encoded)
	}
	return e, err
}

// errNoReferrer is for an entry that is not to be told of.
var errNoReferrer = errors.New("not among those asked for")

// entire returns an entry with all of its descriptor. It comes from the
// manifest where the entry is brief.
//
// Errors: errNoReferrer, errReferrerDamaged.
func (r *referrers) entire(ctx context.Context, repo, name string, anyhow bool) (referrer, error) {
	e, err := r.remembered(ctx, repo, name)
	if missing(err) || errors.Is(err, errReferrerDamaged) {
		if !anyhow {
			return referrer{}, r.damaged(ctx, repo, name)
		}
		e, err = referrer{Brief: true}, nil
	}
	if err != nil {
		return referrer{}, err
	}
	if e.Brief {
		if e.Descriptor, err = r.whole(ctx, name, e); err != nil {
			return referrer{}, err
		}
	}
	if e.Brief {
		e.encoded = jsonSize(e.Descriptor)
	}
	return e, nil
}

// damaged is for an entry that cannot be read. Unless it was removed just now, the
// index is made again.
func (r *referrers) damaged(ctx context.Context, repo, name string) error {
	st, done := r.use(repo)
	defer done()
	st.mu.Lock()
	defer st.mu.Unlock()
	if !st.loaded {
		return errReferrerDamaged
	}
	_, err := r.entry(ctx, repo, name)
	switch names, _ := r.names.get(ctx, repo); {
	case err == nil:
	case missing(err) && !contains(names, name):
		return errNoReferrer
	case missing(err) || errors.Is(err, errReferrerDamaged):
		r.doubt(st, repo)
		st.broken = true
		// What cannot be written cannot be made again either, and is answered anyhow.
		_ = r.s.driver.PutContent(ctx, referrersStatePath(repo), []byte(unfinished))
	default:
		return err
	}
	return errReferrerDamaged
}

func contains(sorted []string, name string) bool {
	_, ok := slices.BinarySearch(sorted, name)
	return ok
}

// whole makes a descriptor from its manifest.
func (r *referrers) whole(ctx context.Context, name string, e referrer) (v1.Descriptor, error) {
	content, p, err := r.s.load(ctx, canonicalOf(name))
	if isFault(err) {
		return v1.Descriptor{}, errNoReferrer // it is damaged, and listed again once it is back
	}
	if err != nil {
		return v1.Descriptor{}, err
	}
	if e.Digest == "" {
		e.Digest = content.Digest
	}
	return descriptor(p, e.Digest, int64(len(content.Content))), nil
}

func isFault(err error) bool {
	var e *Error
	return errors.As(err, &e)
}
