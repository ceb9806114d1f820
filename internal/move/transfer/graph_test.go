package transfer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/oci"
)

// store is a place in memory, which notes in order what came.
type store struct {
	mu        sync.Mutex
	content   map[digest.Digest][]byte
	tags      map[string]ocispec.Descriptor
	referrers map[digest.Digest][]ocispec.Descriptor
	came      []string              // "blob", "manifest" or "tag", and what
	gave      map[digest.Digest]int // how often each was read

	refuse func(what string, d ocispec.Descriptor) error // may fail; nil for never
	open   func(d ocispec.Descriptor, offset int64) (io.ReadCloser, error)
}

func newStore() *store {
	return &store{content: map[digest.Digest][]byte{}, tags: map[string]ocispec.Descriptor{}, referrers: map[digest.Digest][]ocispec.Descriptor{}, gave: map[digest.Digest]int{}}
}

func (s *store) Resolve(_ context.Context, ref string) (ocispec.Descriptor, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d, ok := s.tags[ref]; ok {
		return d, nil
	}
	return ocispec.Descriptor{}, diag.Errorf(diag.NotFound, "no %s", ref)
}

func (s *store) Manifest(_ context.Context, d ocispec.Descriptor) ([]byte, error) {
	return s.give("manifest", d)
}

func (s *store) Blob(_ context.Context, d ocispec.Descriptor, offset int64) (io.ReadCloser, error) {
	data, err := s.give("blob", d)
	if err != nil {
		return nil, err
	}
	if s.open != nil {
		return s.open(d, offset)
	}
	return io.NopCloser(bytes.NewReader(data[offset:])), nil
}

func (s *store) give(what string, d ocispec.Descriptor) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuse != nil {
		if err := s.refuse(what, d); err != nil {
			return nil, err
		}
	}
	s.gave[d.Digest]++
	data, ok := s.content[d.Digest]
	if !ok {
		return nil, diag.Errorf(diag.NotFound, "no %s", d.Digest)
	}
	return data, nil
}

func (s *store) Referrers(_ context.Context, d ocispec.Descriptor) ([]ocispec.Descriptor, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.referrers[d.Digest], nil
}

func (s *store) Has(_ context.Context, d ocispec.Descriptor) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.content[d.Digest]
	return ok, nil
}

func (s *store) PutBlob(ctx context.Context, d ocispec.Descriptor, open func(int64) (io.ReadCloser, error)) error {
	if s.refuse != nil {
		if err := s.refuse("blob", d); err != nil {
			return err
		}
	}
	body, err := open(0)
	if err != nil {
		return err
	}
	defer body.Close()
	data, err := io.ReadAll(body)
	if err != nil {
		return fmt.Errorf("sending: %w", err)
	}
	s.keep("blob", d, data)
	return ctx.Err()
}

func (s *store) PutManifest(_ context.Context, d ocispec.Descriptor, data []byte) error {
	s.keep("manifest", d, data)
	return nil
}

func (s *store) Tag(_ context.Context, d ocispec.Descriptor, _ []byte, tag string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.came = append(s.came, "tag "+tag)
	s.tags[tag] = d
	return nil
}

func (s *store) keep(what string, d ocispec.Descriptor, data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.came = append(s.came, what+" "+d.Digest.String())
	s.content[d.Digest] = data
}

func (s *store) blob(text string) ocispec.Descriptor {
	d := ocispec.Descriptor{MediaType: "text/plain", Digest: digest.FromString(text), Size: int64(len(text))}
	s.content[d.Digest] = []byte(text)
	return d
}

func (s *store) json(mediaType string, v any) ocispec.Descriptor {
	data, _ := json.Marshal(v)
	d := ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
	s.content[d.Digest] = data
	return d
}

func (s *store) image(subject *ocispec.Descriptor, layers ...ocispec.Descriptor) ocispec.Descriptor {
	d := s.json(ocispec.MediaTypeImageManifest, ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, Config: s.blob("{}"), Layers: layers, Subject: subject,
	})
	if subject != nil {
		s.referrers[subject.Digest] = append(s.referrers[subject.Digest], d)
	}
	return d
}

func (s *store) index(manifests ...ocispec.Descriptor) ocispec.Descriptor {
	return s.json(ocispec.MediaTypeImageIndex, ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: manifests})
}

