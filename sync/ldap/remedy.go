package ldap

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
)

// errNoAnswer is a connection that ended when the bind was sent.
var errNoAnswer = errors.New("the server did not answer the bind")

// dumpRemedy is how a dump comes to have ids.
const dumpRemedy = "take the dump with slapcat, or ldapsearch with '*' and '+', so that it holds operational attributes too"

// idRemedy says how ids become readable.
func (r *reader) idRemedy() string {
	if r.cfg.file() {
		return dumpRemedy
	}
	return "allow the account to read it"
}

// account names the keys that say who reads.
func (c *Config) account() string {
	if c.ClientCert != "" {
		return "client_cert and client_key, and the account that the server makes of them"
	}
	return "bind_dn and bind_password"
}

// named is a base with the key that it stands under.
func (c *Config) named(base string) string {
	switch base {
	case c.People.Base:
		return "people.base " + base
	case c.Groups.Base:
		return "groups.base " + base
	}
	return base
}

// dialRemedy says which key a failed connection makes suspect, and what to
// write there: ": check url ...", or "" where the error says so itself.
func (s *Source) dialRemedy(text string, err error) string {
	var (
		authority x509.UnknownAuthorityError
		host      x509.HostnameError
		invalid   x509.CertificateInvalidError
		record    tls.RecordHeaderError
		name      *net.DNSError
		call      *net.OpError
	)
	hungUp := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET)
	encrypted := s.cfg.StartTLS || strings.HasPrefix(text, "ldaps:")
	switch {
	case errors.As(err, &authority) && s.cfg.CA == "":
		return ": name who signed it with ca: file:/PATH, a file of certificates in PEM"
	case errors.As(err, &authority):
		return ": ca does not name who signed it"
	case errors.As(err, &host):
		return ": write the name that the certificate bears into url, or give the server a certificate of this name"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return ": renew the server's certificate"
	case errors.As(err, &record), encrypted && hungUp:
		return ": the server speaks no TLS here: check the port in url (ldaps:// is 636), or write ldap:// with start_tls: true"
	case errors.Is(err, errNoAnswer) && !encrypted:
		return ": the server hung up: if this is its port for TLS, write ldaps:// into url"
	case errors.As(err, &name):
		return ": check the host in url"
	case errors.As(err, &call) && call.Op == "dial":
		return ": check host and port in url, that the server runs, and what is between"
	}
	return ""
}

// unless is remedy for where a key may be wrong as well as a right lacking.
func (c *checkup) unless(key, base string) string {
	return "if " + key + " is right: " + c.remedy(base)
}

// remedy says how to give the bind account a right to read a subtree, on each
// kind of server.
func (c *checkup) remedy(base string) string {
	who := c.cfg.BindDN
	if who == "" {
		who = "the client certificate's name"
	}
	if base == "" {
		base = c.l.root.suffix
	}
	switch c.plan.flavor {
	case AD:
		if strings.Contains(who, "=") { // dsacls takes no distinguished name
			return fmt.Sprintf(`dsacls "%s" /I:T /G "DOMAIN\ACCOUNT:GR" with the account of %s   (or Delegate Control: Read all properties)`, base, who)
		}
		return fmt.Sprintf(`dsacls "%s" /I:T /G "%s:GR"   (or Delegate Control: Read all properties)`, base, who)
	case DS389:
		return fmt.Sprintf(`add to %s: aci: (targetattr != "userPassword")(version 3.0; acl "rollcall"; allow (read, search, compare) userdn = "ldap:///%s";)`, base, who)
	default:
		return fmt.Sprintf(`olcAccess: to dn.subtree="%s" by dn.exact="%s" read by * break   (after the rule for userPassword, before the others)`, base, who)
	}
}
