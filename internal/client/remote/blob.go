package remote

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/oci"
)

// Has reports whether the repository has the blob or manifest that d describes.
func (r *Repository) Has(ctx context.Context, d ocispec.Descriptor) (bool, error) {
	q := request{method: http.MethodHead, url: r.url("blobs", d.Digest.String())}
	if oci.IsManifest(d.MediaType) {
		q = r.get(http.MethodHead, d.Digest.String())
	}
	resp, err := r.do(ctx, q, http.StatusOK)
	switch {
	case Missing(err):
		return false, nil
	case err != nil:
		return false, err
	}
	defer discard(resp)
	if oci.Differ(d.Digest, describe(resp).Digest) {
		return false, nil
	}
	return resp.ContentLength < 0 || d.Size == 0 || resp.ContentLength == d.Size, nil
}

// Blob returns the content of a blob from offset on. Reading it may fail in the
// middle, with an error of which transport.Transient tells whether to ask for
// the rest; it is not verified.
func (r *Repository) Blob(ctx context.Context, d ocispec.Descriptor, offset int64) (io.ReadCloser, error) {
	body, _, err := r.Range(ctx, d, offset, d.Size)
	return body, err
}

// Range is Blob for the bytes from offset up to end, which it gives no more than
// and may give fewer. ranged is false when the registry does not serve parts and
// the bytes before offset had to be read, and thrown away. It fails with
// diag.DigestMismatch where the registry says that the blob has another size.
func (r *Repository) Range(ctx context.Context, d ocispec.Descriptor, offset, end int64) (body io.ReadCloser, ranged bool, err error) {
	q := request{method: http.MethodGet, url: r.url("blobs", d.Digest.String()), bulk: true}
	if offset > 0 || end < d.Size {
		q.header = http.Header{"Range": {fmt.Sprintf("bytes=%d-%d", offset, end-1)}}
	}
	resp, err := r.do(ctx, q, http.StatusOK, http.StatusPartialContent)
	if err != nil {
		return nil, false, err
	}
	if resp.StatusCode == http.StatusPartialContent {
		if err := isPart(resp, d, offset); err != nil {
			resp.Body.Close()
			return nil, false, err
		}
		return limited{io.LimitReader(resp.Body, end-offset), resp.Body}, true, nil
	}
	if resp.ContentLength >= 0 && resp.ContentLength != d.Size {
		resp.Body.Close()
		return nil, false, wrongSize(d, resp.ContentLength)
	}
	if _, err := io.CopyN(io.Discard, resp.Body, offset); err != nil {
		resp.Body.Close()
		return nil, false, err
	}
	return limited{io.LimitReader(resp.Body, end-offset), resp.Body}, offset == 0 && end == d.Size, nil
}

// isPart fails when a registry gives another part than was asked for, or one of
// something else (RFC 9110, section 14.4).
func isPart(resp *http.Response, d ocispec.Descriptor, offset int64) error {
	var first, last, size int64
	text := resp.Header.Get("Content-Range")
	n, _ := fmt.Sscanf(text, "bytes %d-%d/%d", &first, &last, &size) // the size may be *
	if n < 2 || first != offset {
		// The query of a redirect may be a credential.
		return diag.Errorf(diag.RegistryRefused, "%s was asked for the bytes of %s from %d on, and gave %.100q", resp.Request.URL.Host, resp.Request.URL.Path, offset, text).
			WithHint("the registry, the storage that it leads to, or a proxy on the way serves parts wrongly: its log says more")
	}
	if n == 3 && size != d.Size {
		return wrongSize(d, size)
	}
	return nil
}

// limited closes what it reads a part of.
type limited struct {
	io.Reader
	io.Closer
}

// Content returns the content of a blob or manifest, whichever d is of. It is
// not verified.
func (r *Repository) Content(ctx context.Context, d digest.Digest) (io.ReadCloser, error) {
	resp, err := r.do(ctx, request{method: http.MethodGet, url: r.url("blobs", d.String()), bulk: true}, http.StatusOK)
	if Missing(err) {
		resp, err = r.do(ctx, r.get(http.MethodGet, d.String()), http.StatusOK)
	}
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}
