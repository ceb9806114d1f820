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
	identity                  []string // as the header has it
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

// route is what a path below /v2/ names.
type route struct {
	repo string
	kind string // manifests, blobs, uploads, tags or referrers
	name string // tag, digest or id; "" for none
}

// split takes a path apart from its end: a repository may be called as any part
// of it.
func split(path string) (r route, ok bool) {
	head, last, ok := cutLast(path)
	if !ok {
		return r, false
	}
	head, kind, ok := cutLast(head)
	if !ok {
		return r, false
	}
	switch {
	case kind == "tags" && last == "list":
		return route{repo: head, kind: kind}, true
	case kind == "manifests" || kind == "referrers":
		return route{repo: head, kind: kind, name: last}, true
	case kind == "blobs" && last == "uploads":
		return route{repo: head, kind: "uploads"}, true
	case kind == "blobs":
		return route{repo: head, kind: kind, name: last}, true
	case kind == "uploads":
		repo, kind, ok := cutLast(head)
		return route{repo: repo, kind: "uploads", name: last}, ok && kind == "blobs"
	}
	return r, false
}

func cutLast(path string) (head, last string, ok bool) {
	i := strings.LastIndexByte(path, '/')
	if i < 0 {
		return "", path, false
	}
	return path[:i], path[i+1:], true
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header()["Docker-Distribution-Api-Version"] = apiVersion
	if h.identity != nil && !strings.Contains(r.URL.Path, "/blobs/") {
		w.Header()[oci.RegistryHeader] = h.identity
	}
	if r.URL.Path == "/v2" {
		h.base(w, r)
		return
	}
	rest, ok := strings.CutPrefix(r.URL.Path, "/v2/")
	switch {
	case !ok:
		h.fail(w, r, notFound)
		return
	case rest == "":
		h.base(w, r)
		return
	case rest == "_catalog":
		h.catalog(w, r)
		return
	}
	// A copy, for what is kept of it would keep the whole request line.
	route, ok := split(strings.Clone(rest))
	if !ok {
		h.fail(w, r, notFound)
		return
	}
	if err := store.CheckName(route.repo); err != nil {
		h.fail(w, r, err)
		return
	}
	switch route.kind {
	case "manifests":
		h.manifest(w, r, route.repo, route.name)
	case "blobs":
		h.blob(w, r, route.repo, route.name)
	case "uploads":
		h.uploads(w, r, route.repo, route.name)
	case "tags":
		h.tags(w, r, route.repo)
	case "referrers":
		h.referrers(w, r, route.repo, route.name)
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
