package store

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/berth-oci/berth/internal/base/oci"
)

// damage returns what is in quarantine and still needed, letting go of the rest, what
// tags lead to and is missing, and the tags that lead nowhere.
func (s *Store) damage(ctx context.Context) (damaged []Damage, lost []LostTag, err error) {
	var repos []string
	if err := s.eachRepository(ctx, func(repo string, _ []string) { repos = append(repos, repo) }); err != nil {
		return nil, nil, err
	}
	slices.Sort(repos)
	var absent []absence
	for _, repo := range repos {
		some, err := s.lostTags(ctx, repo)
		if err != nil {
			return nil, nil, fmt.Errorf("the tags of %s: %w", repo, err)
		}
		lost = append(lost, some...)
		gone, err := s.absences(ctx, repo)
		if err != nil {
			return nil, nil, fmt.Errorf("repository %s: %w", repo, err)
		}
		absent = append(absent, gone...)
	}
	s.absent.set(absent)
	if damaged, err = s.quarantined(ctx); err != nil {
		return nil, nil, err
	}
	for _, a := range absent {
		if !slices.ContainsFunc(damaged, func(d Damage) bool { return d.Digest == a.digest }) {
			damaged = append(damaged, Damage{Digest: a.digest, Missing: true})
		}
	}
	slices.SortFunc(damaged, func(a, b Damage) int { return strings.Compare(string(a.Digest), string(b.Digest)) })
	damaged, err = s.needed(ctx, repos, damaged)
	return damaged, lost, err
}

// quarantined returns what is in quarantine and was not pushed again.
func (s *Store) quarantined(ctx context.Context) (all []Damage, err error) {
	hexes, err := s.list(ctx, path.Dir(quarantinePath(digest.FromString(""))))
	if err != nil {
		return nil, err
	}
	for _, hex := range hexes {
		d := digest.NewDigestFromEncoded(digest.SHA256, hex)
		if d.Validate() != nil {
			continue
		}
		if _, err := s.size(ctx, d); err == nil {
			if err := s.remove(ctx, quarantinePath(d)); err != nil {
				return nil, err
			}
			continue
		}
		all = append(all, Damage{Digest: d})
	}
	return all, nil
}

// needed returns what one of the repositories needs, with the places and the size, and
// lets go of what else is in quarantine.
func (s *Store) needed(ctx context.Context, repos []string, all []Damage) ([]Damage, error) {
	if len(all) == 0 {
		return nil, nil
	}
	sizes := map[sum]int64{}
	for _, d := range all {
		sizes[sumOf(d.Digest)] = 0
	}
	for _, repo := range repos {
		g, err := s.readGraph(ctx, repo, sizes)
		if err != nil {
			return nil, err
		}
		for i, d := range all {
			_, err := s.driver.Stat(ctx, layerLink(repo, d.Digest))
			tags, has := g.hit(sumOf(d.Digest), err == nil)
			if has && (!d.Missing || len(tags) > 0 && s.absent.in(repo, d.Digest)) {
				all[i].Places = append(all[i].Places, Place{Repository: repo, Tags: tags})
			}
		}
	}
	needed := all[:0]
	for _, d := range all {
		var err error
		switch {
		case len(d.Places) > 0:
			d.Size, err = s.sizeOf(ctx, d, sizes)
			needed = append(needed, d)
		case !d.Missing:
			err = s.remove(ctx, quarantinePath(d.Digest))
		}
		if err != nil {
			return nil, err
		}
	}
	return needed, nil
}

// sizeOf bounds the size of what is damaged or missing: by what manifests say, or by
// what is left of it, where those that did are damaged as well.
func (s *Store) sizeOf(ctx context.Context, d Damage, sizes map[sum]int64) (int64, error) {
	if size := sizes[sumOf(d.Digest)]; size > 0 {
		return size, nil
	}
	if d.Missing {
		return oci.MaxManifest, nil
	}
	kept, err := s.driver.Stat(ctx, quarantinePath(d.Digest))
	if err != nil {
		return 0, err
	}
	return max(kept.Size(), oci.MaxManifest), nil
}
