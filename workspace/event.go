package workspace

import "slices"

// EventType is a kind of event that receivers are told (leavers-and-events
// WH3).
type EventType struct {
	Name string // noun.verb, as in member.deactivated
	Text string // one sentence for people
}

// EventTypes lists every type of event. The outbox writes no other, and the
// configuration of a receiver names no other.
func EventTypes() []EventType { return slices.Clone(eventTypes) }

var eventTypes = []EventType{
	{"member.created", "Somebody is a member."},
	{"member.updated", "A member's profile changed: attributes names what, never the values."},
	{"member.role_changed", "A member has another role, or is no longer or newly the primary Owner."},
	{"member.deactivated", "A member's access has ended: end every session."},
	{"member.reactivated", "A member's access is back, under a new epoch."},
	{"member.contained", "An Owner's access has ended, role and numbers stay: end every session."},
	{"member.released", "An Owner is no longer contained."},
	{"member.removed", "A member is gone for good: end every session."},
	{"session.revoked", "All sessions of a member have ended; the membership stays."},
	{"session.ended", "One session has ended; the others of the member go on."},
	{"number.assigned", "A member, group or invitation has access to a number."},
	{"number.unassigned", "A member, group or invitation has access to a number no longer."},
	{"number.access_changed", "The kind of access to a number is another."},
	{"number.owner_changed", "A member owns a number, or no longer."},
	{"number.handed_over", "A leaver's number is answered by somebody else, or rests in its pool."},
	{"number.ring_changed", "The ring order of a number is another: read it."},
	{"group.created", "A group exists."},
	{"group.updated", "A group has another name: read it."},
	{"group.deleted", "A group is gone."},
	{"group.joined", "A member is in a group."},
	{"group.left", "A member is in a group no longer."},
	{"invitation.sent", "An invitation was sent, or sent again."},
	{"invitation.accepted", "An invitation was accepted."},
	{"invitation.expired", "An invitation has run out."},
	{"invitation.revoked", "An invitation was taken back."},
	{"domain.verified", "A claimed mail domain is proved."},
	{"domain.lapsed", "The proof of a domain is missing, or was missing for too long: see state."},
	{"domain.renewed", "A domain has a new record to publish, or a dispute about it is over."},
	{"domain.contested", "Another workspace has proved the domain."},
	{"domain.released", "A claim of a domain was given up."},
	{"change.held", "A plan waits for a person."},
	{"change.decided", "A plan waits no longer."},
	{"finding.opened", "Something is wrong and needs a person."},
	{"finding.closed", "What was wrong is so no longer."},
	{"run.finished", "A poll has ended."},
}
