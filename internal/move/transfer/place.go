package transfer

import (
	"context"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/oci"
	"github.com/berth-oci/berth/internal/client/remote"
	"github.com/berth-oci/berth/internal/config/resolve"
	"github.com/berth-oci/berth/internal/content/artifact"
	"github.com/berth-oci/berth/internal/content/layout"
)

// Place is one end of a copy: a repository, or a layout on this machine.
type Place struct {
	Ref artifact.Ref // of a repository

	Form ImageForm // of a layout; "" for a repository
	Path string
	Tag  string // of the layout; "" for the only one, or the source's
}

// ParsePlace parses a reference as artifact.ParseRef does, or FORM:PATH[:TAG] as
// skopeo has it, FORM being oci, oci-archive or docker-archive. It fails with
// diag.BadReference.
func ParsePlace(t *resolve.Target, arg string) (Place, error) {
	form, rest, _ := strings.Cut(arg, ":")
	for _, known := range ImageForms() {
		if form != known || rest == "" {
			continue
		}
		p := Place{Form: ImageForm(form), Path: rest}
		if path, d, ok := strings.Cut(rest, "@"); ok && digest.Digest(d).Validate() == nil {
			p.Path, p.Tag = path, d
			return p, nil
		}
		if i := strings.LastIndexByte(rest, ':'); i > 0 && oci.IsTag(rest[i+1:]) {
			p.Path, p.Tag = rest[:i], rest[i+1:]
		}
		return p, nil
	}
	ref, err := artifact.ParseRef(t, arg)
	if err == nil && ref.Name == "" {
		err = diag.Errorf(diag.BadReference, "reference %q names no repository", arg).
			WithHint("write KIND/NAME[:TAG|@DIGEST], HOST/REPOSITORY[:TAG|@DIGEST] or oci:PATH[:TAG]")
	}
	return Place{Ref: ref}, err
}

// called returns how a user would write a tag or digest of the place.
func (p Place) called(name string) string {
	base, separator := string(p.Form)+":"+p.Path, ":"
	if p.Form == "" {
		base = p.Ref.Kind.Name + "/" + p.Ref.Name
		if p.Ref.Host != "" {
			base = p.Ref.Host + "/" + p.Ref.Name
		}
	}
	if digest.Digest(name).Validate() == nil {
		separator = "@"
	}
	if name == "" {
		return base
	}
	return base + separator + name
}

// tagFor returns the tag that the place gives to what another calls name: its own
// or, with all, the same. A digest gets none.
func (p Place) tagFor(name string, all bool) string {
	own := p.Tag
	if p.Form == "" {
		own = p.Ref.Tag
	}
	if digest.Digest(own).Validate() == nil {
		own = ""
	}
	switch {
	case own != "" && !all:
		return own
	case digest.Digest(name).Validate() == nil:
		return ""
	}
	// Archives give names in full.
	if tag := name[strings.LastIndexAny(name, ":/")+1:]; oci.IsTag(tag) {
		return tag
	}
	return ""
}

// copySource is the end that is copied from.
type copySource struct {
	Source
	place   Place
	session *session       // of a repository
	layout  *layout.Layout // of a layout
	close   func()

	listing    sync.Mutex
	companions map[string][]string // tags by the Tag of what they belong to; nil before they were listed
}

func openSource(ctx context.Context, t *resolve.Target, p Place) (*copySource, error) {
	if p.Form != "" {
		l, err := layout.Open(ctx, p.Path)
		if err != nil {
			return nil, err
		}
		return &copySource{Source: l, place: p, layout: l, close: func() { _ = l.Close() }}, nil
	}
	s, err := connect(p.Ref.Registry(t), p.Ref.Repository())
	if err != nil {
		return nil, err
	}
	return &copySource{Source: s, place: p, session: s, close: func() {}}, nil
}

// Pause implements pauser.
func (s *copySource) Pause(ctx context.Context, retry int) error {
	if s.session == nil {
		return ctx.Err()
	}
	return s.session.Pause(ctx, retry)
}

func (s *copySource) err(err error) error {
	if s.session == nil {
		return err
	}
	return s.session.Err(err)
}

// Check implements checker.
func (s *copySource) Check(ctx context.Context, d ocispec.Descriptor) error {
	if s.layout == nil {
		return nil
	}
	return s.layout.Check(ctx, d)
}

// name returns what the place names: when it names nothing, a tag that is chosen,
// or that of all there is in a layout.
func (s *copySource) name(ctx context.Context, events Events) (string, error) {
	if s.session == nil {
		if s.place.Tag != "" || len(s.layout.Roots()) != 1 {
			return s.place.Tag, nil
		}
		tags, err := s.layout.Tags(ctx)
		if err != nil || len(tags) != 1 {
			return "", err
		}
		return tags[0], nil
	}
	if _, err := s.session.find(ctx, &s.place.Ref, events); err != nil {
		return "", err
	}
	return nameOf(s.place.Ref), nil
}

func (s *copySource) tags(ctx context.Context) ([]string, error) {
	if s.session == nil {
		return s.layout.Tags(ctx)
	}
	tags, err := s.session.tags(ctx)
	if remote.Missing(err) {
		err = s.session.notFound(ctx, s.place.Ref)
	}
	return tags, err
}

// copySink is the end that is copied to.
type copySink struct {
	Sink
	place    Place
	session  *session       // of a repository
	registry repositorySink // of a repository
	layout   *layout.Writer // of a layout
}

func openSink(t *resolve.Target, opts CopyOptions, from *copySource) (*copySink, error) {
	p := opts.To
	if p.Form != "" {
		repository := "" // that of a layout is no name
		if from.session != nil {
			repository = from.session.reference("", "")
		}
		w, err := createLayout(p.Path, p.Form, repository, opts.Force)
		if err != nil {
			return nil, err
		}
		return &copySink{Sink: w, place: p, layout: w}, nil
	}
	if p.Ref.Digest != "" {
		return nil, diag.Errorf(diag.BadReference, "%s is to be copied to, and names a digest", p.called(p.Ref.Digest.String())).
			WithHint("name the repository alone, or a tag")
	}
	s, err := connect(p.Ref.Registry(t), p.Ref.Repository())
	if err != nil {
		return nil, err
	}
	if err := refuseUnsigned(s.target); err != nil {
		return nil, err
	}
	sink := repositorySink{session: s, events: opts.Events}
	if from.session != nil && from.session.Host() == s.Host() && from.session.Name() != s.Name() {
		sink.from = from.session.Name()
	}
	return &copySink{Sink: sink, place: p, session: s, registry: sink}, nil
}

// referrersOf implements referrersKeeper.
func (s *copySink) referrersOf(ctx context.Context, subject ocispec.Descriptor) ([]ocispec.Descriptor, bool, error) {
	if s.session == nil {
		return nil, false, nil
	}
	return s.registry.referrersOf(ctx, subject)
}

func (s *copySink) err(err error) error {
	if s.session == nil {
		return err
	}
	return s.session.Err(err)
}

// finish makes what was copied visible.
func (s *copySink) finish() error {
	if s.layout == nil {
		return nil
	}
	return s.layout.Close()
}

// discard ends the use of the place, finished or not.
func (s *copySink) discard() {
	if s.layout != nil {
		s.layout.Discard()
	}
}
