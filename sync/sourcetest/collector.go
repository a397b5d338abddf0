// Package sourcetest is the suite that every sync.Source must pass (sources
// section 7): whole reads, resume, cancel, replay, repeats, emptiness, lost
// rights. It also has the sink with which a source's own tests look at what
// was stated.
package sourcetest

import (
	"context"
	"errors"
	"maps"
	"slices"
	stdsync "sync"

	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/workspace"
)

// Limits of a page (SO4), with what other lists may hold.
const (
	maxPeople  = 1_000
	maxMembers = 20_000
)

// Collector is a sink that keeps what it is given, last mention first, like
// the engine's staging (CU1). It is safe for concurrent use.
type Collector struct {
	// OnPage, if set, runs for each page before it is kept; its error is the
	// sink's.
	OnPage func(n int, p sync.Page) error
	// OnDone, if set, gives the answer to Done.
	OnDone func() error

	mu        stdsync.Mutex
	people    map[string]workspace.Identity
	partial   map[string]bool
	groups    map[string]workspace.DirectoryGroup
	members   map[string]map[sync.MemberRef]bool
	complete  map[string]bool
	present   map[string]bool
	gone      map[string]sync.Gone
	resume    sync.Cursor
	pages     int
	proofs    []sync.Proof
	afterDone bool
	oversize  bool
}

var errAfterDone = errors.New("a page after Done")

// Page keeps a page.
func (c *Collector) Page(ctx context.Context, p sync.Page, resume sync.Cursor) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.proofs) > 0 {
		c.afterDone = true
		return errAfterDone
	}
	c.pages++
	if c.OnPage != nil {
		if err := c.OnPage(c.pages, p); err != nil {
			return err
		}
	}
	c.init()
	members := 0
	for _, id := range p.Identities {
		c.people[id.ExternalID] = id
		delete(c.partial, id.ExternalID)
		if p.Partial[id.ExternalID] {
			c.partial[id.ExternalID] = true
		}
		delete(c.gone, id.ExternalID)
	}
	for _, g := range p.Groups {
		c.groups[g.ExternalID] = g
	}
	for _, m := range p.Members {
		members += len(m.Add)
		if c.members[m.Group] == nil {
			c.members[m.Group] = map[sync.MemberRef]bool{}
		}
		for _, ref := range m.Add {
			c.members[m.Group][ref] = true
		}
		for _, ref := range m.Remove {
			delete(c.members[m.Group], ref)
		}
		c.complete[m.Group] = m.Complete
	}
	for _, id := range p.Present {
		c.present[id] = true
	}
	for _, g := range p.Gone {
		c.gone[g.ID] = g
	}
	c.oversize = c.oversize || len(p.Identities) > maxPeople || members > maxMembers
	c.resume = resume
	return nil
}

func (c *Collector) init() {
	if c.people != nil {
		return
	}
	c.people, c.partial = map[string]workspace.Identity{}, map[string]bool{}
	c.groups, c.members = map[string]workspace.DirectoryGroup{}, map[string]map[sync.MemberRef]bool{}
	c.complete, c.present, c.gone = map[string]bool{}, map[string]bool{}, map[string]sync.Gone{}
}

// Done keeps the proof.
func (c *Collector) Done(_ context.Context, p sync.Proof) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.init()
	c.proofs = append(c.proofs, p)
	if c.OnDone != nil {
		return c.OnDone()
	}
	return nil
}

// Proofs are the proofs given, one after a whole read.
func (c *Collector) Proofs() []sync.Proof {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.proofs)
}

// Whole reports whether the read was proved whole.
func (c *Collector) Whole() bool { return len(c.Proofs()) == 1 }

// People are the identities stated, by id.
func (c *Collector) People() map[string]workspace.Identity {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.people)
}

// Partial reports whether a person's last mention was partial.
func (c *Collector) Partial(id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.partial[id]
}

// Groups are the groups stated, by id.
func (c *Collector) Groups() map[string]workspace.DirectoryGroup {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.groups)
}

// Members are the references stated for a group, and whether they are all.
func (c *Collector) Members(group string) (refs map[sync.MemberRef]bool, complete bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.members[group]), c.complete[group]
}

// Present are the ids that were stated as being there.
func (c *Collector) Present() map[string]bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.present)
}

// Gone are those stated as gone and not mentioned after.
func (c *Collector) Gone() map[string]sync.Gone {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.gone)
}

// Resume is the cursor after the last page.
func (c *Collector) Resume() sync.Cursor {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.resume
}

// Pages counts the pages given.
func (c *Collector) Pages() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pages
}

// ByUserName finds a person by user name.
func (c *Collector) ByUserName(name string) (workspace.Identity, bool) {
	for _, id := range c.People() {
		if id.UserName == name {
			return id, true
		}
	}
	return workspace.Identity{}, false
}

// ByGroupName finds a group by name.
func (c *Collector) ByGroupName(name string) (workspace.DirectoryGroup, bool) {
	for _, g := range c.Groups() {
		if g.Name == name {
			return g, true
		}
	}
	return workspace.DirectoryGroup{}, false
}
