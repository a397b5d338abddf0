package workspace

import (
	"strings"
	"testing"
)

// TestPolicyKeysBite shows that every key acts at once: the same plan, with
// and without it.
func TestPolicyKeysBite(t *testing.T) {
	buy := func(*View) []Change {
		return []Change{{Kind: NumberBuy, Subject: Ref{"number", "n9", "+4722000009"}, After: Number{ID: "n9", E164: "+4722000009", Pool: "oslo"}}}
	}
	create := func(*View) []Change { return []Change{joiner("eve")} }
	raise := func(v *View) []Change { return []Change{roleChange(v, "dan", RoleAdmin)} }
	take := func(v *View) []Change {
		return []Change{{Kind: NumberUnassign, Subject: numberRef(v.Numbers["n2"]), Member: "cy", Before: v.Numbers["n2"].Assignments[0]}}
	}
	for _, tt := range []struct {
		key     string
		without string
		with    string
		person  bool
		plan    func(*View) []Change
		verdict Verdict
		rule    string
	}{
		{"clear", "{}", "clear: [M04.Admin]", false, create, Deny, RulePolicyClear},
		{"clear for people", "{}", "clear: [M05.Admin]", true, func(v *View) []Change { return []Change{leave(v, "dan")} }, Deny, RulePolicyClear},
		{"approve absent", "approve: []", "{}", false, raise, Hold, RuleApprove},
		{"approve role.raise", "{}", "approve: [role.raise]", true, raise, Hold, RuleApprove},
		{"approve seat.buy", "{}", "approve: [seat.buy]", true, create, Hold, RuleApprove},
		{"approve number.buy", "limits: {spend_per_month: 9999}", "limits: {spend_per_month: 9999}\napprove: [number.buy]", true, buy, Hold, RuleApprove},
		{"approve domain.claim", "{}", "approve: [domain.claim]", true, func(*View) []Change {
			return []Change{{Kind: DomainClaimed, Subject: Ref{"domain", "acme.com", "acme.com"}, After: DomainClaim{Domain: "acme.com", State: DomainPending}}}
		}, Hold, RuleApprove},
		{"buying off", "limits: {spend_per_month: 9999}", "{}", true, buy, Deny, RuleLimits},
		{"limits.administrators", "approve: []", "approve: []\nlimits: {administrators: 3}", false, raise, Hold, RuleLimits},
		{"limits.administrators 0", "approve: []", "approve: []\nlimits: {administrators: 0}", false, raise, Hold, RuleLimits},
		{"limits.administrators off", "approve: []\nlimits: {administrators: 3}", "approve: []\nlimits: {administrators: 3}", false, raise, Hold, RuleLimits},
		{"limits.seats", "limits: {seats: 6}", "limits: {seats: 5}", false, create, Hold, "I11"},
		{"limits.numbers", "limits: {spend_per_month: 9999}", "limits: {spend_per_month: 9999, numbers: 3}", true, buy, Hold, "I11"},
		{"limits.spend_per_month", "limits: {spend_per_month: 138}", "limits: {spend_per_month: 137}", true, create, Hold, "I11"},
		{"limits.role_raises_per_run", "approve: []\nlimits: {role_raises_per_run: 1}", "approve: []\nlimits: {role_raises_per_run: 0}", false, raise, Hold, RuleLimits},
		{"protect", "{}", "protect: {members: [CY@acme.com]}", false, take, Deny, RuleProtect},
		{"break_glass", "{}", "break_glass: [dan@acme.com]", false, func(v *View) []Change { return []Change{leave(v, "dan")} }, Deny, RuleBreakGlass},
		{"freeze", "freeze: [{from: 'sun 00:00', to: 'sat 00:00'}]", "freeze: [{from: 'sat 00:00', to: 'sun 00:00'}]", true, create, Hold, RuleFreeze},
		{"view_beside_exclusive", "numbers: {view_beside_exclusive: true}", "{}", true, func(*View) []Change { return []Change{assign("n2", "dan", AccessViewOnly)} }, Deny, "I4"},
	} {
		t.Run(tt.key, func(t *testing.T) {
			judge := func(text string) Decision {
				v := testView()
				p := Proposal{Actor: okta(), View: v, Policy: decode(t, text), Changes: tt.plan(v), Now: At(day(2026, 11, 21))}
				if tt.person {
					p.Actor = as(v, "bob")
				}
				return Check(p)[0]
			}
			if d := judge(tt.without); tt.without != tt.with && d.Verdict != Allow {
				t.Errorf("without the key: %s [%s] %s", d.Verdict, d.Rule, d.Reason)
			}
			d := judge(tt.with)
			if d.Verdict != tt.verdict || d.Rule != tt.rule {
				t.Errorf("with the key: %s [%s], want %s [%s]: %s", d.Verdict, d.Rule, tt.verdict, tt.rule, d.Reason)
			}
			complete(t, tt.key, d)
			if d.Row == "" && tt.rule != RuleApprove || !strings.Contains(d.Reason, "okta") && !strings.Contains(d.Reason, "bob@acme.com") {
				t.Errorf("row %q, reason %q", d.Row, d.Reason)
			}
		})
	}
}

