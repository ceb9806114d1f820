package engine

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"time"
)

const (
	pollInterval = 10 * time.Millisecond
	probeTimeout = 3 * time.Second
)

// probe asks the registry at address whether it serves. 200 and 401 are the
// answers to GET /v2/ that OCI distribution-spec 1.1 (end-1) allows.
func probe(ctx context.Context, scheme, address string) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+reachable(address)+"/v2/", nil)
	if err != nil {
		return err
	}
	// No proxy: it is this machine. No verification: the certificate is for the
	// name that clients use, and no secret is sent.
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return err
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusUnauthorized {
		return fmt.Errorf("%s answers %s", req.URL, resp.Status)
	}
	return nil
}

// reachable turns the address of a listener into one that can be dialled.
func reachable(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	switch ip := net.ParseIP(host); {
	case host == "" || ip != nil && ip.Equal(net.IPv4zero):
		host = "127.0.0.1"
	case ip != nil && ip.IsUnspecified():
		host = "::1"
	}
	return net.JoinHostPort(host, port)
}
