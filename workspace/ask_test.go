package workspace

import (
	"strings"
	"testing"
)

// Without a policy a question has the matrix's answer, in each of the 39
// cells.
func TestAskIsTheMatrix(t *testing.T) {
	v := testView()
	for _, row := range Rows() {
		for _, id := range []string{"ann", "bob", "cy"} {
			m := v.Members[id]
			d := Ask(Question{Who: m, Row: row.ID, Channel: ChannelConsole})
			if allowed := d.Verdict == Allow; allowed != Can(m.Role, row.ID) || d.Row != row.ID {
				t.Errorf("%s, %s: %s (%s)", row.ID, m.Role.Title(), d.Verdict, d.Reason)
			}
			complete(t, string(row.ID)+" "+id, d)
		}
	}
}

func TestAsk(t *testing.T) {
	for _, tt := range []struct {
		name string
		q    func(v *View) Question
		want Verdict
		rule string
		text string
	}{
		{"no such row", func(v *View) Question { return Question{Who: v.Members["ann"], Row: "M14"} }, Deny, "M00", "No row"},
		{"no row", func(v *View) Question { return Question{Who: v.Members["ann"]} }, Deny, "M00", "No row"},
		{"whose access has ended", func(v *View) Question {
			v.Members["ann"].State = StateDeactivated
			return Question{Who: v.Members["ann"], Row: CommsUse}
		}, Deny, RuleNoAccess, "ann@acme.com has none"},
		{"removal from a mobile device", func(v *View) Question {
			return Question{Who: v.Members["ann"], Row: MemberRemoving, Channel: ChannelMobile}
		}, Deny, ScopeChannel, "not from a mobile device"},
		{"removal by a Member from a mobile device", func(v *View) Question {
			return Question{Who: v.Members["cy"], Row: MemberRemoving, Channel: ChannelMobile}
		}, Deny, "", "Remove team members"},
		{"another row from a mobile device", func(v *View) Question {
			return Question{Who: v.Members["ann"], Row: MemberRoles, Channel: ChannelMobile}
		}, Allow, "", ""},
		{"settings of a number of one's own", func(v *View) Question {
			return Question{Who: v.Members["cy"], Row: NumberSettings, Number: v.Numbers["n1"]}
		}, Allow, ScopeNumberOwner, "Number owner"},
		{"settings of another's number", func(v *View) Question {
			return Question{Who: v.Members["dan"], Row: NumberSettings, Number: v.Numbers["n1"]}
		}, Deny, "", "phone number settings"},
		{"another row about a number of one's own", func(v *View) Question {
			return Question{Who: v.Members["cy"], Row: PortManage, Number: v.Numbers["n1"]}
		}, Deny, "", "port requests"},
		{"settings of any number", func(v *View) Question {
			return Question{Who: v.Members["cy"], Row: NumberSettings}
		}, Deny, "", "phone number settings"},
		{"what the policy took away", func(v *View) Question {
			return Question{Who: v.Members["bob"], Row: MemberRoles, Policy: decode(t, "clear: [M06.Admin]")}
		}, Deny, "", "Update member roles"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := Ask(tt.q(testView()))
			if d.Verdict != tt.want || tt.rule != "" && d.Rule != tt.rule || !strings.Contains(d.Reason, tt.text) {
				t.Errorf("%s [%s] %s", d.Verdict, d.Rule, d.Reason)
			}
			complete(t, tt.name, d)
		})
	}
}
