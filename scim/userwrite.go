package scim

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/rollcall-sync/rollcall/internal/fold"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/workspace"
)

// createUser answers POST /Users (RFC 7644 section 3.3). A repeated request
// finds the first one: 409 with its location.
func (x *exchange) createUser() error {
	p, err := x.projection(x.link.user)
	if err != nil {
		return err
	}
	body, err := x.body(x.h.userBody)
	if err != nil {
		return err
	}
	d, err := Decode(body, x.link.user, x.link.profile)
	if err != nil {
		return err
	}
	x.note(d.Notes)
	doc := Create(d.Document, x.link.user)
	o := sync.IdentityObservation{Row: x.link.userRow(workspace.Identity{}, doc), Wishes: x.link.wishes(doc, nil, d.Owner)}
	stateLeaving(&o)
	res, err := x.apply(sync.Batch{Identities: []sync.IdentityObservation{o}})
	if err != nil {
		return x.userConflict(doc, err)
	}
	return x.answerAfter(http.StatusCreated, res, p)
}

// stateLeaving marks an identity that is disabled as explicit evidence.
func stateLeaving(o *sync.IdentityObservation) {
	if !o.Row.Active {
		o.Class, o.Why = workspace.EvidenceE1, "disabled"
	}
}

// wishes tells the engine what the request itself asked for. diff is nil for a
// new document. owner says that the request named the role Owner where no
// mapping row reads it: that is refused as well, not dropped (M13).
func (l *link) wishes(doc Document, diff *Diff, owner bool) sync.Wishes {
	stated, direct := false, false
	note := func(path string) {
		input := strings.HasPrefix(path, URNRollcallUser+":")
		stated = stated || input || path == "roles"
		direct = direct || input || path == "roles" && l.readsRole
	}
	if diff == nil {
		inputs, _ := doc[URNRollcallUser].(map[string]any)
		if len(inputs) > 0 {
			note(URNRollcallUser + ":")
		}
		if doc["roles"] != nil {
			note("roles")
		}
	} else {
		for _, c := range diff.Changes {
			note(c.Path)
		}
		for _, path := range diff.Stated {
			note(path)
		}
	}
	if stated && !owner {
		asked := doc.Attributes(l.user)["rollcall.role"]
		owner = len(asked) > 0 && sameName(asked[0], ownerRole)
	}
	return sync.Wishes{Owner: owner, Direct: direct || owner}
}

// answerAfter sends the User that a write left behind, with what is in force
// after the commit.
func (x *exchange) answerAfter(status int, res sync.Result, p Projection) error {
	if len(res.Identities) != 1 || res.Identities[0].ID == "" {
		return errors.New("the engine gave no identity back")
	}
	identity := res.Identities[0]
	var v view
	want := shownViews(p, x.link.user, x.coreRole())
	err := x.link.handle.View(x.r.Context(), func(r *store.Reader) (err error) {
		v, err = loadView(r, []workspace.Identity{identity}, want)
		return err
	})
	if err != nil {
		return err
	}
	return x.answerUser(status, &identity, &v, p)
}

// userConflict turns a taken key into an answer that names the attribute and
// where the other User is.
func (x *exchange) userConflict(doc Document, err error) error {
	var taken *store.ConflictError
	if !errors.As(err, &taken) || taken.Table != "identity" {
		return err
	}
	attribute, value := "userName", doc.UserName()
	if taken.Key == "external" {
		attribute, value = "externalId", doc.ExternalID()
	}
	e := errUniqueness("", "another User of this connection has %s %q. Remedy: match the existing User, or delete it first", attribute, value)
	return x.conflict(e, err, x.link.user, func(r *store.Reader) (string, error) {
		if taken.Key == "external" {
			other, err := r.IdentityByExternal(x.link.connection, value, false)
			return other.ID, err
		}
		other, err := r.IdentityByUser(x.link.connection, fold.Key(value))
		return other.ID, err
	})
}

