package store

import (
	"context"
	"errors"
	"path"

	"github.com/opencontainers/go-digest"
)

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
		canonical, err := s.canonicalLink(ctx, revisionLink(repo, d), d)
		switch {
		case err == nil:
			aliases[canonical] = append(aliases[canonical], d)
		case errors.Is(err, errDamagedLink):
			damaged = errDamagedLink
		case !missing(err):
			return err
		}
	}
	hexes, err = s.listWhole(ctx, path.Join(revisionsPath(repo), digest.SHA256.String()))
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
