package store

import (
	"context"
	"errors"
	"slices"
	"syscall"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/berth-oci/berth/internal/base/oci"
)

// Manifest is one that a repository has. Content must not be changed.
type Manifest struct {
	Digest    digest.Digest // that it was asked for, or canonical for a tag
	MediaType string
	Content   []byte
}

// Manifest returns the manifest that a tag or digest names.
//
// Errors: oci.CodeManifestUnknown.
func (s *Store) Manifest(ctx context.Context, repo, reference string) (Manifest, error) {
	d, err := s.resolve(ctx, repo, reference)
	if err != nil {
		return Manifest{}, err
	}
	canonical, err := s.revision(ctx, repo, d)
	if err != nil {
		return Manifest{}, err
	}
	m, err := s.content(ctx, canonical)
	m.Digest = d
	return m, err
}

// Rely is for a client that asks whether a manifest is there: by the answer it
// may leave out pushing it, and so it is not collected for a while.
func (s *Store) Rely(ctx context.Context, repo string, d digest.Digest) error {
	canonical, err := s.revision(ctx, repo, d)
	if err != nil {
		return err
	}
	s.claims.rely(repo, canonical)
	_, err = s.revision(ctx, repo, d)
	return err
}

// resolve turns a reference into a digest.
func (s *Store) resolve(ctx context.Context, repo, reference string) (digest.Digest, error) {
	if oci.IsDigest(reference) {
		return digest.Digest(reference), nil
	}
	key := repo + ":" + reference
	if d, ok := s.tagged.Get(key); ok {
		return d, nil
	}
	defer s.tagLocks.lock(key)()
	return s.readTag(ctx, repo, reference)
}

// readTag is resolve for the holder of the tag's lock.
func (s *Store) readTag(ctx context.Context, repo, tag string) (digest.Digest, error) {
	d, err := s.link(ctx, tagLink(repo, tag))
	if missing(err) {
		return "", noTag(tag)
	}
	if err == nil {
		s.tagged.Add(repo+":"+tag, d)
	}
	return d, err
}

func noTag(tag string) *Error {
	return fault(oci.CodeManifestUnknown, "the repository has no tag %s", tag)
}

// revision returns the canonical digest of a manifest that a repository has.
func (s *Store) revision(ctx context.Context, repo string, d digest.Digest) (digest.Digest, error) {
	key := at(repo, d)
	if canonical, ok := s.revisions.Get(key); ok {
		return canonical, nil
	}
	defer s.revisionLocks.lock(key)()
	canonical, err := s.canonicalLink(ctx, revisionLink(repo, d), d)
	if missing(err) {
		return "", fault(oci.CodeManifestUnknown, "the repository has no manifest %s", d)
	}
	if err == nil {
		s.revisions.Add(key, canonical)
	}
	return canonical, err
}

// content reads a manifest, whichever repositories have it, and never returns
// one that is damaged.
func (s *Store) content(ctx context.Context, canonical digest.Digest) (Manifest, error) {
	if m, ok := s.manifests.Get(canonical); ok {
		return m, nil
	}
	// Or it could be removed between being read and being remembered, and the next
	// push of it would store nothing.
	defer s.claims.hold(canonical)()
	m, _, err := s.load(ctx, canonical)
	if err == nil && len(m.Content) <= cachedManifest {
		s.manifests.Add(canonical, m)
	}
	return m, err
}

// errNoManifest is in the tree of an error beside oci.CodeManifestUnknown: the content is
// whole, and none that this registry takes, as another program may have stored it.
var errNoManifest = errors.New("not a manifest")

// load is content without the cache. As its manifests may be large, only some are
// read at once, and of those that are large as many parsed as there are processors.
func (s *Store) load(ctx context.Context, canonical digest.Digest) (Manifest, parsed, error) {
	leave, err := s.enterLoading(ctx)
	if err != nil {
		return Manifest{}, parsed{}, err
	}
	defer leave()
	data, err := s.driver.GetContent(ctx, blobData(canonical))
	damaged := err != nil || digest.FromBytes(data) != canonical
	if damaged { // whatever its file looks like
		s.inspected.Remove(canonical)
	}
	if missing(err) {
		return Manifest{}, parsed{}, fault(oci.CodeManifestUnknown, "the content of the manifest is gone: push it again")
	}
	if err != nil && !errors.Is(err, syscall.EISDIR) {
		return Manifest{}, parsed{}, err
	}
	if damaged {
		s.log.Error("a manifest is damaged and not served", "digest", canonical)
		return Manifest{}, parsed{}, fault(oci.CodeManifestUnknown, "the content of the manifest is damaged: push it again")
	}
	p, err := s.parse(data, "")
	if err != nil {
		return Manifest{}, parsed{}, errors.Join(fault(oci.CodeManifestUnknown, "the content is no manifest: %v", err), errNoManifest)
	}
	s.learn(p)
	return Manifest{Digest: canonical, MediaType: p.mediaType, Content: data}, p, nil
}

