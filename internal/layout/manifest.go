package layout

import (
	"cmp"
	"encoding/json"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/diag"
)

// Media types of Docker's manifests, image manifest version 2, schema 2.
const (
	typeDockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	typeDockerList     = "application/vnd.docker.distribution.manifest.list.v2+json"
)

func isIndex(mediaType string) bool {
	return mediaType == ocispec.MediaTypeImageIndex || mediaType == typeDockerList
}

func isManifest(mediaType string) bool {
	return isIndex(mediaType) || mediaType == ocispec.MediaTypeImageManifest || mediaType == typeDockerManifest
}

// manifest is what a manifest or index says that matters here.
type manifest struct {
	SchemaVersion int                  `json:"schemaVersion"`
	MediaType     string               `json:"mediaType"`
	ArtifactType  string               `json:"artifactType"`
	Config        *ocispec.Descriptor  `json:"config"`
	Layers        []ocispec.Descriptor `json:"layers"`
	Manifests     []ocispec.Descriptor `json:"manifests"`
	Subject       *ocispec.Descriptor  `json:"subject"`
	Annotations   map[string]string    `json:"annotations"`
}

// parse reads a manifest or index, whose descriptors it checks. One without
// mediaType, which OCI allows, gets the one of its form.
func parse(d digest.Digest, data []byte) (*manifest, error) {
	m := &manifest{}
	if err := json.Unmarshal(data, m); err != nil {
		return nil, diag.Errorf(diag.BadArtifact, "%s is not the JSON of a manifest: %w", d, err).WithHint("the artifact has to be made again")
	}
	form := ""
	switch {
	case m.Config != nil && m.Manifests == nil:
		form = ocispec.MediaTypeImageManifest
	case m.Config == nil && m.Layers == nil:
		form = ocispec.MediaTypeImageIndex
	}
	m.MediaType = cmp.Or(m.MediaType, form)
	if m.SchemaVersion != 2 || !isManifest(m.MediaType) || isIndex(m.MediaType) != isIndex(form) {
		return nil, diag.Errorf(diag.BadArtifact, "%s is neither an image manifest nor an index", d).
			WithHint("berth moves manifests and indexes of OCI, and of Docker's schema 2")
	}
	if m.Config != nil {
		if err := checkDescriptor(*m.Config); err != nil {
			return nil, err
		}
		m.ArtifactType = cmp.Or(m.ArtifactType, m.Config.MediaType)
	}
	if m.Subject != nil {
		if err := checkDescriptor(*m.Subject); err != nil {
			return nil, err
		}
	}
	return m, checkAll(m.Layers, m.Manifests)
}

func checkAll(lists ...[]ocispec.Descriptor) error {
	for _, list := range lists {
		for _, d := range list {
			if err := checkDescriptor(d); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkDescriptor fails with diag.BadArtifact unless d has a sha256 or sha512
// digest, which makes it safe as a file name, and a size.
func checkDescriptor(d ocispec.Descriptor) error {
	if !isDigest(d.Digest) {
		return diag.Errorf(diag.BadArtifact, "%.200q is not a sha256 or sha512 digest", d.Digest).WithHint("do not trust where the artifact came from")
	}
	if d.Size < 0 {
		return diag.Errorf(diag.BadArtifact, "%s is said to have %d bytes", d.Digest, d.Size).WithHint("do not trust where the artifact came from")
	}
	return nil
}

func isDigest(d digest.Digest) bool {
	return d.Validate() == nil && (d.Algorithm() == digest.SHA256 || d.Algorithm() == digest.SHA512)
}

// verify fails with diag.DigestMismatch unless data is what d describes.
func verify(d ocispec.Descriptor, data []byte) error {
	if int64(len(data)) != d.Size {
		return wrongSize(d, int64(len(data)))
	}
	if sum := d.Digest.Algorithm().FromBytes(data); sum != d.Digest {
		return wrongDigest(d, sum)
	}
	return nil
}

// foreign reports whether a layer is one that its publisher wants to be fetched
// from elsewhere (image-spec, "Non-Distributable Layers", and Docker's foreign
// layers), so that it may be missing.
func foreign(mediaType string) bool {
	switch mediaType {
	case "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
		"application/vnd.oci.image.layer.nondistributable.v1.tar",
		"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
		"application/vnd.oci.image.layer.nondistributable.v1.tar+zstd":
		return true
	}
	return false
}
