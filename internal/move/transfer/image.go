package transfer

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/oci"
	"github.com/berth-oci/berth/internal/client/remote"
	"github.com/berth-oci/berth/internal/config/resolve"
	"github.com/berth-oci/berth/internal/content/layout"
)

// pushImage publishes an image of a layout or archive, with what refers to it, as
// it is.
func pushImage(ctx context.Context, t *resolve.Target, opts PushOptions) (*Pushed, error) {
	src, err := layout.Open(ctx, opts.Path)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	root, err := src.Resolve(ctx, opts.SourceTag)
	if fault, ok := errors.AsType[*diag.Diagnostic](err); ok && fault.Code == diag.BadReference {
		fault.Hint += ", with --source-tag"
	}
	if err != nil {
		return nil, err
	}
	data, err := src.Manifest(ctx, root)
	if err != nil {
		return nil, err
	}
	if root, _, err = forPlatform(ctx, src, root, data, opts.Platform); err != nil {
		return nil, err
	}
	name, version, err := imageNames(ctx, src, opts)
	if err != nil {
		return nil, err
	}
	tags, err := tagsFor(ctx, t, opts, name, version, false)
	if err != nil {
		return nil, err
	}
	s, err := connect(t, opts.Kind.Repository(name))
	if err != nil {
		return nil, err
	}
	pushed, err := s.push(ctx, src, root, publication{tags: tags, events: opts.Events})
	return pushed, s.Err(err)
}

// imageNames returns what an image is called: as the options say, else as its file
// and its only tag are.
func imageNames(ctx context.Context, src *layout.Layout, opts PushOptions) (name, version string, err error) {
	if name = opts.Metadata.Name; name == "" {
		path, err := filepath.Abs(opts.Path)
		if err != nil {
			return "", "", err
		}
		name = filepath.Base(path)
		for _, ending := range []string{".gz", ".zst", ".tgz", ".tar"} {
			name = strings.TrimSuffix(name, ending)
		}
	}
	if !oci.IsRepository(name) {
		return "", "", diag.Errorf(diag.BadMetadata, "%q cannot be the name of a repository", name).
			WithHint("pass --name: lower-case letters, digits, and single . _ - / between them")
	}
	version = opts.Metadata.Version
	if version == "" && opts.SourceTag != "" && oci.IsTag(opts.SourceTag) {
		version = opts.SourceTag
	}
	if version != "" || len(opts.Tags) > 0 {
		return name, version, nil
	}
	tags, err := src.Tags(ctx)
	if err != nil {
		return "", "", err
	}
	if len(tags) != 1 {
		return "", "", diag.Errorf(diag.BadMetadata, "%s gives the image no tag of its own", opts.Path).WithHint("pass --version or --tag")
	}
	tag := tags[0][strings.LastIndexAny(tags[0], ":/")+1:]
	if !oci.IsTag(tag) {
		return "", "", diag.Errorf(diag.BadMetadata, "%q of %s cannot be a tag", tag, opts.Path).WithHint("pass --version or --tag")
	}
	return name, tag, nil
}

// forPlatform returns the manifest of an index that is for a platform, as in
// linux/arm64 or linux/arm/v7; without a platform, or of an image, d itself, whose
// content is data.
func forPlatform(ctx context.Context, src Source, d ocispec.Descriptor, data []byte, platform string) (ocispec.Descriptor, []byte, error) {
	if platform == "" || !oci.IsIndex(d.MediaType) {
		return d, data, nil
	}
	m, err := parseManifest(d, data)
	if err != nil {
		return d, nil, err
	}
	var there []string
	for _, child := range m.Manifests {
		if child.Platform == nil {
			continue
		}
		name := platformName(*child.Platform)
		if name == platform || name == platform+"/v8" && strings.HasSuffix(platform, "/arm64") {
			data, err := src.Manifest(ctx, child)
			return child, data, err
		}
		there = append(there, name)
	}
	return d, nil, diag.Errorf(diag.NotFound, "%s has nothing for %s", d.Digest, platform).WithHint("it is for: %s", some(there))
}

func platformName(p ocispec.Platform) string {
	name := p.OS + "/" + p.Architecture
	if p.Variant != "" {
		name += "/" + p.Variant
	}
	return name
}

// ImageForm is how an image lies on a disk.
type ImageForm string

// The forms of images.
const (
	OCIDirectory  ImageForm = "oci"
	OCIArchive    ImageForm = "oci-archive"
	DockerArchive ImageForm = "docker-archive"
)

// ImageForms lists the forms.
func ImageForms() []string {
	return []string{string(OCIDirectory), string(OCIArchive), string(DockerArchive)}
}

// pullImage writes an image, with what refers to it, to a layout or an archive.
func (c *cached) pullImage(ctx context.Context, opts PullOptions) (*Pulled, error) {
	desc, data, _, err := c.open(ctx, &opts.Ref)
	if err != nil {
		return nil, err
	}
	root, data, err := forPlatform(ctx, c, desc, data, opts.Platform)
	if err != nil {
		return nil, err
	}
	out, err := createLayout(opts.Path, opts.Form, c.Host()+"/"+c.Name(), opts.Force)
	if err != nil {
		return nil, err
	}
	defer out.Discard()
	g := newGraph(c, out, Copying, func(e Event) {
		if e.Step != Copying { // which follows what comes in, and is told of as that
			opts.Events.send(e)
		}
	})
	g.srcErr, g.dstErr = c.Err, damaged
	// Where the policy asks no registry, none is asked for referrers; and docker
	// load knows none.
	g.referrers = !c.quiet && opts.Form != DockerArchive
	g.again = true // nobody watches over a directory
	if err := g.copy(ctx, root); err != nil {
		return nil, err
	}
	tag := opts.Ref.Tag
	if tag == "" {
		tag = root.Digest.Encoded()[:12]
	}
	if err := out.Tag(ctx, root, data, tag); err != nil {
		return nil, err
	}
	if err := out.Close(); err != nil {
		return nil, err
	}
	return &Pulled{Path: opts.Path, Reference: c.reference(opts.Ref.Tag, root.Digest), Digest: root.Digest}, nil
}

// damaged says what to do when a layout was given other content than a digest
// says, by a registry.
func damaged(err error) error {
	if fault, ok := errors.AsType[*diag.Diagnostic](err); ok && fault.Code == diag.DigestMismatch {
		return fault.WithHint("%s", remote.DamagedHint)
	}
	return err
}

// createLayout begins a layout or archive. An archive that is there is replaced
// only with force; a layout is added to.
func createLayout(path string, form ImageForm, repository string, force bool) (*layout.Writer, error) {
	format := map[ImageForm]layout.Format{OCIDirectory: layout.OCIDir, OCIArchive: layout.OCITar, DockerArchive: layout.DockerTar}[form]
	if _, err := os.Lstat(path); err == nil && format != layout.OCIDir && !force {
		return nil, diag.Errorf(diag.TargetExists, "%s exists", path).WithHint("--force replaces it; -o chooses another place")
	}
	w, err := layout.Create(path, format)
	if err == nil {
		w.Repository = repository
	}
	return w, err
}
