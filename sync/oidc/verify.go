package oidc

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	goidc "github.com/coreos/go-oidc/v3/oidc"

	"github.com/rollcall-sync/rollcall/sync"
)

// Ages of tokens (OI2, OI3).
const (
	maxTokenAge = 10 * time.Minute // between the making of an ID token and its arrival
	clockSkew   = time.Minute
)

// claims are those of an ID token together with those of UserInfo.
type claims map[string]any

// text gives a claim that is text, "" if it is none.
func (c claims) text(name string) string {
	s, ok := c[name].(string)
	if !ok || len(s) > 1024 {
		return ""
	}
	return s
}

// seconds gives a claim that is a time.
func (c claims) seconds(name string) (time.Time, bool) {
	n, ok := c[name].(float64)
	return moment(n), ok
}

// truth gives a claim that is true or "true" (some providers write text).
func (c claims) truth(name string) bool {
	switch v := c[name].(type) {
	case bool:
		return v
	case string:
		return v == "true" || v == "1"
	case float64:
		return v == 1
	}
	return false
}

// idToken verifies an ID token: signature and claims by go-oidc, then what it
// leaves to us (OI2). Nonce is nil for a token that came by a refresh, which
// has none of ours.
func (p *Provider) idToken(ctx context.Context, e *endpoints, raw string, nonce *string) (claims, error) {
	payload, head, err := e.keys.verify(ctx, raw)
	if err != nil {
		return nil, p.badToken(err)
	}
	if typ, ok := head.ExtraHeaders["typ"].(string); ok && !strings.EqualFold(typ, "JWT") {
		return nil, refuse("OI2", "the token is of type "+vendorCode(typ)+" and no ID token", "begin again")
	}
	verifier := goidc.NewVerifier(p.cfg.Issuer, verified(payload), &goidc.Config{
		ClientID: p.cfg.SignIn.ClientID, Now: p.opt.Now, SupportedSigningAlgs: algorithmNames(),
	})
	token, err := verifier.Verify(ctx, raw)
	var old *goidc.TokenExpiredError
	switch {
	case errors.As(err, &old):
		return nil, refuse("OI2", "the ID token has expired", "begin again")
	case err != nil:
		return nil, refuse("OI2", "the ID token is of another issuer or for another application", "ask whoever runs this workspace to look at the connection")
	}
	c := claims{}
	if err := json.Unmarshal(payload, &c); err != nil {
		return nil, refuse("OI2", "the ID token cannot be read", "begin again")
	}
	if why := p.idTokenFault(c, token, nonce); why != "" {
		return nil, refuse("OI2", why, "begin again")
	}
	if why := p.tenantFault(c); why != "" {
		return nil, refuse("OS1", why, "sign in with an account of this company")
	}
	return c, nil
}

// idTokenFault makes the checks of OpenID Connect Core section 3.1.3.7 that
// the library leaves to its caller; "" if all hold.
func (p *Provider) idTokenFault(c claims, token *goidc.IDToken, nonce *string) string {
	now := p.opt.Now()
	azp, stated := c["azp"]
	switch {
	case token.Subject == "" || len(token.Subject) > 255:
		return "the ID token names nobody"
	case nonce != nil && (*nonce == "" || subtle.ConstantTimeCompare([]byte(token.Nonce), []byte(*nonce)) != 1):
		return "the ID token belongs to another sign-in than the one this browser began"
	case stated && azp != p.cfg.SignIn.ClientID:
		return "the ID token was made for another application (azp)"
	case !stated && len(token.Audience) > 1:
		return "the ID token is for several applications and does not say for which it was made (azp)"
	case token.IssuedAt.After(now.Add(clockSkew)):
		return "the ID token was made in the future: compare the clocks"
	case token.IssuedAt.Before(now.Add(-maxTokenAge)):
		return "the ID token is too old"
	}
	if at, ok := c.seconds("auth_time"); ok && at.After(now.Add(clockSkew)) {
		return "the ID token states a sign-in in the future: compare the clocks"
	}
	return ""
}

// tenantFault pins the tenant: anybody can have an account in some tenant of
// Entra, and a Google account need not be the company's.
func (p *Provider) tenantFault(c claims) string {
	if p.cfg.Tenant == "" {
		return ""
	}
	claim := "tid"
	if p.cfg.vendor() == google {
		claim = "hd"
	}
	if c.text(claim) != p.cfg.Tenant {
		return "the account belongs to another tenant than the connection's"
	}
	return ""
}

// badToken tells a wrong signature from keys that could not be read.
func (p *Provider) badToken(err error) error {
	if errors.Is(err, ErrSignature) {
		return refuse("OI5", "the token is not signed by the identity provider", "begin again in a minute")
	}
	return fmt.Errorf("%w: %w", sync.ErrProvider, err)
}

