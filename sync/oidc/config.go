package oidc

import (
	"net/url"
	"strings"
	"time"

	"github.com/rollcall-sync/rollcall/internal/secret"
	"github.com/rollcall-sync/rollcall/sync/oidc/grant"
)

// Kind is the kind of these connections in the configuration.
const Kind = "oidc"

// Config is the part of a connection's configuration that OpenID Connect
// reads (sources section 9). The zero value of a key means its default.
type Config struct {
	// Issuer is the provider's issuer identifier, compared exactly with `iss`
	// (OpenID Connect Discovery 1.0 section 4.3).
	Issuer string `yaml:"issuer"`
	// Tenant pins the tenant: the token's `tid` and the directory's own id of
	// the tenant must equal it. Needed for Entra.
	Tenant string `yaml:"tenant"`
	SignIn SignIn `yaml:"sign_in"`
	// Directory is the API from which people and groups are read; its zero
	// value reads none.
	Directory DirectoryConfig `yaml:"directory"`
	Liveness  Liveness        `yaml:"liveness"`
	Signals   Signals         `yaml:"signals"`
	// TrustEmail tells when an e-mail claim proves an address.
	TrustEmail TrustEmail `yaml:"trust_email"`
	// AllowPrivateNetworks are the CIDR ranges of a provider on the own
	// network; others that are special are never called (ON2).
	AllowPrivateNetworks []string `yaml:"allow_private_networks"`
	// EndpointHosts are hosts beside the issuer's that discovery may name
	// (ON1).
	EndpointHosts []string `yaml:"endpoint_hosts"`
}

// SignIn is the client that people sign in with. Without a client id nobody
// signs in through the connection.
type SignIn struct {
	ClientID     string     `yaml:"client_id"`
	ClientSecret secret.Ref `yaml:"client_secret"`
	// Method is how the client proves itself: client_secret_basic,
	// client_secret_post, private_key_jwt, or none (PKCE alone). "" is
	// private_key_jwt with a key, else the first of the two with a secret that
	// discovery names. One way is settled on, and no other ever tried (OI7).
	Method string `yaml:"method"`
	// Key signs for private_key_jwt: PEM, with the certificate beside it where
	// the provider knows the key by it, or a JWK. NextKey is published beside
	// it before it takes its place.
	Key     secret.Ref `yaml:"key"`
	NextKey secret.Ref `yaml:"next_key"`
	KeyID   string     `yaml:"key_id"`
	// Algorithm is ES256, RS256 or PS256; "" is the key's usual, at Entra
	// PS256.
	Algorithm string `yaml:"algorithm"`
	// Audience of signed assertions: "" is the issuer, at Entra the token
	// endpoint; `token_endpoint` is that one anywhere.
	Audience string `yaml:"audience"`
	// Scopes are asked for; nil is openid, email, profile.
	Scopes []string `yaml:"scopes"`
	// Subject is the claim that names the person for ever: sub, or oid for
	// Entra, where sub differs from client to client. "" is the issuer's usual.
	Subject string `yaml:"subject"`
	// Records names the connection of the same people: the subject is their
	// immutable id there, and its word decides. "" has no such connection.
	Records string `yaml:"records"`
	// GroupsClaim is the claim with the person's groups; "" is `groups`.
	GroupsClaim string `yaml:"groups_claim"`
	// ReturnTo are the addresses that a sign-in may return to: an entry stands
	// for itself and for what lies below it. Nil returns nowhere.
	ReturnTo []string `yaml:"return_to"`
	// Lifetime is how long a session lasts at most; 0 is 12 hours.
	Lifetime time.Duration `yaml:"lifetime"`
}

// Liveness asks the provider on a schedule whether the account of a signed-in
// person still answers.
type Liveness struct {
	// Every is the time between two questions about one person; 0 asks never.
	Every          time.Duration `yaml:"every"`
	OnInvalidGrant Verdict       `yaml:"on_invalid_grant"`
}

// Verdict is what an explicit "invalid_grant" leads to; it is never more than
// the end of sessions and a question to the directory (OL5).
type Verdict string

// The verdicts. The zero value is EndSessions.
const (
	Off                Verdict = "off"                  // note it, change nothing
	EndSessions        Verdict = "end_sessions"         // the person signs in anew
	ConfirmThenSuspend Verdict = "confirm_then_suspend" // that, and ask the directory at once
)

// Signals are what the provider may send.
type Signals struct {
	// BackchannelLogout takes logout tokens at /signin/CONNECTION/backchannel.
	BackchannelLogout bool `yaml:"backchannel_logout"`
	SSF               SSF  `yaml:"ssf"`
}

