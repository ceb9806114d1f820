package eval

import (
	"math/big"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

func netModule() map[string]func(*call) Value {
	return map[string]func(*call) Value{
		"CIDR_host":                       netHost,
		"CIDR_netmask":                    netMask,
		"CIDR_subnet":                     netSubnet,
		"CIDR_subnets":                    netSubnets,
		"IP_string":                       netParseIP,
		"fqdn":                            netFQDN,
		"is_IP":                           ofIP(func(netip.Addr) bool { return true }),
		"is_IP_in_CIDR":                   netContains,
		"is_IPv4":                         ofIP(netip.Addr.Is4),
		"is_IPv6":                         ofIP(netip.Addr.Is6),
		"is_global_unicast_IP":            ofIP(isGlobal),
		"is_interface_local_multicast_IP": ofIP(func(a netip.Addr) bool { return a.Is6() && multicastScope(a) == 1 }),
		"is_link_local_multicast_IP":      ofIP(isLinkLocalMulticast),
		"is_link_local_unicast_IP":        ofIP(func(a netip.Addr) bool { return !a.Is4In6() && a.IsLinkLocalUnicast() }),
		"is_loopback_IP":                  ofIP(func(a netip.Addr) bool { return !a.Is4In6() && a.IsLoopback() }),
		"is_multicast_IP":                 ofIP(func(a netip.Addr) bool { return !a.Is4In6() && a.IsMulticast() }),
		"is_unspecified_IP":               ofIP(netip.Addr.IsUnspecified),
		"join_host_port":                  netJoin,
		"parse_CIDR":                      netParseCIDR,
		"parse_IP":                        netParseIP,
		"split_host_port":                 netSplit,
		"to_IP4":                          netToIP4,
		"to_IP6":                          netToIP6,
	}
}

// parseIP reads an address without a zone.
func parseIP(s string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(s)
	return a, err == nil && a.Zone() == "" && !strings.Contains(s, "%")
}

// ofIP is a question about an address; for anything else the answer is False.
func ofIP(f func(netip.Addr) bool) func(*call) Value {
	return func(c *call) Value {
		a, ok := parseIP(c.text(0, "ip"))
		return Bool(ok && f(a))
	}
}

func netParseIP(c *call) Value {
	a, ok := parseIP(c.text(0, "ip"))
	if !ok {
		return String("")
	}
	return String(ipText(a))
}

// ipText writes an address. One of an IPv4 address within IPv6 ends in its
// dotted form.
func ipText(a netip.Addr) string { return a.String() }

func netToIP4(c *call) Value {
	s := c.text(0, "ip")
	a, ok := parseIP(s)
	if !ok {
		return String("can not both parse " + s + " to ipv6 and ipv4,err:invalid IPv6 address syntax")
	}
	b := a.As16()
	switch {
	case a.Is4() || a.Is4In6():
		return String(a.Unmap().String())
	case [12]byte(b[:12]) == [12]byte{}: // the old form ::1.2.3.4
		return String(netip.AddrFrom4([4]byte(b[12:])).String())
	}
	return String("can not parse " + s + " ipv6 to ipv4!")
}

func netToIP6(c *call) Value {
	s := c.text(0, "ip")
	a, ok := parseIP(s)
	if !ok {
		return String("can not both parse " + s + " to ipv6 and ipv4,err:invalid IPv4 address syntax")
	}
	return String(ipText(netip.AddrFrom16(a.As16())))
}

func multicastScope(a netip.Addr) byte {
	b := a.As16()
	if b[0] != 0xff {
		return 0xff
	}
	return b[1] & 0x0f
}

func isLinkLocalMulticast(a netip.Addr) bool {
	if a.Is4() {
		b := a.As4()
		return b[0] == 224 && b[1] == 0 && b[2] == 0
	}
	return multicastScope(a) == 2
}

// isGlobal follows the registries of special-purpose addresses (RFC 6890).
func isGlobal(a netip.Addr) bool {
	in := func(prefixes ...string) bool {
		for _, p := range prefixes {
			if netip.MustParsePrefix(p).Contains(a) {
				return true
			}
		}
		return false
	}
	switch {
	case a.Is4():
		if in("192.0.0.9/32", "192.0.0.10/32") {
			return true
		}
		return !in("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "169.254.0.0/16", "192.0.2.0/24",
			"198.51.100.0/24", "203.0.113.0/24", "100.64.0.0/10", "192.0.0.0/24", "240.0.0.0/4", "198.18.0.0/15",
			"0.0.0.0/8", "224.0.0.0/4")
	case in("64:ff9b::/96"):
		b := a.As16()
		return isGlobal(netip.AddrFrom4([4]byte(b[12:])))
	}
	return in("2000::/3") && !in("2001:db8::/32", "2001:2::/48")
}

// cidr returns an argument that must be a network: an address without a length
// is one of its own, and no bit may be set behind the length.
func (c *call) cidr(i int, name string) netip.Prefix {
	s := c.text(i, name)
	p, ok := parseCIDR(s)
	if !ok && !c.failed {
		c.failed = true
		c.errorf("%s is no network in CIDR notation", quote(s, '"'))
	}
	return p
}

func parseCIDR(s string) (netip.Prefix, bool) {
	if a, ok := parseIP(s); ok {
		return netip.PrefixFrom(a, a.BitLen()), true
	}
	addr, bits, _ := strings.Cut(s, "/")
	n, err := strconv.ParseUint(bits, 10, 8)
	a, ok := parseIP(addr)
	if !ok || err != nil || int(n) > a.BitLen() {
		return netip.Prefix{}, false
	}
	p := netip.PrefixFrom(a, int(n))
	return p, p.Masked() == p
}

func netParseCIDR(c *call) Value {
	p, ok := parseCIDR(c.text(0, "cidr"))
	if !ok {
		return &Dict{}
	}
	return newDict(&Entry{Key: "ip", Value: String(ipText(p.Addr()))}, &Entry{Key: "mask", Value: Int(p.Bits())})
}

func netContains(c *call) Value {
	s := c.text(0, "ip")
	a, ok := parseIP(s)
	if !ok {
		return c.errorf("%s is no IP address", quote(s, '"'))
	}
	p := c.cidr(1, "cidr")
	if p.Addr().Is6() {
		return Bool(within(p, netip.AddrFrom16(a.As16())))
	}
	return Bool(p.Contains(a))
}

// within is Contains for IPv6, in which IPv4 addresses are like any other.
func within(p netip.Prefix, a netip.Addr) bool {
	x, y := p.Addr().As16(), a.As16()
	for i := range p.Bits() {
		if (x[i/8]^y[i/8])>>(7-i%8)&1 != 0 {
			return false
		}
	}
	return true
}

func netMask(c *call) Value {
	p := c.cidr(0, "cidr")
	if c.failed {
		return bad{}
	}
	if p.Addr().Is6() {
		return c.errorf("IPv6 networks have no mask")
	}
	return String(net.IP(net.CIDRMask(p.Bits(), 32)).String())
}

// offset returns the address n behind the start of a network.
func offset(p netip.Prefix, n *big.Int) netip.Addr {
	b := p.Addr().AsSlice()
	sum := new(big.Int).Add(new(big.Int).SetBytes(b), n)
	sum.Mod(sum, new(big.Int).Lsh(big.NewInt(1), uint(len(b)*8)))
	a, _ := netip.AddrFromSlice(sum.FillBytes(b))
	return a
}

// subnet returns the network with the number num among those that are bits
// longer than p.
func (c *call) subnet(p netip.Prefix, bits, num Int) (string, bool) {
	size := p.Addr().BitLen()
	switch {
	case bits < 0 || num < 0:
		c.errorf("neither additional_bits nor net_num may be negative")
		return "", false
	case Int(p.Bits())+bits > Int(size):
		c.errorf("a network of %d bits is longer than an address, which has %d", Int(p.Bits())+bits, size)
		return "", false
	case bits < 63 && num >= 1<<bits:
		c.errorf("%d additional bits have no network %d", bits, num)
		return "", false
	}
	length := p.Bits() + int(bits)
	start := new(big.Int).Lsh(big.NewInt(int64(num)), uint(size-length))
	return netip.PrefixFrom(offset(p, start), length).String(), true
}

func netSubnet(c *call) Value {
	p, bits, num := c.cidr(0, "cidr"), c.int(1, "additional_bits"), c.int(2, "net_num")
	if c.failed {
		return bad{}
	}
	s, ok := c.subnet(p, bits, num)
	if !ok {
		return bad{}
	}
	return String(s)
}

// netSubnets gives out networks of the wanted sizes, each the first that is
// free.
func netSubnets(c *call) Value {
	p := c.cidr(0, "cidr")
	list := c.list(1, "additional_bits")
	if c.failed || !c.ev.spend(len(list)*len(list)) {
		return bad{}
	}
	type taken struct{ bits, num Int }
	var all []taken
	l := listOf()
	for _, v := range list {
		bits, ok := v.(Int)
		if !ok || bits < 0 || p.Addr().Is6() && bits > 63 || bits > 63 {
			return c.errorf("%s is no number of additional bits", describe(v))
		}
		num := Int(0)
		for again := true; again; {
			again = false
			for _, t := range all {
				common := min(t.bits, bits)
				if t.num>>(t.bits-common) == num>>(bits-common) { // one holds the other
					num = (num>>(bits-common) + 1) << (bits - common)
					again = true
				}
			}
			if !c.ev.spend(len(all)) {
				return bad{}
			}
		}
		s, ok := c.subnet(p, bits, num)
		if !ok {
			return bad{}
		}
		all = append(all, taken{bits, num})
		l.Elems = append(l.Elems, String(s))
	}
	return l
}

func netHost(c *call) Value {
	p, num := c.cidr(0, "cidr"), c.int(1, "host_num")
	if c.failed {
		return bad{}
	}
	hostBits := p.Addr().BitLen() - p.Bits()
	n := big.NewInt(int64(num))
	count := new(big.Int).Lsh(big.NewInt(1), uint(hostBits))
	if num < 0 && hostBits < 128 { // from the end
		n.Add(n, count)
	}
	if hostBits < 64 && (n.Sign() < 0 || n.Cmp(count) >= 0) {
		return c.errorf("%s has no host %d", p, num)
	}
	return String(ipText(offset(p, n)))
}

func netJoin(c *call) Value {
	host, port := c.value(0, "host"), text(c.value(1, "port"))
	s := text(host)
	if h, ok := host.(String); ok && strings.Contains(string(h), ":") {
		s = "[" + s + "]"
	}
	return c.newStr(s + ":" + port)
}

// netSplit parts host:port, of which the host may be in brackets.
func netSplit(c *call) Value {
	s := c.text(0, "ip_end_point")
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return c.errorf("%v", err)
	}
	return listOf(String(host), String(port))
}

// netFQDN asks the network, so it needs leave as files do.
func netFQDN(c *call) Value {
	if !c.allowed() {
		return bad{}
	}
	name := c.textOr(0, "name", "")
	if name == "" {
		var err error
		if name, err = os.Hostname(); err != nil {
			return String("")
		}
	}
	addrs, err := net.LookupHost(name)
	if err != nil || len(addrs) == 0 {
		return String(name)
	}
	names, err := net.LookupAddr(addrs[0])
	if err != nil || len(names) == 0 {
		return String(name)
	}
	return String(strings.TrimSuffix(names[0], "."))
}
