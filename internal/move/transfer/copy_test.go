package transfer

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/oci"
	"github.com/berth-oci/berth/internal/base/testtool"
	"github.com/berth-oci/berth/internal/config/resolve"
	"github.com/berth-oci/berth/internal/content/artifact"
	"github.com/berth-oci/berth/internal/content/layout"
)

// upload puts a manifest of the store into a repository, with all that is below it
// and under tags.
func (s *store) upload(t *testing.T, target *resolve.Target, repository string, d ocispec.Descriptor, tags ...string) {
	t.Helper()
	to, err := connect(target, repository)
	if err != nil {
		t.Fatal(err)
	}
	if err := newGraph(s, repositorySink{session: to}, Copying, nil).copy(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	for _, tag := range tags {
		if err := to.Repository.Tag(t.Context(), d, s.content[d.Digest], tag); err != nil {
			t.Fatal(err)
		}
	}
}

// at names a repository of a target, in full.
func at(target *resolve.Target, name, tag string) Place {
	return Place{Ref: artifact.Ref{Host: target.Endpoint.HostPort(), Name: name, Tag: tag}}
}

// tagsAt returns what the tags of a repository name.
func tagsAt(t *testing.T, target *resolve.Target, repository string) map[string]digest.Digest {
	t.Helper()
	s, err := connect(target, repository)
	if err != nil {
		t.Fatal(err)
	}
	tags, err := s.tags(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]digest.Digest{}
	for _, tag := range tags {
		d, err := s.Resolve(t.Context(), tag)
		if err != nil {
			t.Fatal(err)
		}
		named[tag] = d.Digest
	}
	return named
}

func referrersAt(t *testing.T, target *resolve.Target, repository string, d ocispec.Descriptor) (digests []digest.Digest) {
	t.Helper()
	s, err := connect(target, repository)
	if err != nil {
		t.Fatal(err)
	}
	list, err := s.Referrers(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range list {
		digests = append(digests, r.Digest)
	}
	return digests
}

// TestLayoutIsRepaired: nobody watches over a directory, so copy and pull look at
// all of it, whether or not it has the manifest.
func TestLayoutIsRepaired(t *testing.T) {
	src := newStore()
	layer := src.blob("the layer of an image")
	root := src.index(src.image(nil, layer))
	target := targetOf(t, testtool.Registry(t.Context()))
	src.upload(t, target, "img/app", root, "1")
	t.Setenv("BERTH_CACHE_DIR", t.TempDir())
	for _, way := range []string{"copy", "pull"} {
		dir := filepath.Join(t.TempDir(), "layout")
		move := func() error {
			if way == "copy" {
				_, err := Copy(t.Context(), target, CopyOptions{From: at(target, "img/app", "1"), To: Place{Form: OCIDirectory, Path: dir}})
				return err
			}
			_, err := Pull(t.Context(), target, PullOptions{Ref: at(target, "img/app", "1").Ref, Form: OCIDirectory, Path: dir, Policy: PullPolicy{Policy: policyAlways, Verify: true}})
			return err
		}
		if err := move(); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, "blobs", "sha256", layer.Digest.Encoded())
		for name, damage := range map[string]func() error{
			"deleted":   func() error { return os.Remove(file) },
			"corrupted": func() error { return os.WriteFile(file, []byte("THE LAYER OF AN IMAGE"), 0o666) },
		} {
			t.Run(way+" of one "+name, func(t *testing.T) {
				if err := damage(); err != nil {
					t.Fatal(err)
				}
				if err := move(); err != nil {
					t.Fatal(err)
				}
				if got, err := os.ReadFile(file); err != nil || string(got) != "the layer of an image" {
					t.Errorf("the layer is %q (%v)", got, err)
				}
			})
		}
	}
}

// TestBrokenTagAlone: a tag that fails while it fetches what another needs as well
// leaves that to the other.
func TestBrokenTagAlone(t *testing.T) {
	src := newStore()
	shared, lost, two := src.blob("shared"), src.blob("lost"), src.blob("two")
	first, second := src.image(nil, lost, shared), src.image(nil, shared, two)
	var on atomic.Bool
	sharedAsked, twoAsked := make(chan struct{}), make(chan struct{})
	var once, onceTwo sync.Once
	await := func(r *http.Request, c chan struct{}) {
		select {
		case <-c:
		case <-r.Context().Done():
		}
	}
	from := targetOf(t, misbehave(t, func(w http.ResponseWriter, r *http.Request) bool {
		if !on.Load() || r.Method != http.MethodGet {
			return false
		}
		switch {
		case strings.HasSuffix(r.URL.Path, "/manifests/2"): // the other comes second
			await(r, sharedAsked)
		case strings.HasSuffix(r.URL.Path, two.Digest.String()):
			onceTwo.Do(func() { close(twoAsked) })
		case strings.HasSuffix(r.URL.Path, lost.Digest.String()):
			await(r, sharedAsked)
			await(r, twoAsked)
			w.WriteHeader(http.StatusNotFound)
			return true
		case strings.HasSuffix(r.URL.Path, shared.Digest.String()):
			cancelled := false
			once.Do(func() {
				close(sharedAsked)
				<-r.Context().Done() // the failure of the first ends it
				cancelled = true
			})
			return cancelled
		}
		return false
	}))
	src.upload(t, from, "ext/a", first, "1")
	src.upload(t, from, "ext/a", second, "2")
	on.Store(true)
	to := targetOf(t, testtool.Registry(t.Context()))
	copied, err := Copy(t.Context(), from, CopyOptions{From: at(from, "ext/a", ""), To: at(to, "ext/b", ""), AllTags: true, KeepOn: true})
	wantFault(t, err, diag.DigestMismatch)
	if copied == nil || copied.Failed != 1 || copied.Tags[0].Error == "" || copied.Tags[1].Error != "" {
		t.Fatalf("%+v", copied)
	}
	if tags := tagsAt(t, to, "ext/b"); len(tags) != 1 || tags["2"] != second.Digest {
		t.Errorf("%v", tags)
	}
}

// TestReferrersInACircle: what leads back to itself is copied once.
func TestReferrersInACircle(t *testing.T) {
	t.Run("one list for every digest", func(t *testing.T) {
		src := newStore()
		root := src.image(nil, src.blob("layer"))
		signature := src.image(&root, src.blob("signature"))
		list, _ := json.Marshal(ocispec.Index{MediaType: ocispec.MediaTypeImageIndex, Manifests: []ocispec.Descriptor{signature, root}})
		from := targetOf(t, misbehave(t, func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.Contains(r.URL.Path, "/referrers/") {
				return false
			}
			w.Header().Set("Content-Type", ocispec.MediaTypeImageIndex)
			_, _ = w.Write(list)
			return true
		}))
		src.upload(t, from, "ext/a", root, "1")
		src.upload(t, from, "ext/a", signature)
		wantCopied(t, from, root, signature)
	})
	t.Run("a list that names itself", func(t *testing.T) {
		src := newStore()
		root := src.image(nil, src.blob("layer"))
		from := targetOf(t, misbehave(t, listsByTagOnly))
		src.upload(t, from, "ext/a", root, "1")
		s, err := connect(from, "ext/a")
		if err != nil {
			t.Fatal(err)
		}
		// No digest can be its own, but the list of a list may have the list.
		list := src.index(root)
		src.upload(t, from, "ext/a", list, oci.ReferrersTag(root.Digest))
		back := src.index(list, root)
		src.upload(t, from, "ext/a", back, oci.ReferrersTag(list.Digest))
		if list, err := s.Referrers(t.Context(), root); err != nil || len(list) != 1 {
			t.Fatalf("%v (%v)", list, err)
		}
		wantCopied(t, from, root)
	})
	t.Run("an index whose subject it lists", func(t *testing.T) {
		src := newStore()
		root := src.image(nil, src.blob("layer"))
		index := src.json(ocispec.MediaTypeImageIndex, map[string]any{
			"schemaVersion": 2, "mediaType": ocispec.MediaTypeImageIndex, "manifests": []ocispec.Descriptor{root}, "subject": root,
		})
		from := targetOf(t, misbehave(t, listsByTagOnly))
		src.upload(t, from, "ext/a", root, "1")
		src.upload(t, from, "ext/a", index)
		wantCopied(t, from, root, index)
	})
}

