package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// idp is an identity provider that pushes: it sends what Okta or Entra would
// send (scim section 8), and counts what came back.
type idp struct {
	ctx    context.Context
	name   string
	base   string // .../scim/v2
	token  string
	client *http.Client
	sent   map[string]int // "POST /Users -> 201": how often
	order  []string
}

func newIDP(ctx context.Context, name, base, token string) *idp {
	return &idp{ctx: ctx, name: name, base: base, token: token, client: &http.Client{Timeout: dialTimeout}, sent: map[string]int{}}
}

// scimAnswer is what of an answer the play looks at.
type scimAnswer struct {
	status int
	ID     string `json:"id"`
	Total  int    `json:"totalResults"`
	Detail string `json:"detail"`
}

// send sends one request and wants a status.
func (i *idp) send(want int, method, path, query string, body any) (answer scimAnswer, err error) {
	var payload io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return answer, err
		}
		payload = bytes.NewReader(text)
	}
	target := i.base + path
	if query != "" {
		target += "?" + query
	}
	request, err := http.NewRequestWithContext(i.ctx, method, target, payload)
	if err != nil {
		return answer, err
	}
	request.Header.Set("Authorization", "Bearer "+i.token)
	request.Header.Set("Accept", "application/scim+json")
	request.Header.Set("User-Agent", "rollcall demo as "+i.name)
	if body != nil {
		request.Header.Set("Content-Type", "application/scim+json")
	}
	response, err := i.client.Do(request)
	if err != nil {
		return answer, err
	}
	text, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return answer, err
	}
	answer.status = response.StatusCode
	if len(text) > 0 {
		if err := json.Unmarshal(text, &answer); err != nil {
			return answer, fmt.Errorf("%s %s: %w", method, path, err)
		}
	}
	i.count(method, path, answer.status)
	if answer.status != want {
		return answer, fmt.Errorf("%s as %s: %s %s answers %d instead of %d: %s", "the demo", i.name, method, path, answer.status, want, answer.Detail)
	}
	return answer, nil
}

// count counts requests of one kind.
func (i *idp) count(method, path string, status int) {
	resource := path
	if len(path) > 40 {
		resource = path[:len(path)-36] + "{id}"
	}
	line := fmt.Sprintf("%-6s %-14s -> %d", method, resource, status)
	if i.sent[line] == 0 {
		i.order = append(i.order, line)
	}
	i.sent[line]++
}

// tell prints and forgets the counts.
func (i *idp) tell(out io.Writer) error {
	for _, line := range i.order {
		if err := say(out, "  %3d x  %s", i.sent[line], line); err != nil {
			return err
		}
	}
	i.sent, i.order = map[string]int{}, nil
	return nil
}

// lookup is the question before every create: is this person there?
func (i *idp) lookup(userName string) (scimAnswer, error) {
	return i.send(http.StatusOK, http.MethodGet, "/Users", url.Values{"filter": {`userName eq "` + userName + `"`}}.Encode(), nil)
}

// patch sends a PatchOp.
func (i *idp) patch(want int, path string, operations ...object) (scimAnswer, error) {
	return i.send(want, http.MethodPatch, path, "", object{"schemas": []string{urnPatch}, "Operations": operations})
}

// object is a JSON object.
type object = map[string]any

const (
	urnUser       = "urn:ietf:params:scim:schemas:core:2.0:User"
	urnGroup      = "urn:ietf:params:scim:schemas:core:2.0:Group"
	urnEnterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	urnRollcall   = "urn:ietf:params:scim:schemas:extension:rollcall:2.0:User"
	urnPatch      = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
	urnEntraGroup = "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"
)

// oktaUser is a person as Okta creates one: everything at once, with a
// password that nobody asked for.
func oktaUser(p *demoPerson, n int, managerID string) object {
	enterprise := object{"employeeNumber": fmt.Sprint(1000 + n), "department": p.department, "organization": "Acme Inc"}
	if managerID != "" {
		enterprise["manager"] = object{"value": managerID}
	}
	return object{
		"schemas": []string{urnUser, urnEnterprise}, "userName": p.email(), "externalId": fmt.Sprintf("00u%04d", n),
		"name": object{"givenName": p.given, "familyName": p.family}, "displayName": p.name(), "title": p.title, "locale": "en-US",
		"emails":       []object{{"primary": true, "value": p.email(), "type": "work"}},
		"phoneNumbers": []object{}, "addresses": []object{{"type": "work", "locality": p.city, "country": p.country}},
		"groups": []object{}, "password": "not-kept", "active": true, urnEnterprise: enterprise,
	}
}

// entraUser is a person as Entra creates one: without the manager, who comes
// by PATCH later.
func entraUser(p *demoPerson, n int) object {
	return object{
		"schemas": []string{urnUser, urnEnterprise}, "externalId": fmt.Sprintf("0a21%04d", n), "userName": p.email(), "active": true,
		"displayName": p.name(), "title": p.title, "emails": []object{{"primary": true, "type": "work", "value": p.email()}},
		"name": object{"formatted": p.name(), "givenName": p.given, "familyName": p.family}, "roles": []object{},
		"addresses": []object{{"primary": false, "type": "work", "locality": p.city, "country": p.country}},
		"meta":      object{"resourceType": "User"}, urnEnterprise: object{"department": p.department},
	}
}
