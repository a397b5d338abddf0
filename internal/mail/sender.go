package mail

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"net/smtp"
	"net/textproto"
	"os"
	"strings"
	"time"

	"github.com/rollcall-sync/rollcall/internal/fold"
)

const (
	dialTimeout = 10 * time.Second
	callTimeout = 30 * time.Second
)

// ErrPlaintext is a server that offers no TLS: nothing is sent in the clear off
// loopback.
var ErrPlaintext = errors.New("the mail server offers no STARTTLS")

// Sender sends letters. It is safe for concurrent use; each letter has a
// connection of its own.
type Sender struct {
	cfg  Config
	host string
	from *mail.Address
	now  func() time.Time
}

// New checks the configuration. It calls nobody.
func New(cfg Config) (*Sender, error) {
	if cfg == (Config{}) {
		return nil, errors.New("mail: no server is configured")
	}
	if err := errors.Join(cfg.Validate()...); err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(cfg.Server)
	if err != nil {
		return nil, err
	}
	if cfg.TLS == "" {
		cfg.TLS = startTLS
		if port == "465" {
			cfg.TLS = implicit
		}
	}
	from, err := mail.ParseAddress(cfg.From)
	if err != nil {
		return nil, err
	}
	return &Sender{cfg: cfg, host: host, from: from, now: time.Now}, nil
}

// Send sends one letter of plain text to one bare address. It gives an error
// when the server has not taken it; errors name no address and no secret.
func (s *Sender) Send(ctx context.Context, to, subject, text string) error {
	if why := fold.BadAddress(to); why != "" {
		return errors.New("mail: " + why)
	}
	letter, err := s.letter(to, subject, text)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	c, err := s.dial(ctx)
	if err != nil {
		return fmt.Errorf("mail server: %w", err)
	}
	if err := s.deliver(c, to, letter); err != nil {
		return fmt.Errorf("mail server: %w", errors.Join(err, closed(c)))
	}
	// The server has the letter. A goodbye that fails is no reason to send it
	// again, and neither is a connection that does not close.
	if c.Quit() != nil {
		_ = c.Close()
	}
	return nil
}

// dial opens a session that is encrypted, or on loopback.
func (s *Sender) dial(ctx context.Context) (*smtp.Client, error) {
	settings, err := s.tls()
	if err != nil {
		return nil, err
	}
	d := net.Dialer{Timeout: dialTimeout}
	conn, err := d.DialContext(ctx, "tcp", s.cfg.Server)
	if err != nil {
		return nil, err
	}
	if until, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(until); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
	}
	if s.cfg.TLS == implicit {
		conn = tls.Client(conn, settings)
	}
	c, err := smtp.NewClient(conn, s.host)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	if s.cfg.TLS == startTLS {
		if ok, _ := c.Extension("STARTTLS"); !ok {
			return nil, errors.Join(ErrPlaintext, c.Close())
		}
		if err := c.StartTLS(settings); err != nil {
			return nil, errors.Join(err, c.Close())
		}
	}
	return c, nil
}

// tls reads the authorities anew, so that a changed file needs no restart.
func (s *Sender) tls() (*tls.Config, error) {
	c := &tls.Config{ServerName: s.host, MinVersion: tls.VersionTLS12}
	path, ok := strings.CutPrefix(s.cfg.CA, "file:")
	if !ok {
		return c, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	c.RootCAs = x509.NewCertPool()
	if !c.RootCAs.AppendCertsFromPEM(text) {
		return nil, errors.New("mail.ca holds no certificate in PEM form")
	}
	return c, nil
}

// deliver signs in and hands the letter over.
func (s *Sender) deliver(c *smtp.Client, to string, letter []byte) error {
	if s.cfg.User != "" {
		password, err := s.cfg.Password.Resolve()
		if err != nil {
			return fmt.Errorf("mail.password: %w", err)
		}
		if err := c.Auth(smtp.PlainAuth("", s.cfg.User, password.Reveal(), s.host)); err != nil {
			return errors.New("the sign-in was refused")
		}
	}
	if err := c.Mail(s.from.Address); err != nil {
		return fmt.Errorf("the sender was refused: %w", redacted(err))
	}
	if err := c.Rcpt(to); err != nil {
		return fmt.Errorf("the recipient was refused: %w", redacted(err))
	}
	w, err := c.Data()
	if err != nil {
		return redacted(err)
	}
	if _, err := w.Write(letter); err != nil {
		return redacted(err)
	}
	return redacted(w.Close())
}

// closed ends a session that has failed; what QUIT would say is of no use.
func closed(c *smtp.Client) error {
	if err := c.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return redacted(err)
	}
	return nil
}

// redacted keeps an SMTP answer's code and drops its text, which quotes
// addresses.
func redacted(err error) error {
	var answer *textproto.Error
	if errors.As(err, &answer) {
		return fmt.Errorf("answer %d", answer.Code)
	}
	return err
}

// letter writes the letter (RFC 5322), as UTF-8 in quoted-printable.
func (s *Sender) letter(to, subject, text string) ([]byte, error) {
	var b bytes.Buffer
	_, domain, _ := strings.Cut(s.from.Address, "@")
	for _, h := range [][2]string{
		{"From", s.from.String()},
		{"To", "<" + to + ">"},
		{"Subject", mime.QEncoding.Encode("utf-8", oneLine(subject))},
		{"Date", s.now().UTC().Format(time.RFC1123Z)},
		{"Message-ID", "<" + strings.ToLower(rand.Text()) + "@" + domain + ">"},
		{"MIME-Version", "1.0"},
		{"Content-Type", "text/plain; charset=utf-8"},
		{"Content-Transfer-Encoding", "quoted-printable"},
		{"Auto-Submitted", "auto-generated"},
		{"X-Auto-Response-Suppress", "All"},
	} {
		fmt.Fprintf(&b, "%s: %s\r\n", h[0], h[1])
	}
	b.WriteString("\r\n")
	w := quotedprintable.NewWriter(&b)
	if _, err := w.Write([]byte(strings.ReplaceAll(text, "\n", "\r\n"))); err != nil {
		return nil, err
	}
	err := w.Close()
	return b.Bytes(), err
}

// oneLine keeps header lines from being forged.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
}
