package sync

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// linked pushes a person who is an Owner here, with the link approved.
func (w *world) linked(x *user, approver string) {
	w.tb.Helper()
	res := w.push(x)
	if res.Refusal == nil {
		return
	}
	res, err := w.approve(res.Refusal.Ref, approver)
	if err != nil {
		w.tb.Fatalf("link of %s: %v", x.name, err)
	}
	x.id, x.ver = res.Identities[0].ID, res.Identities[0].Version
}

func TestTwoOwnersLeavingTogetherKeepOne(t *testing.T) {
	for _, order := range [][]int{{0, 1}, {1, 0}} {
		w := lite(t)
		people := []*user{{name: "ann", conn: "entra"}, {name: "dan", conn: "entra"}}
		w.linked(people[0], "ann@acme.com")
		w.linked(people[1], "dan@acme.com")
		b := Batch{Workspace: "acme", Connection: "entra", Kind: RunFull, Channel: workspace.ChannelSync, SeenAt: w.clock}
		for _, i := range order {
			row := people[i].row()
			row.Active = false
			row.Attributes["active"] = []string{"false"}
			old, err := w.identity(people[i].id)
			if err != nil {
				t.Fatal(err)
			}
			row.Member, row.CreatedAt = old.Member, old.CreatedAt
			b.Identities = append(b.Identities, IdentityObservation{Row: row, Expect: people[i].ver, Class: workspace.EvidenceE1, Why: "disabled"})
		}
		if _, err := w.e.Apply(context.Background(), b); err != nil {
			t.Fatal(err)
		}
		w.want("ann@acme.com", "owner active contained")
		w.sound()
	}
}

func TestContainedOwnerIsReleased(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		ann := &user{name: "ann"}
		w.linked(ann, "ann@acme.com")
		ann.off = true
		for range 2 { // 403 each time, and access has ended
			res, err := w.tryPush(ann)
			if err != nil {
				t.Fatal(err)
			}
			if res.Refusal == nil || res.Refusal.Verdict != workspace.Deny {
				t.Fatalf("refusal %+v", res.Refusal)
			}
			w.want("ann@acme.com", "owner active contained")
		}
		ann.off = false
		ann.attrs = map[string]string{"title": "Founder"}
		res := w.push(ann)
		if outcome(res, workspace.MemberRelease) != "applied" {
			t.Errorf("release: %s", told(res))
		}
		w.want("ann@acme.com", "owner active")
		w.sound()
	})
}

// TestLastOwnerSurvives throws every kind of request and edit at the Owners.
func TestLastOwnerSurvives(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t, liteURL(t), testMapping)
		defer w.close()
		names := []string{"ann", "dan", "eve", "bob"}
		people := map[string]*user{}
		for _, x := range names {
			people[x] = &user{name: x, conn: rapid.SampledFrom([]string{"okta", "entra"}).Draw(rt, "connection of "+x)}
		}
		for range rapid.IntRange(3, 14).Draw(rt, "steps") {
			who := rapid.SampledFrom(names).Draw(rt, "who")
			as := rapid.SampledFrom(names).Draw(rt, "as") + "@acme.com"
			x := people[who]
			w.clock = w.clock.Add(time.Minute)
			step := rapid.SampledFrom([]string{"push", "off", "delete", "owner", "role", "remove", "transfer", "restore", "approve"}).Draw(rt, "step")
			switch step {
			case "push", "off", "owner":
				x.off, x.wishes = step == "off", Wishes{Owner: step == "owner", Direct: step == "owner"}
				if _, err := w.tryPush(x); err != nil {
					rt.Fatalf("%s %s: %v", step, who, err)
				}
			case "delete":
				if x.id != "" {
					if res := w.drop(x); res.Refusal == nil {
						x.id, x.ver = "", 0
					}
				}
			case "approve":
				for _, h := range w.holds() {
					if res, err := w.approve(h.ID, as); err == nil && len(res.Identities) == 1 && res.Identities[0].ID != "" {
						for _, y := range people {
							if y.name == res.Identities[0].UserName {
								y.id, y.ver = res.Identities[0].ID, res.Identities[0].Version
							}
						}
					}
				}
			default:
				kind := map[string]EditKind{"role": EditRole, "remove": EditRemove, "transfer": EditTransfer, "restore": EditReactivate}[step]
				role := rapid.SampledFrom([]workspace.Role{workspace.RoleMember, workspace.RoleAdmin, workspace.RoleOwner}).Draw(rt, "role")
				_, err := w.edit(as, Edit{Kind: kind, Member: who + "@acme.com", Role: role, Reason: "test"})
				var bad *EditError
				if err != nil && !errors.As(err, &bad) {
					rt.Fatalf("%s: %v", step, err)
				}
			}
			if err := w.unsound(); err != nil {
				rt.Fatalf("after %s of %s: %v", step, who, err)
			}
		}
	})
}

