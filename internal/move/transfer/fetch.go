package transfer

import (
	"context"
	"errors"
	"io"
	"sync/atomic"

	"github.com/opencontainers/go-digest"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/client/remote"
	"github.com/berth-oci/berth/internal/config/resolve"
)

// Fetch gives the content of a blob or manifest, whichever a digest is of, to
// take, which verifies it. There are at most so many bytes: reading more fails.
//
// Errors: diag.NotFound, diag.DigestMismatch for more bytes, those of the
// transport, and take's.
func Fetch(ctx context.Context, t *resolve.Target, repository string, d digest.Digest, most int64, take func(io.Reader) error) error {
	s, err := connect(t, repository)
	if err != nil {
		return err
	}
	body, err := s.Content(ctx, d)
	if remote.Missing(err) {
		return diag.Errorf(diag.NotFound, "%s does not have it", s.reference("", d))
	}
	if err != nil {
		return s.Err(err)
	}
	defer body.Close()
	r := &bounded{r: body, left: most}
	err = take(r)
	if r.over.Load() { // whatever take makes of it
		return diag.Errorf(diag.DigestMismatch, "%s sends more than %d bytes of it, which has no more", s.reference("", d), most)
	}
	return err
}

// bounded fails where there is more than is left.
type bounded struct {
	r    io.Reader
	left int64
	over atomic.Bool // who sends it on may still read when it is asked for
}

func (b *bounded) Read(p []byte) (int, error) {
	// One byte more tells that there is one.
	n, err := b.r.Read(p[:min(int64(len(p)), b.left+1)])
	if b.left -= int64(n); b.left < 0 {
		b.over.Store(true)
		return 0, errors.New("there are more bytes than there should be")
	}
	return n, err
}
