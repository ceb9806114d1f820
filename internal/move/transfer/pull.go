package transfer

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/client/remote"
	"github.com/berth-oci/berth/internal/config/resolve"
	"github.com/berth-oci/berth/internal/content/artifact"
	"github.com/berth-oci/berth/internal/content/lockfile"
)

// PullOptions says what to pull, and whereto.
type PullOptions struct {
	Ref    artifact.Ref
	Path   string // "": the name of the artifact, in the working directory
	Force  bool   // replace what Path holds
	Limits artifact.Limits
	Policy PullPolicy
	Events Events

	Form     ImageForm // how an image is written; "" for what is to be unpacked
	Platform string    // of an image, as in linux/arm64; "" for all

	Lock *lockfile.File // where the digest is noted; nil for nowhere
}

// Pulled is an artifact that has been unpacked or, an image, written down.
type Pulled struct {
	Path      string        `json:"directory"` // or file
	Reference string        `json:"reference"`
	Digest    digest.Digest `json:"digest"`
	Unchanged bool          `json:"unchanged"` // Path held the same before
}

// Pull fetches an artifact, by the policy and through the cache, and unpacks it.
// Every byte is verified on its way to a directory beside the output, which takes
// the output's place at the end: on any failure the output is as it was.
//
// It fails with diag.NotFound, diag.DigestMismatch, diag.UnsafeArchive,
// diag.BadArtifact (not a packed artifact) and diag.TargetExists (the output holds
// something else and Force is not set).
func Pull(ctx context.Context, t *resolve.Target, opts PullOptions) (*Pulled, error) {
	if opts.Ref.Name == "" {
		return nil, diag.Errorf(diag.BadReference, "no name to pull").WithHint("write KIND/NAME, as in extension/aws")
	}
	if opts.Path == "" {
		opts.Path = opts.Ref.Base()
	}
	if opts.Lock != nil {
		if err := opts.Lock.Check(); err != nil { // before anything is written
			return nil, err
		}
	}
	s, err := connect(opts.Ref.Registry(t), opts.Ref.Repository())
	if err != nil {
		return nil, err
	}
	c, closeCache, err := openCached(s, opts.Policy, opts.Events)
	if err != nil {
		return nil, err
	}
	defer closeCache()
	pull := c.pullTo
	if opts.Form != "" {
		pull = c.pullImage
	}
	pulled, err := pull(ctx, opts)
	if err == nil && opts.Lock != nil && c.tag != "" {
		err = opts.Lock.Lock(ctx, c.reference(c.tag, ""), c.root)
	}
	return pulled, s.Err(err)
}

// Locked returns a reference with the digest that a lockfile has for its tag. It
// fails with diag.PolicyRefused when that has none, or not the one that the reference
// has, and diag.BadReference for a reference without tag and digest.
func Locked(t *resolve.Target, ref artifact.Ref, lock lockfile.File) (artifact.Ref, error) {
	repository := ref.Registry(t).Endpoint.HostPort() + "/" + ref.Repository()
	switch {
	case ref.Tag == "" && ref.Digest == "":
		return ref, diag.Errorf(diag.BadReference, "a tag is needed to be looked up in %s", lockfile.Name).
			WithHint("write KIND/NAME:TAG, as it was pulled with --lock")
	case ref.Tag == "":
		return ref, lock.Pins(repository, ref.Digest)
	}
	reference := repository + ":" + ref.Tag
	locked, err := lock.Digest(reference)
	if err == nil && ref.Digest != "" && ref.Digest != locked {
		err = diag.Errorf(diag.PolicyRefused, "%s is locked to %s, not %s", reference, locked, ref.Digest).
			WithHint("leave out the digest, or pull it with --lock once to lock the tag to it")
	}
	ref.Digest = locked
	return ref, err
}

