package e2e

import (
	"fmt"
	"net/url"
	"slices"

	"pgregory.net/rapid"
)

// This file has the client that pushes: it delivers in order, late, twice, or
// not at all until it has more to say.

const (
	scimUser  = "urn:ietf:params:scim:schemas:core:2.0:User"
	scimPatch = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
)

// document is a User as the client sends it.
func (p pushed) document(id string) map[string]any {
	address := p.userName + "@acme.com"
	return map[string]any{
		"schemas": []string{scimUser}, "userName": address, "externalId": id, "active": !p.off, "displayName": p.display, "title": "Staff",
		"name": map[string]any{"givenName": "Person", "familyName": p.userName}, "emails": []any{map[string]any{"value": address, "type": "work", "primary": true}},
	}
}

// push lets the client deliver something of one person.
func (s *sequence) push() {
	p := s.one()
	switch way := rapid.SampledFrom([]string{"next", "next", "next", "late", "lost", "again"}).Draw(s.t, "delivery"); {
	case way == "again" && p.last != nil:
		s.deliver(p, *p.last, "once more")
	case len(p.outbox) == 0:
		return
	case way == "late" && len(p.outbox) > 1:
		at := rapid.IntRange(1, len(p.outbox)-1).Draw(s.t, "before its turn")
		message := p.outbox[at]
		if s.deliver(p, message, "before its turn") {
			p.outbox = slices.Delete(p.outbox, at, at+1)
		}
	case way == "lost":
		s.say("push of %s is lost: %s", p.name, p.outbox[0])
		p.outbox = p.outbox[1:]
	default:
		if s.deliver(p, p.outbox[0], "") {
			p.outbox = p.outbox[1:]
		}
	}
}

// deliverAll delivers what waits, in order, and gives up where the answer is
// to try later.
func (s *sequence) deliverAll(p *seqPerson) bool {
	for len(p.outbox) > 0 {
		if !s.deliver(p, p.outbox[0], "") {
			return false
		}
		p.outbox = p.outbox[1:]
	}
	return true
}

// deliver sends one message; false is to try again later.
func (s *sequence) deliver(p *seqPerson, message pushed, how string) (done bool) {
	status := s.send(p, message)
	done = status >= 200 && status < 300
	s.say("push %s%s: %s: %d", p.id, map[bool]string{true: " " + how}[how != ""], message, status)
	switch {
	case done && p.push.may&silence != 0 && message.word() == no:
		p.push.perhaps(no) // of a record that stands for nobody yet
	case done:
		s.hears(&p.push, message.word())
	case status == 0 || status >= 500 || status == 409 || status == 403:
		p.push.perhaps(message.word())
	default:
		s.fatal("push of %s: %d", p.name, status)
	}
	if done {
		p.last = &message
	}
	return done
}

// send makes the requests of one message, as clients do: it looks for the User
// before it makes one.
func (s *sequence) send(p *seqPerson, message pushed) int {
	if p.user == "" {
		status, body := s.call("GET", "/Users?filter="+url.QueryEscape(fmt.Sprintf("externalId eq %q", p.id)), nil)
		if status != 200 {
			return max(status, 500)
		}
		if found, _ := body["Resources"].([]any); len(found) == 1 {
			first, _ := found[0].(map[string]any)
			p.user, _ = first["id"].(string)
		}
	}
	switch {
	case message.gone && p.user == "":
		return 204
	case message.gone:
		status, _ := s.call("DELETE", "/Users/"+p.user, nil)
		if status == 204 || status == 404 {
			p.user = ""
			return 204
		}
		return status
	case p.user == "":
		status, body := s.call("POST", "/Users", message.document(p.id))
		if status == 201 {
			p.user, _ = body["id"].(string)
		}
		return status
	}
	var status int
	if rapid.Bool().Draw(s.t, "patch") {
		address := message.userName + "@acme.com"
		status, _ = s.call("PATCH", "/Users/"+p.user, map[string]any{"schemas": []string{scimPatch}, "Operations": []any{
			map[string]any{"op": "replace", "path": "active", "value": !message.off},
			map[string]any{"op": "replace", "path": "userName", "value": address},
			map[string]any{"op": "replace", "path": `emails[type eq "work"].value`, "value": address},
		}})
	} else {
		status, _ = s.call("PUT", "/Users/"+p.user, message.document(p.id))
	}
	if status == 404 {
		p.user = ""
		return 503 // it looks again the next time
	}
	return status
}

// pushGroup sends one person's membership of the pushed group.
func (s *sequence) pushGroup(p *seqPerson) {
	if p.user == "" {
		return
	}
	op := map[string]any{"op": "add", "path": "members", "value": []any{map[string]any{"value": p.user}}}
	if !p.present {
		op = map[string]any{"op": "remove", "path": fmt.Sprintf("members[value eq %q]", p.user)}
	}
	status, body := s.call("PATCH", "/Groups/"+s.sales, map[string]any{"schemas": []string{scimPatch}, "Operations": []any{op}})
	s.say("push of the group: %s %v: %d", p.name, p.present, status)
	if status == 400 || status == 401 || status == 405 {
		s.fatal("the pushed group: %d %v", status, body)
	}
}
