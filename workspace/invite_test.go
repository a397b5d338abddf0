package workspace

import "testing"

func TestApplyGroupsInvitationsDomains(t *testing.T) {
	v := testView()
	v.Apply(Change{Kind: GroupCreate, After: Group{ID: "g", Name: "Sales", NameKey: "sales"}})
	v.Apply(Change{Kind: GroupJoin, After: GroupMembership{Group: "g", Member: "cy"}})
	v.Apply(Change{Kind: GroupJoin, After: GroupMembership{Group: "g", Member: "dan"}})
	v.Apply(Change{Kind: GroupLeave, Before: GroupMembership{Group: "g", Member: "cy"}})
	v.Apply(Change{Kind: GroupUpdate, After: Group{ID: "g", Name: "Sellers", NameKey: "sellers"}})
	if g := v.Groups["g"]; g.MemberCount != 1 || g.Name != "Sellers" {
		t.Errorf("group %+v", g)
	}
	v.Apply(Change{Kind: NumberAssign, After: Assignment{Number: "n3", Kind: ToGroup, To: "g", Access: AccessShared}})
	if n := v.Numbers["n3"]; n.State != NumberAssigned || !v.responsible(n) {
		t.Errorf("number of a group %+v", n)
	}
	v.Apply(Change{Kind: GroupDelete, Before: *v.Groups["g"]})
	if n := v.Numbers["n3"]; v.Groups["g"] != nil || len(n.Assignments) != 0 || n.State != NumberFree {
		t.Errorf("after the group's end %+v", n)
	}
	v.Apply(Change{Kind: NumberReserve, After: Reservation{Number: "n3", Kind: ToMember, For: "dan", Until: 9}})
	if v.Numbers["n3"].State != NumberReserved {
		t.Errorf("reserved: %+v", v.Numbers["n3"])
	}
	v.Apply(Change{Kind: NumberReleased, Before: Reservation{Number: "n3", Kind: ToMember, For: "dan"}})
	if v.Numbers["n3"].State != NumberFree {
		t.Errorf("released: %+v", v.Numbers["n3"])
	}
	i := Invitation{ID: "i", Email: "eve@acme.com", State: InvitationPending}
	v.Apply(Change{Kind: InvitationSend, After: i})
	v.Apply(Change{Kind: InvitationAccept, Before: i, After: i})
	if s := v.Invitations["i"].State; s != InvitationAccepted {
		t.Errorf("accepted: %s", s)
	}
	i.State = InvitationExpired
	v.Apply(Change{Kind: InvitationRevoke, Before: i, After: i})
	if s := v.Invitations["i"].State; s != InvitationExpired {
		t.Errorf("expired: %s", s)
	}
	v.Apply(Change{Kind: DomainVerify, After: DomainClaim{Domain: "acme.com", State: DomainVerified}})
	if v.Domains["acme.com"].State != DomainVerified {
		t.Error("the claim is not verified")
	}
}

// Section 11: the role is judged again by the inviter's authority now.
func TestAcceptedInvitation(t *testing.T) {
	for _, tt := range []struct {
		inviter string
		state   MemberState
		role    Role
		verdict Verdict
		rule    string
	}{
		{"cy", StateActive, RoleMember, Allow, ""},
		{"cy", StateActive, RoleAdmin, Hold, ScopeInvite},
		{"bob", StateDeactivated, RoleMember, Hold, ScopeInvite},
		{"bob", StateActive, RoleOwner, Deny, "M13.Admin"}, // an Owner edge, never merely held
		{"ann", StateActive, RoleOwner, Allow, ScopeInvite},
	} {
		v := testView()
		v.Members[tt.inviter].State = tt.state
		v.Invitations["i"] = &Invitation{ID: "i", Email: "eve@acme.com", EmailKey: "eve@acme.com", Role: tt.role, Inviter: tt.inviter, State: InvitationPending}
		c := joiner("eve")
		m := c.After.(Member)
		m.Role = tt.role
		c.After, c.Cause = m, Cause{Kind: CauseInvite}
		d := Check(Proposal{Actor: Actor{Kind: ActorSystem, Channel: ChannelSignin}, View: v, Policy: decode(t, "approve: []"), Changes: []Change{c}})[0]
		if d.Verdict != tt.verdict || d.Rule != tt.rule {
			t.Errorf("%s invites as %s: %s [%s] %s", tt.inviter, tt.role, d.Verdict, d.Rule, d.Reason)
		}
		complete(t, tt.inviter, d)
	}
}

// A porting number takes no new assignments, a sync ports nothing, a legal
// hold keeps a number (NH5, M12).
func TestKeptNumbers(t *testing.T) {
	v := testView()
	v.Numbers["n3"].State = NumberPorting
	held := v.Numbers["n1"]
	held.LegalHold, held.State = true, NumberQuarantined
	free := *held
	free.State = NumberFree
	out := *v.Numbers["n2"]
	out.State = NumberPortedOut
	for _, tt := range []struct {
		c     Change
		actor Actor
		rule  string
	}{
		{assign("n3", "dan", AccessShared), as(v, "ann"), RuleKept},
		{Change{Kind: NumberUpdate, Subject: numberRef(held), Before: *held, After: free}, as(v, "ann"), RuleKept},
		{Change{Kind: NumberUpdate, Subject: numberRef(&out), Before: *v.Numbers["n2"], After: out}, okta(), "M12"},
	} {
		d := Check(Proposal{Actor: tt.actor, View: v, Changes: []Change{tt.c}})[0]
		if d.Verdict != Deny || d.Rule != tt.rule {
			t.Errorf("%s: %s [%s] %s", tt.c.Kind, d.Verdict, d.Rule, d.Reason)
		}
	}
}

// Who sends another's invitation again ends theirs, so it takes what revoking
// takes.
func TestSentAgain(t *testing.T) {
	for _, tt := range []struct {
		who, inviter string
		want         Verdict
	}{
		{"cy", "cy", Allow},
		{"cy", "dan", Deny},
		{"cy", "bob", Deny},
		{"bob", "cy", Allow},
		{"ann", "bob", Allow},
	} {
		v := testView()
		sent := Invitation{ID: "i", Email: "new@acme.com", EmailKey: "new@acme.com", Role: RoleMember, Inviter: tt.inviter, State: InvitationPending, ExpiresAt: 99}
		v.Invitations["i"] = &sent
		after := sent
		after.Inviter, after.ExpiresAt = tt.who, 199
		c := Change{ID: "c", Kind: InvitationSend, Subject: Ref{"invitation", "i", sent.Email}, Before: sent, After: after}
		d := Check(Proposal{Actor: as(v, tt.who), View: v, Changes: []Change{c}})[0]
		if d.Verdict != tt.want || tt.want == Deny && d.Row != MemberRemoving {
			t.Errorf("%s sends the invitation of %s again: %s %s [%s] %s", tt.who, tt.inviter, d.Verdict, d.Row, d.Rule, d.Reason)
		}
	}
}
