package transfer

import (
	"context"
	"slices"
	"sync/atomic"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/oci"
)

// related is a manifest on the way from an artifact to all that refers to it.
type related struct {
	ocispec.Descriptor
	subject *ocispec.Descriptor // what it refers to; nil for what is no referrer
}

// level copies manifests, and returns those that are next: the manifests of an
// index, which have referrers of their own, and the referrers. It goes level by
// level, and not down each branch, so that a list which leads back to itself, as
// a registry may give, ends.
//
// It fails where more than most are next.
func (g *graph) level(ctx context.Context, list []related, most int) ([]related, error) {
	found := make([][]related, len(list))
	var count atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	for i, r := range list {
		group.Go(func() error {
			next, err := g.relatives(ctx, r)
			if err == nil && count.Add(int64(len(next))) > int64(most) {
				err = endless(r.Descriptor)
			}
			found[i] = next
			return err
		})
	}
	err := group.Wait()
	return slices.Concat(found...), err
}

// What belongs to one artifact in all: what refers to it may go on for ever, as
// whoever gives it can make more of it at any time.
const (
	maxLevels  = 64
	maxRelated = 50_000
)

// maxLists is how many of the target's lists of referrers are remembered.
const maxLists = 32

// endless is for what belongs to an artifact and does not end.
func endless(d ocispec.Descriptor) error {
	return diag.Errorf(diag.BadArtifact, "what belongs to %s does not end within %d levels and %d manifests", d.Digest, maxLevels, maxRelated).
		WithHint("do not trust where it came from; berth copy --referrers=false leaves out what refers to it")
}

// refers reports whether what is listed as a referrer is one: the list may be of
// another time, or a lie. One that is not there is none.
func refers(ctx context.Context, src Source, r ocispec.Descriptor, subject ocispec.Descriptor) (*manifest, []byte, error) {
	data, err := src.Manifest(ctx, r)
	if missing(err) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	m, err := parseManifest(r, data)
	if err != nil || m.Subject == nil {
		return nil, nil, err
	}
	same, err := oci.Same(m.Subject.Digest, subject.Digest, func() ([]byte, error) { return src.Manifest(ctx, subject) })
	if !same || err != nil {
		return nil, nil, err
	}
	return m, data, nil
}

// refers is the function for the source. What it read need not be read again.
func (g *graph) refers(ctx context.Context, r related) (is bool, err error) {
	err = g.slots.do(ctx, 0, func() error {
		m, data, err := refers(ctx, g.src, r.Descriptor, *r.subject)
		if is = m != nil; is {
			g.has(r.Descriptor, data)
		}
		return g.srcErr(err)
	})
	if !is && err == nil {
		g.events.send(Event{Step: Unrelated, Digest: r.Digest})
	}
	return is, err
}

// relatives copies one manifest and returns what is next.
func (g *graph) relatives(ctx context.Context, r related) (next []related, err error) {
	if r.subject != nil {
		if is, err := g.refers(ctx, r); !is || err != nil {
			return nil, err
		}
	}
	if !oci.IsManifest(r.MediaType) { // an index may hold anything
		_, err := g.below(ctx, r.Descriptor, 0)
		return nil, err
	}
	var v *visit
	var referrers []ocispec.Descriptor
	group, inner := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		v, err = g.below(inner, r.Descriptor, 0)
		return err
	})
	group.Go(func() error {
		return g.slots.do(inner, 0, func() (err error) {
			referrers, err = g.src.Referrers(inner, r.Descriptor)
			return g.srcErr(err)
		})
	})
	if err := group.Wait(); err != nil {
		return nil, err
	}
	g.forget(r.Descriptor)
	if v.had && r.subject != nil {
		if err := g.listed(ctx, r); err != nil {
			return nil, err
		}
	}
	for _, d := range v.children {
		next = append(next, related{Descriptor: d})
	}
	for _, d := range referrers {
		next = append(next, related{Descriptor: d, subject: &r.Descriptor})
	}
	tagged, err := g.tagged(ctx, r.Descriptor)
	return append(next, tagged...), err
}

// tagged copies what belongs to a manifest by the names of its tags, and sets
// these.
func (g *graph) tagged(ctx context.Context, d ocispec.Descriptor) (next []related, err error) {
	if g.beside == nil {
		return nil, nil
	}
	tags, err := g.beside(ctx, d.Digest)
	if err != nil {
		return nil, g.srcErr(err)
	}
	for _, tag := range tags {
		d, err := g.src.Resolve(ctx, tag)
		if err != nil {
			return nil, g.srcErr(err)
		}
		if _, err := g.below(ctx, d, 0); err != nil {
			return nil, err
		}
		data, err := g.src.Manifest(ctx, d)
		if err != nil {
			return nil, g.srcErr(err)
		}
		if err := g.dst.Tag(ctx, d, data, tag); err != nil {
			return nil, g.dstErr(err)
		}
		g.events.send(Event{Step: Tagged, Name: tag, Digest: d.Digest})
		next = append(next, related{Descriptor: d})
	}
	return next, nil
}

// referrersKeeper is a sink that tells what refers to a manifest. known is false
// where that cannot be told.
type referrersKeeper interface {
	referrersOf(ctx context.Context, subject ocispec.Descriptor) (list []ocispec.Descriptor, known bool, err error)
}

// listed makes sure that a referrer which is there is also listed: whoever stored
// it may have been killed before that, where lists are the clients' to keep.
func (g *graph) listed(ctx context.Context, r related) error {
	keeper, ok := g.dst.(referrersKeeper)
	if !ok {
		return nil
	}
	g.mu.Lock()
	list, known := g.there[r.subject.Digest]
	g.mu.Unlock()
	if !known {
		err := g.slots.do(ctx, 0, func() (err error) {
			list, known, err = keeper.referrersOf(ctx, *r.subject)
			return g.dstErr(err)
		})
		if err != nil || !known {
			return err
		}
		g.mu.Lock()
		if len(g.there) == maxLists {
			clear(g.there)
		}
		g.there[r.subject.Digest] = list
		g.mu.Unlock()
	}
	if slices.ContainsFunc(list, func(d ocispec.Descriptor) bool { return d.Digest == r.Digest }) {
		return nil
	}
	data, err := g.src.Manifest(ctx, r.Descriptor)
	if err != nil {
		return g.srcErr(err)
	}
	return g.store(ctx, r.Descriptor, data)
}
