package store

import (
	"encoding/json"
	"slices"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// MaxManifest is the largest manifest in bytes that a store takes: what OCI
// distribution-spec 1.1 recommends as the least limit.
const MaxManifest = 4 << 20

// Media types of Docker's manifests, image manifest version 2, schema 2.
const (
	dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	dockerList     = "application/vnd.docker.distribution.manifest.list.v2+json"
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
// with it, "" for none.
//
// Errors: ManifestInvalid.
func parse(content []byte, declared string) (parsed, error) {
	var m struct {
		SchemaVersion int               `json:"schemaVersion"`
		MediaType     string            `json:"mediaType"`
		ArtifactType  string            `json:"artifactType"`
		Config        *v1.Descriptor    `json:"config"`
		Layers        []v1.Descriptor   `json:"layers"`
		Manifests     []v1.Descriptor   `json:"manifests"`
		Subject       *v1.Descriptor    `json:"subject"`
		Annotations   map[string]string `json:"annotations"`
	}
	if err := json.Unmarshal(content, &m); err != nil {
		return parsed{}, fault(ManifestInvalid, "the manifest is not the JSON of one: %v", err)
	}
	if m.SchemaVersion != 2 {
		return parsed{}, fault(ManifestInvalid, "schemaVersion is %d: only 2 is taken", m.SchemaVersion)
	}
	p := parsed{mediaType: m.MediaType, artifactType: m.ArtifactType, annotations: m.Annotations}
	if p.mediaType == "" { // which OCI allows: the form has to tell, whenever it is read
		p.mediaType = v1.MediaTypeImageManifest
		if m.Manifests != nil {
			p.mediaType = v1.MediaTypeImageIndex
		}
	}
	if declared != "" && p.mediaType != declared {
		return parsed{}, fault(ManifestInvalid, "the content type is %s, and the manifest's mediaType %s", declared, p.mediaType)
	}
	switch p.mediaType {
	case v1.MediaTypeImageManifest, dockerManifest:
		if m.Config == nil || m.Manifests != nil {
			return parsed{}, fault(ManifestInvalid, "a manifest of type %s has a config and layers, and no manifests", p.mediaType)
		}
		p.blobs = append(p.blobs, *m.Config)
		for _, l := range m.Layers {
			if !foreign(l) {
				p.blobs = append(p.blobs, l)
			}
		}
		if p.artifactType == "" {
			p.artifactType = m.Config.MediaType
		}
	case v1.MediaTypeImageIndex, dockerList:
		if m.Config != nil || m.Layers != nil {
			return parsed{}, fault(ManifestInvalid, "an index of type %s has manifests, and neither config nor layers", p.mediaType)
		}
		p.manifests = m.Manifests
	default:
		return parsed{}, fault(ManifestInvalid, "%s is not a type of manifest that this registry takes: OCI image manifest or index, Docker manifest or list of schema 2", p.mediaType)
	}
	for _, d := range slices.Concat(p.blobs, p.manifests) {
		if err := checkDescriptor(d); err != nil {
			return parsed{}, err
		}
	}
	if m.Subject != nil {
		if err := checkDescriptor(*m.Subject); err != nil {
			return parsed{}, err
		}
		p.subject = m.Subject.Digest
	}
	return p, nil
}

func checkDescriptor(d v1.Descriptor) error {
	if _, err := CheckDigest(d.Digest.String()); err != nil {
		return fault(ManifestInvalid, "the manifest names %q: not a sha256 or sha512 digest", d.Digest)
	}
	if d.Size < 0 {
		return fault(ManifestInvalid, "the manifest gives %s the size %d", d.Digest, d.Size)
	}
	return nil
}

// foreign reports whether a layer is one that its publisher wants to be fetched
// from elsewhere (image-spec, "Non-Distributable Layers", and Docker's foreign
// layers): a registry need not have it.
func foreign(d v1.Descriptor) bool {
	switch d.MediaType {
	case "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
		"application/vnd.oci.image.layer.nondistributable.v1.tar",
		"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
		"application/vnd.oci.image.layer.nondistributable.v1.tar+zstd":
		return true
	}
	return false
}
