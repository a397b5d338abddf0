package workspace

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func ringOf(n *Number) []string {
	var out []string
	for _, a := range n.Assignments {
		out = append(out, a.To)
	}
	return out
}

// R13: new ones ring last, a removal closes the gap, a move keeps the rest in
// order, view-only never rings.
func TestRingOrder(t *testing.T) {
	put := func(kind ChangeKind, to string, access Access, ring int) Change {
		return Change{
			Kind: kind, Subject: Ref{"number", "n1", ""}, Member: to, Before: Assignment{Number: "n1", Kind: ToMember, To: to},
			After: Assignment{Number: "n1", Kind: ToMember, To: to, Access: access, Ring: ring},
		}
	}
	off := Change{Kind: NumberUnassign, Before: Assignment{Number: "n1", Kind: ToMember, To: "bob"}}
	for _, tt := range []struct {
		name string
		do   []Change
		want []string
	}{
		{"as it is", nil, []string{"bob", "cy"}},
		{"last", []Change{put(NumberAssign, "ann", AccessShared, 0)}, []string{"bob", "cy", "ann"}},
		{"first", []Change{put(NumberAssign, "ann", AccessShared, 1)}, []string{"ann", "bob", "cy"}},
		{"in the middle", []Change{put(NumberAssign, "ann", AccessShared, 2)}, []string{"bob", "ann", "cy"}},
		{"beyond the end", []Change{put(NumberAssign, "ann", AccessShared, 9)}, []string{"bob", "cy", "ann"}},
		{"a gap closes", []Change{off}, []string{"cy"}},
		{"moved up", []Change{put(NumberRing, "cy", AccessShared, 1)}, []string{"cy", "bob"}},
		{"moving who is not there", []Change{put(NumberRing, "ann", AccessShared, 1)}, []string{"bob", "cy"}},
		{"view only rings no more", []Change{put(NumberAccess, "bob", AccessViewOnly, 0)}, []string{"cy", "bob"}},
		{"and again, last", []Change{put(NumberAccess, "bob", AccessViewOnly, 0), put(NumberAccess, "bob", AccessShared, 0)}, []string{"cy", "bob"}},
	} {
		v := testView()
		before := v.clone()
		w := v.shallow(true, true, true)
		for _, c := range tt.do {
			w.Apply(c)
		}
		n := w.Numbers["n1"]
		if diff := cmp.Diff(tt.want, ringOf(n)); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
		if gaps := ringGaps(n); gaps != 0 {
			t.Errorf("%s: I5: %d gaps in %+v", tt.name, gaps, n.Assignments)
		}
		if diff := cmp.Diff(before, v); diff != "" {
			t.Errorf("%s: Apply wrote through the shared view: %s", tt.name, diff)
		}
	}
}

// Two updates of one plan do not undo each other: each sets the fields in
// which its After differs from its Before, and no other.
func TestUpdateSetsItsOwnFields(t *testing.T) {
	for field, set := range map[string]func(m *Member, to string, at Micros){
		"Name":       func(m *Member, to string, _ Micros) { m.Name = to },
		"Email":      func(m *Member, to string, _ Micros) { m.Email = to },
		"EmailKey":   func(m *Member, to string, _ Micros) { m.EmailKey = to },
		"Reason":     func(m *Member, to string, _ Micros) { m.Reason = to },
		"AccessEnd":  func(m *Member, _ string, at Micros) { m.AccessEnd = at },
		"GraceUntil": func(m *Member, _ string, at Micros) { m.GraceUntil = at },
		"TailHeld":   func(m *Member, _ string, at Micros) { m.TailHeld = at == 2 },
	} {
		v := testView()
		stale := memberChange(v, MemberUpdate, "dan", nil)
		m := v.Members["dan"] // what stands now is not what the plan saw
		m.Name, m.Email, m.EmailKey, m.Reason, m.AccessEnd, m.GraceUntil, m.TailHeld = "now", "now@acme.com", "now@acme.com", "now", 1, 1, false
		after := stale.After.(Member)
		set(&after, "new", 2)
		stale.After = after
		want := *v.Members["dan"]
		set(&want, "new", 2)
		if field == "Email" || field == "EmailKey" { // an address and its key go together
			want.Email, want.EmailKey = after.Email, after.EmailKey
		}
		v.Apply(stale)
		if diff := cmp.Diff(want, *v.Members["dan"]); diff != "" {
			t.Errorf("%s: %s", field, diff)
		}
	}
}

