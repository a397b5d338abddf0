package pull

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/sync/oidc"
	"github.com/rollcall-sync/rollcall/workspace"
)

// checkSample is how many people Check reads whole.
const checkSample = 50

// Check is "test connection": it gets a token, tries every right with a small
// read, and says what will stay invisible (SO6). It writes nothing. An error
// means that nothing could be tested; lacking rights stand in the probe.
func (s *Source) Check(ctx context.Context) (sync.Probe, error) {
	c := &checkup{Source: s, probe: sync.Probe{Server: s.server()}}
	t, err := s.api.tokens.Token(ctx)
	if err != nil {
		return c.probe, err
	}
	c.grant("get a token", true, strings.TrimSpace(s.dir.Auth.Method+" "+strings.TrimPrefix(s.dir.Auth.TokenEndpoint, "https://")))
	c.scopes(t.Scopes())
	if c.probe.Tenant, err = s.pinned(ctx, ""); err != nil {
		if err := c.refused("see the tenant", "", err); err != nil {
			return c.probe, err
		}
	}
	if err := c.people(ctx); err != nil {
		return c.probe, err
	}
	if err := c.groups(ctx); err != nil {
		return c.probe, err
	}
	return c.probe, s.provider.check(ctx, c)
}

type checkup struct {
	*Source
	probe sync.Probe
}

func (c *checkup) grant(need string, granted bool, why string) {
	c.probe.Rights = append(c.probe.Rights, sync.Right{Need: need, Granted: granted, Why: why})
}

// lacking notes a right that is not there, with how to give it.
func (c *checkup) lacking(need, why, remedy string, optional bool) {
	c.probe.Rights = append(c.probe.Rights, sync.Right{Need: need, Why: why, Remedy: remedy, Optional: optional})
}

func (c *checkup) warnf(format string, args ...any) {
	c.probe.Warnings = append(c.probe.Warnings, fmt.Sprintf(format, args...))
}

// scopes compares what was granted with what was asked for. Graph's token
// does not say.
func (c *checkup) scopes(got []string, known bool) {
	if !known || c.dir.Kind == oidc.Graph {
		return
	}
	for _, want := range c.dir.Auth.Scopes {
		if !slices.Contains(got, want) {
			c.lacking("the scope "+want, "the token does not hold it", "grant the application this scope", want == "okta.logs.read")
		}
	}
}

// refused notes an answer as a lacking right; what is no answer ends the
// check.
func (c *checkup) refused(need, remedy string, err error) error {
	var incomplete *sync.IncompleteError
	var scope *sync.ScopeError
	switch {
	case errors.As(err, &scope):
		c.lacking(need, "refused", "grant "+scope.Need, false)
		return nil
	case errors.As(err, &incomplete):
		c.lacking(need, incomplete.Why, remedy, false)
		return nil
	}
	return err
}

// errEnough ends a read that has seen enough.
var errEnough = errors.New("enough")

// people reads a sample.
func (c *checkup) people(ctx context.Context) error {
	tally := &sample{have: map[string]int{}}
	r := c.newReader(tally, sync.Cursor{})
	if err := c.provider.mark(ctx, &position{}); err != nil {
		return c.refused("read what changed", "", err)
	}
	_, err := c.provider.people(ctx, r)
	if err == nil {
		err = r.flush(ctx)
	}
	if errors.Is(err, errEnough) {
		err = nil
	}
	if err != nil {
		return c.refused("list people", "", err)
	}
	c.probe.People = tally.people
	if tally.people == 0 {
		c.lacking("list people", "nobody is visible, as without a right", "grant "+kinds[c.dir.Kind].users, false)
		return nil
	}
	more := ""
	if tally.cut {
		more = " and more"
	}
	c.grant("list people", true, fmt.Sprintf("%d%s", tally.people, more))
	flag := kinds[c.dir.Kind].flag
	if tally.hidden > 0 {
		c.lacking("read "+flag, fmt.Sprintf("%d of %d people do not show it (OD1)", tally.hidden, tally.people), "grant "+kinds[c.dir.Kind].users, false)
	} else {
		c.grant("read "+flag, true, "it says who is disabled")
	}
	var without []string
	for _, f := range c.schema.fields {
		if tally.have[f.name] == 0 {
			without = append(without, fmt.Sprintf("%s (%s)", f.name, strings.Join(f.texts, " or ")))
		}
	}
	if len(without) > 0 {
		c.warnf("none of the first %d people shows %s", tally.people, strings.Join(without, ", "))
	}
	if c.opt.Sentinel == "" {
		c.warnf("no sentinel: set it to the id or login name of a person who must always be visible, so that a lost right is told from an emptied directory (RD5)")
	}
	return nil
}

