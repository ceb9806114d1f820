package transfer

import (
	"encoding/json"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/remote"
)

// manifest is what image manifests, indexes and what Docker made of them have.
type manifest struct {
	ocispec.Descriptor `json:"-"`

	MediaType    string               `json:"mediaType"`
	ArtifactType string               `json:"artifactType"`
	Config       *ocispec.Descriptor  `json:"config"`
	Layers       []ocispec.Descriptor `json:"layers"`
	Blobs        []ocispec.Descriptor `json:"blobs"` // of the artifact manifest of 1.1's drafts
	Manifests    []ocispec.Descriptor `json:"manifests"`
	Subject      *ocispec.Descriptor  `json:"subject"`
	Annotations  map[string]string    `json:"annotations"`
}

// parseManifest reads a manifest that was verified. What it names must be
// possible names: they become parts of URLs and files.
func parseManifest(d ocispec.Descriptor, data []byte) (*manifest, error) {
	m := &manifest{Descriptor: d}
	if err := json.Unmarshal(data, m); err != nil {
		return nil, diag.Errorf(diag.BadArtifact, "manifest %s: %w", d.Digest, err).WithHint("the artifact has to be pushed again")
	}
	if !remote.IsManifest(d.MediaType) {
		return nil, diag.Errorf(diag.BadArtifact, "%s is a %s, which is no manifest that berth knows", d.Digest, d.MediaType).
			WithHint("schema 1 images of old have to be pushed again by a newer client")
	}
	named := m.below()
	if m.Subject != nil {
		named = append(named, *m.Subject)
	}
	for _, b := range named {
		if err := b.Digest.Validate(); err != nil || b.Size < 0 {
			return nil, diag.Errorf(diag.BadArtifact, "manifest %s names %q of %d bytes, which cannot be", d.Digest, b.Digest, b.Size).
				WithHint("the artifact has to be pushed again")
		}
	}
	return m, nil
}

// kind returns what an artifact says it is.
func (m *manifest) kind() string {
	switch {
	case m.ArtifactType != "":
		return m.ArtifactType
	case m.Config != nil && m.Config.MediaType != "":
		return m.Config.MediaType
	}
	return m.Descriptor.MediaType
}

// below returns what the manifest needs: config and layers, or manifests.
func (m *manifest) below() (list []ocispec.Descriptor) {
	if m.Config != nil {
		list = append(list, *m.Config)
	}
	list = append(list, m.Layers...)
	list = append(list, m.Blobs...)
	return append(list, m.Manifests...)
}

// oci returns the manifest as the image specification has it.
func (m *manifest) oci() *ocispec.Manifest {
	out := &ocispec.Manifest{MediaType: m.MediaType, ArtifactType: m.ArtifactType, Layers: m.Layers, Subject: m.Subject, Annotations: m.Annotations}
	if m.Config != nil {
		out.Config = *m.Config
	}
	return out
}
