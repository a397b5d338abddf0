package scim

import (
	"encoding/json"
	"io"
	"iter"
	"strconv"
	"time"
)

// Meta is what Rollcall itself says about a resource (RFC 7643 section 3.1).
type Meta struct {
	Created, LastModified time.Time
	// Location is the absolute URL; empty leaves it out.
	Location string
	// Version is the number in the weak ETag; 0 leaves it out.
	Version int64
}

// ETag returns the entity tag W/"n" of a version.
func ETag(version int64) string { return `W/"` + strconv.FormatInt(version, 10) + `"` }

// NumberAssignment is one number in force.
type NumberAssignment struct {
	Number, Access string
	Owner          bool
	RingPosition   int // From 1; 0 leaves it out.
	Source         string
}

// HeldWish is one wish that waits for an approval.
type HeldWish struct {
	ID, Attribute, Wanted, Rule string
	Since                       time.Time
	Remedy                      string
}

// Effective is what is in force for a User or Group, beside what its document
// states. Empty fields are left out of the answer.
type Effective struct {
	// Role in force: Owner, Admin or Member. It is shown in place of the wish.
	Role       string
	RoleSource string
	State      string
	Numbers    []NumberAssignment
	Holds      []HeldWish
	MemberID   string
	LastActive time.Time
	// CoreRole shows Role in the core attribute roles as well (profile okta, if
	// a mapping row reads it).
	CoreRole bool

	// Of a Group.
	Kind, WorkspaceGroup, RingStrategy string
}

// GroupOf is a group of a User.
type GroupOf struct {
	ID, Display, Location string
	Indirect              bool
}

// MemberOf is a member of a Group.
type MemberOf struct {
	ID, Display, Location string
	Type                  string // User or Group.
}

// Resource is everything an answer is made of. Rendering changes none of it.
type Resource struct {
	Type      *ResourceType
	ID        string
	Meta      Meta
	Document  Document
	Effective *Effective // Nil if nothing is known beside the document.
	Groups    []GroupOf  // Of a User.
	// Members streams the members of a Group; nil leaves them out. It is read
	// only if the projection shows members.
	Members iter.Seq2[MemberOf, error]
	// Full shows attributes that are otherwise hidden (profile strict).
	Full bool
}

// renderer appends one resource.
type renderer struct {
	b   []byte
	res *Resource
	p   Projection
	w   io.Writer // Takes what was appended so far, if that is much; may be nil.
	err error
}

// AppendResource appends the JSON body of a resource in a fixed order of keys:
// schemas, id, externalId, the attributes of the core schema, the extensions
// that have a value, meta. An error comes from the members' stream alone.
func AppendResource(dst []byte, res *Resource, p Projection) ([]byte, error) {
	r := renderer{b: dst, res: res, p: p}
	r.resource()
	return r.b, r.err
}

// flushSize is how much is buffered before it is written.
const flushSize = 32 << 10

// flush hands over what was appended so far if there is a writer for it.
func (r *renderer) flush() {
	if r.w == nil || len(r.b) < flushSize || r.err != nil {
		return
	}
	_, r.err = r.w.Write(r.b)
	r.b = r.b[:0]
}

// resource appends the whole object.
func (r *renderer) resource() {
	rt := r.res.Type
	// The list of schemas stands first and depends on what the extensions show.
	extensions, present := r.extensions()
	r.b = append(r.b, `{"schemas":[`...)
	r.b = appendString(r.b, rt.Core.ID)
	for _, urn := range present {
		r.b = appendString(append(r.b, ','), urn)
	}
	r.b = append(r.b, ']')
	r.text("id", r.res.ID)
	if r.p.attribute(nil, externalIDAttribute) {
		r.text("externalId", r.res.Document.ExternalID())
	}
	for i := range rt.Core.Attributes {
		if a := &rt.Core.Attributes[i]; r.p.attribute(nil, a) {
			r.coreAttribute(a)
		}
	}
	r.b = append(r.b, extensions...)
	if r.p.attribute(nil, metaAttribute) {
		r.meta()
	}
	r.b = append(r.b, '}')
}

// extensions renders the extensions, each after a comma, and names those that
// have something to show.
func (r *renderer) extensions() (text []byte, present []string) {
	if len(r.res.Type.Extensions) == 0 {
		return nil, nil
	}
	body := r.b
	r.b = append(make([]byte, 0, 512), ' ')
	for _, ext := range r.res.Type.Extensions {
		if r.extension(ext) {
			present = append(present, ext.ID)
		}
	}
	text, r.b = r.b[1:], body
	return text, present
}

// key appends a comma if one is needed, and the key.
func (r *renderer) key(name string) {
	if c := r.b[len(r.b)-1]; c != '{' {
		r.b = append(r.b, ',')
	}
	r.b = append(r.b, '"')
	r.b = append(append(r.b, name...), '"', ':')
}

// text appends a string member unless it is empty.
func (r *renderer) text(name, value string) {
	if value != "" {
		r.key(name)
		r.b = appendString(r.b, value)
	}
}

