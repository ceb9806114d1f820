package transfer

import (
	"cmp"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/oci"
)

// manifest is what a manifest says, and under which descriptor it is known.
type manifest struct {
	desc ocispec.Descriptor
	*oci.Manifest
}

// parseManifest reads a manifest that was verified.
func parseManifest(d ocispec.Descriptor, data []byte) (*manifest, error) {
	if !oci.IsManifest(d.MediaType) {
		return nil, diag.Errorf(diag.BadArtifact, "%s is a %s, which is no manifest that berth knows", d.Digest, d.MediaType).
			WithHint("schema 1 images of old have to be pushed again by a newer client")
	}
	m, err := oci.ParseManifest(data, d.MediaType)
	if err != nil {
		return nil, diag.Errorf(diag.BadArtifact, "manifest %s: %w", d.Digest, err).WithHint("the artifact has to be pushed again")
	}
	return &manifest{d, m}, nil
}

// kind returns what an artifact says it is.
func (m *manifest) kind() string { return cmp.Or(m.Kind(), m.desc.MediaType) }
