package api

import (
	"errors"
	"net/http"
	"regexp"
	"strings"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/workspace"
)

// numberView is a phone number with who uses it, in ring order.
type numberView struct {
	ID              string           `json:"id"`
	Number          string           `json:"number" doc:"E.164"`
	Name            string           `json:"name" doc:"inbox name"`
	Type            string           `json:"type"`
	Pool            string           `json:"pool"`
	Site            string           `json:"site"`
	State           string           `json:"state" enum:"free,assigned,reserved,quarantined,porting,ported_out"`
	LegalHold       bool             `json:"legal_hold"`
	QuarantineUntil workspace.Micros `json:"quarantine_until"`
	Owners          []ownerView      `json:"owners"`
	Assignments     []assignmentView `json:"assignments" doc:"those who ring first, in ring order"`
}

type ownerView struct {
	ID    string `json:"id"`
	Email string `json:"email"`
}

// assignmentView is one assignee.
type assignmentView struct {
	ID     string           `json:"id" doc:"of the member, group or invitation"`
	To     string           `json:"to" doc:"address, or name of the group"`
	Kind   string           `json:"kind" enum:"member,group,invitation"`
	Access string           `json:"access" enum:"exclusive,shared,view_only"`
	Ring   *int             `json:"ring" doc:"place in the ring order, from 1; null for who does not ring"`
	Notify bool             `json:"notify"`
	Since  workspace.Micros `json:"since"`
}

func viewNumber(r *store.Reader, n *store.NumberListing) (numberView, error) {
	v := numberView{
		ID: n.ID, Number: n.E164, Name: n.Name, Type: n.Type, Pool: n.Pool, Site: n.Site, State: string(n.State), LegalHold: n.LegalHold,
		QuarantineUntil: n.QuarantineUntil, Owners: []ownerView{}, Assignments: []assignmentView{},
	}
	for _, id := range n.Owners {
		m, err := r.Member(id)
		if err != nil {
			return v, err
		}
		v.Owners = append(v.Owners, ownerView{id, m.Email})
	}
	for i, a := range n.Assignments {
		v.Assignments = append(v.Assignments, assignmentView{a.To, n.To[i].To, string(a.Kind), a.Access.String(), ringPlace(a.Ring), a.Notify, a.Since})
	}
	return v, nil
}

// readNumber reads a number by id; inside a unit of work the row is locked.
func readNumber(r *store.Reader, id string) (numberView, error) {
	n, err := r.Number(id)
	if err != nil {
		return numberView{}, err
	}
	found, err := r.Numbers(n.E164, "", 1)
	if err != nil {
		return numberView{}, err
	}
	if len(found) == 0 {
		return numberView{}, workspace.ErrNotFound
	}
	return viewNumber(r, &found[0])
}

func listNumbers(x *exchange) (*reply, error) {
	number := x.query.Get("number")
	// In a query a plus that is not escaped is a blank.
	if rest, blank := strings.CutPrefix(number, " "); blank {
		number = "+" + rest
	}
	if x.query.Has("number") && !e164.MatchString(number) {
		return nil, invalid(header("number", "it is not in E.164 form", "write it as +4722000001"))
	}
	return listed(x, func(r *store.Reader, after string, limit int) ([]store.NumberListing, error) {
		return r.Numbers(number, after, limit)
	}, func(n store.NumberListing) string { return n.E164 },
		func(r *store.Reader, n store.NumberListing) (numberView, error) { return viewNumber(r, &n) })
}

func getNumber(x *exchange) (*reply, error) {
	return one(x, func(r *store.Reader) (numberView, error) { return readNumber(r, x.path["id"]) })
}

// e164 is the form of a number with its country code (ITU-T E.164).
var e164 = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)

type numberBody struct {
	Number string `json:"number" required:"true" max:"16" doc:"E.164"`
	Name   string `json:"name" required:"true" max:"255" doc:"inbox name"`
	Type   string `json:"type" enum:"local,mobile,tollfree"`
	Pool   string `json:"pool" max:"63"`
	Site   string `json:"site" max:"63"`
	Owner  string `json:"owner" max:"320" doc:"member id or address"`
	Note   string `json:"note" doc:"why; stands in the report"`
}

