package ldap

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"

	"github.com/rollcall-sync/rollcall/internal/secret"
	"github.com/rollcall-sync/rollcall/sync"
)

// packetLimit bounds one LDAP message: the library would take 2 GiB on the
// server's word. A group with a million members has about 100 MiB.
const packetLimit = 256 << 20

// The limit is a variable of the BER library and has no other way in. It is
// set before anything can use it.
func init() { ber.MaxPacketLengthBytes = packetLimit }

// credentials are what a link was bound with, kept to notice a rotated secret.
type credentials struct {
	password  secret.Value
	cert, key string
	ca        string
}

// credentials reads the secrets anew (LM11: rotation needs no restart).
func (s *Source) credentials() (credentials, error) {
	var c credentials
	if !s.cfg.BindPassword.IsZero() {
		v, err := s.cfg.BindPassword.Resolve()
		if err != nil {
			return c, fmt.Errorf("bind_password: %w", err)
		}
		c.password = v
	}
	if s.cfg.ClientCert != "" {
		pem, err := readFile("client_cert", s.cfg.ClientCert)
		if err != nil {
			return c, err
		}
		v, err := s.cfg.ClientKey.Resolve()
		if err != nil {
			return c, fmt.Errorf("client_key: %w", err)
		}
		c.cert, c.key = pem, v.Reveal()
	}
	if s.cfg.CA != "" {
		pem, err := readFile("ca", s.cfg.CA)
		if err != nil {
			return c, err
		}
		c.ca = pem
	}
	return c, nil
}

func (c credentials) equal(o credentials) bool {
	return c.password.Reveal() == o.password.Reveal() && c.cert == o.cert && c.key == o.key && c.ca == o.ca
}

func readFile(key, ref string) (string, error) {
	b, err := os.ReadFile(strings.TrimPrefix(ref, "file:"))
	if err != nil {
		return "", fmt.Errorf("%s: %w: name a file that this user may read", key, err)
	}
	return string(b), nil
}

// tlsConfig checks the host's name and speaks TLS 1.2 and up; nothing can
// switch that off (LM11).
func (c credentials) tlsConfig(host string) (*tls.Config, error) {
	out := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	if c.ca != "" {
		out.RootCAs = x509.NewCertPool()
		if !out.RootCAs.AppendCertsFromPEM([]byte(c.ca)) {
			return nil, errors.New("ca: the file holds no certificate in PEM: convert it (openssl x509 -inform der), or name the right file")
		}
	}
	if c.cert != "" {
		pair, err := tls.X509KeyPair([]byte(c.cert), []byte(c.key))
		if err != nil {
			// The library's text may quote what it could not read.
			return nil, errors.New("client_cert: certificate and key cannot be read, or do not belong together")
		}
		out.Certificates = []tls.Certificate{pair}
	}
	return out, nil
}

// dial connects and binds to the first server that answers, beginning with
// the one of last time: another server costs a whole read.
func (s *Source) dial(ctx context.Context) (*link, error) {
	creds, err := s.credentials()
	if err != nil {
		return nil, err
	}
	var failed error
	first := s.lastServer()
	for i := range s.cfg.URL {
		text := s.cfg.URL[(first+i)%len(s.cfg.URL)]
		l, err := s.dialOne(ctx, text, creds)
		switch {
		case err == nil:
			s.setLastServer((first + i) % len(s.cfg.URL))
			return l, nil
		case ctx.Err() != nil:
			return nil, errors.Join(ctx.Err(), failed)
		case errors.Is(err, sync.ErrAuth):
			// Another server would refuse the same password, and count it
			// towards locking the account (QU3).
			return nil, err
		}
		failed = errors.Join(failed, fmt.Errorf("%s: %w%s", text, err, s.dialRemedy(text, err)))
	}
	return nil, failed
}

// dialOne opens one connection. Every step has a deadline (LC5, LC8): the
// library has none of its own.
func (s *Source) dialOne(ctx context.Context, text string, creds credentials) (_ *link, err error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, err
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"ldap": goldap.DefaultLdapPort, "ldaps": goldap.DefaultLdapsPort}[u.Scheme]
	}
	cfg, err := creds.tlsConfig(u.Hostname())
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{Timeout: s.cfg.Timeouts.Dial}
	raw, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return nil, err
	}
	shaken := raw
	if u.Scheme == "ldaps" || s.cfg.StartTLS {
		if shaken, err = s.encrypt(ctx, raw, cfg); err != nil {
			// A handshake that is out of time has closed the socket itself.
			if cerr := raw.Close(); !errors.Is(cerr, net.ErrClosed) {
				err = errors.Join(err, cerr)
			}
			return nil, err
		}
	}
	t := newTap(shaken, &s.Meter)
	conn := goldap.NewConn(t, shaken != raw)
	conn.Start()
	l := &link{meter: &s.Meter, conn: conn, tap: t, raw: raw, server: u.Host, creds: creds, limits: s.cfg.Timeouts}
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	if err := s.bind(ctx, l); err != nil {
		return nil, err
	}
	if l.root, err = s.rootDSE(ctx, l); err != nil {
		return nil, err
	}
	return l, nil
}

