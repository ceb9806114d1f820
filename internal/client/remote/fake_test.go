package remote

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/testtool"
	"github.com/berth-oci/berth/internal/client/transport"
	"github.com/berth-oci/berth/internal/config/resolve"
)

// fake is a registry that does what the specification says, in one of the ways in
// which real ones do, unless hook answers instead.
type fake struct {
	location  func(id string, size int) string // of an upload
	ranges    string                           // format of Range
	referrers bool                             // it keeps lists of them

	hook func(w http.ResponseWriter, r *http.Request) (answered bool)

	mu        sync.Mutex
	log       []string // method, path and Content-Range
	blobs     map[digest.Digest][]byte
	uploads   map[string][]byte
	manifests map[string]stored // by digest and tag
}

type stored struct {
	mediaType string
	data      []byte
}

func newFake() *fake {
	return &fake{
		location: func(id string, _ int) string { return "/v2/ns/repo/blobs/uploads/" + id }, ranges: "0-%d",
		blobs: map[digest.Digest][]byte{}, uploads: map[string][]byte{}, manifests: map[string]stored{},
	}
}

// start serves the fake, and returns a repository of it.
func (f *fake) start(t *testing.T, uploads Uploads) (*Repository, *httptest.Server) {
	t.Helper()
	server := testtool.Serve(t, f)
	return repository(t, server.URL, uploads), server
}

func repository(t *testing.T, address string, uploads Uploads) *Repository {
	t.Helper()
	return within(t, address, uploads, 20*time.Second)
}

// within is repository with the time that nothing may move for.
func within(t *testing.T, address string, uploads Uploads, timeout time.Duration) *Repository {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	port, _ := strconv.Atoi(u.Port())
	target := &resolve.Target{Deployment: "local", Type: "distribution", Endpoint: resolve.Endpoint{Scheme: "http", Host: u.Hostname(), Port: port},
		Client: resolve.Client{VerifyTLS: true, Timeout: timeout, Retries: 2}}
	client, err := transport.New(target)
	if err != nil {
		t.Fatal(err)
	}
	r := New(client, target, "ns/repo", uploads)
	r.piece = piece
	return r
}

// requests returns those of a method below a part of the API.
func (f *fake) requests(method, part string) (list []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, line := range f.log {
		if strings.HasPrefix(line, method+" ") && strings.Contains(line, part) {
			list = append(list, line)
		}
	}
	return list
}

func (f *fake) wantRequests(t *testing.T, n int, method, part string) {
	t.Helper()
	if list := f.requests(method, part); len(list) != n {
		t.Errorf("%d of %s %s, want %d; all: %q", len(list), method, part, n, f.log)
	}
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.log = append(f.log, strings.TrimSpace(r.Method+" "+r.URL.Path+" "+r.Header.Get("Content-Range")))
	hook := f.hook
	f.mu.Unlock()
	if hook == nil || !hook(w, r) {
		f.serve(w, r)
	}
}

