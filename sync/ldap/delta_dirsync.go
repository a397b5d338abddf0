package ldap

import (
	"context"
	"fmt"
	"strings"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/rollcall-sync/rollcall/internal/dn"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/workspace"
)

// objectSecurity lets an account without replication rights use DirSync: it
// sees what it may read anyway (MS-ADTS 3.1.1.3.4.1.3).
const objectSecurity = 1

// dirSync reads Active Directory's changes by its DirSync control, on request
// only (LD3). Entries carry changed attributes; the base must be the naming
// context.
func (p *peopleRead) dirSync(ctx context.Context, at position, next *position) error {
	attrs := append([]string{"name", "parentGUID", "isDeleted"}, p.plan.ask...)
	cookie, err := p.dirSyncPages(ctx, at.Cookie, attrs, func(e *goldap.Entry) error { return p.changed(ctx, e) })
	if err != nil {
		return err
	}
	next.Cookie = cookie
	return p.flush(ctx)
}

// dirSyncStart walks to the present and gives its cookie: only ids are asked
// for, nothing is kept.
func (r *reader) dirSyncStart(ctx context.Context) ([]byte, error) {
	return r.dirSyncPages(ctx, nil, []string{r.plan.id.attr}, func(*goldap.Entry) error { return nil })
}

// dirSyncPages asks until the server says that there is no more.
func (r *reader) dirSyncPages(ctx context.Context, cookie []byte, attrs []string, take func(*goldap.Entry) error) ([]byte, error) {
	for {
		if r.pages++; r.pages > maxPages {
			return nil, &sync.IncompleteError{Why: fmt.Sprintf("reading changes: more than %d pages (RD9)", maxPages)}
		}
		r.observed = workspace.At(r.now())
		var end *goldap.ControlDirSync
		var own error
		req := goldap.NewSearchRequest(r.l.root.suffix, goldap.ScopeWholeSubtree, goldap.NeverDerefAliases, 0, 0, false,
			// A tombstone has lost what the filter tests.
			"(|"+r.plan.people+"(isDeleted=TRUE))", attrs, []goldap.Control{goldap.NewRequestControlDirSync(objectSecurity, pageBytes, cookie)})
		err := r.l.stream(ctx, req, func(it item) error {
			for _, c := range it.controls {
				if d, ok := c.(*goldap.ControlDirSync); ok {
					end = d
				}
			}
			if it.entry == nil {
				return nil
			}
			if r.entries++; r.entries > maxEntries {
				own = &sync.IncompleteError{Why: fmt.Sprintf("reading changes: more than %d entries (RD9)", maxEntries)}
				return own
			}
			own = take(it.entry)
			return own
		})
		if own != nil {
			return nil, own
		}
		if err != nil {
			return nil, dirSyncError(err)
		}
		if end == nil || len(end.Cookie) == 0 {
			return nil, &sync.IncompleteError{Why: "reading changes: the answer has no DirSync control (RD1)"}
		}
		cookie = end.Cookie
		if end.Flags == 0 {
			return cookie, nil
		}
	}
}

// dirSyncError: 12 is a cookie that the server does not take, 50 a lacking
// right, both in this control's own way.
func dirSyncError(err error) error {
	switch c, _ := code(err); c {
	case goldap.LDAPResultUnavailableCriticalExtension, goldap.LDAPResultProtocolError:
		return fmt.Errorf("%w: the server does not take the DirSync cookie (code %d)", sync.ErrCursorGone, c)
	case goldap.LDAPResultInsufficientAccessRights:
		return &sync.ScopeError{Need: "Replicating Directory Changes, or delta: usn"}
	}
	return readError("reading changes", err)
}

// changed takes one entry with what changed of it. An attribute that came
// empty was removed; one that did not come is unknown (LM8).
func (p *peopleRead) changed(ctx context.Context, e *goldap.Entry) error {
	id, err := p.bare(e)
	if err != nil {
		return &sync.IncompleteError{Why: fmt.Sprintf("%s shows no readable %s", e.DN, p.plan.id.attr)}
	}
	if strings.EqualFold(e.GetEqualFoldAttributeValue("isDeleted"), "true") {
		p.out.Gone = append(p.out.Gone, sync.Gone{ID: id.ExternalID, Why: "deleted", At: p.now()})
		return p.roomForChanges(ctx)
	}
	if name, err := dn.Parse(e.DN); err != nil || !name.Under(p.people) {
		return p.leftBase(e)
	}
	id.Attributes = workspace.Attributes{}
	for i := range p.plan.fields {
		p.plan.fields[i].change(&id, e)
	}
	p.plan.expiry(&id, e, false)
	if raw, ok := values(e, expiry[AD][0]); ok && len(raw) == 0 {
		id.Attributes["accountExpires"] = []string{}
	}
	active, known := p.plan.active(e)
	if p.plan.disabled.Attr != "" {
		_, known = values(e, p.plan.disabled.Attr)
	}
	settle(&id, active, known, p.now())
	if p.out.Partial == nil {
		p.out.Partial = map[string]bool{}
	}
	p.out.Partial[id.ExternalID] = true
	p.out.Identities = append(p.out.Identities, id)
	return p.roomForChanges(ctx)
}

// change writes an attribute that changed. Of an attribute with several
// sources only the first one's new value decides; when that was removed the
// others are not in sight, so it is unknown until the next whole read.
func (f *field) change(id *workspace.Identity, e *goldap.Entry) {
	raw, present := values(e, f.from[0])
	if !present {
		return
	}
	text, ok := f.texts(raw)
	switch {
	case len(text) > 0:
		id.Attributes[f.name] = text
	case ok && len(f.from) == 1:
		id.Attributes[f.name] = []string{}
	}
}

func (p *peopleRead) roomForChanges(ctx context.Context) error {
	if len(p.out.Identities)+len(p.out.Gone) >= pagePeople {
		return p.flush(ctx)
	}
	return nil
}
