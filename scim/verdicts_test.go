package scim

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/workspace"
)

// wishBody is a User that asks for a role.
func wishBody(name, role string) string {
	return strings.TrimSuffix(userBody(name), "}") + `,"` + URNRollcallUser + `":{"role":"` + role + `"}}`
}

// TestOwnerByPush: no directory makes, changes or removes an Owner; each way of
// asking is refused with M13 and changes nothing.
func TestOwnerByPush(t *testing.T) {
	for _, tt := range []struct{ name, mapping string }{{"input is read", testMapping}, {"input is readOnly", ""}} {
		t.Run(tt.name, func(t *testing.T) {
			p := newProvider(t, providerOptions{mapping: tt.mapping})
			p.request("okta", "POST", "/Users", wishBody("eve@acme.com", "Owner")).refuses(http.StatusForbidden, "", "Denied [M13")
			p.request("okta", "GET", "/Users?filter="+urlEncode(`userName eq "eve@acme.com"`), "").has(0, "totalResults")
			p.member("eve@acme.com", "")
			ann := p.request("okta", "POST", "/Users", userBody("ann@acme.com")).is(http.StatusCreated).text("id")
			before := p.request("okta", "GET", "/Users/"+ann, "").is(http.StatusOK).body
			for _, operation := range []string{
				`{"op":"replace","path":"` + URNRollcallUser + `:role","value":"owner"}`,
				`{"op":"replace","value":{"` + URNRollcallUser + `":{"role":"Owner"}}}`,
				`{"op":"Add","value":{"` + URNRollcallUser + `:role":"Owner"}}`,
				`{"op":"Add","path":"roles","value":[{"value":"Owner","primary":true}]}`,
			} {
				p.request("okta", "PATCH", "/Users/"+ann, patchBody(operation)).refuses(http.StatusForbidden, "", "Denied [M13")
			}
			p.request("okta", "PUT", "/Users/"+ann, wishBody("ann@acme.com", "Owner")).refuses(http.StatusForbidden, "", "M13")
			if after := p.request("okta", "GET", "/Users/"+ann, "").body; after != before {
				t.Errorf("a refused request has changed the User:\n%s\n%s", before, after)
			}
			p.member("ann@acme.com", "member active")
			p.member("olga@acme.com", "owner active")
		})
	}
}

// TestOwnerIsNotTakenOver: a pushed User with the address of an Owner is not
// linked without a person (SX03, VW09), however often it is sent.
func TestOwnerIsNotTakenOver(t *testing.T) {
	p := newProvider(t, providerOptions{})
	for range 2 {
		p.request("okta", "POST", "/Users", userBody("olga@acme.com")).refuses(http.StatusConflict, "uniqueness", "Conflict [I6]")
	}
	p.member("olga@acme.com", "owner active")
	p.request("okta", "GET", "/Users", "").has(0, "totalResults")
}

// TestRaiseByGroupIsHeld: a derived raise waits, the answer shows it and the
// group is stored (VW04); the approval lets it through.
func TestRaiseByGroupIsHeld(t *testing.T) {
	p := newProvider(t, providerOptions{mapping: testMapping})
	ann := p.request("okta", "POST", "/Users", userBody("ann@acme.com")).is(http.StatusCreated).text("id")
	p.request("okta", "POST", "/Groups", `{"displayName":"Admins","members":[{"value":"`+ann+`"}]}`).is(http.StatusCreated)
	p.member("ann@acme.com", "member active")
	got := p.request("okta", "GET", "/Users/"+ann, "").is(http.StatusOK)
	got.has("Member", URNRollcallUser, "effectiveRole").has("role", URNRollcallUser, "holds", 0, "attribute").has("Admin", URNRollcallUser, "holds", 0, "wanted")
	if !strings.HasPrefix(got.text(URNRollcallUser, "holds", 0, "id"), "H-") || got.text(URNRollcallUser, "holds", 0, "remedy") == "" {
		t.Errorf("the hold has no reference or remedy: %s", got.body)
	}
	var hash string
	err := p.store.In("acme").View(t.Context(), func(r *store.Reader) error {
		holds, err := r.OpenHolds("")
		if len(holds) == 1 {
			hash = holds[0].PlanHash
		}
		return err
	})
	if err != nil || hash == "" {
		t.Fatalf("no open hold: %v", err)
	}
	p.approve(hash)
	p.member("ann@acme.com", "admin active")
	p.request("okta", "GET", "/Users/"+ann, "").is(http.StatusOK).has("Admin", URNRollcallUser, "effectiveRole").has("rule r-admin", URNRollcallUser, "roleSource").
		has(nil, URNRollcallUser, "holds")
}

