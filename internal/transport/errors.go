package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"

	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry/remote/errcode"

	"github.com/berth-oci/berth/diag"
)

// Err maps what an exchange with the registry failed with to a diagnostic:
// diag.Unreachable, Unauthorized, Forbidden, NotFound or RegistryRefused. A
// diagnostic, and the end of the caller's context, stay what they are.
func (c *Client) Err(err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	if _, ok := errors.AsType[*diag.Diagnostic](err); ok {
		return err
	}
	host := c.target.Endpoint.HostPort()
	if answer, ok := errors.AsType[*errcode.ErrorResponse](err); ok {
		return c.answer(answer)
	}
	if cert, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return diag.Errorf(diag.Unreachable, "the certificate of %s is not trusted: %w", host, cert).
			WithHint("name the authority that signed it in ca_cert_path")
	}
	if errors.Is(err, errdef.ErrNotFound) {
		return diag.Errorf(diag.NotFound, "%s: %w", host, err).WithHint("`berth ls` shows what there is")
	}
	if Transient(err) || isTimeout(err) || isConnection(err) {
		d := diag.Errorf(diag.Unreachable, "registry %s does not answer: %w", host, err)
		if c.target.Deployment == "local" {
			return d.WithHint("start it with `berth up`")
		}
		return d.WithHint("check endpoint, port and tls_enabled, the network and the proxy")
	}
	return diag.Errorf(diag.Failed, "%s: %w", host, err).WithHint("try again with --verbose")
}

func (c *Client) answer(answer *errcode.ErrorResponse) error {
	host := c.target.Endpoint.HostPort()
	said := http.StatusText(answer.StatusCode)
	if len(answer.Errors) > 0 {
		said = answer.Errors.Error()
	}
	switch answer.StatusCode {
	case http.StatusUnauthorized:
		return diag.Errorf(diag.Unauthorized, "%s refuses the credentials: %s", host, said).
			WithHint("check username and password_path, or auth_token_path")
	case http.StatusForbidden:
		return diag.Errorf(diag.Forbidden, "%s denies access: %s", host, said).
			WithHint("ask for access to %s, or use other credentials", answer.URL.Path)
	case http.StatusNotFound:
		return diag.Errorf(diag.NotFound, "%s has no %s: %s", host, answer.URL.Path, said).WithHint("`berth ls` shows what there is")
	}
	return diag.Errorf(diag.RegistryRefused, "%s answered %d to %s %s: %s", host, answer.StatusCode, answer.Method, answer.URL.Path, said).
		WithHint("the registry's log says more")
}

// isConnection reports whether no connection came about at all.
func isConnection(err error) bool {
	_, ok := errors.AsType[*net.DNSError](err)
	return ok
}
