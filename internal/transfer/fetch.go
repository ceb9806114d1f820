package transfer

import (
	"context"
	"io"
	"net/http"

	"github.com/opencontainers/go-digest"
	"oras.land/oras-go/v2/registry/remote/errcode"

	"github.com/berth-oci/berth/diag"
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
	for _, kind := range []string{"blobs", "manifests"} {
		found, err := s.fetch(ctx, kind, d, take)
		if err != nil {
			return s.client.Err(err)
		}
		if found {
			return nil
		}
	}
	return diag.Errorf(diag.NotFound, "%s does not have it", s.reference("", d))
}

func (s *session) fetch(ctx context.Context, kind string, d digest.Digest, take func(io.Reader) error) (found bool, err error) {
	url := s.target.Endpoint.URL().JoinPath("v2", s.repo.Reference.Repository, kind, d.String())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url.String(), nil)
	if err != nil {
		return false, err
	}
	if kind == "manifests" { // registries give what is accepted, and nothing by default
		req.Header.Set("Accept", "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, "+
			"application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json, */*")
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
		return true, take(resp.Body)
	case http.StatusNotFound:
		return false, nil
	}
	return false, &errcode.ErrorResponse{Method: req.Method, URL: req.URL, StatusCode: resp.StatusCode}
}
