package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	stdsync "sync"
	"time"

	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/sync/oidc/grant"
)

// Times of discovery.
const (
	discoveryFresh = time.Hour        // after which the document is read anew
	discoveryApart = 10 * time.Second // between two tries that failed
)

// Options are what a Provider needs.
type Options struct {
	// Connection is the connection's id: what is sealed is bound to it.
	Connection string
	// CA is file:PATH of the authorities trusted instead of the system's.
	CA string
	// Ring encrypts refresh tokens; nil keeps none.
	Ring *Ring
	// Hosts is told where a document of the provider leads, and may refuse
	// (ON1); nil takes any host that the configuration lets pass.
	Hosts func(ctx context.Context, document string, seen []sync.Endpoint) error
	// Log takes trouble; nil drops it. No token ever reaches it.
	Log *slog.Logger
	Now func() time.Time
}

// Provider is one connection's OpenID provider. It asks nobody until it has
// to, so that the program starts while the provider is down (OI1). It is safe
// for concurrent use.
type Provider struct {
	cfg    Config
	opt    Options
	client *http.Client
	// keysOnly: nobody signs in, and of discovery the keys alone are used.
	keysOnly bool

	mu       stdsync.Mutex
	found    *endpoints // of the last discovery that succeeded
	foundAt  time.Time
	triedAt  time.Time
	tried    error // of the last discovery, if it failed
	transmit *transmitter
}

// endpoints is what discovery says (OpenID Connect Discovery 1.0 section 3).
type endpoints struct {
	Issuer        string   `json:"issuer"`
	Authorization string   `json:"authorization_endpoint"`
	Token         string   `json:"token_endpoint"`
	UserInfo      string   `json:"userinfo_endpoint"`
	Keys          string   `json:"jwks_uri"`
	Revocation    string   `json:"revocation_endpoint"`
	AuthMethods   []string `json:"token_endpoint_auth_methods_supported"`
	SendsIssuer   bool     `json:"authorization_response_iss_parameter_supported"`
	keys          *keySet
	method        grant.Method
}