// coreAttribute appends one attribute of the core schema.
func (r *renderer) coreAttribute(a *Attribute) {
	switch {
	case a.Name == "groups" && r.res.Type.Name == "User":
		r.groups(a)
	case r.res.Type.isMembers(a):
		r.members(a)
	case a.Name == "roles" && r.coreRole() != "":
		r.key(a.Name)
		r.b = append(r.b, `[{"value":`...)
		r.b = append(appendString(r.b, r.coreRole()), `,"primary":true}]`...)
	default:
		r.attribute(nil, a, r.res.Document[a.Name])
	}
}

// coreRole is the role that the core attribute roles shows. An Owner's is not
// shown: sent back, it would be a wish that no directory may have (M13).
func (r *renderer) coreRole() string {
	if e := r.res.Effective; e != nil && e.CoreRole && e.Role != ownerRole {
		return e.Role
	}
	return ""
}

// attribute appends a value of the document; nothing if there is none.
func (r *renderer) attribute(ext *Schema, a *Attribute, v any) {
	start := len(r.b)
	switch v := v.(type) {
	case nil:
	case map[string]any:
		r.key(a.Name)
		if !r.complex(ext, a, v) {
			r.b = r.b[:start]
		}
	case []any:
		r.key(a.Name)
		r.b = append(r.b, '[')
		empty := len(r.b)
		for _, e := range v {
			before := len(r.b)
			if before > empty {
				r.b = append(r.b, ',')
			}
			if m, ok := e.(map[string]any); !ok {
				r.b = appendValue(r.b, e)
			} else if !r.complex(ext, a, m) {
				r.b = r.b[:before]
			}
		}
		if len(r.b) == empty {
			r.b = r.b[:start]
			return
		}
		r.b = append(r.b, ']')
	default:
		r.key(a.Name)
		r.scalar(v)
	}
}

// scalar appends a value that is neither object nor list.
func (r *renderer) scalar(v any) {
	switch v := v.(type) {
	case string:
		r.b = appendString(r.b, v)
	case bool:
		r.b = strconv.AppendBool(r.b, v)
	case json.Number:
		r.b = append(r.b, v...)
	}
}

// complex appends an object in the order of the table; false if it is empty.
func (r *renderer) complex(ext *Schema, a *Attribute, m map[string]any) bool {
	r.b = append(r.b, '{')
	start := len(r.b)
	for i := range a.Sub {
		sub := &a.Sub[i]
		v := m[sub.Name]
		if v == nil || sub.Hidden && !r.res.Full || !r.p.sub(ext, a, sub) {
			continue
		}
		r.key(sub.Name)
		r.scalar(v)
	}
	r.b = append(r.b, '}')
	return len(r.b) > start+1
}

// extension appends the object of an extension; false if it has nothing to
// show.
func (r *renderer) extension(ext *Schema) bool {
	if r.p.mode == showOnly && !r.p.some[ext] {
		return false
	}
	stated := r.res.Document.container(ext, false)
	effective := r.res.Effective != nil && (ext.ID == URNRollcallUser || ext.ID == URNRollcallGroup)
	if stated == nil && !effective {
		return false
	}
	start := len(r.b)
	r.key(ext.ID)
	r.b = append(r.b, '{')
	empty := len(r.b)
	for i := range ext.Attributes {
		a := &ext.Attributes[i]
		if !r.p.attribute(ext, a) {
			continue
		}
		if effective && r.inForce(ext, a, stated) {
			continue
		}
		if a.writable() {
			r.attribute(ext, a, stated[a.Name])
		}
	}
	if len(r.b) == empty {
		r.b = r.b[:start]
		return false
	}
	r.b = append(r.b, '}')
	return true
}

// meta appends the common attribute meta.
func (r *renderer) meta() {
	r.key(metaAttribute.Name)
	r.b = append(r.b, '{')
	for i := range metaAttribute.Sub {
		sub := &metaAttribute.Sub[i]
		if !r.p.sub(nil, metaAttribute, sub) {
			continue
		}
		switch sub.Name {
		case "resourceType":
			r.text(sub.Name, r.res.Type.Name)
		case "created":
			r.instant(sub.Name, r.res.Meta.Created)
		case "lastModified":
			r.instant(sub.Name, r.res.Meta.LastModified)
		case "location":
			r.text(sub.Name, r.res.Meta.Location)
		case "version":
			if r.res.Meta.Version > 0 {
				r.text(sub.Name, ETag(r.res.Meta.Version))
			}
		}
	}
	r.b = append(r.b, '}')
}

// instant appends a time in UTC, unless it is zero: to the microsecond, as
// filters compare it, so that a time that was read finds its resource.
func (r *renderer) instant(name string, t time.Time) {
	if t.IsZero() {
		return
	}
	layout := "2006-01-02T15:04:05.000000Z"
	if t.Nanosecond()%1_000_000 == 0 {
		layout = "2006-01-02T15:04:05.000Z"
	}
	r.key(name)
	r.b = append(r.b, '"')
	r.b = append(t.UTC().AppendFormat(r.b, layout), '"')
}
