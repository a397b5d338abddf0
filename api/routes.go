package api

import (
	"errors"
	"net/http"
	"strings"

	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/workspace"
)

// isNotFound reports whether a look-up found nothing.
func isNotFound(err error) bool { return errors.Is(err, workspace.ErrNotFound) }

// with decodes the body for a handler. No body is an empty object.
func with[B any](run func(x *exchange, b *B) (*reply, error)) func(*exchange) (*reply, error) {
	return func(x *exchange) (*reply, error) {
		raw := x.raw
		if len(raw) == 0 {
			raw = []byte("{}")
		}
		b := new(B)
		if err := decode(raw, b); err != nil {
			return nil, err
		}
		return run(x, b)
	}
}

// paging are the parameters of every listing.
func paging(more ...parameter) []parameter {
	return append(more,
		parameter{name: "limit", text: "rows of a page, 1 to 200; 50 if left out", number: true},
		parameter{name: "cursor", text: "next of the page before"})
}

// list, get and write are the kinds of routes; what differs stands in the table.
func list(path, id, scope, summary string, answer any, run func(*exchange) (*reply, error), query ...parameter) route {
	r := route{method: http.MethodGet, path: path, id: id, scope: scope, summary: summary, answer: answer, status: http.StatusOK, run: run, query: paging(query...)}
	return r
}

func get(path, id, scope, summary string, answer any, run func(*exchange) (*reply, error)) route {
	return route{method: http.MethodGet, path: path, id: id, scope: scope, summary: summary, answer: answer, status: http.StatusOK, etag: true, run: run}
}

func write(method, path, id, scope, summary string, body, answer any, status int, run func(*exchange) (*reply, error)) route {
	return route{
		method: method, path: path, id: id, scope: scope, summary: summary, body: body, answer: answer, status: status, acting: true, writes: true,
		match: strings.Contains(path, "{"), run: run,
	}
}