// groups tries the groups that the mapping names.
func (c *checkup) groups(ctx context.Context) error {
	if c.dir.Groups == oidc.GroupsNone {
		c.warnf("groups: none is set: no group is read")
		return nil
	}
	api, r := c.provider.groups(), c.newReader(&sample{}, sync.Cursor{})
	missing := []string{}
	for _, name := range c.opt.Mapped {
		found := false
		err := c.find(ctx, api, r, name, func(workspace.DirectoryGroup) error {
			found = true
			return nil
		})
		if err != nil {
			return c.refused("read groups", "grant "+kinds[c.dir.Kind].groups, err)
		}
		if found {
			c.probe.Groups++
			continue
		}
		missing = append(missing, name.label())
	}
	if len(c.opt.Mapped) == 0 {
		err := api.all(ctx, r, func(workspace.DirectoryGroup) error {
			c.probe.Groups++
			return nil
		})
		if err != nil {
			return c.refused("read groups", "grant "+kinds[c.dir.Kind].groups, err)
		}
	}
	c.grant("read groups", true, fmt.Sprintf("%d found", c.probe.Groups))
	slices.Sort(missing)
	for _, name := range missing {
		c.warnf("the mapping names group %s, which is not there", name)
	}
	return nil
}

// find looks for one mapped group.
func (c *checkup) find(ctx context.Context, api groupAPI, r *reader, m Group, each func(workspace.DirectoryGroup) error) error {
	if m.ID != "" && safeID(m.ID) {
		x, err := api.one(ctx, r, normalID(m.ID))
		if err == nil {
			return each(x)
		}
		if !m.none(err) {
			return err
		}
	}
	if m.Name == "" {
		return nil
	}
	return api.named(ctx, r, m.Name, func(x workspace.DirectoryGroup) error {
		if !m.names(&x) {
			return nil
		}
		return each(x)
	})
}

func (m Group) label() string {
	if m.Name != "" {
		return m.Name
	}
	return m.ID
}

// sample is a sink that counts, and ends the read when it has seen enough.
type sample struct {
	people, hidden int
	cut            bool
	have           map[string]int
}

func (s *sample) Page(_ context.Context, p sync.Page, _ sync.Cursor) error {
	for i := range p.Identities {
		x := &p.Identities[i]
		s.people++
		if p.Partial[x.ExternalID] {
			s.hidden++
		}
		for name, v := range x.Attributes {
			if len(v) > 0 {
				s.have[name]++
			}
		}
	}
	if s.people >= checkSample {
		s.cut = true
		return errEnough
	}
	return nil
}

func (s *sample) Done(context.Context, sync.Proof) error { return nil }

// check of Graph: what it sees beyond the lists.
func (g *graph) check(_ context.Context, c *checkup) error {
	if c.probe.Tenant == "" {
		c.warnf("the tenant's id is not readable: the issuer's address alone names the tenant (RD8)")
	}
	return nil
}

func (o *okta) check(ctx context.Context, c *checkup) error {
	var at position
	if err := o.mark(ctx, &at); err != nil {
		return c.refused("see the server's time", "", err)
	}
	r := c.newReader(&sample{}, sync.Cursor{})
	err := o.deletions(ctx, r, oktaTime(at.Time.Add(-time.Minute)), at.Time)
	var scope *sync.ScopeError
	switch {
	case errors.As(err, &scope):
		c.lacking("read the System Log", "deletions show as absence in the nightly full read only", "grant "+oktaReadLogs, true)
		return nil
	case err != nil:
		return err
	}
	c.grant("read the System Log", true, "deletions show at once")
	return nil
}

func (g *googleDir) check(_ context.Context, c *checkup) error {
	c.warnf("this API tells no changes: every poll reads everybody; every 15 minutes is often enough")
	return nil
}

func (k *keycloak) check(_ context.Context, c *checkup) error {
	c.warnf("this API tells no changes: every poll reads everybody; deletions show as absence")
	return nil
}

func (p *scimPull) check(ctx context.Context, c *checkup) error {
	if err := p.configuration(ctx); err != nil {
		return err
	}
	if !p.cursor.Load() {
		c.warnf("the server does not page by cursor (RFC 9865): a list that moves while it is read is read again")
	}
	if !p.filter.Load() {
		c.warnf("the server does not filter: every poll reads everybody")
	}
	c.warnf("this protocol keeps no tombstones: deletions show as absence, which the look at all ids finds")
	return nil
}
