package safedial

import (
	"context"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// hostile are URLs that must get no connection (FT16). Those with a name are
// answered by the test's resolver.
var hostile = map[string]string{
	"private 10":            "https://10.0.0.1/",
	"private 172":           "https://172.31.255.254/",
	"private 192":           "https://192.168.1.1/",
	"loopback":              "https://127.0.0.1/",
	"loopback, other":       "https://127.8.9.10/",
	"loopback v6":           "https://[::1]/",
	"cloud metadata":        "https://169.254.169.254/latest/meta-data/",
	"carrier-grade NAT":     "https://100.64.0.1/",
	"unspecified":           "https://0.0.0.0/",
	"unspecified v6":        "https://[::]/",
	"this network":          "https://0.1.2.3/",
	"multicast":             "https://224.0.0.1/",
	"multicast v6":          "https://[ff02::1]/",
	"broadcast":             "https://255.255.255.255/",
	"benchmarking":          "https://198.18.0.1/",
	"unique local":          "https://[fd00::1]/",
	"link-local v6":         "https://[fe80::1]/",
	"link-local zone":       "https://[fe80::1%25eth0]/",
	"site-local":            "https://[fec0::1]/",
	"mapped private":        "https://[::ffff:10.0.0.1]/",
	"mapped loopback":       "https://[::ffff:7f00:1]/",
	"mapped public":         "https://[::ffff:8.8.8.8]/",
	"compatible":            "https://[::10.0.0.1]/",
	"NAT64":                 "https://[64:ff9b::a00:1]/",
	"NAT64 local":           "https://[64:ff9b:1::a00:1]/",
	"6to4":                  "https://[2002:a00:1::1]/",
	"Teredo":                "https://[2001:0:53aa:64c::1]/",
	"documentation":         "https://[2001:db8::1]/",
	"not global":            "https://[4000::1]/",
	"decimal":               "https://2130706433/",
	"octal":                 "https://0177.0.0.1/",
	"hexadecimal":           "https://0x7f000001/",
	"hexadecimal part":      "https://127.0.0.0x1/",
	"short form":            "https://127.1/",
	"trailing dot":          "https://127.0.0.1./",
	"user information":      "https://public.test@127.0.0.1/",
	"user only":             "https://user@public.test/",
	"backslash":             `https://public.test\@127.0.0.1/`,
	"blank":                 "https://public.test /",
	"newline":               "https://public.test\n.evil.test/",
	"fragment of a name":    "https://public.test/#x",
	"percent in a name":     "https://public%25.test/",
	"fragment":              "https://127.0.0.1#@public.test/",
	"percent in the host":   "https://127.0.0.1%2epublic.test/",
	"plain http":            "http://public.test/",
	"plain http to address": "http://8.8.8.8/",
	"another scheme":        "gopher://public.test/",
	"file":                  "file:///etc/passwd",
	"no host":               "https:///path",
	"opaque":                "https:public.test",
	"port 0":                "https://public.test:0/",
	"name to loopback":      "https://loopback.test/",
	"name to private":       "https://private.test/",
	"name to metadata":      "https://metadata.test/",
	"name to mapped":        "https://mapped.test/",
	"name to NAT64":         "https://nat64.test/",
	"name to both":          "https://both.test/",
	"http name elsewhere":   "http://localhost.public.test/",
	"localhost":             "https://localhost/",
}

func TestHostileAddresses(t *testing.T) {
	t.Parallel()
	if len(hostile) < 30 {
		t.Fatal("too few")
	}
	names := dnsServer(t, func(name string, _ int) []netip.Addr {
		switch name {
		case "loopback.test.":
			return addrs("127.0.0.1", "::1")
		case "private.test.":
			return addrs("10.1.2.3")
		case "metadata.test.":
			return addrs("169.254.169.254")
		case "mapped.test.":
			return addrs("::ffff:127.0.0.1")
		case "nat64.test.":
			return addrs("64:ff9b::7f00:1")
		case "both.test.":
			return addrs("10.0.0.1", "192.168.0.1", "fd00::1")
		default:
			return nil
		}
	})
	client := New(Options{Resolver: names}).Client()
	for name, address := range hostile {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader("{}"))
			if err != nil {
				if _, err := New(Options{}).CheckURL(address); !errors.Is(err, ErrRefused) {
					t.Errorf("CheckURL: %v", err)
				}
				return
			}
			res, err := client.Do(req)
			if err == nil {
				t.Fatalf("answered %s", errors.Join(res.Body.Close(), errors.New(res.Status)))
			}
			if !errors.Is(err, ErrRefused) {
				t.Errorf("not refused, but: %v", err)
			}
		})
	}
}

func TestPublicAddresses(t *testing.T) {
	t.Parallel()
	g := New(Options{})
	for _, a := range []string{"8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "169.253.0.1", "2606:4700::1111", "2a00:1450::1"} {
		if err := g.Check(netip.MustParseAddr(a)); err != nil {
			t.Error(err)
		}
	}
	for _, u := range []string{"https://hooks.acme.com/rollcall", "https://8.8.8.8:8443/a?b=c@d", "https://[2606:4700::1111]/", "https://xn--bcher-kva.example/", "https://a1.b2c/"} {
		if _, err := g.CheckURL(u); err != nil {
			t.Error(err)
		}
	}
}

