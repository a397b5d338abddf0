package mail_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/internal/mail"
	"github.com/rollcall-sync/rollcall/internal/secret"
)

// server is a mail server on loopback that writes down what it was told.
type server struct {
	addr     string
	startTLS bool
	refuse   string // command that is answered with 550
	cert     tls.Certificate
	ca       string // PEM file
	heard    chan string
}

func newServer(t *testing.T, change func(*server)) *server {
	t.Helper()
	s := &server{startTLS: true, heard: make(chan string, 1)}
	s.cert, s.ca = certificate(t)
	if change != nil {
		change(s)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	s.addr = l.Addr().String()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		var said strings.Builder
		s.talk(c, &said)
		s.heard <- said.String()
	}()
	return s
}

func (s *server) talk(c net.Conn, said *strings.Builder) {
	defer c.Close() //nolint:errcheck // What counts is what the client said.
	r, secure, data := bufio.NewReader(c), false, false
	say := func(line string) {
		if _, err := io.WriteString(c, line+"\r\n"); err != nil {
			said.WriteString("(gone)\n")
		}
	}
	say("220 test")
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		said.WriteString(strings.ReplaceAll(line, "\r\n", "\n"))
		verb, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch {
		case data:
			if line == ".\r\n" {
				data = false
				say("250 taken")
			}
		case s.refuse != "" && verb == s.refuse:
			say("550 5.1.1 <zoe@acme.org> secret words")
		case verb == "EHLO":
			say("250-test")
			if s.startTLS && !secure {
				say("250-STARTTLS")
			}
			say("250 AUTH PLAIN")
		case verb == "STARTTLS":
			say("220 go on")
			c = tls.Server(c, &tls.Config{Certificates: []tls.Certificate{s.cert}})
			r, secure = bufio.NewReader(c), true
		case verb == "AUTH":
			say("235 in")
		case verb == "DATA":
			data = true
			say("354 go on")
		case verb == "QUIT":
			say("221 bye")
			return
		default:
			say("250 fine")
		}
	}
}

func certificate(t *testing.T) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, "file:" + file
}

func sender(t *testing.T, c mail.Config) *mail.Sender {
	t.Helper()
	s, err := mail.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSend(t *testing.T) {
	srv := newServer(t, nil)
	t.Setenv("MAIL_PASSWORD", "hunter2")
	password, err := secret.ParseRef("env:MAIL_PASSWORD")
	if err != nil {
		t.Fatal(err)
	}
	s := sender(t, mail.Config{Server: srv.addr, From: "Rollcall <rollcall@acme.com>", User: "u", Password: password, CA: srv.ca})
	err = s.Send(t.Context(), "zoe@acme.org", "Your code\r\nBcc: mallory@evil.org", "Code: 123456\n.\nGrüße")
	if err != nil {
		t.Fatal(err)
	}
	got := <-srv.heard
	for _, want := range []string{
		"STARTTLS\n", "AUTH PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00u\x00hunter2")), "MAIL FROM:<rollcall@acme.com>", "RCPT TO:<zoe@acme.org>",
		"To: <zoe@acme.org>\n", "Subject: Your code  Bcc: mallory@evil.org\n", "Auto-Submitted: auto-generated\n", "Code: 123456\n..\nGr=C3=BC=C3=9Fe\n.\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if strings.Index(got, "STARTTLS") > strings.Index(got, "AUTH") {
		t.Error("the password went before TLS")
	}
}

// TestNoTLS: a server that offers no TLS gets nothing, least of all a
// password.
func TestNoTLS(t *testing.T) {
	srv := newServer(t, func(s *server) { s.startTLS = false })
	s := sender(t, mail.Config{Server: srv.addr, From: "rollcall@acme.com", CA: srv.ca})
	if err := s.Send(t.Context(), "zoe@acme.org", "x", "y"); !errors.Is(err, mail.ErrPlaintext) {
		t.Fatal(err)
	}
	if got := <-srv.heard; strings.Contains(got, "MAIL") || strings.Contains(got, "AUTH") {
		t.Errorf("sent in the clear:\n%s", got)
	}
}

