package events

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// Event types of security event tokens (ST2, ST3, ST6).
const (
	uriSessionRevoked = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"
	uriVerification   = "https://schemas.openid.net/secevent/ssf/event-type/verification"
	uriSCIM           = "urn:ietf:params:scim:event:"
)

// scimEventURIs are the SCIM events that a stream with send: scim sends, for
// ServiceProviderConfig's securityEvents (ST3).
func scimEventURIs() []string {
	return []string{
		uriSCIM + "feed:add", uriSCIM + "feed:remove", uriSCIM + "prov:activate", uriSCIM + "prov:create:notice",
		uriSCIM + "prov:deactivate", uriSCIM + "prov:delete", uriSCIM + "prov:patch:notice",
	}
}

// token is one security event token before it is signed.
type token struct {
	jti     string
	subject map[string]string // sub_id (RFC 9493)
	event   string
	payload any
}

// claims are a token's claims (RFC 8417 2.2). There is no exp and no sub, so
// that it cannot pass as an ID token (ST1).
type claims struct {
	Iss    string            `json:"iss"`
	Iat    int64             `json:"iat"`
	JTI    string            `json:"jti"`
	Aud    string            `json:"aud"`
	Txn    string            `json:"txn,omitempty"`
	SubID  map[string]string `json:"sub_id"`
	Events map[string]any    `json:"events"`
}

// payload is what an outbox event's body says, as the engine writes it.
type payload struct {
	Type      string          `json:"type"`
	Timestamp json.RawMessage `json:"timestamp"`
	Data      struct {
		Member     string   `json:"member"`
		Epoch      int64    `json:"epoch"`
		Attributes []string `json:"attributes"`
		Cause      struct {
			Connection string `json:"connection"`
			Class      string `json:"class"`
			Run        string `json:"run"`
		} `json:"cause"`
	} `json:"data"`
}

func readPayload(e *store.EventRow) (p payload, err error) {
	if err := json.Unmarshal(e.Body, &p); err != nil {
		return p, fmt.Errorf("body of event %s: %w", e.ID, err)
	}
	return p, nil
}

// streamTypes are the outbox events of which a stream says anything.
func streamTypes(s *Stream) (wanted []string) {
	if s.sends(sendCAEP) {
		wanted = append(wanted, "member.deactivated", "member.contained", "member.removed", "session.revoked")
	}
	if s.sends(sendSCIM) {
		wanted = append(wanted, "member.created", "member.updated", "member.role_changed", "member.reactivated")
	}
	if s.sends(sendSCIM) && !s.sends(sendCAEP) {
		wanted = append(wanted, "member.deactivated", "member.removed")
	}
	return wanted
}

// scimUser is one SCIM User of a member.
type scimUser struct {
	id   string
	gone bool
}

// scimUsers lists the SCIM Users of a member, those deleted too.
func scimUsers(r *store.Reader, member string) (users []scimUser, err error) {
	all, err := r.IdentitiesOf(member, true)
	if err != nil {
		return nil, err
	}
	kinds := map[string]string{}
	for i := range all {
		id := &all[i]
		if _, known := kinds[id.Connection]; !known {
			c, err := r.Connection(id.Connection)
			if err != nil {
				return nil, err
			}
			kinds[id.Connection] = c.Kind
		}
		if kinds[id.Connection] == "scim" {
			users = append(users, scimUser{id: id.ID, gone: id.Deleted})
		}
	}
	return users, nil
}

// tokens makes the tokens of one outbox event, in the order in which they are
// sent: the end of sessions first, then one for each SCIM User (ST2). A
// token's jti is made of what it says, so it is the same on every try.
func tokens(s *Stream, issuer string, e *store.EventRow, p *payload, users []scimUser) (all []token) {
	add := func(name string, subject map[string]string, event string, body any) {
		all = append(all, token{jti: e.ID + "." + name, subject: subject, event: event, payload: body})
	}
	if e.Leaver && s.sends(sendCAEP) {
		add("session", map[string]string{"format": "iss_sub", "iss": issuer, "sub": e.Subject}, uriSessionRevoked, sessionRevoked(e, p))
	}
	if !s.sends(sendSCIM) {
		return all
	}
	for _, u := range users {
		subject := map[string]string{"format": "scim", "uri": "/Users/" + u.id}
		for _, said := range scimEvents(e, p, u.gone) {
			add(u.id+"."+strings.ReplaceAll(said.name, ":", "-"), subject, uriSCIM+said.name, said.payload)
		}
	}
	return all
}

