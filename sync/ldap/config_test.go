package ldap

import (
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/rollcall-sync/rollcall/internal/secret"
)

const example = `
url: ldaps://dc1.acme.com
ca: file:/etc/rollcall/corp-ca.pem
bind_dn: cn=rollcall,ou=services,dc=acme,dc=com
bind_password: file:/run/secrets/ldap
flavor: auto
people: {base: "ou=people,dc=acme,dc=com", filter: "(objectClass=inetOrgPerson)"}
groups: {base: "ou=groups,dc=acme,dc=com", filter: "(objectClass=groupOfNames)", nested: true}
attributes: {userName: uid, email: mail, office: physicalDeliveryOfficeName}
id_attribute: auto
disabled: {attr: employeeStatus, eq: closed}
delta: auto
sweep: 15m
sentinel: "cn=rollcall-probe,ou=people,dc=acme,dc=com"
min_expected: auto
page_size: 500
out_of_scope: deactivate
`

func parse(t *testing.T, text string) Config {
	t.Helper()
	var c Config
	if err := yaml.UnmarshalWithOptions([]byte(text), &c, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestConfigExample(t *testing.T) {
	t.Parallel()
	c := parse(t, example)
	if found := c.Validate(); len(found) != 0 {
		t.Fatal(found)
	}
	if c.URL[0] != "ldaps://dc1.acme.com" || c.Disabled != (Disabled{"employeeStatus", "closed"}) || c.Sweep.Minutes() != 15 || !c.Groups.Nested {
		t.Errorf("%+v", c)
	}
	if c := parse(t, "url: [ldaps://a, ldaps://b]\nmin_expected: 40\ndisabled: auto"); len(c.URL) != 2 || c.MinExpected.N != 40 || c.Disabled != (Disabled{}) {
		t.Errorf("%+v", c)
	}
}

// Every refusal names its key and a remedy.
func TestConfigRefuses(t *testing.T) {
	t.Parallel()
	literal := func() (r secret.Ref) {
		if err := r.UnmarshalText([]byte("hunter2")); err != nil {
			t.Fatal(err)
		}
		return r
	}()
	for _, c := range []struct {
		key    string
		change func(*Config)
	}{
		{"url", func(c *Config) { c.URL = nil }},
		{"url", func(c *Config) { c.URL = URLs{"ldap://dc1.acme.com"} }},
		{"url", func(c *Config) { c.URL = URLs{"ldap://localhost.evil.example"} }},
		{"url", func(c *Config) { c.URL = URLs{"ldaps://user:pw@dc1.acme.com"} }},
		{"url", func(c *Config) { c.URL = URLs{"https://dc1.acme.com"} }},
		{"url", func(c *Config) { c.URL = URLs{"ldaps://"} }},
		{"url", func(c *Config) { c.URL = URLs{"ldaps://dc1.acme.com/dc=acme??sub"} }},
		{"url[1]", func(c *Config) { c.URL = URLs{"ldaps://a", "ldap://b"} }},
		{"start_tls", func(c *Config) { c.StartTLS = true }},
		{"bind_dn", func(c *Config) { c.BindDN = "" }},
		{"bind_password", func(c *Config) { c.BindPassword = secret.Ref{} }},
		{"bind_password", func(c *Config) { c.BindPassword = literal }},
		{"client_cert", func(c *Config) { c.ClientCert = "file:/x" }},
		{"ca", func(c *Config) { c.CA = "/etc/ca.pem" }},
		{"people.base", func(c *Config) { c.People.Base = "" }},
		{"people.base", func(c *Config) { c.People.Base = "people" }},
		{"people.filter", func(c *Config) { c.People.Filter = "objectClass=person" }},
		{"people.filter", func(c *Config) { c.People.Filter = strings.Repeat("(!", 2000) }},
		{"groups.base", func(c *Config) { c.Groups = Branch{Filter: "(a=b)"} }},
		{"attributes.email", func(c *Config) { c.Attributes = map[string]string{"email": "*"} }},
		{"attributes.active", func(c *Config) { c.Attributes = map[string]string{"active": "x"} }},
		{"attributes", func(c *Config) { c.Attributes = map[string]string{"e mail": "x"} }},
		{"id_attribute", func(c *Config) { c.IDAttribute = "uid" }},
		{"id_attribute", func(c *Config) { c.IDAttribute = "sAMAccountName" }},
		{"disabled.attr", func(c *Config) { c.Disabled.Attr = "a b" }},
		{"delta", func(c *Config) { c.Delta = "sometimes" }},
		{"flavor", func(c *Config) { c.Flavor = "novell" }},
		{"sentinel", func(c *Config) { c.Sentinel = "probe" }},
		{"page_size", func(c *Config) { c.PageSize = 5000 }},
		{"out_of_scope", func(c *Config) { c.OutOfScope = "delete" }},
		{"timeouts.idle", func(c *Config) { c.Timeouts.Idle = -1 }},
		{"flavor", func(c *Config) {
			*c = Config{URL: URLs{"file:/x.ldif"}, Flavor: AD, People: c.People}
		}},
		{"bind_dn", func(c *Config) { c.URL = URLs{"file:/x.ldif"} }},
	} {
		cfg := parse(t, example)
		c.change(&cfg)
		named := false
		for _, err := range cfg.Validate() {
			named = named || strings.HasPrefix(err.Error(), c.key+":")
			if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "user:pw") {
				t.Errorf("LC7: %v", err)
			}
		}
		if !named {
			t.Errorf("%s: %v", c.key, cfg.Validate())
		}
		if _, err := New(cfg, Options{}); err == nil {
			t.Errorf("%s: New accepts it", c.key)
		}
	}
	for _, ok := range []string{"ldap://127.0.0.1", "ldap://[::1]:1389", "ldap://localhost"} {
		cfg := parse(t, example)
		cfg.URL, cfg.CA = URLs{ok}, ""
		if found := cfg.Validate(); len(found) != 0 {
			t.Errorf("%s: %v", ok, found)
		}
	}
}
