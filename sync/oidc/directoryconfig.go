package oidc

import (
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/rollcall-sync/rollcall/internal/secret"
)

// The kinds of directory APIs.
const (
	Graph    = "graph"    // Microsoft Graph
	Okta     = "okta"     // Okta users and groups
	Google   = "google"   // Google Directory
	Keycloak = "keycloak" // Keycloak Admin REST
	SCIM     = "scim"     // another SCIM 2.0 server
)

// Which groups of a directory are read.
const (
	GroupsMapped = "mapped" // those that the mapping names, and what they nest
	GroupsAll    = "all"
	GroupsNone   = "none"
)

// DirectoryConfig names the directory API that is read through a token of the
// issuer (sources section 9.4). The zero value is none.
type DirectoryConfig struct {
	// Kind is graph, okta, google, keycloak or scim.
	Kind string `yaml:"kind"`
	// APIBase is the API's address; links that leave its scheme, host and port
	// are refused (ON1). Graph, Google and Keycloak have a usual one.
	APIBase string `yaml:"api_base"`
	// Groups is mapped, all or none; "" is mapped.
	Groups string `yaml:"groups"`
	// Attributes names the directory's property for an attribute of the
	// mapping, as a path (path.go of package pull); they win over the
	// kind's defaults. "" leaves one out.
	Attributes map[string]string `yaml:"attributes"`
	// Customer is Google's id of the account; "" is my_customer.
	Customer string `yaml:"customer"`
	// PageSize is how many people a page asks for; 0 is the most that the API
	// gives.
	PageSize int `yaml:"page_size"`
	// Rate is how many requests a second are sent at most; 0 is half of the
	// API's published limit (OD3).
	Rate int           `yaml:"rate"`
	Auth DirectoryAuth `yaml:"auth"`
}

// DirectoryAuth is how the API's tokens are asked for (OD4). Nothing of it is
// tried out: what is not written has one fixed default.
type DirectoryAuth struct {
	// Method is client_secret_basic, client_secret_post, private_key_jwt,
	// google_jwt or bearer.
	Method       string     `yaml:"method"`
	ClientID     string     `yaml:"client_id"`
	ClientSecret secret.Ref `yaml:"client_secret"`
	// Key is a private key: PEM with the certificate beside it where the
	// provider knows the key by it, a JWK, or a Google service account's file.
	Key   secret.Ref `yaml:"key"`
	KeyID string     `yaml:"key_id"`
	// Algorithm is ES256, RS256 or PS256; "" is the key's usual, for Graph
	// PS256.
	Algorithm string `yaml:"algorithm"`
	// Token is a bearer token that somebody made, for method bearer.
	Token secret.Ref `yaml:"token"`
	// TokenEndpoint is where tokens are asked for; "" is the kind's usual.
	TokenEndpoint string `yaml:"token_endpoint"`
	// Audience of signed assertions; "" is the token endpoint.
	Audience string `yaml:"audience"`
	// Scopes are asked for; nil is what the kind needs, no more.
	Scopes []string `yaml:"scopes"`
	// Subject is the administrator for whom a Google service account acts.
	Subject string `yaml:"subject"`
	// DPoP binds tokens to a key (RFC 9449): on or off; "" is on for Okta, whose
	// applications want it, and off elsewhere.
	DPoP string `yaml:"dpop"`
}

// Has reports whether a directory is read.
func (d DirectoryConfig) Has() bool { return d.Kind != "" }

// under takes the configuration's files from a folder.
func (d *DirectoryConfig) under(dir string) {
	a := &d.Auth
	a.ClientSecret, a.Key, a.Token = a.ClientSecret.Under(dir), a.Key.Under(dir), a.Token.Under(dir)
}

// usualBases are the addresses of APIs that are the same for everybody.
var usualBases = map[string]string{Graph: "https://graph.microsoft.com", Google: "https://admin.googleapis.com"}

// UsualPolls is how often each kind is read: as often as its limits and its
// own lag make sense (sources section 9.6).
var UsualPolls = map[string]string{Graph: "@every 2m", Okta: "@every 1m", Google: "@every 15m", Keycloak: "@every 5m", SCIM: "@every 1m"}

// pageLimits are the largest pages that the APIs give.
var pageLimits = map[string]int{Graph: 999, Okta: 200, Google: 500, Keycloak: 500, SCIM: 500}

