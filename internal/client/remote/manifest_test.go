package remote

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/oci"
)

// manifestOf makes a manifest that a name tells from others.
func manifestOf(name string, subject *ocispec.Descriptor) (ocispec.Descriptor, []byte) {
	data, _ := json.Marshal(ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, ArtifactType: "text/" + name,
		Config: ocispec.DescriptorEmptyJSON, Subject: subject, Annotations: map[string]string{"name": name},
	})
	return ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromBytes(data), Size: int64(len(data))}, data
}

// TestResolve is about registries that say little, or something else than they
// have.
func TestResolve(t *testing.T) {
	d, data := manifestOf("one", nil)
	other, otherData := manifestOf("two", nil)
	head := func(set func(h http.Header)) func(http.ResponseWriter, *http.Request) bool {
		return times(always, "HEAD", "", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", ocispec.MediaTypeImageManifest)
			w.Header().Set("Content-Length", fmt.Sprint(len(data)))
			w.Header().Set("Docker-Content-Digest", d.Digest.String())
			set(w.Header())
		})
	}
	for name, c := range map[string]struct {
		ref  string
		hook func(w http.ResponseWriter, r *http.Request) bool
		code diag.Code // "" for success
		gets int
	}{
		"a tag":                       {"v1", nil, "", 0},
		"a digest":                    {d.Digest.String(), nil, "", 0},
		"HEAD without digest":         {"v1", head(func(h http.Header) { h.Del("Docker-Content-Digest") }), "", 1},
		"HEAD with no digest":         {"v1", head(func(h http.Header) { h.Set("Docker-Content-Digest", "../x") }), "", 1},
		"HEAD without type":           {"v1", head(func(h http.Header) { h.Set("Content-Type", "") }), "", 1},
		"HEAD without length":         {"v1", head(func(h http.Header) { h.Del("Content-Length"); h.Set("Transfer-Encoding", "chunked") }), "", 1},
		"a digest, without it":        {d.Digest.String(), head(func(h http.Header) { h.Del("Docker-Content-Digest") }), "", 0},
		"no HEAD":                     {"v1", times(always, "HEAD", "", answer(405)), "", 1},
		"missing":                     {"v2", nil, diag.NotFound, 0},
		"missing, and no HEAD":        {"v2", times(always, "HEAD", "", answer(405)), diag.NotFound, 1},
		"denied":                      {"v1", times(always, "HEAD", "", answer(403)), diag.Forbidden, 0},
		"another digest in HEAD":      {d.Digest.String(), head(func(h http.Header) { h.Set("Docker-Content-Digest", other.Digest.String()) }), diag.DigestMismatch, 0},
		"another algorithm in HEAD":   {d.Digest.String(), head(func(h http.Header) { h.Set("Docker-Content-Digest", digest.SHA512.FromBytes(otherData).String()) }), "", 0},
		"HEAD of no bytes":            {"v1", head(func(h http.Header) { h.Set("Content-Length", "0") }), "", 1},
		"another digest's parameters": {"v1", head(func(h http.Header) { h.Set("Content-Type", ocispec.MediaTypeImageManifest+"; charset=utf-8") }), "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake()
			f.hook = c.hook
			f.manifests["v1"], f.manifests[d.Digest.String()] = stored{d.MediaType, data}, stored{d.MediaType, data}
			f.manifests["other"] = stored{d.MediaType, otherData}
			r, _ := f.start(t, Uploads{})
			got, err := r.Resolve(t.Context(), c.ref)
			if c.code != "" {
				wantCode(t, r.Err(err), c.code)
			} else if err != nil || got.Digest != d.Digest || got.Size != d.Size || got.MediaType != d.MediaType {
				t.Errorf("%+v (%v), want %+v", got, err, d)
			}
			f.wantRequests(t, c.gets, "GET", "/manifests/")
		})
	}
}

// TestManifestSize: a descriptor says the size as well.
func TestManifestSize(t *testing.T) {
	d, data := manifestOf("one", nil)
	f := newFake()
	f.manifests[d.Digest.String()] = stored{d.MediaType, data}
	r, _ := f.start(t, Uploads{})
	for _, size := range []int64{0, d.Size - 1, d.Size + 1} {
		_, err := r.Manifest(t.Context(), ocispec.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: size})
		wantCode(t, err, diag.DigestMismatch)
	}
}

