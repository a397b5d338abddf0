package safedial

import (
	"errors"
	"fmt"
	"net/netip"
)

// ErrRefused tells of an address or URL that must not be called. Every refusal is a
// *RefusedError.
var ErrRefused = errors.New("address refused")

// RefusedError says what was refused and why.
type RefusedError struct {
	What string // the address, or the URL without its user information
	Why  string // such as "private (RFC 1918)"
}

// Error names the address and the reason.
func (e *RefusedError) Error() string { return fmt.Sprintf("%v: %s: %s", ErrRefused, e.What, e.Why) }

// Is makes it ErrRefused.
func (e *RefusedError) Is(target error) bool { return target == ErrRefused }

// special are the networks of the IANA special-purpose registries that lead
// to this machine, to the local network, or through a translator to either.
// The first that holds an address names it.
var special = []struct {
	network netip.Prefix
	why     string
}{
	{netip.MustParsePrefix("0.0.0.0/8"), "this network (RFC 791)"},
	{netip.MustParsePrefix("10.0.0.0/8"), "private (RFC 1918)"},
	{netip.MustParsePrefix("100.64.0.0/10"), "carrier-grade NAT (RFC 6598)"},
	{netip.MustParsePrefix("127.0.0.0/8"), "loopback"},
	{netip.MustParsePrefix("169.254.0.0/16"), "link-local (RFC 3927)"},
	{netip.MustParsePrefix("172.16.0.0/12"), "private (RFC 1918)"},
	{netip.MustParsePrefix("192.0.0.0/24"), "protocol assignments (RFC 6890)"},
	{netip.MustParsePrefix("192.0.2.0/24"), "documentation (RFC 5737)"},
	{netip.MustParsePrefix("192.88.99.0/24"), "6to4 relay (RFC 7526)"},
	{netip.MustParsePrefix("192.168.0.0/16"), "private (RFC 1918)"},
	{netip.MustParsePrefix("198.18.0.0/15"), "benchmarking (RFC 2544)"},
	{netip.MustParsePrefix("198.51.100.0/24"), "documentation (RFC 5737)"},
	{netip.MustParsePrefix("203.0.113.0/24"), "documentation (RFC 5737)"},
	{netip.MustParsePrefix("224.0.0.0/4"), "multicast"},
	{netip.MustParsePrefix("240.0.0.0/4"), "reserved (RFC 1112)"},
	{netip.MustParsePrefix("::/128"), "unspecified"},
	{netip.MustParsePrefix("::1/128"), "loopback"},
	{netip.MustParsePrefix("::ffff:0:0/96"), "IPv4-mapped (RFC 4291)"},
	{netip.MustParsePrefix("::/96"), "IPv4-compatible (RFC 4291)"},
	{netip.MustParsePrefix("64:ff9b::/96"), "NAT64 (RFC 6052)"},
	{netip.MustParsePrefix("64:ff9b:1::/48"), "local NAT64 (RFC 8215)"},
	{netip.MustParsePrefix("100::/64"), "discard (RFC 6666)"},
	{netip.MustParsePrefix("2001::/32"), "Teredo (RFC 4380)"},
	{netip.MustParsePrefix("2001::/23"), "protocol assignments (RFC 2928)"},
	{netip.MustParsePrefix("2001:db8::/32"), "documentation (RFC 3849)"},
	{netip.MustParsePrefix("2002::/16"), "6to4 (RFC 3056)"},
	{netip.MustParsePrefix("3fff::/20"), "documentation (RFC 9637)"},
	{netip.MustParsePrefix("5f00::/16"), "segment routing (RFC 9602)"},
	{netip.MustParsePrefix("fc00::/7"), "unique local (RFC 4193)"},
	{netip.MustParsePrefix("fe80::/10"), "link-local (RFC 4291)"},
	{netip.MustParsePrefix("fec0::/10"), "site-local (RFC 3879)"},
	{netip.MustParsePrefix("ff00::/8"), "multicast"},
}

// global is all of IPv6 that is given out for unicast over the Internet.
var global = netip.MustParsePrefix("2000::/3")

// Special tells why an address is not one of the public Internet, "" if it is
// one. A zone makes an address special.
func Special(addr netip.Addr) (why string) {
	if !addr.IsValid() {
		return "no address"
	}
	if addr.Zone() != "" {
		return "scoped to an interface"
	}
	for _, s := range special {
		if s.network.Contains(addr) {
			return s.why
		}
	}
	if addr.Is6() && !global.Contains(addr) {
		return "not global unicast"
	}
	return ""
}
