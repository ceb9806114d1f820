package layout

import (
	"archive/tar"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/oci"
)

// dockerOutput is a docker-archive. Its layers are plain tars: compressed ones
// are unpacked on the way.
type dockerOutput struct {
	*tarFile
	mu     sync.Mutex
	parts  map[digest.Digest]part // by the digest under which they came
	plain  map[digest.Digest]part // layers by that of their tar
	images map[digest.Digest]dockerImage
}

// part is a file of a docker-archive.
type part struct {
	name   string
	size   int64         // as it came
	diffID digest.Digest // "" for a config
	extent extent
}

func newDockerOutput(path string) (*dockerOutput, error) {
	file, err := newTarFile(path)
	if err != nil {
		return nil, err
	}
	return &dockerOutput{tarFile: file, parts: map[digest.Digest]part{}, plain: map[digest.Digest]part{}, images: map[digest.Digest]dockerImage{}}, nil
}

// Media types of Docker's configs and layers.
const (
	typeDockerConfig = "application/vnd.docker.container.image.v1+json"
	typeDockerLayer  = "application/vnd.docker.image.rootfs.diff.tar"
)

func isConfig(mediaType string) bool {
	return mediaType == ocispec.MediaTypeImageConfig || mediaType == typeDockerConfig
}

func isLayer(mediaType string) bool {
	switch mediaType {
	case ocispec.MediaTypeImageLayer, ocispec.MediaTypeImageLayerGzip, ocispec.MediaTypeImageLayerZstd,
		typeDockerLayer, typeDockerLayer + ".gzip", typeDockerLayer + ".zstd":
		return true
	}
	return oci.IsForeign(mediaType)
}

// refuse fails for what docker load cannot read.
func (o *dockerOutput) refuse(d ocispec.Descriptor, what string) error {
	return diag.Errorf(diag.BadArtifact, "a docker-archive holds images only: %s is %s", d.Digest, what).WithHint("write an OCI layout instead")
}

func (o *dockerOutput) has(_ context.Context, d ocispec.Descriptor) (bool, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	_, isImage := o.images[d.Digest]
	p, isPart := o.parts[d.Digest]
	return isImage || isPart && p.size == d.Size, nil
}

func (o *dockerOutput) blob(ctx context.Context, d ocispec.Descriptor, open func(offset int64) (io.ReadCloser, error)) error {
	if !isConfig(d.MediaType) && !isLayer(d.MediaType) {
		return o.refuse(d, "a "+d.MediaType)
	}
	if isConfig(d.MediaType) && d.Size > oci.MaxManifest {
		return tooLarge(d)
	}
	if err := o.take(ctx); err != nil {
		return err
	}
	defer o.give()
	if ok, err := o.has(ctx, d); ok || err != nil {
		return err
	}
	add := o.layer
	if isConfig(d.MediaType) {
		add = o.config
	}
	p, err := add(ctx, d, open)
	if err != nil {
		return err
	}
	p.size = d.Size
	o.mu.Lock()
	defer o.mu.Unlock()
	o.parts[d.Digest] = p
	if p.diffID != "" {
		o.plain[p.diffID] = p
	}
	return nil
}

func (o *dockerOutput) config(ctx context.Context, d ocispec.Descriptor, open func(offset int64) (io.ReadCloser, error)) (part, error) {
	name := d.Digest.Encoded() + ".json"
	header, err := tarHeader(name, d.Size, tar.FormatUnknown)
	if err != nil {
		return part{}, err
	}
	file, err := o.add(int64(len(header)), func(w io.Writer) ([]byte, error) {
		return header, copyVerified(ctx, w, o.path, d, open)
	})
	return part{name: name, extent: file}, err
}

// errHave ends the writing of a layer that is in the archive already, compressed
// differently; no caller sees it.
var errHave = errors.New("the archive has this layer")

// layer unpacks a layer into the archive. Its name and size are known only
// afterwards; GNU's form of a header has one block whatever they are.
func (o *dockerOutput) layer(ctx context.Context, d ocispec.Descriptor, open func(offset int64) (io.ReadCloser, error)) (part, error) {
	var p part
	file, err := o.add(tarBlock, func(w io.Writer) ([]byte, error) {
		sum := sha256.New()
		size, err := o.unpack(ctx, io.MultiWriter(w, sum), d, open)
		if err != nil {
			return nil, err
		}
		p.diffID = digest.NewDigest(digest.SHA256, sum)
		p.name = p.diffID.Encoded() + ".tar"
		if have, ok := o.plain[p.diffID]; ok {
			p = have
			return nil, errHave
		}
		return tarHeader(p.name, size, tar.FormatGNU)
	})
	if errors.Is(err, errHave) {
		return p, nil
	}
	p.extent = file
	return p, err
}

