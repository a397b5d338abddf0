package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/rollcall-sync/rollcall/internal/secret"
	"github.com/rollcall-sync/rollcall/sync"
)

// tokenErrors says what an error code of the token endpoint means (RFC 6749
// section 5.2, OpenID Connect Core section 3.1.2.6). Whatever is not listed is
// trouble, and so is everything that is no error answer at all (OL5).
var tokenErrors = map[string]sync.AnswerKind{
	"invalid_grant":           sync.AnswerGrantGone,
	"invalid_client":          sync.AnswerUnsent, // our own secret is wrong: no word about the person
	"unauthorized_client":     sync.AnswerUnsent,
	"invalid_request":         sync.AnswerUnsent,
	"invalid_scope":           sync.AnswerUnsent,
	"unsupported_grant_type":  sync.AnswerUnsent,
	"temporarily_unavailable": sync.AnswerUnsent,
	"slow_down":               sync.AnswerUnsent,
	"interaction_required":    sync.AnswerTrouble, // a policy wants a screen; the account may be well
	"login_required":          sync.AnswerTrouble,
	"consent_required":        sync.AnswerTrouble,
	"server_error":            sync.AnswerTrouble,
}

// userInfoErrors says what a status of UserInfo means: the new token is not
// taken, or there is trouble.
var userInfoErrors = map[int]sync.AnswerKind{
	http.StatusUnauthorized: sync.AnswerRefused,
	http.StatusForbidden:    sync.AnswerRefused,
}

// Alive asks whether an account still answers: the refresh token for a new
// token, then its ID token or UserInfo (sources section 9.2).
func (p *Provider) Alive(ctx context.Context, subject, sealed string, keep func(string) error) (sync.Alive, error) {
	token, stale, err := p.opt.Ring.Open(p.bound(subject), sealed)
	if err != nil {
		return sync.Alive{Kind: sync.AnswerUnsent, Code: "key_ring"}, err
	}
	e, err := p.endpoints(ctx)
	if err != nil {
		return sync.Alive{Kind: sync.AnswerUnsent, Code: "discovery"}, err
	}
	// The token source asks once: its own refresh token is the one given.
	fresh, err := p.oauth(e, "").TokenSource(p.withClient(ctx, e), &oauth2.Token{RefreshToken: token.Reveal()}).Token()
	if err != nil {
		answer := p.tokenTrouble(err)
		if answer.Kind == sync.AnswerGrantGone {
			return answer, nil
		}
		return answer, fmt.Errorf("%w: %w", sync.ErrProvider, redact(err))
	}
	// OI9: an answer without a refresh token leaves the old one good; the
	// library then gives that one.
	if fresh.RefreshToken != token.Reveal() || stale {
		again, err := p.Seal(subject, fresh.RefreshToken)
		if err != nil {
			return sync.Alive{Kind: sync.AnswerTrouble, Code: "key_ring"}, err
		}
		if err := keep(again); err != nil {
			return sync.Alive{Kind: sync.AnswerTrouble, Code: "store"}, err
		}
	}
	return p.stillThere(ctx, e, subject, fresh)
}

// stillThere looks at what came with the new token. Of an ID token and
// UserInfo the former is enough (OI9).
func (p *Provider) stillThere(ctx context.Context, e *endpoints, subject string, fresh *oauth2.Token) (sync.Alive, error) {
	if raw, ok := fresh.Extra("id_token").(string); ok && raw != "" {
		c, err := p.idToken(ctx, e, raw, nil)
		if err != nil {
			return sync.Alive{Kind: sync.AnswerTrouble, Code: "id_token"}, err
		}
		if c.text(p.cfg.SignIn.Subject) != subject {
			return sync.Alive{Kind: sync.AnswerTrouble, Code: "subject"}, errMismatch
		}
		return sync.Alive{Kind: sync.AnswerAlive}, nil
	}
	if e.UserInfo == "" {
		return sync.Alive{Kind: sync.AnswerAlive}, nil // the provider gave a new token, and that is all it can say
	}
	c, err := p.userInfo(ctx, e, fresh.AccessToken)
	var status *statusError
	switch {
	case errors.As(err, &status) && userInfoErrors[status.Status] != sync.AnswerTrouble:
		return sync.Alive{Kind: userInfoErrors[status.Status], Code: "userinfo_" + strconv.Itoa(status.Status)}, nil
	case errors.As(err, &status):
		return sync.Alive{Kind: sync.AnswerTrouble, Code: "userinfo_" + strconv.Itoa(status.Status), Wait: waitOf(status.RetryAfter, p.opt.Now())}, err
	case err != nil:
		return sync.Alive{Kind: sync.AnswerTrouble, Code: "userinfo"}, fmt.Errorf("%w: UserInfo: %w", sync.ErrProvider, err)
	case c.text(p.cfg.SignIn.Subject) != subject:
		return sync.Alive{Kind: sync.AnswerTrouble, Code: "subject"}, errMismatch
	}
	return sync.Alive{Kind: sync.AnswerAlive}, nil
}

