package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/oci"
)

// accepted lists what a manifest may be: a registry gives what is asked for, or
// converts, or finds nothing.
func accepted() string {
	return strings.Join([]string{ocispec.MediaTypeImageManifest, ocispec.MediaTypeImageIndex,
		oci.DockerManifest, oci.DockerIndex, oci.ArtifactManifest, "*/*"}, ", ")
}

// Resolve returns the descriptor of a tag or a digest. What is asked for by a digest
// has that one, whatever else the registry calls it. It fails with
// diag.DigestMismatch where the registry says that it has something else.
func (r *Repository) Resolve(ctx context.Context, ref string) (ocispec.Descriptor, error) {
	resp, err := r.do(ctx, r.get(http.MethodHead, ref), http.StatusOK)
	if err != nil && status(err) != http.StatusMethodNotAllowed {
		return ocispec.Descriptor{}, err
	}
	if err == nil {
		defer discard(resp)
		d := describe(resp)
		d.Size = resp.ContentLength
		if want := digest.Digest(ref); oci.IsDigest(ref) {
			if oci.Differ(want, d.Digest) {
				return ocispec.Descriptor{}, wrong(want, d.Digest)
			}
			d.Digest = want
		}
		if d.Digest.Validate() == nil && d.Size > 0 && d.MediaType != "" {
			return d, nil
		}
	}
	// A registry that does not say enough has to give the whole of it.
	d, _, err := r.Get(ctx, ref)
	return d, err
}

// Get returns the manifest of a tag or a digest, verified, with its descriptor.
func (r *Repository) Get(ctx context.Context, ref string) (d ocispec.Descriptor, data []byte, err error) {
	get := func() error {
		d, data, err = r.getOnce(ctx, ref)
		return err
	}
	err = r.again(ctx, get)
	if fault, ok := errors.AsType[*diag.Diagnostic](err); ok && fault.Code == diag.DigestMismatch {
		err = r.again(ctx, get) // once more: it may be the way, and not the storage
	}
	return d, data, err
}

// isPage reports whether an answer is a page for people and no manifest, whatever it
// says that it is.
func isPage(resp *http.Response, data []byte) bool {
	if !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") {
		return false
	}
	_, err := oci.ParseManifest(data, "")
	return err != nil
}

func (r *Repository) getOnce(ctx context.Context, ref string) (ocispec.Descriptor, []byte, error) {
	resp, err := r.do(ctx, r.get(http.MethodGet, ref), http.StatusOK)
	if err != nil {
		return ocispec.Descriptor{}, nil, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, oci.MaxManifest+1))
	if err != nil {
		return ocispec.Descriptor{}, nil, broken{fmt.Errorf("read manifest %s: %w", ref, err)}
	}
	if len(data) > oci.MaxManifest {
		return ocispec.Descriptor{}, nil, tooLarge(ref)
	}
	if isPage(resp, data) {
		return ocispec.Descriptor{}, nil, diag.Errorf(diag.RegistryRefused, "%s answers with a web page in place of the manifest %s", resp.Request.URL.Host, ref).
			WithHint("something on the way may ask for a login, as networks of hotels do; or it is no registry")
	}
	d := describe(resp)
	d.Size = int64(len(data))
	switch {
	case oci.IsDigest(ref):
		d.Digest = digest.Digest(ref)
	case d.Digest.Validate() != nil:
		d.Digest = digest.FromBytes(data)
	}
	if !oci.Names(d.Digest, data) {
		return ocispec.Descriptor{}, nil, wrong(d.Digest, d.Digest.Algorithm().FromBytes(data))
	}
	if d.MediaType == "" { // the registry does not say: the manifest may
		if m, err := oci.ParseManifest(data, ""); err == nil {
			d.MediaType = m.MediaType
		}
	}
	return d, data, nil
}

// Manifest returns the manifest that d describes, verified: digest and size. It
// fails with diag.DigestMismatch when the registry gives something else, repeatedly.
func (r *Repository) Manifest(ctx context.Context, d ocispec.Descriptor) ([]byte, error) {
	if d.Size > oci.MaxManifest {
		return nil, tooLarge(d.Digest.String())
	}
	if err := d.Digest.Validate(); err != nil {
		return nil, diag.Errorf(diag.BadArtifact, "%q is not a digest: %w", d.Digest, err).WithHint("the artifact has to be pushed again")
	}
	_, data, err := r.Get(ctx, d.Digest.String())
	if err == nil && int64(len(data)) != d.Size {
		return nil, wrongSize(d, int64(len(data)))
	}
	return data, err
}

func (r *Repository) get(method, ref string) request {
	return request{method: method, url: r.url("manifests", ref), header: http.Header{"Accept": {accepted()}}}
}

