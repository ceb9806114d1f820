package oci

import (
	"bytes"
	"encoding/json"
)

// Code says in an answer what is wrong: OCI distribution-spec 1.1, "Error Codes".
type Code string

// The codes of the specification.
const (
	CodeBlobUnknown         Code = "BLOB_UNKNOWN"
	CodeBlobUploadInvalid   Code = "BLOB_UPLOAD_INVALID"
	CodeBlobUploadUnknown   Code = "BLOB_UPLOAD_UNKNOWN"
	CodeDigestInvalid       Code = "DIGEST_INVALID"
	CodeManifestBlobUnknown Code = "MANIFEST_BLOB_UNKNOWN"
	CodeManifestInvalid     Code = "MANIFEST_INVALID"
	CodeManifestUnknown     Code = "MANIFEST_UNKNOWN"
	CodeNameInvalid         Code = "NAME_INVALID"
	CodeNameUnknown         Code = "NAME_UNKNOWN"
	CodeSizeInvalid         Code = "SIZE_INVALID"
	CodeUnauthorized        Code = "UNAUTHORIZED"
	CodeDenied              Code = "DENIED"
	CodeUnsupported         Code = "UNSUPPORTED"
	CodeTooMany             Code = "TOOMANYREQUESTS"
)

// Codes of the Docker registry API that clients know too.
const (
	CodeTagInvalid        Code = "TAG_INVALID"
	CodePaginationInvalid Code = "PAGINATION_NUMBER_INVALID"
	CodeUnavailable       Code = "UNAVAILABLE"
	CodeUnknown           Code = "UNKNOWN"
)

// ErrorBody returns the body of an answer with one error, which is JSON. A nil detail
// is left out. It panics if detail cannot be encoded.
func ErrorBody(code Code, message string, detail any) []byte {
	type entry struct {
		Code    Code   `json:"code"`
		Message string `json:"message"`
		Detail  any    `json:"detail,omitempty"`
	}
	var data bytes.Buffer
	e := json.NewEncoder(&data)
	e.SetEscapeHTML(false) // which takes six bytes for one
	err := e.Encode(struct {
		Errors []entry `json:"errors"`
	}{[]entry{{code, message, detail}}})
	if err != nil {
		panic(err)
	}
	return bytes.TrimSuffix(data.Bytes(), []byte("\n"))
}
