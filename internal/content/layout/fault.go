package layout

import (
	"path/filepath"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/content/archive"
)

func unreadable(name string, err error) *diag.Diagnostic {
	return diag.Errorf(diag.StorageFailed, "cannot read %s: %w", name, err).WithHint("make it readable for this user")
}

func unwritable(name string, err error) *diag.Diagnostic {
	return diag.Errorf(diag.StorageFailed, "cannot write %s: %w", name, err).
		WithHint("%s must be in a directory that this user can write to, with space left", filepath.Base(name))
}

func tooLarge(d ocispec.Descriptor) *diag.Diagnostic {
	return diag.Errorf(diag.BadArtifact, "manifest %s has %d bytes", d.Digest, d.Size).WithHint("berth reads manifests of up to 4 MiB")
}

func wrongSize(d ocispec.Descriptor, size int64) *diag.Diagnostic {
	return diag.Errorf(diag.DigestMismatch, "%s has %d bytes, and %d came", d.Digest, d.Size, size).
		WithHint("make it again, or check the disk that it is on")
}

func wrongDigest(d ocispec.Descriptor, sum digest.Digest) *diag.Diagnostic {
	return diag.Errorf(diag.DigestMismatch, "what should be %s is %s", d.Digest, sum).
		WithHint("make it again, or check the disk that it is on")
}

// unsafe says that a name in an archive or directory is a trick.
func unsafe(path, name, why string) *diag.Diagnostic {
	return unsafeArchive(path, &archive.Fault{Entry: name, Why: why})
}

func unsafeArchive(path string, fault *archive.Fault) *diag.Diagnostic {
	return diag.Errorf(diag.UnsafeArchive, "%s: %w", path, fault).WithHint("do not trust where it came from")
}

func damaged(path string, err error) *diag.Diagnostic {
	return diag.Errorf(diag.BadArtifact, "%s is damaged, or not an archive: %w", path, err).
		WithHint("berth reads OCI layouts and docker-archives, as directories, tars, and tars with gzip or zstd")
}