// routes is the table of the API.
func routes() []route {
	const (
		post, put, patch, drop = http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete
		ok, made               = http.StatusOK, http.StatusCreated
	)
	state := func(values ...string) parameter {
		return parameter{name: "state", text: "only this state", enum: values}
	}
	table := []route{
		{method: http.MethodGet, path: "/v1/openapi.json", id: "getOpenAPI", summary: "This document", status: ok, answer: map[string]any{}, etag: true, run: getOpenAPI},

		list("/v1/members", "listMembers", ScopeMembersRead, "Members, in the order in which they joined; removed ones only by state", page[memberView]{}, listMembers,
			state("active", "deactivated", "removed"), parameter{name: "role", text: "only this role", enum: []string{"owner", "admin", "member"}},
			parameter{name: "group", text: "only members of the group with this id"},
			parameter{name: "no_path", text: "only active members of whom nobody tells when their job ends", enum: []string{"true"}}),
		{
			method: post, path: "/v1/members/lookup", id: "lookupMember", scope: ScopeMembersRead, summary: "A member by address", body: lookupBody{}, answer: memberView{},
			status: ok, run: with(lookupMember), problem: []int{http.StatusNotFound},
		},
		get("/v1/members/{id}", "getMember", ScopeMembersRead, "A member, in any state", memberView{}, getMember),
		get("/v1/members/{id}/ways", "getWays", ScopeMembersRead, "How the end of this member's account would reach us, how long that takes, and how long it took", sync.Ways{}, getWays),
		write(patch, "/v1/members/{id}", "updateMember", ScopeMembersWrite, "Change profile (SELF) or role (M06; M13 where an Owner is touched)", memberPatch{}, memberView{}, ok, with(patchMember)),
		write(post, "/v1/members/{id}/deactivate", "deactivateMember", ScopeMembersWrite, "End access at once; numbers are handed over (M05)", leaveBody{}, memberView{}, ok, with(deactivateMember)),
		write(post, "/v1/members/{id}/remove", "removeMember", ScopeMembersWrite, "Remove for good; never on channel mobile (M05, R23)", leaveBody{}, memberView{}, ok, with(removeMember)),
		write(post, "/v1/members/{id}/restore", "restoreMember", ScopeMembersWrite, "A stated rehire: bring back whose access was ended (M05, I9)", restoreBody{}, memberView{}, ok, with(restoreMember)),
		write(post, "/v1/members/{id}/sessions/end", "endSessions", ScopeMembersWrite, "Raise the session epoch: every session ends (SELF, M05)", noteBody{}, memberView{}, ok, with(endSessions)),
		write(post, "/v1/members/{id}/transfer", "transferOwnership", ScopeMembersWrite, "Make this member the primary Owner (M13, O6)", noteBody{}, memberView{}, ok, with(transferOwner)),

		{
			method: post, path: "/v1/sessions/redeem", id: "redeemCode", scope: ScopeSessionsWrite, summary: "The session of a one-time code of a sign-in, once", body: redeemBody{}, answer: sessionView{},
			status: ok, run: with(redeemCode), problem: []int{http.StatusNotFound},
		},
		get("/v1/sessions/{id}", "getSession", ScopeSessionsRead, "A session, with whether it is good now", sessionView{}, getSession),
		{
			method: post, path: "/v1/sessions/{id}/end", id: "endSession", scope: ScopeSessionsWrite, summary: "End one session: the person signed out", body: noteBody{}, answer: sessionView{},
			status: ok, run: with(endSession), problem: []int{http.StatusNotFound},
		},

		list("/v1/groups", "listGroups", ScopeGroupsRead, "Groups, by name", page[groupView]{}, listGroups),
		write(post, "/v1/groups", "createGroup", ScopeGroupsWrite, "Create a group (M10)", groupBody{}, groupView{}, made, with(createGroup)),
		get("/v1/groups/{id}", "getGroup", ScopeGroupsRead, "A group", groupView{}, getGroup),
		write(patch, "/v1/groups/{id}", "renameGroup", ScopeGroupsWrite, "Rename a group (GROUP-EDIT)", groupBody{}, groupView{}, ok, with(renameGroup)),
		write(drop, "/v1/groups/{id}", "deleteGroup", ScopeGroupsWrite, "Delete a group; its members lose what they have through it (GROUP-EDIT)", nil, nil, http.StatusNoContent, deleteGroup),
		list("/v1/groups/{id}/members", "listGroupMembers", ScopeGroupsRead, "Members of a group", page[personView]{}, listGroupMembers),
		write(put, "/v1/groups/{id}/members/{member}", "joinGroup", ScopeGroupsWrite, "Add a member (GROUP-EDIT)", nil, groupView{}, ok, joinGroup),
		write(drop, "/v1/groups/{id}/members/{member}", "leaveGroup", ScopeGroupsWrite, "Take a member out (GROUP-EDIT)", nil, groupView{}, ok, leaveGroup),

		list("/v1/numbers", "listNumbers", ScopeNumbersRead, "Numbers, by their digits", page[numberView]{}, listNumbers, parameter{name: "number", text: "only this one, in E.164 form"}),
		write(post, "/v1/numbers", "createNumber", ScopeNumbersWrite, "Add a number to the inventory (M09)", numberBody{}, numberView{}, made, with(createNumber)),
		get("/v1/numbers/{id}", "getNumber", ScopeNumbersRead, "A number with its assignments in ring order", numberView{}, getNumber),
		write(patch, "/v1/numbers/{id}", "updateNumber", ScopeNumbersWrite, "Change settings (M08, NUM-OWNER)", settingsBody{}, numberView{}, ok, with(patchNumber)),
		write(put, "/v1/numbers/{id}/ring", "setRingOrder", ScopeNumbersWrite, "Set the whole ring order (M08, NUM-OWNER)", ringBody{}, numberView{}, ok, with(setRing)),
		write(put, "/v1/numbers/{id}/members/{member}", "assignMember", ScopeNumbersWrite, "Give a member access, or other access (M08, NUM-OWNER)", accessBody{}, numberView{}, ok, with(assignMember)),
		write(drop, "/v1/numbers/{id}/members/{member}", "unassignMember", ScopeNumbersWrite, "Take a member's access (M08, NUM-OWNER)", nil, numberView{}, ok, unassignMember),
		write(put, "/v1/numbers/{id}/groups/{group}", "assignGroup", ScopeNumbersWrite, "Give a group access, or other access (M08, NUM-OWNER)", accessBody{}, numberView{}, ok, with(assignGroup)),
		write(drop, "/v1/numbers/{id}/groups/{group}", "unassignGroup", ScopeNumbersWrite, "Take a group's access (M08, NUM-OWNER)", nil, numberView{}, ok, unassignGroup),
		write(put, "/v1/numbers/{id}/owners/{member}", "addNumberOwner", ScopeNumbersWrite, "Make a member an owner of the number (M08, NUM-OWNER)", nil, numberView{}, ok, addOwner),
		write(drop, "/v1/numbers/{id}/owners/{member}", "removeNumberOwner", ScopeNumbersWrite, "Take ownership of the number (M08, NUM-OWNER)", nil, numberView{}, ok, dropOwner),

		list("/v1/invitations", "listInvitations", ScopeInvitationsRead, "Invitations, newest first", page[invitationView]{}, listInvitations, state("pending", "accepted", "expired", "revoked")),
		write(post, "/v1/invitations", "invite", ScopeInvitationsWrite, "Invite somebody (M04, INVITE-GRANT); the secret of the link is shown once", inviteBody{}, invitationView{}, made, with(invite)),
		get("/v1/invitations/{id}", "getInvitation", ScopeInvitationsRead, "An invitation", invitationView{}, getInvitation),
		write(post, "/v1/invitations/{id}/accept", "acceptInvitation", ScopeInvitationsWrite, "Accept with the invited address (R18); judged by what the inviter may give now", acceptBody{}, memberView{}, made, with(acceptInvitation)),
		write(post, "/v1/invitations/{id}/revoke", "revokeInvitation", ScopeInvitationsWrite, "Take a pending invitation back", noteBody{}, invitationView{}, ok, with(revokeInvitation)),
		write(post, "/v1/invitations/{id}/resend", "resendInvitation", ScopeInvitationsWrite, "New secret and expiry; the old link dies", noteBody{}, invitationView{}, ok, with(resendInvitation)),

		list("/v1/domains", "listDomains", ScopeDomainsRead, "Claimed mail domains, by name", page[domainView]{}, listDomains),
		write(post, "/v1/domains", "claimDomain", ScopeDomainsWrite, "Claim a mail domain (DOM-CLAIM); the answer has the DNS record to publish", claimBody{}, domainView{}, made, with(claimDomain)),
		get("/v1/domains/{domain}", "getDomain", ScopeDomainsRead, "A claimed domain", domainView{}, getDomain),
		write(post, "/v1/domains/{domain}/verify", "verifyDomain", ScopeDomainsWrite, "Look for the record in DNS now (DOM-CLAIM)", nil, domainView{}, ok, verifyDomain),
		write(drop, "/v1/domains/{domain}", "releaseDomain", ScopeDomainsWrite, "Give a claim up; members stay (DOM-CLAIM)", nil, nil, http.StatusNoContent, releaseDomain),

		list("/v1/holds", "listHolds", ScopeHoldsRead, "Held plans, newest first", page[planView]{}, listHolds, state("open", "approved", "rejected", "expired", "withdrawn")),
		get("/v1/holds/{id}", "getHold", ScopeHoldsRead, "A held plan", planView{}, getHold),
		write(post, "/v1/holds/{id}/approve", "approveHold", ScopeHoldsWrite, "Apply exactly the plan that was shown", approveBody{}, planView{}, ok, with(approveHold)),
		write(post, "/v1/holds/{id}/reject", "rejectHold", ScopeHoldsWrite, "Refuse a plan, and remember it for 30 days", rejectBody{}, planView{}, ok, with(rejectHold)),

		list("/v1/runs", "listRuns", ScopeRunsRead, "Runs, newest first: one per request, poll, edit or approval", page[sync.SyncRun]{}, listRuns),
		get("/v1/runs/{id}", "getRun", ScopeRunsRead, "One run's report, whole", sync.SyncRun{}, getRun),

		get("/v1/workspace", "getWorkspace", ScopeWorkspaceRead, "Plan, period and totals", workspaceView{}, getWorkspace),
		get("/v1/matrix", "getMatrix", ScopeWorkspaceRead, "The role matrix and the rules beside it", matrixView{}, getMatrix),
		{method: post, path: "/v1/check", id: "check", scope: ScopeMembersRead, summary: "May this member do this? The answer names the row", body: checkBody{}, answer: verdictView{}, status: ok, run: with(check)},
	}
	for i := range table {
		switch table[i].id {
		case "acceptInvitation":
			table[i].acting = false // nobody is a member yet
		case "approveHold", "rejectHold":
			table[i].match = false // the plan's hash says what was seen
		case "deactivateMember", "removeMember", "endSessions", "endSession":
			table[i].cut = true
		}
	}
	return append(table, feedRoutes()...)
}

func getOpenAPI(x *exchange) (*reply, error) {
	return &reply{Status: http.StatusOK, Body: x.h.document, Header: [][2]string{{"ETag", x.h.etag}}}, nil
}
