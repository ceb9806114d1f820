package transfer

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/oci"
	"github.com/berth-oci/berth/internal/client/remote"
	"github.com/berth-oci/berth/internal/config/resolve"
)

// repositorySink is a repository as a Sink, under the push policy.
type repositorySink struct {
	*session
	from   string        // repository of the same registry that may have the blobs; "" for none
	ahead  *remote.Ahead // by which the blob sent is on its way; nil for none
	sent   digest.Digest
	asked  *answers // to Has; nil to ask each time
	events Events
}

// Has implements Sink.
func (s repositorySink) Has(ctx context.Context, d ocispec.Descriptor) (bool, error) {
	if s.asked == nil {
		return s.Repository.Has(ctx, d)
	}
	return s.asked.has(ctx, d, func() (bool, error) { return s.Repository.Has(ctx, d) })
}

// PutBlob implements Sink.
func (s repositorySink) PutBlob(ctx context.Context, d ocispec.Descriptor, open func(offset int64) (io.ReadCloser, error)) error {
	if s.ahead != nil && d.Digest == s.sent {
		opened := false
		err := s.ahead.Finish(ctx, d, func(offset int64) (io.ReadCloser, error) {
			opened = true
			return open(offset)
		})
		if err == nil && !opened { // all was sent before, which nothing has told
			s.events.send(Event{Step: Uploading, Name: d.Annotations[ocispec.AnnotationTitle], Digest: d.Digest, Done: d.Size, Total: d.Size})
		}
		return err
	}
	mounted, err := s.Repository.PutBlob(ctx, d, open, s.from)
	if mounted {
		s.events.send(Event{Step: Mounted, Name: d.Annotations[ocispec.AnnotationTitle], Digest: d.Digest, Total: d.Size})
	}
	return err
}

// Tag implements Sink.
func (s repositorySink) Tag(ctx context.Context, d ocispec.Descriptor, data []byte, tag string) error {
	return s.tag(ctx, d, data, tag, false)
}

// referrersOf implements referrersKeeper.
func (s repositorySink) referrersOf(ctx context.Context, subject ocispec.Descriptor) ([]ocispec.Descriptor, bool, error) {
	list, err := s.Referrers(ctx, subject)
	return list, err == nil, err
}

// refuseUnsigned holds require_signing, for whatever gives a registry something to
// trust.
func refuseUnsigned(t *resolve.Target) error {
	if !t.Push.RequireSigning {
		return nil
	}
	return t.Fault(diag.PolicyRefused, "push_policy.require_signing", "the config asks for signed artifacts, and this version of berth cannot sign").
		WithHint("set require_signing to false to publish without a signature")
}

// publisher puts a manifest and its tags into a repository, in the order that
// never lets a tag name anything incomplete: blobs, manifests by their digests,
// what signs them, the tags.
type publisher struct {
	repositorySink
	graph *graph
	root  ocispec.Descriptor
	data  []byte // of the root
	tags  []string
	trust bool  // that a registry which has a tag has all that is below it
	look  *look // at the tags, begun before

	// sign is called when everything is there but the tags; nil for nothing.
	sign func(context.Context, ocispec.Descriptor) error
}

// publish reports whether every tag named the root before, with nothing missing. The
// manifest goes by its digest first, also where nothing but a tag follows: what is
// damaged on the way is refused then, and under a tag it would be taken.
func (p *publisher) publish(ctx context.Context) (unchanged bool, err error) {
	if p.asked != nil {
		defer p.foresee(ctx)()
	}
	todo, err := p.changed(ctx)
	if err != nil {
		return false, err
	}
	if len(todo) == 0 && p.trust { // but what refers to it may be new
		return true, p.graph.copy(ctx, p.root)
	}
	if len(todo) == 0 {
		complete, err := p.complete(ctx)
		if err != nil {
			return false, err
		}
		if complete && p.graph.referrers {
			p.graph.again = false
			return true, p.graph.copy(ctx, p.root)
		}
		if complete {
			return true, nil
		}
		todo = p.tags // a registry that lost content gets it again
	}
	if err := p.graph.copy(ctx, p.root); err != nil {
		return false, err
	}
	if p.sign != nil {
		if err := p.sign(ctx, p.root); err != nil {
			return false, err
		}
	}
	for _, tag := range todo {
		if err := p.tag(ctx, p.root, p.data, tag, time.Since(p.look.began) < lookAgain); err != nil {
			return false, err
		}
		p.events.send(Event{Step: Tagged, Name: tag, Digest: p.root.Digest})
	}
	return false, nil
}

