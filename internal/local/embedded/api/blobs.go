package api

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/berth-oci/berth/internal/base/oci"
	"github.com/berth-oci/berth/internal/local/embedded/store"
)

// maxRanges is how many parts of a blob one request may ask for; who asks for more
// gets all of it.
const maxRanges = 256

var (
	zero   = []string{"0"}
	ranges = []string{"bytes"}
	binary = []string{"application/octet-stream"}
	// A blob is what its digest says for ever.
	immutable = []string{"max-age=31536000, immutable"}
)

func setDigest(w http.ResponseWriter, d digest.Digest) {
	w.Header()["Docker-Content-Digest"] = []string{d.String()}
}

func setType(w http.ResponseWriter, mediaType string, size int64) {
	h := w.Header()
	h["Content-Type"] = []string{mediaType}
	h["Content-Length"] = []string{strconv.FormatInt(size, 10)}
}

func accepted(w http.ResponseWriter) {
	w.Header()["Content-Length"] = zero
	w.WriteHeader(http.StatusAccepted)
}

func (h *Handler) blob(w http.ResponseWriter, r *http.Request, repo, name string) {
	d, err := store.CheckDigest(name)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	switch r.Method {
	case http.MethodHead:
		h.headBlob(w, r, repo, d)
	case http.MethodGet:
		h.getBlob(w, r, repo, d)
	case http.MethodDelete:
		if err := h.store.DeleteBlob(r.Context(), repo, d); err != nil {
			h.fail(w, r, err)
			return
		}
		accepted(w)
	default:
		h.refuse(w, r, "GET, HEAD, DELETE")
	}
}

func blobHeaders(w http.ResponseWriter, d digest.Digest) {
	setDigest(w, d)
	header := w.Header()
	header["Content-Type"] = binary
	header["Accept-Ranges"] = ranges
	header["Cache-Control"] = immutable
	header["Etag"] = []string{`"` + d.String() + `"`}
}

func (h *Handler) headBlob(w http.ResponseWriter, r *http.Request, repo string, d digest.Digest) {
	b, err := h.store.Blob(r.Context(), repo, d)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	blobHeaders(w, d)
	w.Header()["Content-Length"] = []string{strconv.FormatInt(b.Size, 10)}
	w.WriteHeader(http.StatusOK)
}

// getBlob is end-2. http.ServeContent answers ranges and conditions. It lets, as
// io.CopyN does, the system send a file by itself where the chain of writers allows it.
func (h *Handler) getBlob(w http.ResponseWriter, r *http.Request, repo string, d digest.Digest) {
	leave, err := h.enter(r, h.blobs)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	defer leave()
	b, content, err := h.store.OpenBlob(r.Context(), repo, d)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	defer content.Close()
	blobHeaders(w, d)
	if !selective(r.Header) {
		w.Header()["Content-Length"] = []string{strconv.FormatInt(b.Size, 10)}
		w.WriteHeader(http.StatusOK)
		_, _ = io.CopyN(w, content, b.Size) // who gets less sees the connection end
		return
	}
	// A server may ignore what asks for too much (RFC 9110, section 14.2): each
	// range is a request of its own to a storage service.
	if strings.Count(r.Header.Get("Range"), ",") >= maxRanges {
		r.Header.Del("Range")
	}
	http.ServeContent(w, r, "", time.Time{}, content)
}

// selective reports whether a request asks for less than all: for ranges, or only
// under some condition (RFC 9110, sections 13.1 and 14.2).
func selective(h http.Header) bool {
	for _, name := range []string{"Range", "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"} {
		if len(h[name]) > 0 {
			return true
		}
	}
	return false
}

