package oidc

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-sync/rollcall/internal/secret"
	"github.com/rollcall-sync/rollcall/sync/oidc/grant"
)

// claimPattern is what the name of a claim looks like; a namespaced one is a
// URL.
var claimPattern = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.:/-]{0,127}$`)

// hostPattern is a host name without port.
var hostPattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$`)

// guidPattern is an Entra tenant: a name of a tenant never stands in a token.
var guidPattern = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// validation collects what is wrong, each with its key.
type validation struct {
	found    []error
	networks []netip.Prefix
}

func (v *validation) addf(key, format string, args ...any) {
	v.found = append(v.found, fmt.Errorf("%s: %s", key, fmt.Sprintf(format, args...)))
}

func (v *validation) oneOf(key, value string, words ...string) {
	if value != "" && !slices.Contains(words, value) {
		v.addf(key, "%q is not known: write one of %s", value, strings.Join(words, ", "))
	}
}

func (v *validation) ref(key string, r secret.Ref) {
	if err := r.Validate(key); err != nil {
		v.found = append(v.found, err)
	}
}

func (v *validation) between(key string, d, least, most time.Duration) {
	if d != 0 && (d < least || d > most) {
		v.addf(key, "is %s: write a time from %s to %s", d, least, most)
	}
}

// endpoint judges an address that will be called (ON2); "" is left out.
func (v *validation) endpoint(key, text string) *url.URL {
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "":
		v.addf(key, "%q is no URL: write it as https://HOST/path", text)
	case u.User != nil:
		v.addf(key, "holds a user or password: remove it")
	case u.Fragment != "" || strings.HasSuffix(text, "#"):
		v.addf(key, "has a fragment, which is never sent: remove it")
	case u.Scheme == "http" && v.loopback(u.Hostname()):
		return u
	case u.Scheme != "https":
		v.addf(key, "%q is not https: write https://%s, or for a trial on this machine http://127.0.0.1 with "+
			"allow_private_networks: [127.0.0.0/8]", text, u.Host)
	default:
		return u
	}
	return nil
}

// loopback tells whether a host is this machine and named in
// allow_private_networks.
func (v *validation) loopback(host string) bool {
	if host == "localhost" {
		host = "127.0.0.1"
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback() &&
		slices.ContainsFunc(v.networks, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// Validate gives everything that is wrong, each with its key and what to
// write instead. It reads no file and calls nobody.
func (c Config) Validate() []error {
	v := &validation{}
	v.networksAndHosts(&c)
	v.issuer(&c)
	if !c.SignIn.Has() && !c.Directory.Has() && !c.Signals.SSF.Has() {
		v.addf("sign_in", "is missing, and so are directory and signals: the connection would do nothing; name a client_id")
	}
	v.signIn(&c)
	v.liveness(&c)
	v.signals(&c)
	v.trust(&c)
	v.directory(&c)
	return v.found
}

// networksAndHosts judges whom the provider's addresses may name (ON1, ON2).
func (v *validation) networksAndHosts(c *Config) {
	for i, text := range c.AllowPrivateNetworks {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			v.addf(fmt.Sprintf("allow_private_networks[%d]", i), "%q is no range: write it as 10.0.0.0/24", text)
			continue
		}
		v.networks = append(v.networks, p.Masked())
	}
	for i, host := range c.EndpointHosts {
		if !hostPattern.MatchString(host) && net.ParseIP(host) == nil {
			v.addf(fmt.Sprintf("endpoint_hosts[%d]", i), "%q is no host name: write it alone, in lower case, as in keys.acme.com", host)
		}
	}
}

// issuer judges the issuer and the tenant.
func (v *validation) issuer(c *Config) {
	if c.Issuer == "" {
		v.addf("issuer", "is missing: write the provider's issuer exactly as its discovery document states it")
		return
	}
	u := v.endpoint("issuer", c.Issuer)
	if u == nil {
		return
	}
	if u.RawQuery != "" {
		v.addf("issuer", "has a query: an issuer is scheme, host and path alone")
	}
	if c.vendor() != entra {
		return
	}
	first, _, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	switch first {
	case "common", "organizations", "consumers":
		v.addf("issuer", "%s lets every tenant in: write the id of your own tenant in its place", first)
		return
	}
	switch {
	case !guidPattern.MatchString(first):
		v.addf("issuer", "%q is no tenant id: tokens name the tenant by its id, such as 6babcaad-604b-40ac-a9d7-9fd97c0b779f", first)
	case c.Tenant == "":
		v.addf("tenant", "is missing: write %s, so that tokens of another tenant are refused", first)
	case c.Tenant != first:
		v.addf("tenant", "is %q, and the issuer is of tenant %s: write the same", c.Tenant, first)
	}
}

func (v *validation) signIn(c *Config) {
	s := &c.SignIn
	for key, ref := range map[string]secret.Ref{"client_secret": s.ClientSecret, "key": s.Key, "next_key": s.NextKey} {
		v.ref("sign_in."+key, ref)
	}
	if !s.Has() {
		if s.ClientSecret.IsZero() && s.Key.IsZero() && s.Method == "" && s.Scopes == nil && s.Subject == "" && s.ReturnTo == nil && s.GroupsClaim == "" && s.Records == "" {
			return
		}
		v.addf("sign_in.client_id", "is missing: write the id that the provider gave to this application")
		return
	}
	v.signInProof(s)
	if s.Scopes != nil && !slices.Contains(s.Scopes, "openid") {
		v.addf("sign_in.scopes", "lacks openid, without which there is no ID token: add it")
	}
	v.oneOf("sign_in.subject", s.Subject, "sub", "oid")
	if s.Subject == "sub" && c.vendor() == entra {
		v.addf("sign_in.subject", "sub differs from application to application at Entra: write oid")
	}
	if s.Records != "" && c.Directory.Has() {
		v.addf("sign_in.records", "names another connection, and this one reads a directory of its own: remove one of them")
	}
	if s.GroupsClaim != "" && !claimPattern.MatchString(s.GroupsClaim) {
		v.addf("sign_in.groups_claim", "%q is no name of a claim", s.GroupsClaim)
	}
	for i, text := range s.ReturnTo {
		key := fmt.Sprintf("sign_in.return_to[%d]", i)
		u, err := url.Parse(text)
		switch {
		case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
			v.addf(key, "%q is no address to return to: write it as https://phone.acme.com/after", text)
		case u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())):
			v.addf(key, "%q is not https: what comes back with it signs a person in", text)
		}
	}
	v.between("sign_in.lifetime", s.Lifetime, 5*time.Minute, 30*24*time.Hour)
}

