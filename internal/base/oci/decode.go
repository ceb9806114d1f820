package oci

import (
	"encoding/base64"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/internal/base/strictjson"
)

// Members that berth reads.
var (
	manifestMembers   = []string{"schemaVersion", "mediaType", "artifactType", "config", "layers", "blobs", "manifests", "subject", "annotations"}
	descriptorMembers = []string{"mediaType", "digest", "size", "urls", "annotations", "data", "platform", "artifactType"}
	platformMembers   = []string{"architecture", "os", "os.version", "os.features", "variant"}
)

// decode reads a manifest of any form.
func decode(data []byte) (*Manifest, error) {
	m := &Manifest{}
	err := strictjson.Read(data, func(r *strictjson.Reader) {
		r.Object(manifestMembers, func(name string) {
			switch name {
			case "schemaVersion":
				m.SchemaVersion = r.Int()
			case "mediaType":
				m.MediaType = r.String()
			case "artifactType":
				m.ArtifactType = r.String()
			case "config":
				m.Config = new(descriptor(r))
			case "layers":
				m.Layers = descriptors(r)
			case "blobs":
				m.Blobs = descriptors(r)
			case "manifests":
				m.Manifests = descriptors(r)
			case "subject":
				m.Subject = new(descriptor(r))
			case "annotations":
				m.Annotations = annotations(r)
			default:
				r.Skip()
			}
		})
	})
	return m, err
}

func descriptors(r *strictjson.Reader) []v1.Descriptor {
	list := []v1.Descriptor{}
	r.Array(func() { list = append(list, descriptor(r)) })
	return list
}

// descriptor reads a descriptor and checks it, so that the first bad one ends the
// reading: a manifest has room for a million of nothing.
func descriptor(r *strictjson.Reader) (d v1.Descriptor) {
	r.Object(descriptorMembers, func(name string) {
		switch name {
		case "mediaType":
			d.MediaType = r.String()
		case "digest":
			d.Digest = digest.Digest(r.String())
		case "size":
			d.Size = r.Int()
		case "urls":
			d.URLs = r.Strings()
		case "annotations":
			d.Annotations = annotations(r)
		case "data":
			d.Data = base64Bytes(r)
		case "platform":
			d.Platform = platform(r)
		case "artifactType":
			d.ArtifactType = r.String()
		default:
			r.Skip()
		}
	})
	if err := CheckDescriptor(d); err != nil {
		r.Fail("%w", err)
	}
	return d
}

func platform(r *strictjson.Reader) *v1.Platform {
	p := &v1.Platform{}
	r.Object(platformMembers, func(name string) {
		switch name {
		case "architecture":
			p.Architecture = r.String()
		case "os":
			p.OS = r.String()
		case "os.version":
			p.OSVersion = r.String()
		case "os.features":
			p.OSFeatures = r.Strings()
		case "variant":
			p.Variant = r.String()
		default:
			r.Skip()
		}
	})
	return p
}

// annotations are data: their keys may differ in letters. One that is null, which
// some tools write for one without a value, is empty.
func annotations(r *strictjson.Reader) map[string]string {
	m := map[string]string{}
	r.Object(nil, func(name string) {
		if r.Null() {
			m[strings.Clone(name)] = ""
			return
		}
		m[strings.Clone(name)] = r.String()
	})
	return m
}

func base64Bytes(r *strictjson.Reader) []byte {
	b, err := base64.StdEncoding.DecodeString(r.String())
	if err != nil {
		r.Fail("the data of a descriptor: %w", err)
	}
	return b
}
