package conformance

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
)

// sharedLayers are in many images, so that they become garbage and are wanted
// again all the time.
var sharedLayers = func() (layers []blob) {
	for range 12 {
		layers = append(layers, randomBlob(30_000))
	}
	return layers
}()

// pusher changes its own tags: it pushes images, indexes and referrers, moves
// tags, and deletes tags and manifests.
type pusher struct {
	*stress
	id     int
	random *rand.Rand
}

func newPusher(s *stress, id int) *pusher { return &pusher{s, id, seeded(uint64(id))} }

func (p *pusher) run(ctx context.Context) {
	for ctx.Err() == nil {
		life := p.up(ctx)
		started := time.Now()
		err := p.step(context.WithoutCancel(ctx))
		switch {
		case err == nil:
		case p.excused(life):
			p.count.lost.Add(1)
		case isBlobUnknown(err) && time.Since(started) > stressDelay:
			// Too slow for the protection of what it had pushed.
		default:
			p.fault(fmt.Sprintf("pusher %d", p.id), err)
		}
	}
}

func isBlobUnknown(err error) bool {
	r := new(refusal)
	return errors.As(err, &r) && slices.Contains(r.codes(), "MANIFEST_BLOB_UNKNOWN")
}

func (p *pusher) mine(at place) bool { return at.tag[:3] == p.tag(0)[:3] }

func (p *pusher) tag(n int) string { return fmt.Sprintf("p%d-%d", p.id, n) }

// repo is one of those in use at this time. The others are quiet, so that what
// became garbage in them can be collected.
func (p *pusher) repo() string {
	group := int(time.Since(p.started)/(2*stressDelay)) % 2
	return fmt.Sprintf("stress/g%d/r%d", group, p.random.IntN(3))
}

func (p *pusher) step(ctx context.Context) error {
	switch n := p.random.IntN(20); {
	case n < 11:
		at := place{p.repo(), p.tag(p.random.IntN(4))}
		return p.push(ctx, at, p.image())
	case n < 14:
		return p.onOne(ctx, p.attach)
	case n < 16:
		return p.onOne(ctx, p.retag)
	case n < 18:
		return p.onOne(ctx, p.untag)
	default:
		return p.onOne(ctx, p.deleteManifest)
	}
}

// onOne calls do for a place of this pusher, when there is one.
func (p *pusher) onOne(ctx context.Context, do func(context.Context, certain) error) error {
	c, ok := p.journal.pick(p.random, p.mine)
	if !ok {
		return nil
	}
	return do(ctx, c)
}

// image makes an image or, one time in four, an index of two.
func (p *pusher) image() image {
	one := func() image {
		var layers []blob
		for range 1 + p.random.IntN(3) {
			layers = append(layers, p.layer())
		}
		return newImage(layers, nil)
	}
	if p.random.IntN(4) == 0 {
		return newIndex(one(), one())
	}
	return one()
}

func (p *pusher) layer() blob {
	if p.random.IntN(2) == 0 {
		return sharedLayers[p.random.IntN(len(sharedLayers))]
	}
	size := 1 + p.random.IntN(40_000)
	if p.random.IntN(10) == 0 {
		size = 1 << 20
	}
	b := randomBlob(size)
	if p.random.IntN(8) == 0 {
		b = newBlob(digest.SHA512, b.data)
	}
	return b
}

// push uploads an image and tags it: with its manifest, or after it.
func (p *pusher) push(ctx context.Context, at place, i image) error {
	for _, b := range i.blobs {
		if err := p.upload(ctx, at.repo, b); err != nil {
			return err
		}
	}
	children := i.manifests[:len(i.manifests)-1]
	if p.random.IntN(2) == 0 {
		children = i.manifests
	}
	for _, m := range children {
		if err := p.srv.client.putManifest(ctx, at.repo, m.digest.String(), m.mediaType, m.data); err != nil {
			return err
		}
	}
	p.count.pushes.Add(1)
	return p.put(ctx, at, i.root())
}

// put stores a manifest under a tag and records how that went.
func (p *pusher) put(ctx context.Context, at place, m manifest) error {
	p.journal.begin(at)
	err := p.srv.client.putManifest(ctx, at.repo, at.tag, m.mediaType, m.data)
	p.journal.end(at, m.digest, err == nil)
	return err
}

// upload brings a blob into a repository in one of the ways there are.
func (p *pusher) upload(ctx context.Context, repo string, b blob) error {
	if p.random.IntN(2) == 0 {
		if has, err := p.srv.client.hasBlob(ctx, repo, b.digest); has || err != nil {
			return err
		}
	}
	if p.random.IntN(3) == 0 {
		from := fmt.Sprintf("stress/g%d/r%d", p.random.IntN(2), p.random.IntN(3))
		if from != repo {
			if mounted, err := p.srv.client.mount(ctx, repo, b.digest, from); mounted || err != nil {
				return err
			}
		}
	}
	chunk := 0
	if p.random.IntN(4) == 0 {
		chunk = len(b.data)/3 + 1
	}
	return p.srv.client.pushBlob(ctx, repo, b.digest, b.data, chunk)
}

// attach pushes an artifact that refers to an image.
func (p *pusher) attach(ctx context.Context, c certain) error {
	mediaType, data, err := p.srv.client.manifest(ctx, c.repo, c.content.String())
	if err != nil {
		return err
	}
	subject := blob{c.content, data}.descriptor(mediaType)
	i := newImage([]blob{p.layer()}, &subject)
	for _, b := range i.blobs {
		if err := p.upload(ctx, c.repo, b); err != nil {
			return err
		}
	}
	m := i.root()
	if err := p.srv.client.putManifest(ctx, c.repo, m.digest.String(), m.mediaType, m.data); err != nil {
		return err
	}
	p.journal.refer(c.repo, c.content, m.digest)
	p.count.referrers.Add(1)
	return nil
}

// retag gives an image another tag.
func (p *pusher) retag(ctx context.Context, c certain) error {
	mediaType, data, err := p.srv.client.manifest(ctx, c.repo, c.tag)
	if err != nil {
		return err
	}
	return p.put(ctx, place{c.repo, p.tag(p.random.IntN(4))}, manifest{blob{c.content, data}, mediaType, ""})
}

func (p *pusher) untag(ctx context.Context, c certain) error {
	p.journal.begin(c.place)
	err := p.srv.client.delete(ctx, "/v2/"+c.repo+"/manifests/"+c.tag)
	p.journal.end(c.place, absent, err == nil)
	p.count.deletes.Add(1)
	return err
}

// deleteManifest deletes an image with all its tags.
func (p *pusher) deleteManifest(ctx context.Context, c certain) error {
	places := p.journal.with(c.repo, c.content)
	p.journal.begin(places...)
	err := p.srv.client.delete(ctx, "/v2/"+c.repo+"/manifests/"+c.content.String())
	for _, at := range places {
		p.journal.gone(at, c.content, err == nil)
	}
	p.count.deletes.Add(1)
	return err
}
