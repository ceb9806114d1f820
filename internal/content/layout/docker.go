package layout

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/oci"
	"github.com/berth-oci/berth/internal/content/archive"
)

// dockerManifest is the file of a docker-archive that lists its images.
const dockerManifest = "manifest.json"

// dockerImage is one image in dockerManifest.
type dockerImage struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// dockerContent is a docker-archive, as if it were an OCI layout.
type dockerContent struct {
	files *tarTree
	parts map[digest.Digest]node
	made  map[digest.Digest][]byte // the manifests
}

func (c *dockerContent) open(d digest.Digest) (extent, error) {
	if data, ok := c.made[d]; ok {
		return extent{bytes.NewReader(data), int64(len(data)), nopCloser{}}, nil
	}
	if n, ok := c.parts[d]; ok {
		return c.files.at(n), nil
	}
	return extent{}, fs.ErrNotExist
}

func (c *dockerContent) Close() error { return c.files.Close() }

// openDocker makes OCI images of those in a docker-archive. Layers and configs
// stay the bytes that they are.
func openDocker(ctx context.Context, path string, files *tarTree) (*Layout, error) {
	c := &converter{
		dockerContent: dockerContent{files, map[digest.Digest]node{}, map[digest.Digest][]byte{}},
		ctx:           ctx, path: path, layers: map[int64]layer{},
	}
	list, err := c.images()
	if err != nil {
		_ = files.Close()
		return nil, err
	}
	l := &Layout{path: path, content: &c.dockerContent, entries: newEntries(list)}
	if err := l.relate(ctx); err != nil {
		_ = files.Close()
		return nil, err
	}
	return l, nil
}

// converter reads a docker-archive once.
type converter struct {
	dockerContent
	ctx    context.Context
	path   string
	layers map[int64]layer // by their offset: images share them, through links or by name
}

// layer is a layer as it is stored, and the digest of its tar.
type layer struct {
	ocispec.Descriptor
	diffID digest.Digest
}

func (c *converter) images() (list []ocispec.Descriptor, err error) {
	data, err := readSmall(c.path, c.files, dockerManifest)
	if err != nil {
		return nil, err
	}
	images, err := parseImages(data)
	if err != nil {
		return nil, diag.Errorf(diag.BadArtifact, "%s: %s: %w", c.path, dockerManifest, err).WithHint("the archive has to be written again")
	}
	for _, image := range images {
		d, err := c.image(image)
		if err != nil {
			return nil, err
		}
		if len(image.RepoTags) == 0 {
			list = append(list, d)
		}
		for _, name := range image.RepoTags {
			d.Annotations = map[string]string{ocispec.AnnotationRefName: tagOf(name), annotationName: name}
			list = append(list, d)
		}
	}
	return list, nil
}

// image returns the descriptor of the manifest that it makes for an image.
func (c *converter) image(image dockerImage) (ocispec.Descriptor, error) {
	config, platform, diffIDs, err := c.config(image.Config)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	if len(diffIDs) != len(image.Layers) {
		return ocispec.Descriptor{}, diag.Errorf(diag.BadArtifact, "%s: config %s names %d layers, and %s %d", c.path, image.Config, len(diffIDs), dockerManifest, len(image.Layers)).
			WithHint("the archive has to be written again")
	}
	m := ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		Config: config, Layers: []ocispec.Descriptor{},
	}
	for i, name := range image.Layers {
		l, err := c.layer(name)
		if err != nil {
			return ocispec.Descriptor{}, err
		}
		if l.diffID != diffIDs[i] {
			return ocispec.Descriptor{}, diag.Errorf(diag.DigestMismatch, "%s: layer %s is %s, and should be %s", c.path, name, l.diffID, diffIDs[i]).
				WithHint("the archive is damaged: write it again")
		}
		m.Layers = append(m.Layers, l.Descriptor)
	}
	data, err := json.Marshal(m)
	if err != nil {
		return ocispec.Descriptor{}, diag.Errorf(diag.Failed, "cannot encode a manifest: %w", err)
	}
	d := ocispec.Descriptor{MediaType: m.MediaType, Digest: digest.FromBytes(data), Size: int64(len(data)), Platform: platform}
	if d.Size > oci.MaxManifest {
		return d, tooLarge(d)
	}
	c.made[d.Digest] = data
	return d, nil
}