func (c *cached) pullTo(ctx context.Context, opts PullOptions) (*Pulled, error) {
	desc, _, m, err := c.open(ctx, &opts.Ref)
	if err != nil {
		return nil, err
	}
	out := &Pulled{Path: opts.Path, Reference: c.reference(opts.Ref.Tag, desc.Digest), Digest: desc.Digest}
	out.Unchanged, err = c.unpackTo(ctx, m, opts)
	if err == nil && out.Unchanged {
		opts.Events.send(Event{Step: Unchanged, Name: opts.Path, Digest: desc.Digest})
	}
	return out, err
}

// open resolves a reference and reads its manifest.
func (c *cached) open(ctx context.Context, ref *artifact.Ref) (desc ocispec.Descriptor, data []byte, m *manifest, err error) {
	if desc, err = c.find(ctx, ref); err != nil {
		return desc, nil, nil, err
	}
	if data, err = c.Manifest(ctx, desc); err != nil {
		return desc, nil, nil, err
	}
	if err = asNamed(nameOf(*ref), desc, data); err != nil {
		return desc, nil, nil, err
	}
	if m, err = parseManifest(desc, data); err != nil {
		return desc, nil, nil, err
	}
	c.tag, c.root = ref.Tag, desc.Digest
	return desc, data, m, c.remember(*ref, desc)
}

// unpackTo unpacks an artifact to its place. What arrived damaged is fetched a
// second time: it may have been the way, or what an interrupted pull left.
func (c *cached) unpackTo(ctx context.Context, m *manifest, opts PullOptions) (unchanged bool, err error) {
	defer func() { err = outputFault(opts.Path, err) }()
	if c.same(ctx, m, opts) {
		return true, nil
	}
	staging, err := artifact.Stage(opts.Path)
	if err != nil {
		return false, err
	}
	defer staging.Discard()
	err = c.unpack(ctx, staging.Dir, m, opts)
	if fault, ok := errors.AsType[*diag.Diagnostic](err); ok && fault.Code == diag.DigestMismatch && ctx.Err() == nil {
		if err = staging.Reset(); err == nil {
			err = c.unpack(ctx, staging.Dir, m, opts)
		}
	}
	if err != nil {
		return false, err
	}
	return staging.Commit(opts.Force)
}

// outputFault tells of a disk that cannot take what is pulled: the registry has no
// part in it.
func outputFault(path string, err error) error {
	if _, told := errors.AsType[*diag.Diagnostic](err); told {
		return err
	}
	_, file := errors.AsType[*fs.PathError](err)
	_, link := errors.AsType[*os.LinkError](err)
	if !file && !link {
		return err
	}
	return diag.Errorf(diag.StorageFailed, "cannot write %s: %w", path, err).
		WithHint("it is as it was; make room or mend the permissions there, or choose another place with -o")
}

// unpack unpacks the layers in order, while they are fetched at once.
func (c *cached) unpack(ctx context.Context, dir string, m *manifest, opts PullOptions) error {
	if err := unpackable(m); err != nil {
		return err
	}
	u, err := artifact.NewUnpacker(dir, opts.Limits)
	if err != nil {
		return err
	}
	defer u.Close()
	ctx, cancel := context.WithCancel(ctx)
	arrivals := c.fetchAll(ctx, m.Layers)
	defer func() {
		cancel()
		for _, a := range arrivals {
			_ = a.close()
		}
	}()
	return eachLayer(ctx, u, dir, m, func(i int, f form) error { return c.layer(ctx, u, m.Layers[i], arrivals[i], f) })
}

// unpackable fails with diag.BadArtifact for what is no packed artifact.
func unpackable(m *manifest) error {
	if m.MediaType != ocispec.MediaTypeImageManifest && m.desc.MediaType != ocispec.MediaTypeImageManifest {
		return diag.Errorf(diag.BadArtifact, "%s is a %s, not an artifact that can be unpacked", m.desc.Digest, m.desc.MediaType).
			WithHint("`berth inspect` shows what it is; an image is pulled with --as oci")
	}
	if len(m.Layers) == 0 {
		return diag.Errorf(diag.BadArtifact, "the artifact has no content").WithHint("`berth inspect` shows what it is")
	}
	return nil
}