func joiner(id string) Change {
	mail := id + "@acme.com"
	return Change{
		ID: "join-" + id, Kind: MemberCreate, Subject: Ref{"member", id, mail}, Member: id,
		After: Member{ID: id, Email: mail, EmailKey: mail, Role: RoleMember, RoleSource: "rule r-member", State: StateActive},
	}
}

// What ends access passes everything that makes others wait.
func TestLeaversPass(t *testing.T) {
	v := testView()
	a := okta()
	a.SponsorLost = true
	policy := decode(t, "protect: {members: [dan@acme.com]}\nfreeze: [{from: 'sat 00:00', to: 'sun 00:00'}]\nlimits: {seats: 1, administrators: 0}")
	p := Proposal{Actor: a, View: v, Policy: policy, Changes: []Change{leave(v, "dan"), leave(v, "cy"), joiner("eve")}, Now: At(day(2026, 11, 21))}
	ds := Check(p)
	for i, want := range []Verdict{Allow, Allow, Hold} {
		if ds[i].Verdict != want {
			t.Errorf("%s of %s: %s [%s]", ds[i].Change.Kind, ds[i].Change.Subject.ID, ds[i].Verdict, ds[i].Rule)
		}
	}
	if ds[2].Rule != RuleSponsor {
		t.Errorf("the joiner waits for %s, want SPONSOR", ds[2].Rule)
	}
	absent := leave(v, "dan")
	absent.Cause.Class = EvidenceE2
	p.Changes = []Change{absent}
	if d := Check(p)[0]; d.Rule != RuleProtect {
		t.Errorf("a protected member ends by absence: %s [%s]", d.Verdict, d.Rule)
	}
	lowered := roleChange(v, "dan", RoleMember)
	v.Members["dan"].Role = RoleAdmin
	lowered.Cause.Class = EvidenceE1
	lowered.Before = *v.Members["dan"]
	p.Changes = []Change{lowered}
	if d := Check(p)[0]; d.Rule != RuleProtect {
		t.Errorf("a protected member is lowered beside an explicit no: %s [%s]", d.Verdict, d.Rule)
	}
	for _, class := range []EvidenceClass{EvidenceNone, EvidenceE3, EvidenceE4} {
		absent.Cause.Class = class
		p.Changes = []Change{absent}
		if d := Check(p)[0]; d.Verdict != Deny || d.Rule != "I14" {
			t.Errorf("class %q ends access: %s [%s]", class, d.Verdict, d.Rule)
		}
	}
}

