package store

import (
	"context"
	"errors"
	"slices"

	"github.com/opencontainers/go-digest"
)

// DeleteTag removes a tag. What it led to stays until garbage is collected.
//
// Errors: oci.CodeManifestUnknown.
func (s *Store) DeleteTag(ctx context.Context, repo, tag string) error {
	defer s.tagLocks.lock(repo + ":" + tag)()
	d, err := s.link(ctx, tagLink(repo, tag))
	if missing(err) { // what is left of a tag can be given up all the same
		why, err := s.lost(ctx, repo, tag)
		switch {
		case err != nil:
			return err
		case why == "":
			return noTag(tag)
		}
		return s.untag(ctx, repo, tag)
	}
	if err != nil {
		return err
	}
	if err := s.untag(ctx, repo, tag); err != nil {
		return err
	}
	s.dropTree(ctx, repo, d, map[digest.Digest]bool{})
	return nil
}

// untag removes a tag, for the holder of its lock.
func (s *Store) untag(ctx context.Context, repo, tag string) error {
	err := s.remove(ctx, tagPath(repo, tag))
	s.tagged.Remove(repo + ":" + tag)
	if err != nil {
		s.tags.forget(repo)
		return err
	}
	s.tags.remove(repo, tag)
	return nil
}

// dropTree notes that a manifest and what it names were given up by a client.
// What else names them, or relies on them, keeps them all the same. seen holds
// the manifests that were looked at.
func (s *Store) dropTree(ctx context.Context, repo string, d digest.Digest, seen map[digest.Digest]bool) {
	canonical, err := s.revision(ctx, repo, d)
	if err != nil || seen[canonical] || ctx.Err() != nil {
		return
	}
	seen[canonical] = true
	s.claims.drop(repo, canonical)
	_, p, err := s.load(ctx, canonical)
	if err != nil {
		return
	}
	for _, b := range p.blobs {
		if b, err := s.find(ctx, repo, b.Digest); err == nil {
			s.claims.drop(repo, b.Digest)
		}
	}
	for _, m := range p.manifests {
		s.dropTree(ctx, repo, m.Digest, seen)
	}
}

// DeleteManifest removes a manifest from a repository, and the tags that lead to
// it. Its content stays until garbage is collected.
//
// Errors: oci.CodeManifestUnknown.
func (s *Store) DeleteManifest(ctx context.Context, repo string, d digest.Digest) error {
	canonical, err := s.revision(ctx, repo, d)
	if err != nil {
		return err
	}
	defer s.manifestLocks.lock(at(repo, canonical))()
	if _, err := s.revision(ctx, repo, d); err != nil {
		return err
	}
	tags, err := s.Tags(ctx, repo)
	if err != nil {
		return err
	}
	for _, tag := range tags {
		if err := s.untagIf(ctx, repo, tag, canonical); err != nil {
			return err
		}
	}
	s.dropTree(ctx, repo, canonical, map[digest.Digest]bool{})
	s.claims.forget(repo, canonical)
	return s.removeRevision(ctx, repo, canonical)
}

// untagIf removes a tag that leads to a manifest.
func (s *Store) untagIf(ctx context.Context, repo, tag string, canonical digest.Digest) error {
	if d, err := s.resolve(ctx, repo, tag); err == nil && d != canonical {
		return nil // without the lock: most do not
	}
	defer s.tagLocks.lock(repo + ":" + tag)()
	d, err := s.readTag(ctx, repo, tag)
	var e *Error
	if errors.As(err, &e) || err == nil && d != canonical {
		return nil
	}
	if err != nil {
		return err
	}
	return s.untag(ctx, repo, tag)
}

// removeRevision takes a manifest that nothing names any more out of a
// repository, under all its digests, and out of the referrers of its subject.
func (s *Store) removeRevision(ctx context.Context, repo string, canonical digest.Digest) error {
	names := []digest.Digest{canonical}
	aliases, err := s.list(ctx, revisionsPath(repo)+"/"+digest.SHA512.String())
	if err != nil {
		return err
	}
	for _, hex := range aliases {
		d := digest.NewDigestFromEncoded(digest.SHA512, hex)
		if c, err := s.revision(ctx, repo, d); err == nil && c == canonical {
			names = append(names, d)
		}
	}
	unlink := func() error {
		for _, d := range slices.Backward(names) {
			if err := s.unlinkRevision(ctx, repo, d); err != nil {
				return err
			}
		}
		return nil
	}
	_, p, err := s.load(ctx, canonical)
	var e *Error
	switch {
	case err != nil && !errors.As(err, &e):
		return err
	case err != nil: // it may be a referrer of anything
		// Before it is gone: the index would list it for good if this ended in between.
		if err := s.referrers.invalidate(ctx, repo); err != nil {
			return err
		}
		return unlink()
	case p.subject != "":
		return s.referrers.remove(ctx, repo, p.subject, canonical, unlink)
	}
	return unlink()
}

func (s *Store) unlinkRevision(ctx context.Context, repo string, d digest.Digest) error {
	defer s.revisionLocks.lock(at(repo, d))()
	err := s.remove(ctx, revisionPath(repo, d))
	s.revisions.Remove(at(repo, d))
	return err
}
