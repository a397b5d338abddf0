package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	goidc "github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"

	"github.com/rollcall-sync/rollcall/sync"
)

// Ages of tokens that signal something (OI3, OI4).
const (
	maxLogoutLife = 5 * time.Minute    // so that one which has not expired is no older either
	maxSignalAge  = 7 * 24 * time.Hour // a transmitter may deliver late, and poll streams wait
)

// logoutEvent is the one event of a logout token.
const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

func refuseToken(why string) error { return fmt.Errorf("%w: %s", sync.ErrSignal, why) }

// Logout verifies a logout token of OpenID Connect Back-Channel Logout 1.0
// section 2.6. Go-oidc checks issuer, audience, event, nonce, expiry, and that
// it names a person or a session; signature, age and type are ours (OI3), and
// that it comes once is the store's.
// sync.ErrProvider says that it could not be judged now.
func (p *Provider) Logout(ctx context.Context, raw string) (sync.Signals, error) {
	if !p.cfg.Signals.BackchannelLogout {
		return sync.Signals{}, refuseToken("the connection takes no logout tokens")
	}
	e, err := p.endpoints(ctx)
	if err != nil {
		return sync.Signals{}, err
	}
	payload, head, err := e.keys.verify(ctx, raw)
	if err != nil {
		return sync.Signals{}, p.badSignal(err)
	}
	if typ := typeOf(head); typ != "" && typ != "logout+jwt" && typ != "jwt" {
		return sync.Signals{}, refuseToken("it is of type " + typ)
	}
	now := p.opt.Now()
	verifier := goidc.NewVerifier(p.cfg.Issuer, verified(payload), &goidc.Config{ClientID: p.cfg.SignIn.ClientID, Now: p.opt.Now, SupportedSigningAlgs: algorithmNames()})
	token, err := verifier.VerifyLogout(ctx, raw)
	switch {
	case err != nil:
		return sync.Signals{}, refuseToken(err.Error())
	case token.IssuedAt.After(now.Add(clockSkew)):
		return sync.Signals{}, refuseToken("it is from the future")
	case token.Expiry.Sub(token.IssuedAt) > maxLogoutLife:
		return sync.Signals{}, refuseToken("it is good for too long")
	}
	c, err := jsonObject(payload)
	if err != nil {
		return sync.Signals{}, refuseToken("it cannot be read")
	}
	subject := token.Subject
	if name := p.cfg.SignIn.Subject; name != "sub" {
		// Entra's sub differs from application to application; where the token
		// names the person in no other way, the session is all there is.
		subject = c.text(name)
	}
	return sync.Signals{
		JTI: token.Issuer + " " + token.TokenID, Until: now.Add(maxLogoutLife + clockSkew), SeenAt: now,
		Events: []sync.Signal{{Kind: sync.SignalLogout, Subject: subject, SID: token.SessionID, At: token.IssuedAt}},
	}, nil
}

// badSignal tells a wrong signature from keys that could not be read.
func (p *Provider) badSignal(err error) error {
	if errors.Is(err, ErrSignature) {
		return refuseToken(err.Error())
	}
	return fmt.Errorf("%w: %w", sync.ErrProvider, err)
}

// typeOf is the `typ` of a header in lower case, without application/.
func typeOf(h jose.Header) string {
	typ, ok := h.ExtraHeaders["typ"].(string)
	if !ok {
		return ""
	}
	return strings.TrimPrefix(strings.ToLower(typ), "application/")
}

// eventKinds are the events that we act on (CAEP 1.0, RISC 1.0, SSF 1.0).
var eventKinds = map[string]sync.SignalKind{
	"https://schemas.openid.net/secevent/caep/event-type/session-revoked":    sync.SignalRevoked,
	"https://schemas.openid.net/secevent/caep/event-type/credential-change":  sync.SignalCredential,
	"https://schemas.openid.net/secevent/risc/event-type/account-disabled":   sync.SignalDisabled,
	"https://schemas.openid.net/secevent/risc/event-type/account-purged":     sync.SignalPurged,
	"https://schemas.openid.net/secevent/risc/event-type/account-enabled":    sync.SignalEnabled,
	"https://schemas.openid.net/secevent/risc/event-type/sessions-revoked":   sync.SignalRevoked,
	"https://schemas.openid.net/secevent/ssf/event-type/verification":        sync.SignalVerify,
	"https://schemas.openid.net/secevent/sse/event-type/verification":        sync.SignalVerify,
	"https://schemas.openid.net/secevent/risc/event-type/credential-changed": sync.SignalCredential,
}