// listsByTagOnly answers as a registry without the referrers API.
func listsByTagOnly(w http.ResponseWriter, r *http.Request) bool {
	if strings.Contains(r.URL.Path, "/referrers/") {
		w.WriteHeader(http.StatusNotFound)
		return true
	}
	return false
}

// wantCopied copies ext/a:1 and fails unless what is given came.
func wantCopied(t *testing.T, from *resolve.Target, want ...ocispec.Descriptor) {
	t.Helper()
	to := targetOf(t, testtool.Registry(t.Context()))
	if _, err := Copy(t.Context(), from, CopyOptions{From: at(from, "ext/a", "1"), To: at(to, "ext/b", "1"), Referrers: true}); err != nil {
		t.Fatal(err)
	}
	s, err := connect(to, "ext/b")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range want {
		if has, err := s.Has(t.Context(), d); !has || err != nil {
			t.Errorf("%s did not come (%v)", d.Digest, err)
		}
	}
}

// TestTagOfReferrer: what has a subject is listed at the target, whatever it was
// copied by.
func TestTagOfReferrer(t *testing.T) {
	src := newStore()
	root := src.image(nil, src.blob("layer"))
	signature := src.image(&root, src.blob("signature"))
	from, to := targetOf(t, testtool.Registry(t.Context())), targetOf(t, misbehave(t, listsByTagOnly))
	src.upload(t, from, "ext/a", root, "1")
	src.upload(t, from, "ext/a", signature, "signature")
	for _, tag := range []string{"1", "signature"} {
		if _, err := Copy(t.Context(), to, CopyOptions{From: at(from, "ext/a", tag), To: at(to, "ext/b", tag)}); err != nil {
			t.Fatal(err)
		}
	}
	s, err := connect(to, "ext/b")
	if err != nil {
		t.Fatal(err)
	}
	list, err := s.Referrers(t.Context(), root)
	if err != nil || len(list) != 1 || list[0].Digest != signature.Digest {
		t.Errorf("%v (%v)", list, err)
	}
	if tags := tagsAt(t, to, "ext/b"); tags["1"] != root.Digest || tags["signature"] != signature.Digest {
		t.Errorf("%v", tags)
	}
}