func TestTightenedPolicyBitesAtOnce(t *testing.T) {
	w := direct(t)
	bob := &user{name: "bob"}
	w.push(bob)
	w.cfg.Policy = workspace.Default()
	zero := workspace.LimitOf(2)
	w.cfg.Policy.Limits.Seats = zero
	w.open()
	res := w.push(&user{name: "cy"})
	if res.Refusal == nil || res.Refusal.Kind != RefusedHeld && res.Refusal.Kind != RefusedDenied {
		t.Fatalf("a third seat above the limit: %+v", res.Refusal)
	}
	w.want("cy@acme.com", "nobody")
	if n := len(w.holds()); res.Refusal.Kind == RefusedHeld && n != 1 {
		t.Errorf("%d holds", n)
	}
	w.sound()
}

func TestRejectedWishIsDeniedAgain(t *testing.T) {
	w := lite(t)
	bob := &user{name: "bob"}
	w.push(bob)
	admins := &group{name: "phone-admins"}
	w.put(admins, []*user{bob}, nil)
	h := w.holds()[0]
	err := w.e.Reject(context.Background(), Approval{Workspace: "acme", Plan: h.ID, As: "dan@acme.com", Channel: workspace.ChannelCLI, Reason: "not his job"})
	if err != nil {
		t.Fatal(err)
	}
	res := w.push(bob)
	if len(w.holds()) != 0 || outcome(res, workspace.MemberRole) != "denied" {
		t.Fatalf("after the rejection: %s", told(res))
	}
	i := slices.IndexFunc(res.Outcomes, func(o Outcome) bool { return o.Outcome == "denied" })
	if d := res.Outcomes[i].Decision; !strings.Contains(d.Reason, "rejected by dan@acme.com") || d.Remedy == "" {
		t.Errorf("decision %+v", d)
	}
	w.clock = w.clock.Add(31 * 24 * time.Hour)
	if w.push(bob); len(w.holds()) != 1 {
		t.Error("31 days later nobody is asked again")
	}
}

func TestDryRunChangesNothing(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		before := w.dump()
		x := &user{name: "bob"}
		res, err := w.e.Apply(context.Background(), Batch{
			Workspace: "acme", Connection: "okta", Kind: RunSCIM, Channel: workspace.ChannelSCIM,
			SeenAt: w.clock, DryRun: true, Identities: []IdentityObservation{{Row: x.row()}},
		})
		if err != nil {
			t.Fatal(err)
		}
		if res.Counts.Applied == 0 {
			t.Errorf("the dry run planned nothing: %+v", res.Counts)
		}
		if after := w.dump(); after != before {
			t.Errorf("the dry run changed the store:\n%s\n%s", before, after)
		}
	})
}

// dump is a coarse picture of the store.
func (w *world) dump() string {
	w.tb.Helper()
	var b strings.Builder
	err := w.e.spaces["acme"].h.View(context.Background(), func(r *store.Reader) error {
		list, err := r.Members(store.MemberFilter{Limit: 1000, States: []workspace.MemberState{"active", "deactivated", "removed"}})
		if err != nil {
			return err
		}
		for _, m := range list {
			fmt.Fprintln(&b, m.Email, m.Role, m.State, m.Version, m.Seq, m.Groups, m.Numbers)
		}
		runs, err := r.Runs("", 0, 1000)
		fmt.Fprintln(&b, len(runs))
		return err
	})
	if err != nil {
		w.tb.Fatal(err)
	}
	return b.String()
}