func algorithmNames() []string {
	out := make([]string, len(signatures))
	for i, a := range signatures {
		out[i] = string(a)
	}
	return out
}

// errMismatch: UserInfo speaks of somebody else.
var errMismatch = errors.New("UserInfo speaks of another person than the ID token")

// addUserInfo adds what UserInfo says and the ID token does not. That it
// cannot be asked takes nothing away; that it speaks of another person ends
// the sign-in (OI2, OpenID Connect Core section 5.3.2).
func (p *Provider) addUserInfo(ctx context.Context, e *endpoints, access string, c claims) error {
	if e.UserInfo == "" || access == "" {
		return nil
	}
	more, err := p.userInfo(ctx, e, access)
	if err != nil {
		p.opt.Log.Info("UserInfo could not be read, the ID token alone counts", "connection", p.opt.Connection, "err", err)
		return nil
	}
	if more.text("sub") != c.text("sub") {
		return refuse("OI2", errMismatch.Error(), "begin again")
	}
	// What is said of an address is said of that address alone.
	otherMail := c.text("email") != "" && c.text("email") != more.text("email")
	for name, value := range more {
		if otherMail && (name == "email_verified" || name == "xms_edov") {
			continue
		}
		if _, stated := c[name]; !stated {
			c[name] = value
		}
	}
	return nil
}

// userInfo asks UserInfo. An answer without `sub` is no answer.
func (p *Provider) userInfo(ctx context.Context, e *endpoints, access string) (claims, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, e.UserInfo, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+access)
	req.Header.Set("Accept", "application/json, application/jwt")
	kind := ""
	body, err := p.exchange(req, &kind)
	if err != nil {
		return nil, err
	}
	if kind == "application/jwt" {
		if body, _, err = e.keys.verify(ctx, strings.TrimSpace(string(body))); err != nil {
			return nil, err
		}
	}
	c := claims{}
	if err := json.Unmarshal(body, &c); err != nil {
		return nil, errors.New("the answer of UserInfo is no JSON object")
	}
	if c.text("sub") == "" {
		return nil, errors.New("the answer of UserInfo names nobody")
	}
	if iss := c.text("iss"); iss != "" && iss != p.cfg.Issuer {
		return nil, errors.New("the answer of UserInfo is of another issuer")
	}
	return c, nil
}

// exchange is do, and tells the media type of the answer.
func (p *Provider) exchange(req *http.Request, kind *string) ([]byte, error) {
	watched := *p.client
	watched.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
		res, err := p.client.Transport.RoundTrip(r)
		if err == nil {
			if media, _, merr := mime.ParseMediaType(res.Header.Get("Content-Type")); merr == nil {
				*kind = media
			}
		}
		return res, err
	})
	return do(&watched, req)
}

// roundTripper is a function as a transport.
type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip calls the function.
func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// guests are what tokens say of people who are no employees.
var guests = []string{"guest", "Guest", "1"}

// signedIn turns verified claims into what the engine is told.
func (p *Provider) signedIn(c claims, began time.Time) (sync.SignedIn, error) {
	subject := c.text(p.cfg.SignIn.Subject)
	if subject == "" {
		return sync.SignedIn{}, refuse("OS2", "the token lacks the claim "+p.cfg.SignIn.Subject+", which names a person for ever",
			"whoever runs this workspace adds the scope or claim at the identity provider")
	}
	s := sync.SignedIn{Issuer: p.cfg.Issuer, Subject: subject, SID: c.text("sid"), SeenAt: began, Identity: p.identity(c, subject)}
	if at, ok := c.seconds("auth_time"); ok {
		s.AuthAt = at
	}
	s.Groups, s.GroupsKnown, s.Overage = p.groups(c)
	s.Evidence = sync.Evidence{
		Email: s.Identity.Email, At: began, Connection: p.opt.Connection, Subject: subject,
		EmailVerified: c.truth("email_verified"), HostedDomain: c.text("hd"), Tenant: c.text("tid"),
		UPN: upn(c), EDOV: c.truth("xms_edov"),
		Guest: slices.Contains(guests, c.text("userType")) || slices.Contains(guests, c.text("user_type")) || c["acct"] == float64(1),
	}
	if p.cfg.vendor() == entra && s.Evidence.Email == "" {
		s.Evidence.Email = s.Evidence.UPN
	}
	return s, nil
}

// upn is Entra's user principal name.
func upn(c claims) string {
	if name := c.text("upn"); name != "" {
		return name
	}
	return c.text("preferred_username")
}
