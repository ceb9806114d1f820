package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"

	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"
	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"
)

// LostTag is a tag that leads to no manifest. Nothing of its repository is
// collected while it is there: a push of the tag mends it, and deleting the tag
// gives it up.
type LostTag struct {
	Repository string `json:"repository"`
	Tag        string `json:"tag"`
	Why        string `json:"why"`
}

// errDamagedLink is in the tree of an error beside that of a missing path.
var errDamagedLink = errors.New("a link is damaged")

// link reads a file that holds a digest. A file that holds none is damaged, and
// like one that is missing to all but garbage collection.
func (s *Store) link(ctx context.Context, name string) (digest.Digest, error) {
	data, err := s.driver.GetContent(ctx, name)
	if errors.Is(err, syscall.EISDIR) {
		return "", s.damagedLink(name)
	}
	if err != nil {
		return "", err
	}
	d, err := digest.Parse(string(data))
	if err != nil {
		return "", s.damagedLink(name)
	}
	return d, nil
}

// canonicalLink reads the link of a blob or manifest that is called d, which holds
// its canonical digest. That of a canonical digest holds itself: one that does not
// would hand out something else.
func (s *Store) canonicalLink(ctx context.Context, name string, d digest.Digest) (digest.Digest, error) {
	canonical, err := s.link(ctx, name)
	if err == nil && (canonical.Algorithm() != digest.SHA256 || d.Algorithm() == digest.SHA256 && canonical != d) {
		return "", s.damagedLink(name)
	}
	return canonical, err
}

func (s *Store) damagedLink(name string) error {
	s.log.Warn("a link is damaged and counts as missing", "path", name)
	return errors.Join(errDamagedLink, storagedriver.PathNotFoundError{Path: name, DriverName: s.driver.Name()})
}

// lead is where a tag leads: "" where its link is damaged or missing.
type lead struct {
	tag string
	to  digest.Digest
}

// tagsParallel is how many links of tags are read at once: a service takes its time
// for each.
const tagsParallel = 16

// leads returns where the tags of a repository lead, in byte order. It asks the
// storage, and not memory: after a failed write that may know less.
func (s *Store) leads(ctx context.Context, repo string) ([]lead, error) {
	tags, err := s.listWhole(ctx, tagsPath(repo))
	if err != nil {
		return nil, err
	}
	slices.Sort(tags)
	all := make([]lead, len(tags))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(tagsParallel)
	for i, tag := range tags {
		group.Go(func() error {
			to, err := s.link(ctx, tagLink(repo, tag))
			switch {
			case err != nil && !missing(err):
				return err
			case err == nil || errors.Is(err, errDamagedLink) || CheckTag(tag) == nil:
				all[i] = lead{tag, to}
			}
			return nil
		})
	}
	err = group.Wait()
	return slices.DeleteFunc(all, func(l lead) bool { return l.tag == "" }), err
}

// lost returns why a tag leads to no manifest; "" when it does, or there is no such
// tag. There is one if it is listed, whatever is left of it. What is in quarantine is
// not lost.
func (s *Store) lost(ctx context.Context, repo, tag string) (why string, err error) {
	to, err := s.link(ctx, tagLink(repo, tag))
	switch {
	case errors.Is(err, errDamagedLink):
		return "its link is damaged", nil
	case missing(err):
		if _, err = s.driver.Stat(ctx, tagPath(repo, tag)); err == nil && CheckTag(tag) == nil {
			return "its link is missing", nil
		}
		if missing(err) {
			err = nil
		}
		return "", err
	case err != nil:
		return "", err
	}
	canonical, err := s.canonicalLink(ctx, revisionLink(repo, to), to)
	if missing(err) {
		return fmt.Sprintf("it leads to %s, which the repository does not have", to), nil
	}
	if err != nil {
		return "", err
	}
	for _, place := range []string{blobData(canonical), quarantinePath(canonical)} {
		if _, err := s.driver.Stat(ctx, place); !missing(err) {
			return "", err
		}
	}
	return fmt.Sprintf("the content of %s is gone", to), nil
}

// lostNow is lost while nobody is about to write or remove the tag.
func (s *Store) lostNow(ctx context.Context, repo, tag string) (why string, err error) {
	if why, err = s.lost(ctx, repo, tag); why == "" || err != nil {
		return "", err
	}
	defer s.tagLocks.lock(repo + ":" + tag)()
	return s.lost(ctx, repo, tag)
}

// lostTags returns the tags of a repository that lead to no manifest, in byte
// order.
func (s *Store) lostTags(ctx context.Context, repo string) (all []LostTag, err error) {
	tags, err := s.list(ctx, tagsPath(repo))
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(tagsParallel)
	for _, tag := range tags {
		group.Go(func() error {
			why, err := s.lostNow(ctx, repo, tag)
			if why != "" {
				mu.Lock()
				defer mu.Unlock()
				all = append(all, LostTag{repo, tag, why})
			}
			return err
		})
	}
	err = group.Wait()
	slices.SortFunc(all, func(a, b LostTag) int { return strings.Compare(a.Tag, b.Tag) })
	return all, err
}