// TestAllowedNetworks: a receiver on one's own network is named by the list.
func TestAllowedNetworks(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	secure := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		if r.URL.Path == "/redirect" {
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
			return
		}
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "b"})
		if len(r.Cookies()) > 0 {
			t.Error("a cookie came back")
		}
	}))
	defer secure.Close()
	plain := httptest.NewServer(secure.Config.Handler)
	defer plain.Close()
	pool := x509.NewCertPool()
	pool.AddCert(secure.Certificate())
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

	for _, c := range []struct {
		name, url string
		opt       Options
		status    int
		refused   bool
	}{
		{name: "not in the list", url: secure.URL, opt: Options{RootCAs: pool}, refused: true},
		{name: "another network", url: secure.URL, opt: Options{RootCAs: pool, Allowed: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}, refused: true},
		{name: "in the list", url: secure.URL, opt: Options{RootCAs: pool, Allowed: loopback}, status: 200},
		{name: "a redirect is an answer", url: secure.URL + "/redirect", opt: Options{RootCAs: pool, Allowed: loopback}, status: 302},
		{name: "an authority nobody knows", url: secure.URL, opt: Options{Allowed: loopback}},
		{name: "plain, not in the list", url: plain.URL, refused: true},
		{name: "plain, in the list", url: plain.URL, opt: Options{Allowed: loopback}, status: 200},
		{name: "plain by name", url: strings.Replace(plain.URL, "127.0.0.1", "localhost", 1), opt: Options{Allowed: append(loopback, netip.MustParsePrefix("::1/128"))}, status: 200},
	} {
		before := calls.Load()
		client := New(c.opt).Client()
		for range 2 {
			status, err := get(t, client, c.url)
			if status != c.status || (err != nil) != (c.status == 0) || errors.Is(err, ErrRefused) != c.refused {
				t.Errorf("%s: %d, %v", c.name, status, err)
			}
		}
		if want := int64(2); c.status == 0 && calls.Load() != before || c.status != 0 && calls.Load() != before+want {
			t.Errorf("%s: %d calls arrived", c.name, calls.Load()-before)
		}
		client.CloseIdleConnections()
	}
}

// TestRebinding: a name that is public when first looked up, and loopback
// afterwards, gets no connection.
func TestRebinding(t *testing.T) {
	t.Parallel()
	var arrived atomic.Int64
	victim, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = victim.Close() }) // It may have been closed before.
	go func() {
		for {
			conn, err := victim.Accept()
			if err != nil {
				return
			}
			arrived.Add(1)
			if err := conn.Close(); err != nil {
				t.Error(err)
			}
		}
	}()
	_, port, err := net.SplitHostPort(victim.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	var answers atomic.Int64
	names := dnsServer(t, func(string, int) []netip.Addr {
		if answers.Add(1) <= 2 { // A and AAAA of the look-up before the call
			return addrs("8.8.8.8")
		}
		return addrs("127.0.0.1")
	})
	if first, err := names.LookupNetIP(t.Context(), "ip", "rebind.test"); err != nil || Special(first[0].Unmap()) != "" {
		t.Fatalf("first look-up: %v, %v", first, err)
	}
	client := New(Options{Resolver: names}).Client()
	if _, err := get(t, client, "https://rebind.test:"+port+"/"); !errors.Is(err, ErrRefused) {
		t.Errorf("rebinding: %v", err)
	}
	if arrived.Load() != 0 {
		t.Error("a connection arrived")
	}
}

func get(t *testing.T, client *http.Client, address string) (int, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	res, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, res.Body)
	return res.StatusCode, errors.Join(err, res.Body.Close())
}

func addrs(texts ...string) (all []netip.Addr) {
	for _, s := range texts {
		all = append(all, netip.MustParseAddr(s))
	}
	return all
}

// dnsServer answers A and AAAA questions on loopback and gives the resolver
// that asks it.
func dnsServer(t *testing.T, answer func(name string, n int) []netip.Addr) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
		wg.Wait()
	})
	wg.Go(func() {
		buf := make([]byte, 1500)
		for n := 0; ; n++ {
			size, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if _, err := conn.WriteTo(reply(buf[:size], func(name string) []netip.Addr { return answer(name, n) }), from); err != nil {
				return
			}
		}
	})
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

// reply answers one DNS question (RFC 1035 section 4).
func reply(question []byte, answer func(name string) []netip.Addr) []byte {
	end, name := 12, ""
	for question[end] != 0 {
		n := int(question[end])
		name += string(question[end+1:end+1+n]) + "."
		end += n + 1
	}
	end += 5
	kind := binary.BigEndian.Uint16(question[end-4:])
	out := append([]byte(nil), question[:end]...)
	out[2], out[3] = 0x81, 0x80
	count := uint16(0)
	for _, a := range answer(name) {
		data := a.AsSlice()
		if kind == 1 && len(data) != 4 || kind == 28 && len(data) != 16 {
			continue
		}
		out = append(out, 0xc0, 12)
		out = binary.BigEndian.AppendUint16(out, kind)
		out = append(out, 0, 1, 0, 0, 0, 0)
		out = binary.BigEndian.AppendUint16(out, uint16(len(data)))
		out = append(out, data...)
		count++
	}
	binary.BigEndian.PutUint16(out[6:], count)
	binary.BigEndian.PutUint16(out[8:], 0)
	binary.BigEndian.PutUint16(out[10:], 0)
	return out
}

func FuzzCheckURL(f *testing.F) {
	for _, u := range hostile {
		f.Add(u)
	}
	g := New(Options{})
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := g.CheckURL(raw)
		if err != nil {
			if !errors.Is(err, ErrRefused) {
				t.Fatalf("%q: %v", raw, err)
			}
			return
		}
		if u.User != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http" {
			t.Fatalf("%q passed", raw)
		}
		if a, err := netip.ParseAddr(u.Hostname()); err == nil && Special(a) != "" {
			t.Fatalf("%q leads to %s", raw, Special(a))
		}
	})
}
