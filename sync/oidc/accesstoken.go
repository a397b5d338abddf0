package oidc

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	goidc "github.com/coreos/go-oidc/v3/oidc"

	"github.com/rollcall-sync/rollcall/sync"
)

// Bounds of access tokens that are JWTs (RFC 9068).
const (
	maxAccessToken    = 16 << 10       // bytes; the longest that are seen in practice have four thousand
	maxAccessLife     = 30 * time.Hour // that is left: one for much longer would be a password that nobody can end
	maxAccessSubjects = 100            // that a connection may list
)

// ErrAccessToken says that a text is no access token that lets anybody in. It
// says no more, and never quotes the token.
var ErrAccessToken = errors.New("no access token of an issuer that is configured for a connection")

// AccessTokenConfig lets the clients of an authorization server in with the
// access tokens (JWTs, RFC 9068) that it issues to them (scim section 11). The
// zero value lets nobody in.
type AccessTokenConfig struct {
	// Issuer is compared exactly with `iss`; its discovery document names its
	// keys (OpenID Connect Discovery 1.0 section 4.3).
	Issuer string `yaml:"issuer"`
	// Audience must be among `aud`; "" is our own SCIM endpoint.
	Audience string `yaml:"audience"`
	// Subjects are the clients that are let in: `sub` must be one of them.
	Subjects []string `yaml:"subjects"`
	// EndpointHosts and AllowPrivateNetworks are as at a connection of kind
	// oidc (ON1, ON2). CA is file:PATH of the authorities trusted instead of
	// the system's.
	EndpointHosts        []string `yaml:"endpoint_hosts"`
	AllowPrivateNetworks []string `yaml:"allow_private_networks"`
	CA                   string   `yaml:"ca"`
}

// Has reports whether anybody is let in.
func (c *AccessTokenConfig) Has() bool {
	return c.Issuer != "" || c.Audience != "" || len(c.Subjects)+len(c.EndpointHosts)+len(c.AllowPrivateNetworks) > 0 || c.CA != ""
}

// provider is the issuer as the other code of this package knows it. The
// tenant of an issuer of Entra stands in its address.
func (c *AccessTokenConfig) provider() Config {
	p := Config{Issuer: c.Issuer, EndpointHosts: c.EndpointHosts, AllowPrivateNetworks: c.AllowPrivateNetworks}
	if u, err := url.Parse(c.Issuer); err == nil && p.vendor() == entra {
		p.Tenant, _, _ = strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	}
	return p
}

// Validate gives everything that is wrong, each with its key and what to write
// instead. It reads no file and calls nobody.
func (c *AccessTokenConfig) Validate() []error {
	v := &validation{}
	p := c.provider()
	v.networksAndHosts(&p)
	v.issuer(&p)
	if len(c.Audience) > 512 || strings.ContainsFunc(c.Audience, func(r rune) bool { return r <= ' ' }) {
		v.addf("audience", "has spaces or is longer than 512: write the `aud` of the tokens, or leave it out for our own URL")
	}
	if len(c.Subjects) == 0 || len(c.Subjects) > maxAccessSubjects {
		v.addf("subjects", "are %d: list the `sub` of each client that is let in, from 1 to %d; any other client of the issuer stays out",
			len(c.Subjects), maxAccessSubjects)
	}
	for i, s := range c.Subjects {
		key := fmt.Sprintf("subjects[%d]", i)
		switch {
		case s == "" || len(s) > 255:
			v.addf(key, "is empty or longer than 255: write the `sub` of the client's tokens")
		case slices.Contains(c.Subjects[:i], s):
			v.addf(key, "%q stands twice: remove one", s)
		}
	}
	if c.CA != "" && (!strings.HasPrefix(c.CA, "file:") || c.CA == "file:") {
		v.addf("ca", "%q is no file: write file:/PATH", c.CA)
	}
	return v.found
}

// AccessTerms are the configuration of one connection.
type AccessTerms struct {
	Workspace, Connection string
	Config                AccessTokenConfig
	// Audience is Config.Audience, or our own URL if that is "".
	Audience string
}

// AccessTokens judges access tokens of the issuers that connections name. It
// asks nobody until a token of theirs comes. It is safe for concurrent use.
type AccessTokens struct {
	terms []accessIssuer
	now   func() time.Time
}

type accessIssuer struct {
	AccessTerms
	provider *Provider
}