func TestConnectionsAndOwners(t *testing.T) {
	for _, role := range []Role{RoleMember, RoleAdmin, RoleOwner} {
		v := testView()
		a := okta()
		a.Role = role
		makes := joiner("eve")
		m := makes.After.(Member)
		m.Role = RoleOwner
		makes.After = m
		ends := leave(v, "eli")
		for _, c := range []Change{roleChange(v, "dan", RoleOwner), roleChange(v, "eli", RoleAdmin), makes, ends} {
			d := Check(Proposal{Actor: a, View: v, Changes: []Change{c}})[0]
			want := "M13." + role.Title()
			if role == RoleOwner {
				want = ScopeOwnerEdge
			}
			if role == RoleMember && c.Kind == MemberCreate {
				want = "M13.Member"
			}
			if role == RoleOwner && c.Kind == MemberDeactivate {
				if d.Verdict != Allow {
					t.Errorf("acting as owner ends an Owner: %s [%s]", d.Verdict, d.Rule)
				}
				continue
			}
			if d.Verdict != Deny || d.Rule != want || d.Row != OwnerChange {
				t.Errorf("%s by %s: %s [%s] row %s, want %s", c.Kind, role, d.Verdict, d.Rule, d.Row, want)
			}
		}
		contain := memberChange(v, MemberContain, "eli", func(m *Member) { m.Contained = true })
		if d := Check(Proposal{Actor: a, View: v, Changes: []Change{ends, contain}})[1]; d.Verdict != Allow {
			t.Errorf("containment by %s: %s [%s]", role, d.Verdict, d.Rule)
		}
		v.Members["eli"].BreakGlass = true
		for _, d := range Check(Proposal{Actor: a, View: v, Changes: []Change{ends, contain}}) {
			if d.Rule != RuleBreakGlass {
				t.Errorf("%s of a break-glass Owner: %s [%s]", d.Change.Kind, d.Verdict, d.Rule)
			}
		}
	}
}

// A connection with Member authority brings joiners and nothing else.
func TestMemberAuthority(t *testing.T) {
	v := testView()
	a := okta()
	a.Role = RoleMember
	for _, tt := range []struct {
		c    Change
		rule string
	}{
		{joiner("eve"), ""},
		{roleChange(v, "dan", RoleAdmin), "M06.Member"},
		{roleChange(v, "bob", RoleMember), "M06.Member"},
		{leave(v, "dan"), "M05.Member"},
		{assign("n3", "dan", AccessShared), "M08.Member"},
	} {
		d := Check(Proposal{Actor: a, View: v, Changes: []Change{tt.c}})[0]
		if (d.Verdict == Allow) != (tt.rule == "") || d.Rule != tt.rule {
			t.Errorf("%s: %s [%s], want [%s]: %s", tt.c.Kind, d.Verdict, d.Rule, tt.rule, d.Reason)
		}
	}
}

// TestApprovers is BR6 and F18.
func TestApprovers(t *testing.T) {
	raise := func(v *View) Change {
		c := roleChange(v, "dan", RoleAdmin)
		c.Cause = Cause{Kind: CauseRule, Rule: "r-admin", RuleOwner: "eli", RuleRole: RoleOwner}
		return c
	}
	for _, tt := range []struct {
		name   string
		edit   func(v *View, p *Proposal)
		allow  bool
		reason string
	}{
		{"an Owner", func(v *View, p *Proposal) { a := as(v, "ann"); p.Approver = &a }, true, "Approved by ann@acme.com"},
		{"the sponsor", func(v *View, p *Proposal) { a := as(v, "bob"); p.Approver = &a }, false, "sponsor"},
		{"the rule's owner", func(v *View, p *Proposal) { a := as(v, "eli"); p.Approver = &a }, false, "owner of a mapping row"},
		{"who gains", func(v *View, p *Proposal) { a := as(v, "dan"); a.Role = RoleAdmin; p.Approver = &a }, false, "what they gain"},
		{"a Member", func(v *View, p *Proposal) { a := as(v, "cy"); p.Approver = &a }, false, "they are Member"},
		{"one who claims to be Owner", func(v *View, p *Proposal) { a := as(v, "cy"); a.Role = RoleOwner; p.Approver = &a }, false, "they are Member"},
		{"a connection", func(v *View, p *Proposal) { a := okta(); a.ID = "ann"; p.Approver = &a }, false, "only a person"},
		{"somebody contained", func(v *View, p *Proposal) { a := as(v, "ann"); v.Members["ann"].Contained = true; p.Approver = &a }, false, "active member"},
		{"the actor", func(v *View, p *Proposal) {
			a := as(v, "ann")
			p.Actor, p.Approver, p.Policy = a, &a, decode(t, "approve: [role.raise]")
		}, false, "their own request"},
		{"one of two", func(v *View, p *Proposal) {
			a := as(v, "ann")
			p.Approver, p.Policy = &a, decode(t, "second_approver: owner")
		}, false, "second approval is missing"},
		{"the same twice", func(v *View, p *Proposal) {
			a := as(v, "ann")
			p.Approver, p.Second, p.Policy = &a, &a, decode(t, "second_approver: owner")
		}, false, "same person"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := testView()
			p := Proposal{Actor: okta(), View: v, Changes: []Change{raise(v)}}
			tt.edit(v, &p)
			d := Check(p)[0]
			if (d.Verdict == Allow) != tt.allow || !strings.Contains(d.Reason, tt.reason) {
				t.Errorf("%s [%s] %s", d.Verdict, d.Rule, d.Reason)
			}
			complete(t, tt.name, d)
		})
	}
}