// SSF is a stream of the Shared Signals Framework (SSF 1.0). The zero value is
// none.
type SSF struct {
	// Mode is push (RFC 8935, they call /v1/signals/CONNECTION) or poll (RFC
	// 8936, we call them).
	Mode string `yaml:"mode"`
	// Config is the URL of the transmitter's configuration metadata.
	Config string `yaml:"config"`
	// Audience is the `aud` of the stream's tokens; "" is the client id.
	Audience string `yaml:"audience"`
	// Authorization is the bearer token: push, what they present; poll, what
	// we present.
	Authorization secret.Ref `yaml:"authorization"`
	// Endpoint is where we poll; "" asks the transmitter's configuration
	// endpoint for the stream.
	Endpoint string `yaml:"endpoint"`
	// Every is the time between two polls; 0 is 30 seconds. With push it is how
	// often the transmitter says that it is alive; 0 expects nothing. A stream
	// that is silent for twice as long is degraded (ON4).
	Every time.Duration `yaml:"every"`
}

// TrustEmail tells when an e-mail claim proves an address (DC7).
type TrustEmail string

// The ways to trust an address. The zero value is TrustNever.
const (
	TrustNever    TrustEmail = "never"
	TrustVerified TrustEmail = "verified_claim" // email_verified is true
	TrustEDOV     TrustEmail = "xms_edov"       // Entra's claim that the domain's owner has verified it
	TrustHD       TrustEmail = "hd"             // Google's claim of the hosted domain, equal to the address's
)

// Defaults of a connection of kind oidc.
const (
	DefaultLifetime  = 12 * time.Hour
	DefaultSSFEvery  = 30 * time.Second
	defaultScopeText = "openid email profile"
)

// Has reports whether somebody can sign in through the connection.
func (s SignIn) Has() bool { return s.ClientID != "" }

// Has reports whether there is a stream.
func (s SSF) Has() bool { return s.Mode != "" }

// WithDefaults fills what was left out.
func (c Config) WithDefaults() Config {
	if c.SignIn.Scopes == nil {
		c.SignIn.Scopes = strings.Fields(defaultScopeText)
	}
	if c.SignIn.Subject == "" {
		c.SignIn.Subject = "sub"
		if c.vendor() == entra {
			c.SignIn.Subject = "oid"
		}
	}
	if c.SignIn.Method == "" && !c.SignIn.Key.IsZero() {
		c.SignIn.Method = string(grant.PrivateKeyJWT)
	}
	if c.SignIn.Algorithm == "" && c.vendor() == entra && c.SignIn.Method == string(grant.PrivateKeyJWT) {
		c.SignIn.Algorithm = "PS256"
	}
	if c.SignIn.Audience == "" {
		if c.SignIn.Audience = c.Issuer; c.vendor() == entra {
			c.SignIn.Audience = grant.TokenEndpoint
		}
	}
	if c.SignIn.GroupsClaim == "" {
		c.SignIn.GroupsClaim = "groups"
	}
	if c.SignIn.Lifetime == 0 {
		c.SignIn.Lifetime = DefaultLifetime
	}
	if c.Liveness.OnInvalidGrant == "" {
		c.Liveness.OnInvalidGrant = EndSessions
	}
	if c.Signals.SSF.Every == 0 && c.Signals.SSF.Mode == "poll" {
		c.Signals.SSF.Every = DefaultSSFEvery
	}
	if c.Signals.SSF.Audience == "" {
		c.Signals.SSF.Audience = c.SignIn.ClientID
	}
	if c.TrustEmail == "" {
		c.TrustEmail = TrustNever
	}
	return c
}

// Under takes the configuration's files from a folder.
func (c *Config) Under(dir string) {
	s := &c.SignIn
	s.ClientSecret, s.Key, s.NextKey = s.ClientSecret.Under(dir), s.Key.Under(dir), s.NextKey.Under(dir)
	c.Signals.SSF.Authorization = c.Signals.SSF.Authorization.Under(dir)
	c.Directory.under(dir)
}

// vendor is a provider whose habits differ from the standard's.
type vendor string

// The vendors that are known by their issuer's host.
const (
	standard vendor = ""
	entra    vendor = "entra"
	google   vendor = "google"
)

// vendorHosts are the hosts of an issuer, and those that its discovery may
// name beside them (ON1).
var vendorHosts = map[vendor]struct{ issuer, endpoints []string }{
	entra: {
		issuer: []string{"login.microsoftonline.com", "login.microsoftonline.us", "login.partner.microsoftonline.cn", "sts.windows.net"},
		endpoints: []string{
			"login.microsoftonline.com", "login.microsoftonline.us", "login.partner.microsoftonline.cn", "graph.microsoft.com",
			"graph.microsoft.us", "microsoftgraph.chinacloudapi.cn", "login.windows.net",
		},
	},
	google: {
		issuer: []string{"accounts.google.com"},
		endpoints: []string{
			"accounts.google.com", "oauth2.googleapis.com", "www.googleapis.com", "openidconnect.googleapis.com",
		},
	},
}

// vendor finds the vendor of the issuer.
func (c *Config) vendor() vendor {
	u, err := url.Parse(c.Issuer)
	if err != nil {
		return standard
	}
	for v, hosts := range vendorHosts {
		for _, h := range hosts.issuer {
			if strings.EqualFold(u.Hostname(), h) {
				return v
			}
		}
	}
	return standard
}
