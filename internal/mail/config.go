// Package mail sends short letters through the company's own mail server.
package mail

import (
	"fmt"
	"net"
	"net/mail"
	"strings"

	"github.com/rollcall-sync/rollcall/internal/secret"
)

// Config is the mail server. Without a server nothing is mailed.
type Config struct {
	// Server is host:port of a submission server (RFC 6409).
	Server string `yaml:"server"`
	// From is the address that letters come from, with a name or without.
	From string `yaml:"from"`
	// User and Password sign in (AUTH PLAIN); without User nobody does.
	User     string     `yaml:"user"`
	Password secret.Ref `yaml:"password"`
	// TLS is starttls (RFC 3207), implicit (RFC 8314), or on loopback alone
	// none; "" is implicit on port 465, else starttls.
	TLS string `yaml:"tls"`
	// CA is file:PATH of who may sign the server's certificate; "": the
	// system's authorities.
	CA string `yaml:"ca"`
}

// The values of Config.TLS.
const (
	startTLS = "starttls"
	implicit = "implicit"
	none     = "none"
)

// KeyError is a faulty key with what to write instead.
type KeyError struct{ Path, Text string }

// Error gives key and text.
func (e *KeyError) Error() string { return e.Path + ": " + e.Text }

// Validate gives every problem as a *KeyError, with paths from "mail" on. It
// reads no file and calls nobody.
func (c *Config) Validate() (problems []error) {
	add := func(key, format string, args ...any) {
		problems = append(problems, &KeyError{"mail." + key, fmt.Sprintf(format, args...)})
	}
	if *c == (Config{}) {
		return nil
	}
	host, _, err := net.SplitHostPort(c.Server)
	if err != nil || host == "" {
		add("server", "%q is no address: write host and port, such as smtp.acme.com:587", c.Server)
	}
	if from, err := mail.ParseAddress(c.From); err != nil || strings.ContainsAny(c.From, "\r\n") || from.Address == "" {
		add("from", "%q is no address: write rollcall@acme.com, or Rollcall <rollcall@acme.com>", c.From)
	}
	switch c.TLS {
	case "", startTLS, implicit:
	case none:
		if !loopback(host) {
			add("tls", "none sends codes and the password in the clear: use starttls or implicit off loopback")
		}
	default:
		add("tls", "unknown value %q: use starttls or implicit", c.TLS)
	}
	if (c.User == "") != c.Password.IsZero() {
		add("user", "needs user and password together, or neither")
	}
	if err := c.Password.Validate("mail.password"); err != nil {
		add("password", "%s", strings.TrimPrefix(err.Error(), "mail.password: "))
	}
	if c.CA != "" && (!strings.HasPrefix(c.CA, "file:") || c.CA == "file:") {
		add("ca", "%q is no file: write file:/PATH", c.CA)
	}
	return problems
}

// Under takes relative paths from a folder.
func (c *Config) Under(from func(string) string, dir string) {
	if path, ok := strings.CutPrefix(c.CA, "file:"); ok && path != "" {
		c.CA = "file:" + from(path)
	}
	c.Password = c.Password.Under(dir)
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
