// Package liar is a registry for tests that is right in all but one thing: it puts
// one lie at a time into the answers of a registry that is right. It knows no
// client. Only tests import it.
package liar

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/opencontainers/go-digest"
)

// Lie names one thing that is wrong. The zero value is none.
type Lie string

// Lies returns all that there are, sorted.
func Lies() []Lie { return slices.Sorted(maps.Keys(lies)) }

// teller answers a request with a lie, or as the registry is where it has none for it.
type teller func(r *Registry, w http.ResponseWriter, req *http.Request)

// lies are the switches. Each is named by what the answers are.
var lies = func() map[Lie]teller {
	all := map[Lie]teller{}
	for _, kind := range []map[Lie]teller{digestLies, sizeLies, typeLies, listLies, redirectLies, writeLies} {
		maps.Copy(all, kind)
	}
	return all
}()

// Registry is an http.Handler. What it knows of must be set before it serves.
type Registry struct {
	Honest http.Handler // what is right
	Lie    Lie

	Twin           string // tag of another manifest in each repository: what lies show in the place of what is asked for
	Elsewhere      string // scheme and host of another server, to which some lies lead
	User, Password string // that everybody has to show; "" for nobody

	count atomic.Int64
	made  sync.Map // manifests that were made up, by digest
}

// ServeHTTP implements http.Handler.
func (r *Registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if user, password, _ := req.BasicAuth(); r.User != "" && (user != r.User || password != r.Password) {
		w.Header().Set("WWW-Authenticate", `Basic realm="liar"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if tell := lies[r.Lie]; tell != nil {
		tell(r, w, req)
		return
	}
	r.Honest.ServeHTTP(w, req)
}

// answer is what the registry says, to be changed.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// ask asks the registry itself.
func (r *Registry) ask(req *http.Request) *answer {
	rec := httptest.NewRecorder()
	r.Honest.ServeHTTP(rec, req)
	return &answer{rec.Code, rec.Header(), rec.Body.Bytes()}
}

// get asks for something else than the client did.
func (r *Registry) get(req *http.Request, method, path string) *answer {
	other := httptest.NewRequest(method, path, nil)
	other.Host = req.Host
	return r.ask(other)
}

// twin is what the registry says of the other manifest in the repository.
func (r *Registry) twin(req *http.Request, method string) *answer {
	return r.get(req, method, "/v2/"+partsOf(req).repository+"/manifests/"+r.Twin)
}

// ok reports whether there is something to lie about.
func (a *answer) ok() bool { return a.status == http.StatusOK || a.status == http.StatusPartialContent }

func (a *answer) set(name, value string) { a.header.Set(name, value) }

// fit gives the body its length.
func (a *answer) fit() *answer {
	a.set("Content-Length", strconv.Itoa(len(a.body)))
	return a
}

func (a *answer) send(w http.ResponseWriter, req *http.Request) {
	maps.Copy(w.Header(), a.header)
	w.WriteHeader(a.status)
	if req.Method != http.MethodHead {
		_, _ = w.Write(a.body)
	}
}

// parts are what a path of the API names.
type parts struct {
	repository, kind, name string // kind is manifests, blobs, uploads, tags, referrers, _catalog or ""
}

func partsOf(req *http.Request) parts {
	path := strings.TrimPrefix(req.URL.Path, "/v2/")
	if path == "_catalog" {
		return parts{kind: path}
	}
	for _, kind := range []string{"/blobs/uploads/", "/manifests/", "/blobs/", "/tags/", "/referrers/"} {
		if repository, name, ok := strings.Cut(path, kind); ok {
			kind = strings.Trim(strings.TrimPrefix(kind, "/blobs/uploads"), "/")
			if kind == "" {
				kind = "uploads"
			}
			return parts{repository, kind, name}
		}
	}
	return parts{}
}

func isDigest(name string) bool { return digest.Digest(name).Validate() == nil }

// about makes a lie of a change of answers about one kind of thing that is there, to
// requests of the given methods.
func about(kind string, methods string, change func(r *Registry, req *http.Request, a *answer)) teller {
	return func(r *Registry, w http.ResponseWriter, req *http.Request) {
		if partsOf(req).kind != kind || !slices.Contains(strings.Fields(methods), req.Method) {
			r.Honest.ServeHTTP(w, req)
			return
		}
		a := r.ask(req)
		if a.ok() {
			change(r, req, a)
		}
		a.send(w, req)
	}
}

// both makes one lie of two.
func both(first, second teller, kind string) teller {
	return func(r *Registry, w http.ResponseWriter, req *http.Request) {
		if partsOf(req).kind == kind {
			first(r, w, req)
			return
		}
		second(r, w, req)
	}
}

// contentDigest is the header by which registries name what they give.
const contentDigest = "Docker-Content-Digest"

// digestLies are about what content is called, and what comes for a name.
var digestLies = map[Lie]teller{
	"digest of another": about("manifests", "GET", func(r *Registry, req *http.Request, a *answer) {
		a.set(contentDigest, r.twin(req, "HEAD").header.Get(contentDigest))
	}),
	"digest of another in HEAD": about("manifests", "HEAD", func(r *Registry, req *http.Request, a *answer) {
		if isDigest(partsOf(req).name) { // a tag may name another by now
			a.set(contentDigest, r.twin(req, "HEAD").header.Get(contentDigest))
		}
	}),
	"digest by another algorithm": about("manifests", "HEAD GET", func(r *Registry, req *http.Request, a *answer) {
		content := r.get(req, "GET", req.URL.Path).body
		a.set(contentDigest, digest.SHA512.FromBytes(content).String())
	}),
	"digest of another by another algorithm": anotherAlgorithm,
	"digest missing": about("manifests", "HEAD GET", func(_ *Registry, _ *http.Request, a *answer) {
		a.header.Del(contentDigest)
	}),
	"digest malformed": about("manifests", "HEAD GET", func(_ *Registry, _ *http.Request, a *answer) {
		a.set(contentDigest, "sha256:../../../etc/passwd")
	}),
	"manifest is another": about("manifests", "GET", func(r *Registry, req *http.Request, a *answer) {
		if isDigest(partsOf(req).name) {
			a.body = r.twin(req, "GET").body
			a.fit()
		}
	}),
	"manifest is another, and called so": about("manifests", "HEAD GET", func(r *Registry, req *http.Request, a *answer) {
		if isDigest(partsOf(req).name) {
			*a = *r.twin(req, req.Method)
		}
	}),
	"blob is another": about("blobs", "GET", func(_ *Registry, _ *http.Request, a *answer) {
		if len(a.body) > 0 {
			a.body = bytes.Clone(a.body)
			a.body[len(a.body)/2] ^= 1
		}
	}),
}

// anotherAlgorithm says at HEAD that what is asked for by a sha256 has a sha512,
// which is that of another manifest, and gives that for it.
func anotherAlgorithm(r *Registry, w http.ResponseWriter, req *http.Request) {
	p := partsOf(req)
	if p.kind != "manifests" || req.Method != http.MethodHead && req.Method != http.MethodGet {
		r.Honest.ServeHTTP(w, req)
		return
	}
	twin := r.twin(req, http.MethodGet)
	if !twin.ok() {
		r.Honest.ServeHTTP(w, req)
		return
	}
	d := digest.SHA512.FromBytes(twin.body).String()
	a := r.ask(req)
	if p.name == d {
		a = twin
	} else if a.ok() && req.Method == http.MethodHead && isDigest(p.name) {
		a = twin.fit()
	} else {
		a.send(w, req)
		return
	}
	a.set(contentDigest, d)
	a.send(w, req)
}

// typeLies are about what content is.
var typeLies = map[Lie]teller{
	"type of no manifest": ofType("application/octet-stream"),
	"type missing":        ofType(""),
	"type of an index":    ofType("application/vnd.oci.image.index.v1+json"),
	"type of Docker's":    ofType("application/vnd.docker.distribution.manifest.v2+json"),
	"type of no form":     ofType("a/b/c;;;"),
}

func ofType(mediaType string) teller {
	return about("manifests", "HEAD GET", func(_ *Registry, _ *http.Request, a *answer) {
		a.header["Content-Type"] = []string{mediaType}
		if mediaType == "" {
			a.header["Content-Type"] = nil // or net/http makes one up
		}
	})
}

// writeLies are about what the registry has, or took.
var writeLies = map[Lie]teller{
	"has everything": func(r *Registry, w http.ResponseWriter, req *http.Request) {
		if p := partsOf(req); req.Method == http.MethodHead && isDigest(p.name) {
			w.Header().Set(contentDigest, p.name)
			w.WriteHeader(http.StatusOK)
			return
		}
		r.Honest.ServeHTTP(w, req)
	},
	"has nothing": func(r *Registry, w http.ResponseWriter, req *http.Request) {
		if req.Method == http.MethodHead {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		r.Honest.ServeHTTP(w, req)
	},
	"stored as another": func(r *Registry, w http.ResponseWriter, req *http.Request) {
		if p := partsOf(req); p.kind != "manifests" || req.Method != http.MethodPut {
			r.Honest.ServeHTTP(w, req)
			return
		}
		a := r.ask(req)
		a.set(contentDigest, digest.FromString(fmt.Sprint(r.count.Add(1))).String())
		a.send(w, req)
	},
	"uploads lead elsewhere": func(r *Registry, w http.ResponseWriter, req *http.Request) {
		a := r.ask(req)
		if _, path, ok := strings.Cut(a.header.Get("Location"), "/v2/"); ok && partsOf(req).kind == "uploads" {
			a.set("Location", r.Elsewhere+"/v2/"+path)
		}
		a.send(w, req)
	},
}