// TestManifestIsVerified: damage on the way, once, is asked about again; content
// that is not what its digest says is none.
func TestManifestIsVerified(t *testing.T) {
	d, data := manifestOf("one", nil)
	_, otherData := manifestOf("two", nil)
	wrongOnce := func(n int) func(http.ResponseWriter, *http.Request) bool {
		return times(n, "GET", "", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", d.MediaType)
			_, _ = w.Write(otherData)
		})
	}
	for name, c := range map[string]struct {
		hook func(w http.ResponseWriter, r *http.Request) bool
		code diag.Code
	}{
		"right":      {nil, ""},
		"wrong once": {wrongOnce(1), ""},
		"wrong":      {wrongOnce(always), diag.DigestMismatch},
		"too large": {times(always, "GET", "", func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write(make([]byte, oci.MaxManifest+1))
		}), diag.BadArtifact},
		"cut once": {times(1, "GET", "", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(len(data)))
			_, _ = w.Write(data[:10])
			panic(http.ErrAbortHandler)
		}), ""},
		"cut": {times(always, "GET", "", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(len(data)))
			_, _ = w.Write(data[:10])
			panic(http.ErrAbortHandler)
		}), diag.Unreachable},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake()
			f.hook = c.hook
			f.manifests[d.Digest.String()] = stored{d.MediaType, data}
			r, _ := f.start(t, Uploads{})
			got, err := r.Manifest(t.Context(), d)
			if c.code != "" {
				wantCode(t, r.Err(err), c.code)
				return
			}
			if err != nil || !slices.Equal(got, data) {
				t.Errorf("%d bytes (%v)", len(got), err)
			}
		})
	}
	f := newFake()
	r, _ := f.start(t, Uploads{})
	_, err := r.Manifest(t.Context(), ocispec.Descriptor{Digest: d.Digest, Size: oci.MaxManifest + 1})
	wantCode(t, err, diag.BadArtifact)
	_, err = r.Manifest(t.Context(), ocispec.Descriptor{Digest: "sha256:../../x", Size: 1})
	wantCode(t, err, diag.BadArtifact)
	f.wantRequests(t, 0, "GET", "")
}

func TestPutManifest(t *testing.T) {
	d, data := manifestOf("one", nil)
	other, _ := manifestOf("two", nil)
	t.Run("it is stored as another", func(t *testing.T) {
		f := newFake()
		f.hook = times(always, "PUT", "", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Docker-Content-Digest", other.Digest.String())
			w.WriteHeader(201)
		})
		r, _ := f.start(t, Uploads{})
		wantCode(t, r.PutManifest(t.Context(), d, data), diag.DigestMismatch)
	})
	t.Run("again after 500", func(t *testing.T) {
		f := newFake()
		f.hook = times(1, "PUT", "", answer(500))
		r, _ := f.start(t, Uploads{})
		if err := r.PutManifest(t.Context(), d, data); err != nil {
			t.Error(err)
		}
		f.wantRequests(t, 2, "PUT", "")
	})
	t.Run("a tag that is to be new", func(t *testing.T) {
		f := newFake()
		r, _ := f.start(t, Uploads{})
		if err := r.TagNew(t.Context(), d, data, "v1"); err != nil {
			t.Error(err)
		}
		if err := r.TagNew(t.Context(), d, data, "v1"); !errors.Is(err, ErrExists) {
			t.Errorf("got %v", err)
		}
	})
}

