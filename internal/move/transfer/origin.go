package transfer

import (
	"github.com/opencontainers/go-digest"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/regular"
	"github.com/berth-oci/berth/internal/config/resolve"
	"github.com/berth-oci/berth/internal/content/cache"
)

// originOf returns how sure a config is of who answers at its endpoint. It fails
// with diag.CredentialUnread for certificates that cannot be read.
func originOf(t *resolve.Target) (cache.Origin, error) {
	o := cache.Origin{Scheme: t.Endpoint.Scheme}
	if t.Local != nil {
		o.Registry = t.Local.Identity()
	}
	if o.Scheme != "https" || !t.Client.VerifyTLS {
		return o, nil
	}
	o.Verified = cache.BySystem
	if len(t.Client.CACerts) == 0 {
		return o, nil
	}
	sum := digest.Canonical.Digester()
	for _, file := range t.Client.CACerts {
		pem, err := regular.ReadSmall(file.Path)
		if err != nil {
			return o, t.Fault(diag.CredentialUnread, file.Attr, "cannot read certificate: %w", err).WithHint("check the path")
		}
		_, _ = sum.Hash().Write(pem) // never fails
	}
	o.Verified = sum.Digest().String()
	return o, nil
}

// isOrigin reports whether what the endpoint said came from the origin: of a
// registry with an identity that is the one that it tells. Its real program tells
// none.
func (s *session) isOrigin() bool {
	told := s.client.Registry()
	return s.origin.Registry == "" || told == s.origin.Registry || told == "" && s.target.Local.BinaryPath != ""
}
