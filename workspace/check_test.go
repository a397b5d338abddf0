package workspace

import "testing"

func testView() *View {
	v := &View{
		Workspace: "acme", Plan: PlanBusiness, Zone: "Europe/Oslo", Members: map[string]*Member{}, Numbers: map[string]*Number{},
		Groups: map[string]*Group{}, Invitations: map[string]*Invitation{}, Domains: map[string]*DomainClaim{},
	}
	for _, m := range []Member{
		{ID: "ann", Email: "ann@acme.com", EmailKey: "ann@acme.com", Role: RoleOwner, RoleSource: SourceOwners, State: StateActive, Primary: true, JoinedAt: 1},
		{ID: "bob", Email: "bob@acme.com", EmailKey: "bob@acme.com", Role: RoleAdmin, RoleSource: SourceManual, State: StateActive, JoinedAt: 2},
		{ID: "cy", Email: "cy@acme.com", EmailKey: "cy@acme.com", Role: RoleMember, RoleSource: SourceManual, State: StateActive, JoinedAt: 3},
		{ID: "dan", Email: "dan@acme.com", EmailKey: "dan@acme.com", Role: RoleMember, RoleSource: "rule r-member", State: StateActive, JoinedAt: 4},
		{ID: "eli", Email: "eli@acme.com", EmailKey: "eli@acme.com", Role: RoleOwner, RoleSource: SourceManual, State: StateActive, JoinedAt: 5},
	} {
		v.replaceMember(nil, &m)
	}
	v.Numbers["n1"] = &Number{ID: "n1", E164: "+4722000001", State: NumberAssigned, Owners: []string{"cy"}, Assignments: []Assignment{
		{Number: "n1", Kind: ToMember, To: "bob", Access: AccessShared, Ring: 1}, {Number: "n1", Kind: ToMember, To: "cy", Access: AccessShared, Ring: 2},
	}}
	v.Numbers["n2"] = &Number{ID: "n2", E164: "+4722000002", State: NumberAssigned, Owners: []string{"cy"}, Assignments: []Assignment{
		{Number: "n2", Kind: ToMember, To: "cy", Access: AccessExclusive, Ring: 1},
	}}
	v.Numbers["n3"] = &Number{ID: "n3", E164: "+4722000003", State: NumberFree, Pool: "oslo"}
	v.Totals.Numbers = 3
	return v
}

// okta is a connection that acts as Admin for bob.
func okta() Actor {
	return Actor{Kind: ActorConnection, ID: "okta", Label: "okta", Role: RoleAdmin, Sponsor: "bob", SponsorLabel: "bob@acme.com", Channel: ChannelSCIM}
}

// as is a person of the view in the console.
func as(v *View, id string) Actor {
	m := v.Members[id]
	return Actor{Kind: ActorMember, ID: id, Label: m.Email, Role: m.Role, Channel: ChannelConsole}
}

func memberChange(v *View, kind ChangeKind, id string, edit func(*Member)) Change {
	before := *v.Members[id]
	after := before
	if edit != nil {
		edit(&after)
	}
	return Change{ID: "c-" + string(kind) + "-" + id, Kind: kind, Subject: Ref{"member", id, before.Email}, Member: id, Before: before, After: after}
}

func roleChange(v *View, id string, to Role) Change {
	return memberChange(v, MemberRole, id, func(m *Member) { m.Role, m.RoleSource = to, "rule r-x" })
}

func leave(v *View, id string) Change {
	c := memberChange(v, MemberDeactivate, id, func(m *Member) { m.State, m.DeactivatedAt = StateDeactivated, 9 })
	c.Cause.Class, c.Cause.Kind, c.Cause.Direct = EvidenceE1, CauseRequest, true
	return c
}

func assign(number, to string, access Access) Change {
	return Change{
		ID: "c-assign-" + number + "-" + to, Kind: NumberAssign, Subject: Ref{"number", number, ""}, Member: to,
		After: Assignment{Number: number, Kind: ToMember, To: to, Access: access},
	}
}