// conflict says of a taken key where the resource is that has it.
func (x *exchange) conflict(e *Error, cause error, rt *ResourceType, find func(r *store.Reader) (id string, err error)) error {
	var id string
	err := x.link.handle.View(x.r.Context(), func(r *store.Reader) (err error) {
		id, err = find(r)
		return err
	})
	switch {
	case isNotFound(err):
		return e.causedBy(cause) // It has gone meanwhile.
	case err != nil:
		return err
	}
	return e.causedBy(cause).at(x.location(rt, id))
}

// change is what a write makes of a document.
type change struct {
	doc   Document
	diff  Diff
	owner bool // The request named the role Owner.
}

// putUser answers PUT /Users/{id} (RFC 7644 section 3.5.1).
func (x *exchange) putUser() error {
	body, err := x.body(x.h.userBody)
	if err != nil {
		return err
	}
	d, invalid := Decode(body, x.link.user, x.link.profile)
	x.note(d.Notes)
	var leave []Operation
	if x.mayLeave() && LeavingBody(body, x.link.user, x.link.profile) {
		leave = leavingOperations()
	}
	return x.changeUser(func(old Document) (change, error) {
		if invalid != nil {
			return change{}, invalid
		}
		after, _, diff := Put(old, d.Document, x.link.user)
		return change{after, diff, d.Owner}, nil
	}, leave)
}

// patchUser answers PATCH /Users/{id} (RFC 7644 section 3.5.2).
func (x *exchange) patchUser() error {
	body, err := x.body(x.h.userBody)
	if err != nil {
		return err
	}
	ops, notes, invalid := DecodePatch(body, x.link.user, x.link.profile)
	x.note(notes)
	var leave []Operation
	if x.mayLeave() {
		if invalid != nil {
			if ToError(invalid).Status == http.StatusBadRequest {
				leave = leavingPatch(body, x.link.user, x.link.profile)
			}
		} else if _, leaving := Leaving(ops, x.link.user, x.link.profile); leaving {
			leave = leavingOperations()
		}
	}
	owner := asksOwner(ops, x.link.user, x.link.profile)
	return x.changeUser(func(old Document) (change, error) {
		if invalid != nil {
			return change{}, invalid
		}
		after, diff, notes, err := Patch(old, ops, x.link.user, x.link.profile)
		if err == nil {
			x.note(notes)
		}
		if owner && err != nil {
			// The path is readOnly here, but who asks for an Owner shall hear
			// that no directory makes one, and the report shall show it (M13).
			return change{old, Diff{}, true}, nil
		}
		return change{after, diff, owner}, err
	}, leave)
}

// mayLeave reports whether a request that is wrong in part still ends access
// (VW11): not under the profile strict, where what is invalid stays refused.
func (x *exchange) mayLeave() bool { return !x.link.profile.Strict }

// changeUser reads a User, changes its document and gives it to the engine:
// compare-and-swap, again up to three times if another write came between.
// leave, if there is any, is what remains of the request if the whole of it is
// refused: access ends, the rest is dropped and counted (VW11).
func (x *exchange) changeUser(compute func(old Document) (change, error), leave []Operation) error {
	p, err := x.projection(x.link.user)
	if err != nil && leave == nil {
		return err
	}
	release, err := x.h.turns.take(x.r.Context(), x.route.id)
	if err != nil {
		return err
	}
	defer release()
	write := func() error {
		return x.swap(maxTries, func() error { return x.tryChange(compute, p) }, x.userVersion)
	}
	err = write()
	if err == nil || leave == nil || x.begun || errors.Is(err, workspace.ErrStale) || !refusesRequest(err) {
		return err
	}
	x.note(Notes{{Rule: "VW11", Attribute: "active", Count: 1}})
	x.h.log.Warn("a leaver's access ends although the rest of the request is refused (VW11)",
		"txn", x.txn, "workspace", x.link.workspace, "connection", x.link.connection, "status", ToError(err).Status)
	compute = func(old Document) (change, error) {
		after, diff, _, err := Patch(old, leave, x.link.user, x.link.profile)
		return change{doc: after, diff: diff}, err
	}
	return write()
}

