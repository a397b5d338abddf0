package ldap

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/rollcall-sync/rollcall/internal/dn"
	"github.com/rollcall-sync/rollcall/internal/fold"
)

// attributePattern is an attribute description without options (RFC 4512
// section 1.4), as a name or an object identifier.
var attributePattern = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9-]*|[0-9]+(\.[0-9]+)+)$`)

// namePattern is what an attribute of the mapping is called.
var namePattern = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]{0,63}$`)

// changeable are attributes that name a person only until tomorrow (LM1).
var changeable = []string{
	"dn", "distinguishedname", "entrydn", "mail", "uid", "cn", "name", "samaccountname", "userprincipalname",
	"rfc822mailbox", "displayname",
}

// Validate gives everything that is wrong, each with its key and what to
// write instead. It reads no file and opens no connection.
func (c Config) Validate() []error {
	v := &validation{}
	v.urls(&c)
	if c.file() {
		v.dump(&c)
	} else {
		v.credentials(&c)
	}
	v.branch("people", c.People, true)
	v.branch("groups", c.Groups, false)
	v.attributes(&c)
	v.oneOf("flavor", string(c.Flavor), "auto", "openldap", "ad", "389", "ldif")
	v.oneOf("delta", c.Delta, "auto", "syncrepl", "usn", "dirsync", "entryusn", "timestamp", "none")
	v.oneOf("out_of_scope", c.OutOfScope, "deactivate", "keep", "hold")
	v.sentinel(&c)
	if c.PageSize < 0 || c.PageSize > 1000 {
		v.addf("page_size", "%d: servers and pages hold 1 to 1000 entries; leave it out for 500", c.PageSize)
	}
	if c.Sweep < 0 {
		v.addf("sweep", "is below zero: write it as 15m")
	}
	for _, t := range []struct {
		key string
		d   int64
	}{{"dial", int64(c.Timeouts.Dial)}, {"bind", int64(c.Timeouts.Bind)}, {"idle", int64(c.Timeouts.Idle)}, {"page", int64(c.Timeouts.Page)}} {
		if t.d < 0 {
			v.addf("timeouts."+t.key, "is below zero: a wait without end would hang the poll")
		}
	}
	return v.found
}

type validation struct{ found []error }

func (v *validation) addf(key, format string, args ...any) {
	v.found = append(v.found, fmt.Errorf("%s: %s", key, fmt.Sprintf(format, args...)))
}

func (v *validation) oneOf(key, value string, words ...string) {
	if value != "" && !slices.Contains(words, value) {
		v.addf(key, "%q is not known: write one of %s", value, strings.Join(words, ", "))
	}
}

func (v *validation) dn(key, value string) {
	if value == "" {
		return
	}
	if _, err := dn.Key(value); err != nil {
		v.addf(key, "%q is no distinguished name: write it as cn=name,dc=acme,dc=com", value)
	}
}

// sentinel judges the entry that must be visible: only below people.base does
// it say something about the people there (RD5).
func (v *validation) sentinel(c *Config) {
	v.dn("sentinel", c.Sentinel)
	name, nameErr := dn.Parse(c.Sentinel)
	base, baseErr := dn.Parse(c.People.Base)
	if c.Sentinel != "" && c.People.Base != "" && nameErr == nil && baseErr == nil && !name.Under(base) {
		v.addf("sentinel", "%q is not below people.base, so it would not show that the right to read there was lost: name a person below %q", c.Sentinel, c.People.Base)
	}
}

// urls judges the servers' addresses and that nothing travels in the clear
// (LM11).
func (v *validation) urls(c *Config) {
	if len(c.URL) == 0 {
		v.addf("url", "is missing: write ldaps://HOST, or file:/PATH of an LDIF dump")
		return
	}
	if c.file() {
		return
	}
	for i, text := range c.URL {
		key := "url"
		if len(c.URL) > 1 {
			key = fmt.Sprintf("url[%d]", i)
		}
		v.url(c, key, text)
	}
}

func (v *validation) url(c *Config, key, text string) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		v.addf(key, "cannot be read: write ldaps://HOST or ldaps://HOST:PORT")
		return
	case u.User != nil:
		v.addf(key, "holds a user or password: use bind_dn and bind_password")
		return
	case u.Scheme != "ldaps" && u.Scheme != "ldap":
		v.addf(key, "%q has no scheme that is known: write ldaps://HOST", text)
		return
	case u.Hostname() == "":
		v.addf(key, "%q names no host: write ldaps://HOST", text)
		return
	case !validPort(u.Port()):
		v.addf(key, "%q has a port that does not exist: write one from 1 to 65535, or none", text)
		return
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		v.addf(key, "%q holds more than host and port: bases and filters stand under people and groups", text)
		return
	}
	switch {
	case u.Scheme == "ldaps" && c.StartTLS:
		v.addf("start_tls", "does not go with ldaps://, which is encrypted from the start: remove it or write ldap://")
	case u.Scheme == "ldap" && !c.StartTLS && !c.AllowPlaintext && !loopback(u.Hostname()):
		v.addf(key, "%s would send the password in the clear (LM11): write ldaps://, or set start_tls: true", text)
	}
}

