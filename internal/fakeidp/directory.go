package fakeidp

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// Person is somebody in the fake's directory. The zero values of texts are
// "not set".
type Person struct {
	ID                                          string
	UserName, Email, Given, Family, Title, Dept string
	Phone, Type, Manager                        string
	Guest                                       bool
	// Disabled is accountEnabled false, suspended true, SUSPENDED, enabled
	// false or active false, as the API has it.
	Disabled bool
	// Status is Okta's own; "" is ACTIVE or SUSPENDED by Disabled.
	Status   string
	Archived bool // Google

	created, updated time.Time
}

// Member is a member of a group.
type Member struct {
	ID    string
	Group bool // a group, not a person
}

// Group is a group in the fake's directory.
type Group struct {
	ID, Name string
	Members  []Member
	Parent   string // Keycloak: the group that this is a sub-group of

	updated, moved time.Time
}

// event is one change, in order; deltas are made of events.
type event struct {
	seq    int64
	at     time.Time
	id     string
	group  bool
	fields []string // changed properties of a person
	member *Member  // of a group
	left   bool
	gone   bool
}

// Directory is what all fakes serve from. It is safe for concurrent use.
type Directory struct {
	mu      sync.Mutex
	people  map[string]*Person
	groups  map[string]*Group
	deleted map[string]time.Time // people, with the moment
	purged  map[string]time.Time
	ghosts  map[string]*Person // people as they were when they were deleted
	made    int
	seq     int64
	events  []event
	offset  time.Duration
	ids     func(n int, group bool) string
}

func newDirectory(ids func(n int, group bool) string) *Directory {
	return &Directory{people: map[string]*Person{}, groups: map[string]*Group{}, deleted: map[string]time.Time{}, purged: map[string]time.Time{}, ghosts: map[string]*Person{}, ids: ids}
}

// guid makes ids that look like UUIDs.
func guid(n int, group bool) string {
	kind := 1
	if group {
		kind = 2
	}
	return fmt.Sprintf("%08x-0000-4000-8000-%012x", kind, n)
}

// Now is the fake's clock.
func (d *Directory) Now() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.now()
}

func (d *Directory) now() time.Time { return time.Now().Add(d.offset) }

// Wind sets the fake's clock forward.
func (d *Directory) Wind(by time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.offset += by
}

func (d *Directory) note(e event) {
	d.seq++
	e.seq, e.at = d.seq, d.now()
	d.events = append(d.events, e)
}

// Add adds a person and gives the id.
func (d *Directory) Add(p Person) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.made++
	if p.ID == "" {
		p.ID = d.ids(d.made, false)
	}
	p.created, p.updated = d.now(), d.now()
	d.people[p.ID] = &p
	d.note(event{id: p.ID, fields: []string{"*"}})
	return p.ID
}

// Change changes a person; fields are Graph's names of what changed.
func (d *Directory) Change(id string, change func(p *Person), fields ...string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := d.people[id]
	if p == nil {
		return
	}
	change(p)
	p.updated = d.now()
	d.note(event{id: id, fields: fields})
}

// Disable disables a person, or enables again.
func (d *Directory) Disable(id string, off bool) {
	d.Change(id, func(p *Person) { p.Disabled = off }, "accountEnabled")
}

// Delete deletes a person, who leaves all groups.
func (d *Directory) Delete(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.people[id] == nil {
		return
	}
	d.ghosts[id] = d.people[id]
	delete(d.people, id)
	d.deleted[id] = d.now()
	d.note(event{id: id, gone: true})
	for _, g := range d.groups {
		d.leave(g, id)
	}
}

// Restore brings a deleted person back.
func (d *Directory) Restore(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.deleted[id]; !ok {
		return
	}
	delete(d.deleted, id)
	d.people[id] = d.ghosts[id]
	d.people[id].updated = d.now()
	d.note(event{id: id, fields: []string{"*"}})
}

// Deleted tells whether a person lies in the recycle bin.
func (d *Directory) Deleted(id string) bool {
	_, deleted, _ := d.state(id)
	return deleted
}

