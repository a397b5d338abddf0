package api

import (
	"net/http"
	"time"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/workspace"
)

// memberView is a member in JSON (the contract's names).
type memberView struct {
	ID           string              `json:"id"`
	Name         string              `json:"name"`
	Email        string              `json:"email"`
	Role         string              `json:"role" enum:"owner,admin,member"`
	RoleSource   string              `json:"role_source"`
	State        string              `json:"state" enum:"active,deactivated,removed"`
	Contained    bool                `json:"contained" doc:"access is ended, role and numbers stay"`
	Primary      bool                `json:"primary" doc:"the primary Owner"`
	Groups       []string            `json:"groups"`
	Numbers      []numberHoldingView `json:"numbers"`
	Connections  []string            `json:"connections"`
	Reason       string              `json:"reason"`
	JoinedAt     workspace.Micros    `json:"joined_at"`
	LastActiveAt workspace.Micros    `json:"last_active_at"`
	AccessEnd    workspace.Micros    `json:"access_end"`
	GraceUntil   workspace.Micros    `json:"grace_until"`
}

// numberHoldingView is a member's hold on a number, as the command line's
// listings show it.
type numberHoldingView struct {
	Number string  `json:"number" doc:"E.164"`
	Access *string `json:"access" enum:"exclusive,shared,view_only" doc:"null for an owner without access"`
	Owner  bool    `json:"owner"`
	Ring   *int    `json:"ring" doc:"place in the ring order, from 1; null for who does not ring"`
}

func viewHoldings(list []store.NumberHolding) []numberHoldingView {
	views := make([]numberHoldingView, len(list))
	for i := range list {
		h := &list[i]
		views[i] = numberHoldingView{Number: h.Number, Owner: h.Owner, Ring: ringPlace(h.Ring)}
		if h.Access != "" {
			views[i].Access = &h.Access
		}
	}
	return views
}

// ringPlace is a place in a ring order, null for who does not ring.
func ringPlace(ring int) *int {
	if ring == 0 {
		return nil
	}
	return &ring
}

func viewMember(m *store.MemberListing) memberView {
	return memberView{
		ID: m.ID, Name: m.Name, Email: m.Email, Role: m.Role.String(), RoleSource: m.RoleSource, State: string(m.State), Contained: m.Contained,
		Primary: m.Primary, Groups: orEmpty(m.Groups), Numbers: viewHoldings(m.Numbers), Connections: orEmpty(m.Connections), Reason: m.Reason,
		JoinedAt: m.JoinedAt, LastActiveAt: m.LastActiveAt, AccessEnd: m.AccessEnd, GraceUntil: m.GraceUntil,
	}
}

// orEmpty makes a list that is not there an empty one.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// everyState lists members whatever became of them.
var everyState = []workspace.MemberState{workspace.StateActive, workspace.StateDeactivated, workspace.StateRemoved}

// readMember reads a member by id; inside a unit of work the row is locked.
func readMember(r *store.Reader, id string) (memberView, error) {
	if _, err := r.Member(id); err != nil {
		return memberView{}, err
	}
	found, err := r.Members(store.MemberFilter{Person: id, States: everyState})
	if err != nil {
		return memberView{}, err
	}
	for i := range found {
		if found[i].ID == id {
			return viewMember(&found[i]), nil
		}
	}
	return memberView{}, workspace.ErrNotFound
}

func listMembers(x *exchange) (*reply, error) {
	f := store.MemberFilter{}
	if s := x.query.Get("state"); s != "" {
		f.States = []workspace.MemberState{workspace.MemberState(s)}
	}
	if s := x.query.Get("role"); s != "" {
		role, err := workspace.ParseRole(s)
		if err != nil {
			return nil, invalid(header("role", err.Error(), "use owner, admin or member"))
		}
		f.Role = role
	}
	if x.query.Get("no_path") == "true" {
		if f.States != nil || f.Role != workspace.RoleNone || x.query.Get("group") != "" {
			return nil, invalid(header("no_path", "it goes without state, role and group", "ask for one of them"))
		}
		var err error
		if f.Unwatched, err = x.h.engine.Directories(x.caller.workspace); err != nil {
			return nil, err
		}
	}
	group := x.query.Get("group")
	return listed(x, func(r *store.Reader, after string, limit int) ([]store.MemberListing, error) {
		if group != "" {
			g, err := r.Group(group)
			if err != nil {
				return nil, err
			}
			f.Group = g.NameKey
		}
		f.After, f.Limit = after, limit
		return r.Members(f)
	}, func(m store.MemberListing) string { return m.ID },
		func(_ *store.Reader, m store.MemberListing) (memberView, error) { return viewMember(&m), nil })
}

// lookupBody asks for a member by address: addresses do not stand in URLs,
// which are logged on the way (ASVS 14.2.1).
type lookupBody struct {
	Email string `json:"email" required:"true" max:"320"`
}

