package workspace

// ChangeKind names what a change does. The part before the dot is the type
// of its subject.
type ChangeKind string

// The kinds of change. What Before and After hold for each kind:
//
//	member.*        Member (a snapshot; only the fields the kind is about are applied)
//	number.create   nil -> Number          number.update   Number -> Number
//	number.assign   nil -> Assignment      number.unassign Assignment -> nil
//	number.access   Assignment -> Assignment (access, notifications)
//	number.ring     Assignment -> Assignment (ring position)
//	number.owner    nil -> Ownership (given) or Ownership -> nil (taken)
//	number.reserve  nil -> Reservation     number.release  Reservation -> nil
//	number.buy      nil -> Number
//	group.create    nil -> Group           group.update, group.delete  Group -> Group, Group -> nil
//	group.join      nil -> GroupMembership group.leave     GroupMembership -> nil
//	invitation.*    Invitation -> Invitation (send: nil -> Invitation)
//	domain.*        DomainClaim -> DomainClaim (claim: nil -> DomainClaim, if there was none; release: DomainClaim -> nil)
//	owner.transfer  Member (present primary) -> Member (next primary)
//	owner.successors nothing: the store keeps whom the primary Owner named
//	token.*         nothing: a token is known by its id alone
//	connection.host nothing: the store keeps the hosts
//	session.*       nothing: a session is known by its id alone
const (
	MemberCreate     ChangeKind = "member.create"
	MemberUpdate     ChangeKind = "member.update" // name, e-mail, access end, reason
	MemberRole       ChangeKind = "member.role"
	MemberDeactivate ChangeKind = "member.deactivate"
	MemberReactivate ChangeKind = "member.reactivate"
	MemberContain    ChangeKind = "member.contain"
	MemberRelease    ChangeKind = "member.release" // containment lifted
	MemberRemove     ChangeKind = "member.remove"
	MemberLink       ChangeKind = "member.link"
	MemberSessions   ChangeKind = "member.sessions" // sessions ended: epoch + 1
	NumberCreate     ChangeKind = "number.create"
	NumberUpdate     ChangeKind = "number.update"
	NumberBuy        ChangeKind = "number.buy"
	NumberAssign     ChangeKind = "number.assign"
	NumberUnassign   ChangeKind = "number.unassign"
	NumberAccess     ChangeKind = "number.access"
	NumberOwner      ChangeKind = "number.owner"
	NumberRing       ChangeKind = "number.ring"
	NumberReserve    ChangeKind = "number.reserve"
	NumberReleased   ChangeKind = "number.release"
	GroupCreate      ChangeKind = "group.create"
	GroupUpdate      ChangeKind = "group.update"
	GroupDelete      ChangeKind = "group.delete"
	GroupJoin        ChangeKind = "group.join"
	GroupLeave       ChangeKind = "group.leave"
	InvitationSend   ChangeKind = "invitation.send"
	InvitationAccept ChangeKind = "invitation.accept"
	InvitationRevoke ChangeKind = "invitation.revoke"
	DomainClaimed    ChangeKind = "domain.claim"
	DomainVerify     ChangeKind = "domain.verify"
	DomainLapse      ChangeKind = "domain.lapse"   // the proof is missing, or has been for too long
	DomainRenew      ChangeKind = "domain.renew"   // a new challenge, or a dispute settled
	DomainContest    ChangeKind = "domain.contest" // another workspace has proved the domain too
	DomainRelease    ChangeKind = "domain.release"
	OwnerTransfer    ChangeKind = "owner.transfer"
	OwnerSuccessors  ChangeKind = "owner.successors" // named by the primary Owner (O4)
	TokenCreate      ChangeKind = "token.create"
	EventSettle      ChangeKind = "event.settle"    // an event taken out of a receiver's line by a person
	ConnectionHost   ChangeKind = "connection.host" // an endpoint of a provider may lie on another host
	TokenRevoke      ChangeKind = "token.revoke"
	SessionStart     ChangeKind = "session.start" // somebody signed in, or was refused
	SessionEnd       ChangeKind = "session.end"   // one session; member.sessions ends all
)

// Ref names a thing in a change, with the label people know it by.
type Ref struct {
	Type  string `json:"type"` // member, number, group, invitation, domain, connection, token, session, mapping, policy
	ID    string `json:"id"`
	Label string `json:"label,omitempty"`
}

// CauseKind says what brought a change about.
type CauseKind string

