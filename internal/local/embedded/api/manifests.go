package api

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/internal/base/oci"
	"github.com/berth-oci/berth/internal/local/embedded/store"
)

func (h *Handler) manifest(w http.ResponseWriter, r *http.Request, repo, reference string) {
	byDigest := oci.IsDigest(reference)
	if !byDigest {
		err := store.CheckTag(reference)
		if strings.Contains(reference, ":") { // a tag has none, so that it was meant for a digest
			_, err = store.CheckDigest(reference)
		}
		if err != nil {
			h.fail(w, r, err)
			return
		}
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		h.getManifest(w, r, repo, reference, byDigest)
	case http.MethodPut:
		h.putManifest(w, r, repo, reference, byDigest)
	case http.MethodDelete:
		h.deleteManifest(w, r, repo, reference, byDigest)
	default:
		h.refuse(w, r, "GET, HEAD, PUT, DELETE")
	}
}

// getManifest is end-3. What the client accepts is not looked at: a manifest has
// one form, and clients that leave the header out want it as well.
func (h *Handler) getManifest(w http.ResponseWriter, r *http.Request, repo, reference string, byDigest bool) {
	m, err := h.store.Manifest(r.Context(), repo, reference)
	if err == nil && byDigest && r.Method == http.MethodHead {
		err = h.store.Rely(r.Context(), repo, m.Digest)
	}
	if err != nil {
		h.fail(w, r, err)
		return
	}
	setDigest(w, m.Digest)
	etag := `"` + m.Digest.String() + `"`
	w.Header()["Etag"] = []string{etag}
	if r.Header.Get("If-None-Match") == etag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	if len(m.Content) > large {
		leave, err := h.enter(r, h.answers)
		if err != nil {
			h.fail(w, r, err)
			return
		}
		defer leave()
	}
	writeBytes(w, r, http.StatusOK, m.MediaType, m.Content)
}

// putManifest is end-7.
func (h *Handler) putManifest(w http.ResponseWriter, r *http.Request, repo, reference string, byDigest bool) {
	content, leave, err := h.readManifest(r)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	defer leave()
	mediaType := r.Header.Get("Content-Type")
	if mediaType != "" {
		if mediaType, _, err = mime.ParseMediaType(mediaType); err != nil {
			h.fail(w, r, badRequest(oci.CodeManifestInvalid, "the content type cannot be read"))
			return
		}
	}
	stored, err := h.store.PutManifest(r.Context(), store.Put{Repo: repo, Reference: reference, MediaType: mediaType, Content: content,
		Create: !byDigest && r.Header.Get("If-None-Match") == "*"})
	if err != nil {
		h.fail(w, r, err)
		return
	}
	if stored.Subject != "" {
		w.Header().Set("OCI-Subject", stored.Subject.String())
	}
	setDigest(w, stored.Digest)
	h.locate(w, r, "/v2/"+repo+"/manifests/"+stored.Digest.String())
	w.Header()["Content-Length"] = zero
	w.WriteHeader(http.StatusCreated)
}

// readManifest reads a body of at most oci.MaxManifest bytes, and holds a place
// for a large one until leave is called.
func (h *Handler) readManifest(r *http.Request) (content []byte, leave func(), err error) {
	tooLarge := &httpError{http.StatusRequestEntityTooLarge, oci.CodeSizeInvalid,
		"a manifest may have " + strconv.Itoa(oci.MaxManifest) + " bytes at most: put large content into a blob"}
	if r.ContentLength > oci.MaxManifest {
		return nil, nil, tooLarge
	}
	early := badRequest(oci.CodeManifestInvalid, "the body ended early")
	content, err = io.ReadAll(io.LimitReader(r.Body, large))
	if err != nil {
		return nil, nil, early
	}
	if len(content) < large {
		return content, func() {}, nil
	}
	if leave, err = h.enter(r, h.manifests); err != nil {
		return nil, nil, err
	}
	rest, err := io.ReadAll(io.LimitReader(r.Body, oci.MaxManifest+1-large))
	switch {
	case err != nil:
		leave()
		return nil, nil, early
	case large+len(rest) > oci.MaxManifest:
		leave()
		return nil, nil, tooLarge
	}
	return append(content, rest...), leave, nil
}

// deleteManifest is end-9.
func (h *Handler) deleteManifest(w http.ResponseWriter, r *http.Request, repo, reference string, byDigest bool) {
	var err error
	if byDigest {
		err = h.store.DeleteManifest(r.Context(), repo, digest.Digest(reference))
	} else {
		err = h.store.DeleteTag(r.Context(), repo, reference)
	}
	if err != nil {
		h.fail(w, r, err)
		return
	}
	accepted(w)
}

// referrers is end-12.
func (h *Handler) referrers(w http.ResponseWriter, r *http.Request, repo, name string) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.refuse(w, r, "GET, HEAD")
		return
	}
	d, err := store.CheckDigest(name)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	query := store.ReferrersQuery{ArtifactType: r.URL.Query().Get("artifactType")}
	if last := r.URL.Query().Get("last"); last != "" {
		if query.After, err = store.CheckDigest(last); err != nil {
			h.fail(w, r, err)
			return
		}
	}
	answer := &place{h: h, r: r, of: h.answers}
	defer answer.Leave()
	query.Room = answer
	page, err := h.store.Referrers(r.Context(), repo, d, query)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	if query.ArtifactType != "" {
		w.Header().Set("OCI-Filters-Applied", "artifactType")
	}
	if page.Next != "" {
		next := url.Values{"last": {page.Next.String()}}
		if query.ArtifactType != "" {
			next.Set("artifactType", query.ArtifactType)
		}
		linkNext(w, r, next)
	}
	writeBytes(w, r, http.StatusOK, v1.MediaTypeImageIndex, page.Index)
}

// isClientFault reports whether an error is an answer and no fault of the
// storage.
func isClientFault(err error) bool {
	var e *store.Error
	return errors.As(err, &e)
}
