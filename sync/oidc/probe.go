package oidc

import (
	"context"

	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/sync/oidc/grant"
)

// Check tests what sign-in and signals need, each with a small read; it signs
// nobody in. A fault of one stops no other.
func (p *Provider) Check(ctx context.Context) sync.Probe {
	probe := sync.Probe{Server: p.cfg.Issuer, Tenant: p.cfg.Tenant}
	add := func(need string, err error, remedy string) {
		r := sync.Right{Need: need, Granted: err == nil}
		if err != nil {
			r.Why, r.Remedy = err.Error(), remedy
		}
		probe.Rights = append(probe.Rights, r)
	}
	e, err := p.endpoints(ctx)
	add("the issuer's discovery document", err, "write the issuer exactly as the provider states it; add its other hosts to endpoint_hosts")
	if err == nil {
		_, err = e.keys.find(ctx, "")
		add("the issuer's keys", err, "see that "+e.Keys+" can be reached")
		if e.UserInfo == "" {
			probe.Warnings = append(probe.Warnings, "the provider has no UserInfo: liveness has the token endpoint's word alone")
		}
		if e.Revocation == "" && p.cfg.Liveness.Every > 0 {
			probe.Warnings = append(probe.Warnings, "the provider has no revocation endpoint: a leaver's refresh token is forgotten here, and ends there by itself")
		}
	}
	if p.cfg.SignIn.Has() {
		if p.cfg.SignIn.Key.IsZero() && p.cfg.SignIn.Method != string(grant.None) {
			_, err = p.cfg.SignIn.ClientSecret.Resolve()
			add("the file of sign_in.client_secret", err, "put the client's secret there, mode 600")
		}
		if _, has, err := p.PublicKeys(); has {
			add("the file of sign_in.key", err, "put a private key there, mode 600: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256")
		}
	}
	if p.opt.Ring != nil {
		add("the keys of key_ring", p.opt.Ring.Check(), "write a line ID:BASE64 of 32 random bytes")
	}
	if p.cfg.Signals.SSF.Has() {
		_, err = p.transmitter(ctx)
		add("the transmitter's configuration", err, "see signals.ssf in the configuration")
	}
	return probe
}