// The causes of a change.
const (
	CauseRule     CauseKind = "rule"     // a mapping row
	CauseRequest  CauseKind = "request"  // the source stated it itself (profile, active, direct inputs)
	CauseEdit     CauseKind = "edit"     // a person's edit
	CauseLeaver   CauseKind = "leaver"   // a consequence of somebody leaving
	CauseRehire   CauseKind = "rehire"   // a return within the grace
	CauseJoin     CauseKind = "join"     // claimed domain
	CauseInvite   CauseKind = "invite"   // an invitation accepted
	CauseTimer    CauseKind = "timer"    // grace end, expiry
	CauseSequence CauseKind = "sequence" // kept dense or consistent beside another change (ring order)
)

// Cause is why a change is proposed.
type Cause struct {
	Kind CauseKind
	// Rule is the mapping row's id, "" if none.
	Rule string
	// RuleOwner answers for the row; RuleRole is that person's role now. When
	// RuleOwnerLost is set the row has lost its force: new grants hold.
	RuleOwner     string
	RuleRole      Role
	RuleOwnerLost bool
	// ApproveAlways: the row says `approve: always`.
	ApproveAlways bool
	// Cap is the row's cap on active holders of the role after the plan, 0: none.
	Cap int
	// Source is what made the row true, in words ("group phone-admins").
	Source string
	// Direct: the request wrote the thing itself (role, number, active);
	// otherwise it was derived by the mapping.
	Direct bool
	// Tail: part of what a leaver loses after access has ended. Such a change
	// stands or falls with the deactivation of the same plan.
	Tail        bool
	Leaver      string // the leaver's member id, for consequences that concern somebody else
	Identity    string
	Connection  string
	ExternalID  string
	Class       EvidenceClass
	Why         string // disabled, expired, deleted, absent, moved, filtered, ineligible
	ObservedAt  Micros
	ReasonClass string // new_hire, role_change, temporary_access, offboarding, correction
	// Support is what will support the grant: "rule ID", manual, invitation, domain.
	Support string
	// Tombstone tells of a deprovisioned identity that this change would
	// bring back (I9); empty if none objects.
	Tombstone string
	// Rehire: the tombstone is lifted lawfully: the same immutable id, stated
	// enabled by the connection that ended it, or a stated rehire by a person.
	Rehire bool
	// Protected: mapping protects the member from being lowered.
	Protected bool
	// Invitation is the invitation whose acceptance brings the change about,
	// where the change itself does not tell.
	Invitation string
	// Note is free text of a person's edit.
	Note string
}

// Change is one proposed change. Before and After are noun values, not
// pointers, as listed at ChangeKind; nil stands for "does not exist".
type Change struct {
	ID      string // UUIDv7, made by the engine
	Kind    ChangeKind
	Subject Ref
	// Member is the person who gains or loses by the change, "" if nobody.
	Member string
	Before any
	After  any
	Cause  Cause
}

// Direction says whether a change gives access or takes it.
type Direction uint8

// The directions. A change that does neither is neutral.
const (
	Neutral Direction = iota
	Expansion
	Reduction
)

// Direction tells whether the change gives access, takes it, or neither.
// Reductions pass where expansions may be held (domain section 7).
func (c Change) Direction() Direction {
	switch c.Kind {
	case MemberCreate, MemberReactivate, MemberRelease, NumberAssign, NumberBuy, NumberCreate, GroupJoin, GroupCreate,
		InvitationSend, InvitationAccept, DomainClaimed, DomainVerify, OwnerTransfer:
		return Expansion
	case MemberDeactivate, MemberContain, MemberRemove, MemberSessions, NumberUnassign, GroupLeave, GroupDelete,
		InvitationRevoke, DomainLapse, DomainContest, DomainRelease:
		return Reduction
	case MemberRole:
		before, after := c.roles()
		switch {
		case after > before:
			return Expansion
		case after < before:
			return Reduction
		}
	case NumberAccess:
		before, _ := c.Before.(Assignment)
		after, _ := c.After.(Assignment)
		switch {
		case after.Access > before.Access:
			return Expansion
		case after.Access < before.Access:
			return Reduction
		}
	case NumberOwner:
		if c.After != nil {
			return Expansion
		}
		return Reduction
	}
	return Neutral
}

// roles gives the roles before and after a change of a member.
func (c Change) roles() (before, after Role) {
	if m, ok := c.Before.(Member); ok {
		before = m.Role
	}
	if m, ok := c.After.(Member); ok {
		after = m.Role
	}
	return before, after
}

// Modified is one attribute before and after, as reports show it. Old and
// New are nil where there was or is no value.
type Modified struct {
	Attr   string  `json:"attr"`
	Old    *string `json:"old"`
	New    *string `json:"new"`
	Source string  `json:"source"` // rule, request, default, restore
}
