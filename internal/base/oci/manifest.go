package oci

import (
	"cmp"
	"fmt"

	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// MaxManifest bounds a manifest, which is held in memory, in bytes. It is what OCI
// distribution-spec 1.1 recommends as the least limit of a registry.
const MaxManifest = 4 << 20

// Manifest is what a manifest or index says.
type Manifest struct {
	SchemaVersion int64
	MediaType     string // its own, or what its form implies: OCI allows to leave it out
	ArtifactType  string // its own; see Kind
	Config        *v1.Descriptor
	Layers        []v1.Descriptor
	Blobs         []v1.Descriptor // of an ArtifactManifest
	Manifests     []v1.Descriptor // of an index
	Subject       *v1.Descriptor
	Annotations   map[string]string
}

// ParseManifest reads a manifest strictly: what it returns is what every other
// program reads in it too, so that what is looked at and what is used are the
// same. Every descriptor that it names can be. Members that it does not know are
// ignored, as the image-spec has it.
//
// declared is the media type that something else gives the manifest, such as a
// descriptor or a Content-Type; "" for none. A manifest of another form is
// refused (CVE-2021-41190); that one type is OCI's and the other Docker's is not
// looked at.
//
// Errors: what is wrong with it; they do not name it.
func ParseManifest(data []byte, declared string) (*Manifest, error) {
	m, err := decode(data)
	if err != nil {
		return nil, err
	}
	if m.MediaType == "" {
		m.MediaType = m.implied(declared)
	}
	f := formOf(m.MediaType)
	switch {
	case m.SchemaVersion != 2 && f != artifactForm:
		return nil, fmt.Errorf("its schemaVersion is %d, and not 2", m.SchemaVersion)
	case f == noForm:
		return nil, fmt.Errorf("%.200q is not a type of manifest that berth knows: image manifest or index of OCI, or of Docker's schema 2", m.MediaType)
	case !m.fits(f):
		return nil, fmt.Errorf("a manifest of type %s has %s", m.MediaType, f)
	case declared != "" && formOf(declared) != f:
		return nil, fmt.Errorf("it is said to be a %.200s, and is a %s", declared, m.MediaType)
	}
	return m, nil
}

// implied returns the media type of a manifest that does not give it: what it is
// declared as, if it has that form.
func (m *Manifest) implied(declared string) string {
	own := v1.MediaTypeImageManifest
	if m.Manifests != nil || m.Config == nil && IsIndex(declared) {
		own = v1.MediaTypeImageIndex
	}
	if formOf(declared) == formOf(own) {
		return declared
	}
	return own
}

// fits reports whether a manifest has what one of a form has, and nothing of the
// others.
func (m *Manifest) fits(f form) bool {
	image, index, artifact := m.Config != nil || m.Layers != nil, m.Manifests != nil, m.Blobs != nil
	switch f {
	case imageForm:
		return m.Config != nil && !index && !artifact
	case indexForm:
		return !image && !artifact
	}
	return !image && !index
}

// ParseReferrers reads what a registry answers when it is asked for referrers, as
// strictly as a manifest; of the index that it should be, only its manifests count.
func ParseReferrers(data []byte) ([]v1.Descriptor, error) {
	m, err := decode(data)
	if err != nil {
		return nil, err
	}
	return m.Manifests, nil
}

// Kind is what the manifest says it is: its artifactType, or else the media type
// of its config (distribution-spec, "Listing Referrers"); "" for neither.
func (m *Manifest) Kind() string {
	if m.Config == nil {
		return m.ArtifactType
	}
	return cmp.Or(m.ArtifactType, m.Config.MediaType)
}

// Below returns what the manifest is made of: config and layers, or manifests.
func (m *Manifest) Below() (list []v1.Descriptor) {
	if m.Config != nil {
		list = append(list, *m.Config)
	}
	list = append(list, m.Layers...)
	list = append(list, m.Blobs...)
	return append(list, m.Manifests...)
}

// Image returns an image manifest in the form of the image-spec.
func (m *Manifest) Image() *v1.Manifest {
	out := &v1.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: m.MediaType, ArtifactType: m.ArtifactType,
		Layers: m.Layers, Subject: m.Subject, Annotations: m.Annotations}
	if m.Config != nil {
		out.Config = *m.Config
	}
	return out
}

// Index returns an index in the form of the image-spec.
func (m *Manifest) Index() *v1.Index {
	return &v1.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: m.MediaType, ArtifactType: m.ArtifactType,
		Manifests: m.Manifests, Subject: m.Subject, Annotations: m.Annotations}
}