// TestCompanionsUnderThePolicy: the tags that cosign sets are tags like others.
func TestCompanionsUnderThePolicy(t *testing.T) {
	src := newStore()
	root, mine, theirs := src.image(nil, src.blob("layer")), src.image(nil, src.blob("mine")), src.image(nil, src.blob("theirs"))
	tag := oci.ReferrersTag(root.Digest) + ".sig"
	from, to := targetOf(t, testtool.Registry(t.Context())), targetOf(t, testtool.Registry(t.Context()))
	src.upload(t, from, "ext/a", root, "1")
	src.upload(t, from, "ext/a", mine, tag)
	src.upload(t, to, "ext/b", theirs, tag)
	opts := CopyOptions{From: at(from, "ext/a", "1"), To: at(to, "ext/b", "1"), Referrers: true}
	_, err := Copy(t.Context(), to, opts)
	wantFault(t, err, diag.TagExists)
	if tags := tagsAt(t, to, "ext/b"); len(tags) != 1 || tags[tag] != theirs.Digest {
		t.Errorf("%v", tags)
	}
	to.Push.AllowOverwrite = true
	if _, err := Copy(t.Context(), to, opts); err != nil {
		t.Fatal(err)
	}
	if tags := tagsAt(t, to, "ext/b"); tags[tag] != mine.Digest || tags["1"] != root.Digest {
		t.Errorf("%v", tags)
	}
}

