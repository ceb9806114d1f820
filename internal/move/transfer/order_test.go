package transfer

import (
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/berth-oci/berth/internal/base/testtool"
	"github.com/berth-oci/berth/internal/content/artifact"
)

// writes notes the requests that change a registry, in the order of their answers.
type writes struct {
	next http.Handler
	mu   sync.Mutex
	list []string // "blob", "digest" or "tag", and the reference of a manifest
}

func (o *writes) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer o.next.ServeHTTP(w, r)
	if r.Method != http.MethodPut {
		return
	}
	what, name := "blob", r.URL.Query().Get("digest")
	if _, ref, ok := strings.Cut(r.URL.Path, "/manifests/"); ok {
		what, name = "tag", ref
		if digest.Digest(ref).Validate() == nil {
			what = "digest"
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.list = append(o.list, what+" "+name)
}

// take returns what was written since it was called last. A request that its client
// has given up may still be at work.
func (o *writes) take() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	list := o.list
	o.list = nil
	return list
}

// TestOrderOfPush: blobs, the manifest by its digest, the tags.
func TestOrderOfPush(t *testing.T) {
	log := &writes{next: testtool.Registry(t.Context())}
	target := targetOf(t, log)
	dir := tree(t)
	kind, err := artifact.KindOf(target, "extension")
	if err != nil {
		t.Fatal(err)
	}
	opts := PushOptions{Kind: kind, Path: dir, Tags: []string{"1", "2"}}
	pushed, err := Push(t.Context(), target, opts)
	if err != nil {
		t.Fatal(err)
	}
	list := log.take()
	if len(list) != 5 || !strings.HasPrefix(list[0], "blob ") || !strings.HasPrefix(list[1], "blob ") ||
		list[2] != "digest "+pushed.Digest.String() || list[3] != "tag 1" || list[4] != "tag 2" {
		t.Errorf("%q", list)
	}
	pushed, err = Push(t.Context(), target, opts)
	if list := log.take(); err != nil || !pushed.Unchanged || len(list) > 0 {
		t.Errorf("again: %+v (%v), %q", pushed, err, list)
	}
	opts.Tags = []string{"2", "3"}
	pushed, err = Push(t.Context(), target, opts)
	if list = log.take(); err != nil || pushed.Unchanged || list[len(list)-1] != "tag 3" {
		t.Errorf("one more tag: %+v (%v), %q", pushed, err, list)
	}
	for _, what := range list {
		if strings.HasPrefix(what, "blob ") || what == "tag 2" {
			t.Errorf("%s was sent again", what)
		}
	}
}

// TestOrderOfCopy: a registry that refuses a blob has neither manifest nor tag.
func TestOrderOfCopy(t *testing.T) {
	from := targetOf(t, testtool.Registry(t.Context()))
	pushed, err := push(t, from, tree(t))
	if err != nil {
		t.Fatal(err)
	}
	log := &writes{next: misbehave(t, func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/blobs/") && r.ContentLength > 1000 {
			w.WriteHeader(http.StatusInsufficientStorage)
			return true
		}
		return false
	})}
	to := targetOf(t, log)
	ref, _, _ := strings.Cut(pushed.References[0], "@")
	src, err := ParsePlace(from, ref)
	if err != nil {
		t.Fatal(err)
	}
	dst, err := ParsePlace(from, to.Endpoint.HostPort()+"/mirror/aws")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Copy(t.Context(), from, CopyOptions{From: src, To: dst}); err == nil {
		t.Fatal("no error")
	}
	for _, what := range log.take() {
		if !strings.HasPrefix(what, "blob ") {
			t.Errorf("%s came", what)
		}
	}
	// What came of it is no layout either.
	out := filepath.Join(t.TempDir(), "out.tar")
	if _, err := Copy(t.Context(), from, CopyOptions{From: Place{Ref: artifact.Ref{Host: to.Endpoint.HostPort(), Name: "mirror/aws", Tag: "1.0.0"}}, To: Place{Form: OCIArchive, Path: out}}); err == nil {
		t.Error("an artifact that is not there was copied")
	}
	if files, _ := filepath.Glob(filepath.Join(filepath.Dir(out), "*")); len(files) > 0 {
		t.Errorf("left: %v", files)
	}
}
