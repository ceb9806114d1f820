package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"syscall"

	"github.com/berth-oci/berth/internal/base/oci"
	"github.com/berth-oci/berth/internal/local/embedded/store"
)

// httpError is an answer other than what was asked for.
type httpError struct {
	status  int
	code    oci.Code
	message string
}

func (e *httpError) Error() string { return e.message }

var notFound = &httpError{http.StatusNotFound, oci.CodeUnsupported, "the registry has no such route: its API begins with /v2/"}

func badRequest(code oci.Code, message string) *httpError {
	return &httpError{http.StatusBadRequest, code, message}
}

// statusOf has the codes that do not mean 400.
func statusOf(code oci.Code) int {
	switch code {
	case oci.CodeBlobUnknown, oci.CodeBlobUploadUnknown, oci.CodeManifestUnknown, oci.CodeNameUnknown:
		return http.StatusNotFound
	case oci.CodeBlobUploadInvalid:
		return http.StatusRequestedRangeNotSatisfiable
	case oci.CodeSizeInvalid:
		return http.StatusRequestEntityTooLarge
	case oci.CodeDenied:
		return http.StatusPreconditionFailed
	case oci.CodeTooMany:
		return http.StatusTooManyRequests
	}
	return http.StatusBadRequest
}

// fail answers with an error in the form of OCI distribution-spec 1.1, "Error
// Codes". What the storage says is logged and not told: it may name paths and
// hosts.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	var told *store.Error
	var answer *httpError
	switch {
	case errors.As(err, &told):
		if told.Code == oci.CodeTooMany {
			w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
		}
		writeError(w, r, statusOf(told.Code), told.Code, told.Message, told.Detail)
		return
	case errors.As(err, &answer):
		writeError(w, r, answer.status, answer.code, answer.message, nil)
		return
	case r.Context().Err() != nil || errors.Is(err, context.Canceled):
		// Nobody is there to read it.
		writeError(w, r, http.StatusBadRequest, oci.CodeUnknown, "the client went away", nil)
		return
	}
	h.Log.Error("the storage failed", "method", r.Method, "path", r.URL.Path, "error", err)
	switch {
	case errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT):
		writeError(w, r, http.StatusInsufficientStorage, oci.CodeDenied, "the registry's storage is full: nothing can be pushed until space is freed", nil)
	case errors.Is(err, syscall.EROFS) || errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EPERM):
		writeError(w, r, http.StatusInternalServerError, oci.CodeDenied, "the registry may not write to its storage; its log says more", nil)
	default:
		w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
		writeError(w, r, http.StatusServiceUnavailable, oci.CodeUnavailable, "the registry's storage failed or cannot be reached; its log says more", nil)
	}
}

// retryAfter is in seconds.
const retryAfter = 5

// refuse answers 405.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, allow string) {
	w.Header().Set("Allow", allow)
	h.fail(w, r, &httpError{http.StatusMethodNotAllowed, oci.CodeUnsupported, r.Method + " is not supported here"})
}

func writeError(w http.ResponseWriter, r *http.Request, status int, code oci.Code, message string, detail any) {
	writeBytes(w, r, status, "application/json", oci.ErrorBody(code, message, detail))
}

// body reads that of a request and remembers whether the client was at fault
// when it ended.
type body struct {
	r   io.Reader
	err error
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if err != nil && err != io.EOF {
		b.err = err
	}
	return n, err
}

// explain returns the error to answer with for one that a store gave when it
// read from b.
func (b *body) explain(err error) error {
	if b.err == nil {
		return err
	}
	var tooLarge *http.MaxBytesError
	if errors.As(b.err, &tooLarge) {
		return &httpError{http.StatusRequestEntityTooLarge, oci.CodeSizeInvalid, "the body is too large"}
	}
	return badRequest(oci.CodeBlobUploadInvalid, "the body ended early; what came is kept, and the upload can go on")
}