func (f *fake) serve(w http.ResponseWriter, r *http.Request) {
	rest := strings.TrimPrefix(r.URL.Path, "/v2/ns/repo/")
	if id, ok := strings.CutPrefix(rest, "blobs/uploads/"); ok {
		f.upload(w, r, id)
		return
	}
	what, ref, _ := strings.Cut(rest, "/")
	switch {
	case what == "blobs":
		f.mu.Lock()
		data, ok := f.blobs[digest.Digest(ref)]
		f.mu.Unlock()
		give(w, r, "application/octet-stream", data, ok)
	case what == "manifests" && r.Method == http.MethodPut:
		f.putManifest(w, r, ref)
	case what == "manifests":
		f.mu.Lock()
		m, ok := f.manifests[ref]
		f.mu.Unlock()
		w.Header().Set("Docker-Content-Digest", digest.FromBytes(m.data).String())
		give(w, r, m.mediaType, m.data, ok)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func give(w http.ResponseWriter, r *http.Request, mediaType string, data []byte, ok bool) {
	if !ok {
		w.Header().Del("Docker-Content-Digest")
		w.WriteHeader(http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", mediaType)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
}

func (f *fake) putManifest(w http.ResponseWriter, r *http.Request, ref string) {
	data, _ := io.ReadAll(r.Body)
	d := digest.FromBytes(data)
	f.mu.Lock()
	defer f.mu.Unlock()
	_, there := f.manifests[ref]
	if there && r.Header.Get("If-None-Match") == "*" {
		w.WriteHeader(http.StatusPreconditionFailed)
		return
	}
	f.manifests[ref] = stored{r.Header.Get("Content-Type"), data}
	f.manifests[d.String()] = f.manifests[ref]
	w.Header().Set("Docker-Content-Digest", d.String())
	var m struct{ Subject *ocispec.Descriptor }
	if json.Unmarshal(data, &m) == nil && m.Subject != nil && f.referrers {
		w.Header().Set("OCI-Subject", m.Subject.Digest.String())
	}
	w.WriteHeader(http.StatusCreated)
}

func (f *fake) upload(w http.ResponseWriter, r *http.Request, id string) {
	body, err := io.ReadAll(r.Body)
	f.mu.Lock()
	defer f.mu.Unlock()
	if id == "" {
		if d := digest.Digest(r.URL.Query().Get("mount")); d != "" && f.blobs[d] != nil {
			w.WriteHeader(http.StatusCreated)
			return
		}
		id = "u" + strconv.Itoa(len(f.uploads))
		f.uploads[id] = nil
		f.stands(w, id, http.StatusAccepted)
		return
	}
	data, ok := f.uploads[id]
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	switch r.Method {
	case http.MethodGet:
		f.stands(w, id, http.StatusNoContent)
	case http.MethodDelete:
		delete(f.uploads, id)
		w.WriteHeader(http.StatusNoContent)
	case http.MethodPatch:
		if !strings.HasPrefix(r.Header.Get("Content-Range"), strconv.Itoa(len(data))+"-") {
			f.stands(w, id, http.StatusRequestedRangeNotSatisfiable)
			return
		}
		f.uploads[id] = append(data, body...)
		if err == nil {
			f.stands(w, id, http.StatusAccepted)
		}
	case http.MethodPut:
		data = append(data, body...)
		d := digest.Digest(r.URL.Query().Get("digest"))
		if digest.FromBytes(data) != d {
			refuse(w, http.StatusBadRequest, "DIGEST_INVALID")
			return
		}
		f.blobs[d] = data
		delete(f.uploads, id)
		w.WriteHeader(http.StatusCreated)
	}
}

// stands says where an upload stands. The lock is held.
func (f *fake) stands(w http.ResponseWriter, id string, status int) {
	w.Header().Set("Location", f.location(id, len(f.uploads[id])))
	w.Header().Set("Range", fmt.Sprintf(f.ranges, max(0, len(f.uploads[id])-1)))
	w.WriteHeader(status)
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"errors":[{"code":%q,"message":"no"}]}`, code)
}

// times calls f for the first n requests of a method whose path has a part.
func times(n int, method, part string, f func(w http.ResponseWriter, r *http.Request)) func(http.ResponseWriter, *http.Request) bool {
	return after(0, n, method, part, f)
}

// after is times behind the first skip ones.
func after(skip, n int, method, part string, f func(w http.ResponseWriter, r *http.Request)) func(http.ResponseWriter, *http.Request) bool {
	var mu sync.Mutex
	seen := 0
	return func(w http.ResponseWriter, r *http.Request) bool {
		if method != "" && r.Method != method || !strings.Contains(r.URL.Path, part) {
			return false
		}
		mu.Lock()
		seen++
		due := seen > skip && seen <= skip+n
		mu.Unlock()
		if due {
			f(w, r)
		}
		return due
	}
}

// answer answers with a status alone.
func answer(status int) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(status)
	}
}

const always = 1 << 30

// content is what a blob has, and how it is opened.
func content(size int) (ocispec.Descriptor, []byte, Content) {
	data := make([]byte, size)
	for i := 0; i+8 < size; i += 1 << 10 { // each part is another
		copy(data[i:], strconv.Itoa(i))
	}
	return ocispec.Descriptor{MediaType: "application/octet-stream", Digest: digest.FromBytes(data), Size: int64(size)}, data,
		func(offset int64) (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(data[offset:])), nil
		}
}

func wantCode(t *testing.T, err error, code diag.Code) {
	t.Helper()
	if d, ok := errors.AsType[*diag.Diagnostic](err); !ok || d.Code != code || d.Hint == "" {
		t.Errorf("got %v, want %s with a hint", err, code)
	}
}

func digestsOf(list []ocispec.Descriptor) (all []digest.Digest) {
	for _, d := range list {
		all = append(all, d.Digest)
	}
	slices.Sort(all)
	return all
}