// enterLoading waits for a place to read something that belongs to manifests.
func (s *Store) enterLoading(ctx context.Context) (leave func(), err error) {
	select {
	case s.loading <- struct{}{}:
		return func() { <-s.loading }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// parse is the function of this name, for content of any size.
func (s *Store) parse(content []byte, declared string) (parsed, error) {
	if len(content) > cachedManifest {
		s.parsing <- struct{}{}
		defer func() { <-s.parsing }()
	}
	return parse(content, declared)
}

// MaxDescriptors is how many blobs or manifests a manifest may name that is pushed.
// Images have some hundred layers at most; each name is looked up.
const MaxDescriptors = 10_000

// Put is a manifest to be stored.
type Put struct {
	Repo      string
	Reference string // tag or digest
	MediaType string // as the client declares it; "" when it does not
	Content   []byte // at most oci.MaxManifest
	Create    bool   // fail with oci.CodeDenied where the tag exists
}

// Stored tells of a manifest that was.
type Stored struct {
	Digest  digest.Digest
	Subject digest.Digest // of the manifest; "" for none
}

// PutManifest stores a manifest, and a tag for it. Content, revision, referrer
// and tag come in this order: after a crash there is a beginning of it, and a
// tag only ever leads to a complete image.
//
// Errors: oci.CodeManifestInvalid, oci.CodeManifestBlobUnknown, oci.CodeDigestInvalid, oci.CodeDenied.
func (s *Store) PutManifest(ctx context.Context, p Put) (Stored, error) {
	m, err := s.parse(p.Content, p.MediaType)
	if err != nil {
		return Stored{}, err
	}
	if n := len(m.blobs) + len(m.manifests); n > MaxDescriptors {
		return Stored{}, fault(oci.CodeManifestInvalid, "the manifest names %d blobs or manifests, and may name %d", n, MaxDescriptors)
	}
	canonical := digest.FromBytes(p.Content)
	name, tag := canonical, p.Reference
	if oci.IsDigest(p.Reference) {
		d := digest.Digest(p.Reference)
		name, tag = d, ""
		if got := d.Algorithm().FromBytes(p.Content); got != d {
			return Stored{}, fault(oci.CodeDigestInvalid, "the manifest has another digest: %s", got)
		}
	}
	release, named, err := s.holdNamed(ctx, p.Repo, canonical, m)
	if err != nil {
		return Stored{}, err
	}
	defer release()
	defer s.manifestLocks.lock(at(p.Repo, canonical))()
	if tag != "" {
		defer s.tagLocks.lock(p.Repo + ":" + tag)()
	}
	mended, err := s.writeManifest(ctx, p, m, canonical, name, tag)
	if err == nil && mended && m.subject != "" {
		err = s.referAgain(ctx, canonical)
	}
	if err != nil {
		return Stored{}, err
	}
	s.learn(m)
	s.claims.name(p.Repo, named...)
	if tag == "" {
		s.claims.add(p.Repo, canonical)
	} else {
		s.claims.name(p.Repo, canonical)
	}
	return Stored{Digest: name, Subject: m.subject}, nil
}

// holdNamed holds a manifest and all that it names, and checks that the
// repository has that. A subject is held where it is there, which it need not be.
// It returns the canonical digests of what is named.
func (s *Store) holdNamed(ctx context.Context, repo string, self digest.Digest, m parsed) (release func(), named []digest.Digest, err error) {
	// First to learn the canonical digests, and then once more under the hold.
	if named, err = s.named(ctx, repo, m); err != nil {
		return nil, nil, s.wrongSize(ctx, err)
	}
	held := append(slices.Clone(named), self, repositoryClaim(repo))
	if m.subject != "" {
		if subject, err := s.revision(ctx, repo, m.subject); err == nil {
			held = append(held, subject)
		}
	}
	unhold := s.claims.hold(held...)
	defer func() {
		if release == nil {
			unhold()
		}
	}()
	if named, err = s.named(ctx, repo, m); err != nil {
		return nil, nil, err
	}
	return unhold, named, nil
}

// named returns the canonical digests of what a manifest names.
//
// Errors: oci.CodeManifestBlobUnknown, with some that are missing.
func (s *Store) named(ctx context.Context, repo string, m parsed) (named []digest.Digest, err error) {
	const enough = 100 // to tell of
	var lacks []digest.Digest
	look := func(asked, canonical digest.Digest, err error) error {
		var e *Error
		if errors.As(err, &e) {
			lacks = append(lacks, asked)
			return nil
		}
		named = append(named, canonical)
		return err
	}
	for _, d := range m.blobs {
		if len(lacks) == enough {
			break
		}
		b, err := s.find(ctx, repo, d.Digest)
		if err == nil && b.Size != d.Size {
			e := fault(oci.CodeManifestInvalid, "the manifest gives %s the size %d, and it has %d", d.Digest, d.Size, b.Size)
			return nil, &sizeError{e, d.Digest, b}
		}
		if err := look(d.Digest, b.Digest, err); err != nil {
			return nil, err
		}
	}
	for _, d := range m.manifests {
		if len(lacks) == enough {
			break
		}
		canonical, err := s.revision(ctx, repo, d.Digest)
		if e := (*Error)(nil); errors.As(err, &e) {
			// Caches of builds are indexes of blobs.
			var b Blob
			b, err = s.find(ctx, repo, d.Digest)
			canonical = b.Digest
		} else if err == nil {
			_, err = s.size(ctx, canonical) // it may be in quarantine
		}
		if err := look(d.Digest, canonical, err); err != nil {
			return nil, err
		}
	}
	if lacks != nil {
		e := fault(oci.CodeManifestBlobUnknown, "the manifest names what the repository does not have: %s", lacks[0])
		if len(lacks) > 1 {
			e.Message += " and more, see detail"
		}
		e.Detail = lacks
		return nil, e
	}
	return named, nil
}

// writeManifest writes what the storage does not have yet, for the holder of
// the claims and of the locks of manifest and tag. mended is whether the repository
// had the manifest, or may have had it, without its content.
func (s *Store) writeManifest(ctx context.Context, p Put, m parsed, canonical, name digest.Digest, tag string) (mended bool, err error) {
	before, err := s.tagBefore(ctx, p, tag)
	if err != nil {
		return false, err
	}
	var writes []write
	lacks := !s.holds(ctx, canonical)
	if lacks {
		writes = append(writes, write{blobData(canonical), p.Content})
	}
	for _, d := range slices.Compact([]digest.Digest{canonical, name}) {
		err := s.hasRevision(ctx, p.Repo, d)
		if err != nil {
			writes = append(writes, write{revisionLink(p.Repo, d), []byte(canonical)})
		}
		mended = mended || lacks && !missing(err)
	}
	if mended && m.subject != "" {
		if err := s.referAgain(ctx, canonical); err != nil {
			return false, err
		}
	}
	written := false
	if m.subject != "" {
		first, last, done, err := s.referrers.add(ctx, p.Repo, m.subject, descriptor(m, name, int64(len(p.Content))), p.Content)
		if err != nil {
			return false, err
		}
		defer func() { done(written) }()
		writes = slices.Concat(first, writes, last)
	}
	if tag != "" && before != canonical {
		writes = append(writes, write{tagLink(p.Repo, tag), []byte(canonical)})
	}
	if err = s.publish(ctx, "", "", writes...); err != nil {
		// Some of it may be there all the same.
		s.tagged.Remove(p.Repo + ":" + tag)
		s.tags.forget(p.Repo)
		s.repositories.forget("")
		return false, err
	}
	written = true
	s.repositories.add("", p.Repo)
	for _, d := range []digest.Digest{canonical, name} {
		s.revisions.Add(at(p.Repo, d), canonical)
	}
	if tag != "" {
		s.tagged.Add(p.Repo+":"+tag, canonical)
		s.tags.add(p.Repo, tag)
		if before != "" && before != canonical {
			s.claims.add(p.Repo, before) // for those who are pulling it
		}
	}
	return mended, nil
}

// lookInside is how long the content of a file that seems unchanged is believed to be:
// a disk may rot without a word.
const lookInside = time.Minute

// inspected is a file whose content was right.
type inspected struct {
	size     int64
	modified time.Time
	at       time.Time // when it was looked at
}

// holds reports whether the storage has the content of a manifest, whole. What is
// remembered of a disk may be damaged there.
func (s *Store) holds(ctx context.Context, canonical digest.Digest) bool {
	if !s.onDisk() {
		_, err := s.content(ctx, canonical)
		return err == nil
	}
	info, err := s.driver.Stat(ctx, blobData(canonical))
	if err != nil {
		return false
	}
	now := inspected{info.Size(), info.ModTime(), time.Now()}
	was, ok := s.inspected.Get(canonical)
	if ok && was.size == now.size && was.modified.Equal(now.modified) && now.at.Sub(was.at) < lookInside {
		return true
	}
	if _, _, err := s.load(ctx, canonical); err != nil {
		return false
	}
	s.inspected.Add(canonical, now)
	return true
}

// hasRevision fails unless a repository has a manifest, as holds does. That the
// storage has none is missing.
func (s *Store) hasRevision(ctx context.Context, repo string, d digest.Digest) error {
	if !s.onDisk() && s.revisions.Contains(at(repo, d)) {
		return nil
	}
	_, err := s.canonicalLink(ctx, revisionLink(repo, d), d)
	return err
}

// tagBefore returns what a tag leads to before a PUT; "" for nothing.
func (s *Store) tagBefore(ctx context.Context, p Put, tag string) (digest.Digest, error) {
	if tag == "" {
		return "", nil
	}
	before, err := s.readTag(ctx, p.Repo, tag)
	var e *Error
	switch {
	case errors.As(err, &e):
		return "", nil
	case err == nil && p.Create:
		return "", fault(oci.CodeDenied, "the tag exists")
	}
	return before, err
}
