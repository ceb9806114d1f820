package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/regular"
	"github.com/berth-oci/berth/internal/config/resolve"
)

type bulkKey struct{}

// Bulk marks the requests of a context as those that carry large bodies. They
// get TCP connections of their own: one HTTP/2 connection, which all others
// share, is one pipe, and no faster for being used by many.
func Bulk(ctx context.Context) context.Context { return context.WithValue(ctx, bulkKey{}, true) }

func isBulk(ctx context.Context) bool { return ctx.Value(bulkKey{}) != nil }

// pools keeps the connections. Those to the registry itself show the client
// certificate; those to other hosts, where redirects and token servers lead, do
// not.
type pools struct {
	endpoint resolve.Endpoint
	own      pool
	foreign  pool
}

type pool struct{ shared, bulk *http.Transport }

func newPools(t *resolve.Target, choose func(*url.URL) (*url.URL, error)) (*pools, error) {
	own, err := tlsConfig(t)
	if err != nil {
		return nil, err
	}
	foreign := own.Clone()
	foreign.Certificates = nil
	// Loopback needs no verified certificates; hosts beyond it do.
	foreign.InsecureSkipVerify = own.InsecureSkipVerify && t.Pull.AllowInsecure
	return &pools{t.Endpoint, newPool(t, own, choose), newPool(t, foreign, choose)}, nil
}

func newPool(t *resolve.Target, config *tls.Config, choose func(*url.URL) (*url.URL, error)) pool {
	var one, two http.Protocols
	one.SetHTTP1(true)
	two.SetHTTP1(true)
	two.SetHTTP2(true)
	make := func(p http.Protocols, buffer int) *http.Transport {
		return &http.Transport{
			Proxy:                  func(req *http.Request) (*url.URL, error) { return choose(req.URL) },
			OnProxyConnectResponse: connected,
			DialContext:            (&net.Dialer{Timeout: t.Client.Timeout, KeepAlive: 30 * time.Second}).DialContext,
			TLSClientConfig:        config.Clone(),
			TLSHandshakeTimeout:    t.Client.Timeout,
			MaxIdleConnsPerHost:    64,
			IdleConnTimeout:        30 * time.Second,
			WriteBufferSize:        buffer,
			ReadBufferSize:         buffer,
			DisableCompression:     true, // digests are of the bytes as stored
			Protocols:              &p,
		}
	}
	// Many connections for questions should cost little; and without TLS large bodies
	// pass by the buffers.
	return pool{shared: make(two, 16<<10), bulk: make(one, 256<<10)}
}

func (p *pools) RoundTrip(req *http.Request) (*http.Response, error) {
	from := p.foreign
	if isOwn(p.endpoint, req.URL) {
		from = p.own
	}
	// Without TLS there is no HTTP/2, and an idle connection of either kind will do.
	if isBulk(req.Context()) && req.URL.Scheme == "https" {
		return from.bulk.RoundTrip(req)
	}
	return from.shared.RoundTrip(req)
}

func tlsConfig(t *resolve.Target) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: !t.Client.VerifyTLS}
	if len(t.Client.CACerts) > 0 {
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		for _, file := range t.Client.CACerts {
			pem, err := regular.ReadSmall(file.Path)
			if err != nil {
				return nil, t.Fault(diag.CredentialUnread, file.Attr, "cannot read certificate: %w", err).WithHint("check the path")
			}
			if !pool.AppendCertsFromPEM(pem) {
				return nil, t.Fault(diag.CredentialUnread, file.Attr, "%s holds no certificate", file.Path).WithHint("it must be PEM")
			}
		}
		config.RootCAs = pool
	}
	if t.Client.Cert != "" {
		pair, err := regular.KeyPair(t.Client.Cert, t.Client.Key)
		if err != nil {
			return nil, t.Fault(diag.CredentialUnread, "tls_cert_path", "cannot use client certificate: %w", err).
				WithHint("tls_cert_path and tls_key_path must be a PEM pair")
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}
