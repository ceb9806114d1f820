package layout

import (
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/oci"
)

// parse reads a manifest or index.
func parse(d digest.Digest, data []byte) (*oci.Manifest, error) {
	m, err := oci.ParseManifest(data, "")
	if err != nil {
		return nil, diag.Errorf(diag.BadArtifact, "%s is no image manifest or index: %w", d, err).WithHint("the artifact has to be made again")
	}
	if m.MediaType == oci.ArtifactManifest {
		return nil, diag.Errorf(diag.BadArtifact, "%s is neither an image manifest nor an index", d).
			WithHint("berth moves manifests and indexes of OCI, and of Docker's schema 2")
	}
	return m, nil
}

// checkDescriptor fails with diag.BadArtifact for a descriptor of nothing that can
// be.
func checkDescriptor(d ocispec.Descriptor) error {
	if err := oci.CheckDescriptor(d); err != nil {
		return diag.Errorf(diag.BadArtifact, "%w", err).WithHint("do not trust where the artifact came from")
	}
	return nil
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