func TestApplyMember(t *testing.T) {
	v := testView()
	all := memberChange(v, MemberRole, "dan", func(m *Member) { m.Role, m.Name, m.State, m.Primary = RoleAdmin, "x", StateRemoved, true })
	v.Apply(all)
	if m := v.Members["dan"]; m.Role != RoleAdmin || m.Name != "" || m.State != StateActive || m.Primary {
		t.Errorf("member.role touches more than role and source: %+v", m)
	}
	grace := memberChange(v, MemberDeactivate, "dan", func(m *Member) { m.GraceUntil = 99 })
	v.Apply(grace)
	if v.Totals.Active != 4 || v.Totals.Seats != 5 || v.Totals.Admins != 1 {
		t.Errorf("in grace the seat is paid: %+v", v.Totals)
	}
	if e := v.Members["dan"].Epoch; e != 1 {
		t.Errorf("EP2: epoch %d after the cut", e)
	}
	v.Apply(memberChange(v, MemberRemove, "dan", nil))
	if v.Totals.Seats != 4 {
		t.Errorf("seats after removal: %+v", v.Totals)
	}
	v.Apply(memberChange(v, MemberReactivate, "dan", func(m *Member) { m.Role = RoleMember; m.Epoch = 1 }))
	if m := v.Members["dan"]; m.State != StateActive || m.Role != RoleMember || m.Epoch != 3 {
		t.Errorf("EP1: after the return: %+v", m)
	}
	v.Apply(memberChange(v, MemberContain, "eli", func(m *Member) { m.ContainedSince, m.ContainedCause = 5, "okta" }))
	if m := v.Members["eli"]; m.State != StateActive || !m.Contained || m.Usable() {
		t.Errorf("contained: %+v", m)
	}
	v.Apply(memberChange(v, MemberRelease, "eli", nil))
	if !v.Members["eli"].Usable() {
		t.Error("containment stays after its release")
	}
	sameTotals(t, v)
}

func TestTransfer(t *testing.T) {
	transfer := func(v *View, from, to string) Change {
		return Change{Kind: OwnerTransfer, Subject: memberRef(v.Members[to]), Member: to, Before: *v.Members[from], After: *v.Members[to], Cause: Cause{Kind: CauseEdit}}
	}
	for _, tt := range []struct {
		name     string
		actor    string
		edit     func(v *View)
		from, to string
		rule     string
		former   Role
	}{
		{"by the primary", "ann", nil, "ann", "bob", "", RoleAdmin},
		{"by another Owner", "eli", nil, "ann", "eli", RuleTransfer, 0},
		{"by another Owner from a contained primary", "eli", func(v *View) { v.Members["ann"].Contained = true }, "ann", "eli", "", RoleAdmin},
		{"by an Admin", "bob", nil, "ann", "bob", "M13.Admin", 0},
		{"to somebody inactive", "ann", func(v *View) { v.Members["bob"].State = StateDeactivated }, "ann", "bob", RuleTransfer, 0},
		{"from who is not primary", "eli", nil, "eli", "bob", RuleTransfer, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := testView()
			if tt.edit != nil {
				tt.edit(v)
			}
			c := transfer(v, tt.from, tt.to)
			d := Check(Proposal{Actor: as(v, tt.actor), View: v, Changes: []Change{c}})[0]
			if tt.rule != "" {
				if d.Verdict != Deny || d.Rule != tt.rule {
					t.Errorf("%s [%s] %s", d.Verdict, d.Rule, d.Reason)
				}
				return
			}
			if d.Verdict != Allow {
				t.Fatalf("%s [%s] %s", d.Verdict, d.Rule, d.Reason)
			}
			v.Apply(c)
			if to := v.Members[tt.to]; !to.Primary || to.Role != RoleOwner || v.Members[tt.from].Primary || v.Members[tt.from].Role != tt.former {
				t.Errorf("from %+v to %+v", v.Members[tt.from], to)
			}
		})
	}
}

// O4: the primary Owner leaves and a successor takes over in the same plan.
func TestSuccession(t *testing.T) {
	v := testView()
	a := okta()
	a.Role = RoleOwner
	c := Change{
		ID: "t", Kind: OwnerTransfer, Subject: memberRef(v.Members["bob"]), Member: "bob", Before: *v.Members["ann"], After: *v.Members["bob"],
		Cause: Cause{Kind: CauseLeaver, Leaver: "ann", Class: EvidenceE1},
	}
	p := Proposal{Actor: a, View: v, Changes: []Change{leave(v, "ann"), c}}
	for _, d := range Check(p) {
		if d.Verdict != Allow {
			t.Errorf("%s: %s [%s] %s", d.Change.Kind, d.Verdict, d.Rule, d.Reason)
		}
	}
	p.Changes = append(p.Changes, leave(v, "bob"), leave(v, "eli"))
	ds := Check(p)
	if ds[0].Verdict != Deny || ds[0].Rule != "I1" || ds[1].Verdict != Deny || ds[2].Verdict != Allow || ds[3].Verdict != Allow {
		t.Errorf("the successor leaves too:\n%s", show(ds))
	}
}