// TestNewReferrerOfPushed: an image that did not change is asked for what refers
// to it now.
func TestNewReferrerOfPushed(t *testing.T) {
	src := newStore()
	root := src.image(nil)
	dir := filepath.Join(t.TempDir(), "layout")
	add := func(d ocispec.Descriptor, tag string) {
		t.Helper()
		w, err := layout.Create(dir, layout.OCIDir)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Discard()
		if err := newGraph(src, w, Copying, nil).copy(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		if tag != "" {
			if err := w.Tag(t.Context(), d, src.content[d.Digest], tag); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	add(root, "1")
	target := targetOf(t, testtool.Registry(t.Context()))
	target.Spec.Namespaces.PlatformImages = "img"
	kind, err := artifact.KindOf(target, "image")
	if err != nil {
		t.Fatal(err)
	}
	opts := PushOptions{Kind: kind, Path: dir}
	opts.Metadata.Name = "app"
	opts.Tags = []string{"1"}
	if _, err := Push(t.Context(), target, opts); err != nil {
		t.Fatal(err)
	}
	signature := src.image(&root, src.blob("signature"))
	add(signature, "")
	pushed, err := Push(t.Context(), target, opts)
	if err != nil || !pushed.Unchanged {
		t.Fatalf("%+v (%v)", pushed, err)
	}
	if got := referrersAt(t, target, kind.Repository("app"), root); !slices.Equal(got, []digest.Digest{signature.Digest}) {
		t.Errorf("it is referred to by %v", got)
	}
}

// TestReferrerIsListedAgain: whoever stored a referrer may have been killed before
// it was listed.
func TestReferrerIsListedAgain(t *testing.T) {
	src := newStore()
	root := src.image(nil, src.blob("layer"))
	signature := src.image(&root, src.blob("signature"))
	from, to := targetOf(t, misbehave(t, listsByTagOnly)), targetOf(t, misbehave(t, listsByTagOnly))
	src.upload(t, from, "ext/a", root, "1")
	src.upload(t, from, "ext/a", signature)
	opts := CopyOptions{From: at(from, "ext/a", "1"), To: at(to, "ext/b", "1"), Referrers: true}
	if _, err := Copy(t.Context(), from, opts); err != nil {
		t.Fatal(err)
	}
	s, err := connect(to, "ext/b")
	if err != nil {
		t.Fatal(err)
	}
	empty := src.index()
	src.upload(t, to, "ext/b", empty, oci.ReferrersTag(root.Digest))
	if list, err := s.Referrers(t.Context(), root); err != nil || len(list) > 0 {
		t.Fatalf("%v (%v)", list, err)
	}
	if _, err := Copy(t.Context(), from, opts); err != nil {
		t.Fatal(err)
	}
	if got := referrersAt(t, to, "ext/b", root); !slices.Equal(got, []digest.Digest{signature.Digest}) {
		t.Errorf("it is referred to by %v", got)
	}
}

// TestNothingCopied: an archive that is there stays when nothing of what was to
// replace it came, and when the user ends it.
func TestNothingCopied(t *testing.T) {
	src := newStore()
	lost := src.blob("lost")
	from := targetOf(t, misbehave(t, func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet || !strings.HasSuffix(r.URL.Path, lost.Digest.String()) {
			return false
		}
		w.WriteHeader(http.StatusNotFound)
		return true
	}))
	src.upload(t, from, "ext/a", src.image(nil, lost), "1")
	src.upload(t, from, "ext/a", src.image(nil, lost, lost), "2")
	good := src.image(nil, src.blob("good"))
	src.upload(t, from, "ext/a", good, "3")
	file := filepath.Join(t.TempDir(), "out.tar")
	stays := func(err error, code diag.Code) {
		t.Helper()
		if code != "" {
			wantFault(t, err, code)
		} else if err == nil {
			t.Error("no error")
		}
		if data, err := os.ReadFile(file); err != nil || string(data) != "what was there" {
			t.Errorf("it is %d bytes (%v)", len(data), err)
		}
		if files, _ := filepath.Glob(filepath.Join(filepath.Dir(file), "*")); len(files) != 1 {
			t.Errorf("left: %q", files)
		}
	}
	if err := os.WriteFile(file, []byte("what was there"), 0o666); err != nil {
		t.Fatal(err)
	}
	opts := CopyOptions{From: at(from, "ext/a", ""), To: Place{Form: OCIArchive, Path: file}, AllTags: true, Match: "[12]", KeepOn: true, Force: true}
	_, err := Copy(t.Context(), from, opts)
	stays(err, diag.DigestMismatch)

	ctx, cancel := context.WithCancel(t.Context())
	opts.Match = ""
	opts.Events = func(e Event) {
		if e.Step == Tagged { // one came
			cancel()
		}
	}
	_, err = Copy(ctx, from, opts)
	stays(err, "")

	opts.Events = nil
	if _, err = Copy(t.Context(), from, opts); err == nil {
		t.Error("no error")
	}
	l, err := layout.Open(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if d, err := l.Resolve(t.Context(), "3"); err != nil || d.Digest != good.Digest {
		t.Errorf("%v (%v)", d, err)
	}
}

func TestPlaces(t *testing.T) {
	target := targetOf(t, http.NotFoundHandler())
	d := digest.FromString("x").String()
	for arg, want := range map[string]Place{
		"oci:dir":                {Form: OCIDirectory, Path: "dir"},
		"oci:dir:1.0":            {Form: OCIDirectory, Path: "dir", Tag: "1.0"},
		"oci:dir@" + d:           {Form: OCIDirectory, Path: "dir", Tag: d},
		"oci-archive:a.tar@" + d: {Form: OCIArchive, Path: "a.tar", Tag: d},
		"oci:a@b":                {Form: OCIDirectory, Path: "a@b"},
		"docker.io/nginx":        {Ref: artifact.Ref{Host: "docker.io", Name: "library/nginx"}},
		"docker.io/nginx:1":      {Ref: artifact.Ref{Host: "docker.io", Name: "library/nginx", Tag: "1"}},
		"index.docker.io/nginx":  {Ref: artifact.Ref{Host: "index.docker.io", Name: "library/nginx"}},
		"docker.io/a/nginx":      {Ref: artifact.Ref{Host: "docker.io", Name: "a/nginx"}},
		"127.0.0.1:5000/nginx":   {Ref: artifact.Ref{Host: "127.0.0.1:5000", Name: "nginx"}},
	} {
		if got, err := ParsePlace(target, arg); err != nil || got != want {
			t.Errorf("%s: %+v (%v), want %+v", arg, got, err, want)
		}
	}
}

// TestTagOfTheTarget: its own, else the source's; archives name theirs in full.
func TestTagOfTheTarget(t *testing.T) {
	d := digest.FromString("x").String()
	for _, c := range []struct {
		own, name string
		all       bool
		want      string
	}{
		{"", "1", false, "1"},
		{"2", "1", false, "2"},
		{"2", d, false, "2"},
		{"", d, false, ""},
		{d, "1", false, "1"},
		{"", "registry.example:5000/team/app:2.1", true, "2.1"},
		{"", "registry.example:5000/team/app", true, "app"},
		{"", "team/app:-", true, ""},
	} {
		for _, p := range []Place{{Ref: artifact.Ref{Tag: c.own}}, {Form: OCIDirectory, Tag: c.own}} {
			if got := p.tagFor(c.name, c.all); got != c.want {
				t.Errorf("%+v: %q", c, got)
			}
		}
	}
}
