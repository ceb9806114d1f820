package transfer

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/client/remote"
	"github.com/berth-oci/berth/internal/config/resolve"
	"github.com/berth-oci/berth/internal/content/artifact"
	"github.com/berth-oci/berth/internal/content/cache"
)

// Policies of a pull, as pull_policy.policy has them.
const (
	policyAlways  = "always"
	policyMissing = "if-not-present"
	policyNever   = "never"
)

// cached is a repository whose content goes through the cache of this machine:
// a Source that asks the registry only where the policy has it, and fetches only
// what the cache lacks. What it gives is verified when it ends with io.EOF.
type cached struct {
	*session
	cache  *cache.Cache
	pull   PullPolicy
	events Events
	slots  slots

	quiet bool          // the registry was not asked what the reference leads to
	tag   string        // that was opened; "" for a digest
	root  digest.Digest // what it led to

	fetched map[digest.Digest][]byte // the manifest of a tag, fetched with it; or nil
}

// PullPolicy says when the registry is asked.
type PullPolicy struct {
	Policy string        // always, if-not-present or never
	TTL    time.Duration // for how long a tag is taken from the cache under if-not-present
	Verify bool          // whether blobs of the cache are hashed again
	Stale  bool          // whether a cached tag stands in, however old, for a registry that does not answer
}

// PolicyOf returns the policy of a config.
func PolicyOf(t *resolve.Target) PullPolicy {
	return PullPolicy{Policy: t.Pull.Policy, TTL: time.Duration(t.Pull.CacheTTL) * time.Second, Verify: t.Pull.VerifyCached}
}

// openCached puts the cache before a repository. close ends the use of it.
func openCached(s *session, policy PullPolicy, events Events) (c *cached, close func(), err error) {
	dir, err := cache.Dir()
	if err != nil {
		return nil, nil, err
	}
	store, err := cache.Open(dir, func(e cache.Event) {
		switch e.Step {
		case cache.Damaged:
			events.send(Event{Step: Damaged, Digest: e.Digest})
		case cache.Waiting:
			events.send(Event{Step: Waiting, Digest: e.Digest})
		case cache.Resumed:
			events.send(Event{Step: Resumed, Digest: e.Digest, Done: e.Done})
		}
	})
	if err != nil {
		return nil, nil, err
	}
	c = &cached{session: s, cache: store, pull: policy, events: events, slots: newSlots()}
	return c, func() { _ = store.Close() }, nil
}

// find is session.find by the policy.
func (c *cached) find(ctx context.Context, ref *artifact.Ref) (ocispec.Descriptor, error) {
	name := nameOf(*ref)
	entry, known := cache.TagEntry{}, false
	if name != "" {
		entry, known = c.cache.Tag(c.cacheName(name))
		known = known && (ref.Digest == "" || entry.Descriptor.Digest == ref.Digest)
	}
	fresh := ref.Digest != "" || time.Since(entry.Checked).Abs() <= c.pull.TTL
	switch {
	case c.pull.Policy == policyNever && !known:
		if err := c.otherOrigin(*ref); err != nil {
			return ocispec.Descriptor{}, err
		}
		return ocispec.Descriptor{}, c.target.Fault(diag.NotFound, "pull_policy.policy", `%s is not in the cache, and policy "never" asks no registry`, c.reference(ref.Tag, ref.Digest)).
			WithHint(`pull it with --policy always once, or name a tag or digest that berth cache ls shows`)
	case known && (c.pull.Policy == policyNever || c.pull.Policy == policyMissing && fresh):
		c.quiet = true
		return entry.Descriptor, nil
	}
	d, err := c.ask(ctx, ref, known)
	if err == nil {
		return d, nil
	}
	err = c.Err(err)
	if fault, ok := errors.AsType[*diag.Diagnostic](err); ok && fault.Code == diag.Unreachable && c.pull.Stale && known {
		c.events.send(Event{Step: Stale, Name: name, Digest: entry.Descriptor.Digest})
		c.pull.Policy, c.quiet = policyNever, true
		return entry.Descriptor, nil
	}
	return d, err
}

