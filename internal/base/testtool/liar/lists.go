package liar

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// listLies are about tags, repositories and referrers.
var listLies = map[Lie]teller{
	"lists of pages without end": listing(func(r *Registry, req *http.Request, l *list, a *answer) {
		n := r.count.Add(1)
		for i := range 20_000 {
			l.names = append(l.names, fmt.Sprintf("provisioning-platform/n%d-%d", n, i))
		}
		for i := range 2000 {
			l.referrers = append(l.referrers, descriptor([]byte(fmt.Sprint(n, i))))
		}
		a.set("Link", fmt.Sprintf(`<%s?page=%d>; rel="next"`, req.URL.Path, n))
	}),
	"lists that lead back": listing(func(_ *Registry, req *http.Request, _ *list, a *answer) {
		a.set("Link", fmt.Sprintf(`<%s>; rel="next"`, req.URL))
	}),
	"lists that lead in a circle": listing(func(_ *Registry, req *http.Request, _ *list, a *answer) {
		next := map[string]string{"": "2", "2": "3", "3": "2"}[req.URL.Query().Get("page")]
		a.set("Link", fmt.Sprintf(`<%s?page=%s>; rel="next"`, req.URL.Path, next))
	}),
	"lists that lead elsewhere": listing(func(r *Registry, req *http.Request, _ *list, a *answer) {
		if req.URL.Query().Get("page") == "" {
			a.set("Link", fmt.Sprintf(`<%s%s?page=2>; rel="next"`, r.Elsewhere, req.URL.Path))
		}
	}),
	"lists of one page without end": hugePage,
	"lists of what is not there": listing(func(_ *Registry, req *http.Request, l *list, _ *answer) {
		if partsOf(req).kind == "tags" {
			l.names = append(l.names, "ghost")
		}
		l.referrers = append(l.referrers, descriptor([]byte("ghost")))
	}),
	"lists of no names": listing(func(_ *Registry, _ *http.Request, l *list, _ *answer) {
		l.names = append(l.names, "../../v2/_catalog")
		l.referrers = append(l.referrers, ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: "sha256:../../x", Size: 1})
	}),
	"referrers of another": listing(func(r *Registry, req *http.Request, l *list, _ *answer) {
		p := partsOf(req)
		twin := r.twin(req, http.MethodGet)
		if p.kind != "referrers" || !twin.ok() {
			return
		}
		subject := descriptor(twin.body)
		l.referrers = append(l.referrers, subject, r.make(ocispec.Manifest{Subject: &subject}))
	}),
	"referrer of itself": listing(func(r *Registry, req *http.Request, l *list, _ *answer) {
		if p := partsOf(req); p.kind == "referrers" {
			l.referrers = append(l.referrers, descriptor(r.get(req, "GET", "/v2/"+p.repository+"/manifests/"+p.name).body))
		}
	}),
	"referrers without end": withMade(listing(func(r *Registry, req *http.Request, l *list, _ *answer) {
		p := partsOf(req)
		if p.kind != "referrers" {
			return
		}
		data := r.get(req, "GET", "/v2/"+p.repository+"/manifests/"+p.name).body
		if made, ok := r.made.Load(p.name); ok {
			data = made.([]byte)
		}
		subject := descriptor(data)
		l.referrers = append(l.referrers, r.make(ocispec.Manifest{Subject: &subject}))
	})),
}

// list is what a list has.
type list struct {
	names     []string
	referrers []ocispec.Descriptor
}

func descriptor(manifest []byte) ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromBytes(manifest), Size: int64(len(manifest))}
}

// make makes up a manifest, which only withMade gives.
func (r *Registry) make(m ocispec.Manifest) ocispec.Descriptor {
	m.Versioned, m.MediaType = specs.Versioned{SchemaVersion: 2}, ocispec.MediaTypeImageManifest
	m.ArtifactType, m.Config, m.Layers = "application/vnd.example.made", ocispec.DescriptorEmptyJSON, []ocispec.Descriptor{}
	data, _ := json.Marshal(m)
	d := descriptor(data)
	r.made.Store(d.Digest.String(), data)
	return d
}

// withMade gives the manifests that were made up.
func withMade(tell teller) teller {
	return func(r *Registry, w http.ResponseWriter, req *http.Request) {
		p := partsOf(req)
		data, ok := r.made.Load(p.name)
		switch {
		case p.name == ocispec.DescriptorEmptyJSON.Digest.String() && p.kind == "blobs" && req.Method == http.MethodGet:
			(&answer{http.StatusOK, http.Header{}, []byte("{}")}).fit().send(w, req)
		case ok && p.kind == "manifests" && req.Method != http.MethodPut:
			a := &answer{http.StatusOK, http.Header{"Content-Type": {ocispec.MediaTypeImageManifest}}, data.([]byte)}
			a.set(contentDigest, p.name)
			a.fit().send(w, req)
		default:
			tell(r, w, req)
		}
	}
}

// listing makes a lie of a change of lists.
func listing(change func(r *Registry, req *http.Request, l *list, a *answer)) teller {
	return func(r *Registry, w http.ResponseWriter, req *http.Request) {
		p := partsOf(req)
		if p.kind != "tags" && p.kind != "_catalog" && p.kind != "referrers" {
			r.Honest.ServeHTTP(w, req)
			return
		}
		a := r.ask(req)
		var right struct {
			Tags         []string
			Repositories []string
			Manifests    []ocispec.Descriptor
		}
		_ = json.Unmarshal(a.body, &right) // nothing where there is no list
		a.header.Del("Link")
		l := &list{names: append(right.Tags, right.Repositories...), referrers: right.Manifests}
		change(r, req, l, a)
		var body any
		switch p.kind {
		case "tags":
			for i, name := range l.names[len(right.Tags):] {
				l.names[len(right.Tags)+i] = strings.TrimPrefix(name, "provisioning-platform/")
			}
			body = map[string]any{"name": p.repository, "tags": l.names}
		case "_catalog":
			body = map[string]any{"repositories": l.names}
		default:
			body = ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: l.referrers}
		}
		a.status = http.StatusOK
		a.body, _ = json.Marshal(body)
		a.fit().send(w, req)
	}
}

// hugePage is a list that does not end.
func hugePage(r *Registry, w http.ResponseWriter, req *http.Request) {
	element := `"name",`
	switch partsOf(req).kind {
	case "tags":
		_, _ = io.WriteString(w, `{"tags":[`)
	case "_catalog":
		_, _ = io.WriteString(w, `{"repositories":[`)
	case "referrers":
		w.Header().Set("Content-Type", ocispec.MediaTypeImageIndex)
		_, _ = io.WriteString(w, `{"manifests":[`)
		element = `{},`
	default:
		r.Honest.ServeHTTP(w, req)
		return
	}
	for piece := strings.Repeat(element, 10_000); ; {
		if _, err := io.WriteString(w, piece); err != nil {
			return
		}
	}
}