// TestConnectionWithMemberAuthority: a connection that acts as Member changes
// no roles (M11), and the request that asks for it is refused.
func TestConnectionWithMemberAuthority(t *testing.T) {
	p := newProvider(t, providerOptions{mapping: testMapping, connections: []sync.Connection{
		{ID: "okta", Kind: "scim", Profile: "okta", ActsAs: workspace.RoleMember},
	}})
	a := p.request("okta", "POST", "/Users", wishBody("ann@acme.com", "Admin"))
	if a.status < 400 {
		t.Errorf("a connection that acts as Member made %v: %s", p.members(), a.body)
	}
	a.is(http.StatusForbidden)
	if got := p.members()["ann@acme.com"]; strings.HasPrefix(got, "admin") {
		t.Errorf("ann is %q", got)
	}
}

// TestHeldReply: the policy decides whether a held wish answers with the truth
// or is refused (VW02).
func TestHeldReply(t *testing.T) {
	held := strings.Replace(testMapping, "allow: [admin, member]}", "allow: [admin, member], approve: always}", 1)
	for _, reject := range []bool{false, true} {
		t.Run(fmt.Sprint("reject ", reject), func(t *testing.T) {
			policy := workspace.Default()
			if reject {
				policy.HeldReply = workspace.HeldReplyReject
			}
			p := newProvider(t, providerOptions{mapping: held, policy: policy})
			ann := p.request("okta", "POST", "/Users", userBody("ann@acme.com")).is(http.StatusCreated).text("id")
			wish := patchBody(`{"op":"replace","path":"` + URNRollcallUser + `:role","value":"Admin"}`)
			a := p.request("okta", "PATCH", "/Users/"+ann, wish)
			p.member("ann@acme.com", "member active")
			if reject {
				a.refuses(http.StatusForbidden, "", "Held [")
				return
			}
			a.is(http.StatusOK).has("Member", URNRollcallUser, "role").has("Admin", URNRollcallUser, "holds", 0, "wanted")
			// The same request with its hold open is a noop.
			p.request("okta", "PATCH", "/Users/"+ann, wish).is(http.StatusOK).has("Admin", URNRollcallUser, "holds", 0, "wanted").has(nil, URNRollcallUser, "holds", 1)
		})
	}
}

// TestLeaverWithInvalidRest: whatever else is wrong with a request, access ends
// (VW11); under the profile strict what is invalid stays refused.
func TestLeaverWithInvalidRest(t *testing.T) {
	p := newProvider(t, providerOptions{mapping: testMapping})
	p.request("okta", "POST", "/Users", userBody("taken@acme.com")).is(http.StatusCreated)
	for i, tt := range []struct{ method, body string }{
		{"PATCH", patchBody(`{"op":"replace","path":"groups","value":[]},{"op":"replace","path":"active","value":"False"}`)},
		{"PATCH", patchBody(`{"op":"explode","path":"title"},{"op":"replace","path":"active","value":false}`)},
		{"PATCH", patchBody(`{"op":"replace","value":{"active":false,"displayName":"` + strings.Repeat("x", 300) + `"}}`)},
		{"PATCH", patchBody(`{"op":"replace","value":{"active":false,"userName":"TAKEN@acme.com"}}`)},
		{"PATCH", patchBody(`{"op":"replace","value":{"active":false,"` + URNRollcallUser + `":{"role":"Owner"}}}`)},
		{"PUT", `{"userName":"","active":false}`},
		{"PUT", `{"userName":"taken@acme.com","active":"false"}`},
		{"PUT", `{"schemas":"x","active":"0","emails":[{"value":7}]}`},
	} {
		name := fmt.Sprintf("leaver%d@acme.com", i)
		id := p.request("okta", "POST", "/Users", userBody(name)).is(http.StatusCreated).text("id")
		p.request("okta", tt.method, "/Users/"+id, tt.body).is(http.StatusOK).has(false, "active").has(name, "userName").has("Ann Lee", "displayName")
		p.member(name, "member deactivated")
	}
	if n := p.handler.Tolerated("acme", "okta").Count("VW11"); n == 0 {
		t.Error("what was dropped is not counted (VW11)")
	}
	eve := p.request("strict", "POST", "/Users", userBody("eve@acme.com")).is(http.StatusCreated).text("id")
	p.request("strict", "PATCH", "/Users/"+eve, patchBody(`{"op":"replace","path":"groups","value":[]},{"op":"replace","path":"active","value":false}`)).is(http.StatusBadRequest)
	p.member("eve@acme.com", "member active")
}