// ask asks the registry what a reference leads to. Of a tag that the cache does not
// know its manifest is wanted as well, which one question answers.
func (c *cached) ask(ctx context.Context, ref *artifact.Ref, known bool) (ocispec.Descriptor, error) {
	if ref.Tag == "" || ref.Digest != "" || known {
		return c.session.find(ctx, ref, c.events)
	}
	d, data, err := c.Get(ctx, ref.Tag)
	if remote.Missing(err) {
		return d, c.notFound(ctx, *ref)
	}
	if err == nil {
		c.fetched = map[digest.Digest][]byte{d.Digest: data}
	}
	return d, err
}

// remember notes what a reference led to, once the manifest is in the cache.
func (c *cached) remember(ref artifact.Ref, d ocispec.Descriptor) error {
	if c.pull.Policy == policyNever {
		return nil
	}
	if c.quiet {
		return nil // it was not asked about: its time goes on
	}
	entry := cache.TagEntry{Descriptor: d, Checked: time.Now().UTC()}
	// By its digest as well, which a lockfile may ask for.
	for _, name := range []string{d.Digest.String(), ref.Tag} {
		if name == "" || name == ref.Tag && ref.Digest != "" {
			continue
		}
		if name == ref.Tag && !c.isOrigin() {
			continue // another registry has the address at the moment
		}
		if err := c.cache.SetTag(c.cacheName(name), entry); err != nil {
			return err
		}
	}
	return nil
}

// cacheName is how the cache knows a tag, which is its origin's, or a digest, which
// is everybody's.
func (c *cached) cacheName(name string) cache.Reference {
	r := cache.Reference{Host: c.Host(), Repository: c.Name(), Tag: name}
	if !strings.Contains(name, ":") { // which a tag cannot hold
		r.Origin = c.origin
	}
	return r
}

// otherOrigin says why a tag that is in the cache is not taken from there; nil where
// there is none.
func (c *cached) otherOrigin(ref artifact.Ref) error {
	if ref.Digest != "" || ref.Tag == "" {
		return nil
	}
	from, err := c.cache.Origins(c.cacheName(ref.Tag))
	if err != nil || len(from) == 0 {
		return err
	}
	how := from[0].String()
	if how == "" {
		return c.target.Fault(diag.NotFound, "pull_policy.policy", `an older berth put %s in the cache, and it is not known where it came from; policy "never" asks no registry`,
			c.reference(ref.Tag, "")).
			WithHint("pull it once with --policy always while the registry can be reached, or pull it by its digest, which berth cache ls shows")
	}
	return c.target.Fault(diag.NotFound, "pull_policy.policy", `%s is in the cache by %s, and this config takes only what came by %s; policy "never" asks no registry`,
		c.reference(ref.Tag, ""), how, c.origin).
		WithHint(`pull it with --policy always once`)
}

// Manifest implements Source.
func (c *cached) Manifest(ctx context.Context, d ocispec.Descriptor) ([]byte, error) {
	blob, err := c.cache.Blob(ctx, d, true)
	if err != nil {
		return nil, err
	}
	if blob != nil {
		defer blob.Close()
		data := make([]byte, blob.Size())
		_, err := blob.ReadAt(data, 0)
		if err == io.EOF {
			err = nil
		}
		return data, err
	}
	if c.pull.Policy == policyNever {
		return nil, c.notCached(d)
	}
	data, here := c.fetched[d.Digest]
	if !here {
		if data, err = c.session.Manifest(ctx, d); err != nil {
			return nil, err
		}
	}
	d.Size = int64(len(data))
	return data, c.cache.Put(ctx, d, bytes.NewReader(data))
}

// Blob implements Source. The blob that it gives is fetched to its end even when
// less of it is read, unless it is closed before.
func (c *cached) Blob(ctx context.Context, d ocispec.Descriptor, offset int64) (io.ReadCloser, error) {
	blob, err := c.kept(ctx, d, c.pull.Verify)
	if err != nil {
		return nil, err
	}
	if blob != nil {
		return whole(blob, offset)
	}
	return c.follow(ctx, d, offset)
}