// New checks the configuration and prepares the provider; it calls nobody.
func New(cfg Config, opt Options) (*Provider, error) {
	if errs := cfg.Validate(); len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	client, err := NewClient(ClientOptions{AllowPrivateNetworks: cfg.AllowPrivateNetworks, CA: opt.CA})
	if err != nil {
		return nil, err
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	return &Provider{cfg: cfg.WithDefaults(), opt: opt, client: client}, nil
}

// Config is the connection's configuration, defaults filled in.
func (p *Provider) Config() Config { return p.cfg }

// Close ends connections that are kept.
func (p *Provider) Close() { p.client.CloseIdleConnections() }

// endpoints gives what discovery says, and reads it if it must. While the
// provider cannot be asked, what it said before is good.
func (p *Provider) endpoints(ctx context.Context) (*endpoints, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.opt.Now()
	if p.found != nil && now.Sub(p.foundAt) < discoveryFresh {
		return p.found, nil
	}
	if now.Sub(p.triedAt) < discoveryApart && p.tried != nil {
		if p.found != nil {
			return p.found, nil
		}
		return nil, p.tried
	}
	p.triedAt = now
	found, err := p.discover(ctx)
	if p.tried = err; err != nil {
		p.opt.Log.Warn("the provider's discovery document cannot be used", "connection", p.opt.Connection, "issuer", p.cfg.Issuer, "err", err)
		if errors.Is(err, sync.ErrHostChanged) {
			p.found = nil // what was good before leads nowhere either, until a person has looked
		}
		if p.found != nil {
			return p.found, nil
		}
		return nil, err
	}
	if p.found != nil && p.found.Keys == found.Keys {
		found.keys = p.found.keys // with what it has learnt
	}
	p.found, p.foundAt = found, now
	return found, nil
}

// discover reads and judges the discovery document.
func (p *Provider) discover(ctx context.Context) (*endpoints, error) {
	at := strings.TrimSuffix(p.cfg.Issuer, "/") + "/.well-known/openid-configuration"
	body, err := fetch(ctx, p.client, at, "")
	if err != nil {
		return nil, fmt.Errorf("%w: reading %s: %w", sync.ErrProvider, at, err)
	}
	e := &endpoints{}
	if err := json.Unmarshal(body, e); err != nil {
		return nil, fmt.Errorf("%w: %s is no discovery document", sync.ErrProvider, at)
	}
	if e.Issuer != p.cfg.Issuer {
		return nil, fmt.Errorf("%w: the document at %s is of issuer %q, and the connection is of %q: write the issuer exactly so", sync.ErrProvider, at, e.Issuer, p.cfg.Issuer)
	}
	named := map[string]string{
		"authorization_endpoint": e.Authorization, "token_endpoint": e.Token, "jwks_uri": e.Keys,
		"userinfo_endpoint": e.UserInfo, "revocation_endpoint": e.Revocation,
	}
	if p.keysOnly {
		named = map[string]string{"jwks_uri": e.Keys}
	}
	if err = p.judge(ctx, &p.cfg, at, named, "userinfo_endpoint", "revocation_endpoint"); err != nil {
		return nil, err
	}
	e.keys = newKeySet(e.Keys, p.client, p.opt.Now)
	if p.keysOnly {
		return e, nil
	}
	if e.method, err = p.cfg.SignIn.proof(e.AuthMethods); err != nil {
		return nil, fmt.Errorf("%w: %w", sync.ErrProvider, err)
	}
	return e, nil
}

// judge refuses a document that leads to hosts that are not known, or that
// have changed since the connection was first used. Optional endpoints may be
// missing.
func (p *Provider) judge(ctx context.Context, cfg *Config, document string, endpoints map[string]string, optional ...string) error {
	var seen []sync.Endpoint
	for _, name := range slices.Sorted(maps.Keys(endpoints)) {
		text := endpoints[name]
		if text == "" && slices.Contains(optional, name) {
			continue
		}
		if err := cfg.checkEndpoint(text); err != nil {
			return fmt.Errorf("%w: %s of %s: %w", sync.ErrProvider, name, document, err)
		}
		if u, err := url.Parse(text); err == nil {
			seen = append(seen, sync.Endpoint{Name: name, Host: strings.ToLower(u.Host)})
		}
	}
	if p.opt.Hosts == nil {
		return nil
	}
	if err := p.opt.Hosts(ctx, document, seen); err != nil {
		return fmt.Errorf("%w: %w", sync.ErrProvider, err)
	}
	return nil
}

// checkEndpoint refuses an endpoint that discovery names outside the hosts
// that are known: a forged or changed document would carry codes, secrets and
// refresh tokens elsewhere (ON1).
func (c *Config) checkEndpoint(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil {
		return fmt.Errorf("%q is no address", text)
	}
	issuer, err := url.Parse(c.Issuer)
	if err != nil {
		return err
	}
	if u.Scheme != "https" && (u.Scheme != "http" || issuer.Scheme != "http" || !c.loopbackAllowed(u.Hostname())) {
		return fmt.Errorf("%s://%s is not https", u.Scheme, u.Host)
	}
	known := u.Host == issuer.Host ||
		slices.ContainsFunc(vendorHosts[c.vendor()].endpoints, func(h string) bool { return strings.EqualFold(h, u.Host) }) ||
		slices.ContainsFunc(c.EndpointHosts, func(h string) bool { return strings.EqualFold(h, u.Hostname()) })
	if !known {
		return fmt.Errorf("%s is another host than the issuer's: if it is the provider's, add it to endpoint_hosts", u.Host)
	}
	return nil
}

// loopbackAllowed tells whether a host is this machine and named in
// allow_private_networks.
func (c *Config) loopbackAllowed(host string) bool {
	v := &validation{}
	for _, text := range c.AllowPrivateNetworks {
		if n, err := netip.ParsePrefix(text); err == nil {
			v.networks = append(v.networks, n.Masked())
		}
	}
	return v.loopback(host)
}
