package conformance

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/opencontainers/go-digest"
)

// check compares what the registry has after a run with the journal, collects
// garbage, and compares what is stored with what is reachable.
func (s *stress) check(at storage) {
	ctx := context.Background()
	for p, e := range s.journal.places {
		if err := s.settle(func() error { return s.checkPlace(ctx, p, e.possible) }); err != nil {
			s.fault("after the run", err)
		}
	}
	if *referenceFlag != "" {
		return // it has no online collection
	}
	before := at.blobs(s.t)
	err := s.settle(func() error {
		if out, code := s.srv.berth("gc", "--delay", "0s"); code != 0 {
			return fmt.Errorf("berth gc --delay 0s: exit code %d: %s", code, out)
		}
		return nil
	})
	if err != nil {
		s.t.Error(err)
	}
	var reachable map[digest.Digest][]byte
	err = s.settle(func() (err error) {
		reachable, err = reach(ctx, s.srv.client)
		return err
	})
	if err != nil {
		s.fault("after the last collection", err)
	}
	for p, e := range s.journal.places {
		if err := s.settle(func() error { return s.checkPlace(ctx, p, e.possible) }); err != nil {
			s.fault("after the last collection", err)
		}
	}
	after := at.blobs(s.t)
	s.t.Logf("blobs stored before the last collection: %d, after: %d, reachable: %d", len(before), len(after), len(reachable))
	for _, text := range compare(after, reachable) {
		s.fault("after the last collection", errors.New(text))
	}
}

// checkPlace pulls a tag: it must have one of its possible contents, complete.
func (s *stress) checkPlace(ctx context.Context, p place, possible []digest.Digest) error {
	pull := newPuller(s.srv.client, p.repo)
	root, err := pull.pull(ctx, p.tag)
	if r := new(refusal); errors.As(err, &r) && r.status == http.StatusNotFound && slices.Contains(possible, absent) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s:%s: %w", p.repo, p.tag, err)
	}
	if !slices.Contains(possible, root) {
		return fmt.Errorf("%s:%s is %s, which was overwritten or deleted", p.repo, p.tag, root)
	}
	listed, err := s.srv.client.referrers(ctx, p.repo, root)
	if err != nil && len(s.journal.referrers[place{p.repo, root.String()}]) > 0 {
		return err
	}
	for _, want := range s.journal.referrers[place{p.repo, root.String()}] {
		have := false
		for _, d := range listed {
			have = have || d.Digest == want
		}
		if !have {
			return fmt.Errorf("%s: referrer %s of %s was acknowledged and is not listed", p.repo, want, root)
		}
		if _, err := pull.pull(ctx, want.String()); err != nil {
			return fmt.Errorf("%s: referrer of %s: %w", p.repo, root, err)
		}
	}
	return nil
}

// reach reads all that the registry's lists lead to: repositories, their tags,
// what is below these and what refers to them.
func reach(ctx context.Context, c *client) (map[digest.Digest][]byte, error) {
	reachable := map[digest.Digest][]byte{}
	repos, err := c.repositories(ctx)
	if err != nil {
		return nil, err
	}
	for _, repo := range repos {
		tags, err := c.tags(ctx, repo)
		if r := new(refusal); errors.As(err, &r) && r.status == http.StatusNotFound {
			continue // its last tag is gone
		}
		if err != nil {
			return nil, err
		}
		p := newPuller(c, repo)
		for _, tag := range tags {
			if _, err := p.pull(ctx, tag); err != nil {
				return nil, fmt.Errorf("%s:%s is listed: %w", repo, tag, err)
			}
		}
		if err := p.referring(ctx); err != nil {
			return nil, fmt.Errorf("%s: %w", repo, err)
		}
		for d, data := range p.seen {
			reachable[d] = data
		}
	}
	return reachable, nil
}

// referring reads what refers to anything seen, and what refers to that.
func (p *puller) referring(ctx context.Context) error {
	asked := map[digest.Digest]bool{}
	for {
		before := len(asked)
		for d, data := range p.seen {
			if asked[d] || len(data) == 0 || data[0] != '{' { // no manifest
				continue
			}
			asked[d] = true
			list, err := p.client.referrers(ctx, p.repo, d)
			if err != nil {
				return err
			}
			for _, r := range list {
				if _, seen := p.seen[r.Digest]; seen {
					continue
				}
				if _, err := p.pull(ctx, r.Digest.String()); err != nil {
					return fmt.Errorf("referrer of %s: %w", d, err)
				}
			}
		}
		if len(asked) == before {
			return nil
		}
	}
}

// compare says what is stored and not reachable, and the other way round. The
// same content can be stored under another digest than the one it is asked by.
func compare(stored map[digest.Digest]int64, reachable map[digest.Digest][]byte) (differences []string) {
	named := map[digest.Digest]digest.Digest{} // any digest of a reachable content to its sha256
	for _, data := range reachable {
		name := digest.SHA256.FromBytes(data)
		named[name], named[digest.SHA512.FromBytes(data)] = name, name
	}
	have := map[digest.Digest]bool{}
	var garbage, bytes int64
	for d, size := range stored {
		if name, ok := named[d]; ok {
			have[name] = true
			continue
		}
		garbage++
		bytes += size
	}
	if garbage > 0 {
		differences = append(differences, fmt.Sprintf("%d blobs of %d bytes are stored and nothing leads to them", garbage, bytes))
	}
	for d, data := range reachable {
		if !have[digest.SHA256.FromBytes(data)] {
			differences = append(differences, fmt.Sprintf("%s can be pulled and is not stored", d))
		}
	}
	return differences
}
