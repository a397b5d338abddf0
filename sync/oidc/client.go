package oidc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/oauth2"

	"github.com/rollcall-sync/rollcall/internal/secret"
	"github.com/rollcall-sync/rollcall/sync/oidc/grant"
)

// proof settles how the client proves itself at the token endpoint, so that
// nothing is ever tried in two ways: a refresh token that is sent twice burns
// its family (OI7). Methods are those that discovery names; none named means
// client_secret_basic (OpenID Connect Discovery 1.0 section 3).
func (s *SignIn) proof(methods []string) (grant.Method, error) {
	if s.Method != "" {
		if len(methods) > 0 && !slices.Contains(methods, s.Method) {
			return "", fmt.Errorf("the token endpoint does not take %s, only %s: write one of them as sign_in.method", s.Method, strings.Join(methods, ", "))
		}
		return grant.Method(s.Method), nil
	}
	for _, m := range []grant.Method{grant.SecretBasic, grant.SecretPost} {
		if len(methods) == 0 || slices.Contains(methods, string(m)) {
			return m, nil
		}
	}
	return "", fmt.Errorf("the token endpoint takes no client secret, only %s: see sign_in.method", strings.Join(methods, ", "))
}

// proving is the client of sign-in, as it proves itself.
func (p *Provider) proving(e *endpoints) *grant.Client {
	s := &p.cfg.SignIn
	return &grant.Client{
		Method: e.method, ID: s.ClientID, Secret: s.ClientSecret, Key: s.Key, KeyID: s.KeyID, Algorithm: s.Algorithm, Audience: s.Audience, Now: p.opt.Now,
	}
}

// oauth is the client at the provider's endpoints, without its proof: that is
// put on at the last moment, so that a rotated secret or key needs no restart
// (ON3).
func (p *Provider) oauth(e *endpoints, redirect string) *oauth2.Config {
	return &oauth2.Config{
		ClientID: p.cfg.SignIn.ClientID, RedirectURL: redirect, Scopes: p.cfg.SignIn.Scopes,
		// With a fixed style the library asks once.
		Endpoint: oauth2.Endpoint{AuthURL: e.Authorization, TokenURL: e.Token, AuthStyle: oauth2.AuthStyleInParams},
	}
}

// withClient hands golang.org/x/oauth2 our client, which proves itself at the
// token endpoint and nowhere else.
func (p *Provider) withClient(ctx context.Context, e *endpoints) context.Context {
	client := *p.client
	client.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.URL.String() != e.Token || r.Method != http.MethodPost {
			return nil, errors.New("the library asks for something else than a token")
		}
		text, err := io.ReadAll(r.Body)
		if err = errors.Join(err, r.Body.Close()); err != nil {
			return nil, err
		}
		form, err := url.ParseQuery(string(text))
		if err != nil {
			return nil, err
		}
		proved, err := p.formRequest(r.Context(), e, e.Token, form)
		if err != nil {
			return nil, err
		}
		return p.client.Transport.RoundTrip(proved)
	})
	return context.WithValue(ctx, oauth2.HTTPClient, &client)
}

// errProof says that the client cannot prove itself: nothing was sent.
var errProof = errors.New("the client cannot prove itself")

// formRequest is a request with a form and the client's proof.
func (p *Provider) formRequest(ctx context.Context, e *endpoints, endpoint string, form url.Values) (*http.Request, error) {
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Accept": {"application/json"}}
	if e.method == grant.SecretBasic {
		form.Del("client_id") // RFC 6749 section 2.3: one way to say who it is
	}
	if err := p.proving(e).Prove(endpoint, form, header); err != nil {
		return nil, fmt.Errorf("%w: %w", errProof, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, bytes.NewReader([]byte(form.Encode())))
	if err != nil {
		return nil, err
	}
	req.Header = header
	return req, nil
}

// PublicKeys are the public halves of the keys with which the client proves
// itself, for a provider that reads them at an address of ours (`jwks_uri`,
// RFC 7591 section 2). Has is false for a client that signs nothing.
func (p *Provider) PublicKeys() (set jose.JSONWebKeySet, has bool, err error) {
	s := &p.cfg.SignIn
	if s.Key.IsZero() {
		return set, false, nil
	}
	for i, ref := range []secret.Ref{s.Key, s.NextKey} {
		if ref.IsZero() {
			continue
		}
		id := s.KeyID
		if i > 0 {
			id = "" // the name is the first one's
		}
		key, err := grant.PublicKey(ref, s.Algorithm, id)
		if err != nil {
			return set, true, fmt.Errorf("sign_in.key: %w", err)
		}
		set.Keys = append(set.Keys, key)
	}
	return set, true, nil
}