func createNumber(x *exchange, b *numberBody) (*reply, error) {
	if !e164.MatchString(b.Number) {
		return nil, invalid(header("/number", "it is not in E.164 form", "write it as +4722000001"))
	}
	return x.edit(change{
		edits: []sync.Edit{{
			Kind: sync.EditImport, Reason: b.Note,
			Import: &sync.NumberImport{E164: b.Number, Name: b.Name, Type: b.Type, Pool: b.Pool, Site: b.Site, Owner: b.Owner},
		}},
		target: func(r *store.Reader) (any, error) {
			_, err := r.NumberByE164(b.Number)
			if err == nil {
				return nil, &Problem{Status: http.StatusConflict, Code: "conflict", Detail: b.Number + " is in the inventory already.", Remedy: "Change the number that exists."}
			}
			if errors.Is(err, workspace.ErrNotFound) {
				err = nil
			}
			return nil, err
		},
		answer: func(r *store.Reader, res sync.Result) (*reply, error) {
			n, err := readNumber(r, subjectOf(&res, workspace.NumberCreate))
			if err != nil {
				return nil, err
			}
			return created("/v1/numbers/"+n.ID, n)
		},
	})
}

// editNumber puts an edit of the number in the path before the engine, and
// answers with the number afterwards. The assignee in the path has to exist.
func editNumber(x *exchange, e sync.Edit) (*reply, error) {
	id := x.path["id"]
	e.Number = id
	return x.edit(change{
		edits: []sync.Edit{e},
		target: func(r *store.Reader) (any, error) {
			if e.Member != "" {
				if _, err := r.Member(e.Member); err != nil {
					return nil, err
				}
			}
			if e.Group != "" {
				if _, err := r.Group(e.Group); err != nil {
					return nil, err
				}
			}
			return readNumber(r, id)
		},
		answer: func(r *store.Reader, _ sync.Result) (*reply, error) {
			n, err := readNumber(r, id)
			if err != nil {
				return nil, err
			}
			return resource(http.StatusOK, n)
		},
	})
}

type settingsBody struct {
	Name string `json:"name" required:"true" max:"255" doc:"inbox name"`
	Note string `json:"note" doc:"why; stands in the report"`
}

func patchNumber(x *exchange, b *settingsBody) (*reply, error) {
	return editNumber(x, sync.Edit{Kind: sync.EditSettings, Name: b.Name, Reason: b.Note})
}

type accessBody struct {
	Access string `json:"access" required:"true" enum:"exclusive,shared,view_only"`
	Until  string `json:"until" format:"date-time" doc:"until when it is kept by hand"`
	Note   string `json:"note" doc:"why; stands in the report"`
}

func assignMember(x *exchange, b *accessBody) (*reply, error) {
	return assign(x, b, sync.Edit{Member: x.path["member"]})
}

func assignGroup(x *exchange, b *accessBody) (*reply, error) {
	return assign(x, b, sync.Edit{Group: x.path["group"]})
}

func assign(x *exchange, b *accessBody, e sync.Edit) (*reply, error) {
	access, ok := workspace.ParseAccess(b.Access)
	if !ok {
		return nil, invalid(header("/access", "it is no access", "use exclusive, shared or view_only"))
	}
	e.Kind, e.Access, e.Until, e.Reason = sync.EditAssign, access, moment(b.Until), b.Note
	return editNumber(x, e)
}

func unassignMember(x *exchange) (*reply, error) {
	return editNumber(x, sync.Edit{Kind: sync.EditUnassign, Member: x.path["member"]})
}

func unassignGroup(x *exchange) (*reply, error) {
	return editNumber(x, sync.Edit{Kind: sync.EditUnassign, Group: x.path["group"]})
}

type ringBody struct {
	Order []string `json:"order" required:"true" max:"1000" doc:"ids of everybody who rings, first to last"`
	Note  string   `json:"note" doc:"why; stands in the report"`
}

func setRing(x *exchange, b *ringBody) (*reply, error) {
	return editNumber(x, sync.Edit{Kind: sync.EditRing, Order: b.Order, Reason: b.Note})
}

func addOwner(x *exchange) (*reply, error) {
	return editNumber(x, sync.Edit{Kind: sync.EditOwn, Member: x.path["member"]})
}

func dropOwner(x *exchange) (*reply, error) {
	return editNumber(x, sync.Edit{Kind: sync.EditDisown, Member: x.path["member"]})
}