// WithDirectoryDefaults fills what `directory` leaves out; the rest is for
// WithDefaults.
func (c Config) WithDirectoryDefaults() Config {
	d := &c.Directory
	set := func(to *string, text string) {
		if *to == "" {
			*to = text
		}
	}
	set(&d.Groups, GroupsMapped)
	set(&d.Customer, "my_customer")
	set(&d.APIBase, usualBases[d.Kind])
	if d.Kind == Keycloak {
		base, _, _ := strings.Cut(c.Issuer, "/realms/")
		set(&d.APIBase, base)
	}
	d.APIBase = strings.TrimRight(d.APIBase, "/")
	if d.PageSize == 0 {
		d.PageSize = pageLimits[d.Kind]
	}
	a := &d.Auth
	set(&a.TokenEndpoint, c.tokenEndpoint())
	if d.Kind == Okta {
		set(&a.DPoP, "on")
	}
	set(&a.DPoP, "off")
	if d.Kind == Graph && a.Method == "private_key_jwt" {
		set(&a.Algorithm, "PS256")
	}
	if a.Scopes == nil {
		a.Scopes = usualScopes(d)
	}
	return c
}

// tokenEndpoint is where the kind gives out tokens. It is worked out and not
// discovered, so that no forged document leads the secret elsewhere (ON1).
func (c *Config) tokenEndpoint() string {
	issuer := strings.TrimRight(c.Issuer, "/")
	switch c.Directory.Kind {
	case Graph:
		return strings.TrimSuffix(issuer, "/v2.0") + "/oauth2/v2.0/token"
	case Okta:
		// The API takes tokens of the organisation's own server alone.
		return strings.TrimRight(c.Directory.APIBase, "/") + "/oauth2/v1/token"
	case Google:
		return "https://oauth2.googleapis.com/token"
	case Keycloak:
		return issuer + "/protocol/openid-connect/token"
	}
	return ""
}

// usualScopes are the least scopes that the kind needs.
func usualScopes(d *DirectoryConfig) []string {
	var out []string
	groups := d.Groups != GroupsNone
	switch d.Kind {
	case Graph:
		return []string{d.APIBase + "/.default"}
	case Okta:
		out = []string{"okta.users.read", "okta.logs.read"}
		if groups {
			out = append(out, "okta.groups.read")
		}
	case Google:
		out = []string{"https://www.googleapis.com/auth/admin.directory.user.readonly"}
		if groups {
			out = append(out, "https://www.googleapis.com/auth/admin.directory.group.readonly")
		}
	}
	return out
}