// TestSituations holds the table of domain section 8.
func TestSituations(t *testing.T) {
	type want struct {
		verdict Verdict
		rule    string
	}
	for _, tt := range []struct {
		name string
		do   func(v *View) Proposal
		want []want
	}{
		{"Member invites eve as Admin", func(v *View) Proposal {
			return Proposal{Actor: as(v, "cy"), Changes: []Change{{
				Kind: InvitationSend, Subject: Ref{"invitation", "i1", "eve@acme.com"},
				After: Invitation{ID: "i1", Email: "eve@acme.com", EmailKey: "eve@acme.com", Role: RoleAdmin, Inviter: "cy", State: InvitationPending},
			}}}
		}, []want{{Deny, ScopeInvite}}},
		{"Admin removes an Owner in the console", func(v *View) Proposal {
			return Proposal{Actor: as(v, "bob"), Changes: []Change{leave(v, "eli")}}
		}, []want{{Deny, "M13.Admin"}}},
		{"okta removes an Owner", func(v *View) Proposal {
			return Proposal{Actor: okta(), Changes: []Change{leave(v, "eli")}}
		}, []want{{Deny, "M13.Admin"}}},
		{"okta sets dan to Admin", func(v *View) Proposal {
			return Proposal{Actor: okta(), Changes: []Change{roleChange(v, "dan", RoleAdmin)}}
		}, []want{{Hold, RuleApprove}}},
		{"one run that acts as owner ends both Owners", func(v *View) Proposal {
			a := okta()
			a.Role = RoleOwner
			return Proposal{Actor: a, Changes: []Change{leave(v, "eli"), leave(v, "ann")}}
		}, []want{{Allow, ScopeOwnerEdge}, {Deny, "I1"}}},
		{"removal from the mobile app", func(v *View) Proposal {
			a := as(v, "ann")
			a.Channel = ChannelMobile
			return Proposal{Actor: a, Changes: []Change{leave(v, "dan")}}
		}, []want{{Deny, ScopeChannel}}},
		{"Member owning +4722000001 edits its ring order", func(v *View) Proposal {
			return Proposal{Actor: as(v, "cy"), Changes: []Change{{
				Kind: NumberRing, Subject: Ref{"number", "n1", "+4722000001"}, Member: "cy",
				Before: v.Numbers["n1"].Assignments[1], After: Assignment{Number: "n1", Kind: ToMember, To: "cy", Access: AccessShared, Ring: 1},
			}}}
		}, []want{{Allow, ScopeNumberOwner}}},
		{"cy's exclusive number asked for dan", func(v *View) Proposal {
			return Proposal{Actor: okta(), Changes: []Change{assign("n2", "dan", AccessExclusive)}}
		}, []want{{Deny, "I4"}}},
		{"deactivated person signs up at /join", func(v *View) Proposal {
			v.Domains["acme.com"] = &DomainClaim{Domain: "acme.com", State: DomainVerified}
			m := Member{ID: "fay", Email: "fay@acme.com", EmailKey: "fay@acme.com", Role: RoleMember, RoleSource: SourceDomain, State: StateActive}
			return Proposal{Actor: Actor{Kind: ActorSystem, ID: "system", Channel: ChannelSignin}, Changes: []Change{{
				Kind:    MemberCreate,
				Subject: Ref{"member", "fay", m.Email}, Member: "fay", After: m, Cause: Cause{Kind: CauseJoin, Tombstone: "by okta on 2026-11-20"},
			}}}
		}, []want{{Deny, "I9"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := testView()
			p := tt.do(v)
			p.View = v
			for i, d := range Check(p) {
				if d.Verdict != tt.want[i].verdict || d.Rule != tt.want[i].rule {
					t.Errorf("change %d: %s %s, want %s %s (%s)", i, d.Verdict, d.Rule, tt.want[i].verdict, tt.want[i].rule, d.Reason)
				}
				if d.Reason == "" || d.Verdict != Allow && (d.Remedy == "" || d.Row == "") {
					t.Errorf("change %d: reason %q remedy %q row %q", i, d.Reason, d.Remedy, d.Row)
				}
				t.Logf("%s %s: %s / %s", d.Verdict, d.Rule, d.Reason, d.Remedy)
			}
		})
	}
}