// validPort tells whether a URL's port, "" if it has none, can be dialled.
func validPort(text string) bool {
	n, err := strconv.ParseUint(text, 10, 16)
	return text == "" || err == nil && n > 0
}

// loopback tells whether a host is this machine by its very name. Other names
// are not looked up: what they mean may change.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (v *validation) dump(c *Config) {
	if len(c.URL) != 1 || !strings.HasPrefix(c.URL[0], "file:") || len(c.URL[0]) == len("file:") {
		v.addf("url", "flavor ldif reads one file: write file:/PATH")
	}
	if c.Flavor != "" && c.Flavor != Auto && c.Flavor != LDIF {
		v.addf("flavor", "%s is a server, url is a file: write ldif or leave it out", c.Flavor)
	}
	if c.BindDN != "" || !c.BindPassword.IsZero() || c.ClientCert != "" || !c.ClientKey.IsZero() {
		v.addf("bind_dn", "a file needs no credentials: remove bind_dn, bind_password, client_cert, client_key")
	}
}

func (v *validation) credentials(c *Config) {
	for _, err := range []error{c.BindPassword.Validate("bind_password"), c.ClientKey.Validate("client_key")} {
		if err != nil {
			v.found = append(v.found, err)
		}
	}
	certificate := c.ClientCert != "" || !c.ClientKey.IsZero()
	switch {
	case certificate && (c.ClientCert == "" || c.ClientKey.IsZero()):
		v.addf("client_cert", "client_cert and client_key belong together: set both or none")
	case certificate && (c.BindDN != "" || !c.BindPassword.IsZero()):
		v.addf("bind_dn", "a client certificate is the identity: remove bind_dn and bind_password")
	case !certificate && c.BindDN == "":
		v.addf("bind_dn", "is missing: name the account that reads the directory, or set client_cert and client_key")
	case !certificate && c.BindPassword.IsZero():
		v.addf("bind_password", "is missing: an empty password is an anonymous bind that succeeds; write file:/PATH")
	}
	for key, file := range map[string]string{"ca": c.CA, "client_cert": c.ClientCert} {
		if file != "" && (!strings.HasPrefix(file, "file:") || file == "file:") {
			v.addf(key, "%q is no file: write file:/PATH", file)
		}
	}
	plain := func(u string) bool { return strings.HasPrefix(u, "ldap:") }
	if c.CA != "" && !c.StartTLS && len(c.URL) > 0 && !slices.ContainsFunc(c.URL, func(u string) bool { return !plain(u) }) {
		v.addf("ca", "does nothing without TLS: write ldaps://, set start_tls: true, or remove it")
	}
	if certificate && !c.StartTLS && slices.ContainsFunc(c.URL, plain) {
		v.addf("client_cert", "is shown within TLS only: write ldaps:// or set start_tls: true")
	}
}

func (v *validation) branch(key string, b Branch, required bool) {
	if b.Base == "" {
		if required || b.Filter != "" {
			v.addf(key+".base", `is missing: write the subtree's name, as in "ou=%s,dc=acme,dc=com"`, key)
		}
	} else {
		v.dn(key+".base", b.Base)
	}
	if b.Filter == "" {
		return
	}
	if err := parseFilter(b.Filter); err != nil {
		v.addf(key+".filter", "%q is no filter of RFC 4515: write it as (objectClass=person)", b.Filter)
	}
}

// parseFilter refuses what the library cannot encode. A depth limit comes
// first: its parser recurses.
func parseFilter(text string) error {
	if strings.Count(text, "(") > 1000 || len(text) > 16<<10 {
		return errors.New("filter too large")
	}
	_, err := goldap.CompileFilter(text)
	return err
}

func (v *validation) attributes(c *Config) {
	if id := c.IDAttribute; id != "" && id != "auto" {
		switch {
		case !attributePattern.MatchString(id):
			v.addf("id_attribute", "%q is no attribute name", id)
		case slices.Contains(changeable, fold.Key(id)):
			v.addf("id_attribute", "%s can change or be given to another person (LM1): write auto, or another immutable attribute", id)
		}
	}
	for name, attr := range c.Attributes {
		switch {
		case !namePattern.MatchString(name):
			v.addf("attributes", "%q is no name of an attribute: use letters, digits, dot, dash", name)
		case name == "active" || name == "accountExpires":
			v.addf("attributes."+name, "is worked out from the directory's own flags: remove it, or use disabled")
		case attr != "" && !attributePattern.MatchString(attr):
			v.addf("attributes."+name, "%q is no attribute of a directory: name exactly one, no *", attr)
		}
	}
	if d := c.Disabled; d != (Disabled{}) && !attributePattern.MatchString(d.Attr) {
		v.addf("disabled.attr", "%q is no attribute name", d.Attr)
	}
	slices.SortFunc(v.found, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
}
