package transport

import (
	"context"
	"net/http"
	"strings"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/client/credential"
	"github.com/berth-oci/berth/internal/config/resolve"
)

// Verify asks the registry of t whether it takes a user name and password, instead
// of those that the config and Docker have. It reports whether the registry
// looked at them: one that is open to everybody may not.
//
// Errors: diag.Unauthorized when they are wrong, and those of New and Err.
func Verify(ctx context.Context, t *resolve.Target, c credential.Credential) (checked bool, err error) {
	client, err := newClient(t, &account{target: t, given: &c, known: map[string]lookup{}})
	if err != nil {
		return false, err
	}
	checked, err = client.verify(ctx, c)
	return checked, client.Err(err)
}

func (c *Client) verify(ctx context.Context, given credential.Credential) (checked bool, err error) {
	resp, err := c.ping(ctx, func(*http.Request) {})
	if err != nil {
		return false, err
	}
	if x := exchangeOf(resp.Request.Context()); x != nil && x.challenged {
		return true, nil
	}
	// It answered without asking. Shown a password, it may have something to say.
	_, err = c.ping(ctx, func(req *http.Request) { req.SetBasicAuth(given.Username, given.Password) })
	return false, err
}

// ping asks for the API's version (distribution-spec, end-1).
func (c *Client) ping(ctx context.Context, with func(*http.Request)) (*http.Response, error) {
	place := c.target.Endpoint.URL().String() + "/v2/"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, place, nil)
	if err != nil {
		return nil, err
	}
	with(req)
	resp, err := c.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, Refused(resp)
	}
	resp.Body.Close()
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") {
		return nil, diag.Errorf(diag.RegistryRefused, "%s answers with a web page: it is no registry", c.target.Endpoint.HostPort()).
			WithHint("check host and port")
	}
	return resp, nil
}
