package admission

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// InNetworks reports whether the text of an address is in one of the
// networks; what is no address is in none.
func InNetworks(networks []netip.Prefix, ip string) bool {
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return false
	}
	addr = addr.Unmap().WithZone("")
	return slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// ClientIP is the address of the client: the peer, or, when the peer is one
// of the trusted proxies, what X-Forwarded-For says, read from the right as
// far as it is trusted.
func ClientIP(proxies []netip.Prefix, r *http.Request) string {
	peer := r.RemoteAddr
	if at, err := netip.ParseAddrPort(peer); err == nil {
		peer = at.Addr().Unmap().String()
	}
	if len(proxies) == 0 || !InNetworks(proxies, peer) {
		return peer
	}
	hops := strings.Split(strings.Join(r.Header["X-Forwarded-For"], ","), ",")
	for _, hop := range slices.Backward(hops) {
		hop = strings.TrimSpace(hop)
		if _, err := netip.ParseAddr(hop); err != nil {
			break
		}
		peer = hop
		if !InNetworks(proxies, hop) {
			break
		}
	}
	return peer
}

// neighbourhood is what counts as one address: an IPv4 address, or the network
// of 64 bits that one IPv6 subscriber has. Other names stand for themselves.
func neighbourhood(name string) string {
	addr, err := netip.ParseAddr(name)
	if err != nil || addr.Unmap().Is4() {
		return name
	}
	network, err := addr.WithZone("").Prefix(64)
	if err != nil {
		return name
	}
	return network.String()
}
