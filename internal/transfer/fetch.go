package transfer

import (
	"context"
	"io"

	"github.com/opencontainers/go-digest"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/remote"
	"github.com/berth-oci/berth/internal/resolve"
)

// Fetch gives the content of a blob or manifest, whichever a digest is of, to
// take, which verifies it.
//
// Errors: diag.NotFound, those of the transport, and take's.
func Fetch(ctx context.Context, t *resolve.Target, repository string, d digest.Digest, take func(io.Reader) error) error {
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
	return take(body)
}
