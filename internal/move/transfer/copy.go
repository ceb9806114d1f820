package transfer

import (
	"context"
	"errors"
	"path"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/oci"
	"github.com/berth-oci/berth/internal/client/remote"
	"github.com/berth-oci/berth/internal/config/resolve"
)

// CopyOptions says what to copy, and whereto.
type CopyOptions struct {
	From, To Place

	AllTags   bool   // every tag of the source, by their names
	Match     string // with AllTags: pattern of tags as in path.Match; "" for all
	Referrers bool   // also what refers to a manifest: signatures, SBOMs
	Platform  string // of an index only the image for this platform; "" for all
	KeepOn    bool   // after a tag that fails, go on with the others
	Force     bool   // replace an archive that is there
	Events    Events
}

// Copied tells what became of each tag.
type Copied struct {
	Tags   []CopiedTag `json:"tags"`
	Failed int         `json:"failed"`
}

// CopiedTag is one tag, or the digest that was asked for.
type CopiedTag struct {
	Source    string        `json:"source"`
	Target    string        `json:"target"`
	Digest    digest.Digest `json:"digest,omitempty"`
	Unchanged bool          `json:"unchanged"` // the target named it before
	Error     string        `json:"error,omitempty"`
}

// copyAtOnce is how many tags are copied at a time.
const copyAtOnce = parallelQuick

// Copy copies artifacts from one registry or layout to another, with all that is
// below them and refers to them, straight from one end to the other. What is there
// already is not sent; what another repository of the target registry has is taken
// from there. The push policy holds for the tags of a registry.
//
// With KeepOn a tag that fails is told in what is returned beside the first such
// error.
func Copy(ctx context.Context, t *resolve.Target, opts CopyOptions) (*Copied, error) {
	if err := opts.check(); err != nil {
		return nil, err
	}
	from, err := openSource(ctx, t, opts.From)
	if err != nil {
		return nil, err
	}
	defer from.close()
	names, err := from.names(ctx, opts)
	if err != nil {
		return nil, from.err(err)
	}
	to, err := openSink(t, opts, from)
	if err != nil {
		return nil, err
	}
	defer to.discard()
	g := newGraph(from, to, Copying, opts.Events)
	g.srcErr, g.dstErr, g.beside = from.err, to.err, from.beside
	if from.session != nil && to.layout != nil {
		g.dstErr = damaged
	}
	g.referrers = opts.Referrers && opts.To.Form != DockerArchive // which has no place for them
	g.again = to.layout != nil                                    // nobody watches over a directory
	c := &copier{graph: g, from: from, to: to, opts: opts, out: &Copied{Tags: make([]CopiedTag, len(names))}}
	err = c.all(ctx, names)
	if err == nil || opts.KeepOn && ctx.Err() == nil && c.out.Failed < len(names) {
		err = errors.Join(err, to.finish())
	}
	return c.out, firstOf(err)
}

// check fails with diag.Usage for one tag where all are asked for.
func (o CopyOptions) check() error {
	for _, p := range []Place{o.From, o.To} {
		name := p.Tag
		if p.Form == "" {
			name = nameOf(p.Ref)
		}
		if o.AllTags && name != "" {
			return diag.Errorf(diag.Usage, "%s names one, and --all-tags or --match several", p.called(name)).
				WithHint("write %s, or leave out the flag", p.called(""))
		}
	}
	return nil
}

// firstOf returns the first of joined errors: the one whose code is the outcome.
func firstOf(err error) error {
	if d, ok := errors.AsType[*diag.Diagnostic](err); ok {
		return d
	}
	return err
}

type copier struct {
	*graph
	from *copySource
	to   *copySink
	opts CopyOptions
	out  *Copied
}