func lookupMember(x *exchange, b *lookupBody) (*reply, error) {
	return one(x, func(r *store.Reader) (memberView, error) {
		m, err := r.MemberByEmail(foldEmail(b.Email))
		if err != nil {
			return memberView{}, err
		}
		return readMember(r, m.ID)
	})
}

// one answers a read of one thing.
func one[T any](x *exchange, read func(r *store.Reader) (T, error)) (*reply, error) {
	var v T
	err := x.caller.handle.View(x.r.Context(), func(r *store.Reader) (err error) {
		v, err = read(r)
		return err
	})
	if err != nil {
		return nil, err
	}
	return resource(http.StatusOK, v)
}

func getMember(x *exchange) (*reply, error) {
	return one(x, func(r *store.Reader) (memberView, error) { return readMember(r, x.path["id"]) })
}

// getWays tells the ways to a revoke. They are no part of the member: what was
// measured changes with everybody who leaves, and If-Match must not.
func getWays(x *exchange) (*reply, error) {
	return one(x, func(r *store.Reader) (sync.Ways, error) { return x.h.engine.Ways(r, x.caller.workspace, x.path["id"]) })
}

// editMember puts edits of the member in the path before the engine, and
// answers with the member afterwards.
func editMember(x *exchange, edits ...sync.Edit) (*reply, error) {
	id := x.path["id"]
	for i := range edits {
		edits[i].Member = id
	}
	return x.edit(change{
		edits:  edits,
		target: func(r *store.Reader) (any, error) { return readMember(r, id) },
		answer: func(r *store.Reader, _ sync.Result) (*reply, error) {
			m, err := readMember(r, id)
			if err != nil {
				return nil, err
			}
			return resource(http.StatusOK, m)
		},
	})
}

type memberPatch struct {
	Name      *string `json:"name" max:"255" doc:"one's own, or anybody's for Admins and Owners; a directory that states the name wins at its next word"`
	Reason    *string `json:"reason" doc:"business reason"`
	AccessEnd *string `json:"access_end" format:"date-time" doc:"when access ends by itself; empty: it does not"`
	Role      *string `json:"role" enum:"owner,admin,member"`
	RoleUntil *string `json:"role_until" format:"date-time" doc:"until when the role is kept by hand"`
	Note      string  `json:"note" doc:"why; stands in the report"`
}

func patchMember(x *exchange, b *memberPatch) (*reply, error) {
	var edits []sync.Edit
	if b.Name != nil || b.Reason != nil || b.AccessEnd != nil {
		p := &sync.Profile{Name: b.Name, Reason: b.Reason}
		if b.AccessEnd != nil {
			end := moment(*b.AccessEnd)
			p.End = &end
		}
		edits = append(edits, sync.Edit{Kind: sync.EditProfile, Profile: p, Reason: b.Note})
	}
	if b.Role != nil {
		role, err := workspace.ParseRole(*b.Role)
		if err != nil {
			return nil, invalid(header("/role", err.Error(), "use owner, admin or member"))
		}
		e := sync.Edit{Kind: sync.EditRole, Role: role, Reason: b.Note}
		if b.RoleUntil != nil {
			e.Until = moment(*b.RoleUntil)
		}
		edits = append(edits, e)
	} else if b.RoleUntil != nil {
		return nil, invalid(header("/role_until", "it stands without a role", "give role too"))
	}
	if len(edits) == 0 {
		return nil, invalid(header("/", "nothing is to be changed", "give name, reason, access_end or role"))
	}
	return editMember(x, edits...)
}

// moment reads a time that decode has judged already; empty is the zero time.
func moment(text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}
	}
	return t
}

type leaveBody struct {
	Handover string `json:"handover" max:"320" doc:"who takes the numbers: member id or address; else the handover chain finds somebody"`
	Reason   string `json:"reason"`
}

func deactivateMember(x *exchange, b *leaveBody) (*reply, error) {
	return editMember(x, sync.Edit{Kind: sync.EditDeactivate, Handover: b.Handover, Reason: b.Reason})
}

func removeMember(x *exchange, b *leaveBody) (*reply, error) {
	return editMember(x, sync.Edit{Kind: sync.EditRemove, Handover: b.Handover, Reason: b.Reason})
}

type restoreBody struct {
	Reason    string `json:"reason" required:"true" doc:"bringing somebody back whose access was ended is a stated rehire"`
	AccessEnd string `json:"access_end" format:"date-time"`
}

func restoreMember(x *exchange, b *restoreBody) (*reply, error) {
	return editMember(x, sync.Edit{Kind: sync.EditReactivate, Reason: b.Reason, Until: moment(b.AccessEnd)})
}

type noteBody struct {
	Note string `json:"note" doc:"why; stands in the report"`
}

func endSessions(x *exchange, b *noteBody) (*reply, error) {
	return editMember(x, sync.Edit{Kind: sync.EditSessions, Reason: b.Note})
}

func transferOwner(x *exchange, b *noteBody) (*reply, error) {
	return editMember(x, sync.Edit{Kind: sync.EditTransfer, Reason: b.Note})
}