// refusesRequest reports whether an error is about what the request says, so
// that less of it may pass.
func refusesRequest(err error) bool {
	switch ToError(err).Status {
	case http.StatusBadRequest, http.StatusConflict, http.StatusRequestEntityTooLarge:
		return true
	}
	return false
}

// userVersion is the version that the User of the request shows now.
func (x *exchange) userVersion() (int64, error) {
	var identity workspace.Identity
	err := x.link.handle.View(x.r.Context(), func(r *store.Reader) (err error) {
		identity, err = x.identity(r, x.route.id)
		return err
	})
	return shownVersion(&identity), err
}

// newerYes reports whether a document that says active once more says something
// new: a signal has stated the record disabled since, or an Owner whose end was
// refused is contained (EV6, CO4).
func newerYes(r *store.Reader, i *workspace.Identity, doc Document) (bool, error) {
	if !doc.Active() || i.Member == "" {
		return false, nil
	}
	m, err := r.Member(i.Member)
	return !i.Active || m.Contained, err
}

// tryChange is one try of changeUser.
func (x *exchange) tryChange(compute func(old Document) (change, error), p Projection) error {
	want := shownViews(p, x.link.user, x.coreRole())
	identity, v, err := x.readUser(x.route.id, views{})
	if err != nil {
		return err
	}
	if err := x.precondition(shownVersion(&identity)); err != nil {
		return err
	}
	old, err := ParseDocument(identity.Document)
	if err != nil {
		return err
	}
	c, err := compute(old)
	if err != nil {
		return err
	}
	wishes := x.link.wishes(c.doc, &c.diff, c.owner)
	unheard := false
	if c.diff.Empty() && !c.owner {
		err := x.link.handle.View(x.r.Context(), func(r *store.Reader) (err error) {
			if unheard, err = newerYes(r, &identity, c.doc); err != nil || unheard {
				return err
			}
			v, err = loadView(r, []workspace.Identity{identity}, want)
			return err
		})
		if err != nil {
			return err
		}
		if !unheard {
			// The same again: no version, no event, no run.
			x.verdict = verdictNoop
			return x.answerUser(http.StatusOK, &identity, &v, p)
		}
	}
	o := sync.IdentityObservation{Row: x.link.userRow(identity, c.doc), Expect: identity.Version, Wishes: wishes}
	if !unheard {
		o.Before = &identity
	}
	if slices.Equal(o.Row.Values, listedValues(old)) {
		o.Row.Values = nil // They are stored as they are.
	}
	stateLeaving(&o)
	res, err := x.apply(sync.Batch{Identities: []sync.IdentityObservation{o}})
	if err != nil {
		return x.userConflict(c.doc, err)
	}
	return x.answerAfter(http.StatusOK, res, p)
}

// deleteUser answers DELETE /Users/{id} (RFC 7644 section 3.6): 204, then 404.
func (x *exchange) deleteUser() error {
	return x.swap(maxTries, func() error {
		identity, _, err := x.readUser(x.route.id, views{})
		if err != nil {
			return err
		}
		if err := x.precondition(shownVersion(&identity)); err != nil {
			return err
		}
		o := sync.IdentityObservation{
			Op: sync.OpDelete, Row: store.IdentityRow{Identity: identity}, Class: workspace.EvidenceE1, Why: "deleted",
		}
		if x.conditional() {
			o.Expect = identity.Version
		}
		if _, err = x.apply(sync.Batch{Identities: []sync.IdentityObservation{o}}); err != nil {
			return x.missing(x.link.user, x.route.id, err)
		}
		return x.empty(0)
	}, x.userVersion)
}
