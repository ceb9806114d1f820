package store

import (
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/internal/base/oci"
)

// parsed is what a manifest says that matters to a registry.
type parsed struct {
	mediaType    string
	artifactType string
	annotations  map[string]string
	blobs        []v1.Descriptor // config and layers that the registry has to have
	manifests    []v1.Descriptor // of an index
	subject      digest.Digest   // "" for none
}

// parse checks a manifest. declared is the content type that the client gave
// with it, "" for none: it is not stored, so that the manifest alone has to tell,
// whenever it is read.
//
// Errors: oci.CodeManifestInvalid.
func parse(content []byte, declared string) (parsed, error) {
	m, err := oci.ParseManifest(content, "")
	switch {
	case err != nil:
		return parsed{}, fault(oci.CodeManifestInvalid, "the manifest cannot be taken: %v", err)
	case m.MediaType == oci.ArtifactManifest:
		return parsed{}, fault(oci.CodeManifestInvalid, "%s is not a type of manifest that this registry takes: OCI image manifest or index, Docker manifest or list of schema 2", m.MediaType)
	case declared != "" && m.MediaType != declared:
		return parsed{}, fault(oci.CodeManifestInvalid, "the content type is %s, and the manifest's mediaType %s", declared, m.MediaType)
	}
	p := parsed{mediaType: m.MediaType, artifactType: m.Kind(), annotations: m.Annotations, manifests: m.Manifests}
	if m.Config != nil {
		p.blobs = append(p.blobs, *m.Config)
	}
	for _, l := range m.Layers {
		if !oci.IsForeign(l.MediaType) {
			p.blobs = append(p.blobs, l)
		}
	}
	if m.Subject != nil {
		p.subject = m.Subject.Digest
	}
	return p, nil
}
