package conformance

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// blob is content and its name.
type blob struct {
	digest digest.Digest
	data   []byte
}

func newBlob(algorithm digest.Algorithm, data []byte) blob {
	return blob{algorithm.FromBytes(data), data}
}

func randomBlob(size int) blob {
	data := make([]byte, size)
	_, _ = rand.Read(data)
	return newBlob(digest.SHA256, data)
}

func (b blob) descriptor(mediaType string) v1.Descriptor {
	return v1.Descriptor{MediaType: mediaType, Digest: b.digest, Size: int64(len(b.data))}
}

// manifest is an image or an index, or an artifact in the form of either.
type manifest struct {
	blob
	mediaType    string
	artifactType string
}

func (m manifest) descriptor() v1.Descriptor { return m.blob.descriptor(m.mediaType) }

// image is what a push uploads: blobs, then manifests, the root last.
type image struct {
	blobs     []blob
	manifests []manifest
}

func (i image) root() manifest { return i.manifests[len(i.manifests)-1] }

// newImage makes an image of layers. Its config is random, so that no two are
// the same. With a subject it is an artifact that refers to that.
func newImage(layers []blob, subject *v1.Descriptor) image {
	config := newBlob(digest.SHA256, fmt.Appendf(nil, `{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]},"author":%q}`, rand.Text()))
	m := v1.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest,
		Config: config.descriptor(v1.MediaTypeImageConfig), Layers: []v1.Descriptor{}, Subject: subject,
	}
	if subject != nil {
		m.ArtifactType = "application/vnd.berth.test"
	}
	for _, l := range layers {
		m.Layers = append(m.Layers, l.descriptor(v1.MediaTypeImageLayerGzip))
	}
	return image{append([]blob{config}, layers...), []manifest{newManifest(m.MediaType, m.ArtifactType, m)}}
}

// newIndex makes an index of images.
func newIndex(images ...image) image {
	index := v1.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageIndex}
	var all image
	for n, i := range images {
		d := i.root().descriptor()
		d.Platform = &v1.Platform{OS: "linux", Architecture: []string{"amd64", "arm64", "s390x"}[n%3]}
		index.Manifests = append(index.Manifests, d)
		all.blobs, all.manifests = append(all.blobs, i.blobs...), append(all.manifests, i.manifests...)
	}
	all.manifests = append(all.manifests, newManifest(index.MediaType, "", index))
	return all
}

func newManifest(mediaType, artifactType string, value any) manifest {
	data, err := json.Marshal(value)
	if err != nil {
		panic(err) // the types are the spec's own
	}
	return manifest{newBlob(digest.SHA256, data), mediaType, artifactType}
}

// push uploads an image, and tags its root unless tag is "".
func (c *client) push(ctx context.Context, repo, tag string, i image) error {
	for _, b := range i.blobs {
		if err := c.pushBlob(ctx, repo, b.digest, b.data, 0); err != nil {
			return err
		}
	}
	for _, m := range i.manifests {
		reference := m.digest.String()
		if tag != "" && m.digest == i.root().digest {
			reference = tag
		}
		if err := c.putManifest(ctx, repo, reference, m.mediaType, m.data); err != nil {
			return err
		}
	}
	return nil
}