// signInProof judges how the client proves itself: by exactly one thing.
func (v *validation) signInProof(s *SignIn) {
	v.oneOf("sign_in.method", s.Method, signInMethods...)
	v.oneOf("sign_in.algorithm", s.Algorithm, "ES256", "RS256", "PS256")
	method := grant.Method(s.Method)
	if method == "" && !s.Key.IsZero() {
		method = grant.PrivateKeyJWT
	}
	signs := method == grant.PrivateKeyJWT
	switch {
	case signs && s.Key.IsZero():
		v.addf("sign_in.key", "is missing: write file:/PATH of the private key")
	case !signs && method != grant.None && s.ClientSecret.IsZero():
		v.addf("sign_in.client_secret", "is missing: write file:/PATH of the application's secret")
	case (signs || method == grant.None) && !s.ClientSecret.IsZero():
		v.addf("sign_in.client_secret", "is not used with %s: remove it", method)
	case !signs && (!s.Key.IsZero() || !s.NextKey.IsZero() || s.KeyID != "" || s.Algorithm != "" || s.Audience != ""):
		v.addf("sign_in.key", "and what goes with it is for private_key_jwt: remove key, next_key, key_id, algorithm, audience")
	}
}

// signInMethods are the ways in which a client of sign-in proves itself.
var signInMethods = []string{string(grant.SecretBasic), string(grant.SecretPost), string(grant.PrivateKeyJWT), string(grant.None)}

// isLoopback tells whether a host is this machine by its very name.
func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (v *validation) liveness(c *Config) {
	l := &c.Liveness
	v.oneOf("liveness.on_invalid_grant", string(l.OnInvalidGrant), string(Off), string(EndSessions), string(ConfirmThenSuspend))
	v.between("liveness.every", l.Every, time.Minute, 24*time.Hour)
	if l.Every == 0 {
		return
	}
	switch {
	case !c.SignIn.Has():
		v.addf("liveness.every", "needs sign_in: only people who signed in have a refresh token to ask with")
	case c.vendor() != google && !slices.Contains(c.SignIn.Scopes, "offline_access"):
		v.addf("sign_in.scopes", "lacks offline_access, and liveness asks with a refresh token: add it")
	}
	if l.OnInvalidGrant == ConfirmThenSuspend && !c.Directory.Has() {
		v.addf("liveness.on_invalid_grant", "confirm_then_suspend asks the directory, and none is named: write end_sessions, or add directory")
	}
}

func (v *validation) signals(c *Config) {
	s := &c.Signals.SSF
	v.ref("signals.ssf.authorization", s.Authorization)
	if c.Signals.BackchannelLogout && !c.SignIn.Has() {
		v.addf("signals.backchannel_logout", "needs sign_in: a logout token is addressed to its client_id")
	}
	if !s.Has() {
		if *s != (SSF{}) {
			v.addf("signals.ssf.mode", "is missing: write push or poll")
		}
		return
	}
	v.oneOf("signals.ssf.mode", s.Mode, "push", "poll")
	if s.Config == "" {
		v.addf("signals.ssf.config", "is missing: write the URL of the transmitter's configuration, which ends in /.well-known/ssf-configuration")
	}
	v.endpoint("signals.ssf.config", s.Config)
	v.endpoint("signals.ssf.endpoint", s.Endpoint)
	if s.Audience == "" && !c.SignIn.Has() {
		v.addf("signals.ssf.audience", "is missing: without sign_in there is no client_id to take its place")
	}
	if s.Mode == "push" && s.Endpoint != "" {
		v.addf("signals.ssf.mode", "push waits to be called: remove endpoint, or write poll")
	}
	if s.Mode == "poll" && s.Authorization.IsZero() {
		v.addf("signals.ssf.authorization", "is missing: write file:/PATH of the token that the transmitter gave out")
	}
	v.between("signals.ssf.every", s.Every, 5*time.Second, time.Hour)
}

func (v *validation) trust(c *Config) {
	v.oneOf("trust_email", string(c.TrustEmail), string(TrustNever), string(TrustVerified), string(TrustEDOV), string(TrustHD))
	switch {
	case c.TrustEmail == TrustHD && c.vendor() != google:
		v.addf("trust_email", "hd is a claim of Google's alone: write verified_claim or never")
	case c.TrustEmail == TrustEDOV && c.vendor() != entra:
		v.addf("trust_email", "xms_edov is a claim of Entra's alone: write verified_claim or never")
	case c.TrustEmail == TrustVerified && c.vendor() == entra:
		v.addf("trust_email", "Entra's e-mail claim can be set by anybody in the tenant: write xms_edov or never")
	case c.TrustEmail == TrustVerified && c.vendor() == google:
		v.addf("trust_email", "a private Google account on a work address is verified too: write hd or never")
	}
}
