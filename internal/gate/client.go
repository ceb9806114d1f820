package gate

import (
	"context"
	"net/http"
	"net/netip"
)

// caller is what the handlers know of who sent a request.
type caller struct {
	client netip.Addr // without zone; not valid for a connection that has no address
	named  string     // client for the log, with the port where it is known
	// Where the client believes to be: http or https, and host or host:port. Host
	// is empty if the client names none that could be one.
	scheme, host string
	user         string // see User
}

type callerKey struct{}

// Clients finds out who sends a request, for all handlers behind it: see Client
// and Origin. That is the other end of the connection, unless this is one of the
// trusted proxies. Then it is what they tell, see caller.forwarded.
func Clients(next http.Handler, trusted []netip.Prefix) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := direct(r)
		if trusts(trusted, c.client) {
			c = c.forwarded(r.Header, trusted)
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, &c)))
	})
}

// direct is the caller at the other end of the connection.
func direct(r *http.Request) caller {
	c := caller{named: r.RemoteAddr, scheme: "http"}
	if r.TLS != nil {
		c.scheme = "https"
	}
	if validHost(r.Host) {
		c.host = r.Host
	}
	if at, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		c.client = plain(at.Addr())
	}
	return c
}

// plain makes addresses comparable: one of IPv4 has two forms in IPv6.
func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

func trusts(trusted []netip.Prefix, a netip.Addr) bool {
	for _, p := range trusted {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// withCaller returns the request with its caller, which handlers further out see
// as well: Auth writes the user there.
func withCaller(r *http.Request) (*http.Request, *caller) {
	if c, ok := r.Context().Value(callerKey{}).(*caller); ok {
		return r, c
	}
	c := direct(r)
	return r.WithContext(context.WithValue(r.Context(), callerKey{}, &c)), &c
}

// Client returns the network that a request comes from, for limits: what one
// party has, which is an address of IPv4, and 64 bits of one of IPv6 (RFC 6177).
// It is the zero Prefix where no address is known, and before Clients.
func Client(ctx context.Context) netip.Prefix {
	if c, ok := ctx.Value(callerKey{}).(*caller); ok {
		return c.network()
	}
	return netip.Prefix{}
}

func (c *caller) network() netip.Prefix {
	bits := 32
	if c.client.Is6() {
		bits = 64
	}
	network, _ := c.client.Prefix(bits) // the zero one for no address
	return network
}

// Origin returns scheme, http or https, and host with port, if there is one, at
// which the client believes to be. The host is empty if the client named none.
func Origin(r *http.Request) (scheme, host string) {
	_, c := withCaller(r)
	return c.scheme, c.host
}