// unpack writes the tar of a layer, and verifies the layer.
func (o *dockerOutput) unpack(ctx context.Context, w io.Writer, d ocispec.Descriptor, open func(offset int64) (io.ReadCloser, error)) (int64, error) {
	body, err := open(0)
	if err != nil {
		return 0, err
	}
	defer body.Close()
	v, target := newVerified(ctx, body, d), &faultWriter{w: w}
	size, _, err := unpack(target, v)
	if target.err != nil {
		return 0, unwritable(o.path, target.err)
	}
	if v.source.err != nil {
		return 0, v.source.err
	}
	// What looks like a bad archive may be good bytes gone bad: the digest knows.
	if bad := v.finish(); bad != nil {
		return 0, bad
	}
	if err != nil {
		return 0, unpackFault("layer "+d.Digest.String(), err, nil, nil)
	}
	return size, nil
}

func (o *dockerOutput) manifest(_ context.Context, d ocispec.Descriptor, m *oci.Manifest, _ []byte) error {
	if oci.IsIndex(m.MediaType) {
		return diag.Errorf(diag.BadArtifact, "a docker-archive holds images of one platform, and %s is an index of several", d.Digest).
			WithHint("choose one with --platform, or write an OCI layout")
	}
	if !isConfig(m.Config.MediaType) {
		return o.refuse(d, "an artifact with a config of type "+m.Config.MediaType)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	config, ok := o.parts[m.Config.Digest]
	if !ok || config.diffID != "" {
		return o.refuse(d, "an image whose config is none")
	}
	diffIDs, err := o.diffIDs(config)
	if err != nil {
		return err
	}
	if len(diffIDs) != len(m.Layers) {
		return diag.Errorf(diag.BadArtifact, "manifest %s has %d layers, and its config %d", d.Digest, len(m.Layers), len(diffIDs)).
			WithHint("the image has to be made again")
	}
	image := dockerImage{Config: config.name, Layers: []string{}}
	for i, l := range m.Layers {
		p, ok := o.parts[l.Digest]
		if !ok || p.diffID == "" {
			return diag.Errorf(diag.BadArtifact, "manifest %s names the layer %s, which is none or was not copied", d.Digest, l.Digest).
				WithHint("docker-archives hold foreign layers too: they have to be copied")
		}
		if p.diffID != diffIDs[i] {
			return diag.Errorf(diag.DigestMismatch, "layer %s unpacks to %s, and should to %s", l.Digest, p.diffID, diffIDs[i]).
				WithHint("the image has to be made again")
		}
		image.Layers = append(image.Layers, p.name)
	}
	o.images[d.Digest] = image
	return nil
}

// diffIDs reads a config back from the archive.
func (o *dockerOutput) diffIDs(config part) ([]digest.Digest, error) {
	data, err := io.ReadAll(config.extent.reader())
	if err != nil {
		return nil, unreadable(o.path, err)
	}
	_, diffIDs, err := parseConfig(config.name, data)
	return diffIDs, err
}

func (o *dockerOutput) finish(l listing) error {
	if len(o.images) == 0 {
		return diag.Errorf(diag.BadArtifact, "%s would hold no image", o.path).WithHint("choose an image to write to it")
	}
	for _, tag := range slices.Sorted(maps.Keys(l.tags)) {
		id := l.tags[tag].Digest
		image := o.images[id]
		if !strings.ContainsAny(tag, "/:") {
			tag = l.repository + ":" + tag
		}
		image.RepoTags = append(image.RepoTags, tag)
		o.images[id] = image
	}
	images := slices.SortedFunc(maps.Values(o.images), func(a, b dockerImage) int {
		return cmp.Or(slices.Compare(a.RepoTags, b.RepoTags), cmp.Compare(a.Config, b.Config))
	})
	data, err := json.Marshal(images)
	if err != nil {
		return diag.Errorf(diag.Failed, "cannot encode %s: %w", dockerManifest, err)
	}
	if _, err := o.addData(dockerManifest, data); err != nil {
		return err
	}
	return o.tarFile.finish()
}

// repositoryName makes what docker takes as a repository of a file's name.
func repositoryName(file string) string {
	name := strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
	parts := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') })
	return cmp.Or(strings.Join(parts, "-"), "image")
}