// BR4: the same situation gives the same hash, another one does not.
func TestPlanHash(t *testing.T) {
	hash := func(edit func(c *Change), ds ...Decision) string {
		if edit != nil {
			edit(&ds[0].Change)
		}
		return PlanHash("acme", "okta", "scope", "mapping", "policy", ds)
	}
	v := testView()
	make2 := func(id string) []Decision {
		j := joiner("eve")
		m := j.After.(Member)
		m.ID, m.JoinedAt, m.GraceUntil = id, Micros(len(id)), 7
		j.ID, j.After, j.Member, j.Subject.ID = "c"+id, m, id, id
		give := assign("n3", id, AccessExclusive)
		give.ID = "g" + id
		return []Decision{{Change: j, Verdict: Hold, Rule: "I11"}, {Change: give, Verdict: Hold, Rule: "I11"}}
	}
	a, b := make2("one"), make2("other")
	base := hash(nil, a...)
	if base != hash(nil, b[1], b[0]) {
		t.Error("new ids or the order of the run count")
	}
	b[0].Rule = "P.freeze"
	if base == hash(nil, b...) {
		t.Error("the rule does not count")
	}
	if x, y := hash(nil, Decision{Change: roleChange(v, "dan", RoleAdmin)}), hash(nil, Decision{Change: roleChange(v, "dan", RoleOwner)}); x == y || x[:7] != "sha256:" {
		t.Error("the wanted role does not count")
	}
	// Whatever Apply takes from a return, the approver has seen.
	for field, edit := range map[string]func(m *Member){
		"role": func(m *Member) { m.Role = RoleAdmin }, "role source": func(m *Member) { m.RoleSource = SourceManual },
		"reason": func(m *Member) { m.Reason = "project B" }, "end of access": func(m *Member) { m.AccessEnd = 77 },
	} {
		one := memberChange(v, MemberReactivate, "dan", func(m *Member) { m.Reason = "project A" })
		other := memberChange(v, MemberReactivate, "dan", func(m *Member) { m.Reason = "project A"; edit(m) })
		as, is := testView(), testView()
		as.Apply(one)
		is.Apply(other)
		if cmp.Equal(as.Members["dan"], is.Members["dan"]) {
			t.Errorf("%s of a return is not applied", field)
		}
		if hash(nil, Decision{Change: one}) == hash(nil, Decision{Change: other}) {
			t.Errorf("%s of a return does not count", field)
		}
	}
	raise := roleChange(v, "dan", RoleAdmin)
	first := Fingerprint(raise)
	raise.ID, raise.Cause.ObservedAt, raise.Cause.Why = "another run", 77, "later"
	if Fingerprint(raise) != first {
		t.Error("a run's own facts count in the fingerprint")
	}
	raise.Cause.Rule = "r-other"
	if Fingerprint(raise) == first {
		t.Error("the rule does not count in the fingerprint")
	}
}

func TestDescribe(t *testing.T) {
	v := testView()
	for want, c := range map[string]Change{
		"role member -> admin":                           roleChange(v, "dan", RoleAdmin),
		"access ends":                                    leave(v, "dan"),
		"+4722000003 -> dan@acme.com exclusive":          func() Change { c := assign("n3", "dan", AccessExclusive); c.Subject.Label = "+4722000003"; return c }(),
		"eve@acme.com joins as member":                   joiner("eve"),
		"+4722000002 taken from cy@acme.com (exclusive)": {Kind: NumberUnassign, Subject: numberRef(v.Numbers["n2"]), Before: v.Numbers["n2"].Assignments[0]},
		"+4722000003 gets owner dan@acme.com":            {Kind: NumberOwner, Subject: numberRef(v.Numbers["n3"]), After: Ownership{"n3", "dan"}},
		"email dan@acme.com -> d@acme.com":               memberChange(v, MemberUpdate, "dan", func(m *Member) { m.Email = "d@acme.com" }),
		"dan@acme.com joins group g":                     {Kind: GroupJoin, Subject: Ref{"group", "g", "g"}, After: GroupMembership{Group: "g", Member: "dan"}},
		"primary Owner ann@acme.com -> bob@acme.com":     {Kind: OwnerTransfer, Before: *v.Members["ann"], After: *v.Members["bob"]},
		"invitation eve@acme.com as admin send":          {Kind: InvitationSend, After: Invitation{Email: "eve@acme.com", Role: RoleAdmin}},
		"create group Sales":                             {Kind: GroupCreate, Subject: Ref{"group", "g", "Sales"}, After: Group{ID: "g", Name: "Sales"}},
	} {
		if got := v.Describe(c); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	text := func(s string) *string { return &s }
	got := Modify(roleChange(v, "dan", RoleAdmin))
	want := []Modified{{"role", text("member"), text("admin"), "request"}, {"role_source", text("rule r-member"), text("rule r-x"), "request"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Whatever is applied, sensible or not, every ring stays dense and the totals
// are those of a count.
func TestApplyKeepsRings(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := testView()
		for i := range rapid.IntRange(1, 12).Draw(t, "changes") {
			v.Apply(drawChange(t, v, string(rune('a'+i))))
			for _, n := range v.Numbers {
				if ringGaps(n) != 0 {
					t.Fatalf("I5: %+v", n.Assignments)
				}
			}
		}
		sameTotals(t, v)
	})
}