func (h *Handler) uploads(w http.ResponseWriter, r *http.Request, repo, id string) {
	if id == "" {
		if r.Method != http.MethodPost {
			h.refuse(w, r, "POST")
			return
		}
		h.startUpload(w, r, repo)
		return
	}
	switch r.Method {
	case http.MethodGet, http.MethodPatch, http.MethodPut, http.MethodDelete:
	default:
		h.refuse(w, r, "GET, PATCH, PUT, DELETE")
		return
	}
	ctx := h.client(r)
	u, err := h.store.Upload(ctx, repo, id)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	switch r.Method {
	case http.MethodGet: // end-13
		h.uploadHeaders(w, r, u, u.Offset(ctx))
		w.WriteHeader(http.StatusNoContent)
	case http.MethodPatch:
		h.appendUpload(w, r, u)
	case http.MethodPut:
		h.commitUpload(w, r, u)
	case http.MethodDelete: // end-14
		if err := u.Cancel(ctx); err != nil {
			h.fail(w, r, err)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}
}

// client returns the context of a request for the store, which counts what each
// client has under way.
func (h *Handler) client(r *http.Request) context.Context {
	return store.WithClient(r.Context(), h.clientOf(r))
}

// startUpload is end-4a, 4b (in one request) and 11 (mount).
func (h *Handler) startUpload(w http.ResponseWriter, r *http.Request, repo string) {
	query := r.URL.Query()
	if mount := query.Get("mount"); mount != "" && h.mount(w, r, repo, query.Get("from"), mount) {
		return
	}
	if query.Has("digest") {
		if _, err := store.CheckDigest(query.Get("digest")); err != nil {
			h.fail(w, r, err)
			return
		}
	}
	if err := h.store.UploadRoom(h.client(r)); err != nil {
		h.fail(w, r, err)
		return
	}
	u := h.store.StartUpload(repo)
	if query.Get("digest-algorithm") == digest.SHA512.String() {
		u.Expect(digest.SHA512)
	}
	if query.Has("digest") {
		h.commitUpload(w, r, u)
		return
	}
	h.uploadHeaders(w, r, u, 0)
	accepted(w)
}

// mount reports whether the request is answered; otherwise the client is to
// upload the blob.
func (h *Handler) mount(w http.ResponseWriter, r *http.Request, repo, from, name string) bool {
	d, err := store.CheckDigest(name)
	if err != nil {
		h.fail(w, r, err)
		return true
	}
	if from == "" {
		from = repo // it may be there
	}
	if store.CheckName(from) != nil {
		return false
	}
	if err := h.store.Mount(r.Context(), repo, from, d); err != nil {
		if isClientFault(err) {
			return false
		}
		h.fail(w, r, err)
		return true
	}
	h.created(w, r, repo, d)
	return true
}

func (h *Handler) created(w http.ResponseWriter, r *http.Request, repo string, d digest.Digest) {
	setDigest(w, d)
	h.locate(w, r, "/v2/"+repo+"/blobs/"+d.String())
	w.Header()["Content-Length"] = zero
	w.WriteHeader(http.StatusCreated)
}

// uploadHeaders tells where an upload goes on. The range is inclusive, and so
// cannot say that there is nothing; clients know 0-0 for that. The place has a
// query, as that of distribution has, for scripts that add &digest= to it.
func (h *Handler) uploadHeaders(w http.ResponseWriter, r *http.Request, u *store.Upload, offset int64) {
	header := w.Header()
	h.locate(w, r, "/v2/"+u.Repo+"/blobs/uploads/"+u.ID+"?_state="+u.ID)
	header.Set("Range", "0-"+strconv.FormatInt(max(0, offset-1), 10))
	header.Set("Docker-Upload-UUID", u.ID)
}

// appendUpload is end-5.
func (h *Handler) appendUpload(w http.ResponseWriter, r *http.Request, u *store.Upload) {
	from, err := rangeStart(r)
	if err != nil {
		h.failUpload(w, r, u, err)
		return
	}
	b := &body{r: r.Body}
	offset, err := u.Append(h.client(r), b, from)
	if err != nil {
		h.failUpload(w, r, u, b.explain(err))
		return
	}
	h.uploadHeaders(w, r, u, offset)
	accepted(w)
}

// commitUpload is end-6.
func (h *Handler) commitUpload(w http.ResponseWriter, r *http.Request, u *store.Upload) {
	d, err := store.CheckDigest(r.URL.Query().Get("digest"))
	if err != nil {
		h.fail(w, r, err)
		return
	}
	from, err := rangeStart(r)
	if err != nil {
		h.failUpload(w, r, u, err)
		return
	}
	b := &body{r: r.Body}
	if _, err := u.Commit(h.client(r), b, from, d); err != nil {
		h.failUpload(w, r, u, b.explain(err))
		return
	}
	h.created(w, r, u.Repo, d)
}

// failUpload says where the upload goes on, when it does.
func (h *Handler) failUpload(w http.ResponseWriter, r *http.Request, u *store.Upload, err error) {
	if offset, ok := u.Resumable(); ok {
		h.uploadHeaders(w, r, u, offset)
	}
	h.fail(w, r, err)
}

// rangeStart returns where a chunk begins, -1 when the request does not say.
func rangeStart(r *http.Request) (int64, error) {
	value := r.Header.Get("Content-Range")
	if value == "" {
		return -1, nil
	}
	bad := &httpError{http.StatusRequestedRangeNotSatisfiable, oci.CodeBlobUploadInvalid, "the Content-Range is not two numbers, as 0-1023, with as many bytes as the body"}
	// As the specification has it, and as RFC 9110 does.
	value = strings.TrimPrefix(value, "bytes ")
	value, _, _ = strings.Cut(value, "/")
	first, last, ok := strings.Cut(value, "-")
	from, err1 := strconv.ParseInt(first, 10, 64)
	to, err2 := strconv.ParseInt(last, 10, 64)
	switch {
	case !ok || err1 != nil || err2 != nil || from < 0 || to < from-1:
		return 0, bad
	case r.ContentLength >= 0 && to-from+1 != r.ContentLength:
		return 0, bad
	}
	return from, nil
}
