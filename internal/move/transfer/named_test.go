package transfer

import (
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/oci"
)

// TestAsNamed: what came for a name is what that is of, and what it was said to be.
func TestAsNamed(t *testing.T) {
	s := newStore()
	d := s.image(nil, s.blob("layer"))
	data := s.content[d.Digest]
	silent := []byte(`{"schemaVersion":2,"config":{"mediaType":"text/plain","digest":"` + d.Digest.String() + `","size":1},"layers":[]}`)
	long := digest.SHA512.FromBytes(data)
	other := digest.FromString("other")
	for name, c := range map[string]struct {
		name string
		d    ocispec.Descriptor
		data []byte
		code diag.Code
	}{
		"a tag":                      {"v1", d, data, ""},
		"a digest":                   {d.Digest.String(), d, data, ""},
		"a sha512":                   {long.String(), ocispec.Descriptor{MediaType: d.MediaType, Digest: long}, data, ""},
		"other content":              {other.String(), ocispec.Descriptor{MediaType: d.MediaType, Digest: other}, data, diag.DigestMismatch},
		"called otherwise":           {d.Digest.String(), ocispec.Descriptor{MediaType: d.MediaType, Digest: long}, data, diag.DigestMismatch},
		"called as was asked":        {other.String(), d, data, diag.DigestMismatch},
		"as an index":                {"v1", ocispec.Descriptor{MediaType: ocispec.MediaTypeImageIndex, Digest: d.Digest}, data, diag.BadArtifact},
		"as Docker's":                {"v1", ocispec.Descriptor{MediaType: oci.DockerManifest, Digest: d.Digest}, data, diag.BadArtifact},
		"as anything":                {"v1", ocispec.Descriptor{MediaType: "text/html", Digest: d.Digest}, data, diag.BadArtifact},
		"Docker's that says nothing": {"v1", ocispec.Descriptor{MediaType: oci.DockerManifest, Digest: digest.FromBytes(silent)}, silent, ""},
		"what berth does not know":   {"v1", ocispec.Descriptor{MediaType: "a/b", Digest: digest.FromString("{}")}, []byte("{}"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			err := asNamed(c.name, c.d, c.data)
			if c.code == "" && err != nil {
				t.Error(err)
			}
			if c.code != "" {
				wantFault(t, err, c.code)
			}
		})
	}
}
