package events

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// hostileLiterals are addresses of receivers that the configuration refuses
// before anything is sent (SS1, FT16): special-use ranges in every way of
// writing them, other schemes, and user information that hides the host.
var hostileLiterals = map[string]string{
	"private 10":           "https://10.0.0.1/",
	"private 172":          "https://172.16.0.1/",
	"private 192":          "https://192.168.1.1/",
	"loopback":             "https://127.0.0.1:%d/",
	"loopback, other":      "https://127.8.9.10:%d/",
	"loopback v6":          "https://[::1]:%d/",
	"loopback v6, long":    "https://[0:0:0:0:0:0:0:1]:%d/",
	"cloud metadata":       "https://169.254.169.254/latest/meta-data/",
	"carrier-grade NAT":    "https://100.64.0.1/",
	"unspecified":          "https://0.0.0.0:%d/",
	"unspecified v6":       "https://[::]:%d/",
	"this network":         "https://0.1.2.3/",
	"multicast":            "https://224.0.0.1/",
	"multicast v6":         "https://[ff02::1]/",
	"broadcast":            "https://255.255.255.255/",
	"benchmarking":         "https://198.18.0.1/",
	"unique local":         "https://[fd00::1]/",
	"link-local v6":        "https://[fe80::1]/",
	"link-local with zone": "https://[fe80::1%%25lo]:%d/",
	"site-local":           "https://[fec0::1]/",
	"mapped private":       "https://[::ffff:10.0.0.1]/",
	"mapped loopback":      "https://[::ffff:127.0.0.1]:%d/",
	"compatible":           "https://[::127.0.0.1]:%d/",
	"NAT64":                "https://[64:ff9b::7f00:1]:%d/",
	"6to4":                 "https://[2002:7f00:1::1]:%d/",
	"Teredo":               "https://[2001:0:53aa:64c::1]/",
	"documentation":        "https://[2001:db8::1]/",
	"decimal":              "https://2130706433:%d/",
	"octal":                "https://0177.0.0.1:%d/",
	"hexadecimal":          "https://0x7f000001:%d/",
	"short form":           "https://127.1:%d/",
	"trailing dot":         "https://127.0.0.1.:%d/",
	"user information":     "https://hooks.acme.com@127.0.0.1:%d/",
	"user only":            "https://user@hooks.acme.com/",
	"backslash":            `https://hooks.acme.com\@127.0.0.1:%d/`,
	"percent in the host":  "https://127.0.0.1%%2ehooks.acme.com:%d/",
	"fragment":             "https://127.0.0.1:%d#@hooks.acme.com/",
	"plain http":           "http://hooks.acme.com/",
	"plain http, loopback": "http://127.0.0.1:%d/",
	"another scheme":       "gopher://hooks.acme.com/",
	"file":                 "file:///etc/passwd",
	"no host":              "https:///hook",
}

// hostileNames are names that look like anybody's, until they are looked up at
// the moment of the call.
var hostileNames = map[string][]string{
	"loopback.test":    {"127.0.0.1", "::1"},
	"private.test":     {"10.1.2.3"},
	"metadata.test":    {"169.254.169.254"},
	"mapped.test":      {"::ffff:127.0.0.1"},
	"nat64.test":       {"64:ff9b::7f00:1"},
	"sixtofour.test":   {"2002:7f00:1::1"},
	"teredo.test":      {"2001:0:53aa:64c::1"},
	"cgnat.test":       {"100.64.0.1"},
	"ula.test":         {"fd00::1"},
	"linklocal.test":   {"fe80::1"},
	"unspecified.test": {"0.0.0.0", "::"},
	"both.test":        {"10.0.0.1", "192.168.0.1", "fd00::1"},
}

// victim counts connections, on loopback over both protocols.
func victim(t *testing.T) (port int, arrived *atomic.Int64) {
	t.Helper()
	arrived = &atomic.Int64{}
	listen := func(address string) (net.Listener, error) {
		l, err := net.Listen("tcp", address)
		if err != nil {
			return nil, err
		}
		t.Cleanup(func() { _ = l.Close() })
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				arrived.Add(1)
				_ = conn.Close()
			}
		}()
		return l, nil
	}
	l, err := listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port = l.Addr().(*net.TCPAddr).Port
	if _, err := listen(fmt.Sprintf("[::1]:%d", port)); err != nil {
		t.Logf("no IPv6 loopback here: %v", err)
	}
	return port, arrived
}

