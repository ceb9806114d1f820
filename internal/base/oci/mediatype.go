package oci

import v1 "github.com/opencontainers/image-spec/specs-go/v1"

// Media types of manifests that the image-spec does not name, or not any more.
const (
	// Docker's image manifest version 2, schema 2, which mean what OCI's do.
	DockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	DockerIndex    = "application/vnd.docker.distribution.manifest.list.v2+json"
	// ArtifactManifest is of image-spec 1.1's drafts: blobs without a config.
	ArtifactManifest = "application/vnd.oci.artifact.manifest.v1+json"
)

// form is which members a manifest has.
type form int

const (
	noForm form = iota
	imageForm
	indexForm
	artifactForm
)

func formOf(mediaType string) form {
	switch mediaType {
	case v1.MediaTypeImageManifest, DockerManifest:
		return imageForm
	case v1.MediaTypeImageIndex, DockerIndex:
		return indexForm
	case ArtifactManifest:
		return artifactForm
	}
	return noForm
}

// String says what a manifest of the form has.
func (f form) String() string {
	switch f {
	case imageForm:
		return "a config and layers, and no manifests"
	case indexForm:
		return "manifests, and neither config nor layers"
	}
	return "blobs, and neither config nor layers nor manifests"
}

// IsManifest reports whether a media type is that of something that is pushed and
// pulled as a manifest, and not as a blob.
func IsManifest(mediaType string) bool { return formOf(mediaType) != noForm }

// IsIndex reports whether a media type is that of a list of manifests.
func IsIndex(mediaType string) bool { return formOf(mediaType) == indexForm }

// IsForeign reports whether a media type is that of a layer that its publisher
// wants to be fetched from elsewhere (image-spec, "Non-Distributable Layers", and
// Docker's foreign layers): who has the manifest need not have it.
func IsForeign(mediaType string) bool {
	switch mediaType {
	case "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
		"application/vnd.oci.image.layer.nondistributable.v1.tar",
		"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
		"application/vnd.oci.image.layer.nondistributable.v1.tar+zstd":
		return true
	}
	return false
}
