// Package gate is the chain of http.Handlers in front of a local registry. Each
// file holds one decorator, which takes the next handler and knows neither the
// registry behind it nor its neighbours; New stacks them. The TLS configuration
// of a server is here as well. It starts no server.
//
// What it does not own: the answers of the registry itself, and the server with
// its limits on headers.
package gate

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"time"
)

// Options says what stands in front of a registry. The zero value is a registry
// that is open to everyone, without timeouts and without a log.
type Options struct {
	Log *slog.Logger // nil logs nothing

	// Proxies are the networks whose word counts of who their clients are and what
	// they asked for, as in Clients. None: nobody's.
	Proxies []netip.Prefix

	// Rolling timeouts, as in Timeouts.
	Read, Write time.Duration

	// Who may come in, as in Auth.
	Credentials

	// Ready tells whether the registry can serve; nil: always. See Probes.
	Ready func(context.Context) error

	// Headers are set on every answer, besides the API's version.
	Headers http.Header
}

// New returns the whole chain in front of the registry next, or the error of a
// credential file that cannot be used.
func New(next http.Handler, o Options) (http.Handler, error) {
	log := o.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	headers := http.Header{}
	maps.Copy(headers, o.Headers)
	// Docker clients once told by it which API they met, and some still do.
	headers.Set("Docker-Distribution-API-Version", "registry/2.0")

	h := next
	// Innermost stand those that act on what a known user may do: quota, policy,
	// webhooks, metrics of the registry.
	h, err := Auth(h, o.Credentials, log)
	if err != nil {
		return nil, err
	}
	// Probes carry no credentials.
	h = Probes(h, o.Ready)
	// Before anything is done for an unknown client, and before paths are compared.
	h = Limits(h)
	// What is refused is an answer as well.
	h = Headers(h, headers)
	// Inside the log, which is to tell of a panic's 500; outside all that may panic.
	h = Recover(h, log)
	h = AccessLog(h, log)
	// All of them speak of the same client.
	h = Clients(h, o.Proxies, log)
	// Outermost, for the answers of all the others go to the same client.
	return Timeouts(h, o.Read, o.Write), nil
}