// encrypt speaks TLS on a fresh connection, after StartTLS (RFC 4511 section
// 4.14) where that is configured. The library's own StartTLS has no deadline.
func (s *Source) encrypt(ctx context.Context, raw net.Conn, cfg *tls.Config) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeouts.Dial)
	defer cancel()
	if s.cfg.StartTLS {
		stop := context.AfterFunc(ctx, func() {
			// A step that is under way ends with an error.
			_ = raw.SetDeadline(time.Unix(1, 0))
		})
		err := startTLS(raw)
		if !stop() {
			return nil, &TimeoutError{Doing: "StartTLS", Limit: s.cfg.Timeouts.Dial}
		}
		if err != nil {
			return nil, fmt.Errorf("StartTLS: %w", err)
		}
	}
	conn := tls.Client(raw, cfg)
	switch err := conn.HandshakeContext(ctx); {
	case errors.Is(err, context.DeadlineExceeded):
		return nil, &TimeoutError{Doing: "TLS handshake", Limit: s.cfg.Timeouts.Dial}
	case err != nil:
		return nil, fmt.Errorf("TLS: %w", err)
	}
	return conn, nil
}

const oidStartTLS = "1.3.6.1.4.1.1466.20037"

func startTLS(raw net.Conn) error {
	m := ber.NewSequence("LDAPMessage")
	m.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, 1, "messageID"))
	req := ber.Encode(ber.ClassApplication, ber.TypeConstructed, goldap.ApplicationExtendedRequest, nil, "ExtendedRequest")
	req.AppendChild(ber.NewString(ber.ClassContext, ber.TypePrimitive, 0, oidStartTLS, "requestName"))
	m.AppendChild(req)
	if _, err := raw.Write(m.Bytes()); err != nil {
		return err
	}
	// It reads not one byte beyond the answer: what follows is TLS, and
	// nothing that came before TLS is believed.
	answer, err := ber.ReadPacket(raw)
	if err != nil {
		return err
	}
	return goldap.GetLDAPError(answer)
}

// bind proves who we are: simple bind over TLS, or the client certificate.
// Other mechanisms fail or are cut off with this library (LC10).
func (s *Source) bind(ctx context.Context, l *link) error {
	err := l.guard(ctx, s.cfg.Timeouts.Bind, "bind", func() error {
		if s.cfg.ClientCert != "" {
			return l.conn.ExternalBind()
		}
		return l.conn.Bind(s.cfg.BindDN, l.creds.password.Reveal())
	})
	var late *TimeoutError
	switch {
	case err == nil || ctx.Err() != nil || errors.As(err, &late):
		return err
	case !isAnswer(err):
		return fmt.Errorf("%w: %w", errNoAnswer, err)
	}
	if err = bindError(err); errors.Is(err, sync.ErrAuth) {
		return fmt.Errorf("%w: check %s", err, s.cfg.account())
	}
	return err
}

// guard runs a call of the library with an end: when time is up or ctx is
// done the socket is closed, which is the one thing that wakes every
// goroutine of the library. A link is never used after that, so that late
// packets meet nobody (LC5).
func (l *link) guard(ctx context.Context, limit time.Duration, what string, call func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if l.conn.IsClosing() {
		return fmt.Errorf("%s: %w", what, errLinkDown)
	}
	stop := context.AfterFunc(ctx, l.abort)
	timer := time.AfterFunc(limit, l.abort)
	err := call()
	inTime, undisturbed := timer.Stop(), stop()
	switch {
	case !undisturbed && ctx.Err() != nil:
		l.close()
		return ctx.Err()
	case !inTime:
		l.close()
		return &TimeoutError{Doing: what, Limit: limit}
	case err != nil:
		return err
	case l.conn.IsClosing():
		// LC1: what a dying connection says is no answer.
		return fmt.Errorf("%s: %w", what, errLinkDown)
	}
	return nil
}