// Who may approve what, change by change (BR6, F18).
func TestUnfit(t *testing.T) {
	transfer := func(v *View) Change {
		return memberChange(v, OwnerTransfer, "eli", func(m *Member) { m.Primary = true })
	}
	for _, tt := range []struct {
		name string
		who  string
		d    Decision
		c    func(v *View) Change
		want string // part of the reason, "" if they may
	}{
		{"an Admin approves for Admins", "bob", Decision{Row: MemberRoles, Approvers: RoleAdmin}, func(v *View) Change { return roleChange(v, "dan", RoleMember) }, ""},
		{"a Member does not", "cy", Decision{Row: MemberRoles, Approvers: RoleAdmin}, func(v *View) Change { return roleChange(v, "dan", RoleMember) }, "needs Admin, and they are Member"},
		{"a Member does not, whatever least is written", "cy", Decision{Row: MemberRoles}, func(v *View) Change { return roleChange(v, "dan", RoleMember) }, "needs Admin, and they are Member"},
		{"an Admin does not approve what needs an Owner", "bob", Decision{Row: MemberRoles, Approvers: RoleOwner}, func(v *View) Change { return roleChange(v, "dan", RoleMember) }, "needs Owner, and they are Admin"},
		{"an Admin approves no change of Owners", "bob", Decision{Row: OwnerChange, Approvers: RoleAdmin}, func(v *View) Change { return roleChange(v, "eli", RoleAdmin) }, "needs Owner, and they are Admin"},
		{"an Owner does", "ann", Decision{Row: OwnerChange, Approvers: RoleOwner}, func(v *View) Change { return roleChange(v, "eli", RoleAdmin) }, ""},
		{"without a row the least counts", "bob", Decision{Approvers: RoleAdmin}, func(v *View) Change { return roleChange(v, "dan", RoleMember) }, ""},
		{"who becomes primary does not", "eli", Decision{Row: OwnerChange, Approvers: RoleOwner}, transfer, "what they gain"},
		{"another Owner does", "ann", Decision{Row: OwnerChange, Approvers: RoleOwner}, transfer, ""},
		{"one's own new number", "ann", Decision{Row: NumberSettings, Approvers: RoleAdmin}, func(*View) Change { return assign("n3", "ann", AccessExclusive) }, "what they gain"},
		{"one's own loss", "ann", Decision{Row: OwnerChange, Approvers: RoleOwner}, func(v *View) Change { return roleChange(v, "ann", RoleMember) }, ""},
		{"the sponsor ends an Admin's access", "bob", Decision{Row: MemberRemoving, Approvers: RoleAdmin}, func(v *View) Change { return memberChange(v, MemberDeactivate, "eli", nil) }, "the sponsor"},
		{"the sponsor removes an Admin", "bob", Decision{Row: MemberRemoving, Approvers: RoleAdmin}, func(v *View) Change { return memberChange(v, MemberRemove, "eli", nil) }, "the sponsor"},
		{"the sponsor lowers an Admin", "bob", Decision{Row: MemberRoles, Approvers: RoleAdmin}, func(v *View) Change { return roleChange(v, "eli", RoleMember) }, "the sponsor"},
		{"the sponsor renames an Admin", "bob", Decision{Row: MemberRoles, Approvers: RoleAdmin}, func(v *View) Change {
			return memberChange(v, MemberUpdate, "eli", func(m *Member) { m.Name = "x" })
		}, ""},
		{"the sponsor ends a Member's access", "bob", Decision{Row: MemberRemoving, Approvers: RoleAdmin}, func(v *View) Change { return memberChange(v, MemberDeactivate, "dan", nil) }, ""},
		{"the row's owner lowers an Admin", "ann", Decision{Row: MemberRoles, Approvers: RoleAdmin}, func(v *View) Change {
			c := roleChange(v, "bob", RoleMember)
			c.Cause.RuleOwner = "ann"
			return c
		}, "owner of a mapping row"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := testView()
			p := Proposal{Actor: okta(), View: v}
			j := judge{p: &p, policy: defaultPolicy, view: v}
			who, c := as(v, tt.who), tt.c(v)
			got := j.unfit(&who, &c, v.Members[c.Member], &tt.d)
			if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

// BR3: what depends on a held or denied change waits or falls with it.
func TestDependents(t *testing.T) {
	v := testView()
	p := Proposal{Actor: okta(), View: v, Policy: decode(t, "limits: {seats: 5}"), Changes: []Change{assign("n3", "eve", AccessExclusive), joiner("eve")}}
	for _, d := range Check(p) {
		if d.Verdict != Hold || d.Rule != "I11" {
			t.Errorf("%s: %s [%s] %s", d.Change.Kind, d.Verdict, d.Rule, d.Reason)
		}
	}
	tail := Change{
		Kind: NumberUnassign, Subject: numberRef(v.Numbers["n1"]), Member: "eli", Before: Assignment{Number: "n1", Kind: ToMember, To: "eli"},
		Cause: Cause{Kind: CauseLeaver, Tail: true, Leaver: "eli", Class: EvidenceE1},
	}
	p = Proposal{Actor: okta(), View: v, Changes: []Change{tail, leave(v, "eli")}}
	for _, d := range Check(p) {
		if d.Verdict != Deny || d.Rule != "M13.Admin" {
			t.Errorf("%s: %s [%s] %s", d.Change.Kind, d.Verdict, d.Rule, d.Reason)
		}
	}
	gone := Proposal{Actor: okta(), View: v, Changes: []Change{leave(v, "dan"), assign("n3", "dan", AccessShared)}}
	if d := Check(gone)[1]; d.Verdict != Deny || d.Rule != "I3" {
		t.Errorf("a number for a leaver: %s [%s]", d.Verdict, d.Rule)
	}
}

// BR6: who may not approve stands in the remedy, before they try.
func TestRemedyNamesWhoMayNotApprove(t *testing.T) {
	t.Parallel()
	v := testView()
	raise := roleChange(v, "dan", RoleAdmin)
	raise.Cause.Rule, raise.Cause.RuleOwner = "r-admin", "ann"
	own := raise
	own.Cause.RuleOwner = "bob"
	for name, tt := range map[string]struct {
		actor Actor
		c     Change
		want  string
	}{
		"sponsor and row's owner":      {okta(), raise, " Not bob@acme.com, the sponsor of okta; nor ann@acme.com, the owner of row r-admin."},
		"one person is both":           {okta(), own, " Not bob@acme.com, the sponsor of okta and the owner of row r-admin."},
		"nothing of an Admin":          {okta(), assign("n3", "dan", AccessExclusive), ""},
		"who asks":                     {as(v, "ann"), assign("n3", "dan", AccessExclusive), " Not ann@acme.com, who asks for it."},
		"who asks, and owns the row":   {as(v, "ann"), raise, " Not ann@acme.com, who asks for it and the owner of row r-admin."},
		"a connection without sponsor": {Actor{Kind: ActorConnection, ID: "okta"}, roleChange(v, "dan", RoleAdmin), ""},
	} {
		p := Proposal{Actor: tt.actor, View: v}
		j := judge{p: &p, policy: defaultPolicy, view: v}
		if got := j.but(&tt.c, v.Members["dan"]); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}