// wantOrder fails unless each thing came once, and behind all that is below it.
func (s *store) wantOrder(t *testing.T) {
	t.Helper()
	at := map[string]int{}
	for i, what := range s.came {
		if _, twice := at[what]; twice {
			t.Errorf("%s came twice", what)
		}
		at[what] = i
	}
	for what, i := range at {
		if !bytes.HasPrefix([]byte(what), []byte("manifest ")) {
			continue
		}
		d := digest.Digest(what[len("manifest "):])
		m, err := oci.ParseManifest(s.content[d], "")
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range m.Below() {
			kind := "blob "
			if oci.IsManifest(b.MediaType) {
				kind = "manifest "
			}
			if j, came := at[kind+b.Digest.String()]; came && j > i {
				t.Errorf("%s came before %s, which is below it", what, b.Digest)
			}
		}
	}
}

func TestGraph(t *testing.T) {
	src := newStore()
	shared := src.blob("shared")
	var images []ocispec.Descriptor
	for i := range 200 { // wide
		images = append(images, src.image(nil, shared, src.blob(fmt.Sprint("layer ", i))))
	}
	root := src.index(images...)
	for range 50 { // deep
		root = src.index(root, images[0])
	}
	sbom := src.image(&root, src.blob("sbom"))
	src.image(&sbom, src.blob("signature of the sbom"))
	src.image(&images[7], src.blob("signature of a child"))

	dst := newStore()
	g := newGraph(src, dst, Copying, nil)
	g.referrers = true
	if err := g.copy(t.Context(), root); err != nil {
		t.Fatal(err)
	}
	dst.wantOrder(t)
	if len(dst.content) != len(src.content) {
		t.Errorf("%d of %d things came", len(dst.content), len(src.content))
	}
	for d, n := range src.gave {
		if n != 1 {
			t.Errorf("%s was read %d times", d, n)
		}
	}

	// Again: nothing moves.
	came := len(dst.came)
	g = newGraph(src, dst, Copying, nil)
	g.referrers = true
	if err := g.copy(t.Context(), root); err != nil || len(dst.came) != came {
		t.Errorf("%d things came again (%v)", len(dst.came)-came, err)
	}

	// Without what refers to it
	bare := newStore()
	if err := newGraph(src, bare, Copying, nil).copy(t.Context(), root); err != nil {
		t.Fatal(err)
	}
	if _, came := bare.content[sbom.Digest]; came {
		t.Error("a referrer came along")
	}
}

// TestGraphMakesWholeAgain: a place that lost what is below a manifest gets it when
// it is asked for.
func TestGraphMakesWholeAgain(t *testing.T) {
	src, dst := newStore(), newStore()
	layer := src.blob("layer")
	root := src.index(src.image(nil, layer))
	if err := newGraph(src, dst, Copying, nil).copy(t.Context(), root); err != nil {
		t.Fatal(err)
	}
	delete(dst.content, layer.Digest)
	g := newGraph(src, dst, Copying, nil)
	g.again = true
	if err := g.copy(t.Context(), root); err != nil || dst.content[layer.Digest] == nil {
		t.Errorf("the layer is still lost (%v)", err)
	}
}

// TestForeignLayers are left where they are, when the source does not have them.
func TestForeignLayers(t *testing.T) {
	src, dst := newStore(), newStore()
	foreign := ocispec.Descriptor{MediaType: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", Digest: digest.FromString("elsewhere"), Size: 9, URLs: []string{"https://registry.invalid/layer"}}
	root := src.image(nil, foreign, src.blob("own"))
	if err := newGraph(src, dst, Copying, nil).copy(t.Context(), root); err != nil {
		t.Fatal(err)
	}
	if _, ok := dst.content[root.Digest]; !ok {
		t.Error("the manifest did not come")
	}
	// One that is merely lost is a failure, and its manifest stays away.
	lost := ocispec.Descriptor{MediaType: "text/plain", Digest: digest.FromString("lost"), Size: 4}
	root = src.image(nil, lost)
	err := newGraph(src, dst, Copying, nil).copy(t.Context(), root)
	wantFault(t, err, diag.DigestMismatch)
	if _, ok := dst.content[root.Digest]; ok {
		t.Error("a manifest came whose layer is lost")
	}
}

func wantFault(t *testing.T, err error, code diag.Code) {
	t.Helper()
	if d, ok := errors.AsType[*diag.Diagnostic](err); !ok || d.Code != code {
		t.Errorf("got %v, want %s", err, code)
	}
}

// TestGraphTellsWhoFailed: what reading fails with is the source's, also when it
// is the sink that tells of it.
func TestGraphTellsWhoFailed(t *testing.T) {
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		set  func(src, dst *store)
		want string
	}{
		"a manifest": {func(src, _ *store) {
			src.refuse = func(what string, _ ocispec.Descriptor) error {
				if what == "manifest" {
					return broken
				}
				return nil
			}
		}, "source: broken"},
		"a blob": {func(src, _ *store) {
			src.open = func(ocispec.Descriptor, int64) (io.ReadCloser, error) { return io.NopCloser(failing{broken}), nil }
		}, "source: broken"},
		"the sink": {func(_, dst *store) {
			dst.refuse = func(string, ocispec.Descriptor) error { return broken }
		}, "sink: broken"},
	} {
		t.Run(name, func(t *testing.T) {
			src, dst := newStore(), newStore()
			root := src.image(nil, src.blob("layer"))
			c.set(src, dst)
			g := newGraph(src, dst, Copying, nil)
			as := func(who string) func(error) error {
				return func(err error) error {
					if err == nil {
						return nil
					}
					return fmt.Errorf("%s: %w", who, err)
				}
			}
			g.srcErr, g.dstErr = as("source"), as("sink")
			if err := g.copy(t.Context(), root); err == nil || err.Error() != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
			if _, ok := dst.content[root.Digest]; ok {
				t.Error("the manifest came")
			}
		})
	}
}

