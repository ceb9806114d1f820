package store

import (
	"fmt"

	"github.com/opencontainers/go-digest"

	"github.com/berth-oci/berth/internal/base/oci"
)

// Error is a fault of the client's, or something that is not there.
type Error struct {
	Code    oci.Code
	Message string
	Detail  any // for the answer's detail field; nil for none
}

func (e *Error) Error() string { return e.Message }

func fault(code oci.Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// CheckName fails with oci.CodeNameInvalid for what is no name of a repository.
func CheckName(name string) error {
	if len(name) > oci.MaxRepository {
		return fault(oci.CodeNameInvalid, "a repository name has at most %d characters", oci.MaxRepository)
	}
	if !oci.IsRepository(name) {
		return fault(oci.CodeNameInvalid, "not a repository name: lower-case letters, digits, and . _ - between them, in parts divided by /")
	}
	return nil
}

// CheckTag fails with oci.CodeTagInvalid for what is no tag.
func CheckTag(tag string) error {
	if !oci.IsTag(tag) {
		return fault(oci.CodeTagInvalid, "not a tag: at most 128 letters, digits, _ . and -, the first none of the last two")
	}
	return nil
}

// CheckDigest fails with oci.CodeDigestInvalid for what is no SHA-256 or SHA-512 digest.
func CheckDigest(s string) (digest.Digest, error) {
	if !oci.IsDigest(s) {
		return "", fault(oci.CodeDigestInvalid, "not a sha256 or sha512 digest")
	}
	return digest.Digest(s), nil
}