// setClaims are the claims of a security event token (RFC 8417 section 2.2).
type setClaims struct {
	Issuer   string                     `json:"iss"`
	IssuedAt float64                    `json:"iat"`
	JTI      string                     `json:"jti"`
	Audience audience                   `json:"aud"`
	Expiry   *float64                   `json:"exp"`
	Nonce    json.RawMessage            `json:"nonce"`
	SubID    *subject                   `json:"sub_id"`
	Events   map[string]json.RawMessage `json:"events"`
}

// audience is one text or several.
type audience []string

// UnmarshalJSON reads a text or a list of texts.
func (a *audience) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*a = audience{one}
		return nil
	}
	var many []string
	err := json.Unmarshal(text, &many)
	*a = many
	return err
}

// subject is a subject identifier (RFC 9493), and the complex subjects of SSF.
type subject struct {
	Format  string   `json:"format"`
	Issuer  string   `json:"iss"`
	Subject string   `json:"sub"`
	ID      string   `json:"id"`
	User    *subject `json:"user"`
	Session *subject `json:"session"`
}

// of gives the person, and the session if one is named, as the issuer knows
// them. A person named by an address or a number is nobody: those are given
// to other people.
func (s *subject) of(issuer string) (person, session string) {
	if s == nil {
		return "", ""
	}
	switch {
	case s.User != nil || s.Session != nil:
		person, _ = s.User.of(issuer)
		if s.Session != nil {
			session = s.Session.ID + s.Session.Subject
		}
		return person, session
	case s.Format == "iss_sub" && s.Issuer == issuer:
		return s.Subject, ""
	case s.Format == "opaque":
		return s.ID, ""
	}
	return "", ""
}

// event is the part of an event that is read.
type event struct {
	Timestamp float64  `json:"event_timestamp"`
	Subject   *subject `json:"subject"` // drafts before SSF 1.0 put it here
}

// Set verifies a security event token (RFC 8417) of the connection's stream
// and reads its events. ID and access tokens are refused: they have an exp and
// no events (OI4).
func (p *Provider) Set(ctx context.Context, raw string) (sync.Signals, error) {
	t, err := p.transmitter(ctx)
	if err != nil {
		return sync.Signals{}, err
	}
	payload, head, err := t.keys.verify(ctx, strings.TrimSpace(raw))
	if err != nil {
		return sync.Signals{}, p.badSignal(err)
	}
	if typ := typeOf(head); typ != "secevent+jwt" {
		return sync.Signals{}, refuseToken("it is of type " + typ + " and no security event token")
	}
	var c setClaims
	if err := json.Unmarshal(payload, &c); err != nil {
		return sync.Signals{}, refuseToken("it cannot be read")
	}
	now, made := p.opt.Now(), moment(c.IssuedAt)
	ours := false
	for _, a := range c.Audience {
		ours = ours || a == p.cfg.Signals.SSF.Audience
	}
	switch {
	case c.Issuer != t.Issuer:
		return sync.Signals{}, refuseToken("it is of another transmitter")
	case !ours:
		return sync.Signals{}, refuseToken("it is for somebody else")
	case c.Expiry != nil || len(c.Nonce) > 0:
		return sync.Signals{}, refuseToken("it has claims of an ID token")
	case c.JTI == "" || len(c.Events) == 0:
		return sync.Signals{}, refuseToken("it lacks jti or events")
	case made.After(now.Add(clockSkew)) || made.Before(now.Add(-maxSignalAge)):
		return sync.Signals{}, refuseToken("it is too old, or from the future")
	}
	out := sync.Signals{JTI: c.Issuer + " " + c.JTI, Until: made.Add(maxSignalAge + clockSkew), SeenAt: now}
	for uri, body := range c.Events {
		var ev event
		if err := json.Unmarshal(body, &ev); err != nil {
			return sync.Signals{}, refuseToken("an event cannot be read")
		}
		out.Events = append(out.Events, p.signalOf(uri, &ev, &c, made))
	}
	return out, nil
}

// signalOf reads one event of a token.
func (p *Provider) signalOf(uri string, ev *event, c *setClaims, made time.Time) sync.Signal {
	sig := sync.Signal{Kind: eventKinds[uri], At: made}
	if sig.Kind == "" {
		sig.Kind = sync.SignalOther
	}
	who := c.SubID
	if who == nil {
		who = ev.Subject
	}
	sig.Subject, sig.SID = who.of(p.cfg.Issuer)
	if sig.SID != "" && sig.Kind != sync.SignalRevoked {
		sig.SID = "" // it is about the person
	}
	if ev.Timestamp > 0 {
		at := moment(ev.Timestamp)
		if ev.Timestamp > 1e11 {
			at = time.UnixMilli(int64(ev.Timestamp)).UTC()
		}
		if at.Before(made) {
			sig.At = at
		}
	}
	return sig
}