// changed returns the tags that do not name the root yet.
func (p *publisher) changed(ctx context.Context) (todo []string, err error) {
	if p.look == nil {
		p.look = p.lookAt(ctx, p.tags)
	}
	p.look.wait()
	for i, tag := range p.tags {
		same, err := p.judge(tag, p.look.named[i], p.look.faults[i], p.root, p.data)
		switch {
		case err != nil:
			return nil, err
		case same:
			if p.asked != nil {
				p.asked.told(p.root.Digest)
			}
			p.events.send(Event{Step: Unchanged, Name: tag, Digest: p.root.Digest})
		default:
			todo = append(todo, tag)
		}
	}
	return todo, nil
}

// free reports whether a tag names root, whose content is data, already. It fails
// with diag.TagExists when the tag names other content and must not move.
func (s *session) free(ctx context.Context, tag string, root ocispec.Descriptor, data []byte) (same bool, err error) {
	old, err := s.Resolve(ctx, tag)
	return s.judge(tag, old, err, root, data)
}

// judge is free for a tag that was looked at.
func (s *session) judge(tag string, old ocispec.Descriptor, err error, root ocispec.Descriptor, data []byte) (same bool, fault error) {
	if remote.Missing(err) {
		return false, nil
	}
	if err == nil {
		same, err = oci.Same(old.Digest, root.Digest, func() ([]byte, error) { return data, nil })
	}
	if same || err != nil || s.target.Push.AllowOverwrite {
		return same, err
	}
	return false, s.target.Fault(diag.TagExists, "push_policy.allow_overwrite", "tag %s of %s names %s, not %s", tag, s.reference("", ""), old.Digest, root.Digest).
		WithHint("push another version or tag, or set push_policy.allow_overwrite to true")
}

// look is what tags name, asked for while something else is done.
type look struct {
	began  time.Time
	named  []ocispec.Descriptor
	faults []error

	asking sync.WaitGroup
	cancel context.CancelFunc
}

// lookAt begins to ask what tags name. Its look must be waited for or ended.
func (s *session) lookAt(ctx context.Context, tags []string) *look {
	l := &look{began: time.Now(), named: make([]ocispec.Descriptor, len(tags)), faults: make([]error, len(tags))}
	ctx, l.cancel = context.WithCancel(ctx)
	l.asking.Go(func() {
		for i, tag := range tags {
			l.named[i], l.faults[i] = s.Resolve(ctx, tag)
		}
	})
	return l
}

// wait waits for the answers.
func (l *look) wait() {
	l.asking.Wait()
	l.cancel()
}

// end gives up what has not been answered.
func (l *look) end() {
	l.cancel()
	l.asking.Wait()
}

// lookAgain is how old a look at a tag may be to be one right before the tag is
// set. What takes less than that is no more open to others than the next look.
const lookAgain = time.Second

// tag points a tag at a manifest. Where tags must not move, the request has the
// condition that the tag is new, and the outcome is looked at. looked is whether
// the tag was found to be free right before.
func (s *session) tag(ctx context.Context, d ocispec.Descriptor, data []byte, tag string, looked bool) error {
	if s.target.Push.AllowOverwrite {
		return s.Repository.Tag(ctx, d, data, tag)
	}
	if !looked {
		if same, err := s.free(ctx, tag, d, data); same || err != nil {
			return err
		}
	}
	if err := s.TagNew(ctx, d, data, tag); err != nil && !errors.Is(err, remote.ErrExists) {
		return err
	}
	_, err := s.free(ctx, tag, d, data)
	return err
}
