package api

import (
	"net/http"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/workspace"
)

// groupView is a workspace group. Its members have pages of their own.
type groupView struct {
	ID          string           `json:"id"`
	Name        string           `json:"name"`
	MemberCount int64            `json:"member_count"`
	CreatedAt   workspace.Micros `json:"created_at"`
}

func viewGroup(g *workspace.Group) groupView {
	return groupView{g.ID, g.Name, g.MemberCount, g.CreatedAt}
}

func readGroup(r *store.Reader, id string) (groupView, error) {
	g, err := r.Group(id)
	return viewGroup(&g), err
}

func listGroups(x *exchange) (*reply, error) {
	return listed(x, func(r *store.Reader, after string, limit int) ([]workspace.Group, error) {
		return r.GroupsPage(after, limit)
	},
		func(g workspace.Group) string { return g.NameKey },
		func(_ *store.Reader, g workspace.Group) (groupView, error) { return viewGroup(&g), nil })
}

func getGroup(x *exchange) (*reply, error) {
	return one(x, func(r *store.Reader) (groupView, error) { return readGroup(r, x.path["id"]) })
}

// personView is a member by id and address.
type personView struct {
	ID    string `json:"id"`
	Email string `json:"email"`
	Name  string `json:"name"`
	State string `json:"state" enum:"active,deactivated,removed"`
}

func listGroupMembers(x *exchange) (*reply, error) {
	return listed(x, func(r *store.Reader, after string, limit int) ([]workspace.Member, error) {
		if _, err := r.Group(x.path["id"]); err != nil {
			return nil, err
		}
		return r.GroupMembers(x.path["id"], after, limit)
	}, func(m workspace.Member) string { return m.ID },
		func(_ *store.Reader, m workspace.Member) (personView, error) {
			return personView{m.ID, m.Email, m.Name, string(m.State)}, nil
		})
}

type groupBody struct {
	Name string `json:"name" required:"true" max:"255"`
	Note string `json:"note" doc:"why; stands in the report"`
}

func createGroup(x *exchange, b *groupBody) (*reply, error) {
	return x.edit(change{
		edits: []sync.Edit{{Kind: sync.EditGroupNew, Name: b.Name, Reason: b.Note}},
		answer: func(r *store.Reader, res sync.Result) (*reply, error) {
			g, err := readGroup(r, subjectOf(&res, workspace.GroupCreate))
			if err != nil {
				return nil, err
			}
			return created("/v1/groups/"+g.ID, g)
		},
	})
}

// created answers with a new thing and where it is.
func created(location string, v any) (*reply, error) {
	a, err := resource(http.StatusCreated, v)
	if err == nil {
		a.Header = append(a.Header, [2]string{"Location", location})
	}
	return a, err
}

// editGroup puts an edit of the group in the path before the engine.
func editGroup(x *exchange, e sync.Edit) (*reply, error) {
	id := x.path["id"]
	e.Group = id
	return x.edit(change{
		edits: []sync.Edit{e},
		target: func(r *store.Reader) (any, error) {
			if e.Member != "" {
				if _, err := r.Member(e.Member); err != nil {
					return nil, err
				}
			}
			return readGroup(r, id)
		},
		answer: func(r *store.Reader, _ sync.Result) (*reply, error) {
			if e.Kind == sync.EditGroupDrop {
				return &reply{Status: http.StatusNoContent}, nil
			}
			g, err := readGroup(r, id)
			if err != nil {
				return nil, err
			}
			return resource(http.StatusOK, g)
		},
	})
}

func renameGroup(x *exchange, b *groupBody) (*reply, error) {
	return editGroup(x, sync.Edit{Kind: sync.EditRename, Name: b.Name, Reason: b.Note})
}

func deleteGroup(x *exchange) (*reply, error) {
	return editGroup(x, sync.Edit{Kind: sync.EditGroupDrop})
}

func joinGroup(x *exchange) (*reply, error) {
	return editGroup(x, sync.Edit{Kind: sync.EditJoin, Member: x.path["member"]})
}

func leaveGroup(x *exchange) (*reply, error) {
	return editGroup(x, sync.Edit{Kind: sync.EditLeave, Member: x.path["member"]})
}