// names is a resolver that knows hostileNames, and one name that was somebody
// else's when it was looked up first.
func names(t *testing.T) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	rebound := map[dnsmessage.Type]int{}
	answer := func(question []byte) ([]byte, error) {
		var m dnsmessage.Message
		if err := m.Unpack(question); err != nil {
			return nil, err
		}
		m.Response, m.Additionals = true, nil
		q := m.Questions[0]
		name := strings.TrimSuffix(q.Name.String(), ".")
		addresses := hostileNames[name]
		if name == "rebind.test" {
			if addresses = []string{"127.0.0.1", "::1"}; rebound[q.Type] == 0 {
				addresses = []string{"8.8.8.8", "2606:4700::1111"}
			}
			rebound[q.Type]++
		}
		for _, text := range addresses {
			a := netip.MustParseAddr(text)
			head := dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, Type: q.Type}
			switch {
			case a.Is4() && q.Type == dnsmessage.TypeA:
				m.Answers = append(m.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.AResource{A: a.As4()}})
			case a.Is6() && q.Type == dnsmessage.TypeAAAA:
				m.Answers = append(m.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.AAAAResource{AAAA: a.As16()}})
			}
		}
		return m.Pack()
	}
	go func() {
		buf := make([]byte, 1500)
		for {
			size, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if out, err := answer(buf[:size]); err == nil {
				_, _ = conn.WriteTo(out, from)
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

// TestHostileReceivers: no webhook, no address that is read back and no pushed
// stream gets a connection to a special-use address, whatever its name, unless
// the address is in the list (SS1, SS2, FT16). What was to be told waits, and
// is not lost.
func TestHostileReceivers(t *testing.T) {
	t.Parallel()
	port, arrived := victim(t)
	secret := Secrets{secretFile(t, testSecret)}
	if n := len(hostileLiterals) + len(hostileNames); n < 30 {
		t.Fatalf("only %d addresses", n)
	}
	at := func(form string) string {
		if strings.Contains(form, "%d") {
			return fmt.Sprintf(form, port)
		}
		return strings.ReplaceAll(form, "%%", "%")
	}
	for name, form := range hostileLiterals {
		address := at(form)
		for role, c := range map[string]Config{
			"webhook": {Webhooks: []Webhook{{ID: "s0", URL: address, Secret: secret}}},
			"verify":  {Webhooks: []Webhook{{ID: "s0", URL: "https://hooks.acme.com/", Secret: secret, Verify: address + "{member}"}}},
			"stream":  {Streams: []Stream{{ID: "s0", Deliver: deliverPush, URL: address, Audience: "https://siem.acme.com"}}},
		} {
			c.AllowPrivateNetworks = []string{"10.9.0.0/16"}
			refused := false
			for _, err := range c.Validate() {
				var key *KeyError
				refused = refused || errors.As(err, &key) && (strings.HasSuffix(key.Path, ".url") || strings.HasSuffix(key.Path, ".verify"))
			}
			if !refused {
				t.Errorf("%s as %s is not refused: %s", name, role, address)
			}
		}
	}

	// Names pass the configuration, which asks no name server, and are refused
	// when the connection is made.
	resolver := names(t)
	if first, err := resolver.LookupNetIP(t.Context(), "ip", "rebind.test"); err != nil || !first[0].IsGlobalUnicast() {
		t.Fatalf("the first look-up of rebind.test: %v %v", first, err)
	}
	w := newWorld(t, "sqlite:"+filepath.Join(t.TempDir(), "test.db"))
	var c Config
	hosts := append([]string{"rebind.test", "localhost"}, sortedNames()...)
	for i, host := range hosts {
		scheme := "https"
		if host == "localhost" {
			scheme = "http" // to loopback alone, and only if that is in the list
		}
		c.Webhooks = append(c.Webhooks, Webhook{ID: fmt.Sprintf("s%d", i), URL: fmt.Sprintf("%s://%s:%d/hook", scheme, host, port), Secret: secret})
	}
	w.run(c, func(o *Options) { o.Resolver = resolver })
	w.member("m1")
	w.say("m1", "member.deactivated")
	for i, host := range hosts {
		w.until(host+" is refused", func() bool {
			l := w.waiting(fmt.Sprintf("s%d", i))
			return len(l) == 1 && l[0].Fault == "address refused" && l[0].EndsAccess
		})
	}

	// An answer of an address that is allowed leads nowhere else.
	moved := newReceiver(t, func(rw http.ResponseWriter, _ arrival) {
		rw.Header().Set("Location", fmt.Sprintf("http://127.0.0.1:%d/", port))
		rw.WriteHeader(http.StatusTemporaryRedirect)
	})
	again := newWorld(t, "sqlite:"+filepath.Join(t.TempDir(), "test.db"))
	again.run(hooked(t, moved))
	again.member("m1")
	again.say("m1", "member.deactivated")
	again.until("the redirect is an answer", func() bool { l := again.waiting("s0"); return len(l) == 1 && l[0].Fault == "redirect" })
	if n := arrived.Load(); n != 0 {
		t.Errorf("%d connections arrived", n)
	}
}

func sortedNames() (all []string) {
	for name := range hostileNames {
		all = append(all, name)
	}
	return all
}
