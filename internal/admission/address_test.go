package admission

import (
	"net/http"
	"net/netip"
	"testing"
)

func TestClientIP(t *testing.T) {
	t.Parallel()
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for _, tt := range []struct{ peer, forwarded, want string }{
		{"203.0.113.7:4711", "", "203.0.113.7"},
		{"203.0.113.7:4711", "192.0.2.1", "203.0.113.7"}, // a stranger's word
		{"10.0.0.1:80", "192.0.2.1", "192.0.2.1"},
		{"10.0.0.1:80", "192.0.2.9, 192.0.2.1, 10.0.0.2", "192.0.2.1"}, // the left is the client's word
		{"[::ffff:10.0.0.1]:80", "2001:db8::1", "2001:db8::1"},
		{"[fd00::1]:80", "nonsense", "fd00::1"},
		{"10.0.0.1:80", "", "10.0.0.1"},
		{"10.0.0.1:80", "10.0.0.3, 10.0.0.2", "10.0.0.3"},
	} {
		r := &http.Request{RemoteAddr: tt.peer, Header: http.Header{}}
		if tt.forwarded != "" {
			r.Header.Set("X-Forwarded-For", tt.forwarded)
		}
		if got := ClientIP(trusted, r); got != tt.want {
			t.Errorf("peer %s, forwarded %q: %s, want %s", tt.peer, tt.forwarded, got, tt.want)
		}
	}
}

func TestInNetworks(t *testing.T) {
	t.Parallel()
	networks := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32")}
	for ip, want := range map[string]bool{
		"192.0.2.200": true, "::ffff:192.0.2.1": true, "2001:db8::5%eth0": true, "192.0.3.1": false, "": false, "x": false,
	} {
		if got := InNetworks(networks, ip); got != want {
			t.Errorf("%q: %v", ip, got)
		}
	}
}
