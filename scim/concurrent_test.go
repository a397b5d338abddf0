package scim

import (
	"fmt"
	"net/http"
	stdsync "sync"
	"testing"

	"github.com/rollcall-sync/rollcall/store"
)

const concurrentClients = 16

// together runs fn for each client at the same time.
func together(fn func(client int)) {
	var group stdsync.WaitGroup
	for client := range concurrentClients {
		group.Go(func() { fn(client) })
	}
	group.Wait()
}

// TestParallelPatchesOfOneUser: each client adds an e-mail of its own; nothing
// that was answered 200 is lost, and what lost the race too often is told so.
func TestParallelPatchesOfOneUser(t *testing.T) {
	p := newProvider(t, providerOptions{})
	ann := p.request("okta", "POST", "/Users", userBody("ann@acme.com")).is(http.StatusCreated).text("id")
	var mu stdsync.Mutex
	accepted := map[string]bool{}
	together(func(client int) {
		for i := range 3 {
			address := fmt.Sprintf("ann%d.%d@acme.com", client, i)
			a := p.request("okta", "PATCH", "/Users/"+ann, patchBody(`{"op":"add","path":"emails","value":[{"type":"other","value":"`+address+`"}]}`))
			switch a.status {
			case http.StatusOK:
				mu.Lock()
				accepted[address] = true
				mu.Unlock()
			case http.StatusConflict:
			default:
				t.Errorf("status %d: %s", a.status, a.body)
			}
		}
	})
	got := p.request("okta", "GET", "/Users/"+ann, "").is(http.StatusOK)
	stored := map[string]bool{}
	for i := 0; got.at("emails", i) != nil; i++ {
		stored[got.text("emails", i, "value")] = true
	}
	for address := range accepted {
		if !stored[address] {
			t.Errorf("%s was answered 200 and is lost", address)
		}
	}
	if len(stored) != len(accepted)+1 || len(accepted) < concurrentClients {
		t.Errorf("%d e-mails stored, %d accepted", len(stored), len(accepted))
	}
}

// TestParallelCreates: of the same userName exactly one is made.
func TestParallelCreates(t *testing.T) {
	p := newProvider(t, providerOptions{})
	for i := range 3 {
		name := fmt.Sprintf("ann%d@acme.com", i)
		counts := map[int]int{}
		var mu stdsync.Mutex
		together(func(int) {
			a := p.request("okta", "POST", "/Users", userBody(name))
			mu.Lock()
			defer mu.Unlock()
			counts[a.status]++
			if a.status == http.StatusConflict && a.header.Get("Location") == "" {
				t.Error("409 without the Location of the first")
			}
		})
		if counts[http.StatusCreated] != 1 || counts[http.StatusConflict] != concurrentClients-1 {
			t.Errorf("%s: answers %v, want one 201 and the rest 409", name, counts)
		}
	}
	p.request("okta", "GET", "/Users", "").is(http.StatusOK).has(3, "totalResults")
}

// TestParallelMembers: adds and removes of members commute, each is answered
// 204 and none is lost; renames at the same time do not disturb them.
func TestParallelMembers(t *testing.T) {
	p := newProvider(t, providerOptions{mapping: testMapping})
	var users []string
	for i := range concurrentClients {
		users = append(users, p.request("okta", "POST", "/Users", userBody(fmt.Sprintf("user%d@acme.com", i))).is(http.StatusCreated).text("id"))
	}
	group := p.request("okta", "POST", "/Groups", `{"displayName":"Sales","members":[{"value":"`+users[0]+`"}]}`).is(http.StatusCreated).text("id")
	together(func(client int) {
		operation := `{"op":"add","path":"members","value":[{"value":"` + users[client] + `"}]}`
		switch {
		case client == 0:
			operation = `{"op":"remove","path":"members[value eq \"` + users[0] + `\"]"}`
		case client == 1:
			operation += fmt.Sprintf(`,{"op":"replace","path":"externalId","value":"e%d"}`, client)
		}
		if a := p.request("okta", "PATCH", "/Groups/"+group, patchBody(operation)); a.status != http.StatusNoContent {
			t.Errorf("client %d: status %d: %s", client, a.status, a.body)
		}
	})
	got := p.request("okta", "GET", "/Groups/"+group, "").is(http.StatusOK)
	stored := map[string]bool{}
	for i := 0; got.at("members", i) != nil; i++ {
		stored[got.text("members", i, "value")] = true
	}
	for i, id := range users {
		if stored[id] != (i > 0) {
			t.Errorf("user %d: member %v", i, stored[id])
		}
	}
	err := p.store.In("acme").View(t.Context(), func(r *store.Reader) error {
		g, err := r.DirectoryGroup(group)
		if g.MemberCount != concurrentClients-1 {
			t.Errorf("member_count %d, want %d", g.MemberCount, concurrentClients-1)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestParallelIfMatch: of writes under the same version one is done.
func TestParallelIfMatch(t *testing.T) {
	p := newProvider(t, providerOptions{})
	made := p.request("okta", "POST", "/Users", userBody("ann@acme.com")).is(http.StatusCreated)
	counts := map[int]int{}
	var mu stdsync.Mutex
	together(func(client int) {
		a := p.request("okta", "PATCH", "/Users/"+made.text("id"), patchBody(fmt.Sprintf(`{"op":"replace","path":"title","value":"t%d"}`, client)), "If-Match: "+made.header.Get("ETag"))
		mu.Lock()
		defer mu.Unlock()
		counts[a.status]++
	})
	if counts[http.StatusOK] != 1 || counts[http.StatusPreconditionFailed] != concurrentClients-1 {
		t.Errorf("answers %v, want one 200 and the rest 412", counts)
	}
}
