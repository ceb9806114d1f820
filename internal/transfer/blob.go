package transfer

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/errcode"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/transport"
)

// blob reads a blob once, in order, hashing as it goes. When the connection
// breaks it asks for the rest (RFC 9110, section 14), so that what has been
// unpacked need not be fetched again.
type blob struct {
	ctx     context.Context // of the one pull that reads it
	session *session
	desc    ocispec.Descriptor
	hash    digest.Verifier

	body   io.ReadCloser
	offset int64
	broken int   // failures since the last byte arrived
	err    error // what ended reading, other than the end
}

// Read implements io.Reader. It never gives more bytes than the blob has.
func (b *blob) Read(p []byte) (int, error) {
	for b.err == nil {
		if b.complete() {
			return 0, io.EOF
		}
		n, err := b.read(p[:min(int64(len(p)), b.desc.Size-b.offset)])
		if n > 0 {
			b.broken = 0
			return n, nil
		}
		if err == nil { // a body that gives nothing, again and again
			err = io.ErrNoProgress
		}
		b.err = b.recover(err)
	}
	return 0, b.err
}

func (b *blob) read(p []byte) (int, error) {
	if b.body == nil {
		if err := b.open(); err != nil {
			return 0, err
		}
	}
	n, err := b.body.Read(p)
	_, _ = b.hash.Write(p[:n]) // never fails
	b.offset += int64(n)
	if err == io.EOF { // Read asks for no byte beyond the blob's size
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// recover decides whether reading goes on after a failure.
func (b *blob) recover(err error) error {
	_ = b.Close()
	b.body = nil
	if b.broken++; b.broken > 3 || !transport.Transient(err) {
		return err
	}
	return b.ctx.Err()
}

func (b *blob) open() error {
	repo := b.session.repo
	ctx := auth.AppendRepositoryScope(b.ctx, repo.Reference, auth.ActionPull)
	url := *b.session.target.Endpoint.URL()
	url.Path = "/v2/" + repo.Reference.Repository + "/blobs/" + b.desc.Digest.String()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url.String(), nil)
	if err != nil {
		return err
	}
	want := http.StatusOK
	if b.offset > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", b.offset))
		want = http.StatusPartialContent
	}
	resp, err := b.session.client.Do(req)
	if err != nil {
		return err
	}
	b.body = resp.Body
	switch {
	case resp.StatusCode == want:
		return nil
	case resp.StatusCode == http.StatusOK: // no ranges here: skip what is known
		_, err := io.CopyN(io.Discard, resp.Body, b.offset)
		return err
	}
	return &errcode.ErrorResponse{Method: req.Method, URL: req.URL, StatusCode: resp.StatusCode}
}

func (b *blob) complete() bool { return b.offset >= b.desc.Size }

// verify fails with diag.DigestMismatch unless the whole blob was read and is
// what its digest says.
func (b *blob) verify() error {
	if b.complete() && b.hash.Verified() {
		return nil
	}
	return diag.Errorf(diag.DigestMismatch, "the registry's content for %s is not what the digest says", b.desc.Digest).WithHint(damagedHint)
}

// Close implements io.Closer.
func (b *blob) Close() error {
	if b.body == nil {
		return nil
	}
	return b.body.Close()
}
