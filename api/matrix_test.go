package api

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/rollcall-sync/rollcall/workspace"
)

// TestMatrixOverHTTP: 13 rows times 3 roles, 29 allowed and 10 refused, with
// the row named in the answer. Rows without an endpoint of their own are asked
// about with POST /v1/check, as the product does before it acts.
func TestMatrixOverHTTP(t *testing.T) {
	w := newWorld(t, nil)
	people := map[workspace.Role]string{workspace.RoleOwner: "olga@acme.com", workspace.RoleAdmin: "adam@acme.com", workspace.RoleMember: "mia@acme.com"}
	n := 0
	fresh := func() string {
		n++
		return fmt.Sprintf("fresh%d@acme.com", n)
	}
	// newcomer makes a member to do something to.
	newcomer := func() string {
		address := fresh()
		sent := w.as("ann@acme.com").post("/v1/invitations", obj{"email": address}).is(201)
		return w.as("").post("/v1/invitations/"+sent.text("id")+"/accept", obj{"secret": sent.text("secret"), "email": address}).is(201).text("id")
	}
	number := func() string {
		n++
		return w.as("ann@acme.com").post("/v1/numbers", obj{"number": fmt.Sprintf("+4722%06d", n), "name": "Line"}).is(201).text("id")
	}
	act := map[workspace.Permission]func(c *client) answer{
		workspace.MemberInvite:   func(c *client) answer { return c.post("/v1/invitations", obj{"email": fresh()}) },
		workspace.MemberRemoving: func(c *client) answer { return c.post("/v1/members/"+newcomer()+"/remove", obj{}) },
		workspace.MemberRoles:    func(c *client) answer { return c.patch("/v1/members/"+newcomer(), obj{"role": "admin"}) },
		workspace.NumberSettings: func(c *client) answer { return c.patch("/v1/numbers/"+number(), obj{"name": "Desk"}) },
		workspace.NumberAdd: func(c *client) answer {
			n++
			return c.post("/v1/numbers", obj{"number": fmt.Sprintf("+4722%06d", n), "name": "Line"})
		},
		workspace.GroupCreating: func(c *client) answer { n++; return c.post("/v1/groups", obj{"name": fmt.Sprintf("Group %d", n)}) },
		workspace.OwnerChange:   func(c *client) answer { return c.patch("/v1/members/"+newcomer(), obj{"role": "owner"}) },
	}
	allowed, refused := 0, 0
	for _, row := range workspace.Rows() {
		for role, who := range people {
			want := row.Allows(role)
			var ok bool
			var named string
			if do := act[row.ID]; do != nil {
				got := do(w.as(who))
				ok, named = got.status < 300, got.text("row")
				if !ok && got.status != http.StatusForbidden {
					t.Errorf("%s as %s: %d %s", row.ID, role, got.status, got.raw)
				}
			} else {
				got := w.as("").post("/v1/check", obj{"member": who, "permission": row.Action}).is(200)
				ok, named = got.at("allowed") == true, got.text("row")
			}
			if ok != want || !ok && named != string(row.ID) {
				t.Errorf("%s as %s: allowed %v (row %q), want %v", row.ID, role, ok, named, want)
			}
			// The question has the same answer as the deed.
			if asked := w.as("").post("/v1/check", obj{"member": who, "permission": string(row.ID)}).is(200); asked.at("allowed") != want || asked.text("row") != string(row.ID) {
				t.Errorf("check %s as %s: %s", row.ID, role, asked.raw)
			}
			if ok {
				allowed++
			} else {
				refused++
			}
		}
	}
	if allowed != 29 || refused != 10 {
		t.Errorf("%d allowed and %d refused, want 29 and 10", allowed, refused)
	}
}
