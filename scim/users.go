package scim

import (
	"net/http"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// getUser answers GET /Users/{id} (RFC 7644 section 3.4.1).
func (x *exchange) getUser() error {
	p, err := x.projection(x.link.user)
	if err != nil {
		return err
	}
	identity, v, err := x.readUser(x.route.id, shownViews(p, x.link.user, x.coreRole()))
	if err != nil {
		return err
	}
	return x.answerUser(http.StatusOK, &identity, &v, p)
}

// coreRole reports whether the core attribute roles shows the role in force.
func (x *exchange) coreRole() bool { return x.link.profile.OktaRoles && x.link.readsRole }

// readUser reads an identity of this connection and what it has in force, on
// one snapshot.
func (x *exchange) readUser(id string, want views) (identity workspace.Identity, v view, err error) {
	err = x.link.handle.View(x.r.Context(), func(r *store.Reader) error {
		if identity, err = x.identity(r, id); err != nil {
			return err
		}
		v, err = loadView(r, []workspace.Identity{identity}, want)
		return err
	})
	return identity, v, err
}

// identity reads an identity of this connection.
func (x *exchange) identity(r *store.Reader, id string) (workspace.Identity, error) {
	identity, err := r.Identity(id)
	if err == nil {
		err = x.link.owns(identity.Connection)
	}
	return identity, x.missing(x.link.user, id, err)
}

// missing names the resource that was not found.
func (x *exchange) missing(rt *ResourceType, id string, err error) error {
	if isNotFound(err) {
		return errNotFound(rt.Name, shorten(id))
	}
	return err
}

// answerUser sends one User.
func (x *exchange) answerUser(status int, identity *workspace.Identity, v *view, p Projection) error {
	res, err := x.userResource(identity, v)
	if err != nil {
		return err
	}
	return x.resource(status, res, p)
}

// userResource makes the resource of an identity.
func (x *exchange) userResource(identity *workspace.Identity, v *view) (*Resource, error) {
	doc, err := ParseDocument(identity.Document)
	if err != nil {
		return nil, err
	}
	res := &Resource{
		Type: x.link.user, ID: identity.ID, Document: doc, Full: x.link.profile.Strict,
		Meta: Meta{
			Created: identity.CreatedAt.Time(), LastModified: identity.UpdatedAt.Time(), Version: shownVersion(identity),
			Location: x.location(x.link.user, identity.ID),
		},
		Groups: x.groupsOf(v.Groups[identity.ID]),
	}
	if v.Members != nil {
		// Shown only if this connection stated roles, else a PUT of what was read
		// would freeze the role.
		res.Effective = v.effective(identity, x.coreRole() && doc["roles"] != nil)
	}
	return res, nil
}

// listUsers answers GET /Users (RFC 7644 section 3.4.2) and a search by POST.
func (x *exchange) listUsers() error { return x.search(userSource{x}) }

// shownVersion is the version of a User on the wire. It moves with the record
// and with what is in force or waits beside it, but not with groups (scim
// section 4.6).
func shownVersion(i *workspace.Identity) int64 { return i.Version + i.Moved }
