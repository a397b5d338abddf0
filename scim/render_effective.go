package scim

import "strconv"

// inForce appends a Rollcall attribute of the read view, or an input that shows
// what is in force instead of what was wished. False leaves it to the document.
func (r *renderer) inForce(ext *Schema, a *Attribute, stated map[string]any) bool {
	e := r.res.Effective
	switch a.Name {
	case "role":
		// Shown only if this connection stated it, else a PUT of what was read
		// would freeze it. An Owner's role is not shown: sent back, it would be
		// a wish that no directory may have (M13).
		if !a.writable() || stated["role"] == nil || e.Role == "" {
			return false
		}
		if e.Role != "Owner" {
			r.text(a.Name, e.Role)
		}
	case "effectiveRole":
		r.text(a.Name, e.Role)
	case "roleSource":
		r.text(a.Name, e.RoleSource)
	case "state":
		r.text(a.Name, e.State)
	case "memberId":
		r.text(a.Name, e.MemberID)
	case "lastActive":
		r.instant(a.Name, e.LastActive)
	case "numberAssignments":
		r.numberAssignments(ext, a, e.Numbers)
	case "holds":
		r.holds(ext, a, e.Holds)
	case "kind":
		r.text(a.Name, e.Kind)
	case "workspaceGroup":
		r.text(a.Name, e.WorkspaceGroup)
	case "ringStrategy":
		r.text(a.Name, e.RingStrategy)
	default:
		return false
	}
	return true
}

// numberAssignments appends the numbers in force.
func (r *renderer) numberAssignments(ext *Schema, a *Attribute, list []NumberAssignment) {
	r.objects(ext, a, len(list), func(i int, sub string) {
		n := &list[i]
		switch sub {
		case "number":
			r.text(sub, n.Number)
		case "access":
			r.text(sub, n.Access)
		case "owner":
			r.key(sub)
			r.b = strconv.AppendBool(r.b, n.Owner)
		case "ringPosition":
			if n.RingPosition > 0 {
				r.key(sub)
				r.b = strconv.AppendInt(r.b, int64(n.RingPosition), 10)
			}
		case "source":
			r.text(sub, n.Source)
		}
	})
}

// objects appends a list of n objects, none if it is empty; value appends the
// sub-attribute with this name of entry i.
func (r *renderer) objects(ext *Schema, a *Attribute, n int, value func(i int, sub string)) {
	if n == 0 {
		return
	}
	r.key(a.Name)
	r.b = append(r.b, '[')
	for i := range n {
		r.open(i)
		for j := range a.Sub {
			if sub := &a.Sub[j]; r.p.sub(ext, a, sub) {
				value(i, sub.Name)
			}
		}
		r.b = append(r.b, '}')
	}
	r.b = append(r.b, ']')
}

// open begins entry i of a list of objects.
func (r *renderer) open(i int) {
	if i > 0 {
		r.b = append(r.b, ',')
	}
	r.b = append(r.b, '{')
}

// holds appends the wishes that wait.
func (r *renderer) holds(ext *Schema, a *Attribute, list []HeldWish) {
	r.objects(ext, a, len(list), func(i int, sub string) {
		h := &list[i]
		switch sub {
		case "id":
			r.text(sub, h.ID)
		case "attribute":
			r.text(sub, h.Attribute)
		case "wanted":
			r.text(sub, h.Wanted)
		case "rule":
			r.text(sub, h.Rule)
		case "since":
			r.instant(sub, h.Since)
		case "remedy":
			r.text(sub, h.Remedy)
		}
	})
}

// groups appends the groups of a User.
func (r *renderer) groups(a *Attribute) {
	if len(r.res.Groups) == 0 {
		return
	}
	r.key(a.Name)
	r.b = append(r.b, '[')
	for i, g := range r.res.Groups {
		kind := "direct"
		if g.Indirect {
			kind = "indirect"
		}
		r.open(i)
		r.reference(a, g.ID, g.Location, g.Display, kind)
		r.b = append(r.b, '}')
	}
	r.b = append(r.b, ']')
}

// members streams the members of a Group.
func (r *renderer) members(a *Attribute) {
	if r.res.Members == nil {
		return
	}
	start := len(r.b)
	r.key(a.Name)
	r.b = append(r.b, '[')
	i := 0
	for m, err := range r.res.Members {
		if err != nil {
			r.err = err
			return
		}
		r.flush()
		r.open(i)
		r.reference(a, m.ID, m.Location, m.Display, m.Type)
		r.b = append(r.b, '}')
		i++
	}
	if i == 0 {
		r.b = r.b[:start] // An empty list is unassigned (RFC 7643 section 2.5).
		return
	}
	r.b = append(r.b, ']')
}

// reference appends the sub-attributes of a reference to another resource.
func (r *renderer) reference(a *Attribute, id, location, display, kind string) {
	for i := range a.Sub {
		sub := &a.Sub[i]
		if !r.p.sub(nil, a, sub) || sub.Hidden && !r.res.Full {
			continue
		}
		switch sub.Name {
		case "value":
			r.text(sub.Name, id)
		case "$ref":
			r.text(sub.Name, location)
		case "display":
			r.text(sub.Name, display)
		case "type":
			r.text(sub.Name, kind)
		}
	}
}