// TestLoopbackInTheClear: none is for tests and relays on the same machine.
func TestLoopbackInTheClear(t *testing.T) {
	srv := newServer(t, func(s *server) { s.startTLS = false })
	if err := sender(t, mail.Config{Server: srv.addr, From: "rollcall@acme.com", TLS: "none"}).Send(t.Context(), "zoe@acme.org", "x", "y"); err != nil {
		t.Fatal(err)
	}
}

func TestForeignCertificate(t *testing.T) {
	srv := newServer(t, nil)
	err := sender(t, mail.Config{Server: srv.addr, From: "rollcall@acme.com"}).Send(t.Context(), "zoe@acme.org", "x", "y")
	var unknown x509.UnknownAuthorityError
	if !errors.As(err, &unknown) {
		t.Fatalf("%v", err)
	}
}

// TestRefused: the server's words quote addresses, so they stay out of errors.
func TestRefused(t *testing.T) {
	for _, verb := range []string{"MAIL", "RCPT", "DATA"} {
		srv := newServer(t, func(s *server) { s.refuse = verb })
		err := sender(t, mail.Config{Server: srv.addr, From: "rollcall@acme.com", CA: srv.ca}).Send(t.Context(), "zoe@acme.org", "x", "y")
		if err == nil || strings.Contains(err.Error(), "zoe") || !strings.Contains(err.Error(), "550") {
			t.Errorf("%s: %v", verb, err)
		}
	}
}

// TestTakenAllTheSame: a letter that was taken is sent, however the server says
// goodbye: an error would have it sent twice.
func TestTakenAllTheSame(t *testing.T) {
	srv := newServer(t, func(s *server) { s.refuse = "QUIT" })
	if err := sender(t, mail.Config{Server: srv.addr, From: "rollcall@acme.com", CA: srv.ca}).Send(t.Context(), "zoe@acme.org", "x", "y"); err != nil {
		t.Error(err)
	}
	if got := <-srv.heard; !strings.HasSuffix(got, ".\nQUIT\n") {
		t.Errorf("heard\n%s", got)
	}
}

// TestSilentServer: a server that says nothing holds nobody up for ever.
func TestSilentServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := sender(t, mail.Config{Server: l.Addr().String(), From: "rollcall@acme.com", TLS: "none"}).Send(ctx, "zoe@acme.org", "x", "y"); err == nil {
		t.Error("sent")
	}
}

func TestBadAddress(t *testing.T) {
	s := sender(t, mail.Config{Server: "127.0.0.1:1", From: "rollcall@acme.com"})
	for _, to := range []string{"", "a@b\r\nRCPT TO:<c@d>", "Zoe <zoe@acme.org>", "a@b,c@d"} {
		if err := s.Send(t.Context(), to, "x", "y"); err == nil || strings.Contains(err.Error(), "dial") {
			t.Errorf("%q: %v", to, err)
		}
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]mail.Config{
		"mail.server": {Server: "smtp.acme.com", From: "a@acme.com"},
		"mail.from":   {Server: "smtp.acme.com:587", From: "nobody"},
		"mail.tls":    {Server: "smtp.acme.com:25", From: "a@acme.com", TLS: "none"},
		"mail.user":   {Server: "smtp.acme.com:587", From: "a@acme.com", User: "u"},
		"mail.ca":     {Server: "smtp.acme.com:587", From: "a@acme.com", CA: "/etc/ca.pem"},
		"mail.tls ":   {Server: "smtp.acme.com:587", From: "a@acme.com", TLS: "maybe"},
	} {
		problems := c.Validate()
		if len(problems) != 1 || !strings.HasPrefix(problems[0].Error(), strings.TrimSpace(name)+": ") {
			t.Errorf("%s: %v", name, problems)
		}
	}
	if problems := (&mail.Config{}).Validate(); problems != nil {
		t.Error(problems)
	}
}