// config reads the config of an image. A name that is a digest has to be its.
func (c *converter) config(name string) (d ocispec.Descriptor, p *ocispec.Platform, diffIDs []digest.Digest, err error) {
	n, err := c.find(name)
	if err != nil {
		return d, nil, nil, err
	}
	data, err := readSmall(c.path, c.files, path.Clean(name))
	if err != nil {
		return d, nil, nil, err
	}
	d = ocispec.Descriptor{MediaType: ocispec.MediaTypeImageConfig, Digest: digest.FromBytes(data), Size: int64(len(data))}
	named := digest.Digest("sha256:" + strings.TrimPrefix(strings.TrimSuffix(path.Base(name), ".json"), "sha256:"))
	if oci.IsDigest(string(named)) && named != d.Digest {
		return d, nil, nil, diag.Errorf(diag.DigestMismatch, "%s: config %s is %s", c.path, name, d.Digest).WithHint("the archive is damaged: write it again")
	}
	image, diffIDs, err := parseConfig(name, data)
	if err != nil {
		return d, nil, nil, err
	}
	c.parts[d.Digest] = n
	if image.OS != "" && image.Architecture != "" {
		p = image
	}
	return d, p, diffIDs, nil
}

// find finds a file that an image names.
func (c *converter) find(name string) (node, error) {
	clean, err := archive.Limits{}.Budget().Name(name)
	if err != nil {
		return node{}, unpackFault(c.path, err, nil, nil)
	}
	n, err := c.files.find(clean)
	if errors.Is(err, fs.ErrNotExist) {
		return node{}, diag.Errorf(diag.BadArtifact, "%s names %.200q, and has no such file", c.path, name).WithHint("the archive is incomplete: write it again")
	}
	return n, err
}

// layer hashes a layer, as it is stored and as the tar that it is.
func (c *converter) layer(name string) (layer, error) {
	n, err := c.find(name)
	if err != nil {
		return layer{}, err
	}
	if l, ok := c.layers[n.offset]; ok {
		return l, nil
	}
	source := &faultReader{r: readerOf(c.ctx, c.files.at(n).reader())}
	stored, plain, form, err := hashLayer(source)
	if err != nil {
		if c.ctx.Err() == nil && source.err != nil {
			source.err = unreadable(c.path, source.err)
		}
		return layer{}, unpackFault(c.path+": layer "+name, err, source.err, nil)
	}
	l := layer{ocispec.Descriptor{MediaType: layerType(form), Digest: stored, Size: n.size}, plain}
	c.layers[n.offset] = l
	c.parts[l.Digest] = n
	return l, nil
}

// hashLayer hashes a layer as it is stored and what it unpacks to, which is
// done only once where that is the same.
func hashLayer(source io.Reader) (stored, plain digest.Digest, form archive.Form, err error) {
	buffered := bufio.NewReader(source)
	head, _ := buffered.Peek(4)
	sum := sha256.New()
	if archive.FormOf(head) == archive.Plain {
		_, err := copyBytes(sum, buffered)
		d := digest.NewDigest(digest.SHA256, sum)
		return d, d, archive.Plain, err
	}
	inner := sha256.New()
	tee := io.TeeReader(buffered, sum)
	if _, form, err = unpack(inner, tee); err == nil {
		_, err = copyBytes(io.Discard, tee) // whatever comes behind it is part of what is stored
	}
	return digest.NewDigest(digest.SHA256, sum), digest.NewDigest(digest.SHA256, inner), form, err
}

func layerType(form archive.Form) string {
	switch form {
	case archive.Gzip:
		return ocispec.MediaTypeImageLayerGzip
	case archive.Zstd:
		return ocispec.MediaTypeImageLayerZstd
	}
	return ocispec.MediaTypeImageLayer
}