// TestNoop: a request that changes nothing makes no version and no run.
func TestNoop(t *testing.T) {
	p := newProvider(t, providerOptions{})
	made := p.request("okta", "POST", "/Users", userBody("ann@acme.com")).is(http.StatusCreated)
	group := p.request("okta", "POST", "/Groups", `{"displayName":"Sales"}`).is(http.StatusCreated)
	runs := p.runs()
	for range 2 {
		p.request("okta", "PATCH", "/Users/"+made.text("id"), patchBody(`{"op":"replace","value":{"active":true,"displayName":"Ann Lee"}}`)).is(http.StatusOK).
			has(made.text("meta", "version"), "meta", "version")
		p.request("okta", "PUT", "/Users/"+made.text("id"), made.body).is(http.StatusOK).has(made.text("meta", "version"), "meta", "version")
		p.request("okta", "PATCH", "/Groups/"+group.text("id"), patchBody(`{"op":"replace","value":{"id":"x","displayName":"Sales"}}`)).is(http.StatusNoContent)
	}
	if after := p.runs(); after != runs {
		t.Errorf("noops made %d runs", after-runs)
	}
}

// runs counts the runs of the workspace.
func (p *provider) runs() int {
	p.t.Helper()
	n := 0
	err := p.store.In("acme").View(p.t.Context(), func(r *store.Reader) error {
		list, err := r.Runs("", 0, 1000)
		n = len(list)
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return n
}

// approve lets a held plan through as the Owner who is not the sponsor (F18).
func (p *provider) approve(hash string) {
	p.t.Helper()
	agreed := sync.Approval{Workspace: "acme", Plan: hash, As: "otto@acme.com", Kind: workspace.ActorOperator, Channel: workspace.ChannelCLI, Reason: "agreed"}
	if _, err := p.engine.Approve(p.t.Context(), agreed); err != nil {
		p.t.Fatal(err)
	}
}

// TestLinkIsKept: a link that an approval made between the reading and the
// writing of a request stays, although links move no version.
func TestLinkIsKept(t *testing.T) {
	p := newProvider(t, providerOptions{})
	ann := p.request("okta", "POST", "/Users", userBody("ann@acme.com")).is(http.StatusCreated).text("id")
	var before workspace.Identity
	read := func(into *workspace.Identity) {
		t.Helper()
		err := p.store.In("acme").View(t.Context(), func(r *store.Reader) (err error) {
			*into, err = r.Identity(ann)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	read(&before)
	doc, err := ParseDocument(before.Document)
	if err != nil {
		t.Fatal(err)
	}
	doc["title"] = "Clerk"
	stale := before
	stale.Member = "" // As it was read before the link.
	l, err := p.handler.link(t.Context(), linkKey{"acme", "okta"})
	if err != nil {
		t.Fatal(err)
	}
	res, err := p.engine.Apply(t.Context(), sync.Batch{
		Workspace: "acme", Connection: "okta", Kind: sync.RunSCIM, Channel: workspace.ChannelSCIM,
		Identities: []sync.IdentityObservation{{Row: l.userRow(stale, doc), Expect: stale.Version}},
	})
	if err != nil || res.Refusal != nil {
		t.Fatalf("the write is refused: %+v, %v", res.Refusal, err)
	}
	var after workspace.Identity
	if read(&after); after.Member == "" || after.Member != before.Member {
		t.Errorf("the link has become %q, it was %q", after.Member, before.Member)
	}
}