// Verified implements verifier. What the cache has is verified whatever the policy:
// nobody hashes it after this.
func (c *cached) Verified(ctx context.Context, d ocispec.Descriptor) (io.ReadCloser, error) {
	blob, err := c.kept(ctx, d, true)
	if err != nil {
		return nil, err
	}
	if blob != nil {
		return blob.File(), nil
	}
	return c.follow(ctx, d, 0)
}

// kept returns a blob that the cache has, or nil where it may be fetched.
func (c *cached) kept(ctx context.Context, d ocispec.Descriptor, verify bool) (*cache.Blob, error) {
	blob, err := c.cache.Blob(ctx, d, verify)
	switch {
	case err != nil:
		return nil, err
	case blob != nil:
		c.events.send(fromCache(d))
	case c.pull.Policy == policyNever:
		return nil, c.notCached(d)
	}
	return blob, nil
}

// fetch fetches what is missing of a blob.
func (c *cached) fetch(ctx context.Context, d ocispec.Descriptor, p *cache.Partial) error {
	event := Event{Step: Downloading, Name: d.Annotations[ocispec.AnnotationTitle], Digest: d.Digest, Total: d.Size}
	return c.slots.do(ctx, d.Size, func() error { return c.download(ctx, d, p, event, c.events) })
}

// fromCache tells that a blob came from the cache.
func fromCache(d ocispec.Descriptor) Event {
	return Event{Step: Cached, Name: d.Annotations[ocispec.AnnotationTitle], Digest: d.Digest, Total: d.Size}
}

// whole reads a cached blob and closes it with the reader.
func whole(blob *cache.Blob, offset int64) (io.ReadCloser, error) {
	body, err := blob.Open(offset)
	if err != nil {
		return nil, errors.Join(err, blob.Close())
	}
	return struct {
		io.Reader
		io.Closer
	}{body, blob}, nil
}

// follow fetches a blob into the cache and reads behind what has arrived.
func (c *cached) follow(ctx context.Context, d ocispec.Descriptor, offset int64) (io.ReadCloser, error) {
	ctx, cancel := context.WithCancel(ctx)
	f := &following{left: d.Size, cancel: cancel, fetched: make(chan struct{})}
	begun := make(chan io.ReadCloser, 1)
	go func() {
		defer close(f.fetched)
		f.blob, f.err = c.cache.Fetch(ctx, d, func(ctx context.Context, p *cache.Partial) error {
			body, err := p.Reader(ctx)
			if err != nil {
				return err
			}
			select {
			case begun <- body:
			default: // a second beginning: the reader of the first has failed
				body.Close()
			}
			return c.fetch(ctx, d, p)
		})
	}()
	select {
	case f.ReadCloser = <-begun:
	case <-f.fetched:
		if f.err != nil {
			cancel()
			return nil, f.err
		}
		select {
		case body := <-begun:
			body.Close()
		default:
		}
		cancel()
		return whole(f.blob, offset)
	}
	if _, err := io.CopyN(io.Discard, f, offset); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// following reads a blob while it is fetched.
type following struct {
	io.ReadCloser // behind what has arrived
	left          int64
	cancel        context.CancelFunc
	fetched       chan struct{} // closed when blob and err are set
	blob          *cache.Blob
	err           error
}

// Read implements io.Reader.
func (f *following) Read(p []byte) (int, error) {
	n, err := f.ReadCloser.Read(p)
	f.left -= int64(n)
	return n, err
}

// Close implements io.Closer. It ends a fetch of which not all was read; else it
// waits until the blob is verified and in the cache, and fails where it is not.
func (f *following) Close() error {
	whole := f.left == 0
	if !whole {
		f.cancel()
	}
	<-f.fetched
	f.cancel()
	err := f.ReadCloser.Close()
	if f.blob != nil {
		err = errors.Join(err, f.blob.Close())
	}
	if whole && f.err != nil {
		err = f.err
	}
	return err
}

// notCached is why policy never cannot go on.
func (c *cached) notCached(d ocispec.Descriptor) error {
	return diag.Errorf(diag.NotFound, "%s of %s is not in the cache, or was damaged there and removed, and no registry is asked", d.Digest, c.reference("", "")).
		WithHint("pull it once with --policy always")
}