type scimEvent struct {
	name    string
	payload any
}

// notice names attributes, never values (ST3).
type notice struct {
	Attributes []string `json:"attributes"`
}

// scimEvents are the SCIM events that tell an outbox event about a User.
func scimEvents(e *store.EventRow, p *payload, gone bool) []scimEvent {
	none := struct{}{}
	switch {
	case e.Type == "member.deactivated" || e.Type == "member.removed":
		if gone {
			return []scimEvent{{"prov:delete", none}, {"feed:remove", none}}
		}
		return []scimEvent{{"prov:deactivate", none}}
	case gone:
		return nil
	case e.Type == "member.created":
		return []scimEvent{{"feed:add", none}, {"prov:create:notice", notice{[]string{"id", "userName", "active", "emails", "displayName", "roles"}}}}
	case e.Type == "member.reactivated":
		return []scimEvent{{"prov:activate", none}}
	case e.Type == "member.role_changed":
		return []scimEvent{{"prov:patch:notice", notice{[]string{"roles"}}}}
	case e.Type == "member.updated":
		if names := scimAttributes(p.Data.Attributes); len(names) > 0 {
			return []scimEvent{{"prov:patch:notice", notice{names}}}
		}
	}
	return nil
}

// scimAttributes gives the names that attributes of a member have in SCIM;
// what a User does not show is left out.
func scimAttributes(names []string) (out []string) {
	for _, name := range names {
		if scim, ok := map[string]string{"name": "displayName", "email": "emails", "role": "roles"}[name]; ok {
			out = append(out, scim)
		}
	}
	return out
}

// revoked is the CAEP session-revoked event. A subject without a session is
// all sessions of the user.
type revoked struct {
	EventTimestamp   int64             `json:"event_timestamp"`
	InitiatingEntity string            `json:"initiating_entity"`
	ReasonAdmin      map[string]string `json:"reason_admin"`
}

func sessionRevoked(e *store.EventRow, p *payload) revoked {
	who := "admin"
	switch {
	case p.Data.Cause.Connection != "":
		who = "policy"
	case p.Data.Cause.Class != "":
		who = "system"
	}
	reasons := map[string]string{
		"member.deactivated": "access ended", "member.contained": "access ended, Owner contained", "member.removed": "removed", "session.revoked": "sessions ended",
	}
	return revoked{EventTimestamp: e.At.Time().Unix(), InitiatingEntity: who, ReasonAdmin: map[string]string{"en": reasons[e.Type]}}
}

// claimsOf makes the claims of a token about an event. Issue time is the
// event's: a token is one token, however often it is sent.
func claimsOf(s *Stream, issuer string, e *store.EventRow, p *payload, t *token) claims {
	txn := p.Data.Cause.Run
	if txn == "" {
		txn = e.ID
	}
	return claims{Iss: issuer, Iat: e.At.Time().Unix(), JTI: t.jti, Aud: s.Audience, Txn: txn, SubID: t.subject, Events: map[string]any{t.event: t.payload}}
}

// heartbeatEvery is the time between verification events (ST6).
const heartbeatEvery = 15 * time.Minute

// heartbeat makes the claims of a verification event; its jti names the
// quarter of an hour.
func heartbeat(s *Stream, issuer string, now time.Time) claims {
	return claims{
		Iss: issuer, Iat: now.Unix(), JTI: fmt.Sprintf("ssf_%s_%d", s.ID, now.Unix()/int64(heartbeatEvery.Seconds())), Aud: s.Audience,
		SubID:  map[string]string{"format": "opaque", "id": s.ID},
		Events: map[string]any{uriVerification: struct{}{}},
	}
}

// heartbeatDue reports whether a verification event should go out.
func heartbeatDue(s *store.SinkRow, now workspace.Micros) bool {
	return now.Time().Sub(s.HeartbeatAt.Time()) >= heartbeatEvery
}
