package store

import (
	"fmt"

	"github.com/opencontainers/go-digest"

	"github.com/berth-oci/berth/internal/base/oci"
)

// Code is an error code of OCI distribution-spec 1.1, "Error Codes".
type Code string

// The codes. SizeInvalid is what the specification's 413 and the Docker
// registry API call content of a wrong size.
const (
	BlobUnknown         Code = "BLOB_UNKNOWN"
	BlobUploadInvalid   Code = "BLOB_UPLOAD_INVALID"
	BlobUploadUnknown   Code = "BLOB_UPLOAD_UNKNOWN"
	DigestInvalid       Code = "DIGEST_INVALID"
	ManifestBlobUnknown Code = "MANIFEST_BLOB_UNKNOWN"
	ManifestInvalid     Code = "MANIFEST_INVALID"
	ManifestUnknown     Code = "MANIFEST_UNKNOWN"
	NameInvalid         Code = "NAME_INVALID"
	NameUnknown         Code = "NAME_UNKNOWN"
	SizeInvalid         Code = "SIZE_INVALID"
	TagInvalid          Code = "TAG_INVALID"
	Denied              Code = "DENIED"
	TooMany             Code = "TOOMANYREQUESTS"
)

// Error is a fault of the client's, or something that is not there.
type Error struct {
	Code    Code
	Message string
	Detail  any // for the answer's detail field; nil for none
}

func (e *Error) Error() string { return e.Message }

func fault(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// CheckName fails with NameInvalid for what is no name of a repository.
func CheckName(name string) error {
	if len(name) > oci.MaxRepository {
		return fault(NameInvalid, "a repository name has at most %d characters", oci.MaxRepository)
	}
	if !oci.IsRepository(name) {
		return fault(NameInvalid, "not a repository name: lower-case letters, digits, and . _ - between them, in parts divided by /")
	}
	return nil
}

// CheckTag fails with TagInvalid for what is no tag.
func CheckTag(tag string) error {
	if !oci.IsTag(tag) {
		return fault(TagInvalid, "not a tag: at most 128 letters, digits, _ . and -, the first none of the last two")
	}
	return nil
}

// CheckDigest fails with DigestInvalid for what is no SHA-256 or SHA-512 digest.
func CheckDigest(s string) (digest.Digest, error) {
	if !oci.IsDigest(s) {
		return "", fault(DigestInvalid, "not a sha256 or sha512 digest")
	}
	return digest.Digest(s), nil
}