// describe returns what the headers of an answer say of a manifest.
func describe(resp *http.Response) ocispec.Descriptor {
	mediaType, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil {
		mediaType = ""
	}
	return ocispec.Descriptor{MediaType: mediaType, Digest: digest.Digest(resp.Header.Get("Docker-Content-Digest"))}
}

// PutManifest stores a manifest under its digest.
func (r *Repository) PutManifest(ctx context.Context, d ocispec.Descriptor, data []byte) error {
	noticed, err := r.put(ctx, d, data, d.Digest.String(), nil)
	if err != nil {
		return err
	}
	return r.referTo(ctx, d, data, noticed)
}

// Tag stores a manifest under a tag.
func (r *Repository) Tag(ctx context.Context, d ocispec.Descriptor, data []byte, tag string) error {
	_, err := r.put(ctx, d, data, tag, nil)
	return err
}

// ErrExists means that a tag is there, and was to be new.
var ErrExists = errors.New("the tag exists")

// TagNew is Tag on the condition that the tag is new (RFC 9110, section 13.1.2).
// It fails with ErrExists where the registry honours the condition; others
// replace the tag.
func (r *Repository) TagNew(ctx context.Context, d ocispec.Descriptor, data []byte, tag string) error {
	_, err := r.put(ctx, d, data, tag, http.Header{"If-None-Match": {"*"}})
	if status(err) == http.StatusPreconditionFailed {
		return ErrExists
	}
	return err
}

// put stores a manifest. noticed is whether the registry says that it knows the
// subject of it.
func (r *Repository) put(ctx context.Context, d ocispec.Descriptor, data []byte, ref string, condition http.Header) (noticed bool, err error) {
	header := http.Header{"Content-Type": {d.MediaType}}
	maps.Copy(header, condition)
	q := request{
		method: http.MethodPut, url: r.url("manifests", ref), header: header, size: int64(len(data)),
		open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil },
	}
	for damaged := false; ; damaged = true {
		var resp *http.Response
		err := r.resend(ctx, func() (err error) {
			resp, err = r.do(ctx, q, http.StatusCreated, http.StatusOK, http.StatusAccepted)
			return err
		})
		switch {
		case status(err) == http.StatusBadRequest && !damaged:
			continue // it may have been damaged on the way
		case isDigestInvalid(err):
			return false, invalid(d.Digest, "something on the way damages content; push again")
		case err != nil:
			return false, err
		}
		discard(resp)
		got := digest.Digest(resp.Header.Get("Docker-Content-Digest"))
		if got.Validate() != nil || oci.Names(got, data) {
			return resp.Header.Get("OCI-Subject") != "", nil
		}
		if damaged {
			return false, diag.Errorf(diag.DigestMismatch, "the registry stored %s as %s", d.Digest, got).
				WithHint("something on the way, or the registry, rewrites manifests; push to it directly")
		}
		// A tag that was new has something wrong now, from this client.
		delete(q.header, "If-None-Match")
	}
}

// Delete removes a tag, or a manifest with all its tags. What is not there is
// Missing.
func (r *Repository) Delete(ctx context.Context, ref string) error {
	resp, err := r.do(ctx, request{method: http.MethodDelete, url: r.url("manifests", ref)}, http.StatusAccepted, http.StatusOK, http.StatusNoContent)
	if err != nil {
		return err
	}
	discard(resp)
	return nil
}

func tooLarge(ref string) error {
	return diag.Errorf(diag.BadArtifact, "manifest %s has more than %d bytes", ref, oci.MaxManifest).WithHint("berth reads manifests of up to 4 MiB")
}

func wrong(want, got digest.Digest) error {
	return diag.Errorf(diag.DigestMismatch, "the registry's content for %s is %s", want, got).WithHint("%s", DamagedHint)
}

// invalid is for a digest that a registry calls invalid, twice. Of digests other
// than sha256, which registries need not know, the reason may be just that.
func invalid(d digest.Digest, hint string) error {
	if d.Algorithm() == digest.SHA256 {
		return diag.Errorf(diag.DigestMismatch, "the registry received something else than %s, twice", d).WithHint("%s", hint)
	}
	return diag.Errorf(diag.RegistryRefused, "the registry does not take %s by that digest", d).
		WithHint("many registries know sha256 alone: use one that knows %s, as berth's own does, or make the artifact with sha256", d.Algorithm())
}

// wrongSize is for content that has another size than its descriptor says, which is
// not to be trusted (image-spec, "Descriptors").
func wrongSize(d ocispec.Descriptor, got int64) error {
	return diag.Errorf(diag.DigestMismatch, "the registry's content for %s has %d bytes, and should have %d", d.Digest, got, d.Size).WithHint("%s", DamagedHint)
}

// DamagedHint is what to do about content that is not what its digest says.
const DamagedHint = "nothing was written; the registry's storage or something on the way damages content: restore it there, or delete the artifact and push it again"
