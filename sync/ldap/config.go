package ldap

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/rollcall-sync/rollcall/internal/secret"
)

// Flavor is the kind of directory server; "" and "auto" ask the root DSE.
type Flavor string

// The flavours.
const (
	Auto     Flavor = "auto"
	OpenLDAP Flavor = "openldap"
	AD       Flavor = "ad"
	DS389    Flavor = "389"
	LDIF     Flavor = "ldif"
)

// Config is the part of a connection's configuration that this source reads
// (sources section 8). The zero value of a key means its default.
type Config struct {
	// URL names one server or several that hold the same data: ldaps://HOST,
	// ldap://HOST, or file:/PATH of an LDIF dump.
	URL URLs `yaml:"url"`
	// CA is file:PATH of the certificates that may sign the server's; the
	// system's if empty.
	CA string `yaml:"ca"`
	// StartTLS upgrades ldap:// before anything else is sent.
	StartTLS bool `yaml:"start_tls"`
	// AllowPlaintext lets the password travel unprotected. It is a finding.
	AllowPlaintext bool       `yaml:"allow_plaintext"`
	BindDN         string     `yaml:"bind_dn"`
	BindPassword   secret.Ref `yaml:"bind_password"`
	// ClientCert is file:PATH of a certificate chain in PEM; with ClientKey it
	// binds by SASL EXTERNAL (RFC 4422 appendix A).
	ClientCert string     `yaml:"client_cert"`
	ClientKey  secret.Ref `yaml:"client_key"`
	Flavor     Flavor     `yaml:"flavor"`
	People     Branch     `yaml:"people"`
	Groups     Branch     `yaml:"groups"`
	// Attributes names the directory's attribute for an attribute of the
	// mapping; they win over the flavour's defaults. "" leaves one out.
	Attributes map[string]string `yaml:"attributes"`
	// IDAttribute is the immutable attribute that names an entry for ever.
	IDAttribute string   `yaml:"id_attribute"`
	Disabled    Disabled `yaml:"disabled"`
	Delta       string   `yaml:"delta"`
	// Sweep is the longest time between two id sweeps; 0 is 15 minutes.
	Sweep time.Duration `yaml:"sweep"`
	// Sentinel is the DN of an entry that must be visible in every whole read.
	Sentinel    string  `yaml:"sentinel"`
	MinExpected Minimum `yaml:"min_expected"`
	// PageSize is how many entries a page asks for; 0 is 500.
	PageSize   int      `yaml:"page_size"`
	OutOfScope string   `yaml:"out_of_scope"`
	Timeouts   Timeouts `yaml:"timeouts"`
}

// Branch is a subtree and what is looked for in it.
type Branch struct {
	Base   string `yaml:"base"`
	Filter string `yaml:"filter"`
	// Nested tells the engine to follow groups within groups.
	Nested bool `yaml:"nested"`
}

// Timeouts bound every wait on the network; 0 is the default of reliability
// section 8.
type Timeouts struct {
	Dial time.Duration `yaml:"dial"` // 3s, TLS handshake included
	Bind time.Duration `yaml:"bind"` // 10s, also for reads of one entry
	Idle time.Duration `yaml:"idle"` // 10s between two packets of a stream
	Page time.Duration `yaml:"page"` // 30s of waiting for one page
}

// URLs is one URL or a list of them.
type URLs []string

// UnmarshalYAML reads a text or a list of texts.
func (u *URLs) UnmarshalYAML(unmarshal func(any) error) error {
	var one string
	if unmarshal(&one) == nil {
		*u = URLs{one}
		return nil
	}
	var many []string
	if err := unmarshal(&many); err != nil {
		return errors.New("wants a URL or a list of URLs")
	}
	*u = many
	return nil
}

// Disabled says how a disabled person is known. The zero value is `auto`, the
// flavour's own flag (LM6); otherwise a person is disabled when an attribute
// has a value.
type Disabled struct{ Attr, Eq string }

// UnmarshalYAML reads `auto` or {attr: NAME, eq: VALUE}.
func (d *Disabled) UnmarshalYAML(unmarshal func(any) error) error {
	var word string
	if unmarshal(&word) == nil {
		if word != "auto" && word != "" {
			return fmt.Errorf("%q is not known: write auto or {attr: NAME, eq: VALUE}", word)
		}
		*d = Disabled{}
		return nil
	}
	var rule struct {
		Attr string `yaml:"attr"`
		Eq   string `yaml:"eq"`
	}
	if err := unmarshal(&rule); err != nil || rule.Attr == "" || rule.Eq == "" {
		return errors.New("wants auto or {attr: NAME, eq: VALUE}")
	}
	*d = Disabled(rule)
	return nil
}

// Minimum is the least number of people that a whole read must find (RD6);
// the zero value is `auto`.
type Minimum struct{ N int }

// UnmarshalText reads `auto` or a number.
func (m *Minimum) UnmarshalText(text []byte) error {
	if s := string(text); s != "auto" && s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			return fmt.Errorf("%q is not known: write auto or a number of people from 1", s)
		}
		m.N = n
		return nil
	}
	m.N = 0
	return nil
}

// withDefaults fills what was left out and does not depend on the server.
func (c Config) withDefaults() Config {
	set := func(d *time.Duration, to time.Duration) {
		if *d == 0 {
			*d = to
		}
	}
	set(&c.Sweep, 15*time.Minute)
	set(&c.Timeouts.Dial, 3*time.Second)
	set(&c.Timeouts.Bind, 10*time.Second)
	set(&c.Timeouts.Idle, 10*time.Second)
	set(&c.Timeouts.Page, 30*time.Second)
	if c.PageSize == 0 {
		c.PageSize = 500
	}
	if c.OutOfScope == "" {
		c.OutOfScope = "deactivate"
	}
	if c.Flavor == "" {
		c.Flavor = Auto
	}
	if c.Delta == "" {
		c.Delta = "auto"
	}
	if c.IDAttribute == "" {
		c.IDAttribute = "auto"
	}
	return c
}

// file reports whether the source is an LDIF file.
func (c *Config) file() bool {
	return c.Flavor == LDIF || len(c.URL) == 1 && len(c.URL[0]) > 5 && c.URL[0][:5] == "file:"
}