// attributeName is what an attribute of the mapping is called.
var attributeName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.:-]{0,127}$`)

// directory judges the keys below `directory`.
func (v *validation) directory(c *Config) {
	d := &c.Directory
	if !d.Has() {
		if d.APIBase != "" || d.Groups != "" || d.Attributes != nil || d.Customer != "" || d.PageSize != 0 || d.Rate != 0 || d.Auth.written() {
			v.addf("directory.kind", "is missing: write graph, okta, google, keycloak or scim")
		}
		return
	}
	v.oneOf("directory.kind", d.Kind, Graph, Okta, Google, Keycloak, SCIM)
	v.oneOf("directory.groups", d.Groups, GroupsMapped, GroupsAll, GroupsNone)
	if base := v.endpoint("directory.api_base", d.APIBase); base != nil && (base.RawQuery != "" || d.Kind != SCIM && strings.Trim(base.Path, "/") != "" && d.Kind != Keycloak) {
		v.addf("directory.api_base", "wants scheme and host alone: write %s://%s", base.Scheme, base.Host)
	}
	switch {
	case d.Kind == Keycloak && !strings.Contains(c.Issuer, "/realms/"):
		v.addf("issuer", "names no realm: a Keycloak issuer ends in /realms/REALM")
	case d.Kind == Okta && d.APIBase == "":
		v.addf("directory.api_base", "is missing: write the organisation's own address, such as https://acme.okta.com")
	case d.Kind == SCIM && d.APIBase == "":
		v.addf("directory.api_base", "is missing: write the address up to /Users, such as https://idp.acme.com/scim/v2")
	}
	if most := pageLimits[d.Kind]; most > 0 && (d.PageSize < 0 || d.PageSize > most) {
		v.addf("directory.page_size", "is %d: this API gives pages of 1 to %d; leave it out for the largest", d.PageSize, most)
	}
	if d.Rate < 0 || d.Rate > 10_000 {
		v.addf("directory.rate", "is %d: write 1 to 10000 requests a second, or leave it out for half of the API's limit", d.Rate)
	}
	if d.Customer != "" && d.Kind != Google {
		v.addf("directory.customer", "is a key of Google's: remove it")
	}
	for _, name := range sortedNames(d.Attributes) {
		if !attributeName.MatchString(name) {
			v.addf("directory.attributes."+name, "is no name of an attribute")
		}
	}
	v.directoryAuth(c)
}

func sortedNames(m map[string]string) []string {
	out := make([]string, 0, len(m))
	for name := range m {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// written reports whether any key below auth is written.
func (a *DirectoryAuth) written() bool {
	return a.Method != "" || a.ClientID != "" || !a.ClientSecret.IsZero() || !a.Key.IsZero() || !a.Token.IsZero() || a.TokenEndpoint != "" ||
		a.Scopes != nil || a.Subject != "" || a.DPoP != "" || a.KeyID != "" || a.Algorithm != "" || a.Audience != ""
}

// methodsOf are the ways to a token that each kind takes.
var methodsOf = map[string][]string{
	Graph:    {"private_key_jwt", "client_secret_post", "client_secret_basic"},
	Okta:     {"private_key_jwt"},
	Google:   {"google_jwt"},
	Keycloak: {"private_key_jwt", "client_secret_basic", "client_secret_post"},
	SCIM:     {"bearer", "private_key_jwt", "client_secret_basic", "client_secret_post"},
}

// directoryAuth judges the keys below `directory.auth`.
func (v *validation) directoryAuth(c *Config) {
	a, kind := &c.Directory.Auth, c.Directory.Kind
	path := func(key string) string { return "directory.auth." + key }
	for key, ref := range map[string]secret.Ref{"client_secret": a.ClientSecret, "key": a.Key, "token": a.Token} {
		v.ref(path(key), ref)
	}
	methods := methodsOf[kind]
	if methods == nil {
		return
	}
	if a.Method == "" {
		v.addf(path("method"), "is missing: write %s; it is never guessed", strings.Join(methods, " or "))
		return
	}
	v.oneOf(path("method"), a.Method, methods...)
	v.endpoint(path("token_endpoint"), a.TokenEndpoint)
	v.oneOf(path("algorithm"), a.Algorithm, "ES256", "RS256", "PS256")
	v.oneOf(path("dpop"), a.DPoP, "on", "off")
	needs := func(key string, missing bool, what string) {
		if missing {
			v.addf(path(key), "is missing: write %s", what)
		}
	}
	switch a.Method {
	case "bearer":
		needs("token", a.Token.IsZero(), "file:/PATH of the token")
	case "google_jwt":
		needs("key", a.Key.IsZero(), "file:/PATH of the service account's JSON file")
		needs("subject", a.Subject == "", "the administrator for whom the service account acts, such as rollcall-reader@acme.com")
	case "private_key_jwt":
		needs("client_id", a.ClientID == "", "the id of the application that reads")
		needs("key", a.Key.IsZero(), "file:/PATH of the private key")
	default:
		needs("client_id", a.ClientID == "", "the id of the application that reads")
		needs("client_secret", a.ClientSecret.IsZero(), "file:/PATH of the application's secret")
	}
	if kind == SCIM && a.Method != "bearer" {
		needs("token_endpoint", a.TokenEndpoint == "", "the address where the server gives out tokens")
	}
	if a.Subject != "" && a.Method != "google_jwt" {
		v.addf(path("subject"), "is for a service account of Google's: remove it")
	}
	if a.DPoP == "on" && (a.Method == "bearer" || a.Method == "google_jwt") {
		v.addf(path("dpop"), "does not go with %s: remove it", a.Method)
	}
	v.tokenHost(c)
}

// tokenHost wants the token endpoint on a host that the operator named: the
// issuer's, the API's, or one of endpoint_hosts (ON1).
func (v *validation) tokenHost(c *Config) {
	u, err := url.Parse(c.Directory.Auth.TokenEndpoint)
	if err != nil || u.Hostname() == "" {
		return
	}
	hosts := slices.Clone(c.EndpointHosts)
	hosts = append(hosts, vendorHosts[c.vendor()].endpoints...)
	for _, text := range []string{c.Issuer, c.Directory.APIBase} {
		if known, err := url.Parse(text); err == nil {
			hosts = append(hosts, known.Hostname())
		}
	}
	if !slices.ContainsFunc(hosts, func(h string) bool { return strings.EqualFold(h, u.Hostname()) }) {
		v.addf("directory.auth.token_endpoint", "is on %s, which is neither the issuer's host nor the API's: name it in endpoint_hosts if that is right (ON1)", u.Hostname())
	}
}
