package gate

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync"
)

// caller is what the handlers know of who sent a request. It is the request's
// context as well, which saves each request to make one more thing.
type caller struct {
	context.Context
	client netip.Addr // without zone; not valid for a connection that has no address
	named  string     // client for the log, with the port where it is known
	// Where the client believes to be: http or https, and host or host:port. Host
	// is empty if the client names none that could be one, or that is in doubt.
	scheme, host string
	user         string // see User
}

type callerKey struct{}

// Value implements context.Context.
func (c *caller) Value(key any) any {
	if key == (callerKey{}) {
		return c
	}
	return c.Context.Value(key)
}

// Clients finds out who sends a request, for all handlers behind it: see Client
// and Origin. That is the other end of the connection, unless this is one of the
// trusted proxies. Then it is what they tell, see caller.forwarded.
//
// Who is not trusted and tells that the client is elsewhere than the connection says
// may be a proxy all the same: the log has it, once, and Origin no host.
func Clients(next http.Handler, trusted []netip.Prefix, log *slog.Logger) http.Handler {
	others := &untrusted{log: log, seen: map[netip.Prefix]bool{}}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := direct(r)
		if trusts(trusted, c.client) {
			*c = c.forwarded(r.Header, trusted)
		} else if told := c.forwarded(r.Header, nil); told.scheme != c.scheme || !strings.EqualFold(told.host, c.host) {
			others.tell(c, told.scheme+"://"+told.host)
			c.host = ""
		}
		next.ServeHTTP(w, r.WithContext(c))
	})
}

// untrusted are those who tell as proxies do and whose word does not count.
type untrusted struct {
	log *slog.Logger

	mu   sync.Mutex
	seen map[netip.Prefix]bool // by the network of the client
}

// maxUntrusted bounds how many of them are told of: anybody can be one.
const maxUntrusted = 64

func (u *untrusted) tell(c *caller, origin string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	network := c.network()
	if u.seen[network] || len(u.seen) == maxUntrusted {
		return
	}
	u.seen[network] = true
	u.log.Warn("a proxy is not trusted", "proxy", c.client, "says", origin,
		"hint", "if it is yours, name it in local.http_config.trusted_proxies")
}

// direct is the caller at the other end of the connection.
func direct(r *http.Request) *caller {
	c := &caller{Context: r.Context(), named: r.RemoteAddr, scheme: "http"}
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
	return r.WithContext(c), c
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
// which the client believes to be. The host is empty if the client named none, and
// where it is not known for a proxy that is not trusted: a path is all that is right
// then (RFC 9110, section 10.2.2).
func Origin(r *http.Request) (scheme, host string) {
	_, c := withCaller(r)
	return c.scheme, c.host
}
