// Package api is the HTTP side of the built-in registry: the API of OCI
// distribution-spec 1.1 on a store. Docker's media types and clients are served
// alike. It neither authenticates nor logs requests: package gate does, in front
// of it.
package api

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"sync"

	"github.com/berth-oci/berth/internal/base/oci"
	"github.com/berth-oci/berth/internal/local/embedded/quota"
	"github.com/berth-oci/berth/internal/local/embedded/store"
)

// Handler serves a store. New makes it.
type Handler struct {
	Options
	store *store.Store
	// Blobs that are being read, large manifests that are held in memory, and large
	// answers: so many at once.
	blobs, manifests, answers *quota.Quota
	identity                  []string  // as the header has it
	lists                     sync.Pool // of *bufio.Writer, which would be most of what a list costs
}

// Options of a handler.
type Options struct {
	Log *slog.Logger // of faults of the storage
	// Client tells clients apart whose uploads are counted; nil: all are one.
	Client func(*http.Request) string
	// Reads is how many blobs may be read at once, half of them by one client; zero
	// for a default. Each takes a file, or a connection to a service, and with HTTP/2
	// a client may ask for many over one connection.
	Reads int
	// Identity is told in all answers but those of blobs, see oci.RegistryHeader; ""
	// for none.
	Identity string
	// Relative leaves host and scheme out of the places that answers name.
	Relative bool
}

const defaultReads = 1024

// New returns a handler that serves a store.
func New(s *store.Store, o Options) *Handler {
	if o.Reads <= 0 {
		o.Reads = defaultReads
	}
	h := &Handler{Options: o, store: s, blobs: quota.New(o.Reads), manifests: quota.New(largeManifests), answers: quota.New(largeAnswers)}
	if o.Identity != "" {
		h.identity = []string{o.Identity}
	}
	return h
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header()["Docker-Distribution-Api-Version"] = apiVersion
	// A copy, for what is kept of it would keep the whole request line.
	path, ok := oci.ParsePath(strings.Clone(r.URL.Path))
	if h.identity != nil && path.Kind != oci.KindBlob && path.Kind != oci.KindUpload {
		w.Header()[oci.RegistryHeader] = h.identity
	}
	if !ok {
		h.fail(w, r, notFound)
		return
	}
	switch path.Kind {
	case oci.KindBase:
		h.base(w, r)
		return
	case oci.KindCatalog:
		h.catalog(w, r)
		return
	}
	if err := store.CheckName(path.Repository); err != nil {
		h.fail(w, r, err)
		return
	}
	switch path.Kind {
	case oci.KindManifest:
		h.manifest(w, r, path.Repository, path.Reference)
	case oci.KindBlob:
		h.blob(w, r, path.Repository, path.Reference)
	case oci.KindUpload:
		h.uploads(w, r, path.Repository, path.Reference)
	case oci.KindTags:
		h.tags(w, r, path.Repository)
	case oci.KindReferrers:
		h.referrers(w, r, path.Repository, path.Reference)
	}
}

// apiVersion is what Docker takes for the mark of a registry.
var apiVersion = []string{"registry/2.0"}

// base answers whether the API is spoken here (end-1).
func (h *Handler) base(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.refuse(w, r, "GET, HEAD")
		return
	}
	writeJSON(w, r, http.StatusOK, "application/json", struct{}{})
}

// writeJSON answers with a document.
func writeJSON(w http.ResponseWriter, r *http.Request, status int, mediaType string, v any) {
	var data bytes.Buffer
	e := json.NewEncoder(&data)
	e.SetEscapeHTML(false) // which takes six bytes for one
	if err := e.Encode(v); err != nil {
		panic(err) // v holds what JSON cannot say
	}
	writeBytes(w, r, status, mediaType, bytes.TrimSuffix(data.Bytes(), []byte("\n")))
}

func writeBytes(w http.ResponseWriter, r *http.Request, status int, mediaType string, data []byte) {
	setType(w, mediaType, int64(len(data)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(data)
	}
}
