package gate

import (
	"net/http"
	"net/netip"
	"strings"
)

// hop is one step of a request that a proxy tells of: who came to it, and what
// was asked of it. All is as it was sent; empty is what was not told.
type hop struct{ from, scheme, host string }

// forwarded returns the caller that trusted proxies tell of, in Forwarded (RFC
// 7239) or the older X-Forwarded-For, -Proto and -Host, whose last entry is that
// of the proxy at the other end of the connection. Anybody may have written what
// is left of an entry of whom is not trusted: the client is the right-most that is
// no trusted proxy. Where its address is hidden, unknown or none, the client is
// the last proxy that has one.
//
// Proxies hand on the headers that they do not know. If both kinds are there and
// name different clients, or Forwarded cannot be read, none of them counts.
func (c caller) forwarded(h http.Header, trusted []netip.Prefix) caller {
	if len(h["X-Forwarded-For"])+len(h["X-Forwarded-Proto"])+len(h["X-Forwarded-Host"])+len(h["Forwarded"]) == 0 {
		return c
	}
	older := c.walk(olderHops(h), trusted)
	if len(h["Forwarded"]) == 0 {
		return older
	}
	hops, ok := forwardedHops(strings.Join(h["Forwarded"], ","))
	if !ok {
		return c
	}
	standard := c.walk(hops, trusted)
	if len(h["X-Forwarded-For"]) > 0 && standard.client != older.client {
		return c
	}
	return standard
}

// walk follows the hops from the last to the client.
func (c caller) walk(hops []hop, trusted []netip.Prefix) caller {
	for i := len(hops) - 1; i >= 0; i-- {
		if scheme := strings.ToLower(hops[i].scheme); scheme == "http" || scheme == "https" {
			c.scheme = scheme
		}
		if validHost(hops[i].host) {
			c.host = hops[i].host
		}
		from, ok := parseNode(hops[i].from)
		if !ok {
			break
		}
		c.client, c.named = from, from.String()
		if !trusts(trusted, from) {
			break
		}
	}
	return c
}

// olderHops lines the three lists up at their ends.
func olderHops(h http.Header) []hop {
	list := func(name string) []string {
		if len(h[name]) == 0 {
			return nil
		}
		return strings.Split(strings.Join(h[name], ","), ",")
	}
	from, schemes, hosts := list("X-Forwarded-For"), list("X-Forwarded-Proto"), list("X-Forwarded-Host")
	hops := make([]hop, max(len(from), len(schemes), len(hosts)))
	place := func(list []string, set func(*hop, string)) {
		first := len(hops) - len(list)
		for i, value := range list {
			set(&hops[first+i], strings.Trim(value, " \t"))
		}
	}
	place(from, func(h *hop, s string) { h.from = s })
	place(schemes, func(h *hop, s string) { h.scheme = s })
	place(hosts, func(h *hop, s string) { h.host = s })
	return hops
}

// forwardedHops reads RFC 7239, section 4. A value may have the characters that a
// token has not, as proxies leave out the quotes around host:port.
func forwardedHops(s string) (hops []hop, ok bool) {
	var now hop
	seen := map[string]bool{}
	for {
		s = strings.TrimLeft(s, " \t")
		if s != "" && s[0] != ',' && s[0] != ';' {
			name, rest, found := strings.Cut(s, "=")
			name = strings.ToLower(name)
			value, rest, closed := cutValue(rest)
			if !found || !closed || seen[name] || !isName(name) {
				return nil, false
			}
			seen[name] = true
			switch name {
			case "for":
				now.from = value
			case "proto":
				now.scheme = value
			case "host":
				now.host = value
			}
			s = strings.TrimLeft(rest, " \t")
		}
		switch {
		case s == "" || s[0] == ',':
			if len(seen) > 0 { // empty elements of a list do not count
				hops = append(hops, now)
			}
			if s == "" {
				return hops, true
			}
			now = hop{}
			clear(seen)
		case s[0] != ';':
			return nil, false
		}
		s = s[1:]
	}
}

// isName is coarse: what is no name that counts is passed over anyway.
func isName(s string) bool { return s != "" && !strings.ContainsAny(s, " \t\",;") }

// cutValue takes a value from the beginning of s, quoted or not.
func cutValue(s string) (value, rest string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		end := strings.IndexAny(s, " \t,;\"")
		if end < 0 {
			end = len(s)
		}
		return s[:end], s[end:], end == len(s) || s[end] != '"'
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:], true
		case '\\':
			if i++; i == len(s) {
				return "", "", false
			}
		}
		b.WriteByte(s[i])
	}
	return "", "", false
}

// parseNode reads an address, with or without brackets and port. What RFC 7239
// calls unknown or obfuscated is no address.
func parseNode(s string) (netip.Addr, bool) {
	if inner, ok := strings.CutPrefix(s, "["); ok {
		address, port, closed := strings.Cut(inner, "]")
		a, err := netip.ParseAddr(address)
		ok = closed && err == nil && a.Is6() && a.Zone() == "" && (port == "" || port[0] == ':' && isPort(port[1:]))
		return plain(a), ok
	}
	if address, port, ok := strings.Cut(s, ":"); ok && !strings.Contains(port, ":") {
		if !isPort(port) {
			return netip.Addr{}, false
		}
		s = address
	}
	a, err := netip.ParseAddr(s)
	return plain(a), err == nil && a.Zone() == ""
}

// isPort reports whether s is a port; one may be obfuscated (RFC 7239, 6.3).
func isPort(s string) bool {
	if s == "" || len(s) > 255 {
		return false
	}
	if s[0] == '_' {
		return true
	}
	return isNumber(s)
}

func isNumber(s string) bool {
	return s != "" && len(s) <= 5 && strings.Trim(s, "0123456789") == ""
}

// validHost reports whether s is a host, with or without port, that can stand in
// a URL (RFC 3986, section 3.2).
func validHost(s string) bool {
	host := s
	if i := strings.LastIndexByte(s, ':'); i > strings.LastIndexByte(s, ']') {
		host = s[:i]
		if !isNumber(s[i+1:]) {
			return false
		}
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		a, err := netip.ParseAddr(strings.TrimSuffix(inner, "]"))
		return err == nil && a.Is6() && a.Zone() == "" && strings.HasSuffix(inner, "]")
	}
	for i := range len(host) {
		if c := host[i]; (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '-' && c != '.' && c != '_' {
			return false
		}
	}
	return host != "" && len(host) <= 253
}
