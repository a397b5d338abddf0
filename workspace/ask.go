package workspace

// Question asks whether a member may do what one row of the role matrix
// speaks of, without planning anything: for rows whose work Rollcall does not
// do itself (messages, contacts, billing, porting), and for programs that
// show or hide a button.
type Question struct {
	Who     *Member
	Row     Permission
	Number  *Number // M08 alone: the number whose settings are meant, nil for any
	Channel Channel
	Policy  *Policy // nil is the default policy
}

// RuleNoAccess is the rule of answers about members who have no access.
const RuleNoAccess = "EP3"

// Ask answers with a decision whose verdict is allow or deny; its Row is the
// one asked about. An unknown row is denied, like everything that no row
// speaks of. What other people must agree to is not looked at.
func Ask(q Question) Decision {
	if q.Policy == nil {
		q.Policy = defaultPolicy
	}
	p := Proposal{Actor: Actor{Kind: ActorMember, ID: q.Who.ID, Label: q.Who.Email, Role: q.Who.Role, Channel: q.Channel}, View: &View{}}
	j := judge{p: &p, policy: q.Policy, view: p.View}
	c := Change{Subject: Ref{Type: "workspace", Label: "the workspace"}}
	a := j.authority(&c)
	d := Decision{Verdict: Allow, Row: q.Row}
	switch {
	case q.Row.index() < 0:
		d.deny("", "M00", "No row of the role matrix has this name; "+j.actor()+".", "Name a row, M01 to M13.")
	case !q.Who.Usable():
		d.deny(q.Row, RuleNoAccess, "Row "+q.Row.quoted()+" needs somebody with access; "+q.Who.Email+" has none.", "An Admin or Owner restores "+q.Who.Email+".")
	case q.Row == MemberRemoving && q.Channel == ChannelMobile && q.Policy.can(a.role, q.Row):
		d.deny(q.Row, ScopeChannel, "Members are removed on web or desktop only, not from a mobile device (row "+q.Row.quoted()+"); "+j.actor()+".", "Remove members on web or desktop.")
	case q.Policy.can(a.role, q.Row):
		j.given(a, &d)
	case q.Row == NumberSettings && a.ownsNumber(q.Number):
		d.Rule, d.Reason = ScopeNumberOwner, "Number owner."
	default:
		j.missing(&c, a, q.Row, &d)
	}
	return d
}