// ghost gives a deleted person as they were.
func (d *Directory) ghost(id string) (Person, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	p, ok := d.ghosts[id]
	if !ok {
		return Person{}, false
	}
	return *p, true
}

// Purge takes a deleted person out of the recycle bin.
func (d *Directory) Purge(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.deleted[id]; ok {
		delete(d.deleted, id)
		d.purged[id] = d.now()
		d.note(event{id: id, gone: true})
	}
}

// AddGroup adds a group and gives the id.
func (d *Directory) AddGroup(name string, members ...Member) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.made++
	g := &Group{ID: d.ids(d.made, true), Name: name, updated: d.now(), moved: d.now()}
	d.groups[g.ID] = g
	d.note(event{id: g.ID, group: true})
	for _, m := range members {
		d.join(g, m)
	}
	return g.ID
}

// AddSubGroup adds a group within another, as Keycloak has them.
func (d *Directory) AddSubGroup(parent, name string, members ...Member) string {
	id := d.AddGroup(name, members...)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.groups[id].Parent = parent
	return id
}

// RenameGroup gives a group another name.
func (d *Directory) RenameGroup(id, name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if g := d.groups[id]; g != nil {
		g.Name, g.updated = name, d.now()
		d.note(event{id: id, group: true})
	}
}

// DeleteGroup deletes a group.
func (d *Directory) DeleteGroup(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.groups[id] == nil {
		return
	}
	delete(d.groups, id)
	d.note(event{id: id, group: true, gone: true})
	for _, g := range d.groups {
		d.leave(g, id)
	}
}

// Join puts a member into a group.
func (d *Directory) Join(group string, m Member) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if g := d.groups[group]; g != nil {
		d.join(g, m)
	}
}

func (d *Directory) join(g *Group, m Member) {
	if slices.Contains(g.Members, m) {
		return
	}
	g.Members = append(g.Members, m)
	g.moved = d.now()
	d.note(event{id: g.ID, group: true, member: &m})
}

// Leave takes a member out of a group.
func (d *Directory) Leave(group, member string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if g := d.groups[group]; g != nil {
		d.leave(g, member)
	}
}

func (d *Directory) leave(g *Group, member string) {
	at := slices.IndexFunc(g.Members, func(m Member) bool { return m.ID == member })
	if at < 0 {
		return
	}
	m := g.Members[at]
	g.Members = slices.Delete(g.Members, at, at+1)
	g.moved = d.now()
	d.note(event{id: g.ID, group: true, member: &m, left: true})
}

// People gives everybody who is there, by id in order.
func (d *Directory) People() []Person {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.list()
}

func (d *Directory) list() []Person {
	out := make([]Person, 0, len(d.people))
	for _, id := range slices.Sorted(maps.Keys(d.people)) {
		out = append(out, *d.people[id])
	}
	return out
}

// Groups gives all groups, by id in order.
func (d *Directory) Groups() []Group {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []Group
	for _, id := range slices.Sorted(maps.Keys(d.groups)) {
		g := *d.groups[id]
		g.Members = slices.Clone(g.Members)
		out = append(out, g)
	}
	return out
}

// Person gives one person.
func (d *Directory) Person(id string) (Person, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	p, ok := d.people[id]
	if !ok {
		return Person{}, false
	}
	return *p, true
}

// Group gives one group.
func (d *Directory) Group(id string) (Group, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	g, ok := d.groups[id]
	if !ok {
		return Group{}, false
	}
	out := *g
	out.Members = slices.Clone(g.Members)
	return out, true
}

// state tells whether a person is there, deleted (with the moment) or purged.
func (d *Directory) state(id string) (there, deleted bool, at time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, there = d.people[id]
	at, deleted = d.deleted[id]
	return there, deleted, at
}

// since gives the events after a number, and the number of the last.
func (d *Directory) since(seq int64) ([]event, int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []event
	for _, e := range d.events {
		if e.seq > seq {
			out = append(out, e)
		}
	}
	return out, d.seq
}
