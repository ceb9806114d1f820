package resolve

import (
	"fmt"
	"net/netip"
)

// networks reads a list of addresses and networks in CIDR notation.
func (r *resolver) networks(attr string, list []string) (networks []netip.Prefix) {
	for i, s := range list {
		if p, hint := network(s); hint != "" {
			r.wrong(fmt.Sprintf("%s[%d]", attr, i), hint, "%q is no address or network", s)
		} else {
			networks = append(networks, p)
		}
	}
	return networks
}

// network reads an address or network; the hint says how to write what is none.
func network(s string) (p netip.Prefix, hint string) {
	a, err := netip.ParseAddr(s)
	if err == nil {
		p = netip.PrefixFrom(a, a.BitLen())
	} else if p, err = netip.ParsePrefix(s); err != nil {
		return p, "write an IP address, or a network as in 10.0.0.0/8 or fd00::/8; names are not looked up"
	}
	switch {
	case a.Zone() != "":
		return p, "leave out the zone: " + a.WithZone("").String()
	case p.Addr().Is4In6():
		return p, "write it as an address or network of IPv4"
	case p != p.Masked():
		return p, fmt.Sprintf("write %s for the network, or %s for the one address", p.Masked(), p.Addr())
	}
	return p, ""
}
