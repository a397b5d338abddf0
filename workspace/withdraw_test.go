package workspace

import (
	"slices"
	"testing"
)

// TestWhoGivesWay fixes who keeps what when a plan wants too much: those who
// came last give way, whatever the order of the changes.
func TestWhoGivesWay(t *testing.T) {
	byRule := func(c Change) Change {
		c.Cause = Cause{Kind: CauseRule, Rule: "r-admin", RuleRole: RoleAdmin, Cap: 2, Class: EvidenceNone}
		return c
	}
	sameAddress := joiner("zoe")
	m := sameAddress.After.(Member)
	m.EmailKey = "eve@acme.com"
	sameAddress.After, sameAddress.Cause.ExternalID = m, "00u2"
	nowhere := joiner("fay")
	m = nowhere.After.(Member)
	m.RoleSource = ""
	nowhere.After = m
	waits := assign("n2", "dan", AccessExclusive)
	taken := Change{
		ID: "taken", Kind: NumberUnassign, Subject: Ref{"number", "n2", "+4722000002"}, Member: "cy",
		Before: Assignment{Number: "n2", Kind: ToMember, To: "cy", Access: AccessExclusive},
	}
	for _, tt := range []struct {
		name   string
		policy string
		plan   func(v *View) []Change
		want   map[string]string // change id -> verdict and rule of what does not pass
	}{
		{"one number for two", "{}", func(*View) []Change {
			return []Change{assign("n3", "ann", AccessExclusive), assign("n3", "dan", AccessExclusive), assign("n3", "cy", AccessShared)}
		}, map[string]string{"c-assign-n3-dan": "deny I4", "c-assign-n3-cy": "deny I4"}},
		{
			"one seat for three", "limits: {seats: 6}", func(*View) []Change { return []Change{joiner("eve"), joiner("fay"), joiner("abe")} },
			map[string]string{"join-eve": "hold I11", "join-fay": "hold I11"},
		},
		{
			"an over-full workspace takes nobody, and loses nobody", "limits: {seats: 2}", func(v *View) []Change { return []Change{joiner("eve"), leave(v, "cy")} },
			map[string]string{},
		},
		{
			"spending for one of two", "limits: {spend_per_month: 140}", func(*View) []Change { return []Change{joiner("eve"), joiner("abe")} },
			map[string]string{"join-eve": "hold I11"},
		},
		{"one address for two", "{}", func(*View) []Change { return []Change{joiner("eve"), sameAddress} }, map[string]string{"join-zoe": "deny I6"}},
		{"a row's cap", "approve: []", func(v *View) []Change {
			return []Change{byRule(roleChange(v, "dan", RoleAdmin)), byRule(roleChange(v, "cy", RoleAdmin))}
		}, map[string]string{"c-member.role-dan": "hold r-admin"}},
		{"two raises where one is allowed a run", "approve: []\nlimits: {role_raises_per_run: 1}", func(v *View) []Change {
			return []Change{roleChange(v, "dan", RoleAdmin), roleChange(v, "cy", RoleAdmin)}
		}, map[string]string{"c-member.role-dan": "hold P.limits", "c-member.role-cy": "hold P.limits"}},
		{"one administrator more", "approve: []\nlimits: {administrators: 4}", func(v *View) []Change {
			return []Change{roleChange(v, "dan", RoleAdmin), roleChange(v, "cy", RoleAdmin)}
		}, map[string]string{"c-member.role-dan": "hold P.limits"}},
		{"a role from nowhere", "{}", func(*View) []Change { return []Change{nowhere} }, map[string]string{"join-fay": "deny I8"}},
		{"freed and given in one plan", "{}", func(*View) []Change { return []Change{waits, taken} }, map[string]string{}},
		{
			"freed by a change that is denied", "protect: {members: [cy@acme.com]}", func(*View) []Change { return []Change{waits, taken} },
			map[string]string{"taken": "deny P.protect", "c-assign-n2-dan": "deny I4"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for range 2 {
				v := testView()
				p := Proposal{Actor: okta(), View: v, Policy: decode(t, tt.policy), Changes: tt.plan(v)}
				for range p.Changes {
					got := map[string]string{}
					for _, d := range Check(p) {
						complete(t, d.Change.ID, d)
						if d.Verdict != Allow {
							got[d.Change.ID] = string(d.Verdict) + " " + d.Rule
						}
					}
					for id, w := range tt.want {
						if got[id] != w {
							t.Errorf("%s: %q, want %q", id, got[id], w)
						}
					}
					if len(got) != len(tt.want) {
						t.Errorf("got %v, want %v", got, tt.want)
					}
					first := p.Changes[0]
					p.Changes = append(slices.Clone(p.Changes[1:]), first)
				}
				slices.Reverse(p.Changes)
			}
		})
	}
}

// A violation that stood before the plan blocks nothing, unless it is worsened.
func TestOldFaultsBlockNothing(t *testing.T) {
	v := testView()
	v.Members["ann"].Primary = false // no primary Owner: I1 is broken
	n := v.Numbers["n2"]
	n.Assignments = append(n.Assignments, Assignment{Number: "n2", Kind: ToMember, To: "bob", Access: AccessShared, Ring: 2})
	a := okta()
	a.Role = RoleOwner
	one := func(c Change) Decision {
		return Check(Proposal{Actor: a, View: v, Policy: decode(t, "approve: []"), Changes: []Change{c}})[0]
	}
	for _, c := range []Change{
		leave(v, "eli"), joiner("eve"), roleChange(v, "dan", RoleAdmin),
		{Kind: NumberUnassign, Subject: numberRef(n), Member: "bob", Before: n.Assignments[1]},
	} {
		if d := one(c); d.Verdict != Allow {
			t.Errorf("%s: %s [%s] %s", c.Kind, d.Verdict, d.Rule, d.Reason)
		}
	}
	if d := one(assign("n2", "dan", AccessShared)); d.Rule != "I4" {
		t.Errorf("a worse overuse: %s [%s]", d.Verdict, d.Rule)
	}
	if got := len(audit(v, nil)); got != 2 {
		t.Errorf("%d violations, want I1 and I4: %+v", got, audit(v, nil))
	}
}
