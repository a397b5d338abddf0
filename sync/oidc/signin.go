package oidc

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/url"
	"time"

	"golang.org/x/oauth2"

	"github.com/rollcall-sync/rollcall/sync"
)

// purposeRefresh is what sealed refresh tokens are sealed for.
const purposeRefresh = "refresh"

// Begin gives the address that the browser is sent to: authorization code with
// PKCE S256, state and nonce (OS1).
func (p *Provider) Begin(ctx context.Context, a sync.Attempt) (string, error) {
	e, err := p.endpoints(ctx)
	if err != nil {
		return "", err
	}
	opts := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(a.Verifier), oauth2.SetAuthURLParam("nonce", a.Nonce)}
	if p.cfg.vendor() == google && p.cfg.Liveness.Every > 0 {
		// Google gives a refresh token for these words, and knows no scope.
		opts = append(opts, oauth2.AccessTypeOffline, oauth2.SetAuthURLParam("prompt", "consent"))
	}
	return p.oauth(e, a.Redirect).AuthCodeURL(a.State, opts...), nil
}

// Finish takes what the provider sent the browser back with, redeems the code
// and verifies what comes. A *sync.SignInError says why somebody is not signed
// in; sync.ErrProvider that the provider could not be asked.
func (p *Provider) Finish(ctx context.Context, a sync.Attempt, query url.Values) (sync.SignedIn, error) {
	if subtle.ConstantTimeCompare([]byte(query.Get("state")), []byte(a.State)) != 1 || a.State == "" || len(query["state"]) != 1 {
		return sync.SignedIn{}, refuse("OS1", "the answer belongs to another sign-in than the one this browser began", "begin again")
	}
	e, err := p.endpoints(ctx)
	if err != nil {
		return sync.SignedIn{}, err
	}
	// RFC 9207: an answer of another provider must not be redeemed at this one.
	if iss := query.Get("iss"); iss != p.cfg.Issuer && (iss != "" || e.SendsIssuer) {
		return sync.SignedIn{}, refuse("OS1", "the answer came from another identity provider than the one asked", "begin again")
	}
	if code := query.Get("error"); code != "" {
		return sync.SignedIn{}, providerSaid(code)
	}
	code := query.Get("code")
	if code == "" || len(query["code"]) != 1 {
		return sync.SignedIn{}, refuse("OS1", "the answer holds no code", "begin again")
	}
	began := p.opt.Now() // EV4: what is learnt is as old as the question
	token, err := p.oauth(e, a.Redirect).Exchange(p.withClient(ctx, e), code, oauth2.VerifierOption(a.Verifier))
	if err != nil {
		return sync.SignedIn{}, redeemError(err)
	}
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return sync.SignedIn{}, fmt.Errorf("%w: the token endpoint gave no ID token", sync.ErrProvider)
	}
	claims, err := p.idToken(ctx, e, raw, &a.Nonce)
	if err != nil {
		return sync.SignedIn{}, err
	}
	if err := p.addUserInfo(ctx, e, token.AccessToken, claims); err != nil {
		return sync.SignedIn{}, err
	}
	s, err := p.signedIn(claims, began)
	if err != nil {
		return sync.SignedIn{}, err
	}
	if token.RefreshToken != "" && p.cfg.Liveness.Every > 0 && p.opt.Ring != nil {
		if s.Grant, err = p.Seal(s.Subject, token.RefreshToken); err != nil {
			return sync.SignedIn{}, err
		}
	}
	return s, nil
}

func (p *Provider) bound(subject string) Bound {
	return Bound{Connection: p.opt.Connection, Subject: subject, Purpose: purposeRefresh}
}

// refuse makes a sign-in's refusal.
func refuse(rule, reason, remedy string) error {
	return &sync.SignInError{Rule: rule, Reason: reason, Remedy: remedy}
}

// providerSaid translates an error answer of the authorization endpoint (RFC
// 6749 section 4.1.2.1). Its free text is the provider's and shown to nobody.
func providerSaid(code string) error {
	switch code {
	case "access_denied", "consent_required", "interaction_required", "login_required", "account_selection_required":
		return refuse("provider", "the identity provider did not sign you in ("+code+")", "ask whoever runs it whether you may use this application")
	case "temporarily_unavailable", "server_error":
		return fmt.Errorf("%w: it answers %s", sync.ErrProvider, code)
	}
	return refuse("provider", "the identity provider refused the request", "ask whoever runs this workspace to look at the connection")
}

// redeemError sorts the failure of redeeming a code. The library's own error
// holds the whole answer and goes nowhere (OI8).
func redeemError(err error) error {
	var answer *oauth2.RetrieveError
	if errors.As(err, &answer) && answer.ErrorCode == "invalid_grant" {
		return refuse("OS1", "the identity provider takes the code no more", "begin again")
	}
	return fmt.Errorf("%w: the code could not be redeemed: %w", sync.ErrProvider, redact(err))
}

// redact keeps of an error of golang.org/x/oauth2 what holds no secret.
func redact(err error) error {
	var answer *oauth2.RetrieveError
	if !errors.As(err, &answer) {
		var known *url.Error
		if errors.As(err, &known) {
			return known.Err // without the address
		}
		return errors.New("the answer of the token endpoint cannot be read")
	}
	if answer.Response == nil {
		return errors.New("the token endpoint refused")
	}
	return fmt.Errorf("the token endpoint answers %d %s", answer.Response.StatusCode, vendorCode(answer.ErrorCode))
}

// vendorCode shows an error code of a provider, if it is one word.
func vendorCode(code string) string {
	if len(code) > 40 {
		return ""
	}
	for _, c := range code {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '-' {
			return ""
		}
	}
	return code
}

// moment reads seconds since 1970.
func moment(seconds float64) time.Time { return time.Unix(int64(seconds), 0).UTC() }