// NewAccessTokens prepares the judge for all connections; it calls nobody. Log
// takes trouble, nil drops it.
func NewAccessTokens(list []AccessTerms, log *slog.Logger, now func() time.Time) (*AccessTokens, error) {
	a := &AccessTokens{now: now}
	if now == nil {
		a.now = time.Now
	}
	for _, t := range list {
		if errs := t.Config.Validate(); len(errs) > 0 {
			return nil, fmt.Errorf("connection %s: tokens: %w", t.Connection, errors.Join(errs...))
		}
		if t.Audience == "" {
			return nil, fmt.Errorf("connection %s: tokens: no audience, and without one any token of the issuer would be good", t.Connection)
		}
		client, err := NewClient(ClientOptions{AllowPrivateNetworks: t.Config.AllowPrivateNetworks, CA: t.Config.CA})
		if err != nil {
			return nil, fmt.Errorf("connection %s: tokens: %w", t.Connection, err)
		}
		if log == nil {
			log = slog.New(slog.DiscardHandler)
		}
		p := &Provider{
			cfg: t.Config.provider(), client: client, keysOnly: true,
			opt: Options{Connection: t.Connection, Log: log.With("workspace", t.Workspace), Now: a.now},
		}
		a.terms = append(a.terms, accessIssuer{t, p})
	}
	return a, nil
}

// Close ends connections that are kept.
func (a *AccessTokens) Close() {
	for i := range a.terms {
		a.terms[i].provider.Close()
	}
}

// accessClaims are what says whose a token is.
type accessClaims struct {
	Issuer   string   `json:"iss"`
	Subject  string   `json:"sub"`
	Audience audience `json:"aud"`
}

// Prove finds the connection that a token lets its client in at, and the
// client. The error is ErrAccessToken, or sync.ErrProvider if the issuer's keys
// cannot be read: that says nothing about the token.
func (a *AccessTokens) Prove(ctx context.Context, raw string) (workspaceID, connection, subject string, err error) {
	if len(raw) > maxAccessToken {
		return "", "", "", ErrAccessToken
	}
	issuer := a.issuerOf(raw)
	if issuer == nil {
		return "", "", "", ErrAccessToken
	}
	e, err := issuer.provider.endpoints(ctx)
	if err != nil {
		return "", "", "", err
	}
	payload, head, err := e.keys.verify(ctx, raw)
	switch {
	case errors.Is(err, ErrSignature):
		return "", "", "", ErrAccessToken
	case err != nil:
		return "", "", "", fmt.Errorf("%w: %w", sync.ErrProvider, err)
	}
	// What chose the issuer was not proved yet: all of it is judged again.
	switch typeOf(head) {
	case "", "jwt", "at+jwt":
	default:
		return "", "", "", ErrAccessToken // A logout token, say.
	}
	now := a.now()
	verifier := goidc.NewVerifier(issuer.Config.Issuer, verified(payload), &goidc.Config{
		ClientID: issuer.Audience, Now: func() time.Time { return now.Add(-clockSkew) }, SupportedSigningAlgs: algorithmNames(),
	})
	token, err := verifier.Verify(ctx, raw)
	if err != nil || !slices.Contains(issuer.Config.Subjects, token.Subject) ||
		token.IssuedAt.After(now.Add(clockSkew)) || token.Expiry.After(now.Add(maxAccessLife)) {
		return "", "", "", ErrAccessToken
	}
	return issuer.Workspace, issuer.Connection, token.Subject, nil
}

// issuerOf finds the one connection that a token says it is for, without any
// proof yet; nil if there is none, or more than one.
func (a *AccessTokens) issuerOf(raw string) (found *accessIssuer) {
	claims, ok := unprovedClaims(raw)
	if !ok {
		return nil
	}
	for i := range a.terms {
		t := &a.terms[i]
		if t.Config.Issuer != claims.Issuer || !slices.Contains(claims.Audience, t.Audience) || !slices.Contains(t.Config.Subjects, claims.Subject) {
			continue
		}
		if found != nil {
			return nil
		}
		found = t
	}
	return found
}

// unprovedClaims reads the claims of a compact token without looking at its
// signature.
func unprovedClaims(raw string) (c accessClaims, ok bool) {
	_, rest, first := strings.Cut(raw, ".")
	body, signature, second := strings.Cut(rest, ".")
	if !first || !second || strings.Contains(signature, ".") {
		return c, false
	}
	text, err := base64.RawURLEncoding.DecodeString(body)
	return c, err == nil && json.Unmarshal(text, &c) == nil
}
