package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/configs"
	"github.com/rollcall-sync/rollcall/internal/secret"
	"github.com/rollcall-sync/rollcall/scim"
)

// The configuration cannot import package scim, so it lists the profiles
// itself: the lists must be one.
func TestProfilesAreThoseOfSCIM(t *testing.T) {
	t.Parallel()
	if got, want := configs.ProfileNames(), scim.ProfileNames(); !slices.Equal(got, want) {
		t.Errorf("configs has %v, scim %v", got, want)
	}
}

// writePair writes a new self-signed certificate and its key.
func writePair(t *testing.T, dir string, serial int64, at time.Time) configs.TLS {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "rollcall"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	cert, err := x509.CreateCertificate(rand.Reader, form, form, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile := filepath.Join(dir, "chain.pem"), filepath.Join(dir, "key.pem")
	err = errors.Join(
		os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private}), 0o600),
		os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}), 0o600),
		os.Chtimes(certFile, at, at))
	if err != nil {
		t.Fatal(err)
	}
	ref, err := secret.ParseRef("file:" + keyFile)
	if err != nil {
		t.Fatal(err)
	}
	return configs.TLS{Cert: certFile, Key: ref}
}

// A renewed certificate is served without a restart; a broken one is not.
func TestCertificateIsReadAnew(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c, err := newCertificates(writePair(t, dir, 1, time.Now().Add(-time.Hour)), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	served := func() int64 {
		c.looked = time.Time{} // the next look is due
		pair, err := c.get(nil)
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := x509.ParseCertificate(pair.Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		return leaf.SerialNumber.Int64()
	}
	if n := served(); n != 1 {
		t.Errorf("certificate %d, want 1", n)
	}
	writePair(t, dir, 2, time.Now())
	if n := served(); n != 2 {
		t.Errorf("certificate %d after a renewal, want 2", n)
	}
	if err := os.WriteFile(filepath.Join(dir, "chain.pem"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if n := served(); n != 2 {
		t.Errorf("certificate %d beside a broken file, want 2", n)
	}
	if v := c.config().MinVersion; v != tls.VersionTLS12 {
		t.Errorf("oldest TLS version %x", v)
	}
}

// TLS, HSTS, and the drain: a request under way when the daemon is told to
// stop is answered.
func TestServeTLSAndDrain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pair := writePair(t, dir, 1, time.Now())
	text := "listen: 127.0.0.1:0\ntls: {cert: chain.pem, key: file:key.pem}\ndatabase: sqlite:r.db\nworkspaces: [{id: acme, owners: [ann@acme.com]}]\n"
	config, err := configs.Parse([]byte(text), filepath.Join(dir, "rollcall.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if config.TLS.Cert != pair.Cert {
		t.Fatalf("certificate %s, want %s", config.TLS.Cert, pair.Cert)
	}
	d, err := startDaemon(t.Context(), config, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	inside, leave := make(chan struct{}), make(chan struct{})
	next := d.public.server.Handler
	d.public.server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(inside)
			<-leave
		}
		next.ServeHTTP(w, r)
	})
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- d.run(ctx) }()
	roots := x509.NewCertPool()
	chain, err := os.ReadFile(pair.Cert)
	if err != nil || !roots.AppendCertsFromPEM(chain) {
		t.Fatal("no certificate", err)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}
	answers := make(chan string, 1)
	go func() {
		response, err := client.Get(d.url + "/slow")
		if err != nil {
			answers <- err.Error()
			return
		}
		_, err = io.Copy(io.Discard, response.Body)
		answers <- response.Status + " " + response.Header.Get("Strict-Transport-Security") + errorText(errors.Join(err, response.Body.Close()))
	}()
	<-inside
	stop()
	close(leave)
	if got, want := <-answers, "404 Not Found max-age=31536000"; got != want {
		t.Errorf("the request under way got %q, want %q", got, want)
	}
	if err := <-ended; err != nil {
		t.Errorf("run: %v", err)
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return " " + err.Error()
}

// One address cannot take all connections, a proxy may; places are given back.
func TestConnectionLimits(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		all, each, want int
		proxies         []netip.Prefix
	}{
		"per address": {all: 10, each: 2, want: 2},
		"a proxy":     {all: 4, each: 2, want: 4, proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
		"in all":      {all: 3, each: 5, want: 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := &limitedListener{all: c.all, each: c.each, exempt: c.proxies, of: map[netip.Addr]int{}}
			addr := netip.MustParseAddr("127.0.0.1")
			taken := 0
			for range 20 {
				if l.take(addr) {
					taken++
				}
			}
			if taken != c.want {
				t.Errorf("%d connections, want %d", taken, c.want)
			}
			l.give(addr)
			if !l.take(addr) {
				t.Error("a place that was given back is not free")
			}
		})
	}
}

// Directory text is data: no cell runs as a formula, no text moves a terminal.
func TestDirectoryTextIsData(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"=1+1": "'=1+1", "+4722000001": "+4722000001", "-5.10": "-5.10", "@x": "'@x", "\tx": "'\tx", "\rx": "'\rx", "\x00x": "'\x00x",
		"+1;cmd": "'+1;cmd", "a=b": "a=b", "": "", "-": "'-",
	} {
		if got := guardCell(in); got != want {
			t.Errorf("guardCell(%q) = %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]string{
		"Åse": "Åse", "a\x1b[31mb": "a?[31mb", "a\u202eb": "a?b", "a\nb": "a?b", "a\u2066b": "a?b", "\u2028": "?",
	} {
		if got := clean(in); got != want {
			t.Errorf("clean(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzReadNumbers(f *testing.F) {
	f.Add("number,name\n+4722000001,x\n")
	f.Add("\ufeffnumber;name\n")
	f.Add("number\n\"\n")
	f.Add("owner,number\nx,y\n,")
	f.Fuzz(func(t *testing.T, text string) {
		rows, err := readNumbers(bytes.NewBufferString(text), "f.csv", "NO")
		for _, r := range rows {
			if err == nil && (len(r.E164) < 5 || r.E164[0] != '+') {
				t.Errorf("row %+v was taken", r)
			}
		}
	})
}

// An address that is taken comes with its key and the step that helps.
func TestAddressInUse(t *testing.T) {
	t.Parallel()
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	for key, text := range map[string]string{
		"listen":       "listen: " + taken.Addr().String(),
		"admin_listen": "listen: 127.0.0.1:0\nadmin_listen: " + taken.Addr().String(),
	} {
		config, err := configs.Parse([]byte(text+"\ndatabase: sqlite:r.db\nworkspaces: [{id: acme, owners: [ann@acme.com]}]\n"), filepath.Join(t.TempDir(), "rollcall.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err = startDaemon(t.Context(), config, slog.New(slog.DiscardHandler)); err == nil || !strings.HasPrefix(err.Error(), key+": ") || !strings.Contains(err.Error(), "\ndo: "+listenHint) {
			t.Errorf("%s: %v", key, err)
		}
	}
}