// eachLayer puts the layers of an artifact where u has them, in order, and checks
// what dir holds then.
func eachLayer(ctx context.Context, u *artifact.Unpacker, dir string, m *manifest, put func(i int, f form) error) error {
	f := form{module: artifact.IsModule(m.Image()), only: len(m.Layers) == 1}
	for i := range m.Layers {
		if err := put(i, f); err != nil {
			return err
		}
	}
	if err := u.Finish(); err != nil || !f.module {
		return err
	}
	return artifact.CheckModule(ctx, dir, m.Image())
}

// form is how the layers of an artifact lie in the output.
type form struct {
	module bool // a KCL package: the layer is the module
	only   bool // the only layer is the output itself; else each goes below its title
}

// arrival is a blob that is on its way, or there.
type arrival struct {
	begun chan struct{} // closed when body and err are set
	body  io.ReadCloser
	err   error
	leave func() // gives its place in the window to a later one

	once sync.Once
}

// close ends the use of the blob, once.
func (a *arrival) close() (err error) {
	a.once.Do(func() {
		<-a.begun
		if a.body != nil {
			err = a.body.Close()
		}
		a.leave()
	})
	return err
}

// window is how many layers of an artifact may be open before their turn.
const window = 16

// fetchAll begins to fetch blobs, in order. Each has to be closed, in order or
// after the end of ctx.
func (c *cached) fetchAll(ctx context.Context, blobs []ocispec.Descriptor) []*arrival {
	places := make(chan struct{}, window)
	arrivals := make([]*arrival, len(blobs))
	for i := range blobs {
		arrivals[i] = &arrival{begun: make(chan struct{}), leave: func() {}}
	}
	go func() {
		for i, a := range arrivals {
			select {
			case places <- struct{}{}:
				a.leave = func() { <-places }
			case <-ctx.Done():
			}
			go func() {
				defer close(a.begun)
				a.body, a.err = c.Blob(ctx, blobs[i], 0)
			}()
		}
	}()
	return arrivals
}

// layer unpacks one layer.
func (c *cached) layer(ctx context.Context, u *artifact.Unpacker, layer ocispec.Descriptor, a *arrival, f form) error {
	title := layer.Annotations[ocispec.AnnotationTitle]
	if title == "" && !f.module {
		return diag.Errorf(diag.BadArtifact, "layer %s has no title, so it is no file or directory", layer.Digest).
			WithHint("berth unpacks what `berth push` and `oras push` write")
	}
	<-a.begun
	if a.err != nil {
		return ofLayer(layer, a.err)
	}
	err := f.put(ctx, u, layer, a.body)
	if fault, ok := errors.AsType[*diag.Diagnostic](err); ok && (fault.Code == diag.BadArtifact || fault.Code == diag.UnsafeArchive) {
		// What looks like a bad archive may be good bytes gone bad: the digest,
		// which the end of the blob tells of, knows.
		if _, bad := io.Copy(io.Discard, a.body); bad != nil {
			err = bad
		}
	}
	if closed := a.close(); err == nil {
		err = closed
	}
	return ofLayer(layer, err)
}

// put unpacks the content of a layer.
func (f form) put(ctx context.Context, u *artifact.Unpacker, layer ocispec.Descriptor, body io.Reader) error {
	switch {
	case f.module:
		return u.Module(ctx, body)
	case f.only:
		return u.Layer(ctx, layer, "", body)
	}
	return u.Layer(ctx, layer, layer.Annotations[ocispec.AnnotationTitle], body)
}

// ofLayer says so when the registry does not have a layer.
func ofLayer(layer ocispec.Descriptor, err error) error {
	if remote.Missing(err) {
		return lost(layer)
	}
	return err
}
