package scim

import (
	"net/http"
	"testing"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/workspace"
)

// body without what differs between two answers about the same.
func (a answer) etag() string {
	a.t.Helper()
	tag := a.header.Get("ETag")
	if v, _ := a.at("meta", "version").(string); a.body != "" && v != tag {
		a.t.Errorf("%s: ETag %s, meta.version %s", a.what, tag, v)
	}
	return tag
}

// TestVersionMovesWithWhatIsShown: whatever changes a User's representation,
// its record, what is in force or what waits, changes its version; what does
// not, does not (scim section 4.6). 304 is the answer to whoever knows it.
func TestVersionMovesWithWhatIsShown(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		p := newProvider(t, providerOptions{url: url, mapping: `version: 1
roles:
  - {id: r-admin, role: admin, if: {group: admins}}
  - {id: r-member, role: member}
`})
		made := p.request("okta", "POST", "/Users", `{"schemas":["`+URNUser+`"],"userName":"bo@acme.com","externalId":"1"}`).is(http.StatusCreated)
		path := "/Users/" + made.at("id").(string)
		if tag := made.etag(); tag != `W/"1"` {
			t.Errorf("the first version is %s", tag)
		}
		last := p.request("okta", "GET", path, "").is(http.StatusOK)
		step := func(what string, moves bool) {
			t.Helper()
			now := p.request("okta", "GET", path, "").is(http.StatusOK)
			if moved := now.etag() != last.etag(); moved != moves {
				t.Errorf("%s: version %s, was %s", what, now.etag(), last.etag())
			}
			if (now.body != last.body) != moves {
				t.Errorf("%s: the test itself is wrong:\n%s\n%s", what, last.body, now.body)
			}
			old := p.request("okta", "GET", path, "", "If-None-Match: "+last.etag())
			if moves {
				old.is(http.StatusOK)
			}
			same := p.request("okta", "GET", path+"?attributes=userName", "", `If-None-Match: "77", `+now.etag()).is(http.StatusNotModified)
			if same.body != "" || same.header.Get("ETag") != now.etag() || same.header.Get("Content-Type") != "" {
				t.Errorf("304 with %q %v", same.body, same.header)
			}
			if moves {
				p.request("okta", "PATCH", path, patchBody(`{"op":"replace","path":"nickName","value":"x"}`), "If-Match: "+last.etag()).is(http.StatusPreconditionFailed)
			}
			last = now
		}
		step("nothing", false)
		p.request("okta", "PATCH", path, patchBody(`{"op":"replace","path":"title","value":"Chef"}`)).is(http.StatusOK)
		step("a new title", true)
		p.request("okta", "PATCH", path, patchBody(`{"op":"replace","path":"title","value":"Chef"}`)).is(http.StatusOK)
		step("the same title", false)

		// A group asks for a raise, which waits: the hold is shown.
		p.request("okta", "POST", "/Groups", `{"schemas":["`+URNGroup+`"],"displayName":"admins","members":[{"value":"`+made.at("id").(string)+`"}]}`).is(http.StatusCreated)
		step("a raise that waits", true)
		var hash string
		err := p.store.In("acme").View(t.Context(), func(r *store.Reader) error {
			holds, err := r.OpenHolds("")
			hash = holds[0].PlanHash
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.engine.Approve(t.Context(), sync.Approval{Workspace: "acme", Plan: hash, As: "otto@acme.com", Kind: workspace.ActorOperator, Channel: workspace.ChannelCLI}); err != nil {
			t.Fatal(err)
		}
		step("the raise is approved", true)
		_, err = p.engine.Edit(t.Context(), sync.EditBatch{
			Workspace: "acme", As: "otto@acme.com", Kind: workspace.ActorOperator, Channel: workspace.ChannelCLI,
			Edits: []sync.Edit{{Kind: sync.EditRole, Member: "bo@acme.com", Role: workspace.RoleMember, Reason: "correction"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		step("an edit by hand", true)

		// The tag is good for a write, and moves with it.
		p.request("okta", "PATCH", path, patchBody(`{"op":"replace","path":"title","value":"Cook"}`), "If-Match: "+last.etag()).is(http.StatusOK)
		step("a conditional write", true)
		p.request("okta", "GET", path, "", "If-None-Match: *").is(http.StatusNotModified)
		p.request("okta", "HEAD", path, "", "If-None-Match: *").is(http.StatusNotModified)
	})
}

// TestNotModifiedGroup: a Group's version moves with its members.
func TestNotModifiedGroup(t *testing.T) {
	p := newProvider(t, providerOptions{})
	ann := p.request("okta", "POST", "/Users", `{"schemas":["`+URNUser+`"],"userName":"ann@acme.com"}`).is(http.StatusCreated).at("id").(string)
	g := p.request("okta", "POST", "/Groups", `{"schemas":["`+URNGroup+`"],"displayName":"all"}`).is(http.StatusCreated)
	path, tag := "/Groups/"+g.at("id").(string), g.etag()
	p.request("okta", "GET", path, "", "If-None-Match: "+tag).is(http.StatusNotModified)
	p.request("okta", "PATCH", path, patchBody(`{"op":"add","path":"members","value":[{"value":"`+ann+`"}]}`)).is(http.StatusNoContent)
	p.request("okta", "GET", path, "", "If-None-Match: "+tag).is(http.StatusOK)
}

// TestTimesAreFoundAsTheyWereRead: a time that an answer shows finds its
// resource in a filter.
func TestTimesAreFoundAsTheyWereRead(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		p := newProvider(t, providerOptions{url: url})
		for _, name := range []string{"ann@acme.com", "bo@acme.com", "cy@acme.com"} {
			u := p.request("okta", "POST", "/Users", `{"schemas":["`+URNUser+`"],"userName":"`+name+`"}`).is(http.StatusCreated)
			for _, attr := range []string{"created", "lastModified"} {
				at := u.at("meta", attr).(string)
				list := p.request("okta", "GET", "/Users?filter="+escapeQuery(`meta.`+attr+` eq "`+at+`"`), "").is(http.StatusOK)
				list.has(float64(1), "totalResults").has(u.at("id"), "Resources", 0, "id")
			}
		}
	})
}