// tokenTrouble sorts an error of the token endpoint.
func (p *Provider) tokenTrouble(err error) sync.Alive {
	var answer *oauth2.RetrieveError
	if !errors.As(err, &answer) || answer.Response == nil {
		if errors.Is(err, errProof) {
			return sync.Alive{Kind: sync.AnswerUnsent, Code: "client_secret"}
		}
		if neverSent(err) {
			return sync.Alive{Kind: sync.AnswerUnsent, Code: "unreachable"}
		}
		return sync.Alive{Kind: sync.AnswerTrouble, Code: "no_answer"}
	}
	status := answer.Response.StatusCode
	out := sync.Alive{Kind: sync.AnswerTrouble, Code: vendorCode(answer.ErrorCode), Wait: waitOf(answer.Response.Header.Get("Retry-After"), p.opt.Now())}
	if out.Code == "" {
		out.Code = "status_" + strconv.Itoa(status)
	}
	switch status {
	case http.StatusTooManyRequests:
		out.Kind = sync.AnswerUnsent
	case http.StatusBadRequest, http.StatusUnauthorized:
		out.Kind = tokenErrors[answer.ErrorCode] // the standard's own statuses for an error of the request
	}
	return out
}

// neverSent reports whether a call ended before anything was sent: the token
// was not used.
func neverSent(err error) bool {
	var op *net.OpError
	var name *net.DNSError
	return errors.As(err, &op) && op.Op == "dial" || errors.As(err, &name)
}

// maxWait bounds how long a provider may ask to be left alone.
const maxWait = time.Hour

// waitOf reads Retry-After: seconds or a date (RFC 9110 section 10.2.3).
func waitOf(text string, now time.Time) time.Duration {
	var wait time.Duration
	if n, err := strconv.Atoi(strings.TrimSpace(text)); err == nil {
		wait = time.Duration(min(max(n, 0), 86400)) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		wait = at.Sub(now)
	}
	return min(max(wait, 0), maxWait)
}

// Revoke makes a refresh token useless (RFC 7009). A provider without an
// endpoint for that cannot be told.
func (p *Provider) Revoke(ctx context.Context, subject, sealed string) error {
	token, _, err := p.opt.Ring.Open(p.bound(subject), sealed)
	if err != nil {
		return err
	}
	e, err := p.endpoints(ctx)
	if err != nil {
		return err
	}
	if e.Revocation == "" {
		return nil
	}
	req, err := p.formRequest(ctx, e, e.Revocation, url.Values{"token": {token.Reveal()}, "token_type_hint": {"refresh_token"}})
	if err != nil {
		return err
	}
	if _, err := do(p.client, req); err != nil {
		return fmt.Errorf("revoking a token: %w", err)
	}
	return nil
}

// Seal seals a refresh token of somebody for the store.
func (p *Provider) Seal(subject, token string) (string, error) {
	return p.opt.Ring.Seal(p.bound(subject), secret.New(token))
}

// Reseal seals a token with the ring's first key, if another one sealed it.
func (p *Provider) Reseal(subject, sealed string) (string, error) {
	token, stale, err := p.opt.Ring.Open(p.bound(subject), sealed)
	if err != nil || !stale {
		return sealed, err
	}
	return p.opt.Ring.Seal(p.bound(subject), token)
}

// jsonObject reads one JSON object.
func jsonObject(body []byte) (claims, error) {
	c := claims{}
	if err := json.Unmarshal(body, &c); err != nil {
		return nil, errors.New("not a JSON object")
	}
	return c, nil
}