// TestReferrersTag: with a registry that keeps no list of referrers clients do, and
// no two of them take each other's entries out.
func TestReferrersTag(t *testing.T) {
	f := newFake()
	r, server := f.start(t, Uploads{})
	subject, data := manifestOf("subject", nil)
	if err := r.PutManifest(t.Context(), subject, data); err != nil {
		t.Fatal(err)
	}
	f.wantRequests(t, 1, "PUT", "") // it has no subject itself
	var want []ocispec.Descriptor
	var group sync.WaitGroup
	for i := range 8 {
		d, data := manifestOf(fmt.Sprint("referrer ", i), &subject)
		want = append(want, d)
		group.Go(func() {
			if err := r.Sibling("ns/repo").PutManifest(t.Context(), d, data); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	list, err := r.Referrers(t.Context(), subject)
	if err != nil || !slices.Equal(digestsOf(list), digestsOf(want)) {
		t.Errorf("%v (%v), want %v", digestsOf(list), err, digestsOf(want))
	}
	if len(list) > 0 && (list[0].ArtifactType == "" || list[0].Annotations["name"] == "" || list[0].Size == 0 || list[0].MediaType != subject.MediaType) {
		t.Errorf("an entry says too little: %+v", list[0])
	}
	// Again: nothing new in the list.
	before := len(f.requests("PUT", oci.ReferrersTag(subject.Digest)))
	again, againData := manifestOf("referrer 0", &subject)
	if err := r.PutManifest(t.Context(), again, againData); err != nil {
		t.Error(err)
	}
	f.wantRequests(t, before, "PUT", oci.ReferrersTag(subject.Digest))

	// Another client replaces the list right after this one wrote it.
	late, lateData := manifestOf("late", &subject)
	old := f.manifests[oci.ReferrersTag(subject.Digest)]
	var once sync.Once
	f.hook = after(1, 1, "GET", oci.ReferrersTag(subject.Digest), func(w http.ResponseWriter, req *http.Request) {
		once.Do(func() {
			f.mu.Lock()
			f.manifests[oci.ReferrersTag(subject.Digest)] = old
			f.mu.Unlock()
		})
		f.serve(w, req)
	})
	if err := repository(t, server.URL, Uploads{}).PutManifest(t.Context(), late, lateData); err != nil {
		t.Error(err)
	}
	if list, err = r.Referrers(t.Context(), subject); err != nil || len(list) != 9 {
		t.Errorf("%d referrers (%v), want 9", len(list), err)
	}
}

// TestReferrersAPI: a registry that says it took notice of the subject is not
// given a tag; lists may come in pages.
func TestReferrersAPI(t *testing.T) {
	f := newFake()
	f.referrers = true
	r, _ := f.start(t, Uploads{})
	subject, _ := manifestOf("subject", nil)
	d, data := manifestOf("referrer", &subject)
	if err := r.PutManifest(t.Context(), d, data); err != nil {
		t.Fatal(err)
	}
	f.wantRequests(t, 1, "PUT", "")
	back := false
	f.hook = func(w http.ResponseWriter, req *http.Request) bool {
		if !strings.Contains(req.URL.Path, "/referrers/") {
			return false
		}
		index := ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, Manifests: []ocispec.Descriptor{d}}
		if req.URL.RawQuery == "" {
			w.Header().Set("Link", `<`+req.URL.Path+`?page=2>; rel="next"`)
		} else if back {
			w.Header().Set("Link", `<`+req.URL.Path+`>; rel="next"`)
		}
		w.Header().Set("Content-Type", ocispec.MediaTypeImageIndex)
		_ = json.NewEncoder(w).Encode(index)
		return true
	}
	list, err := r.Referrers(t.Context(), subject)
	if err != nil || len(list) != 2 {
		t.Errorf("%d (%v), want 2: one of each page", len(list), err)
	}
	back = true
	_, err = r.Referrers(t.Context(), subject)
	wantCode(t, err, diag.RegistryRefused)
	f.hook = times(always, "GET", "/referrers/", answer(403))
	_, err = r.Referrers(t.Context(), subject)
	wantCode(t, r.Err(err), diag.Forbidden)
}

// A page that a network shows to who has not logged in is no manifest.
func TestWebPage(t *testing.T) {
	f := newFake()
	f.hook = times(always, "GET", "/manifests/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, "<!DOCTYPE html><title>Welcome</title>")
	})
	r, _ := f.start(t, Uploads{})
	for _, ref := range []string{"v1", digest.FromString("x").String()} {
		_, _, err := r.Get(t.Context(), ref)
		wantCode(t, err, diag.RegistryRefused)
		if err == nil || !strings.Contains(err.Error(), "a web page") {
			t.Errorf("%s: %v", ref, err)
		}
	}
}
