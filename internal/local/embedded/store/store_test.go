package store

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/distribution/distribution/v3/configuration"
	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/internal/base/oci"
	"github.com/berth-oci/berth/internal/local/embedded/storage"
)

// grace is the delay of the stores under test.
const grace = time.Hour

// registry is a store under test. What its methods do has to succeed.
type registry struct {
	*Store
	t   testing.TB
	ctx context.Context
}

func open(t testing.TB, d storagedriver.StorageDriver) *registry {
	t.Helper()
	return openWith(t, d, Options{Delay: grace, Untagged: true})
}

func openWith(t testing.TB, d storagedriver.StorageDriver, o Options) *registry {
	t.Helper()
	o.Log = slog.New(slog.DiscardHandler)
	s := New(d, o)
	t.Cleanup(func() { _ = s.Close() })
	return &registry{s, t, context.WithoutCancel(t.Context())}
}

// files is storage that outlives a store.
func files(t testing.TB) storagedriver.StorageDriver {
	t.Helper()
	d, err := storage.NewFilesystem(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// memory is storage for tests that do much and look at no file.
func memory(t testing.TB) storagedriver.StorageDriver {
	t.Helper()
	d, err := storage.Open(t.Context(), configuration.Storage{"inmemory": {}})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (r *registry) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// later lets time pass for everything that garbage collection looks at.
func (r *registry) later(d time.Duration) {
	r.claims.mu.Lock()
	defer r.claims.mu.Unlock()
	now := r.claims.now
	r.claims.now = func() time.Time { return now().Add(d) }
}

const layerType = "application/octet-stream"

func describe(mediaType string, content []byte, a digest.Algorithm) v1.Descriptor {
	return v1.Descriptor{MediaType: mediaType, Digest: a.FromBytes(content), Size: int64(len(content))}
}

// blob uploads one.
func (r *registry) blob(repo, content string) v1.Descriptor {
	r.t.Helper()
	return r.blobAs(repo, content, digest.SHA256)
}

func (r *registry) blobAs(repo, content string, a digest.Algorithm) v1.Descriptor {
	r.t.Helper()
	d := describe(layerType, []byte(content), a)
	_, err := r.StartUpload(repo).Commit(r.ctx, strings.NewReader(content), -1, d.Digest)
	r.must(err)
	return d
}

// put pushes a manifest, by its digest when reference is "".
func (r *registry) put(repo, reference string, manifest any) v1.Descriptor {
	r.t.Helper()
	d, p := manifestPut(repo, reference, manifest)
	_, err := r.PutManifest(r.ctx, p)
	r.must(err)
	return d
}

func manifestPut(repo, reference string, manifest any) (v1.Descriptor, Put) {
	content, err := json.Marshal(manifest)
	if err != nil {
		panic(err) // the test builds what JSON cannot say
	}
	mediaType := v1.MediaTypeImageManifest
	if _, ok := manifest.(v1.Index); ok {
		mediaType = v1.MediaTypeImageIndex
	}
	d := describe(mediaType, content, digest.SHA256)
	if reference == "" {
		reference = d.Digest.String()
	}
	return d, Put{Repo: repo, Reference: reference, MediaType: mediaType, Content: content}
}

// image is a manifest, its config and its layers, in this order.
type image []v1.Descriptor

func imageOf(config v1.Descriptor, layers []v1.Descriptor, edit ...func(*v1.Manifest)) v1.Manifest {
	config.MediaType = v1.MediaTypeImageConfig
	m := v1.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest, Config: config, Layers: layers}
	for _, e := range edit {
		e(&m)
	}
	return m
}

// image pushes one with a config and a layer that no other has.
func (r *registry) image(repo, reference, seed string, edit ...func(*v1.Manifest)) image {
	r.t.Helper()
	config, layer := r.blob(repo, "config of "+seed), r.blob(repo, "layer of "+seed)
	return image{r.put(repo, reference, imageOf(config, []v1.Descriptor{layer}, edit...)), config, layer}
}

func refersTo(subject v1.Descriptor) func(*v1.Manifest) {
	return func(m *v1.Manifest) { m.Subject = &subject }
}

func indexOf(children ...v1.Descriptor) v1.Index {
	return v1.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageIndex, Manifests: children}
}

func (r *registry) index(repo, reference string, children ...v1.Descriptor) v1.Descriptor {
	r.t.Helper()
	return r.put(repo, reference, indexOf(children...))
}

// collect removes garbage with the store's own delay.
func (r *registry) collect() Report {
	r.t.Helper()
	report, err := r.Collect(r.ctx, Collection{Delay: grace})
	r.must(err)
	return report
}

// onDisk returns the digests of all content in the storage, in order.
func (r *registry) onDisk() []digest.Digest {
	r.t.Helper()
	var all []digest.Digest
	dirs, err := r.list(r.ctx, blobsPath(digest.SHA256))
	r.must(err)
	for _, dir := range dirs {
		hexes, err := r.list(r.ctx, path.Join(blobsPath(digest.SHA256), dir))
		r.must(err)
		for _, hex := range hexes {
			d := digest.NewDigestFromEncoded(digest.SHA256, hex)
			if _, err := r.driver.Stat(r.ctx, blobData(d)); err == nil {
				all = append(all, d)
			}
		}
	}
	slices.Sort(all)
	return all
}

// has reports whether the storage has the content of a blob or manifest.
func (r *registry) has(d v1.Descriptor) bool {
	_, err := r.driver.Stat(r.ctx, blobData(d.Digest))
	return err == nil
}

// complete fails unless a reference leads to a whole image: manifests and blobs
// are there, and each is what its digest says.
func (r *registry) complete(repo, reference string) {
	r.t.Helper()
	m, err := r.Manifest(r.ctx, repo, reference)
	if err != nil {
		r.t.Errorf("%s:%s: %v", repo, reference, err)
		return
	}
	p, err := parse(m.Content, "")
	r.must(err)
	for _, d := range p.blobs {
		if got, err := r.read(repo, d.Digest); err != nil || d.Digest.Algorithm().FromString(got) != d.Digest {
			r.t.Errorf("%s:%s leads to the blob %s, which is not whole: %v", repo, reference, d.Digest, err)
		}
	}
	for _, d := range p.manifests {
		r.complete(repo, d.Digest.String())
	}
}

func (r *registry) read(repo string, d digest.Digest) (string, error) {
	_, content, err := r.OpenBlob(r.ctx, repo, d)
	if err != nil {
		return "", err
	}
	defer content.Close()
	data, err := io.ReadAll(content)
	return string(data), err
}

// code returns that of a client's fault, "" for what is none.
func code(err error) oci.Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

func (r *registry) wants(err error, want oci.Code) {
	r.t.Helper()
	if code(err) != want {
		r.t.Errorf("%v, want %s", err, want)
	}
}
