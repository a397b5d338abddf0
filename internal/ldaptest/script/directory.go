package script

import (
	"slices"
	"strconv"
	"strings"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"
)

// Entry is an entry of a scripted directory.
type Entry struct {
	DN    string
	Attrs map[string][]string
}

// Directory answers searches like an ordinary server: base reads, paged
// subtree searches, simple filters. Handlers call it for whatever they do not
// fake.
type Directory struct {
	Root    map[string][]string
	Entries []Entry
}

// Answer answers a search.
func (d *Directory) Answer(c *Conn, r *Request) {
	if r.Base == "" && r.Scope == goldap.ScopeBaseObject {
		c.Entry(r, "", d.Root)
		c.Done(r, 0)
		return
	}
	found, exists := d.Find(r)
	if !exists {
		c.Done(r, goldap.LDAPResultNoSuchObject)
		return
	}
	if r.Paging == 0 {
		for _, e := range found {
			c.Entry(r, e.DN, e.pick(r.Attrs))
		}
		c.Done(r, 0)
		return
	}
	from := 0
	if r.Cookie != "" {
		n, err := strconv.Atoi(r.Cookie)
		if err != nil || n > len(found) {
			c.Done(r, goldap.LDAPResultUnwillingToPerform)
			return
		}
		from = n
	}
	to := min(len(found), from+int(r.Paging))
	for _, e := range found[from:to] {
		c.Entry(r, e.DN, e.pick(r.Attrs))
	}
	next := ""
	if to < len(found) {
		next = strconv.Itoa(to)
	}
	c.Done(r, 0, Paging(next))
}

// Find gives the entries that a search matches; false when the base does not
// exist.
func (d *Directory) Find(r *Request) (found []Entry, exists bool) {
	base := strings.ToLower(r.Base)
	for _, e := range d.Entries {
		name := strings.ToLower(e.DN)
		same := name == base
		exists = exists || same
		if !same && (r.Scope == goldap.ScopeBaseObject || !strings.HasSuffix(name, ","+base)) {
			continue
		}
		if matches(r.filter, e) {
			found = append(found, e)
		}
	}
	return found, exists
}

// pick gives the attributes asked for, those with options included (RFC 4512
// section 2.5.2).
func (e Entry) pick(names []string) map[string][]string {
	out := map[string][]string{}
	for k, v := range e.Attrs {
		plain, _, _ := strings.Cut(k, ";")
		if slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, plain) }) {
			out[k] = v
		}
	}
	return out
}

func (e Entry) values(name string) []string {
	for k, v := range e.Attrs {
		if strings.EqualFold(k, name) {
			return v
		}
	}
	return nil
}

func matches(f *ber.Packet, e Entry) bool {
	any := func(test func(v string) bool) bool {
		return slices.ContainsFunc(e.values(f.Children[0].Data.String()), test)
	}
	switch f.Tag {
	case goldap.FilterAnd:
		return !slices.ContainsFunc(f.Children, func(c *ber.Packet) bool { return !matches(c, e) })
	case goldap.FilterOr:
		return slices.ContainsFunc(f.Children, func(c *ber.Packet) bool { return matches(c, e) })
	case goldap.FilterNot:
		return !matches(f.Children[0], e)
	case goldap.FilterPresent:
		return strings.EqualFold(f.Data.String(), "objectClass") || len(e.values(f.Data.String())) > 0
	case goldap.FilterEqualityMatch:
		return any(func(v string) bool { return strings.EqualFold(v, f.Children[1].Data.String()) })
	case goldap.FilterGreaterOrEqual:
		return any(func(v string) bool { return atLeast(v, f.Children[1].Data.String()) })
	}
	return false
}

// atLeast compares numbers as numbers and all else as text.
func atLeast(v, want string) bool {
	a, errA := strconv.ParseInt(v, 10, 64)
	b, errB := strconv.ParseInt(want, 10, 64)
	if errA == nil && errB == nil {
		return a >= b
	}
	return v >= want
}