type failing struct{ error }

func (f failing) Read([]byte) (int, error) { return 0, f.error }

// TestGraphCancelled mid-way: no manifest comes whose layers did not.
func TestGraphCancelled(t *testing.T) {
	src, dst := newStore(), newStore()
	var layers []ocispec.Descriptor
	for i := range 20 {
		layers = append(layers, src.blob(fmt.Sprint(i)))
	}
	root := src.image(nil, layers...)
	ctx, cancel := context.WithCancel(t.Context())
	dst.refuse = func(_ string, d ocispec.Descriptor) error {
		if d.Digest == layers[10].Digest {
			cancel()
		}
		return nil
	}
	err := newGraph(src, dst, Copying, nil).copy(ctx, root)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, ok := dst.content[root.Digest]; ok {
		t.Error("the manifest came")
	}
}

// TestGraphFailedOnce: what several need and cannot be had is tried once.
func TestGraphFailedOnce(t *testing.T) {
	src, dst := newStore(), newStore()
	shared := src.blob("shared")
	root := src.index(src.image(nil, shared, src.blob("a")), src.image(nil, shared, src.blob("b")))
	broken := errors.New("broken")
	tries := 0
	var mu sync.Mutex
	dst.refuse = func(_ string, d ocispec.Descriptor) error {
		mu.Lock()
		defer mu.Unlock()
		if d.Digest == shared.Digest {
			tries++
			return broken
		}
		return nil
	}
	if err := newGraph(src, dst, Copying, nil).copy(t.Context(), root); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if tries != 1 {
		t.Errorf("%d tries", tries)
	}
}

// TestHostileManifests: names that cannot be are refused before they are used.
func TestHostileManifests(t *testing.T) {
	for name, text := range map[string]string{
		"a digest that is a path": `{"layers":[{"digest":"sha256:../../../etc/passwd","size":1}]}`,
		"a negative size":         `{"layers":[{"digest":"` + digest.FromString("x").String() + `","size":-1}]}`,
		"a subject that is none":  `{"subject":{"digest":"x","size":1}}`,
		"no JSON":                 `{`,
	} {
		src, dst := newStore(), newStore()
		d := src.blob(text)
		d.MediaType = ocispec.MediaTypeImageManifest
		err := newGraph(src, dst, Copying, nil).copy(t.Context(), d)
		wantFault(t, err, diag.BadArtifact)
		if len(dst.came) > 0 {
			t.Errorf("%s: %q came", name, dst.came)
		}
	}
}

// TestCompanions: tags that belong to a manifest by their names go along.
func TestCompanions(t *testing.T) {
	src, dst := newStore(), newStore()
	root, signature := src.image(nil, src.blob("layer")), src.image(nil, src.blob("signature"))
	src.tags["sig"] = signature
	g := newGraph(src, dst, Copying, nil)
	g.referrers = true
	g.beside = func(_ context.Context, d digest.Digest) ([]string, error) {
		if d == root.Digest {
			return []string{"sig"}, nil
		}
		return nil, nil
	}
	if err := g.copy(t.Context(), root); err != nil {
		t.Fatal(err)
	}
	if dst.tags["sig"].Digest != signature.Digest || !slices.Contains(dst.came, "manifest "+signature.Digest.String()) {
		t.Errorf("%q", dst.came)
	}
	if dst.came[len(dst.came)-1] != "tag sig" {
		t.Errorf("the tag is not the last: %q", dst.came)
	}
}