// all copies the tags. Without KeepOn the first failure ends it.
func (c *copier) all(ctx context.Context, names []string) error {
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(copyAtOnce)
	faults := make([]error, len(names))
	for i, name := range names {
		group.Go(func() error {
			tag, err := c.one(inner, name)
			if err != nil {
				tag.Error, faults[i] = err.Error(), err
				c.events.send(Event{Step: Failed, Name: name, Error: tag.Error})
			}
			c.out.Tags[i] = tag
			if c.opts.KeepOn && ctx.Err() == nil {
				return nil
			}
			return err
		})
	}
	err := group.Wait()
	for _, fault := range faults {
		if fault != nil {
			c.out.Failed++
		}
	}
	if err != nil {
		return err
	}
	return errors.Join(faults...)
}

// one copies what a tag or digest of the source names.
func (c *copier) one(ctx context.Context, name string) (CopiedTag, error) {
	target := c.to.place.tagFor(name, c.opts.AllTags)
	tag := CopiedTag{Source: c.from.place.called(name), Target: c.to.place.called(target)}
	root, data, err := c.from.root(ctx, name, c.opts.Platform)
	if err != nil {
		return tag, c.srcErr(err)
	}
	tag.Digest = root.Digest
	c.has(root, data)
	if c.to.session != nil && target != "" {
		p := publisher{repositorySink: c.to.registry, graph: c.graph, root: root, data: data, tags: []string{target}, trust: true}
		tag.Unchanged, err = p.publish(ctx)
		return tag, c.dstErr(err)
	}
	if err := c.copy(ctx, root); err != nil || target == "" {
		return tag, err
	}
	if err := c.to.Tag(ctx, root, data, target); err != nil {
		return tag, c.dstErr(err)
	}
	c.events.send(Event{Step: Tagged, Name: target, Digest: root.Digest})
	return tag, nil
}

// root resolves a tag or digest of the source.
func (s *copySource) root(ctx context.Context, name, platform string) (d ocispec.Descriptor, data []byte, err error) {
	if s.session != nil { // which takes one question instead of two
		d, data, err = s.session.Get(ctx, name)
	} else if d, err = s.Resolve(ctx, name); err == nil {
		data, err = s.Manifest(ctx, d)
	}
	if err == nil {
		err = asNamed(name, d, data)
	}
	if err != nil {
		return d, nil, err
	}
	return forPlatform(ctx, s, d, data, platform)
}

// names returns the tags, or the digest, to copy.
func (s *copySource) names(ctx context.Context, opts CopyOptions) ([]string, error) {
	if !opts.AllTags {
		name, err := s.name(ctx, opts.Events)
		return []string{name}, err
	}
	tags, err := s.tags(ctx)
	if err != nil {
		return nil, err
	}
	tags = slices.DeleteFunc(slices.Clone(tags), func(tag string) bool {
		ok, _ := path.Match(opts.Match, tag)
		return isReferrersTag(tag) || opts.Match != "" && !ok
	})
	if len(tags) == 0 {
		return nil, diag.Errorf(diag.NotFound, "%s has no such tags", s.place.called("")).WithHint("see what there is with berth ls")
	}
	return tags, nil
}

// beside returns the tags that belong to a manifest by their names. The tags of
// the source are listed once, by whoever asks first and is not stopped.
func (s *copySource) beside(ctx context.Context, d digest.Digest) ([]string, error) {
	if s.session == nil {
		return nil, nil // a layout tells of them as referrers
	}
	s.listing.Lock()
	defer s.listing.Unlock()
	if s.companions == nil {
		companions := map[string][]string{}
		err := s.session.Tags(ctx, remote.Page{}, func(page []string) error {
			for _, tag := range page {
				if subject, ending, ok := oci.SplitReferrersTag(tag); ok && ending != "" {
					companions[subject] = append(companions[subject], tag)
				}
			}
			return nil
		})
		if err != nil && !remote.Missing(err) { // some registries know no repository without tags
			return nil, err
		}
		s.companions = companions
	}
	return s.companions[oci.ReferrersTag(d)], nil
}
