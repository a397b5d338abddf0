package safedial

import (
	"crypto/tls"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

// TestSpecial (ON2): each network of the registries by its first and its last
// address, and what lies beside it.
func TestSpecial(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ first, last, why string }{
		{"0.0.0.0", "0.255.255.255", "this network (RFC 791)"},
		{"10.0.0.0", "10.255.255.255", "private (RFC 1918)"},
		{"100.64.0.0", "100.127.255.255", "carrier-grade NAT (RFC 6598)"},
		{"127.0.0.0", "127.255.255.255", "loopback"},
		{"169.254.0.0", "169.254.255.255", "link-local (RFC 3927)"},
		{"172.16.0.0", "172.31.255.255", "private (RFC 1918)"},
		{"192.0.0.0", "192.0.0.255", "protocol assignments (RFC 6890)"},
		{"192.0.2.0", "192.0.2.255", "documentation (RFC 5737)"},
		{"192.88.99.0", "192.88.99.255", "6to4 relay (RFC 7526)"},
		{"192.168.0.0", "192.168.255.255", "private (RFC 1918)"},
		{"198.18.0.0", "198.19.255.255", "benchmarking (RFC 2544)"},
		{"198.51.100.0", "198.51.100.255", "documentation (RFC 5737)"},
		{"203.0.113.0", "203.0.113.255", "documentation (RFC 5737)"},
		{"224.0.0.0", "239.255.255.255", "multicast"},
		{"240.0.0.0", "255.255.255.255", "reserved (RFC 1112)"},
		{"::", "::", "unspecified"},
		{"::1", "::1", "loopback"},
		{"::2", "::ffff:ffff", "IPv4-compatible (RFC 4291)"},
		{"::ffff:0:0", "::ffff:255.255.255.255", "IPv4-mapped (RFC 4291)"},
		{"64:ff9b::", "64:ff9b::ffff:ffff", "NAT64 (RFC 6052)"},
		{"64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", "local NAT64 (RFC 8215)"},
		{"100::", "100::ffff:ffff:ffff:ffff", "discard (RFC 6666)"},
		{"2001::", "2001:0:ffff:ffff:ffff:ffff:ffff:ffff", "Teredo (RFC 4380)"},
		{"2001:1::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", "protocol assignments (RFC 2928)"},
		{"2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "documentation (RFC 3849)"},
		{"2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "6to4 (RFC 3056)"},
		{"3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", "documentation (RFC 9637)"},
		{"5f00::", "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "segment routing (RFC 9602)"},
		{"fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "unique local (RFC 4193)"},
		{"fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "link-local (RFC 4291)"},
		{"fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "site-local (RFC 3879)"},
		{"ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "multicast"},
		{"4000::", "5eff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "not global unicast"},
		{"2606:4700::1111%eth0", "fe80::1%eth0", "scoped to an interface"},
	} {
		first, last := netip.MustParseAddr(c.first), netip.MustParseAddr(c.last)
		if got := Special(first); got != c.why {
			t.Errorf("%s: %q, want %q", first, got, c.why)
		}
		if got := Special(last); got != c.why {
			t.Errorf("%s: %q, want %q", last, got, c.why)
		}
		if before := first.Prev(); before.IsValid() && first.Zone() == "" && Special(before) == c.why {
			t.Errorf("%s is %s too", before, c.why)
		}
		if after := last.Next(); after.IsValid() && last.Zone() == "" && Special(after) == c.why {
			t.Errorf("%s is %s too", after, c.why)
		}
	}
	if Special(netip.Addr{}) == "" {
		t.Error("no address is public")
	}
}

// TestCheckURLAlone (ON2): a URL is judged when it is configured, before
// anything is dialled, and every connection again.
func TestCheckURLAlone(t *testing.T) {
	t.Parallel()
	g := New(Options{Allowed: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8")}})
	for raw, good := range map[string]bool{
		"https://10.0.0.1/": true, "http://127.0.0.1:8080/": true, "http://localhost./": true, "https://public.test/": true,
		"http://10.0.0.1/": false, "http://8.8.8.8/": false, "http://[::1]/": false, "https://192.168.0.1/": false,
		"https://public.test/a b": false, `https://public.test/a\b`: false, "https://public.test/\x7f": false, "https://public.test/\t": false,
	} {
		if _, err := g.CheckURL(raw); (err == nil) != good || err != nil && !errors.Is(err, ErrRefused) {
			t.Errorf("%q: %v", raw, err)
		}
	}
	for address, good := range map[string]bool{"127.0.0.1:80": true, "8.8.8.8:80": false, "10.0.0.1:80": false, "localhost:80": false} {
		if err := g.control(address, true); (err == nil) != good || err != nil && !errors.Is(err, ErrRefused) {
			t.Errorf("plain to %s: %v", address, err)
		}
	}
}

// TestCallsAreBare (ON2, OI6): no proxy, nothing packed that grows in our
// hands, bounded headers, TLS 1.2 at least.
func TestCallsAreBare(t *testing.T) {
	t.Parallel()
	g := New(Options{Allowed: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	for _, plain := range []bool{true, false} {
		if g.transport(plain).Proxy != nil {
			t.Error("a proxy of the environment would be asked")
		}
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Accept-Encoding"); got != "" {
			t.Errorf("asked for %q", got)
		}
		if r.URL.Path == "/long" {
			w.Header().Set("X", strings.Repeat("x", 64<<10))
		}
	}))
	defer server.Close()
	if status, err := get(t, g.Client(), server.URL); status != http.StatusOK || err != nil {
		t.Errorf("%d, %v", status, err)
	}
	if status, err := get(t, g.Client(), server.URL+"/long"); err == nil {
		t.Errorf("64 KiB of headers: %d", status)
	}
	old := httptest.NewUnstartedServer(http.NotFoundHandler())
	old.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11} //nolint:gosec // the server that must be refused
	old.Config.ErrorLog = nil
	old.StartTLS()
	defer old.Close()
	roots := old.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	client := New(Options{Allowed: g.opt.Allowed, RootCAs: roots}).Client()
	if status, err := get(t, client, old.URL); err == nil || !strings.Contains(err.Error(), "version") {
		t.Errorf("TLS 1.1: %d, %v", status, err)
	}
}
